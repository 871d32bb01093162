"""Joining the files of a run's segments to its output: packets are copied, nothing is encoded.

A segment's file is a closed piece of the stream: its first picture leans on nothing before it, no
picture on anything behind. So the packets of all segments, one after another, are the packets of
the whole. Their times are not taken from the files but from the first pass, so that they are exact
whatever a container made of them; decoding times are made anew for the whole. All else (the other
streams, tags, verification, the name) is the writer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import av

from animesr_cli.errors import VerificationError
from animesr_cli.reading.codecs import codec_name
from animesr_cli.reading.packets import demux
from animesr_cli.text import shown
from animesr_cli.video.containers import open_input
from animesr_cli.video.timestamps import ticks
from animesr_cli.writing.encoders import Encoding, holds
from animesr_cli.writing.writer import Writer

Packet: TypeAlias = "av.Packet[Any]"

SEGMENT_FORMATS: Final = ("mp4", "mov")
"""Containers that keep decoding times, and times of display exactly."""

NO_TAG: Final = "\0" * 4


def segment_format(encoding: Encoding) -> str | None:
    """FFmpeg's muxer for the segments of an encoder; None: it cannot be kept in segments.

    The output's own where it is one of these: names of codecs differ between the two.
    """
    for format_name in sorted(SEGMENT_FORMATS, key=lambda each: each != encoding.format_name):
        if holds(format_name, encoding.codec):
            return format_name
    return None


def places(times: Sequence[int]) -> list[int]:
    """Each packet's place in the order of display."""
    order = sorted(range(len(times)), key=times.__getitem__)
    found = [0] * len(times)
    for place, index in enumerate(order):
        found[index] = place
    return found


def reorder_depth(times: Sequence[int]) -> int:
    """How many places a packet comes too early at most, by its time, to be decoded in time."""
    return max((index - place for index, place in enumerate(places(times))), default=0)


def packet_times(path: Path) -> list[int]:
    """The time of display of each packet of a segment, in the order of the file."""
    with open_input(path) as container:
        found = [packet.pts for packet in demux(container, container.streams.video[0])]
    times = [time for time in found if time is not None]
    if len(times) != len(found) or len(set(times)) != len(times):
        raise VerificationError(f"{shown(path)} holds packets that cannot be told by their times")
    return times


class Joiner(Writer):
    """A ``Writer`` that is given packets of finished segments in place of pictures.

    Args:
        template: a segment, for the stream's header.
        depth: the largest ``reorder_depth`` of all segments.
        times, durations: of all frames in the order of display, in the source's time base.
    """

    def __init__(
        self,
        path: Path,
        *,
        template: Path,
        depth: int,
        times: Sequence[int],
        durations: Sequence[int],
        **settings: Any,
    ) -> None:
        super().__init__(path, **settings)
        self._template = template
        self._depth = depth
        self._times, self._lengths = times, durations
        self._count = 0
        self._header: bytes | None = None

    def _add_video(self) -> av.VideoStream:
        encoder = self._new_encoder(self._scratch())  # never opened: what it would be called
        with open_input(self._template) as container:
            segment = container.streams.video[0]
            self._header = segment.codec_context.extradata
            if self._is_described:
                stream = self._described(encoder)
                stream.codec_context.extradata = self._header
                return stream
            added = self._output.add_stream_from_template(segment, opaque=True)
        assert isinstance(added, av.VideoStream)
        source, target = encoder.codec_context, added.codec_context
        for name in (
            "sample_aspect_ratio", "framerate",
            "color_primaries", "color_trc", "colorspace", "color_range",
        ):  # fmt: skip
            setattr(target, name, getattr(source, name))
        added.time_base = self._source.time_base
        target.codec_tag = self._codec_tag(segment)
        return added

    def _codec_tag(self, segment: av.VideoStream) -> str:
        """MP4 and MOV have a name for each codec; of Matroska's kin only ProRes keeps it."""
        named = self._encoding.format_name in SEGMENT_FORMATS or codec_name(segment) == "prores"
        return segment.codec_context.codec_tag if named else NO_TAG

    def append(self, segment: Path) -> Iterator[int]:
        """Copy a segment; each packet's place among the frames, as it is written.

        Raises:
            VerificationError: it is not of the same stream as the first.
        """
        first = self._count
        order = places(packet_times(segment))
        self._count += len(order)
        self._check_count(segment)
        for place in range(first, self._count):
            self._announce(self._times[place], self._lengths[place])
        with open_input(segment) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != self._header:
                raise VerificationError(
                    f"{shown(segment)} was encoded in another way than the first segment",
                    "--restart begins anew",
                )
            for number, packet in enumerate(demux(container, stream)):
                self._place(packet, first + number, first + order[number])
                with self._explained():
                    self._mux([packet])
                yield first + number

    def _place(self, packet: Packet, number: int, place: int) -> None:
        """Give the packet of that number in the order of decoding its times in the whole."""
        packet.time_base = self._source.time_base
        packet.pts = self._shown_at(place)
        packet.dts = self._shown_at(number - self._depth)

    def _shown_at(self, place: int) -> int:
        """When the frame of that place is shown; before the first, at even steps."""
        early = min(place, 0)
        step = self._lengths[0] if len(self._times) < 2 else self._times[1] - self._times[0]
        shift = ticks(self._origin, self._source.time_base)
        return self._times[max(place, 0)] + early * step - shift

    def _check_count(self, segment: Path) -> None:
        if self._count > len(self._times):
            raise VerificationError(f"{shown(segment)} holds more frames than were handed in")

    def _last_packets(self) -> list[Packet]:
        if self._count != len(self._times):
            raise VerificationError(
                f"the segments hold {self._count} of the {len(self._times)} frames"
            )
        return []
