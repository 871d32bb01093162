"""Which moments of a clip are worth looking at, and the frames that a network needs to show one.

A moment is a time; what is shown is the frame that a player shows then. A recurrent network draws
it from the frames before it in its shot, and from the one behind it: ``read_run`` reads these.
``choose_moments`` finds moments that are spread over the clip, in different shots, bright enough to
see something and with more detail than their neighbours; ``busiest_part`` finds the seconds in
which most goes on.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import UsageError
from animesr_cli.reading.frame import Frame, FrameReader, with_cuts
from animesr_cli.reading.info import VideoInfo
from animesr_cli.text import shown
from animesr_cli.video.part import Part
from animesr_cli.video.scenes import SceneDetector
from animesr_cli.video.timestamps import FALLBACK_RATE

ROUNDING: Final = Fraction(1, 1000)
"""Seconds: Matroska rounds to milliseconds, and so do people who type what they were shown."""
SETTLING_FRAMES: Final = 8
"""Read before a run, for the cut detector to know how much the pictures change."""

PROBES_PER_MOMENT: Final = 6
"""Places that are looked at for each moment that is wanted."""
SHORT_SECONDS: Final = 60
"""A clip up to this length is read through once; a longer one is looked into here and there."""
PROBE_SIDE_PX: Final = 512
"""Longest side of the pictures that are kept for telling shots apart."""
DARK: Final = 40 / 255
"""Share of full scale; a picture with few brighter pixels shows little."""
LEAST_BRIGHT: Final = 0.1
"""Share of the pixels that must be brighter than that."""
LEAST_DETAIL: Final = 1 / 255
"""Mean slope of the luma, of full scale a pixel; below, a picture is as good as one colour."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip that can be read again and again, from any place."""

    info: VideoInfo
    open: Callable[[Part], FrameReader]

    def seconds(self, frame: Frame) -> Fraction:
        """The time of a frame on the clock that people see."""
        return frame.pts * self.info.time_base - self.info.clock_start

    @property
    def rate(self) -> Fraction:
        return self.info.frame_rate or FALLBACK_RATE


# ---- the frames of a moment ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Run:
    """Consecutive frames of one shot that end with the shown one, and the frame behind it."""

    seconds: Fraction
    """Time of the shown frame."""
    frames: tuple[tuple[Frame, bool], ...]
    """Each with whether it begins a shot; the first is not marked."""
    shown: int
    """Which of them is shown; so many come before it."""

    @property
    def last(self) -> Frame:
        """The shown frame."""
        return self.frames[self.shown][0]


def read_run(clip: Clip, at: Fraction, run_up: int, *, scenes: bool = True) -> Run:
    """The frame that is shown at a time, at most ``run_up`` before it in its shot, and the next.

    Raises UsageError where the clip has ended by then.
    """
    reach = (run_up + SETTLING_FRAMES + 1) / clip.rate
    while True:
        start = at - reach if at > reach else None
        before, behind = _around(clip, start, at, run_up + 1, scenes=scenes)
        cuts = [place for place, (_, cut) in enumerate(before) if cut]
        if start is None or cuts or len(before) > run_up:
            break
        reach *= 2  # a variable frame rate: fewer frames here than usual
    run = before[cuts[-1] if cuts else 0 :]
    run[0] = (run[0][0], False)
    return Run(
        seconds=clip.seconds(run[-1][0]),
        frames=(*run, *([] if behind is None else [behind])),
        shown=len(run) - 1,
    )


def _around(
    clip: Clip, start: Fraction | None, at: Fraction, count: int, *, scenes: bool
) -> tuple[list[tuple[Frame, bool]], tuple[Frame, bool] | None]:
    """The last ``count`` frames from ``start`` up to a time, and the first behind it."""
    depth = clip.info.colour.layout.depth
    before: deque[tuple[Frame, bool]] = deque(maxlen=count)
    try:
        with clip.open(Part(start)) as reader:
            for frame, cut in with_cuts(reader, depth, enabled=scenes):
                if clip.seconds(frame) > at + ROUNDING:
                    # A clip may begin later than its clock: its first frame is shown until then.
                    return ([*before], (frame, cut)) if before else ([(frame, False)], None)
                before.append((frame, cut))
    except UsageError as error:
        raise UsageError(f"nothing is shown at {float(at):g} s", error.hint) from error
    last = before[-1][0]
    end = clip.seconds(last) + last.duration * clip.info.time_base
    if at > clip.seconds(last) and at >= end:
        raise UsageError(
            f"nothing is shown at {float(at):g} s", f"the video ends at {float(end):.2f} s"
        )
    return [*before], None


def nearest_frames(clip: Clip, times: Iterable[Fraction]) -> Iterator[Frame]:
    """The frame whose time is nearest to each of some rising times that lie close together.

    Raises UsageError where the clip has ended before the first of them.
    """
    times = iter(times)
    first = next(times)
    start = first - 2 / clip.rate
    near: deque[Frame] = deque(maxlen=2)
    try:
        with clip.open(Part(start if start > 0 else None)) as reader:
            frames = iter(reader)
            for time in itertools.chain([first], times):
                while not near or clip.seconds(near[-1]) < time:
                    frame = next(frames, None)
                    if frame is None:
                        break
                    near.append(frame)
                yield min(near, key=lambda each: abs(clip.seconds(each) - time))
    except UsageError as error:
        name = shown(clip.info.path)
        raise UsageError(f"{name} shows nothing at {float(first):g} s", error.hint) from error


# ---- which moments -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one frame looks like."""

    number: int
    """The frame's number, where the clip is read through."""
    seconds: Fraction
    luma: Tensor
    """Every n-th pixel, as coded."""
    detail: float
    """Mean slope, of full scale a pixel."""
    bright: float
    """Share of the pixels that are not dark."""

    @property
    def shows_something(self) -> bool:
        return self.bright >= LEAST_BRIGHT and self.detail >= LEAST_DETAIL


def _probe(clip: Clip, frame: Frame, number: int = 0) -> Probe:
    depth, plane = clip.info.colour.layout.depth, frame.planes[0]
    luma = plane.to(torch.float32).mul_(1 / (1 << depth))
    step = max(1, max(plane.shape) // PROBE_SIDE_PX)
    slopes = luma.diff(dim=0).abs().mean() + luma.diff(dim=1).abs().mean()
    return Probe(
        number=number,
        seconds=clip.seconds(frame),
        luma=plane[::step, ::step].clone(),
        detail=float(slopes),
        bright=float((luma > DARK).float().mean()),
    )


def choose_moments(
    clip: Clip,
    count: int,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    run_up: int = 0,
    on_probe: Callable[[], None] = lambda: None,
) -> list[Fraction]:
    """Times of at most ``count`` frames, rising; fewer where the clip has fewer.

    The first ``run_up`` frames are left alone where there are others: a network is cold there.
    """
    wanted = count * PROBES_PER_MOMENT
    first, last = _ends(clip, start, end)
    if last is None or last - first <= SHORT_SECONDS:
        probes = _read_through(clip, wanted, start, end, on_probe)
        warm = [probe for probe in probes if probe.number >= run_up]
        probes = warm if len(warm) >= count else probes
    else:
        looks = _looks(clip, spread(first, last, wanted), 1, on_probe)
        probes = [_probe(clip, frame) for frames in looks for frame in frames]
        probes = probes or _read_through(clip, wanted, first, None, on_probe)
    return sorted(probe.seconds for probe in select(probes, count, clip.info.colour.layout.depth))


def spread(start: Fraction, end: Fraction, count: int) -> list[Fraction]:
    """The middle of each of so many equal parts."""
    return [start + (end - start) * Fraction(2 * n + 1, 2 * count) for n in range(count)]


def _ends(
    clip: Clip, start: Fraction | None, end: Fraction | None
) -> tuple[Fraction, Fraction | None]:
    """Where a part begins and ends; None: the end is not known."""
    length = clip.info.duration_seconds
    return start or Fraction(0), length if end is None else min(end, length or end)


def _looks(
    clip: Clip, times: Iterable[Fraction], count: int, on_probe: Callable[[], None]
) -> Iterator[list[Frame]]:
    """The first ``count`` frames from each of some times on."""
    for time in times:
        try:
            with clip.open(Part(time)) as reader:
                yield list(itertools.islice(reader, count))
        except UsageError:  # it is shorter than it says
            return
        on_probe()


def _read_through(
    clip: Clip,
    wanted: int,
    start: Fraction | None,
    end: Fraction | None,
    on_probe: Callable[[], None],
) -> list[Probe]:
    """Between ``wanted`` and twice as many, evenly apart, though the length is not known."""
    probes: list[Probe] = []
    stride = 1
    with clip.open(Part(start, end)) as reader:
        for number, frame in enumerate(reader):
            if number % stride:
                continue
            probes.append(_probe(clip, frame, number))
            on_probe()
            if len(probes) == 2 * wanted:
                probes, stride = probes[::2], 2 * stride
    return probes


def select(probes: Sequence[Probe], count: int, depth: int) -> list[Probe]:
    """At most ``count``: from each part of the clip the most detailed, no two of one shot.

    Where there are too few shots, or too few pictures that show something, these wishes give way in
    the order: all of the parts, different shots, something to see.
    """
    shots = _shots(probes, depth)
    chosen: list[int] = []

    def pick(places: Sequence[int]) -> None:
        taken = {shots[place] for place in chosen}
        free = [place for place in places if shots[place] not in taken]
        if free:
            chosen.append(max(free, key=lambda place: probes[place].detail))

    good = [place for place, probe in enumerate(probes) if probe.shows_something]
    for part in range(count):
        pick([place for place in good if place * count // len(probes) == part])
    for _ in range(count - len(chosen)):
        pick(good)
    while len(chosen) < min(count, len(probes)):
        left = [place for place in range(len(probes)) if place not in chosen]
        pool = [place for place in left if place in good] or left
        chosen.append(_farthest(pool, chosen, len(probes)))
    return [probes[place] for place in sorted(chosen)]


def _farthest(pool: Sequence[int], chosen: Sequence[int], count: int) -> int:
    """The place that is farthest from all that are chosen already."""
    taken = chosen or [-count]
    return max(pool, key=lambda place: min(abs(place - other) for other in taken))


def _shots(probes: Sequence[Probe], depth: int) -> list[int]:
    """A number for each probe, the same for those that follow one another in one shot."""
    numbers = [0]
    for before, after in itertools.pairwise(probes):
        detector = SceneDetector()
        detector.is_cut(before.luma, depth)
        numbers.append(numbers[-1] + detector.is_cut(after.luma, depth))
    return numbers[: len(probes)]


# ---- which part ----------------------------------------------------------------------------------

PARTS: Final = 24
"""Places that are looked at for the busiest part of a clip."""


def busiest_part(
    clip: Clip,
    seconds: Fraction,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    on_probe: Callable[[], None] = lambda: None,
) -> tuple[Fraction, Fraction]:
    """Start and end of so many seconds with much detail that moves, between two times.

    Two consecutive frames in the middle of each of some even parts are looked at. The whole is
    returned where it is no longer than that, and its beginning where nobody knows its length.
    """
    first, last = _ends(clip, start, end)
    if last is None or last - first <= seconds:
        return first, first + seconds if last is None else last
    room = last - first - seconds
    starts = [first + room * Fraction(place, PARTS - 1) for place in range(PARTS)]
    looks = _looks(clip, [begin + seconds / 2 for begin in starts], 2, on_probe)
    busy = [_busyness(clip, frames) for frames in looks]
    best = starts[busy.index(max(busy))] if busy else first
    return best, best + seconds


def _busyness(clip: Clip, frames: Sequence[Frame]) -> float:
    """Detail and, up to as much again, how far it changes from one frame to the next."""
    probes = [_probe(clip, frame) for frame in frames]
    if not probes[0].shows_something:
        return 0.0
    depth = clip.info.colour.layout.depth
    lumas = [frame.planes[0].to(torch.float32).div_(1 << depth) for frame in frames]
    change = float((lumas[-1] - lumas[0]).abs().mean())
    return probes[0].detail + min(change, probes[0].detail)
