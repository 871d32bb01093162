"""A chunk as it is sent to a worker: frame numbers and the rows that the scan has of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from animesr_cli.jobs.chunks import Chunk, Segment
from animesr_cli.jobs.frame_index import Rows
from animesr_cli.jobs.range_reader import RUN_IN_FRAMES


@dataclass(frozen=True)
class ChunkTask:
    """A chunk as it is sent to a worker."""

    chunk: Chunk
    rows: Rows
    """Of the scan, up to the chunk's end."""
    rows_first: int
    """The frame of the first row: some frames before the chunk, where there are any."""

    def rows_of(self, segment: Segment) -> Rows:
        return self.rows[segment.first - self.rows_first : segment.end - self.rows_first]


def task_of(chunk: Chunk, rows: Callable[[int, int], Rows]) -> ChunkTask:
    first = max(chunk.first - RUN_IN_FRAMES, 0)
    return ChunkTask(chunk, rows(first, chunk.end), first)
