"""How long the tracks of an MP4 or MOV file say they are: read from its boxes, and set right.

FFmpeg's muxer takes the first composition offset that it sees at or below decoding time zero as the
smallest one, so that a video whose encoder reorders frames (every x265 video) is announced one
frame too long; and its demuxer tells decoding durations. The numbers have fixed places and sizes in
the file, so they are corrected in place.

Source: ISO/IEC 14496-12:2015, 4.2 (boxes), 8.2.2 mvhd, 8.3.2 tkhd, 8.4.2 mdhd, 8.5.2 stsd and
8.6.6 elst.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

HEADER_BYTES: Final = 8
LONG_HEADER_BYTES: Final = 16
CONTAINERS: Final = frozenset({b"moov", b"trak", b"mdia", b"edts", b"minf", b"stbl"})

# Bytes of a box before its scale and before its duration, in version 0 and version 1.
_SCALE: Final = (12, 20)
_DURATION: Final = {b"mvhd": (16, 24), b"mdhd": (16, 24), b"tkhd": (20, 28)}
_ELST_HEADER: Final = 8
_ELST_ENTRY: Final = (12, 20)
MILLISECONDS: Final = 1000
LARGEST_MOVIE_TIMESCALE: Final = 90_000
"""Ticks a second; a film of 13 hours still has a length of 32 bits, which every player reads."""


@dataclass(frozen=True)
class Field:
    """An unsigned number in a file."""

    offset: int
    size: int

    def read(self, file: BinaryIO) -> int:
        file.seek(self.offset)
        return int.from_bytes(file.read(self.size), "big")

    def write(self, file: BinaryIO, value: int) -> None:
        file.seek(self.offset)
        file.write(value.to_bytes(self.size, "big"))


@dataclass(frozen=True)
class Lengths:
    """Where one mvhd, tkhd, mdhd or elst keeps its times."""

    scale: int
    """Ticks a second; 0 for those that count in the movie's."""
    durations: tuple[Field, ...]
    """One, or one for each edit."""


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and begin and end of the content, of each box; containers are looked into."""
    while start + HEADER_BYTES <= end:
        size, kind = Field(start, 4).read(file), file.read(4)
        header = HEADER_BYTES
        if size == 1:
            size, header = Field(start + HEADER_BYTES, 8).read(file), LONG_HEADER_BYTES
        stop = min(start + size, end) if size >= header else end
        yield kind, start + header, stop
        if kind in CONTAINERS:
            yield from _boxes(file, start + header, stop)
        start = stop


def _lengths(file: BinaryIO, kind: bytes, begin: int) -> Lengths:
    version = Field(begin, 1).read(file)
    size = 8 if version else 4
    if kind == b"elst":
        count = Field(begin + 4, 4).read(file)
        first, step = begin + _ELST_HEADER, _ELST_ENTRY[version]
        return Lengths(0, tuple(Field(first + i * step, size) for i in range(count)))
    scale = 0 if kind == b"tkhd" else Field(begin + _SCALE[version], 4).read(file)
    return Lengths(scale, (Field(begin + _DURATION[kind][version], size),))


def _tracks(file: BinaryIO) -> tuple[Lengths | None, list[dict[bytes, Lengths]]]:
    """The mvhd, and for each track its tkhd, mdhd and elst."""
    movie: Lengths | None = None
    tracks: list[dict[bytes, Lengths]] = []
    for kind, begin, _ in _boxes(file, 0, file.seek(0, 2)):
        if kind == b"trak":
            tracks.append({})
        elif kind == b"mvhd":
            movie = _lengths(file, kind, begin)
        elif kind in (b"tkhd", b"mdhd", b"elst") and tracks:
            tracks[-1][kind] = _lengths(file, kind, begin)
    return movie, tracks


def media_lengths(path: Path) -> list[Fraction]:
    """Seconds of each track's media, in order, without the gap before it."""
    with path.open("rb") as file:
        _, tracks = _tracks(file)
        media = [track[b"mdhd"] for track in tracks if b"mdhd" in track]
        return [Fraction(m.durations[0].read(file), m.scale) for m in media]


def sample_kinds(file: BinaryIO) -> list[bytes]:
    """The kind of the first sample description of each track; empty: the track has none.

    FFmpeg's muxer takes streams that it cannot describe, and leaves the box empty.
    """
    kinds = []
    for kind, begin, end in _boxes(file, 0, file.seek(0, 2)):
        if kind == b"stsd":
            first = begin + 2 * Field(begin, 4).size
            has_room = end - first >= HEADER_BYTES
            size = Field(first, 4).read(file) if has_room else 0
            kinds.append(file.read(4) if size >= HEADER_BYTES else b"")
    return kinds


def shorten_media(path: Path, seconds: Fraction, *, at_most: Fraction) -> None:
    """Make the first track, and with it the movie, as long as its media is.

    Only what the muxer added is taken away: nothing where the track is ``at_most`` seconds longer
    or more, or too short. That would be a fault of another kind, and verification finds it.
    """
    with path.open("r+b") as file:
        movie, tracks = _tracks(file)
        if movie is None or not tracks or b"mdhd" not in tracks[0]:
            return
        media = tracks[0][b"mdhd"]
        length = round(seconds * media.scale)
        if 0 < media.durations[0].read(file) - length <= at_most * media.scale:
            media.durations[0].write(file, length)
            _shorten_movie(file, movie, tracks, math.ceil(seconds * movie.scale))


def _shorten_movie(
    file: BinaryIO, movie: Lengths, tracks: list[dict[bytes, Lengths]], shown: int
) -> None:
    """Set what follows from the first track's length, in ticks of the movie: FFmpeg rounds up."""
    if b"elst" in tracks[0]:
        *gaps, edit = tracks[0][b"elst"].durations
        edit.write(file, shown)
        shown += sum(gap.read(file) for gap in gaps)
    tracks[0][b"tkhd"].durations[0].write(file, shown)
    longest = max(t[b"tkhd"].durations[0].read(file) for t in tracks if b"tkhd" in t)
    movie.durations[0].write(file, longest)


def movie_timescale(time_base: Fraction) -> int:
    """Ticks a second in which MP4 counts a late start, of the video and of every copied track.

    Whole ticks of the video where that is possible, and always so fine that what is rounded is less
    than half a sample of sound.
    """
    both = math.lcm(MILLISECONDS, time_base.denominator)
    unit = both if both <= LARGEST_MOVIE_TIMESCALE else MILLISECONDS
    return LARGEST_MOVIE_TIMESCALE // unit * unit
