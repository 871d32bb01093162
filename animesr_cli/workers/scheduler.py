"""Tasks over workers: the longest first, three tries, one stream of events.

    queue = TaskQueue()                            # a thread fills it while the workers run
    with closing(executor.run(queue, prepare)) as events:
        for event in events: ...                   # Started, Advanced, Finished, Failed

An ``Executor`` is a way to start workers, speak to them and end them: ``InlineExecutor`` has a
thread of this process, ``ProcessExecutor`` (local.py) processes, ``RayExecutor`` (ray_cluster.py) a
cluster. Who gets which task, what is tried again and what ends the run is decided here for all of
them. Nothing outlives the run: the truth about what is done is the caller's.
"""

from __future__ import annotations

import logging
import pickle
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from logging import LogRecord
from typing import Final

from animesr_cli.errors import (
    AnimesrError,
    DeviceError,
    DiskFullError,
    InputError,
    UsageError,
    WeightsError,
    as_bug,
)
from animesr_cli.signals import check_stop
from animesr_cli.workers.protocol import (
    Heartbeat,
    Message,
    Prepare,
    Ready,
    TaskProgress,
    TaskResult,
    WorkerLost,
    WorkFailed,
)
from animesr_cli.workers.tasks import Task, TaskQueue

log = logging.getLogger(__name__)

MOST_TRIES: Final = 3
"""Of one task; a worker that died under it counts as one."""

MOST_LOST_STARTS: Final = 3
"""Workers in a row that die before they are ready."""

PATIENCE_SECONDS: Final = 0.1
"""How often the dispatcher looks for new tasks while no worker says anything."""

SILENT_SECONDS: Final = 120.0
"""Without any word of a worker, which says at least every few seconds that it is there."""

STALLED_SECONDS: Final = 1800.0
STALLED_FACTOR: Final = 30
"""Without a frame while it is there, and as many times the longest that this run has waited for
one: something hangs, such as a device, a driver or a network drive."""

LONGEST_LOOK_SECONDS: Final = 1.0
"""Counted at most between two looks: while this process was stopped or its machine asleep, so were
its workers."""

STOP_SECONDS: Final = 10.0
"""Given to workers to drop what they have in hand, before they are killed."""

HOPELESS: Final = (UsageError, InputError, WeightsError, DiskFullError)
"""Errors that come again however often the task is tried, wherever it is.

Tried again are: a device that failed or is out of memory (another may have more), a file or a hub
that cannot be reached for a moment, a result that is not what was computed, and bugs, since a GPU
that went wrong looks like one.
"""


# ---- what comes out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """Something happened to a task, at a worker."""

    key: int
    worker: str


class Started(Event):
    """The worker has begun it."""


@dataclass(frozen=True)
class Advanced(Event):
    """So many of its frames are done in this try."""

    frames: int


@dataclass(frozen=True)
class Finished(Event):
    """It is done."""

    result: object


@dataclass(frozen=True)
class Failed(Event):
    """A try has failed."""

    error: AnimesrError
    attempt: int
    """From 1."""
    final: bool
    """Whether it will not be tried again; the other tasks go on."""


# ---- what executors differ in --------------------------------------------------------------------


class Executor(ABC):
    """Something that works tasks off; one run at a time.

    Args:
        warn: receives one sentence when something differs from what one would expect.
    """

    replaces = True
    """Whether a worker that hangs can be ended; such workers send ``Heartbeat``s."""
    workers: int
    """How many tasks can run at once, as far as is known now."""
    threads: int | None = None
    """Of each worker, for computing on the CPU; may be set between two runs."""

    def __init__(self, *, warn: Callable[[str], None] = log.warning) -> None:
        self.warn = warn

    def run(self, queue: TaskQueue, prepare: Prepare) -> Generator[Event, None, None]:
        """Work off a queue until it is closed and empty.

        Leaving the iterator, by ``close()`` or by an error, stops the workers and waits for them,
        a bounded time. Workers are started only where there are tasks for them.

        Raises:
            AnimesrError: ``prepare`` failed, or workers cannot be started or kept alive.
            BaseException: what ``queue.fail`` was given.
        """
        self.begin(prepare)
        try:
            yield from _Dispatch(queue, self).events()
        finally:
            self.stop()

    @abstractmethod
    def begin(self, prepare: Prepare) -> None:
        """A run begins, without workers as yet."""

    @abstractmethod
    def start(self, most: int) -> list[str]:
        """Start up to so many workers, where there is room; their identifiers."""

    @abstractmethod
    def assign(self, worker: str, payload: bytes) -> None:
        """Give a ready worker a task; where it cannot be reached, ``news`` will say so."""

    @abstractmethod
    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        """What workers said, in order; waits for the first of it."""

    @abstractmethod
    def end(self, worker: str) -> None:
        """End a worker without a task."""

    @abstractmethod
    def stop(self) -> None:
        """Ask all workers to stop, wait for them, and end those that do not. Never raises."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what outlives a run, such as a connection; no run may be under way."""


# ---- who gets which task -------------------------------------------------------------------------


@dataclass
class _WorkerState:
    """A worker as the dispatcher sees it."""

    name: str
    ready: bool = False
    task: Task | None = None
    silent: float | None = None
    """Seconds since it said anything; None: nothing yet, and it may wait for its place."""
    stalled: float = 0.0
    """Seconds since it did anything."""


class _Dispatch:
    """One run: which worker has which task, and how often each was tried."""

    def __init__(self, queue: TaskQueue, executor: Executor) -> None:
        self._queue = queue
        self._executor = executor
        self._warn = executor.warn
        self._workers: dict[str, _WorkerState] = {}
        self._failed_at: defaultdict[int, list[str]] = defaultdict(list)
        self._lost_starts: list[AnimesrError] = []
        self._looked = time.monotonic()
        self._longest_wait = 0.0  # for something to be done
        self._said_stalled = False

    def events(self) -> Generator[Event, None, None]:
        while not self._finished():
            self._start_workers()
            yield from self._assign()
            news = self._executor.news(PATIENCE_SECONDS)
            check_stop()
            for worker, message in news:
                yield from self._hear(worker, message)
            yield from self._watch()

    def _finished(self) -> bool:
        self._queue.check()
        return self._queue.exhausted and not any(state.task for state in self._workers.values())

    def _start_workers(self) -> None:
        if len(self._lost_starts) >= MOST_LOST_STARTS:
            if not self._workers:
                raise self._lost_starts[-1]
            return
        free = sum(state.task is None for state in self._workers.values())
        if (missing := self._queue.waiting - free) > 0:
            self._workers |= {
                worker: _WorkerState(worker) for worker in self._executor.start(missing)
            }

    def _assign(self) -> Iterator[Event]:
        for worker, state in list(self._workers.items()):
            if not state.ready or state.task:
                continue
            state.task = self._queue.take(partial(self._fits, state))
            if state.task:
                state.stalled = 0.0
                self._executor.assign(worker, pickle.dumps(state.task.payload))
                yield Started(state.task.key, state.name)

    def _fits(self, state: _WorkerState, task: Task) -> bool:
        """Not where it failed before, while somebody else is there: one bad GPU spoils no task."""
        places = self._failed_at[task.key]
        others = (other.name for other in self._workers.values() if other.ready)
        return state.name not in places or not set(others) - set(places)

    def _hear(self, worker: str, message: Message) -> Iterator[Event]:
        state = self._workers.get(worker)
        if state is not None:
            state.silent = 0.0
            if not isinstance(message, Heartbeat | LogRecord):
                self._longest_wait = max(self._longest_wait, state.stalled)
                state.stalled = 0.0
        match message:
            case LogRecord():
                if (logger := logging.getLogger(message.name)).isEnabledFor(message.levelno):
                    logger.handle(message)
            case _ if state is None:
                log.debug("%s was ended and says %s", worker, message)
            case Ready():
                state.name, state.ready = message.name, True
                self._lost_starts.clear()
            case WorkFailed() if not state.ready:
                raise message.error
            case TaskProgress() if state.task:
                yield Advanced(state.task.key, state.name, message.frames)
            case TaskResult():
                yield self._done(state, message.result)
            case WorkFailed():
                yield self._broken(worker, state, message.error)
            case WorkerLost():
                yield from self._gone(worker, message.error)

    def _watch(self) -> Iterator[Event]:
        """Replace workers that hang; what is only slow keeps saying so."""
        step = min(time.monotonic() - self._looked, LONGEST_LOOK_SECONDS)
        self._looked = time.monotonic()
        patience = max(STALLED_SECONDS, STALLED_FACTOR * self._longest_wait)
        for worker, state in list(self._workers.items()):
            if state.silent is not None:
                state.silent += step
            if state.task or not state.ready:
                state.stalled += step
            minutes = f"has done nothing for {state.stalled / 60:.0f} minutes"
            if self._executor.replaces and (state.silent or 0.0) > SILENT_SECONDS:
                yield from self._replace(worker, f"has not answered for {state.silent:.0f} seconds")
            elif state.task and state.stalled > patience:
                if self._executor.replaces:
                    yield from self._replace(worker, minutes)
                elif not self._said_stalled:
                    self._said_stalled = True
                    self._warn(f"{state.name} {minutes}; if it hangs, stop it: nothing is lost")

    def _replace(self, worker: str, what: str) -> Iterator[Event]:
        name = self._workers[worker].name
        self._warn(f"worker {name} {what}, and is replaced")
        self._executor.end(worker)
        yield from self._gone(worker, DeviceError(f"worker {name} {what}"))

    def _done(self, state: _WorkerState, pickled: bytes) -> Event:
        assert state.task
        try:
            result = pickle.loads(pickled)
        except Exception as error:
            return self._failed(state, as_bug(error))
        task, state.task = state.task, None
        return Finished(task.key, state.name, result)

    def _broken(self, worker: str, state: _WorkerState, error: AnimesrError) -> Event:
        if not isinstance(error, HOPELESS):
            # After an error of CUDA or of memory a process is good for nothing: a new one comes.
            del self._workers[worker]
            self._executor.end(worker)
        return self._failed(state, error)

    def _gone(self, worker: str, error: AnimesrError) -> Iterator[Event]:
        state = self._workers.pop(worker)
        if state.task:
            yield self._failed(state, error)
        elif not state.ready:
            self._lost_starts.append(error)
            self._warn(f"a worker was lost before its first task: {error.message}")

    def _failed(self, state: _WorkerState, error: AnimesrError) -> Event:
        assert state.task
        log.debug("%s failed", state.name, exc_info=error)
        task, state.task = state.task, None
        self._failed_at[task.key].append(state.name)
        attempt = len(self._failed_at[task.key])
        final = attempt >= MOST_TRIES or isinstance(error, HOPELESS)
        if not final:
            self._queue.put(task)
        return Failed(task.key, state.name, error, attempt, final)
