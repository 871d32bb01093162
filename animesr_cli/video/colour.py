"""YUV <-> RGB in torch, on whatever device the planes are: explicit matrix, range and siting.

Planes are 2-D integer tensors; of FFmpeg only the numbers of its colour tags appear here. Transfer
and primaries are left alone: the RGB is R'G'B', non-linear as it was coded, and bt2020 is the
non-constant-luminance form.

Nothing is clamped between the two directions, so a flat picture of any code, also one outside the
nominal range, comes back as the same code. Subsampled chroma is interpolated linearly at its exact
position; on the way back a chroma sample is the mean of its footprint, the area of one chroma
sample around that position ([1 1]/2 between two pixels, [1 2 1]/4 on a pixel). Drawn 4:4:4 frames
come back from 4:2:0 at 46.6 dB so, against 44.9 dB with the wider [1 3 3 1]/8 and [1 4 6 4 1]/16.
Edges are replicated. Arithmetic is fp32 and elementwise: no product that a GPU may run in TF32.

Sources: ITU-R BT.601-7, BT.709-6, BT.2020-2; code points and quantisation from ITU-T H.273 (2021),
section 8.3, which FFmpeg's AVCOL_* and AVCHROMA_LOC_* numbers follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from animesr_cli.errors import InputError, UsageError

Matrix = Literal["bt601", "bt709", "bt2020", "fcc", "smpte240m"]
MATRICES: tuple[Matrix, ...] = get_args(Matrix)
Siting = Literal["left", "center", "topleft"]


@dataclass(frozen=True, kw_only=True)
class PixelLayout:
    """What the samples of a picture are; every picture is one or three 2-D integer planes."""

    family: Literal["yuv", "gray", "rgb"]
    """yuv: planes Y, U, V; gray: Y alone; rgb: planes R, G, B (whatever the order in memory)."""
    depth: int
    """Bits per sample, 8 to 16; uint8 at 8, uint16 (value right-aligned) above."""
    chroma_shift_x: int = 0
    """log2 of the horizontal chroma subsampling (1 for 4:2:0 and 4:2:2, 2 for 4:1:1 and 4:1:0)."""
    chroma_shift_y: int = 0
    """log2 of the vertical chroma subsampling (1 for 4:2:0, 2 for 4:1:0)."""


@dataclass(frozen=True, kw_only=True)
class ColourSpec:
    """How the codes of a picture become RGB."""

    layout: PixelLayout
    matrix: Matrix = "bt709"
    """Luma coefficients; ignored for the rgb family."""
    full_range: bool = False
    """True: codes 0..2^depth-1; False: 16..235 / 16..240 at 8 bit. RGB is always full range."""
    siting: Siting = "left"
    """Where chroma samples sit; matters only where chroma is subsampled."""


# ---- the numbers ---------------------------------------------------------------------------------

LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {  # Kr, Kb; Kg is the rest
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
}
MATRIX_TITLES: dict[Matrix, str] = {
    "bt601": "BT.601",
    "bt709": "BT.709",
    "bt2020": "BT.2020",
    "fcc": "FCC",
    "smpte240m": "SMPTE 240M",
}

# AVCOL_SPC_*
TAGGED_MATRICES: dict[int, Matrix] = {
    1: "bt709",
    4: "fcc",
    5: "bt601",  # as BT.470 BG, the 625-line name
    6: "bt601",  # as SMPTE 170M, the 525-line name
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",  # constant luminance: needs linear light; the other form is the near one
}
MATRIX_TAGS: dict[Matrix, int] = {"bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "bt2020": 9}
CONSTANT_LUMINANCE_TAG = 10
NO_MATRIX_TAGS = (0, 2, 3)  # RGB (which a YUV picture cannot be), unspecified, reserved

# AVCOL_RANGE_*
LIMITED_RANGE_TAG = 1
FULL_RANGE_TAG = 2

# AVCHROMA_LOC_*; "unspecified" is left, the rule of MPEG-2, H.264 and H.265 (JPEG decoders tag
# their centre). The three that no encoder here writes go to the nearest one.
TAGGED_SITINGS: dict[int, Siting] = {
    0: "left",
    1: "left",
    2: "center",
    3: "topleft",
    4: "center",  # top
    5: "left",  # bottom left
    6: "center",  # bottom
}
SITING_TAGS: dict[Siting, int] = {"left": 1, "center": 2, "topleft": 3}

HD_HEIGHT_PX = 720  # an untagged picture this high, or wider than the next, is taken as BT.709
SD_WIDTH_PX = 1024


# ---- what the tags of a file mean ----------------------------------------------------------------


def choose_matrix(tag: int, width: int, height: int, override: str | None) -> tuple[Matrix, str]:
    """The matrix of a YUV picture and why, from its AVCOL_SPC tag, its size, or ``--matrix``."""
    if override is not None:
        named = next((matrix for matrix in MATRICES if matrix == override), None)
        if named is None:
            raise UsageError(
                f"no colour matrix is named {override!r}", f"one of {', '.join(MATRICES)}"
            )
        return named, f"{MATRIX_TITLES[named]} (--matrix)"
    if tag in TAGGED_MATRICES:
        matrix = TAGGED_MATRICES[tag]
        as_read = ", read as non-constant luminance" if tag == CONSTANT_LUMINANCE_TAG else ""
        return matrix, f"{MATRIX_TITLES[matrix]} (tagged{as_read})"
    if tag not in NO_MATRIX_TAGS:
        raise InputError(
            f"the video's colour matrix (FFmpeg's number {tag}, such as YCgCo or ICtCp) "
            "is not supported",
            hint="--matrix bt709 reads it as if it were BT.709; its colours would be wrong",
        )
    matrix = "bt709" if height >= HD_HEIGHT_PX or width > SD_WIDTH_PX else "bt601"
    return matrix, f"{MATRIX_TITLES[matrix]} ({'tagged RGB' if tag == 0 else 'untagged'}, by size)"


def full_range_of(tag: int, pix_fmt: str) -> bool:
    """Whether codes span 0..2^depth-1, from the AVCOL_RANGE tag and FFmpeg's format name.

    The ``yuvj`` formats are full by definition. Untagged gray is full, as FFmpeg itself reads it.
    """
    if pix_fmt.startswith("yuvj"):
        return True
    untagged_gray = tag not in (LIMITED_RANGE_TAG, FULL_RANGE_TAG) and pix_fmt.startswith(
        ("gray", "ya")
    )
    return tag == FULL_RANGE_TAG or untagged_gray


def siting_of(tag: int) -> Siting:
    """Where chroma sits, from the AVCHROMA_LOC tag."""
    return TAGGED_SITINGS.get(tag, "left")


# ---- quantisation (H.273, 8.3) -------------------------------------------------------------------


def _luma_codes(spec: ColourSpec) -> tuple[float, float]:
    """The code of black and the number of codes from black to white."""
    if spec.full_range:
        return 0.0, float((1 << spec.layout.depth) - 1)
    unit = 1 << (spec.layout.depth - 8)
    return 16.0 * unit, 219.0 * unit


def _chroma_codes(spec: ColourSpec) -> tuple[float, float]:
    """The code of no colour and the number of codes from -0.5 to 0.5."""
    unit = 1 << (spec.layout.depth - 8)
    span = float((1 << spec.layout.depth) - 1) if spec.full_range else 224.0 * unit
    return 128.0 * unit, span


def _to_codes(values: Tensor, depth: int) -> Tensor:
    """Round and clamp, in place, then narrow; ``values`` is a scratch tensor in units of codes."""
    codes = values.round_().clamp_(0, (1 << depth) - 1)
    return codes.to(torch.uint8 if depth == 8 else torch.uint16).contiguous()


# ---- chroma resampling ---------------------------------------------------------------------------


def _on_pixels(siting: Siting) -> tuple[bool, bool]:
    """Whether chroma samples sit on a pixel (else midway) horizontally, and vertically."""
    return siting != "center", siting == "topleft"


def _interpolate(samples: Tensor, pixels: Tensor, shift: int, on_pixel: bool) -> None:
    """Fill ``pixels``, 2^shift times longer in the last dimension: linear, edges replicated."""
    step = 1 << shift
    first = 0.0 if on_pixel else (step - 1) / 2  # where sample 0 sits, in pixels
    for phase in range(min(step, pixels.shape[-1])):
        place = (phase - first) / step  # of this phase's first pixel, in samples
        out = pixels[..., phase::step]
        lead = 1 if place < 0 else 0  # pixels before sample 0
        pairs = min(out.shape[-1] - lead, samples.shape[-1] - 1)  # pixels between two samples
        torch.lerp(
            samples[..., :pairs],
            samples[..., 1 : pairs + 1],
            place % 1.0,
            out=out[..., lead : lead + pairs],
        )
        out[..., :lead] = samples[..., :1]
        out[..., lead + pairs :] = samples[..., -1:]


def _footprint(step: int, on_pixel: bool) -> list[tuple[int, float]]:
    """(offset in pixels, weight) of one chroma sample; an end that it covers by half has half."""
    if not on_pixel:
        return [(offset, 1 / step) for offset in range(step)]
    half = step // 2
    inside = [(offset, 1 / step) for offset in range(1 - half, half)]
    return [*inside, (-half, 0.5 / step), (half, 0.5 / step)]


def _average(pixels: Tensor, shift: int, on_pixel: bool) -> Tensor:
    """Reduce the last dimension 2^shift times, rounded up: the mean of each footprint."""
    if shift == 0:
        return pixels
    step = 1 << shift
    taps = dict(_footprint(step, on_pixel))
    samples = pixels[..., ::step] * taps.pop(0)
    for offset, weight in taps.items():
        lead = 1 if offset < 0 else 0  # the first sample whose tap lies inside the picture
        inside = pixels[..., offset + lead * step :: step]
        inside = inside[..., : samples.shape[-1] - lead]
        end = lead + inside.shape[-1]
        samples[..., lead:end].add_(inside, alpha=weight)
        samples[..., :lead].add_(pixels[..., :1], alpha=weight)
        samples[..., end:].add_(pixels[..., -1:], alpha=weight)
    return samples


# ---- both directions -----------------------------------------------------------------------------


def to_rgb(
    planes: Sequence[Tensor], spec: ColourSpec, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Integer planes to (3, H, W) RGB on the planes' device, [0, 1] nominal, not clamped.

    Planes (T, H, W) of several pictures give (3, T, H, W).
    """
    height, width = planes[0].shape[-2:]
    rgb = torch.empty((3, *planes[0].shape), dtype=torch.float32, device=planes[0].device)
    if spec.layout.family == "rgb":
        for channel, plane in zip(rgb, planes, strict=True):
            channel.copy_(plane)
        return rgb.mul_(1 / ((1 << spec.layout.depth) - 1)).to(dtype)
    black, span = _luma_codes(spec)
    luma = planes[0].to(torch.float32).sub_(black).mul_(1 / span)
    if spec.layout.family == "gray":
        return rgb.copy_(luma).to(dtype)
    u, v = (_chroma_pixels(plane, spec, height, width) for plane in planes[1:])
    kr, kb = LUMA_WEIGHTS[spec.matrix]
    kg = 1 - kr - kb
    red, green, blue = rgb
    torch.add(luma, v, alpha=2 * (1 - kr), out=red)
    torch.add(luma, u, alpha=2 * (1 - kb), out=blue)
    torch.add(luma, v, alpha=-2 * (1 - kr) * kr / kg, out=green)
    green.add_(u, alpha=-2 * (1 - kb) * kb / kg)
    return rgb.to(dtype)


def _chroma_pixels(plane: Tensor, spec: ColourSpec, height: int, width: int) -> Tensor:
    """A chroma plane as values of -0.5..0.5 (nominal) at every pixel."""
    neutral, span = _chroma_codes(spec)
    values = plane.to(torch.float32).sub_(neutral).mul_(1 / span)
    on_pixel_x, on_pixel_y = _on_pixels(spec.siting)
    if spec.layout.chroma_shift_y:
        rows = values.new_empty((*values.shape[:-2], height, values.shape[-1]))
        _interpolate(values.mT, rows.mT, spec.layout.chroma_shift_y, on_pixel_y)
        values = rows
    if spec.layout.chroma_shift_x:
        pixels = values.new_empty((*values.shape[:-2], height, width))
        _interpolate(values, pixels, spec.layout.chroma_shift_x, on_pixel_x)
        values = pixels
    return values


def from_rgb(rgb: Tensor, spec: ColourSpec) -> tuple[Tensor, ...]:
    """(3, H, W) RGB of any stride to integer planes, rounded, clamped to 0..2^depth-1.

    (3, T, H, W) gives planes (T, H, W) of several pictures.
    """
    rgb = rgb.to(torch.float32)
    depth = spec.layout.depth
    if spec.layout.family == "rgb":
        return tuple(_to_codes(channel * ((1 << depth) - 1), depth) for channel in rgb)
    kr, kb = LUMA_WEIGHTS[spec.matrix]
    kg = 1 - kr - kb
    black, span = _luma_codes(spec)
    luma = _weighted(rgb, (kr * span, kg * span, kb * span), black)
    if spec.layout.family == "gray":
        return (_to_codes(luma, depth),)
    # Chroma is linear in RGB: reduce first, so that the rest touches a quarter of the pixels.
    on_pixel_x, on_pixel_y = _on_pixels(spec.siting)
    small = _average(rgb.mT, spec.layout.chroma_shift_y, on_pixel_y).mT
    small = _average(small, spec.layout.chroma_shift_x, on_pixel_x)
    neutral, span = _chroma_codes(spec)
    to_u, to_v = span / (2 * (1 - kb)), span / (2 * (1 - kr))
    u = _weighted(small, (-kr * to_u, -kg * to_u, (1 - kb) * to_u), neutral)
    v = _weighted(small, ((1 - kr) * to_v, -kg * to_v, -kb * to_v), neutral)
    return _to_codes(luma, depth), _to_codes(u, depth), _to_codes(v, depth)


def _weighted(rgb: Tensor, weights: tuple[float, float, float], offset: float) -> Tensor:
    """One plane: the weighted sum of three, plus an offset (a new tensor)."""
    total = rgb[0] * weights[0]
    total.add_(rgb[1], alpha=weights[1]).add_(rgb[2], alpha=weights[2])
    return total.add_(offset)


# ---- bytes ---------------------------------------------------------------------------------------


def to_bytes(rgb: Tensor) -> Tensor:
    """RGB in [0, 1], of any shape, as uint8."""
    return rgb.mul(255).round_().to(torch.uint8)


def from_bytes(rgb: Tensor) -> Tensor:
    """RGB of uint8, of any shape, in [0, 1]."""
    return rgb.to(torch.float32).div_(255)
