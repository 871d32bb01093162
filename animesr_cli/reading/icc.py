"""Whether an image has an ICC profile that gives its colours another meaning than sRGB.

FFmpeg decodes the samples as they are, and no colour is converted here: whoever reads a profile and
drops it has to say so. A profile that calls itself sRGB says what is assumed without one.

Sources: ISO/IEC 15948 (PNG), 11.3.3.3; ICC.1:2022, annex B (JPEG); RFC 9649 (WebP), 2.7.1.4.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

from animesr_cli.text import shown

LARGEST_PROFILE_BYTES: Final = 1 << 20
_JPEG_MARK: Final = b"ICC_PROFILE\0"
_SRGB: Final = ("sRGB".encode("ascii"), "sRGB".encode("utf-16-be"))
"""In a profile's description, of version 2 and of version 4."""


def remark_on_profile(content: bytes, path: Path) -> str | None:
    """A warning about an image file; None: it is sRGB, or does not say."""
    profile = _profile(content)
    if profile is None or any(name in profile for name in _SRGB):
        return None
    return (
        f"{shown(path)} has a colour profile (ICC) other than sRGB: it is dropped, and the samples "
        "stay as they are; convert the images to sRGB first if their colours are to stay"
    )


def _profile(content: bytes) -> bytes | None:
    """The profile, or a piece of the file that has it and begins with it."""
    if content.startswith(b"\x89PNG"):
        _, mark, rest = content.partition(b"IDAT")[0].partition(b"iCCP")
        name, _, packed = rest.partition(b"\0")
        return _unpacked(packed[1:]) if mark and name else None  # 1: the method, always zlib
    if content.startswith(b"\xff\xd8"):
        _, mark, rest = content.partition(_JPEG_MARK)
        return rest[:LARGEST_PROFILE_BYTES] if mark else None
    if content[8:16] == b"WEBPVP8X" and content[30:34] == b"ICCP":
        return content[38 : 38 + int.from_bytes(content[34:38], "little")]
    return None


def _unpacked(packed: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(packed, LARGEST_PROFILE_BYTES)
    except zlib.error:
        return None
