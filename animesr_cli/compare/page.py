"""The page of a comparison: a slider between any two results, one self-contained HTML file.

Every picture is in it once, as a lossless PNG; ``viewer.js`` moves them between the two layers of
the stage. ``page.html`` is the template; this file works out what stands in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from animesr_cli.compare.report import Report, ResultRow
from animesr_cli.metrics.measures import MEASURES, Measure, Scores
from animesr_cli.pages.html import render
from animesr_cli.text import counted, visible
from animesr_cli.video.timestamps import format_clock, format_speed, format_time

DASH: Final = "\u2013"
"""Stands for a missing value."""


@dataclass(frozen=True)
class Cell:
    """A score as it is written."""

    text: str
    style: str = ""
    """best, none (there is no value) or nothing."""


def _cells(rows: Sequence[Scores | None]) -> list[list[Cell]]:
    """For each result a row of cells, all measures; the best are marked where several differ."""
    columns = []
    for measure in MEASURES.values():
        values = [_value(measure, row) for row in rows]
        marked = zip(values, measure.marks(values), strict=True)
        columns.append(
            [
                Cell(DASH, "none") if value is None
                else Cell(measure.text(value), "best" if is_best else "")
                for value, is_best in marked
            ]
        )  # fmt: skip
    return [list(row) for row in zip(*columns, strict=True)]


def _value(measure: Measure, row: Scores | None) -> float | None:
    value: float | None = None if row is None else getattr(row, measure.name)
    identical = row is not None and value is None and measure.name == "psnr_y"
    return math.inf if identical else value


def _speeds(entry: ResultRow) -> tuple[str, str]:
    if entry.frames_per_second is None:
        return DASH, DASH
    whole = "unknown" if entry.clip_seconds is None else format_time(entry.clip_seconds)
    return format_speed(entry.frames_per_second), whole


def _run_ups(report: Report) -> str:
    """How the sentence ``each picture was computed ...`` goes on."""
    fewest, most = (side(moment.run_up for moment in report.moments) for side in (min, max))
    if most == 0:
        return "by itself, without frames before it"
    count = counted(most, "frame") if fewest == most else f"{fewest} to {counted(most, 'frame')}"
    return f"after the {count} before it in its shot"


def facts(report: Report) -> tuple[str, ...]:
    """Sizes, number of pictures, device: what stands below the clip's name."""
    layout, count = report.layout, len(report.moments)
    pictures = counted(count, "picture")
    aspect = layout.sample_aspect_ratio
    shape = f", pixel aspect {aspect}" if aspect != 1 else ""
    sizes = f"{report.width}\u00d7{report.height} to {layout.width}\u00d7{layout.height}{shape}"
    return sizes, pictures, report.device


def compare_page(
    report: Report, pictures: Sequence[Sequence[bytes]], thumbnails: Sequence[bytes]
) -> str:
    """The whole page.

    Args:
        pictures: PNG files, for each moment those of all results, turned as they are shown.
        thumbnails: a small PNG for each moment.
    """
    width, height = report.layout.shown_size
    measured = report.reference is not None
    means = [entry.mean for entry in report.entries]
    return render(
        "compare/page.html",
        title=f"{report.clip.name}: comparison",
        report=report,
        facts=facts(report),
        times=[format_clock(moment.seconds) for moment in report.moments],
        dash=DASH,
        speeds=[_speeds(entry) for entry in report.entries],
        measures=MEASURES.values() if measured else (),
        mean=_cells(means) if measured else [()] * len(means),
        single=[_cells(moment.scores) for moment in report.moments] if measured else (),
        run_ups=_run_ups(report),
        pictures=pictures,
        thumbnails=thumbnails,
        data={
            "names": [visible(entry.name) for entry in report.entries],
            "moments": len(report.moments),
            "width": width,
            "height": height,
        },
    )
