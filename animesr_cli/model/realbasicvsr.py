"""RealBasicVSR: a cleaned clip, propagated in both directions; nothing about devices or windows.

First every frame is cleaned, once or up to three times; then features run through the cleaned clip
from its end to its start and from its start to its end, moved from frame to frame by the flow that
SPyNet finds; each frame's result is made of both. So a frame knows the whole clip, and no frame can
be computed before the last one was seen.

Sources: Chan et al. 2021, RealBasicVSR (https://arxiv.org/abs/2111.12704) and BasicVSR
(https://arxiv.org/abs/2012.02181), as MMEditing has them; parameter names are those of its released
checkpoints, without the ``generator.`` before them.

RGB in [0, 1], red first. Shapes: N batch, T time, F features, H x W low-resolution pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.model.network import (
    Carried,
    Network,
    ResidualBlock,
    Tensors,
    Window,
    kernel_shape,
    numbered,
    upsample,
    wide,
)
from animesr_cli.model.spynet import SPyNet, warp

SCALE = 4
SLOPE = 0.1
"""Of every LeakyReLU."""
HR_CHANNELS = 64
"""Of the layers behind the second enlargement, whatever the number of features."""
MOST_CLEANINGS = 3
ONE_CLEANING = 1.0
"""The threshold of the released settings for inference: one is made, whatever it changes."""


class Passed(NamedTuple):
    """What the frame before gives a frame: all that goes forward through a clip."""

    feature: Tensor
    """(N, F, H, W), in the precision of the weights."""
    cleaned: Tensor
    """(N, 3, H, W), fp32."""


class ResidualChain(nn.Module):
    """A convolution from any number of channels, then residual blocks."""

    def __init__(self, in_channels: int, mid_channels: int, num_blocks: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Sequential(*(ResidualBlock(mid_channels) for _ in range(num_blocks))),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.main(x)
        return result


class PixelShuffle(nn.Module):
    """A convolution and a pixel shuffle by 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2d(in_channels, 4 * out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.upsample_conv(x), 2)


def _lrelu(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE, inplace=True)


class BasicVSR(nn.Module):
    """Both propagations and what makes a frame of them."""

    def __init__(self, mid_channels: int, num_blocks: int) -> None:
        super().__init__()
        self.mid_channels = mid_channels
        self.spynet = SPyNet()
        self.backward_resblocks = ResidualChain(mid_channels + 3, mid_channels, num_blocks)
        self.forward_resblocks = ResidualChain(mid_channels + 3, mid_channels, num_blocks)
        self.fusion = nn.Conv2d(2 * mid_channels, mid_channels, 1)
        self.upsample1 = PixelShuffle(mid_channels, mid_channels)
        self.upsample2 = PixelShuffle(mid_channels, HR_CHANNELS)
        self.conv_hr = nn.Conv2d(HR_CHANNELS, HR_CHANNELS, 3, padding=1)
        self.conv_last = nn.Conv2d(HR_CHANNELS, 3, 3, padding=1)

    def propagated(self, chain: ResidualChain, frame: Tensor, before: Passed | None) -> Tensor:
        """One step of either direction: (N, F, H, W) from a cleaned frame and its neighbour's."""
        dtype = self.fusion.weight.dtype
        if before is None:
            count, _, height, width = frame.shape
            moved = frame.new_zeros(count, self.mid_channels, height, width, dtype=dtype)
        else:
            moved = warp(before.feature, self.spynet(frame, before.cleaned))
        feature: Tensor = chain(torch.cat((frame.to(dtype), moved), dim=1))
        return feature

    def enlarged(self, cleaned: Tensor, backward: Tensor, forward: Tensor) -> Tensor:
        """(N, 3, 4H, 4W), fp32, of a cleaned frame and its features of both directions."""
        x = _lrelu(self.fusion(torch.cat((backward, forward), dim=1)))  # (N, F, H, W)
        x = _lrelu(self.upsample1(x))  # (N, F, 2H, 2W)
        x = _lrelu(self.upsample2(x))  # (N, 64, 4H, 4W)
        residual = self.conv_last(_lrelu(self.conv_hr(x)))
        result: Tensor = upsample(cleaned, SCALE) + residual
        return result


class RealBasicVSR(Network):
    """The x4 network over a clip; 64 features and 20 blocks each are the released size.

    Args:
        mid_channels: features of cleaning and propagation.
        num_propagation_blocks: residual blocks of each direction.
        num_cleaning_blocks: residual blocks of the cleaning.
        threshold: frames are cleaned again, at most three times in all, until the mean of what a
            cleaning changes, over the whole clip, is below this; 1 always stops after the first.
            The released settings for inference have 1 (255 of 255), those for the tests of the
            paper 5/255.
    """

    architecture = "RealBasicVSR"
    scale = SCALE
    multiple = 1
    context = 0  # it is not cut into tiles: flows reach as far as things move
    radius = 0
    recurrent = True

    def __init__(
        self,
        mid_channels: int = 64,
        num_propagation_blocks: int = 20,
        num_cleaning_blocks: int = 20,
        threshold: float = ONE_CLEANING,
    ) -> None:
        super().__init__()
        self.config = {
            "mid_channels": mid_channels,
            "num_propagation_blocks": num_propagation_blocks,
            "num_cleaning_blocks": num_cleaning_blocks,
            "threshold": threshold,
        }
        self.threshold = threshold
        self.image_cleaning = nn.Sequential(
            ResidualChain(3, mid_channels, num_cleaning_blocks),
            nn.Conv2d(mid_channels, 3, 3, padding=1),
        )
        self.basicvsr = BasicVSR(mid_channels, num_propagation_blocks)

    def initial(self, frame: Tensor) -> Passed:
        """Nothing is known: no features, whatever the flow to them."""
        count, _, height, width = frame.shape
        size = count, self.basicvsr.mid_channels, height, width
        cleaned = frame.new_zeros(frame.shape, dtype=torch.float32)
        return Passed(frame.new_zeros(size, dtype=self.dtype), cleaned)

    def step(self, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        """A frame of which nothing is known that comes after it: a clip of one."""
        return next(self.steps(self.clean(window[0][:, None]), Passed(*carried)))

    def clean(self, clip: Tensor) -> Tensor:
        """(N, T, 3, H, W) without its noise and codec errors, fp32, not clamped."""
        cleaned = wide(clip)
        for _ in range(MOST_CLEANINGS):
            # Frame by frame: all frames of a long clip at once would need memory for each layer.
            residue = torch.stack(
                [self.image_cleaning(frame.to(self.dtype)) for frame in cleaned.unbind(1)], dim=1
            )
            cleaned = cleaned + residue
            # Once, without a look at values that a device has not computed yet, or that are none
            # (where multiplications are counted).
            if clip.is_meta or self.threshold >= ONE_CLEANING:
                break
            if residue.abs().mean(dtype=cleaned.dtype) < self.threshold:
                break
        return cleaned

    def steps(
        self, cleaned: Tensor, before: Passed | None = None, wanted: int | None = None
    ) -> Iterator[tuple[Tensor, Passed]]:
        """Each frame's result (N, 3, 4H, 4W), and what it passes on, in order.

        Args:
            cleaned: (N, T, 3, H, W), what ``clean`` gave.
            before: what the frame before the clip passed on; None where the clip begins a shot.
            wanted: the first frames, which have results; the others only let these know what
                comes. None: all.
        """
        frames = cleaned.unbind(1)
        features: list[Tensor] = []  # of the wanted frames, the last one first
        after: Passed | None = None
        for t in reversed(range(len(frames))):
            feature = self.basicvsr.propagated(self.basicvsr.backward_resblocks, frames[t], after)
            after = Passed(feature, frames[t])
            if wanted is None or t < wanted:
                features.append(feature)
        for frame in frames[:wanted]:
            feature = self.basicvsr.propagated(self.basicvsr.forward_resblocks, frame, before)
            before = Passed(feature, frame)
            yield self.basicvsr.enlarged(frame, features.pop(), feature), before

    def forward(self, clip: Tensor) -> Tensor:
        return torch.stack([sr for sr, _ in self.steps(self.clean(clip))], dim=1)

    @property
    def dtype(self) -> torch.dtype:
        """Of everything but SPyNet, which is fp32 always."""
        return self.basicvsr.fusion.weight.dtype

    def bytes_per_pixel(self, dtype: torch.dtype) -> int:
        # The layers at the size of the result have 64 features whatever the number of features.
        return 14_500 if dtype == torch.float32 else 6500


# ---- files ---------------------------------------------------------------------------------------


def realbasicvsr_of(tensors: Tensors, path: Path) -> tuple[RealBasicVSR, Tensors] | None:
    """The network of the size that names and shapes tell; None: another one's.

    BasicSR's files name the convolutions of SPyNet by their place among the activations.
    """
    first = "image_cleaning.0.main.0.weight"
    if first not in tensors:
        return None
    num_feat = kernel_shape(tensors, first, RealBasicVSR.architecture, path)[0]
    named = {_SEQUENTIAL.sub(_by_number, name): tensor for name, tensor in tensors.items()}
    network = RealBasicVSR(
        num_feat,
        numbered(named, r"basicvsr\.backward_resblocks\.main\.2"),
        numbered(named, r"image_cleaning\.0\.main\.2"),
    )
    return network, named


_SEQUENTIAL = re.compile(r"(?<=spynet\.basic_module\.\d\.basic_module\.)(\d)(?=\.(?:weight|bias)$)")


def _by_number(found: re.Match[str]) -> str:
    return f"{int(found[1]) // 2}.conv"
