"""The log of a training run: one JSON object a line, read back where the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from animesr_cli.atomic_files import explained
from animesr_cli.training.state import write_file

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
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
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
    """None: the line was cut off."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    known = isinstance(entry, dict) and isinstance(entry.get("iteration"), int)
    return entry if known else None
