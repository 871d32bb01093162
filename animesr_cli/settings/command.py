"""Options of commands alone, which no Python function takes: what is shown, which file is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from animesr_cli.settings.option import Option

configuration = partial(Option, panel="Configuration")


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """What a command shows of its work."""

    json: Annotated[bool, Option("Print JSON on standard output.")] = False
    quiet: Annotated[bool, Option("Only errors.", "-q")] = False
    verbose: Annotated[bool, Option("Say what is decided and why.", "-v")] = False
    debug: Annotated[bool, Option("Show the traceback of an error.")] = False


@dataclass(frozen=True, kw_only=True)
class ConfigChoice:
    """Which configuration file a command reads, and what of it."""

    config: Annotated[
        Path | None,
        configuration("Read this file instead of ~/.config/animesr/config.toml.", metavar="FILE"),
    ] = None
    ignore_config: Annotated[bool, configuration("Read no configuration file.")] = False
    profile: Annotated[
        str | None,
        configuration("Use [preset.NAME] of the configuration file.", "-p", metavar="NAME"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class UpscaleCommand:
    """Other ways to say what ``upscale`` is given, and whether it is done."""

    input: Annotated[str | None, Option("The same as IN.", "-i", hidden=True)] = None
    output: Annotated[str | None, Option("The same as OUT.", "-o", hidden=True)] = None
    half: Annotated[bool, Option("The same as --precision fp16.", hidden=True)] = False
    fp32: Annotated[bool, Option("The same as --precision fp32.", hidden=True)] = False
    dry_run: Annotated[bool, Option("Show outputs, sizes, hours and disk; do nothing.")] = False


@dataclass(frozen=True, kw_only=True)
class DownloadSettings:
    """Which checkpoints are fetched beside those that are named."""

    every: Annotated[bool, Option("Every model of the catalogue.", name="all")] = False
    force: Annotated[bool, Option("Fetch again what is there.")] = False
