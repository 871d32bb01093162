"""How many frames are kept together in one segment: what an interruption costs at most."""

from __future__ import annotations

from typing import Final

from animesr_cli.settings.upscale import UpscaleSettings

SEGMENT_SECONDS: Final = 300.0
"""Of work in one segment, about."""

LEAST_SEGMENT_FRAMES: Final = 12
"""Each segment begins with a key frame: shorter ones would make the file notably larger."""
MOST_SEGMENT_FRAMES: Final = 1000
"""Some seconds on a fast GPU. Encoders set a key frame every 250 frames or so anyway."""
USUAL_SEGMENT_FRAMES: Final = 250
"""Where the length of the clip or the speed of who computes it is not known."""

SEGMENTS_PER_WORKER: Final = 4
"""At least, so that no worker is left without work while another is busy for long."""


def segment_frames(
    settings: UpscaleSettings, frames: int | None, estimated_seconds: float | None
) -> int:
    """Frames of one segment: as asked for, else about ``SEGMENT_SECONDS`` of work.

    Args:
        frames: of the whole run; None: not known.
        estimated_seconds: of the network over all of them on one worker; None: not known.
    """
    if settings.segment_frames is not None:
        return settings.segment_frames
    if not frames or not estimated_seconds:
        return USUAL_SEGMENT_FRAMES
    wanted = SEGMENT_SECONDS * frames / estimated_seconds
    if settings.workers is not None and settings.workers > 1:
        wanted = min(wanted, frames / (SEGMENTS_PER_WORKER * settings.workers))
    return round(min(max(wanted, LEAST_SEGMENT_FRAMES), MOST_SEGMENT_FRAMES))
