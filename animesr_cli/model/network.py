"""What a network is to everything around it: one small protocol, and how a clip goes through it.

Video, tiles, files and devices know a network by this alone: how much it enlarges, how many frames
it looks at, how far around a pixel it sees, and what it carries from one frame to the next.

RGB in [0, 1], red first. Shapes: N batch, T time, H x W low-resolution pixels, s scale.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.model.layout import joined

T = TypeVar("T")

Window = tuple[Tensor, ...]
"""Frames t - radius ... t + radius, each (N, 3, H, W)."""
Carried = tuple[Tensor, ...]
"""What one frame leaves for the next; empty where a network takes every frame by itself."""

Tensors = dict[str, Tensor]
"""A checkpoint's, by name."""

FEEDBACK_SLOPE = 0.1
"""Of the LeakyReLU behind a state."""

SCALES = (1, 2, 4)
MAX_FEATURES = 1024
"""Sixteen times what released networks have; a file that claims more is none of theirs."""


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
        """Peak memory of a step for each input pixel, weights and carried tensors apart.

        Measured as its growth with the size of frames (README.md has the figures).
        """

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights, and so of the features."""
        return next(self.parameters()).dtype

    @property
    def halo(self) -> int:
        """``context``, rounded up so that tiles begin where strided convolutions do."""
        return -(-self.context // self.multiple) * self.multiple

    @cached_property
    def carried_bytes_per_pixel(self) -> int:
        """Size of what is carried, for each input pixel, in fp32."""
        with torch.device("meta"):
            twin = type(self)(**self.config)
            carried = twin.initial(torch.zeros(1, 3, self.multiple, self.multiple))
        return sum(tensor.nbytes for tensor in carried) // self.multiple**2

    def padded(self, frames: Tensor) -> Tensor:
        """(..., H, W) with rows below and columns on the right until both divide by ``multiple``.

        Frames that are smaller than what is added are replicated, whatever ``padding`` says.
        """
        height, width = frames.shape[-2:]
        pad_h, pad_w = -height % self.multiple, -width % self.multiple
        if not (pad_h or pad_w):
            return frames
        mode = self.padding if pad_h < height and pad_w < width else "replicate"
        flat = frames.reshape(-1, 1, height, width)
        added = functional.pad(flat, (0, pad_w, 0, pad_h), mode=mode)
        return added.reshape(*frames.shape[:-2], height + pad_h, width + pad_w)

    def forward(self, clip: Tensor) -> Tensor:
        """(N, T, 3, H, W) RGB in [0, 1] -> (N, T, 3, sH, sW), not clamped, of any size and length.

        The first and last frame stand in for their missing neighbours.
        """
        height, width = clip.shape[-2:]
        frames = self.padded(clip).unbind(dim=1)
        carried = self.initial(frames[0])
        results = []
        for _, window, _ in windows(((None, frame, False) for frame in frames), self.radius):
            sr, carried = self.step(window, carried)
            results.append(sr[..., : height * self.scale, : width * self.scale])
        return torch.stack(results, dim=1)


def windows(
    frames: Iterable[tuple[T, Tensor, bool]], radius: int, before: Tensor | None = None
) -> Iterator[tuple[T, tuple[Tensor, ...], bool]]:
    """(Anything, a frame, whether it begins a shot) -> the same with the frame's window.

    The first and the last frame of a shot stand in for their missing neighbours.

    Args:
        radius: 0 or 1: frames before and behind that a window holds.
        before: of the same shot, the frame before the first; None: there is none.
    """
    if not radius:
        yield from ((item, (frame,), cut) for item, frame, cut in frames)
        return
    held: tuple[T, Tensor, bool] | None = None  # a frame waits for the one behind it
    for item, nxt, cut in frames:
        if held is not None:
            waiting, cur, begins = held
            prev = cur if begins or before is None else before
            yield waiting, (prev, cur, cur if cut else nxt), begins
            before = cur
        held = item, nxt, cut
    if held is not None:
        waiting, cur, begins = held
        yield waiting, (cur if begins or before is None else before, cur, cur), begins


class ImageNetwork(Network):
    """A network that takes every picture by itself; a subclass computes in ``enlarge``."""

    radius = 0
    recurrent = False

    @abstractmethod
    def enlarge(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, sH, sW) in fp32, not clamped; sizes divide by ``multiple``."""

    def initial(self, frame: Tensor) -> Carried:
        """Nothing."""
        return ()

    def step(self, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        """Enlarge the only frame of the window."""
        return self.enlarge(window[0]), ()


class FeedbackNetwork(Network):
    """A network that is given what it made of the frame before.

    It carries the super-resolved frame, (N, 3, sH, sW) in fp32, and its state, (N, S, H, W) in the
    precision of the weights: zeros at the start of a shot. A subclass has its ``recurrent_cell``:
    (N, 9 + 3ss + S, H, W) -> (N, 3ss + S, H, W), image residual and state before its LeakyReLU.
    """

    multiple = 4  # two strided convolutions
    radius = 1
    recurrent = True
    num_state: int
    recurrent_cell: nn.Module

    @abstractmethod
    def enlarged(self, frame: Tensor, residual: Tensor) -> Tensor:
        """(N, 3, H, W) in fp32 and (N, 3ss, H, W) in any precision -> (N, 3, sH, sW) in fp32."""

    def initial(self, frame: Tensor) -> Carried:
        """Zero SR feedback and state for a frame (N, 3, H, W)."""
        count, _, height, width = frame.shape
        size = height * self.scale, width * self.scale
        sr = frame.new_zeros(count, 3, *size, dtype=torch.float32)
        return sr, frame.new_zeros(count, self.num_state, height, width, dtype=self.dtype)

    def step(self, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        """Frames t-1, t, t+1 and (SR frame t-1, state) -> SR frame t, (SR frame t, state).

        The frame that lies below the residual is added in fp32: an 8-bit mantissa cannot hold
        10-bit codes.
        """
        dtype = self.dtype
        sr, state = carried
        rgb = torch.cat(window, dim=1).to(dtype)  # (N, 9, H, W)
        found = self.recurrent_cell(joined(rgb, sr.to(dtype), state.to(dtype), self.scale))
        residual, state = found.split((3 * self.scale**2, self.num_state), dim=1)
        sr = self.enlarged(wide(window[1]), residual)
        return sr, (sr, functional.leaky_relu(state, FEEDBACK_SLOPE))


def wide(x: Tensor) -> Tensor:
    """In fp32, or in fp64 where it is that."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


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


# ---- files ---------------------------------------------------------------------------------------


def numbered(tensors: Tensors, prefix: str) -> int:
    """How many different numbers follow a prefix (a regular expression) in the names of tensors."""
    pattern = re.compile(rf"{prefix}\.(\d+)\.")
    return len({found[1] for name in tensors if (found := pattern.match(name))})


def kernel_shape(tensors: Tensors, name: str, network: str, path: Path) -> tuple[int, ...]:
    """Of a convolution: features that it makes, channels that it takes, rows, columns.

    Raises WeightsError where there is none, or one of more than ``MAX_FEATURES``.
    """
    shape = tuple(tensors[name].shape) if name in tensors else ()
    if len(shape) != 4 or not 1 <= shape[0] <= MAX_FEATURES:
        raise WeightsError(f"{path} is not of {network}: {name} has the shape {shape}")
    return shape


def check_scale(scale: Fraction, path: Path) -> None:
    """Raises WeightsError where a network enlarges by a factor that is not supported."""
    if scale not in SCALES:
        raise WeightsError(
            f"{path} enlarges {float(scale):g} times", "networks of 1x, 2x and 4x can be used"
        )
