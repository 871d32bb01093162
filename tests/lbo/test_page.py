"""The page of a learned operator: what it gained, how its factor was chosen, hostile names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from animesr_cli.lbo.page import lbo_page
from animesr_cli.lbo.pairs import Pair
from browser import chromium
from looks import assert_looks_well


def history(**more: Any) -> dict[str, Any]:
    return {
        "clip": "a <b> & c.mkv",
        "size": (48, 40),
        "model": "basicop",
        "settings": {"factor": 0.5, "seed": 3},
        "choice": {"by": "asked for"},
        "pairs": 70,
        "held_out": 1,
        "iterations": 20,
        "of": 20,
        "version": "1",
        "psnr": {"area": 27.5, "operator": 30.25},
        "curve": [{"iteration": 10, "l1": 0.2}, {"iteration": 20, "l1": 0.1, "gan": 0.7}],
        **more,
    }


def page(**more: Any) -> str:
    lr = torch.zeros(3, 40, 48, dtype=torch.uint8)
    pair = Pair(hr=torch.zeros(3, 80, 96, dtype=torch.uint8), lr=lr, seconds=61.5)
    return lbo_page(history(**more), [pair], [lr], [lr], ["animesr degrade 'x & y'"])


def words(html: str) -> str:
    """What a person reads, on one line."""
    return " ".join(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", html, flags=re.S).split())


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (30.25, "2.75 dB nearer to the real frames than area downscaling"),
        (27.0, "0.50 dB farther from the real frames than area downscaling"),
        (27.5, "0.00 dB of difference: as near to the real frames as area downscaling"),
    ],
)
def test_the_page_says_by_how_much_it_beats_area_downscaling(operator: float, said: str) -> None:
    """First of all, and with both figures; also where it does not."""
    read = words(page(psnr={"area": 27.5, "operator": operator}))
    assert said in read
    assert f"the clip's real frames and the operator {operator:.2f} dB" in read


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"by": "asked for"}, "Factor: 0.5, asked for."),
        (
            {"by": "the best ranked", "ranking": [{"factor": 0.5}, {"factor": 0.6}]},
            "Factor: 0.5, the best ranked of 2.",
        ),
        (
            {"by": "chosen by a person", "ranking": [{"factor": 0.8}, {"factor": 0.5}]},
            "Factor: 0.5, chosen by a person; the best ranked of 2 was 0.8.",
        ),
    ],
)
def test_the_page_says_which_factor_was_ranked_first(choice: dict[str, Any], said: str) -> None:
    """Where the factors were tried at all."""
    assert said in words(page(choice=choice))


def test_what_is_unfinished_says_so() -> None:
    """A run that was stopped tells how it goes on; losses that never were have no curve."""
    assert "stopped early" not in page()
    assert "stopped early" in page(of=50)
    assert page().count("<svg") == 2
    assert "<h2>Losses</h2>" not in page(curve=[])


def test_names_stay_words() -> None:
    """A clip's name adds nothing to the page, nor does a command."""
    assert "<b>" not in page()
    assert "What was learned from a &lt;b&gt; &amp; c.mkv" in page()
    assert "&#39;x</span> <span>&amp;</span> <span>y&#39;" in page()


@pytest.mark.slow
def test_it_looks_well(tmp_path: Path) -> None:
    """On a phone and a desk, light and dark: nothing is cut off, all words are readable."""
    path = tmp_path / "page.html"
    path.write_text(page(curve=[{"iteration": n, "l1": 123456.5 + n} for n in range(1, 4000, 7)]))
    with chromium() as browser:
        words = ("h1", ".gain strong", ".result p", ".command", ".where", "figcaption", "dt", "dd")
        assert_looks_well(browser, path, words)
