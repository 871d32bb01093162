"""Who writes an output: the lock beside it, and the hidden names that are one run's own.

What a killed run left is removed by the next run on the same output, which knows it by its name
(see ``file_names``) and by its lock, that nobody holds any more. Nothing else is ever removed.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from animesr_cli.errors import OutputError, Warn
from animesr_cli.file_names import COMPLETE, LOCK, PART, hidden_name, new_token, token_of
from animesr_cli.open_folder import MOVES_OPEN_FILES, Lock, OpenFolder, lock
from animesr_cli.text import shown

log = logging.getLogger(__name__)

CONTENDERS_PATIENCE: Final = 5
"""Times that runs which begin in the same moment give way to one another."""
GIVING_WAY_SECONDS: Final = 0.05


class Claim:
    """One run's right to write an output, and the hidden names that are its own.

    Claiming removes what dead runs left for the same output.

    Args:
        folder: where the output goes.
        name: the output's, there.
        alone: whether another living run on the same output is an error.
        warn: is told where the file system has no locks.
        bury: removes what a dead run was writing, by its hidden name in the folder.

    Raises:
        OutputError: another run is writing the output.
        OSError: the folder is missing, or may not be written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        alone: bool = True,
        warn: Warn = log.info,
        bury: Callable[[OpenFolder, str], None] = OpenFolder.remove,
    ) -> None:
        self.released = False
        self.folder = OpenFolder(folder)
        self._name = name
        self._bury = bury
        try:
            self.token = self._contend(alone, warn)
        except BaseException:
            self.folder.close()
            raise

    def hidden(self, suffix: str = PART) -> str:
        """A hidden name of this run, in the folder."""
        return hidden_name(self._name, self.token, suffix)

    def keep(self, name: str) -> str:
        """Save what is finished, by its hidden name, from later runs; the name it has then."""
        complete = self.hidden(COMPLETE)
        try:
            self.folder.move(name, self.folder, complete)
        except OSError:
            return name
        return complete

    def _contend(self, alone: bool, warn: Warn) -> str:
        """Lock a token of one's own, unless another is locked; who sees another gives way."""
        for _ in range(CONTENDERS_PATIENCE):
            if self._lives_another(None) and alone:
                break
            token = new_token(self._name)
            found = self._lock_new(token)
            if found is Lock.UNKNOWN:
                warn(
                    f"the file system of {shown(self.folder.path)} has no locks: a second run on "
                    "the same output would not be noticed"
                )
                return token
            try:
                is_ours = found is Lock.TAKEN and self.folder.leads_to(
                    hidden_name(self._name, token, LOCK), self._lock
                )  # not where another run took it for a dead one's, before it was locked
                if is_ours and not (alone and self._lives_another(token)):
                    return token
            except BaseException:
                self._let_go(token)
                raise
            self._let_go(token)
            time.sleep(GIVING_WAY_SECONDS * random.random())
        raise OutputError(
            f"another run is writing {shown(self.folder.path / self._name)}",
            "wait for it, or choose another name",
        )

    def _lock_new(self, token: str) -> Lock:
        name = hidden_name(self._name, token, LOCK)
        self._lock = self.folder.create(name)
        try:
            found = lock(self._lock)
            if found is Lock.UNKNOWN:  # it tells nobody anything
                self.folder.remove(name)
            return found
        except BaseException:
            self._let_go(token)
            raise

    def _lives_another(self, own: str | None) -> bool:
        """Whether another run holds its lock; what dead ones left is removed."""
        living = False
        for entry in self.folder.names():
            token = token_of(entry, self._name, LOCK)
            if token is not None and token != own:
                living |= self._lives(token, entry)
        return living

    def _lives(self, token: str, lock_name: str) -> bool:
        try:
            descriptor = self.folder.open(lock_name)
        except PermissionError:
            return True  # another user's: Windows refuses it while it is locked, too
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise  # whether anybody holds it is not known
            return False  # it went meanwhile, or is a link: not ours
        try:
            found = lock(descriptor)
            if found is Lock.TAKEN and self.folder.leads_to(lock_name, descriptor):
                with suppress(OSError):  # another user's, perhaps: it stands in nobody's way
                    self._bury(self.folder, hidden_name(self._name, token, PART))
                if MOVES_OPEN_FILES:
                    self.folder.remove(lock_name)
        finally:
            os.close(descriptor)
        if found is Lock.TAKEN and not MOVES_OPEN_FILES:
            with suppress(OSError):
                self.folder.remove(lock_name)
        return found is Lock.HELD

    def _let_go(self, token: str) -> None:
        """Remove the lock, before or after closing it, as the system wants."""
        name = hidden_name(self._name, token, LOCK)
        if MOVES_OPEN_FILES:
            self.folder.remove(name)
        os.close(self._lock)
        if not MOVES_OPEN_FILES:
            with suppress(OSError):  # another run may have seen it in between
                self.folder.remove(name)

    def release(self) -> None:
        """Give up the right; the part must be gone or have its name."""
        if self.released:
            return
        self.released = True
        with suppress(OSError):
            self._let_go(self.token)
        self.folder.close()
