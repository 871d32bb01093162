"""The shell of written pages."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from animesr_cli.pages.html import document, json_text, text

HOSTILE = "</title><script>alert(1)</script>'\"&<img src=x onerror=alert(2)>"


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
    """A file name cannot add an element to a page, in its title or in its body."""
    plain = Elements(document(title="x", body="<p>x</p>"))
    hostile = Elements(document(title=HOSTILE, body=f"<p>{text(HOSTILE)}</p>"))
    assert hostile.names == plain.names
    assert hostile.words["title"].strip() == HOSTILE
    assert hostile.words["p"].strip() == HOSTILE


def test_control_characters_are_made_visible() -> None:
    """And bytes that are no UTF-8: the page can always be written."""
    assert text("a\nb\x1b[0m") == "a\\nb\\x1b[0m"
    assert text(Path("bad\udcff")).encode() == b"bad\\xff"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(values)
def test_json_in_a_script_comes_back(value: Any) -> None:
    """The same values, with nothing in them that could end the script element."""
    written = json_text(value)
    assert json.loads(written) == value
    assert not set(written) & set("<>&")
    assert written.isascii()


def test_a_page_may_ask_for_nothing() -> None:
    """Its policy allows what it holds itself, so it shows the same from a disk and by mail."""
    page = document(title="x", body="")
    assert "default-src 'none'" in page
    assert "http:" not in page
    assert "https:" not in page
