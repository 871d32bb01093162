"""Workers that are processes of this machine, one for each GPU or share of the cores.

One that dies is noticed by the end of its pipe or its exit status. Knows nothing of video.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Final

from animesr_cli.errors import UsageError
from animesr_cli.workers import worker_process
from animesr_cli.workers.child_process import Child
from animesr_cli.workers.protocol import Message, Prepare, WorkerLost, WorkerSlot
from animesr_cli.workers.scheduler import PATIENCE_SECONDS, STOP_SECONDS, Event, TaskQueue, dispatch
from animesr_cli.workers.worker_process import WorkerSetup

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

    from animesr_cli.model.devices import choose_device
    from animesr_cli.model.transfer import runtime_of

    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work", "use 1 or more")
    chosen = choose_device(device)
    if runtime := runtime_of(chosen):
        only: int | None = chosen.index
        gpus = runtime.device_count() if only is None else 1
        first = only or 0
        places = [f"{chosen.type}:{first + number % gpus}" for number in range(workers or gpus)]
        return [WorkerSlot(name, place) for name, place in zip(_names(places), places, strict=True)]
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


# ---- the executor --------------------------------------------------------------------------------


class ProcessExecutor:
    """A process for each slot, started when there is a task for it.

    The thread that iterates must live until the iteration has ended: with it, Linux ends workers.
    """

    def __init__(
        self, slots: Sequence[WorkerSlot], *, warn: Callable[[str], None] = log.warning
    ) -> None:
        self._slots = tuple(slots)
        self._warn = warn

    @property
    def workers(self) -> int:
        return len(self._slots)

    def run(self, queue: TaskQueue, prepare: Prepare) -> Generator[Event, None, None]:
        """See ``Executor.run``."""
        return dispatch(queue, _Processes(self._slots, pickle.dumps(prepare)), self._warn)

    def close(self) -> None:
        """Nothing outlives a run."""


@dataclass(frozen=True)
class _Worker:
    """A process and its slot."""

    slot: WorkerSlot
    child: Child


class _Processes:
    """The backend of this machine's processes."""

    replaces: Final = True

    def __init__(self, slots: Sequence[WorkerSlot], prepare: bytes) -> None:
        self._prepare = prepare
        self._free = deque(slots)  # in turn: what failed on one is tried on the next
        self._workers: dict[str, _Worker] = {}

    def start(self, most: int) -> list[str]:
        started: list[str] = []
        while self._free and len(started) < most:
            slot = self._free[0]
            setup = WorkerSetup(slot, self._prepare, _log_level())
            child = Child(f"worker {slot.name}", worker_process, setup)
            self._workers[slot.name] = _Worker(slot, child)
            self._free.popleft()
            started.append(slot.name)
        return started

    def assign(self, worker: str, payload: object) -> None:
        self._workers[worker].child.tell(pickle.dumps(payload))

    def news(self, patience_seconds: float) -> list[tuple[str, Message]]:
        ready = wait(
            [worker.child.connection for worker in self._workers.values()], patience_seconds
        )
        said: list[tuple[str, Message]] = []
        for name, worker in list(self._workers.items()):
            ended = worker.child.ended  # asked first: all that it said is in the pipe by now
            if worker.child.connection in ready or ended:
                said += [(name, message) for message in self._heard(worker, ended)]
        return said

    def _heard(self, worker: _Worker, ended: bool) -> Iterator[Message]:
        try:
            while worker.child.connection.poll():
                yield worker.child.connection.recv()
        except (EOFError, OSError):
            ended = True
        if ended:
            yield WorkerLost(worker.child.exit_error())
            self.end(worker.slot.name)

    def end(self, worker: str) -> None:
        if left := self._workers.pop(worker, None):
            left.child.end()
            self._free.append(left.slot)

    def stop(self) -> None:
        try:
            for worker in self._workers.values():
                worker.child.tell(None)
            self._wait_until_gone(time.monotonic() + STOP_SECONDS)
        finally:
            for name in list(self._workers):
                self.end(name)

    def _wait_until_gone(self, deadline: float) -> None:
        while any(not worker.child.ended for worker in self._workers.values()):
            if time.monotonic() > deadline:
                log.warning("%s did not stop in time", ", ".join(self._workers))
                return
            self.news(PATIENCE_SECONDS)


def _log_level() -> int:
    return logging.getLogger("animesr_cli").getEffectiveLevel()
