"""Which part of a clip is wanted, and of its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from animesr_cli.errors import UsageError
from animesr_cli.video.timestamps import format_time


@dataclass(frozen=True)
class Part:
    """The frames from ``start`` on and before ``end``, exactly, and no more than ``frames``.

    Raises:
        UsageError: no clip can have such a part.
    """

    start: Fraction | None = None
    """Seconds on the clock that people see; None: from the first frame on."""
    end: Fraction | None = None
    """Seconds on the same clock; None: to the last frame."""
    frames: int | None = None
    """At most so many."""

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise UsageError(f"the number of frames must be at least 1, not {self.frames}")
        if self.end is not None and self.end <= (self.start or 0):
            raise UsageError(
                f"the end ({format_time(self.end)}) is not later than the start "
                f"({format_time(self.start or 0)})"
            )


WHOLE: Final = Part()


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Pixels at the edges of each picture that are not to be shown."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


NO_CROP: Final = Crop()
