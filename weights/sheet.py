"""Draws a sheet of pictures: one row a scene, beside each other what the candidates made of it.

The part of a picture that is shown is chosen by the truth: where the most lines are. It is shown at
twice its size, pixel by pixel, so that nothing is smoothed. The order of the columns is that of the
scene's pictures, the truth last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.writing.png import encode_png

PART_WIDTH_PX: Final = 256
PART_HEIGHT_PX: Final = 160
ZOOM: Final = 2
GAP_PX: Final = 8
SEARCH_STEP_PX: Final = 16
STRONG_CODES: Final = 24.0
"""A difference of neighbours counts up to this: many lines are more than one hard edge."""


@dataclass(frozen=True)
class Scene:
    """One row: pictures (3, H, W) of bytes, all of one size; the last is the truth."""

    name: str
    pictures: Sequence[Tensor]


def busiest_part(truth: Tensor) -> tuple[int, int]:
    """Top and left of the part of (3, H, W) bytes with the most lines."""
    luma = truth.float().mean(dim=0)
    energy = torch.zeros_like(luma)
    energy[:, 1:] += luma.diff(dim=1).abs().clamp_(max=STRONG_CODES)
    energy[1:] += luma.diff(dim=0).abs().clamp_(max=STRONG_CODES)
    height, width = min(PART_HEIGHT_PX, luma.shape[0]), min(PART_WIDTH_PX, luma.shape[1])
    sums = functional.avg_pool2d(energy[None], (height, width), stride=SEARCH_STEP_PX)[0]
    best = int(sums.argmax())
    columns = sums.shape[1]
    return best // columns * SEARCH_STEP_PX, best % columns * SEARCH_STEP_PX


def enlarged_part(picture: Tensor, top: int, left: int) -> Tensor:
    part = picture[:, top : top + PART_HEIGHT_PX, left : left + PART_WIDTH_PX]
    return part.repeat_interleave(ZOOM, dim=1).repeat_interleave(ZOOM, dim=2)


def row_of(scene: Scene) -> Tensor:
    """(3, h, w) bytes: the same part of every picture, with white between."""
    top, left = busiest_part(scene.pictures[-1])
    parts = [enlarged_part(picture, top, left) for picture in scene.pictures]
    gap = torch.full((3, parts[0].shape[1], GAP_PX), 255, dtype=torch.uint8)
    pieces = [piece for part in parts for piece in (part, gap)]
    return torch.cat(pieces[:-1], dim=2)


def draw_sheet(scenes: Sequence[Scene], path: Path) -> None:
    """Write the sheet as a PNG image."""
    rows = [row_of(scene) for scene in scenes]
    gap = torch.full((3, GAP_PX, rows[0].shape[2]), 255, dtype=torch.uint8)
    pieces = [piece for row in rows for piece in (row, gap)]
    path.write_bytes(encode_png(torch.cat(pieces[:-1], dim=1)))
