"""The far side of a Ray cluster: an actor, which is a worker on some machine of it.

It is pickled by its name, so every node needs the package; what must be equal there for equal
results is compared before the first task. Ray itself is not imported here.
"""

from __future__ import annotations

import pickle
import platform
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from queue import Empty, SimpleQueue

from animesr_cli.workers.protocol import Message, Worker, WorkerSlot, send_log, share_threads
from animesr_cli.workers.scheduler import STOP_SECONDS


def versions() -> dict[str, str]:
    """What must be equal on all machines for equal results."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in ("animesr-cli", "torch"):
        try:
            found[package] = version(package).partition("+")[0]  # 2.13.0+cpu is 2.13.0+cu130
        except PackageNotFoundError:
            found[package] = "none"
    return found


class RayWorker:
    """The actor: a thread works, and Ray's own threads take tasks in and hand messages out."""

    def __init__(
        self, number: int, device: str, prepare: bytes, paths: list[str], log_level: int
    ) -> None:
        sys.path += [path for path in paths if path not in sys.path]  # as in a process of our own
        threads = 1 if device == "cpu" else None
        slot = WorkerSlot(f"{socket.gethostname()}/{number}", device, threads)
        self._messages: SimpleQueue[Message] = SimpleQueue()
        share_threads(slot)
        send_log(self._messages.put, log_level)
        self._worker = Worker(slot, partial(pickle.loads, prepare), self._messages.put)
        self._thread = threading.Thread(target=self._worker.run, daemon=True)

    def begin(self) -> dict[str, str]:
        """Start to prepare; what the other side compares with its own."""
        self._thread.start()
        return versions()

    def assign(self, payload: bytes) -> None:
        self._worker.assign(payload)

    def news(self, patience_seconds: float) -> list[Message]:
        try:
            messages = [self._messages.get(timeout=patience_seconds)]
        except Empty:
            return []
        with suppress(Empty):
            while True:
                messages.append(self._messages.get_nowait())
        return messages

    def stop(self) -> None:
        """Ask the work to stop and wait for it, a bounded time."""
        self._worker.stop()
        self._thread.join(STOP_SECONDS)
