"""Benchmarks on a clip: the network alone and end to end, side by side with the plain path.

The plain path is what the script of AnimeSR's authors does: their network in fp32, channels first,
whole frames, one thing after another. Every end-to-end run has a process of its own, so that its
peak memory is its own; plain and fast runs alternate, so that both meet the same machine. Medians
are reported.
"""

from __future__ import annotations

import itertools
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar, cast

import torch
from torch.profiler import ProfilerActivity, profile

from animesr_cli.errors import AnimesrError, as_bug
from animesr_cli.model.devices import Compute, runtime_of
from animesr_cli.model.engine import Engine
from animesr_cli.model.network import windows
from animesr_cli.model.resample import resample
from animesr_cli.reading.reader import Reader
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.upscaling.events import Observer
from animesr_cli.upscaling.one_piece import run_in_one_piece
from animesr_cli.upscaling.open import open_writer
from animesr_cli.upscaling.plan import Plan, make_plan
from animesr_cli.video.colour import from_rgb, to_rgb
from animesr_cli.workers.child_process import Child, attend

log = logging.getLogger(__name__)

T = TypeVar("T")

OUTPUT_SUFFIX = ".mkv"

NETWORK_STEPS = 5
"""That are timed behind an end-to-end run."""

PLAIN_MODEL: Final = "basicop"
"""Weights of AnimeSR's own network, of the released size: what the plain path runs."""

PROFILED_STEPS: Final = 3
PARTS: Final = {
    "convolution": ("conv",),
    "resampling": ("upsample", "shuffle", "grid_sampler", "interpolate"),
    "activation": ("relu", "sigmoid"),
    "copies": ("copy_", "cat", "empty", "clone", "memcpy", "memset", "fill_"),
}
"""Parts of a step, and what the names of their operations contain; the rest is sums."""


@dataclass(frozen=True, kw_only=True)
class TimedRun:
    """One end-to-end run in its own process."""

    frames: int
    seconds: float
    peak_bytes: int
    """Resident memory at its highest; of a GPU see ``device_bytes``."""
    device_bytes: int
    stage_seconds: Mapping[str, float]
    network_seconds: float
    """Of one frame of the network alone, in the same process directly afterwards."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured: milliseconds per frame, medians over the repeats."""

    clip: str
    size: tuple[int, int]
    frames: int
    repeats: int
    device: str
    precision: str
    tile: int
    threads: int
    torch: str
    plain_network_ms: float
    network_ms: float
    network_ratio: float
    """How many times the plain path's speed."""
    plain_end_to_end_ms: float
    end_to_end_ms: float
    end_to_end_ratio: float
    end_to_end_over_network: float
    """Time of a frame end to end, in units of the network's alone directly afterwards."""
    plain_end_to_end_over_network: float
    stage_ms: Mapping[str, float]
    """Busy time of each stage in the overlapped run."""
    part_share: Mapping[str, float]
    """Of a step of the network: convolution, resampling, and so on; 1 altogether."""
    plain_peak_bytes: int
    peak_bytes: int
    device_bytes: int


def _synchronize(compute: Compute) -> None:
    if runtime := runtime_of(compute.device):
        runtime.synchronize(compute.device)


def _plain_steps(plan: Plan) -> float:
    """Seconds of one plain step on this size: fp32, channels first."""
    net = plan.network.to(plan.compute.device)
    frame = torch.rand(1, 3, plan.source.height, plan.source.width, device=plan.compute.device)
    padded = net.padded(frame)
    with torch.inference_mode():
        carried = net.initial(padded)
        _synchronize(plan.compute)
        start = time.perf_counter()
        net.step((padded,) * (2 * net.radius + 1), carried)
        _synchronize(plan.compute)
    return time.perf_counter() - start


def _engine(plan: Plan) -> Engine:
    source = plan.source
    return Engine(plan.network, source.height, source.width, plan.compute, tile=plan.tile)


def _engine_step(engine: Engine, plan: Plan) -> float:
    frame = torch.rand(3, plan.source.height, plan.source.width, device=plan.compute.device)
    start = time.perf_counter()
    engine.step(*[frame] * (2 * engine.radius + 1))
    return time.perf_counter() - start


def network_alone(plan: Plan, *, plain: bool) -> float:
    """Median seconds of a step on this size, after one that warms up."""
    if plain:
        return statistics.median([_plain_steps(plan) for _ in range(2)][1:])
    engine = _engine(plan)
    return statistics.median([_engine_step(engine, plan) for _ in range(NETWORK_STEPS + 1)][1:])


def measure_network(
    source: Path, folder: Path, settings: UpscaleSettings, repeats: int
) -> tuple[float, float]:
    """Median seconds per frame of the plain network and of the engine, taken in turns."""
    plan = make_plan(source, folder / f"x{OUTPUT_SUFFIX}", settings, warn=log.warning)
    plain_plan = make_plan(source, plan.output, plain_settings(settings), warn=log.warning)
    engine = _engine(plan)
    plain, fast = [], []
    for _ in range(repeats + 1):  # the first round warms up
        plain.append(_plain_steps(plain_plan))
        fast += [_engine_step(engine, plan) for _ in range(3)]
    return statistics.median(plain[1:]), statistics.median(fast[3:])


def plain_settings(settings: UpscaleSettings) -> UpscaleSettings:
    return replace(settings, model=PLAIN_MODEL, strength=None, precision="fp32")


def measure_parts(source: Path, folder: Path, settings: UpscaleSettings) -> Mapping[str, float]:
    """Shares of the time of a step by what is done in it, as torch's own profiler counts them."""
    plan = make_plan(source, folder / f"x{OUTPUT_SUFFIX}", settings, warn=log.warning)
    engine = _engine(plan)
    _engine_step(engine, plan)  # prepares the weights
    kind = getattr(ProfilerActivity, plan.compute.device.type.upper(), ProfilerActivity.CPU)
    with profile(activities=[kind]) as found:
        for _ in range(PROFILED_STEPS):
            _engine_step(engine, plan)
    seconds = dict.fromkeys((*PARTS, "sums and the rest"), 0.0)
    for event in found.key_averages():
        name = event.key.lower()
        part = next((p for p, words in PARTS.items() if any(w in name for w in words)), None)
        on_cpu = kind == ProfilerActivity.CPU
        time_ = event.self_cpu_time_total if on_cpu else event.self_device_time_total
        seconds[part or "sums and the rest"] += float(time_)
    total = sum(seconds.values()) or 1.0
    return {part: each / total for part, each in seconds.items()}


def _run_plain(plan: Plan) -> tuple[int, Mapping[str, float]]:
    """Decode, compute, encode, one frame after another."""
    device, frames = plan.compute.device, 0
    net, output = plan.network.to(device), plan.format
    with Reader(plan.source.path, info=plan.source, part=plan.part) as reader:
        pictures = (
            (
                frame,
                net.padded(to_rgb([p.to(device) for p in frame.planes], plan.source.colour))[None],
                False,
            )
            for frame in reader
        )
        steps = windows(pictures, net.radius)
        first = next(steps)  # with it the origin of the clock is known
        with open_writer(plan, reader.origin, log.warning) as writer, torch.inference_mode():
            carried = net.initial(first[1][0])
            for frame, window, _ in itertools.chain([first], steps):
                sr, carried = net.step(window, carried)
                sr = sr[0, :, : net.scale * plan.source.height, : net.scale * plan.source.width]
                planes = from_rgb(resample(sr, output.height, output.width), output.colour)
                writer.write(tuple(plane.cpu() for plane in planes), frame)
                frames += 1
            writer.finish()
    return frames, {}


def _run_overlapped(plan: Plan) -> tuple[int, Mapping[str, float]]:
    result = run_in_one_piece(plan, Observer(), [])
    return result.frames, result.stage_seconds


def _peak_bytes() -> int:
    with suppress(OSError, KeyError):  # not getrusage: its peak is inherited from the parent
        with open("/proc/self/status", encoding="ascii") as lines:
            table = dict(line.split(":", 1) for line in lines)
        return int(table["VmHWM"].split()[0]) * 1024
    if sys.platform == "win32":
        import psutil  # type: ignore[import-untyped,unused-ignore]

        return int(psutil.Process().memory_info().peak_wset)
    else:  # mypy takes what follows a platform's return for code of the others alone
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _end_to_end(source: Path, folder: Path, settings: UpscaleSettings, plain: bool) -> TimedRun:
    """In a process of its own."""
    output = folder / f"out{OUTPUT_SUFFIX}"
    plan = make_plan(source, output, replace(settings, overwrite=True), warn=log.warning)
    start = time.perf_counter()
    frames, stages = (_run_plain if plain else _run_overlapped)(plan)
    seconds = time.perf_counter() - start
    device = plan.compute.device
    runtime = runtime_of(device)
    return TimedRun(  # in this order: the network alone comes last
        frames=frames,
        seconds=seconds,
        peak_bytes=_peak_bytes(),
        device_bytes=runtime.max_memory_allocated(device) if runtime else 0,
        stage_seconds=dict(stages),
        network_seconds=network_alone(plan, plain=plain),
    )


def _over_network(runs: list[TimedRun]) -> float:
    return statistics.median(run.seconds / run.frames / run.network_seconds for run in runs)


def _median(runs: list[TimedRun], value: str) -> float:
    return statistics.median(float(getattr(run, value)) for run in runs)


def main(address: str, parent: int) -> None:
    """In the child: do what was asked for and answer; does not return."""
    connection, (work, arguments) = attend(address, parent)
    try:
        answer = work(*arguments)
    except Exception as error:
        answer = as_bug(error)
    connection.send(answer)
    os._exit(0)


def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Call a function in a new process; one whose result is not wanted any more is ended.

    Raises:
        AnimesrError: what ``work`` raised, or that the process has died.
    """
    child = Child("the process that measures", sys.modules[__name__], (work, arguments))
    try:
        answer = child.connection.recv()
    except EOFError:
        raise child.exit_error() from None
    finally:
        child.end()
    if isinstance(answer, AnimesrError):
        raise answer
    return cast(T, answer)


def measure(source: Path, settings: UpscaleSettings, *, repeats: int) -> Figures:
    """Run everything; minutes, not seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = in_child(measure_network, source, folder, settings, repeats)
        parts = in_child(measure_parts, source, folder, settings)
        plain, fast = [], []
        for _ in range(repeats):
            plain.append(in_child(_end_to_end, source, folder, plain_settings(settings), True))
            fast.append(in_child(_end_to_end, source, folder, settings, False))
    return _figures(source, settings, repeats, network, parts, plain, fast)


def _figures(
    source: Path,
    settings: UpscaleSettings,
    repeats: int,
    network: tuple[float, float],
    parts: Mapping[str, float],
    plain: list[TimedRun],
    fast: list[TimedRun],
) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(source, Path(folder, "x" + OUTPUT_SUFFIX), settings, warn=log.warning)
    frames = fast[0].frames
    plain_frame, fast_frame = (_median(runs, "seconds") / frames for runs in (plain, fast))
    stages = {
        stage: 1000 * statistics.median(run.stage_seconds[stage] for run in fast) / frames
        for stage in fast[0].stage_seconds
    }
    return Figures(
        clip=source.name,
        size=(plan.source.width, plan.source.height),
        frames=frames,
        repeats=repeats,
        device=str(plan.compute.device),
        precision=plan.compute.precision,
        tile=plan.tile if plan.tiled else 0,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        plain_network_ms=1000 * network[0],
        network_ms=1000 * network[1],
        network_ratio=network[0] / network[1],
        plain_end_to_end_ms=1000 * plain_frame,
        end_to_end_ms=1000 * fast_frame,
        end_to_end_ratio=plain_frame / fast_frame,
        end_to_end_over_network=_over_network(fast),
        plain_end_to_end_over_network=_over_network(plain),
        stage_ms=stages,
        part_share=parts,
        plain_peak_bytes=int(_median(plain, "peak_bytes")),
        peak_bytes=int(_median(fast, "peak_bytes")),
        device_bytes=int(_median(fast, "device_bytes")),
    )
