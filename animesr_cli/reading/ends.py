"""Where a file ends, and where it says that it ends: how a file that was cut off is noticed.

Source: ISO/IEC 14496-12:2015, 4.2 and 8.8.4 (fragments of MP4).
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from animesr_cli.reading.packets import AVFMT_NOTIMESTAMPS, AVFMT_TS_DISCONT, MICROSECOND

TRUNCATION_TOLERANCE_SECONDS: Final = Fraction(1, 2)
"""A video that ends earlier than this before its announced end was cut off."""
Y4M: Final = "yuv4mpegpipe"
"""FFmpeg's name of the format."""
_BOX_HEADER: Final = 16
_MOST_BOXES: Final = 64
"""At the top of an MP4 file, among which its first fragment is looked for."""


_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def _duration_tag(stream: av.stream.Stream) -> Fraction | None:
    """Matroska's DURATION tag: where this one stream ends."""
    for name, value in stream.metadata.items():
        match = _DURATION_TAG.fullmatch(value.strip("\0 "))
        if name.upper().split("-")[0] == "DURATION" and match:
            return int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])
    return None


def stream_duration(stream: av.stream.Stream) -> Fraction | None:
    """What the file says about the length of this one stream, in seconds."""
    # The tag first: in a short Matroska file FFmpeg takes each stream for as long as the whole.
    tagged = _duration_tag(stream)
    if tagged is None and stream.duration and stream.duration > 0 and stream.time_base:
        return stream.duration * Fraction(stream.time_base)
    return tagged


def is_fragmented(path: Path) -> bool:
    """Whether an MP4 file comes in fragments (moof), as streaming services store it."""
    at = 0
    with path.open("rb") as file:
        for _ in range(_MOST_BOXES):
            file.seek(at)
            head = file.read(_BOX_HEADER)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # to the end of the file, or no box
                return False
            if kind == b"moof":
                return True
            at += size
    return False


def is_told_as_end(container: av.container.InputContainer, path: Path) -> bool:
    """Whether what the file tells of a stream's length is the time of its end."""
    return container.format.name.startswith("matroska") or (
        "mp4" in container.format.name and is_fragmented(path)
    )


class Ends:
    """Compares where a file ends with where it says that it ends.

    The video stream's own announcement counts where there is one. The container's is that of its
    longest stream, often a subtitle track that outlasts the picture, so it is compared with the
    latest end of all streams. MPEG and raw streams announce nothing: FFmpeg looks at their end.
    """

    def __init__(
        self, container: av.container.InputContainer, stream: av.VideoStream, path: Path
    ) -> None:
        self.reached = False
        """Whether the file was read to its end."""
        self.video_end = Fraction(0)
        own = stream_duration(stream)
        if container.format.name == "avi" and stream.time_base:
            # A tick is a frame. FFmpeg shortens the duration of a cut file, but not its count.
            own = max(own or Fraction(0), stream.frames * Fraction(stream.time_base)) or None
        self.video_alone = own is not None
        self._index = stream.index
        self._latest_end = Fraction(0)
        self._path = path if container.format.name == Y4M else None
        self._read_to = 0  # behind the last packet, in bytes
        self._announced: Fraction | None = None
        if container.format.flags & (AVFMT_NOTIMESTAMPS | AVFMT_TS_DISCONT):
            self.video_alone = True
        elif own is not None:
            begin = None if is_told_as_end(container, path) else stream.start_time
            self._announced = own + (begin or 0) * Fraction(stream.time_base or 0)
        elif container.duration:
            self._announced = (container.duration + (container.start_time or 0)) * MICROSECOND

    def add(self, packet: av.Packet[Any]) -> None:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or not packet.time_base:
            return
        end = (time + (packet.duration or 0)) * Fraction(packet.time_base)
        self._latest_end = max(self._latest_end, end)
        if packet.stream_index == self._index:
            self._read_to = (packet.pos or 0) + packet.size
            self.video_end = max(self.video_end, end)

    def missing_seconds(self) -> Fraction:
        """How much of the announced video is not there; 0: nothing worth telling."""
        if not self.reached or self._announced is None:
            return Fraction(0)
        missing = self._announced - (self.video_end if self.video_alone else self._latest_end)
        return missing if missing > TRUNCATION_TOLERANCE_SECONDS else Fraction(0)

    def dropped_bytes(self) -> int:
        """What stands behind the last frame of a y4m file, of which its demuxer says nothing."""
        if not self.reached or self._path is None:
            return 0
        return self._path.stat().st_size - self._read_to
