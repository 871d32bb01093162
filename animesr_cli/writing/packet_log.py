"""Packets: other content at the same times, and a log of their times and sizes in a stream."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final, TypeAlias

import av

Packet: TypeAlias = "av.Packet[Any]"

NO_TIME: Final = -(1 << 63)


def with_content(packet: Packet, content: bytes) -> Packet:
    """A packet of other content at the times of this one."""
    made: Packet = av.Packet(content)
    made.time_base = packet.time_base
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    return made


class PacketLog:
    """The packets of one stream in the order of the file; 12 bytes of memory for each.

    Args:
        tick: seconds, the unit of the times.
        tolerance: seconds that a packet may be away from its time.
    """

    def __init__(self, tick: Fraction, tolerance: Fraction = Fraction(0)) -> None:
        self.tick = tick
        self.tolerance = tolerance
        self.times = array("q")
        self.sizes = array("i")
        self.end: Fraction | None = None
        """Seconds, where the latest packet ends."""
        self._latest = NO_TIME

    def add(self, time: int | None, size: int, duration: int = 0) -> None:
        """Note one packet; None: its time is not known."""
        self.times.append(NO_TIME if time is None else time)
        self.sizes.append(size)
        if time is not None and time >= self._latest:
            self._latest, self.end = time, (time + duration) * self.tick

    @property
    def first(self) -> Fraction | None:
        """Seconds, of the earliest packet."""
        earliest = min((time for time in self.times if time != NO_TIME), default=None)
        return None if earliest is None else earliest * self.tick

    @property
    def last(self) -> Fraction | None:
        """Seconds, of the latest packet."""
        latest = max(self.times, default=NO_TIME)
        return None if latest == NO_TIME else latest * self.tick

    def __len__(self) -> int:
        return len(self.times)

    @property
    def bytes(self) -> int:
        return sum(self.sizes)

    def offsets(self) -> Iterator[int]:
        """Where in the stream each packet begins, in bytes."""
        return itertools.accumulate(self.sizes, initial=0)

    def largest_deviation(self, found: PacketLog) -> tuple[Fraction, Fraction]:
        """How far packets of ``found`` lie from their times here, and where that is worst.

        Muxers cut PCM and AC-3 into other packets: then those are compared that begin at the same
        byte of the stream.

        Returns:
            Seconds of the largest deviation, and the time that it should be at.
        """
        place = Fraction(0)
        # Products of integers, not fractions: a film has hundreds of thousands of packets.
        ours, theirs = self.tick, found.tick
        to_ours = ours.numerator * theirs.denominator
        to_theirs = theirs.numerator * ours.denominator
        largest = 0
        for wanted, is_at in self._pairs(found):
            if NO_TIME in (wanted, is_at):
                continue
            deviation = abs(is_at * to_theirs - wanted * to_ours)
            if deviation > largest:
                largest, place = deviation, wanted * ours
        return Fraction(largest, ours.denominator * theirs.denominator), place

    def _pairs(self, found: PacketLog) -> Iterator[tuple[int, int]]:
        if len(self) == len(found):
            return zip(self.times, found.times, strict=True)
        begins = dict(zip(found.offsets(), found.times, strict=False))
        return (
            (time, begins[offset])
            for offset, time in zip(self.offsets(), self.times, strict=False)
            if offset in begins
        )
