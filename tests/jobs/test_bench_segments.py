"""The measurement of segments: its figures fit each other and come from real runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bench_segments
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling import bench
from bench_segments import Timed
from command import environment


def timed(seconds: float, size: int = 1000, frames: int = 100, segments: int = 4) -> Timed:
    return Timed(
        frames=frames, segments=segments, seconds=seconds, cpu_seconds=2 * seconds, bytes=size,
        threads=2,
    )  # fmt: skip


def test_costs_of_segments_are_medians_of_pairs() -> None:
    """Time is compared run by run, size once; two workers' gain is the ratio of the medians."""
    figures = bench_segments._figures(
        Path("a.mkv"),
        UpscaleSettings(device="cpu"),
        [timed(10), timed(20), timed(40)],
        [timed(10.2, 1010), timed(20.2, 1010), timed(44, 1010)],
        [timed(19), timed(18), timed(30)],
        [timed(10), timed(9), timed(20)],
        [(1.5, 10), (0.5, 30), (9, 20)],
    )
    assert figures.time_cost == figures.cpu_cost == pytest.approx(0.02)
    assert figures.size_cost == pytest.approx(0.01)
    assert (figures.one_piece_seconds, figures.segmented_seconds) == (20, 20.2)
    assert figures.workers_ratio == pytest.approx(1.9)
    assert (figures.resume_overhead_seconds, figures.dropped_frames) == (1.5, 20)
    assert (figures.frames, figures.segments, figures.repeats) == (100, 4, 3)


def kept_to(cores: int) -> tuple[int, int]:
    bench_segments._keep_to(cores)
    return torch.get_num_threads(), len(os.sched_getaffinity(0))


@pytest.mark.skipif(sys.platform != "linux", reason="cores are set on Linux alone")
def test_one_worker_is_measured_on_one_core() -> None:
    """Decoder and encoder share the core of the network; this process keeps its own."""
    before = os.sched_getaffinity(0)
    assert bench.in_child(kept_to, 1) == (1, 1)
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
def test_segments_are_really_measured(own_clip: Path, zero_checkpoint: Path) -> None:
    """Processes of their own, real runs: whole, in segments, spread, interrupted and resumed."""
    command: list[str | Path] = [
        sys.executable, bench_segments.__file__, own_clip, "-n", zero_checkpoint, "-g", "cpu",
        "--repeats", "1", "--segment-frames", "20", "--frames", "50",
    ]  # fmt: skip
    run = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert (figures["frames"], figures["segments"]) == (50, 3)  # of 40 and 10 frames
    assert figures["time_cost"] == pytest.approx(
        figures["segmented_seconds"] / figures["one_piece_seconds"] - 1
    )
    assert figures["segmented_bytes"] > figures["one_piece_bytes"] > 10_000
    assert 0 <= figures["dropped_frames"] < 20  # told at 27; 0: a segment ended meanwhile
    assert 0 < figures["resume_overhead_seconds"] < 20
    assert figures["workers_ratio"] > 0
