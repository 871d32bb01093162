"""High dynamic range: which curve a video has, how bright it was made, and what can carry that on.

PQ and HLG are kept as they are coded: the tags say the curve, and static metadata says what display
the pictures were mastered on (SMPTE ST 2086) and how bright they get (CTA-861.3 MaxCLL, MaxFALL).
Both are read from the first picture and written twice, into the encoder's own headers (here) and
into the container's (stream_header.py). Metadata that changes with the picture (Dolby Vision,
HDR10+) describes the pictures that it was made for and is not carried over.

Sources: libavutil's mastering_display_metadata.h and dovi_meta.h, the parameter descriptions of
x264, x265 and SVT-AV1, and ETSI GS CCM 001 (the Dolby Vision RPU).
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from animesr_cli.errors import InputError, UsageError

log = logging.getLogger(__name__)

Curve = Literal["PQ", "HLG"]
CURVES: Final[Mapping[int, Curve]] = {16: "PQ", 18: "HLG"}
"""By AVCOL_TRC number: SMPTE ST 2084, ARIB STD-B67."""

LEAST_DEPTH: Final = 10
"""Bits a sample: with fewer, both curves show bands."""

Point: TypeAlias = "tuple[Fraction, Fraction]"

# ---- what a video has ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MasteringDisplay:
    """The display that a video was made on: CIE 1931 x and y, and cd/m2."""

    red: Point
    green: Point
    blue: Point
    white: Point
    min_luminance: Fraction
    max_luminance: Fraction


@dataclass(frozen=True, kw_only=True)
class ContentLight:
    """The brightest sample and the brightest frame's average, in cd/m2; 0 is unknown."""

    max_cll: int
    max_fall: int


@dataclass(frozen=True, kw_only=True)
class HdrMetadata:
    """What makes a video more than standard dynamic range."""

    curve: Curve | None
    """None: a standard picture, which Dolby Vision enhances."""
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    dolby_vision: int | None = None
    """Profile of its Dolby Vision; 0: it has one and does not say which."""
    base_layer: bool = True
    """Whether the picture is one without its Dolby Vision."""
    hdr10_plus: bool = False

    @property
    def is_static(self) -> bool:
        """Whether there is metadata beside the tags to write."""
        return self.curve is not None and (self.mastering or self.light) is not None

    def __str__(self) -> str:
        parts: list[str] = [self.curve or "standard range"]
        if self.mastering is not None:
            low, high = self.mastering.min_luminance, self.mastering.max_luminance
            parts.append(f"mastered at {float(low):g} to {float(high):g} cd/m2")
        if self.light is not None:
            parts.append(f"MaxCLL {self.light.max_cll}, MaxFALL {self.light.max_fall}")
        if self.hdr10_plus:
            parts.append("HDR10+")
        if self.dolby_vision is not None:
            parts.append("Dolby Vision" + f" profile {self.dolby_vision}" * bool(self.dolby_vision))
        return ", ".join(parts)


def is_hdr(metadata: HdrMetadata | None) -> bool:
    """Whether the picture itself is HDR, and not only what enhances it."""
    return metadata is not None and metadata.curve is not None


# ---- reading -------------------------------------------------------------------------------------

DOLBY_VISION_CODECS: Final = frozenset({"hevc", "av1", "h264"})
NO_BASE_LAYER: Final = ((5, 0), (10, 0))
"""Profile and compatibility, in HEVC and AV1: IPT-PQ-C2, which needs a Dolby Vision decoder."""

_MASTERING: Final = struct.Struct("=20i2i")  # ten rationals, and whether each half of them is set
_LIGHT: Final = struct.Struct("=2I")


def read_hdr(
    side_data: Mapping[str, bytes], transfer: int, recorded_profile: tuple[int, int] | None = None
) -> HdrMetadata | None:
    """What the first picture of a video and its transfer tag say; None: nothing.

    Args:
        side_data: as ``side_data_of`` gives it.
        recorded_profile: profile and compatibility of the Dolby Vision that its container records.
    """
    dolby_vision = recorded_profile
    if dolby_vision is None:
        dolby_vision = _profile_of_rpu(side_data.get("DOVI_RPU_BUFFER"))
    curve = CURVES.get(transfer)
    if curve is None and dolby_vision is None:
        return None
    return HdrMetadata(
        curve=curve,
        mastering=_mastering(side_data.get("MASTERING_DISPLAY_METADATA")),
        light=_light(side_data.get("CONTENT_LIGHT_LEVEL")),
        dolby_vision=dolby_vision[0] if dolby_vision else None,
        base_layer=dolby_vision not in NO_BASE_LAYER,
        hdr10_plus="DYNAMIC_HDR_PLUS" in side_data,
    )


def _mastering(data: bytes | None) -> MasteringDisplay | None:
    """AVMasteringDisplayMetadata; one that is only half filled is of no use to an encoder."""
    if data is None or len(data) < _MASTERING.size:
        return None
    *numbers, has_primaries, has_luminance = _MASTERING.unpack_from(data)
    if not (has_primaries and has_luminance) or 0 in numbers[1::2]:
        return None
    values = [Fraction(n, d) for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
    red, green, blue, white = zip(values[0:8:2], values[1:8:2], strict=True)
    return MasteringDisplay(
        red=red, green=green, blue=blue, white=white,
        min_luminance=values[8], max_luminance=values[9],
    )  # fmt: skip


def _light(data: bytes | None) -> ContentLight | None:
    if data is None or len(data) < _LIGHT.size:
        return None
    max_cll, max_fall = _LIGHT.unpack_from(data)
    return ContentLight(max_cll=max_cll, max_fall=max_fall) if max_cll or max_fall else None


def _profile_of_rpu(rpu: bytes | None) -> tuple[int, int] | None:
    """Dolby Vision without a record, as in a bare stream: 5 can be told from the first RPU."""
    if rpu is None:
        return None
    bits = int.from_bytes(rpu[:8].ljust(8, b"\0"), "big")

    def field(offset: int, length: int) -> int:
        return bits >> (64 - offset - length) & ((1 << length) - 1)

    # 8 bits of prefix (25), 6 of type (2), 11 of format, 4 of profile, 4 of level, 1 of presence,
    # 1 of chroma resampling, 2 of coefficient type, (an exponential Golomb code), 2, 1 of range.
    if field(0, 8) != 25 or field(8, 6) != 2 or field(25, 4) != 0 or not field(33, 1):
        return 0, 0
    offset = 37
    if field(35, 2) == 0:
        zeros = next((n for n in range(20) if field(offset + n, 1)), 20)
        offset += 2 * zeros + 1
    return (5, 0) if offset < 60 and field(offset + 2, 1) else (0, 0)


def check_base_layer(metadata: HdrMetadata | None, name: str) -> None:
    """Refuse pictures that are none without their Dolby Vision enhancement.

    Raises:
        InputError: they are.
    """
    if metadata is not None and not metadata.base_layer:
        raise InputError(
            f"{name} is Dolby Vision of profile {metadata.dolby_vision} without a base layer: only "
            "a Dolby Vision decoder knows its colours",
            "convert it to HDR10 first, or take a file with an HDR10 base layer (profile 7 or 8)",
        )


# ---- what carries it -----------------------------------------------------------------------------

_LACKING_FORMATS: Final = {"png": "PNG images", "yuv4mpegpipe": "y4m"}


def check_carrier(
    metadata: HdrMetadata | None, *, codec: str, pix_fmt: str, depth: int, format_name: str
) -> None:
    """Refuse an output that would show HDR as a washed-out standard picture.

    Raises:
        UsageError: it has too few bits, or cannot say what curve it has.
    """
    if metadata is None or metadata.curve is None:
        return
    if format_name in _LACKING_FORMATS:
        raise UsageError(
            f"the input is HDR ({metadata.curve}), and {_LACKING_FORMATS[format_name]} would not "
            "say so: it would look washed out",
            "write a video: .mkv, .mp4 and .mov keep HDR",
        )
    if depth < LEAST_DEPTH:
        usual = "libsvtav1" if format_name == "webm" else "libx265"
        raise UsageError(
            f"the input is HDR ({metadata.curve}), which needs {LEAST_DEPTH} bits a sample, and "
            f"{codec} in {pix_fmt} has {depth}",
            f"leave -c and --pix-fmt out, or use -c {usual} --pix-fmt yuv420p10le",
        )


def losses(metadata: HdrMetadata | None) -> list[str]:
    """What of it no output has, in one sentence each."""
    if metadata is None:
        return []
    sentences = []
    base = metadata.curve or "standard"
    if metadata.dolby_vision is not None:
        named = f" (profile {metadata.dolby_vision})" if metadata.dolby_vision else ""
        sentences.append(
            f"the Dolby Vision enhancement{named} is dropped; the {base} picture under it is kept"
        )
    if metadata.hdr10_plus:
        sentences.append(
            "the HDR10+ metadata, which changes with the picture, is dropped; the "
            f"{base} picture and its static metadata are kept"
        )
    return sentences


# ---- writing: the encoder ------------------------------------------------------------------------


def _display(display: MasteringDisplay, codec: str) -> str:
    """``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``, x26x's in 0.00002 and 0.0001 cd/m2."""
    low, high = display.min_luminance, display.max_luminance
    points = {"G": display.green, "B": display.blue, "R": display.red, "WP": display.white}
    if codec == "libsvtav1":
        text = "".join(f"{name}({float(x):.6f},{float(y):.6f})" for name, (x, y) in points.items())
        return f"{text}L({float(high):.4f},{float(low):.6f})"
    text = "".join(
        f"{name}({round(x * 50_000)},{round(y * 50_000)})" for name, (x, y) in points.items()
    )
    return f"{text}L({round(high * 10_000)},{round(low * 10_000)})"


_OPTIONS: Final = {
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}
"""The option with an encoder's own parameters, and two of these."""


def with_metadata(
    options: Mapping[str, str], codec: str, metadata: HdrMetadata | None
) -> dict[str, str]:
    """The options of an encoder with the static metadata; what they have already wins."""
    if metadata is None or not metadata.is_static or codec not in _OPTIONS:
        return dict(options)
    option, display_name, light_name = _OPTIONS[codec]
    display, light = metadata.mastering, metadata.light
    own = []
    if display is not None:
        own.append(f"{display_name}={_display(display, codec)}")
    if light is not None:
        own.append(f"{light_name}={light.max_cll},{light.max_fall}")
    if codec == "libx265":
        own.append("hdr10=1")
    given = options.get(option)
    return {**options, option: ":".join([*own, given] if given else own)}


def is_replaced(options: Mapping[str, str], codec: str) -> bool:
    """Whether parameters given with ``-e`` stand behind the source's metadata and replace it."""
    if codec not in _OPTIONS:
        return False
    option, *names = _OPTIONS[codec]
    keys = [part.partition("=")[0] for part in options.get(option, "").split(":")]
    return any(keys.count(name) > 1 for name in names)
