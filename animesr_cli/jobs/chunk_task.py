"""A chunk as it is sent to a worker: frame numbers and the rows that the scan has of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from animesr_cli.jobs.chunks import Chunk, Segment
from animesr_cli.jobs.frame_index import Rows
from animesr_cli.jobs.range_reader import RUN_IN_FRAMES


@dataclass(frozen=True)
class ChunkTask:
    """A chunk, with the rows that the scan has of it."""

    chunk: Chunk
    rows: Rows
    """Up to the chunk's end."""
    rows_first: int
    """The frame of the first row: some frames before the chunk, where there are any."""

    @classmethod
    def of(cls, chunk: Chunk, rows: Callable[[int, int], Rows]) -> Self:
        first = max(chunk.first - RUN_IN_FRAMES, 0)
        return cls(chunk, rows(first, chunk.end), first)

    def rows_of(self, segment: Segment) -> Rows:
        return self.rows[segment.first - self.rows_first : segment.end - self.rows_first]
