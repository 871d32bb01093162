"""The settings of ``evaluate``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from animesr_cli.settings.option import Option
from animesr_cli.settings.upscale import FRAMES


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """What is measured of two videos, and how much of it is shown."""

    crop: Annotated[int, Option("Leave out this many pixels at each side.", least=0)] = 0
    frames: Annotated[int | None, replace(FRAMES, panel="")] = None
    per_frame: Annotated[bool, Option("A line for each frame.")] = False
