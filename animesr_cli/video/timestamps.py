"""Time as (pts, time base): formatting, rescaling, and repair of broken timestamps.

A timestamp is an integer number of ticks, a time base is the
length of one tick in seconds. Floats appear only in text for people.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final, Protocol, TypeVar

logger = logging.getLogger(__name__)

FALLBACK_RATE: Final = Fraction(25)
"""Frames per second where neither a timestamp nor the file says how long a frame lasts."""
MIN_SPACING_SECONDS: Final = Fraction(1, 1000)
"""A repaired frame keeps this distance from its neighbours where there is room: the tick of MKV."""

# Text --------------------------------------------------------------------------------------------


def format_time(time: Fraction | float) -> str:
    """``HH:MM:SS``, whole seconds rounded down; more than 99 hours get more digits."""
    whole = int(abs(float(time)))
    minutes, rest = divmod(whole, 60)
    return f"{'-' if time < 0 and whole else ''}{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def format_clock(seconds: float) -> str:
    """``0:12.500`` or ``1:02:03.000``: a moment, which ``parse_time`` reads."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{lead}:{rest // 1000:02}.{rest % 1000:03}"


def format_speed(frames_per_second: float) -> str:
    """Three digits, more only before the point: ``0.271``, ``28.3``, ``1569``."""
    for limit, digits in ((1, 3), (10, 2), (100, 1)):
        if frames_per_second < limit:
            return f"{frames_per_second:.{digits}f}"
    return f"{frames_per_second:.0f}"


# Arithmetic --------------------------------------------------------------------------------------


def ticks(time: Fraction, time_base: Fraction) -> int:
    """The tick nearest to ``time`` in seconds; halves away from zero, as FFmpeg rounds."""
    exact = time / time_base
    nearest: int = math.floor(abs(exact) + Fraction(1, 2))
    return nearest if exact >= 0 else -nearest


# Even rates --------------------------------------------------------------------------------------


class Pace:
    """How far frames stray from an even rate, for outputs that have no times of their own."""

    def __init__(self, frame_rate: Fraction) -> None:
        self.count = 0
        self._rate = frame_rate
        self._first = Fraction(0)
        self._largest = Fraction(0)  # seconds

    def add(self, time: Fraction) -> None:
        """The next frame's time in seconds."""
        if self.count == 0:
            self._first = time
        self._largest = max(self._largest, abs(time - self._first - self.count / self._rate))
        self.count += 1

    @property
    def strays(self) -> bool:
        """Whether some frame is more than its own length away from its even place."""
        return self._largest > 1 / self._rate

    def remark(self, output: str) -> str:
        """A sentence about it; ``output`` is what has no times."""
        return (
            f"the frames of the input are not evenly spaced and {output} cannot say so: at "
            f"{float(self._rate):.6g} a second some are up to {float(self._largest):.2f} s away "
            "from their time"
        )


# Jumps -------------------------------------------------------------------------------------------


JUMP_AHEAD_SECONDS: Final = 10
"""A packet this much later than all before it is on another clock; so FFmpeg's own tool has it."""
JUMP_BACK_SECONDS: Final = Fraction(1, 10)
"""And so is one this much earlier than its own stream is due: a stream is in order of decoding."""
LOOSE_JUMP_BACK_SECONDS: Final = 1
"""The same where that order is not known: for a stream's first packet, and times of display."""
SPLICE_SECONDS: Final = 10
"""Around a jump, packets of the streams may come on the old and the new clock in turn, so long."""


class ContinuousClock:
    """Joins the pieces of a file whose clock jumps, as it does where recordings were spliced.

    All streams of a file share its clock, so one offset holds for all of them and keeps sound and
    picture together. Packets must be told in the order of the file.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self._offset = Fraction(0)
        self._before = Fraction(0)  # the offset of the clock before
        self._jumped_at: Fraction | None = None
        self._front: Fraction | None = None  # the latest end of a packet so far
        self._due: dict[int, Fraction] = {}  # by stream, where its next packet is due
        self._shown: dict[int, Fraction] = {}  # by stream, where all of it has been shown

    def offset(
        self,
        stream: int,
        time: Fraction,
        duration: Fraction,
        *,
        leads: bool,
        in_order: bool = True,
        shown: Fraction | None = None,
    ) -> Fraction:
        """Seconds to add to the times of this packet.

        Args:
            time: when it is decoded, on the file's clock.
            in_order: whether ``time`` never goes back within a stream; times of display do.
            shown: when it is shown; None: when it is decoded.
            leads: whether its stream goes on without gaps, as sound and pictures do; others only
                follow the clock that those tell.
        """
        due = self._due.get(stream, self._front) if leads else self._front
        if due is not None and self._front is not None:
            back = JUMP_BACK_SECONDS if in_order and stream in self._due else None
            if leads and self._is_jump(time, due, back or LOOSE_JUMP_BACK_SECONDS):
                # Where a piece was cut its last pictures were shown later than decoding ended.
                self._jump(max(due - time, self._shown.get(stream, due) - (shown or time)))
            offset = min(self._candidates(), key=lambda each: abs(time + each - due))
        else:
            offset = self._offset
        if leads:
            end = time + offset + duration
            self._due[stream] = end
            shown_end = end + ((shown or time) - time)
            self._shown[stream] = max(self._shown.get(stream, shown_end), shown_end)
            self._front = end if self._front is None else max(self._front, end)
        return offset

    def _candidates(self) -> tuple[Fraction, ...]:
        near = (
            self._jumped_at is not None
            and self._front is not None
            and (self._front - self._jumped_at < SPLICE_SECONDS)
        )
        return (self._offset, self._before) if near else (self._offset,)

    def _is_jump(self, time: Fraction, due: Fraction, back: Fraction | int) -> bool:
        assert self._front is not None
        return all(
            time + offset - due < -back or time + offset > self._front + JUMP_AHEAD_SECONDS
            for offset in self._candidates()
        )

    def _jump(self, offset: Fraction) -> None:
        logger.info("the clock jumps by %.3f s", float(self._offset - offset))
        self.jumps += 1
        self._before, self._offset, self._jumped_at = self._offset, offset, self._front


# Repair ------------------------------------------------------------------------------------------


class HasTime(Protocol):
    """What comes with a time in ticks that may be wrong or missing."""

    @property
    def pts(self) -> int | None: ...

    @property
    def duration(self) -> int:
        """0: unknown."""


T = TypeVar("T", bound=HasTime)


class TimestampRepair:
    """Turns the timestamps of a stream into strictly increasing ones, one frame late.

    A timestamp in order stays exactly what it was, whatever came before it, so that sound and
    picture never drift. One that is missing goes a frame's duration behind its predecessor; one
    that is not later than its predecessor goes a millisecond behind it. One that leaps far ahead
    of the next is taken for the broken one of the two. Where the next good timestamp leaves less
    room, the frame goes halfway; where it leaves none, the next one moves by a tick.

    A lasting jump backward (a stream joined without care) is not undone here: its frames follow
    a millisecond apart until the clock has caught up.
    """

    def __init__(self, time_base: Fraction, frame_rate: Fraction | None = None) -> None:
        self.time_base = time_base
        self.repairs: Counter[str] = Counter()
        """How many timestamps were repaired, by kind: missing, duplicate, backward, ahead."""
        self._step = 1 / (frame_rate or FALLBACK_RATE) / time_base  # ticks, not rounded
        self._spacing = max(1, math.ceil(MIN_SPACING_SECONDS / time_base))
        self._last: int | None = None  # the pts that was settled last
        self._due = Fraction(0)  # where the next frame is due, in ticks: no rounding error adds up

    def settled(self, frames: Iterable[T]) -> Iterator[tuple[T, int, int]]:
        """Each frame with its pts and its duration, which is at least 1 tick."""
        waiting = None
        for frame in frames:
            if waiting is not None:
                yield waiting, *self._settle(waiting, frame.pts)
            waiting = frame
        if waiting is not None:
            yield waiting, *self._settle(waiting, None)

    def _settle(self, frame: HasTime, following: int | None) -> tuple[int, int]:
        length = Fraction(frame.duration) if frame.duration > 0 else self._step
        kind = self._fault(frame.pts, following)
        if kind is None:
            assert frame.pts is not None
            pts = frame.pts
        else:
            pts = self._place(kind, following, length)
            self._log(kind, frame.pts, pts)
        exact = self._due if kind == "missing" and round(self._due) == pts else Fraction(pts)
        self._last, self._due = pts, exact + length
        return pts, self._duration(frame, pts, following)

    def _fault(self, pts: int | None, following: int | None) -> str | None:
        if pts is None:
            return "missing"
        if self._last is None:
            return None
        if pts <= self._last:
            return "duplicate" if pts == self._last else "backward"
        # One of the two is wrong; the one that came more than a frame late is likelier.
        if following is not None and self._last < following <= pts > self._last + 2 * self._step:
            return "ahead"
        return None

    def _place(self, kind: str, following: int | None, length: Fraction) -> int:
        """A time behind the last frame and, where that is possible, before the following one."""
        if self._last is None:  # a missing timestamp at the very start
            return 0 if following is None else following - max(1, round(length))
        wanted = self._last + self._spacing
        if kind == "missing":
            wanted = max(round(self._due), self._last + 1)
        elif kind == "ahead" and following is not None:
            wanted = max(following - self._spacing, wanted)
        if following is not None and self._last < following <= wanted:
            wanted = max((self._last + following) // 2, self._last + 1)
        return wanted

    def _duration(self, frame: HasTime, pts: int, following: int | None) -> int:
        room = following - pts if following is not None and following > pts else None
        if frame.duration > 0:
            return frame.duration if room is None else min(frame.duration, room)
        return room if room is not None else max(1, round(self._step))

    def _log(self, kind: str, was: int | None, pts: int) -> None:
        self.repairs[kind] += 1
        logger.debug(
            "%s timestamp %s set to %s (%.3f s)", kind, was, pts, float(pts * self.time_base)
        )


MAX_DECODER_DELAY: Final = 64
"""Pictures that a decoder may hold: 16 for reordering, 16 threads, and room."""


class LossTracker:
    """Tells which frames a damaged stream lost, from the timestamps of its packets.

    A decoder hands pictures out in the order of display, so when one comes, every packet with an
    earlier timestamp has had its chance. Healthy streams have packets that are never shown, so a
    packet without a picture is only a loss after a decoding error, until a key frame later than
    the damage. Threads may report an error several packets late; this does not mind. An error
    among the last packets may go unreported, and pictures behind it with it (``is_complete``): in
    a stream that showed every packet until then, those without one at its end are lost as well.
    """

    def __init__(self) -> None:
        self._expected: list[int] = []  # heap of packet timestamps without a picture so far
        self._latest: int | None = None
        self._horizon: int | None = None  # losses are counted up to here, and to a key frame
        self._failed_at_end = False
        self._untimed = 0  # errors on packets without a timestamp, since the last picture
        self._pending = 0  # such packets without a picture or an error
        self._unshown = 0  # healthy packets without a picture
        self._given_up: set[int] = set()  # times of lost frames

    def submit(self, pts: int | None) -> None:
        """A packet goes to the decoder."""
        if pts is None:
            self._pending += 1
            return
        heapq.heappush(self._expected, pts)
        self._latest = pts if self._latest is None else max(self._latest, pts)

    def error(self) -> None:
        """The decoder reported an error on some packet submitted so far."""
        if self._latest is None:
            self._untimed += 1
            self._pending -= 1
        else:
            self._horizon = self._latest

    def error_at_end(self) -> None:
        """The decoder reported an error when it was asked for its last pictures."""
        self._failed_at_end = True
        self.error()

    @property
    def is_complete(self) -> bool:
        """Whether the decoder, asked for its last pictures, is likely to have given all of them."""
        held = self._pending if self._latest is None else len(self._expected)
        suspicious = 0 < held <= MAX_DECODER_DELAY and not self._unshown
        return not (self._failed_at_end or suspicious)

    def is_late(self, pts: int | None) -> bool:
        """Whether this picture was given up: after damage, decoders lose the order of display."""
        return pts in self._given_up

    def picture(self, pts: int | None, *, key: bool) -> list[int | None]:
        """A picture came: the times of those lost before it (None: at unknown times)."""
        if pts is None:
            lost, self._untimed = [None] * self._untimed, 0
            self._pending -= 1
            return list(lost)
        earlier = self._earlier_than(pts)
        if self._horizon is None:
            self._unshown += len(earlier)
            return []
        if key and pts > self._horizon:
            self._horizon = None
        self._given_up.update(earlier)
        return list(earlier)

    def finish(self) -> list[int | None]:
        """No more pictures: the times of those lost at the end."""
        if self._horizon is None and self._unshown:
            return []
        return [*sorted(self._expected), *([None] * self._untimed)]

    def _earlier_than(self, pts: int) -> list[int]:
        earlier = []
        while self._expected and self._expected[0] <= pts:
            expected = heapq.heappop(self._expected)
            if expected != pts:
                earlier.append(expected)
        return earlier
