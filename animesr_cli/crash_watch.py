"""A tiny second process that speaks where the command cannot any more.

A decoder of FFmpeg that crashes, or the system in want of memory, ends a process without a word.
The watch is forked before torch and PyAV are loaded, and learns of such an end by that of a pipe;
``faulthandler`` writes the name of a crash there first, which needs no Python that still works. It
writes an error, and touches nothing. The command dies of its signal as it would without, so that
shells, core dumps and whoever waits for it see what happened. Windows has no ``fork``: no watch.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

READ_BYTES: Final = 1 << 16
LONGEST_NAME: Final = 1000
OPENED: Final = b"opened "
GOES_ON: Final = b"goes on "
FATAL: Final = b"Fatal Python error: "
"""How ``faulthandler`` begins."""

CRASHED: Final = (
    "error: native code crashed ({}){}\nhint: a damaged file can do that to FFmpeg; {}\n"
)
KILLED: Final = (
    "error: the command was killed, by hand or by the system for want of memory{}\n"
    "hint: smaller tiles (--tile) need less memory; {}\n"
)
OF_ONE_RUN: Final = "a long run keeps its finished segments, and the same command goes on"


@dataclass(frozen=True)
class _Watch:
    process: int
    pipe: int
    """Its other end is the watch's."""


_watch: _Watch | None = None


def begin(*, debug: bool = False) -> None:
    """Have this process watched until ``end``; with ``debug`` a crash shows where Python was."""
    global _watch
    if sys.platform != "win32":
        debug = debug or faulthandler.is_enabled()  # PYTHONFAULTHANDLER asks for that, too
        readable, writable = os.pipe()
        try:
            process = os.fork()
            if process == 0:
                _attend(readable, debug)
        except OSError:  # no more processes are allowed: then without
            os.close(writable)
        else:
            os.set_blocking(writable, False)  # a watch that is stopped stops nobody
            faulthandler.enable(writable, all_threads=debug)
            _watch = _Watch(process, writable)
        os.close(readable)


def opened(name: str) -> None:
    """A file, as it is shown to people, is read from now on: a crash may be about it."""
    _write(OPENED, name)


def goes_on(how: str) -> None:
    """What is there and how to go on, should the command end now."""
    _write(GOES_ON, how)


def _write(kind: bytes, text: str) -> None:
    if _watch is not None:
        with suppress(OSError):
            line = text.encode("ascii", "backslashreplace")[:LONGEST_NAME]
            os.write(_watch.pipe, kind + line + b"\n")


def end() -> None:
    """The command says itself how it ends: before it leaves, by whichever way."""
    global _watch
    if sys.platform != "win32" and _watch is not None:
        watch, _watch = _watch, None
        faulthandler.disable()
        with suppress(OSError):
            os.kill(watch.process, signal.SIGKILL)  # a watch that is stopped ends, too
            os.waitpid(watch.process, 0)
        os.close(watch.pipe)


# The other process -------------------------------------------------------------------------------


def _attend(pipe: int, debug: bool) -> NoReturn:
    """In the watch: wait for the end of the command, tell of it, and end."""
    try:
        if sys.platform != "win32":
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                signal.signal(each, signal.SIG_IGN)  # they are for the command
        _keep_only(pipe)
        _report(*_collected(debug), debug)
    finally:
        os._exit(0)


def _keep_only(pipe: int) -> None:
    """The pipe, as standard input, and standard error: nobody waits for anything else of us."""
    os.dup2(pipe, 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with suppress(OSError):
                os.close(int(name))


def _collected(debug: bool) -> tuple[dict[bytes, str], bytes]:
    """The last line of each kind, and what ``faulthandler`` wrote: nothing, or from FATAL on."""
    last: dict[bytes, str] = {}
    text = b""
    while part := os.read(0, READ_BYTES):
        text += part
        while not text.startswith(FATAL) and b"\n" in text:
            line, _, text = text.partition(b"\n")
            last |= {
                k: line.removeprefix(k).decode() for k in (OPENED, GOES_ON) if line.startswith(k)
            }
        if not debug and text.startswith(FATAL) and b"\n" in text:
            break  # what is said at once is said before the shell's prompt
    return last, text


def _report(last: dict[bytes, str], crash: bytes, debug: bool) -> None:
    after = f"; the last file that it opened was {last[OPENED]}" if OPENED in last else ""
    how = last.get(GOES_ON, OF_ONE_RUN)
    reason = crash.partition(b"\n")[0].removeprefix(FATAL).decode("ascii", "replace")
    message = CRASHED.format(reason.lower(), after, how) if crash else KILLED.format(after, how)
    if os.isatty(2):
        message = f"\n\x1b[?25h{message}"  # below the bar, and with the cursor that it hid
    os.write(2, message.encode() + (crash if debug else b""))
