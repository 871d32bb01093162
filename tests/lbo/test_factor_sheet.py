"""The sheet of factors: its pictures are the results, its page needs nothing, a click tells."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from animesr_cli.errors import OutputError
from animesr_cli.lbo import learn
from animesr_cli.lbo.factor_sheet import (
    GAP_PX,
    HEAD_PX,
    enlarged,
    sheet_html,
    sheet_paths,
    sheet_png,
)
from animesr_cli.lbo.factor_sweep import FactorStatistics, Sweep, TriedPatch
from animesr_cli.lbo.learn import choose_factor
from animesr_cli.lbo.ranking import factor_text
from animesr_cli.settings import LearnSettings
from browser import Browser, Page, chromium
from command import snapshot
from looks import assert_looks_well
from pictures import decode_png

FACTORS = (0.3, 0.5, 1.0)
SIDE = 24


def picture(seed: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def tried() -> Sweep:
    """Two patches by three factors; 0.5 is the best."""
    patches = tuple(
        TriedPatch(
            seconds=61.5 * number,
            lr=picture(10 * number, SIDE),
            results=tuple(picture(10 * number + n, 2 * SIDE) for n in (1, 2, 3)),
        )
        for number in (1, 2)
    )
    ranking = tuple(
        FactorStatistics(factor=factor, flat_energy=1.0, overshoot=0.5, sharpness=sharpness)
        for factor, sharpness in ((0.5, 1.5), (1.0, 1.25), (0.3, 0.75))
    )
    return Sweep(
        clip=Path("my <b>clip & \"co\".mkv"), model="base", factors=FACTORS,
        patches=patches, ranking=ranking,
    )  # fmt: skip


def commands() -> dict[str, str]:
    return {factor_text(f): f"animesr learn-lbo 'a </script> & b.mkv' -f {f}" for f in FACTORS}


def test_the_picture_is_the_grid_at_100_percent(tried: Sweep) -> None:
    """Every result is in it, pixel for pixel, a row for each patch, the input first."""
    sheet = decode_png(sheet_png(tried))
    step = 2 * SIDE + GAP_PX
    assert sheet.shape == (3, HEAD_PX + 2 * step - GAP_PX, 4 * step - GAP_PX)
    for row, patch in enumerate(tried.patches):
        for column, expected in enumerate((enlarged(patch.lr), *patch.results)):
            top, left = HEAD_PX + row * step, column * step
            assert torch.equal(sheet[:, top : top + 2 * SIDE, left : left + 2 * SIDE], expected)


def test_the_best_factor_is_marked_in_the_picture(tried: Sweep) -> None:
    """Its heading alone is written in the colour of the best."""
    sheet = decode_png(sheet_png(tried))[:, :HEAD_PX]
    yellow = (sheet[0].int() - sheet[2].int()) > 60
    step = 2 * SIDE + GAP_PX
    marked = [bool(yellow[:, n * step : (n + 1) * step].any()) for n in range(4)]
    assert marked == [False, False, True, False]


def test_the_page_holds_every_picture_and_asks_for_nothing(tried: Sweep) -> None:
    """Its images are the results themselves; no address is in it; names from outside are text."""
    page = sheet_html(tried, commands())
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    expected = [each for p in tried.patches for each in (enlarged(p.lr), *p.results)]
    assert len(sources) == len(expected) == 8
    for source, result in zip(sources, expected, strict=True):
        assert torch.equal(decode_png(base64.b64decode(source)), result)
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "://" not in re.sub(r"data:[^\"]+", "", page)
    assert "<b>clip" not in page
    assert page.count("</script>") == 2


@pytest.mark.parametrize(
    ("factor", "text"), [(0.5, "0.5"), (1.0, "1.0"), (0.1 + 0.2, "0.3"), (0.45, "0.45")]
)
def test_factors_are_written_as_people_do(factor: float, text: str) -> None:
    """One digit where that says it all."""
    assert factor_text(round(factor, 10)) == text


def never_asked(best: float) -> float | None:
    raise AssertionError(best)


def chosen(
    clip: Path, output: Path, command: str, *, overwrite: bool = False
) -> list[tuple[Path, Path]]:
    """Where the sheet of ``--sweep-only`` was said to be."""
    told: list[tuple[Path, Path]] = []
    found = choose_factor(
        clip, output, LearnSettings(sweep_only=True, overwrite=overwrite), command.format,
        model="base", warn=pytest.fail, listen=lambda: None, on_trial=lambda done, total: None,
        on_sweep=lambda _, page, picture: told.append((page, picture)), choose=never_asked,
    )  # fmt: skip
    assert found is None
    return told


def test_the_sheet_is_two_files_beside_the_operator(
    tmp_path: Path, own_clip: Path, tried: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page and a picture; existing ones are refused before anything is tried."""
    calls: list[Path] = []

    def fake(clip: Path, **_: object) -> Sweep:
        calls.append(clip)
        return tried

    monkeypatch.setattr(learn, "sweep", fake)
    output = tmp_path / "dvd.safetensors"
    assert chosen(own_clip, output, "run {}") == [sheet_paths(output)]
    page, image = sheet_paths(output)
    assert {path.name for path in tmp_path.iterdir()} == {"dvd_sheet.html", "dvd_sheet.png"}
    assert (page.name, image.name) == ("dvd_sheet.html", "dvd_sheet.png")
    assert "run 0.5" in page.read_text()
    before = snapshot(tmp_path)
    with pytest.raises(OutputError, match="exists"):
        chosen(own_clip, output, "run {}")
    assert snapshot(tmp_path) == before
    assert calls == [own_clip]
    chosen(own_clip, output, "again {}", overwrite=True)
    assert "again 0.5" in page.read_text()


# ---- in a real browser ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, tried: Sweep, tmp_path: Path) -> Page:
    path = tmp_path / "sheet.html"
    path.write_text(sheet_html(tried, commands()), encoding="utf-8")
    return browser.open(path, width=900, height=700)


SIZES = (
    "[...document.querySelectorAll('.pictures img')]"
    ".map(i => [i.naturalWidth, i.getBoundingClientRect().width * devicePixelRatio,"
    " i.getBoundingClientRect().height * devicePixelRatio])"
)


@pytest.mark.slow
def test_pictures_are_shown_at_100_percent_and_zoom(page: Page) -> None:
    """One image pixel is one of the screen; 400 % is four, for all of them at once."""
    assert page.evaluate(SIZES) == [[48, 48, 48]] * 8
    page.click("[data-zoom='4']")
    assert page.evaluate(SIZES) == [[48, 192, 192]] * 8
    page.click("[data-zoom='1']")
    assert page.evaluate(SIZES) == [[48, 48, 48]] * 8
    assert page.problems == []


@pytest.mark.slow
def test_a_click_shows_the_command(page: Page) -> None:
    """The one of the picture's factor, word for word; headings do it too, and so does a key."""
    for factor in ("0.3", "0.5", "1.0"):
        page.click(f".pictures [data-factor='{factor}']")
        assert page.text("#command") == commands()[factor]
        chosen = page.evaluate(
            "[...document.querySelectorAll('.chosen')].map(e => e.dataset.factor)"
        )
        assert chosen == [factor] * (3 if factor == "0.5" else 2)  # patches; the first ranked
    page.click("header [data-factor]")
    assert page.text("#command") == commands()["0.5"]
    page.evaluate("document.querySelector('.pictures [data-factor=\"0.3\"]').focus()")
    page.key("Enter")
    assert page.text("#command") == commands()["0.3"]
    assert page.problems == []


@pytest.mark.slow
def test_the_command_can_be_copied(page: Page) -> None:
    """By the button; where the browser does not let it, the text is marked for the keyboard."""
    page.click(".pictures [data-factor='0.5']")
    page.click("#copy")
    page.wait_until("document.getElementById('copy').textContent !== 'Copy'")
    if page.text("#copy") != "Copied":
        assert page.evaluate("getSelection().toString()") == commands()["0.5"]


@pytest.mark.slow
def test_columns_can_be_ordered_by_rank(page: Page) -> None:
    """The input stays first, then the best; again, and they stand as before."""
    places = (
        "[...document.querySelector('.pictures').querySelectorAll('.cell')]"
        ".sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x)"
        ".map(e => e.dataset.factor || 'input')"
    )
    assert page.evaluate(places) == ["input", "0.3", "0.5", "1.0"]
    page.click("#order")
    assert page.evaluate(places) == ["input", "0.5", "1.0", "0.3"]
    page.evaluate("document.querySelector('.cell.best').focus()")
    page.key("Tab")
    assert page.evaluate("document.activeElement.dataset.factor") == "1.0"
    page.click("#order")
    assert page.evaluate(places) == ["input", "0.3", "0.5", "1.0"]


@pytest.mark.slow
def test_each_statistic_is_shown_and_explained(page: Page, tried: Sweep) -> None:
    """A line for each factor, the best first, with its figures; lost detail is named."""
    rows = page.evaluate(
        "[...document.querySelectorAll('tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    )
    assert [row[1] for row in rows] == ["0.5", "1.0", "0.3"]
    assert rows[0][2:5] == ["1.00", "0.50", "1.50"]
    assert rows[2][4] == "0.75 (lost)"
    explained = page.text("p.note")
    for word in ("Flat energy", "Overshoot", "Sharpness", "Score"):
        assert word in explained
    assert "Ranked first: 0.5" in page.text("header")
    assert page.text("h1") == 'Which factor suits my <b>clip & "co".mkv?'


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_runs_over(browser: Browser, tried: Sweep, tmp_path: Path, width: int) -> None:
    """Whatever the window's width, it is not scrolled sideways to see every factor."""
    path = tmp_path / "sheet.html"
    path.write_text(sheet_html(tried, commands()), encoding="utf-8")
    page = browser.open(path, width=width, height=700)
    for zoom in (1, 4):
        page.click(f"[data-zoom='{zoom}']")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.problems == []
    words = (
        "h1",
        "header p",
        ".first",
        "figcaption",
        ".caption",
        "td",
        "thead th",
        ".note",
        "#run",
    )
    assert_looks_well(browser, path, words)
