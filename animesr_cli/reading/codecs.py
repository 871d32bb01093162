"""Which codec a stream has, what decodes it, and what a decoder raises."""

from __future__ import annotations

import logging
from typing import Final

import av
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext

logger = logging.getLogger(__name__)

ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders of WebM's transparency, which FFmpeg's own ones pass over."""

DECODING_ERRORS: Final[tuple[type[Exception], ...]] = (av.FFmpegError, ValueError)
"""What a decoder raises over damaged data."""


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
