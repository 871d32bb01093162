"""Pseudo HR: a poor clip's own frames, rescaled, super-resolved, and brought to twice their size.

What a low-quality video shows too large, blurred and with the traces of its codec, a network that
knows only the basic degradations takes for texture. Made smaller first, it looks to the network
like what it was trained on: the result is clean and sharp.
Source: AnimeSR (NeurIPS 2022, https://arxiv.org/abs/2206.07038), section 3.2.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import Warn
from animesr_cli.model.checkpoint import LoadedCheckpoint, load_checkpoint
from animesr_cli.model.clip_engine import open_engine
from animesr_cli.model.devices import Compute, choose_compute
from animesr_cli.model.network import Network
from animesr_cli.model.resample import resample
from animesr_cli.model.tiles import Region

log = logging.getLogger(__name__)

HR_SCALE: Final = 2
"""Pseudo HR is this many times as wide and high as the LR frame: what an LBO halves again."""
MARGIN_PX: Final = 16
"""Around a part of a frame, in LR pixels: what the network needs to see beyond its edges."""


def resized(frames: Tensor, height: int, width: int) -> Tensor:
    """(T, 3, H, W) at another size, bicubic and antialiased, in [0, 1]."""
    return resample(frames, height, width).clamp(0, 1)


def rescaled_size(height: int, width: int, factor: float) -> tuple[int, int]:
    """Of a frame at a factor: whole pixels, one at least."""
    return max(round(height * factor), 1), max(round(width * factor), 1)


@dataclass(frozen=True, kw_only=True)
class PseudoHr:
    """Makes HR frames of a clip's own LR frames."""

    network: Network
    compute: Compute
    warn: Warn = log.warning

    def __call__(self, frames: Tensor, factor: float) -> Tensor:
        """(T, 3, h, w) consecutive frames of one shot -> (T, 3, 2h, 2w), in [0, 1], on the CPU."""
        height, width = frames.shape[-2:]
        rows, columns = rescaled_size(height, width, factor)
        small = resized(frames, rows, columns).to(self.compute.device)
        engine = open_engine(
            self.network, rows, columns, self.compute, tile=0, window=len(frames), warn=self.warn
        )
        results = engine.upscale_frames((None, frame, False) for frame in small)
        size = HR_SCALE * height, HR_SCALE * width
        return torch.cat([resized(result[None], *size).cpu() for _, result in results])


def open_network(
    model: str | Path, device: str, *, precision: str = "auto", warn: Warn = log.warning
) -> tuple[PseudoHr, LoadedCheckpoint]:
    """What makes pseudo HR, and the checkpoint that it is."""
    compute = choose_compute(device, precision)
    loaded = load_checkpoint(model, warn=warn)
    return PseudoHr(network=loaded.build(), compute=compute, warn=warn), loaded


def pseudo_hr_of(part: Region, make: PseudoHr, frames: Tensor, factor: float) -> Tensor:
    """A part of whole LR frames as pseudo HR, made from it and what is around it."""
    around = part.grown(MARGIN_PX, Region(0, 0, *frames.shape[-2:]))
    made = make(frames[around.index], factor)
    return made[part.within(around).scaled(HR_SCALE).index]
