"""Frames from the middle of a file are those of a whole read, whatever the file is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import media
from animesr_cli.errors import InputError
from animesr_cli.jobs.frame_index import DAMAGED, FrameIndex
from animesr_cli.jobs.range_reader import RangeReader, can_be_found
from animesr_cli.reading.deinterlace import Deinterlacer
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.reader import Reader
from animesr_cli.video.part import Part
from zoo import ZOO

READABLE = {name: specimen for name, specimen in ZOO.items() if specimen.refused is None}

Opened = Callable[[], Reader]


def whole(opened: Opened) -> tuple[list[Frame], FrameIndex]:
    frames, table = [], FrameIndex()
    with opened() as reader:
        for frame in reader:
            table.append(frame, cut=False)
            frames.append(frame)
    return frames, table


def equal(ours: Frame, theirs: Frame) -> bool:
    pairs = zip(ours.planes, theirs.planes, strict=True)
    return (ours.pts, ours.duration) == (theirs.pts, theirs.duration) and all(
        np.array_equal(a.numpy(), b.numpy()) for a, b in pairs
    )


def check_ranges(opened: Opened, ranges: list[tuple[int, int]] | None = None) -> RangeReader:
    frames, table = whole(opened)
    count = len(frames)
    ranges = ranges or [(n, min(n + 2, count)) for n in (*range(0, count, 2), 0)]
    reader = RangeReader(opened, pytest.fail)
    with closing(reader):
        for first, end in ranges:
            run_in = max(first - 4, 0)
            found = list(reader.frames(table.rows(run_in, end), run_in, first))
            assert len(found) == end - first
            assert all(map(equal, found, frames[first:end])), (first, end)
    return reader


@pytest.mark.parametrize("name", READABLE)
def test_ranges_of_every_kind_of_file_are_those_of_a_whole_read(name: str, tmp_path: Path) -> None:
    """Pairs of frames, and in the end the first again: times, durations and samples."""
    source = READABLE[name].make(tmp_path)
    check_ranges(lambda: Reader(source, warn=lambda message: None))


OPTIONS: dict[str, dict[str, Any]] = {
    "open groups": {"codec": "libx265", "options": {"preset": "ultrafast",
        "x265-params": "log-level=none:open-gop=1:keyint=8:min-keyint=4:bframes=3"}},
    "intra refresh": {"codec": "libx264", "options": {"preset": "ultrafast", "intra-refresh": "1",
        "x264-params": "keyint=8:scenecut=0"}},
    "one key frame": {"codec": "libx264", "options": {"preset": "veryfast", "x264-params":
        "keyint=infinite:scenecut=0"}},
    "every frame": {"gop": 1},
    "b frames": {"codec": "libx264", "options": {"preset": "veryfast"}, "gop": 6, "b_frames": 3},
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", OPTIONS)
def test_key_frames_that_lead_astray_are_noticed(name: str, suffix: str, tmp_path: Path) -> None:
    """References over key frames, pictures that build up slowly: still the same frames."""
    source = media.write_video(tmp_path / f"in{suffix}", frames=40, **OPTIONS[name])
    check_ranges(lambda: Reader(source), [(30, 36), (9, 11), (17, 20), (39, 40), (0, 3)])


def test_a_range_is_found_by_seeking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A healthy file is not read from its beginning."""
    source = media.write_video(tmp_path / "in.mp4", frames=40, gop=4)
    monkeypatch.setattr(
        RangeReader, "_from_beginning", lambda *arguments: pytest.fail("read from the beginning")
    )
    check_ranges(lambda: Reader(source), [(30, 36), (9, 11)])


def test_rising_ranges_of_a_file_without_times_are_one_read(tmp_path: Path) -> None:
    """What cannot be sought in is opened once, and once more for what lies behind."""
    source = media.write_video(tmp_path / "in.h264", frames=12)
    opened: list[Reader] = []

    def count() -> Reader:
        opened.append(Reader(source))
        return opened[-1]

    check_ranges(count, [(0, 3), (3, 7), (9, 12), (2, 4)])
    assert len(opened) == 1 + 2  # the first is the whole read


@pytest.mark.parametrize("part", [(Fraction(1, 4), None, None), (None, Fraction(1), 9)])
def test_a_part_of_a_clip_has_its_own_numbers(
    part: tuple[Fraction | None, Fraction | None, int | None], tmp_path: Path
) -> None:
    """Frame 0 is the first that was asked for."""
    source = media.write_video(tmp_path / "in.mkv", frames=30, gop=7)
    start, end, frames = part
    check_ranges(lambda: Reader(source, part=Part(start, end, frames)), [(5, 8), (0, 2)])


def test_a_filter_over_neighbours_sees_the_same_ones(tmp_path: Path) -> None:
    """Deinterlaced frames depend on those around them, which a range begins early enough for."""
    source = media.write_video(tmp_path / "in.mkv", frames=24, interlaced=True, gop=3)
    check_ranges(
        lambda: Reader(source, deinterlacer=Deinterlacer(flagged=False)), [(13, 16), (4, 6), (0, 2)]
    )


def test_an_input_that_changes_is_noticed(tmp_path: Path) -> None:
    """Between the first pass and the range, or while it is read."""
    source = media.write_video(tmp_path / "in.mkv", frames=12)
    _, table = whole(lambda: Reader(source))
    info = Reader(source).info
    media.write_video(source, frames=14)
    ranges = RangeReader(lambda: Reader(source, info=info))
    with closing(ranges), pytest.raises(InputError, match="was changed"):
        list(ranges.frames(table.rows(0, 4), 0, 0))


def test_only_healthy_rows_can_be_found() -> None:
    """Times must be known and rise, and nothing may be damaged."""
    table = FrameIndex()
    for pts in range(5):
        table.append(Frame((), pts, 1, source_pts=pts), cut=False)
    assert can_be_found(table.rows())
    for name, value in (("source_pts", 0), ("flags", DAMAGED)):
        rows = table.rows()
        rows[name][3] = value
        assert not can_be_found(rows)
    table.append(Frame((), 5, 1), cut=False)
    assert not can_be_found(table.rows())
