"""``animesr compare``: networks and classic resamplers side by side on a clip."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import Display, err, show_json, show_table
from animesr_cli.cli.options import verb
from animesr_cli.metrics.measures import MEASURES
from animesr_cli.settings import CompareSettings, UpscaleSettings
from animesr_cli.settings.command import Reporting
from animesr_cli.text import counted, format_bytes, visible
from animesr_cli.video.timestamps import format_speed, format_time

if TYPE_CHECKING:
    from animesr_cli.compare.report import ResultRow
    from animesr_cli.compare.run import CompareResult

COMPUTED = (
    "start", "end", "fps", "codec", "crf", "scale", "width", "height", "fit", "matrix", "stream",
    "deinterlace", "scenes", "tile", "device", "precision", "overwrite",
)  # fmt: skip
"""What of ``upscale`` has a meaning here."""


@verb
def compare(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video, or a folder of images.")],
    *,
    wishes: CompareSettings,
    settings: Annotated[UpscaleSettings, COMPUTED],
    reporting: Reporting,
) -> None:
    """Put networks and classic resamplers side by side on a clip: a page with a slider, a sheet.

    [bold]Examples[/bold]

    animesr compare episode.mkv -n base -n v2 -n bicubic

    animesr compare episode.mkv -n base -n mine.safetensors --at 2:10 --at 12:31.5

    animesr compare poor.mp4 --reference clean.mkv --video split.mp4
    """

    with stoppable():
        with undisturbed():
            from animesr_cli.compare.run import compare as put_side_by_side

        with Display(reporting) as display:
            result = put_side_by_side(
                clip, settings, wishes, warn=display.warn, on_progress=display.progress
            )
        show_comparison(result, reporting)


def show_comparison(result: CompareResult, reporting: Reporting) -> None:
    """What was measured of each candidate, and where page, sheet and clip are."""
    report = result.report
    if reporting.json:
        written = {"page": result.page, "page_bytes": result.page_bytes, "sheet": result.sheet}
        video = {"video": result.video, "video_frames": result.video_frames}
        return show_json(asdict(report) | written | video)
    if reporting.quiet:
        return None
    show_table(
        ("", "how", "frames/s", "whole clip"),
        [_compared(entry) for entry in report.entries],
        title=f"{visible(report.clip.name)}: {counted(len(report.moments), 'picture')}, "
        f"{report.width}x{report.height} -> {report.layout.width}x{report.layout.height}, "
        f"{report.device}",
    )
    if report.reference:
        measured = [(entry.name, entry.mean) for entry in report.entries if entry.mean]
        show_table(
            (f"beside {report.reference.name}", *(name for name, _ in measured)),
            [
                (measure.heading, *(measure.text(getattr(mean, name)) for _, mean in measured))
                for name, measure in MEASURES.items()
            ],
        )
    for path, what in (
        (result.page, f"page, {format_bytes(result.page_bytes)}"),
        (result.sheet, "sheet"),
        (result.video, f"{counted(result.video_frames or 0, 'frame')} verified"),
    ):
        if path is not None:
            err.print(Text(f"{visible(str(path))}: {what}"))
    return None


def _compared(entry: ResultRow) -> tuple[str, ...]:
    fps, whole = entry.frames_per_second, entry.clip_seconds
    speed = "" if fps is None else format_speed(fps)
    time = "" if fps is None else "unknown" if whole is None else format_time(whole)
    return (entry.name, entry.how, speed, time)
