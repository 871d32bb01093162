"""What is attached to pictures can be read, whatever a paint program put there."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import pytest

from animesr_cli.video.side_data import side_data_of
from command import animesr, environment, start, warnings_of
from media import picture, still_picture, write_video

PROFILE = bytes(range(256)) * 4


def png_with_profile(seed: int = 0, profile: bytes = PROFILE) -> bytes:
    """A PNG file with an embedded ICC profile, as paint programs write it."""
    context = av.CodecContext.create("png", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 32, 24, "rgb24"
    context.time_base = 1  # type: ignore[assignment]
    frame = picture(seed, 32, 24, "rgb24")
    content = b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)])
    body = b"iCCP" + b"a profile\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    behind_header = 8 + 25
    return content[:behind_header] + chunk + content[behind_header:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three such images."""
    path = tmp_path / "frames"
    path.mkdir()
    for number in range(3):
        (path / f"{number:03}.png").write_bytes(png_with_profile(number))
    return path


def test_a_profile_is_passed_over_again_and_again() -> None:
    """Reading the side data of one picture any number of times frees nothing twice."""
    context = av.CodecContext.create("png", "r")
    assert isinstance(context, av.VideoCodecContext)
    content = png_with_profile()
    (frame,) = [*context.decode(av.Packet(content)), *context.decode(None)]
    for _ in range(20):
        assert side_data_of(frame).get("DISPLAYMATRIX") is None
        assert side_data_of(frame).get("ICC_PROFILE") is None
    assert (frame.width, frame.height) == (32, 24)


def test_side_data_is_found(tmp_path: Path) -> None:
    """What is there is told, byte for byte as FFmpeg has it."""
    path = write_video(tmp_path / "in.mp4", rotation=90, frames=1)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    matrix = side_data_of(frame).get("DISPLAYMATRIX")
    assert matrix is not None
    assert struct.unpack("=9i", matrix)[1] == -(1 << 16)
    assert side_data_of(frame).get("A53_CC") is None


def test_a_plain_image_has_none() -> None:
    context = av.CodecContext.create("png", "r")
    assert isinstance(context, av.VideoCodecContext)
    (frame,) = [*context.decode(av.Packet(still_picture("png"))), *context.decode(None)]
    assert side_data_of(frame).get("MASTERING_DISPLAY_METADATA") is None


def test_info_reads_an_image_with_a_profile(folder: Path) -> None:
    """In a process of its own, which a crash would end without a word."""
    with start("info", folder / "000.png", env=environment()) as process:
        said, _ = process.communicate()
    assert process.returncode == 0
    assert "32x24" in said


def test_images_with_profiles_are_upscaled_and_compared(
    folder: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """A folder of them becomes a video, and a page."""
    made = animesr("upscale", folder, tmp_path / "out.mkv", "-n", zero_checkpoint)
    assert made.exit_code == 0, made.stderr
    (warning,) = [line for line in warnings_of(made) if "profile" in line]  # once a run
    assert "000.png has a colour profile" in warning
    page = tmp_path / "page.html"
    networks = ("-n", "bicubic", "-n", zero_checkpoint)
    outcome = animesr("compare", folder, *networks, "-o", page)
    assert outcome.exit_code == 0, outcome.stderr
    assert page.stat().st_size > 0
