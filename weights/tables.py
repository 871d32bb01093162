"""Makes Markdown tables of measured figures, beside what a shipped checkpoint must reach.

A mean is over all pairs of a clip and a plan for which the measure is defined. It knows the goals
of `base` and nothing of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Rows = Sequence[Mapping[str, Any]]
Means = Mapping[str, float]
"""By measure, and ``flicker_share``: the flicker over that of bicubic."""

BICUBIC: Final = "bicubic"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the first table."""

    title: str
    measure: str
    digits: int
    goal: str = ""
    is_reached: Callable[[Means, Means], bool] = lambda own, bicubic: True
    """Of the means of a candidate and of bicubic."""


LINES: Final = (
    Line(
        title="PSNR-Y, dB",
        measure="psnr_y",
        digits=2,
        goal="+2.0 over bicubic",
        is_reached=lambda own, bicubic: own["psnr_y"] >= bicubic["psnr_y"] + 2.0,
    ),
    Line(
        title="SSIM-Y",
        measure="ssim_y",
        digits=4,
        goal="+0.045 over bicubic",
        is_reached=lambda own, bicubic: own["ssim_y"] >= bicubic["ssim_y"] + 0.045,
    ),
    Line(title="MS-SSIM", measure="ms_ssim", digits=4),
    Line(title="GMSD (0 is best)", measure="gmsd", digits=4),
    Line(
        title="gradient energy (1 is the truth)",
        measure="gradient_ratio",
        digits=3,
        goal="0.85 to 1.05",
        is_reached=lambda own, bicubic: 0.85 <= own["gradient_ratio"] <= 1.05,
    ),
    Line(title="flicker, codes", measure="flicker", digits=3),
    Line(
        title="flicker, share of bicubic's",
        measure="flicker_share",
        digits=3,
        goal="at most 0.70",
        is_reached=lambda own, bicubic: own["flicker_share"] <= 0.70,
    ),
    Line(
        title="edge F1",
        measure="edge_f1",
        digits=4,
        goal="above bicubic",
        is_reached=lambda own, bicubic: own["edge_f1"] > bicubic["edge_f1"],
    ),
    Line(
        title="overshoot, codes",
        measure="overshoot",
        digits=3,
        goal="below bicubic",
        is_reached=lambda own, bicubic: own["overshoot"] < bicubic["overshoot"],
    ),
    Line(
        title="flat-area noise, codes",
        measure="flat_noise",
        digits=3,
        goal="below bicubic",
        is_reached=lambda own, bicubic: own["flat_noise"] < bicubic["flat_noise"],
    ),
)


def means(rows: Rows, name: str) -> dict[str, float]:
    """The means of one candidate; NaN where a measure is defined nowhere."""
    measures = rows[0]["scores"][name]
    result = {measure: _mean(rows, name, measure) for measure in measures}
    return result | {"flicker_share": result["flicker"] / _mean(rows, BICUBIC, "flicker")}


def _mean(rows: Rows, name: str, measure: str) -> float:
    values = [row["scores"][name][measure] for row in rows]
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else math.nan


def summary(rows: Rows, names: Sequence[str]) -> list[str]:
    """The table of all measures; a cell is marked where a goal is missed."""
    of = {name: means(rows, name) for name in names}
    models = [name for name in names if name != BICUBIC]
    lines = [_cells("", BICUBIC, *models, "`base` must reach"), "|---" * (len(models) + 3) + "|"]
    for line in LINES:
        cells = [f"{of[BICUBIC][line.measure]:.{line.digits}f}"]
        for name in models:
            text = f"{of[name][line.measure]:.{line.digits}f}"
            if "over bicubic" in line.goal:
                gain = of[name][line.measure] - of[BICUBIC][line.measure]
                text += f" ({gain:+.{line.digits}f})"
            cells.append(text if line.is_reached(of[name], of[BICUBIC]) else f"{text} (missed)")
        lines.append(_cells(line.title, *cells, line.goal))
    worse = [str(len(pairs_below(rows, name))) for name in models]
    lines.append(_cells("pairs below bicubic in PSNR-Y or SSIM-Y", "", *worse, ""))
    below = [", ".join(clips_below(rows, name)) or "none" for name in models]
    lines.append(_cells("clips below bicubic in PSNR-Y or SSIM-Y", "", *below, "none"))
    return lines


def pairs_below(rows: Rows, name: str) -> list[tuple[str, int]]:
    """Clip and plan of all pairs for which bicubic is nearer to the truth."""
    return [(row["clip"], row["plan"]) for row in rows if _is_below([row], name)]


def clips_below(rows: Rows, name: str) -> list[str]:
    """Clips for which bicubic is nearer to the truth in the mean of their plans."""
    return [clip for clip, own in by_clip(rows).items() if _is_below(own, name)]


def _is_below(rows: Rows, name: str) -> bool:
    return any(
        _mean(rows, name, measure) < _mean(rows, BICUBIC, measure)
        for measure in ("psnr_y", "ssim_y")
    )


def by_clip(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    result: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        result.setdefault(row["clip"], []).append(row)
    return result


def clip_table(rows: Rows, names: Sequence[str]) -> list[str]:
    """Each clip, in the mean of its plans; the candidates' figures are beside bicubic's."""
    models = [name for name in names if name != BICUBIC]
    titles = ("PSNR-Y", "SSIM-Y", "gradient", "flicker share")
    head = [f"{title} {name}" for name in models for title in titles]
    lines = [_cells("clip", "PSNR-Y", "SSIM-Y", "gradient", *head)]
    lines.append("|---" * (len(head) + 4) + "|")
    for clip, own in by_clip(rows).items():
        base = means(own, BICUBIC)
        cells = [f"{base['psnr_y']:.2f}", f"{base['ssim_y']:.4f}", f"{base['gradient_ratio']:.3f}"]
        for name in models:
            of = means(own, name)
            cells += [
                f"{of['psnr_y'] - base['psnr_y']:+.2f}",
                f"{of['ssim_y'] - base['ssim_y']:+.4f}",
                f"{of['gradient_ratio']:.3f}",
                f"{of['flicker_share']:.3f}",
            ]
        lines.append(_cells(clip, *cells))
    return lines


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def markdown(rows: Rows, names: Sequence[str]) -> str:
    """Both tables; without a model the first alone."""
    parts = [summary(rows, names)]
    if len(names) > 1:
        parts.append(clip_table(rows, names))
    return "\n\n".join("\n".join(lines) for lines in parts)
