"""Reading untrusted JSON and TOML: what fits comes back typed, and all else is one error."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from animesr_cli.bounded import (
    BASE_NAME,
    DEEPEST,
    LARGEST_INT,
    SHA256,
    AtMost,
    Range,
    UnfitError,
    check_regular,
    fitted,
    parse_json,
    parse_toml,
    read_bytes,
    read_json,
)
from damage import damaged_json


@dataclass(frozen=True, kw_only=True)
class Part:
    name: Annotated[str, BASE_NAME]
    bytes: Annotated[int, Range(0, 2**50)]


@dataclass(frozen=True, kw_only=True)
class Whole:
    first: Annotated[int, Range(0, 1000)]
    seconds: float
    kind: Literal["a", "b"]
    pts: tuple[int, int]
    file: Part
    state: Part | None = None
    words: Annotated[tuple[str, ...], AtMost(3)] = ()
    numbers: list[int] = field(default_factory=list)
    table: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digest: Annotated[str, SHA256] | None = None


GOOD: dict[str, Any] = {
    "first": 3,
    "seconds": 2,
    "kind": "a",
    "pts": [0, -5],
    "file": {"name": "000000003.mp4", "bytes": 10},
    "words": ["x"],
    "numbers": [1, 2],
    "table": {"a": {"b": [1, {"c": None}]}},
    "digest": "0" * 64,
}


def test_what_fits_comes_back_typed(tmp_path: Path) -> None:
    """Dataclasses, tuples and defaults are put together, and a whole number serves as a float."""
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(GOOD | {"unknown": 1}))
    found = read_json(path, Whole, most_bytes=10_000)
    assert found == Whole(
        first=3,
        seconds=2.0,
        kind="a",
        pts=(0, -5),
        file=Part(name="000000003.mp4", bytes=10),
        words=("x",),
        numbers=[1, 2],
        table={"a": {"b": [1, {"c": None}]}},
        digest="0" * 64,
    )
    assert type(found.seconds) is float
    with pytest.raises(UnfitError, match="unknown is not known"):
        read_json(path, Whole, most_bytes=10_000, exact=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": "../../victim"}, "first must be a whole number"),
        ({"first": True}, "first must be a whole number, not true"),
        ({"first": 1.0}, "first must be a whole number"),
        ({"first": -1}, "first must be from 0 to 1,000, not -1"),
        ({"first": 10**4000}, r"first must be from 0 to 1,000, not a number of 13,288 bits"),
        ({"first": None}, "first must be a whole number, not null"),
        ({"seconds": "2"}, "seconds must be a number"),
        ({"seconds": 10**400}, "seconds must be a number"),
        ({"kind": "c"}, 'kind must be one of a, b, not "c"'),
        ({"kind": ["a"]}, "kind must be one of a, b, not a list"),
        ({"pts": [0]}, "pts must be a list of 2"),
        ({"pts": [0, LARGEST_INT + 1]}, r"pts\[1\] is too large"),
        ({"pts": {"0": 1}}, "pts must be a list of 2|pts must be a list"),
        ({"file": 7}, "file must be a table"),
        ({"file": {"name": "a"}}, "file.bytes is missing"),
        ({"state": {"name": "../a", "bytes": 1}}, "state.name must be a plain file name"),
        ({"words": ["a"] * 4}, "words is longer than 3"),
        ({"words": "abc"}, "words must be a list"),
        ({"table": {"a": 1}}, "table.a must be a table"),
        ({"digest": "0" * 63}, "digest must be a SHA-256"),
    ],
)
def test_what_does_not_fit_names_its_place(change: dict[str, Any], message: str) -> None:
    """The error says where it is, what is wanted and what is there."""
    with pytest.raises(UnfitError, match=message):
        fitted(Whole, GOOD | change)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/dev/zero", "a\\b", "C:a", "a\0b", "a\nb", "x" * 256, "a|b"]
)
def test_names_that_lead_elsewhere_are_no_base_names(name: str) -> None:
    """Neither up nor down nor to a device of any system."""
    with pytest.raises(UnfitError, match="plain file name"):
        fitted(Part, {"name": name, "bytes": 1})


@pytest.mark.parametrize("name", ["a", ".a", "..a", "a b.mp4", "第一話.mkv", "x" * 255])
def test_plain_names_are_base_names(name: str) -> None:
    """Any name of a file in the folder itself."""
    assert fitted(Part, {"name": name, "bytes": 1}).name == name


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[" * 100_000, '{"a":' * 100_000, "NaN", "[Infinity]", "[-Infinity]",
        "9" * 5000, b"\xff\xfe\x00", '"\\ud800', "[1,]", "\0", "[" * (DEEPEST + 2) + "]" * 100,
    ],
)  # fmt: skip
def test_texts_that_are_no_json(text: str | bytes) -> None:
    """Cut off, too deep, not numbers, not text: always the one error."""
    with pytest.raises(UnfitError):
        parse_json(text)


def test_depth_is_counted() -> None:
    """The deepest that is allowed passes, the next is refused."""
    good = "[" * DEEPEST + "1" + "]" * DEEPEST
    assert json.dumps(parse_json(good)) == good
    with pytest.raises(UnfitError, match="too deeply"):
        parse_json(f"[{good}]")


@pytest.mark.parametrize(
    "text",
    [
        "a = ", "a = " + "9" * 5000, "a = " + "[" * 50_000, "a = " + "{a=" * 50_000,
        ".".join("a" * 50_000) + " = 1", "[" + ".".join("a" * 50_000) + "]", "a = 1\na = 2", "\0",
    ],
)  # fmt: skip
def test_texts_that_are_no_toml(text: str) -> None:
    """Each in no time: a dotted key would take the square of its length."""
    began = time.process_time()
    with pytest.raises(UnfitError):
        parse_toml(text)
    assert time.process_time() - began < 5  # minutes without the limit


def test_errors_never_steer_the_terminal() -> None:
    """What a message quotes of a file is escaped, and short."""
    for text in ('{"\x1b[2J": 1}', '{"a": "\\u001b[2J\\u202e"}', '"' + "x" * 10**6 + '"'):
        with pytest.raises(UnfitError) as caught:
            fitted(Whole, parse_json(text), exact=True)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400
    with pytest.raises(UnfitError) as caught:
        fitted(Whole, GOOD | {"kind": "\x1b[2J\u202e" * 100})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


# ---- files ---------------------------------------------------------------------------------------


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A sparse file of 30 GB costs nothing."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(30 * 10**9)
    with pytest.raises(UnfitError, match="larger than 1,000 bytes"):
        read_bytes(path, most_bytes=1000)
    path.write_bytes(b"x" * 1000)
    assert read_bytes(path, most_bytes=1000) == b"x" * 1000


def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO without a writer, a device without an end, a folder, a socket."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path is at most 108 bytes
        server.bind("socket")
        for name in ("fifo", "folder", "zero", "socket"):
            with pytest.raises(UnfitError, match=r"pipe or a device|a folder"):
                read_bytes(tmp_path / name, most_bytes=1000)
            with pytest.raises(UnfitError):
                check_regular(tmp_path / name)


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    """Who asks decides what a missing file means."""
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none", most_bytes=1000)
    with pytest.raises(UnfitError, match="NUL"):
        read_bytes("a\0b", most_bytes=1000)


# ---- anything ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(300))
def test_no_content_ends_in_another_error(seed: int) -> None:
    """A damaged file fits or raises ``UnfitError``; there is no third."""
    text = damaged_json(random.Random(seed), json.dumps(GOOD).encode())
    try:
        found = fitted(Whole, parse_json(text))
    except UnfitError:
        return
    assert isinstance(found, Whole)
    assert 0 <= found.first <= 1000
