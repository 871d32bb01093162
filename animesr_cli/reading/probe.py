"""What a video file is: its pictures' size, format, time and colour, and the streams beside them.

``probe`` opens a file, decodes its first picture and tells.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext

from animesr_cli.errors import InputError, UsageError, unreadable
from animesr_cli.reading.ends import Y4M, is_told_as_end, stream_duration
from animesr_cli.reading.info import ColourTags, StreamInfo, VideoInfo
from animesr_cli.reading.packets import (
    AVFMT_NOTIMESTAMPS,
    AVFMT_TS_DISCONT,
    DECODING_ERRORS,
    MICROSECOND,
    codec_name,
    decoding_context,
    demux,
)
from animesr_cli.reading.y4m_header import check_file
from animesr_cli.settings.limits import MAX_PIXELS
from animesr_cli.text import shown
from animesr_cli.video import colour, containers
from animesr_cli.video.colour import ColourSpec
from animesr_cli.video.hdr import (
    CURVES,
    DOLBY_VISION_CODECS,
    check_base_layer,
    read_hdr,
)
from animesr_cli.video.part import NO_CROP, Crop
from animesr_cli.video.pixel_formats import layout_of, native_format
from animesr_cli.video.side_data import side_data_of
from animesr_cli.video.stream_header import read_stream_header

logger = logging.getLogger(__name__)


PROGRESSIVE_FIELD_ORDER: Final = 1
INTERLACED_FIELD_ORDERS: Final = (2, 3, 4, 5)
"""AVFieldOrder: top first, bottom first, and the two mixed ones."""
CODEC_SITINGS: Final = {"mjpeg": 2, "webp": 2, "mpeg1video": 2, "theora": 2, "vp3": 2, "dvvideo": 3}
"""AVCHROMA_LOC_* of the codecs that have only one, for streams that do not say."""

LEAST_BYTES_PER_SECOND: Final = 1000
"""A broadcast of fewer is not as long as its clock says."""


def probe(
    path: Path | str,
    *,
    matrix: str | None = None,
    stream_index: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VideoInfo:
    """Open a file, decode its first picture and tell what it is.

    Args:
        matrix: overrides the file's tag.
        stream_index: which video stream; None is the one that a player would show.
        max_pixels: a picture of more is refused before it is allocated.

    Raises:
        UsageError: the stream is no video.
        InputError: it is missing, not a video, nothing in it can be decoded, or what is decoded
            is no picture without Dolby Vision.
    """
    path = Path(path)
    with containers.open_input(path, max_pixels=max_pixels) as container:
        stream = choose_stream(container, path, stream_index)
        _check_size(stream, path, max_pixels)
        if container.format.name == Y4M:
            check_file(path, stream.pix_fmt or "")
        try:
            frame, begin = _first_picture(container, stream, path, max_pixels)
        except OSError as error:
            raise unreadable(shown(path), error) from error
        info = _describe(container, stream, frame, begin, path, matrix)
    return replace(info, max_pixels=max_pixels)


def _check_size(stream: av.VideoStream, path: Path, max_pixels: int) -> None:
    if stream.width * stream.height > max_pixels:
        raise InputError(
            f"{shown(path)}: its pictures of {stream.width}x{stream.height} are larger than "
            f"{max_pixels:,} pixels",
            "it may be damaged or malicious; --max-pixels raises the limit",
        )


def choose_stream(
    container: av.container.InputContainer, path: Path, index: int | None = None
) -> av.VideoStream:
    """The stream of that index, or the video that a player would show; never a cover picture."""
    moving = [s for s in container.streams.video if not _is_still(s)]
    if not moving:
        found = ", ".join(f"{s.kind} ({s.detail})" for s in describe_streams(container))
        raise InputError(f"{shown(path)} has no video stream; it holds {found or 'no stream'}")
    if index is not None and index not in [s.index for s in moving]:
        raise UsageError(
            f"{shown(path)}: stream #{index} is no video",
            f"these are: {', '.join(f'#{s.index} ({_detail(s)})' for s in moving)}",
        )
    best = container.streams.best("video")
    wanted = index if index is not None else best.index if best is not None else None
    stream = next((s for s in moving if s.index == wanted), moving[0])
    # Without a decoder there is no codec context, and PyAV's properties would fail.
    if stream.codec_context is None:
        raise InputError(f"{shown(path)}: there is no decoder for its video stream")
    if not stream.time_base:
        raise InputError(f"{shown(path)}: its video stream has no time base")
    return stream


def _is_still(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _first_picture(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path, max_pixels: int
) -> tuple[av.VideoFrame, int | None]:
    """The first picture that decodes; packets before it may be damaged. When decoding begins."""
    count, begin = 0, None
    context = decoding_context(stream)
    for packet in itertools.chain(demux(container, stream), [None]):
        count += packet is not None
        begin = packet.dts if packet is not None and begin is None else begin
        try:
            for frame in context.decode(packet):
                return frame, begin
        except DECODING_ERRORS as error:
            logger.info("a packet cannot be decoded: %s", error)
    if codec_name(stream) == "webp" and containers.is_animated_webp(path):
        raise InputError(
            f"{shown(path)} is an animated WebP, which FFmpeg cannot decode",
            "make images of it first, for example with ImageMagick: magick IN.webp %03d.png",
        )
    size = f"{stream.width}x{stream.height} {codec_name(stream)}"
    raise InputError(
        f"{shown(path)}: no picture of its video stream ({size}) can be decoded; "
        f"it holds {count} packets",
        # The size of a single image is known only to its decoder, which keeps to the limit.
        None
        if stream.width
        else f"are they larger than {max_pixels:,} pixels? --max-pixels raises this limit",
    )


# Describing --------------------------------------------------------------------------------------


def _describe(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    frame: av.VideoFrame,
    begin: int | None,
    path: Path,
    matrix: str | None,
) -> VideoInfo:
    assert stream.time_base  # choose_stream made sure
    side_data, header = side_data_of(frame), read_stream_header(stream)
    tags = colour_tags(stream.codec_context, frame, header.siting)
    codec = stream.codec_context.codec.canonical_name
    recorded = header.dolby_vision if codec in DOLBY_VISION_CODECS else None
    hdr = read_hdr(side_data, tags.transfer, recorded)
    check_base_layer(hdr, shown(path))  # before its matrix, which nobody knows, is refused
    spec, note = colour_spec(tags, frame.format.name, frame.width, frame.height, matrix)
    crop = _usable_crop(header.crop, frame, spec.layout)
    flags = container.format.flags
    start = container.start_time if flags & AVFMT_TS_DISCONT else 0
    return VideoInfo(
        path=path,
        container=container.format.name,
        stream_index=stream.index,
        codec=codec_name(stream),
        width=frame.width - crop.left - crop.right,
        height=frame.height - crop.top - crop.bottom,
        crop=crop,
        pix_fmt=frame.format.name,
        sample_aspect_ratio=Fraction(stream.sample_aspect_ratio or 1),
        rotation=frame.rotation % 360,
        display_matrix=_display_matrix(frame, side_data),
        time_base=Fraction(stream.time_base),
        frame_rate=_frame_rate(stream, flags),
        duration_seconds=_announced_duration(container, stream),
        late_seconds=_late(container, stream, begin, path),
        frame_count=_frame_count(stream),
        clock_start=(start or 0) * MICROSECOND,
        tags=tags,
        colour=spec,
        colour_note=note,
        hdr=hdr,
        captions="A53_CC" in side_data,
        interlaced=frame.interlaced_frame
        or stream.codec_context.field_order in INTERLACED_FIELD_ORDERS,
        progressive=stream.codec_context.field_order == PROGRESSIVE_FIELD_ORDER,
        streams=tuple(describe_streams(container)),
        chapters=len(container.chapters()),
        size_bytes=path.stat().st_size,
    )


def _usable_crop(crop: Crop, frame: av.VideoFrame, layout: colour.PixelLayout) -> Crop:
    """The crop in whole chroma samples from the top left corner; none where it leaves nothing."""
    step_x, step_y = 1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y
    crop = replace(crop, left=crop.left // step_x * step_x, top=crop.top // step_y * step_y)
    leaves = crop.left + crop.right < frame.width and crop.top + crop.bottom < frame.height
    return crop if leaves else NO_CROP


def colour_tags(context: VideoCodecContext, frame: av.VideoFrame, siting: int = 0) -> ColourTags:
    """The picture's own tags, and where it has none, the container's.

    Args:
        siting: AVCHROMA_LOC number that the stream has; 0 is that of the codec.
    """
    pairs = {
        "primaries": (frame.color_primaries, context.color_primaries, 2),
        "transfer": (frame.color_trc, context.color_trc, 2),
        "matrix": (frame.colorspace, context.colorspace, 2),
        "range": (frame.color_range, context.color_range, 0),
    }
    return ColourTags(
        **{
            name: int(from_frame if from_frame != unspecified else from_stream)
            for name, (from_frame, from_stream, unspecified) in pairs.items()
        },
        siting=siting or CODEC_SITINGS.get(str(context.codec.canonical_name), 0),
    )


def colour_spec(
    tags: ColourTags, pix_fmt: str, width: int, height: int, matrix: str | None
) -> tuple[ColourSpec, str]:
    """What pictures of this format, with these tags and of this size, are taken for, and why."""
    pix_fmt = native_format(pix_fmt)
    layout = layout_of(pix_fmt)
    assert layout is not None
    if layout.family == "rgb":
        return ColourSpec(layout=layout, full_range=True), "RGB"
    full_range = colour.full_range_of(tags.range, pix_fmt)
    by_curve = matrix is None and tags.matrix in colour.NO_MATRIX_TAGS and tags.transfer in CURVES
    tag = colour.MATRIX_TAGS["bt2020"] if by_curve else tags.matrix
    chosen, note = colour.choose_matrix(tag, width, height, matrix)
    if by_curve:
        note = "BT.2020 (untagged, as HDR is)"
    spec = ColourSpec(
        layout=layout,
        matrix=chosen,
        full_range=full_range,
        siting=colour.siting_of(tags.siting),
    )
    return spec, "gray" if layout.family == "gray" else note


def _display_matrix(frame: av.VideoFrame, side_data: Mapping[str, bytes]) -> tuple[int, ...] | None:
    data = side_data.get("DISPLAYMATRIX")
    if data is None:
        return _turned_by(frame.rotation) if frame.rotation else None
    return tuple(int(value) for value in np.frombuffer(data, dtype=np.int32))


def _turned_by(degrees: int) -> tuple[int, ...]:
    """The matrix of a quarter turn counter-clockwise, where PyAV does not show the matrix."""
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees // 90 % 4 * 90]
    return (cosine << 16, -sine << 16, 0, sine << 16, cosine << 16, 0, 0, 0, 1 << 30)


def _frame_rate(stream: av.VideoStream, format_flags: int) -> Fraction | None:
    rates = [stream.average_rate, stream.guessed_rate]
    if format_flags & AVFMT_NOTIMESTAMPS:
        rates.reverse()  # without timestamps the average is FFmpeg's 25, the guess is the codec's
    return next((Fraction(rate) for rate in rates if rate), None)


def _late(
    container: av.container.InputContainer, stream: av.VideoStream, begin: int | None, path: Path
) -> Fraction:
    if begin is None or not is_told_as_end(container, path):
        return Fraction(0)
    return max(begin * Fraction(stream.time_base or 0), Fraction(0))


def _announced_duration(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Fraction | None:
    own = stream_duration(stream)
    if own is None and container.duration and container.duration > 0:
        own = container.duration * MICROSECOND
    if own and container.format.flags & AVFMT_TS_DISCONT:
        # Measured from the first time to the last, whatever clocks these are on.
        return own if container.size / own > LEAST_BYTES_PER_SECOND else None
    return own


def _frame_count(stream: av.VideoStream) -> int | None:
    tagged = stream.metadata.get("NUMBER_OF_FRAMES", "")
    return stream.frames or (int(tagged) if tagged.isdecimal() else None) or None


def describe_streams(container: av.container.InputContainer) -> Iterator[StreamInfo]:
    """All streams in the order of the file."""
    for stream in container.streams:
        language = stream.metadata.get("language")
        still = isinstance(stream, av.VideoStream) and _is_still(stream)
        yield StreamInfo(
            index=stream.index,
            kind="cover" if still else stream.type,
            codec=codec_name(stream),
            language=language if language != "und" else None,
            title=stream.metadata.get("title"),
            default=bool(stream.disposition & Disposition.default),
            detail=_detail(stream),
        )


def _detail(stream: av.stream.Stream) -> str:
    words = [codec_name(stream)]
    context: av.CodecContext | None = stream.codec_context
    if isinstance(stream, av.AudioStream) and context is not None:
        words += [f"{stream.sample_rate} Hz", stream.layout.name]
    elif isinstance(stream, av.VideoStream) and context is not None:
        words += [f"{stream.width}x{stream.height}", *([stream.pix_fmt] if stream.pix_fmt else [])]
    elif stream.type == "attachment" and stream.metadata.get("mimetype"):
        words.append(stream.metadata["mimetype"])
    flags = stream.disposition & ~(Disposition.default | Disposition.attached_pic)
    names = [d.name for d in Disposition if d & flags and d.name]
    return " ".join(words) + (f" ({', '.join(names)})" if names else "")
