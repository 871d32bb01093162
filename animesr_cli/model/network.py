"""What a network is to everything around it: one small protocol, and how a clip goes through it.

Video, tiles, files and devices know a network by this alone: how much it enlarges, how many frames
it looks at, how far around a pixel it sees, and what it carries from one frame to the next.

RGB in [0, 1], red first. Shapes: N batch, T time, H x W low-resolution pixels, s scale.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Window = tuple[Tensor, ...]
"""Frames t - radius ... t + radius, each (N, 3, H, W)."""
Carried = tuple[Tensor, ...]
"""What one frame leaves for the next; empty where a network takes every frame by itself."""

Tensors = dict[str, Tensor]
"""A checkpoint's, by name."""

MAX_FEATURES = 1024
"""Sixteen times what released networks have; a file that claims more is none of theirs."""
COUNTED_SIDE_PX = 64
"""Side of the frame on which multiplications are counted, on no device at all."""


class Network(nn.Module, ABC):
    """A network that enlarges frames one after another.

    A subclass names its architecture, tells its geometry by the attributes below, keeps the
    arguments of its construction in ``config``, and computes in ``initial`` and ``step``.
    """

    architecture: ClassVar[str]
    """Its name in papers and in the catalogue."""
    scale: int
    """Output pixels per input pixel, in each direction: 1, 2 or 4."""
    multiple: int
    """``step`` takes heights and widths that are divisible by this; whoever calls it pads."""
    context: int
    """Input pixels around a tile that its result depends on."""
    radius: int
    """Frames before and after the current one that a window holds."""
    recurrent: bool
    """Whether a frame's result depends on the frames before its window."""
    padding: ClassVar[Literal["replicate", "reflect"]] = "replicate"
    """What continues frames on the right and below where their sizes are not divisible."""
    config: Mapping[str, Any]
    """The arguments that build a network of this size."""

    @abstractmethod
    def initial(self, frame: Tensor) -> Carried:
        """What is carried into the first frame (N, 3, H, W) of a shot.

        The height and width of each tensor are whole multiples of the frame's, so that a tile can
        be cut out of it.
        """

    @abstractmethod
    def step(self, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        """Enlarge the frame in the middle of a window.

        Args:
            window: 2 * radius + 1 frames, each (N, 3, H, W), sizes divisible by ``multiple``.
            carried: what the step before returned, or ``initial`` at the start of a shot.

        Returns:
            The frame (N, 3, sH, sW) in fp32, whatever the precision of the weights, not clamped;
            and what the next step is to be given.
        """

    @abstractmethod
    def bytes_per_pixel(self, dtype: torch.dtype) -> int:
        """Peak memory of a step for each input pixel, weights and carried tensors apart."""

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights, and so of the features."""
        return next(self.parameters()).dtype

    @property
    def halo(self) -> int:
        """``context``, rounded up so that tiles begin where strided convolutions do."""
        return -(-self.context // self.multiple) * self.multiple

    @cached_property
    def macs_per_pixel(self) -> int:
        """Multiplications for each pixel of each input frame, counted and not timed."""
        from torch.utils.flop_counter import FlopCounterMode

        with torch.device("meta"):
            twin = type(self)(**self.config)
            frame = torch.zeros(1, 3, COUNTED_SIDE_PX, COUNTED_SIDE_PX)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            twin.step((frame,) * (2 * self.radius + 1), twin.initial(frame))
        # A multiplication and the addition behind it are two operations to the counter.
        return int(counter.get_total_flops() / 2 / COUNTED_SIDE_PX**2)

    @cached_property
    def carried_bytes_per_pixel(self) -> int:
        """Size of what is carried, for each input pixel, in fp32."""
        with torch.device("meta"):
            twin = type(self)(**self.config)
            carried = twin.initial(torch.zeros(1, 3, self.multiple, self.multiple))
        return sum(tensor.nbytes for tensor in carried) // self.multiple**2

    def padded(self, frames: Tensor) -> Tensor:
        """(..., H, W) with rows and columns added until both sizes divide by ``multiple``."""
        return pad_to_multiple(frames, self.multiple, self.padding)

    def forward(self, clip: Tensor) -> Tensor:
        """(N, T, 3, H, W) RGB in [0, 1] -> (N, T, 3, sH, sW), not clamped, of any size and length.

        The first and last frame stand in for their missing neighbours.
        """
        height, width = clip.shape[-2:]
        frames = self.padded(clip).unbind(dim=1)
        carried = self.initial(frames[0])
        results = []
        for t in range(len(frames)):
            around = range(t - self.radius, t + self.radius + 1)
            window = tuple(frames[min(max(i, 0), len(frames) - 1)] for i in around)
            sr, carried = self.step(window, carried)
            results.append(sr[..., : height * self.scale, : width * self.scale])
        return torch.stack(results, dim=1)


def numbered(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """How many different numbers follow a prefix (a regular expression) in the names of tensors."""
    pattern = re.compile(rf"{prefix}\.(\d+)\.")
    return len({found[1] for name in tensors if (found := pattern.match(name))})


def pad_to_multiple(frames: Tensor, multiple: int, mode: str = "replicate") -> Tensor:
    """Add rows below and columns on the right of (..., H, W) until both sizes are divisible.

    Args:
        mode: ``replicate`` repeats the last one, ``reflect`` goes back from it; frames that are
            smaller than what is added are replicated all the same.
    """
    height, width = frames.shape[-2:]
    pad_h, pad_w = -height % multiple, -width % multiple
    if not (pad_h or pad_w):
        return frames
    flat = frames.reshape(-1, 1, height, width)
    mode = mode if pad_h < height and pad_w < width else "replicate"
    padded = functional.pad(flat, (0, pad_w, 0, pad_h), mode=mode)
    return padded.reshape(*frames.shape[:-2], height + pad_h, width + pad_w)


def upsample(features: Tensor, factor: int) -> Tensor:
    """Bilinear enlargement with align_corners=False."""
    return functional.interpolate(
        features, scale_factor=factor, mode="bilinear", align_corners=False
    )


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), 3x3, no normalisation."""

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.conv2(functional.relu(self.conv1(x), inplace=True))
        return x + residual
