"""``animesr models`` and ``animesr download``: the catalogue, and fetching from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import stoppable
from animesr_cli.cli.console import format_bytes, out, show_json, show_table, show_warning
from animesr_cli.cli.options import DebugOption, JsonOption, verb
from animesr_cli.errors import UsageError

if TYPE_CHECKING:
    from animesr_cli.model.checkpoint import Status


@verb
def models(*, json_output: JsonOption = False, debug: DebugOption = False) -> None:
    """List the checkpoints: name, kind, size, licence, and where each is.

    [bold]Examples[/bold]

    animesr models

    animesr models --json
    """
    from animesr_cli.model.checkpoint import CATALOGUE, status

    show_models([status(checkpoint) for checkpoint in CATALOGUE], as_json=json_output)


@verb
def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Of `animesr models`.", show_default=False),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every model of the catalogue.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
    debug: DebugOption = False,
) -> None:
    """Fetch checkpoints, verified by their hashes; an interrupted download breaks nothing.

    [bold]Examples[/bold]

    animesr download v2

    animesr download --all --force
    """
    with stoppable():
        if bool(names) == every:
            raise UsageError("name the models to download, or --all", "animesr download v2")
        from animesr_cli.model.checkpoint import CATALOGUE
        from animesr_cli.model.checkpoint import download as fetch

        wanted = [row.name for row in CATALOGUE if not row.shipped] if every else names or []
        for path in fetch(wanted, force=force, warn=show_warning):
            out.print(str(path), markup=False)


def show_models(rows: Sequence[Status], *, as_json: bool) -> None:
    """The catalogue, with where each checkpoint is."""
    if as_json:
        fields = [asdict(row.checkpoint) | asdict(row) | {"where": row.where} for row in rows]
        return show_json([{k: v for k, v in row.items() if k != "checkpoint"} for row in fields])
    cells = [
        (
            row.checkpoint.name,
            f"x{row.checkpoint.scale}" if row.checkpoint.kind == "network" else "LBO",
            format_bytes(row.size_bytes) if row.size_bytes else "?",
            row.checkpoint.licence,
            row.where,
        )
        for row in rows
    ]
    return show_table(("name", "kind", "size", "licence", "where"), cells)
