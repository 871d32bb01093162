"""``animesr doctor``: what this machine can do, and what the configuration file sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from animesr_cli.cli.app import app, undisturbed
from animesr_cli.cli.console import show_json, show_table
from animesr_cli.cli.options import option_kinds, verb
from animesr_cli.cli.user_config import file_in_force
from animesr_cli.settings.command import ConfigChoice, Reporting

if TYPE_CHECKING:
    from animesr_cli.cli.machine import Finding


@verb
def doctor(
    *,
    choice: Annotated[ConfigChoice, ("config", "ignore_config")],
    reporting: Annotated[Reporting, ("json", "debug")],
) -> None:
    """Show what this machine can do, and what the configuration file sets.

    Devices, precisions, encoders that really open, checkpoints; every value of the file.

    [bold]Examples[/bold]

    animesr doctor

    animesr doctor --json
    """
    path = file_in_force(choice.config, ignore=choice.ignore_config)
    with undisturbed():
        from animesr_cli.cli.machine import configuration, examine

    commands = cast("Any", typer.main.get_command(app)).commands
    findings = [*examine(), *configuration(path, option_kinds(commands["upscale"]))]
    show_findings(findings, as_json=reporting.json)


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """The doctor's report, one section after another."""
    if as_json:
        return show_json([asdict(finding) for finding in findings])
    rows = [
        (finding.section, finding.name, ("" if finding.usable else "no: ") + finding.value)
        for finding in findings
    ]
    return show_table(("", "", ""), rows)
