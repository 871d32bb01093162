"""Moments worth looking at, and the frames that lead to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animesr_cli.compare.frame_choice import (
    Clip,
    Probe,
    choose_moments,
    nearest_frames,
    read_run,
    select,
)
from animesr_cli.compare.inputs import open_clip
from animesr_cli.errors import UsageError
from animesr_cli.settings import UpscaleSettings
from media import write_video
from shots_of import flat, shot, write_shots

RATE = 24


def clip_of(path: Path) -> Clip:
    # Such small pictures with such hard edges are taken for interlaced; that is not the matter.
    return open_clip(path, UpscaleSettings(), warn=lambda text: None)


def numbers(clip: Clip, frames: Iterable[Any], rate: int = RATE) -> list[int]:
    """Which frames of an even clip these are."""
    return [round(clip.seconds(frame) * rate) for frame in frames]


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Shots of 20 and 28 frames."""
    path = tmp_path_factory.mktemp("moments") / "two.mkv"
    return clip_of(write_shots(path, [20, 28]))


# ---- runs ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(shown=st.integers(0, 47), run_up=st.integers(0, 50))
def test_a_run_lies_within_its_shot(two_shots: Clip, shown: int, run_up: int) -> None:
    """As many frames as asked for, as far as the shot goes back; the shown one; the next."""
    run = read_run(two_shots, Fraction(2 * shown + 1, 2 * RATE), run_up)
    begin = max(shown - run_up, 0 if shown < 20 else 20)
    found = numbers(two_shots, [frame for frame, _ in run.frames])
    assert found == list(range(begin, min(shown + 2, 48)))
    assert run.shown == shown - begin
    cuts = [number for number, (_, cut) in zip(found, run.frames, strict=True) if cut]
    assert cuts == ([20] if shown == 19 else [])


def test_a_time_shows_what_a_player_shows(two_shots: Clip) -> None:
    """A frame from its own time, give or take a millisecond, until that of the next."""
    for time, number in ((0, 0), (Fraction(10, 24), 10), (Fraction(45, 100), 10)):
        assert numbers(two_shots, [read_run(two_shots, Fraction(time), 3).last]) == [number]


def test_without_scenes_a_run_goes_on(two_shots: Clip) -> None:
    """As the state does with --no-scenes."""
    run = read_run(two_shots, Fraction(22, RATE), 10, scenes=False)
    assert run.shown == 10
    assert not any(cut for _, cut in run.frames)


def test_slow_places_of_a_variable_rate_have_their_run_up(tmp_path: Path) -> None:
    """Where frames are held long, more seconds are read for the same number of frames."""
    times = [*range(0, 400, 40), *range(1000, 21_000, 1000)]
    path = write_video(
        tmp_path / "vfr.mkv", pts=times, time_base=Fraction(1, 1000), pictures=shot(1, 30),
        width=96, height=64,
    )  # fmt: skip
    run = read_run(clip_of(path), Fraction(19), 15)
    assert run.shown == 15


def test_nothing_is_shown_behind_the_end(two_shots: Clip) -> None:
    """The last frame is shown for as long as it lasts; then an error that says when it ended."""
    assert numbers(two_shots, [read_run(two_shots, Fraction(199, 100), 2).last]) == [47]
    for time in (Fraction(201, 100), Fraction(500)):
        with pytest.raises(UsageError, match="nothing is shown at") as caught:
            read_run(two_shots, time, 2)
        assert "2.0" in (caught.value.hint or "")


def test_the_first_frame_is_shown_before_it_comes(tmp_path: Path) -> None:
    """In a clip that begins later than its clock."""
    path = write_video(
        tmp_path / "late.mkv", pts=[500, 540, 580], time_base=Fraction(1, 1000),
        pictures=shot(1, 3), width=96, height=64,
    )  # fmt: skip
    clip = clip_of(path)
    run = read_run(clip, Fraction(1, 10), 5)
    assert (clip.seconds(run.last), run.shown) == (Fraction(1, 2), 0)


def test_nearest_frames_are_found_by_time(two_shots: Clip) -> None:
    """Rounded times find their frames, also the first and the last."""
    for wanted in ([0, 1], [7, 8], [46, 47]):
        times = [Fraction(number, RATE) + Fraction(3, 1000) for number in wanted]
        assert numbers(two_shots, nearest_frames(two_shots, times)) == wanted


# ---- choosing ------------------------------------------------------------------------------------


def shot_of(time: Fraction, lengths: Sequence[int]) -> int:
    """Which shot of an even clip a time lies in."""
    frame, end = round(time * RATE), 0
    for number, length in enumerate(lengths):
        end += length
        if frame < end:
            return number
    raise AssertionError("behind the end")


def test_moments_lie_in_different_shots(tmp_path: Path) -> None:
    """As many as there are shots for, also where shots are of very different length."""
    lengths = [60, 12, 12, 60]
    clip = clip_of(write_shots(tmp_path / "four.mkv", lengths))
    times = choose_moments(clip, 4)
    assert times == sorted(times)
    assert [shot_of(time, lengths) for time in times] == [0, 1, 2, 3]


def test_black_and_flat_stretches_are_passed_over(tmp_path: Path) -> None:
    """Half of the clip shows nothing; all moments show something."""
    frames = [*flat(16, 30), *shot(1, 15), *flat(200, 30), *shot(2, 15), *flat(16, 30)]
    path = write_video(tmp_path / "dark.mkv", pictures=frames, width=96, height=64)
    clip = clip_of(path)
    for count in (1, 2, 3):
        found = numbers(
            clip, [read_run(clip, time, 0).last for time in choose_moments(clip, count)]
        )
        assert len(found) == count
        assert all(30 <= number < 45 or 75 <= number < 90 for number in found)


def test_a_clip_that_shows_nothing_still_has_moments(tmp_path: Path) -> None:
    """Black all over: the wish for something to see gives way."""
    path = write_video(tmp_path / "black.mkv", pictures=flat(16, 20), width=96, height=64)
    assert len(choose_moments(clip_of(path), 3)) == 3


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_give_what_they_have(tmp_path: Path, frames: int) -> None:
    """No more moments than frames, none twice."""
    path = write_video(tmp_path / "short.mkv", pictures=shot(3, frames), width=96, height=64)
    times = choose_moments(clip_of(path), 4, run_up=15)
    assert len(set(times)) == len(times) == frames


def test_moments_keep_to_the_chosen_part(tmp_path: Path) -> None:
    """From --start on and before --end; and not where a network is still cold."""
    clip = clip_of(write_shots(tmp_path / "part.mkv", [48, 48]))
    times = choose_moments(clip, 3, start=Fraction(1, 2), end=Fraction(3, 2))
    assert all(Fraction(1, 2) <= time < Fraction(3, 2) for time in times)
    assert min(choose_moments(clip, 3, run_up=15)) >= Fraction(15, RATE)


def test_a_long_clip_is_looked_into_here_and_there(tmp_path: Path) -> None:
    """Ten minutes at 1 frame a second: spread over all of it, by few decoded frames."""
    frames = [frame for seed in range(6) for frame in shot(seed, 100, 48, 32)]
    path = write_video(tmp_path / "long.mkv", pictures=frames, rate=1, width=48, height=32, gop=12)
    probes = []
    times = choose_moments(clip_of(path), 6, on_probe=lambda: probes.append(1))
    assert len(probes) == 36
    assert [int(time) // 100 for time in times] == [0, 1, 2, 3, 4, 5]


def test_a_file_without_a_length_is_read_through(tmp_path: Path) -> None:
    """A raw stream has no duration; moments are spread over it all the same."""
    path = write_video(tmp_path / "raw.h264", pictures=shot(4, 90), width=96, height=64)
    clip = clip_of(path)
    assert clip.info.duration_seconds is None
    times = choose_moments(clip, 3)
    assert [int(time * 3 / (90 / clip.rate)) for time in times] == [0, 1, 2]


def test_a_file_that_is_shorter_than_it_says_gives_moments(tmp_path: Path) -> None:
    """Cut off after a third: what is announced behind that is not asked for twice."""
    path = write_video(
        tmp_path / "cut.mkv", pictures=shot(5, 200, 48, 32), rate=1, width=48, height=32, gop=8
    )
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)
    clip = clip_of(path)
    times = choose_moments(clip, 4)
    assert times
    assert max(times) < 100


probes = st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 1)), min_size=1, max_size=30)


@settings(deadline=None)
@given(looks=probes, count=st.integers(1, 8))
def test_a_choice_is_as_large_as_it_can_be(looks: list[tuple[float, float]], count: int) -> None:
    """As many as wanted or as there are, each once, in order; nothing dark if something is seen."""
    luma = torch.zeros(36, 64, dtype=torch.uint8)
    given_probes = [
        Probe(number=n, seconds=Fraction(n), luma=luma, detail=detail, bright=bright)
        for n, (detail, bright) in enumerate(looks)
    ]
    chosen = select(given_probes, count, 8)
    places = [probe.number for probe in chosen]
    assert places == sorted(set(places))
    assert len(places) == min(count, len(looks))
    good = {probe.number for probe in given_probes if probe.shows_something}
    assert len(good & set(places)) == min(len(good), len(places))
