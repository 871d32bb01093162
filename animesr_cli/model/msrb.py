"""MSRB: the recurrent multi-scale network of AnimeSR.

Unidirectional and recurrent with a sliding window of three frames: for frame t the cell sees RGB
frames t-1, t and t+1, its own super-resolved frame t-1 and its hidden state. Features live at full,
half and quarter resolution (the multi-scale recurrent block, MSRB) and are fused once at the end.
Source: AnimeSR (NeurIPS 2022, https://arxiv.org/abs/2206.07038), supplement, section 1. Parameter
names are those of the released checkpoints, so that these load with ``strict=True``.

RGB in [0, 1], red first. Shapes: N batch, T time, F features, H x W low-resolution pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.model.network import (
    FeedbackNetwork,
    ResidualBlock,
    Tensors,
    kernel_shape,
    numbered,
    upsample,
)

SCALE = 4
"""Output pixels per input pixel, in each direction."""
IMAGE_CHANNELS = 3 * SCALE**2
"""Channels of one super-resolved frame before the pixel shuffle."""


def reach(num_block: tuple[int, int, int]) -> int:
    """Pixels on each side of a tile that its result depends on.

    Follows how far what is missing beyond an edge (at a multiple of 4) reaches into each scale, in
    the order of :class:`RecurrentCell`. A 3x3 convolution adds 1; a strided one maps a reach of r
    to r // 2 + 1; bilinear x2 maps it to 2r + 1 and x4 to 4r + 2. The released size needs 24.
    """
    steps, blocks_s2, blocks_s4 = num_block
    start_s2, start_s4 = steps - blocks_s2, steps - blocks_s4
    s1 = 1
    s2 = s1 // 2 + 1
    s4 = s2 // 2 + 1
    for step in range(steps):
        into_s1, into_s2 = s1, s2
        if step > start_s2:
            into_s1 = max(into_s1, 2 * s2 + 1)
        if step > start_s4:
            into_s1, into_s2 = max(into_s1, 4 * s4 + 2), max(into_s2, 2 * s4 + 1)
        s1 = into_s1 + 2
        s2 = into_s2 + 2 if step >= start_s2 else s2
        s4 = s4 + 2 if step >= start_s4 else s4
    return max(s1, 2 * s2 + 1, 4 * s4 + 2) + 2


def _conv_lrelu(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True)
    )


class RecurrentCell(nn.Module):
    """The MSRB: features at three scales that exchange what they found, fused into one map."""

    def __init__(self, num_feat: int, num_block: tuple[int, int, int]) -> None:
        super().__init__()
        blocks_s1, blocks_s2, blocks_s4 = num_block
        fused = num_feat + IMAGE_CHANNELS
        # 9 RGB channels of three frames, the previous SR frame unshuffled, the hidden state.
        self.conv_s1_first = _conv_lrelu(3 * 3 + IMAGE_CHANNELS + num_feat, num_feat)
        self.conv_s2_first = _conv_lrelu(num_feat, num_feat, stride=2)
        self.conv_s4_first = _conv_lrelu(num_feat, num_feat, stride=2)
        self.body_s1_first = nn.ModuleList(ResidualBlock(num_feat) for _ in range(blocks_s1))
        self.body_s2_first = nn.ModuleList(ResidualBlock(num_feat) for _ in range(blocks_s2))
        self.body_s4_first = nn.ModuleList(ResidualBlock(num_feat) for _ in range(blocks_s4))
        self.fusion = nn.Sequential(
            nn.Conv2d(3 * num_feat, 2 * fused, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(2 * fused, fused, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 57 + F, H, W) -> (N, 48 + F, H, W): image residual, state before its LeakyReLU."""
        s1 = self.conv_s1_first(x)  # (N, F, H, W)
        s2 = self.conv_s2_first(s1)  # (N, F, H/2, W/2)
        s4 = self.conv_s4_first(s2)  # (N, F, H/4, W/4)

        # Right-aligned: the coarser scales join in the last steps, and from their first block on
        # they feed the finer ones. Within a step the finer scale runs first.
        steps = len(self.body_s1_first)
        start_s2 = steps - len(self.body_s2_first)
        start_s4 = steps - len(self.body_s4_first)
        for step, block_s1 in enumerate(self.body_s1_first):
            into_s1, into_s2 = s1, s2
            if step > start_s2:
                into_s1 = into_s1 + upsample(s2, 2)
            if step > start_s4:
                into_s1 = into_s1 + upsample(s4, 4)
                into_s2 = into_s2 + upsample(s4, 2)
            s1 = block_s1(into_s1)
            if step >= start_s2:
                s2 = self.body_s2_first[step - start_s2](into_s2)
            if step >= start_s4:
                s4 = self.body_s4_first[step - start_s4](s4)

        merged = torch.cat((s1, upsample(s2, 2), upsample(s4, 4)), dim=1)  # (N, 3F, H, W)
        fused: Tensor = self.fusion(merged)
        return fused


class MSRB(FeedbackNetwork):
    """The x4 network of AnimeSR; 64 features and 5/3/2 blocks are the released size.

    Args:
        num_feat: features at each scale, and channels of the hidden state.
        num_block: residual blocks at full, half and quarter resolution, in falling order.
    """

    architecture = "MSRB"
    scale = SCALE
    recurrent_cell: RecurrentCell

    def __init__(self, num_feat: int = 64, num_block: tuple[int, int, int] = (5, 3, 2)) -> None:
        super().__init__()
        self.config = {"num_feat": num_feat, "num_block": num_block}
        self.num_state = num_feat
        self.context = reach(num_block)
        self.recurrent_cell = RecurrentCell(num_feat, num_block)

    def enlarged(self, frame: Tensor, residual: Tensor) -> Tensor:
        """Bilinear, plus the residual."""
        return upsample(frame, SCALE).add_(functional.pixel_shuffle(residual, SCALE))

    def bytes_per_pixel(self, dtype: torch.dtype) -> int:
        full = 5000 if dtype == torch.float32 else 2900
        return full * max(self.num_state, 64) // 64


def msrb_of(tensors: Tensors, path: Path) -> tuple[MSRB, Tensors] | None:
    """The network of the size that names and the first convolution tell; None: another one's."""
    first = "recurrent_cell.conv_s1_first.0.weight"
    if first not in tensors:
        return None
    num_feat = kernel_shape(tensors, first, MSRB.architecture, path)[0]
    # One block at least, so that a file without any is told which tensor it lacks.
    s1, s2, s4 = (
        max(1, numbered(tensors, rf"recurrent_cell\.body_s{scale}_first")) for scale in (1, 2, 4)
    )
    if not s1 >= s2 >= s4:
        raise WeightsError(f"{path} has {s1, s2, s4} blocks: coarser scales cannot have more")
    return MSRB(num_feat, (s1, s2, s4)), tensors
