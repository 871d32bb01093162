"""A join of two transport streams is no damage; what is missing or broken still is."""

from __future__ import annotations

from pathlib import Path

import pytest

import media
from animesr_cli.reading.reader import Reader

PACKET = 188
VIDEO, TABLE = 0x100, 0
"""FFmpeg's first PID, and that of the table of programs."""


def packets_of(content: bytes) -> list[bytearray]:
    return [bytearray(content[at : at + PACKET]) for at in range(0, len(content), PACKET)]


def pid(packet: bytearray) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def begins(packet: bytearray) -> bool:
    return bool(packet[1] & 0x40)


@pytest.fixture(scope="module")
def piece(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """24 pictures of MPEG-2, each a key frame behind a table; some take several packets."""
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    media.write_video(path, frames=24, gop=1, codec="mpeg2video", rate=25)
    return path.read_bytes()


def damaged(content: bytes, folder: Path) -> int:
    """Frames that the reader calls damaged."""
    path = folder / "in.ts"
    path.write_bytes(content)
    with Reader(path) as reader:
        assert list(reader)
    return reader.damaged_frames + reader.lost_frames


@pytest.mark.parametrize("stride", [188, 192, 204])
def test_where_a_file_follows_another_nothing_is_damaged(
    piece: bytes, stride: int, tmp_path: Path
) -> None:
    """As ``cat`` and downloaders of segments join them, in each size of packets."""
    before, behind = {188: (0, 0), 192: (4, 0), 204: (0, 16)}[stride]
    content = b"".join(bytes(before) + p + bytes(behind) for p in packets_of(piece * 2))
    assert damaged(content, tmp_path) == 0


@pytest.mark.parametrize("place", ["inside", "at the end"])
def test_a_packet_that_is_missing_is_damage(place: str, piece: bytes, tmp_path: Path) -> None:
    """In the middle of a picture, and as its last before a table, which goes on counting."""
    packets = packets_of(piece)
    middle = len(packets) // 2
    table = next(i for i, p in enumerate(packets) if i > middle and pid(p) == TABLE)
    parts = [i for i, p in enumerate(packets[:table]) if pid(p) == VIDEO and not begins(p)]
    missing = parts[-1] if place == "at the end" else parts[-2]
    assert damaged(b"".join(packets[:missing] + packets[missing + 1 :]), tmp_path) >= 1


def test_what_the_receiver_calls_damaged_is_so_beside_a_join(piece: bytes, tmp_path: Path) -> None:
    packets = packets_of(piece * 2)
    last = max(i for i, p in enumerate(packets[: len(packets) // 2]) if pid(p) == VIDEO)
    packets[last][1] |= 0x80
    assert damaged(b"".join(packets), tmp_path) >= 1


def test_a_join_inside_a_picture_is_damage(piece: bytes, tmp_path: Path) -> None:
    """A recording that begins in the middle of a picture, put behind another."""
    packets = packets_of(piece)
    inside = next(i for i, p in enumerate(packets) if i > 20 and pid(p) == VIDEO and not begins(p))
    assert damaged(b"".join(packets + packets[inside:]), tmp_path) >= 1
