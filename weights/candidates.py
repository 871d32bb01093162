"""What can be measured: bicubic, and any checkpoint by its catalogue's name or its path.

A candidate enlarges the LR frames of one shot by four, frame after frame, in memory. Its key
differs from that of every candidate whose pictures differ, so that results can be kept under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.errors import UsageError
from animesr_cli.model.checkpoint import load_network, load_tensors
from animesr_cli.model.engine import Compute, Engine, upscale_frames
from animesr_cli.training.state import MODEL_FILE

BICUBIC: Final = "bicubic"
SCALE: Final = 4
MSRB_TENSOR: Final = "recurrent_cell.conv_s1_first.0.weight"
COMPACT_TENSOR: Final = "recurrent_cell.first.weight"
SRVGG_TENSOR: Final = "body.0.weight"

Enlarge = Callable[[Sequence[Tensor]], Iterator[Tensor]]
"""LR frames (3, H, W) of one shot -> frames (3, 4H, 4W), RGB in [0, 1], not clamped."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way to enlarge."""

    name: str
    key: str
    """Differs from that of every candidate with other pictures."""
    enlarge: Enlarge


def candidate_name(model: str | Path) -> str:
    """A file's own name; what training wrote to a folder NET is NET-run."""
    path = Path(model)
    return f"{path.absolute().parent.name}-run" if path.name == MODEL_FILE else path.stem


def enlarge_bicubic(frames: Sequence[Tensor]) -> Iterator[Tensor]:
    """Keys' cubic, a = -0.5: torch takes it where it antialiases, which changes nothing else."""
    for frame in frames:
        yield functional.interpolate(
            frame[None], scale_factor=SCALE, mode="bicubic", antialias=True
        )[0]


def bicubic_candidate(device: torch.device) -> Candidate:
    return Candidate(name=BICUBIC, key=f"{BICUBIC} {device.type}", enlarge=enlarge_bicubic)


def network_candidate(model: str, compute: Compute) -> Candidate:
    """A checkpoint; ``NAME=PATH`` gives its column a name of its own."""
    name, separator, path = model.rpartition("=")
    tensors, sha256 = load_tensors(path)
    if MSRB_TENSOR in tensors:
        enlarge = _by_engine(path, compute)
    elif COMPACT_TENSOR in tensors or SRVGG_TENSOR in tensors:
        enlarge = _by_tensors(tensors, compute)
    else:
        raise UsageError(f"{path} is of no network that can be measured")
    return Candidate(
        name=name if separator else candidate_name(path),
        key=f"{sha256} {compute.device.type} {compute.precision}",
        enlarge=enlarge,
    )


def _by_engine(model: str, compute: Compute) -> Enlarge:
    network = load_network(model)

    def enlarge(frames: Sequence[Tensor]) -> Iterator[Tensor]:
        height, width = frames[0].shape[1:]
        engine = Engine(network, height, width, compute)
        return upscale_frames(engine, ((frame, False) for frame in frames))

    return enlarge


# ---- networks that the package does not load yet -------------------------------------------------


def _by_tensors(tensors: dict[str, Tensor], compute: Compute) -> Enlarge:
    weights = {
        name: tensor.to(compute.device, compute.dtype, memory_format=torch.channels_last)
        if tensor.dim() == 4
        else tensor.to(compute.device, compute.dtype)
        for name, tensor in tensors.items()
    }
    if COMPACT_TENSOR in weights:
        return lambda frames: _compact(weights, frames)
    return lambda frames: _image_network(weights, frames)


def _convolved(weights: dict[str, Tensor], name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = weights[f"{name}.weight"]
    return functional.conv2d(
        x, weight, weights[f"{name}.bias"], stride=stride, padding=weight.shape[-1] // 2
    )


def _enlarged_frame(features: Tensor, frame: Tensor) -> Tensor:
    """The residual of 48 channels and the frame by nearest neighbour, (1, 3, 4h, 4w) in fp32."""
    nearest = functional.interpolate(frame.float(), scale_factor=SCALE, mode="nearest")
    return functional.pixel_shuffle(features, SCALE).float() + nearest


def _image_network(weights: dict[str, Tensor], frames: Sequence[Tensor]) -> Iterator[Tensor]:
    """SRVGGNetCompact, frame by frame."""
    last = max(int(name.split(".")[1]) for name in weights)
    dtype = weights[SRVGG_TENSOR].dtype
    for frame in frames:
        x = _convolved(weights, "body.0", frame[None].to(dtype, memory_format=torch.channels_last))
        for place in range(1, last, 2):
            x = functional.prelu(x, weights[f"body.{place}.weight"])
            x = _convolved(weights, f"body.{place + 1}", x)
        yield _enlarged_frame(x, frame[None])[0]


def _compact(weights: dict[str, Tensor], frames: Sequence[Tensor]) -> Iterator[Tensor]:
    """CompactMSRB over a shot; sizes are padded to a multiple of four."""
    height, width = frames[0].shape[1:]
    pad = (0, -width % 4, 0, -height % 4)
    padded = [functional.pad(frame[None], pad, mode="replicate") for frame in frames]
    dtype = weights[COMPACT_TENSOR].dtype
    states = weights[COMPACT_TENSOR].shape[1] - 57
    sr = padded[0].new_zeros(1, 48, *padded[0].shape[2:])
    state = padded[0].new_zeros(1, states, *padded[0].shape[2:])
    for place, frame in enumerate(padded):
        window = (padded[max(place - 1, 0)], frame, padded[min(place + 1, len(padded) - 1)])
        x = torch.cat((*window, sr, state), dim=1)
        features = _compact_cell(weights, x.to(dtype, memory_format=torch.channels_last))
        enlarged = _enlarged_frame(features[:, :48], frame)
        sr = functional.pixel_unshuffle(enlarged, SCALE)
        state = functional.leaky_relu(features[:, 48:], 0.1).float()
        yield enlarged[0, :, : height * SCALE, : width * SCALE]


def _compact_cell(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    def convolved(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return _convolved(weights, f"recurrent_cell.{name}", x, stride)

    def activated(number: int, x: Tensor) -> Tensor:
        return functional.prelu(x, weights[f"recurrent_cell.act.{number}.weight"])

    def block(name: str, x: Tensor) -> Tensor:
        return x + convolved(f"{name}.conv2", convolved(f"{name}.conv1", x).relu())

    def doubled(x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    y = activated(0, convolved("first", x))
    half = functional.leaky_relu(convolved("down2", y, 2), 0.1)
    quarter = block("blocks4.0", functional.leaky_relu(convolved("down4", half, 2), 0.1))
    half = half + doubled(convolved("into_half", quarter))
    half = block("blocks2.1", block("blocks2.0", half))
    for place in range(16):
        if place in (6, 11):
            y = y + doubled(convolved(f"into_full.{(6, 11).index(place)}", half))
        y = activated(place + 1, convolved(f"body.{place}", y))
    return convolved("last", y)
