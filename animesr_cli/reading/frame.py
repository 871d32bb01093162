"""What every reader hands out, and what every reader is, whatever it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, Self

from torch import Tensor

from animesr_cli.reading.info import VideoInfo


@dataclass(frozen=True)
class Frame:
    """One picture, at its time."""

    planes: tuple[Tensor, ...]
    """Y, U, V or Y or R, G, B; uint8 or uint16 views of the decoder's memory: read only."""
    pts: int
    """In ``VideoInfo.time_base``; strictly increasing."""
    duration: int
    alpha: Tensor | None = None
    """How opaque each pixel is, in the same depth; None: the format has no transparency."""
    source_pts: int | None = None
    """As the file has it, before any repair; None: it has none."""
    damaged: bool = False
    """It could not be decoded and repeats another, or came from damaged data."""
    captions: bytes | None = None
    """Of television, that came with this picture: triplets of ATSC A/53."""


class FrameReader(Protocol):
    """The frames of a clip, in order: ``with reader: for frame in reader: ...``, once.

    Times are strictly increasing and never missing. What went wrong on the way is told when the
    last frame has been handed out. A reader is used by one thread at a time.
    """

    info: VideoInfo
    origin: Fraction
    """Seconds to subtract from the times of all streams; final from the first frame on."""
    frames: int
    """Handed out so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Let go of what is open: for most, nothing."""
        return None  # so it is not taken for abstract

    def __iter__(self) -> Iterator[Frame]: ...
