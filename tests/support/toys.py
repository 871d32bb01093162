"""Work for executors: each ``Prepare`` is a class that every process can import and pickle.

A payload is what the task is to do: a list whose first word is the name of one of the functions
below. What must be known over several tries or processes lies in files of a folder.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from animesr_cli.errors import (
    DeviceError,
    DiskFullError,
    InputError,
    Interrupted,
    VerificationError,
    WeightsError,
)
from animesr_cli.workers.protocol import Work, WorkerSlot

Advanced = Callable[[int], None]

ERRORS = {
    "input": InputError("the input went away", "bring it back"),
    "weights": WeightsError("a checkpoint is damaged"),
    "full": DiskFullError("the disk is full", "free 3.0 GB and run again"),
    "device": DeviceError("out of memory", "use smaller tiles"),
    "verification": VerificationError("not what was handed in"),
    "stopped": Interrupted(signal.SIGINT),
}
HOPELESS = ("input", "weights", "full")
"""Those that come again wherever the task is tried."""


@dataclass(frozen=True)
class Toys:
    """Prepares a worker that plays; ``folder`` gets a file for each worker that was prepared."""

    folder: Path

    def __call__(self, slot: WorkerSlot) -> Work:
        (self.folder / f"prepared-{os.getpid()}-{time.monotonic_ns()}").touch()
        return play


@dataclass(frozen=True)
class Places:
    """Every task meets another one, and tells of its slot and the GPU that it sees."""

    folder: Path

    def __call__(self, slot: WorkerSlot) -> Work:
        def work(payload: object, advanced: Advanced) -> object:
            meet(advanced, str(self.folder), 2)
            return slot.device, slot.threads, os.environ.get("CUDA_VISIBLE_DEVICES")

        return work


@dataclass(frozen=True)
class Unprepared:
    """Fails in the way that its word says, and leaves a file for each time."""

    folder: Path
    way: str

    def __call__(self, slot: WorkerSlot) -> Work:
        (self.folder / f"prepared-{os.getpid()}-{time.monotonic_ns()}").touch()
        if self.way == "dies":
            os._exit(23)
        if self.way == "bug":
            raise ZeroDivisionError("no model")
        raise ERRORS[self.way]


@dataclass(frozen=True)
class OneIsBroken:
    """Whoever sits on the slot of this name fails at everything."""

    name: str

    def __call__(self, slot: WorkerSlot) -> Work:
        def work(payload: object, advanced: Advanced) -> object:
            if slot.name == self.name:
                raise ERRORS["device"]
            return slot.name

        return work


class Unreadable:
    """Pickled here, not to be unpickled anywhere."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("no number",))


def play(payload: object, advanced: Advanced) -> object:
    """Do what the payload says."""
    name, *arguments = cast(list[Any], payload)
    return GAMES[name](advanced, *arguments)


def echo(advanced: Advanced, word: object) -> object:
    """The result is the argument."""
    return word


def where(advanced: Advanced) -> object:
    """The process that it runs in, and its thread variables."""
    return {"pid": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}


def count(advanced: Advanced, frames: int, seconds: float) -> object:
    """So many frames, each of which takes its time."""
    for frame in range(frames):
        time.sleep(seconds)
        advanced(frame + 1)
    return frames


def meet(advanced: Advanced, folder: str, others: int) -> object:
    """Wait until so many tasks run at the same time."""
    (Path(folder) / f"met-{os.getpid()}-{time.monotonic_ns()}").touch()
    while len(list(Path(folder).glob("met-*"))) < others:
        advanced(0)
        time.sleep(0.01)
    return os.getpid()


def hold(advanced: Advanced, folder: str) -> object:
    """Wait for a file that is called ``go``; leave one for having begun."""
    (Path(folder) / f"begun-{os.getpid()}-{time.monotonic_ns()}").touch()
    while not (Path(folder) / "go").exists():
        advanced(1)
        time.sleep(0.01)
    return os.getpid()


def linger(advanced: Advanced, folder: str) -> object:
    """Never end; leave a file once begun, another once told to stop."""
    (Path(folder) / f"begun-{os.getpid()}").touch()
    try:
        while True:
            advanced(1)
            time.sleep(0.01)
    finally:
        (Path(folder) / f"stopped-{os.getpid()}").touch()


def deaf(advanced: Advanced, folder: str) -> object:
    """Never end and never listen."""
    (Path(folder) / f"begun-{os.getpid()}").touch()
    while True:
        time.sleep(1)


def fail(advanced: Advanced, kind: str) -> object:
    """Raise one of the family, or something else."""
    if kind in ERRORS:
        raise ERRORS[kind]
    if kind == "exit":
        raise SystemExit(5)
    raise ZeroDivisionError("a slip")


def stumble(advanced: Advanced, folder: str, times: int, way: str) -> object:
    """Fail so many times, then succeed; a file for each try."""
    tries = len(list(Path(folder).glob("try-*")))
    (Path(folder) / f"try-{tries}").touch()
    if tries < times:
        if way == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if way == "exits":
            os.write(2, b"the last that was heard of it\n")
            os._exit(9)
        fail(advanced, way)
    return tries + 1


def freeze(advanced: Advanced, folder: str) -> object:
    """Stop the whole process at the first try; a file for each try."""
    tries = len(list(Path(folder).glob("try-*")))
    (Path(folder) / f"try-{tries}").touch()
    if not tries:
        os.kill(os.getpid(), signal.SIGSTOP)
    return tries + 1


def remark(advanced: Advanced, text: str) -> object:
    """Say something where a user may see it, and where none should."""
    logging.getLogger("animesr_cli.toys").warning(text)
    os.write(1, b"what a library prints")
    os.write(2, b"what a library prints")
    return None


def unpicklable(advanced: Advanced) -> object:
    """A result that stays here."""
    return lambda: None


def unreadable(advanced: Advanced) -> object:
    """A result that nobody can read."""
    return Unreadable()


GAMES = {
    game.__name__: game
    for game in (
        echo,
        where,
        count,
        meet,
        hold,
        linger,
        deaf,
        fail,
        stumble,
        freeze,
        remark,
        unpicklable,
        unreadable,
    )
}
