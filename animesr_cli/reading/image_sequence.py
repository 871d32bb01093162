"""Which images are the frames of a sequence, and in which order.

A sequence is a folder, in natural order of the names, or a pattern such as ``frames/%06d.png``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from animesr_cli.errors import InputError, unreadable
from animesr_cli.text import shown
from animesr_cli.video.containers import IMAGE_SUFFIXES

LISTED: Final = 3
"""Files that a message names."""


# Names -------------------------------------------------------------------------------------------

_PLACEHOLDER = re.compile(
    r"(?P<before>(?:[^%]|%%)*)%0?(?P<digits>[1-9][0-9]?)?d(?P<after>(?:[^%]|%%)*)", re.DOTALL
)
_DIGITS = re.compile(r"([0-9]+)")
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>[0-9]+)(?P<after>[^0-9]*)", re.DOTALL)


@dataclass(frozen=True)
class Pattern:
    """``frames/%06d.png``: one number in the names of one folder."""

    folder: Path
    before: str
    digits: int
    """Numbers are filled with zeros to this length."""
    after: str

    def path(self, number: int) -> Path:
        return self.folder / f"{self.before}{number:0{self.digits}}{self.after}"

    def number_of(self, name: str) -> int | None:
        """The number in a file's name; None: it is no name of this pattern."""
        middle = name.removeprefix(self.before).removesuffix(self.after)
        if not _DIGITS.fullmatch(middle) or self.path(int(middle)).name != name:
            return None
        return int(middle)

    def existing(self) -> dict[int, Path]:
        """The files of this pattern that there are, by number, in order."""
        found = {
            number: self.folder / entry.name
            for entry in _entries(self.folder)
            if (number := self.number_of(entry.name)) is not None
        }
        return dict(sorted(found.items()))


def parse_pattern(path: Path) -> Pattern | None:
    """A name with one ``%d`` or ``%06d``; ``%%`` is a percent sign. None: it is a plain name."""
    match = _PLACEHOLDER.fullmatch(path.name)
    if match is None:
        return None
    before, after = (match[part].replace("%%", "%") for part in ("before", "after"))
    return Pattern(path.parent, before, int(match["digits"] or 1), after)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts ``frame2`` before ``Frame10``."""
    parts = _DIGITS.split(name.casefold())  # text and digits take turns
    return [(int(p), "") if _DIGITS.fullmatch(p) else (-1, p) for p in parts], name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file()]
    except FileNotFoundError:
        raise InputError(f"the folder {shown(folder)} does not exist") from None
    except OSError as error:
        raise unreadable(f"the folder {shown(folder)}", error) from error


# Finding the images ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ImageSequence:
    """The images that are taken, in order."""

    path: Path
    """The folder or the pattern, as it was given."""
    pattern: Pattern | None
    files: tuple[Path, ...]
    numbers: tuple[int, ...] | None
    """That in each file's name; None: the names are not one numbered series."""
    remarks: tuple[str, ...] = ()
    """What a person should know about the choice."""


def find_sequence(path: Path) -> ImageSequence | None:
    """The images of a folder or a pattern; None: the path is that of a file, or of nothing.

    Raises:
        InputError: there is no image, or the numbers of a pattern have a gap.
    """
    if path.is_dir():
        return _images_of_folder(path)
    pattern = parse_pattern(path)
    if pattern is None or os.path.lexists(path):
        return None
    return _images_of_pattern(path, pattern)


def _images_of_pattern(path: Path, pattern: Pattern) -> ImageSequence:
    found = pattern.existing()
    if not found:
        raise InputError(
            f"there is no file {shown(path)}, and no image of that pattern",
            f"the first one could be {shown(pattern.path(1).name)}",
        )
    numbers = tuple(found)
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if missing:
        gap = next(number for number in numbers if number + 1 not in found) + 1
        raise InputError(
            f"{shown(pattern.path(gap))} is missing: {_missing_of(missing, numbers)}",
            f"give the folder {shown(pattern.folder)} to take the images that are there",
        )
    return ImageSequence(path=path, pattern=pattern, files=tuple(found.values()), numbers=numbers)


def _missing_of(missing: int, numbers: Sequence[int]) -> str:
    verb = "is" if missing == 1 else "are"
    return f"{missing} of the numbers from {numbers[0]} to {numbers[-1]} {verb} not there"


def _images_of_folder(folder: Path) -> ImageSequence:
    names = sorted(
        (
            entry.name
            for entry in _entries(folder)
            if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")
        ),
        key=natural_key,
    )
    if not names:
        raise InputError(
            f"{shown(folder)} is a folder that holds no image",
            f"images end in {', '.join(IMAGE_SUFFIXES)}",
        )
    _refuse_doubles(folder, names)
    numbers, remarks = _numbers(names)
    return ImageSequence(
        path=folder,
        pattern=None,
        files=tuple(folder / name for name in names),
        numbers=numbers,
        remarks=remarks,
    )


def _refuse_doubles(folder: Path, names: Sequence[str]) -> None:
    """Two kinds of the same frame would show everything twice."""
    stems: dict[str, str] = {}
    for name in names:
        other = stems.setdefault(Path(name).stem, name)
        if other != name:
            raise InputError(
                f"{shown(folder)} holds both {shown(other)} and {shown(name)}",
                "move one kind away, or choose it with a pattern such as "
                f"{shown(folder / '%06d')}{Path(name).suffix}",
            )


def _numbers(names: Sequence[str]) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """The numbers of one series of names, and what is odd about them."""
    matches = [_NUMBERED.fullmatch(Path(name).stem) for name in names]
    firsts: dict[str | None, str] = {}  # of each series
    for name, match in zip(names, matches, strict=True):
        firsts.setdefault(match["before"] if match else None, name)
    if len(firsts) > 1:
        listed = ", ".join(map(shown, list(firsts.values())[:LISTED]))
        return None, (
            f"the images have {len(firsts)} kinds of names, taken in natural order; the first of "
            f"each: {listed}{' ...' if len(firsts) > LISTED else ''}",
        )
    numbers = tuple(int(match["number"]) for match in matches if match)
    if not numbers or len(set(numbers)) < len(numbers):
        return None, ()
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if not missing:
        return numbers, ()
    return numbers, (
        f"{_missing_of(missing, numbers)}; the images that are follow one another directly",
    )
