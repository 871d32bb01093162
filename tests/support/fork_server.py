"""Many runs of the command, each in a process of its own that needs not import torch again.

``python fork_server.py RUNS SECONDS`` reads a JSON list of argument lists, forks a child for each
from a parent that has imported everything and computed nothing, and prints a JSON list of
``Ending``s: a crash or a hang is thus that of one run, and of no other.
"""

from __future__ import annotations

import importlib
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

POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Ending:
    """How one run ended."""

    exit_code: int
    """Negative: the number of the signal that ended it; a hang is SIGKILL's."""
    stderr: str
    seconds: float


def run_all(runs: Sequence[Sequence[str]], *, seconds: float) -> list[Ending]:
    """Run the command once for each list of arguments; none may take longer than ``seconds``."""
    command = [sys.executable, __file__, json.dumps(runs), str(seconds)]
    server = subprocess.run(
        command, env=environment(), capture_output=True, text=True, errors="replace", check=True
    )
    return [Ending(**found) for found in json.loads(server.stdout)]


def _run_one(arguments: Sequence[str], seconds: float) -> Ending:
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            become_the_command(arguments, said.fileno())
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() - begun > seconds:
                os.kill(child, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        said.seek(0)
        stderr = said.read().decode(errors="replace")
    return Ending(os.waitstatus_to_exitcode(status), stderr, time.monotonic() - begun)


def become_the_command(arguments: Sequence[str], stderr: int) -> None:
    """In the child; never returns."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(stderr, 2)
    sys.argv = ["animesr", *arguments]
    code = 1
    try:
        importlib.import_module("animesr_cli.__main__").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def import_rooms() -> None:
    for room in ("cli.commands", "api", "batch"):
        importlib.import_module(f"animesr_cli.{room}")


def _main() -> None:
    import_rooms()
    runs, seconds = json.loads(sys.argv[1]), float(sys.argv[2])
    json.dump([asdict(_run_one(arguments, seconds)) for arguments in runs], sys.stdout)


if __name__ == "__main__":
    assert Path(__file__).parent == Path(sys.path[0])
    _main()
