"""The page of a comparison: a slider between any two results, one self-contained HTML file.

Every picture is in it once, as a lossless PNG; ``viewer.js`` moves them between the two layers of
the stage. ``page.html`` is the template; this file works out what stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from animesr_cli.compare.report import Report, ResultRow
from animesr_cli.metrics.measures import MEASURES, Measure, Scores
from animesr_cli.pages.html import render
from animesr_cli.text import visible
from animesr_cli.video.timestamps import format_clock, format_speed, format_time

DASH: Final = "\u2013"
"""Where there is no value."""


@dataclass(frozen=True)
class Cell:
    """A score as it is written."""

    text: str
    style: str = ""
    """best, none (there is no value) or nothing."""


def _cells(rows: Sequence[Scores | None]) -> list[list[Cell]]:
    """For each result the cells of all measures."""
    columns = [_column(measure, rows) for measure in MEASURES.values()]
    return [list(row) for row in zip(*columns, strict=True)]


def _column(measure: Measure, rows: Sequence[Scores | None]) -> list[Cell]:
    """One measure of all results, the best marked where several are compared."""
    values = [None if row is None else getattr(row, measure.name) for row in rows]
    several = sum(value is not None for value in values) > 1
    best = measure.nearest(values) if several else None
    cells = []
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            cells.append(Cell(measure.text(value), "best" if value == best else ""))
        else:
            word = DASH if row is None else measure.text(None).replace("-", DASH)
            cells.append(Cell(word, "none"))
    return cells


def _speeds(entry: ResultRow) -> tuple[str, str]:
    if entry.frames_per_second is None:
        return DASH, DASH
    whole = "unknown" if entry.clip_seconds is None else format_time(entry.clip_seconds)
    return format_speed(entry.frames_per_second), whole


def _run_ups(report: Report) -> str:
    counts = sorted({moment.run_up for moment in report.moments})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def facts(report: Report) -> str:
    """Sizes, number of pictures and device, in a line."""
    layout, count = report.layout, len(report.moments)
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    aspect = layout.sample_aspect_ratio
    shape = f", pixel aspect {aspect}" if aspect != 1 else ""
    sizes = f"{report.width}\u00d7{report.height} to {layout.width}\u00d7{layout.height}{shape}"
    return f"{sizes} \u00b7 {pictures} \u00b7 {report.device}"


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
    return render(
        "compare/page.html",
        title=f"{report.clip.name}: comparison",
        report=report,
        facts=facts(report),
        times=[format_clock(moment.seconds) for moment in report.moments],
        dash=DASH,
        speeds=[_speeds(entry) for entry in report.entries],
        measures=MEASURES.values() if measured else (),
        mean=_cells([entry.mean for entry in report.entries]) if measured else _nothing(report),
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


def _nothing(report: Report) -> list[list[Cell]]:
    return [[] for _ in report.entries]
