"""Chunks of a clip into the executor's queue, less what the journal has."""

from __future__ import annotations

from typing import Final

from animesr_cli.jobs.chunk_task import task_of
from animesr_cli.jobs.chunks import Chunk, Segment
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.frame_index import FrameIndex, digest
from animesr_cli.jobs.range_reader import can_be_found
from animesr_cli.workers.tasks import Task, TaskQueue

LARGEST_TASK_SEGMENTS: Final = 8
"""That one worker alone is given at a time: its encoders finish behind the network, all but the
last of a task. Tasks grow to that, so that the first is known soon."""

IN_ORDER_COST: Final = 1e12
"""Frames that can only be found by reading the input from its beginning are computed in order."""


class ChunkQueue:
    """Puts chunks into the queue, less what is finished; called in one thread."""

    def __init__(self, queue: TaskQueue, index: FrameIndex, job: JobFolder, *, alone: bool) -> None:
        self.chunks: list[Chunk] = []
        """All of the clip, so far."""
        self.missing: dict[int, tuple[Segment, ...]] = {}
        """By task, what was to be computed when it was put."""
        self._queue = queue
        self._index = index
        self._job = job
        self._largest = LARGEST_TASK_SEGMENTS if alone else 1
        self._size = 1
        self._waiting: Chunk | None = None

    def add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        if not self._left(chunk):
            self._flush()
            return
        joined = self._waiting is not None and self._waiting.end == chunk.first
        self._waiting = self._waiting.joined(chunk) if joined and self._waiting else chunk
        if len(self._waiting.segments) >= self._size:
            self._flush()
            self._size = min(2 * self._size, self._largest)

    def finish(self) -> None:
        self._flush()
        self._queue.close()

    def _left(self, chunk: Chunk) -> tuple[Segment, ...]:
        return tuple(segment for segment in chunk.segments if not self._is_finished(segment))

    def _is_finished(self, segment: Segment) -> bool:
        record = self._job.records.get(segment.first)
        rows = self._index.rows(segment.first, segment.end)
        return record is not None and (record.frames, record.rows) == (len(rows), digest(rows))

    def _flush(self) -> None:
        chunk, self._waiting = self._waiting, None
        if chunk is None:
            return
        task = task_of(chunk, self._index.rows)
        self.missing[chunk.first] = self._left(chunk)
        cost = float(sum(segment.frames for segment in self.missing[chunk.first]))
        if not can_be_found(task.rows):
            cost = IN_ORDER_COST - chunk.first
        self._queue.put(Task(chunk.first, cost, task))
