"""What a container holds of the streams of another file, and how streams are described.

Whether a container holds a stream is asked of FFmpeg itself: a file with that stream alone is begun
in memory, and its header is read back.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import OutputContainer
from av.stream import AttachmentStream, Discard, Disposition, Stream
from av.subtitles.codeccontext import SubtitleCodecContext

from animesr_cli.reading.packets import codec_name, demux
from animesr_cli.video.containers import open_input, open_output
from animesr_cli.video.timestamps import ticks
from animesr_cli.writing.mp4_boxes import sample_kinds
from animesr_cli.writing.packet_log import Packet

STYLED_TEXT: Final = frozenset({"ass", "ssa"})
"""Subtitles that lose their styles and places when they are converted."""

COVER_FILES: Final = {
    "mjpeg": ("cover.jpg", "image/jpeg"),
    "png": ("cover.png", "image/png"),
    "bmp": ("cover.bmp", "image/bmp"),
    "gif": ("cover.gif", "image/gif"),
    "webp": ("cover.webp", "image/webp"),
    "tiff": ("cover.tiff", "image/tiff"),
}
"""Name and type under which Matroska attaches a cover that came without them."""

FIRST_PACKETS: Final = 500
"""Packets of a file among which the first of each stream is looked for."""

PCM_OF_24_BITS: Final = frozenset({"pcm_dvd", "pcm_bluray"})
"""Sound of discs that is decoded to 32 bits, of which it has 20 or 24."""
PCM_ENCODERS: Final = {
    "u8": "pcm_u8", "s16": "pcm_s16le", "s24": "pcm_s24le", "s32": "pcm_s32le",
    "flt": "pcm_f32le", "dbl": "pcm_f64le",
}  # fmt: skip
"""By FFmpeg's name of the decoded samples."""

UNNAMED_LAYOUTS: Final = {"1 channels": "mono", "2 channels": "stereo"}
"""FFmpeg's names of layouts that a file does not tell -> what they are."""

EMPTY_TEXT_BYTES: Final = 2
"""mov_text has no gaps: a packet of this size says that nothing is shown."""

# ---- tags ----------------------------------------------------------------------------------------

# What describes the file or its making rather than the film: the muxer writes its own.
_FILE_TAGS: Final = frozenset(
    {"encoder", "duration", "major_brand", "minor_version", "compatible_brands", "vendor_id"}
)
# mkvmerge's statistics, which are of the packets: true only where all of them are copied.
_STATISTICS: Final = ("bps", "number_of_frames", "number_of_bytes", "_statistics_")


def kept_tags(tags: Mapping[str, str], *, statistics: bool = True) -> dict[str, str]:
    """The tags that are still true of the output."""
    kept = {}
    for key, value in tags.items():
        name = key.lower()
        if name in _FILE_TAGS or name.startswith("duration-"):
            continue
        if name.startswith(_STATISTICS) and not statistics:
            continue
        kept[key] = value
    return kept


def describe(target: Stream, source: Stream, *, statistics: bool) -> None:
    tags = kept_tags(source.metadata, statistics=statistics)
    if "name" in tags:  # FFmpeg reads an MP4 track's title under this key, and writes "title"
        tags.setdefault("title", tags.pop("name"))
    target.metadata.update(tags)
    target.disposition = source.disposition


def cut_chapters(
    chapters: list[Any], origin: Fraction, start: Fraction | None, end: Fraction | None
) -> list[Any]:
    """The chapters that reach into [start, end), moved by ``origin`` and clipped to it."""
    kept = []
    for chapter in chapters:
        time_base = Fraction(chapter["time_base"])
        first, last = (chapter[edge] * time_base for edge in ("start", "end"))
        if (start is not None and last <= start) or (end is not None and first >= end):
            continue
        last = last if end is None else min(last, end)
        kept.append(
            {
                **chapter,
                "start": max(ticks(first - origin, time_base), 0),
                "end": max(ticks(last - origin, time_base), 0),
            }
        )
    return kept


# ---- what a container holds ----------------------------------------------------------------------


def fits(stream: Stream, format_name: str, first: bytes | None = None) -> bool:
    """Whether FFmpeg makes a file of this container with this stream and its first packet alone."""
    if isinstance(stream, AttachmentStream):
        return format_name == "matroska"
    file = io.BytesIO()
    trial = open_output(file, format_name=format_name)
    try:
        target = add_copy(trial, stream)
        trial.start_encoding()
        if first is None and stream.type == "data":
            first = bytes(8)  # MP4 describes no track that is empty
        if first is not None:
            packet: Packet = av.Packet(first)
            packet.stream, packet.pts, packet.dts, packet.duration = target, 0, 0, 1
            with suppress(av.FFmpegError):  # damaged: that says nothing of the container
                trial.mux_one(packet)
        trial.close()  # MP4 describes its streams at the end
    except (av.FFmpegError, ValueError):
        return False
    return format_name not in ("mp4", "mov") or all(sample_kinds(file))


def pcm_form(stream: Stream, format_name: str) -> str | None:
    """The encoder of uncompressed sound that holds the same samples in this container, if any."""
    name, context = codec_name(stream), stream.codec_context
    if not name.startswith("pcm_") or not isinstance(context, AudioCodecContext):
        return None
    sample = context.format.name.rstrip("p")
    if sample == "s32" and (name in PCM_OF_24_BITS or "24" in name):
        sample = "s24"
    encoder = PCM_ENCODERS.get(sample)
    if encoder is None:
        return None
    trial = open_output(io.BytesIO(), format_name=format_name)
    try:
        trial.add_stream(encoder, rate=context.rate, layout=context.layout.name)
        trial.start_encoding()
        trial.close()
    except (av.FFmpegError, ValueError):
        return None
    return encoder


def add_copy(output: OutputContainer, stream: Stream) -> Stream:
    target = output.add_stream_from_template(stream, opaque=True)
    context = target.codec_context
    if isinstance(context, AudioCodecContext) and context.layout.name in UNNAMED_LAYOUTS:
        # As AVI and Matroska leave PCM; MP4 refuses it, at the very end of the file.
        context.layout = UNNAMED_LAYOUTS[context.layout.name]
    return target


def cover_fits(stream: Stream, format_name: str) -> bool:
    if format_name == "matroska":
        return "mimetype" in stream.metadata or codec_name(stream) in COVER_FILES
    return format_name == "mp4" and fits(stream, format_name)


def first_packets(source: Path) -> dict[int, bytes]:
    """The first packet of each stream that has one soon; covers come before anything else."""
    found: dict[int, bytes] = {}
    with open_input(source) as container:
        wanted = sum(stream.type not in ("attachment", "data") for stream in container.streams)
        for packet in itertools.islice(demux(container), FIRST_PACKETS):
            if packet.size and packet.stream_index not in found:
                found[packet.stream_index] = bytes(packet)
            if len(found) >= wanted:
                break
    return found


def is_text(stream: Stream) -> bool:
    return isinstance(stream.codec_context, SubtitleCodecContext) and bool(
        stream.codec_context.codec.text_sub
    )


def is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def is_chapter_list(stream: Stream) -> bool:
    """MP4 keeps chapter titles as a hidden text track; the muxer makes a new one."""
    return stream.type == "data" and stream.discard == Discard.all


def is_headless(stream: Stream) -> bool:
    """AAC without its settings: no player could decode it, and muxers find out too late."""
    context: Any = stream.codec_context  # None where there is no decoder, whatever the stub says
    return (
        stream.container.format.name.startswith(("flv", "matroska", "mov"))
        and context is not None
        and codec_name(stream) == "aac"
        and not context.extradata
    )


def is_timecode(stream: Stream) -> bool:
    """MOV's timecode track; the muxer makes a new one from the tag of the video."""
    return stream.type == "data" and "timecode" in stream.metadata


def is_filler(stream: Stream, size: int) -> bool:
    """Whether a packet only marks a gap, which muxers add and leave out as they need."""
    return size == 0 or (size <= EMPTY_TEXT_BYTES and codec_name(stream) == "mov_text")


def stream_name(stream: Stream) -> str:
    """A stream for people: ``subtitle stream #3 (hdmv_pgs_subtitle, eng)``."""
    kind = "cover" if is_cover(stream) else f"{stream.type} stream"
    words = [codec_name(stream)]
    if stream.type == "attachment" and "filename" in stream.metadata:
        words = [stream.metadata["filename"]]
    if language := stream.metadata.get("language"):
        words.append(language)
    return f"{kind} #{stream.index} ({', '.join(words)})"
