"""The benchmark: what it measures is a run of the same clip, and its figures fit each other."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import media
from animesr_cli.errors import DeviceError, InputError
from animesr_cli.model.devices import choose_compute
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling import bench
from animesr_cli.upscaling.bench import Figures, TimedRun, measure, measure_network, measure_parts
from animesr_cli.upscaling.plan import make_plan
from command import animesr, environment, finished, start
from pictures import decoded


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return media.write_video(tmp_path / "clip.mkv", frames=6, width=48, height=32, exact=True)


def test_the_plain_path_computes_the_same(
    clip: Path,
    random_checkpoint: Path,
    tmp_path: Path,
) -> None:
    """The two sides of the table do the same work: their files hold the same pictures."""
    settings = UpscaleSettings(
        model=str(random_checkpoint), precision="fp32", device="cpu", codec="ffv1", frames=5
    )
    for name, way in (("plain", bench._run_plain), ("fast", bench._run_overlapped)):
        plan = make_plan(clip, tmp_path / f"{name}.mkv", settings, warn=pytest.fail)
        assert way(plan)[0] == 5
    pairs = zip(decoded(tmp_path / "plain.mkv"), decoded(tmp_path / "fast.mkv"), strict=True)
    assert all(np.array_equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))


def test_the_network_alone_is_timed_on_both_paths(
    clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Seconds of a step, above zero and below what a tiny network can take."""
    plain, fast = measure_network(clip, tmp_path, UpscaleSettings(model=str(zero_checkpoint)), 2)
    assert 0 < plain < 5
    assert 0 < fast < 5


def test_a_step_is_taken_apart(clip: Path, random_checkpoint: Path, tmp_path: Path) -> None:
    """Shares of one whole; an upscaler convolves, resamples and copies."""
    shares = measure_parts(clip, tmp_path, UpscaleSettings(model=str(random_checkpoint)))
    assert sum(shares.values()) == pytest.approx(1)
    assert all(shares[part] > 0 for part in ("convolution", "resampling", "copies"))


def test_what_happens_to_the_child_is_told(tmp_path: Path) -> None:
    """Its error is raised here as it was; its death is one line."""
    with pytest.raises(InputError, match=r"missing\.mkv"):
        bench.in_child(measure_network, tmp_path / "missing.mkv", tmp_path, UpscaleSettings(), 1)
    with pytest.raises(DeviceError, match=r"process that measures .* exit status 3"):
        bench.in_child(os._exit, 3)


def run_of(seconds: float, peak_bytes: int) -> TimedRun:
    return TimedRun(
        frames=10, seconds=seconds, peak_bytes=peak_bytes, device_bytes=0,
        stage_seconds={"network": seconds / 2}, network_seconds=seconds / 11,
    )  # fmt: skip


def test_figures_are_medians_per_frame(clip: Path, zero_checkpoint: Path) -> None:
    """Milliseconds of a frame; ratios of the plain path's to ours; an outlier does not count."""
    figures = bench._figures(
        clip,
        UpscaleSettings(model=str(zero_checkpoint), device="cpu"),
        3,
        (0.4, 0.1),
        {"convolution": 0.9, "copies": 0.1},
        [run_of(5, 300), run_of(90, 200), run_of(4, 100)],
        [run_of(2, 50), run_of(1.2, 60), run_of(1, 70)],
    )
    assert (figures.clip, figures.size, figures.frames) == ("clip.mkv", (48, 32), 10)
    assert (figures.plain_network_ms, figures.network_ms) == (400, 100)
    assert figures.network_ratio == 4
    assert figures.plain_end_to_end_ms == 500
    assert figures.end_to_end_ms == pytest.approx(120)
    assert figures.end_to_end_ratio == pytest.approx(500 / 120)
    assert figures.end_to_end_over_network == pytest.approx(1.1)
    assert figures.plain_end_to_end_over_network == pytest.approx(1.1)
    assert figures.stage_ms == {"network": pytest.approx(60)}
    assert (figures.plain_peak_bytes, figures.peak_bytes) == (200, 60)
    assert (figures.device, figures.tile, figures.torch) == ("cpu", 0, torch.__version__)


FIGURES = Figures(
    clip="a.mkv", size=(320, 180), frames=30, repeats=3, device="cpu", precision="bf16", tile=0,
    threads=2, torch="2.13", plain_network_ms=1500, network_ms=420, network_ratio=1500 / 420,
    plain_end_to_end_ms=1600, end_to_end_ms=462, end_to_end_ratio=1600 / 462,
    end_to_end_over_network=1.1, plain_end_to_end_over_network=1.07,
    stage_ms={"decode": 2.0, "network": 420.0}, part_share={"convolution": 0.9, "copies": 0.1},
    plain_peak_bytes=2_000_000_000, peak_bytes=1_500_000_000, device_bytes=0,
)  # fmt: skip


def test_the_table_shows_both_paths(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    """One row for each figure, the plain path beside ours; the device's memory where it has one."""
    asked: list[tuple[object, ...]] = []

    def measured(*arguments: object, **options: object) -> Figures:
        asked.append((*arguments, options))
        return FIGURES

    monkeypatch.setattr(bench, "measure", measured)
    outcome = animesr("bench", clip, "--frames", "8", "--repeats", "2", "--precision", "fp32")
    assert asked == [(clip, UpscaleSettings(precision="fp32", frames=8), {"repeats": 2})]
    assert outcome.exit_code == 0
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert "a.mkv, 320x180, 30 frames, median of 3" in outcome.stdout
    assert [
        "network,",
        "ms",
        "a",
        "frame",
        "1500.0",
        "420.0",
        "3.57",
        "times",
        "as",
        "fast",
    ] in rows
    assert ["end", "to", "end", "/", "network", "1.07", "1.10"] in rows
    assert ["decode,", "busy", "ms", "a", "frame", "2.0"] in rows
    assert ["of", "the", "network:", "convolution", "378.0", "90%"] in rows
    assert ["peak", "memory", "2.00", "GB", "1.50", "GB"] in rows
    assert "peak on the device" not in outcome.stdout
    monkeypatch.setattr(bench, "measure", lambda *a, **k: replace(FIGURES, device_bytes=10**9))
    assert "peak on the device" in animesr("bench", clip).stdout
    assert json.loads(animesr("bench", clip, "--json").stdout)["network_ms"] == 420


def test_a_clip_that_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    """An error of the child that measures is the same line and code as everywhere."""
    animesr("bench", tmp_path / "missing.mkv").refused(3, "missing.mkv does not exist")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are a Unix thing")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_children_too(
    signum: signal.Signals, own_clip: Path, tmp_path: Path
) -> None:
    """Ctrl-C goes to every process of the terminal, SIGTERM to one: one line, nothing is left."""
    process = start(
        "bench", own_clip, env=environment(TMPDIR=str(tmp_path)), start_new_session=True
    )
    while not any(tmp_path.iterdir()):
        time.sleep(0.05)
    time.sleep(1)
    (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)
    finished(process, 20).refused(128 + signum, f"stopped by {signum.name}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_whole_benchmark_gives_sane_figures(clip: Path, zero_checkpoint: Path) -> None:
    """Processes of their own, real runs: everything is there, positive, and fits together."""
    settings = UpscaleSettings(model=str(zero_checkpoint), device="cpu", frames=4)
    figures = measure(clip, settings, repeats=1)
    assert (figures.frames, figures.repeats, figures.size) == (4, 1, (48, 32))
    assert figures.stage_ms.keys() == {"decode", "network", "colour", "encode"}
    assert all(value > 0 for value in figures.stage_ms.values())
    assert figures.network_ratio == pytest.approx(figures.plain_network_ms / figures.network_ms)
    assert figures.end_to_end_ms > 0
    for peak in (figures.peak_bytes, figures.plain_peak_bytes):
        assert 50_000_000 < peak < 4_000_000_000


@pytest.mark.slow
def test_the_real_network_is_faster_than_the_plain_path(own_clip: Path, tmp_path: Path) -> None:
    """Where the CPU multiplies bf16 the network alone is clearly faster than in fp32."""
    plain, fast = measure_network(own_clip, tmp_path, UpscaleSettings(device="cpu"), 2)
    if choose_compute("cpu", "auto").precision == "fp32":
        pytest.skip("no half precision pays on this CPU")
    assert plain / fast > 1.5
