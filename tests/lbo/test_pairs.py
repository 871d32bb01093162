"""Pairs of pseudo HR and LR: the clip's own pictures, whole or in part, some of them held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from animesr_cli.errors import InputError, Interrupted
from animesr_cli.lbo.pairs import Pair, Pairs, collect
from animesr_cli.lbo.pseudo_hr import PseudoHr, open_network
from animesr_cli.reading.probe import probe
from animesr_cli.settings import LboSettings
from pictures import drawing, frames_of, write_rgb

SETTINGS = LboSettings(excerpts=10, frames=4, warmup=2, batch=4, patch=32)


def collected(path: Path, make: PseudoHr, listen: Callable[[], None] = lambda: None) -> Pairs:
    """The pairs of a clip at factor 0.5, without a warning."""
    return collect(
        probe(path), 0.5, SETTINGS, make, warn=pytest.fail, listen=listen,
        on_excerpt=lambda done, total: None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def make(zero_checkpoint: Path) -> PseudoHr:
    return open_network(zero_checkpoint, "cpu", precision="fp32")[0]


@pytest.fixture(scope="module")
def pairs(own_clip: Path, make: PseudoHr) -> Pairs:
    return collected(own_clip, make)


def test_lr_is_the_clips_own_picture(own_clip: Path, pairs: Pairs) -> None:
    """Each LR picture is the frame that is shown at its time; HR has exactly twice its size."""
    whole = frames_of(own_clip).clamp(0, 1).mul(255).round().to(torch.uint8)
    for pair in (*pairs.learned, *pairs.held_out):
        assert torch.equal(pair.lr, whole[round(pair.seconds * 24)])
        assert pair.hr.shape == (3, 192, 320)


def test_hr_shows_what_lr_shows(pairs: Pairs) -> None:
    """Brought to LR's size, the pseudo HR is a softer LR, not another frame's."""
    for pair in pairs.learned[::3]:
        small = functional.avg_pool2d(pair.hr.float(), 2)
        own = (small - pair.lr).abs().mean()
        others = [(small - other.lr).abs().mean() for other in pairs.held_out]
        assert own < min(others)


def test_what_is_held_out_is_never_learned_from(pairs: Pairs) -> None:
    """No held-out picture, nor one of its neighbours of the same place, is among the others."""
    assert pairs.held_out
    learned = {round(pair.seconds * 24) for pair in pairs.learned}
    for pair in pairs.held_out:
        near = range(round(pair.seconds * 24) - 1, round(pair.seconds * 24) + 2)
        assert learned.isdisjoint(near)


def test_batches_repeat_and_differ(pairs: Pairs) -> None:
    """A batch is its iteration's alone; another iteration has another one."""
    hr, lr = pairs.batch(SETTINGS, 7)
    assert hr.shape == (4, 3, 64, 64)
    assert lr.shape == (4, 3, 32, 32)
    again = pairs.batch(SETTINGS, 7)
    assert torch.equal(hr, again[0])
    assert torch.equal(lr, again[1])
    assert not torch.equal(lr, pairs.batch(SETTINGS, 8)[1])
    assert not torch.equal(lr, pairs.batch(replace(SETTINGS, seed=1), 7)[1])


def test_both_of_a_pair_are_turned_alike() -> None:
    """HR made of LR by doubling its pixels is that in every batch: same place, flips, turn."""
    torch.manual_seed(0)
    lr = torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8)
    hr = lr.repeat_interleave(2, 1).repeat_interleave(2, 2)
    pairs = Pairs(learned=(Pair(hr=hr, lr=lr, seconds=0.0),), held_out=())
    seen = set()
    for iteration in range(30):
        large, small = pairs.batch(SETTINGS, iteration)
        doubled = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
        assert torch.equal(large, doubled)
        seen |= {each.numpy().tobytes() for each in small}
    assert len(seen) > 100  # of 120: few places, many ways to turn them


def test_a_large_frame_gives_a_part_with_lines(tmp_path: Path, make: PseudoHr) -> None:
    """Of more than 256 x 256 pixels, a square is kept, from where something is drawn."""
    frame = torch.full((3, 320, 600), 0.6)
    frame[:, 20:84, 500:564] = drawing()
    path = write_rgb(tmp_path / "a.mkv", [frame] * 16)
    found = collected(path, make)
    for pair in found.learned:
        assert pair.lr.shape == (3, 256, 256)
        assert pair.lr.float().std() > 5


def test_frames_with_nothing_in_them_are_left_out(tmp_path: Path, make: PseudoHr) -> None:
    """A fade to black in the middle gives no pictures."""
    black = torch.zeros(3, 64, 64)
    path = write_rgb(tmp_path / "a.mkv", [drawing()] * 16 + [black] * 16 + [drawing()] * 16)
    found = collected(path, make)
    assert all(pair.lr.float().std() > 5 for pair in (*found.learned, *found.held_out))


@pytest.mark.parametrize(
    ("size", "frames", "level", "words"),
    [
        ((64, 24), 40, None, "too small"),
        ((64, 64), 3, None, "too short"),
        ((64, 64), 1, None, "too short"),
        ((64, 64), 40, 0.5, "too few edges"),
    ],
)
def test_a_clip_without_enough_is_refused(
    tmp_path: Path,
    make: PseudoHr,
    size: tuple[int, int],
    frames: int,
    level: float | None,
    words: str,
) -> None:
    """Too small, too short or without texture: one clear sentence."""
    one = drawing(*size) if level is None else torch.full((3, *size), level)
    path = write_rgb(tmp_path / "a.mkv", [one] * frames)
    with pytest.raises(InputError, match=words):
        collected(path, make)


def test_collecting_can_be_stopped(own_clip: Path, make: PseudoHr) -> None:
    """What ``listen`` raises ends it."""

    def stop() -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        collected(own_clip, make, stop)
