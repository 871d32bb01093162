"""The discriminator of Real-ESRGAN: a U-Net that says of every pixel whether it is real.

Three halvings see what a pixel lies in, three doublings bring that back to the picture's size, and
the features of the same size on the way down are added to it. All convolutions but the first and
the last are bounded by spectral norm; there are no norm layers.

Sources: Real-ESRGAN, Wang et al. 2021 (https://arxiv.org/abs/2107.10833); the U-Net as a judge,
Schönfeld et al. 2020 (https://arxiv.org/abs/2002.12655).
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from animesr_cli.training.discriminator import Judgement

FEATURES: Final = 64
UNET_SMALLEST_SIDE_PX: Final = 8
"""Three halvings leave one pixel of it."""


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
