"""What a reader may expect of every page, whatever is on it: nothing cut off, words readable."""

from __future__ import annotations

from pathlib import Path

from browser import Browser, Page

WIDTHS = (390, 1280, 1920)
DESK = 1280
"""From here on no table is wider than the page."""
READABLE = 4.5
"""Contrast that WCAG 2.2 asks for, 1.4.3."""


def set_theme(page: Page, theme: str) -> None:
    """``light`` or ``dark``, as the reader's system has it."""
    page._call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": theme}],
    )


def contrast(page: Page, selector: str) -> float:
    """Of the first element's words against what is behind them."""
    colours = page.evaluate(
        f"(() => {{ let e = document.querySelector('{selector}');"
        "const read = (c) => c.match(/[0-9.]+/g).map(Number);"
        "const ink = read(getComputedStyle(e).color); let ground = [0, 0, 0, 0];"
        "for (; e && !(ground.length === 3 || ground[3] > 0); e = e.parentElement)"
        " ground = read(getComputedStyle(e).backgroundColor);"
        "return [ink.slice(0, 3), ground.slice(0, 3)]; })()"
    )

    def luminance(rgb: list[float]) -> float:
        linear = [
            v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4
            for v in rgb
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    one, other = sorted(map(luminance, colours))
    return (other + 0.05) / (one + 0.05)


CUT_LABELS = (
    "[...document.querySelectorAll('svg.chart')].flatMap((svg) => {"
    " const box = svg.getBoundingClientRect();"
    " return [...svg.querySelectorAll('text')].filter((text) => {"
    "  const t = text.getBoundingClientRect();"
    "  return t.left < box.left - 1 || t.right > box.right + 1 || t.bottom > box.bottom + 1;"
    " }).map((text) => text.textContent); })"
)


MEETING_LABELS = (
    "[...document.querySelectorAll('svg.chart')].flatMap((svg) => {"
    " const boxes = [...svg.querySelectorAll('text')].map((t) => t.getBoundingClientRect());"
    " return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.left < b.right"
    "  && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom)"
    "  .map((b) => [a.x, b.x]));"
    "})"
)
UNNAMED = (
    "[...document.querySelectorAll('img:not([alt]), svg[role=img]:not([aria-label]),"
    " .scroll:not([tabindex]), .scroll:not([aria-label])')].map((each) => each.outerHTML)"
)
"""Pictures without words for those who cannot see them, and tables that no key scrolls."""
CUT_TABLES = (
    "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    ".map((e) => [e.scrollWidth, e.clientWidth])"
)


def assert_looks_well(browser: Browser, path: Path, words: tuple[str, ...]) -> None:
    """On a phone and a desk, light and dark.

    Args:
        words: CSS selectors whose first elements must be readable.
    """
    for width in WIDTHS:
        page = browser.open(path, width=width, height=800)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        assert page.evaluate(CUT_LABELS) == []
        assert page.evaluate(MEETING_LABELS) == []
        assert page.evaluate(UNNAMED) == []
        assert width < DESK or page.evaluate(CUT_TABLES) == [], width
        for theme in ("light", "dark"):
            set_theme(page, theme)
            for selector in words:
                assert contrast(page, selector) >= READABLE, (selector, theme)
        assert page.problems == []
