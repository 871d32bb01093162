"""Regions of a picture and the grid that covers it: all coordinate arithmetic of tiling.

Pixels, rows first. Of tensors it knows that their last two
dimensions are rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import EllipsisType

MIN_TILE = 16
"""The smallest tile side that is accepted, in pixels."""


@dataclass(frozen=True)
class Region:
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def index(self) -> tuple[EllipsisType, slice, slice]:
        """What cuts this region out of a (..., rows, columns) tensor."""
        return ..., slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, halo: int, bounds: Region) -> Region:
        """With ``halo`` more pixels on each side, as far as ``bounds`` has them."""
        top, left = max(self.top - halo, bounds.top), max(self.left - halo, bounds.left)
        bottom, right = min(self.bottom + halo, bounds.bottom), min(self.right + halo, bounds.right)
        return Region(top, left, bottom - top, right - left)

    def within(self, outer: Region) -> Region:
        """The same rectangle in the coordinates of ``outer``."""
        return Region(self.top - outer.top, self.left - outer.left, self.height, self.width)

    def scaled(self, factor: int) -> Region:
        """The same rectangle in a picture enlarged by ``factor``."""
        return Region(
            self.top * factor, self.left * factor, self.height * factor, self.width * factor
        )


def _spans(length: int, side: int, multiple: int) -> list[tuple[int, int]]:
    """Cut ``length`` into the fewest spans of at most ``side``, nearly equal, in multiples."""
    units, units_per_span = length // multiple, side // multiple
    count = -(-units // units_per_span)
    edges = [units * i // count * multiple for i in range(count + 1)]
    return [(start, end - start) for start, end in pairwise(edges)]


def grid(height: int, width: int, side: int, multiple: int = 1) -> list[Region]:
    """Cover a ``height`` x ``width`` picture with tiles of at most ``side`` pixels, row by row.

    Their edges are multiples of ``multiple``, so that strided convolutions keep the whole frame's
    phase; both sizes must be such multiples, and ``side`` is rounded down to one.
    """
    if side < MIN_TILE:
        raise ValueError(f"a tile is at least {MIN_TILE} pixels wide, not {side}")
    return [
        Region(top, left, tile_height, tile_width)
        for top, tile_height in _spans(height, side, multiple)
        for left, tile_width in _spans(width, side, multiple)
    ]
