"""Words on pictures."""

from __future__ import annotations

import string

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animesr_cli.pages.lettering import BOX, GLYPHS, draw, fitted, lettering, shadow

SIGNS = [c for c in string.printable if c.isprintable() and c != " "]


def test_all_of_ascii_is_drawn_and_differs() -> None:
    """Every sign has a glyph of its own: two that look the same would be misread."""
    assert [c for c in SIGNS if c not in GLYPHS] == []
    assert BOX not in GLYPHS.values()
    drawn = {c: lettering(c, 20) for c in SIGNS}
    for one in SIGNS:
        assert drawn[one].max() == 1
        for other in SIGNS:
            if other > one and drawn[one].shape == drawn[other].shape:
                assert (drawn[one] - drawn[other]).abs().max() > 0.9, (one, other)


@pytest.mark.parametrize("character", SIGNS)
def test_nothing_is_cut_off(character: str) -> None:
    """Strokes end inside of their line and of their own column."""
    drawn = lettering(character, 30)
    edge = torch.cat((drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]))
    assert edge.max() == 0


def test_capitals_have_the_height_that_is_asked_for() -> None:
    """To the stroke's own round ends."""
    rows = (lettering("HIE", 40) > 0.5).any(1).nonzero()
    assert 40 <= int(rows.max() - rows.min()) + 1 <= 46


@settings(deadline=None)
@given(st.text(max_size=20), st.integers(8, 30))
def test_any_text_can_be_drawn(text: str, height: int) -> None:
    """Names come from outside: any character, none, and those that steer a terminal."""
    drawn = lettering(text, height)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert drawn.shape[0] == lettering("x", height).shape[0]


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(1, 300))
def test_a_fitted_text_fits(text: str, width: int) -> None:
    """Whatever is left of it, the column is not left."""
    assert fitted(text, 12, width).shape[1] <= width


def test_a_long_text_keeps_its_ends() -> None:
    """The middle becomes dots: a name is told by how it begins and by its suffix."""
    drawn = fitted("a_very_long_name_of_a_file.safetensors", 12, 150)
    head, tail = lettering("a_v", 12), lettering("ors", 12)
    assert torch.equal(drawn[:, : head.shape[1]], head)
    assert torch.equal(drawn[:, -tail.shape[1] :], tail)
    assert torch.equal(fitted("short", 12, 400), lettering("short", 12))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (35, 3), (2, 18), (100, 100)])
def test_drawing_stays_inside_of_the_picture(x: int, y: int) -> None:
    """What would lie beyond an edge is left out; the rest is inked."""
    picture = torch.zeros(3, 20, 40, dtype=torch.uint8)
    draw(picture, torch.ones(10, 12), x, y, (200, 100, 50))
    inked = (picture[0] == 200) & (picture[1] == 100) & (picture[2] == 50)
    assert int(inked.sum()) == max(min(10, 20 - y), 0) * max(min(12, 40 - x), 0)
    assert int((picture != 0).any(0).sum()) == int(inked.sum())


def test_a_shadow_surrounds_the_word() -> None:
    """Grown to each side by its reach."""
    word = torch.zeros(5, 5)
    word[2, 2] = 1
    grown = shadow(word, 2)
    assert grown.shape == (9, 9)
    assert torch.equal(grown.nonzero().amin(0), torch.tensor([2, 2]))
    assert int(grown.sum()) == 25
