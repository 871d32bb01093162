"""The output as a file: the hidden part file in its place, its lock, and errors of the disk.

A run writes to a hidden file of its own in the output's folder, made exclusively, and holds a lock
beside it (see ``claim``); the finished file is renamed, which no reader ever sees half done.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import av

from animesr_cli.claim import Claim
from animesr_cli.errors import (
    DISK_FULL_ERRORS,
    AnimesrError,
    DiskFullError,
    OutputError,
    UsageError,
    Warn,
    reason_of,
)
from animesr_cli.open_folder import MOVES_OPEN_FILES, flush_file
from animesr_cli.text import format_bytes, shown

log = logging.getLogger(__name__)


# ---- places --------------------------------------------------------------------------------------


def check_place(output: Path, source: Path, *, overwrite: bool) -> None:
    """Raise where ``output`` must not or cannot be written; nothing is left behind.

    Raises:
        UsageError: it is the input.
        OutputError: it exists, its folder is missing or read-only, it is no regular file, or
            another run is writing it.
    """
    with explained(output):
        _check_existing(output, source, overwrite)
        if not output.parent.is_dir():
            raise OutputError(
                f"the folder {shown(output.parent)} does not exist", "make it first, with mkdir -p"
            )
        with PartFile(output):
            pass


def _check_existing(output: Path, source: Path, overwrite: bool) -> None:
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return
    if source.exists() and output.samefile(source):
        raise UsageError(
            f"{shown(output)} is the input itself, which would be destroyed", "choose another name"
        )
    if stat.S_ISDIR(mode):
        raise OutputError(f"{shown(output)} is a folder")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{shown(output)} is a device or a pipe, not a regular file")
    if not overwrite:
        raise OutputError(f"{shown(output)} exists", "-y overwrites it")


# ---- errors --------------------------------------------------------------------------------------


@contextmanager
def explained(output: Path, missing_bytes: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Turn what FFmpeg and the system raise while writing into the family's errors."""
    try:
        yield
    except AnimesrError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise explanation(error, output, missing_bytes) from error


def explanation(
    error: av.FFmpegError | OSError, output: Path, missing_bytes: Callable[[], int] = lambda: 0
) -> AnimesrError:
    """The family's error for one of FFmpeg or the system, met while ``output`` was written."""
    if error.errno in DISK_FULL_ERRORS:
        what = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return DiskFullError(
            f"{what}: {shown(output)} could not be finished", _room_hint(missing_bytes)
        )
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(f"the output name is too long: {shown(output)}")
    if error.errno == errno.EFBIG:
        return OutputError(
            f"files as large as {shown(output)} would become are not allowed where it goes",
            "write to another disk, or in pieces with --start and --end",
        )
    return OutputError(f"{shown(output)} cannot be written: {reason_of(error)}")


def _room_hint(missing_bytes: Callable[[], int]) -> str:
    """How much to free, as far as it is known."""
    try:
        missing = missing_bytes()
    except OSError:  # the folder is gone as well
        missing = 0
    if missing <= 0:
        return "free some room and run again"
    return f"free {format_bytes(missing)} and run again"


# ---- the part file -------------------------------------------------------------------------------


class Sink(io.FileIO):
    """An open file for FFmpeg: writes all or raises, where a plain one may write a part."""

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        return len(memoryview(data))


class PartFile:
    """The file in which an output is made; gone when the ``with`` is left, unless it was published.

    Args:
        alone: whether another living run on the same output is an error.
        warn: is told where the file system has no locks.

    Raises:
        OutputError: another run is writing the output.
        OSError: it cannot be made.
    """

    def __init__(self, output: Path, *, alone: bool = True, warn: Warn = log.info) -> None:
        self.output = Path(os.path.realpath(output))  # a symbolic link stays one
        self._kept = False
        self._final_size: int | None = None
        self._claim = Claim(self.output.parent, self.output.name, alone=alone, warn=warn)
        self._name = self._claim.hidden()
        try:
            self._descriptor = self._claim.folder.create(self._name)
        except BaseException:
            self._claim.release()
            raise
        self.sink = Sink(self._descriptor, "w", closefd=False)
        self.sink.name = str(self.path)
        UNFINISHED[self] = self._abandon

    @property
    def path(self) -> Path:
        """Where it is, as long as nobody moves its folder."""
        return self.output.with_name(self._name)

    @property
    def size(self) -> int:
        """Bytes so far, or when the file was closed."""
        if self._final_size is not None:
            return self._final_size
        return os.fstat(self._descriptor).st_size

    def check_there(self) -> None:
        """Raise ``OutputError`` where the file or its folder was removed during the run."""
        if not self._claim.folder.is_there():
            raise OutputError(f"the folder {shown(self.output.parent)} was removed during the run")
        if self._final_size is None and not self._claim.folder.leads_to(
            self._name, self._descriptor
        ):
            raise OutputError(f"{shown(self.path)} was removed during the run")

    def publish(self, *, overwrite: bool) -> None:
        """Flush the file to the disk and give it the output's name; on failure it is kept."""
        folder = self._claim.folder
        with explained(self.output):
            self.check_there()
            flush_file(self._descriptor)
        if not MOVES_OPEN_FILES:
            self._close()
        try:
            if overwrite:
                folder.replace(self._name, folder, self.output.name)
            else:
                folder.move(self._name, folder, self.output.name)
        except OSError as error:
            self._kept = True
            self._name = self._claim.keep(self._name)
            what = f"the finished file could not be renamed to {shown(self.output)}"
            raise unnamed(error, what, f"it is complete, as {shown(self.path)}") from error
        folder.flush()
        self._claim.release()

    def _close(self) -> None:
        self.sink.close()
        if self._final_size is None:
            self._final_size = self.size
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        folder = self._claim.folder
        try:
            if not MOVES_OPEN_FILES:
                self._close()
            if not self._kept and self._is_ours():
                folder.remove(self._name)
            self._close()
        finally:
            UNFINISHED.pop(self, None)
            self._claim.release()

    def _abandon(self) -> None:
        if not self._kept:
            self._claim.folder.remove(self._name)
        self._claim.release()

    def _is_ours(self) -> bool:
        """Whether what bears the hidden name is the file that was made, as far as can be known."""
        if self._claim.released:
            return False
        if self._final_size is not None:  # Windows, where nobody could rename it before
            return True
        return self._claim.folder.leads_to(self._name, self._descriptor)


UNFINISHED: Final[dict[object, Callable[[], None]]] = {}
"""What removes the hidden files of an owner, as long as it is not finished."""


def remove_unfinished() -> None:
    """Remove what this process has not finished, in a hurry: it ends now, whatever it was doing."""
    for abandon in list(UNFINISHED.values()):
        with suppress(Exception):
            abandon()


def unnamed(error: OSError, what: str, where: str) -> AnimesrError:
    """What is said where something finished could not get its name.

    Args:
        what: happened: "the finished file could not be renamed to out.mkv".
        where: it is now.
    """
    if error.errno in DISK_FULL_ERRORS:
        return DiskFullError(f"the disk is full: {what}", f"free some room; {where}")
    return OutputError(f"{what}: {reason_of(error)}", where)


def part_file(path: Path) -> PartFile:
    """The hidden file of an output, from the beginning on: a second run that would write it fails.

    Raises:
        DiskFullError, OutputError: it cannot be made there.
    """
    with explained(path):
        return PartFile(path)


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file, or replace one, or leave what was there.

    Raises:
        DiskFullError, OutputError: what was there before is untouched.
    """
    with explained(path, lambda: len(content)), PartFile(path, alone=False) as part:
        part.sink.write(content)
        part.publish(overwrite=True)
