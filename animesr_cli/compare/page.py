"""The page of a comparison: a slider between any two results, one self-contained HTML file.

Every picture is in it once, as a lossless PNG; the script moves them between the two layers of the
stage. It knows only what it is given: a report and encoded pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from animesr_cli.compare.report import REFERENCE, Entry, Report
from animesr_cli.compare.viewer import BODY, SCRIPT, STYLE
from animesr_cli.metrics.measures import MEASURES, Measure, Scores
from animesr_cli.pages.html import document, json_text, text
from animesr_cli.text import shown
from animesr_cli.video.timestamps import format_clock, format_speed, format_time
from animesr_cli.writing.png import data_uri

# ---- parts ---------------------------------------------------------------------------------------


def _options(entries: Sequence[Entry]) -> str:
    return "".join(
        f'<option value="{number}">{text(entry.name)}</option>'
        for number, entry in enumerate(entries)
    )


def _strip(report: Report, thumbnails: Sequence[bytes]) -> str:
    times = [format_clock(moment.seconds) for moment in report.moments]
    return "".join(
        f'<button data-moment="{number}" aria-pressed="false" '
        f'aria-label="Picture {number + 1}, at {time}">'
        f'<img alt="" src="{data_uri(thumbnail)}"><span>{time}</span></button>'
        for number, (time, thumbnail) in enumerate(zip(times, thumbnails, strict=True))
    )


def _store(report: Report, pictures: Sequence[Sequence[bytes]]) -> str:
    return "".join(
        f'<img decoding="sync" alt="{text(entry.name)} at {format_clock(moment.seconds)}" '
        f'src="{data_uri(picture)}">'
        for moment, row in zip(report.moments, pictures, strict=True)
        for entry, picture in zip(report.entries, row, strict=True)
    )


def _heading(title: str, unit: str = "") -> str:
    return f"<th scope=col>{title}" + (f"<small>{unit}</small>" if unit else "") + "</th>"


def _body(report: Report, scope: str, rows: Sequence[Scores | None]) -> str:
    """The rows of one table: of all pictures, or of one."""
    best = {name: _best(measure, rows) for name, measure in MEASURES.items()}
    lines = []
    for entry, scores in zip(report.entries, rows, strict=True):
        cells = [f"<th scope=row>{text(entry.name)}<small>{_described(entry)}</small></th>"]
        cells += [f"<td>{cell}</td>" for cell in _speeds(entry)]
        for name, measure in MEASURES.items() if report.reference else ():
            value = None if scores is None else getattr(scores, name)
            if value is None:
                word = measure.undefined if scores else "-"
                cells.append(f'<td class="none">{word.replace("-", "&ndash;")}</td>')
            else:
                mark = ' class="best"' if value == best[name] else ""
                cells.append(f"<td{mark}>{measure.text(value)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    hidden = "" if scope == "mean" else " hidden"
    return f'<tbody data-scope="{scope}"{hidden}>{"".join(lines)}</tbody>'


def _best(measure: Measure, rows: Sequence[Scores | None]) -> float | None:
    """The value to be marked, where several are compared."""
    values = [value for row in rows if row and (value := getattr(row, measure.name)) is not None]
    return measure.nearest(values) if len(values) > 1 else None


def _described(entry: Entry) -> str:
    if entry.kind == REFERENCE:
        return "the original"
    return f"{entry.kind}, {entry.sha256[:12]}" if entry.sha256 else entry.kind


def _speeds(entry: Entry) -> tuple[str, str]:
    if entry.frames_per_second is None:
        return "&ndash;", "&ndash;"
    whole = "unknown" if entry.clip_seconds is None else format_time(entry.clip_seconds)
    return format_speed(entry.frames_per_second), whole


def _tables(report: Report) -> str:
    headings = [_heading("Result"), _heading("Speed", "frames/s"), _heading("Whole clip", "h:m:s")]
    if report.reference:
        headings += [_heading(each.title, each.unit) for each in MEASURES.values()]
    bodies = [_body(report, "mean", [entry.mean for entry in report.entries])]
    if report.reference:
        bodies += [
            _body(report, str(number), moment.scores)
            for number, moment in enumerate(report.moments)
        ]
    wide = ' class="full"' if report.reference else ""
    return f"<table{wide}><thead><tr>{''.join(headings)}</tr></thead>{''.join(bodies)}</table>"


def _note(report: Report) -> str:
    note = (
        f"Speed: the median of single frames on {text(report.device)}, from decoded samples to a "
        "picture in memory; decoding and encoding come on top. Each picture was computed after "
        f"{_run_ups(report)} frames before it in its shot."
    )
    if report.reference:
        note += (
            " Measured on these very pictures, in luma, against "
            f"<strong>{text(report.reference.name)}</strong>; the best of each column is marked, "
            "which for Gradient, Edge F1 and the SSIMs is the nearest to 1."
        )
    return note


def _run_ups(report: Report) -> str:
    found = sorted({moment.run_up for moment in report.moments})
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


SWITCH: Final = (
    '<div class="group" role="group" aria-label="Of which pictures">'
    '<button data-scope-button aria-pressed="true">All pictures</button>'
    '<button data-scope-button id="scope-one" aria-pressed="false">This picture</button></div>'
)


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
        pictures: PNG files, for each moment those of all candidates, turned as they are shown.
        thumbnails: a small PNG for each moment.
    """
    width, height = report.layout.shown_size
    data = {
        "names": [shown(entry.name) for entry in report.entries],
        "moments": len(report.moments),
        "width": width,
        "height": height,
    }
    body = BODY.format(
        title=text(report.clip.name),
        facts=text(facts(report)),
        options=_options(report.entries),
        strip=_strip(report, thumbnails),
        switch=SWITCH if report.reference and len(report.moments) > 1 else "",
        tables=_tables(report),
        note=_note(report),
        store=_store(report, pictures),
        data=json_text(data),
    )
    return document(title=f"{report.clip.name}: comparison", body=body, style=STYLE, script=SCRIPT)
