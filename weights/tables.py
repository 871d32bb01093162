"""Makes Markdown tables of measured figures, with what `base` must reach and whether it does.

A mean is over all pairs of a clip and a plan for which the measure is defined. Goals that are set
beside other networks (the peers) are judged where those are measured too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Rows = Sequence[Mapping[str, Any]]
"""One for each pair: clip, kind and number of the plan, and the scores by candidate."""
Means = Mapping[str, float]
"""By measure, and ``flicker_share``: the flicker over that of bicubic."""
Columns = Mapping[str, Means]
"""By candidate."""

BICUBIC: Final = "bicubic"
PEER: Final = "realesr-animevideov3"
PEERS: Final = (PEER, "AnimeSR_v2")
SMOOTH: Final = ("230-230_0249", "230-230_0300")
"""The clips, by the end of their names, that are soft by intent: bicubic is above 40 dB there."""
AT_ZERO: Final = "@0"
"""How the name of a column of strength 0 ends."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the first table."""

    title: str
    measure: str
    digits: int
    goal: str = ""
    is_reached: Callable[[Means, Columns], bool] | None = None
    """Of a candidate's own means and those of all columns; KeyError: a peer is not measured."""


def _above(measure: str, gain: float) -> Callable[[Means, Columns], bool]:
    return lambda own, columns: own[measure] >= columns[PEER][measure] + gain


def _better(measure: str, sign: int) -> Callable[[Means, Columns], bool]:
    """Than every peer; the sign is -1 where less is better."""
    return lambda own, columns: all(
        sign * own[measure] > sign * columns[peer][measure] for peer in PEERS
    )


LINES: Final = (
    Line(
        title="gradient energy (1 is the truth)",
        measure="gradient_ratio",
        digits=3,
        goal="0.80 to 1.05",
        is_reached=lambda own, columns: 0.80 <= own["gradient_ratio"] <= 1.05,
    ),
    Line(
        title="PSNR-Y, dB",
        measure="psnr_y",
        digits=2,
        goal=f"0.5 above {PEER}",
        is_reached=_above("psnr_y", 0.5),
    ),
    Line(
        title="SSIM-Y",
        measure="ssim_y",
        digits=4,
        goal=f"0.008 above {PEER}",
        is_reached=_above("ssim_y", 0.008),
    ),
    Line(
        title="flicker, codes",
        measure="flicker",
        digits=3,
        goal=f"at most 0.92 of {PEER}'s",
        is_reached=lambda own, columns: own["flicker"] <= 0.92 * columns[PEER]["flicker"],
    ),
    Line(title="flicker, share of bicubic's", measure="flicker_share", digits=3),
    Line(
        title="MS-SSIM",
        measure="ms_ssim",
        digits=4,
        goal="above both peers",
        is_reached=_better("ms_ssim", 1),
    ),
    Line(
        title="GMSD (0 is best)",
        measure="gmsd",
        digits=4,
        goal="below both peers",
        is_reached=_better("gmsd", -1),
    ),
    Line(
        title="edge F1",
        measure="edge_f1",
        digits=4,
        goal="above both peers",
        is_reached=_better("edge_f1", 1),
    ),
    Line(
        title="overshoot, codes",
        measure="overshoot",
        digits=3,
        goal="below both peers",
        is_reached=_better("overshoot", -1),
    ),
    Line(
        title="flat-area noise, codes",
        measure="flat_noise",
        digits=3,
        goal="below both peers",
        is_reached=_better("flat_noise", -1),
    ),
)


# ---- means ---------------------------------------------------------------------------------------


def means(rows: Rows, name: str) -> dict[str, float]:
    """The means of one candidate; NaN where a measure is defined nowhere."""
    measures = rows[0]["scores"][name]
    result = {measure: _mean(rows, name, measure) for measure in measures}
    return result | {"flicker_share": result["flicker"] / _mean(rows, BICUBIC, "flicker")}


def _mean(rows: Rows, name: str, measure: str) -> float:
    values = [row["scores"][name][measure] for row in rows]
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else math.nan


def grouped(rows: Rows, key: Callable[[Mapping[str, Any]], str]) -> dict[str, list[Any]]:
    """The rows by what the key says of each, in order."""
    result: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        result.setdefault(key(row), []).append(row)
    return result


def by_clip(rows: Rows) -> dict[str, list[Any]]:
    return grouped(rows, lambda row: row["clip"])


def _is_below(rows: Rows, name: str) -> bool:
    return any(
        _mean(rows, name, measure) < _mean(rows, BICUBIC, measure)
        for measure in ("psnr_y", "ssim_y")
    )


def pairs_below(rows: Rows, name: str) -> list[tuple[str, int]]:
    """Clip and plan of all pairs for which bicubic is nearer to the truth."""
    return [(row["clip"], row["plan"]) for row in rows if _is_below([row], name)]


def clips_below(rows: Rows, name: str) -> list[str]:
    """Clips for which bicubic is nearer to the truth in the mean of their plans."""
    return [clip for clip, own in by_clip(rows).items() if _is_below(own, name)]


def scenes_below(rows: Rows, name: str) -> list[str]:
    """Scenes for which bicubic is nearer in the mean of all their pairs, without the smooth clips.

    Clips are called <title>-<scene>-<source>_<first frame>.
    """
    lively = [row for row in rows if not row["clip"].endswith(SMOOTH)]
    scenes = grouped(lively, lambda row: row["clip"].rsplit("_", 1)[0])
    return [scene for scene, own in scenes.items() if _is_below(own, name)]


# ---- the table of all measures -------------------------------------------------------------------


def _verdict(line: Line, own: Means, columns: Columns) -> str:
    if line.is_reached is None:
        return ""
    try:
        return " (reached)" if line.is_reached(own, columns) else " (missed)"
    except KeyError:
        return ""


def summary(rows: Rows, names: Sequence[str], *, judged: bool = True) -> list[str]:
    """The table of all measures, each with its goal and what each candidate makes of it."""
    columns = {name: means(rows, name) for name in names}
    lines = [_cells("", *names, "goal"), "|---" * (len(names) + 2) + "|"]
    for line in LINES:
        cells = []
        for name in names:
            is_judged = judged and name != BICUBIC and name not in PEERS
            verdict = _verdict(line, columns[name], columns) if is_judged else ""
            cells.append(f"{columns[name][line.measure]:.{line.digits}f}{verdict}")
        lines.append(_cells(line.title, *cells, line.goal))
    if judged:
        lines += _lines_below(rows, names)
    return lines


def _lines_below(rows: Rows, names: Sequence[str]) -> list[str]:
    """What bicubic is nearer to the truth for: pairs, clips, and scenes."""
    models = [name for name in names if name != BICUBIC]
    counts = [str(len(pairs_below(rows, name))) for name in models]
    clips, scenes = [], []
    for name in models:
        below = clips_below(rows, name)
        cell = ", ".join(below) or "none"
        if name.endswith(AT_ZERO):
            cell += " (missed)" if below else " (reached)"
        clips.append(cell)
        below = scenes_below(rows, name)
        cell = ", ".join(below) or "none"
        if name not in PEERS:
            cell += " (missed)" if below else " (reached)"
        scenes.append(cell)
    return [
        _cells("scenes below bicubic, the two smooth clips left out", "", *scenes, "none"),
        _cells("clips below bicubic", "", *clips, "none at strength 0"),
        _cells("pairs below bicubic", "", *counts, ""),
    ]


# ---- each clip -----------------------------------------------------------------------------------


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
    """All pairs with goals; then each kind of plan, where there are several; then each clip."""
    parts = [summary(rows, names)]
    kinds = grouped(rows, lambda row: row["kind"])
    if len(kinds) > 1:
        for kind, own in kinds.items():
            parts.append([f"{len(own)} pairs of {kind}:"])
            parts.append(summary(own, names, judged=False))
    if len(names) > 1:
        parts.append(clip_table(rows, names))
    return "\n\n".join("\n".join(lines) for lines in parts)
