"""Runs of the command that die at a chosen moment, each in a process that need not import torch.

``python fault_server.py JSON`` reads a list of attempts, runs them one after another, each in a
fork of a parent that has imported everything and computed nothing, and prints how they ended. An
attempt may die at the n-th change of the disk (``operation``), or be killed after some seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from command import environment
from fork_server import become_the_command, import_rooms

POLL_SECONDS = 0.005
DIED = 77
"""Exit code of a process that met its fault."""


@dataclass(frozen=True)
class Attempt:
    """One run of the command."""

    arguments: list[str]
    operation: int | None = None
    """Dies before the disk is changed for the n-th time, from 0; None: never."""
    kill_after: float | None = None
    """Seconds until it is killed; None: it is not."""
    limit: float = 60
    """Seconds after which it counts as hanging, and is killed."""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended."""

    exit_code: int
    """Negative: the number of the signal."""
    stderr: str
    operations: list[str]
    """Changes of the disk that it came to."""


def attempt_all(attempts: Sequence[Attempt]) -> list[Ending]:
    """Run all in a server of their own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([asdict(each) for each in attempts], file)
        file.flush()
        server = subprocess.run(
            [sys.executable, __file__, file.name],
            env=environment(OMP_NUM_THREADS="1"), capture_output=True, text=True, check=True,
        )  # fmt: skip
    return [Ending(**found) for found in json.loads(server.stdout)]


def _run(attempt: Attempt) -> Ending:
    with tempfile.TemporaryFile() as said, tempfile.NamedTemporaryFile() as operations:
        child = os.fork()
        if child == 0:
            _put_fault(attempt.operation, operations.name)
            become_the_command(attempt.arguments, said.fileno())
        status = _wait(child, attempt)
        said.seek(0)
        names = operations.read().decode().split("\n")[:-1]
        return Ending(os.waitstatus_to_exitcode(status), said.read().decode(), names)


def _wait(child: int, attempt: Attempt) -> int:
    begun = time.monotonic()
    until = attempt.limit if attempt.kill_after is None else attempt.kill_after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() - begun > until:
            os.kill(child, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _put_fault(fatal: int | None, log: str) -> None:
    from animesr_cli.jobs import kept_files

    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    count = 0

    def fault(name: str, path: Path) -> None:
        nonlocal count
        count += 1
        os.write(descriptor, f"{name} {path.name}\n".encode())
        if fatal is not None and count > fatal:
            os._exit(DIED)

    kept_files.fault = fault


def _main() -> None:
    import_rooms()
    with open(sys.argv[1], encoding="utf-8") as file:
        attempts = [Attempt(**values) for values in json.load(file)]
    json.dump([asdict(_run(attempt)) for attempt in attempts], sys.stdout)


if __name__ == "__main__":
    _main()
