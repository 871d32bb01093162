"""What a long run keeps on disk, so that no interruption costs more than the segment in hand.

The folder ``OUT.animesr`` holds ``manifest.json`` (what is made of what, and the finished
segments), the table of the first pass, and for each finished segment its file and its record.
Whatever gets a name here got it by a rename, complete and flushed. A record is written last, by
whoever computed the segment, so a file without a record does not count; the manifest gathers the
records, and each of the two can be lost without the other. One process at a time owns the folder:
it holds a lock, which ends with it.

It does not know what a segment is made of, nor who makes it. Only names of its own making are ever
deleted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from animesr_cli.atomic_files import explained
from animesr_cli.bounded import UnfitError, read_bytes
from animesr_cli.errors import OutputError, UsageError
from animesr_cli.file_names import is_hidden_name, shortened
from animesr_cli.jobs.kept_files import StoredFile, operation, remove, write_file
from animesr_cli.open_folder import MOVES_OPEN_FILES, Lock, OpenFolder, lock
from animesr_cli.text import shown

log = logging.getLogger(__name__)

SCHEMA: Final = 1
"""Of the manifest and the records."""

SUFFIX: Final = ".animesr"
MANIFEST: Final = "manifest.json"
TABLE: Final = "frames.npy"
LOCK: Final = "lock"

_OWN_NAMES: Final = re.compile(
    r"manifest\.json|frames\.npy|lock|\d{9}\.(?:mp4|mov|json|safetensors)"
)
_LOCK_MARK: Final = b"animesr\n"
"""In the lock, by which a folder is known for one that was made here."""

# ---- records -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished segment."""

    first: int
    frames: int
    pts: tuple[int, int]
    """Of the first frame, and the end of the last, in ticks of the input's video."""
    rows: str
    """Digest of its frames in the first pass: their times and decoded pictures."""
    file: StoredFile
    pictures: str
    """SHA-256 of the samples that were handed to the encoder, frame after frame."""
    reorder: int
    """How many places a packet of the file is early, at most, against the order of display."""
    state: StoredFile | None = None
    """What the network carried behind the last frame, where the next one continues the shot."""
    tile: int
    """Tile side of the last frame; smaller than planned where memory ran out."""
    worker: str
    seconds: float
    warnings: tuple[str, ...] = ()
    identity: str
    """Digest of the manifest's identity."""

    @staticmethod
    def parse(values: Any) -> Record:
        """Raises ``ValueError``, ``TypeError`` or ``KeyError`` where this is no record."""
        named = {each.name: values[each.name] for each in fields(Record)}
        state = named["state"]
        return Record(
            **named
            | {
                "pts": tuple(named["pts"]),
                "file": StoredFile(**named["file"]),
                "state": None if state is None else StoredFile(**state),
                "warnings": tuple(named["warnings"]),
            }
        )


def record_path(folder: Path, first: int) -> Path:
    return folder / f"{first:09}.json"


def write_record(folder: Path, record: Record) -> None:
    """From here on the segment is finished."""
    path = record_path(folder, record.first)
    write_file(path, _json({"schema": SCHEMA, **asdict(record)}))


def read_record(folder: Path, first: int) -> Record | None:
    """The record of a segment, if it is there and whole; its files are not looked at."""
    try:
        return Record.parse(json.loads(record_path(folder, first).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


# ---- what is made of what ------------------------------------------------------------------------

Identity = Mapping[str, Mapping[str, Any]]
"""Section -> name -> plain value: everything that decides which pictures come out."""


def digest_of(identity: Identity) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def differences(then: Identity, now: Identity) -> list[str]:
    """What is not the same, each in some words for people."""
    found = []
    for section in dict.fromkeys((*then, *now)):
        before, after = then.get(section, {}), now.get(section, {})
        for name in dict.fromkeys((*before, *after)):
            was, is_now = before.get(name), after.get(name)
            if was != is_now:
                found.append(f"{section} {name} was {_word(was)} and is {_word(is_now)}")
    return found


def _word(value: Any) -> str:
    return "not set" if value is None else str(value)


# ---- the folder ----------------------------------------------------------------------------------


def journal_folder(output: Path, work_dir: Path | None) -> Path:
    """``OUT.animesr``, beside the output or in ``work_dir``."""
    output = Path(os.path.realpath(output))
    return (work_dir or output.parent) / (shortened(output.name, len(SUFFIX)) + SUFFIX)


@dataclass
class Contents:
    """What the manifest says."""

    identity: Identity
    warnings: list[str] = field(default_factory=list)
    """Of the first pass and before."""
    table: StoredFile | None = None
    """Of the whole clip; None: the first pass is not over."""
    records: dict[int, Record] = field(default_factory=dict)
    """By first frame."""
    output: dict[str, int] | None = None
    """Inode, size and time of the finished file, from just before it gets its name."""
    information: dict[str, Any] = field(default_factory=dict)
    """For people: nothing of it is compared."""


class Journal:
    """The folder of one run, locked: ``with Journal(folder) as journal: ...``.

    Args:
        folder: made where it is missing; the folder that it is in must exist.
        output: for messages.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        self.folder = folder
        self.output = output
        self.contents: Contents
        self._made = False
        self._descriptor: int | None = None

    # -- the lock

    def __enter__(self) -> Journal:
        with explained(self.folder):
            operation("make folder", self.folder)
            try:
                self.folder.mkdir()
                self._made = True
            except FileExistsError:
                self._check_ours()
            operation("make lock", self.folder / LOCK)
            with OpenFolder(self.folder, follow=False) as folder:
                self._lock(folder)
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
                f"another run is working on {shown(self.output)}, in {shown(self.folder)}",
                "wait for it, or choose another name",
            )
        self._descriptor = descriptor

    def __exit__(self, *exc: object) -> None:
        if self._descriptor is not None:
            if not hasattr(self, "contents"):
                self._forget_if_new()
            os.close(self._descriptor)

    def _check_ours(self) -> None:
        if self._names() and not self._is_ours():
            raise OutputError(
                f"{shown(self.folder)} is there and was not made by animesr",
                "move it away, or choose another output or --work-dir",
            )

    def _is_ours(self) -> bool:
        """Whether the lock, the manifest or a record says so; a name proves nothing."""
        with suppress(OSError, UnfitError):
            if read_bytes(self.folder / LOCK, most_bytes=len(_LOCK_MARK)) in (b"", _LOCK_MARK):
                return True
        try:
            if self.load() is not None:
                return True
        except UsageError:
            return True  # of a newer version
        except (OSError, ValueError):
            pass
        return next(self.found_records(), None) is not None

    def _forget_if_new(self) -> None:
        """A run that was refused before it began leaves no folder."""
        if self._made and self._names() == [LOCK]:
            with suppress(OSError):
                self._remove_lock()
                self.folder.rmdir()

    def _names(self) -> list[str]:
        return [entry.name for entry in os.scandir(self.folder)]

    # -- beginning and going on

    def begin(self, identity: Identity, information: Mapping[str, Any]) -> None:
        """Begin anew; what was there of another run is removed."""
        with explained(self.folder):
            self._remove_all(but={LOCK})
            self.contents = Contents(identity, information=dict(information))
            self.save()

    def load(self) -> Contents | None:
        """What is there, to be checked; None: no manifest.

        Raises:
            UsageError: a newer version made it.
            ValueError: it is damaged.
        """
        try:
            values = json.loads((self.folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            return None
        if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
            raise ValueError("no manifest")
        if values["schema"] > SCHEMA:
            raise UsageError(
                f"{shown(self.folder / MANIFEST)} is of a newer version of animesr "
                f"(schema {values['schema']}, and this one knows {SCHEMA})",
                "use that version, or begin anew with --restart",
            )
        try:
            records = [Record.parse(each) for each in values["segments"]]
            table = values["frames"]
            return Contents(
                identity=values["identity"],
                warnings=list(values["warnings"]),
                table=None if table is None else StoredFile(**table),
                records={record.first: record for record in records},
                output=values["output"],
                information=values["information"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("no manifest") from error

    def go_on(self, contents: Contents) -> list[str]:
        """Continue from what was loaded, or put together; what is amiss, in sentences.

        Segments whose file is missing or not as it was written are forgotten.
        """
        self.contents = contents
        with explained(self.folder):
            for name in self._names():
                if is_hidden_name(name):
                    remove(self.folder / name)
            self.gather()
            said = [self._drop(record) for record in self.damaged()]
            if contents.table is not None and not contents.table.is_in(self.folder):
                said.append("the table of the first pass is damaged or missing: it is made again")
                contents.table = None
            self.save()
        return said

    def gather(self) -> None:
        """Take up the records that the manifest does not have yet."""
        expected = digest_of(self.contents.identity)
        for name in self._names():
            if name.endswith(".json") and name != MANIFEST and _OWN_NAMES.fullmatch(name):
                record = read_record(self.folder, int(name.removesuffix(".json")))
                if record is not None and record.identity == expected:
                    self.contents.records.setdefault(record.first, record)

    def found_records(self) -> Iterator[Record]:
        """Every whole record of the folder, of whatever identity."""
        for name in sorted(self._names()):
            if name.endswith(".json") and name != MANIFEST and _OWN_NAMES.fullmatch(name):
                record = read_record(self.folder, int(name.removesuffix(".json")))
                if record is not None:
                    yield record

    # -- on the way

    @property
    def identity(self) -> str:
        return digest_of(self.contents.identity)

    def adopt(self, firsts: Iterable[int]) -> list[Record]:
        """Take up the records of these segments that were finished since; the new ones."""
        new = []
        for first in firsts:
            if first in self.contents.records:
                continue
            record = read_record(self.folder, first)
            if record is not None and record.identity == self.identity:
                self.contents.records[first] = record
                new.append(record)
        if new:
            self.save()
        return new

    def save_table(self, data: bytes, warnings: Iterable[str]) -> None:
        """The first pass is over."""
        with explained(self.folder):
            write_file(self.folder / TABLE, data)
            self.contents.table = StoredFile.of(self.folder / TABLE)
            self.contents.warnings = list(dict.fromkeys(warnings))
            self.save()

    def read_table(self) -> bytes:
        return (self.folder / TABLE).read_bytes()

    def damaged(self) -> list[Record]:
        """The finished segments whose file is not there as it was written."""
        records = sorted(self.contents.records.values(), key=lambda record: record.first)
        return [record for record in records if not record.file.is_in(self.folder)]

    def forget(self, records: Iterable[Record]) -> list[str]:
        """These are to be done again; what is said of it."""
        said = [self._drop(record) for record in records]
        self.save()
        return said

    def _drop(self, record: Record) -> str:
        remove(record_path(self.folder, record.first))
        del self.contents.records[record.first]
        there = (self.folder / record.file.name).exists()
        return (
            f"{shown(self.folder / record.file.name)} is {'damaged' if there else 'missing'}: "
            f"its {record.frames} frames are done again"
        )

    def save(self) -> None:
        """Write the manifest."""
        contents = self.contents
        records = sorted(contents.records.values(), key=lambda record: record.first)
        values = {
            "schema": SCHEMA,
            "information": contents.information,
            "identity": contents.identity,
            "warnings": contents.warnings,
            "frames": None if contents.table is None else asdict(contents.table),
            "output": contents.output,
            "segments": [asdict(record) for record in records],
        }
        with explained(self.folder):
            write_file(self.folder / MANIFEST, _json(values))

    # -- the end

    def finished_file(self, path: Path) -> None:
        """Remember the complete file ``path``, which gets its name next."""
        found = path.stat()
        self.contents.output = {
            "inode": found.st_ino,
            "bytes": found.st_size,
            "modified_ns": found.st_mtime_ns,
        }
        self.save()

    def remove(self) -> None:
        """The run is over: nothing of it stays but what others put there."""
        with explained(self.folder):
            self._remove_all(but={LOCK, MANIFEST})
            self._remove_lock()
            remove(self.folder / MANIFEST)  # last: with it, the next run knows that this one ended
            operation("remove folder", self.folder)
            try:
                self.folder.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                log.warning("%s holds files that are not animesr's, and stays", self.folder)

    def _remove_lock(self) -> None:
        if not MOVES_OPEN_FILES and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        remove(self.folder / LOCK)

    def _remove_all(self, but: set[str]) -> None:
        for name in sorted(self._names()):
            if name not in but and (_OWN_NAMES.fullmatch(name) or is_hidden_name(name)):
                remove(self.folder / name)


def is_remembered(output: Mapping[str, int] | None, path: Path) -> bool:
    """Whether a file is the finished one that was remembered."""
    try:
        found = path.stat()
    except OSError:
        return False
    values = {"inode": found.st_ino, "bytes": found.st_size, "modified_ns": found.st_mtime_ns}
    return output == values


@contextmanager
def left_behind(folder: Path, output: Path) -> Iterator[Journal | None]:
    """The journal of a run that ended between naming its output and removing the folder."""
    if not (folder / MANIFEST).is_file() or not output.exists():
        if output.exists() and folder.is_dir() and not os.listdir(folder):
            folder.rmdir()  # the very last step was missing
        yield None
        return
    with Journal(folder, output) as journal:
        try:
            contents = journal.load()
        except (ValueError, UsageError):
            contents = None
        if contents is None or not is_remembered(contents.output, output):
            yield None
            return
        journal.contents = contents
        yield journal
