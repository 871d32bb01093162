"""A worker that is a thread of this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from animesr_cli.workers.protocol import Message, Prepare, Worker, WorkerSlot
from animesr_cli.workers.scheduler import Executor

log = logging.getLogger(__name__)

THREAD_STOP_SECONDS: Final = 30.0
"""Given to a thread, which cannot be killed."""

SLOT: Final = WorkerSlot("inline")


class InlineExecutor(Executor):
    """One worker, a thread of this process; its events come while it works, as others' do.

    A thread that never asks whether it is to stop is left behind when the run is.

    Args:
        threads: of torch in this process, which is for the caller to set.
    """

    replaces = False
    workers = 1

    def __init__(
        self, *, threads: int | None = None, warn: Callable[[str], None] = log.warning
    ) -> None:
        super().__init__(warn=warn)
        self.threads = threads

    def begin(self, prepare: Prepare) -> None:
        self._prepare = prepare
        self._said: SimpleQueue[Message] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, most: int) -> list[str]:
        if self._thread:
            return []
        self._worker = Worker(SLOT, lambda: self._prepare, self._said.put)
        self._thread = threading.Thread(target=self._worker.run, name="animesr-inline", daemon=True)
        self._thread.start()
        return [SLOT.name]

    def assign(self, worker: str, payload: bytes) -> None:
        self._worker.assign(payload)

    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        try:
            return [(SLOT.name, self._said.get(timeout=patience_seconds))]
        except Empty:
            return []

    def end(self, worker: str) -> None:
        self._worker.stop()
        self._thread = None

    def stop(self) -> None:
        if self._thread:
            self._worker.stop()
            self._thread.join(THREAD_STOP_SECONDS)
