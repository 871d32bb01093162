"""The tasks of a job: a clip's frames -> chunks -> tasks, less what the journal has."""

from __future__ import annotations

from typing import Final

from animesr_cli.jobs.chunk_task import ChunkTask
from animesr_cli.jobs.chunks import Chunk, Chunker, Segment
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.frame_index import FrameIndex
from animesr_cli.jobs.range_reader import can_be_found
from animesr_cli.workers.tasks import Task, TaskQueue

LARGEST_TASK_SEGMENTS: Final = 8
"""That one worker alone is given at a time: its encoders finish behind the network, all but the
last of a task. Tasks grow to that, so that the first is known soon."""

IN_ORDER_COST: Final = 1e12
"""Frames that can only be found by reading the input from its beginning are computed in order."""


class ChunkQueue(TaskQueue):
    """Told of each frame whether it begins a shot, it fills itself; one thread tells it.

    Args:
        index: has the row of each frame before it is told of.
        segment_frames: at most so many in one segment.
        alone: one worker computes all.
    """

    def __init__(
        self, index: FrameIndex, job: JobFolder, *, segment_frames: int, alone: bool
    ) -> None:
        super().__init__()
        self.index = index
        self.segments: list[Segment] = []
        """All of the clip, so far."""
        self.is_complete = False
        """The clip has ended, and all of its frames are in the index."""
        self._put: dict[int, Chunk] = {}  # by the keys of their tasks
        self._job = job
        self._chunker = Chunker(segment_frames)
        self._largest = LARGEST_TASK_SEGMENTS if alone else 1
        self._size = 1
        self._held: Chunk | None = None

    def push(self, is_cut: bool) -> None:
        for chunk in self._chunker.push(is_cut):
            self._add(chunk)

    def finish(self) -> None:
        """The clip has ended."""
        for chunk in self._chunker.finish():
            self._add(chunk)
        self._flush()
        self.is_complete = True
        self.close()

    def missing(self, key: int) -> tuple[Segment, ...]:
        """What of a task is not finished, as far as the journal was looked at."""
        return self._left(self._put[key])

    def _add(self, chunk: Chunk) -> None:
        self.segments += chunk.segments
        if not self._left(chunk):
            self._flush()
            return
        if self._held is not None and self._held.end == chunk.first:
            chunk = self._held.joined(chunk)
        self._held = chunk
        if len(chunk.segments) >= self._size:
            self._flush()
            self._size = min(2 * self._size, self._largest)

    def _left(self, chunk: Chunk) -> tuple[Segment, ...]:
        return tuple(segment for segment in chunk.segments if not self._is_finished(segment))

    def _is_finished(self, segment: Segment) -> bool:
        record = self._job.records.get(segment.first)
        return record is not None and record.is_of(self.index.rows(segment.first, segment.end))

    def _flush(self) -> None:
        chunk, self._held = self._held, None
        if chunk is None:
            return
        self._put[chunk.first] = chunk
        task = ChunkTask.of(chunk, self.index.rows)
        cost = float(sum(segment.frames for segment in self._left(chunk)))
        if not can_be_found(task.rows):
            cost = IN_ORDER_COST - chunk.first
        self.put(Task(chunk.first, cost, task))
