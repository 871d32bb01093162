"""Frames from the middle of a clip, exactly as a read of the whole clip gives them.

The scan has told each frame's own time and checksum. So it is tried to seek to a key frame
before the range and to decode from there; every frame is held to what the scan saw. Where
that fails (times that are missing or go back, references that reach over a key frame, damage), the
clip is read from its beginning, in the very way of the scan.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from animesr_cli.errors import InputError
from animesr_cli.jobs.frame_index import DAMAGED, UNKNOWN, Rows, checksum
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.reader import Reader

log = logging.getLogger(__name__)

RUN_IN_FRAMES: Final = 4
"""Decoded before a range, so that a filter over neighbouring frames has seen some."""


def can_be_found(rows: Rows) -> bool:
    """Whether these frames can be told by their times, and none of them is damaged."""
    times = rows["source_pts"]
    known = bool((times != UNKNOWN).all()) and not bool((rows["flags"] & DAMAGED).any())
    return known and bool((np.diff(times) > 0).all())


class _Unlike(Exception):
    """A frame is not the one that the scan saw."""


class RangeReader:
    """Ranges of one clip, for one thread at a time; best asked for in rising order.

    Args:
        open_reader: a new reader as the scan used it.
        warn: is told where a frame is another one each time that it is decoded.
        passed: is called for each frame that is decoded only to get to others.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        warn: Callable[[str], None] = log.warning,
        passed: Callable[[], None] = lambda: None,
    ) -> None:
        self._open = open_reader
        self._warn = warn
        self._passed = passed
        self._seeks = True
        self._whole: tuple[Reader, Iterator[Frame]] | None = None
        self._position = 0  # in the read from the beginning

    def frames(self, rows: Rows, rows_first: int, first: int) -> Iterator[Frame]:
        """Frames ``first`` to the end of ``rows``, of which the first is frame ``rows_first``.

        Their times are the repaired ones of the table.

        Raises:
            InputError: the file is another one by now.
        """
        done = first - rows_first
        if self._seeks and can_be_found(rows):
            try:
                for frame in self._from_key_frame(rows, done):
                    yield frame
                    done += 1
                return
            except _Unlike as unlike:
                log.info("from here on the input is read from its beginning: %s", unlike)
                self._seeks = False
        yield from self._from_beginning(rows, rows_first, rows_first + done)

    def _from_key_frame(self, rows: Rows, skipped: int) -> Iterator[Frame]:
        with self._open() as reader:
            found = reader.frames_from(int(rows[max(skipped - RUN_IN_FRAMES, 0)]["source_pts"]))
            wanted = int(rows[skipped]["source_pts"])
            frame = next((f for f in found if _time(f) >= wanted), None)
            for row in rows[skipped:]:
                if frame is None or not _is(frame, row):
                    raise _Unlike(f"frame at {row['source_pts']}")
                yield _timed(frame, row)
                frame = next(found, None)
            reader.check_unchanged()

    def _from_beginning(self, rows: Rows, rows_first: int, first: int) -> Iterator[Frame]:
        reader, frames = self._whole_read(first)
        end = rows_first + len(rows)
        while self._position < end:
            frame = next(frames, None)
            if frame is None:
                raise InputError(f"the input ends at frame {self._position}, before it did earlier")
            self._position += 1
            if self._position <= first:
                self._passed()
                continue
            row = rows[self._position - 1 - rows_first]
            if not _is(frame, row) and not row["flags"] & DAMAGED:
                self._warn(
                    f"frame {self._position - 1} is another picture each time that it is decoded, "
                    "so that another run may give another result"
                )
            yield _timed(frame, row)
        reader.check_unchanged()

    def _whole_read(self, first: int) -> tuple[Reader, Iterator[Frame]]:
        if self._whole is None or self._position > first:
            self.close()
            reader = self._open()
            self._whole = reader, iter(reader)
        return self._whole

    def close(self) -> None:
        if self._whole is not None:
            self._whole[0].close()
        self._whole, self._position = None, 0


def _time(frame: Frame) -> int:
    assert frame.source_pts is not None  # ``frames_from`` ends at the first without
    return frame.source_pts


def _is(frame: Frame, row: np.void) -> bool:
    time = UNKNOWN if frame.source_pts is None else frame.source_pts
    return time == int(row["source_pts"]) and checksum(frame) == int(row["checksum"])


def _timed(frame: Frame, row: np.void) -> Frame:
    return replace(frame, pts=int(row["pts"]), duration=int(row["duration"]))
