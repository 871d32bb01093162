"""The report: a page that holds everything itself, with true numbers and safe names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from animesr_cli.training.report import Examination, Report, curve, write_report
from animesr_cli.training.validation import HeldOut
from animesr_cli.writing.png import decode_png


def examination(psnr: float, shade: int) -> Examination:
    results = (torch.full((3, 3, 32, 48), shade, dtype=torch.uint8),)
    return Examination(scores={"psnr_y": psnr, "gradient_ratio": 1.2}, results=results)


def report() -> Report:
    window = HeldOut(
        name='a<b>"c.mp4 7',
        lr=torch.full((3, 3, 8, 12), 0.25),
        hr=torch.full((3, 3, 32, 48), 200, dtype=torch.uint8),
    )
    entries: list[dict[str, Any]] = [
        {"iteration": 0, "validation": {"psnr_y": 24.0}},
        {"iteration": 10, "loss": 0.5, "l1": 0.5, "lr": 1e-4, "gradient_norm": 0.1},
        {"iteration": 20, "validation": {"psnr_y": 25.0}},
    ]
    return Report(
        title="episodes <net>",
        iteration=20,
        iterations=50,
        facts={"command": "animesr finetune --data 'a & b'"},
        entries=entries,
        windows=[window],
        bicubic=examination(23.0, 10),
        before=examination(24.0, 20),
        after=examination(25.0, 30),
    )


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """It asks for no address, no file and no script from elsewhere."""
    write_report(tmp_path, report())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in page.replace('http-equiv="', "")


def test_names_cannot_steer_the_page(tmp_path: Path) -> None:
    """File names and commands are text, whatever characters they have."""
    write_report(tmp_path, report())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a&lt;b&gt;&quot;c.mp4 7" in page
    assert "<b>" not in page
    assert "&#x27;a &amp; b&#x27;" in page


def test_the_best_of_a_row_is_marked(tmp_path: Path) -> None:
    """The highest PSNR is; where all are alike, the first."""
    write_report(tmp_path, report())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td>23.00</td><td>24.00</td><td class="best">25.00</td>' in page
    assert "20 of 50" in page


def test_pictures_lie_beside_it(tmp_path: Path) -> None:
    """The middle frame of each version is a PNG of its own, of equal size, the input enlarged."""
    write_report(tmp_path, report())
    shades = {}
    for path in (tmp_path / "validation").iterdir():
        picture = decode_png(path.read_bytes())
        assert picture.shape == (3, 32, 48)
        shades[path.name] = int(picture.float().mean().round())
    assert shades == {
        "01-input.png": 64, "01-before.png": 20, "01-now.png": 30, "01-truth.png": 200,
    }  # fmt: skip


def test_it_is_written_again(tmp_path: Path) -> None:
    """A later report replaces the earlier one, pictures and all."""
    write_report(tmp_path, report())
    write_report(tmp_path, replace(report(), after=examination(26.0, 90), iteration=40))
    assert "40 of 50" in (tmp_path / "report.html").read_text(encoding="utf-8")
    picture = decode_png((tmp_path / "validation" / "01-now.png").read_bytes())
    assert int(picture[0, 0, 0]) == 90


# ---- curves --------------------------------------------------------------------------------------


def polyline(svg: str, name: str) -> list[tuple[float, float]]:
    (found,) = re.findall(rf'<polyline class="{name}" points="([^"]*)"', svg)
    return [(float(x), float(y)) for x, y in (point.split(",") for point in found.split())]


def test_a_curve_rises_with_its_values() -> None:
    """Later is further right, and more is further up."""
    points = polyline(curve("PSNR", [(0, 1.0), (5, 2.0), (10, 4.0)], {}), "line")
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_long_curves_are_thinned() -> None:
    """A hundred thousand points become a few hundred means."""
    svg = curve("loss", [(number, number % 2) for number in range(100_000)], {})
    points = polyline(svg, "line")
    assert 200 <= len(points) <= 400
    assert len({y for _, y in points}) == 1


@pytest.mark.parametrize(("level", "drawn"), [(1.5, True), (-40.0, False)])
def test_levels_far_away_are_left_out(level: float, drawn: bool) -> None:
    """A line to compare with is drawn where it leaves the curve something to show."""
    svg = curve("PSNR", [(0, 1.0), (10, 2.0)], {"before": level})
    assert ("before" in svg) == drawn


def test_what_is_not_finite_has_no_place() -> None:
    """NaN is left out; without any value there is no curve; one value is a dot."""
    assert curve("x", [(0, float("nan"))], {}) == ""
    assert "nan" not in curve("x", [(0, 1.0), (1, float("nan")), (2, 3.0)], {})
    assert "<circle" in curve("x", [(3, 1.0)], {})
