"""Short stretches of consecutive frames from all over a clip, none of them across a cut.

A clip is divided into equal parts, and a stretch is read from the middle of each. A short clip is
decoded once from its beginning to its end; in a long one the reader jumps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import islice
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import InputError, UsageError, Warn
from animesr_cli.reading.frame import Frame, with_cuts
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.reader import Reader
from animesr_cli.text import shown
from animesr_cli.video.colour import to_rgb
from animesr_cli.video.part import Part
from animesr_cli.video.timestamps import FALLBACK_RATE

log = logging.getLogger(__name__)

SMALLEST_SIDE_PX: Final = 32
"""Of a clip: what a discriminator must see is 24."""
FRAMES_PER_JUMP: Final = 120
"""What a jump costs, in frames that are decoded for nothing: half the usual distance of keyframes,
which is 250."""
PATIENCE: Final = 2
"""Lengths of a stretch that are looked through for one without a cut."""


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """Consecutive frames of one shot."""

    seconds: float
    """When the first one is shown, on the clock that people see."""
    frame_seconds: float
    """From one to the next; 0: not known."""
    frames: Tensor
    """(T, 3, h, w) RGB in [0, 1]."""

    def seconds_of(self, number: int) -> float:
        """When one of the frames is shown."""
        return self.seconds + number * self.frame_seconds


def read_excerpts(
    info: VideoInfo, *, count: int, length: int, least: int = 1, warn: Warn = log.warning
) -> Iterator[Excerpt]:
    """Up to ``count`` excerpts of ``least`` to ``length`` frames, in order of time.

    There are fewer where the clip is short, or where its shots are. What is wrong with the file
    goes to ``warn``, once.

    Raises:
        InputError: the clip cannot be read.
    """
    total = frame_total(info)
    count = max(min(count, total // length), 1)
    if total <= count * FRAMES_PER_JUMP or info.duration_seconds is None:
        yield from _in_one_pass(info, total, count, length, least, warn)
    else:
        yield from _by_jumps(info, count, length, least, warn)


def check_size(info: VideoInfo) -> None:
    """Raise InputError where pictures are too small to learn an operator from."""
    if min(info.height, info.width) < SMALLEST_SIDE_PX:
        raise InputError(
            f"{shown(info.path)}: pictures of {info.width}x{info.height} are too small to learn "
            "an operator from",
            f"both sides must be {SMALLEST_SIDE_PX} pixels at least",
        )


def frame_total(info: VideoInfo) -> int:
    """Frames of a clip: as its container says, or by its length, or counted."""
    if info.frame_count:
        return info.frame_count
    if (seconds := info.shown_seconds()) is not None:
        return max(int(seconds * (info.frame_rate or FALLBACK_RATE)), 1)
    with Reader(info.path, info=info, warn=log.info) as reader:
        return sum(1 for _ in reader)


def _in_one_pass(
    info: VideoInfo, total: int, count: int, length: int, least: int, warn: Warn
) -> Iterator[Excerpt]:
    with Reader(info.path, info=info, warn=warn) as reader:
        frames = iter(reader)
        for number in range(count):
            begin = max((2 * number + 1) * total // (2 * count) - length // 2, 0)
            _pass_over(frames, begin - reader.frames)
            shot = _one_shot(frames, info, length, least)
            if shot:
                yield _excerpt(shot, info)
        _pass_over(frames, total)  # to the end, where the reader tells what it met


def _pass_over(frames: Iterator[Frame], count: int) -> None:
    for _ in islice(frames, max(count, 0)):
        pass


def _by_jumps(
    info: VideoInfo, count: int, length: int, least: int, warn: Warn
) -> Iterator[Excerpt]:
    assert info.duration_seconds is not None
    part = info.duration_seconds / count
    warn_once = cache(warn)
    for number in range(count):
        start = (number + Fraction(1, 2)) * part
        with Reader(info.path, info=info, part=Part(start), warn=warn_once) as reader:
            try:
                shot = _one_shot(iter(reader), info, length, least)
            except UsageError:  # a file that is shorter than it says
                return
            if shot:
                yield _excerpt(shot, info)


def _one_shot(frames: Iterator[Frame], info: VideoInfo, length: int, least: int) -> list[Frame]:
    """The next ``length`` frames up to a cut, or those behind it if it comes too soon."""
    shot: list[Frame] = []
    for frame, cut in with_cuts(islice(frames, PATIENCE * length), info.colour.layout.depth):
        if cut:
            if len(shot) >= least:
                break
            shot = []
        shot.append(frame)
        if len(shot) == length:
            break
    return shot if len(shot) >= least else []


def _excerpt(shot: list[Frame], info: VideoInfo) -> Excerpt:
    rgb = [to_rgb(frame.planes, info.colour).clamp_(0, 1) for frame in shot]
    seconds = float(shot[0].pts * info.time_base - info.clock_start)
    frame_seconds = float(1 / info.frame_rate) if info.frame_rate else 0.0
    return Excerpt(seconds=seconds, frame_seconds=frame_seconds, frames=torch.stack(rgb))
