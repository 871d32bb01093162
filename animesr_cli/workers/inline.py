"""A worker that is a thread of this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from animesr_cli.workers.protocol import Message, Prepare, WorkerSlot, serve
from animesr_cli.workers.scheduler import THREAD_STOP_SECONDS, Event, dispatch
from animesr_cli.workers.tasks import TaskQueue

log = logging.getLogger(__name__)


class InlineExecutor:
    """One worker, a thread of this process; its events come while it works, as others' do.

    A thread cannot be killed: one that never listens is left behind when the run is stopped.
    """

    workers: Final = 1

    def __init__(
        self, slot: WorkerSlot | None = None, *, warn: Callable[[str], None] = log.warning
    ) -> None:
        self._slot = slot or WorkerSlot("inline")
        self._warn = warn

    def run(self, queue: TaskQueue, prepare: Prepare) -> Generator[Event, None, None]:
        """See ``Executor.run``."""
        return dispatch(queue, _Thread(self._slot, prepare), self._warn)

    def close(self) -> None:
        """Nothing outlives a run."""


class _Thread:
    """The backend of one thread."""

    replaces: Final = False

    def __init__(self, slot: WorkerSlot, prepare: Prepare) -> None:
        self._slot = slot
        self._prepare = prepare
        self._said: SimpleQueue[Message] = SimpleQueue()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._payloads: SimpleQueue[Callable[[], object] | None]

    def start(self, most: int) -> list[str]:
        if self._thread:
            return []
        self._payloads = SimpleQueue()
        payloads = iter(self._payloads.get, None)
        work = partial(
            serve,
            self._slot,
            lambda: self._prepare,
            payloads,
            post=self._said.put,
            stopped=self._stopped.is_set,
        )
        self._thread = threading.Thread(target=work, name="animesr-inline", daemon=True)
        self._thread.start()
        return [self._slot.name]

    def assign(self, worker: str, payload: object) -> None:
        self._payloads.put(lambda: payload)

    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        try:
            return [(self._slot.name, self._said.get(timeout=patience_seconds))]
        except Empty:
            return []

    def end(self, worker: str) -> None:
        self._payloads.put(None)
        self._thread = None

    def stop(self) -> None:
        self._stopped.set()
        if self._thread:
            self._payloads.put(None)
            self._thread.join(THREAD_STOP_SECONDS)
