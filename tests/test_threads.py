"""Threads ahead and behind: order is kept, the first error wins, nobody waits for the dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from animesr_cli.threads import Pipeline


def test_items_pass_through_in_order() -> None:
    """Every item arrives once, in order, through both queues."""
    received: list[int] = []
    with Pipeline() as threads:
        send = threads.drain(received.append, depth=2)
        for item in threads.prefetch(range(100), depth=3):
            send(item * 2)
        threads.finish()
    assert received == [item * 2 for item in range(100)]


def test_a_source_runs_no_further_ahead_than_its_queue() -> None:
    """Memory is bounded: the thread holds one item, the queue `depth`, the caller one."""
    produced: list[int] = []

    def source() -> Iterator[int]:
        for item in range(50):
            produced.append(item)
            yield item

    with Pipeline() as threads:
        for item in threads.prefetch(source(), depth=4):
            time.sleep(0.002)
            assert len(produced) <= item + 1 + 4 + 1


def test_an_error_in_the_source_leaves_the_with() -> None:
    """The caller sees the source's own error, after the items that came before it."""

    def source() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"), Pipeline() as threads:
        for item in threads.prefetch(source(), depth=1):
            seen.append(item)
    assert seen in ([1], [])  # the error may overtake what still waits in the queue


def test_an_error_in_the_consumer_stops_a_caller_that_waits_to_send() -> None:
    """A full queue behind a dead consumer is no dead end."""

    def consume(item: int) -> None:
        raise ValueError("encoder failed")

    with pytest.raises(ValueError, match="encoder failed"), Pipeline() as threads:
        send = threads.drain(consume, depth=1)
        for item in range(1000):
            send(item)
        threads.finish()


def test_an_error_in_the_caller_stops_the_threads() -> None:
    """The caller's error comes out as it is, and no thread is left."""

    def endless() -> Iterator[int]:
        while True:
            yield 0

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="mine"), Pipeline() as threads:
        threads.drain(lambda item: None, depth=1)
        for _ in threads.prefetch(endless(), depth=1):
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

    with pytest.raises(ValueError, match="first"), Pipeline() as threads:
        send = threads.drain(consume, depth=1)
        for item in threads.prefetch(source(), depth=1):
            send(item)
        threads.finish()


def test_an_error_after_the_last_item_is_not_lost() -> None:
    """`finish` raises what the consumer did with what was still in the queue."""

    def consume(item: int) -> None:
        time.sleep(0.05)
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"), Pipeline() as threads:
        threads.drain(consume, depth=3)(1)
        threads.finish()


def test_what_threads_use_is_closed_when_they_have_ended() -> None:
    """The last that was opened first; also where the caller fails."""
    closed: list[str] = []

    @contextmanager
    def resource(name: str) -> Iterator[str]:
        try:
            yield name
        finally:
            closed.append(name)

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append("thread")

    with pytest.raises(RuntimeError, match="mine"), Pipeline() as threads:
        assert threads.enter(resource("reader")) == "reader"
        threads.enter(resource("writer"))
        for _ in threads.prefetch(source(), depth=1):
            raise RuntimeError("mine")
    assert closed == ["thread", "writer", "reader"]


def test_nothing_is_closed_under_a_living_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs in a call of a codec keeps its file: freeing it would be a crash."""
    monkeypatch.setattr("animesr_cli.threads.JOIN_SECONDS", 0.05)
    closed = threading.Event()
    released = threading.Event()

    @contextmanager
    def reader() -> Iterator[None]:
        yield
        closed.set()

    def source() -> Iterator[int]:
        yield 0
        released.wait(10)

    with pytest.raises(RuntimeError, match="mine"), Pipeline() as threads:
        threads.enter(reader())
        for _ in threads.prefetch(source(), depth=1):
            raise RuntimeError("mine")
    assert not closed.is_set()
    released.set()
