"""The settings of the commands that measure and compare: ``compare``, ``preview``, ``bench``, ...

How it is computed is in ``UpscaleSettings``, of which each takes what has a meaning for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated

from animesr_cli.settings import texts
from animesr_cli.settings.limits import MAX_COUNT
from animesr_cli.settings.option import Option
from animesr_cli.settings.upscale import DEVICE, FRAMES, LBO, OVERWRITE

moment = partial(Option, panel="Moments")
html_page = partial(Option, short="-o", name="output", metavar="HTML", reads=Path)


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """What is put side by side, and which pictures of a clip."""

    models: Annotated[
        tuple[str, ...],
        Option(
            "A name of `animesr models` (base@0.5: at that strength), a checkpoint file, or "
            "nearest, bilinear, bicubic, lanczos; repeatable.",
            "-n", "model", metavar="NAME", repeatable=True, default_title="base and bicubic",
            reads=tuple,
        ),
    ] = ("base", "bicubic")  # fmt: skip
    times: Annotated[
        tuple[Fraction, ...],
        moment(
            "Show this moment: seconds or HH:MM:SS.mmm; repeatable.",
            name="at", metavar="TIME", repeatable=True, reads=texts.times,
        ),
    ] = ()  # fmt: skip
    pictures: Annotated[
        int, moment("How many moments to choose, without --at.", least=1, most=10**4)
    ] = 4
    run_up: Annotated[
        int,
        moment(
            "Frames that are computed before each shown one, as far as its shot has them.",
            least=0, most=MAX_COUNT,
        ),
    ] = 15  # fmt: skip
    page: Annotated[Path | None, html_page("The page; CLIP_compare.html if left out.")] = None
    reference: Annotated[
        Path | None,
        Option("The clip at full quality: measure against it, show it.", metavar="HR", reads=Path),
    ] = None
    video: Annotated[
        Path | None,
        Option(
            "A split-screen clip too: of --start to --end, else of ten seconds.",
            metavar="FILE", reads=Path,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """What a first look shows."""

    page: Annotated[Path | None, html_page("The page; CLIP_preview.html if left out.")] = None
    seconds: Annotated[int, Option("How long the part is that is upscaled.", least=1, most=60)] = 3
    beside: Annotated[str, Option("What is shown on the other side.", metavar="NAME")] = "bicubic"
    open_page: Annotated[
        bool, Option("Write the page and open no browser.", name="open", switches_off=True)
    ] = True


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """How much is measured."""

    frames: Annotated[int, Option("Frames of each end-to-end run.", least=2, most=MAX_COUNT)] = 30
    repeats: Annotated[int, Option("Runs of each kind, side by side.", least=1)] = 3


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """What is measured of two videos, and how much of it is shown."""

    crop: Annotated[int, Option("Leave out this many pixels at each side.", least=0)] = 0
    frames: Annotated[int | None, replace(FRAMES, panel="")] = None
    per_frame: Annotated[bool, Option("A line for each frame.")] = False


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
