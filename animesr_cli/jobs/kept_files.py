"""Files that survive whatever happens: complete and flushed under their name, or not there.

A file is written under a hidden name of its own, flushed to the disk and renamed; what reads it
later can tell by its size and hash that it is as it was written. Every change of the disk passes
``operation``, where tests put their faults.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from animesr_cli.atomic_files import PartFile, explained
from animesr_cli.bounded import BASE_NAME, SHA256, Range, UnfitError, check_regular
from animesr_cli.file_hash import sha256_of
from animesr_cli.file_names import hidden_name, new_token
from animesr_cli.open_folder import OpenFolder

fault: Callable[[str, Path], None] | None = None
"""Tests put one here: it is called before each operation that changes the folder."""


# ---- files ---------------------------------------------------------------------------------------


def operation(name: str, path: Path) -> None:
    """A name in the folder appears, changes or goes next."""
    if fault is not None:
        fault(name, path)


def temporary(path: Path, suffix: str) -> Path:
    """A hidden name beside ``path`` that nobody else uses, on any machine."""
    return path.with_name(hidden_name(path.name, new_token(path.name), suffix))


def write_file(path: Path, data: bytes) -> StoredFile:
    """The whole file under its name, or nothing."""
    operation("write", path)
    with explained(path), PartFile(path, alone=False) as part:
        part.sink.write(data)
        operation("rename", path)
        part.publish(overwrite=True)
    sha256 = hashlib.sha256(data).hexdigest()
    return StoredFile(name=path.name, bytes=len(data), sha256=sha256)


def rename(part: Path, path: Path) -> None:
    """Give a complete file its name, whatever had it before."""
    operation("rename", path)
    with OpenFolder(path.parent) as folder:
        folder.replace(part.name, folder, path.name)
        folder.flush()


def remove(path: Path) -> None:
    operation("remove", path)
    path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of the folder, as it was written."""

    name: Annotated[str, BASE_NAME]
    bytes: Annotated[int, Range(0, 2**62)]
    sha256: Annotated[str, SHA256]

    @staticmethod
    def of(path: Path) -> StoredFile:
        return StoredFile(name=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))

    def has_its_size_in(self, folder: Path) -> bool:
        """Whether it seems to be there as it was written, without reading it."""
        try:
            return os.stat(folder / self.name).st_size == self.bytes
        except OSError:
            return False

    def is_in(self, folder: Path) -> bool:
        """Whether it is there as it was written, to the last bit."""
        path = folder / self.name
        try:
            check_regular(path)
            return path.stat().st_size == self.bytes and sha256_of(path) == self.sha256
        except (OSError, UnfitError):
            return False
