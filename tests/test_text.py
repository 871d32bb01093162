"""Texts from outside on a terminal: nothing of them steers it."""

from __future__ import annotations

import os

import pytest

from animesr_cli.text import shown, visible


def test_shown_names_are_one_printable_line() -> None:
    """Names in messages hold no control characters and can always be encoded."""
    text = shown(os.fsdecode(b"a\nb\x1b[1m\xff.mkv"))
    assert text.isprintable()
    assert text.encode() == b"a\\nb\\x1b[1m\\xff.mkv"


@pytest.mark.parametrize("steering", ["\x1b[2J", "\u202e", "\r", "\x9b", "\u200b", "\udce9"])
def test_what_steers_a_terminal_is_escaped(steering: str) -> None:
    """ESC, the override of the writing direction, line ends, and what no encoding can write."""
    assert visible(f"a{steering}b").isprintable()
    assert visible(f"a{steering}b").encode()


def test_plain_text_stays_as_it_is() -> None:
    """Letters of all scripts and signs are for people."""
    assert visible("Ärger 第一話 - 😀 [1080p]") == "Ärger 第一話 - 😀 [1080p]"
