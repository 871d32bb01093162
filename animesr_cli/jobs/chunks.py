"""Cutting a clip into what can be computed apart: chunks of whole shots, and segments, a file each.

The recurrent state is reset at scene cuts, so a chunk, which begins at a cut and ends before one,
can be computed anywhere and at any time. Short shots are put together up to a number of frames; a
shot that is longer is one chunk of several segments, each of which goes on from the state that the
one before it left. Knows numbers of frames and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """Consecutive frames that become one file."""

    first: int
    frames: int
    continues: bool = False
    """Whether it begins inside a shot, and so needs the state that the one before it left."""

    @property
    def end(self) -> int:
        """The frame behind the last."""
        return self.first + self.frames


@dataclass(frozen=True)
class Chunk:
    """Consecutive segments that one worker computes in order; it begins and ends at cuts."""

    segments: tuple[Segment, ...]
    cuts: tuple[int, ...]
    """Frames that begin a shot, without the first of all."""

    @property
    def first(self) -> int:
        return self.segments[0].first

    @property
    def end(self) -> int:
        return self.segments[-1].end

    @property
    def frames(self) -> int:
        return self.end - self.first

    def goes_on(self, segment: Segment) -> bool:
        """Whether the shot at the end of a segment goes on in the next one."""
        return any(each.continues for each in self.segments if each.first == segment.end)

    def joined(self, following: Chunk) -> Chunk:
        """Both as one, where ``following`` comes directly behind."""
        assert following.first == self.end
        cuts = (*self.cuts, following.first, *following.cuts)
        return Chunk((*self.segments, *following.segments), cuts)


class Chunker:
    """Tell it of each frame whether it begins a shot; it hands out each chunk once it is known.

    Args:
        segment_frames: at most so many in one segment, at least 1.
    """

    def __init__(self, segment_frames: int) -> None:
        self._limit = segment_frames
        self._first = 0  # of the shots that are put together
        self._shots: list[int] = []  # the first frames of all of these but the first
        self._shot = 0  # first frame of the shot that goes on
        self._count = 0

    def push(self, is_cut: bool) -> Iterator[Chunk]:
        """The next frame; the first of all begins a shot whatever is said."""
        if is_cut and self._count:
            yield from self._end_shot()
            self._shot = self._count
            if self._shot > self._first:
                self._shots.append(self._shot)
        self._count += 1
        if self._count - self._first > self._limit and self._shot > self._first:
            yield self._group(self._shot)

    def finish(self) -> Iterator[Chunk]:
        """The clip is over."""
        if self._count > self._first:
            yield self._group(self._count)

    def _end_shot(self) -> Iterator[Chunk]:
        # What is full now is handed out now: its length is known, and work may be waited for.
        if self._count - self._first >= self._limit:
            yield self._group(self._count)

    def _group(self, end: int) -> Chunk:
        first, cuts = self._first, tuple(shot for shot in self._shots if shot < end)
        self._first, self._shots = end, [shot for shot in self._shots if shot > end]
        starts = range(first, end, self._limit)
        segments = (
            Segment(start, min(self._limit, end - start), continues=start > first)
            for start in starts
        )
        return Chunk(tuple(segments), cuts)
