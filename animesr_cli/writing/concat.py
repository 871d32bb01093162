"""Joining the files of a run's segments to its output: packets are copied, nothing is encoded.

A segment's file is a closed piece of the stream: its first picture leans on nothing before it, no
picture on anything behind. So the packets of all segments, one after another, are the packets of
the whole. Their times are not taken from the files but from the first pass, so that they are exact
whatever a container made of them; decoding times are made anew for the whole. All else (the other
streams, tags, verification, the name) is the writer's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Final

import av

from animesr_cli.errors import VerificationError
from animesr_cli.reading.packets import codec_name, demux
from animesr_cli.text import shown
from animesr_cli.video.containers import open_input
from animesr_cli.video.timestamps import ticks
from animesr_cli.writing.encoders import Encoding, holds
from animesr_cli.writing.packet_log import Packet
from animesr_cli.writing.writer import Writer

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


def reorder_depth(times: Sequence[int]) -> int:
    """How many places a packet comes too early at most, by its time, to be decoded in time."""
    place = {time: number for number, time in enumerate(sorted(times))}
    return max((number - place[time] for number, time in enumerate(times)), default=0)


def placed(packets: Iterable[Packet], depth: int, segment: Path) -> Iterator[tuple[int, Packet]]:
    """Packets as they come, each with its place in the order of display.

    One is held back until its place is sure: no packet comes more than ``depth``, which is at least
    the ``reorder_depth`` of all, behind its place.

    Raises:
        VerificationError: two have one time, or one has none.
    """
    held: deque[Packet] = deque()
    times: list[int] = []  # a heap: those whose places are not sure
    places: dict[int, int] = {}

    def untold() -> VerificationError:
        return VerificationError(
            f"{shown(segment)} holds packets that cannot be told by their times"
        )

    def settled(unsure: int) -> Iterator[tuple[int, Packet]]:
        while len(times) > unsure:
            time = heappop(times)
            if places and time <= next(reversed(places)):
                raise untold()
            places[time] = len(places)
        while held and held[0].pts in places:
            yield places[held[0].pts], held.popleft()

    for packet in packets:
        if packet.pts is None:
            raise untold()
        held.append(packet)
        heappush(times, packet.pts)
        yield from settled(depth)
    yield from settled(0)


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
        """Copy a segment, which is read once; each packet's number, as it is written.

        Raises:
            VerificationError: it is not of the same stream as the first.
        """
        first = known = self._count
        with open_input(segment) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != self._header:
                raise VerificationError(
                    f"{shown(segment)} was encoded in another way than the first segment",
                    "--restart begins anew",
                )
            for place, packet in placed(demux(container, stream), self._depth, segment):
                while known <= first + place:  # in the order of display
                    self._check_count(segment, known)
                    self._announce(self._times[known], self._lengths[known])
                    known += 1
                self._place(packet, self._count, first + place)
                with self._explained():
                    self._mux([packet])
                self._count += 1
                yield self._count - 1

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

    def _check_count(self, segment: Path, place: int) -> None:
        if place >= len(self._times):
            raise VerificationError(f"{shown(segment)} holds more frames than were handed in")

    def _last_packets(self) -> list[Packet]:
        if self._count != len(self._times):
            raise VerificationError(
                f"the segments hold {self._count} of the {len(self._times)} frames"
            )
        return []
