"""The packets of a file, past damaged places and on one clock, and what decodes them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Final

import av
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext

from animesr_cli.video.timestamps import ContinuousClock, ticks

logger = logging.getLogger(__name__)

MICROSECOND: Final = Fraction(1, 1_000_000)
"""The time base of a container's own start and duration."""
AVFMT_NOTIMESTAMPS: Final = 0x0080
AVFMT_TS_DISCONT: Final = 0x0200
_MAX_DEMUX_FAILURES: Final = 100
"""Failures to read a packet, one directly after another, that end a file."""
ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders of WebM's transparency, which FFmpeg's own ones pass over."""

DECODING_ERRORS: Final[tuple[type[Exception], ...]] = (av.FFmpegError, ValueError)
"""What a decoder raises over damaged data."""


def demux(
    container: av.container.InputContainer, *streams: av.stream.Stream
) -> Iterator[av.Packet[Any]]:
    """Packets of these streams (none: of all); a damaged place in the container is stepped over.

    Empty ones are left out: to a decoder they mean the end.
    """
    failures = 0
    while failures < _MAX_DEMUX_FAILURES:
        try:
            for packet in container.demux(*streams):
                if packet.size:
                    failures = 0
                    yield packet
            return
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise  # the disk's fault, not the content's
            failures += 1
            logger.info("a packet cannot be read from the container: %s", error)


def continuous(
    container: av.container.InputContainer,
    packets: Iterable[av.Packet[Any]],
    clock: ContinuousClock,
) -> Iterator[av.Packet[Any]]:
    """The same packets on a clock without jumps; they must be those of all streams.

    Only formats for broadcasting have a clock that may jump: elsewhere a gap is meant.
    """
    if not container.format.flags & AVFMT_TS_DISCONT:
        yield from packets
        return
    for packet in packets:
        time = packet.dts if packet.dts is not None else packet.pts
        if time is not None and packet.time_base:
            base = Fraction(packet.time_base)
            offset = clock.offset(
                packet.stream_index,
                time * base,
                (packet.duration or 0) * base,
                leads=packet.stream.type in ("video", "audio"),
                in_order=packet.dts is not None,
                shown=None if packet.pts is None else packet.pts * base,
            )
            if offset:
                packet.pts = None if packet.pts is None else packet.pts + ticks(offset, base)
                packet.dts = None if packet.dts is None else packet.dts + ticks(offset, base)
        yield packet


def codec_name(stream: av.stream.Stream) -> str:
    """The codec, not the decoder that was chosen for it: av1, not libdav1d."""
    context: av.CodecContext | None = stream.codec_context
    if context is None:
        return getattr(stream, "name", None) or "unknown"
    return str(context.codec.canonical_name)


def decoding_context(stream: av.VideoStream) -> VideoCodecContext:
    """What decodes a stream: its own context, or one that knows transparency."""
    name = ALPHA_DECODERS.get(codec_name(stream))
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return stream.codec_context
    try:
        context = av.CodecContext.create(name, "r")
    except UnknownCodecError:
        logger.info("there is no decoder %s: the pictures are opaque", name)
        return stream.codec_context
    assert isinstance(context, VideoCodecContext)
    context.options = stream.codec_context.options
    return context
