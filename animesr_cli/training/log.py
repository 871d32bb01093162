"""The log of a training run: one JSON object a line, read back where a run goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from animesr_cli.atomic_files import explained, write_file
from animesr_cli.bounded import MEBIBYTE, Range, UnfitError, fitted, parse_json, read_bytes
from animesr_cli.errors import OutputError
from animesr_cli.text import shown
from animesr_cli.training.state import LARGEST_ITERATION

LARGEST_LOG_BYTES: Final = 256 * MEBIBYTE

Entry = dict[str, Any]


class TrainingLog:
    """Entries, each with its ``iteration``; none is later than the state that a run goes on from.

    Args:
        iteration: that of the state. What a killed run wrote after it is dropped: those iterations
            are done again.
        writes: whether this process does.
    """

    def __init__(self, path: Path, iteration: int, *, writes: bool = True) -> None:
        self._path, self._writes = path, writes
        self.entries: list[Entry] = []
        if not writes:
            return
        if iteration and path.exists():
            try:
                text = read_bytes(path, most_bytes=LARGEST_LOG_BYTES)
            except (OSError, UnfitError) as error:
                raise OutputError(
                    f"the log {shown(path)} cannot be read: {error}", "move it away and run again"
                ) from error
            lines = text.decode(errors="replace").splitlines()
            found = [entry for line in lines if (entry := _parsed(line)) is not None]
            self.entries = [entry for entry in found if entry["iteration"] <= iteration]
        write_file(path, "".join(map(_line, self.entries)).encode())

    def add(self, entry: Entry) -> None:
        """Write it down; it is in the file when this returns."""
        if not self._writes:
            return
        self.entries.append(entry)
        with explained(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(_line(entry))


def _line(entry: Entry) -> str:
    return json.dumps(entry) + "\n"


def _parsed(line: str) -> Entry | None:
    """None: the line was cut off, or is no entry."""
    try:
        values = parse_json(line)
        fitted(_Iteration, values)
        return fitted(dict[str, float | dict[str, float]], values) | {
            "iteration": values["iteration"]
        }
    except UnfitError:
        return None


@dataclass(frozen=True, kw_only=True)
class _Iteration:
    iteration: Annotated[int, Range(0, LARGEST_ITERATION)]
