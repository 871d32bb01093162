"""Order and times of the packets of joined segments."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import media
from animesr_cli.errors import VerificationError
from animesr_cli.writing.concat import packet_times, places, reorder_depth, segment_format
from animesr_cli.writing.encoders import Encoding
from media import patch_block_times

TIMES = st.lists(st.integers(-1000, 1000), unique=True, max_size=12)


@given(times=TIMES)
def test_places_are_the_order_of_display(times: list[int]) -> None:
    """Sorted by place, times rise; every place is taken once."""
    found = places(times)
    assert sorted(found) == list(range(len(times)))
    assert [time for _, time in sorted(zip(found, times, strict=True))] == sorted(times)


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


def test_packets_that_share_a_time_are_refused(tmp_path: Path) -> None:
    """They could not be told apart; no segment of ours has any."""
    path = media.write_video(tmp_path / "in.mkv", frames=6, gop=1)
    assert packet_times(path) == sorted(packet_times(path))
    patch_block_times(path, {3: 83})
    with pytest.raises(VerificationError, match="told by their times"):
        packet_times(path)
