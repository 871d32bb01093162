"""Cutting a clip: whatever its cuts are, chunks tile it, and each can be computed by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.jobs.chunks import Chunk, Chunker, Segment

CUTS = st.lists(st.booleans(), min_size=1, max_size=60)
LIMITS = st.integers(1, 12)


def cut(cuts: Sequence[bool], limit: int) -> list[Chunk]:
    chunker = Chunker(limit)
    return [*(chunk for is_cut in cuts for chunk in chunker.push(is_cut)), *chunker.finish()]


def shot_starts(cuts: Sequence[bool]) -> set[int]:
    return {0, *(frame for frame, is_cut in enumerate(cuts) if is_cut)}


@given(cuts=CUTS, limit=LIMITS)
def test_units_tile_the_clip_at_cuts(cuts: list[bool], limit: int) -> None:
    """Each begins where the one before ends, at a cut; its cuts are those inside it."""
    chunks, starts = cut(cuts, limit), shot_starts(cuts)
    assert (chunks[0].first, chunks[-1].end) == (0, len(cuts))
    assert all(before.end == after.first for before, after in pairwise(chunks))
    for chunk in chunks:
        assert chunk.first in starts
        assert set(chunk.cuts) == {start for start in starts if chunk.first < start < chunk.end}


@given(cuts=CUTS, limit=LIMITS)
def test_segments_tile_their_unit_and_are_short(cuts: list[bool], limit: int) -> None:
    """None is longer than the limit; only inside one long shot does one go on from another."""
    for chunk in cut(cuts, limit):
        assert chunk.segments[0].first == chunk.first
        assert all(a.end == b.first for a, b in pairwise(chunk.segments))
        assert all(1 <= segment.frames <= limit for segment in chunk.segments)
        assert [s.continues for s in chunk.segments] == [False] + [True] * (len(chunk.segments) - 1)
        assert len(chunk.segments) == 1 or chunk.cuts == ()


@given(cuts=CUTS, limit=LIMITS)
def test_short_shots_are_put_together(cuts: list[bool], limit: int) -> None:
    """A chunk ends only where the next shot would not have fitted."""
    chunks, starts = cut(cuts, limit), sorted({*shot_starts(cuts), len(cuts)})
    for before, after in pairwise(chunks):
        next_end = min(start for start in starts if start > after.first)
        assert next_end - before.first > limit


@given(cuts=CUTS, limit=LIMITS)
def test_units_come_as_soon_as_they_are_known(cuts: list[bool], limit: int) -> None:
    """No chunk waits longer than its own frames, one more segment, and one frame."""
    chunker, late = Chunker(limit), []
    for count, is_cut in enumerate(cuts, 1):
        late += [count - chunk.end for chunk in chunker.push(is_cut)]
    assert all(0 <= each <= limit + 1 for each in late)


def test_a_clip_without_cuts_is_one_unit() -> None:
    """Seven frames in segments of three, the last shorter."""
    assert cut([False] * 7, 3) == [
        Chunk((Segment(0, 3), Segment(3, 3, True), Segment(6, 1, True)), ())
    ]


def test_an_empty_clip_has_no_unit() -> None:
    """Nothing comes of nothing."""
    assert cut([], 3) == []


def test_neighbours_can_be_joined() -> None:
    """The border becomes a cut inside; others are no neighbours."""
    first, second, third = cut([False, False, True, False, True, False], 2)
    joined = first.joined(second)
    assert (joined.first, joined.end, joined.cuts) == (0, 4, (2,))
    with pytest.raises(AssertionError):
        first.joined(third)
