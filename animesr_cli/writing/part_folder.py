"""The output as many files: the hidden folder that they are written to, and their names at the end.

Where the output's folder does not exist yet, the hidden one becomes it in one step; else its files
are moved in one by one, and moved back if that cannot be finished. Everything is done in folders
that are open, so that a link in their place leads nowhere.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self

from animesr_cli.atomic_files import UNFINISHED, explained, unnamed
from animesr_cli.claim import Claim
from animesr_cli.errors import OutputError, Warn
from animesr_cli.open_folder import OpenFolder, flush_file
from animesr_cli.text import shown

log = logging.getLogger(__name__)

REPLACED: Final = ".replaced"
"""Where files lie that are being replaced, inside the hidden folder."""


class PartFolder:
    """The folder in which files are made; gone when the ``with`` is left, unless it was published.

    Args:
        folder: where the files go.
        name: what distinguishes this output from others that go to the same folder.
        warn: is told where the file system has no locks.

    Raises:
        OutputError: another run is writing there.
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, name: str, *, warn: Warn = log.info) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._is_new = not self.folder.exists()
        self._kept = False
        above = self.folder.parent if self._is_new else self.folder
        claimed = self.folder.name if self._is_new else name
        self._claim = Claim(above, claimed, warn=warn, bury=_bury)
        self._name = self._claim.hidden()
        try:
            self._claim.folder.make_folder(self._name)
            self._files = self._claim.folder.folder(self._name)
        except BaseException:
            self._claim.release()
            raise
        UNFINISHED[self] = self._abandon

    @property
    def path(self) -> Path:
        """Where it is, as long as nobody moves it."""
        return self._claim.folder.path / self._name

    def write(self, name: str, content: bytes) -> None:
        """Make a file of that name, and have it on the disk."""
        with os.fdopen(self._files.create(name), "wb") as file:
            file.write(content)
            file.flush()
            flush_file(file.fileno())

    def read(self, name: str) -> bytes:
        """A file as it is on the disk."""
        with os.fdopen(self._files.open(name), "rb") as file:
            return file.read()

    def sizes(self) -> dict[str, int]:
        """Name and bytes of everything in it."""
        return {name: self._files.status(name).st_size for name in self._files.names()}

    def publish(self, names: Iterable[str], *, overwrite: bool) -> None:
        """Give the files their place; on failure they are kept, and the old ones are as before."""
        above = self._claim.folder
        with explained(self.folder):
            if not above.is_there():
                raise OutputError(f"the folder {shown(above.path)} was removed during the run")
        try:
            if self._is_new:
                self._files.flush()
                above.move(self._name, above, self.folder.name)
                self._kept = True  # what is open now is the output
            else:
                self._move_in(names, overwrite=overwrite)
            above.flush()
        except OSError as error:
            self._kept = True
            self._name = self._claim.keep(self._name)
            what = f"the finished images could not be moved to {shown(self.folder)}"
            raise unnamed(error, what, f"they are complete, in {shown(self.path)}") from error

    def _move_in(self, names: Iterable[str], *, overwrite: bool) -> None:
        files, folder = self._files, self._claim.folder
        files.make_folder(REPLACED)
        with files.folder(REPLACED) as replaced, ExitStack() as undo:
            for name in names:
                if folder.has(name):
                    if not overwrite or stat.S_ISDIR(folder.status(name).st_mode):
                        raise FileExistsError(errno.EEXIST, f"{name} exists")
                    folder.move(name, replaced, name)
                    undo.callback(replaced.move, name, folder, name)
                files.move(name, folder, name)
                undo.callback(folder.move, name, files, name)
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        UNFINISHED.pop(self, None)
        self._abandon()

    def _abandon(self) -> None:
        try:
            if not self._kept:
                _clear(self._files)
        finally:
            self._files.close()
            if not self._kept:
                with suppress(OSError):  # published, swapped for something else, or not empty
                    self._claim.folder.remove_folder(self._name)
            self._claim.release()


def _bury(above: OpenFolder, name: str) -> None:
    """Remove the folder of a dead run; what it was replacing goes back where its name is free."""
    if not above.has(name):
        return
    with above.folder(name) as files:
        with suppress(FileNotFoundError), files.folder(REPLACED) as replaced:
            for each in replaced.names():
                with suppress(FileExistsError):
                    replaced.move(each, above, each)
        _clear(files)
    above.remove_folder(name)


def _clear(files: OpenFolder) -> None:
    """Remove what this room makes in a hidden folder: files, and the folder of replaced ones."""
    for name in files.names():
        if not stat.S_ISDIR(files.status(name).st_mode):
            files.remove(name)
        elif name == REPLACED:
            with files.folder(REPLACED) as replaced:
                _clear(replaced)
            files.remove_folder(REPLACED)
