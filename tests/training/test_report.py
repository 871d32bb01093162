"""The report: a page that holds everything itself, with true numbers and safe names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from animesr_cli.training.report import TrainingReport, write_report
from animesr_cli.training.validation import Examination, HeldOut
from browser import chromium
from looks import assert_looks_well
from pictures import decode_png


def examination(psnr: float, shade: int) -> Examination:
    results = (torch.full((3, 3, 32, 48), shade, dtype=torch.uint8),)
    return Examination(scores={"psnr_y": psnr, "gradient_ratio": 1.2}, results=results)


def report() -> TrainingReport:
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
    return TrainingReport(
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
    assert "a&lt;b&gt;&#34;c.mp4 7" in page
    assert "<b>" not in page
    assert "&#39;a</span> <span>&amp;</span> <span>b&#39;" in page


def test_the_best_of_a_row_is_marked(tmp_path: Path) -> None:
    """The highest PSNR is; where all read alike, none."""
    write_report(tmp_path, report())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td>23.00</td><td>24.00</td><td class="best">25.00</td>' in page
    assert "<td>1.200</td><td>1.200</td><td>1.200</td>" in page
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


@pytest.mark.slow
def test_it_looks_well(tmp_path: Path) -> None:
    """On a phone and a desk, light and dark: nothing is cut off; a click or a key enlarges."""
    entries = [
        {"iteration": n, "l1": 1e-5 * n, "validation": {"psnr_y": 24.5 + n / 1e5}}
        for n in range(0, 5000, 100)
    ]
    long_name = replace(report().windows[0], name="a_very_long_name_" * 12)
    write_report(tmp_path, replace(report(), entries=entries, windows=[long_name]))
    path = tmp_path / "report.html"
    with chromium() as browser:
        words = ("h1", ".facts", "dt", "dd", "thead th:nth-child(2)", "td.best", ".legend", "h3")
        assert_looks_well(browser, path, words)
        page = browser.open(path, width=1280, height=800)
        width = "document.querySelector('.versions img').getBoundingClientRect().width"
        before = page.evaluate(width)
        page.click(".versions img")
        assert page.evaluate(width) > before
        assert page.evaluate("document.getElementById('larger').ariaPressed") == "true"
        page.evaluate("document.getElementById('larger').focus()")
        page.key("Enter")
        assert page.evaluate(width) == before
