"""Classic resamplers, against others' code and by what defines them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from animesr_cli.model.resample import RESAMPLERS, enlarge

each = pytest.mark.parametrize("name", RESAMPLERS)
sizes = st.tuples(st.integers(4, 24), st.integers(4, 24))


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


@each
@settings(deadline=None)
@given(given_size=sizes, wanted=st.tuples(st.integers(1, 70), st.integers(1, 70)))
def test_one_colour_stays_that_colour(
    name: str, given_size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    """Weights add up to 1 everywhere, at edges too, for larger and smaller."""
    picture = torch.full((3, *given_size), 0.4)
    result = enlarge(picture, *wanted, name)
    assert result.shape == (3, *wanted)
    torch.testing.assert_close(result, torch.full((3, *wanted), 0.4))


@each
def test_the_same_size_is_the_same_picture(name: str) -> None:
    """Every kernel is 1 at its place and 0 at the others."""
    picture = noise(9, 14)
    torch.testing.assert_close(enlarge(picture, 9, 14, name), picture)


@each
def test_edges_lie_on_edges(name: str) -> None:
    """Mirrored pictures give mirrored results: nothing is shifted."""
    picture = noise(10, 13)
    straight = enlarge(picture, 40, 52, name)
    torch.testing.assert_close(enlarge(picture.flip(1, 2), 40, 52, name).flip(1, 2), straight)


def test_nearest_repeats_pixels() -> None:
    """Four times each way, by an integer factor."""
    picture = noise(5, 7)
    repeated = picture.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert torch.equal(enlarge(picture, 20, 28, "nearest"), repeated)


def test_bilinear_is_the_usual_one() -> None:
    """Where pictures grow, antialiasing changes nothing."""
    picture = noise(12, 9)
    usual = functional.interpolate(
        picture[None], (48, 36), mode="bilinear", align_corners=False
    )  # fmt: skip
    torch.testing.assert_close(enlarge(picture, 48, 36, "bilinear"), usual[0])


def test_bicubic_is_keys_with_a_half() -> None:
    """The values half way between four pixels: (-1, 9, 9, -1) / 16; with -0.75 it were 10 / 16."""
    row = noise(1, 12)
    doubled = enlarge(row.repeat_interleave(2, 1), 2, 36, "bicubic")[:, 0]
    inner = doubled[:, 1::3]  # factor 3: every third lies on a pixel
    torch.testing.assert_close(inner, row[:, 0])
    quarter = enlarge(row, 1, 24, "bicubic")[:, 0, 8]  # a quarter before pixel 4
    x = torch.tensor([1.75, 0.75, 0.25, 1.25])
    a = -0.5
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    weights = torch.where(x <= 1, near, far)
    torch.testing.assert_close(quarter, row[:, 0, 2:6] @ weights)


@pytest.mark.parametrize("size", [(40, 60), (33, 47), (7, 9)])
def test_lanczos_is_that_of_others(size: tuple[int, int]) -> None:
    """Equal to torch's own where torch has it (2.13), larger and smaller."""
    picture = noise(10, 15)
    try:
        theirs = functional.interpolate(
            picture[None], size, mode="lanczos", align_corners=False, antialias=True
        )
    except NotImplementedError as error:
        pytest.skip(str(error))
    torch.testing.assert_close(enlarge(picture, *size, "lanczos"), theirs[0], atol=1e-4, rtol=1e-4)
