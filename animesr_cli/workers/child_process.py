"""A Python process that helps this one, and the pipe between them: both sides.

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
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client, Connection, Listener
from types import ModuleType
from typing import IO, Any, Final, cast

from animesr_cli.errors import DeviceError
from animesr_cli.signals import leave_ctrl_c_to_the_parent, signals_blocked

log = logging.getLogger(__name__)

START: Final = (
    "import importlib, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "importlib.import_module(sys.argv[2]).main(sys.argv[3], int(sys.argv[4]))"
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

LAST_OUTPUT_BYTES: Final = 2000
LAST_OUTPUT_CHARACTERS: Final = 200

ORPHANED: Final = 3
"""Exit status of a child whose other side has gone."""

PR_SET_PDEATHSIG: Final = 1
"""prctl(2)."""

SIGKILL: Final = 9
"""By its number: Windows has no such signal."""


# ---- this side -----------------------------------------------------------------------------------


class Child:
    """A process that runs ``main(address, parent)`` of a module, and what leads to it.

    ``hello`` is what ``attend`` gives there, of any size; a file holds it, so that nobody waits for
    a child that is not there yet. The thread that starts a child must outlive it: Linux ends the
    two together.
    """

    def __init__(self, name: str, module: ModuleType, hello: object = None) -> None:
        self.name = name
        command = [sys.executable, "-c", START, json.dumps(sys.path), module.__name__]
        start = self._start_by_address if sys.platform == "win32" else self._start_by_descriptor
        try:
            with signals_blocked(), tempfile.TemporaryFile() as told:
                self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ``end``
                start(command, told, hello)
        except OSError as error:
            raise DeviceError(f"{name} cannot be started: {error}") from error

    def _start_by_descriptor(self, command: list[str], told: IO[bytes], hello: object) -> None:
        """The child inherits its end of the pipe."""
        ours: Any
        ours, theirs = Pipe()  # Any: the class is another on Windows
        self.connection: Connection = ours
        with theirs:
            _tell(told, hello, b"")
            command = [*command, str(theirs.fileno()), str(os.getpid())]
            self._process = self._popen(command, told, pass_fds=[theirs.fileno()])

    def _start_by_address(self, command: list[str], told: IO[bytes], hello: object) -> None:
        """The child connects to a named pipe, with a key: Windows passes on no descriptors."""
        key = secrets.token_bytes(32)
        _tell(told, hello, key)
        with Listener(authkey=key) as listener:
            address = str(listener.address)
            group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Ctrl-C is not sent there
            self._process = self._popen(
                [*command, address, str(os.getpid())], told, creationflags=group
            )

            def wake() -> None:
                """One that died before it connected is connected for, and seen to have gone."""
                self._process.wait()
                with suppress(OSError, EOFError, AuthenticationError):
                    Client(address, authkey=key).close()

            threading.Thread(target=wake, daemon=True).start()
            connected: Any = listener.accept()
            self.connection = connected

    def _popen(
        self, command: list[str], told: IO[bytes], **options: Any
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=told,
            stdout=self._printed,
            stderr=self._printed,
            env={**MEMORY, **os.environ},
            **options,
        )

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

    def exit_error(self) -> DeviceError:
        """Why it died, by its exit status and the last that it printed."""
        self.wait(KILL_SECONDS)
        status = self._process.returncode
        if status is None:
            how = "does not answer any more"
        elif status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        else:
            how = f"ended by itself with exit status {status}"
        if words := self._last_output():
            how += f": {words}"
        memory = "if memory ran out, use fewer workers or smaller tiles"
        return DeviceError(f"{self.name} {how}", memory if status == -SIGKILL else None)

    def _last_output(self) -> str:
        end = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, end - LAST_OUTPUT_BYTES))
        lines = self._printed.read().decode(errors="replace").splitlines()
        for line in lines:
            log.debug("%s: %s", self.name, line)
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:LAST_OUTPUT_CHARACTERS] if said else ""


def _tell(told: IO[bytes], hello: object, key: bytes) -> None:
    told.write(pickle.dumps({"hello": hello, "key": key}))
    told.seek(0)


# ---- the child's side ----------------------------------------------------------------------------


def attend(address: str, parent: int) -> tuple[Connection, Any]:
    """What a child's ``main`` does first; its end of the pipe, and what it was told."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    if sys.platform != "win32" and os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(ORPHANED)
    leave_ctrl_c_to_the_parent()
    told = pickle.load(sys.stdin.buffer)
    return _connected(address, told["key"]), told["hello"]


def _connected(address: str, key: bytes) -> Connection:
    """The child's end of the pipe."""
    connected: Any = Client(address, authkey=key) if key else Connection(int(address))
    return cast(Connection, connected)
