"""Puts cels and pictures on top of each other and moves them: the camera of generated material.

A layer has one or several drawings, shown one after another and held for some frames, and a pose
for every frame. Layers are laid over each other at twice the size of the picture and averaged down,
so that edges stay clean wherever they lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from material.ink import SUPERSAMPLING, Cel


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a layer is: its own point ``anchor`` comes to (x, y), both in pixels of the picture."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0
    flipped: bool = False


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Something that moves as a whole."""

    drawings: Sequence[Tensor]
    """(4, h, w) RGBA, alpha multiplied in."""
    pixels: float
    """Of a drawing per pixel of the picture at scale 1: more where it was drawn larger."""
    anchor: tuple[float, float] = (0.0, 0.0)
    pose: Callable[[int], Pose] = lambda frame: Pose()
    drawing: Callable[[int], int] = lambda frame: 0
    """Which drawing a frame shows."""
    endless: bool = False
    """Its edges go on beyond it: a background shows no border where it just fits."""
    hold: int = 1
    """Frames for which pose and drawing stay: 2 is on twos."""


def layer_of(cels: Sequence[Cel], **more: object) -> Layer:
    """A layer of drawn cels."""
    drawings = [torch.from_numpy(cel.rgba) for cel in cels]
    return Layer(drawings=drawings, pixels=SUPERSAMPLING, **more)  # type: ignore[arg-type]


SHARP: Final = 1.0
"""Pictures with fewer pixels than the canvas need a resampler that keeps them crisp."""


def placed(layer: Layer, pose: Pose, drawing: Tensor, width: int, height: int) -> Tensor:
    """A drawing on a canvas of width x height pixels, supersampled: (4, H, W)."""
    rows, columns = height * SUPERSAMPLING, width * SUPERSAMPLING
    # From the picture's (x, y) to the drawing's: matrix @ (x, y) + offset.
    size = layer.pixels / pose.scale
    cos, sin = math.cos(math.radians(pose.degrees)), math.sin(math.radians(pose.degrees))
    mirror = -1.0 if pose.flipped else 1.0
    matrix = torch.tensor([[cos * mirror, sin * mirror], [-sin, cos]]) * size
    offset = torch.tensor([float(side) for side in layer.anchor]) * layer.pixels
    offset -= matrix @ torch.tensor([float(pose.x), float(pose.y)])
    # grid_sample counts from -1 to 1, from edge to edge, on both sides.
    half = torch.tensor([drawing.shape[2] / 2, drawing.shape[1] / 2])
    picture = torch.tensor([width / 2, height / 2])
    theta = torch.cat(
        [matrix * picture / half[:, None], ((offset + matrix @ picture) / half - 1)[:, None]], dim=1
    )
    grid = functional.affine_grid(theta[None], [1, 4, rows, columns], align_corners=False)
    mode = "bicubic" if layer.pixels <= SHARP else "bilinear"
    padding = "border" if layer.endless else "zeros"
    result = functional.grid_sample(drawing[None], grid, mode, padding, align_corners=False)[0]
    result[3].clamp_(0, 1)
    return result


class Camera:
    """Takes the pictures of layers, the first being the lowest; what stands still is kept."""

    def __init__(self, layers: Sequence[Layer], width: int, height: int) -> None:
        self._layers = layers
        self._size = (width, height)
        self._kept: dict[int, tuple[tuple[Pose, int], Tensor]] = {}

    def picture(self, frame: int) -> Tensor:
        """(3, height, width), RGB in [0, 1]."""
        width, height = self._size
        canvas = torch.zeros(3, height * SUPERSAMPLING, width * SUPERSAMPLING)
        for index in range(len(self._layers)):
            above = self._placed(index, frame)
            canvas.mul_(1 - above[3:]).add_(above[:3])
        return functional.avg_pool2d(canvas[None], SUPERSAMPLING)[0].clamp_(0, 1)

    def _placed(self, index: int, frame: int) -> Tensor:
        layer = self._layers[index]
        held = frame - frame % layer.hold
        shown = layer.pose(held), layer.drawing(held) % len(layer.drawings)
        if index not in self._kept or self._kept[index][0] != shown:
            pose, drawing = shown
            self._kept[index] = shown, placed(layer, pose, layer.drawings[drawing], *self._size)
        return self._kept[index][1]


# ---- poses ---------------------------------------------------------------------------------------


def still(x: float, y: float, scale: float = 1.0) -> Callable[[int], Pose]:
    return lambda frame: Pose(x=x, y=y, scale=scale)


def moving(
    start: Pose, end: Pose, frames: int, *, bob: float = 0.0, turns: float = 0.0
) -> Callable[[int], Pose]:
    """From one pose to another, eased at both ends; ``bob`` pixels up and down, ``turns`` times."""

    def pose(frame: int) -> Pose:
        share = frame / max(frames - 1, 1)
        share = 0.5 * share + 0.5 * (share * share * (3 - 2 * share))

        def between(a: float, b: float) -> float:
            return a + (b - a) * share

        return Pose(
            x=between(start.x, end.x),
            y=between(start.y, end.y) + bob * math.sin(2 * math.pi * turns * frame / frames),
            scale=between(start.scale, end.scale),
            degrees=between(start.degrees, end.degrees),
            flipped=start.flipped,
        )

    return pose
