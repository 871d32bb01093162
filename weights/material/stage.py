"""What a clip is made in: its chance, size, length and colours, and the pictures at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from torch import Tensor

from material.ink import Cel
from material.palette import Palette


@dataclass(frozen=True, kw_only=True)
class Stock:
    """Pictures that are read once: (4, H, W) RGBA, alpha multiplied in."""

    sprites: Sequence[Tensor]
    backgrounds: Sequence[Tensor]
    stills: Sequence[Tensor]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a clip is made in."""

    rng: Random
    width: int
    height: int
    frames: int
    palette: Palette
    stock: Stock

    def cel(self, more: float = 1.0) -> Cel:
        """A sheet as large as the picture, or larger."""
        return Cel(self.width * more, self.height * more)
