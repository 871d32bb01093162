"""Settings as options of a command: Typer is told what the fields of the settings classes say.

A verb's function takes whole settings objects. ``verb`` gives it the signature that Typer reads, in
which each of them is replaced by its fields, and makes the objects again from what was given.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from animesr_cli.cli.app import errors_shown, set_up_logging
from animesr_cli.settings.option import Declared, Option, declared, read


def _typed(option: Option, name: str) -> Any:
    """What Typer is told of an option; ``name`` is its long one without dashes."""
    title = f" [default: {option.default_title}]" if option.default_title else ""
    return typer.Option(
        *filter(None, (option.short, f"--{name}")),
        help=(option.help + title).replace("[", r"\["),
        metavar=option.metavar or None,
        rich_help_panel=option.panel or None,
        show_default=not option.default_title,
        hidden=option.hidden,
    )


# A verb ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """A parameter of a verb that stands for several options."""

    settings: type
    fields: tuple[Declared, ...]
    raw: bool
    """The verb takes a dictionary of what was given, by field, instead of the settings."""

    def taken_from(self, given: dict[str, Any]) -> Any:
        """The settings, or the dictionary; the options are taken out of ``given``."""
        values = {}
        for each in self.fields:
            value = given.pop(_parameter_name(each))
            values[each.field] = not value if each.option.switches_off else value
        values = read(self.settings, {k: v for k, v in values.items() if v is not None})
        return values if self.raw else self.settings(**values)


def _group(hint: Any) -> _Group | None:
    """A verb's parameter as a group of options; None: it is an argument.

    Of ``Annotated[UpscaleSettings, ("start", "end")]`` only these fields are options; for
    ``Annotated[dict[str, Any], FinetuneSettings]`` the verb takes what was given, by field.
    """
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    chosen = next((note for note in notes if isinstance(note, tuple)), None)
    raw = next((note for note in notes if _is_settings(note)), None)
    settings = raw or base
    if not _is_settings(settings):
        return None
    fields = declared(settings)
    return _Group(settings, tuple(fields[name] for name in chosen or fields), raw is not None)


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and hasattr(hint, "__dataclass_fields__")


def _parameter_name(each: Declared) -> str:
    return each.name.replace("-", "_")


def _parameter(each: Declared) -> inspect.Parameter:
    """A field of a settings class as Typer wants a parameter."""
    option, default = each.option, each.default
    kind: Any = next((kind for kind in (bool, int, float, Path) if kind in each.types), str)
    if option.switches_off:
        default = False
    elif default is MISSING:
        kind, default = list[str] if option.repeatable else kind, inspect.Parameter.empty
    elif option.repeatable:
        kind, default = list[str] | None, None
    elif option.by_preset or option.default_title or default is None:
        kind, default = kind | None, None
    if option.reads is not None and option.reads is not Path and not option.repeatable:
        kind = str | None  # a text, which the settings read
    return inspect.Parameter(
        _parameter_name(each),
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, _typed(option, each.name)],
    )


def _expanded(function: Callable[..., None], groups: Mapping[str, _Group]) -> inspect.Signature:
    hints = get_type_hints(function, include_extras=True)

    def parameters() -> Iterator[inspect.Parameter]:
        for name, parameter in inspect.signature(function).parameters.items():
            if name in groups:
                yield from map(_parameter, groups[name].fields)
            else:
                kind = inspect.Parameter.KEYWORD_ONLY
                yield parameter.replace(annotation=hints[name], kind=kind)

    return inspect.Signature(list(parameters()), return_annotation=None)


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """A command's function as Typer wants it; its body stands where errors become sentences."""
    hints = get_type_hints(function, include_extras=True)
    groups = {name: group for name, hint in hints.items() if (group := _group(hint)) is not None}
    signature = _expanded(function, groups)
    for parameter in signature.parameters.values():
        for note in get_args(parameter.annotation)[1:]:
            # Whether a file may be read is said by the room that reads it: in one line, as code 3.
            note.readable = False

    @functools.wraps(function)
    def command(**given: Any) -> None:
        debug = given.get("debug", False)
        with errors_shown(debug=debug, json_events=given.get("json", False)):
            set_up_logging(verbose=given.get("verbose", False), debug=debug)
            settings = {name: group.taken_from(given) for name, group in groups.items()}
            function(**given, **settings)

    command.__dict__["__signature__"] = signature
    command.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    return command


# What a configuration file must know -------------------------------------------------------------


def _kind(hint: Any) -> type:
    """The type of a value in a configuration file: bool, int, float, list or str."""
    parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    found = {get_origin(part) or part for part in parts}
    return next((kind for kind in (bool, int, float, list) if kind in found), str)


def long_names(command: Any) -> dict[str, str]:
    """Long name of each option, without its dashes -> the name of its parameter."""
    return {
        name.removeprefix("--"): parameter.name
        for parameter in command.params
        for name in parameter.opts
        if name.startswith("--")
    }


def option_kinds(command: Any) -> dict[str, type]:
    """Long name of each option of a command -> the type of its value."""
    hints = get_type_hints(command.callback)
    return {
        name: _kind(hints[parameter])
        for name, parameter in long_names(command).items()
        if parameter in hints
    }
