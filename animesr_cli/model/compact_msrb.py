"""CompactMSRB: a compact single-frame network at full resolution, with a memory and coarser scales.

The trunk is that of SRVGGNetCompact (Real-ESRGAN, https://github.com/xinntao/Real-ESRGAN):
convolutions with PReLU between them, and the input itself, enlarged by nearest neighbour, below
the result. Around it stands what makes AnimeSR's network steady: a window of three frames, the
super-resolved frame before, a hidden state, and features at half and quarter resolution
(https://arxiv.org/abs/2206.07038). It can begin as such a network (``weights/start_4x.py``).

RGB in [0, 1], red first. Shapes: N batch, F features, S state channels, H x W low-resolution
pixels, s scale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.model.layout import with_residual
from animesr_cli.model.network import (
    MAX_FEATURES,
    SCALES,
    FeedbackNetwork,
    ResidualBlock,
    Tensors,
    kernel_shape,
    numbered,
    upsample,
)

RGB_CHANNELS: Final = 9
"""Of the three frames of a window."""
JOINS: Final = 2
"""Places of the trunk where half resolution enters."""
SLOPE: Final = 0.1
"""Of every LeakyReLU."""


def joins(num_conv: int) -> tuple[int, ...]:
    """The convolutions of the trunk before which half resolution enters: its thirds."""
    return tuple(-(-num_conv * third // (JOINS + 1)) for third in range(1, JOINS + 1))


def reach(num_conv: int, num_block: tuple[int, int]) -> int:
    """Pixels on each side of a tile that its result depends on; 34 for the shipped size.

    Follows, in the order of :class:`CompactCell`, how far what is missing beyond an edge (at a
    multiple of 4) reaches. A 3x3 convolution adds 1; a strided one maps a reach of r to
    r // 2 + 1; bilinear x2 maps it to 2r + 1.
    """
    blocks_half, blocks_quarter = num_block
    full = 1
    half = full // 2 + 1
    quarter = half // 2 + 1 + 2 * blocks_quarter
    half = max(half, 2 * quarter + 1) + 2 * blocks_half
    for index in range(num_conv):
        if index in joins(num_conv):
            full = max(full, 2 * half + 1)
        full += 1
    return full + 1


class CompactCell(nn.Module):
    """What is computed for each frame, from everything that is known to its residual and state."""

    def __init__(
        self, in_channels: int, num_feat: int, out_channels: int, num_conv: int,
        num_block: tuple[int, int],
    ) -> None:  # fmt: skip
        super().__init__()
        blocks_half, blocks_quarter = num_block
        self.first = nn.Conv2d(in_channels, num_feat, 3, padding=1)
        self.down2 = nn.Conv2d(num_feat, num_feat, 3, 2, 1)
        self.down4 = nn.Conv2d(num_feat, num_feat, 3, 2, 1)
        self.blocks4 = nn.ModuleList(ResidualBlock(num_feat) for _ in range(blocks_quarter))
        self.into_half = nn.Conv2d(num_feat, num_feat, 1)
        self.blocks2 = nn.ModuleList(ResidualBlock(num_feat) for _ in range(blocks_half))
        self.into_full = nn.ModuleList(nn.Conv2d(num_feat, num_feat, 1) for _ in range(JOINS))
        self.body = nn.ModuleList(
            nn.Conv2d(num_feat, num_feat, 3, padding=1) for _ in range(num_conv)
        )
        # One behind `first`, and one behind each convolution of the trunk.
        self.act = nn.ModuleList(nn.PReLU(num_feat) for _ in range(num_conv + 1))
        self.last = nn.Conv2d(num_feat, out_channels, 3, padding=1)
        # Coarser scales begin by saying nothing: the trunk is what it was before it had them.
        for entry in self.into_full:
            for parameter in entry.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 9 + 3ss + S, H, W) -> (N, 3ss + S, H, W): image residual, state before its slope."""
        full = self.act[0](self.first(x))  # (N, F, H, W)
        half = functional.leaky_relu(self.down2(full), SLOPE)  # (N, F, H/2, W/2)
        quarter = functional.leaky_relu(self.down4(half), SLOPE)  # (N, F, H/4, W/4)
        for block in self.blocks4:
            quarter = block(quarter)
        half = half + upsample(self.into_half(quarter), 2)
        for block in self.blocks2:
            half = block(half)
        entries = dict(zip(joins(len(self.body)), self.into_full, strict=True))
        for index, conv in enumerate(self.body):
            if index in entries:
                full = full + upsample(entries[index](half), 2)
            full = self.act[index + 1](conv(full))
        result: Tensor = self.last(full)
        return result


class CompactMSRB(FeedbackNetwork):
    """The network of ``base``; 64 features, 32 state channels and 16 convolutions are its size.

    Args:
        num_feat: features at each scale.
        num_state: channels of the hidden state; at most 36 at x2 and 9 at x1, so that a file
            tells which scale it is of.
        num_conv: convolutions of the trunk.
        num_block: residual blocks at half and at quarter resolution.
        scale: 4, 2 or 1.
    """

    architecture = "CompactMSRB"
    recurrent_cell: CompactCell

    def __init__(
        self, num_feat: int = 64, num_state: int = 32, num_conv: int = 16,
        num_block: tuple[int, int] = (2, 1), scale: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        if _scale_of(3 * scale**2 + num_state) != scale:
            raise ValueError(f"a state of {num_state} channels does not go with x{scale}")
        self.config = {
            "num_feat": num_feat,
            "num_state": num_state,
            "num_conv": num_conv,
            "num_block": num_block,
            "scale": scale,
        }
        self.num_state = num_state
        self.scale = scale
        self.context = reach(num_conv, num_block)
        carried = 3 * scale**2 + num_state
        self.recurrent_cell = CompactCell(
            RGB_CHANNELS + carried, num_feat, carried, num_conv, num_block
        )

    def enlarged(self, frame: Tensor, residual: Tensor) -> Tensor:
        """Its pixels repeated, plus the residual."""
        return with_residual(frame, residual, self.scale)

    def bytes_per_pixel(self, dtype: torch.dtype) -> int:
        full = 1900 if dtype == torch.float32 else 1200
        return full * max(int(self.config["num_feat"]), 64) // 64


def _scale_of(out_channels: int) -> int:
    """The largest scale whose image fits into the channels that are carried."""
    return next((scale for scale in reversed(SCALES) if out_channels > 3 * scale**2), 0)


def compact_msrb_of(tensors: Tensors, path: Path) -> tuple[CompactMSRB, Tensors] | None:
    """The network of the size that names and shapes tell; None: another one's."""
    first, last = "recurrent_cell.first.weight", "recurrent_cell.last.weight"
    if first not in tensors or last not in tensors:
        return None
    num_feat = kernel_shape(tensors, first, CompactMSRB.architecture, path)[0]
    carried = tensors[last].shape[0] if tensors[last].dim() else 0
    scale = _scale_of(carried)
    if not scale or carried > MAX_FEATURES:
        raise WeightsError(f"{path} is not of CompactMSRB: {last} has {carried} rows")
    network = CompactMSRB(
        num_feat,
        carried - 3 * scale**2,
        numbered(tensors, r"recurrent_cell\.body"),
        (
            numbered(tensors, r"recurrent_cell\.blocks2"),
            numbered(tensors, r"recurrent_cell\.blocks4"),
        ),
        scale,
    )
    return network, tensors
