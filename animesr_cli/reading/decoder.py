"""Decoding one video stream: its pictures as the file times them, and a stand-in for each lost one.

Damage inside a file costs pictures, never time: errors are noted, and every frame that has no
picture of its own repeats a neighbour. Timestamps come as the
file has them; their repair (``video/timestamps.py``) comes next.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.video.codeccontext import VideoCodecContext

from animesr_cli.errors import InputError
from animesr_cli.reading.ends import Ends
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.packets import (
    AVFMT_NOTIMESTAMPS,
    AVFMT_TS_DISCONT,
    DECODING_ERRORS,
    continuous,
    decoding_context,
    demux,
)
from animesr_cli.reading.ts_joins import is_join
from animesr_cli.text import shown
from animesr_cli.video import containers
from animesr_cli.video.timestamps import ContinuousClock, LossTracker, ticks

logger = logging.getLogger(__name__)

SEEK_BACK_SECONDS: Final = (0, 1, 4, 16)
"""How much further back to seek when the key frame found lies behind the wanted time."""


@dataclass(frozen=True)
class Decoded:
    """One picture with the time that the file gives it."""

    picture: av.VideoFrame
    pts: int | None
    duration: int
    """Ticks; 0: not known."""
    lost: bool = False
    """The frame of this time could not be decoded; the picture is a neighbour's."""
    damaged: bool = False
    """Decoded from data that arrived incomplete."""
    aspect: Fraction | None = None
    """Width of a pixel by its height, where the stream says it at this picture."""


class Decoder:
    """The pictures of one stream of one file, from a key frame on; one thread at a time."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.ends: Ends | None = None
        """Where the file ended and should have, of the last pass over it."""
        self._path = path
        self._info = info
        self._identity = _identity(path)
        self._threads = "AUTO"
        self._opened: tuple[av.container.InputContainer, av.VideoStream] | None = None
        self._losses = LossTracker()
        self._clock = ContinuousClock()

    def close(self) -> None:
        """Close the file; pictures that were handed out stay valid."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    def pictures(self, start: int | None = None) -> Iterator[Decoded]:
        """All pictures in display order, from a key frame not later than the pts ``start`` on."""
        count, last = 0, None
        for decoded in self._from(start):
            count += 1
            last = decoded.pts
            yield decoded
        if self._losses.is_complete:
            return
        # At the end of a stream PyAV drops whatever frame threads hold behind an error: as many
        # pictures as there are processors. One thread holds none, so the tail is decoded again.
        logger.info("the end of the stream is decoded again, by one thread")
        self.close()
        self._threads = "SLICE"
        for index, decoded in enumerate(self._from(last)):
            if index >= count if last is None else decoded.pts is not None and decoded.pts > last:
                yield decoded

    def check_unchanged(self) -> None:
        """What was read must be one file, from beginning to end."""
        now = _identity(self._path)
        if now is None or self._identity is None:
            raise InputError(f"{shown(self._path)} was removed while it was being read")
        if now != self._identity or now[0] != self._info.size_bytes:
            raise InputError(
                f"{shown(self._path)} was changed while it was being read",
                "run again when nothing writes to it any more",
            )

    # -- from where --

    def _from(self, start: int | None) -> Iterator[Decoded]:
        """From the last key frame up to ``start`` that can be found, else from the beginning."""
        container, _ = self._container()
        tells_times = not (container.format.flags & AVFMT_NOTIMESTAMPS or self._clock.jumps)
        if start is not None and tells_times:
            for back in SEEK_BACK_SECONDS:
                earlier = start - ticks(Fraction(back), self._info.time_base)
                pictures = self._from_key_frame(earlier)
                first = next(pictures, None)
                if first is not None and first.pts is not None and first.pts <= start:
                    yield first
                    yield from pictures
                    return
            self.close()
        yield from self._decode()

    def _from_key_frame(self, pts: int) -> Iterator[Decoded]:
        """From some key frame, if possible not later than ``pts``."""
        container, stream = self._container()
        try:
            container.seek(pts, stream=stream, backward=True)
        except av.FFmpegError as error:
            logger.debug("cannot seek: %s", error)
            return
        # What comes before the first key frame may lean on pictures that were not decoded.
        pictures = self._decode()
        for decoded in pictures:
            if decoded.picture.key_frame and not decoded.lost:
                yield decoded
                yield from pictures

    def _container(self) -> tuple[av.container.InputContainer, av.VideoStream]:
        if self._opened is None:
            container = containers.open_input(self._path, max_pixels=self._info.max_pixels)
            stream = container.streams[self._info.stream_index]
            assert isinstance(stream, av.VideoStream)
            self._context = decoding_context(stream)
            self._context.thread_type = self._threads
            self._opened = container, stream
        return self._opened

    # -- packets to pictures --

    def _decode(self) -> Iterator[Decoded]:
        """What comes from here on, with a stand-in at the time of each lost frame."""
        self._losses = losses = LossTracker()
        incomplete: set[int | None] = set()  # times of packets that arrived so
        good: av.VideoFrame | None = None
        for picture in self._decode_packets(losses, incomplete):
            if losses.is_late(picture.pts):
                continue
            for time in losses.picture(picture.pts, key=picture.key_frame):
                yield Decoded(good if good is not None else picture, time, 0, lost=True)
            good = picture
            # AVI gives some packets a decoding time alone; pictures come with it in display order.
            time = picture.pts if picture.pts is not None else picture.dts
            damaged = picture.is_corrupt or picture.pts in incomplete
            aspect = self._context.sample_aspect_ratio or None  # PyAV shows that of no picture
            yield Decoded(picture, time, picture.duration, damaged=damaged, aspect=aspect)
        if good is None or (self._threads == "AUTO" and not losses.is_complete):
            return  # ``pictures`` looks once more
        for time in losses.finish():
            yield Decoded(good, time, 0, lost=True)

    def _decode_packets(
        self, losses: LossTracker, incomplete: set[int | None]
    ) -> Iterator[av.VideoFrame]:
        """Whatever the decoder makes of the packets; what it refuses is noted in ``losses``."""
        container, stream = self._container()
        self.ends = ends = Ends(container, stream, self._path)
        for packet in self._packets(container, (stream,) if ends.video_alone else ()):
            ends.add(packet)
            if packet.stream_index != stream.index:
                continue
            if packet.is_corrupt and packet.pts is not None and not self._at_join(packet):
                incomplete.add(packet.pts)
            if not packet.is_discard:
                losses.submit(packet.pts)
            yield from _decode_packet(self._context, packet, losses.error)
        yield from _decode_packet(self._context, None, losses.error_at_end)
        ends.reached = True

    def _at_join(self, packet: av.Packet[Any]) -> bool:
        """Whether it is called incomplete only because another file was put behind it."""
        container, stream = self._container()
        if container.format.name != "mpegts" or packet.pos is None:
            return False
        return is_join(self._path, packet.pos, stream.id)

    def _packets(
        self, container: av.container.InputContainer, streams: tuple[av.stream.Stream, ...]
    ) -> Iterator[av.Packet[Any]]:
        if container.format.flags & AVFMT_TS_DISCONT:
            streams = ()
        self._clock = ContinuousClock()
        try:
            yield from continuous(container, demux(container, *streams), self._clock)
        except OSError as error:
            self.check_unchanged()
            raise InputError(
                f"{shown(self._path)} cannot be read any further: {error.strerror or error}"
            ) from error


def _decode_packet(
    context: VideoCodecContext, packet: av.Packet[Any] | None, on_error: Callable[[], None]
) -> list[av.VideoFrame]:
    try:
        return context.decode(packet)
    except DECODING_ERRORS as error:
        logger.info("a packet cannot be decoded: %s", error)
        on_error()
        return []


def _identity(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is replaced or written to; None: it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_dev, found.st_ino, found.st_mtime_ns
