"""Signals of the system: which of them ask a run to stop, and how they wait or pass a child by.

A signal's handler runs between any two steps of Python, and what it raised there would tear apart
whatever it met. So it only notes the wish, and the work asks for it with ``check_stop``: at each
frame, and in each wait, none of which lasts longer than a tenth of a second.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from animesr_cli.errors import Interrupted

UNHEARD_SECONDS: Final = 2.0
"""Work that has not asked for so long is interrupted wherever it is: it reads a hub, or joins."""


def _stopping() -> tuple[signal.Signals, ...]:
    if sys.platform == "win32":
        return (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    else:  # for mypy, which reads each system's part alone
        return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


STOPPING: Final = _stopping()
"""What asks a run to stop: Ctrl-C, ``kill``, and the terminal that goes (or Ctrl-Break)."""


# ---- the wish to stop ----------------------------------------------------------------------------


class _Wish:
    """What this process was asked to do by a signal."""

    why: Interrupted | None = None
    in_steps = False
    """Only whoever knows where a step ends may ask: inside of one nothing is torn apart."""
    is_heard = False
    """It was raised, and cleaning must not be disturbed by raising it once more."""
    is_too_late = False
    """What was worked for is there, or almost, and is carried to its end."""
    is_waiting = False
    """The main thread is in a wait that cannot ask."""
    blocked = 0
    """How many ``with`` hold signals back. The mask alone does not: it is of one thread, and an
    alarm is for the process; one that another thread took is handled in the main thread."""


def stop_wanted() -> Interrupted | None:
    """Why the run is to stop; None: it is not."""
    return _Wish.why


def want_stop(why: Interrupted) -> None:
    """In a handler: whoever asks next is told; who does not ask in time is interrupted."""
    _Wish.why = why
    if _Wish.in_steps:
        return
    if _Wish.is_waiting or (sys.platform == "win32" and not _Wish.is_too_late):
        check_stop()
    _set_alarm(UNHEARD_SECONDS)


def check_stop() -> None:
    """Raise ``Interrupted`` where the run is to stop: in the main thread, as often as it is asked.

    Elsewhere it does nothing: other threads are told by those who started them.
    """
    if _Wish.in_steps:
        return
    _Wish.is_too_late = False
    if _Wish.why is not None and threading.current_thread() is threading.main_thread():
        _Wish.is_heard = True
        _set_alarm(0)
        raise _Wish.why


def last_check() -> None:
    """``check_stop`` before an output gets its name: now, or not until somebody asks again.

    Whatever follows is carried to its end however long it takes: the name, what tidies up behind
    it, and the word that it is done. A batch asks again in its next file.
    """
    check_stop()
    _Wish.is_too_late = True


def check_step() -> None:
    """``check_stop`` between two steps of work that must not be torn apart; in any thread."""
    if _Wish.why is not None:
        raise _Wish.why


@contextmanager
def waiting_for_somebody() -> Iterator[None]:
    """Around a wait that cannot ask, such as for a person: a signal ends it at once."""
    check_stop()
    _Wish.is_waiting = True
    try:
        yield
    finally:
        _Wish.is_waiting = False


@contextmanager
def stop_wishes(*, between_steps: bool = False) -> Iterator[Callable[[], None]]:
    """For the main thread: wishes are those of this ``with``, and are forgotten behind it.

    What it gives is asked by the work; ``between_steps``, nobody else is told.
    """
    _Wish.why, _Wish.is_heard, _Wish.in_steps = None, False, between_steps
    _Wish.is_too_late = False
    if sys.platform != "win32":
        before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        yield check_step if between_steps else check_stop
    finally:
        _set_alarm(0)
        if sys.platform != "win32":
            signal.signal(signal.SIGALRM, before)
        _Wish.why, _Wish.in_steps = None, False


def _interrupt(signum: int, frame: FrameType | None) -> None:
    if _Wish.blocked or _Wish.is_too_late:
        _set_alarm(UNHEARD_SECONDS)
    elif not _Wish.is_heard:
        check_stop()


def _set_alarm(seconds: float) -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


# ---- signals that wait, or are not for a child ---------------------------------------------------


@contextmanager
def signals_blocked() -> Iterator[None]:
    """They wait for the end of the ``with``; what is started in it starts with them blocked.

    Windows cannot have them wait, and there a new process group is what keeps them from a child.
    """
    if sys.platform == "win32":
        yield
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPPING, signal.SIGALRM))
        _Wish.blocked += 1
        try:
            yield
        finally:
            _Wish.blocked -= 1
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_ctrl_c_to_the_parent() -> None:
    """What a terminal sends goes to all its processes; for a child that began with it blocked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOPPING, signal.SIGALRM))
