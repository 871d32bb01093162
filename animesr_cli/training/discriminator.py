"""The discriminator of the gan stages, and what it and the trained network learn from each other.

A PatchGAN judges every patch of 70 x 70 pixels by itself; three of them look at the picture, its
half and its quarter (one, where an operator is learned). Convolutions of 4 x 4, 3-64-128-256 with
stride 2, then 512 and 1 with stride 1, LeakyReLU 0.2, spectral norm, no norm layers.

The losses of a judgement hold for any discriminator that gives one.

Sources: AnimeSR (https://arxiv.org/abs/2206.07038); LSGAN, Mao et al. 2017
(https://arxiv.org/abs/1611.04076); the vanilla loss, Goodfellow et al. 2014
(https://arxiv.org/abs/1406.2661), of logits; PatchGAN, Isola et al. 2017; several scales and the
matching of features, Wang et al. 2018 (https://arxiv.org/abs/1711.11585).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from animesr_cli.settings import GanLoss

WIDTHS: Final = (3, 64, 128, 256, 512, 1)
STRIDES: Final = (2, 2, 2, 1, 1)
SMALLEST_SIDE_PX: Final = 24
"""Of what one PatchGAN is shown: three halvings, and two convolutions take a pixel each."""

Judgement = list[list[Tensor]]
"""For each scale what every convolution gave; the last is the score of each patch, 1 for real."""


class PatchGAN(nn.Module):
    """Pictures (N, 3, H, W) -> what each convolution gives, the last (N, 1, H/8 - 2, W/8 - 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 4, stride, padding=1))
            for (before, after), stride in zip(pairwise(WIDTHS), STRIDES, strict=True)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for convolution in self.convolutions:
            x = functional.leaky_relu(found[-1], 0.2) if found else pictures
            found.append(convolution(x))
        return found


class PatchDiscriminator(nn.Module):
    """Judges pictures (N, 3, H, W), RGB in [0, 1], at several sizes, each half of the one before.

    The smallest of the ``scales`` sizes is to have at least 24 pixels to a side.
    """

    def __init__(self, scales: int = 3) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchGAN() for _ in range(scales))

    def forward(self, pictures: Tensor) -> Judgement:
        judgement = []
        for number, scale in enumerate(self.scales):
            pictures = functional.avg_pool2d(pictures, 2) if number else pictures
            judgement.append(scale(pictures))
        return judgement


def smallest_picture_px(scales: int) -> int:
    """The least height and width that so many scales can judge."""
    return int(SMALLEST_SIDE_PX * 2 ** (scales - 1))


def _distance(score: Tensor, kind: GanLoss, *, real: bool) -> Tensor:
    """How far scores are from calling everything real, or everything made; a mean.

    LSGAN: the squares of the distances from 1, or 0. Vanilla: scores are logits, and the loss is
    the cross entropy, softplus(-score) or softplus(score).
    """
    score = score.float()
    if kind == "vanilla":
        return functional.softplus(-score if real else score).mean()
    return (score - float(real)).square().mean()


def discriminator_loss(real: Judgement, fake: Judgement, kind: GanLoss = "lsgan") -> Tensor:
    """What is real is to be called so, and what was made likewise; the mean over the scales."""
    losses = [
        _distance(score_real, kind, real=True) + _distance(score_fake, kind, real=False)
        for (*_, score_real), (*_, score_fake) in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(fake: Judgement, kind: GanLoss = "lsgan") -> Tensor:
    """What was made is to be called real; the mean over the scales."""
    return torch.stack([_distance(score, kind, real=True) for *_, score in fake]).mean()


def feature_matching_loss(real: Judgement, fake: Judgement) -> Tensor:
    """Mean difference of the layers below the score, over layers and scales."""
    losses = [
        (one.detach() - other).float().abs().mean()
        for scale_real, scale_fake in zip(real, fake, strict=True)
        for one, other in zip(scale_real[:-1], scale_fake[:-1], strict=True)
    ]
    return torch.stack(losses).mean()
