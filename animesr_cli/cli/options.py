"""Options that several commands share, and what a configuration file must know of a command."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say what is decided and why.")
]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Read this file instead of ~/.config/animesr/config.toml.",
        rich_help_panel="Configuration",
    ),
]
IgnoreConfigOption = Annotated[
    bool,
    typer.Option(
        "--ignore-config", help="Read no configuration file.", rich_help_panel="Configuration"
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--profile",
        metavar="NAME",
        help=r"Use \[preset.NAME] of the configuration file.",
        rich_help_panel="Configuration",
    ),
]


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
