"""``av.VideoFrame`` <-> component planes, without a copy: where FFmpeg's pixel formats hold what.

A picture is one or three 2-D arrays of uint8 or uint16 in the order Y, U, V or Y or R, G, B,
whatever the order in memory; ``alpha_of`` is apart. Formats whose samples share bytes, are palette
entries or big-endian have no such view: ``native_format`` names the format they are converted to,
and ``Converter`` converts. What the codes mean (matrix, range) is told in colour.py.

Source: FFmpeg, libavutil/pixfmt.h and pixdesc.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import av
import numpy as np
import torch
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from animesr_cli.errors import InputError
from animesr_cli.video.colour import PixelLayout

Plane = NDArray[np.uint8] | NDArray[np.uint16]

_DEPTHS = "(?P<depth>9|10|12|14|16)le"
_PLANAR_YUV = re.compile(rf"yuv[aj]?(?P<sub>410|411|420|422|440|444)p(?:{_DEPTHS})?")
_PLANAR_RGB = re.compile(rf"gbra?p(?:{_DEPTHS})?")
_GRAY = re.compile(rf"(?:gray(?:{_DEPTHS})?|ya(?:8|(?P<alpha_depth>16)le))")

# What swscale cannot convert (yaf32 aborts the process), or not exactly: white of rgb444 would be
# 240, gbrp10msb takes a turn through YUV, grayf32 is 8 % off; xyz12 and Bayer need more than their
# samples in another place.
_UNSUPPORTED = re.compile(
    r"bayer_.*|xyz12..|gbrp1[02]msb..|(rgb|bgr)444[bl]e|.*f(16|32)[bl]e|.*(32|96|128)[bl]e"
    r"|rgb4|bgr4|(x2rgb10|x2bgr10|xv30|v30x|y210|y212|y216)be"
)

SUBSAMPLING: Final = {
    "410": (2, 2), "411": (2, 0), "420": (1, 1), "422": (1, 0), "440": (0, 1), "444": (0, 0),
}  # fmt: skip
"""FFmpeg's name -> log2 of the horizontal and vertical chroma subsampling."""

PACKED_RGB: Final = {
    "rgb24": ("rgb", 8), "bgr24": ("bgr", 8), "rgba": ("rgba", 8), "bgra": ("bgra", 8),
    "argb": ("argb", 8), "abgr": ("abgr", 8), "rgb0": ("rgb0", 8), "bgr0": ("bgr0", 8),
    "0rgb": ("0rgb", 8), "0bgr": ("0bgr", 8), "rgb48le": ("rgb", 16), "bgr48le": ("bgr", 16),
    "rgba64le": ("rgba", 16), "bgra64le": ("bgra", 16),
}  # fmt: skip
"""Order of the samples of one pixel in memory, and their depth."""

EXACT: Final = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
"""For a change of format alone: every sample keeps its value, nothing is interpolated."""
SCALING: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


# What a format holds -----------------------------------------------------------------------------


@cache
def layout_of(pix_fmt: str) -> PixelLayout | None:
    """The planes that ``planes_of`` finds in a picture of this format; None: no direct view."""
    if match := _PLANAR_YUV.fullmatch(pix_fmt):
        shift_x, shift_y = SUBSAMPLING[match["sub"]]
        depth = int(match["depth"] or 8)
        return PixelLayout(
            family="yuv", depth=depth, chroma_shift_x=shift_x, chroma_shift_y=shift_y
        )
    if match := _PLANAR_RGB.fullmatch(pix_fmt):
        return PixelLayout(family="rgb", depth=int(match["depth"] or 8))
    if match := _GRAY.fullmatch(pix_fmt):
        return PixelLayout(family="gray", depth=int(match["depth"] or match["alpha_depth"] or 8))
    if pix_fmt in PACKED_RGB:
        return PixelLayout(family="rgb", depth=PACKED_RGB[pix_fmt][1])
    return None


@cache
def native_format(pix_fmt: str) -> str:
    """The format with a direct view that holds everything a picture of ``pix_fmt`` does."""
    if layout_of(pix_fmt) is not None:
        return pix_fmt
    fmt = VideoFormat(pix_fmt, 64, 64)
    if not fmt.components or _UNSUPPORTED.fullmatch(fmt.name):
        raise InputError(
            f"pictures of the pixel format {pix_fmt} are not supported",
            "convert the file to an ordinary one first, such as yuv444p10le or rgb48le",
        )
    if fmt.name.endswith("be") and layout_of(fmt.name[:-2] + "le") is not None:
        return fmt.name[:-2] + "le"
    depth = max(component.bits for component in fmt.components)
    suffix = "" if depth <= 8 else f"{depth}le"
    if fmt.is_rgb or fmt.has_palette:
        # Not gbrp: swscale leaves the low bits of rgb565 zero there, and white becomes 248.
        return "rgb24" if depth <= 8 else f"gbrp{suffix}"
    if len(fmt.components) < 3:
        return f"gray{suffix}"
    return f"yuv{_subsampling(fmt)}p{suffix}"


def _subsampling(fmt: VideoFormat) -> str:
    chroma = fmt.components[1]
    shifts = ((64 // chroma.width).bit_length() - 1, (64 // chroma.height).bit_length() - 1)
    return next(name for name, pair in SUBSAMPLING.items() if pair == shifts)


# Views -------------------------------------------------------------------------------------------


def planes_of(frame: av.VideoFrame) -> tuple[Plane, ...]:
    """Writable views of a frame's samples, in its own memory, which they keep alive.

    Rows are as far apart as the decoder put them, samples of packed formats too. The rows of a
    picture that is stored bottom up come with a negative stride. Writing into a frame that a
    decoder made also changes what it predicts later frames from.
    """
    layout = layout_of(frame.format.name)
    if layout is None:
        raise ValueError(f"{frame.format.name} has no direct view; see native_format")
    return tuple(
        _view(frame.planes[plane], width, height, layout.depth, offset, step)
        for plane, width, height, offset, step in _samples(frame, layout)
    )


def _samples(frame: av.VideoFrame, layout: PixelLayout) -> Iterator[tuple[int, int, int, int, int]]:
    """Plane, width, height, and offset and step in samples, of each component."""
    name, width, height = frame.format.name, frame.width, frame.height
    if name in PACKED_RGB:
        order = PACKED_RGB[name][0]
        for channel in "rgb":
            yield 0, width, height, order.index(channel), len(order)
    elif layout.family == "gray":
        yield 0, width, height, 0, 2 if name.startswith("ya") else 1
    elif layout.family == "rgb":
        for plane in (2, 0, 1):  # stored G, B, R
            yield plane, width, height, 0, 1
    else:
        yield 0, width, height, 0, 1
        for plane in (1, 2):
            chroma_width = -(-width >> layout.chroma_shift_x)
            yield plane, chroma_width, -(-height >> layout.chroma_shift_y), 0, 1


def _view(
    plane: av.video.plane.VideoPlane, width: int, height: int, depth: int, offset: int, step: int
) -> Plane:
    dtype = np.dtype(np.uint8 if depth == 8 else np.uint16)
    line = plane.line_size
    # PyAV's buffer begins at the lowest address; with a negative line size that is the last row.
    start = -line * (height - 1) if line < 0 else 0
    view: NDArray[Any] = np.ndarray(
        (height, width),
        dtype,
        buffer=memoryview(plane),
        offset=start + offset * dtype.itemsize,
        strides=(line, step * dtype.itemsize),
    )
    return view


def tensor_of(view: np.ndarray[Any, Any]) -> Tensor:
    """A plane as a tensor of the same memory, where torch can express its strides."""
    # Pictures stored bottom up have negative strides, which torch does not know.
    if any(stride < 0 for stride in view.strides):
        view = np.ascontiguousarray(view)
    return torch.from_numpy(view)


def has_alpha(pix_fmt: str) -> bool:
    """Whether pictures of a format may be transparent; palettes may."""
    fmt = VideoFormat(pix_fmt, 64, 64)
    return fmt.has_palette or any(component.is_alpha for component in fmt.components)


def alpha_of(frame: av.VideoFrame) -> Plane | None:
    """A view of a frame's transparency, as those of ``planes_of``; None: its format has none."""
    name, layout = frame.format.name, layout_of(frame.format.name)
    if layout is None or not any(component.is_alpha for component in frame.format.components):
        return None
    plane, offset, step = 3, 0, 1
    if name in PACKED_RGB:
        order = PACKED_RGB[name][0]
        plane, offset, step = 0, order.index("a"), len(order)
    elif layout.family == "gray":
        plane, offset, step = 0, 1, 2
    return _view(frame.planes[plane], frame.width, frame.height, layout.depth, offset, step)


def filled_frame(planes: Sequence[Tensor], pix_fmt: str) -> av.VideoFrame:
    """A new frame of a format with a direct view that holds copies of these planes.

    One plane more than the format has is its alpha; without it the frame is opaque.
    """
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pix_fmt)
    views, alpha = planes_of(frame), alpha_of(frame)
    if alpha is not None and len(planes) > len(views):
        views = (*views, alpha)
    elif alpha is not None:
        alpha[:] = (1 << max(component.bits for component in frame.format.components)) - 1
    for view, plane in zip(views, planes, strict=True):
        assert view.shape == plane.shape, (view.shape, plane.shape)
        view[:] = plane.numpy()
    return frame


# Conversion --------------------------------------------------------------------------------------


class Converter:
    """Brings every frame of a video to one size and one format with a direct view.

    One per thread: ``frame.reformat`` keeps about 1 MB for each frame it is called on (PyAV 18).
    """

    def __init__(self, width: int, height: int, pix_fmt: str) -> None:
        self.width = width
        self.height = height
        self.pix_fmt = pix_fmt
        self._reformatter = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame itself where it is right already, else a new one; the matrix and range stay."""
        same_size = (frame.width, frame.height) == (self.width, self.height)
        if same_size and frame.format.name == self.pix_fmt:
            return frame
        return self._reformatter.reformat(
            frame,
            self.width,
            self.height,
            self.pix_fmt,
            interpolation=EXACT if same_size else SCALING,
            threads=1,
        )
