"""Standard output and error that may be closed, full, or unable to write every character.

What cannot be told does not end the work: the first failure is remembered, the stream is silent
from then on, and the exit code tells of it where the stream was for results. A pipe whose reader
has gone is another matter: nobody wants the rest, and ``BrokenPipeError`` ends the command.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, Final, TextIO, cast

from animesr_cli.errors import ExitCode

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Outlet(io.TextIOBase):
    """A stream whose ``failure`` is the exit code of what it could not write."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or cast(TextIO, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        self.failure: ExitCode | None = None
        self._is_closed = stream is None
        self._descriptor: int | None = None
        """The system's, once nothing is written there any more."""
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # consoles that are not UTF-8

    def write(self, text: str) -> int:
        if text and self._is_closed:
            self._fail(ExitCode.CLOSED_PIPE)
        if self.failure is None:
            try:
                self.stream.write(text)
            except (OSError, ValueError) as error:
                self._on_error(error)
        return len(text)

    def flush(self) -> None:
        if self.failure is None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self._on_error(error)

    def _on_error(self, error: OSError | ValueError) -> None:
        full = isinstance(error, OSError) and error.errno in FULL
        self._fail(ExitCode.DISK_FULL if full else ExitCode.CLOSED_PIPE)
        if isinstance(error, BrokenPipeError):
            raise error

    def _fail(self, code: ExitCode) -> None:
        """Silence: what is in the buffer goes nowhere, now and when Python ends."""
        self.failure = self.failure or code
        with suppress(OSError, ValueError):
            descriptor = self.stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
            self._descriptor = descriptor
        self.stream = cast(TextIO, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))

    def isatty(self) -> bool:
        return not self._is_closed and self.stream.isatty()

    def fileno(self) -> int:
        """Also of a stream that failed: rich asks for it when it hears of a closed pipe."""
        return self.stream.fileno() if self._descriptor is None else self._descriptor

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.stream.errors

    def __getattr__(self, name: str) -> Any:  # buffer, and what else a library asks for
        return getattr(self.stream, name)


def guard() -> Outlet:
    """Put outlets in place of this process's streams; that of standard output is returned."""
    results = Outlet(sys.stdout)
    sys.stdout = cast(TextIO, results)
    sys.stderr = cast(TextIO, Outlet(sys.stderr))
    return results
