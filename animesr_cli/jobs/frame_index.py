"""What the scan of a clip found: for each frame its times, its content's checksum, its cuts.

With this index a later read from the middle of the file can be held to the whole read, frame by
frame.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from animesr_cli.reading.frame import Frame

UNKNOWN: Final = np.iinfo(np.int64).min
"""In place of a time that the file does not give."""

CUT: Final = 1
"""The frame begins a shot."""
DAMAGED: Final = 2
"""It could not be decoded, or from damaged data; reading it again may give something else."""

ROW: Final = np.dtype(
    [
        ("source_pts", "<i8"),  # as the file has it
        ("pts", "<i8"),  # repaired, in ticks of the video's time base
        ("duration", "<i8"),
        ("checksum", "<u4"),  # of the decoded planes
        ("flags", "u1"),
    ]
)
FIRST_ROWS: Final = 4096

Rows = NDArray[Any]
"""An array of ``ROW``."""


def checksum(frame: Frame) -> int:
    """CRC-32 of a frame's samples, without the padding of its rows."""
    planes = frame.planes if frame.alpha is None else (*frame.planes, frame.alpha)
    value = 0
    for plane in planes:
        value = zlib.crc32(np.ascontiguousarray(plane.numpy()).data, value)
    return value


def digest(rows: Rows) -> str:
    """A short name for these frames: other times or pictures give another."""
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:32]


class FrameIndex:
    """The rows of a clip; one thread appends, and what was appended does not change."""

    def __init__(self, rows: Rows | None = None) -> None:
        self._rows = np.empty(FIRST_ROWS, ROW) if rows is None else rows
        self._count = 0 if rows is None else len(rows)

    def __len__(self) -> int:
        return self._count

    def append(self, frame: Frame, *, cut: bool) -> None:
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        source_pts = UNKNOWN if frame.source_pts is None else frame.source_pts
        flags = CUT * cut | DAMAGED * frame.damaged
        row = source_pts, frame.pts, frame.duration, checksum(frame), flags
        self._rows[self._count] = row
        self._count += 1

    def rows(self, first: int = 0, end: int | None = None) -> Rows:
        """A copy of the rows of frames ``first`` to ``end``, exclusive."""
        return self._rows[first : self._count if end is None else min(end, self._count)].copy()

    @property
    def cuts(self) -> int:
        """How many shots begin behind a cut."""
        return int((self.rows()["flags"] & CUT != 0).sum())

    def seconds(self, time_base: Fraction) -> Fraction:
        """From the first frame to the end of the last."""
        if not self._count:
            return Fraction(0)
        last = self._rows[self._count - 1]
        ticks = int(last["pts"]) + int(last["duration"]) - int(self._rows[0]["pts"])
        return ticks * time_base

    # -- as a file

    def to_bytes(self) -> bytes:
        """NumPy's own format, without pickles."""
        file = io.BytesIO()
        np.save(file, self.rows(), allow_pickle=False)
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> FrameIndex:
        """Raises ``ValueError`` where these bytes are no table."""
        rows = np.load(io.BytesIO(data), allow_pickle=False)
        if rows.dtype != ROW or rows.ndim != 1:
            raise ValueError("no frame index")
        return FrameIndex(rows)
