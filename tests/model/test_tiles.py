"""Regions and grids: a grid covers a picture exactly, halos stay inside it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.model.tiles import Region, grid

MULTIPLE = 4

sizes = st.integers(1, 60).map(lambda units: units * MULTIPLE)


@given(height=sizes, width=sizes, side=st.integers(16, 300))
def test_a_grid_covers_every_pixel_once(height: int, width: int, side: int) -> None:
    """Every pixel lies in one tile; none is larger than asked, and edges are multiples of 4."""
    covered = torch.zeros(height, width, dtype=torch.int32)
    for tile in grid(height, width, side, MULTIPLE):
        covered[tile.index] += 1
        assert 0 < tile.height <= side
        assert 0 < tile.width <= side
        assert tile.top % MULTIPLE == tile.left % MULTIPLE == 0
    assert bool((covered == 1).all())


@given(height=sizes, width=sizes, side=st.integers(16, 300))
def test_tiles_of_one_grid_are_nearly_equal(height: int, width: int, side: int) -> None:
    """Heights, and widths, differ by at most one step of 4: no sliver costs a halo of its own."""
    tiles = grid(height, width, side, MULTIPLE)
    for lengths in ([t.height for t in tiles], [t.width for t in tiles]):
        assert max(lengths) - min(lengths) <= MULTIPLE


def test_a_grown_region_stays_inside_and_keeps_its_tile() -> None:
    """The halo is cut at the picture's edge, and the tile is found again inside the halo."""
    bounds = Region(0, 0, 100, 80)
    tile = Region(0, 40, 20, 40)
    outer = tile.grown(24, bounds)
    assert outer == Region(0, 16, 44, 64)
    picture = torch.arange(8000).reshape(100, 80)
    assert torch.equal(picture[outer.index][tile.within(outer).index], picture[tile.index])


def test_a_tile_below_the_minimum_is_refused() -> None:
    """A tile under 16 pixels would be nearly all halo."""
    with pytest.raises(ValueError, match="16"):
        grid(64, 64, 12)
