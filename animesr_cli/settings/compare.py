"""The settings of ``compare`` and ``preview``; how it is computed is in ``UpscaleSettings``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from animesr_cli.settings import texts
from animesr_cli.settings.limits import MAX_COUNT
from animesr_cli.settings.option import Option

MOMENTS = "Moments"


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
        Option(
            "Show this moment: seconds or HH:MM:SS.mmm; repeatable.",
            name="at", panel=MOMENTS, metavar="TIME", repeatable=True,
            reads=texts.times,
        ),
    ] = ()  # fmt: skip
    pictures: Annotated[
        int,
        Option("How many moments to choose, without --at.", panel=MOMENTS, least=1, most=10**4),
    ] = 4
    run_up: Annotated[
        int,
        Option(
            "Frames that are computed before each shown one, as far as its shot has them.",
            panel=MOMENTS, least=0, most=MAX_COUNT,
        ),
    ] = 15  # fmt: skip
    page: Annotated[
        Path | None,
        Option(
            "The page; CLIP_compare.html if left out.", "-o", "output", metavar="HTML", reads=Path
        ),
    ] = None
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

    page: Annotated[
        Path | None,
        Option(
            "The page; CLIP_preview.html if left out.", "-o", "output", metavar="HTML", reads=Path
        ),
    ] = None
    seconds: Annotated[int, Option("How long the part is that is upscaled.", least=1, most=60)] = 3
    beside: Annotated[str, Option("What is shown on the other side.", metavar="NAME")] = "bicubic"
    open_page: Annotated[
        bool, Option("Write the page and open no browser.", name="open", switches_off=True)
    ] = True
