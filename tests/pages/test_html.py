"""The shell of written pages: what is put into a template stays text, and nothing is asked for."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from animesr_cli.pages.html import PACKAGE, _environment, render

HOSTILE = "</title><script>alert(1)</script>'\"&<img src=x onerror=alert(2)>"
PAGE = (
    '{% extends "pages/base.html" %}{% block body %}<p title="{{ words }}">{{ words }}</p>'
    '<script type="application/json">{{ words | tojson }}</script>{% endblock %}'
)


def page(words: object, title: str = "x", template: str = PAGE) -> str:
    return _environment().from_string(template).render(title=title, words=words)


class Elements(HTMLParser):
    """The elements of a page, and the words of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.words: dict[str, str] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.words[self._open] = self.words.get(self._open, "") + data


def test_names_from_outside_stay_words() -> None:
    """A file name cannot add an element to a page: in its title, its body or an attribute."""
    plain = Elements(page("x"))
    hostile = Elements(page(HOSTILE, title=HOSTILE))
    assert hostile.names == plain.names
    assert hostile.words["title"].strip() == HOSTILE
    assert hostile.words["p"].strip() == HOSTILE


def test_control_characters_are_made_visible() -> None:
    """And bytes that are no UTF-8: the page can always be written."""
    assert "a\\nb\\x1b[0m" in page("a\nb\x1b[0m")
    written = _environment().from_string("{{ path }}").render(path=Path("bad\udcff"))
    assert written.encode() == b"bad\\udcff"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(values)
def test_json_in_a_script_comes_back(value: Any) -> None:
    """The same values, with nothing in them that could end the script element."""
    written = _environment().from_string("{{ value | tojson }}").render(value=value)
    assert json.loads(written) == value
    assert not set(written) & set("<>&")
    assert written.isascii()


def test_json_keeps_its_order() -> None:
    """What comes first is first."""
    written = _environment().from_string("{{ value | tojson }}").render(value={"b": 1, "a": 2})
    assert written == '{"b": 1, "a": 2}'


def test_pictures_are_in_the_page() -> None:
    """A PNG file becomes the image's address, byte for byte."""
    png = bytes(range(256)) * 9
    written = _environment().from_string("{{ picture | png }}").render(picture=png)
    head, _, data = written.partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == png


def test_a_page_may_ask_for_nothing() -> None:
    """Its policy allows what it holds itself, so it shows the same from a disk and by mail."""
    written = page("x")
    assert "default-src 'none'" in written
    assert "http:" not in written
    assert "https:" not in written


def test_what_a_template_lacks_is_an_error() -> None:
    """A name that nobody gave never becomes an empty place in a page."""
    with pytest.raises(UndefinedError):
        page("x", template="{{ wrods }}")
    with pytest.raises(UndefinedError):
        render("pages/base.html")


@pytest.mark.parametrize("suffix", ["css", "js"])
def test_style_and_script_cannot_end_their_element(suffix: str) -> None:
    """They are put into pages as they stand."""
    files = list(PACKAGE.rglob(f"*.{suffix}"))
    assert files
    for file in files:
        assert "</" not in file.read_text(encoding="utf-8"), file
