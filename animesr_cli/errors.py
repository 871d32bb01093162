"""The exception family and the exit codes that it maps to.

An ``AnimesrError`` itself is a bug, each class below it an expected failure. A message says what
failed and why; the hint says what to try. The command line prints both in one place; the library
only raises.
"""

from __future__ import annotations

import errno
import signal
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

Warn = Callable[[str], None]
"""Is told, in a sentence, what is not as it should be and ends nothing."""


class ExitCode(IntEnum):
    """Process exit codes; the README documents the same table."""

    OK = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    OUTPUT = 4
    DISK_FULL = 5
    WEIGHTS = 6
    DEVICE = 7
    NETWORK = 8
    VERIFICATION = 9
    WARNINGS = 10
    HANGUP = 129
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


class AnimesrError(Exception):
    """A failure with one clear sentence, and optionally one thing to try."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: as a class of this file, as that may lack others; its traceback,
        which cannot be pickled, becomes a note."""
        kind = next(each for each in type(self).__mro__ if each.__module__ == __name__)
        trace = "".join(traceback.format_exception(self))
        return _unpickled, (kind, self.message, self.hint, self.exit_code, trace)


def _unpickled(
    kind: type[AnimesrError], message: str, hint: str | None, exit_code: ExitCode, trace: str
) -> AnimesrError:
    """Not through the constructor, as each class has its own."""
    error = kind.__new__(kind, message)
    AnimesrError.__init__(error, message, hint)
    error.exit_code = exit_code
    error.add_note(trace)
    return error


def as_bug(error: BaseException) -> AnimesrError:
    """What is said of an exception that nobody expected; one of the family stays as it is."""
    if isinstance(error, AnimesrError):
        return error
    bug = AnimesrError(
        f"this is a bug: {type(error).__name__}: {error}",
        "run again with --debug and report what it prints",
    )
    bug.__cause__ = error
    return bug


class UsageError(AnimesrError):
    """An option, or a combination of options, that cannot work."""

    exit_code = ExitCode.USAGE


class InputError(AnimesrError):
    """The input is missing, unreadable, or not a video."""

    exit_code = ExitCode.INPUT


class OutputError(AnimesrError):
    """The output cannot be written where it was asked for."""

    exit_code = ExitCode.OUTPUT


class DiskFullError(AnimesrError):
    """No space is left, or less than the result needs."""

    exit_code = ExitCode.DISK_FULL


class WeightsError(AnimesrError):
    """A checkpoint is missing, damaged, or not of this network."""

    exit_code = ExitCode.WEIGHTS


class DeviceError(AnimesrError):
    """A device or encoder is absent, or a device ran out of memory."""

    exit_code = ExitCode.DEVICE


class DownloadError(AnimesrError):
    """The hub did not answer, or refused."""

    exit_code = ExitCode.NETWORK


class VerificationError(AnimesrError):
    """The finished file is not what was handed to the encoder."""

    exit_code = ExitCode.VERIFICATION


DISK_FULL_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNREADABLE: Final = frozenset(
    {
        errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO,
        errno.ENODEV, errno.EMFILE, errno.ENFILE, errno.ENOTCONN, errno.EHOSTDOWN,
    }
)  # fmt: skip
_NO_THREADS: Final = ("can't start new thread", "Resource temporarily unavailable")


def as_expected(error: Exception) -> AnimesrError | None:
    """What the machine refuses anywhere, in a sentence; None: it is something else.

    Rooms explain what they read and write themselves. This is for what comes up in between: a disk
    or a mount that fails, too many open files, and limits of memory, processes and threads.
    """
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or code == errno.ENOMEM:
        return DeviceError("memory ran out", "use smaller tiles (--tile) or fewer workers")
    if isinstance(error, OSError) and code in DISK_FULL_ERRORS:
        return DiskFullError(f"the disk is full: {_reason(error)}", "free some room and run again")
    if isinstance(error, OSError) and code in _UNREADABLE:
        return InputError(f"the system refused to read on: {_reason(error)}")
    if isinstance(error, RuntimeError | OSError) and any(t in str(error) for t in _NO_THREADS):
        return DeviceError(
            "the system allows this user no more processes or threads", "raise `ulimit -u`"
        )
    return None


def reason_of(error: Exception) -> str:
    """The words of the system or of FFmpeg for an error, as they stand within a sentence."""
    return str(getattr(error, "strerror", None) or error).lower()


def unreadable(what: str, error: OSError) -> InputError:
    """What is said where the system does not let something be read."""
    return InputError(f"{what} cannot be read: {reason_of(error)}")


def _reason(error: OSError) -> str:
    return f"{error.filename}: {reason_of(error)}" if error.filename else reason_of(error)


class Interrupted(AnimesrError):
    """SIGINT, SIGTERM or SIGHUP asked the run to stop."""

    def __init__(self, signum: int) -> None:
        name = signal.Signals(signum).name
        super().__init__(f"stopped by {name}")
        codes = {"SIGTERM": ExitCode.TERMINATED, "SIGHUP": ExitCode.HANGUP}
        self.exit_code = codes.get(name, ExitCode.INTERRUPTED)
