"""Names of files: which can exist, on which system, and which hidden ones are ours alone."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from animesr_cli.errors import UsageError
from animesr_cli.file_names import (
    LOCK,
    PART,
    check_name,
    hidden_name,
    is_hidden_name,
    new_token,
    shortened,
    token_of,
    windows_complaint,
)

NAMES = ["a.mp4", "-a.mp4", "a b'\"%03d:\n😀.mp4", "\udce9.mp4", "é" * 125 + ".mp4", "x" * 255]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_that_a_file_can_have_has_hidden_ones(name: str, tmp_path: Path) -> None:
    """They can be made, begin with a dot, and are known again as ours and as this name's."""
    check_name(tmp_path / name)
    token = new_token(name)
    for suffix in (PART, LOCK):
        hidden = hidden_name(name, token, suffix)
        (tmp_path / hidden).touch()
        assert hidden.startswith(".")
        assert hidden.endswith(suffix)
        assert is_hidden_name(hidden)
        assert token_of(hidden, name, suffix) == token
    assert token_of(hidden_name(name, token, PART), name, LOCK) is None
    assert token_of(hidden_name(name, token, PART), name + "x", PART) is None
    assert new_token(name) != token


def test_names_of_people_are_not_taken_for_ours() -> None:
    """The digest in a hidden name is of the name before it: others do not fit."""
    rng = random.Random(7)
    for name in (".q.mkv.part", ".fr.part", "q.mkv", ".q.mkv.0123456789abcdef.part", "", "."):
        assert not is_hidden_name(name)
    for _ in range(20_000):
        assert not is_hidden_name(f".a.mkv.{rng.randbytes(8).hex()}.part")
    hidden = hidden_name("a.mkv", new_token("a.mkv"))
    assert not is_hidden_name(hidden.replace("a.mkv", "b.mkv"))


def test_long_names_that_differ_have_different_hidden_names() -> None:
    """A shortened name is made unique, and cut between two characters."""
    names = ["x" * 250 + f"{number}.mp4" for number in range(3)]
    assert len({hidden_name(name, "0" * 16) for name in names}) == 3
    for length in range(60, 120):
        short = shortened("é" * length + "z" * 100, 100)
        assert len(os.fsencode(short)) <= 155
        short.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "message"), [("x" * 256, "256 bytes, and 255 fit"), ("a\0b.mp4", "NUL")]
)
def test_names_that_no_file_can_have(name: str, message: str, tmp_path: Path) -> None:
    """Too long or with a NUL byte: a usage error."""
    with pytest.raises(UsageError, match=message):
        check_name(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("con.mkv", "device"), ("CON", "device"), ("nul .x.mp4", "device"), ("lpt1.mkv", "device"),
        ("COM¹.mkv", "device"), ("a.", "dropped"), ("a.mkv ", "dropped"), ("a:b.mkv", ":"),
        ("a?.mkv", "?"), ('"a".mkv', '"'), ("a|b", "|"), ("a*.mkv", "*"), ("a<b", "<"),
        ("a\tb.mkv", "control"), ("😀" * 128, "256 UTF-16 units"), ("x" * 256, "256 UTF-16 units"),
    ],
)  # fmt: skip
def test_names_that_windows_refuses(name: str, complaint: str) -> None:
    """Devices, dots at the end, signs of the shell, and what is longer than 255 units."""
    assert complaint in (windows_complaint(name) or "")


@pytest.mark.parametrize(
    "name", ["a.mkv", "console.mkv", "第一話.mkv", "😀" * 127, ".a", "x" * 255]
)
def test_names_that_windows_takes(name: str) -> None:
    """Scripts and signs of all kinds, and what only begins like a device."""
    assert windows_complaint(name) is None
