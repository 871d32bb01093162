"""``animesr bench``: speed and memory on the user's own clip."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import format_bytes, show_json, show_table
from animesr_cli.cli.options import DebugOption, JsonOption, only, verb
from animesr_cli.settings import UpscaleSettings

if TYPE_CHECKING:
    from animesr_cli.bench_segments import SegmentFigures
    from animesr_cli.upscaling.bench import Figures

BENCH_FRAMES = 30
MEASURED = only("model", "tile", "device", "precision", "segment_frames")


@verb
def bench(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video file.")],
    *,
    frames: Annotated[
        int | None,
        typer.Option(min=2, help="Frames of each end-to-end run: 30, or all with --segments."),
    ] = None,
    segments: Annotated[
        bool,
        typer.Option(
            "--segments", help="Measure segments, two workers and resuming beside one piece."
        ),
    ] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each kind, side by side.")] = 3,
    settings: Annotated[UpscaleSettings, MEASURED],
    json_output: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure the network and the whole pipeline beside the plain path, on your clip.

    [bold]Examples[/bold]

    animesr bench episode.mkv

    animesr bench episode.mkv --frames 100 --json

    animesr bench minute.mkv --segments
    """
    with stoppable():
        with undisturbed():
            from animesr_cli.bench_segments import measure_segments
            from animesr_cli.upscaling.bench import measure

        if segments:
            cost = measure_segments(clip, replace(settings, frames=frames), repeats=repeats)
            return show_segment_figures(cost, as_json=json_output)
        settings = replace(settings, frames=frames or BENCH_FRAMES)
        show_figures(measure(clip, settings, repeats=repeats), as_json=json_output)


def show_figures(figures: Figures, *, as_json: bool) -> None:
    """The benchmark's table, plain path beside ours."""
    if as_json:
        return show_json(asdict(figures))
    f = figures
    width, height = f.size
    stages = [
        (f"{stage}, busy ms a frame", "", f"{ms:.1f}", "") for stage, ms in f.stage_ms.items()
    ]
    device = (
        [("peak on the device", "", format_bytes(f.device_bytes), "")] if f.device_bytes else []
    )
    show_table(
        ("", "plain", "animesr", ""),
        [
            ("network, ms a frame", f"{f.plain_network_ms:.1f}", f"{f.network_ms:.1f}",
             f"{f.network_ratio:.2f} times as fast"),
            ("end to end, ms a frame", f"{f.plain_end_to_end_ms:.1f}", f"{f.end_to_end_ms:.1f}",
             f"{f.end_to_end_ratio:.2f} times as fast"),
            ("end to end / network", f"{f.plain_end_to_end_over_network:.2f}",
             f"{f.end_to_end_over_network:.2f}", ""),
            *stages,
            ("peak memory", format_bytes(f.plain_peak_bytes), format_bytes(f.peak_bytes), ""),
            *device,
        ],
        title=f"{f.clip}, {width}x{height}, {f.frames} frames, median of {f.repeats}; {f.device}"
        f" {f.precision} beside fp32, {f.threads} threads, torch {f.torch}",
    )  # fmt: skip
    return None


def show_segment_figures(figures: SegmentFigures, *, as_json: bool) -> None:
    """What segments cost and gain."""
    if as_json:
        return show_json(asdict(figures))
    f = figures
    show_table(
        ("", "before", "after", ""),
        [
            ("one piece -> segments, seconds", f"{f.one_piece_seconds:.1f}",
             f"{f.segmented_seconds:.1f}",
             f"{100 * f.time_cost:+.1f} %, {100 * f.cpu_cost:+.1f} % of processor time"),
            ("one piece -> segments, size", format_bytes(f.one_piece_bytes),
             format_bytes(f.segmented_bytes), f"{100 * f.size_cost:+.1f} %"),
            ("one worker -> two, seconds", f"{f.one_worker_seconds:.1f}",
             f"{f.two_workers_seconds:.1f}", f"{f.workers_ratio:.2f} times as fast"),
            ("resumed, seconds to the first frame", "", f"{f.resume_overhead_seconds:.1f}",
             f"and {f.dropped_frames} frames in hand"),
        ],
        title=f"{f.clip}, {f.frames} frames in {f.segments} segments of at most "
        f"{f.segment_frames}, median of {f.repeats}; {f.device}, {f.threads} threads, "
        f"torch {f.torch}",
    )  # fmt: skip
    return None
