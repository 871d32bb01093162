"""Times, their text, and the repair of broken timestamps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.errors import UsageError
from animesr_cli.settings.texts import parse_rate, parse_time
from animesr_cli.video.timestamps import (
    ContinuousClock,
    LossTracker,
    Pace,
    TimestampRepair,
    format_clock,
    format_speed,
    format_time,
    ticks,
)

MS = Fraction(1, 1000)

time_bases = st.sampled_from(
    [Fraction(1, 24), Fraction(1001, 24000), MS, Fraction(1, 12288), Fraction(1, 90000)]
)


# Text --------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_format_time_is_read_back(hours: int, minutes: int, whole: int) -> None:
    """What format_time prints, parse_time reads as the same second."""
    time = hours * 3600 + minutes * 60 + whole + Fraction(999, 1000)
    assert parse_time(format_time(time)) == int(time)


@given(st.integers(0, 400_000_000))
def test_a_moment_is_read_back(milliseconds: int) -> None:
    """What format_clock prints, parse_time reads as the same millisecond."""
    assert parse_time(format_clock(milliseconds / 1000)) == Fraction(milliseconds, 1000)
    assert format_clock(4829.9996) == "1:20:30.000"


def test_a_speed_has_three_digits() -> None:
    """More only before the point."""
    speeds = [format_speed(value) for value in (0.26998, 1.5, 28.31, 1569.9)]
    assert speeds == ["0.270", "1.50", "28.3", "1570"]


def test_format_time_rounds_toward_zero() -> None:
    """A second is shown when it is full; less than one before zero is zero."""
    assert format_time(59.999) == "00:00:59"
    assert format_time(Fraction(-1, 2)) == "00:00:00"
    assert format_time(-61) == "-00:01:01"


# Arithmetic --------------------------------------------------------------------------------------


@given(st.integers(-(10**9), 10**9), time_bases, time_bases)
def test_ticks_are_the_nearest(pts: int, base: Fraction, other: Fraction) -> None:
    """A time in another base is at most half a tick off, and comes back where those are finer."""
    there = ticks(pts * base, other)
    assert abs(there * other - pts * base) <= other / 2
    if other < base:
        assert ticks(there * other, base) == pts


def test_ticks_rounds_halves_away_from_zero() -> None:
    """As av_rescale_q does: other tools come to the same number."""
    assert [ticks(Fraction(n, 2), Fraction(1)) for n in (-3, -1, 1, 3)] == [-2, -1, 1, 2]


# Repair ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timed:
    """What a repair is given, and what it makes of it."""

    pts: Any
    duration: int
    picture: int


def repaired(
    times: list[int | None],
    *,
    base: Fraction = MS,
    rate: Fraction | None = Fraction(25),
    durations: list[int] | None = None,
) -> tuple[list[Timed], TimestampRepair]:
    repair = TimestampRepair(base, rate)
    given = (
        Timed(time, durations[index] if durations else 0, index) for index, time in enumerate(times)
    )
    return [Timed(pts, length, each.picture) for each, pts, length in repair.settled(given)], repair


def pts_of(times: list[int | None], **options: object) -> list[int]:
    return [stamped.pts for stamped in repaired(times, **options)[0]]  # type: ignore[arg-type]


@given(
    st.lists(st.none() | st.integers(-(10**6), 10**6), max_size=30),
    time_bases,
    st.none() | st.just(Fraction(24000, 1001)),
)
def test_any_timestamps_become_strictly_increasing(
    times: list[int | None], base: Fraction, rate: Fraction | None
) -> None:
    """Whatever comes in: as many frames, in their order, each later than the one before."""
    stamped, _ = repaired(times, base=base, rate=rate)
    assert [s.picture for s in stamped] == list(range(len(times)))
    assert all(a.pts < b.pts for a, b in itertools.pairwise(stamped))
    assert all(s.duration >= 1 for s in stamped)


@given(st.sets(st.integers(-(10**9), 10**9), max_size=40))
def test_good_timestamps_are_untouched(times: set[int]) -> None:
    """Increasing times pass through, however irregular, and nothing is counted."""
    good: list[int | None] = [*sorted(times)]
    stamped, repair = repaired(good)
    assert [s.pts for s in stamped] == good
    assert not repair.repairs


@given(st.integers(1, 20), st.integers(0, 79), st.booleans())
def test_one_bad_timestamp_moves_no_other(index: int, bad: int, missing: bool) -> None:
    """A single broken time leaves all others, and so the sound, exactly where they were."""
    good = [40 * i for i in range(23)]
    broken: list[int | None] = [*good]
    broken[index] = None if missing else good[index - 1] - bad
    out = pts_of(broken)
    assert out[:index] + out[index + 1 :] == good[:index] + good[index + 1 :]
    assert good[index - 1] < out[index] < good[index + 1]


@pytest.mark.parametrize(
    ("times", "expected", "kind"),
    [
        ([0, 40, 40, 120], [0, 40, 41, 120], "duplicate"),
        ([0, 40, 10, 120], [0, 40, 41, 120], "backward"),
        ([0, 40, None, 120], [0, 40, 80, 120], "missing"),
        ([0, 40, 9000, 120, 160], [0, 40, 119, 120, 160], "ahead"),
        ([None, 40, 80], [0, 40, 80], "missing"),
        ([None, 500, 540], [460, 500, 540], "missing"),
    ],
)
def test_each_fault_moves_as_little_as_it_can(
    times: list[int | None], expected: list[int], kind: str
) -> None:
    """One fault of each kind: where the frame goes, and that it is counted under its name."""
    stamped, repair = repaired(times)
    assert [s.pts for s in stamped] == expected
    assert repair.repairs == {kind: 1}


def test_frames_without_any_time_are_one_frame_apart() -> None:
    """A raw stream runs at its frame rate, and rounding errors do not add up."""
    rate = Fraction(24000, 1001)
    out = pts_of([None] * 2401, rate=rate)
    assert out == [round(i / rate / MS) for i in range(2401)]


def test_repaired_frames_are_a_millisecond_apart() -> None:
    """In fine ticks a repaired frame is far enough off to survive a container of 1 ms ticks."""
    base = Fraction(1, 90000)
    assert pts_of([0, 3600, 3600, 10800], base=base) == [0, 3600, 3690, 10800]


def test_no_room_shares_what_is_there() -> None:
    """Between times closer than a millisecond the frame goes halfway, then the next one moves."""
    base = Fraction(1, 90000)
    assert pts_of([0, 3600, 3600, 3620], base=base) == [0, 3600, 3610, 3620]
    assert pts_of([0, 40, 40, 41, 80]) == [0, 40, 41, 42, 80]


def test_negative_times_are_kept() -> None:
    """A stream may begin before zero; that is no fault."""
    assert pts_of([-80, -40, 0, 40]) == [-80, -40, 0, 40]


def test_durations_are_the_streams_else_the_distance_else_the_rates() -> None:
    """A known duration is kept but never reaches into the next frame."""
    stamped, _ = repaired([0, 40, 100, 120], durations=[40, 0, 40, 0])
    assert [s.duration for s in stamped] == [40, 60, 20, 40]


# Losses ------------------------------------------------------------------------------------------


def test_a_healthy_stream_loses_nothing() -> None:
    """Packets that are never shown are no loss, neither on the way nor at the end."""
    losses = LossTracker()
    for pts in (0, 120, 40, 80, 81, 160):  # 81 is never shown
        losses.submit(pts)
    shown = [losses.picture(pts, key=pts == 0) for pts in (0, 40, 80, 120)]
    assert shown == [[], [], [], []]
    assert losses.finish() == []


def test_a_lost_frame_is_told_by_its_time() -> None:
    """After an error, the packets that were passed over are the lost ones, in display order."""
    losses = LossTracker()
    for pts in (0, 120, 40, 80, 240, 160, 200):
        losses.submit(pts)
    losses.error()
    assert losses.picture(0, key=True) == []
    assert losses.picture(120, key=False) == [40, 80]
    assert losses.finish() == [160, 200, 240]


def test_a_picture_behind_its_time_is_late() -> None:
    """A frame that was given up and then comes all the same has had its place taken."""
    losses = LossTracker()
    for pts in (0, 80, 40):
        losses.submit(pts)
    losses.error()
    assert losses.picture(0, key=True) == []
    assert not losses.is_late(40)
    assert losses.picture(80, key=False) == [40]
    assert losses.is_late(40)
    assert not losses.is_late(80)
    assert not losses.is_late(None)


def test_losses_end_with_a_later_key_frame() -> None:
    """From the first key frame behind the damage on, a packet without a picture is no loss."""
    losses = LossTracker()
    for pts in (0, 40, 80):
        losses.submit(pts)
    losses.error()
    losses.submit(120)
    assert losses.picture(0, key=True) == []
    assert losses.picture(120, key=True) == [40, 80]
    for pts in (121, 160):
        losses.submit(pts)
    assert losses.picture(160, key=False) == []


def test_an_unreported_error_at_the_end_is_noticed() -> None:
    """A stream that showed every packet, then swallowed the last ones, has lost them."""
    losses = LossTracker()
    for pts in (0, 40, 80):
        losses.submit(pts)
    assert losses.picture(0, key=True) == []
    assert losses.finish() == [40, 80]


def test_completeness_is_told_from_what_is_held() -> None:
    """A few packets without a picture at the end, or an error there, are a reason to look again."""
    losses = LossTracker()
    for pts in (0, 40):
        losses.submit(pts)
    losses.picture(0, key=True)
    told = [losses.is_complete]
    losses.picture(40, key=False)
    told.append(losses.is_complete)
    losses.error_at_end()
    assert [*told, losses.is_complete] == [False, True, False]


def test_streams_with_hidden_packets_are_complete() -> None:
    """Where packets went without a picture all along, those at the end are no reason."""
    losses = LossTracker()
    for pts in (0, 1, 40, 41):
        losses.submit(pts)
    for pts in (0, 40):
        losses.picture(pts, key=False)
    assert losses.is_complete


def test_untimed_packets_are_counted() -> None:
    """Without timestamps, pictures and errors are set against packets."""
    losses = LossTracker()
    for _ in range(3):
        losses.submit(None)
    losses.picture(None, key=True)
    losses.error()
    told = [losses.is_complete]
    losses.picture(None, key=False)
    assert [*told, losses.is_complete] == [False, True]


def test_losses_without_timestamps_are_counted_by_errors() -> None:
    """Where packets have no time, each error is one frame, before the next picture."""
    losses = LossTracker()
    losses.submit(None)
    losses.error()
    losses.error()
    assert losses.picture(None, key=False) == [None, None]
    assert losses.picture(None, key=False) == []
    losses.error()
    assert losses.finish() == [None]


# Jumps -------------------------------------------------------------------------------------------


def joined(*packets: tuple[int, float]) -> list[float]:
    """Times of packets of 40 ms, given as (stream, time) in the order of the file."""
    clock = ContinuousClock()
    length = Fraction(1, 25)
    times = [Fraction(str(time)) for _, time in packets]
    return [
        float(time + clock.offset(stream, time, length, leads=stream < 9))
        for (stream, _), time in zip(packets, times, strict=True)
    ]


def test_a_clock_without_jumps_is_left_alone() -> None:
    """Gaps and steps back that packets of several streams have anyway are no jumps."""
    packets = [(0, 100.0), (1, 99.5), (0, 100.04), (1, 99.54), (0, 105.0), (9, 300.0), (0, 105.04)]
    assert joined(*packets) == [time for _, time in packets]


@pytest.mark.parametrize("begin", [0.0, 0.5, 95.0, 5000.0])
def test_a_jump_moves_every_stream_by_the_same(begin: float) -> None:
    """After a jump in either direction all go on where they were, as far apart as before."""
    before = [(0, 100.0), (1, 99.5), (0, 100.04), (1, 99.54)]
    after = [(0, begin + 1), (1, begin + 0.5), (0, begin + 1.04), (9, begin + 1)]
    assert joined(*before, *after)[4:] == pytest.approx([100.08, 99.58, 100.12, 100.08])


@pytest.mark.parametrize("length", [4, 10, 20, 60])
def test_a_clock_that_restarts_after_less_than_a_second_is_joined(length: int) -> None:
    """Short pieces that all begin at one time go on one behind the other, sound with picture."""
    piece = [(stream, 100 + index / 25) for index in range(length) for stream in (0, 1)]
    times = joined(*piece, *piece, *piece)
    assert times[::2] == pytest.approx([100 + index / 25 for index in range(3 * length)])
    assert times[1::2] == pytest.approx(times[::2])


def test_a_late_packet_of_the_old_clock_keeps_its_place() -> None:
    """Where streams change clocks one after another, packets of both clocks are told apart."""
    packets = [(0, 100.0), (1, 100.0), (0, 0.0), (1, 100.04), (0, 0.04), (1, 0.04), (1, 0.08)]
    assert joined(*packets) == pytest.approx([100, 100, 100.04, 100.04, 100.08, 100.08, 100.12])


# Rates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24", 24),
        (" 24000/1001 ", Fraction(24000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("12.5", Fraction(25, 2)),
        ("24.0", 24),
        ("1000", 1000),
    ],
)
def test_parse_rate_knows_what_people_round(text: str, expected: Fraction) -> None:
    """Fractions are exact, and the decimals of NTSC mean its fractions."""
    assert parse_rate(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-24", "24/0", "0/5", "1001", "fast", "1e3", "24/1.001"])
def test_parse_rate_refuses_what_is_no_rate(text: str) -> None:
    """As a usage error, whatever Python would have made of it."""
    with pytest.raises(UsageError, match="frames per second"):
        parse_rate(text)


@given(
    st.fractions(Fraction(1), 120, max_denominator=1001), st.integers(0, 10**6), st.integers(1, 300)
)
def test_even_frames_do_not_stray(rate: Fraction, first: int, count: int) -> None:
    """Whatever the first one's time, and with times in milliseconds too."""
    exact, rounded = Pace(rate), Pace(rate)
    for index in range(count):
        time = first + index / rate
        exact.add(time)
        rounded.add(ticks(time, MS) * MS)
    assert exact.count == count
    assert not exact.strays
    assert not rounded.strays


def test_a_frame_that_is_late_by_more_than_its_length_strays() -> None:
    """By how much is said."""
    pace = Pace(Fraction(25))
    for time in (0, 40, 80, 161):
        pace.add(time * MS)
    assert pace.strays
    assert "0.04 s" in pace.remark("images")
