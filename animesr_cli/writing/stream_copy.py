"""Copying everything of a file but the pictures: sound, subtitles, attachments, chapters, tags.

Packets are copied bit for bit from a second opening of the input, at the pace of the video, so
that nothing waits in memory. Text subtitles are converted where the container holds only another
kind; what it cannot hold at all is named to the user and left out. It does not know how pictures
are made or written.

Whether a container holds a stream is asked of FFmpeg itself: a file with that stream alone is begun
in memory.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import OutputContainer
from av.stream import AttachmentStream, Discard, Disposition, Stream
from av.subtitles.codeccontext import SubtitleCodecContext

from animesr_cli.errors import OutputError
from animesr_cli.reading.probe import AVFMT_TS_DISCONT, codec_name, continuous, demux
from animesr_cli.video.containers import open_input, open_output
from animesr_cli.video.timestamps import ContinuousClock, seconds, ticks

log = logging.getLogger(__name__)

Warn = Callable[[str], None]
Packet: TypeAlias = "av.Packet[Any]"

TEXT_CODECS: Final = {
    "mp4": "mov_text",
    "mov": "mov_text",
    "matroska": "subrip",
    "webm": "webvtt",
}
"""What text subtitles become, where the container does not hold them as they are."""
TITLES: Final = {"mp4": "MP4", "mov": "MOV", "matroska": "Matroska", "webm": "WebM"}

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

INTERLEAVE: Final = Fraction(10)
"""Seconds that the packets of one moment lie apart in a file, at most."""

FIRST_PACKETS: Final = 500
"""Packets of a file among which the first of each stream is looked for."""

UNNAMED_LAYOUTS: Final = {"1 channels": "mono", "2 channels": "stereo"}
"""FFmpeg's names of layouts that a file does not tell -> what they are."""

MAX_LOST_PACKETS: Final = 100
"""Damaged packets of one stream that are left out before the run is given up."""

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


def _describe(target: Stream, source: Stream, *, statistics: bool) -> None:
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
        first, last = (seconds(chapter[edge], time_base) for edge in ("start", "end"))
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


def _fits(stream: Stream, format_name: str, first: bytes | None = None) -> bool:
    """Whether FFmpeg makes a file of this container with this stream and its first packet alone."""
    if isinstance(stream, AttachmentStream):
        return format_name == "matroska"
    trial = open_output(io.BytesIO(), format_name=format_name)
    try:
        target = _add_copy(trial, stream)
        trial.start_encoding()
        if first is not None:
            packet: Packet = av.Packet(first)
            packet.stream, packet.pts, packet.dts, packet.duration = target, 0, 0, 1
            with suppress(av.FFmpegError):  # damaged: that says nothing of the container
                trial.mux_one(packet)
        trial.close()  # MP4 describes its streams at the end
    except (av.FFmpegError, ValueError):
        return False
    return True


def _add_copy(output: OutputContainer, stream: Stream) -> Stream:
    target = output.add_stream_from_template(stream, opaque=True)
    context = target.codec_context
    if isinstance(context, AudioCodecContext) and context.layout.name in UNNAMED_LAYOUTS:
        # As AVI and Matroska leave PCM; MP4 refuses it, at the very end of the file.
        context.layout = UNNAMED_LAYOUTS[context.layout.name]
    return target


def _cover_fits(stream: Stream, format_name: str) -> bool:
    if format_name == "matroska":
        return "mimetype" in stream.metadata or codec_name(stream) in COVER_FILES
    return format_name == "mp4" and _fits(stream, format_name)


def _first_packets(source: Path) -> dict[int, bytes]:
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


def _is_text(stream: Stream) -> bool:
    return isinstance(stream.codec_context, SubtitleCodecContext) and bool(
        stream.codec_context.codec.text_sub
    )


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_chapter_list(stream: Stream) -> bool:
    """MP4 keeps chapter titles as a hidden text track; the muxer makes a new one."""
    return stream.type == "data" and stream.discard == Discard.all


def _is_headless(stream: Stream) -> bool:
    """AAC without its settings: no player could decode it, and muxers find out too late."""
    context: Any = stream.codec_context  # None where there is no decoder, whatever the stub says
    return (
        stream.container.format.name.startswith(("flv", "matroska", "mov"))
        and context is not None
        and codec_name(stream) == "aac"
        and not context.extradata
    )


def _is_timecode(stream: Stream) -> bool:
    """MOV's timecode track; the muxer makes a new one from the tag of the video."""
    return stream.type == "data" and "timecode" in stream.metadata


def is_filler(stream: Stream, size: int) -> bool:
    """Whether a packet only marks a gap, which muxers add and leave out as they need."""
    return size == 0 or (size <= EMPTY_TEXT_BYTES and codec_name(stream) == "mov_text")


def _name(stream: Stream) -> str:
    """A stream for people: ``subtitle stream #3 (hdmv_pgs_subtitle, eng)``."""
    kind = "cover" if _is_cover(stream) else f"{stream.type} stream"
    words = [codec_name(stream)]
    if stream.type == "attachment" and "filename" in stream.metadata:
        words = [stream.metadata["filename"]]
    if language := stream.metadata.get("language"):
        words.append(language)
    return f"{kind} #{stream.index} ({', '.join(words)})"


# ---- one stream ----------------------------------------------------------------------------------


class _Copy:
    """One stream whose packets are passed on as they are, on the output's clock."""

    def __init__(self, source: Stream, target: Stream, origin: Fraction) -> None:
        assert source.time_base
        self.source = source
        self.target = target
        self.time_base = Fraction(source.time_base)
        self.shift = ticks(origin, self.time_base)
        self.last_dts: int | None = None
        self.count = 0
        self.bytes = 0
        self.lost = 0
        self.is_certain = True
        """Whether it is known how many packets are in the file."""

    def convert(self, packet: Packet) -> Packet | None:
        """The packet to write; None: there is nothing in it to write."""
        if is_filler(self.target, packet.size):
            return None
        pts, dts = packet.pts, packet.dts
        if pts is None and dts is None and self.last_dts is not None:
            self.lost += 1  # a muxer would refuse it later, over some other packet
            return None
        if pts is not None:
            pts -= self.shift
        if dts is not None:
            dts -= self.shift
            if self.last_dts is not None and dts <= self.last_dts:
                dts = self.last_dts + 1  # no muxer takes times that do not rise
            pts = max(pts, dts) if pts is not None else dts
            if not packet.duration and self.last_dts is not None and self.source.type == "audio":
                packet.duration = dts - self.last_dts  # the last would not be played without one
            self.last_dts = dts
        packet.pts, packet.dts = pts, dts
        return packet


class _TextConversion(_Copy):
    """A text subtitle whose lines are decoded and encoded again, each at its own time."""

    def __init__(self, source: Stream, target: Stream, origin: Fraction) -> None:
        super().__init__(source, target, origin)
        target.time_base = self.time_base
        decoder, encoder = source.codec_context, target.codec_context
        assert isinstance(decoder, SubtitleCodecContext)
        assert isinstance(encoder, SubtitleCodecContext)
        decoder.open(strict=False)
        encoder.subtitle_header = decoder.subtitle_header
        self.decoder, self.encoder = decoder, encoder

    def convert(self, packet: Packet) -> Packet | None:
        subtitle = self.decoder.decode2(packet)
        if subtitle is None or not len(subtitle):
            return None
        converted: Packet = av.Packet(bytes(self.encoder.encode_subtitle(subtitle)))
        converted.time_base = self.time_base
        converted.pts, converted.dts = packet.pts, packet.dts
        converted.duration = packet.duration
        return super().convert(converted)


# ---- all of them ---------------------------------------------------------------------------------


class NoStreams:
    """In place of a ``StreamCopier`` where the source is nothing but pictures."""

    counts: Final[Mapping[int, int]] = {}
    sizes: Final[Mapping[int, int]] = {}

    def mux_until(self, until: Fraction | None) -> None:
        """There is nothing to write."""

    def finish(self, until: Fraction | None = None) -> None:
        """There is nothing to write."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing was opened."""


class StreamCopier:
    """Adds the streams of ``source`` to an output that is not begun yet, then copies at its pace.

    The caller adds its video first, then makes the copier, begins the output, and calls
    ``mux_until`` before each of its own packets and ``finish`` after the last.

    Args:
        video_stream_index: the stream of ``source`` that the caller writes itself.
        origin: seconds that are subtracted from every time.
        start, end: seconds on the source's own clock; packets that begin in [start, end) are kept.
            With ``start``, nothing from before ``origin`` is.
        chapters_end: where chapters are cut off; None is ``end``.
    """

    def __init__(
        self,
        source: Path,
        output: OutputContainer,
        *,
        format_name: str,
        video_stream_index: int,
        origin: Fraction,
        start: Fraction | None = None,
        end: Fraction | None = None,
        chapters_end: Fraction | None = None,
        warn: Warn = log.warning,
    ) -> None:
        self._source = source
        self._output = output
        self._format = format_name
        self._origin = origin
        self._start = None if start is None else max(start, origin)
        self._end = end
        self._chapters_end = end if chapters_end is None else chapters_end
        self._warn = warn
        self._copies: dict[int, _Copy] = {}  # by index in the source
        self._covers: list[tuple[Stream, bytes]] = []  # written directly after the header
        self._held: Packet | None = None  # read, and not due yet
        self._input = open_input(source)
        try:
            self._video = self._input.streams[video_stream_index]
            self._add_streams()
            self._copy_tags()
            self._packets = self._read()
        except BaseException:
            self._input.close()
            raise

    # -- before the header

    @property
    def _cut(self) -> bool:
        return self._start is not None or self._chapters_end is not None

    def _add_streams(self) -> None:
        """Tracks in the source's order; covers and attachments behind, as demuxers list them."""
        first = _first_packets(self._source)
        streams = [s for s in self._input.streams if s.index != self._video.index]
        covers = [s for s in streams if _is_cover(s)]
        attachments = [s for s in streams if isinstance(s, AttachmentStream)]
        for stream in streams:
            if stream not in covers and stream not in attachments:
                self._add_track(stream, first.get(stream.index))
        for stream in covers:
            self._add_cover(stream, first.get(stream.index))
        for stream in attachments:
            self._add_attachment(stream)
        for stream in self._input.streams:
            if stream.index not in self._copies and not self._may_jump:
                stream.discard = Discard.all

    @property
    def _may_jump(self) -> bool:
        """Whether every packet is needed, to follow the clock of the pictures."""
        return bool(self._input.format.flags & AVFMT_TS_DISCONT)

    def _add_track(self, stream: Stream, first: bytes | None) -> None:
        if _is_chapter_list(stream) or _is_timecode(stream):
            return
        if _is_headless(stream):
            self._warn(f"{_name(stream)} is damaged: it is left out")
        elif not stream.time_base:
            self._leave_out(stream)
        elif _fits(stream, self._format, first):
            target = _add_copy(self._output, stream)
            self._copies[stream.index] = _Copy(stream, target, self._origin)
            _describe(target, stream, statistics=not self._cut)
        elif _is_text(stream):
            target = self._output.add_stream(TEXT_CODECS[self._format])
            self._copies[stream.index] = _TextConversion(stream, target, self._origin)
            _describe(target, stream, statistics=False)
            if codec_name(stream) in STYLED_TEXT:
                self._warn(
                    f"{_name(stream)} becomes plain text in {TITLES[self._format]}, without its "
                    "styles; .mkv keeps them"
                )
        else:
            self._leave_out(stream)

    def _add_cover(self, stream: Stream, picture: bytes | None) -> None:
        if picture is None or not _cover_fits(stream, self._format):
            self._leave_out(stream)
        elif self._format == "matroska":
            usual = COVER_FILES.get(codec_name(stream), ("cover", ""))
            name = stream.metadata.get("filename", usual[0])
            mimetype = stream.metadata.get("mimetype", usual[1])
            target = self._output.add_attachment(name, mimetype, picture)
            target.metadata.update(kept_tags(stream.metadata))
        else:
            added = self._output.add_stream_from_template(stream, opaque=True)
            _describe(added, stream, statistics=False)
            self._covers.append((added, picture))

    def _add_attachment(self, stream: AttachmentStream) -> None:
        if not _fits(stream, self._format):
            self._leave_out(stream)
            return
        target = self._output.add_attachment(stream.name or "", stream.mimetype or "", stream.data)
        target.metadata.update(stream.metadata)

    def _leave_out(self, stream: Stream) -> None:
        advice = ""
        if self._format != "matroska" and (
            _cover_fits(stream, "matroska") if _is_cover(stream) else _fits(stream, "matroska")
        ):
            advice = "; .mkv keeps it"
        self._warn(f"{TITLES[self._format]} cannot hold {_name(stream)}: it is left out{advice}")

    def _copy_tags(self) -> None:
        self._output.metadata.update(kept_tags(self._input.metadata))
        chapters = cut_chapters(
            self._input.chapters(), self._origin, self._start, self._chapters_end
        )
        if chapters:
            self._output.set_chapters(chapters)

    def describe_video(self, target: Stream) -> None:
        """Give the caller's video the language, title and disposition of the source's."""
        _describe(target, self._video, statistics=False)

    # -- after the header

    def mux_until(self, until: Fraction | None) -> None:
        """Write what begins before ``until``, in seconds on the output's clock; None: the rest."""
        self._mux_covers()
        while (packet := self._next()) is not None:
            copy = self._copies[packet.stream_index]
            time = self._time(packet)
            if until is not None and time is not None and time - self._origin >= until:
                return
            self._held = None
            if self._within(time):
                self._mux(copy, packet)

    def finish(self, until: Fraction | None = None) -> None:
        """Write the rest, or the rest up to ``until`` on the output's clock."""
        self.mux_until(until)
        for copy in self._copies.values():
            if copy.lost:
                self._warn(f"{copy.lost} damaged packets of {_name(copy.source)} are left out")

    @property
    def counts(self) -> dict[int, int]:
        """Packets written so far, by index in the output; none of streams with a refused one."""
        return {c.target.index: c.count for c in self._copies.values() if c.is_certain}

    @property
    def sizes(self) -> dict[int, int]:
        """Bytes of the same packets."""
        return {copy.target.index: copy.bytes for copy in self._copies.values()}

    def close(self) -> None:
        self._input.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> Iterator[Packet]:
        if not self._copies:
            return
        if self._start is not None:
            self._seek(self._start - INTERLEAVE)
        for packet in continuous(self._input, demux(self._input), ContinuousClock()):
            if packet.size == 0 or packet.stream_index not in self._copies:
                continue
            time = self._time(packet)
            late = time is not None and self._end is not None and time > self._end + INTERLEAVE
            if late:
                return
            yield packet

    def _seek(self, time: Fraction) -> None:
        if time <= 0:
            return
        try:
            self._input.seek(int(time * 1_000_000))
        except av.FFmpegError as error:
            log.info("reading the other streams from the beginning: %s", error)

    def _next(self) -> Packet | None:
        if self._held is None:
            self._held = next(self._packets, None)
        return self._held

    def _time(self, packet: Packet) -> Fraction | None:
        ts = packet.dts if packet.dts is not None else packet.pts
        return None if ts is None else seconds(ts, self._copies[packet.stream_index].time_base)

    def _within(self, time: Fraction | None) -> bool:
        if time is None:
            return not self._cut
        after_start = self._start is None or time >= self._start
        return after_start and (self._end is None or time < self._end)

    def _mux_covers(self) -> None:
        for target, picture in self._covers:
            packet: Packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = target, 0, 0
            packet.is_keyframe = True
            self._output.mux_one(packet)
        self._covers.clear()

    def _mux(self, copy: _Copy, packet: Packet) -> None:
        try:
            converted = copy.convert(packet)
            if converted is None:
                return
            converted.stream = copy.target
            copy.is_certain, before = False, copy.is_certain  # a muxer may keep what it refuses
            self._output.mux_one(converted)
            copy.is_certain = before
        except (av.InvalidDataError, av.ArgumentError, av.PatchWelcomeError) as error:
            copy.lost += 1
            log.info("a packet of %s: %s", _name(copy.source), error)
            if copy.lost > MAX_LOST_PACKETS:
                raise OutputError(
                    f"{_name(copy.source)} cannot be copied: more than {MAX_LOST_PACKETS} of its "
                    f"packets are damaged ({error.strerror})",
                    "copy the input to .mkv without it first, with a tool such as mkvmerge",
                ) from error
        else:
            copy.count += 1
            copy.bytes += converted.size
