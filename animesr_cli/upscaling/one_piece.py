"""A run in one piece: one chunk, whose pictures go straight into the output."""

from __future__ import annotations

import itertools
import time

from animesr_cli.errors import InputError
from animesr_cli.reading.frame import with_cuts
from animesr_cli.threads import Pipeline
from animesr_cli.upscaling.events import Observer, Progress, UpscaleResult
from animesr_cli.upscaling.open import open_reader, open_writer
from animesr_cli.upscaling.picture import Border, Picture
from animesr_cli.upscaling.pipeline import FrameUpscaler, StageClock, upscale_chunk
from animesr_cli.upscaling.plan import Plan


def run_in_one_piece(plan: Plan, observer: Observer, warnings: list[str]) -> UpscaleResult:
    """Do what cannot be continued; on any error all is left as it was before.

    ``warnings`` are those so far, and grow.
    """
    started, clock, count = time.perf_counter(), StageClock(), 0

    def warn(message: str) -> None:
        warnings.append(message)
        observer.on_warning(message)

    with Pipeline() as threads:
        reader = threads.enter(open_reader(plan, warn, threads.is_stopped))
        frames = iter(reader)
        first = next(frames, None)
        if first is None:
            raise InputError("no frame lies between --start and --end")
        writer = threads.enter(open_writer(plan, reader.origin, warn, threads.is_stopped))

        def encode(item: Picture | Border) -> None:
            """In the encoding thread; nobody goes on behind the last picture."""
            if isinstance(item, Picture):
                item.wait()
                with clock("encode"):
                    writer.write(item.planes, item.frame)

        upscaler = FrameUpscaler(plan, clock, warn)
        decoded = with_cuts(
            itertools.chain([first], frames),
            plan.source.colour.layout.depth,
            enabled=plan.settings.scenes,
        )
        for count, frame in enumerate(upscale_chunk(upscaler, decoded, encode, threads), 1):
            media = frame.pts + frame.duration - first.pts
            observer.on_progress(
                Progress(
                    frames=count,
                    total_frames=plan.frames,
                    media_seconds=float(media * plan.source.time_base),
                    bytes_written=writer.bytes_written,
                    elapsed_seconds=time.perf_counter() - started,
                )
            )
        writer.finish()
    return UpscaleResult(
        output=plan.output,
        frames=count,
        seconds=time.perf_counter() - started,
        warnings=tuple(warnings),
        cuts=upscaler.cuts,
        stage_seconds=clock.seconds,
    )
