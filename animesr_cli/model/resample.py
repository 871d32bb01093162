"""The classic ways to enlarge a picture, as papers and other programs have them. Knows no files.

``nearest`` repeats pixels; ``bilinear``; ``bicubic`` is Keys' kernel with a = -0.5, that of MATLAB
and Pillow; ``lanczos`` has three lobes. Pixels are areas: the outer edges of both pictures lie on
each other. Where a picture is made smaller, the kernels grow, so that nothing is aliased. Values
are neither clamped nor rounded: bicubic and lanczos leave [0, 1] beside edges, as they do.
Source: Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

RESAMPLERS: Final = ("nearest", "bilinear", "bicubic", "lanczos")
LOBES: Final = 3


def enlarge(picture: Tensor, height: int, width: int, name: str) -> Tensor:
    """(C, h, w) -> (C, height, width), by one of ``RESAMPLERS``."""
    size = (height, width)
    if name == "lanczos":
        rows = _lanczos(picture.shape[1], height, picture.device)
        columns = _lanczos(picture.shape[2], width, picture.device)
        return rows @ picture @ columns.mT
    if name == "nearest":
        return functional.interpolate(picture[None], size, mode="nearest-exact")[0]
    # Antialiased changes nothing where pictures grow, but for the a of bicubic: -0.75 without.
    return functional.interpolate(
        picture[None], size, mode=name, align_corners=False, antialias=True
    )[0]


def resample(pictures: Tensor, height: int, width: int) -> Tensor:
    """Bring (..., C, H, W) to another size, bicubic and antialiased, before it is quantised."""
    if pictures.shape[-2:] == (height, width):
        return pictures
    channels = enlarge(pictures.flatten(0, -3), height, width, "bicubic")
    return channels.view(*pictures.shape[:-2], height, width)


@lru_cache(maxsize=8)
def _lanczos(given: int, wanted: int, device: torch.device) -> Tensor:
    """(wanted, given): what each pixel of a row counts for in each of the enlarged row."""
    stretch = max(given / wanted, 1.0)  # of the kernel
    centres = (torch.arange(wanted, dtype=torch.float64) + 0.5) * given / wanted - 0.5
    distance = (torch.arange(given) - centres[:, None]) / stretch
    inside = distance.abs() < LOBES
    weights = torch.where(inside, torch.sinc(distance) * torch.sinc(distance / LOBES), 0.0)
    return (weights / weights.sum(1, keepdim=True)).to(device, torch.float32)
