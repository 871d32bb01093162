"""The folder of a long run, so that no interruption costs more than the segment in hand.

``OUT.animesr`` holds ``manifest.json`` (what is made of what), the index of the clip's frames, and
for each finished segment its file and its record. Whatever gets a name here got it by a rename,
complete and flushed. The records are the truth; the manifest can be put together from them. One
process at a time owns the folder: it holds a lock, which ends with it. Only names of its own making
are ever deleted.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from animesr_cli.atomic_files import explained
from animesr_cli.bounded import UnfitError, read_bytes
from animesr_cli.errors import OutputError, UsageError
from animesr_cli.file_names import is_hidden_name, shortened
from animesr_cli.jobs.kept_files import operation, remove, write_file
from animesr_cli.jobs.manifest import (
    MANIFEST,
    FinishedFile,
    Identity,
    Manifest,
    digest_of,
    read_manifest,
)
from animesr_cli.jobs.records import Record, read_record, record_path
from animesr_cli.open_folder import MOVES_OPEN_FILES, Lock, OpenFolder, lock
from animesr_cli.text import shown

log = logging.getLogger(__name__)

SUFFIX: Final = ".animesr"
INDEX: Final = "frames.npy"
LOCK: Final = "lock"

MOST_INDEX_BYTES: Final = 1 << 30
"""Of a month of video."""

_OWN_NAMES: Final = re.compile(
    r"manifest\.json|frames\.npy|lock|\d{9}\.(?:mp4|mov|json|safetensors)"
)
_RECORD_NAME: Final = re.compile(r"\d{9}\.json")
_LOCK_MARK: Final = b"animesr\n"
"""In the lock, by which a folder is known for one that was made here."""


def journal_folder(output: Path, work_dir: Path | None) -> Path:
    """``OUT.animesr``, beside the output or in ``work_dir``."""
    output = Path(os.path.realpath(output))
    return (work_dir or output.parent) / (shortened(output.name, len(SUFFIX)) + SUFFIX)


class JobFolder:
    """The folder of one run, locked: ``with JobFolder(folder, output) as job: ...``.

    Args:
        folder: made where it is missing; the folder that it is in must exist.
        output: for messages.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        self.path = folder
        self.output = output
        self.manifest: Manifest
        self.records: dict[int, Record] = {}
        """The finished segments by first frame; the truth lies in the folder."""
        self._made = False
        self._descriptor: int | None = None

    # -- the lock

    def __enter__(self) -> JobFolder:
        with explained(self.path):
            operation("make folder", self.path)
            try:
                self.path.mkdir()
                self._made = True
            except FileExistsError:
                self._check_no_link()
                self._check_ours()
            operation("make lock", self.path / LOCK)
            try:
                with OpenFolder(self.path, follow=False) as folder:
                    self._lock(folder)
            except BaseException:
                if self._made:
                    with suppress(OSError):  # another run may have put its lock there
                        self.path.rmdir()
                raise
        return self

    def _lock(self, folder: OpenFolder) -> None:
        try:
            descriptor = folder.create(LOCK)
            os.write(descriptor, _LOCK_MARK)
        except FileExistsError:
            descriptor = folder.open(LOCK)
        if lock(descriptor) is Lock.HELD or not folder.leads_to(LOCK, descriptor):
            os.close(descriptor)
            raise OutputError(
                f"another run is working on {shown(self.output)}, in {shown(self.path)}",
                "wait for it, or choose another name",
            )
        self._descriptor = descriptor

    def __exit__(self, *exc: object) -> None:
        if self._descriptor is not None:
            if not hasattr(self, "manifest"):
                self._forget_if_new()
            os.close(self._descriptor)

    def _check_no_link(self) -> None:
        if self.path.is_symlink():
            raise OutputError(
                f"{shown(self.path)} is a link, and what is deleted there would be elsewhere",
                "move it away, or say where the run's files go with --work-dir",
            )

    def _check_ours(self) -> None:
        if self._names() and not self._is_ours():
            raise OutputError(
                f"{shown(self.path)} is there and was not made by animesr",
                "move it away, or choose another output or --work-dir",
            )

    def _is_ours(self) -> bool:
        """Whether the lock, the manifest or a record says so; a name proves nothing."""
        with suppress(OSError, UnfitError):
            if read_bytes(self.path / LOCK, most_bytes=len(_LOCK_MARK)) in (b"", _LOCK_MARK):
                return True
        try:
            if read_manifest(self.path) is not None:
                return True
        except UsageError:
            return True  # of a newer version
        except (OSError, ValueError):
            pass
        return next(self.found_records(), None) is not None

    def _forget_if_new(self) -> None:
        """A run that was refused before it began leaves no folder."""
        with suppress(OSError):
            if self._made and self._names() == [LOCK]:
                self._remove_lock()
                self.path.rmdir()

    def _names(self) -> list[str]:
        return [entry.name for entry in os.scandir(self.path)]

    # -- beginning and going on

    def begin(self, identity: Identity, information: Mapping[str, Any]) -> None:
        """Begin anew; what was there of another run is removed."""
        with explained(self.path):
            self._remove_all(but={LOCK})
            manifest = Manifest(identity=identity, warnings=[], information=information)
            manifest.write(self.path)
            self.manifest, self.records = manifest, {}

    def load(self) -> Manifest | None:
        """See ``read_manifest``; what the disk refuses is an error of the output."""
        with explained(self.path):
            return read_manifest(self.path)

    def go_on(self, manifest: Manifest) -> list[str]:
        """Continue from what was loaded, or put together; what is amiss, in sentences.

        Segments whose file is missing or of another size are forgotten; what is in the others is
        looked at before they are joined, since that means to read all of it.
        """
        self.manifest, self.records = manifest, {}
        with explained(self.path):
            for name in self._names():
                if is_hidden_name(name):
                    remove(self.path / name)
            self.gather()
            known = list(self.records.values())
            remarks = self.forget(r for r in known if not r.file.has_its_size_in(self.path))
            if manifest.frames is not None and not manifest.frames.is_in(self.path):
                remarks.append(
                    "the index of the clip's frames is damaged or missing: it is made again"
                )
                manifest.frames = None
            manifest.write(self.path)
        return remarks

    def found_records(self) -> Iterator[Record]:
        """Every whole record of the folder, of whatever identity."""
        for name in sorted(self._names()):
            if _RECORD_NAME.fullmatch(name):
                record = read_record(self.path, int(name.removesuffix(".json")))
                if record is not None:
                    yield record

    # -- on the way

    @property
    def identity(self) -> str:
        return digest_of(self.manifest.identity)

    @property
    def frames(self) -> int:
        """Of all finished segments."""
        return sum(record.frames for record in self.records.values())

    @property
    def stored_bytes(self) -> int:
        """Of the files of all finished segments."""
        return sum(record.file.bytes for record in self.records.values())

    def gather(self) -> None:
        """Take up every record that was written since the last look."""
        self._take_up(self.found_records())

    def adopt(self, firsts: Iterable[int]) -> list[Record]:
        """Take up the records of these segments, which are not finished yet; the new ones."""
        found = [read_record(self.path, first) for first in firsts]
        return self._take_up(record for record in found if record is not None)

    def _take_up(self, records: Iterable[Record]) -> list[Record]:
        ours = [record for record in records if record.identity == self.identity]
        self.records |= {record.first: record for record in ours}
        return ours

    def save_index(self, data: bytes, warnings: Iterable[str]) -> None:
        """The scan is over."""
        with explained(self.path):
            self.manifest.frames = write_file(self.path / INDEX, data)
            self.manifest.warnings = list(dict.fromkeys(warnings))
            self.manifest.write(self.path)

    def read_index(self) -> bytes:
        return read_bytes(self.path / INDEX, most_bytes=MOST_INDEX_BYTES)

    def damaged(self) -> list[Record]:
        """The finished segments whose file is not there as it was written, in order."""
        return [
            self.records[first]
            for first in sorted(self.records)
            if not self.records[first].file.is_in(self.path)
        ]

    def forget(self, records: Iterable[Record]) -> list[str]:
        """These are to be done again; what is said of it."""
        remarks = []
        for record in records:
            remove(record_path(self.path, record.first))
            del self.records[record.first]
            path = self.path / record.file.name
            remarks.append(
                f"{shown(path)} is {'damaged' if path.exists() else 'missing'}: "
                f"its {record.frames} frames are done again"
            )
        return remarks

    # -- the end

    def finished_file(self, path: Path, *, cuts: int) -> None:
        """Remember the complete file ``path``, which gets its name next."""
        self.manifest.output = FinishedFile.of(
            path, frames=self.frames, segments=len(self.records), cuts=cuts
        )
        with explained(self.path):
            self.manifest.write(self.path)

    def remove(self) -> None:
        """The run is over: nothing of it stays but what others put there."""
        with explained(self.path):
            self._remove_all(but={LOCK, MANIFEST})
            self._remove_lock()
            remove(self.path / MANIFEST)  # last: with it, the next run knows that this one ended
            operation("remove folder", self.path)
            try:
                self.path.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                log.warning("%s holds files that are not animesr's, and stays", self.path)

    def _remove_lock(self) -> None:
        if not MOVES_OPEN_FILES and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        remove(self.path / LOCK)

    def _remove_all(self, but: set[str]) -> None:
        for name in sorted(self._names()):
            if name not in but and (_OWN_NAMES.fullmatch(name) or is_hidden_name(name)):
                remove(self.path / name)


@contextmanager
def left_behind(folder: Path, output: Path) -> Iterator[JobFolder | None]:
    """The folder of a run that ended between naming its output and removing the folder."""
    if not (folder / MANIFEST).is_file() or not output.exists():
        if output.exists() and folder.is_dir() and not os.listdir(folder):
            folder.rmdir()  # the very last step was missing
        yield None
        return
    with JobFolder(folder, output) as job:
        try:
            manifest = job.load()
        except (ValueError, UsageError):
            manifest = None
        if manifest is None or manifest.output is None or not manifest.output.is_at(output):
            yield None
            return
        job.manifest = manifest
        yield job
