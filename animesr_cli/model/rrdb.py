"""RRDBNet: the network of ESRGAN, Real-ESRGAN and BSRGAN, one picture at a time.

A long chain of residual-in-residual dense blocks at the resolution of the input (of the input after
pixel-unshuffle by 2 or 4 where the network enlarges by 2 or 1), then two steps of nearest x2 and a
convolution. Nothing of the input picture is added to the result.

Sources: Wang et al. 2018, ESRGAN (https://arxiv.org/abs/1809.00219); Zhang et al. 2021, BSRGAN
(https://arxiv.org/abs/2103.14006); Wang et al. 2021, Real-ESRGAN (https://arxiv.org/abs/2107.10833).
Parameter names are those of BasicSR; older spellings are mapped to them where files are read.

RGB in [0, 1], red first. Shapes: N batch, F features, G growth, H x W low-resolution pixels.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.model.network import (
    ImageNetwork,
    Tensors,
    check_scale,
    kernel_shape,
    numbered,
    wide,
)

SLOPE = 0.2
"""Of every LeakyReLU."""
RESIDUAL_SHARE = 0.2
"""What a block adds to its input, and a dense block to its own."""
MOST_ENLARGED = 4
"""By the steps behind the blocks together."""
OVERLAP_PX = 32
"""Around a tile, at the resolution of the blocks; see the figures in the README of this room."""


def _lrelu(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE, inplace=True)


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the input and the results of all before it."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        widths = [num_feat + i * num_grow_ch for i in range(5)]
        self.conv1 = nn.Conv2d(widths[0], num_grow_ch, 3, padding=1)
        self.conv2 = nn.Conv2d(widths[1], num_grow_ch, 3, padding=1)
        self.conv3 = nn.Conv2d(widths[2], num_grow_ch, 3, padding=1)
        self.conv4 = nn.Conv2d(widths[3], num_grow_ch, 3, padding=1)
        self.conv5 = nn.Conv2d(widths[4], num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found = x  # (N, F + i G, H, W)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            found = torch.cat((found, _lrelu(conv(found))), dim=1)
        return torch.add(x, self.conv5(found), alpha=RESIDUAL_SHARE)


class ResidualDenseBlocks(nn.Module):
    """Three dense blocks in a residual of their own (RRDB)."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(num_feat, num_grow_ch)
        self.rdb2 = DenseBlock(num_feat, num_grow_ch)
        self.rdb3 = DenseBlock(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL_SHARE)


def conv_fp32(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution in fp32 whatever the weights are: the last one, which makes the picture.

    Eight bits of mantissa cannot hold the codes of 10-bit video, and this layer is cheap.
    """
    bias = None if conv.bias is None else wide(conv.bias)
    return functional.conv2d(wide(x), wide(conv.weight), bias, padding=1)


class RRDBNet(ImageNetwork):
    """The x4, x2 or x1 network; x2 and x1 come in two makes.

    Args:
        scale: output pixels per input pixel in each direction.
        num_feat, num_block, num_grow_ch: 64, 23 and 32 in the released size, 6 blocks in the one
            for animation.
        unshuffled: side of the blocks of input pixels that become channels first: 2 and 1 or 4 in
            Real-ESRGAN's x2 and x1; 1 leaves out steps of enlargement instead (BSRGAN, ESRGAN).
    """

    architecture = "RRDBNet"
    padding = "reflect"

    def __init__(
        self,
        scale: int = 4,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
        unshuffled: int = 1,
    ) -> None:
        super().__init__()
        self.steps_up = {1: 0, 2: 1, 4: 2}[scale * unshuffled]
        """Enlargements by 2 at the end."""
        self.config = {
            "scale": scale,
            "num_feat": num_feat,
            "num_block": num_block,
            "num_grow_ch": num_grow_ch,
            "unshuffled": unshuffled,
        }
        self.scale = scale
        self.multiple = self.unshuffled = unshuffled
        self.context = min(self.reach, OVERLAP_PX * unshuffled)
        self.conv_first = nn.Conv2d(3 * unshuffled**2, num_feat, 3, padding=1)
        self.body = nn.Sequential(
            *(ResidualDenseBlocks(num_feat, num_grow_ch) for _ in range(num_block))
        )
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        if self.steps_up > 0:
            self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        if self.steps_up > 1:
            self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, 3, 3, padding=1)

    @property
    def reach(self) -> int:
        """Input pixels on each side that a result depends on, however little by the far ones."""
        # Fifteen convolutions a block, one before and one behind them; two pixels hold those at
        # the enlarged sizes, whichever there are.
        return (15 * int(self.config["num_block"]) + 4) * self.unshuffled

    def enlarge(self, picture: Tensor) -> Tensor:
        x = picture.to(self.dtype)
        if self.unshuffled > 1:
            x = functional.pixel_unshuffle(x, self.unshuffled)
        first = self.conv_first(x)  # (N, F, h, w)
        x = first + self.conv_body(self.body(first))
        if self.steps_up > 0:
            x = _lrelu(self.conv_up1(_twice(x)))  # (N, F, 2h, 2w)
        if self.steps_up > 1:
            x = _lrelu(self.conv_up2(_twice(x)))  # (N, F, 4h, 4w)
        return conv_fp32(self.conv_last, _lrelu(self.conv_hr(x)))

    def bytes_per_pixel(self, dtype: torch.dtype) -> int:
        # Either the dense blocks or the features at the size of the result are the peak.
        in_blocks, in_result = (4200, 850) if dtype == torch.float32 else (2650, 550)
        features, growth = int(self.config["num_feat"]), int(self.config["num_grow_ch"])
        blocks = in_blocks * (features + 4 * growth) // (192 * self.unshuffled**2)
        return max(blocks, in_result * self.scale**2 * max(features, 8) // 64)


# ---- files ---------------------------------------------------------------------------------------

_BLOCK = re.compile(
    r"(?:body|RRDB_trunk|model\.1\.sub)\.(\d+)\.(?:rdb|RDB)(\d)\.conv(\d)(?:\.0)?\.(weight|bias)"
)
_SINCE_2019 = {"trunk_conv": "conv_body", "upconv1": "conv_up1", "upconv2": "conv_up2",
               "HRconv": "conv_hr"}  # fmt: skip
_UNSHUFFLED = {3: 1, 12: 2, 48: 4}


def rrdb_of(tensors: Tensors, path: Path) -> tuple[RRDBNet, Tensors] | None:
    """The network of the size that names and shapes tell, in any of its spellings.

    BasicSR's names are the class's own; ESRGAN since June 2019 and BSRGAN say ``RRDB_trunk``; the
    oldest files number their layers from ``model.0`` on.
    """
    if not any(_BLOCK.fullmatch(name) for name in tensors):
        return None
    named = _renamed(tensors)
    shape, grown = (
        kernel_shape(named, name, RRDBNet.architecture, path)
        for name in ("conv_first.weight", "body.0.rdb1.conv1.weight")
    )
    if (unshuffled := _UNSHUFFLED.get(shape[1])) is None:
        raise WeightsError(
            f"{path} is an RRDBNet for pictures of {shape[1]} channels", "3 are needed: RGB"
        )
    enlarged = 2 ** len({name.split(".")[0] for name in named if name.startswith("conv_up")})
    check_scale(Fraction(enlarged, unshuffled), path)
    if enlarged > MOST_ENLARGED:
        raise WeightsError(f"{path} is not an RRDBNet that is known: it enlarges {enlarged} times")
    if "model.3.weight" in tensors and enlarged == 2 and path.name.lower().startswith("3x"):
        # The oldest spelling has the same names for one step by 3 as for one by 2.
        check_scale(Fraction(3), path)
    network = RRDBNet(
        enlarged // unshuffled, shape[0], numbered(named, "body"), grown[0], unshuffled
    )
    return network, named


def _renamed(tensors: Tensors) -> Tensors:
    """By the names of the class; those that are no RRDBNet's stay as they are."""
    numbered_layers = _numbered_layers(tensors) if "model.0.weight" in tensors else {}
    renamed = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        if block := _BLOCK.fullmatch(name):
            name = "body.{}.rdb{}.conv{}.{}".format(*block.groups())
        elif new := (_SINCE_2019 | numbered_layers).get(layer):
            name = f"{new}.{kind}"
        renamed[name] = tensor
    return renamed


def _numbered_layers(tensors: Tensors) -> dict[str, str]:
    """Names for the oldest spelling: an enlargement is three layers, an activation one."""
    numbers = {int(found[1]) for name in tensors if (found := re.match(r"model\.(\d+)\.", name))}
    steps = max((max(numbers) - 4) // 3, 0)
    names = {"model.0": "conv_first", f"model.1.sub.{numbered(tensors, _SUB) - 1}": "conv_body"}
    names |= {f"model.{3 * step}": f"conv_up{step}" for step in range(1, steps + 1)}
    return names | {f"model.{3 * steps + 2}": "conv_hr", f"model.{3 * steps + 4}": "conv_last"}


_SUB = r"model\.1\.sub"
