"""What a worker does, wherever it runs: prepare once, then one task after another, and tell of it.

A thread, a process and a Ray actor all call ``serve``; only how messages travel is theirs. Imports
no torch, so that the number of threads can be set before torch reads it. Knows nothing of video.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from animesr_cli import errors
from animesr_cli.errors import AnimesrError, ExitCode, Interrupted, as_bug

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


Work = Callable[[object, Callable[[int], None], Callable[[], None]], object]
"""``work(payload, advanced, listen)`` gives the task's result, which is small and can be pickled.

It calls ``advanced(frames)`` now and then with what is done of this task so far, and ``listen()``
often: that raises ``Interrupted`` once the run was asked to stop. Where a machine is cut off, its
task is begun elsewhere while it may still run there: write under a name of one's own, then rename.
"""

Prepare = Callable[[WorkerSlot], Work]
"""Called once in each worker, before its first task; can be pickled. Its error ends the run."""


# ---- what a worker says --------------------------------------------------------------------------


@dataclass(frozen=True)
class SerializedError:
    """An error on its way to another process: everything of it but the classes it may lack."""

    kind: str
    """A class of ``errors``."""
    message: str
    hint: str | None
    exit_code: int
    trace: str

    @staticmethod
    def of(error: BaseException) -> SerializedError:
        if not isinstance(error, AnimesrError):
            bug = as_bug(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            bug.__traceback__ = error.__traceback__
            trace = "".join(traceback.format_exception(error))
            return SerializedError("AnimesrError", bug.message, bug.hint, bug.exit_code, trace)
        family = (kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        trace = "".join(traceback.format_exception(error))
        return SerializedError(
            next(family).__name__, error.message, error.hint, error.exit_code, trace
        )

    def restored(self) -> AnimesrError:
        """The error as it was; not through the constructor, as each class has its own."""
        kind: type[AnimesrError] = getattr(errors, self.kind)
        error = kind.__new__(kind, self.message)
        AnimesrError.__init__(error, self.message, self.hint)
        error.exit_code = ExitCode(self.exit_code)
        return error


@dataclass(frozen=True)
class Ready:
    """Prepared: tasks may come."""

    name: str
    """That of its slot."""


@dataclass(frozen=True)
class PrepareFailed:
    """``prepare`` failed; the worker has ended."""

    error: SerializedError


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
class TaskFailed:
    """The task in hand failed."""

    error: SerializedError


@dataclass(frozen=True)
class LogMessage:
    """A line for the log of the process that the user sees."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True)
class Heartbeat:
    """The worker is there, whatever it is busy with."""


@dataclass(frozen=True)
class WorkerLost:
    """The worker has ended without being asked to; said by who noticed it."""

    error: AnimesrError


Message = (
    Ready
    | PrepareFailed
    | TaskProgress
    | TaskResult
    | TaskFailed
    | LogMessage
    | Heartbeat
    | WorkerLost
)


# ---- the work ------------------------------------------------------------------------------------


def share_threads(slot: WorkerSlot) -> None:
    """Give torch and its libraries the slot's number of threads, whether loaded or not."""
    if slot.threads is None:
        return
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(slot.threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(slot.threads)


def serve(
    slot: WorkerSlot,
    prepare: Callable[[], Prepare],
    payloads: Iterable[Callable[[], object]],
    post: Callable[[Message], None],
    stopped: Callable[[], bool],
) -> None:
    """Be a worker until ``payloads`` ends; each outcome goes to ``post``.

    ``prepare`` and payloads are wrapped in functions: unpickling them can fail like themselves.
    ``stopped`` is asked whenever the work listens.
    """
    try:
        work = prepare()(slot)
    except BaseException as error:
        post(PrepareFailed(SerializedError.of(error)))
        return
    post(Ready(slot.name))
    for payload in payloads:
        post(_outcome(work, payload, post, stopped))


def _outcome(
    work: Work,
    payload: Callable[[], object],
    post: Callable[[Message], None],
    stopped: Callable[[], bool],
) -> Message:
    told = -PROGRESS_SECONDS

    def advanced(frames: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= PROGRESS_SECONDS:
            told = now
            post(TaskProgress(frames))

    def listen() -> None:
        if stopped():
            raise Interrupted(signal.SIGTERM)

    try:
        return TaskResult(pickle.dumps(work(payload(), advanced, listen)))
    except BaseException as error:  # also a SystemExit: the worker goes on
        return TaskFailed(SerializedError.of(error))


def send_heartbeats(post: Callable[[Message], None]) -> None:
    """From now on a thread says that this process runs: one that is stopped, or hangs with the
    interpreter's lock held, falls silent."""

    def beat() -> None:
        while True:
            post(Heartbeat())
            time.sleep(HEARTBEAT_SECONDS)

    threading.Thread(target=beat, name="animesr-alive", daemon=True).start()


class LogSender(logging.Handler):
    """Sends the lines of a worker's log to the process that the user sees."""

    def __init__(self, post: Callable[[Message], None]) -> None:
        super().__init__()
        self._post = post

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._post(LogMessage(record.name, record.levelno, record.getMessage()))
        except Exception:
            self.handleError(record)


def send_log(post: Callable[[Message], None], level: int) -> None:
    """From now on this process, a worker's own, logs through its messages."""
    logger = logging.getLogger("animesr_cli")
    logger.setLevel(level)
    logger.handlers = [LogSender(post)]
    logger.propagate = False
