"""The U-Net discriminator: its judgement's sizes, its way down and up, and its spectral norm."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrize

from animesr_cli.training.discriminator import (
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
)
from animesr_cli.training.unet_discriminator import UNET_SMALLEST_SIDE_PX, UNetDiscriminatorSN


def test_widths_are_those_of_the_recipe() -> None:
    """64 features, doubled with each halving, and back; the last is a logit for each pixel."""
    ((*found, logits),) = UNetDiscriminatorSN()(torch.rand(2, 3, 16, 24))
    assert [tuple(x.shape) for x in found] == [
        (2, 64, 16, 24), (2, 128, 8, 12), (2, 256, 4, 6), (2, 512, 2, 3),
        (2, 256, 4, 6), (2, 128, 8, 12), (2, 64, 16, 24), (2, 64, 16, 24), (2, 64, 16, 24),
    ]  # fmt: skip
    assert logits.shape == (2, 1, 16, 24)


def test_parameters_are_those_of_the_recipe() -> None:
    """Bounded convolutions have no bias, the first and the last have one."""
    n = 64
    down = 16 * (n * 2 * n + 2 * n * 4 * n + 4 * n * 8 * n)
    up = 9 * (8 * n * 4 * n + 4 * n * 2 * n + 2 * n * n)
    ends = 9 * 3 * n + n + 9 * n + 1
    found = sum(parameter.numel() for parameter in UNetDiscriminatorSN().parameters())
    assert found == down + up + 2 * 9 * n * n + ends


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (12, 20)])
def test_sizes_that_do_not_divide(size: tuple[int, int]) -> None:
    """Every pixel is judged, also where a halving is not exact."""
    (judgement,) = UNetDiscriminatorSN(2)(torch.rand(1, 3, *size))
    assert judgement[-1].shape == (1, 1, *size)


def test_smallest_picture() -> None:
    """Below the least size that is told a halving leaves nothing."""
    side = UNET_SMALLEST_SIDE_PX - 1
    with pytest.raises(RuntimeError):
        UNetDiscriminatorSN(2)(torch.rand(1, 3, side, side))


def test_all_but_the_ends_are_bounded() -> None:
    """In training the weights of the eight convolutions, as matrices, have about the norm 1."""
    torch.manual_seed(0)
    discriminator = UNetDiscriminatorSN(4)
    for _ in range(15):
        discriminator(torch.rand(1, 3, 8, 8))
    discriminator.eval()
    bounded = [*discriminator.down, *discriminator.up, *discriminator.level]
    norms = [float(torch.linalg.matrix_norm(x.weight.detach().flatten(1), 2)) for x in bounded]
    assert norms == pytest.approx([1] * 8, rel=0.1)
    assert not parametrize.is_parametrized(discriminator.first)
    assert not parametrize.is_parametrized(discriminator.last)


def test_skipped_features_reach_the_score() -> None:
    """With nothing coming up from below, the score still depends on the picture, sharply."""
    torch.manual_seed(0)
    discriminator = UNetDiscriminatorSN(4).eval()
    for level in discriminator.up:
        level.register_forward_hook(lambda _, given, came: torch.zeros_like(came))
    pictures = torch.rand(1, 3, 32, 32, requires_grad=True)
    score = discriminator(pictures)[0][-1]
    (gradient,) = torch.autograd.grad(score[0, 0, 16, 16], pictures)
    rows = gradient[0].abs().sum(dim=(0, 2)).nonzero().flatten()
    # The first convolution, two more at full size and the last: 9 pixels.
    assert (int(rows[0]), int(rows[-1])) == (12, 20)


def test_what_is_below_reaches_the_score() -> None:
    """A score depends on far more than the nine pixels around it."""
    torch.manual_seed(0)
    pictures = torch.rand(1, 3, 64, 64, requires_grad=True)
    score = UNetDiscriminatorSN(4).eval()(pictures)[0][-1]
    (gradient,) = torch.autograd.grad(score[0, 0, 32, 32], pictures)
    rows = gradient[0].abs().sum(dim=(0, 2)).nonzero().flatten()
    assert int(rows[-1] - rows[0]) > 40


def test_gradients_reach_picture_and_weights() -> None:
    """What was made learns from the score, and every weight learns to judge."""
    torch.manual_seed(0)
    discriminator = UNetDiscriminatorSN(2)
    pictures = torch.rand(1, 3, 16, 16, requires_grad=True)
    generator_loss(discriminator(pictures), "vanilla").backward()  # type: ignore[no-untyped-call]
    assert pictures.grad is not None
    assert float(pictures.grad.abs().sum()) > 0
    discriminator.zero_grad()
    judged = discriminator(torch.rand(1, 3, 16, 16)), discriminator(pictures.detach())
    discriminator_loss(*judged, "vanilla").backward()  # type: ignore[no-untyped-call]
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_features_can_be_matched() -> None:
    """The features below the logits are compared like those of the discriminator of patches."""
    discriminator = UNetDiscriminatorSN(2).eval()
    with torch.no_grad():
        one, other = (discriminator(torch.rand(1, 3, 8, 8)) for _ in range(2))
    assert float(feature_matching_loss(one, one)) == 0
    assert float(feature_matching_loss(one, other)) > 0
