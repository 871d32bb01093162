"""The discriminators: what they judge, their sizes and norms, and the two sides of their losses."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrize

from animesr_cli.training.discriminator import (
    SMALLEST_SIDE_PX,
    UNET_SMALLEST_SIDE_PX,
    PatchDiscriminator,
    PatchGAN,
    UNetDiscriminatorSN,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    smallest_judged_px,
)


def test_a_score_sees_70_pixels() -> None:
    """What one score of a PatchGAN depends on is a patch of 70 x 70 pixels."""
    torch.manual_seed(0)
    pictures = torch.rand(1, 3, 160, 160, requires_grad=True)
    score = PatchGAN()(pictures)[-1]
    (gradient,) = torch.autograd.grad(score[0, 0, 9, 9], pictures)
    rows = gradient[0].abs().sum(dim=(0, 2)).nonzero().flatten()
    columns = gradient[0].abs().sum(dim=(0, 1)).nonzero().flatten()
    for found in (rows, columns):
        assert int(found[-1] - found[0]) + 1 == 70


def test_widths_are_those_of_the_recipe() -> None:
    """Convolutions 3-64-128-256-512-1, and no normalisation but the spectral one."""
    judgement = PatchDiscriminator(3)(torch.rand(2, 3, 128, 128))
    assert [tuple(x.shape) for x in judgement[0]] == [
        (2, 64, 64, 64), (2, 128, 32, 32), (2, 256, 16, 16), (2, 512, 15, 15), (2, 1, 14, 14),
    ]  # fmt: skip
    assert [scale[-1].shape[-1] for scale in judgement] == [14, 6, 2]


@pytest.mark.parametrize("scales", [1, 3])
def test_smallest_picture(scales: int) -> None:
    """The least size that is told works, and one that is smaller does not."""
    discriminator = PatchDiscriminator(scales)
    side = smallest_judged_px("patch", sizes=scales)
    assert discriminator(torch.rand(1, 3, side, side))[-1][-1].shape[-2:] == (1, 1)
    small = side * (SMALLEST_SIDE_PX - 1) // SMALLEST_SIDE_PX
    with pytest.raises(RuntimeError):
        discriminator(torch.rand(1, 3, small, small))


def test_spectral_norm_bounds_the_weights() -> None:
    """In training every convolution's weight, as a matrix, has about the norm 1."""
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1)
    for _ in range(15):
        discriminator(torch.rand(1, 3, 24, 24))
    discriminator.eval()
    norms = [
        float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2))
        for layer in discriminator.scales[0].convolutions  # type: ignore[union-attr]
    ]
    assert norms == pytest.approx([1] * 5, rel=0.1)


def test_losses_of_lsgan() -> None:
    """A perfect judge loses nothing, a fooled one 1 + 1; what was made well loses nothing."""
    ones, zeros = [[torch.ones(1, 1, 2, 2)]] * 3, [[torch.zeros(1, 1, 2, 2)]] * 3
    assert float(discriminator_loss(ones, zeros)) == 0
    assert float(discriminator_loss(zeros, ones)) == 2
    assert float(generator_loss(ones)) == 0
    assert float(generator_loss(zeros)) == 1


def test_vanilla_losses_are_the_cross_entropy() -> None:
    """Scores are logits, and the losses those of torch's binary cross entropy."""
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    expected = float(entropy(real, ones) + entropy(fake, zeros))
    assert float(discriminator_loss([[real]], [[fake]], "vanilla")) == pytest.approx(expected)
    assert float(generator_loss([[fake]], "vanilla")) == pytest.approx(float(entropy(fake, ones)))


def test_scales_weigh_alike() -> None:
    """The loss is the mean over the scales, whatever the number of their patches."""
    judgement = [[torch.zeros(1, 1, 8, 8)], [torch.ones(1, 1, 2, 2)]]
    assert float(generator_loss(judgement)) == 0.5


def test_feature_matching() -> None:
    """It compares the layers below the score, and teaches only what was made."""
    discriminator = PatchDiscriminator(1)
    real, fake = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32, requires_grad=True)
    with torch.no_grad():
        truth = discriminator(real)
    discriminator.eval()  # spectral norm would move on between the two calls
    with torch.no_grad():
        again = discriminator(real)
    assert float(feature_matching_loss(again, again)) == 0
    loss = feature_matching_loss(truth, discriminator(fake))
    (gradient,) = torch.autograd.grad(loss, fake)
    assert float(loss.detach()) > 0
    assert float(gradient.abs().sum()) > 0


# ---- the U-Net -----------------------------------------------------------------------------------


def test_widths_of_the_unet_are_those_of_the_recipe() -> None:
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


def test_smallest_picture_of_the_unet() -> None:
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
