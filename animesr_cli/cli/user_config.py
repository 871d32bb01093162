"""The user's configuration file: its place, its tables, and which of several values is in force.

    [upscale]                # for every run
    crf = 16
    [preset.archive]         # for those with -p archive
    codec = "ffv1"

A key is the long name of an option. This room does not know the options: it is told their names and
the type of each.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from animesr_cli import places
from animesr_cli.bounded import (
    LARGEST_INT,
    MEBIBYTE,
    UnfitError,
    parse_toml,
    read_bytes,
    shortened_value,
)
from animesr_cli.errors import UsageError
from animesr_cli.text import shown

Value: TypeAlias = bool | int | float | str | list[str]
Table: TypeAlias = Mapping[str, Value]
Kinds: TypeAlias = Mapping[str, type]
"""Long name of an option -> bool, int, float, str, or list (of texts)."""

COMMAND_LINE_ONLY: Final = frozenset({
    "input", "output", "overwrite", "restart", "dry-run", "config", "ignore-config", "profile",
    "help",
})  # fmt: skip
"""Names of files, and what replaces files: these are said anew each time."""

SAME_QUESTION: Final = (
    frozenset({"scale", "width", "height", "fit"}),
    frozenset({"crf", "bitrate", "target-size"}),
    frozenset({"precision", "half", "fp32"}),
)
"""Options that answer one question: where one is given, no weaker place answers with another."""

_TYPES: Final[Mapping[type, tuple[str, tuple[type, ...]]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("a text", (str, int, float)),  # end = 90 and preset = 8 are as good as "90" and "8"
    list: ("a list of texts", (list,)),
}
"""Type of an option -> its name for people, and the TOML types that are taken for it."""


@dataclass(frozen=True, kw_only=True)
class UserConfig:
    """One file, checked: every key is an option's, every value has its type."""

    path: Path
    upscale: Table
    presets: Mapping[str, Table]

    def preset(self, name: str) -> Table:
        if name not in self.presets:
            hint = _nearest(name, self.presets) or f"add a table [preset.{name}] to it"
            raise UsageError(f"-p {name}: {self.path} has no preset of that name", hint)
        return self.presets[name]


# Finding it --------------------------------------------------------------------------------------


def usual_file() -> Path:
    """``~/.config/animesr/config.toml`` on Linux, or where XDG or the system has it."""
    return places.config_folder() / "config.toml"


def file_in_force(named: Path | None, *, ignore: bool) -> Path | None:
    """The file that a command reads: the one named, else the usual one, if it is there."""
    if named is not None and ignore:
        raise UsageError("--config names a file and --ignore-config ignores it", "leave out one")
    if named is not None or ignore:
        return named
    return usual_file() if os.path.lexists(usual_file()) else None


# Reading it --------------------------------------------------------------------------------------


def _parse(path: Path) -> dict[str, Any]:
    name = f"the configuration file {shown(path)}"
    try:
        text = read_bytes(path, most_bytes=MEBIBYTE).decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{name} does not exist") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{shown(path)} is not valid TOML: line {line} is not UTF-8") from None
    except (UnfitError, OSError) as error:
        reason = str(error) if isinstance(error, UnfitError) else error.strerror or str(error)
        raise UsageError(
            f"{name} cannot be read: {reason[:1].lower()}{reason[1:]}",
            "--ignore-config does without it",
        ) from error
    try:
        return parse_toml(text)
    except UnfitError as error:
        raise UsageError(f"{shown(path)} is not valid TOML: {error}") from None


def _nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str | None:
    found = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {found[0]}?" if found else None


def _table(content: Any, place: str, path: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UsageError(f"{path}: {place} must be a table", f"write [{place}] above its values")
    return content


def _checked(content: Any, place: str, kinds: Kinds, path: Path) -> Table:
    section = f"[{shortened_value(place)}]"
    return {
        key: _value(value, f"{section} {shortened_value(key)}", key, kinds, path)
        for key, value in _table(content, place, path).items()
    }


def _value(value: Any, place: str, key: str, kinds: Kinds, path: Path) -> Value:
    """One value in its option's own type."""
    if key in COMMAND_LINE_ONLY:
        raise UsageError(f"{path}: {place} is taken from the command line alone", "remove it")
    if key not in kinds:
        names = sorted(set(kinds) - COMMAND_LINE_ONLY)
        every = f"the options are {', '.join(names)}"
        raise UsageError(f"{path}: {place} is no option", _nearest(key, names) or every)
    kind = kinds[key]
    title, taken = _TYPES[kind]
    # bool is a kind of int in Python, and not in TOML.
    fits = isinstance(value, taken) and (kind is bool or not isinstance(value, bool))
    if fits and kind is list:
        fits = all(isinstance(item, str) for item in value)
    if not fits:
        raise UsageError(f"{path}: {place} must be {title}, not {_shown(value)}")
    if isinstance(value, int | float) and not abs(value) <= LARGEST_INT:  # NaN, too
        raise UsageError(f"{path}: {place} is too large a number")
    result: Value = kind(value)
    return result


def _shown(value: Any) -> str:
    """A value as TOML writes it, more or less."""
    if isinstance(value, bool):
        return str(value).lower()
    return shortened_value(f'"{value}"' if isinstance(value, str) else str(value))


def read_config(path: Path, kinds: Kinds) -> UserConfig:
    """Read and check a whole file, also the presets that nobody asks for now.

    Raises:
        UsageError: it is missing or no TOML, or has an unknown key or a value of another type;
            the message names the file and the line or the key.
    """
    content = _parse(path)
    for name in content:
        if name not in ("upscale", "preset"):
            hint = "its tables are [upscale] and [preset.NAME]"
            if name in kinds:
                hint = f"write it below a line with [upscale]; {hint}"
            raise UsageError(f"{path}: {name} is not known here", hint)
    presets = _table(content.get("preset", {}), "preset", path)
    return UserConfig(
        path=path,
        upscale=_checked(content.get("upscale", {}), "upscale", kinds, path),
        presets={
            name: _checked(table, f"preset.{name}", kinds, path) for name, table in presets.items()
        },
    )


# What is in force --------------------------------------------------------------------------------


def _without_answered(table: Table, stronger: set[str]) -> Table:
    """What is left of a table where ``stronger`` options are given elsewhere."""
    answered = {name for group in SAME_QUESTION if group & stronger for name in group}
    return {name: value for name, value in table.items() if name not in answered | stronger}


def values_in_force(config: UserConfig, preset: str | None, given: set[str]) -> Table:
    """What the file adds to the options ``given``: a preset's values go before [upscale]'s."""
    chosen = _without_answered(config.preset(preset) if preset else {}, given)
    return {**_without_answered(config.upscale, given | set(chosen)), **chosen}


def read_values(
    named: Path | None, *, ignore: bool, preset: str | None, given: set[str], kinds: Kinds
) -> Table:
    """The defaults of one command, from the file that is in force."""
    path = file_in_force(named, ignore=ignore)
    if path is not None:
        return values_in_force(read_config(path, kinds), preset, given)
    if preset is not None:
        why = "--ignore-config is given" if ignore else f"{usual_file()} does not exist"
        raise UsageError(f"-p {preset}: there is no configuration file, as {why}")
    return {}
