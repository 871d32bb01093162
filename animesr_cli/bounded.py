"""Reading JSON and TOML that others may have written: bounded in size, depth, types and ranges.

A file is opened without waiting and must be a regular one, so that a FIFO, a device or a folder
under its name is refused instead of waited for. What was parsed is laid against the annotations of
a dataclass, field by field::

    @dataclass(frozen=True, kw_only=True)
    class Segment:
        first: Annotated[int, Range(0, 2**40)]
        name: Annotated[str, BASE_NAME]
        cuts: tuple[int, ...] = ()

    segment = read_json(path, Segment, most_bytes=MEBIBYTE)

Whatever does not fit raises ``UnfitError``, a ``ValueError``, with one sentence that names the
place; what cannot be opened or read raises ``OSError``, as ever. Nothing else is raised.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from animesr_cli.text import visible

T = TypeVar("T")

MEBIBYTE: Final = 1 << 20

LARGEST_INT: Final = 2**63 - 1
"""Of an int without a range of its own: what C, torch and FFmpeg take."""

DEEPEST: Final = 32
"""Lists and objects within one another."""

MOST_DOTS: Final = 100
"""In one line of TOML: the time that a dotted key takes to parse grows with their square."""

_SHOWN_CHARACTERS: Final = 60

_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)


class UnfitError(ValueError):
    """The content of a file is not what it should be; its text says where and why."""


# ---- files ---------------------------------------------------------------------------------------


def open_regular(path: Path | str) -> int:
    """A descriptor of a regular file, for reading; no other file is waited for.

    Raises:
        UnfitError: it is a folder, a pipe, a device or a socket.
        OSError: it is not there, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY)
    except ValueError:
        raise UnfitError("its name holds a NUL byte") from None
    except OSError:
        check_regular(path)  # Windows opens no folder, and nobody opens a socket
        raise
    try:
        _check_mode(os.fstat(descriptor).st_mode)
    except UnfitError:
        os.close(descriptor)
        raise
    return descriptor


def check_regular(path: Path | str) -> None:
    """Raise ``UnfitError`` unless it is a regular file; for what others open by its name."""
    _check_mode(os.stat(path).st_mode)


def _check_mode(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UnfitError("it is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise UnfitError("it is a pipe or a device, not a regular file")


def read_bytes(path: Path | str, *, most_bytes: int) -> bytes:
    """A whole regular file of at most ``most_bytes``."""
    with open(open_regular(path), "rb") as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise UnfitError(f"it is larger than {most_bytes:,} bytes")
        data = file.read(most_bytes + 1)  # it may grow meanwhile
    if len(data) > most_bytes:
        raise UnfitError(f"it is larger than {most_bytes:,} bytes")
    return data


# ---- texts ---------------------------------------------------------------------------------------


def parse_json(text: str | bytes) -> Any:
    """Plain values out of JSON; no NaN or infinity, which JSON does not have."""
    try:
        values = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise UnfitError("it is nested too deeply") from None
    except ValueError as error:  # malformed, no UTF-8, or a number of thousands of digits
        raise UnfitError(f"it is no JSON: {_sentence(error)}") from None
    _check_depth(values)
    return values


def parse_toml(text: str) -> dict[str, Any]:
    """Plain values out of TOML."""
    if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise UnfitError(f"a line has more than {MOST_DOTS} dots")
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise UnfitError("it is nested too deeply") from None
    except ValueError as error:  # its text ends with line and column
        raise UnfitError(_sentence(error)) from None
    _check_depth(values)
    return values


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _sentence(error: ValueError) -> str:
    """What a parser complains of; it may quote the text, which may be anything."""
    return shortened_value(str(error).partition(";")[0], 200)


def _check_depth(values: Any) -> None:
    level = [values]
    for _ in range(DEEPEST + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return
        level = inner
    raise UnfitError("it is nested too deeply")


# ---- what a value may be -------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """The numbers from ``low`` to ``high``, both included."""

    low: float
    high: float

    def __call__(self, value: Any) -> str | None:
        if self.low <= value <= self.high:
            return None
        return f"must be from {self.low:,} to {self.high:,}"


@dataclass(frozen=True)
class Matching:
    """Texts that a pattern matches as a whole."""

    pattern: str
    name: str

    def __call__(self, value: Any) -> str | None:
        return None if re.fullmatch(self.pattern, value) else f"must be {self.name}"


@dataclass(frozen=True)
class AtMost:
    """Texts and lists of at most so many characters or entries."""

    length: int

    def __call__(self, value: Any) -> str | None:
        return None if len(value) <= self.length else f"is longer than {self.length:,}"


BASE_NAME: Final = Matching(r'(?!\.{1,2}$)[^/\\:*?"<>|\x00-\x1f\x7f]{1,255}', "a plain file name")
"""A file's name that leads nowhere else, on any system."""
SHA256: Final = Matching(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal digits")


def fitted(kind: type[T], value: Any, *, place: str = "", exact: bool = False) -> T:
    """The value as what an annotation says, dataclasses put together.

    Known are bool, int, float, str, None, Any, ``Literal``, unions, lists, tuples, mappings with
    texts as keys, dataclasses, and ``Annotated`` with checks. An int has at most 64 bits unless a
    ``Range`` says other, a float is finite and may be written as an int; a bool is never a number.

    Args:
        place: what to call the value in the error; empty for a file's whole content.
        exact: whether a key that a dataclass does not have is an error; else it is passed over.

    Raises:
        UnfitError: it does not fit.
    """
    result: T = _fit(kind, value, place, exact)
    return result


def read_json(path: Path | str, kind: type[T], *, most_bytes: int, exact: bool = False) -> T:
    """A JSON file as an instance of ``kind``: see ``fitted``."""
    return fitted(kind, parse_json(read_bytes(path, most_bytes=most_bytes)), exact=exact)


def _fit(kind: Any, value: Any, place: str, exact: bool) -> Any:
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *checks = get_args(kind)
        has_range = any(isinstance(check, Range) for check in checks)
        is_free = has_range and inner is int and type(value) is int  # of the bound on other ints
        result = value if is_free else _fit(inner, value, place, exact)
        for check in checks:
            if callable(check) and (complaint := check(result)):
                raise _unfit(place, complaint, value)
        return result
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _fit_union(get_args(kind), value, place, exact)
    if origin is Literal:
        if any(value == each and type(value) is type(each) for each in get_args(kind)):
            return value
        names = ", ".join(map(str, get_args(kind)))
        raise _unfit(place, f"must be one of {names}", value)
    if is_dataclass(kind):
        return _fit_dataclass(kind, value, place, exact)
    if origin is not None or kind in (dict, list):
        return _fit_container(kind, origin or kind, value, place, exact)
    return _fit_scalar(kind, value, place)


def _fit_scalar(kind: Any, value: Any, place: str) -> Any:
    if kind is float and type(value) is int and abs(value) <= LARGEST_INT:
        return float(value)
    name, own = _SCALARS[kind]
    if type(value) is not own:
        raise _unfit(place, f"must be {name}", value)
    if own is int and not -LARGEST_INT <= value <= LARGEST_INT:
        raise _unfit(place, "is too large", value)
    if own is float and not math.isfinite(value):
        raise _unfit(place, "must be finite", value)
    return value


_SCALARS: Final[Mapping[Any, tuple[str, Any]]] = {
    bool: ("true or false", bool),
    int: ("a whole number", int),
    float: ("a number", float),
    str: ("a text", str),
    None: ("null", type(None)),
    type(None): ("null", type(None)),
}


def _fit_union(kinds: Sequence[Any], value: Any, place: str, exact: bool) -> Any:
    if value is None and type(None) in kinds:
        return None
    complaint: UnfitError | None = None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _fit(kind, value, place, exact)
            except UnfitError as error:
                complaint = complaint or error  # of the first, which is the usual one
    assert complaint is not None
    raise complaint


def _fit_container(kind: Any, origin: Any, value: Any, place: str, exact: bool) -> Any:
    arguments = get_args(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _unfit(place, "must be a table of names and values", value)
        inner = arguments[1] if arguments else Any
        return {
            key: _fit(inner, each, f"{place}.{key}" if place else key, exact)
            for key, each in value.items()
        }
    if not isinstance(value, list):
        raise _unfit(place, "must be a list", value)
    if origin is tuple and arguments[-1:] != (...,):
        if len(value) != len(arguments):
            raise _unfit(place, f"must be a list of {len(arguments)}", value)
        kinds = arguments
    else:
        kinds = (arguments[0] if arguments else Any,) * len(value)
    found = [
        _fit(each, item, f"{place}[{number}]", exact)
        for number, (each, item) in enumerate(zip(kinds, value, strict=True))
    ]
    return tuple(found) if origin is tuple else found


def _fit_dataclass(kind: Any, value: Any, place: str, exact: bool) -> Any:
    if not isinstance(value, dict):
        raise _unfit(place, "must be a table of names and values", value)
    hints = _hints(kind)
    above = f"{place}." if place else ""
    if exact and (unknown := sorted(set(value) - set(hints))):
        raise UnfitError(f"{above}{shortened_value(unknown[0])} is not known")
    named = {}
    for each in fields(kind):
        if each.name in value:
            named[each.name] = _fit(hints[each.name], value[each.name], above + each.name, exact)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise UnfitError(f"{above}{each.name} is missing")
    try:
        return kind(**named)
    except ValueError as error:  # of its own check
        raise UnfitError(f"{place or 'the content'} does not fit: {error}") from None


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind)}


def _unfit(place: str, complaint: str, value: Any) -> UnfitError:
    return UnfitError(f"{place or 'the content'} {complaint}, not {_described(value)}")


def _described(value: Any) -> str:
    """A value in a message: short, and without anything that steers a terminal."""
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    if type(value) is int and value.bit_length() > 128:  # more digits than Python may write out
        return f"a number of {value.bit_length():,} bits"
    return shortened_value(json.dumps(value, default=str))


def shortened_value(text: str, most: int = _SHOWN_CHARACTERS) -> str:
    """At most so many characters of a text, all of them printable."""
    plain = visible(text[: most + 1])
    return plain if len(plain) <= most else plain[: most - 3] + "..."
