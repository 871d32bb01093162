"""Threads ahead and behind: order is kept, the first error wins, nobody waits for the dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from animesr_cli.threads import Crew


def test_items_pass_through_in_order() -> None:
    """Every item arrives once, in order, through both queues."""
    received: list[int] = []
    with Crew() as crew:
        send = crew.behind(received.append, depth=2)
        for item in crew.ahead(range(100), depth=3):
            send(item * 2)
        crew.finish()
    assert received == [item * 2 for item in range(100)]


def test_a_source_runs_no_further_ahead_than_its_queue() -> None:
    """Memory is bounded: the thread holds one item, the queue `depth`, the caller one."""
    produced: list[int] = []

    def source() -> Iterator[int]:
        for item in range(50):
            produced.append(item)
            yield item

    with Crew() as crew:
        for item in crew.ahead(source(), depth=4):
            time.sleep(0.002)
            assert len(produced) <= item + 1 + 4 + 1


def test_an_error_in_the_source_leaves_the_with() -> None:
    """The caller sees the source's own error, after the items that came before it."""

    def source() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"), Crew() as crew:
        for item in crew.ahead(source(), depth=1):
            seen.append(item)
    assert seen in ([1], [])  # the error may overtake what still waits in the queue


def test_an_error_in_the_consumer_stops_a_caller_that_waits_to_send() -> None:
    """A full queue behind a dead consumer is no dead end."""

    def consume(item: int) -> None:
        raise ValueError("encoder failed")

    with pytest.raises(ValueError, match="encoder failed"), Crew() as crew:
        send = crew.behind(consume, depth=1)
        for item in range(1000):
            send(item)
        crew.finish()


def test_an_error_in_the_caller_stops_the_threads() -> None:
    """The caller's error comes out as it is, and no thread is left."""

    def endless() -> Iterator[int]:
        while True:
            yield 0

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="mine"), Crew() as crew:
        crew.behind(lambda item: None, depth=1)
        for _ in crew.ahead(endless(), depth=1):
            raise RuntimeError("mine")
    assert threading.active_count() == before


def test_the_first_of_two_errors_wins() -> None:
    """The source fails because of nothing; the consumer failed before it and is the one shown."""
    failed = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        failed.wait(5)
        raise OSError("second")

    def consume(item: int) -> None:
        try:
            raise ValueError("first")
        finally:
            threading.Timer(0.3, failed.set).start()

    with pytest.raises(ValueError, match="first"), Crew() as crew:
        send = crew.behind(consume, depth=1)
        for item in crew.ahead(source(), depth=1):
            send(item)
        crew.finish()


def test_an_error_after_the_last_item_is_not_lost() -> None:
    """`finish` raises what the consumer did with what was still in the queue."""

    def consume(item: int) -> None:
        time.sleep(0.05)
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"), Crew() as crew:
        crew.behind(consume, depth=3)(1)
        crew.finish()
