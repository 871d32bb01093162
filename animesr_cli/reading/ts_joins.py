"""Telling where one MPEG-TS was put behind another from where packets of one are missing.

Each packet of a stream has a counter, and FFmpeg takes a jump of it for damage. Where files or
segments were joined, the counters restart and nothing is missing: the jump is between two
pictures, and that of the table of programs, which stands before the first one, jumps as well.
Whether the last picture before a join is whole, its decoder tells.

Source: ISO/IEC 13818-1, 2.4.3 (packets, continuity_counter).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

SYNC: Final = 0x47
SIZES: Final = (188, 192, 204)
"""Of a packet: plain, with a time (M2TS), with a checksum."""
TABLE_OF_PROGRAMS: Final = 0
"""Its PID."""
BACK_BYTES: Final = 1 << 19
"""How far before a picture its stream is read, for the counters until then."""
AHEAD_BYTES: Final = 1 << 22
SURE_PACKETS: Final = 4
"""So many signs of sync, one packet apart, are no accident."""


def is_join(path: Path, position: int, pid: int) -> bool:
    """Whether the first jump of this stream's counter from ``position`` on is that of a join."""
    begin = max(0, position - BACK_BYTES)
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read(position - begin + AHEAD_BYTES)
    counters: dict[int, int] = {}
    restarted = False  # the table's counter, since this stream's last packet
    for at, packet in _packets(content):
        if packet[1] & 0x80 and begin + at >= position:
            return False  # the receiver knew that it is damaged
        found = (packet[1] & 0x1F) << 8 | packet[2]
        if found not in (pid, TABLE_OF_PROGRAMS) or not packet[3] & 0x10:  # no payload, no count
            continue
        counter, last = packet[3] & 0x0F, counters.get(found)
        jumps = last is not None and counter != (last + 1) & 0x0F
        counters[found] = counter
        if found == TABLE_OF_PROGRAMS:
            restarted = jumps
        elif jumps and begin + at >= position:
            return restarted and bool(packet[1] & 0x40)  # where a picture begins
        else:
            restarted = False
    return False


def _packets(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Headers of packets and where they stand; what is between them is passed over."""
    at = content.find(SYNC)
    while 0 <= at <= len(content) - SIZES[0]:
        size = next((size for size in SIZES if _synchronous(content, at, size)), None)
        if size is None:
            at = content.find(SYNC, at + 1)
            continue
        while at + SIZES[0] <= len(content) and content[at] == SYNC:
            yield at, content[at : at + 4]
            at += size


def _synchronous(content: bytes, at: int, size: int) -> bool:
    signs = content[at : at + size * SURE_PACKETS : size]
    return signs == bytes([SYNC]) * len(signs)
