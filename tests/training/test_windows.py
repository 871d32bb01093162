"""Windows: drawn in one order for a seed, never across a cut, and cut where they say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animesr_cli.degradation.operators import DegradationPlan, apply_plan
from animesr_cli.errors import InputError
from animesr_cli.settings import FinetuneSettings
from animesr_cli.training.corpus import Shot, load_sources, shots_of, workers_pool
from animesr_cli.training.windows import (
    Batch,
    Window,
    WindowSampler,
    batches,
    degraded,
    usable_shots,
)
from media import write_video

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> list[Shot]:
    """Two shots of 12 and 5 frames of 64x48."""
    folder = tmp_path_factory.mktemp("material")
    write_video(folder / "a.mkv", frames=12, exact=True)
    write_video(folder / "b.mkv", frames=5, exact=True)
    return shots_of(load_sources([folder], memory_bytes=1 << 30, warn=pytest.fail))


def sampler_of(
    shots: list[Shot],
    *,
    frames: int = 3,
    side_px: int = 32,
    seed: int = 0,
    defocus: float = 0.0,
) -> WindowSampler:
    chosen = FinetuneSettings(frames=frames, patch=side_px // 4, seed=seed, defocus=defocus)
    return WindowSampler(shots, chosen)


def first_batches(shots: list[Shot], workers: int, numbers: range, count: int = 2) -> list[Batch]:
    with workers_pool(workers) as pool:
        coming = batches(sampler_of(shots), pool, device=CPU, first_iteration=5, numbers=numbers)
        return list(islice(coming, count))


# ---- drawing -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    frames=st.integers(1, 5),
    side_px=st.sampled_from([8, 16, 48]),
    iteration=st.integers(0, 10**6),
)
def test_windows_lie_inside_their_shot(
    shots: list[Shot], seed: int, frames: int, side_px: int, iteration: int
) -> None:
    """Whatever is drawn: frames of one shot, pixels of its pictures, an interval of 1 to 3."""
    sampler = sampler_of(shots, frames=frames, side_px=side_px, seed=seed)
    window = sampler.window(iteration, 0)
    shot = shots[window.shot]
    assert 1 <= window.interval <= 3
    assert window.first >= 0
    assert window.first + (frames - 1) * window.interval < shot.count
    assert 0 <= window.top <= shot.source.info.height - side_px
    assert 0 <= window.left <= shot.source.info.width - side_px
    assert sampler.pictures(window).shape == (frames, 3, side_px, side_px)


def test_every_window_comes_up(shots: list[Shot]) -> None:
    """All shots, intervals that fit, directions and flips are drawn; the long shot more often."""
    sampler = sampler_of(shots)
    drawn = [sampler.window(iteration, 0) for iteration in range(400)]
    assert {window.interval for window in drawn if window.shot == 0} == {1, 2, 3}
    assert {window.interval for window in drawn if window.shot == 1} == {1, 2}
    for name in ("reverse", "flip_x", "flip_y", "transpose"):
        share = sum(getattr(window, name) for window in drawn) / len(drawn)
        assert 0.4 < share < 0.6
    first = sum(window.shot == 0 for window in drawn) / len(drawn)
    assert first == pytest.approx(10 / 13, abs=0.08)  # windows of 3 frames: 10 and 3


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
def test_pictures_are_those_of_the_window(
    shots: list[Shot], reverse: bool, flip_x: bool, flip_y: bool, transpose: bool
) -> None:
    """Undone, flips, transposition and direction give the pixels of the source."""
    sampler = sampler_of(shots)
    window = Window(
        shot=0, first=1, interval=2, reverse=reverse, top=5, left=7, flip_x=flip_x,
        flip_y=flip_y, transpose=transpose, plan=sampler.window(0, 0).plan,
    )  # fmt: skip
    clip = sampler.pictures(window)
    clip = clip.mT if transpose else clip
    clip = clip.flip(3) if flip_x else clip
    clip = clip.flip(2) if flip_y else clip
    clip = clip.flip(0) if reverse else clip
    expected = torch.stack(shots[0].frames(1, 3, 2))[..., 5:37, 7:39]
    assert torch.equal(clip, expected)


# ---- batches -------------------------------------------------------------------------------------


def test_a_share_of_windows_is_out_of_focus(shots: list[Shot]) -> None:
    """Their truth is blurred and most are degraded mildly; all others are as they were."""
    plain, some = sampler_of(shots), sampler_of(shots, defocus=0.3)
    windows = [(plain.window(n, 0), some.window(n, 0)) for n in range(300)]
    soft = [(before, after) for before, after in windows if after.defocus_px]
    assert 60 < len(soft) < 120
    assert all(before == after for before, after in windows if not after.defocus_px)
    assert all(1.5 <= after.defocus_px <= 7 for _, after in soft)
    mild = [after for _, after in soft if after.plan.crf <= 24 and after.plan.noise_sigma <= 1.5]
    assert len(mild) > len(soft) / 2
    before, after = soft[0]
    sharp, blurred = (some.pictures(window).float() for window in (before, after))
    assert blurred.shape == sharp.shape
    assert blurred.diff(dim=-1).abs().mean() < 0.8 * sharp.diff(dim=-1).abs().mean()
    assert blurred.mean() == pytest.approx(float(sharp.mean()), abs=6)


def test_batches_do_not_depend_on_threads(shots: list[Shot]) -> None:
    """One thread and four give the same batches, bit for bit, in the same order."""
    one, four = (first_batches(shots, workers, range(3)) for workers in (1, 4))
    assert [batch.iteration for batch in one] == [5, 6]
    for a, b in zip(one, four, strict=True):
        assert a.windows == b.windows
        assert torch.equal(a.lr, b.lr)
        assert torch.equal(a.hr, b.hr)


def test_processes_share_an_iteration(shots: list[Shot]) -> None:
    """Two halves of an iteration's windows are those that one process would have."""
    (whole,) = first_batches(shots, 2, range(4), 1)
    halves = [first_batches(shots, 2, numbers, 1)[0] for numbers in (range(2), range(2, 4))]
    assert torch.equal(whole.lr, torch.cat([half.lr for half in halves]))
    assert torch.equal(whole.hr, torch.cat([half.hr for half in halves]))


def test_shapes_and_ranges(shots: list[Shot]) -> None:
    """LR is a quarter of HR, both are fp32 in [0, 1]."""
    (batch,) = first_batches(shots, 1, range(2), 1)
    assert batch.lr.shape == (2, 3, 3, 8, 8)
    assert batch.hr.shape == (2, 3, 3, 32, 32)
    for clip in (batch.lr, batch.hr):
        assert clip.dtype == torch.float32
        assert float(clip.min()) >= 0
        assert float(clip.max()) <= 1


def test_degradation_is_that_of_the_command() -> None:
    """Without noise, which is drawn otherwise, a window is degraded as animesr degrade does it."""
    plan = DegradationPlan(
        kernel="isotropic", sigma_x_px=1.2, sigma_y_px=1.2, angle_degrees=0, noise="gray",
        noise_sigma=0, noise_seed=1, down=("area", "bicubic"), lbo=None, lbo_file=None,
        crf=23, profile="high",
    )  # fmt: skip
    hr = torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(degraded(hr, plan, ()), apply_plan(hr, plan))


# ---- what cannot be used -------------------------------------------------------------------------


def test_short_and_small_shots_are_left_out(shots: list[Shot], tmp_path: Path) -> None:
    """Shots without a whole window are named, and the others stay."""
    write_video(tmp_path / "small.mkv", frames=12, width=32, height=24)
    small = shots_of(load_sources([tmp_path], memory_bytes=1 << 30, warn=pytest.fail))
    told: list[str] = []
    usable = usable_shots([*shots, *small], frames=6, side_px=48, warn=told.append)
    assert usable == shots[:1]
    assert told == [
        "left out: 1 shot (b.mkv), shorter than the 6 frames of a window",
        "left out: 1 shot (small.mkv), smaller than the 48 pixels of a patch",
    ]


def test_all_too_short(shots: list[Shot]) -> None:
    """The error says how long the longest is, and what to ask for."""
    with pytest.raises(InputError, match="the longest has 12") as caught:
        usable_shots(shots, frames=15, side_px=32, warn=pytest.fail)
    assert caught.value.hint == "use longer clips, or --frames 12"


def test_all_too_small(shots: list[Shot]) -> None:
    """The error says how large the largest is, and what to ask for."""
    with pytest.raises(InputError, match="64x64 pixels; the largest has 48") as caught:
        usable_shots(shots, frames=3, side_px=64, warn=pytest.fail)
    assert caught.value.hint == "use larger pictures, or --patch 12"
