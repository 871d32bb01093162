"""The output as many files: the hidden folder that they are written to, and their names at the end.

A run writes into ``.NAME.part`` and holds a lock on it. Where the output's folder does not exist
yet, the hidden one becomes it in one step; else its files are moved in one by one, and moved back
if that cannot be finished. It does not know what is in the files.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from animesr_cli.atomic_files import NO_FOLLOW, flush_folder, leads_to, locked, part_of
from animesr_cli.errors import OutputError
from animesr_cli.text import shown

ONLY_FOLDERS: Final = getattr(os, "O_DIRECTORY", 0)
REPLACED: Final = ".replaced"
"""Where files lie that are being replaced, inside the hidden folder."""


class PartFolder:
    """The folder in which files are made; gone when the ``with`` is left, unless it was published.

    What a killed run left in it is removed; a living run holds a lock on it.

    Args:
        folder: where the files go.
        name: what distinguishes this output from others that go to the same folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._is_new = not self.folder.exists()
        self.path = part_of(self.folder if self._is_new else self.folder / name)
        self._kept = False
        with suppress(FileExistsError):
            self.path.mkdir()
        self._descriptor = os.open(self.path, os.O_RDONLY | ONLY_FOLDERS | NO_FOLLOW)
        if not locked(self._descriptor, self.path):
            os.close(self._descriptor)
            raise OutputError(
                f"another run is writing to {shown(folder)}, through {shown(self.path)}",
                "wait for it, or choose another name",
            )
        self._empty()

    def _empty(self) -> None:
        for entry in os.scandir(self.path):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)

    def publish(self, names: Iterable[str], *, overwrite: bool) -> None:
        """Give the files their place; on failure they are kept, and the old ones are as before."""
        try:
            if self._is_new:
                self.path.rename(self.folder)
                flush_folder(self.folder.parent)
            else:
                self._move_in(names, overwrite=overwrite)
                flush_folder(self.folder)
        except OSError as error:
            self._kept = True
            reason = (error.strerror or str(error)).lower()
            raise OutputError(
                f"the finished images could not be moved to {shown(self.folder)}: {reason}",
                f"they are complete, in {shown(self.path)}",
            ) from error

    def _move_in(self, names: Iterable[str], *, overwrite: bool) -> None:
        replaced = self.path / REPLACED
        replaced.mkdir()
        with ExitStack() as undo:
            for name in names:
                part, final = self.path / name, self.folder / name
                if os.path.lexists(final):
                    if not overwrite:
                        raise FileExistsError(errno.EEXIST, f"{name} exists")
                    final.rename(replaced / name)
                    undo.callback((replaced / name).rename, final)
                part.rename(final)
                undo.callback(final.rename, part)
            undo.pop_all()
        shutil.rmtree(replaced, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._kept and leads_to(self.path, self._descriptor):
            shutil.rmtree(self.path)
        os.close(self._descriptor)
