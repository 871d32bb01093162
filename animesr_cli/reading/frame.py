"""What every reader hands out, and what every reader is, whatever it reads."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from torch import Tensor

from animesr_cli.errors import Warn
from animesr_cli.reading.info import VideoInfo
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.scenes import SceneDetector

logger = logging.getLogger(__name__)


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


class FrameReader(ABC):
    """The frames of a clip, in order: ``with reader: for frame in reader: ...``, once.

    Times are strictly increasing and never missing. What went wrong on the way is told when the
    last frame has been handed out. A reader is used by one thread at a time.

    Args:
        part: which frames are wanted.
        warn: is told what a person should know, a sentence for each matter.
    """

    def __init__(self, info: VideoInfo, part: Part = WHOLE, warn: Warn = logger.warning) -> None:
        self.info = info
        self.origin = Fraction(0)
        """Seconds to subtract from the times of all streams; final from the first frame on."""
        self.frames = 0
        """Handed out so far."""
        self.skipped = 0
        """Read only to get to the part."""
        self._part = part
        self._warn = warn
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Let go of what is open: for most, nothing."""
        return None  # so it is not taken for abstract

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...

    def _warn_once(self, matter: str, text: str) -> None:
        if matter not in self._warned:
            self._warned.add(matter)
            self._warn(text)


def with_cuts(
    frames: Iterable[Frame], depth: int, *, enabled: bool = True
) -> Iterator[tuple[Frame, bool]]:
    """Each frame with whether it begins a new shot; none does where this is not ``enabled``.

    ``depth`` is the number of bits of a sample.
    """
    detector = SceneDetector() if enabled else None
    for frame in frames:
        yield frame, detector is not None and detector.is_cut(frame.planes[0], depth)
