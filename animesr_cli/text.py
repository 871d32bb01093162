"""Texts fit to be printed: those from outside do not steer the terminal, sizes are for people."""

from __future__ import annotations

import os
from pathlib import Path


def visible(text: str) -> str:
    """The text with everything escaped that is not printable: ESC, line ends, U+202E and the like.

    Surrogates, which stand for bytes that are no text, become escapes as well, so that any
    encoding can write the result.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(path: Path | str) -> str:
    """A file name for people: control characters and bytes that are no UTF-8 are escaped."""
    return visible(os.fsencode(path).decode("utf-8", "backslashreplace"))


def counted(count: int, noun: str) -> str:
    """``1 frame``, ``2 frames``: a number with a noun whose plural ends in s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def format_bytes(count: float) -> str:
    """A number of bytes for people: ``512 B``, ``1.5 kB``, ``310 MB``, ``4.25 GB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
