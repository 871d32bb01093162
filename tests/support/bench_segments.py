"""What segments cost and gain on a clip: beside one piece, over two workers, when interrupted.

    python tests/support/bench_segments.py CLIP [--segment-frames N] [--frames N] [--repeats N]

prints the figures as JSON. Every run has a process of its own, from the plan to the finished file,
and pairs alternate, so that both meet the same machine. Medians are reported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import torch

from animesr_cli.api import run
from animesr_cli.errors import UsageError
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.bench import OUTPUT_SUFFIX, in_child
from animesr_cli.upscaling.events import Observer, Progress

INTERRUPTED_AT: Final = 0.55
"""Share of the frames: inside a segment, as a rule."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One run in its own process."""

    frames: int
    segments: int
    seconds: float
    """From reading the checkpoint to the finished file; Python's imports are not in it."""
    cpu_seconds: float
    """Of the process with all its threads: other programs disturb them less."""
    bytes: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class SegmentFigures:
    """What was measured: seconds and bytes, medians over the repeats."""

    clip: str
    frames: int
    segments: int
    segment_frames: int
    """At most so many in each."""
    repeats: int
    device: str
    threads: int
    torch: str
    one_piece_seconds: float
    segmented_seconds: float
    time_cost: float
    """Share of the time in one piece."""
    cpu_cost: float
    """The same of processor time."""
    one_piece_bytes: int
    segmented_bytes: int
    size_cost: float
    one_worker_seconds: float
    """On a CPU with one thread, and one core for all of it."""
    two_workers_seconds: float
    """On a CPU with one thread and one core each."""
    workers_ratio: float
    resume_overhead_seconds: float
    """From the beginning of a resumed run to its first new frame; Python's imports not counted."""
    dropped_frames: int
    """Computed, and not yet part of a finished segment, when the run was interrupted."""


class _Enough(Exception):
    """The run is interrupted here."""


def _timed(source: Path, output: Path, settings: UpscaleSettings, cores: int | None) -> Timed:
    if cores is not None:
        _keep_to(cores)
    started, cpu_started = time.perf_counter(), time.process_time()
    result = run(source, output, replace(settings, overwrite=True), Observer())
    return Timed(
        frames=result.frames,
        segments=result.segments,
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - cpu_started,
        bytes=output.stat().st_size,
        threads=torch.get_num_threads(),
    )


def _keep_to(cores: int) -> None:
    """This process and all that it starts.

    One worker has decoder and encoder on a core of their own where there is one, and two then have
    less than twice as much to work with.
    """
    torch.set_num_threads(cores)
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _interrupted(source: Path, output: Path, settings: UpscaleSettings, frames: int) -> int:
    """Frames of a run that is stopped once it has done ``frames``."""
    done = 0

    def look(progress: Progress) -> None:
        nonlocal done
        done = progress.frames
        if done >= frames:
            raise _Enough

    try:
        run(source, output, settings, Observer(on_progress=look))
    except _Enough:
        return done
    raise UsageError("the clip is too short to be interrupted", "--frames, or a longer clip")


def _resumed(source: Path, output: Path, settings: UpscaleSettings) -> tuple[float, int]:
    """Seconds until the first new frame, and the frames that were found finished."""
    started, first = time.perf_counter(), 0.0

    def look(progress: Progress) -> None:
        nonlocal first
        if not first and progress.frames > progress.frames_before:
            first = time.perf_counter() - started

    result = run(source, output, settings, Observer(on_progress=look))
    return first, result.frames_before


@dataclass(frozen=True)
class _Bench:
    """The runs of one benchmark."""

    source: Path
    folder: Path
    settings: UpscaleSettings

    def timed(self, cores: int | None = None, **changes: object) -> Timed:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # of many types
        output = self.folder / f"out{OUTPUT_SUFFIX}"
        return in_child(_timed, self.source, output, settings, cores)

    def resume(self, frames: int) -> tuple[float, int]:
        """Overhead in seconds, and dropped frames."""
        output = self.folder / f"resumed{OUTPUT_SUFFIX}"
        arguments = self.source, output, self.settings
        done = in_child(_interrupted, *arguments, int(frames * INTERRUPTED_AT))
        seconds, kept = in_child(_resumed, *arguments)
        output.unlink()
        # What is told lags behind: a segment that ends meanwhile is kept, and nothing dropped.
        return seconds, max(0, done - kept)


def measure_segments(source: Path, settings: UpscaleSettings, *, repeats: int) -> SegmentFigures:
    """Run everything; the clip some ten times for each repeat.

    ``settings.segment_frames`` is what the clip is cut by, and must be less than its length.
    """
    pieces, segmented, alone, together = [], [], [], []
    overheads: list[tuple[float, int]] = []
    on_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as name:
        bench = _Bench(source, Path(name), settings)
        for _ in range(repeats):
            pieces.append(bench.timed(journal=False))
            segmented.append(bench.timed())
            alone.append(bench.timed(1 if on_cpu else None, workers=1))
            together.append(bench.timed(2 if on_cpu else None, workers=2))
            overheads.append(bench.resume(segmented[-1].frames))
    return _figures(source, settings, pieces, segmented, alone, together, overheads)


def _median(runs: list[Timed]) -> float:
    return statistics.median(each.seconds for each in runs)


def _figures(
    source: Path,
    settings: UpscaleSettings,
    pieces: list[Timed],
    segmented: list[Timed],
    alone: list[Timed],
    together: list[Timed],
    overheads: list[tuple[float, int]],
) -> SegmentFigures:
    one, many = pieces[0], segmented[0]
    pairs = list(zip(pieces, segmented, strict=True))
    return SegmentFigures(
        clip=source.name,
        frames=many.frames,
        segments=many.segments,
        segment_frames=settings.segment_frames or 0,
        repeats=len(pieces),
        device=settings.device,
        threads=many.threads,
        torch=torch.__version__,
        one_piece_seconds=_median(pieces),
        segmented_seconds=_median(segmented),
        time_cost=statistics.median(b.seconds / a.seconds - 1 for a, b in pairs),
        cpu_cost=statistics.median(b.cpu_seconds / a.cpu_seconds - 1 for a, b in pairs),
        one_piece_bytes=one.bytes,
        segmented_bytes=many.bytes,
        size_cost=many.bytes / one.bytes - 1,
        one_worker_seconds=_median(alone),
        two_workers_seconds=_median(together),
        workers_ratio=_median(alone) / _median(together),
        resume_overhead_seconds=statistics.median(seconds for seconds, _ in overheads),
        dropped_frames=round(statistics.median(frames for _, frames in overheads)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What segments cost and gain on a clip.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("-n", "--model", default=UpscaleSettings().model)
    parser.add_argument("-g", "--device", default="auto")
    parser.add_argument("--segment-frames", type=int, default=250)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = vars(parser.parse_args())
    clip, repeats = chosen.pop("clip"), chosen.pop("repeats")
    figures = measure_segments(clip, UpscaleSettings(**chosen), repeats=repeats)
    sys.stdout.write(json.dumps(asdict(figures), indent=1) + "\n")


if __name__ == "__main__":
    import bench_segments  # its functions go to children, which know this file by its name

    bench_segments.main()
