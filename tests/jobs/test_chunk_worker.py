"""Computing a chunk: where it begins again, and what is carried over a border."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.jobs.chunk_worker import resume_ranges
from animesr_cli.jobs.chunks import Chunk, Chunker, Segment
from animesr_cli.jobs.recurrent_state import read_state, state_bytes
from animesr_cli.model.devices import Compute
from animesr_cli.model.engine import Engine
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Carried

CPU = torch.device("cpu")


@st.composite
def cases(draw: st.DrawFn) -> tuple[Chunk, set[int], set[int]]:
    """A chunk, joined from several, which of its segments are finished, and which have a state."""
    cuts = draw(st.lists(st.booleans(), min_size=1, max_size=30))
    chunker = Chunker(draw(st.integers(1, 5)))
    chunks = [*(chunk for is_cut in cuts for chunk in chunker.push(is_cut)), *chunker.finish()]
    chunk = chunks[0]
    for following in chunks[1:]:
        chunk = chunk.joined(following)
    firsts = [segment.first for segment in chunk.segments]
    subsets = st.sets(st.sampled_from(firsts))
    return chunk, draw(subsets), draw(subsets)


@given(case=cases())
def test_what_is_missing_is_computed_once_from_where_it_can_begin(
    case: tuple[Chunk, set[int], set[int]],
) -> None:
    """Exactly the unfinished segments become files; each span begins fresh or with a state."""
    chunk, finished, states = case
    found = resume_ranges(chunk, lambda s: s.first in finished, lambda s: s.first in states)
    wanted = [first for span in found for first in span.wanted]
    assert sorted(wanted) == [s.first for s in chunk.segments if s.first not in finished]
    assert len(set(wanted)) == len(wanted)
    assert all(before.end < after.first for before, after in pairwise(found))
    for span in found:
        begin = span.segments[0]
        assert not begin.continues or begin.first in states
        assert span.segments[-1].first in span.wanted
        assert all(a.end == b.first for a, b in pairwise(span.segments))


def test_a_state_saves_the_frames_before_it() -> None:
    """Without one a shot begins again; with one its last segment is computed alone."""
    chunk = Chunk((Segment(0, 2), Segment(2, 2, True), Segment(4, 2, True)), ())
    missing = {4}
    begins = {
        kept: resume_ranges(chunk, lambda s: s.first not in missing, partial(is_kept, kept))[0]
        for kept in (4, 2, None)
    }
    assert [span.first for span in begins.values()] == [4, 2, 0]


def is_kept(kept: int | None, segment: Segment) -> bool:
    return segment.first == kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("last", [True, False])
def test_a_state_comes_back_to_the_bit(dtype: torch.dtype, last: bool, tmp_path: Path) -> None:
    """Values, types, and how they lie in memory."""
    layout = torch.channels_last if last else torch.contiguous_format
    sr, state = torch.rand(1, 3, 16, 24).to(dtype), torch.rand(1, 4, 4, 6).to(dtype)
    carried = sr, state.to(memory_format=layout)
    path = tmp_path / "state"
    path.write_bytes(state_bytes(carried))
    for before, after in zip(carried, read_state(path, carried), strict=True):
        assert torch.equal(before, after)
        assert (before.dtype, before.stride()) == (after.dtype, after.stride())


def test_a_damaged_state_is_noticed(tmp_path: Path) -> None:
    """It is not read as another one."""
    path = tmp_path / "state"
    state = torch.rand(1, 3, 4, 4), torch.rand(1, 4, 1, 1)
    data = state_bytes(state)
    for content in (b"", data[:40], data[:-3], data + b"more", b"\xff" * 400, b"\x02" + bytes(9)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"^its? "):
            read_state(path, state)


@pytest.mark.parametrize(
    "other",
    [
        (torch.rand(1, 3, 8, 4), torch.rand(1, 4, 1, 1)),
        (torch.rand(1, 3, 4, 4),),
        (torch.zeros(1, 3, 4, 4, dtype=torch.int32), torch.rand(1, 4, 1, 1)),
        (),
    ],
)
def test_a_state_of_another_network_is_refused(other: Carried, tmp_path: Path) -> None:
    """Of other shapes, another number of tensors, or none that are samples."""
    path = tmp_path / "state"
    path.write_bytes(state_bytes(other))
    with pytest.raises(ValueError, match="it "):
        read_state(path, (torch.rand(1, 3, 4, 4), torch.rand(1, 4, 1, 1)))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("border", [1, 3, 6])
def test_a_shot_goes_on_behind_a_border_as_if_there_were_none(
    border: int, precision: torch.dtype
) -> None:
    """What one engine leaves, on its way through a file, another takes over: equal to the bit."""
    torch.manual_seed(3)
    net = MSRB(4, (1, 1, 1))
    frames = [torch.rand(3, 20, 28) for _ in range(7)]
    compute = Compute(CPU, precision, "")

    def engine() -> Engine:
        return Engine(net, 20, 28, compute)

    whole = [sr for _, sr in engine().upscale_frames((None, frame, False) for frame in frames)]
    first = engine()
    results = first.upscale_frames((None, frame, False) for frame in frames)
    before = [next(results)[1] for _ in range(border)]
    second = engine()
    second.carry(tuple(tensor.clone() for tensor in first.carried))
    rest = ((None, frame, False) for frame in frames[border:])
    after = [sr for _, sr in second.upscale_frames(rest, frames[border - 1])]
    assert all(map(torch.equal, [*before, *after], whole))


def test_a_state_of_another_size_is_refused() -> None:
    """It cannot be of this clip."""
    net = MSRB(4, (1, 1, 1))
    compute = Compute(CPU, torch.float32, "")
    with pytest.raises(ValueError, match="does not fit"):
        Engine(net, 20, 28, compute).carry(Engine(net, 24, 28, compute).carried)
