"""The learnable basic operator (LBO): a degradation that was learned from one real video.

A pixel-unshuffle by 2 and three 3x3 convolutions map an HR frame (2h, 2w) to the LR frame (h, w)
that this video would have shown of it. lbo/ learns operators, operators.py applies them.
Source: AnimeSR (NeurIPS 2022), supplement, section 1. Parameter names are the authors', so that
their operators load with ``strict=True``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from animesr_cli.errors import WeightsError
from animesr_cli.model.checkpoint import load_tensors
from animesr_cli.model.network import MAX_FEATURES
from animesr_cli.model.recognise import check_tensors

SCALE = 2
"""HR pixels per LR pixel, in each direction."""
_FIRST = "main.0.weight"


class LearnableOperator(nn.Module):
    """HR frames (N, 3, 2h, 2w), RGB in [0, 1], to LR frames (N, 3, h, w), not clamped."""

    def __init__(self, num_feat: int = 64) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(SCALE)
        self.main = nn.Sequential(
            nn.Conv2d(3 * SCALE**2, num_feat, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(num_feat, num_feat, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(num_feat, 3, 3, padding=1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        result: Tensor = self.main(self.unshuffle(frames))  # (N, 12, h, w) -> (N, 3, h, w)
        return result


@dataclass(frozen=True, kw_only=True)
class LoadedOperator:
    """An operator of the pool."""

    source: str
    """A name of the catalogue, or the file's path: as it was asked for."""
    sha256: str
    """Of the file: by it a plan names the operator that it was made with."""
    network: LearnableOperator
    """fp32, frozen."""


def load_operator(name_or_path: str | Path) -> LoadedOperator:
    """Read an operator by its name in the catalogue, or from a file.

    That is ``.safetensors`` or ``.pth``, plain or as BasicSR wraps it.

    Raises:
        UsageError: no such name.
        WeightsError: it is missing, damaged, asks to run code, holds a NaN, or is no operator.
    """
    tensors, sha256 = load_tensors(name_or_path)
    path = Path(name_or_path)
    with torch.device("meta"):
        network = LearnableOperator(_num_feat(tensors, path))
    check_tensors(tensors, network.state_dict(), path, "an LBO")
    network.load_state_dict(tensors, strict=True, assign=True)
    network.eval().requires_grad_(False)
    return LoadedOperator(source=str(name_or_path), sha256=sha256, network=network)


def _num_feat(tensors: dict[str, Tensor], path: Path) -> int:
    if _FIRST not in tensors:
        hint = None
        if any(key.startswith("recurrent_cell.") for key in tensors):
            hint = "it is a network that upscales: -n takes it, --lbo does not"
        raise WeightsError(f"{path} is not of an LBO: it has no tensor {_FIRST}", hint)
    shape = tuple(tensors[_FIRST].shape)
    if len(shape) != 4 or not 1 <= shape[0] <= MAX_FEATURES:
        raise WeightsError(f"{path} is not of an LBO: {_FIRST} has the shape {shape}")
    return shape[0]
