"""A folder that is open: what is done in it is done there, wherever its path leads meanwhile.

On POSIX systems names are resolved against the folder's descriptor, so that a folder that was moved
away, or swapped for a link, is still the one that was opened. Windows has no such descriptors:
there it goes by the path. Links are never followed. Locks of files are here as well.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_FOLDER: Final = getattr(os, "O_DIRECTORY", 0)
_NAMES_ONLY: Final = getattr(os, "O_PATH", 0)

HAS_DESCRIPTORS: Final = bool(_FOLDER) and {
    os.open, os.unlink, os.rename, os.mkdir, os.rmdir, os.stat,
} <= os.supports_dir_fd  # fmt: skip

MOVES_OPEN_FILES: Final = sys.platform != "win32"
"""Whether a file can be renamed and removed while it is open."""

NO_LOCKS: Final = frozenset(
    {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
)
"""How file systems without locks refuse one."""

_LOCKED_BYTE: Final = 1 << 40
"""Where Windows locks, which keeps others from reading what is locked: behind the end."""


class OpenFolder:
    """A folder for work on names in it; closed with the ``with``.

    Raises:
        OSError: it is not there, or is a link where ``follow`` is false.
    """

    def __init__(
        self, path: Path, *, within: OpenFolder | None = None, follow: bool = True
    ) -> None:
        self.path = path
        self._descriptor: int | None = None
        if not HAS_DESCRIPTORS:
            if not follow and path.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            return
        flags = os.O_RDONLY | _FOLDER | (0 if follow else NO_FOLLOW)
        if within is not None:
            self._descriptor = os.open(path.name, flags, dir_fd=within._descriptor)
            return
        try:
            self._descriptor = os.open(path, flags)
        except PermissionError:  # one that may be written and not listed, on Linux
            if not _NAMES_ONLY:
                raise
            self._descriptor = os.open(path, flags | _NAMES_ONLY)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)

    def names(self) -> list[str]:
        """All names in it; none where it may not be listed."""
        with suppress(PermissionError):
            try:
                return os.listdir(self.path if self._descriptor is None else self._descriptor)
            except OSError as error:
                if error.errno != errno.EBADF:  # opened without the right to list it
                    raise
        return []

    def status(self, name: str) -> os.stat_result:
        """Of the name itself, where it is a link."""
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)

    def has(self, name: str) -> bool:
        with suppress(FileNotFoundError):
            self.status(name)
            return True
        return False

    def leads_to(self, name: str, descriptor: int) -> bool:
        """Whether a name is that of what is open."""
        with suppress(FileNotFoundError):
            return os.path.samestat(self.status(name), os.fstat(descriptor))
        return False

    def create(self, name: str) -> int:
        """A new file, open for reading and writing; an existing one is never opened."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | _BINARY
        return os.open(self._at(name), flags, 0o666, dir_fd=self._descriptor)

    def open(self, name: str) -> int:
        """An existing regular file, open for writing too if it may be; no other is waited for."""
        flags = NO_FOLLOW | _BINARY | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(self._at(name), flags | os.O_RDWR, dir_fd=self._descriptor)
        except PermissionError:
            descriptor = os.open(self._at(name), flags | os.O_RDONLY, dir_fd=self._descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a regular file")
        return descriptor

    def remove(self, name: str) -> None:
        """Remove a file or link, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._descriptor)

    def make_folder(self, name: str) -> None:
        os.mkdir(self._at(name), dir_fd=self._descriptor)

    def folder(self, name: str) -> OpenFolder:
        """A folder in it, open; a link is refused."""
        return OpenFolder(self.path / name, within=self, follow=False)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder, if it is there."""
        with suppress(FileNotFoundError):
            os.rmdir(self._at(name), dir_fd=self._descriptor)

    def replace(self, name: str, into: OpenFolder, new: str) -> None:
        """Give a file another name, whatever had it before."""
        os.replace(
            self._at(name),
            into._at(new),
            src_dir_fd=self._descriptor,
            dst_dir_fd=into._descriptor,
        )

    def move(self, name: str, into: OpenFolder, new: str) -> None:
        """Give a file or a folder another name, which nothing has.

        Raises:
            FileExistsError: something has it. A file is never replaced, where the file system has
                hard links.
        """
        link = getattr(os, "link", None)
        if link is not None and stat.S_ISREG(self.status(name).st_mode):
            try:
                link(
                    self._at(name),
                    into._at(new),
                    src_dir_fd=self._descriptor,
                    dst_dir_fd=into._descriptor,
                    follow_symlinks=False,
                )
            except FileExistsError:
                raise
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT):
                    raise
            else:
                self.remove(name)
                return
        if into.has(new):  # a file system without hard links, a folder, or Windows
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(
            self._at(name),
            into._at(new),
            src_dir_fd=self._descriptor,
            dst_dir_fd=into._descriptor,
        )

    def is_there(self) -> bool:
        """Whether it has a name still: a removed folder takes no new files."""
        if self._descriptor is None:
            return self.path.is_dir()
        return os.fstat(self._descriptor).st_nlink > 0

    def flush(self) -> None:
        """Make its names survive a power loss, where folders can be flushed."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


# ---- locks ---------------------------------------------------------------------------------------


class Lock(Enum):
    """What came of asking for a file's lock."""

    TAKEN = "taken"
    HELD = "held by another process, which lives"
    UNKNOWN = "not known: the file system has no locks"


def lock(descriptor: int) -> Lock:
    """Ask for the lock of an open file, without waiting; it ends with the process or the file."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.HELD
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EDEADLK):  # how Windows says it
            return Lock.HELD
        if error.errno in NO_LOCKS:
            return Lock.UNKNOWN
        raise
    return Lock.TAKEN


def flush_file(descriptor: int) -> None:
    """Have an open file on the disk itself, also on macOS, whose fsync leaves it in the drive."""
    if sys.platform == "darwin":
        with suppress(OSError):  # not every file system there has it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
