"""Units of a clip into the executor's queue, less what the journal has.

It does not know who takes them out.
"""

from __future__ import annotations

from typing import Final

from animesr_cli.jobs.chunk_worker import piece_of
from animesr_cli.jobs.chunks import Segment, Unit
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.frame_index import FrameTable, digest
from animesr_cli.jobs.range_reader import can_be_found
from animesr_cli.workers.scheduler import Task, TaskQueue

LARGEST_PIECE_SEGMENTS: Final = 8
"""That one worker alone is given at a time: its encoders finish behind the network, all but the
last of a piece. Pieces grow to that, so that the first is known soon."""

IN_ORDER_COST: Final = 1e12
"""Frames that can only be found by reading the input from its beginning are computed in order."""


class Dealer:
    """Puts units into the queue, less what is finished; called in one thread."""

    def __init__(self, queue: TaskQueue, table: FrameTable, job: JobFolder, *, alone: bool) -> None:
        self.units: list[Unit] = []
        """All of the clip, so far."""
        self.missing: dict[int, tuple[Segment, ...]] = {}
        """By task, what was to be computed when it was put."""
        self._queue = queue
        self._table = table
        self._job = job
        self._largest = LARGEST_PIECE_SEGMENTS if alone else 1
        self._size = 1
        self._waiting: Unit | None = None

    def deal(self, unit: Unit) -> None:
        self.units.append(unit)
        if not self._left(unit):
            self._flush()
            return
        joined = self._waiting is not None and self._waiting.end == unit.first
        self._waiting = self._waiting.joined(unit) if joined and self._waiting else unit
        if len(self._waiting.segments) >= self._size:
            self._flush()
            self._size = min(2 * self._size, self._largest)

    def finish(self) -> None:
        self._flush()
        self._queue.close()

    def _left(self, unit: Unit) -> tuple[Segment, ...]:
        return tuple(segment for segment in unit.segments if not self._is_finished(segment))

    def _is_finished(self, segment: Segment) -> bool:
        record = self._job.records.get(segment.first)
        rows = self._table.rows(segment.first, segment.end)
        return record is not None and (record.frames, record.rows) == (len(rows), digest(rows))

    def _flush(self) -> None:
        unit, self._waiting = self._waiting, None
        if unit is None:
            return
        piece = piece_of(unit, self._table.rows)
        self.missing[unit.first] = self._left(unit)
        cost = float(sum(segment.frames for segment in self.missing[unit.first]))
        if not can_be_found(piece.rows):
            cost = IN_ORDER_COST - unit.first
        self._queue.put(Task(unit.first, cost, piece))
