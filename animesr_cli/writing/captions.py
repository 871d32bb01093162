"""Captions inside the pictures (CEA-608 and 708): put into coded pictures as they came.

Television carries captions with each picture, not as a stream. PyAV cannot attach them to a picture
that is to be encoded, so they are put into the encoder's packets, where FFmpeg and other encoders
put them too: into an SEI message of H.264 and HEVC, or a metadata OBU of AV1.

Sources: ATSC A/53 part 4, 6.2.3 (the payload); ITU-T H.264, 7.3.1 and annex D, and H.265, annex D
(SEI); AV1 bitstream specification, 5.8.2 (metadata OBU).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from animesr_cli.writing.packet_log import Packet, with_content

TRIPLET: Final = 3
"""Bytes of one caption construct."""
MOST_TRIPLETS: Final = 31

_START_CODE = re.compile(b"\x00\x00\x01", re.DOTALL)
_EMULATED = re.compile(b"\x00\x00(?=[\x00-\x03])", re.DOTALL)
_OBU_METADATA: Final = 5
_OBU_FRAMES: Final = (3, 6)
"""A frame's header alone, and with its content."""
_METADATA_ITUT_T35: Final = 4


def payload(captions: bytes) -> bytes:
    """The user data of one picture; ``captions`` are triplets, as FFmpeg's A53_CC side data."""
    captions = captions[: MOST_TRIPLETS * TRIPLET]
    count = len(captions) // TRIPLET
    return b"\xb5\x00\x31GA94\x03" + bytes([0x40 | count, 0xFF]) + captions + b"\xff"


def _sei(content: bytes) -> bytes:
    """An SEI message of registered user data, with its trailing bit."""
    sizes = b"\xff" * (len(content) // 255) + bytes([len(content) % 255])
    return b"\x04" + sizes + content + b"\x80"


def _escaped(content: bytes) -> bytes:
    """With emulation prevention, so that no start code appears within."""
    return _EMULATED.sub(b"\0\0\3", content)


def _before_pictures(packet: bytes, unit: bytes, is_picture: Callable[[int], bool]) -> bytes:
    """A packet of units with start codes, with one more before the first coded picture."""
    for match in _START_CODE.finditer(packet):
        if match.end() < len(packet) and is_picture(packet[match.end()]):
            place = match.start()
            if place and packet[place - 1] == 0:
                place -= 1  # a start code of four bytes
            return packet[:place] + b"\0\0\0\1" + unit + packet[place:]
    return packet


def _h264(packet: bytes, captions: bytes) -> bytes:
    unit = _escaped(b"\x06" + _sei(payload(captions)))
    return _before_pictures(packet, unit, lambda head: 1 <= head & 0x1F <= 5)


def _hevc(packet: bytes, captions: bytes) -> bytes:
    unit = _escaped(b"\x4e\x01" + _sei(payload(captions)))
    return _before_pictures(packet, unit, lambda head: head >> 1 & 0x3F < 32)


def _leb128(value: int) -> bytes:
    made = b""
    while value > 0x7F:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def _av1(packet: bytes, captions: bytes) -> bytes:
    content = bytes([_METADATA_ITUT_T35]) + payload(captions) + b"\x80"
    unit = bytes([_OBU_METADATA << 3 | 2]) + _leb128(len(content)) + content
    at = 0
    while at < len(packet):
        kind, has_extension, has_size = packet[at] >> 3 & 15, packet[at] & 4, packet[at] & 2
        if kind in _OBU_FRAMES:
            return packet[:at] + unit + packet[at:]
        if not has_size:
            return packet
        begin = at + (2 if has_extension else 1)
        size, shift = 0, 0
        while packet[begin] & 0x80:
            size |= (packet[begin] & 0x7F) << shift
            begin, shift = begin + 1, shift + 7
        at = begin + 1 + (size | packet[begin] << shift)
    return packet


_CARRIERS: Final[dict[str, Callable[[bytes, bytes], bytes]]] = {
    "h264": _h264,
    "hevc": _hevc,
    "av1": _av1,
}
"""By FFmpeg's name of the codec."""


def keeps_captions(codec: str) -> bool:
    """Whether coded pictures of this codec can carry captions."""
    return codec in _CARRIERS


def captioned(packet: Packet, captions: bytes, codec: str) -> Packet:
    """The same packet with the captions of its picture."""
    return with_content(packet, _CARRIERS[codec](bytes(packet), captions))
