"""Workers that are processes of this machine, one for each GPU or share of the cores: both sides.

One that dies is noticed by the end of its pipe or its exit status.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

from animesr_cli.errors import UsageError
from animesr_cli.threads import check_threads
from animesr_cli.workers.child_process import ORPHANED, Child, attend
from animesr_cli.workers.protocol import (
    Message,
    Prepare,
    Worker,
    WorkerLost,
    WorkerSlot,
    log_level,
    send_heartbeats,
    send_log,
    share_threads,
)
from animesr_cli.workers.scheduler import PATIENCE_SECONDS, STOP_SECONDS, Executor

log = logging.getLogger(__name__)


# ---- slots ---------------------------------------------------------------------------------------


def slots_for(workers: int | None, device: str) -> list[WorkerSlot]:
    """The slots of one machine: one for each GPU, or as many as asked for.

    ``cuda``, ``xpu`` and ``auto`` deal workers out to all GPUs in turn; ``cuda:1`` takes that one
    alone. On a CPU there is one worker unless more are asked for, and torch's threads are shared
    out.

    Raises:
        UsageError: ``workers`` is below 1, or there is no such device name.
        DeviceError: the device is absent.
    """
    import torch  # here, as what is to run in processes is not always the network

    from animesr_cli.model.devices import choose_device, runtime_of

    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work", "use 1 or more")
    chosen = choose_device(device)
    if runtime := runtime_of(chosen):
        only: int | None = chosen.index
        gpus = runtime.device_count() if only is None else 1
        first = only or 0
        places = [f"{chosen.type}:{first + number % gpus}" for number in range(workers or gpus)]
    else:
        places = [chosen.type] * (workers or 1)
    threads = max(1, torch.get_num_threads() // len(places)) if chosen.type == "cpu" else None
    return [
        WorkerSlot(name, place, threads) for name, place in zip(_names(places), places, strict=True)
    ]


def _names(places: Sequence[str]) -> list[str]:
    """The device's own name where it has one worker, else with a number: ``cpu/1``, ``cpu/2``."""
    if len(set(places)) == len(places):
        return list(places)
    return [f"{place}/{places[: number + 1].count(place)}" for number, place in enumerate(places)]


# ---- this side -----------------------------------------------------------------------------------


class ProcessExecutor(Executor):
    """A process for each slot, started when there is a task for it.

    The thread that iterates must live until the iteration has ended: with it, Linux ends workers.
    """

    def __init__(
        self, slots: Sequence[WorkerSlot], *, warn: Callable[[str], None] = log.warning
    ) -> None:
        super().__init__(warn=warn)
        self._slots = {slot.name: slot for slot in slots}
        self.workers = len(slots)
        self.threads = slots[0].threads

    def begin(self, prepare: Prepare) -> None:
        self._prepare = pickle.dumps(prepare)
        self._free = deque(self._slots)  # in turn: what failed on one is tried on the next
        self._children: dict[str, Child] = {}

    def start(self, most: int) -> list[str]:
        started: list[str] = []
        while self._free and len(started) < most:
            name = self._free[0]
            slot = replace(self._slots[name], threads=self.threads)
            hello = slot, self._prepare, log_level()
            self._children[name] = Child(f"worker {name}", sys.modules[__name__], hello)
            started.append(self._free.popleft())
        return started

    def assign(self, worker: str, payload: bytes) -> None:
        self._children[worker].tell(payload)

    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        ready = wait([child.connection for child in self._children.values()], patience_seconds)
        said: list[tuple[str, Message]] = []
        for name, child in list(self._children.items()):
            ended = child.ended  # asked first: all that it said is in the pipe by now
            if child.connection in ready or ended:
                said += [(name, message) for message in self._heard(name, child, ended)]
        return said

    def _heard(self, name: str, child: Child, ended: bool) -> Iterator[Message]:
        try:
            while child.connection.poll():
                yield child.connection.recv()
        except (EOFError, OSError):
            ended = True
        if ended:
            yield WorkerLost(child.exit_error())
            self.end(name)

    def end(self, worker: str) -> None:
        if child := self._children.pop(worker, None):
            child.end()
            self._free.append(worker)

    def stop(self) -> None:
        try:
            for child in self._children.values():
                child.tell(None)
            self._wait_until_gone(time.monotonic() + STOP_SECONDS)
        finally:
            for name in list(self._children):
                self.end(name)

    def _wait_until_gone(self, deadline: float) -> None:
        while any(not child.ended for child in self._children.values()):
            if time.monotonic() > deadline:
                log.warning("%s did not stop in time", ", ".join(self._children))
                return
            self.news(PATIENCE_SECONDS)


# ---- the worker's side ---------------------------------------------------------------------------


def main(address: str, parent: int) -> None:
    """Be a worker for the process at the other end of a pipe; does not return.

    It is told its slot, how it prepares (pickled) and the level of the log; then come pickled
    payloads, and None to stop.
    """
    connection, (slot, prepare, level) = attend(address, parent)
    post = _post_to(connection)
    send_heartbeats(post)
    share_threads(slot)
    send_log(post, level)

    def load() -> Any:
        check_threads()
        return pickle.loads(prepare)

    worker = Worker(slot, load, post)
    threading.Thread(target=_hear, args=(connection, worker), daemon=True).start()
    worker.run()
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


def _hear(connection: Connection, worker: Worker) -> None:
    """In a thread: what the other side says, and that it has gone, is heard during the work."""
    while True:
        try:
            payload: bytes | None = connection.recv()
        except (EOFError, OSError):
            os._exit(ORPHANED)
        if payload is None:
            worker.stop()
        else:
            worker.assign(payload)
