"""Names of files: which can exist, which lead elsewhere, and the hidden ones that are ours alone.

What a run writes stands under ``.NAME.TOKEN.part`` until it is finished, and ``.NAME.TOKEN.lock``
beside it tells whether the run lives. A token is random, so that the name is nobody's yet, and ends
in a digest of itself and of NAME: a file that bears it was named here, and may be removed when its
run has died. No name that a person gives passes for one.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

from animesr_cli.errors import UsageError
from animesr_cli.text import shown

LONGEST_NAME_BYTES: Final = 255
"""Of one file name, on every usual file system but those of Windows."""
LONGEST_NAME_UNITS: Final = 255
"""UTF-16 code units of one file name on Windows."""

PART: Final = ".part"
LOCK: Final = ".lock"
COMPLETE: Final = ".complete"
"""What is finished and could not get its name: nobody removes it."""

_TOKEN_LENGTH: Final = 16
_HIDDEN: Final = re.compile(
    r"\.(?P<name>.+)\.(?P<random>[0-9a-f]{8})(?P<proof>[0-9a-f]{8})(?P<suffix>\.[a-z0-9]+)",
    re.DOTALL,
)

_WINDOWS_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"}
)
_WINDOWS_FORBIDDEN: Final = frozenset('<>:"/\\|?*')


# ---- names that can exist ------------------------------------------------------------------------


def check_name(output: Path) -> None:
    """Raise ``UsageError`` for a name that no file can have on this system."""
    if "\0" in os.fspath(output):
        raise UsageError(f"the output name {shown(output)!r} holds a NUL byte")
    complaint = (windows_complaint if sys.platform == "win32" else _posix_complaint)(output.name)
    if complaint:
        raise UsageError(f"no file here can be called {shown(output.name)}: {complaint}")


def _posix_complaint(name: str) -> str | None:
    length = len(os.fsencode(name))
    if length > LONGEST_NAME_BYTES:
        return f"it is too long: {length} bytes, and {LONGEST_NAME_BYTES} fit"
    return None


def windows_complaint(name: str) -> str | None:
    """Why Windows would refuse a file name, or make something else of it; None: it would not."""
    units = len(name.encode("utf-16-le", "surrogatepass")) // 2
    if units > LONGEST_NAME_UNITS:
        return f"it has {units} UTF-16 units, and {LONGEST_NAME_UNITS} fit"
    if wrong := sorted(set(name) & _WINDOWS_FORBIDDEN):
        return f"{wrong[0]} may not stand in a name"
    if any(ord(character) < 32 for character in name):
        return "a control character may not stand in a name"
    if name.endswith((".", " ")):
        return "a dot or a space at the end is dropped"
    if name.partition(".")[0].rstrip(" ").lower() in _WINDOWS_DEVICES:
        return f"{name.partition('.')[0]} is the name of a device"
    return None


# ---- hidden names --------------------------------------------------------------------------------


def new_token(name: str) -> str:
    """What makes a hidden name of ``name`` unique, and shows that it was made here."""
    random = secrets.token_hex(4)
    return random + _proof(random, _stem(name))


def hidden_name(name: str, token: str, suffix: str = PART) -> str:
    """The hidden name beside ``name`` with a token made for it."""
    return f".{_stem(name)}.{token}{suffix}"


def is_hidden_name(name: str) -> bool:
    """Whether ``hidden_name`` made this name, for any file."""
    found = _HIDDEN.fullmatch(name)
    return found is not None and found["proof"] == _proof(found["random"], found["name"])


def token_of(hidden: str, name: str, suffix: str) -> str | None:
    """The token of a hidden name of ``name``; None: it is none."""
    found = _HIDDEN.fullmatch(hidden)
    if found is None or not is_hidden_name(hidden):
        return None
    fits = found["name"] == _stem(name) and found["suffix"] == suffix
    return found["random"] + found["proof"] if fits else None


def _proof(random: str, stem: str) -> str:
    return hashlib.sha256(f"animesr {random} ".encode() + os.fsencode(stem)).hexdigest()[:8]


def _stem(name: str) -> str:
    return shortened(name, len("..") + _TOKEN_LENGTH + len(COMPLETE))


def shortened(name: str, more_bytes: int) -> str:
    """A file's name such that so many bytes more still make a name, and that is no other's."""
    encoded, room = os.fsencode(name), LONGEST_NAME_BYTES - more_bytes
    if len(encoded) <= room:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    room -= len("-" + digest)
    while encoded[room] & 0xC0 == 0x80:  # not within a character: macOS takes valid UTF-8 alone
        room -= 1
    return f"{os.fsdecode(encoded[:room])}-{digest}"
