"""``animesr models`` and ``animesr download``: the catalogue, and fetching from it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from animesr_cli.cli.app import stoppable
from animesr_cli.cli.console import out, show_json, show_warning
from animesr_cli.cli.options import verb
from animesr_cli.errors import UsageError
from animesr_cli.settings.command import DownloadSettings, Reporting
from animesr_cli.text import format_bytes, visible

if TYPE_CHECKING:
    from animesr_cli.model.catalogue import Checkpoint
    from animesr_cli.model.download import Status


@verb
def models(*, reporting: Annotated[Reporting, ("json", "debug")]) -> None:
    """List the checkpoints: what each is good for, its cost, size, licence, and where it is.

    [bold]Examples[/bold]

    animesr models

    animesr models --json
    """
    from animesr_cli.model.catalogue import CATALOGUE
    from animesr_cli.model.download import models_folder, status, user_files

    rows = [status(checkpoint) for checkpoint in CATALOGUE]
    if reporting.json:
        return show_json([_values(row) for row in rows])
    show_models(rows)
    return show_own(models_folder(), user_files())


@verb
def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Of `animesr models`.", show_default=False),
    ] = None,
    *,
    settings: DownloadSettings,
    reporting: Annotated[Reporting, ("debug",)],
) -> None:
    """Fetch checkpoints, verified by their hashes; an interrupted download breaks nothing.

    [bold]Examples[/bold]

    animesr download v2

    animesr download --all --force
    """
    with stoppable():
        if bool(names) == settings.every:
            raise UsageError("name the models to download, or --all", "animesr download v2")
        from animesr_cli.model.catalogue import CATALOGUE
        from animesr_cli.model.download import download as fetch

        wanted = names or [row.name for row in CATALOGUE if not row.shipped]
        for path in fetch(wanted, force=settings.force, warn=show_warning):
            out.print(str(path), markup=False)


def _values(row: Status) -> dict[str, Any]:
    from animesr_cli.model.catalogue import DEFAULT

    values = asdict(row.checkpoint) | asdict(row) | {"where": row.where}
    del values["checkpoint"]
    return values | {"default": row.checkpoint.name == DEFAULT}


def show_models(rows: Sequence[Status]) -> None:
    """The catalogue: networks, then what degrades; each with a line of what it is good for."""
    networks = [row for row in rows if row.checkpoint.kind == "network"]
    operators = [row for row in rows if row.checkpoint.kind == "operator"]
    for title, group in (
        ("Networks, for -n (* is the default; cost in million multiplications a pixel)", networks),
        ("Learned operators, for --lbo: they degrade as a certain source does", operators),
    ):
        out.print(title, markup=False)
        for row in group:
            out.print(_facts(row.checkpoint, row.size_bytes), markup=False, soft_wrap=True)
            _say(f"{row.checkpoint.good_for}; licence: {row.checkpoint.licence}; {row.where}")


def _say(text: str) -> None:
    """Indented; on a terminal between its edges, for a program on one line."""
    width = out.width if out.is_terminal else sys.maxsize
    for line in textwrap.wrap(
        visible(text), max(width - 6, 20), break_long_words=False, break_on_hyphens=False
    ):
        out.print(f"      {line}", markup=False, soft_wrap=True)


def _facts(row: Checkpoint, size_bytes: int | None) -> str:
    from animesr_cli.model.catalogue import DEFAULT

    mark = "*" if row.name == DEFAULT else " "
    size = format_bytes(size_bytes) if size_bytes else "size unknown"
    cost = f"x{row.scale}  {row.architecture:<15}  {row.mmac:>6.3f}" if row.mmac else "LBO"
    return f"  {mark} {row.name:<23}  {cost:<28}  {size:>12}"


def show_own(folder: Path, files: Sequence[Path]) -> None:
    """What the user has put into the folder, and that he can."""
    if files:
        out.print(f"Your own in {visible(str(folder))}", markup=False, soft_wrap=True)
        for file in files:
            out.print(f"    {visible(file.stem)}", markup=False, soft_wrap=True)
    note = f"A file of weights that you put into {visible(str(folder))} is found by its name."
    out.print(note, markup=False, soft_wrap=True)
