"""The discriminators of the gan stages, and what they and the network learn from each other.

Of patches, the paper's: a PatchGAN judges every patch of 70 x 70 pixels by itself; three of them
look at the picture, its half and its quarter (one, where an operator is learned). Convolutions of
4 x 4, 3-64-128-256 with stride 2, then 512 and 1 with stride 1, LeakyReLU 0.2, spectral norm, no
norm layers.

Of pixels, Real-ESRGAN's: three halvings see what a pixel lies in, three doublings bring that back
to the picture's size, and the features of the same size on the way down are added to it. All
convolutions but the first and the last are bounded by spectral norm; there are no norm layers.

Sources: AnimeSR (https://arxiv.org/abs/2206.07038); LSGAN, Mao et al. 2017
(https://arxiv.org/abs/1611.04076); the vanilla loss, Goodfellow et al. 2014
(https://arxiv.org/abs/1406.2661), of logits; PatchGAN, Isola et al. 2017; several scales and the
matching of features, Wang et al. 2018 (https://arxiv.org/abs/1711.11585); Real-ESRGAN, Wang et al.
2021 (https://arxiv.org/abs/2107.10833); the U-Net as a judge, Schönfeld et al. 2020
(https://arxiv.org/abs/2002.12655).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from animesr_cli.settings import Discriminator, GanLoss
from animesr_cli.training.learner import Learner, seeded

WIDTHS: Final = (3, 64, 128, 256, 512, 1)
STRIDES: Final = (2, 2, 2, 1, 1)
SMALLEST_SIDE_PX: Final = 24
"""Of what one PatchGAN is shown: three halvings, and two convolutions take a pixel each."""
JUDGED_SIZES: Final = 3
"""Of the picture, by the discriminator of patches."""
FEATURES: Final = 64
"""Of the U-Net's first convolution."""
UNET_SMALLEST_SIDE_PX: Final = 8
"""Three halvings leave one pixel of it."""

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


def _halving(before: int, after: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(before, after, 4, 2, padding=1, bias=False))


def _level(before: int, after: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(before, after, 3, padding=1, bias=False))


class UNetDiscriminatorSN(nn.Module):
    """Judges pictures (N, 3, H, W), RGB in [0, 1], of any size from 8 x 8.

    The judgement is of one scale: what every convolution gave, the last of them a logit for each
    pixel, (N, 1, H, W).

    Args:
        features: of the first convolution; each halving doubles them.
    """

    def __init__(self, features: int = FEATURES) -> None:
        super().__init__()
        n = features
        self.first = nn.Conv2d(3, n, 3, padding=1)
        self.down = nn.ModuleList(_halving(before, 2 * before) for before in (n, 2 * n, 4 * n))
        self.up = nn.ModuleList(_level(before, before // 2) for before in (8 * n, 4 * n, 2 * n))
        self.level = nn.ModuleList(_level(n, n) for _ in range(2))
        self.last = nn.Conv2d(n, 1, 3, padding=1)

    def forward(self, pictures: Tensor) -> Judgement:
        x = _activated(self.first(pictures))
        found = [x]
        for halving in self.down:
            x = _activated(halving(x))
            found.append(x)
        for level, skipped in zip(self.up, found[2::-1], strict=True):
            # To the size of what is added: twice its own, or one pixel more where that is odd.
            size = skipped.shape[-2:]
            x = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
            x = _activated(level(x)) + skipped
            found.append(x)
        for level in self.level:
            x = _activated(level(x))
            found.append(x)
        return [[*found, self.last(x)]]


def _activated(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2)


def new_discriminator(
    kind: Discriminator, seed: int, *, sizes: int = JUDGED_SIZES
) -> PatchDiscriminator | UNetDiscriminatorSN:
    """With random weights: the same ones in every process and every run of a seed."""
    with seeded(seed):
        return UNetDiscriminatorSN(FEATURES) if kind == "unet" else PatchDiscriminator(sizes)


def smallest_judged_px(kind: Discriminator, *, sizes: int = JUDGED_SIZES) -> int:
    """The least height and width of pictures that such a discriminator judges."""
    return UNET_SMALLEST_SIDE_PX if kind == "unet" else int(SMALLEST_SIDE_PX * 2 ** (sizes - 1))


# ---- what is learned from a judgement ------------------------------------------------------------


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


class Judge(Learner):
    """A discriminator in training, and both sides of its loss."""

    def __init__(self, discriminator: nn.Module, kind: GanLoss = "lsgan") -> None:
        super().__init__("discriminator", discriminator)
        self._kind = kind

    def losses(self, made: Tensor, real: Tensor, *, matching: bool = False) -> dict[str, Tensor]:
        """What the maker of pictures (N, 3, H, W) is to make smaller; nothing is learned here."""
        self.module.requires_grad_(False)
        fake = self.module(made)
        losses = {"gan": generator_loss(fake, self._kind)}
        if matching:
            with torch.no_grad():
                truth = self.module(real)
            losses["matching"] = feature_matching_loss(truth, fake)
        return losses

    def loss(self, made: Tensor, real: Tensor) -> Tensor:
        """What the discriminator is to make smaller, of the same pictures."""
        self.module.requires_grad_(True)
        return discriminator_loss(self.module(real), self.module(made.detach()), self._kind)
