"""The manifest of a job: what is made of what, and how far that is; finished segments have records.

Two runs may share segments where their identities are equal. The manifest is read as what anybody
may have written: bounded, typed, and damaged where it does not fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Self

from animesr_cli.bounded import MEBIBYTE, Range, fitted, parse_json, read_bytes
from animesr_cli.errors import UsageError
from animesr_cli.jobs.kept_files import StoredFile, write_file
from animesr_cli.jobs.records import SCHEMA, Count, to_json
from animesr_cli.text import shown

MANIFEST: Final = "manifest.json"

# ---- what is made of what ------------------------------------------------------------------------

Plain = str | int | float | bool | None

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


# ---- the file ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FinishedFile:
    """The finished file, from just before it gets its name, and what a run says of it."""

    inode: Annotated[int, Range(0, 2**64)]
    bytes: Annotated[int, Range(0, 2**63)]
    modified_ns: int
    frames: Count = 0
    segments: Count = 0
    cuts: Count = 0

    @classmethod
    def of(cls, path: Path, **counts: int) -> Self:
        return cls(**_mark(path), **counts)

    def is_at(self, path: Path) -> bool:
        """Whether that is the file."""
        with suppress(OSError):
            return replace(self, **_mark(path)) == self
        return False


def _mark(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"inode": found.st_ino, "bytes": found.st_size, "modified_ns": found.st_mtime_ns}


@dataclass(kw_only=True)
class Manifest:
    """What ``manifest.json`` says."""

    identity: Mapping[str, Mapping[str, Plain]]
    warnings: list[str]
    """Of the scan and before."""
    frames: StoredFile | None = None
    """The index of the whole clip's frames; None: the scan is not over."""
    output: FinishedFile | None = None
    information: Mapping[str, Plain] = field(default_factory=dict)
    """For people: nothing of it is compared."""

    def write(self, folder: Path) -> None:
        write_file(folder / MANIFEST, to_json(self))


def read_manifest(folder: Path) -> Manifest | None:
    """What is there, to be checked; None: no manifest.

    Raises:
        UsageError: a newer version made it.
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        values = parse_json(read_bytes(folder / MANIFEST, most_bytes=4 * MEBIBYTE))
    except FileNotFoundError:
        return None
    schema = values.get("schema") if isinstance(values, dict) else None
    if type(schema) is not int:
        raise ValueError("no manifest")
    if schema > SCHEMA:
        raise UsageError(
            f"{shown(folder / MANIFEST)} is of a newer version of animesr "
            f"(schema {schema:,}, and this one knows {SCHEMA})",
            "use that version, or begin anew with --restart",
        )
    return fitted(Manifest, values)
