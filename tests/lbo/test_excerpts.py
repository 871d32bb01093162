"""Excerpts: consecutive frames of one shot, from all over the clip, however they are reached."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from animesr_cli.errors import InputError
from animesr_cli.lbo import excerpts as room
from animesr_cli.lbo.excerpts import Excerpt, frame_total, read_excerpts
from animesr_cli.reading.probe import probe
from media import write_video
from pictures import frames_of


def shots_video(path: Path, lengths: list[int]) -> Path:
    """Shots of still noise, each another one."""
    pictures = []
    for number, length in enumerate(lengths):
        noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        large = np.kron(noise, np.ones((8, 8, 1), np.uint8))
        pictures += [av.VideoFrame.from_ndarray(large, format="rgb24") for _ in range(length)]
    frames = [each.reformat(format="yuv420p") for each in pictures]
    return write_video(path, pictures=frames, frames=len(frames), exact=True)


def read(path: Path, **settings: int) -> list[Excerpt]:
    return list(read_excerpts(probe(path), warn=pytest.fail, **settings))


def test_they_lie_all_over_the_clip(tmp_path: Path) -> None:
    """Each comes from the middle of its part of the clip, in order, frame after frame."""
    path = write_video(tmp_path / "a.mkv", frames=60, exact=True)
    whole = frames_of(path).clamp(0, 1)
    found = read(path, count=4, length=3)
    assert [round(each.seconds * 24) for each in found] == [6, 21, 36, 51]
    for each, first in zip(found, (6, 21, 36, 51), strict=True):
        assert torch.equal(each.frames, whole[first : first + 3])


def test_jumping_and_passing_over_find_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a long clip the reader jumps: to consecutive frames at the times that are shown."""
    path = write_video(tmp_path / "a.mkv", frames=60, exact=True, gop=12)
    whole = frames_of(path).clamp(0, 1)
    monkeypatch.setattr(room, "FRAMES_PER_JUMP", 1)
    found = read(path, count=4, length=3)
    assert len(found) == 4
    for each in found:
        first = round(each.seconds * 24)
        assert torch.equal(each.frames, whole[first : first + 3])
    assert [round(each.seconds * 24) for each in found] == sorted(
        {round(each.seconds * 24) for each in found}
    )


@pytest.mark.parametrize("jump", [False, True])
def test_none_reaches_across_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: bool
) -> None:
    """Where a cut comes too soon, the frames behind it are taken; a shot that is too short, not."""
    path = shots_video(tmp_path / "a.mkv", [7, 2, 9, 5, 1, 8, 4, 12])
    if jump:
        monkeypatch.setattr(room, "FRAMES_PER_JUMP", 1)
    found = read(path, count=6, length=4, least=3)
    assert len(found) >= 4
    for each in found:
        assert 3 <= len(each.frames) <= 4
        assert all(torch.equal(each.frames[0], frame) for frame in each.frames)


def test_shots_that_are_too_short_give_nothing(tmp_path: Path) -> None:
    """Where no shot is long enough there is no excerpt."""
    path = shots_video(tmp_path / "a.mkv", [6] * 10)
    assert read(path, count=4, length=8, least=7) == []


@pytest.mark.parametrize(("frames", "expected"), [(3, 1), (4, 1), (9, 2), (200, 10)])
def test_a_short_clip_gives_fewer(tmp_path: Path, frames: int, expected: int) -> None:
    """They never overlap, and a clip of less than a length gives one of what it has."""
    path = write_video(tmp_path / "a.mkv", frames=frames, exact=True)
    found = read(path, count=10, length=4)
    assert len(found) == expected
    starts = [each.seconds * 24 for each in found]
    assert all(b - a >= 4 - 1e-6 for a, b in pairwise(starts))


def test_a_file_that_says_too_much_is_read_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A length that is announced and not there ends the excerpts, and nothing else."""
    path = write_video(tmp_path / "a.mkv", frames=40, exact=True)
    info = replace(probe(path), frame_count=400, duration_seconds=Fraction(400, 24))
    assert len(list(read_excerpts(info, count=8, length=4, warn=lambda _: None))) >= 1
    monkeypatch.setattr(room, "FRAMES_PER_JUMP", 1)
    info = replace(probe(path), frame_count=80, duration_seconds=Fraction(80, 24))
    found = list(read_excerpts(info, count=8, length=4, warn=lambda _: None))
    assert 3 <= len(found) <= 5


def test_frames_are_counted_where_nothing_tells(tmp_path: Path) -> None:
    """By the container, by length and rate, or by decoding all of them."""
    info = probe(write_video(tmp_path / "a.mkv", frames=30, exact=True))
    assert frame_total(replace(info, frame_count=7)) == 7
    timed = replace(info, frame_count=None, duration_seconds=Fraction(2))
    assert frame_total(timed) == 48
    assert frame_total(replace(timed, duration_seconds=None)) == 30


def test_a_clip_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Not an empty list."""
    path = write_video(tmp_path / "a.mkv", frames=6)
    info = probe(path)
    path.write_bytes(b"gone")
    with pytest.raises(InputError):
        list(read_excerpts(info, count=2, length=3))
