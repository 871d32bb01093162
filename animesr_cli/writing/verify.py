"""Reading a finished file back and comparing it with what was handed to its muxer.

Frames, times and lengths of the video, and packets of every copied stream, are found by demuxing
the whole file: a header says what was meant, not what is there. It does not decode pictures, and
knows nothing of how they were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream

from animesr_cli.errors import InputError, VerificationError
from animesr_cli.reading.ends import stream_duration
from animesr_cli.reading.packets import demux
from animesr_cli.signals import check_stop
from animesr_cli.video.containers import open_input
from animesr_cli.video.timestamps import seconds
from animesr_cli.writing.mp4_boxes import media_lengths
from animesr_cli.writing.packet_log import PacketLog
from animesr_cli.writing.stream_support import is_filler

LATE_START_TOLERANCE: Final = Fraction(1, 1000)
"""Seconds. MP4 may count the gap before a video that does not begin at 0 in milliseconds."""


@dataclass
class Tally:
    """What of one stream was handed to the muxer, or was found in a file."""

    count: int = 0
    bytes: int = 0
    first: Fraction | None = None
    """Seconds, of the earliest packet."""
    last: Fraction | None = None
    """Seconds, of the latest packet."""
    end: Fraction | None = None
    """Seconds, where the latest packet ends."""

    def add(self, size: int, time: Fraction | None, duration: Fraction) -> None:
        self.count += 1
        self.bytes += size
        if time is None:
            return
        self.first = time if self.first is None else min(self.first, time)
        if self.last is None or time >= self.last:
            self.last, self.end = time, time + duration


@dataclass(frozen=True)
class Track:
    """One stream of a finished file."""

    tally: Tally
    tick: Fraction
    """Seconds."""
    packets: PacketLog
    """In the order of the file."""


# ---- reading -------------------------------------------------------------------------------------


def read_back(path: Path) -> list[Track]:
    """Demux a whole file: the tracks that were muxed packet by packet, in order."""
    try:
        with open_input(path) as container:
            streams = _tracks(container)
            tallies = {stream.index: Tally() for stream in streams}
            logs = {s.index: PacketLog(Fraction(s.time_base or 1)) for s in streams}
            for packet in demux(container):
                check_stop()
                tally = tallies.get(packet.stream_index)
                if tally is None or is_filler(packet.stream, packet.size):
                    continue
                base = Fraction(packet.time_base)
                time = None if packet.pts is None else seconds(packet.pts, base)
                tally.add(packet.size, time, seconds(packet.duration or 0, base))
                logs[packet.stream_index].add(packet.pts, packet.size)
            # What a demuxer says of one packet's duration is guessed, or that of decoding.
            if container.format.name.startswith("matroska"):
                for stream in streams:
                    tallies[stream.index].end = stream_duration(stream)
            else:
                for stream, length in zip(streams, media_lengths(path), strict=False):
                    tally = tallies[stream.index]
                    tally.end = None if tally.first is None else tally.first + length
            return [Track(tallies[s.index], logs[s.index].tick, logs[s.index]) for s in streams]
    except (av.FFmpegError, InputError) as error:
        raise VerificationError(f"the finished file cannot be read: {error}") from error


def _tracks(container: InputContainer) -> list[Stream]:
    return [
        stream
        for stream in container.streams
        if stream.type != "attachment"
        and stream.discard != Discard.all  # the chapter titles of MP4
        and not stream.disposition & Disposition.attached_pic
    ]


# ---- comparing -----------------------------------------------------------------------------------


def verify_video(written: Tally, track: Track) -> None:
    """Raise ``VerificationError`` unless frames, first and last time and end are as written."""
    found = track.tally
    if found.count != written.count:
        raise VerificationError(
            f"the finished file holds {found.count} of the {written.count} frames written"
        )
    moments = {
        "first frame": (written.first, found.first),
        "last frame": (written.last, found.last),
        "end": (written.end, found.end),
    }
    tolerance = max(track.tick, LATE_START_TOLERANCE) if written.first else track.tick
    for name, (ours, theirs) in moments.items():
        assert ours is not None
        if theirs is None or abs(ours - theirs) > tolerance:
            place = "nowhere" if theirs is None else f"at {float(theirs):.6f} s"
            raise VerificationError(
                f"the video's {name} is {place} in the finished file, "
                f"and was written at {float(ours):.6f} s"
            )


def verify_copies(
    written: Mapping[int, PacketLog], tolerances: Mapping[int, Fraction], tracks: Sequence[Track]
) -> None:
    """Raise ``VerificationError`` unless every packet of each track is there, and at its time.

    Muxers may cut PCM and AC-3 into other packets: then there are as many bytes.
    """
    for index, log in written.items():
        found = tracks[index].packets if index < len(tracks) else PacketLog(log.tick)
        if len(found) != len(log) and found.bytes != log.bytes:
            raise VerificationError(
                f"stream #{index} of the finished file holds {len(found)} packets, "
                f"and {len(log)} were copied"
            )
        deviation, time = log.largest_deviation(found)
        if deviation > tolerances[index]:
            raise VerificationError(
                f"a packet of stream #{index} of the finished file is {float(deviation):.6f} s "
                f"away from its time, {float(time):.6f} s"
            )
