"""The output as a file: its name, the hidden part file in its place, and errors of the disk.

A run writes to ``.NAME.part`` in the output's own folder and holds a lock on it; the finished file
is renamed, which no reader ever sees half done. It does not know what is in the file.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av

from animesr_cli.errors import AnimesrError, DiskFullError, OutputError, UsageError
from animesr_cli.text import shown

if sys.platform != "win32":
    import fcntl

LONGEST_NAME_BYTES: Final = 255
"""Of one file name, on every usual file system."""

DISK_FULL_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT)
NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
"""A link under the part file's name is refused: someone else put it there."""

GIGABYTE: Final = 10**9
LEAST_MISSING_GB: Final = 0.1


# ---- names ---------------------------------------------------------------------------------------


def check_name(output: Path) -> None:
    """Raise ``UsageError`` for a name that no file can have."""
    if "\0" in os.fspath(output):
        raise UsageError(f"the output name {shown(output)!r} holds a NUL byte")
    length = len(os.fsencode(output.name))
    if length > LONGEST_NAME_BYTES:
        raise UsageError(
            f"the output name is too long: {length} bytes, and {LONGEST_NAME_BYTES} fit"
        )


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


def part_of(output: Path) -> Path:
    """The hidden file that is written in place of ``output``, in the same folder."""
    return output.with_name("." + shortened(output.name, len("." + ".part")) + ".part")


def shortened(name: str, more_bytes: int) -> str:
    """A file's name such that so many bytes more still make a name, and that is no other's."""
    encoded, room = os.fsencode(name), LONGEST_NAME_BYTES - more_bytes
    if len(encoded) <= room:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16].encode()
    return os.fsdecode(encoded[: room - len(b"-" + digest)] + b"-" + digest)


# ---- errors --------------------------------------------------------------------------------------


@contextmanager
def explained(output: Path, missing_bytes: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Turn what FFmpeg and the system raise while writing into the family's errors."""
    try:
        yield
    except AnimesrError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise _explanation(error, output, missing_bytes) from error


def _explanation(
    error: av.FFmpegError | OSError, output: Path, missing_bytes: Callable[[], int]
) -> AnimesrError:
    if error.errno in DISK_FULL_ERRORS:
        gigabytes = max(missing_bytes() / GIGABYTE, LEAST_MISSING_GB)
        what = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return DiskFullError(
            f"{what}: {shown(output)} could not be finished",
            f"free {gigabytes:.1f} GB and run again",
        )
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(f"the output name is too long: {shown(output)}")
    if error.errno == errno.EFBIG:
        return OutputError(
            f"files as large as {shown(output)} would become are not allowed where it goes",
            "write to another disk, or in pieces with --start and --end",
        )
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"{shown(output)} cannot be written: {reason}")


# ---- the part file -------------------------------------------------------------------------------


class Sink(io.FileIO):
    """An open file for FFmpeg: writes all or raises, where a plain one may write a part."""

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        return len(memoryview(data))


def locked(descriptor: int, path: Path) -> bool:
    """Take the lock of an open part file or folder; False while a living run holds it."""
    if sys.platform == "win32":
        return True  # a second run is not noticed there
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return leads_to(path, descriptor)  # else the other run ended, and its part went, in between


def leads_to(path: Path, descriptor: int) -> bool:
    """Whether a name still leads to what was opened under it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


class PartFile:
    """The file in which an output is made; gone when the ``with`` is left, unless it was published.

    What a killed run left under its name is taken over; a living run holds a lock on it.
    """

    def __init__(self, output: Path) -> None:
        self.output = Path(os.path.realpath(output))  # a symbolic link stays one
        self.path = part_of(self.output)
        self._kept = False
        self._final_size: int | None = None
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666)
        if not locked(self._descriptor, self.path):
            os.close(self._descriptor)
            raise OutputError(
                f"another run is writing {shown(output)}, through {shown(self.path)}",
                "wait for it, or choose another name",
            )
        if os.fstat(self._descriptor).st_nlink > 1:
            self._let_go_of_output()
        os.ftruncate(self._descriptor, 0)
        self.sink = Sink(self._descriptor, "w", closefd=False)
        self.sink.name = str(self.path)

    def _let_go_of_output(self) -> None:
        """A run that was killed while it renamed left one file under both names."""
        self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        locked(self._descriptor, self.path)

    @property
    def size(self) -> int:
        """Bytes so far, or when the ``with`` was left."""
        if self._final_size is not None:
            return self._final_size
        return os.fstat(self._descriptor).st_size

    def publish(self, *, overwrite: bool) -> None:
        """Flush the file to the disk and give it the output's name; on failure it is kept."""
        with explained(self.output):
            os.fsync(self._descriptor)
        try:
            if overwrite:
                self.path.replace(self.output)
            else:
                self._rename_to_new()
        except OSError as error:
            self._kept = True
            reason = (error.strerror or str(error)).lower()
            raise OutputError(
                f"the finished file could not be renamed to {shown(self.output)}: {reason}",
                f"it is complete, as {shown(self.path)}",
            ) from error
        flush_folder(self.output.parent)

    def _rename_to_new(self) -> None:
        """Rename unless the name is taken: a link is refused where a rename would replace."""
        try:
            self.output.hardlink_to(self.path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if self.output.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            self.path.rename(self.output)
        else:
            self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.sink.close()
        self._final_size = self.size
        if not self._kept and leads_to(self.path, self._descriptor):
            self.path.unlink()
        os.close(self._descriptor)


def flush_folder(folder: Path) -> None:
    """Make a new name survive a power loss, where folders can be flushed."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
