"""Pictures as channels and back: to the bit what torch's own operations give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.model.layout import joined, with_residual

LAST, FIRST = torch.channels_last, torch.contiguous_format


def plainly_joined(frames: Tensor, picture: Tensor, state: Tensor, scale: int) -> Tensor:
    return torch.cat((frames, functional.pixel_unshuffle(picture, scale), state), dim=1)


@pytest.mark.parametrize("layout", [LAST, FIRST])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("picture_layout", [LAST, FIRST])
def test_joined_is_unshuffle_and_cat(
    scale: int, dtype: torch.dtype, layout: torch.memory_format, picture_layout: torch.memory_format
) -> None:
    """Every scale, format and layout; the result lies as the state does."""
    frames = torch.rand(2, 9, 5, 6).to(dtype)
    picture = torch.rand(2, 3, 5 * scale, 6 * scale).to(dtype).to(memory_format=picture_layout)
    state = torch.rand(2, 7, 5, 6).to(dtype).to(memory_format=layout)
    found = joined(frames, picture, state, scale)
    assert torch.equal(found, plainly_joined(frames, picture, state, scale))
    assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", [LAST, FIRST])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_with_residual_is_nearest_and_shuffle(scale: int, layout: torch.memory_format) -> None:
    """A residual in half precision is added in the picture's; the result has rows of pixels."""
    picture = torch.rand(2, 3, 5, 6)
    residual = torch.randn(2, 3 * scale**2, 5, 6).bfloat16().to(memory_format=layout)
    found = with_residual(picture, residual, scale)
    below = functional.interpolate(picture, scale_factor=scale, mode="nearest")
    assert torch.equal(found, below + functional.pixel_shuffle(residual, scale))
    assert found.dtype == torch.float32
    assert found.is_contiguous()


@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_gradients_pass(layout: torch.memory_format) -> None:
    """Training goes through them: the gradients are those of torch's own operations."""

    def gradients(join: object) -> tuple[Tensor, ...]:
        torch.manual_seed(1)
        given = [torch.rand(1, c, n, n) for c, n in ((9, 4), (3, 16), (5, 4))]
        given[2] = given[2].to(memory_format=layout)
        for each in given:
            each.requires_grad_()
        weights = torch.rand(1, 9 + 48 + 5, 4, 4)
        (join(*given, 4) * weights).sum().backward()  # type: ignore[operator]
        return tuple(each.grad for each in given if each.grad is not None)

    ours, theirs = gradients(joined), gradients(plainly_joined)
    assert len(ours) == len(theirs) == 3
    assert all(map(torch.equal, ours, theirs))
