"""One setting, declared once: how it is named, described and bounded, and read from text.

A settings class is a frozen dataclass whose fields are ``Annotated[type, Option(...)]``. The
command line's options, the Python function's keywords, the keys of the configuration file, the
options table of the manual and the fingerprint of a run are all made from these fields.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Protocol, get_args, get_origin, get_type_hints

from animesr_cli.errors import UsageError

UNLIMITED: Final = math.inf


@dataclass(frozen=True)
class Option:
    """What is known of a setting beside its type and its default."""

    help: str
    short: str = ""
    """A short name, such as ``-s``."""
    name: str = ""
    """The long name without its dashes, where it is not the field's own."""
    panel: str = ""
    """The heading that it stands under in the help."""
    metavar: str = ""
    """What stands for its value in the help."""
    above: float | None = None
    """Numbers must be larger than this."""
    least: float | None = None
    """Numbers must be at least this."""
    most: float = UNLIMITED
    """Numbers must be at most this."""
    automatic: float | None = None
    """A number outside the range that means: choose."""
    reads: Callable[[Any], Any] | None = None
    """Makes the value from what a person wrote, or from what a program gave."""
    repeatable: bool = False
    """A person may give it several times; ``reads`` then gets the list of texts."""
    switches_off: bool = False
    """On by default; the command line has ``--no-NAME``."""
    by_preset: bool = False
    """Left out, it is not the field's default that holds but that of a preset."""
    default_title: str = ""
    """The default as the help says it, where it is not the value itself."""
    hidden: bool = False
    """It is not shown in the help."""
    command_only: bool = False
    """Meaningless as a keyword of the Python function."""
    decides: bool = False
    """Two runs must agree in it to share chunks."""
    how_only: bool = False
    """It says how a run is carried out; the output is the same."""


class Settings(Protocol):
    """Any class of settings: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True)
class Declared:
    """A field of a settings class with its option."""

    field: str
    type: Any
    default: Any
    """``MISSING``: it has to be given."""
    option: Option

    @property
    def name(self) -> str:
        """The long name, without its dashes."""
        own = self.option.name or self.field.replace("_", "-")
        return f"no-{own}" if self.option.switches_off else own

    @property
    def types(self) -> set[Any]:
        """The plain types that the value may have, without None."""
        parts = get_args(self.type) if isinstance(self.type, UnionType) else (self.type,)
        return {get_origin(part) or part for part in parts} - {NoneType}


@cache
def declared(settings: type[Settings]) -> Mapping[str, Declared]:
    """The options of a settings class by the names of their fields, in their order."""
    hints = get_type_hints(settings, include_extras=True)
    found = {}
    for each in dataclasses.fields(settings):
        type_, *notes = get_args(hints[each.name]) or (hints[each.name],)
        option = next((note for note in notes if isinstance(note, Option)), None)
        if option is not None:
            default = each.default
            if each.default_factory is not dataclasses.MISSING:
                default = each.default_factory()
            found[each.name] = Declared(each.name, type_, default, option)
    return found


def read(settings: type[Settings], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, by field, in the types of the fields.

    Raises:
        UsageError: a text is not what its option takes, or a number is out of its range.
    """
    known = declared(settings)
    values = {}
    for name, value in given.items():
        reads = known[name].option.reads
        values[name] = reads(value) if reads and value is not None else value
        check_value(known[name], values[name])
    return values


def check_values(settings: Settings) -> None:
    """Refuse every value that ``check_value`` refuses."""
    for each in declared(type(settings)).values():
        check_value(each, getattr(settings, each.field))


def check_value(each: Declared, value: object) -> None:
    """Refuse a number that is out of its option's range, and a text that C would cut."""
    if isinstance(value, str) and "\0" in value:
        raise UsageError(f"--{each.name} holds a NUL byte")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    option = each.option
    if option.automatic is not None and value == option.automatic:
        return
    automatic = "" if option.automatic is None else f"{option.automatic:g} (automatic) or "
    above = "" if option.above is None else f"above {option.above:g}"
    least = "" if option.least is None else f"{automatic}at least {option.least:.10g}"
    most = "" if option.most == UNLIMITED else f"at most {option.most:.10g}"
    wanted = ""
    if not math.isfinite(value):  # one end alone would be half of what is wrong
        wanted = " and ".join(filter(None, (least or above, most)))
    elif option.above is not None and value <= option.above:
        wanted = above
    elif option.least is not None and value < option.least:
        wanted = least
    elif value > option.most:
        wanted = most
    if wanted:
        shown = f"{value:g}" if isinstance(value, float) else _whole(value)
        raise UsageError(f"--{each.name} must be {wanted}, not {shown}")


def _whole(value: int) -> str:
    """A whole number in full, where that can be read."""
    return str(value) if abs(value) < 10**20 else "a number of more than twenty digits"


def decisions(settings: Settings) -> dict[str, Any]:
    """The settings that decide what comes out, by the names of their options."""
    found = {}
    for each in declared(type(settings)).values():
        if each.option.decides:
            value = getattr(settings, each.field)
            found[f"--{each.name}"] = not value if each.option.switches_off else value
    return found
