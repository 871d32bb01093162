"""Reading the pictures of one video file, in order.

A reader is an iterator of ``Frame(planes, pts, duration)``. The planes are the decoder's own
memory; timestamps are strictly increasing and never missing; a frame that a damaged file lost is
the last good picture again, at its own time. It does not know colour conversion, the network, or
how anything is written, and it copies no other stream.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
import torch
from torch import Tensor

from animesr_cli import containers
from animesr_cli.containers import shown
from animesr_cli.errors import InputError, UsageError
from animesr_cli.pixels import Converter, native_format, planes_of
from animesr_cli.timing import LossTracker, Stamped, TimestampRepair, format_time, ticks
from animesr_cli.video_info import (
    AVFMT_NOTIMESTAMPS,
    AVFMT_TS_DISCONT,
    DECODING_ERRORS,
    MICROSECOND,
    ColourTags,
    StreamInfo,
    VideoInfo,
    demux,
    probe,
    stream_duration,
)

__all__ = ["ColourTags", "Frame", "Reader", "StreamInfo", "VideoInfo", "probe"]

logger = logging.getLogger(__name__)

TRUNCATION_TOLERANCE_SECONDS: Final = Fraction(1, 2)
"""A video that ends earlier than this before its announced end was cut off."""
SEEK_BACK_SECONDS: Final = (0, 1, 4, 16)
"""How much further back to seek when the key frame found lies behind the wanted time."""

Timed = tuple[av.VideoFrame, int | None, int]
"""A decoded picture, its pts and its duration, as they are in the file."""


@dataclass(frozen=True)
class Frame:
    """One picture, at its time."""

    planes: tuple[Tensor, ...]
    """Y, U, V or Y or R, G, B; uint8 or uint16 views of the decoder's memory: read only."""
    pts: int
    """In ``VideoInfo.time_base``; strictly increasing."""
    duration: int


class Reader:
    """The pictures of one file: ``with Reader(path) as reader: for frame in reader: ...``.

    Used by one thread at a time, and once. What went wrong on the way is in the counts and goes to
    ``warn``, a sentence for each matter, when the last frame has been handed out.

    Args:
        info: what ``probe`` said of this file; None probes it.
        matrix: as in ``probe``; ignored where ``info`` is given.
        start, end: seconds on the clock that people see (``VideoInfo.clock_start`` is its zero);
            the frames from ``start`` on and before ``end``, exactly.
        frames: at most this many.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        info: VideoInfo | None = None,
        matrix: str | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
        frames: int | None = None,
        warn: Callable[[str], None] = logger.warning,
    ) -> None:
        if frames is not None and frames < 1:
            raise UsageError(f"the number of frames must be at least 1, not {frames}")
        if end is not None and end <= (start or 0):
            raise UsageError(
                f"the end ({format_time(end)}) is not later than the start "
                f"({format_time(start or 0)})"
            )
        self.info = info if info is not None else probe(path, matrix=matrix)
        self.origin = self.info.clock_start
        """Seconds to subtract from the times of all streams; final from the first frame on."""
        self.frames = 0
        """Frames handed out so far."""
        self.skipped = 0
        """Frames decoded only to get to ``start``."""
        self.lost_frames = 0
        """Frames that could not be decoded and repeat a neighbour."""
        self.damaged_frames = 0
        """Frames that were decoded from damaged data."""
        self._path = Path(path)
        self._start, self._end, self._limit = start, end, frames
        self._warn = warn
        self._identity = _identity(self._path)
        self._opened: tuple[av.container.InputContainer, av.VideoStream] | None = None
        self._repair: TimestampRepair[av.VideoFrame] = TimestampRepair(
            self.info.time_base, self.info.frame_rate
        )
        self._converter = Converter(
            self.info.width, self.info.height, native_format(self.info.pix_fmt)
        )
        self._ends: _Ends | None = None
        self._damaged_packets: set[int | None] = set()  # times of those that arrived incomplete
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; frames that were handed out stay valid."""
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    @property
    def corrupt_frames(self) -> int:
        """Frames that are not what the file once held: lost ones and damaged ones."""
        return self.lost_frames + self.damaged_frames

    @property
    def repaired(self) -> Mapping[str, int]:
        """Timestamps that were repaired, by kind."""
        return dict(self._repair.repairs)

    # -- frames --

    def __iter__(self) -> Iterator[Frame]:
        try:
            for stamped in self._chosen():
                if self.frames == 0:
                    self._settle_origin(stamped.pts)
                self.frames += 1
                yield Frame(self._planes(stamped), stamped.pts, stamped.duration)
        finally:
            self.close()
        self._check_unchanged()
        if self.frames == 0:
            self._refuse_nothing()
        self._report()

    def _chosen(self) -> Iterator[Stamped[av.VideoFrame]]:
        """Those of the frames that were asked for."""
        for stamped in self._stamped():
            time = stamped.pts * self.info.time_base - self.info.clock_start
            if self._start is not None and time < self._start:
                self.skipped += 1
                continue
            if self._end is not None and time >= self._end:
                return
            yield stamped
            if self._limit is not None and self.frames >= self._limit:
                return
        if self._ends is not None:
            self._ends.reached = True

    def _stamped(self) -> Iterator[Stamped[av.VideoFrame]]:
        """Every frame with its repaired time."""
        for picture, pts, duration in self._pictures():
            stamped = self._repair.push(picture, pts, duration)
            if stamped is not None:
                yield stamped
        last = self._repair.finish()
        if last is not None:
            yield last

    def _planes(self, stamped: Stamped[av.VideoFrame]) -> tuple[Tensor, ...]:
        picture = stamped.picture
        if (picture.width, picture.height) != (self.info.width, self.info.height):
            self._warn_once(
                "size",
                f"the picture size changes to {picture.width}x{picture.height} at "
                f"{format_time(stamped.pts * self.info.time_base - self.info.clock_start)}; "
                f"from there on it is scaled to {self.info.width}x{self.info.height}",
            )
        elif picture.format.name != self.info.pix_fmt:
            self._warn_once(
                "format",
                f"the pixel format changes from {self.info.pix_fmt} to {picture.format.name}; "
                f"those pictures are converted to {self._converter.pix_fmt}",
            )
        return tuple(_tensor(view) for view in planes_of(self._converter.convert(picture)))

    def _settle_origin(self, first_pts: int) -> None:
        """The first frame, where the input is cut or begins before its clock does."""
        first = first_pts * self.info.time_base
        if self._start is not None or first < self.origin:
            self.origin = first

    # -- decoding --

    def _pictures(self) -> Iterator[Timed]:
        """Decoded pictures and the last good one for each that was lost, with times as they are."""
        if self._start is not None and self._start > 0 and self._can_seek():
            wanted = ticks(self._start + self.info.clock_start, self.info.time_base)
            for back in SEEK_BACK_SECONDS:
                pictures = self._from_key_frame(wanted - ticks(Fraction(back), self.info.time_base))
                first = next(pictures, None)
                if first is not None and first[1] is not None and first[1] <= wanted:
                    yield first
                    yield from pictures
                    return
            self.close()
        yield from self._decode()

    def _can_seek(self) -> bool:
        """Whether frames can be told by their timestamps alone."""
        container, _ = self._container()
        return not container.format.flags & AVFMT_NOTIMESTAMPS

    def _from_key_frame(self, pts: int) -> Iterator[Timed]:
        """Pictures from some key frame, if possible not later than ``pts``."""
        container, stream = self._container()
        try:
            container.seek(pts, stream=stream, backward=True)
        except av.FFmpegError as error:
            logger.debug("cannot seek: %s", error)
            return
        # What comes before the first key frame may lean on pictures that were not decoded.
        pictures = self._decode()
        for picture, time, duration in pictures:
            if picture.key_frame:
                yield picture, time, duration
                yield from pictures

    def _container(self) -> tuple[av.container.InputContainer, av.VideoStream]:
        if self._opened is None:
            container = containers.open_input(self._path)
            stream = container.streams[self.info.stream_index]
            assert isinstance(stream, av.VideoStream)
            stream.thread_type = "AUTO"
            self._opened = container, stream
        return self._opened

    def _decode(self) -> Iterator[Timed]:
        losses = LossTracker()
        self.lost_frames = self.damaged_frames = 0
        self._damaged_packets.clear()
        last_good: av.VideoFrame | None = None
        for picture in self._decode_packets(losses):
            if losses.is_late(picture.pts):
                continue
            for time in losses.picture(picture.pts, key=picture.key_frame):
                self.lost_frames += 1
                yield last_good if last_good is not None else picture, time, 0
            self.damaged_frames += picture.is_corrupt or picture.pts in self._damaged_packets
            last_good = picture
            # AVI gives some packets a decoding time alone; pictures come with it in display order.
            time = picture.pts if picture.pts is not None else picture.dts
            yield picture, time, picture.duration
        if last_good is None:
            return
        for time in losses.finish():
            self.lost_frames += 1
            yield last_good, time, 0

    def _decode_packets(self, losses: LossTracker) -> Iterator[av.VideoFrame]:
        """Whatever the decoder makes of the packets; an error of its own is noted in ``losses``."""
        container, stream = self._container()
        self._ends = ends = _Ends(container, stream)
        watched = (stream,) if ends.video_alone else ()
        for packet in self._packets(container, watched):
            ends.add(packet)
            if packet.stream_index != stream.index:
                continue
            if packet.is_corrupt and packet.pts is not None:
                self._damaged_packets.add(packet.pts)
            if not packet.is_discard:
                losses.submit(packet.pts)
            yield from _decoded(stream, packet, losses)
        yield from _decoded(stream, None, losses)

    def _packets(
        self, container: av.container.InputContainer, streams: tuple[av.stream.Stream, ...]
    ) -> Iterator[av.Packet[Any]]:
        try:
            yield from demux(container, *streams)
        except (av.FFmpegError, OSError) as error:
            self._check_unchanged()
            raise InputError(
                f"{shown(self._path)} cannot be read any further: {error.strerror or error}"
            ) from error

    # -- afterwards --

    def _check_unchanged(self) -> None:
        """What was read must be one file, from beginning to end."""
        now = _identity(self._path)
        if now is None or self._identity is None:
            raise InputError(f"{shown(self._path)} was removed while it was being read")
        if now != self._identity or now.size != self.info.size_bytes:
            raise InputError(
                f"{shown(self._path)} was changed while it was being read",
                "run again when nothing writes to it any more",
            )

    def _refuse_nothing(self) -> None:
        if self._start is None and self._end is None:
            raise InputError(f"{shown(self._path)}: none of its pictures can be decoded")
        end = self._ends.video_end - self.info.clock_start if self._ends is not None else None
        raise UsageError(
            "the chosen part of the video holds no frame",
            None if end is None else f"the video ends at {float(end):.1f} s",
        )

    def _report(self) -> None:
        if self._repair.repairs:
            kinds = ", ".join(f"{n} {kind}" for kind, n in self._repair.repairs.items())
            logger.info("timestamps repaired: %s", kinds)
        if self.lost_frames:
            self._warn(
                f"{_frames(self.lost_frames)} of {self.frames} could not be decoded and "
                "repeat the one before"
            )
        if self.damaged_frames:
            self._warn(f"{_frames(self.damaged_frames)} of {self.frames} came from damaged data")
        missing = self._ends.missing_seconds() if self._ends is not None else 0
        if missing > 0:
            self._warn(
                f"the input is cut off: the last {float(missing):.1f} s of what it announces "
                "are not there"
            )

    def _warn_once(self, matter: str, text: str) -> None:
        if matter not in self._warned:
            self._warned.add(matter)
            self._warn(text)


def _decoded(
    stream: av.VideoStream, packet: av.Packet[Any] | None, losses: LossTracker
) -> list[av.VideoFrame]:
    try:
        return stream.codec_context.decode(packet)
    except DECODING_ERRORS as error:
        logger.info("a packet cannot be decoded: %s", error)
        losses.error()
        return []


def _tensor(view: np.ndarray[Any, Any]) -> Tensor:
    # Pictures stored bottom up have negative strides, which torch does not know.
    if any(stride < 0 for stride in view.strides):
        view = np.ascontiguousarray(view)
    return torch.from_numpy(view)


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"


# The end of a file -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Identity:
    device: int
    inode: int
    size: int
    modified_ns: int


def _identity(path: Path) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class _Ends:
    """Compares where a file ends with where it says that it ends.

    The video stream's own announcement counts where there is one. The container's is that of its
    longest stream, often a subtitle track that outlasts the picture, so it is compared with the
    latest end of all streams. MPEG and raw streams announce nothing: FFmpeg looks at their end.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self.reached = False
        """Whether the file was read to its end."""
        self.video_end = Fraction(0)
        self.packets = 0
        own = stream_duration(stream)
        if container.format.name == "avi" and stream.time_base:
            # A tick is a frame. FFmpeg shortens the duration of a cut file, but not its count.
            own = max(own or Fraction(0), stream.frames * Fraction(stream.time_base)) or None
        self.video_alone = own is not None
        self._index = stream.index
        self._latest_end = Fraction(0)
        self._announced: Fraction | None = None
        if container.format.flags & (AVFMT_NOTIMESTAMPS | AVFMT_TS_DISCONT):
            self.video_alone = True
        elif own is not None:
            begin = stream.start_time if stream.duration else None  # a tag tells the end itself
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
            self.packets += 1
            self.video_end = max(self.video_end, end)

    def missing_seconds(self) -> Fraction:
        """How much of the announced video is not there; 0: nothing worth telling."""
        if not self.reached or self._announced is None:
            return Fraction(0)
        missing = self._announced - (self.video_end if self.video_alone else self._latest_end)
        return missing if missing > TRUNCATION_TOLERANCE_SECONDS else Fraction(0)
