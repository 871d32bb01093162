"""The settings of ``bench``; what is measured is in ``UpscaleSettings``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from animesr_cli.settings.limits import MAX_COUNT
from animesr_cli.settings.option import Option


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """How much is measured."""

    frames: Annotated[int, Option("Frames of each end-to-end run.", least=2, most=MAX_COUNT)] = 30
    repeats: Annotated[int, Option("Runs of each kind, side by side.", least=1)] = 3
