"""One picture as the bytes of a PNG file. Knows no files, pages or colours' meaning.

The encoder is FFmpeg's. Samples that are sRGB, or a standard video's, carry no colour tag, as
everybody takes them for sRGB; others (HDR) are named by code points in a cICP chunk.
Source: PNG, third edition, https://www.w3.org/TR/png-3/, 11.3.2.6 (cICP).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import torch
from torch import Tensor

from animesr_cli.video.pixel_formats import filled_frame
from animesr_cli.writing.encoders import Encoding, new_context, open_encoder

PIXEL_FORMATS: Final = {torch.uint8: "rgb24", torch.uint16: "rgb48be"}
OPTIONS: Final = {"pred": "paeth", "compression_level": "3"}
"""Half the size of no filter; level 6 takes four times as long for 7 % less."""


def encode_png(rgb: Tensor, *, primaries: int = 2, transfer: int = 2) -> bytes:
    """(3, H, W) samples of uint8 or uint16, red first, as a PNG file.

    Args:
        primaries, transfer: code points of ITU-T H.273; 2 (unspecified) writes no tag.
    """
    encoding = Encoding(
        codec="png",
        pix_fmt=PIXEL_FORMATS[rgb.dtype],
        options=OPTIONS,
        format_name="png",
        lossless=True,
    )
    return encoded(rgb.cpu().unbind(), encoding, primaries=primaries, transfer=transfer)


def encoded(
    planes: Sequence[Tensor],
    encoding: Encoding,
    *,
    aspect: Fraction = Fraction(1),
    primaries: int,
    transfer: int,
) -> bytes:
    """One picture by an encoder of images, with the same code points."""
    frame = filled_frame(planes, encoding.frame_format)
    frame.color_primaries, frame.color_trc = primaries, transfer
    context = new_context(encoding, frame.width, frame.height)
    context.sample_aspect_ratio = aspect
    open_encoder(context, encoding)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
