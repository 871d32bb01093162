"""What every command shows with: two consoles, lines, tables, JSON events, a display of progress.

Everything for people goes to stderr; stdout is for results and, with ``--json``, for one JSON
object a line. What a run looks like is in ``upscale_display``, each verb's tables are beside it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from animesr_cli.errors import AnimesrError
from animesr_cli.settings.command import Reporting
from animesr_cli.text import visible

LINE_SECONDS: Final = 5.0
"""How often a line is written where stderr is no terminal."""
PIPED_WIDTH: Final = 1000
"""Columns of a table that a program reads: nothing is wrapped."""


class OutputConsole(Console):
    """Rich ends the process with code 1 where nobody reads any more; here the caller decides."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise  # the BrokenPipeError that rich is handling


err: Final = OutputConsole(stderr=True, highlight=False, soft_wrap=True)
out: Final = OutputConsole(highlight=False, soft_wrap=True)


class LogLines(logging.Handler):
    """The library's log on stderr, above the bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            err.print(Text(visible(line)))


def show_error(error: AnimesrError) -> None:
    """One line that says what and why, and one that says what to try."""
    err.print(Text.assemble(("error: ", "bold red"), visible(error.message)))
    if error.hint:
        err.print(Text.assemble(("hint: ", "cyan"), visible(error.hint)))


def show_cursor() -> None:
    """Undo what the bar did to the terminal, in a hurry: other threads may hold rich's locks."""
    if err.is_terminal:
        os.write(sys.stderr.fileno(), b"\x1b[?25h")


def show_note(message: str) -> None:
    err.print(Text.assemble(("note: ", "cyan"), visible(message)))


def show_warning(message: str) -> None:
    err.print(Text.assemble(("warning: ", "yellow"), visible(message)))


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", on: Console = out
) -> None:
    shown_title = Text(visible(title)) if title else None  # it may hold a file's name
    table = Table(
        title=shown_title, box=None, title_justify="left", pad_edge=False, show_header=any(columns)
    )
    for column in columns:
        table.add_column(column, overflow="fold")  # a path that is cut short is of no use
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    if not on.is_terminal:
        on.width = PIPED_WIDTH
    on.print(table)


def emit(event: str, values: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def error_event(error: AnimesrError) -> dict[str, Any]:
    """An error as plain values."""
    return {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}


def show_json(value: Any) -> None:
    """Indented JSON on stdout; whatever JSON has no type for, as text."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
    sys.stdout.flush()  # a closed pipe is noticed here, not at exit


class Display:
    """What is seen of a command at work: a bar on a terminal, elsewhere a line now and then.

    With ``--json`` there are events as well, with ``--quiet`` no lines.
    """

    def __init__(self, reporting: Reporting, file: Path | None = None) -> None:
        self._reporting = reporting
        self._file = {} if file is None else {"file": str(file)}
        """Stands in every event of a file that is one of a batch."""
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._line_due = time.monotonic() + LINE_SECONDS
        self._event_due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def emit(self, event: str, values: Mapping[str, Any]) -> None:
        """An event, where events are wanted."""
        if self._reporting.json:
            emit(event, {**self._file, **values})

    def on_warning(self, message: str) -> None:
        self.emit("warning", {"message": message})
        self.warn(message)

    def warn(self, message: str) -> None:
        if not self._reporting.quiet:
            show_warning(message)

    def note(self, text: str) -> None:
        if not self._reporting.quiet:
            err.print(Text(visible(text)))

    def show(self, frames: int, total: int | None) -> None:
        self.progress(f"frame {frames}" + (f"/{total}" if total else ""), frames, total)

    def progress(
        self, line: str, done: int, total: int | None, event: Mapping[str, Any] | None = None
    ) -> None:
        """How far the work is: in the bar each time, as a line and as an event now and then."""
        now = time.monotonic()
        if event is not None and now >= self._event_due:
            self._event_due = now + LINE_SECONDS
            self.emit("progress", event)
        if self._reporting.quiet:
            return
        if not err.is_terminal:
            if now >= self._line_due:
                self._line_due = now + LINE_SECONDS
                err.print(Text(line))
            return
        if self._bar is None:
            uncut = Column(no_wrap=True, overflow="ellipsis")
            text = TextColumn("{task.description}", markup=False, table_column=uncut)
            self._bar = Progress(BarColumn(24), text, console=err)
            self._task = self._bar.add_task(line, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=line)
