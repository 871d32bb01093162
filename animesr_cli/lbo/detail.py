"""Where a frame shows something: edges, quiet areas, and detail, measured by slopes of luma."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.metrics.scoring import highest, sobel
from animesr_cli.model.tiles import Region

LUMA_WEIGHTS: Final = (0.299, 0.587, 0.114)
CODES: Final = 255.0
EDGE_CODES: Final = 8.0
"""A slope this steep, in 8-bit codes a pixel, is an edge: a sharp step of 16 codes has it."""
QUIET_CODES: Final = 2.0
"""What is less steep is nothing that is seen."""
STRONG_CODES: Final = 24.0
"""A steeper slope does not count for more where parts are chosen."""
LEAST_DETAIL: Final = 0.02
"""Share of a part's pixels that must be edges."""
SMOOTHING_PX: Final = 5
"""Side of the window whose mean is free of most noise."""
PLACE_STEP_PX: Final = 8
"""Between the places that are looked at for a part."""


def luma(frames: Tensor) -> Tensor:
    """(..., 3, H, W) -> (..., H, W) in 8-bit codes."""
    red, green, blue = frames.unbind(-3)
    kr, kg, kb = LUMA_WEIGHTS
    return (red * kr + green * kg + blue * kb) * CODES


def part_scores(frame: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each place that a part can have in an LR frame: its shares of edges and of quiet pixels,
    and its detail.

    Returns three maps; index (i, j) stands for the part at (8 i, 8 j).
    """
    found = sobel(luma(frame))
    maps = [(found > EDGE_CODES).float(), (found < QUIET_CODES).float()]
    maps.append(found.clamp(max=STRONG_CODES))
    means = functional.avg_pool2d(torch.stack(maps), (height, width), stride=PLACE_STEP_PX)
    return means[0], means[1], means[2]


def part_at(place: int, columns: int, height: int, width: int) -> Region:
    """The part for which a place stands, counted along the rows of such a map."""
    row, column = divmod(place, columns)
    return Region(row * PLACE_STEP_PX, column * PLACE_STEP_PX, height, width)


def structure(picture: Tensor) -> Tensor:
    """(H, W) -> (H, W): how much goes on near a pixel, once noise is smoothed away."""
    reach = SMOOTHING_PX // 2
    padded = functional.pad(picture[None, None], (reach,) * 4, mode="replicate")
    smooth = functional.avg_pool2d(padded, SMOOTHING_PX, stride=1)
    return highest(sobel(smooth[0, 0]), reach)
