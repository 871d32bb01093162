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

from animesr_cli.model.checkpoint import load_network, load_tensors
from animesr_cli.model.devices import Compute
from animesr_cli.model.engine import Engine, upscale_frames
from animesr_cli.training.state import MODEL_FILE

BICUBIC: Final = "bicubic"
SCALE: Final = 4
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
    is_image_network = SRVGG_TENSOR in tensors
    enlarge = _by_tensors(tensors, compute) if is_image_network else _by_engine(path, compute)
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
        results = upscale_frames(engine, ((None, frame, False) for frame in frames))
        return (result for _, result in results)

    return enlarge


# ---- SRVGGNetCompact, which the package does not load yet ----------------------------------------


def _by_tensors(tensors: dict[str, Tensor], compute: Compute) -> Enlarge:
    weights = {
        name: tensor.to(compute.device, compute.dtype, memory_format=torch.channels_last)
        if tensor.dim() == 4
        else tensor.to(compute.device, compute.dtype)
        for name, tensor in tensors.items()
    }
    last = max(int(name.split(".")[1]) for name in weights)

    def convolved(place: int, x: Tensor) -> Tensor:
        name = f"body.{place}"
        return functional.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    def enlarge(frames: Sequence[Tensor]) -> Iterator[Tensor]:
        for frame in frames:
            x = frame[None].to(compute.dtype, memory_format=torch.channels_last)
            x = convolved(0, x)
            for place in range(1, last, 2):
                x = convolved(place + 1, functional.prelu(x, weights[f"body.{place}.weight"]))
            nearest = functional.interpolate(frame[None], scale_factor=SCALE, mode="nearest")
            yield (functional.pixel_shuffle(x, SCALE).float() + nearest)[0]

    return enlarge
