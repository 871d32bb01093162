"""A first look at what a clip would become: its three busiest seconds, beside plain enlargement.

The page is there first, with a few pictures of these seconds; the split-screen clip of all of them
follows.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from animesr_cli.compare.frame_choice import busiest_part, spread
from animesr_cli.compare.inputs import open_clip
from animesr_cli.compare.run import CompareResult, OnProgress, compare, default_page
from animesr_cli.errors import UsageError, Warn
from animesr_cli.pages.browser import open_in_browser
from animesr_cli.settings import CompareSettings, PreviewSettings, UpscaleSettings

log = logging.getLogger(__name__)

PICTURES: Final = 3
"""How many pictures are shown, evenly spread over these seconds."""
RUN_UP: Final = 8
"""Frames before each picture; more change it hardly (see pictures.py)."""


def _model(settings: UpscaleSettings) -> str:
    """The model in the form that ``compare`` takes: ``base@0.5``."""
    if settings.strength is None:
        return settings.model
    return f"{settings.model}@{settings.strength:g}"


def preview(
    clip: Path,
    settings: UpscaleSettings,
    *,
    page: Path | None = None,
    seconds: Fraction | int = PreviewSettings.seconds,
    beside: str = PreviewSettings.beside,
    video: bool = True,
    open_page: bool = True,
    warn: Warn = log.warning,
    on_progress: OnProgress = lambda line, done, total: None,
) -> CompareResult:
    """Upscale the busiest seconds of a clip and show them beside a plain enlargement.

    Args:
        settings: as for ``animesr upscale``: ``model``, size, device and the encoding of the video.
            ``start`` and ``end`` are the part in which the busiest seconds are looked for.
        page: an HTML file; its sheet and the video lie beside it. None: ``CLIP_preview.html``.
        seconds: how long the part is.
        beside: a network or resampler for the other side.
        video: also write a split-screen clip of the whole part, with sound: ``.mkv`` for ``.html``.
        open_page: open the page in the person's browser as soon as it is complete.

    Raises:
        AnimesrError: what cannot work is refused before the first frame.
    """
    if seconds <= 0:
        raise UsageError("a preview of no length shows nothing", "leave --seconds out for 3")
    page = page or default_page(clip, "preview")
    quiet = open_clip(clip, settings, warn=lambda text: None)  # compare says what there is to say
    start, end = busiest_part(
        quiet,
        Fraction(seconds),
        start=settings.start,
        end=settings.end,
        on_probe=lambda: on_progress("looking for the busiest seconds", 0, None),
    )
    wishes = CompareSettings(
        models=(_model(settings), beside),
        times=tuple(spread(start, end, PICTURES)),
        run_up=RUN_UP,
        page=page,
        video=page.with_suffix(".mkv") if video else None,
    )

    def show(written: Path) -> None:
        if open_page:
            open_in_browser(written)

    return compare(
        clip,
        replace(settings, start=start, end=end),
        wishes,
        warn=warn,
        on_progress=on_progress,
        on_page=show,
    )
