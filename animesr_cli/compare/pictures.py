"""Networks and classic resamplers side by side on one clip: pictures, speed, and what is measured.

For each moment and candidate the shown frame is computed from a run of frames before it in its
shot, so that a network's memory is warm, and from the one behind it, as in ``animesr upscale``.
Moments are worked on one after another, candidates one after another for each, so memory holds one
network's state at a time. The pictures are lossless; what is measured is measured on them.

How long a run has to be was measured with ``base`` on three clips (160x96, 212x120, 320x180)
against the picture after 60 frames of the same shot: 38 to 45 dB with none, 58 to 63 dB after 4
frames, and no more than that from 8 on (58 to 64 dB; on one clip 4 in 1000 samples were off by more
than a code, one by 21).
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from animesr_cli.compare.frame_choice import Clip, Run, choose_moments, nearest_frames, read_run
from animesr_cli.compare.inputs import (
    check_measurable,
    display,
    layout_of,
    open_clip,
    open_reference,
    paced,
    sized_for,
)
from animesr_cli.compare.methods import Candidate, common_factor, load_candidates
from animesr_cli.compare.report import (
    REFERENCE,
    Moment,
    Report,
    ResultRow,
)
from animesr_cli.errors import UsageError, Warn
from animesr_cli.metrics.measures import Scores
from animesr_cli.metrics.scoring import Meter, luma_of
from animesr_cli.model.devices import choose_compute
from animesr_cli.settings import CompareSettings, UpscaleSettings, check_settings
from animesr_cli.signals import check_stop
from animesr_cli.text import shown
from animesr_cli.upscaling.plan import expected_frames
from animesr_cli.video.colour import ColourSpec, from_rgb, to_rgb


@dataclass(kw_only=True)
class Timing:
    """Seconds of single frames; those that begin a run wait for memory and are cold."""

    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)

    def add(self, seconds: Sequence[float], *, together: bool) -> None:
        """Add the frames of one run; ``together``: they come in bursts, and only the sum counts."""
        if together:
            self.warm.append(sum(seconds) / len(seconds))
        else:
            self.cold.append(seconds[0])
            self.warm += seconds[1:]

    @property
    def median(self) -> float:
        return statistics.median(self.warm or self.cold)


class Comparison:
    """Everything loaded and checked; ``moments`` does the work.

    Args:
        settings: size, device, precision, tile, matrix, stream, scenes; ``start`` and ``end`` are
            the part that moments are chosen from.
        wishes: its reference is measured against and shown as one more candidate.

    Raises:
        AnimesrError: whatever cannot work, before anything is computed.
    """

    def __init__(
        self,
        source: Path,
        settings: UpscaleSettings,
        wishes: CompareSettings,
        *,
        warn: Warn,
    ) -> None:
        self.warn = cache(warn)  # the clip is opened often; each sentence about it is wanted once
        check_settings(settings)
        reference = wishes.reference
        if len(wishes.models) + (reference is not None) < 2:
            raise UsageError("one picture alone is no comparison", "add -n bicubic, for example")
        self.reference: Clip | None = None
        if reference is not None:
            self.reference = open_reference(reference, source, settings, self.warn)
            settings = paced(source, settings, self.reference.info)
        self.clip = open_clip(source, settings, warn=self.warn)
        self.candidates = load_candidates(wishes.models, settings, warn=self.warn)
        factor = common_factor(self.candidates)
        if self.reference is not None:
            settings = sized_for(self.reference.info, self.clip.info, settings, factor, self.warn)
        elif settings.scale is None and not settings.sized:
            settings = replace(settings, scale=float(factor))
        self.settings = settings
        self.layout = layout_of(self.clip.info, settings)
        self._spec = display(self.clip.info)
        if self.reference is not None:
            check_measurable(self.layout, self.warn)
        self.wishes = wishes
        self._timings = [Timing() for _ in self.candidates]
        self._meters = [Meter() for _ in self.candidates]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.layout.height, self.layout.width

    @property
    def names(self) -> list[str]:
        """Names of all results, the reference last."""
        names = [candidate.name for candidate in self.candidates]
        return names if self.reference is None else [*names, REFERENCE]

    def times(self, on_probe: Callable[[], None] = lambda: None) -> list[Fraction]:
        """The moments that were asked for, else some that are worth looking at.

        Raises UsageError where the clip or the reference has ended by the last of them.
        """
        times = sorted(set(self.wishes.times)) or choose_moments(
            self.clip,
            self.wishes.pictures,
            start=self.settings.start,
            end=self.settings.end,
            run_up=self.wishes.run_up,
            on_probe=on_probe,
        )
        read_run(self.clip, times[-1], 0, scenes=False)
        if self.reference is not None:
            next(nearest_frames(self.reference, times[-1:]))
        return times

    # -- pictures --

    def moments(
        self,
        times: Sequence[Fraction],
        on_progress: Callable[[int, int], None] = lambda frames, total: None,
    ) -> Iterator[tuple[Moment, list[Tensor]]]:
        """Compute them in order, each with the pictures of all results, the reference last.

        A picture is (3, H, W) RGB of uint8, of uint16 where the clip is HDR; pixels as stored.

        Args:
            on_progress: gets the frames done, and of how many.
        """
        steps = self.wishes.run_up + 1
        total = len(times) * len(self.candidates) * steps
        for number, run in enumerate(self._runs(times)):
            truth = self._truth(run)
            pictures: list[Tensor] = []
            scores: list[Scores | None] = []
            for place in range(len(self.candidates)):
                done = (number * len(self.candidates) + place) * steps
                last_two: deque[Tensor] = deque(maxlen=2)
                for codes in self._computed(run, place):
                    check_stop()
                    last_two.append(codes)
                    done += 1
                    on_progress(done, total)
                pictures.append(last_two[-1])
                scores.append(None if truth is None else self._scores(place, last_two, truth))
            if truth is not None:
                pictures.append(truth[-1])
                scores.append(None)
            seconds = float(run.seconds)
            yield Moment(seconds=seconds, run_up=run.shown, scores=tuple(scores)), pictures
        on_progress(total, total)

    def _runs(self, times: Sequence[Fraction]) -> Iterator[Run]:
        """One for each frame: two times may show the same."""
        before: Fraction | None = None
        for at in times:
            run = read_run(self.clip, at, self.wishes.run_up, scenes=self.settings.scenes)
            if run.seconds != before:
                yield run
            before = run.seconds

    def _computed(self, run: Run, place: int) -> Iterator[Tensor]:
        """A candidate's pictures up to the shown one, as codes in host memory; they are timed."""
        candidate = self.candidates[place]
        pictures = candidate.pictures(
            run.frames, self.clip.info, self.size, tile=self.settings.tile, warn=self.warn
        )
        seconds = []
        for _ in range(run.shown + 1):
            start = time.perf_counter()
            codes = _codes(next(pictures)[1], self._spec)
            seconds.append(time.perf_counter() - start)
            yield codes
        self._timings[place].add(seconds, together=candidate.takes_shots)

    # -- measuring --

    def _truth(self, run: Run) -> list[Tensor] | None:
        """The reference at the time before the shown frame, if there is one, and at its time."""
        if self.reference is None:
            return None
        clip = self.reference
        times = [self.clip.seconds(frame) for frame, _ in run.frames[: run.shown + 1][-2:]]
        frames = list(nearest_frames(clip, times))
        apart = abs(clip.seconds(frames[-1]) - times[-1])
        if apart > 1 / (2 * self.clip.rate):
            self.warn(
                f"the reference has no picture at {float(times[-1]):.3f} s; the nearest is "
                f"{float(apart):.3f} s away"
            )
        height, width = self.size
        return [
            _codes(to_rgb(frame.planes, clip.info.colour), self._spec)[:, :height, :width]
            for frame in frames
        ]

    def _scores(self, place: int, pictures: Iterable[Tensor], truth: Sequence[Tensor]) -> Scores:
        """Score the last of a candidate's pictures; the one before it is for the flicker."""
        pairs = [
            (luma_of(ours.unbind(), self._spec), luma_of(theirs.unbind(), self._spec))
            for ours, theirs in zip(pictures, truth, strict=True)
        ]
        meter = self._meters[place]
        meter.jump(*pairs[:-1])
        return meter.add(*pairs[-1])

    # -- in the end --

    def report(self, moments: Sequence[Moment]) -> Report:
        """All that was measured, once the moments are there."""
        info = self.clip.info
        compute = choose_compute(self.settings.device, self.settings.precision)
        frames = expected_frames(info, replace(self.settings, start=None, end=None, frames=None))
        measured = zip(self.candidates, self._timings, self._meters, strict=True)
        rows = [self._row(*each, frames) for each in measured]
        if self.reference is not None:
            path = shown(self.reference.info.path)
            rows.append(ResultRow(name=REFERENCE, kind=REFERENCE, how="the original", file=path))
        return Report(
            clip=info.path,
            width=info.width,
            height=info.height,
            frames=frames,
            layout=self.layout,
            device=f"{compute.device} {compute.precision}",
            reference=None if self.reference is None else self.reference.info.path,
            entries=tuple(rows),
            moments=tuple(moments),
        )

    def _row(
        self, candidate: Candidate, timing: Timing, meter: Meter, frames: int | None
    ) -> ResultRow:
        checkpoint = candidate.loaded.checkpoint if candidate.loaded else None
        return ResultRow(
            name=candidate.name,
            kind=candidate.kind,
            how=candidate.how(self.clip.info, self.size),
            file=None if checkpoint is None else shown(checkpoint.path),
            sha256=None if checkpoint is None else checkpoint.sha256,
            seconds_per_frame=timing.median,
            frames_per_second=1 / timing.median,
            clip_seconds=frames * timing.median if frames else None,
            mean=meter.clip() if meter.scores else None,
        )


def _codes(rgb: Tensor, spec: ColourSpec) -> Tensor:
    """(3, H, W) samples in host memory, rounded and clamped."""
    return torch.stack(from_rgb(rgb, spec)).cpu()
