"""A profile that changes what colours mean is remarked on; sRGB and broken ones are not."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from animesr_cli.reading.icc import remark_on_profile
from animesr_cli.reading.reader import Reader
from media import still_picture

WIDE = b"\0\0\2\x0c" + bytes(36) + b"desc Display P3"
SRGB = b"\0\0\2\x0c" + bytes(36) + b"desc sRGB IEC61966-2.1"
SRGB4 = b"\0\0\2\x0c" + bytes(36) + b"mluc" + "sRGB built-in".encode("utf-16-be")


def in_png(profile: bytes) -> bytes:
    body = b"iCCP" + b"ICC Profile\0\0" + zlib.compress(profile)
    chunk = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    plain = still_picture("png")
    return plain[:33] + chunk + plain[33:]


def in_jpeg(profile: bytes) -> bytes:
    body = b"ICC_PROFILE\0\1\1" + profile
    plain = still_picture("jpeg")
    return plain[:2] + b"\xff\xe2" + (len(body) + 2).to_bytes(2) + body + plain[2:]


def in_webp(profile: bytes) -> bytes:
    chunk = b"ICCP" + len(profile).to_bytes(4, "little") + profile + b"\0" * (len(profile) % 2)
    body = b"WEBPVP8X" + (10).to_bytes(4, "little") + b"\x20" + bytes(9) + chunk
    return b"RIFF" + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("held", [in_png, in_jpeg, in_webp])
def test_only_other_profiles_than_srgb_are_remarked_on(held: object) -> None:
    assert callable(held)
    said = remark_on_profile(held(WIDE), Path("a\x1b.x"))
    assert said is not None
    assert r"a\x1b.x has a colour profile" in said
    for profile in (SRGB, SRGB4):
        assert remark_on_profile(held(profile), Path("a")) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG iCCP", b"\x89PNG iCCPname\0\0no zlib IDAT", b"\xff\xd8", b"RIFF....WEBPVP8X"],
)
def test_what_is_broken_is_left_to_the_decoder(content: bytes) -> None:
    assert remark_on_profile(content, Path("a")) is None


def test_images_without_one_are_not_remarked_on() -> None:
    for codec in ("png", "jpeg"):
        assert remark_on_profile(still_picture(codec), Path("a")) is None


def test_a_single_image_is_told_too(tmp_path: Path) -> None:
    """It is read as a video of one frame."""
    path = tmp_path / "a.png"
    path.write_bytes(in_png(WIDE))
    warnings: list[str] = []
    with Reader(path, warn=warnings.append) as reader:
        assert len(list(reader)) == 1
    assert len(warnings) == 1
    assert "colour profile" in warnings[0]
