"""Test videos made by PyAV: any container, codec, timestamps and companions, in milliseconds.

``write_video`` makes one file from keyword arguments; ``picture`` is the content of its frame i, so
that a test can tell which frame it was given. ``patch_block_times`` and ``corrupt_blocks`` make
the faults that no muxer would write. It knows nothing of the package under test.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MICROSECOND = Fraction(1, 1_000_000)
MILLISECOND = Fraction(1, 1000)

# suffix -> (muxer, video codec, audio codec, text subtitle codec); None: the container has none.
KINDS: dict[str, tuple[str, str, str | None, str | None]] = {
    ".mp4": ("mp4", "libx264", "aac", "mov_text"),
    ".mov": ("mov", "libx264", "aac", "mov_text"),
    ".mkv": ("matroska", "libx264", "aac", "subrip"),
    ".webm": ("webm", "libvpx-vp9", "libopus", "webvtt"),
    ".avi": ("avi", "mpeg4", "pcm_s16le", None),
    ".ts": ("mpegts", "libx264", "aac", None),
    ".mpg": ("mpeg", "mpeg2video", "mp2", None),
    ".flv": ("flv", "libx264", "aac", None),
    ".nut": ("nut", "ffv1", "pcm_s16le", None),
    ".wmv": ("asf", "wmv2", "wmav2", None),
    ".wtv": ("wtv", "mpeg2video", "mp2", None),
    ".mxf": ("mxf", "mpeg2video", "pcm_s16le", None),
    ".h264": ("h264", "libx264", None, None),
    ".265": ("hevc", "libx265", None, None),
    ".y4m": ("yuv4mpegpipe", "wrapped_avframe", None, None),
    ".gif": ("gif", "gif", None, None),
    ".apng": ("apng", "apng", None, None),
}

FAST_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "13", "svtav1-params": "lp=1"},
}
"""Private options under which a test clip costs milliseconds."""

EXACT_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "qp": "0", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:lossless=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lossless": "1"},
}
"""Options under which the decoded pictures are those of ``picture``, sample for sample."""


@dataclass(frozen=True, kw_only=True)
class Audio:
    """One audio track of a test file."""

    codec: str | None = None
    """None: the container's usual codec."""
    rate: int = 48000
    layout: str = "stereo"
    language: str | None = None
    title: str | None = None
    default: bool = False
    start_seconds: Fraction = Fraction(0)
    """Time of the first sample relative to the first video frame's nominal time."""


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    """One text track of a test file; a line is (start, end, text), in seconds."""

    lines: Sequence[tuple[float, float, str]] = ((0.1, 0.3, "first line"), (0.35, 0.45, "second"))
    codec: str | None = None
    language: str | None = None
    title: str | None = None
    forced: bool = False


ASS_HEADER = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, "
    "Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, "
    "Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
    "Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


# Pictures ----------------------------------------------------------------------------------------


def picture(
    index: int, width: int = 64, height: int = 48, pix_fmt: str = "yuv420p"
) -> av.VideoFrame:
    """Frame ``index``: a gradient that moves, and a square whose brightness says the index.

    Planar formats of 8 to 16 bit are filled in full, packed ones byte by byte.
    """
    frame = av.VideoFrame(width, height, pix_fmt)
    for number in range(len(frame.planes)):
        samples = plane_samples(frame, number)
        component = _component(frame, number)
        rows, columns = samples.shape
        y = np.arange(rows, dtype=np.uint32)[:, None]
        x = np.arange(columns, dtype=np.uint32)[None, :]
        top = (1 << component.bits) - 1
        values = (16 + (x * 3 + y * 5 + index * 7 * (number + 1)) % 200) * top // 255
        values[: max(rows // 4, 1), : max(columns // 4, 1)] = (32 + 6 * (index % 32)) * top // 255
        samples[:] = values.astype(samples.dtype)
    return frame


def plane_samples(frame: av.VideoFrame, number: int) -> NDArray[Any]:
    """Writable samples of one plane without its row padding; packed pixels as single bytes."""
    plane, fmt = frame.planes[number], frame.format
    packed = sum(1 for c in fmt.components if c.plane == number) > 1
    sample_type = np.uint8 if packed or _component(frame, number).bits <= 8 else np.uint16
    size = np.dtype(sample_type).itemsize
    flat = np.frombuffer(plane, dtype=np.uint8)  # type: ignore[call-overload]
    rows = flat.reshape(-1, plane.line_size)[: plane.height]
    if packed:
        samples_per_pixel = max(fmt.padded_bits_per_pixel // 8, 1)
        pixels: NDArray[Any] = rows[:, : plane.width * samples_per_pixel]
        return pixels
    view: NDArray[Any] = rows[:, : plane.width * size].view(sample_type)
    return view


def _component(frame: av.VideoFrame, number: int) -> av.video.format.VideoFormatComponent:
    return next(
        (c for c in frame.format.components if c.plane == number), frame.format.components[0]
    )


def frame_planes(frame: av.VideoFrame) -> list[NDArray[Any]]:
    """Copies of a frame's planes, for comparisons that do not use the code under test."""
    return [plane_samples(frame, number).copy() for number in range(len(frame.planes))]


# Files -------------------------------------------------------------------------------------------


def write_video(
    path: Path | str,
    *,
    frames: int = 12,
    width: int = 64,
    height: int = 48,
    rate: Fraction | int = 24,
    pix_fmt: str = "yuv420p",
    codec: str | None = None,
    options: Mapping[str, str] | None = None,
    exact: bool = False,
    format_name: str | None = None,
    container_options: Mapping[str, str] | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    gop: int | None = None,
    b_frames: int | None = None,
    pictures: Sequence[av.VideoFrame] | None = None,
    sar: Fraction | None = None,
    rotation: int = 0,
    interlaced: bool = False,
    primaries: int | None = None,
    transfer: int | None = None,
    matrix: int | None = None,
    color_range: int | None = None,
    video_tracks: int = 1,
    default_video: int | None = None,
    video_language: str | None = None,
    audio_tracks: int | Sequence[Audio] = 0,
    audio_seconds: float | None = None,
    subtitles: int | Sequence[Subtitles] = 0,
    chapters: Sequence[tuple[float, float, str]] = (),
    attachments: Sequence[tuple[str, str, bytes]] = (),
    cover: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write one test file and return its path.

    Args:
        pts: the time of each frame in units of ``time_base``; ``frames`` is then its length. Times
            that a muxer refuses (duplicate, backward) are made by ``patch_block_times`` instead.
        exact: lossless where the codec can, so that pictures equal ``picture(i)``.
        pictures: the frames themselves, in place of ``picture(0)``, ``picture(1)`` ...
        rotation: degrees counter-clockwise of the display matrix, as FFmpeg reports them.
        primaries, transfer, matrix, color_range: FFmpeg's AVCOL_* numbers; None leaves no tag.
        default_video: which of several video tracks is marked as the default one.
        audio_tracks, subtitles: how many plain ones, or their descriptions.
        audio_seconds: length of the audio tracks; None is the video's.
        chapters: (start, end, title), in seconds.
        attachments: (file name, MIME type, content); Matroska only.
        cover: "jpeg" or "png" cover art: an attached picture (MP4, MOV), an attachment (Matroska).
    """
    path = Path(path)
    muxer, usual_codec, usual_audio, usual_text = KINDS[path.suffix.lower()]
    codec = codec or usual_codec
    tick = time_base or 1 / Fraction(rate)
    times = (
        list(pts)
        if pts is not None
        else [
            round(i / Fraction(rate) / tick) for i in range(len(pictures) if pictures else frames)
        ]
    )
    tags = {
        "color_primaries": primaries, "color_trc": transfer,
        "colorspace": matrix, "color_range": color_range,
    }  # fmt: skip
    encoder_options = dict((EXACT_OPTIONS if exact else FAST_OPTIONS).get(codec, {}))
    encoder_options.update(options or {})
    length = audio_seconds if audio_seconds is not None else float(len(times) / Fraction(rate))

    output = av.open(
        "file:" + os.path.abspath(path),
        "w",
        format=format_name or muxer,
        container_options=dict(container_options or {}),
    )
    with output:
        output.metadata.update(metadata or {})
        videos = []
        for number in range(video_tracks):
            video = output.add_stream(codec, rate=Fraction(rate), options=encoder_options)
            assert isinstance(video, av.VideoStream)
            video.width, video.height, video.pix_fmt = width, height, pix_fmt
            video.codec_context.time_base = tick
            video.time_base = tick
            if gop is not None:
                video.gop_size = gop
            if b_frames is not None:
                video.max_b_frames = b_frames
            if sar is not None:
                video.codec_context.sample_aspect_ratio = sar
            if rotation:
                video.set_display_rotation(rotation)
            if interlaced:
                video.codec_context.flags |= 1 << 18  # AV_CODEC_FLAG_INTERLACED_DCT
            for name, value in tags.items():
                if value is not None:
                    setattr(video.codec_context, name, value)
            if number == default_video:
                video.disposition = av.stream.Disposition.default
            if video_language is not None:
                video.metadata["language"] = video_language
            videos.append(video)
        sounds = _descriptions(audio_tracks, Audio)
        texts = _descriptions(subtitles, Subtitles)
        audio = [_add_audio(output, sound, usual_audio) for sound in sounds]
        text = [_add_text(output, line, usual_text) for line in texts]
        picture_track = _add_cover(output, cover) if cover else None
        for name, mime, content in attachments:
            output.add_attachment(name, mime, content)
        if chapters:
            output.set_chapters([_chapter(i, *chapter) for i, chapter in enumerate(chapters)])
        output.start_encoding()

        if picture_track is not None:
            packet = av.Packet(still_picture(cover or "png"))
            packet.stream, packet.pts, packet.dts = picture_track, 0, 0
            output.mux(packet)
        tracks = [
            _video_packets(video, times, tick, (width, height, pix_fmt), pictures, tags)
            for video in videos
        ]
        tracks += [_audio_packets(a, s, length) for a, s in zip(audio, sounds, strict=True)]
        tracks += [_text_packets(t, s) for t, s in zip(text, texts, strict=True)]
        # Sorted by time: some muxers keep what they are given in the order they are given it.
        packets = [packet for track in tracks for packet in track]
        for packet in sorted(packets, key=_packet_seconds):
            output.mux(packet)
    return path


def _packet_seconds(packet: av.Packet[Any]) -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    return (time or 0) * Fraction(packet.time_base)


def _descriptions(given: int | Sequence[Any], kind: type[Any]) -> list[Any]:
    return [kind() for _ in range(given)] if isinstance(given, int) else list(given)


def _chapter(index: int, start: float, end: float, title: str) -> Any:
    return {
        "id": index, "start": round(start * 1000), "end": round(end * 1000),
        "time_base": MILLISECOND, "metadata": {"title": title},
    }  # fmt: skip


def _video_packets(
    stream: av.VideoStream,
    times: Sequence[int],
    tick: Fraction,
    shape: tuple[int, int, str],
    pictures: Sequence[av.VideoFrame] | None,
    tags: Mapping[str, int | None],
) -> Iterator[av.Packet[Any]]:
    for index, time in enumerate(times):
        frame = pictures[index] if pictures else picture(index, *shape)
        frame.pts, frame.time_base = time, tick
        for name, value in tags.items():
            if value is not None:
                setattr(frame, name, value)
        yield from stream.encode(frame)
    yield from stream.encode()


def _add_audio(
    output: av.container.OutputContainer, sound: Audio, usual: str | None
) -> av.AudioStream:
    codec = sound.codec or usual
    assert codec is not None, "this container holds no audio"
    stream = output.add_stream(codec, rate=sound.rate)
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.layout = sound.layout
    stream.codec_context.bit_rate = 64_000
    _describe(stream, sound.language, sound.title)
    if sound.default:
        stream.disposition = av.stream.Disposition.default
    return stream


def _describe(stream: Any, language: str | None, title: str | None) -> None:
    if language is not None:
        stream.metadata["language"] = language
    if title is not None:
        stream.metadata["title"] = title


def _audio_packets(
    stream: av.AudioStream, sound: Audio, seconds: float
) -> Iterator[av.Packet[Any]]:
    """A rising tone, so that two places of the track are never equal."""
    total = round(seconds * sound.rate)
    t = np.arange(total) / sound.rate
    wave = (np.sin(2 * np.pi * (220 + 110 * t) * t) * 8000).astype(np.int16)
    channels = av.AudioLayout(sound.layout).nb_channels
    block = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(stream.codec_context.format, sound.layout, sound.rate, block)
    offset = round(sound.start_seconds * sound.rate)
    for begin in range(0, total, block):
        samples = np.repeat(wave[begin : begin + block], channels)[None, :]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=sound.layout)
        frame.sample_rate, frame.pts = sound.rate, begin + offset
        frame.time_base = Fraction(1, sound.rate)
        for part in resampler.resample(frame):
            yield from stream.encode(part)
    for part in resampler.resample(None):
        yield from stream.encode(part)
    yield from stream.encode(None)


def _add_text(
    output: av.container.OutputContainer, description: Subtitles, usual: str | None
) -> Any:
    codec = description.codec or usual
    assert codec is not None, "this container holds no text subtitles"
    if codec in ("ass", "mov_text", "webvtt"):
        stream: Any = output.add_stream(codec)
        stream.codec_context.subtitle_header = ASS_HEADER.encode()
    else:
        stream = output.add_mux_stream(codec)
    stream.time_base = MILLISECOND
    _describe(stream, description.language, description.title)
    if description.forced:
        stream.disposition = av.stream.Disposition.forced
    return stream


def _text_packets(stream: Any, description: Subtitles) -> Iterator[av.Packet[Any]]:
    for number, (start, end, text) in enumerate(description.lines):
        if stream.codec_context is None:
            content = text.encode()
        else:
            line = f"{number},0,Default,,0,0,0,,{text}".encode()
            subtitle = av.subtitles.subtitle.SubtitleSet.create(
                line, 0, round((end - start) * 1000)
            )
            content = bytes(stream.codec_context.encode_subtitle(subtitle))
        packet = av.Packet(content)
        packet.stream, packet.time_base = stream, MILLISECOND
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        yield packet


def still_picture(kind: str, width: int = 32, height: int = 32) -> bytes:
    """One encoded PNG or JPEG picture."""
    codec, pix_fmt = {"png": ("png", "rgb24"), "jpeg": ("mjpeg", "yuvj420p")}[kind]
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pix_fmt
    context.time_base = Fraction(1, 25)
    packets = [*context.encode(picture(0, width, height, pix_fmt)), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def _add_cover(output: av.container.OutputContainer, kind: str) -> Any:
    if output.format.name in ("matroska", "webm"):
        name, mime = {"png": ("cover.png", "image/png"), "jpeg": ("cover.jpg", "image/jpeg")}[kind]
        output.add_attachment(name, mime, still_picture(kind))
        return None
    stream = output.add_mux_stream({"png": "png", "jpeg": "mjpeg"}[kind], width=32, height=32)
    stream.time_base = Fraction(1, 90000)
    stream.disposition = av.stream.Disposition.attached_pic
    return stream


# Faults ------------------------------------------------------------------------------------------


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that are no format."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


def truncate(path: Path, fraction: float) -> Path:
    """Cut the file off after this fraction of its bytes."""
    os.truncate(path, int(path.stat().st_size * fraction))
    return path


@dataclass(frozen=True)
class Block:
    """One SimpleBlock or Block of a Matroska file: where its parts lie in the file."""

    track: int
    time_offset: int
    """Byte offset of the 16-bit time, relative to its cluster's."""
    time: int
    """The relative time, in the file's ticks (1 ms)."""
    cluster_time: int
    data: int
    """Byte offset of the first byte of the packet."""
    end: int
    """Byte offset behind its last byte."""


_MASTERS = {0x18538067: "segment", 0x1F43B675: "cluster", 0xA0: "group"}
_CLUSTER_TIME, _SIMPLE_BLOCK, _BLOCK = 0xE7, 0xA3, 0xA1


def matroska_blocks(path: Path, track: int = 1) -> list[Block]:
    """Every block of one track (tracks count from 1), in file order."""
    content = path.read_bytes()
    found: list[Block] = []
    position, cluster_time = 0, 0
    while position < len(content):
        element, position = _vint(content, position, keep_marker=True)
        size, position = _vint(content, position)
        if element in _MASTERS:
            continue
        if element == _CLUSTER_TIME:
            cluster_time = int.from_bytes(content[position : position + size], "big")
        elif element in (_SIMPLE_BLOCK, _BLOCK):
            number, at = _vint(content, position)
            (time,) = struct.unpack_from(">h", content, at)
            if number == track:
                found.append(Block(number, at, time, cluster_time, at + 3, position + size))
        position += size
    return found


def _vint(content: bytes, position: int, *, keep_marker: bool = False) -> tuple[int, int]:
    """An EBML variable-length number (RFC 8794, section 4) and the position behind it."""
    length = 9 - content[position].bit_length()
    value = int.from_bytes(content[position : position + length], "big")
    if not keep_marker:
        value &= (1 << (7 * length)) - 1
    return value, position + length


def patch_block_times(path: Path, times_ms: Mapping[int, int], track: int = 1) -> Path:
    """Set the time of block n of a Matroska track (file order): what no muxer would write."""
    blocks = matroska_blocks(path, track)
    content = bytearray(path.read_bytes())
    for index, time in times_ms.items():
        block = blocks[index]
        struct.pack_into(">h", content, block.time_offset, time - block.cluster_time)
    path.write_bytes(content)
    return path


def corrupt_blocks(path: Path, indices: Sequence[int], track: int = 1) -> Path:
    """Overwrite these packets of a Matroska track with noise that decodes to no picture."""
    blocks = matroska_blocks(path, track)
    content = bytearray(path.read_bytes())
    for index in indices:
        block = blocks[index]
        content[block.data : block.end] = noise(block.end - block.data, index)
    path.write_bytes(content)
    return path
