"""The exception family and the exit codes that it maps to.

    AnimesrError            1   a bug: everything below is an expected failure
    ├── UsageError          2   an option, or a combination of options, that cannot work
    ├── InputError          3   the input is missing, unreadable, or not a video
    ├── OutputError         4   the output cannot be written where it was asked for
    ├── DiskFullError       5   no space left, or less than the result needs
    ├── WeightsError        6   a checkpoint is missing, damaged, or not of this network
    ├── DeviceError         7   the device or encoder is absent, or out of memory
    ├── DownloadError       8   the hub did not answer, or refused
    ├── VerificationError   9   the finished file is not what was handed to the encoder
    └── Interrupted   130/143   SIGINT or SIGTERM asked the run to stop

A message says what failed and why; the hint says what to try. The command line prints both in
one place; the library only raises.
"""

from __future__ import annotations

import signal
from enum import IntEnum


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


def as_bug(error: Exception) -> AnimesrError:
    """What is said of an exception that nobody expected."""
    return AnimesrError(
        f"this is a bug: {type(error).__name__}: {error}",
        "run again with --debug and report what it prints",
    )


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


class Interrupted(AnimesrError):
    """SIGINT or SIGTERM asked the run to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.exit_code = ExitCode.TERMINATED if signum == signal.SIGTERM else ExitCode.INTERRUPTED
