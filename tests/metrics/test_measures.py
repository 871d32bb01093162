"""The table of measures: one name, one unit and one rule of what is best for each."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from animesr_cli.metrics.measures import L1, MEASURES, Scores


def test_the_table_has_every_score_in_order() -> None:
    """A score without a row would be shown nowhere."""
    assert list(MEASURES) == [field.name for field in fields(Scores)]
    assert L1.name not in MEASURES


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("psnr_y", (30.0, 31.0, None), 31.0),
        ("gmsd", (0.2, 0.1), 0.1),
        ("gradient_ratio", (0.5, 1.9), 1.9),  # twice as steep is nearer than half
        ("gradient_ratio", (0.0, 3.0), 3.0),
        ("ssim_y", (None, None), None),
    ],
)
def test_the_best_value(name: str, values: tuple[float | None, ...], best: float | None) -> None:
    """High, zero or one, each by its own rule; what is not defined is never the best."""
    assert MEASURES[name].nearest(values) == best


def test_what_reads_like_the_best_is_marked() -> None:
    """Two that read alike are both the best, and where all read alike none is."""
    psnr = MEASURES["psnr_y"]
    assert psnr.marks([24.971, 24.974, 23.0, None]) == [True, True, False, False]
    assert psnr.marks([24.971, 24.974]) == [False, False]
    assert psnr.marks([24.971, None]) == [False, False]
    assert psnr.marks([40.0, math.inf]) == [False, True]
    assert psnr.marks([None]) == [False]


def test_values_are_told_in_a_few_words() -> None:
    """With the measure's name and unit; a word needs no unit."""
    assert MEASURES["psnr_y"].in_words(31.2) == "PSNR-Y 31.20 dB"
    assert MEASURES["psnr_y"].in_words(None) == "PSNR-Y identical"
    assert MEASURES["ssim_y"].in_words(0.5) == "SSIM-Y 0.5000"


def test_values_are_shown_alike() -> None:
    """The digits and the word for what is not defined belong to the measure."""
    assert MEASURES["psnr_y"].text(31.416) == "31.42"
    assert MEASURES["psnr_y"].text(None) == "identical"
    assert MEASURES["flicker"].text(None) == "-"
    assert MEASURES["flicker"].heading == "flicker, codes"
    assert MEASURES["ssim_y"].heading == "SSIM-Y"
