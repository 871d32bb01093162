"""SRVGGNetCompact: Real-ESRGAN's small network, one picture at a time.

A plain chain of 3x3 convolutions with a learned slope for each channel (PReLU), all at the
resolution of the input; the last one gives every pixel of the result, to which the input, enlarged
by repeating its pixels, is added. realesr-animevideov3 and most small community networks are this.
Source: Wang et al. 2021 (https://arxiv.org/abs/2107.10833) and its implementation; parameter names
are those of the released checkpoints.

RGB in [0, 1], red first. Shapes: N batch, F features, H x W low-resolution pixels.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn

from animesr_cli.errors import WeightsError
from animesr_cli.model.layout import with_residual
from animesr_cli.model.network import (
    ImageNetwork,
    Tensors,
    check_scale,
    kernel_shape,
    wide,
)


class SRVGGNetCompact(ImageNetwork):
    """The x1, x2 or x4 network; 64 features and 16 convolutions are realesr-animevideov3's size.

    Args:
        scale: output pixels per input pixel in each direction.
        num_feat: features of every layer.
        num_conv: convolutions between the first and the last.
    """

    architecture = "SRVGGNetCompact"
    multiple = 1

    def __init__(self, scale: int = 4, num_feat: int = 64, num_conv: int = 16) -> None:
        super().__init__()
        self.config = {"scale": scale, "num_feat": num_feat, "num_conv": num_conv}
        self.scale = scale
        self.context = num_conv + 2  # a pixel for each convolution
        layers: list[nn.Module] = []
        for index in range(num_conv + 1):
            layers.append(nn.Conv2d(num_feat if index else 3, num_feat, 3, padding=1))
            layers.append(nn.PReLU(num_feat))
        layers.append(nn.Conv2d(num_feat, 3 * scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def enlarge(self, picture: Tensor) -> Tensor:
        residual = self.body(picture.to(self.dtype))  # (N, 3 scale^2, H, W)
        return with_residual(wide(picture), residual, self.scale)

    def bytes_per_pixel(self, dtype: torch.dtype) -> int:
        of_features, of_output = (1010, 80) if dtype == torch.float32 else (400, 53)
        features = max(int(self.config["num_feat"]), 8)
        return max(of_features * features // 64, of_output * self.scale**2)


def srvgg_of(tensors: Tensors, path: Path) -> tuple[SRVGGNetCompact, Tensors] | None:
    """The network of the size that names and shapes tell; None: another one's."""
    layers = [int(name.split(".")[1]) for name in tensors if re.fullmatch(_LAYER, name)]
    first = tensors.get("body.0.weight")
    if first is None or len(layers) != len(tensors) or first.dim() != 4:
        return None
    last = max(layers)
    weights = tensors.get(f"body.{last}.weight")
    if last % 2 or last < 2 or last >= len(tensors) or weights is None or weights.dim() != 4:
        raise WeightsError(f"{path} is not a whole SRVGGNetCompact: its last layer is body.{last}")
    if f"body.{last - 1}.weight" not in tensors:
        raise WeightsError(
            f"{path} looks like an SRVGGNetCompact, but not of the PReLU kind: it has no tensor"
            f" body.{last - 1}.weight",
            "networks with ReLU or LeakyReLU cannot be told apart by their files",
        )
    shape = kernel_shape(tensors, "body.0.weight", SRVGGNetCompact.architecture, path)
    channels = len(weights)
    if shape[1] != 3 or channels % 3 or not channels:
        raise WeightsError(
            f"{path} is not an SRVGGNetCompact for RGB: body.0.weight has the shape {shape},"
            f" body.{last}.weight {channels} rows"
        )
    squared = channels // 3
    check_scale(Fraction(math.sqrt(squared)).limit_denominator(100), path)
    return SRVGGNetCompact(math.isqrt(squared), shape[0], (last - 2) // 2), tensors


_LAYER = r"body\.\d+\.(weight|bias)"
