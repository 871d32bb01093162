"""A Python process that helps this one, and the pipe between them: both sides. Knows no work.

It is started anew, since ``fork`` would copy a CUDA context and the locks of threads. It lives no
longer than the process that started it, however that ends: the kernel kills it (Linux), and the
pipe's end can be seen. Ctrl-C is for the other side alone; what should stop it, it is told. What it
and its libraries print would spoil the screen: it goes to a file, and explains a crash.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, Final

from animesr_cli.errors import DeviceError

log = logging.getLogger(__name__)

START: Final = (
    "import importlib, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "importlib.import_module(sys.argv[2]).main(int(sys.argv[3]), int(sys.argv[4]))"
)
"""Not the way of ``multiprocessing``, which runs the caller's script a second time."""

MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
"""For glibc: a frame's memory is kept for the next frame. Returned to the system each time, it cost
two workers on two cores 2 to 5 % of their time."""

KILL_SECONDS: Final = 5.0
"""Until a killed process is gone; one that the kernel holds is left to it."""

LAST_WORDS_BYTES: Final = 2000
LAST_WORDS_CHARACTERS: Final = 200

ORPHANED: Final = 3
"""Exit status of a child whose other side has gone."""

PR_SET_PDEATHSIG: Final = 1
"""prctl(2)."""

OWN_SIGNALS: Final = {signal.SIGINT, signal.SIGTERM}


# ---- this side -----------------------------------------------------------------------------------


class Child:
    """A process that runs ``main(descriptor, parent)`` of a module, and what leads to it.

    ``hello`` is what ``attend`` gives there, of any size; a file holds it, so that nobody waits for
    a child that is not there yet. The thread that starts a child must outlive it: Linux ends the
    two together.
    """

    def __init__(self, name: str, module: ModuleType, hello: object = None) -> None:
        self.name = name
        self.connection, theirs = Pipe()
        command = [sys.executable, "-c", START, json.dumps(sys.path), module.__name__]
        command += [str(theirs.fileno()), str(os.getpid())]
        try:
            with signals_blocked(), theirs, tempfile.TemporaryFile() as told:
                told.write(pickle.dumps(hello))
                told.seek(0)
                self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ``end``
                self._process = subprocess.Popen(
                    command,
                    stdin=told,
                    stdout=self._printed,
                    stderr=self._printed,
                    pass_fds=[theirs.fileno()],
                    env={**MEMORY, **os.environ},
                )
        except OSError as error:
            raise DeviceError(f"{name} cannot be started: {error}") from error

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def tell(self, what: object) -> None:
        """Send an object; where the child has died, its end of the pipe tells."""
        with suppress(OSError):
            self.connection.send(what)

    def wait(self, seconds: float) -> bool:
        """Whether it ends by itself in time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.ended

    def end(self) -> None:
        """Let go of it; where it is alive, it is killed."""
        self.connection.close()
        if not self.ended:
            self._process.kill()
        self.wait(KILL_SECONDS)
        self._printed.close()

    def obituary(self) -> DeviceError:
        """Why it died, by its exit status and the last that it printed."""
        self.wait(KILL_SECONDS)
        status = self._process.returncode
        if status is None:
            how = "does not answer any more"
        elif status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        else:
            how = f"ended by itself with exit status {status}"
        if words := self._last_words():
            how += f": {words}"
        memory = "if memory ran out, use fewer workers or smaller tiles"
        return DeviceError(f"{self.name} {how}", memory if status == -signal.SIGKILL else None)

    def _last_words(self) -> str:
        end = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, end - LAST_WORDS_BYTES))
        lines = self._printed.read().decode(errors="replace").splitlines()
        for line in lines:
            log.debug("%s: %s", self.name, line)
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:LAST_WORDS_CHARACTERS] if said else ""


@contextmanager
def signals_blocked() -> Iterator[None]:
    """They wait for the end of the ``with``; what is started in it starts with them blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OWN_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ---- the child's side ----------------------------------------------------------------------------


def leave_ctrl_c_to_the_parent() -> None:
    """Ctrl-C goes to every process of a terminal; for a child that began with signals blocked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OWN_SIGNALS)


def attend(descriptor: int, parent: int) -> tuple[Connection, Any]:
    """What a child's ``main`` does first; its end of the pipe, and what it was told."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(ORPHANED)
    leave_ctrl_c_to_the_parent()
    return Connection(descriptor), pickle.load(sys.stdin.buffer)
