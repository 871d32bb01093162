"""The settings of ``degrade``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from animesr_cli.settings.option import Option
from animesr_cli.settings.upscale import DEVICE, LBO, OVERWRITE


@dataclass(frozen=True, kw_only=True)
class DegradeSettings:
    """Everything of ``animesr degrade`` that is not the name of a video."""

    seed: Annotated[int | None, Option("Draw the plan from this number.", least=0)] = None
    lbo: Annotated[tuple[str, ...], replace(LBO, reads=tuple)] = ()
    plan_path: Annotated[
        Path | None,
        Option("Follow this plan; draw nothing.", name="plan", metavar="FILE", reads=Path),
    ] = None
    plan_output: Annotated[
        Path | None,
        Option(
            "Where the plan is written, instead of OUT.plan.json.",
            name="plan-out", metavar="FILE", reads=Path,
        ),
    ] = None  # fmt: skip
    device: Annotated[str, replace(DEVICE, panel="")] = "auto"
    overwrite: Annotated[bool, OVERWRITE] = False
