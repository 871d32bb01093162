"""The held-out part: never learned from, always the same, measured as evaluate measures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from animesr_cli.model.resample import enlarge
from animesr_cli.settings import FinetuneSettings
from animesr_cli.training.corpus import Shot, load_sources, shots_of
from animesr_cli.training.validation import HeldOut, bicubic, examine, fixed_windows, hold_out
from media import write_video

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> list[Shot]:
    """Twelve shots of 4 to 15 frames, 64x48."""
    folder = tmp_path_factory.mktemp("material")
    for number in range(12):
        write_video(folder / f"{number:02}.mp4", frames=4 + number)
    return shots_of(load_sources([folder], memory_bytes=1 << 30, warn=pytest.fail))


def windows_of(shots: list[Shot], seed: int = 0, scale: int = 4) -> list[HeldOut]:
    return fixed_windows(shots, FinetuneSettings(seed=seed), (), CPU, scale)


# ---- which it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("count", [2, 3, 12])
def test_shots_are_either_learned_from_or_held_out(
    shots: list[Shot], share: float, count: int
) -> None:
    """Every shot is in one of the two parts, both have some, and the share is about kept."""
    learned, held = hold_out(shots[:count], share)
    assert sorted([*learned, *held], key=shots.index) == shots[:count]
    assert learned
    assert len(held) == min(max(round(count * share), 1), count - 1)


def test_held_out_shots_are_spread(shots: list[Shot]) -> None:
    """They are not all from one end of the material."""
    _, held = hold_out(shots, 0.25)
    assert [shots.index(shot) for shot in held] == [2, 6, 10]


def test_a_single_shot_is_divided(shots: list[Shot]) -> None:
    """Its end is held out, and no frame is in both parts."""
    (learned,), (held,) = hold_out(shots[-1:], 0.2)
    assert (learned.first, learned.count, held.first, held.count) == (0, 12, 12, 3)


# ---- windows -------------------------------------------------------------------------------------


def test_windows_are_fixed(shots: list[Shot]) -> None:
    """A seed gives one set of windows, pictures and degradations; another seed another."""
    one, again, other = windows_of(shots), windows_of(shots), windows_of(shots, seed=1)
    assert [window.name for window in one] == [window.name for window in again]
    assert all(torch.equal(a.lr, b.lr) for a, b in zip(one, again, strict=True))
    assert not all(
        a.lr.shape == b.lr.shape and torch.equal(a.lr, b.lr)
        for a, b in zip(one, other, strict=True)
    )


def test_windows_have_the_size_of_small_pictures(shots: list[Shot]) -> None:
    """There are eight, of up to seven frames, and LR is a quarter of HR."""
    windows = windows_of(shots)
    assert len(windows) == 8
    for window in windows:
        frames = window.hr.shape[0]
        assert 4 <= frames <= 7
        assert window.hr.shape == (frames, 3, 48, 64)
        assert window.lr.shape == (frames, 3, 12, 16)


def test_few_shots_give_several_windows(shots: list[Shot]) -> None:
    """Where one shot is held out, the windows come from different times of it."""
    names = [window.name for window in windows_of(shots[-1:])]
    assert len(names) == 8
    assert len(set(names)) > 2


# ---- scores --------------------------------------------------------------------------------------


def test_the_truth_is_perfect(shots: list[Shot]) -> None:
    """What gives the ground truth itself has no error, gradient energy 1 and no flicker."""
    windows = windows_of(shots)
    truth = iter(windows)

    def cheat(clip: Tensor) -> Tensor:
        return next(truth).hr[None].float() / 255

    found = examine(cheat, windows, CPU)
    scores, results = found.scores, found.results
    assert scores["l1"] == 0
    assert scores["ssim_y"] == pytest.approx(1)
    assert scores["gradient_ratio"] == pytest.approx(1)
    assert scores["flicker"] == 0
    assert "psnr_y" not in scores  # without an error there is no ratio
    assert all(torch.equal(a, b.hr) for a, b in zip(results, windows, strict=True))


def test_bicubic_is_that_of_compare(shots: list[Shot]) -> None:
    """What everything is compared with is the one bicubic enlargement, frame by frame."""
    (window, *_) = windows_of(shots)
    height, width = window.hr.shape[-2:]
    frames = torch.stack([enlarge(frame, height, width, "bicubic") for frame in window.lr])
    assert torch.equal(bicubic(window.lr[None], 4)[0], frames)
    scores = examine(lambda lr: bicubic(lr, 4), [window], CPU).scores
    assert scores["l1"] == pytest.approx(float((frames - window.hr / 255).abs().mean()), rel=1e-5)


def test_a_network_that_enlarges_less_has_a_smaller_truth(shots: list[Shot]) -> None:
    """The same windows, degraded alike; the truth is the clean picture at the network's size."""
    (four, *_), (two, *_) = windows_of(shots), windows_of(shots, scale=2)
    assert torch.equal(four.lr, two.lr)
    assert [2 * side for side in two.hr.shape[-2:]] == list(four.hr.shape[-2:])
    small = torch.nn.functional.avg_pool2d(four.hr.float(), 2)
    assert (two.hr.float() - small).abs().mean() < 4
