"""The held-out part of the material: which it is, and how near the network comes to it.

Windows, places and degradations are fixed by the seed, so that figures of one run can be compared
with each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import torch
from torch import Tensor

from animesr_cli.degradation.lbo import LoadedOperator
from animesr_cli.degradation.operators import DegradationSettings, sample_plan
from animesr_cli.metrics.scoring import Meter, luma_of
from animesr_cli.model.resample import resample
from animesr_cli.settings import FinetuneSettings
from animesr_cli.settings.limits import SIZE_MULTIPLE
from animesr_cli.training.corpus import Shot
from animesr_cli.training.windows import degraded, truth_of
from animesr_cli.video.colour import ColourSpec, PixelLayout, from_bytes, to_bytes

Upscale = Callable[[Tensor], Tensor]
"""(1, T, 3, h, w) in [0, 1] to (1, T, 3, sh, sw)."""

WINDOWS: Final = 8
FRAMES: Final = 7
SIDE_PX: Final = 256
"""Of HR."""
CANDIDATES: Final = 8
"""Places of a picture, of which the one with most detail is taken."""

_RGB: Final = ColourSpec(layout=PixelLayout(family="rgb", depth=8), full_range=True)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """One fixed window."""

    name: str
    lr: Tensor
    """(T, 3, h, w) in [0, 1]."""
    hr: Tensor
    """(T, 3, sh, sw) uint8, where s is the scale of the network."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What something makes of the held-out part."""

    scores: Mapping[str, float]
    """Means over the windows."""
    results: tuple[Tensor, ...]
    """For each window (T, 3, sh, sw) uint8."""


def hold_out(shots: Sequence[Shot], share: float) -> tuple[list[Shot], list[Shot]]:
    """Split into (learned from, held out): evenly spread shots, or the end of a single one."""
    if len(shots) == 1:
        (shot,) = shots
        last = max(round(shot.count * share), 2)
        first = Shot(source=shot.source, first=shot.first, count=shot.count - last)
        rest = Shot(source=shot.source, first=shot.first + shot.count - last, count=last)
        return [first], [rest]
    count = min(max(round(len(shots) * share), 1), len(shots) - 1)
    held = {(2 * number + 1) * len(shots) // (2 * count) for number in range(count)}
    return (
        [shot for index, shot in enumerate(shots) if index not in held],
        [shot for index, shot in enumerate(shots) if index in held],
    )


def fixed_windows(
    shots: Sequence[Shot],
    settings: FinetuneSettings,
    operators: Sequence[LoadedOperator],
    device: torch.device,
    scale: int,
) -> list[HeldOut]:
    """Eight windows of up to seven frames, spread over the shots; their HR at the scale."""
    degradation = DegradationSettings(mild_probability=settings.mild)
    windows = []
    for number in range(WINDOWS):
        shot = shots[number * len(shots) // WINDOWS]
        rng = random.Random(f"{settings.seed}/held out/{number}")
        frames = min(FRAMES, shot.count)
        first = rng.randint(0, shot.count - frames)
        hr = _detailed_part(torch.stack(shot.frames(first, frames)), rng)
        plan = sample_plan(rng, degradation, operators)
        with torch.no_grad():
            clip = from_bytes(hr.to(device))
            lr = degraded(clip, plan, operators).cpu()
            hr = to_bytes(truth_of(clip, scale)).cpu()
        windows.append(
            HeldOut(name=f"{shot.source.name}, frame {shot.first + first}", lr=lr, hr=hr)
        )
    return windows


def _detailed_part(clip: Tensor, rng: random.Random) -> Tensor:
    """The part of (T, 3, H, W) with most detail, out of some that are drawn."""
    sizes = [min(SIDE_PX, side - side % SIZE_MULTIPLE) for side in clip.shape[-2:]]
    parts = []
    for _ in range(CANDIDATES):
        top = rng.randint(0, clip.shape[-2] - sizes[0])
        left = rng.randint(0, clip.shape[-1] - sizes[1])
        parts.append(clip[..., top : top + sizes[0], left : left + sizes[1]])
    detail = [float(part[0].float().diff(dim=-1).abs().mean()) for part in parts]
    return parts[detail.index(max(detail))].contiguous()


def bicubic(lr: Tensor, scale: int) -> Tensor:
    """(N, T, 3, h, w) to (N, T, 3, sh, sw): what everybody has."""
    return resample(lr, scale * lr.shape[-2], scale * lr.shape[-1])


def examine(upscale: Upscale, windows: Sequence[HeldOut], device: torch.device) -> Examination:
    """What something makes of the windows, and its mean scores; of none, none."""
    tables: list[Mapping[str, float | None]] = []
    results = []
    for window in windows:
        with torch.no_grad():
            sr = upscale(window.lr[None].to(device))[0].float().cpu()
        result = to_bytes(sr.clamp(0, 1))
        meter = Meter()
        for one, other in zip(result, window.hr, strict=True):
            meter.add(luma_of(one, _RGB), luma_of(other, _RGB))
        tables.append(
            {"l1": float((sr - from_bytes(window.hr)).abs().mean()), **asdict(meter.clip())}
        )
        results.append(result)
    scores = {}
    for name in tables[0] if tables else ():
        values = [value for table in tables if (value := table[name]) is not None]
        if values:
            scores[name] = sum(values) / len(values)
    return Examination(scores=scores, results=tuple(results))
