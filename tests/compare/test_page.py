"""The page of a comparison, in a real browser: slider, keys, touch, zoom, pictures, themes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from animesr_cli.compare.page import compare_page
from animesr_cli.compare.report import REFERENCE, Layout, Moment, Report, ResultRow
from animesr_cli.metrics.measures import Scores
from animesr_cli.writing.png import encode_png
from browser import Browser, Page, chromium
from looks import CUT_TABLES, UNNAMED, contrast, set_theme
from pictures import decode_png

NAMES = ("base", "<i>bicubic</i>", REFERENCE)
COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200))  # one for each result
MOMENTS = 6
WIDTH, HEIGHT = 320, 180
NONE = "\u2013"
"""Where there is no value."""


def picture(moment: int, candidate: int) -> bytes:
    """One colour, darker from moment to moment, with a white pixel in the first corner."""
    colour = torch.tensor(COLOURS[candidate]) - 8 * moment
    codes = colour.to(torch.uint8)[:, None, None].expand(3, HEIGHT, WIDTH).clone()
    codes[:, 0, 0] = 255
    return encode_png(codes)


def scores(value: float) -> Scores:
    return Scores(
        psnr_y=30 + value, ssim_y=0.9, ms_ssim=None, gmsd=0.1 + value, gradient_ratio=1 + value,
        flicker=value, edge_f1=0.5, overshoot=0.1, flat_noise=0.2,
    )  # fmt: skip


def report(aspect: Fraction = Fraction(1)) -> Report:
    return Report(
        clip=Path("a & <b>.mkv"), width=80, height=45, frames=240,
        layout=Layout(
            width=WIDTH, height=HEIGHT, sample_aspect_ratio=aspect, display_matrix=None,
            depth=8, primaries=2, transfer=2,
        ),
        device="cpu fp32", reference=Path("hr.mkv"),
        entries=(
            ResultRow(name=NAMES[0], kind="network", sha256="0" * 64, seconds_per_frame=0.5,
                  frames_per_second=2, clip_seconds=120, mean=scores(0.25)),
            ResultRow(name=NAMES[1], kind="resampler", seconds_per_frame=0.01,
                  frames_per_second=100, clip_seconds=2.4, mean=scores(0.5)),
            ResultRow(name=NAMES[2], kind=REFERENCE),
        ),
        moments=tuple(
            Moment(seconds=n * 2.5, run_up=15, scores=(scores(n / 10), scores(1), None))
            for n in range(MOMENTS)
        ),
    )  # fmt: skip


def write_page(path: Path, shown: Report) -> Path:
    pictures = [[picture(m, c) for c in range(len(NAMES))] for m in range(MOMENTS)]
    path.write_text(compare_page(shown, pictures, [row[0] for row in pictures]))
    return path


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a folder whose name a URL must escape."""
    folder = tmp_path_factory.mktemp("a page #1 %20")
    return write_page(folder / "a page & more.html", report())


@pytest.fixture
def page(browser: Browser, written: Path) -> Iterator[Page]:
    opened = browser.open(written, width=1000, height=760)
    wait_for_pictures(opened)
    yield opened
    assert opened.problems == []


def colour_at(page: Page, tmp_path: Path, x: float, y: float) -> tuple[int, int, int]:
    """What is really on the screen."""
    seen = decode_png(page.screenshot(tmp_path / "seen.png").read_bytes())
    red, green, blue = seen[:3, int(y), int(x)].tolist()
    return red, green, blue


def stage(page: Page) -> tuple[float, float, float, float]:
    return page.box("#stage")


def at(page: Page, share_x: float, share_y: float = 0.7) -> tuple[float, float]:
    x, y, width, height = stage(page)
    return x + width * share_x, y + height * share_y


def split(page: Page) -> float:
    value: str = page.evaluate("document.getElementById('divider').getAttribute('aria-valuenow')")
    return float(value)


def wait_for_pictures(page: Page) -> None:
    page.wait_until("stage.getAttribute('aria-busy') === 'false'")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def left_picture(page: Page) -> list[float]:
    """x, y, width and height in the window."""
    box: list[float] = page.evaluate(
        "(({x, y, width, height}) => [x, y, width, height])"
        "(document.querySelector('#left img').getBoundingClientRect())"
    )
    return box


# ---- the slider ----------------------------------------------------------------------------------


def test_left_of_the_divider_is_the_left_result(page: Page, tmp_path: Path) -> None:
    """Really on the screen, at the beginning and after the divider was dragged."""
    wait_for_pictures(page)
    assert colour_at(page, tmp_path, *at(page, 0.4)) == COLOURS[0]
    assert colour_at(page, tmp_path, *at(page, 0.6)) == COLOURS[1]
    page.drag(at(page, 0.5), at(page, 0.6), at(page, 0.8))
    assert split(page) == pytest.approx(80, abs=1)
    assert colour_at(page, tmp_path, *at(page, 0.6)) == COLOURS[0]
    assert colour_at(page, tmp_path, *at(page, 0.9)) == COLOURS[1]


def test_a_press_brings_the_divider(page: Page) -> None:
    """And it stays inside, however far a drag goes."""
    page.press(*at(page, 0.25))
    assert split(page) == pytest.approx(25, abs=1)
    page.drag(at(page, 0.25), (2000, 300))
    assert split(page) == 100


def test_the_divider_obeys_the_keyboard(page: Page) -> None:
    """As a slider does, and says where it is."""
    page.evaluate("document.getElementById('divider').focus()")
    for keys, expected in (
        (["ArrowRight"] * 3, 53), (["ArrowLeft"], 52), (["Home"], 0), (["End"], 100),
        (["PageDown"], 90), (["PageUp", "ArrowRight"], 100),
    ):  # fmt: skip
        for key in keys:
            page.key(key)
        assert split(page) == expected
    said = page.evaluate("document.getElementById('divider').getAttribute('aria-valuetext')")
    assert said == "100 % base, the rest <i>bicubic</i>"
    assert page.evaluate("document.getElementById('divider').getAttribute('role')") == "slider"


def test_a_finger_moves_the_divider(browser: Browser, written: Path) -> None:
    """Touch, too: sideways moves it; two fingers zoom."""
    page = browser.open(written, width=390, height=780)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        page._call(
            "Input.dispatchTouchEvent", type=kind,
            touchPoints=[{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)],
        )  # fmt: skip

    touch("touchStart", at(page, 0.5))
    touch("touchMove", at(page, 0.45))
    touch("touchMove", at(page, 0.2))
    touch("touchEnd")
    assert split(page) == pytest.approx(20, abs=2)
    before = page.evaluate("parseFloat(stage.style.getPropertyValue('--w'))")
    touch("touchStart", at(page, 0.45), at(page, 0.55))
    touch("touchMove", at(page, 0.3), at(page, 0.7))
    touch("touchMove", at(page, 0.2), at(page, 0.8))
    touch("touchEnd")
    assert page.evaluate("parseFloat(stage.style.getPropertyValue('--w'))") > 1.5 * before
    assert page.problems == []


def test_space_shows_the_right_result_whole(page: Page, tmp_path: Path) -> None:
    """For as long as it is held."""
    wait_for_pictures(page)
    place = at(page, 0.1)
    page._call("Input.dispatchKeyEvent", type="keyDown", key=" ", code="Space", text=" ")
    assert colour_at(page, tmp_path, *place) == COLOURS[1]
    page._call("Input.dispatchKeyEvent", type="keyUp", key=" ", code="Space")
    assert colour_at(page, tmp_path, *place) == COLOURS[0]


# ---- results and pictures ------------------------------------------------------------------------


def test_any_two_results_can_be_chosen(page: Page, tmp_path: Path) -> None:
    """By the lists, by digits, swapped; never one beside itself."""
    choose = (
        "((id, value) => {{ const e = document.getElementById(id); e.value = value;"
        "e.dispatchEvent(new Event('change')); }})('{}', '{}')"
    )
    page.evaluate(choose.format("choose-right", 2))
    wait_for_pictures(page)
    assert colour_at(page, tmp_path, *at(page, 0.6)) == COLOURS[2]
    page.evaluate(choose.format("choose-left", 2))
    wait_for_pictures(page)
    assert (page.text("#tag-left"), page.text("#tag-right")) == (NAMES[2], NAMES[0])
    page.click("#swap")
    wait_for_pictures(page)
    assert (page.text("#tag-left"), page.text("#tag-right")) == (NAMES[0], NAMES[2])
    page.key("s")
    wait_for_pictures(page)
    assert page.text("#tag-left") == NAMES[2]
    page._call("Input.dispatchKeyEvent", type="keyDown", key="2", code="Digit2", text="2")
    wait_for_pictures(page)
    assert page.text("#tag-right") == NAMES[1]
    chosen = page.evaluate("document.getElementById('choose-right').selectedOptions[0].text")
    assert chosen == NAMES[1]


def test_the_picker_shows_every_picture(page: Page, tmp_path: Path) -> None:
    """Each button its own, also by keys, round at the ends; the button in view and marked."""
    for number in (3, 5, 0):
        page.click(f"[data-moment='{number}']")
        wait_for_pictures(page)
        expected = tuple(value - 8 * number for value in COLOURS[0])
        assert colour_at(page, tmp_path, *at(page, 0.4)) == expected
        pressed = page.evaluate(
            "[...document.querySelectorAll('[data-moment]')].map((b) => b.ariaPressed === 'true')"
        )
        assert pressed == [place == number for place in range(MOMENTS)]
    for key, number in (("p", 5), ("n", 0), ("n", 1)):
        page.key(key)
        assert page.evaluate("view.moment") == number
    wait_for_pictures(page)
    # Pictures are moved, not copied: each is still there once.
    assert page.evaluate("document.querySelectorAll('#store img, .layer img').length") == 18


def test_a_narrow_strip_scrolls_to_its_picture(browser: Browser, written: Path) -> None:
    """On a small screen the chosen thumbnail is never out of sight."""
    page = browser.open(written, width=360, height=700)
    for number in (5, 0, 4):
        page.evaluate(f"showMoment({number})")
        inside = page.evaluate(
            f"(() => {{ const b = momentButtons[{number}].getBoundingClientRect(),"
            "s = momentButtons[0].parentElement.getBoundingClientRect();"
            "return b.left >= s.left - 1 && b.right <= s.right + 1; })()"
        )
        assert inside, number
    assert page.problems == []


def test_only_what_was_asked_for_last_is_shown(page: Page, tmp_path: Path) -> None:
    """However fast pictures are turned over, the stage and the controls agree in the end."""
    page.evaluate("for (let i = 0; i < 40; i += 1) { showMoment(i * 7 % 6); swap(); }")
    page.evaluate("showMoment(2)")
    wait_for_pictures(page)
    expected = tuple(value - 8 * 2 for value in COLOURS[0])
    assert colour_at(page, tmp_path, *at(page, 0.4)) == expected
    assert (page.text("#tag-left"), page.text("#tag-right")) == NAMES[:2]
    assert page.evaluate("document.querySelectorAll('.layer img').length") == 2


# ---- zoom ----------------------------------------------------------------------------------------


def test_a_hundred_percent_is_pixel_by_pixel(page: Page, tmp_path: Path) -> None:
    """One pixel of the picture is one of the screen: neither more nor blurred."""
    page.click("[data-zoom='1']")
    wait_for_pictures(page)
    box = left_picture(page)
    assert box[2:] == [WIDTH, HEIGHT]
    seen = decode_png(page.screenshot(tmp_path / "seen.png").read_bytes())
    x, y = round(box[0]), round(box[1])
    assert seen[:3, y, x].tolist() == [255, 255, 255]
    assert tuple(seen[:3, y, x + 1].tolist()) == COLOURS[0]


def test_a_zoomed_picture_is_crisp_and_is_moved(page: Page, tmp_path: Path) -> None:
    """At 400 % pixels are squares; dragging beside the divider moves the picture, not it."""
    page.click("[data-zoom='4']")
    wait_for_pictures(page)
    before = page.evaluate("[view.x, view.y]")
    page.drag(at(page, 0.2, 0.2), at(page, 0.3, 0.3), at(page, 0.4, 0.4))
    assert split(page) == 50
    after = page.evaluate("[view.x, view.y]")
    assert after[0] < before[0]
    assert after[1] < before[1]
    for _ in range(8):
        page.drag(at(page, 0.1, 0.1), at(page, 0.45, 0.9))
    x, y, _, _ = stage(page)
    seen = decode_png(page.screenshot(tmp_path / "seen.png").read_bytes())
    corner = seen[:3, int(y) : int(y) + 8, int(x) : int(x) + 8]
    assert corner[:, :4, :4].min() == 255  # the white pixel, four by four
    assert tuple(corner[:, 5, 5].tolist()) == COLOURS[0]
    page.drag(at(page, 0.5), at(page, 0.7))
    assert split(page) == pytest.approx(70, abs=1)
    page.click("[data-zoom='fit']")
    assert page.evaluate("view.zoom") == "fit"


def test_zoom_by_keys_and_wheel_has_ends(page: Page) -> None:
    """It ends at the largest step and at the whole picture; the wheel alone scrolls the page."""
    for _ in range(12):
        page.key("+")
    assert page.evaluate("view.zoom") == 8
    for _ in range(12):
        page.key("-")
    assert page.evaluate("view.zoom") == "fit"
    page.wheel(*at(page, 0.5), down_px=120)
    assert page.evaluate("view.zoom") == "fit"
    x, y = at(page, 0.3, 0.3)
    page._mouse("mouseWheel", x, y, deltaX=0, deltaY=-120, modifiers=2)
    page.wait_until("view.zoom !== 'fit'")
    page.key("0")
    assert page.evaluate("view.zoom") == "fit"


def test_pixels_that_are_not_square_are_stretched(browser: Browser, tmp_path: Path) -> None:
    """A pixel aspect of 2 makes the picture twice as wide on the screen."""
    page = browser.open(
        write_page(tmp_path / "wide.html", report(Fraction(2))), width=1200, height=760
    )
    page.click("[data-zoom='1']")
    assert left_picture(page)[2:] == [2 * WIDTH, HEIGHT]
    assert page.problems == []


# ---- the rest ------------------------------------------------------------------------------------


def test_the_table_is_of_all_pictures_or_of_this_one(page: Page) -> None:
    """And marks the best of each column, where it is better to be high, near 1, or low."""

    def cells() -> list[list[str]]:
        rows: list[list[str]] = page.evaluate(
            "[...document.querySelectorAll('tbody:not([hidden]) tr')].map((row) =>"
            "[...row.cells].map((cell) => cell.textContent))"
        )
        return rows

    assert [row[3] for row in cells()] == ["30.25", "30.50", NONE]
    best = page.evaluate(
        "[...document.querySelectorAll('tbody:not([hidden]) td.best')].map((c) => c.textContent)"
    )
    assert "30.50" in best  # PSNR: the higher
    assert "1.250" in best  # gradient energy: the nearer to 1
    assert "0.3500" in best  # GMSD: the lower
    page.click("#scope-one")
    assert [row[3] for row in cells()] == ["30.00", "31.00", NONE]
    page.key("n")
    assert [row[3] for row in cells()] == ["30.10", "31.00", NONE]
    assert cells()[0][1:3] == ["2.00", "00:02:00"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1600])
def test_nothing_runs_over(browser: Browser, written: Path, theme: str, width: int) -> None:
    """On small and large screens in both themes: no sideways scrolling, and words are readable."""
    page = browser.open(written, width=width, height=700)
    set_theme(page, theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("h1", "header p", ".note", "thead th", "tbody th", "td.best", "select"):
        assert contrast(page, selector) >= 4.5, (selector, theme)
    assert page.problems == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_table_is_seen_whole_or_scrolled(
    browser: Browser, written: Path, width: int, tmp_path: Path
) -> None:
    """At a desk every measure is seen; on a phone keys scroll the table, and a shadow says so."""
    page = browser.open(written, width=width, height=700)
    assert page.evaluate(UNNAMED) == []
    if width == 1280:
        assert page.evaluate(CUT_TABLES) == []
        return
    assert page.evaluate(CUT_TABLES) != []
    x, y, box_width, _ = page.box(".scroll")

    def at_the_edge() -> list[int]:
        seen = decode_png(page.screenshot(tmp_path / "edge.png").read_bytes())
        return seen[:3, int(y) + 4, int(x + box_width) - 2].tolist()

    shadow = at_the_edge()
    page.evaluate("document.querySelector('.scroll').focus()")
    assert page.evaluate("document.activeElement.className") == "scroll"
    page.key("ArrowRight")
    page.wait_until("document.activeElement.scrollLeft > 0")
    assert split(page) == 50  # the key was for the table, not for the divider
    page.evaluate("document.activeElement.scrollLeft = 10000")
    assert min(at_the_edge()) > max(shadow)


def test_values_that_read_alike_are_all_the_best(browser: Browser, tmp_path: Path) -> None:
    """A reader could not tell why only one of them is marked."""
    one, other, low = (replace(scores(0), psnr_y=value) for value in (30.001, 30.004, 29.0))
    given = report()
    entries = [replace(e, mean=m) for e, m in zip(given.entries, (one, other, low), strict=True)]
    path = write_page(tmp_path / "alike.html", replace(given, entries=tuple(entries)))
    page = browser.open(path, width=1280, height=700)
    best = page.evaluate(
        "[...document.querySelectorAll('tbody:not([hidden]) td:nth-child(4)')]"
        ".map((cell) => [cell.textContent, cell.className])"
    )
    assert best == [["30.00", "best"], ["30.00", "best"], ["29.00", ""]]


def test_hostile_names_are_words(page: Page) -> None:
    """As they are written, in every place where they stand."""
    assert page.text("h1") == "a & <b>.mkv"
    assert page.evaluate("document.title") == "a & <b>.mkv: comparison"
    assert page.text("#tag-right") == "<i>bicubic</i>"
    assert page.evaluate("document.querySelectorAll('i, b').length") == 0
