"""A run in one piece: one chunk, whose pictures go straight into the output."""

from __future__ import annotations

import itertools
import time

from animesr_cli.errors import InputError
from animesr_cli.reading.frame import Frame, with_cuts
from animesr_cli.threads import Pipeline
from animesr_cli.upscaling.events import Observer, Progress, UpscaleResult
from animesr_cli.upscaling.open import open_reader, open_writer
from animesr_cli.upscaling.picture import Border, Picture
from animesr_cli.upscaling.pipeline import FrameUpscaler, StageClock, upscale_chunk
from animesr_cli.upscaling.plan import Plan
from animesr_cli.writing.output import FrameWriter


class OnePiece:
    """One run of a plan that cannot be continued where it is interrupted."""

    def __init__(self, plan: Plan, observer: Observer, warnings: list[str]) -> None:
        self.plan = plan
        self.observer = observer
        self.clock = StageClock()
        self.warnings = warnings
        self.frames = 0
        self._writer: FrameWriter
        self._first_pts: int | None = None

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.observer.on_warning(message)

    def run(self) -> UpscaleResult:
        """Do it; on any error nothing is left behind but what was there before."""
        plan, started = self.plan, time.perf_counter()
        with Pipeline() as threads:
            reader = threads.enter(open_reader(plan, self.warn, threads.is_stopped))
            frames = iter(reader)
            first = next(frames, None)
            if first is None:
                raise InputError("no frame lies between --start and --end")
            writer = open_writer(plan, reader.origin, self.warn, threads.is_stopped)
            self._writer = threads.enter(writer)
            upscaler = FrameUpscaler(plan, self.clock, self.warn)
            decoded = with_cuts(
                itertools.chain([first], frames),
                plan.source.colour.layout.depth,
                enabled=plan.settings.scenes,
            )
            for frame in upscale_chunk(upscaler, decoded, self._encode, threads):
                self._report(frame, started)
            self._writer.finish()
        return UpscaleResult(
            output=plan.output,
            frames=self.frames,
            seconds=time.perf_counter() - started,
            warnings=tuple(self.warnings),
            cuts=upscaler.cuts,
            stage_seconds=self.clock.seconds,
        )

    def _encode(self, item: Picture | Border) -> None:
        """In the encoding thread; nobody goes on behind the last picture."""
        if isinstance(item, Picture):
            item.wait()
            with self.clock("encode"):
                frame = item.frame
                self._writer.write(item.planes, frame.pts, frame.duration, frame.captions)

    def _report(self, frame: Frame, started: float) -> None:
        self.frames += 1
        if self._first_pts is None:
            self._first_pts = frame.pts
        media = frame.pts + frame.duration - self._first_pts
        self.observer.on_progress(
            Progress(
                frames=self.frames,
                total_frames=self.plan.frames,
                media_seconds=float(media * self.plan.source.time_base),
                bytes_written=self._writer.bytes_written,
                elapsed_seconds=time.perf_counter() - started,
            )
        )
