"""Copying everything of a file but the pictures: sound, subtitles, attachments, chapters, tags.

Packets are copied bit for bit from a second opening of the input, at the pace of the video, so
that nothing waits in memory. Text subtitles and uncompressed sound are converted where the
container holds only another form; what it cannot hold at all is named to the user and left out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import Final, Self

import av
from av.container import OutputContainer
from av.stream import AttachmentStream, Discard, Stream

from animesr_cli.errors import OutputError, Warn
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.matroska_facts import matroska_remarks
from animesr_cli.reading.packets import AVFMT_TS_DISCONT, codec_name, continuous, demux
from animesr_cli.video.containers import open_input
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.stream_header import read_stream_header
from animesr_cli.video.timestamps import ContinuousClock
from animesr_cli.writing.encoders import format_named
from animesr_cli.writing.packet_copy import PacketCopy, PcmConversion, TextConversion
from animesr_cli.writing.packet_log import Packet, PacketLog
from animesr_cli.writing.stream_support import (
    COVER_FILES,
    STYLED_TEXT,
    add_copy,
    cover_fits,
    cut_chapters,
    describe,
    first_packets,
    fits,
    is_chapter_list,
    is_cover,
    is_headless,
    is_text,
    is_timecode,
    kept_tags,
    pcm_form,
    stream_name,
)
from animesr_cli.writing.subtitle_text import TextSurvey, conversion_remarks, survey_text

log = logging.getLogger(__name__)

INTERLEAVE: Final = Fraction(10)
"""Seconds that the packets of one moment lie apart in a file, at most."""

MAX_LOST_PACKETS: Final = 100
"""Damaged packets of one stream that are left out before the run is given up."""


RISING: Final = frozenset({"mp4", "mov"})
"""Containers whose packets may not share a time; the same have edit lists, which hide sound."""


class StreamCopier:
    """Adds the streams of ``source`` to an output that is not begun yet, then copies at its pace.

    The caller adds its video first, then makes the copier, begins the output, and calls
    ``mux_until`` before each of its own packets and ``finish`` after the last.

    Args:
        source: the caller writes its ``stream_index`` itself.
        origin: seconds that are subtracted from every time.
        part: packets that begin between its start and end are kept, chapters are cut to it. With a
            start, nothing from before ``origin`` is kept.
    """

    def __init__(
        self,
        source: VideoInfo,
        output: OutputContainer,
        *,
        format_name: str,
        origin: Fraction,
        part: Part = WHOLE,
        warn: Warn = log.warning,
    ) -> None:
        self._source = source.path
        self._output = output
        self._format = format_name
        self._container = format_named(format_name)
        self._rising = format_name in RISING
        self._origin = origin
        # On the source's own clock, as its packets are.
        begin = source.clock_start
        self._start = None if part.start is None else max(part.start + begin, origin)
        self._end = self._chapters_end = None if part.end is None else part.end + begin
        if part.frames is not None and source.frame_rate is not None:
            last = (part.start or 0) + part.frames / source.frame_rate + begin
            self._chapters_end = last if self._end is None else min(self._end, last)
        self._warn = warn
        self._copies: dict[int, PacketCopy] = {}  # by index in the source
        self._covers: list[tuple[Stream, bytes]] = []  # written directly after the header
        self._held: Packet | None = None  # read, and not due yet
        self._input = open_input(source.path)
        try:
            self._video = self._input.streams[source.stream_index]
            self._add_streams()
            self._copy_tags()
            for remark in (*matroska_remarks(source.path), *self._view_remarks()):
                self._warn(remark)
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
        first = first_packets(self._source)
        streams = [s for s in self._input.streams if s.index != self._video.index]
        covers = [s for s in streams if is_cover(s)]
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
        if is_chapter_list(stream) or is_timecode(stream):
            return
        if is_headless(stream):
            self._warn(f"{stream_name(stream)} is damaged: it is left out")
        elif not stream.time_base:
            self._leave_out(stream)
        elif fits(stream, self._format, first):
            target = add_copy(self._output, stream)
            self._add(PacketCopy(stream, target, self._origin, rising=self._rising))
            describe(target, stream, statistics=not self._cut)
        elif is_text(stream):
            self._add_text(stream)
        elif encoder := pcm_form(stream, self._format):
            assert isinstance(stream, av.AudioStream)
            target = self._output.add_stream(encoder, rate=stream.rate, layout=stream.layout.name)
            self._add(PcmConversion(stream, target, self._origin, rising=self._rising))
            describe(target, stream, statistics=False)
            log.info("%s becomes %s, sample for sample", stream_name(stream), encoder)
        else:
            self._leave_out(stream)

    def _add(self, copy: PacketCopy) -> None:
        self._copies[copy.source.index] = copy

    def _add_text(self, stream: Stream) -> None:
        survey, name = self._surveys[stream.index], stream_name(stream)
        charset = survey.charset
        if survey.not_utf8 > MAX_LOST_PACKETS and charset is None:
            self._warn(
                f"the text of {name} is not UTF-8, and what it is cannot be told: it is left out; "
                ".mkv keeps it"
            )
            return
        target = self._output.add_stream(self._container.text_codec)
        self._add(
            TextConversion(
                stream, target, self._origin,
                rising=self._rising, charset=charset,
            )
        )  # fmt: skip
        describe(target, stream, statistics=False)
        title = self._container.title
        if codec_name(stream) in STYLED_TEXT:
            self._warn(f"{name} becomes plain text in {title}, without its styles; .mkv keeps them")
        for remark in conversion_remarks(survey, name, title):
            self._warn(remark)

    @cached_property
    def _surveys(self) -> dict[int, TextSurvey]:
        """What is in the text streams, looked at when the first one has to be converted."""
        indices = {s.index for s in self._input.streams if is_text(s)}
        return survey_text(self._source, indices)

    def _add_cover(self, stream: Stream, picture: bytes | None) -> None:
        if picture is None or not cover_fits(stream, self._format):
            self._leave_out(stream)
        elif self._format == "matroska":
            usual = COVER_FILES.get(codec_name(stream), ("cover", ""))
            name = stream.metadata.get("filename", usual[0])
            mimetype = stream.metadata.get("mimetype", usual[1])
            target = self._output.add_attachment(name, mimetype, picture)
            target.metadata.update(kept_tags(stream.metadata))
        else:
            added = self._output.add_stream_from_template(stream, opaque=True)
            describe(added, stream, statistics=False)
            self._covers.append((added, picture))

    def _add_attachment(self, stream: AttachmentStream) -> None:
        if not fits(stream, self._format):
            self._leave_out(stream)
            return
        target = self._output.add_attachment(stream.name or "", stream.mimetype or "", stream.data)
        target.metadata.update(stream.metadata)

    def _leave_out(self, stream: Stream) -> None:
        advice = ""
        if self._format != "matroska" and (
            cover_fits(stream, "matroska") if is_cover(stream) else fits(stream, "matroska")
        ):
            advice = "; .mkv keeps it"
        self._warn(
            f"{self._container.title} cannot hold {stream_name(stream)}: it is left out{advice}"
        )

    def _copy_tags(self) -> None:
        self._output.metadata.update(kept_tags(self._input.metadata))
        chapters = cut_chapters(
            self._input.chapters(), self._origin, self._start, self._chapters_end
        )
        if chapters:
            self._output.set_chapters(chapters)

    def _view_remarks(self) -> Iterator[str]:
        """What is special about how the pictures are to be looked at, and is not kept."""
        assert isinstance(self._video, av.VideoStream)
        header = read_stream_header(self._video)
        if header.spherical:
            yield "the input is a 360-degree video, which the output does not say"
        if header.stereo and not (
            self._format == "matroska" and "stereo_mode" in self._video.metadata
        ):
            yield "the input has two views in each picture (3D), which the output does not say"

    def describe_video(self, target: Stream) -> None:
        """Give the caller's video the language, title and disposition of the source's."""
        describe(target, self._video, statistics=False)
        target.metadata.pop("alpha_mode", None)  # WebM's, of its own kind of transparency

    # -- after the header

    def mux_until(self, until: Fraction | None) -> None:
        """Write what begins before ``until``, in seconds on the output's clock; None: the rest."""
        self._mux_covers()
        while (packet := self._next()) is not None:
            copy = self._copies[packet.stream_index]
            time = self._time(packet)
            if until is not None and time is not None and time - self._origin >= until:
                break
            self._held = None
            if self._within(time):
                self._mux(copy, copy.convert(packet))
        for copy in self._copies.values():
            self._mux(copy, copy.due(None if until is None else until + self._origin))

    def finish(self, until: Fraction | None = None) -> None:
        """Write the rest, or the rest up to ``until`` on the output's clock."""
        self.mux_until(until)
        for copy in self._copies.values():
            self._mux(copy, copy.due(None))
            name = stream_name(copy.source)
            if copy.lost:
                self._warn(f"{copy.lost} damaged packets of {name} are left out")
            if copy.silence:
                self._warn(f"gaps in {name} are filled with {float(copy.silence):.3f} s of silence")
            if copy.moved:
                self._warn(
                    f"{copy.moved} packets of {name} are up to {float(copy.largest_move):.3f} s "
                    f"away from their times: {self._container.title} cannot hold times that go "
                    "backward"
                    + (" or repeat, nor gaps in uncompressed sound" if self._rising else "")
                )

    @property
    def logs(self) -> dict[int, PacketLog]:
        """What was written so far, by index in the output, less streams with a refused packet."""
        return {c.target.index: c.log for c in self._copies.values() if c.is_certain}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._input.close()

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
        return None if ts is None else ts * self._copies[packet.stream_index].time_base

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

    def _mux(self, copy: PacketCopy, converted: Iterator[tuple[Packet, int | None]]) -> None:
        try:
            for packet, wanted in converted:
                packet.stream = copy.target
                copy.is_certain, before = False, copy.is_certain  # a muxer may keep what it refuses
                size = packet.size
                self._output.mux_one(packet)
                copy.is_certain = before
                copy.log.add(wanted, size)
        except (av.InvalidDataError, av.ArgumentError, av.PatchWelcomeError) as error:
            copy.lost += 1
            log.info("a packet of %s: %s", stream_name(copy.source), error)
            if copy.lost > MAX_LOST_PACKETS:
                raise OutputError(
                    f"{stream_name(copy.source)} cannot be copied: more than {MAX_LOST_PACKETS} "
                    f"of its packets are damaged ({error.strerror})",
                    "copy the input to .mkv without it first, with a tool such as mkvmerge",
                ) from error
