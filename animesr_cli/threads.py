"""A pipeline of threads ahead of and behind the caller, with bounded queues.

    with Pipeline() as threads:
        output = threads.enter(open_output())       # closed when no thread uses it any more
        items = threads.prefetch(source, depth=4)   # a thread fills a queue, the caller empties it
        send = threads.drain(output.write, depth=3) # the caller fills a queue, a thread empties it
        for item in items:
            send(work(item))
        threads.finish()                            # until everything that was sent is consumed

The first error of any thread stops all of them and is the one that leaves the ``with``.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final, TypeVar

from animesr_cli.errors import DeviceError
from animesr_cli.signals import check_stop

log = logging.getLogger(__name__)

T = TypeVar("T")

# How often whoever waits looks whether the run has ended, or is to.
PATIENCE_SECONDS: Final = 0.1
# A thread that is inside one call of a codec or a pipe cannot be stopped, only waited for.
JOIN_SECONDS: Final = 30.0

# Of a thread that is only there to be counted; the fewest bytes that every system takes.
_SMALL_STACK_BYTES: Final = 256 << 10
_MOST_THREADS: Final = 256

_abandoned: list[ExitStack] = []
"""What threads that never came back still use: left open, since freeing it would crash them."""


def check_threads() -> None:
    """See that this process may start the threads that codecs and torch will.

    They cope badly where it may not: x264 waits for ever, OpenBLAS sends itself a SIGINT, OpenMP
    ends the process.

    Raises:
        DeviceError: the system allows no more.
    """
    go = threading.Event()
    started = []
    before = threading.stack_size(_SMALL_STACK_BYTES)  # under a limit of memory they cost nothing
    try:
        for _ in range(min(4 * (os.cpu_count() or 1) + 8, _MOST_THREADS)):
            thread = threading.Thread(target=go.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise DeviceError(
            "the system allows this user no more processes or threads", "raise `ulimit -u`"
        ) from error
    finally:
        threading.stack_size(before)
        go.set()
        for thread in started:
            thread.join()


class _Stopped(Exception):
    """The run has ended elsewhere; the thread that sees this leaves quietly."""


class _End:
    """Nothing more will come through this queue."""


class Pipeline:
    """The threads of one run, what they use, and the first error among them."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._senders: list[queue.Queue[Any]] = []
        self._contexts = ExitStack()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Open what threads use; the last that is opened is closed first, once they have ended."""
        return self._contexts.enter_context(context)

    def is_stopped(self) -> bool:
        """Whether the run has ended, for what waits inside a thread."""
        return self._stopped.is_set()

    def prefetch(self, source: Iterable[T], *, depth: int) -> Iterator[T]:
        """Iterate over ``source`` in a thread, at most ``depth`` items ahead of the caller."""
        items: queue.Queue[T | _End] = queue.Queue(depth)

        def fill() -> None:
            for item in source:
                self._put(items, item)
            self._put(items, _End())

        self._start(fill)
        return self._taken(items)

    def drain(self, consume: Callable[[T], None], *, depth: int) -> Callable[[T], None]:
        """A function that hands its argument to ``consume`` in a thread; it waits while full."""
        items: queue.Queue[T | _End] = queue.Queue(depth)

        def empty() -> None:
            for item in self._taken(items):
                consume(item)

        self._senders.append(items)
        self._start(empty)
        return lambda item: self._put(items, item)

    def finish(self) -> None:
        """Wait until everything that was sent has been consumed; raises what went wrong."""
        try:
            for items in self._senders:
                self._put(items, _End())
            for thread in self._threads:
                while thread.is_alive():
                    check_stop()
                    thread.join(PATIENCE_SECONDS)
        except _Stopped:
            pass
        self._raise()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None and not isinstance(error, _Stopped):
            self._fail(error)
        self._stopped.set()
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            log.warning("a thread did not end within %.0f s: what it uses is left", JOIN_SECONDS)
            _abandoned.append(self._contexts)
        else:
            self._contexts.close()
        if self._error is not error:
            self._raise()

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except _Stopped:
                pass
            except BaseException as error:  # every error, so that nobody waits for a dead thread
                self._fail(error)

        thread = threading.Thread(target=guarded, name="animesr-pipeline", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
        self._stopped.set()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _put(self, items: queue.Queue[T | _End], item: T | _End) -> None:
        while not self._stopped.is_set():
            check_stop()
            try:
                return items.put(item, timeout=PATIENCE_SECONDS)
            except queue.Full:
                continue
        raise _Stopped

    def _taken(self, items: queue.Queue[T | _End]) -> Iterator[T]:
        while True:
            check_stop()
            try:
                item = items.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                if self._stopped.is_set():
                    raise _Stopped from None
                continue
            if isinstance(item, _End):
                return
            yield item
