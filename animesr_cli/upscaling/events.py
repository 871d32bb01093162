"""What a run tells of itself, while it goes on and in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from animesr_cli.upscaling.plan import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; one is handed over after each frame."""

    frames: int
    total_frames: int | None
    media_seconds: float
    """Length of what is done, on the output's clock."""
    bytes_written: int
    elapsed_seconds: float
    frames_before: int = 0
    """Of ``frames``: done by an earlier run that was interrupted."""
    worker: str | None = None
    """Who has just done something, where there may be several."""


@dataclass(frozen=True, kw_only=True)
class SegmentEvent:
    """What became of a piece of the clip."""

    state: str
    """started, finished or failed; a failed one may be tried again."""
    worker: str
    first_frame: int
    frames: int
    """Still to do, when it is told."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpscaleResult:
    """What a run did."""

    output: Path
    frames: int
    seconds: float
    """Wall clock, from the first frame to the verified file."""
    warnings: tuple[str, ...]
    cuts: int
    """Scene cuts at which the recurrent state was reset."""
    stage_seconds: Mapping[str, float]
    """Busy seconds of each stage; stages overlap, so they may add up to more than ``seconds``."""
    segments: int = 0
    """That the output was joined from; 0: it was made in one piece."""
    frames_before: int = 0
    """Done by an earlier run that was interrupted."""
    pictures: str | None = None
    """Hash over those of all segments: of the samples that were handed to the encoder."""


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Who is told what happens. ``on_warning`` may be called from any thread."""

    on_plan: Callable[[Plan], None] = lambda plan: None
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_segment: Callable[[SegmentEvent], None] = lambda event: None
    on_warning: Callable[[str], None] = log.warning
