"""Whether a video looks like what this command makes of an input, where nothing else tells."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from animesr_cli.errors import AnimesrError
from animesr_cli.model.checkpoint import known_scale
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.signals import check_stop

SAME_LENGTH: Final = 0.02
"""Share by which an output's length may differ from its input's."""
SMALLEST_VIDEO_BYTES: Final = 512
"""Less holds no header: such a file need not be opened."""


def looks_made(source: Path, output: Path, settings: UpscaleSettings) -> bool | None:
    """Whether a video has the size and length that this command gives it; None: it is no video."""
    if output.stat().st_size < SMALLEST_VIDEO_BYTES:
        return None
    try:
        made = probe(output)
        own = probe(source, stream_index=settings.stream)
    except AnimesrError:
        check_stop()  # an interruption says nothing of the file
        return None
    return _has_wished_size(own, made, settings) and _has_length(own, made, settings)


def _has_wished_size(own: VideoInfo, made: VideoInfo, settings: UpscaleSettings) -> bool:
    if settings.fit:
        wished = tuple(float(side) for side in settings.fit)
        return max(made.width / wished[0], made.height / wished[1]) > 1 - 0.01
    if settings.width or settings.height:
        width, height = settings.width or made.width, settings.height or made.height
    else:
        factor = settings.scale or known_scale(settings.model) or settings.factor
        width, height = round(own.width * factor), round(own.height * factor)
    is_another_size = (width, height) != (own.width, own.height)
    return abs(made.width - width) <= 2 and abs(made.height - height) <= 2 and is_another_size


def _has_length(own: VideoInfo, made: VideoInfo, settings: UpscaleSettings) -> bool:
    """A part may be as short as it likes; nothing becomes longer."""
    if not own.duration_seconds or not made.duration_seconds:
        return True
    ratio = float(made.duration_seconds / own.duration_seconds)
    is_part = settings.start or settings.end or settings.frames
    return ratio <= 1 + SAME_LENGTH and (bool(is_part) or ratio >= 1 - SAME_LENGTH)
