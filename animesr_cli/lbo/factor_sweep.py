"""Which factor suits a clip: ten factors tried on patches of it, and ranked.

The input is made smaller before it is super-resolved (pseudo_hr.py); made too small, it has lost
what it showed. The factors 0.1, 0.2 ... 1.0 are tried on patches with texture and edges, and ranked
by three statistics of luma (``FactorStatistics``). They are an aid: a person has the last word.

The ranking. Lines must be at least as steep as in a plain enlargement of the input: factors where
they are not have lost detail and come last, the steepest of them first. The others are sorted by
their score, ln(sharpness) - ln(4 + flat_energy) / 2 - ln(1 + overshoot) / 4, where 4 and 1 are what
nobody sees. The weight of overshoot was chosen by looking at sheets of six real clips.
Source: AnimeSR (NeurIPS 2022), supplement, section 2, which names gradients and leaves it at that.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import InputError, Warn
from animesr_cli.lbo.detail import (
    EDGE_CODES,
    LEAST_DETAIL,
    PLACE_STEP_PX,
    luma,
    part_at,
    part_scores,
    structure,
)
from animesr_cli.lbo.excerpts import Excerpt, check_size, read_excerpts
from animesr_cli.lbo.pseudo_hr import HR_SCALE, open_network, pseudo_hr_of, resized
from animesr_cli.metrics.scoring import highest, sobel
from animesr_cli.model.tiles import Region
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.settings import LboSettings
from animesr_cli.text import shown
from animesr_cli.video.colour import from_bytes, to_bytes

log = logging.getLogger(__name__)

# ---- patches -------------------------------------------------------------------------------------

PATCHES: Final = 6
PATCH_PX: Final = 96
"""Side in LR pixels; its pseudo HR has twice that."""
LOOKED_AT: Final = 2 * PATCHES
"""Places in time."""
SEEN_FRAMES: Final = 4
"""Consecutive ones that the network sees; the last but one is judged, with its neighbours."""
JUDGED: Final = -2
LEAST_FRAMES: Final = 3
FULL_OF_EDGES: Final = 0.35
"""More edges do not make a patch better."""
FULL_OF_QUIET: Final = 0.25
"""Nor do more quiet pixels, of which it should have some: faults show beside lines, on flats."""
LEAST_QUIET: Final = 0.05
"""Counted for a patch that has none, so that texture alone is better than nothing."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A part of a few consecutive frames."""

    seconds: float
    """When the judged frame is shown."""
    part: Region
    frames: Tensor
    """(T, 3, h, w) uint8, whole frames."""

    @property
    def lr(self) -> Tensor:
        """(3, p, p) uint8 of the judged frame."""
        return self.frames[JUDGED][self.part.index]


def choose_patches(info: VideoInfo, *, warn: Warn = log.warning) -> list[Patch]:
    """Patches with texture and edges, apart in space and time, in order of time.

    Raises:
        InputError: the clip is too small or too short, or shows too few edges.
    """
    check_size(info)
    side = min(PATCH_PX, info.height, info.width)
    excerpts, scores = [], []
    for excerpt in read_excerpts(
        info, count=LOOKED_AT, length=SEEN_FRAMES, least=LEAST_FRAMES, warn=warn
    ):
        excerpts.append(excerpt)
        scores.append(_patch_scores(excerpt.frames[JUDGED], side))
    if not excerpts:
        raise InputError(
            f"{shown(info.path)} is too short: it has no {LEAST_FRAMES} consecutive frames "
            "without a cut",
        )
    chosen = list(_apart(scores, side))
    if not chosen:
        raise InputError(
            f"{shown(info.path)}: its pictures show too few edges to choose a factor by",
            "take a clip, or a part of it, with lines and texture; or name the --factor",
        )
    return [_patch(excerpts[number], part) for number, part in sorted(chosen, key=itemgetter(0))]


def _patch_scores(frame: Tensor, side: int) -> Tensor:
    edges, quiet, _ = part_scores(frame, side, side)
    balance = LEAST_QUIET + quiet.clamp(max=FULL_OF_QUIET)
    return torch.where(edges >= LEAST_DETAIL, edges.clamp(max=FULL_OF_EDGES) * balance, 0)


def _apart(scores: Sequence[Tensor], side: int) -> Iterator[tuple[int, Region]]:
    """Excerpts and parts, the best first: one of each excerpt, and each far from those before."""
    left = {number: score.clone() for number, score in enumerate(scores)}
    for _ in range(min(PATCHES, len(left))):
        number = max(left, key=lambda number: float(left[number].max()))
        score = left.pop(number)
        if not score.any():
            return
        place = int(score.argmax())
        yield number, part_at(place, score.shape[1], side, side)
        row, column = divmod(place, score.shape[1])
        rows = torch.arange(score.shape[0], dtype=torch.float32)[:, None] - row
        columns = torch.arange(score.shape[1], dtype=torch.float32)[None] - column
        near = torch.hypot(rows, columns).mul_(PLACE_STEP_PX / side).clamp_(0.1, 1)
        for other in left.values():
            other.mul_(near)


def _patch(excerpt: Excerpt, part: Region) -> Patch:
    seconds = excerpt.seconds_of(len(excerpt.frames) + JUDGED)
    return Patch(seconds=seconds, part=part, frames=to_bytes(excerpt.frames))


# ---- statistics ----------------------------------------------------------------------------------

FACTORS: Final = tuple(tenths / 10 for tenths in range(1, 11))
FLAT_SHARE: Final = 0.25
"""Of a patch: where least goes on, it counts as flat."""
BESIDE_PX: Final = 3
"""As far from an edge, in LR pixels, overshoot is looked for."""
RANGE_PX: Final = 5
"""Side of the window whose range the result should stay in, in LR pixels."""
INVISIBLE_ENERGY: Final = 4.0
"""Two codes a pixel, squared."""
INVISIBLE_CODES: Final = 1.0
OVERSHOOT_WEIGHT: Final = 0.25
LEAST_SHARPNESS: Final = 1e-6
LINE_REACH_PX: Final = 2
"""A line of the result may lie so far beside that of the input, in HR pixels."""


@dataclass(frozen=True, kw_only=True)
class FactorStatistics:
    """What stands for artifacts in the pseudo HR of one factor; means over the patches."""

    factor: float
    flat_energy: float
    """Mean squared gradient where the LR is flat, in codes squared a pixel; low is good: noise,
    blocks and invented texture raise it."""
    overshoot: float
    """Mean beside edges of how far luma leaves the LR's range in a 5 x 5 window, in codes; low is
    good: halos raise it."""
    sharpness: float
    """Mean steepest gradient at the LR's edges, over that of a bicubic enlargement; high is good,
    and below 1 detail was lost."""

    @property
    def keeps_detail(self) -> bool:
        return self.sharpness >= 1

    @property
    def score(self) -> float:
        """Sharpness over artifacts, as a logarithm; high is good."""
        flat = math.log(INVISIBLE_ENERGY + self.flat_energy) / 2  # of the amplitude
        halos = math.log(INVISIBLE_CODES + self.overshoot) * OVERSHOOT_WEIGHT
        return math.log(max(self.sharpness, LEAST_SHARPNESS)) - flat - halos


def statistics(lr: Tensor, hr: Tensor, factor: float) -> FactorStatistics:
    """Of an LR patch (3, h, w) and its pseudo HR (3, 2h, 2w), both in [0, 1]."""
    seen, made = luma(lr), luma(hr)
    plain = luma(resized(lr[None], *hr.shape[-2:])[0])
    level = structure(seen)
    flat = _doubled(level <= torch.quantile(level.flatten(), FLAT_SHARE)) > 0
    edges = sobel(seen) > EDGE_CODES
    beside = _doubled(highest(edges.float(), BESIDE_PX)) > 0
    high = _doubled(highest(seen, RANGE_PX // 2))
    low = -_doubled(highest(-seen, RANGE_PX // 2))
    excess = (made - high).clamp_(min=0) + (low - made).clamp_(min=0)
    at_lines = _doubled(edges) > 0
    steep, plain_steep = (
        highest(sobel(picture), LINE_REACH_PX)[at_lines].mean() for picture in (made, plain)
    )
    return FactorStatistics(
        factor=factor,
        flat_energy=float(sobel(made).square()[flat].mean()),
        overshoot=float(excess[beside].mean()),
        sharpness=float(steep / plain_steep),
    )


def _doubled(picture: Tensor) -> Tensor:
    """Every LR pixel as its four HR pixels."""
    return picture.float().repeat_interleave(HR_SCALE, 0).repeat_interleave(HR_SCALE, 1)


def mean_statistics(patches: Sequence[FactorStatistics]) -> FactorStatistics:
    """Of several patches at one factor."""
    means = {
        name: sum(getattr(each, name) for each in patches) / len(patches)
        for name in ("flat_energy", "overshoot", "sharpness")
    }
    return FactorStatistics(factor=patches[0].factor, **means)


def ranked(factors: Sequence[FactorStatistics]) -> tuple[FactorStatistics, ...]:
    """The best first, as the head of this file says."""

    def goodness(each: FactorStatistics) -> tuple[bool, float]:
        return each.keeps_detail, each.score if each.keeps_detail else each.sharpness

    return tuple(sorted(factors, key=goodness, reverse=True))


# ---- the sweep -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TriedPatch:
    """A patch and what each factor makes of it."""

    seconds: float
    lr: Tensor
    """(3, p, p) uint8."""
    results: tuple[Tensor, ...]
    """(3, 2p, 2p) uint8 for each factor of the sweep, in its order."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Factors tried on a clip."""

    clip: Path
    model: str
    factors: tuple[float, ...]
    patches: tuple[TriedPatch, ...]
    ranking: tuple[FactorStatistics, ...]
    """The best first."""

    @property
    def best(self) -> float:
        return self.ranking[0].factor

    @property
    def ranks(self) -> dict[float, int]:
        """Of each factor, 1 for the best."""
        return {each.factor: rank for rank, each in enumerate(self.ranking, 1)}


def sweep(
    clip: Path,
    *,
    model: str = LboSettings.model,
    device: str = "auto",
    factors: Sequence[float] = FACTORS,
    warn: Warn = log.warning,
    listen: Callable[[], None] = lambda: None,
    on_trial: Callable[[int, int], None] = lambda done, total: None,
) -> Sweep:
    """Try every factor on patches of a clip.

    Args:
        listen: is called between trials; what it raises ends the sweep.
        on_trial: is given the number of trials done, and of all.

    Raises:
        InputError: the clip is too small or too short, or shows too few edges.
    """
    info = probe(clip)
    make, checkpoint = open_network(model, device, warn=warn)
    patches = choose_patches(info, warn=warn)
    tried, table = [], []
    for number, patch in enumerate(patches):
        frames, lr = from_bytes(patch.frames), from_bytes(patch.lr)
        results, row = [], []
        for factor in factors:
            listen()
            hr = pseudo_hr_of(patch.part, make, frames, factor)[JUDGED]
            results.append(to_bytes(hr))
            row.append(statistics(lr, hr, factor))
            on_trial(number * len(factors) + len(results), len(patches) * len(factors))
        table.append(row)
        tried.append(TriedPatch(seconds=patch.seconds, lr=patch.lr, results=tuple(results)))
    means = [mean_statistics(column) for column in zip(*table, strict=True)]
    return Sweep(
        clip=clip,
        model=checkpoint.name,
        factors=tuple(factors),
        patches=tuple(tried),
        ranking=ranked(means),
    )
