"""What outputs were made from, so that only the same counts as finished.

An output has its name only once it is complete and verified. A file in the user's cache, one for
each output folder, says of which input, part and settings: one that was made from anything else
is not taken for finished.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Final

from animesr_cli.atomic_files import write_file
from animesr_cli.batch.find import Item
from animesr_cli.batch.resemblance import looks_made
from animesr_cli.bounded import SHA256, AtMost, UnfitError, read_json
from animesr_cli.errors import AnimesrError, OutputError
from animesr_cli.file_hash import sha256_of
from animesr_cli.model.catalogue import named
from animesr_cli.model.download import cache_folder, expected_sha256, user_file
from animesr_cli.settings.option import declared
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.text import shown

log = logging.getLogger(__name__)

LARGEST_STATE_BYTES: Final = 64 << 20
END_BYTES: Final = 1 << 20
"""How much of an input is hashed at its beginning and at its end, to recognise it."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What one output is made from."""

    input: Annotated[str, SHA256]
    """Hash of the input's size, beginning and end; it may be renamed, moved and dated anew."""
    model: Annotated[str, AtMost(4096)]
    settings: dict[str, str]
    """Options that shape the output and are not their defaults."""

    def difference(self, then: Origin) -> str:
        """What is not as it was ``then``, in words; empty: nothing."""
        if then.input != self.input:
            return "from another input"
        if then.model != self.model:
            return "by another model"
        names = sorted(then.settings.keys() | self.settings.keys())
        differing = [name for name in names if then.settings.get(name) != self.settings.get(name)]
        differences = [
            f"{name} {then.settings[name]}" if name in then.settings else f"no {name}"
            for name in differing
        ]
        return f"with {', '.join(differences)}" if differences else ""


@dataclass(frozen=True, kw_only=True)
class _State:
    version: int = 1
    outputs: dict[str, Origin] = field(default_factory=dict)


def origin_of(source: Path, settings: UpscaleSettings) -> Origin:
    """What an output of ``source`` would be made from now."""
    return Origin(
        input=_digest_of(source), model=_model(settings.model), settings=shaping(settings)
    )


def shaping(settings: UpscaleSettings) -> dict[str, str]:
    """The options that shape the output, where they are not their defaults."""
    return {
        f"--{each.name}": _text(getattr(settings, each.field))
        for each in declared(UpscaleSettings).values()
        if not each.option.how_only
        and each.field != "model"
        and getattr(settings, each.field) != each.default
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, Mapping):
        return " ".join(f"{key}={each}" for key, each in sorted(value.items()))
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


def _digest_of(source: Path) -> str:
    found = hashlib.sha256()
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        found.update(b"%d " % size)
        found.update(file.read(END_BYTES))
        file.seek(max(size - END_BYTES, 0))
        found.update(file.read(END_BYTES))
    return found.hexdigest()


def _model(name: str) -> str:
    """The hash of a model of the catalogue or of a file."""
    if row := named(name):
        return expected_sha256(row) or name
    try:
        return sha256_of(user_file(name) or Path(name))
    except OSError:
        return name  # loading it says what is wrong


class FinishedOutputs:
    """What is known of the outputs in one folder; kept in the user's cache, not in the folder."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder
        place = os.fsencode(os.path.realpath(folder))
        self._path = cache_folder() / "finished" / f"{hashlib.sha256(place).hexdigest()[:32]}.json"
        self._warn = warn

    def _read(self) -> dict[str, Origin]:
        try:
            return read_json(self._path, _State, most_bytes=LARGEST_STATE_BYTES).outputs
        except FileNotFoundError:
            return {}
        except (UnfitError, OSError) as error:
            self._warn(f"{shown(self._path)} is passed over: {error}")
            return {}

    def _write(self, outputs: dict[str, Origin]) -> None:
        state = _State(outputs=dict(sorted(outputs.items())))
        data = json.dumps(dataclasses.asdict(state), indent=1, ensure_ascii=True).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, data)
        except (AnimesrError, OSError) as error:
            log.info("%s is not written: %s", shown(self._path), error)

    def _key(self, output: Path) -> str:
        return output.relative_to(self._folder).as_posix()

    def holds(self, item: Item, settings: UpscaleSettings) -> bool:
        """Whether the output is there already, made from what is asked for now.

        Of an output that is not known, size and length must be as this command makes them.

        Raises:
            OutputError: it was made from something else, or does not look like an output.
        """
        if settings.overwrite or not os.path.isfile(item.output):
            return False
        try:
            output, source = item.output.stat(), item.source.stat()
            if not output.st_size or os.path.samestat(output, source):
                return False  # no output of ours: the usual checks say what is wrong
            self._check(item.output, item.source, settings)
        except OSError:
            return False  # likewise
        return True

    def _check(self, output: Path, source: Path, settings: UpscaleSettings) -> None:
        then = self._read().get(self._key(output))
        if then is not None:
            if made := origin_of(source, settings).difference(then):
                raise OutputError(
                    f"{shown(output)} exists and was made {made}",
                    "name another folder, or replace all outputs with -y",
                )
        elif not looks_made(source, output, settings):
            older = output.stat().st_mtime_ns < source.stat().st_mtime_ns
            is_what = "is older than" if older else "does not look like the whole output of"
            raise OutputError(
                f"{shown(output)} exists and {is_what} its input",
                "remove it, or replace all outputs with -y",
            )

    def is_begun(self, output: Path) -> bool:
        """Whether a run noted what the output is made from, and was killed before it was there."""
        return not os.path.lexists(output) and self._key(output) in self._read()

    def note(self, output: Path, origin: Origin | None) -> None:
        """Keep what an output is made from; None: it is not made."""
        outputs = self._read()
        if outputs.get(self._key(output)) == origin:
            return
        if origin is None:
            del outputs[self._key(output)]
        else:
            outputs[self._key(output)] = origin
        if outputs:
            self._write(outputs)
        else:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
