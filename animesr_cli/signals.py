"""Signals of the system: which of them ask a run to stop, and how they wait or pass a child by."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


def _stopping() -> tuple[signal.Signals, ...]:
    if sys.platform == "win32":
        return (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    else:  # for mypy, which reads each system's part alone
        return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


STOPPING: Final = _stopping()
"""What asks a run to stop: Ctrl-C, ``kill``, and the terminal that goes (or Ctrl-Break)."""


@contextmanager
def signals_blocked() -> Iterator[None]:
    """They wait for the end of the ``with``; what is started in it starts with them blocked.

    Windows cannot have them wait, and there a new process group is what keeps them from a child.
    """
    if sys.platform == "win32":
        yield
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_ctrl_c_to_the_parent() -> None:
    """What a terminal sends goes to all its processes; for a child that began with it blocked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
