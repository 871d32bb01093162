"""SPyNet, which estimates where every pixel of a frame lies in another one, and warping by that.

A pyramid of six levels: each refines the flow that the coarser one found, enlarged, by five 7x7
convolutions of the frame, the other frame warped by the flow, and the flow itself.
Source: Ranjan and Black 2017 (https://arxiv.org/abs/1611.00850), as the implementation of BasicVSR
has it; parameter names are those of its released checkpoints.

RGB in [0, 1], red first. A flow is (N, 2, H, W): how many pixels to the right and downwards.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 6
MULTIPLE = 32
"""Frames are resized to multiples of this: the coarsest level has whole pixels."""
_WIDTHS = (8, 32, 64, 32, 16, 2)
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def warp(picture: Tensor, flow: Tensor, outside: Literal["zeros", "border"] = "zeros") -> Tensor:
    """What (N, C, H, W) shows at each pixel moved by ``flow``, bilinear between pixels.

    Args:
        outside: what lies beyond the edges: nothing, or the nearest pixel.
    """
    height, width = picture.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    x = columns + flow[:, 0]  # (N, H, W)
    y = rows[:, None] + flow[:, 1]
    # grid_sample wants the centres of the outer pixels at -1 and 1.
    places = torch.stack((2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1), dim=-1)
    return functional.grid_sample(
        picture.to(flow.dtype), places, mode="bilinear", padding_mode=outside, align_corners=True
    ).to(picture.dtype)


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(x, (height, width), mode="bilinear", align_corners=False)


class _Convolution(nn.Module):
    """Only its name tells it from nn.Conv2d: the released files say ``conv`` once more."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 7, padding=3)


class _Level(nn.Module):
    """(N, 8, H, W): a frame, the other one warped, the flow -> what the flow lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(
            _Convolution(before, after) for before, after in pairwise(_WIDTHS)
        )

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.basic_module) - 1
        for index, layer in enumerate(self.basic_module):
            x = layer.conv(x)  # type: ignore[operator]
            if index < last:
                x = functional.relu(x, inplace=True)
        return x


class SPyNet(nn.Module):
    """The flow from one frame to another, in fp32 whatever precision the network around it has.

    Places of pixels in bf16 are off by several pixels in a large frame.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(_Level() for _ in range(LEVELS))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_DEVIATION).view(1, 3, 1, 1))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow the network around it to a device, but not to half precision."""

        def kept(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            half = moved.dtype in (torch.bfloat16, torch.float16)
            return tensor.to(moved.device) if half else moved

        return super()._apply(kept, recurse)  # type: ignore[no-untyped-call,no-any-return]

    def forward(self, frame: Tensor, other: Tensor) -> Tensor:
        """(N, 3, H, W) each -> (N, 2, H, W), so that ``warp(other, flow)`` resembles ``frame``."""
        device = "cpu" if frame.is_meta else frame.device.type
        with torch.autocast(device, enabled=False):
            return self._flow(frame.to(self.mean.dtype), other.to(self.mean.dtype))

    def _flow(self, frame: Tensor, other: Tensor) -> Tensor:
        height, width = frame.shape[-2:]
        full = height + -height % MULTIPLE, width + -width % MULTIPLE
        flow = self._pyramid(_resized(frame, *full), _resized(other, *full))
        flow = _resized(flow, height, width)
        # By numbers: a tensor of factors would be a copy to the device that the host waits for.
        return torch.stack((flow[:, 0] * (width / full[1]), flow[:, 1] * (height / full[0])), dim=1)

    def _pyramid(self, frame: Tensor, other: Tensor) -> Tensor:
        frames, others = [(frame - self.mean) / self.std], [(other - self.mean) / self.std]
        for _ in range(LEVELS - 1):
            frames.append(functional.avg_pool2d(frames[-1], 2))
            others.append(functional.avg_pool2d(others[-1], 2))
        count, _, height, width = frames[-1].shape
        flow = frame.new_zeros(count, 2, height, width)
        for level, (one, two) in enumerate(zip(reversed(frames), reversed(others), strict=True)):
            if level:
                flow = 2 * functional.interpolate(
                    flow, scale_factor=2, mode="bilinear", align_corners=True
                )
            seen = torch.cat((one, warp(two, flow, "border"), flow), dim=1)
            flow = flow + self.basic_module[level](seen)
        return flow
