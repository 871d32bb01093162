"""Writing the output: it is complete, verified and under its name, or it does not exist.

Pictures are encoded and muxed, the other streams of the input beside them, into a hidden part file.
That file is closed, read back, compared with what was handed in, and only then given its name.

Times are exact: the video keeps the source's time base, which MP4 and MOV store as it is; Matroska
and WebM round to their millisecond.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import av
from av.codec.context import ThreadType
from av.container import OutputContainer
from torch import Tensor

from animesr_cli.atomic_files import PartFile, check_place, explained
from animesr_cli.errors import UsageError, Warn
from animesr_cli.file_names import check_name
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.info import VideoInfo
from animesr_cli.signals import last_check
from animesr_cli.text import shown
from animesr_cli.video.containers import open_output
from animesr_cli.video.hdr import is_replaced
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.pixel_formats import filled_frame
from animesr_cli.video.stream_header import add_described_stream, container_keeps
from animesr_cli.video.timestamps import FALLBACK_RATE, ticks
from animesr_cli.writing.captions import captioned, keeps_captions
from animesr_cli.writing.encoders import (
    FORMATS,
    encoder_options,
    format_named,
    format_of,
    open_encoder,
    stores_aspect,
)
from animesr_cli.writing.encoding import output_tags
from animesr_cli.writing.mp4_boxes import movie_timescale, shorten_media
from animesr_cli.writing.output import OutputFormat
from animesr_cli.writing.packet_log import Packet, PacketLog
from animesr_cli.writing.stream_copy import StreamCopier
from animesr_cli.writing.verify import read_back, verify_copies, verify_video

log = logging.getLogger(__name__)

AVFMT_FLAG_BITEXACT: Final = 0x0400

MAX_ENCODER_THREADS: Final = 16
"""More of them cost memory and quality, and gain nothing beside the network."""

UNORDERED_FRAMES: Final = 2
"""So few frames are never reordered; x265 makes up their decoding times from unset memory."""

# ---- before the run ------------------------------------------------------------------------------


def check_output(output: Path, source: Path, *, overwrite: bool) -> str:
    """Refuse an output that cannot or must not be written; nothing is left behind.

    Returns:
        FFmpeg's muxer for the suffix.

    Raises:
        UsageError: the suffix is unknown, the name too long or with a NUL byte, or it is the input.
        OutputError: it exists, its folder is missing or read-only, or it is no regular file.
    """
    check_name(output)
    container = format_of(output.suffix)
    if container is None:
        what = f"of the type {shown(output.suffix)}" if output.suffix else "without a suffix"
        raise UsageError(
            f"{shown(output)}: files {what} are not written",
            f"supported are {', '.join(FORMATS)}; .mkv keeps the most",
        )
    check_place(output, source, overwrite=overwrite)
    return container.muxer


# ---- the writer ----------------------------------------------------------------------------------


class Writer:
    """One output file: ``with Writer(...) as writer: writer.write(...) ...; writer.finish()``.

    Entering opens the encoder and writes the header, so that whatever they refuse is known before
    the first frame. Leaving without ``finish``, or with an error, leaves nothing behind, and an
    older file of that name as it was.

    Args:
        source: what the other streams, tags, rotation, time base and frame rate are taken from.
        origin: seconds that are subtracted from every time (``Reader.origin``).
        part: which frames will come; the other streams are cut to them.
        encoder_threads: None is one for each processor, up to ``MAX_ENCODER_THREADS``.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: VideoInfo,
        output_format: OutputFormat,
        origin: Fraction,
        part: Part = WHOLE,
        overwrite: bool = False,
        encoder_threads: int | None = None,
        warn: Warn = log.warning,
    ) -> None:
        self.path = path
        self._source = source
        self._size = (output_format.width, output_format.height)
        self._aspect = output_format.aspect
        self._encoding = output_format.encoding
        self._origin = origin
        self._tags = output_tags(source, output_format.colour)
        self._wanted = part
        self._overwrite = overwrite
        self._threads = encoder_threads or min(os.cpu_count() or 1, MAX_ENCODER_THREADS)
        self._warn = warn
        self.muxed_times: list[int] = []
        """Of the video's packets, in the order of the file, in the source's time base."""
        self._written = PacketLog(source.time_base)
        self._durations: dict[int, int] = {}  # by pts, of the frames inside the encoder
        self._captions: dict[int, bytes] = {}  # the same
        self._says_captions = False
        self._copier: StreamCopier | None = None
        self._delay = Fraction(0)
        """Seconds from decoding a frame to showing it, at most."""
        self._cleanup = ExitStack()

    # -- opening

    def __enter__(self) -> Self:
        if self._source.captions and not keeps_captions(self._codec):
            self._say_captions()  # in time
        check_output(self.path, self._source.path, overwrite=self._overwrite)
        with ExitStack() as cleanup:
            with explained(self.path):
                self._part = cleanup.enter_context(PartFile(self.path, warn=self._warn))
            with self._explained():
                self._output = self._open_container()
                cleanup.callback(self._close)
                self._video = self._add_video()
                self._video.set_display_matrix(self._source.display_matrix)
                if self._source.streams:
                    self._copier = cleanup.enter_context(self._copied_streams())
                self._write_header()
            self._cleanup = cleanup.pop_all()
        return self

    def _open_container(self) -> OutputContainer:
        format_name = self._encoding.format_name
        output = open_output(self._part.sink, format_name=format_name)
        output.flags |= AVFMT_FLAG_BITEXACT  # no "encoder" tag, no random identifiers
        if format_name in ("matroska", "webm"):
            # Sound may begin before the first picture; everything would move to make up for it.
            output.container_options["avoid_negative_ts"] = "disabled"
        else:
            timescale = movie_timescale(self._source.time_base)
            output.container_options["movie_timescale"] = str(timescale)
        return output

    def _add_video(self) -> av.VideoStream:
        """The stream of the file, and the encoder whose packets go there."""
        described = self._is_described
        self._encoder = self._new_encoder(self._scratch() if described else self._output)
        open_encoder(self._encoder.codec_context, self._encoding)
        return self._described(self._encoder) if described else self._encoder

    def _scratch(self) -> OutputContainer:
        """A file that is never written, for an encoder whose own stream cannot be the output's."""
        return open_output(io.BytesIO(), format_name=self._encoding.format_name)

    def _new_encoder(self, output: OutputContainer) -> av.VideoStream:
        """An encoder that is set up and not open, with a stream of ``output``."""
        source, encoding = self._source, self._encoding
        rate = (source.frame_rate or FALLBACK_RATE).limit_denominator(1_000_000)
        stream = output.add_stream(encoding.codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = encoding.pix_fmt
        stream.time_base = context.time_base = source.time_base
        context.sample_aspect_ratio = self._aspect
        if self._aspect != 1 and not stores_aspect(encoding):
            self._warn(
                f"{format_named(encoding.format_name).title} keeps no pixel aspect ratio with "
                f"{encoding.codec}, and players will show the wrong shape; .mp4 keeps it"
            )
        context.thread_type = ThreadType.AUTO  # PyAV's SLICE makes x264 cut pictures into bands
        context.thread_count = self._threads
        if encoding.codec_tag:
            context.codec_tag = encoding.codec_tag
        tags = self._tags
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.options = {"chroma_sample_location": str(tags.siting), **encoder_options(encoding)}
        return stream

    @property
    def _is_described(self) -> bool:
        """Whether the stream gets metadata that an encoder's own stream cannot be given."""
        hdr, codec = self._source.hdr, self._encoding.codec
        if hdr is None or not hdr.is_static or is_replaced(self._encoding.options, codec):
            return False
        return container_keeps(codec)

    def _described(self, encoder: av.VideoStream) -> av.VideoStream:
        assert self._source.hdr is not None
        hdr, siting = self._source.hdr, self._tags.siting
        return add_described_stream(self._output, encoder, hdr, siting)

    def _copied_streams(self) -> StreamCopier:
        copier = StreamCopier(
            self._source,
            self._output,
            format_name=self._encoding.format_name,
            origin=self._origin,
            part=self._wanted,
            warn=self._warn,
        )
        copier.describe_video(self._video)
        return copier

    def _write_header(self) -> None:
        try:
            self._output.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            encoding = self._encoding
            raise UsageError(
                f"{format_named(encoding.format_name).title} refuses the video of "
                f"{encoding.codec} in {encoding.pix_fmt}",
                "choose .mkv, or another -c or --pix-fmt",
            ) from error

    # -- pictures

    def write(self, planes: Sequence[Tensor], frame: Frame) -> None:
        """Encode one picture at the time of its frame, which is in the source's time base."""
        picture = self._filled(planes)
        picture.pts, picture.duration = self._announce(frame.pts, frame.duration)
        picture.time_base = self._source.time_base
        if frame.captions is not None:
            self._note_captions(picture.pts, frame.captions)
        with self._explained():
            self._mux(self._encoder.encode(picture))

    def _note_captions(self, pts: int, captions: bytes) -> None:
        if keeps_captions(self._codec):
            self._captions[pts] = captions
        else:
            self._say_captions()

    def _say_captions(self) -> None:
        if not self._says_captions:
            self._says_captions = True
            self._warn(
                f"{self._encoding.codec} has no place for the captions inside the pictures "
                "(CEA-608/708): they are dropped; -c libx264, libx265 and libsvtav1 keep them"
            )

    @property
    def _codec(self) -> str:
        """FFmpeg's name of what the encoder makes."""
        return str(av.codec.Codec(self._encoding.codec, "w").canonical_name)

    def _announce(self, pts: int, duration: int) -> tuple[int, int]:
        """Note a picture that the file is to hold; its time and duration there."""
        base = self._source.time_base
        pts -= ticks(self._origin, base)
        if duration <= 0:  # the muxer would guess one
            duration = ticks(1 / (self._source.frame_rate or FALLBACK_RATE), base) or 1
        self._durations[pts] = duration
        self._written.add(pts, 0, duration)
        return pts, duration

    def _filled(self, planes: Sequence[Tensor]) -> av.VideoFrame:
        """A new frame for each picture: the encoder goes on looking at those it was given."""
        frame = filled_frame(planes, self._encoding.frame_format)
        assert (frame.width, frame.height) == self._size  # PyAV would resize it
        tags = self._tags  # ProRes takes them from each picture
        frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
        frame.colorspace, frame.color_range = tags.matrix, tags.range
        return frame

    def _mux(self, packets: Sequence[Packet]) -> None:
        for coded in packets:
            packet, pts = coded, coded.pts
            assert pts is not None
            if (captions := self._captions.pop(pts, None)) is not None:
                packet = captioned(coded, captions, self._codec)
            packet.stream = self._video
            self.muxed_times.append(pts)
            packet.duration = self._durations.pop(pts)
            time = pts if packet.dts is None else packet.dts
            base = self._source.time_base
            self._delay = max(self._delay, (pts - time) * base)
            if self._copier is not None:
                self._copier.mux_until(time * base)
            self._output.mux_one(packet)

    def _last_packets(self) -> list[Packet]:
        packets = self._encoder.encode(None)
        if len(self._written) <= UNORDERED_FRAMES:
            for packet in packets:
                packet.dts = packet.pts
        return packets

    @property
    def bytes_written(self) -> int:
        """Size of the file so far; the encoder and the muxer hold some seconds back."""
        return self._part.size

    # -- the end

    def finish(self, before_naming: Callable[[Path], None] = lambda path: None) -> None:
        """Write what is left, verify the file and give it its name.

        Args:
            before_naming: is told where the complete file is, just before it gets its name.

        Raises:
            DiskFullError, OutputError: it could not be written, or not renamed.
            VerificationError: it is not what was handed in.
        """
        first, end = self._written.first, self._written.end
        assert first is not None, "finish() before the first frame"
        assert end is not None
        with self._explained():
            self._mux(self._last_packets())
            if self._copier is not None:
                self._copier.finish(None if self._wanted.frames is None else end)
            self._output.close()
            self._part.check_there()
            if self._encoding.format_name in ("mp4", "mov"):
                shorten_media(self._part.path, end - first, at_most=self._delay)
        tracks = read_back(self._part.path)
        verify_video(self._written, tracks[self._video.index])
        if self._copier is not None:
            verify_copies(self._copier.logs, tracks)
        last_check()
        before_naming(self._part.path)
        self._part.publish(overwrite=self._overwrite)

    def __exit__(self, *exc: object) -> None:
        self._cleanup.close()

    def _close(self) -> None:
        """Free the muxer; a sink that is closed keeps it from ending the file of a failed run."""
        self._part.sink.close()
        self._output.close()

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.path, self._missing_bytes)

    def _missing_bytes(self) -> int:
        """How much more room the whole file needs, judged by the part that is written."""
        first, done = self._written.first, self._written.end
        size = self._part.size
        likely, length = self._source.size_bytes, self._source.duration_seconds
        if length and done and first is not None:
            end = min(self._wanted.end or length, length)
            share = (done - first) / max(end - (self._wanted.start or 0), done)
            likely = max(likely, int(size / share))
        free = shutil.disk_usage(self._part.path.parent).free
        return likely - size - free
