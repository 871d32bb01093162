"""What is cut off is noticed, and what only begins late is not called so."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest

from animesr_cli.reading.ends import is_fragmented
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.upscaling.plan import expected_frames
from command import animesr
from media import write_video

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def warnings_from(path: Path) -> list[str]:
    warnings: list[str] = []
    with Reader(path, warn=warnings.append) as reader:
        assert list(reader)
    return warnings


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_file_that_begins_late_is_whole(fragmented: bool, tmp_path: Path) -> None:
    """A piece of a stream that begins at 8 s, plain or in fragments, lacks nothing."""
    path = write_video(
        tmp_path / "in.mp4", pts=range(192, 240), time_base=Fraction(1, 24), gop=12,
        container_options=FRAGMENTS if fragmented else {},
    )  # fmt: skip
    assert is_fragmented(path) == fragmented
    assert warnings_from(path) == []
    assert expected_frames(probe(path), UpscaleSettings()) == 48


def test_a_late_matroska_announces_what_comes(tmp_path: Path) -> None:
    """Its length is told as the time of its end, from which parts are counted as well."""
    path = write_video(
        tmp_path / "in.mkv", pts=range(8000, 10000, 40), time_base=Fraction(1, 1000), rate=25
    )
    info = probe(path)
    assert expected_frames(info, UpscaleSettings()) == 50
    assert expected_frames(info, UpscaleSettings(start=Fraction(9))) == 25
    assert expected_frames(info, UpscaleSettings(end=Fraction(9))) == 25


def test_the_real_segment_is_whole(faults: Path) -> None:
    path = faults / "fmp4_late_segment.mp4"
    assert is_fragmented(path)
    assert warnings_from(path) == []
    assert expected_frames(probe(path), UpscaleSettings()) == 48


def test_a_late_file_that_is_cut_off_is_noticed(tmp_path: Path) -> None:
    """The index stands in front, and a part of the pictures is not there."""
    path = write_video(
        tmp_path / "in.mp4", pts=range(192, 288), time_base=Fraction(1, 24), gop=12,
        container_options={"movflags": "faststart"},
    )  # fmt: skip
    os.truncate(path, path.stat().st_size * 2 // 3)
    assert any("the input is cut off" in warning for warning in warnings_from(path))


@pytest.mark.parametrize("content", [b"", b"\0\0\0\1moov", b"\0\0\0\4moof", b"\xff" * 40])
def test_what_has_no_boxes_is_not_fragmented(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    assert not is_fragmented(path)


def test_an_animated_webp_is_told_so(tmp_path: Path) -> None:
    """The hint is about what can be done, not about sizes."""
    frame = b"ANMF" + (4).to_bytes(4, "little") + bytes(4)
    body = b"WEBP" + b"VP8X" + (10).to_bytes(4, "little") + b"\2" + bytes(9) + frame
    path = tmp_path / "in.webp"
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)
    outcome = animesr("info", path)
    outcome.refused(3, "animated WebP", "make images of it first")


def test_the_real_animation_is_told_so(faults: Path) -> None:
    outcome = animesr("info", faults / "animated.webp")
    outcome.refused(3, "animated WebP", "make images of it first")
    with pytest.raises(av.FFmpegError), av.open(str(faults / "animated.webp")) as container:
        list(container.decode(video=0))  # the day it does not raise, there is a decoder
