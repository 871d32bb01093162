"""What people write for a value: times, rates, sizes, pairs and choices, read and refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from animesr_cli.errors import UsageError

HEIGHTS: Final[Mapping[str, int]] = {
    "hd": 720, "fullhd": 1080, "fhd": 1080, "qhd": 1440, "4k": 2160, "uhd": 2160, "8k": 4320,
}  # fmt: skip
"""Names of pictures by their lines, beside ``1080p`` and the like."""
WIDE: Final = Fraction(16, 9)
"""The shape that a name such as 1080p stands for."""
MAX_RATE: Final = 1000
"""Frames per second above which a rate is taken for a mistake."""
NTSC_ROUNDING: Final = Fraction(1, 200)
"""How far people's 23.98 and 29.97 are from 24000/1001 and 30000/1001."""

_CLOCK = re.compile(
    r"(?:(?P<hours>[0-9]+):)?(?P<minutes>[0-9]{1,2}):(?P<seconds>[0-9]{1,2}(?:\.[0-9]+)?)"
)
_RATE = re.compile(r"[0-9]+/0*[1-9][0-9]*|[0-9]+(?:\.[0-9]+)?")
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")

LATEST_SECONDS: Final = 10_000 * 3600
LONGEST_TEXT: Final = 60
_LINES = re.compile(r"([0-9]{1,20})[pi]?")
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kmgt])?")
_BOX = re.compile(r"([0-9]{1,20})\s*[x×]\s*([0-9]{1,20})")


def parse_time(text: str) -> Fraction:
    """Seconds in ``12.5``, ``1:30`` or ``1:02:03.250``."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return Fraction("0" + text if text.startswith(".") else text.removesuffix("."))
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        hours, minutes = clock["hours"], int(clock["minutes"])
        part = Fraction(clock["seconds"])
        if part < 60 and (minutes < 60 or hours is None):
            return int(hours or 0) * 3600 + minutes * 60 + part
    raise UsageError(
        f"{text!r} is not a time",
        "give seconds (12.5) or hours, minutes and seconds (1:02:03.250), from 0 to 10000 hours",
    )


def parse_rate(text: str) -> Fraction:
    """Frames per second in ``24``, ``24000/1001`` or ``23.976``, which means the same as that."""
    text = text.strip()
    rate = Fraction(text) if _RATE.fullmatch(text) else Fraction(0)
    if not 0 < rate <= MAX_RATE:
        raise UsageError(
            f"{text!r} is no number of frames per second",
            f"give for example 24, 23.976 or 24000/1001, above 0 and at most {MAX_RATE}",
        )
    ntsc = Fraction(round(rate) * 1000, 1001)
    return ntsc if "." in text and abs(rate - ntsc) < NTSC_ROUNDING else rate


def time(value: float | str | Fraction) -> Fraction:
    """Seconds from 0 on, of a number or of text such as ``1:02:03.5``."""
    if isinstance(value, str):
        found = parse_time(_short(value))
    elif not 0 <= value < float("inf"):
        raise UsageError(f"{value} is not a time", "give seconds, from 0 on")
    else:
        found = Fraction(str(value))  # 0.1 is meant to be a tenth
    if found > LATEST_SECONDS:
        raise UsageError(
            f"{_short(str(value))!r} is not a time in a video", "times go up to 10000 hours"
        )
    return found


def times(values: Iterable[float | str | Fraction]) -> tuple[Fraction, ...]:
    """Several times, in their order."""
    return tuple(map(time, values))


def rate(value: float | str | Fraction) -> Fraction:
    """Frames a second, of a number or of text such as ``24000/1001``."""
    return parse_rate(_short(str(value)))


def _short(text: str) -> str:
    """The text, cut where no number of a video could be so long: Python refuses 4,300 digits."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


def lines(value: int | str) -> int:
    """The height of a picture: ``1080``, ``1080p`` or ``4k``."""
    if not isinstance(value, str):
        return value
    found = _height(value)
    if found is None:
        raise UsageError(
            f"{value!r} is no height", "give pixels, or a name such as 720p, 1080p, 4k or 8k"
        )
    return found


def box(value: str | tuple[int, int]) -> tuple[int, int]:
    """Width and height to fit into: ``1920x1080``, or a name such as ``1080p`` for 16:9."""
    if not isinstance(value, str):
        width, height = value
        return width, height
    if sides := _BOX.fullmatch(value.strip().lower()):
        return int(sides[1]), int(sides[2])
    named = _height(value)
    if named is None or value.strip().isdigit():
        raise UsageError(f"{value!r} is no size to fit into", "give 1920x1080, 1080p or 4k")
    return round(named * WIDE), named


def _height(text: str) -> int | None:
    text = text.strip().lower()
    named = HEIGHTS.get(text)
    if named is not None:
        return named
    found = _LINES.fullmatch(text)
    return int(found[1]) if found else None


def amount(value: int | str) -> int:
    """A number of bits or bytes: ``900k``, ``8M``, ``4.7G``; thousands, as disks are sold."""
    if not isinstance(value, str):
        return value
    found = _AMOUNT.fullmatch(value.strip().lower())
    if found is None:
        raise UsageError(f"{_short(value)!r} is no amount", "give for example 900k, 8M or 4.7G")
    return int(Fraction(found[1]) * 1000 ** " kmgt".index(found[2] or " "))


def pairs(option: str, example: str) -> Callable[[Any], dict[str, str]]:
    """A reader of ``key=value``, given several times, or of a mapping."""

    def reads(value: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
        if isinstance(value, Mapping):
            return dict(value)
        for pair in (found := list(value)):
            if "=" not in pair.strip("="):
                raise UsageError(
                    f"{option} {pair}: expected key=value", f"for example {option} {example}"
                )
        return dict(pair.split("=", 1) for pair in found)

    return reads
