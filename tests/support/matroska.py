"""Matroska files with elements that no muxer here writes: put into a file by its bytes.

``insert`` adds elements at the end of a master element and corrects the sizes around it. Places of
cues and seek heads are wrong afterwards, which readers mend. It knows nothing of the package.
"""

from __future__ import annotations

from pathlib import Path

SEGMENT, INFO, TRACKS, TRACK, VIDEO = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0
CHAPTERS, EDITION, ATOM, DISPLAY = 0x1043A770, 0x45B9, 0xB6, 0x80


def element(identifier: int, body: bytes | int | str) -> bytes:
    """One element with a size of eight bytes."""
    if isinstance(body, int):
        body = body.to_bytes(4, "big")
    elif isinstance(body, str):
        body = body.encode()
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    return name + (len(body) | 1 << 56).to_bytes(8, "big") + body


def _head(content: bytes, at: int) -> tuple[int, int, int]:
    """Identifier, and begin and end of the content."""
    length = 9 - content[at].bit_length()
    identifier = int.from_bytes(content[at : at + length], "big")
    at += length
    length = 9 - content[at].bit_length()
    size = int.from_bytes(content[at : at + length], "big") & ((1 << 7 * length) - 1)
    begin = at + length
    unknown = size == (1 << 7 * length) - 1
    return identifier, begin, len(content) if unknown else begin + size


def _rebuilt(content: bytes, path: tuple[int, ...], added: bytes, nth: int) -> bytes:
    """The children of a master element, with ``added`` at the end of the one of that path."""
    made, at, seen = b"", 0, 0
    while at < len(content):
        identifier, begin, end = _head(content, at)
        body = content[begin:end]
        if path and identifier == path[0]:
            if len(path) > 1 or seen == nth:
                body = _rebuilt(body, path[1:], added, nth) if path[1:] else body + added
            seen += 1
            made += element(identifier, body)
        else:
            made += content[at:end]
        at = end
    return made


def insert(path: Path, *way: int, added: bytes, nth: int = 0) -> Path:
    """Put elements at the end of the ``nth`` element that this way of identifiers leads to."""
    path.write_bytes(_rebuilt(path.read_bytes(), (SEGMENT, *way), added, nth))
    return path
