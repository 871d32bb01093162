"""``animesr bench``: speed and memory on the user's own clip."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import show_json, show_table
from animesr_cli.cli.options import verb
from animesr_cli.settings import BenchSettings, UpscaleSettings
from animesr_cli.settings.command import Reporting
from animesr_cli.text import counted, format_bytes

if TYPE_CHECKING:
    from animesr_cli.upscaling.bench import Figures

MEASURED = ("model", "tile", "device", "precision")


@verb
def bench(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video file.")],
    *,
    measuring: BenchSettings,
    settings: Annotated[UpscaleSettings, MEASURED],
    reporting: Annotated[Reporting, ("json", "debug")],
) -> None:
    """Measure speed and memory on your clip, beside AnimeSR's own network.

    [bold]Examples[/bold]

    animesr bench episode.mkv

    animesr bench episode.mkv --frames 100 --json
    """
    with stoppable():
        with undisturbed():
            from animesr_cli.upscaling.bench import measure

        settings = replace(settings, frames=measuring.frames)
        show_figures(measure(clip, settings, repeats=measuring.repeats), as_json=reporting.json)


def show_figures(figures: Figures, *, as_json: bool) -> None:
    """The benchmark's table, plain path beside ours."""
    if as_json:
        return show_json(asdict(figures))
    f = figures
    width, height = f.size
    stages = [
        (f"{stage}, busy ms a frame", "", f"{ms:.1f}", "") for stage, ms in f.stage_ms.items()
    ]
    parts = [
        (f"of the network: {part}", "", f"{share * f.network_ms:.1f}", f"{share:.0%}")
        for part, share in f.part_share.items()
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
            *parts,
            ("peak memory", format_bytes(f.plain_peak_bytes), format_bytes(f.peak_bytes), ""),
            *device,
        ],
        title=f"{f.clip}, {width}x{height}, {f.frames} frames, median of {f.repeats}; {f.device}"
        f" {f.precision} beside AnimeSR's network in fp32, {counted(f.threads, 'thread')}, "
        f"torch {f.torch}",
    )  # fmt: skip
    return None
