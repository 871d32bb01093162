"""The record of a finished segment: the one place that says that it is finished, and how.

A record is written last, by whoever computed the segment, so a file without a record does not
count. What a record names are the segment's own files beside it, whatever somebody wrote into it.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from animesr_cli.bounded import MEBIBYTE, SHA256, AtMost, Range, read_json
from animesr_cli.jobs.frame_index import Rows, digest
from animesr_cli.jobs.kept_files import StoredFile, write_file
from animesr_cli.settings.limits import MAX_COUNT, MAX_SIDE

SCHEMA: Final = 1
"""Of the manifest and the records."""

Count = Annotated[int, Range(0, MAX_COUNT)]
Digest = Annotated[str, AtMost(64)]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished segment.

    Raises:
        ValueError: its files are not called as its own are.
    """

    first: Count
    frames: Annotated[int, Range(1, MAX_COUNT)]
    pts: tuple[int, int]
    """Of the first frame, and the end of the last, in ticks of the input's video."""
    rows: Digest
    """Digest of its frames in the scan: their times and decoded pictures."""
    file: StoredFile
    pictures: Annotated[str, SHA256]
    """SHA-256 of the samples that were handed to the encoder, frame after frame."""
    reorder: Count
    """How many places a packet of the file is early, at most, against the order of display."""
    state: StoredFile | None = None
    """What the network carried behind the last frame, where the next one continues the shot."""
    tile: Annotated[int, Range(0, MAX_SIDE)]
    """Tile side of the last frame; smaller than planned where memory ran out."""
    worker: str
    seconds: float
    warnings: tuple[str, ...] = ()
    identity: Annotated[str, SHA256]
    """Digest of the manifest's identity."""

    def __post_init__(self) -> None:
        if not re.fullmatch(rf"{self.first:09}\.(mp4|mov)", self.file.name):
            raise ValueError(f"{self.file.name} is not the file of segment {self.first}")
        if self.state and self.state.name != state_name(self.first + self.frames):
            raise ValueError(f"{self.state.name} is not the state behind segment {self.first}")

    def is_of(self, rows: Rows) -> bool:
        """Whether it is of these very frames."""
        return (self.frames, self.rows) == (len(rows), digest(rows))


_UNREADABLE: Final = frozenset({errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE})
"""A disk or mount that fails, or this process's limits: nothing that is said of the file."""


def state_name(first: int) -> str:
    """Of the file that holds what the network carries into frame ``first``."""
    return f"{first:09}.safetensors"


def record_path(folder: Path, first: int) -> Path:
    return folder / f"{first:09}.json"


def write_record(folder: Path, record: Record) -> None:
    """From here on the segment is finished."""
    write_file(record_path(folder, record.first), to_json(record))


def read_record(folder: Path, first: int) -> Record | None:
    """The record of a segment, if it is there and whole; its files are not looked at.

    Raises:
        OSError: it cannot be read for now, and may well be whole.
    """
    try:
        record = read_json(record_path(folder, first), Record, most_bytes=MEBIBYTE)
    except OSError as error:
        if error.errno in _UNREADABLE:
            raise
        return None
    except ValueError:
        return None
    return record if record.first == first else None


def to_json(content: Any) -> bytes:
    """A record or a manifest."""
    return (json.dumps({"schema": SCHEMA, **asdict(content)}, indent=1) + "\n").encode()
