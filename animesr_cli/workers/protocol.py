"""What a worker does, wherever it runs: prepare once, then one task after another, and tell of it.

A thread, a process and a Ray actor all host a ``Worker``; only how messages travel is theirs. No
torch is imported here, so that the number of threads can be set before torch reads it.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from logging import LogRecord
from logging.handlers import QueueHandler
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, Final

from animesr_cli.errors import AnimesrError, Interrupted, as_bug

PROGRESS_SECONDS: Final = 0.1
"""A worker tells how far it is at most this often."""

HEARTBEAT_SECONDS: Final = 1.0
"""A worker says that it is there at least this often."""

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class WorkerSlot:
    """Where a worker works."""

    name: str
    """What events call the worker; unique within a run, kept by the worker that replaces it."""
    device: str | None = None
    """``cpu``, ``cuda:1``, ...; None leaves the choice to the settings."""
    threads: int | None = None
    """For computing on the CPU; None leaves torch's own number."""


Work = Callable[[object, Callable[[int], None]], object]
"""``work(payload, advanced)`` gives the task's result, which is small and can be pickled.

It calls ``advanced(frames)`` often, with what is done of this task so far: that raises
``Interrupted`` once the run was asked to stop. Where a machine is cut off, its task is begun
elsewhere while it may still run there: write under a name of one's own, then rename.
"""

Prepare = Callable[[WorkerSlot], Work]
"""Called once in each worker, before its first task; can be pickled. Its error ends the run."""


# ---- what a worker says --------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """Prepared: tasks may come."""

    name: str
    """That of its slot."""


@dataclass(frozen=True)
class TaskProgress:
    """So many frames of the task in hand are done."""

    frames: int


@dataclass(frozen=True)
class TaskResult:
    """The task in hand is done."""

    result: bytes
    """Pickled: what cannot be read again must not stop whoever reads messages."""


@dataclass(frozen=True)
class WorkFailed:
    """The task in hand failed; before ``Ready``, ``prepare`` did, and the worker has ended."""

    error: AnimesrError


@dataclass(frozen=True)
class Heartbeat:
    """The worker is there, whatever it is busy with."""


@dataclass(frozen=True)
class WorkerLost:
    """The worker has ended without being asked to; said by who noticed it."""

    error: AnimesrError


Message = Ready | TaskProgress | TaskResult | WorkFailed | WorkerLost | Heartbeat | LogRecord
"""A record is a line for the log of the process that the user sees."""


# ---- the worker ----------------------------------------------------------------------------------


class Worker:
    """Its host calls ``run`` in one thread, and the other methods from any.

    Args:
        prepare: wrapped in a function, since unpickling it can fail as it can itself.
        post: is told each outcome, in the thread that runs.
    """

    def __init__(
        self, slot: WorkerSlot, prepare: Callable[[], Prepare], post: Callable[[Message], None]
    ) -> None:
        self._slot = slot
        self._prepare = prepare
        self._post = post
        self._payloads: SimpleQueue[bytes | None] = SimpleQueue()
        self._stopped = threading.Event()
        self._told = -PROGRESS_SECONDS

    def assign(self, payload: bytes) -> None:
        """The next task, pickled."""
        self._payloads.put(payload)

    def stop(self) -> None:
        """End as soon as the task in hand asks, or at once where there is none."""
        self._stopped.set()
        self._payloads.put(None)

    def run(self) -> None:
        """Work until it is stopped."""
        try:
            work = self._prepare()(self._slot)
        except BaseException as error:
            self._post(_failure(error))
            return
        self._post(Ready(self._slot.name))
        for payload in iter(self._payloads.get, None):
            self._post(self._outcome(work, payload))

    def _outcome(self, work: Work, payload: bytes) -> Message:
        try:
            return TaskResult(pickle.dumps(work(pickle.loads(payload), self._advanced)))
        except BaseException as error:  # also a SystemExit: the worker goes on
            return _failure(error)

    def _advanced(self, frames: int) -> None:
        if self._stopped.is_set():
            raise Interrupted(signal.SIGTERM)
        if (now := time.monotonic()) - self._told >= PROGRESS_SECONDS:
            self._told = now
            self._post(TaskProgress(frames))


def _failure(error: BaseException) -> WorkFailed:
    """A copy of the error: the traceback of the original holds on to what the work had in hand."""
    return WorkFailed(copy(as_bug(error)))


# ---- in a process of its own ---------------------------------------------------------------------


def share_threads(slot: WorkerSlot) -> None:
    """Give torch and its libraries the slot's number of threads, whether loaded or not."""
    if slot.threads is None:
        return
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(slot.threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(slot.threads)


def send_heartbeats(post: Callable[[Message], None]) -> None:
    """From now on a thread says that this process runs: one that is stopped, or hangs with the
    interpreter's lock held, falls silent."""

    def beat() -> None:
        while True:
            post(Heartbeat())
            time.sleep(HEARTBEAT_SECONDS)

    threading.Thread(target=beat, name="animesr-alive", daemon=True).start()


def log_level() -> int:
    """Of this process, for its workers."""
    return logging.getLogger("animesr_cli").getEffectiveLevel()


def send_log(post: Callable[[Message], None], level: int) -> None:
    """From now on this process, a worker's own, logs through its messages."""
    logger = logging.getLogger("animesr_cli")
    logger.setLevel(level)
    queue: Any = SimpleNamespace(put_nowait=post)
    logger.handlers = [QueueHandler(queue)]
    logger.propagate = False
