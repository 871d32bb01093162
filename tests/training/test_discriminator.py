"""The discriminator: the patches that it judges, its sizes, and the two sides of LSGAN."""

from __future__ import annotations

import pytest
import torch

from animesr_cli.training.discriminator import (
    SMALLEST_SIDE_PX,
    PatchDiscriminator,
    PatchGAN,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    smallest_picture_px,
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
    side = smallest_picture_px(scales)
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
