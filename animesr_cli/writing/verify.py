"""Reading a finished file back and comparing it with what was handed to its muxer.

Frames, times and lengths of the video, and packets of every copied stream, are found by demuxing
the whole file: a header says what was meant, not what is there. It does not decode pictures, and
knows nothing of how they were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from animesr_cli.writing.mp4_boxes import media_lengths
from animesr_cli.writing.packet_log import PacketLog
from animesr_cli.writing.stream_support import is_filler

LATE_START_TOLERANCE: Final = Fraction(1, 1000)
"""Seconds. MP4 may count the gap before a video that does not begin at 0 in milliseconds."""


# ---- reading -------------------------------------------------------------------------------------


def read_back(path: Path) -> list[PacketLog]:
    """Demux a whole file: the tracks that were muxed packet by packet, in order."""
    try:
        with open_input(path) as container:
            logs = {s.index: PacketLog(Fraction(s.time_base or 1)) for s in _tracks(container)}
            for packet in demux(container):
                check_stop()
                log = logs.get(packet.stream_index)
                if log is not None and not is_filler(packet.stream, packet.size):
                    log.add(packet.pts, packet.size, packet.duration or 0)
            # What a demuxer says of one packet's duration is guessed, or that of decoding.
            if container.format.name.startswith("matroska"):
                for index, log in logs.items():
                    log.end = stream_duration(container.streams[index])
            else:
                for log, length in zip(logs.values(), media_lengths(path), strict=False):
                    first = log.first
                    log.end = None if first is None else first + length
            return list(logs.values())
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


def verify_video(written: PacketLog, found: PacketLog) -> None:
    """Raise ``VerificationError`` unless frames, first and last time and end are as written."""
    if len(found) != len(written):
        raise VerificationError(
            f"the finished file holds {len(found)} of the {len(written)} frames written"
        )
    moments = {
        "first frame": (written.first, found.first),
        "last frame": (written.last, found.last),
        "end": (written.end, found.end),
    }
    tolerance = max(found.tick, LATE_START_TOLERANCE) if written.first else found.tick
    for name, (ours, theirs) in moments.items():
        assert ours is not None
        if theirs is None or abs(ours - theirs) > tolerance:
            place = "nowhere" if theirs is None else f"at {float(theirs):.6f} s"
            raise VerificationError(
                f"the video's {name} is {place} in the finished file, "
                f"and was written at {float(ours):.6f} s"
            )


def verify_copies(written: Mapping[int, PacketLog], tracks: Sequence[PacketLog]) -> None:
    """Raise ``VerificationError`` unless every packet of each track is there, and at its time.

    Muxers may cut PCM and AC-3 into other packets: then there are as many bytes.
    """
    for index, log in written.items():
        found = tracks[index] if index < len(tracks) else PacketLog(log.tick)
        if len(found) != len(log) and found.bytes != log.bytes:
            raise VerificationError(
                f"stream #{index} of the finished file holds {len(found)} packets, "
                f"and {len(log)} were copied"
            )
        deviation, time = log.largest_deviation(found)
        if deviation > log.tolerance:
            raise VerificationError(
                f"a packet of stream #{index} of the finished file is {float(deviation):.6f} s "
                f"away from its time, {float(time):.6f} s"
            )
