"""EBML, the binary XML of Matroska: reading and making elements.

Source: RFC 8794.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

LONGEST_VALUE: Final = 1 << 16
"""Bytes of one value that is read."""
UNKNOWN_SIZES: Final = tuple((1 << 7 * length) - 1 for length in range(9))
"""By the length of the size: all ones, where a writer did not know."""


@dataclass(frozen=True)
class Element:
    """One element of a file."""

    identifier: int
    begin: int
    """Byte offset of its content."""
    end: int

    def bytes(self, file: BinaryIO) -> bytes:
        """The content; of one that is no value, its beginning."""
        file.seek(self.begin)
        return file.read(min(self.end - self.begin, LONGEST_VALUE))

    def number(self, file: BinaryIO) -> int:
        """The content as an unsigned number."""
        return int.from_bytes(self.bytes(file)[:8], "big")

    def text(self, file: BinaryIO) -> str:
        """The content as text."""
        return self.bytes(file).split(b"\0")[0].decode("utf-8", "replace")


def elements(file: BinaryIO, begin: int, end: int) -> Iterator[Element]:
    """The elements between two byte offsets, one after another, up to what is damaged."""
    while begin < end:
        identifier, begin = _variable(file, begin, keep_marker=True)
        size, content = _variable(file, begin)
        if identifier == 0 or content <= begin:
            return
        is_unknown = size == UNKNOWN_SIZES[content - begin]
        stop = end if is_unknown else min(content + size, end)
        yield Element(identifier, content, stop)
        begin = stop


def find(file: BinaryIO, inside: Element, *path: int) -> Iterator[Element]:
    """All elements that this path of identifiers leads to."""
    for element in elements(file, inside.begin, inside.end):
        if element.identifier == path[0]:
            if len(path) == 1:
                yield element
            else:
                yield from find(file, element, *path[1:])


def whole(file: BinaryIO) -> Element:
    """The file itself, as if it were an element."""
    return Element(0, 0, file.seek(0, 2))


def _variable(file: BinaryIO, at: int, *, keep_marker: bool = False) -> tuple[int, int]:
    """A number of variable length, and the offset behind it; (0, at) where there is none."""
    file.seek(at)
    head = file.read(8)
    if not head or head[0] == 0:
        return 0, at
    length = 9 - head[0].bit_length()
    value = int.from_bytes(head[:length], "big")
    if len(head) < length:
        return 0, at
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), at + length


def element(identifier: int, body: bytes) -> bytes:
    """An element; sizes below 127 take one byte, as FFmpeg writes them."""
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    size = len(body)
    length = bytes([size | 0x80]) if size < 127 else (size | 1 << 56).to_bytes(8, "big")
    return name + length + body


def number(identifier: int, value: int) -> bytes:
    """An element that holds an unsigned number."""
    return element(identifier, value.to_bytes(4, "big"))
