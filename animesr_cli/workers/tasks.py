"""Tasks that are to be done: a number, a cost, and a payload; the costliest goes first."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One piece of work."""

    key: int
    """Unique within a run."""
    cost: float
    """In any unit; the costliest is begun first."""
    payload: object
    """What ``work`` is called with; can be pickled, and is small."""


class TaskQueue:
    """Tasks that are known and not begun; one thread may fill it while the run empties it."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Task] = []
        self._open = True
        self._error: BaseException | None = None
        for task in tasks:
            self.put(task)

    def put(self, task: Task) -> None:
        """Add a task; among equally long ones the first that came is the first that goes."""
        with self._lock:
            bisect.insort_right(self._waiting, task, key=lambda each: -each.cost)

    def close(self) -> None:
        """Nothing more will come."""
        with self._lock:
            self._open = False

    def fail(self, error: BaseException) -> None:
        """Who fills the queue has failed; the run stops and raises this."""
        with self._lock:
            self._error = self._error or error

    def take(self, fits: Callable[[Task], bool] = lambda task: True) -> Task | None:
        """The longest task that fits, taken out; None where there is none now."""
        with self._lock:
            for place, task in enumerate(self._waiting):
                if fits(task):
                    return self._waiting.pop(place)
        return None

    def check(self) -> None:
        """Raise what ``fail`` was given."""
        if self._error is not None:
            raise self._error

    @property
    def waiting(self) -> int:
        """Tasks that could be taken now."""
        return len(self._waiting)

    @property
    def exhausted(self) -> bool:
        """Whether no task is left and none will come."""
        with self._lock:
            return not self._open and not self._waiting
