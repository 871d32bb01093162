"""What can be measured: bicubic, and any network by its catalogue's name or its path.

A candidate enlarges the LR frames of one shot, frame after frame, in memory. Its key differs from
that of every candidate whose pictures differ, so that results can be kept under it. Two networks of
one size can be blended, weight by weight, to see what lies between them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import UsageError
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.model.clip_engine import open_engine
from animesr_cli.model.devices import Compute
from animesr_cli.model.network import Network
from animesr_cli.model.resample import resample
from animesr_cli.training.state import MODEL_FILE

logger = logging.getLogger(__name__)

BICUBIC: Final = "bicubic"
SCALE: Final = 4
"""Of the degradation: the truth has four times the LR frame's sides."""

BLEND: Final = re.compile(r"(.+)~(.+)@([0-9.]+)")
AT_STRENGTH: Final = re.compile(r"(.+)@([0-9.]+)")

Enlarge = Callable[[Sequence[Tensor]], Iterator[Tensor]]
"""LR frames (3, H, W) of one shot -> frames (3, sH, sW), RGB in [0, 1], not clamped."""


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


def enlarge_bicubic(frames: Sequence[Tensor], scale: int = SCALE) -> Iterator[Tensor]:
    """Keys' cubic, a = -0.5."""
    for frame in frames:
        height, width = frame.shape[1:]
        yield _resized(frame, height, width, scale)


def bicubic_candidate(device: torch.device, scale: int = SCALE) -> Candidate:
    return Candidate(
        name=BICUBIC,
        key=f"{BICUBIC} {device.type}{_at(scale)}",
        enlarge=lambda frames: enlarge_bicubic(frames, scale),
    )


def network_candidate(model: str, compute: Compute, scale: int = SCALE) -> Candidate:
    """``[COLUMN=]NETWORK[@STRENGTH]``, or ``[COLUMN=]NETWORK~OTHER@SHARE`` with a share of OTHER.

    The results of a network of another scale are resampled to this one.
    """
    name, _, wanted = model.rpartition("=")
    blend, single = BLEND.fullmatch(wanted), AT_STRENGTH.fullmatch(wanted)
    if blend is not None:
        one, other = (load_checkpoint(part) for part in blend.group(1, 2))
        share = float(blend[3])
        if one.network.config != other.network.config:
            raise UsageError(f"the networks of {wanted} are of different sizes: they do not blend")
        loaded = replace(
            one,
            state_dict={
                key: torch.lerp(tensor, other.state_dict[key], share)
                for key, tensor in one.state_dict.items()
            },
        )
        key = f"{one.sha256} {other.sha256} {share}"
        usual = f"{candidate_name(blend[1])}~{candidate_name(blend[2])}@{blend[3]}"
    elif single is not None:
        loaded = load_checkpoint(single[1], strength=float(single[2]))
        key, usual = loaded.words, wanted
    else:
        loaded = load_checkpoint(wanted)
        key, usual = loaded.words, candidate_name(wanted)
    return Candidate(
        name=name or usual,
        key=f"{key} {compute.device.type} {compute.precision}{_at(scale)}",
        enlarge=_by_network(loaded.build(), compute, scale),
    )


def _at(scale: int) -> str:
    return "" if scale == SCALE else f" x{scale}"


def _by_network(network: Network, compute: Compute, scale: int) -> Enlarge:
    def enlarge(frames: Sequence[Tensor]) -> Iterator[Tensor]:
        height, width = frames[0].shape[1:]
        engine = open_engine(
            network, height, width, compute, tile=0, window=len(frames), warn=logger.warning
        )
        for _, picture in engine.upscale_frames((None, frame, False) for frame in frames):
            yield picture if network.scale == scale else _resized(picture, height, width, scale)

    return enlarge


def _resized(picture: Tensor, height: int, width: int, scale: int) -> Tensor:
    return resample(picture, height * scale, width * scale)
