"""A training run as one page: curves, scores, and the held-out part before and after.

The page needs nothing beside it: curves are SVG and pictures are PNG, all inside the file. It knows
scores by their names, and not how they came about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor
from torch.nn import functional

from animesr_cli.atomic_files import explained
from animesr_cli.metrics.measures import L1, MEASURES, Measure
from animesr_cli.pages.html import document, text
from animesr_cli.training.state import PICTURES_FOLDER, REPORT_FILE, write_file
from animesr_cli.training.validation import HeldOut
from animesr_cli.writing.png import data_uri, encode_png

WIDTH, HEIGHT = 420, 180
"""Of a curve, in CSS pixels."""
MARGIN: Final = (52, 8, 10, 24)
"""Left, right, top, bottom: for the labels."""
MOST_POINTS: Final = 400
"""Of a curve; what is more is averaged."""

SCORES: Final = {**MEASURES, L1.name: L1}
VALIDATION_CURVES: Final = ("psnr_y", "ssim_y", "gradient_ratio", "flicker")
TRAINING_CURVES: Final[Mapping[str, str]] = {
    "l1": "L1", "perceptual": "perceptual", "gan": "adversarial", "discriminator": "discriminator",
    "matching": "matching", "gradient": "gradient", "frequency": "frequency",
    "temporal": "temporal", "held": "held frames", "anchor": "anchor",
    "anchor_clean": "anchor of the clean frames",
    "gradient_norm": "norm of the gradient", "lr": "learning rate",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What something makes of the held-out part."""

    scores: Mapping[str, float]
    """Means over the windows."""
    results: tuple[Tensor, ...]
    """For each window (T, 3, sh, sw) uint8."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that the page shows."""

    title: str
    iteration: int
    iterations: int
    facts: Mapping[str, str]
    entries: Sequence[Mapping[str, Any]]
    """Of the log."""
    windows: Sequence[HeldOut]
    bicubic: Examination
    before: Examination
    after: Examination


# ---- curves --------------------------------------------------------------------------------------


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many points, each the mean of as many neighbours."""
    step = -(-len(points) // MOST_POINTS) or 1
    groups = [points[start : start + step] for start in range(0, len(points), step)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def _number(value: float) -> str:
    return f"{value:.4g}"


def _is_near(level: float, values: Sequence[float]) -> bool:
    """Whether a line at this height leaves something to see of the values."""
    low, high = min(values), max(values)
    return low - 3 * (high - low) <= level <= high + 3 * (high - low)


def curve(title: str, points: Sequence[tuple[float, float]], levels: Mapping[str, float]) -> str:
    """A line of (iteration, value), with horizontal lines to compare with, as SVG."""
    points = [(x, y) for x, y in points if math.isfinite(y)]
    if not points:
        return ""
    line = _thinned(points)
    values = [y for _, y in line]
    levels = {name: level for name, level in levels.items() if _is_near(level, values)}
    values += levels.values()
    low, high = min(values), max(values)
    pad = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high = low - pad, high + pad
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    left, right, top, bottom = MARGIN
    wide, tall = WIDTH - left - right, HEIGHT - top - bottom

    def place(x: float, y: float) -> str:
        across = left + wide * (x - first) / (last - first)
        return f"{across:.1f},{top + tall * (high - y) / (high - low):.1f}"

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)}">']
    for share in (0.0, 0.5, 1.0):
        y = low + (high - low) * share
        parts.append(f'<polyline class="grid" points="{place(first, y)} {place(last, y)}"/>')
        height = top + tall * (1 - share) + 4
        parts.append(f'<text x="{left - 5}" y="{height:.0f}" class="y">{_number(y)}</text>')
    for name, level in levels.items():
        ends = f"{place(first, level)} {place(last, level)}"
        parts.append(f'<polyline class="level {name}" points="{ends}">')
        parts.append(f"<title>{text(name)}: {_number(level)}</title></polyline>")
    joined = " ".join(place(x, y) for x, y in line)
    parts.append(f'<polyline class="line" points="{joined}"/>')
    if len(line) == 1:
        across, down = place(*line[0]).split(",")
        parts.append(f'<circle cx="{across}" cy="{down}" r="3"/>')
    parts.append(f'<text x="{left}" y="{HEIGHT - 8}">{first:.0f}</text>')
    parts.append(f'<text x="{WIDTH - right}" y="{HEIGHT - 8}" class="y">{last:.0f}</text>')
    return "".join([*parts, "</svg>"])


def _figure(title: str, picture: str) -> str:
    return f"<figure><figcaption>{text(title)}</figcaption>{picture}</figure>" if picture else ""


def _validation_curves(report: Report) -> str:
    found = [(e["iteration"], e["validation"]) for e in report.entries if "validation" in e]
    figures = []
    for name in VALIDATION_CURVES:
        points = [(iteration, scores[name]) for iteration, scores in found if name in scores]
        known = (("before", report.before.scores), ("bicubic", report.bicubic.scores))
        levels = {label: scores[name] for label, scores in known if name in scores}
        figures.append(_figure(SCORES[name].heading, curve(SCORES[name].heading, points, levels)))
    return "".join(figures)


def _training_curves(report: Report) -> str:
    figures = []
    for name, title in TRAINING_CURVES.items():
        points = [(e["iteration"], e[name]) for e in report.entries if name in e]
        figures.append(_figure(title, curve(title, points, {})))
    return "".join(figures)


# ---- scores --------------------------------------------------------------------------------------


def _table(report: Report) -> str:
    columns = {"bicubic": report.bicubic, "before": report.before, "now": report.after}
    rows = []
    for name, measure in SCORES.items():
        values = [column.scores.get(name) for column in columns.values()]
        nearest = measure.nearest(values)
        if nearest is not None:
            cells = "".join(_cell(measure, value, value == nearest) for value in values)
            rows.append(f"<tr><th>{text(measure.heading)}</th>{cells}</tr>")
    head = "".join(f"<th>{name}</th>" for name in columns)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _cell(measure: Measure, value: float | None, best: bool) -> str:
    shown = "" if value is None else measure.text(value)
    return f'<td class="best">{shown}</td>' if best else f"<td>{shown}</td>"


# ---- pictures ------------------------------------------------------------------------------------


def _middle_pictures(report: Report, number: int) -> dict[str, bytes]:
    """The middle frame of a window in every version, as PNG files by name."""
    window = report.windows[number]
    middle = len(window.hr) // 2
    lr = window.lr[middle].mul(255).round_().byte()
    versions = {
        "input": functional.interpolate(lr[None], window.hr.shape[-2:], mode="nearest")[0],
        "before": report.before.results[number][middle],
        "now": report.after.results[number][middle],
        "truth": window.hr[middle],
    }
    return {name: encode_png(picture) for name, picture in versions.items()}


def _strip(report: Report, number: int, pictures: Mapping[str, bytes]) -> str:
    figures = "".join(
        f'<figure><figcaption>{name}</figcaption><img alt="{name}" src="{data_uri(png)}"></figure>'
        for name, png in pictures.items()
    )
    return f'<h3>{text(report.windows[number].name)}</h3><div class="strip">{figures}</div>'


# ---- the page ------------------------------------------------------------------------------------

_STYLE: Final = """
body { max-width: 1120px; margin: 0 auto; padding: 24px 16px 64px }
h2 { margin: 36px 0 8px } h3 { font-size: 14px; margin: 18px 0 4px; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 12px 0 0 }
dt, figcaption, p { color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere }
figure { margin: 0; min-width: 0 } figcaption { font-size: 13px }
.curves { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)) }
.curves figure { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: 8px 10px 2px }
svg { width: 100%; height: auto; display: block } svg text { font-size: 11px; fill: var(--quiet) }
svg .y { text-anchor: end } .line { fill: none; stroke: var(--accent); stroke-width: 1.6 }
circle { fill: var(--accent) } .grid { stroke: var(--line) } .level { stroke-dasharray: 5 4 }
.before { stroke: #d9822b; color: #d9822b } .bicubic { stroke: var(--quiet) }
table { border-collapse: collapse; margin: 8px 0; background: var(--panel) }
td, th { padding: 3px 14px; text-align: right; border: 1px solid var(--line) }
th { font-weight: 600 } th:first-child { text-align: left; font-weight: normal }
.best { font-weight: 650; color: var(--accent) }
.strip { display: grid; gap: 6px; grid-template-columns: repeat(4, 1fr); cursor: zoom-in }
.strip img { width: 100%; display: block; image-rendering: pixelated }
.large { grid-template-columns: repeat(2, 1fr); cursor: zoom-out }
"""
_SCRIPT: Final = """
for (const strip of document.querySelectorAll(".strip"))
  strip.addEventListener("click", () => strip.classList.toggle("large"));
"""


def page(report: Report, pictures: Sequence[Mapping[str, bytes]]) -> str:
    """The HTML of the report."""
    facts = {"iteration": f"{report.iteration} of {report.iterations}", **report.facts}
    listed = "".join(f"<dt>{text(name)}</dt><dd>{text(fact)}</dd>" for name, fact in facts.items())
    strips = "".join(_strip(report, number, each) for number, each in enumerate(pictures))
    body = (
        f"<h1>{text(report.title)}</h1><dl>{listed}</dl>"
        f"<h2>Held-out part</h2><p>{len(report.windows)} windows that are never learned from, "
        f"degraded by fixed plans. Nearest to the best is bold.</p>{_table(report)}"
        '<p>Dashed: <span class="before">before</span> and bicubic.</p>'
        f'<div class="curves">{_validation_curves(report)}</div>'
        f"<h2>Pictures</h2><p>The middle frame of each window; a click enlarges.</p>{strips}"
        f'<h2>Training</h2><div class="curves">{_training_curves(report)}</div>'
    )
    return document(title=report.title, body=body, style=_STYLE, script=_SCRIPT)


def write_report(folder: Path, report: Report) -> None:
    """Write the page, and the pictures as files of their own.

    Raises:
        DiskFullError, OutputError: what was there before is untouched.
    """
    pictures = [_middle_pictures(report, number) for number in range(len(report.windows))]
    place = folder / PICTURES_FOLDER
    with explained(place):
        place.mkdir(exist_ok=True)
    for number, versions in enumerate(pictures, 1):
        for name, png in versions.items():
            write_file(place / f"{number:02}-{name}.png", png)
    write_file(folder / REPORT_FILE, page(report, pictures).encode())
