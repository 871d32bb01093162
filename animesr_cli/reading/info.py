"""Everything that is known of a video before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from animesr_cli.settings.limits import MAX_PIXELS
from animesr_cli.video.colour import ColourSpec
from animesr_cli.video.hdr import HdrMetadata
from animesr_cli.video.part import NO_CROP, Crop


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """One stream of a file, for people and for choosing."""

    index: int
    kind: str
    """video, audio, subtitle, attachment, data, or cover (a still picture that goes with it)."""
    codec: str
    language: str | None
    title: str | None
    default: bool
    detail: str
    """Such as ``aac 48000 Hz stereo`` or ``subrip (forced)``."""


@dataclass(frozen=True, kw_only=True)
class ColourTags:
    """FFmpeg's AVCOL_* and AVCHROMA_LOC_* numbers as the file has them; 2 or 0 is unspecified."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    range: int = 0
    siting: int = 0


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Everything that is known of a video before it is read."""

    path: Path
    container: str
    """FFmpeg's name of the format, such as ``matroska,webm``."""
    stream_index: int
    codec: str
    width: int
    height: int
    crop: Crop = NO_CROP
    """Edges that the file says are not to be shown; they are no part of ``width``, ``height``."""
    pix_fmt: str
    """As decoded; ``colour.layout`` describes the planes that the reader hands out."""
    sample_aspect_ratio: Fraction
    rotation: int = 0
    """Degrees counter-clockwise of the display matrix: 0, 90, 180 or 270."""
    display_matrix: tuple[int, ...] | None = None
    """The whole matrix (nine 16.16 and 2.30 fixed-point numbers), which may also mirror."""
    time_base: Fraction
    frame_rate: Fraction | None
    """Average frames per second; None: not known."""
    duration_seconds: Fraction | None = None
    late_seconds: Fraction = Fraction(0)
    """How much of ``duration_seconds`` is over when the first frame comes: Matroska and fragmented
    MP4 tell of an end."""
    frame_count: int | None = None
    """As the container has it; None: it does not say."""
    clock_start: Fraction = Fraction(0)
    """What the container's clock shows at the time that people call 0: 0, but for MPEG streams."""
    tags: ColourTags
    colour: ColourSpec
    """What the reader's planes are taken for."""
    colour_note: str
    """Why, such as ``BT.601 (untagged, by size)``."""
    max_pixels: int = MAX_PIXELS
    """Pictures of more are not decoded."""
    hdr: HdrMetadata | None = None
    """None: standard dynamic range."""
    captions: bool = False
    """The first picture carries captions of television."""
    interlaced: bool = False
    progressive: bool = False
    """The stream says that it is not interlaced; neither: it says nothing."""
    streams: tuple[StreamInfo, ...] = ()
    chapters: int = 0
    size_bytes: int = 0

    def shown_seconds(
        self, start: Fraction | None = None, end: Fraction | None = None
    ) -> Fraction | None:
        """How long there are pictures from ``start`` to ``end``, or of the whole clip.

        Below 0 where the part lies behind the end; None: the length is not known.
        """
        if not self.duration_seconds:
            return None
        last = min(end or self.duration_seconds, self.duration_seconds)
        return last - max(start or Fraction(0), self.late_seconds)
