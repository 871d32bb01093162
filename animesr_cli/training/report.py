"""A training run as one page: curves, scores, and the held-out part before and after.

``report.html`` is the template; the pictures are also written as files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch.nn import functional

from animesr_cli.atomic_files import explained, write_file
from animesr_cli.metrics.measures import L1, MEASURES
from animesr_cli.pages.chart import Chart, chart, curves
from animesr_cli.pages.html import render
from animesr_cli.text import counted
from animesr_cli.training.state import PICTURES_FOLDER, REPORT_FILE
from animesr_cli.training.validation import Examination, HeldOut
from animesr_cli.video.colour import to_bytes
from animesr_cli.writing.png import encode_png

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
class TrainingReport:
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


# ---- curves and scores ---------------------------------------------------------------------------


def _validation_curves(report: TrainingReport) -> Iterator[Chart | None]:
    measured = [(e["iteration"], e["validation"]) for e in report.entries if "validation" in e]
    known = {"before": report.before.scores, "bicubic": report.bicubic.scores}
    for name in VALIDATION_CURVES:
        points = [(iteration, scores[name]) for iteration, scores in measured if name in scores]
        levels = {label: scores[name] for label, scores in known.items() if name in scores}
        yield chart(SCORES[name].heading, points, levels, digits=SCORES[name].digits)


def _score_rows(columns: Sequence[Examination]) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """Each measure's heading and cells: its text, and whether it is the best of the row."""
    for name, measure in SCORES.items():
        values = [column.scores.get(name) for column in columns]
        texts = ["" if value is None else measure.text(value) for value in values]
        if any(texts):
            yield measure.heading, list(zip(texts, measure.marks(values), strict=True))


# ---- pictures ------------------------------------------------------------------------------------


def _middle_pictures(report: TrainingReport, number: int) -> dict[str, bytes]:
    """The middle frame of a window in every version, as PNG files by name."""
    window = report.windows[number]
    middle = len(window.hr) // 2
    lr = to_bytes(window.lr[middle])
    versions = {
        "input": functional.interpolate(lr[None], window.hr.shape[-2:], mode="nearest")[0],
        "before": report.before.results[number][middle],
        "now": report.after.results[number][middle],
        "truth": window.hr[middle],
    }
    return {name: encode_png(picture) for name, picture in versions.items()}


# ---- the page ------------------------------------------------------------------------------------


def page(report: TrainingReport, pictures: Sequence[Mapping[str, bytes]]) -> str:
    """The HTML of the report; ``pictures`` has the PNG files of each window by version."""
    columns = {"bicubic": report.bicubic, "before": report.before, "now": report.after}
    return render(
        "training/report.html",
        title=report.title,
        report=report,
        windows=counted(len(report.windows), "window"),
        columns=columns,
        scores=list(_score_rows([*columns.values()])),
        validation=[each for each in _validation_curves(report) if each],
        training=curves(TRAINING_CURVES, report.entries),
        pictures=pictures,
    )


def write_report(folder: Path, report: TrainingReport) -> None:
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
