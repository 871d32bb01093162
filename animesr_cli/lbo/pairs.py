"""What an operator is learned from: pseudo HR and LR pictures of one clip, in memory.

From all over the clip, never across a cut, the network's result for the rescaled frame is kept
beside the frame itself. A large frame gives a part of itself, drawn where it has detail. Places at
regular distances are held out: what was learned is measured on them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import InputError, Warn
from animesr_cli.lbo.detail import LEAST_DETAIL, part_at, part_scores
from animesr_cli.lbo.excerpts import Excerpt, check_size, read_excerpts
from animesr_cli.lbo.pseudo_hr import HR_SCALE, PseudoHr, pseudo_hr_of
from animesr_cli.model.tiles import Region
from animesr_cli.reading.info import VideoInfo
from animesr_cli.settings import LboSettings
from animesr_cli.text import shown
from animesr_cli.video.colour import from_bytes, to_bytes

LARGEST_PART_PX: Final = 256
"""Side of what is kept of a frame, in LR pixels; a frame of no more pixels is kept whole."""
HELD_OUT: Final = 8
"""One excerpt of so many is held out."""
LEAST_EXCERPTS: Final = 2
"""One to learn from, and one to measure on."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A picture twice."""

    hr: Tensor
    """(3, 2h, 2w) uint8: pseudo HR."""
    lr: Tensor
    """(3, h, w) uint8: the clip's own."""
    seconds: float
    """When it is shown."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """All that was collected."""

    learned: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    """Learning never sees them, nor their neighbours."""

    def batch(self, settings: LboSettings, iteration: int) -> tuple[Tensor, Tensor]:
        """(N, 3, 2p, 2p) HR and (N, 3, p, p) LR in [0, 1], of the iteration alone: repeatable."""
        rng = random.Random(f"{settings.seed}/{iteration}")
        chosen = [self._crop(settings.patch, rng) for _ in range(settings.batch)]
        hr, lr = zip(*chosen, strict=True)
        return from_bytes(torch.stack(hr)), from_bytes(torch.stack(lr))

    @property
    def largest_patch(self) -> int:
        """Side of the largest square that every picture has, in LR pixels."""
        return min(min(pair.lr.shape[1:]) for pair in self.learned)

    def _crop(self, patch: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        pair = rng.choice(self.learned)
        side = min(patch, self.largest_patch)
        top = rng.randint(0, pair.lr.shape[1] - side)
        left = rng.randint(0, pair.lr.shape[2] - side)
        part = Region(top, left, side, side)
        hr, lr = pair.hr[part.scaled(HR_SCALE).index], pair.lr[part.index]
        for dimension in (1, 2):
            if rng.random() < 0.5:
                hr, lr = hr.flip(dimension), lr.flip(dimension)
        if rng.random() < 0.5:
            hr, lr = hr.transpose(1, 2), lr.transpose(1, 2)
        return hr, lr


def _sides(info: VideoInfo) -> tuple[int, int]:
    """Height and width of what is kept of each frame."""
    if info.height * info.width <= LARGEST_PART_PX**2:
        return info.height, info.width
    return min(info.height, LARGEST_PART_PX), min(info.width, LARGEST_PART_PX)


def _drawn_part(frame: Tensor, sides: tuple[int, int], rng: random.Random) -> Region | None:
    """A place with detail, the likelier the more it has; None: the frame has none."""
    edges, _, detail = part_scores(frame, *sides)
    weights = torch.where(edges >= LEAST_DETAIL, detail, 0).flatten().tolist()
    if not any(weights):
        return None
    place = rng.choices(range(len(weights)), weights)[0]
    return part_at(place, edges.shape[1], *sides)


def _pairs_of(
    excerpt: Excerpt, part: Region, make: PseudoHr, factor: float, warmup: int
) -> Iterator[Pair]:
    hr = to_bytes(pseudo_hr_of(part, make, excerpt.frames, factor))
    lr = to_bytes(excerpt.frames[part.index])
    for number in range(warmup, len(lr)):
        yield Pair(hr=hr[number], lr=lr[number], seconds=excerpt.seconds_of(number))


def collect(
    info: VideoInfo,
    factor: float,
    settings: LboSettings,
    make: PseudoHr,
    *,
    warn: Warn,
    listen: Callable[[], None],
    on_excerpt: Callable[[int, int], None],
) -> Pairs:
    """Read the clip and make pseudo HR of it.

    Args:
        on_excerpt: is given the number of places done, and of all.

    Raises:
        InputError: the clip is too small, too short, or shows nothing to learn from.
    """
    check_size(info)
    rng = random.Random(settings.seed)
    sides = _sides(info)
    groups: list[list[Pair]] = []
    shots = blank = 0
    excerpts = read_excerpts(
        info,
        count=settings.excerpts,
        length=settings.frames,
        least=settings.warmup + 1,
        warn=warn,
    )
    for excerpt in excerpts:
        listen()
        shots += 1
        part = _drawn_part(excerpt.frames[settings.warmup], sides, rng)
        if part is None:
            blank += 1
            continue
        groups.append(list(_pairs_of(excerpt, part, make, factor, settings.warmup)))
        on_excerpt(shots, settings.excerpts)
    if len(groups) < LEAST_EXCERPTS:
        raise _nothing(info, settings, shots, blank)
    return _divided(groups)


def _nothing(info: VideoInfo, settings: LboSettings, shots: int, blank: int) -> InputError:
    if shots >= LEAST_EXCERPTS and blank:
        return InputError(
            f"{shown(info.path)}: its pictures show too few edges to learn an operator from",
            "take a clip, or a part of it, with lines and texture",
        )
    least = LEAST_EXCERPTS * settings.frames
    return InputError(
        f"{shown(info.path)} is too short to learn an operator from: it has not "
        f"{LEAST_EXCERPTS} times {settings.warmup + 1} consecutive frames with edges and no cut",
        f"take a clip of {least} frames at least; a minute or more is better",
    )


def _divided(groups: list[list[Pair]]) -> Pairs:
    """Every eighth place, from the middle of the first eight on, is held out; one at least."""
    first = min(HELD_OUT // 2, len(groups) - 1)
    held = set(range(first, len(groups), HELD_OUT))
    return Pairs(
        learned=tuple(p for n, group in enumerate(groups) if n not in held for p in group),
        held_out=tuple(p for n, group in enumerate(groups) if n in held for p in group),
    )
