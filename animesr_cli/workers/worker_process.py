"""The worker that is a process: what runs in the child. Knows nothing of video."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue

from animesr_cli.threads import check_threads
from animesr_cli.workers.child_process import ORPHANED, attend
from animesr_cli.workers.protocol import (
    Message,
    Prepare,
    WorkerSlot,
    send_heartbeats,
    send_log,
    serve,
    share_threads,
)

Payloads = SimpleQueue[Callable[[], object] | None]


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is told first; through the pipe come pickled payloads, and None to stop."""

    slot: WorkerSlot
    prepare: bytes
    log_level: int


def main(address: str, parent: int) -> None:
    """Work for the process at the other end of a pipe; does not return."""
    setup: WorkerSetup
    connection, setup = attend(address, parent)
    post = _post_to(connection)
    send_heartbeats(post)
    share_threads(setup.slot)
    send_log(post, setup.log_level)
    payloads: Payloads = SimpleQueue()
    stopped = threading.Event()
    threading.Thread(target=_hear, args=(connection, payloads, stopped), daemon=True).start()

    def prepare() -> Prepare:
        check_threads()
        loaded: Prepare = pickle.loads(setup.prepare)
        return loaded

    serve(setup.slot, prepare, iter(payloads.get, None), post, stopped.is_set)
    os._exit(0)  # nothing is left to do, and no thread of any library is waited for


def _post_to(connection: Connection) -> Callable[[Message], None]:
    lock = threading.Lock()

    def post(message: Message) -> None:
        with lock:
            try:
                connection.send(message)
            except OSError:
                os._exit(ORPHANED)

    return post


def _hear(connection: Connection, payloads: Payloads, stopped: threading.Event) -> None:
    """In a thread: what the other side says, and that it has gone, is heard during the work."""
    while True:
        try:
            payload: bytes | None = connection.recv()
        except (EOFError, OSError):
            os._exit(ORPHANED)
        if payload is None:
            stopped.set()
        payloads.put(None if payload is None else partial(pickle.loads, payload))
