"""Order and times of the packets of joined segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.errors import VerificationError
from animesr_cli.writing.concat import placed, reorder_depth, segment_format
from animesr_cli.writing.encoders import Encoding

TIMES = st.lists(st.integers(-1000, 1000), unique=True, max_size=12)


@dataclass
class Timed:
    """Of a packet, what its place goes by."""

    pts: int | None


def placed_times(times: Sequence[int | None], depth: int) -> list[tuple[int, int | None]]:
    found = placed((Timed(time) for time in times), depth, Path("a.mp4"))  # type: ignore[misc]
    return [(place, packet.pts) for place, packet in found]


@given(times=TIMES, more=st.integers(0, 3))
def test_places_are_the_order_of_display(times: list[int], more: int) -> None:
    """Packets come as they came, and sorted by place their times rise; every place comes once."""
    found = placed_times(times, reorder_depth(times) + more)
    assert [time for _, time in found] == times
    assert sorted(place for place, _ in found) == list(range(len(times)))
    assert [time for _, time in sorted(found)] == sorted(times)


@given(times=TIMES.filter(reorder_depth))
def test_a_depth_that_is_too_small_is_noticed(times: list[int]) -> None:
    """A record that says less than its file has leads to no wrong order."""
    with pytest.raises(VerificationError, match="told by their times"):
        placed_times(times, reorder_depth(times) - 1)


def test_few_packets_are_held_back() -> None:
    """Those of a segment are not all in memory: a pyramid of 8 pictures is over after 8 and 3."""
    times = [0, *(8 * n + time for n in range(99) for time in (8, 4, 2, 1, 3, 6, 5, 7))]
    taken = 0

    def packets() -> Iterator[Timed]:
        nonlocal taken
        for time in times:
            taken += 1
            yield Timed(time)

    depth = reorder_depth(times)
    assert depth == 3
    most = 0
    for number, _ in enumerate(placed(packets(), depth, Path("a.mp4"))):  # type: ignore[arg-type]
        most = max(most, taken - number)
    assert most <= 8 + depth + 1


@given(times=TIMES)
def test_the_depth_is_the_least_with_which_all_is_decoded_in_time(times: list[int]) -> None:
    """With it no frame is shown before it is decoded; with one less, some is."""
    depth, order = reorder_depth(times), sorted(times)

    def in_time(delay: int) -> bool:
        return all(
            number < delay or order[number - delay] <= time for number, time in enumerate(times)
        )

    assert in_time(depth)
    assert depth == 0 or not in_time(depth - 1)


@given(segments=st.lists(st.lists(st.integers(0, 99), unique=True, min_size=1), min_size=1))
def test_one_depth_serves_all_segments_in_a_row(segments: list[list[int]]) -> None:
    """Decoding times, taken from the whole, rise strictly and are never behind those of display."""
    times = [1000 * number + time for number, each in enumerate(segments) for time in each]
    depth, order = max(map(reorder_depth, segments)), sorted(times)
    early = [order[0] - step for step in range(depth, 0, -1)]
    decoded_at = [*early, *order][: len(times)]
    assert all(a < b for a, b in pairwise(decoded_at))
    assert all(dts <= pts for dts, pts in zip(decoded_at, times, strict=True))


@pytest.mark.parametrize(
    ("codec", "output", "expected"),
    [("libx264", "matroska", "mp4"), ("libx264", "mov", "mov"), ("prores_ks", "matroska", "mov"),
     ("libvpx-vp9", "webm", "mp4"), ("ffv1", "matroska", "mp4"), ("huffyuv", "matroska", None)],
)  # fmt: skip
def test_segments_have_a_container_with_exact_times(
    codec: str, output: str, expected: str | None
) -> None:
    """MP4 or MOV, the output's own where it is one of them."""
    encoding = Encoding(codec=codec, pix_fmt="yuv420p", options={}, format_name=output)
    assert segment_format(encoding) == expected


@pytest.mark.parametrize("times", [[0, 1, 1, 2], [3, 0, 0], [0, None, 2]])
def test_packets_that_share_a_time_are_refused(times: list[int | None]) -> None:
    """They could not be told apart; no segment of ours has any."""
    with pytest.raises(VerificationError, match="told by their times"):
        placed_times(times, 2)
