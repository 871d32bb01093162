"""The command as a user runs it: in this process, or in one of its own; and what it left behind.

``animesr`` is quick and for everything that can be seen from inside; ``start`` is for signals,
pipes and terminals. ``snapshot`` tells whether anything of a folder was touched.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import animesr_cli
from animesr_cli.cli.commands import app

SOURCE = Path(animesr_cli.__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """How one command ended and what it said."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The error line and, behind it, its hint: there is nothing else of an error."""
        lines = self.stderr.splitlines()
        found = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        assert len(found) == 1, self.stderr
        hints = lines[found[0] + 1 :]
        assert len(hints) <= 1, self.stderr
        assert all(line.startswith("hint: ") for line in hints), self.stderr
        return "\n".join(lines[found[0] :])

    def refused(self, exit_code: int, *words: str) -> None:
        """It ended with this code and one line (and a hint) that has these words."""
        assert self.exit_code == exit_code, self.stderr
        assert [word for word in words if word not in self.error] == [], self.error
        assert "Traceback" not in self.stderr
        assert self.stdout == ""


def animesr(*arguments: str | Path) -> Outcome:
    """Run the command in this process."""
    logger = logging.getLogger("animesr_cli")
    level = logger.level
    try:
        result = CliRunner().invoke(
            app,
            [os.fspath(each) for each in arguments],
            prog_name="animesr",
            catch_exceptions=False,
        )
    finally:
        logger.setLevel(level)
    return Outcome(result.exit_code, result.stdout, result.stderr)


def environment(**changes: str) -> dict[str, str]:
    """What a child gets: this package, and no wish of this terminal's about colours."""
    unwanted = {"FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    paths = [str(SOURCE), kept.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **changes}


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Begin the command in a process of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    options.setdefault("env", environment())
    return subprocess.Popen([sys.executable, "-m", "animesr_cli", *arguments], **options)


def finished(process: subprocess.Popen[str], seconds: float = 60) -> Outcome:
    """Wait for a process that was started; it is killed where it does not end."""
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return Outcome(process.returncode, stdout or "", stderr or "")


def hidden(folder: Path, suffix: str = "") -> list[Path]:
    """The hidden files of a folder, in order of their last suffixes."""
    found = [path for path in folder.iterdir() if path.name.startswith(".")]
    return sorted((p for p in found if p.suffix.startswith(suffix)), key=lambda p: p.suffix)


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder, hidden or not: its kind, content, and when it was written."""
    return {str(path.relative_to(folder)): _state(path) for path in sorted(folder.rglob("*"))}


def _state(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        return stat.filemode(found.st_mode)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{stat.filemode(found.st_mode)} {found.st_ino} {found.st_mtime_ns} {digest}"


def warnings_of(outcome: Outcome) -> list[str]:
    return [line for line in outcome.stderr.splitlines() if line.startswith("warning: ")]
