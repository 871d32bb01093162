"""Every command in the order of the help, and how commands parse.

Flags stand without a type in the help, and defaults come from the configuration file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from animesr_cli.cli.app import app, errors_shown
from animesr_cli.cli.bench import bench
from animesr_cli.cli.compare import compare
from animesr_cli.cli.degrade import degrade
from animesr_cli.cli.doctor import doctor
from animesr_cli.cli.evaluate import evaluate
from animesr_cli.cli.finetune import finetune
from animesr_cli.cli.info import info
from animesr_cli.cli.learn_lbo import learn_lbo
from animesr_cli.cli.models import download, models
from animesr_cli.cli.options import long_names, option_kinds
from animesr_cli.cli.preview import preview
from animesr_cli.cli.upscale import upscale
from animesr_cli.cli.user_config import read_values
from animesr_cli.errors import UsageError
from animesr_cli.text import shown

__all__ = ["app"]


def _without_types(parameters: list[Any]) -> list[Any]:
    """The parameters, flags among them without the ``<bool>`` that Typer writes beside them."""
    for each in parameters:
        if getattr(each, "is_flag", False):
            each.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command whose help shows a flag as what it is."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Start the crash watch first, where this process is the command's own; help needs none."""
        if ctx.obj is not None:
            ctx.obj(debug=bool(ctx.params.get("debug")))
        return super().invoke(ctx)


class Group(TyperGroup):
    """The program itself, which knows what is meant by a file in the place of a command."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        is_file = os.path.exists(name) or name.lower().endswith((".mkv", ".mp4", ".avi", ".webm"))
        if is_file and name not in self.commands:
            with errors_shown():
                raise UsageError(
                    f"{shown(name)} is no command",
                    f"animesr upscale {shlex.join([name])} enlarges it",
                )
        return super().resolve_command(ctx, args)


class ConfiguredCommand(Command):
    """A command whose defaults are those of the user's configuration file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        if not (ctx.resilient_parsing or given.get("help")):  # completion; the help always works
            debug, json_events = bool(given.get("debug")), bool(given.get("json"))
            with errors_shown(debug=debug, json_events=json_events):
                ctx.default_map = self._defaults(given)
        return super().parse_args(ctx, args)

    def _defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """By parameter, for those that are not ``given`` on the command line."""
        parameters = long_names(self)
        named = given.get("config")
        values = read_values(
            None if named is None else Path(named),
            ignore=bool(given.get("ignore_config")),
            preset=given.get("profile"),
            given={name for name, parameter in parameters.items() if parameter in given},
            kinds=option_kinds(self),
        )
        return {parameters[name]: value for name, value in values.items()}


app.info.cls = Group
app.command(cls=ConfiguredCommand)(upscale)
for verb in (preview, info, models, download, doctor, bench, evaluate, degrade, compare, finetune):
    app.command(cls=Command)(verb)
app.command("learn-lbo", cls=Command)(learn_lbo)
