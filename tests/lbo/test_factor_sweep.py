"""Rescaling: pseudo HR of exact sizes, patches worth looking at, statistics that mean something."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from animesr_cli.degradation.operators import blur
from animesr_cli.errors import InputError, Interrupted
from animesr_cli.lbo.factor_sweep import (
    FACTORS,
    FactorStatistics,
    choose_patches,
    ranked,
    statistics,
    sweep,
)
from animesr_cli.lbo.pseudo_hr import PseudoHr, open_network, pseudo_hr_of, rescaled_size, resized
from animesr_cli.metrics.scoring import sobel
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.devices import compute_on
from animesr_cli.model.network import Network
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.model.rrdb import RRDBNet
from animesr_cli.model.srvgg import SRVGGNetCompact
from animesr_cli.model.tiles import Region
from animesr_cli.reading.probe import probe
from pictures import drawing, write_rgb
from pinned import filled


@pytest.fixture(scope="module")
def bilinear(zero_checkpoint: Path) -> PseudoHr:
    """Pseudo HR of a network that enlarges bilinearly."""
    return open_network(zero_checkpoint, "cpu", precision="fp32")[0]


@pytest.fixture(scope="module")
def remembering(random_checkpoint: Path) -> PseudoHr:
    return open_network(random_checkpoint, "cpu", precision="fp32")[0]


# ---- pseudo HR -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    factor=st.floats(0.01, 1.0),
    frames=st.integers(1, 3),
)
def test_pseudo_hr_is_exactly_twice_as_large(
    height: int, width: int, factor: float, frames: int, bilinear: PseudoHr
) -> None:
    """For every size and factor: (2h, 2w), in [0, 1], and one for each frame."""
    clip = torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(1))
    made = bilinear(clip, factor)
    assert made.shape == (frames, 3, 2 * height, 2 * width)
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


@pytest.mark.parametrize(
    "network",
    [
        CompactMSRB(4, 4, 2, (1, 1), 2),
        RRDBNet(4, 4, 1, 2),
        RRDBNet(2, 4, 1, 2, 2),
        SRVGGNetCompact(1, 4, 2),
        RealBasicVSR(4, 1, 1),
    ],
    ids=lambda network: f"{network.architecture} x{network.scale}",
)
def test_every_kind_of_network_makes_it(network: Network) -> None:
    """What the network gives of the whole clip, whatever its scale, at twice the clip's size."""
    filled(network, gain=1.0)
    compute = compute_on(torch.device("cpu"), "fp32")
    clip = torch.rand(3, 3, 26, 34, generator=torch.Generator().manual_seed(2))
    made = PseudoHr(network=network, compute=compute, warn=pytest.fail)(clip, 0.5)
    expected = resized(network(resized(clip, 13, 17)[None])[0], 52, 68)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
    assert made.std() > 0.01


@pytest.mark.parametrize("factor", FACTORS)
def test_what_is_flat_stays(bilinear: PseudoHr, factor: float) -> None:
    """A picture of one colour is that colour at every factor."""
    made = bilinear(torch.full((2, 3, 23, 31), 0.3), factor)
    torch.testing.assert_close(made, torch.full_like(made, 0.3))


def test_nothing_moves(bilinear: PseudoHr) -> None:
    """The middle of a spot is where it was, at every factor, on sides that do not divide."""
    y, x = torch.meshgrid(torch.arange(45.0), torch.arange(38.0), indexing="ij")
    spot = torch.exp(-((y - 20) ** 2 + (x - 17) ** 2) / 60).repeat(3, 1, 1)
    for factor in (0.3, 0.5, 0.7, 1.0):
        made = bilinear(spot[None], factor)[0, 0]
        rows, columns = made.sum(1), made.sum(0)
        centre_y = float((rows * (torch.arange(90.0) + 0.5)).sum() / rows.sum()) / 2 - 0.5
        centre_x = float((columns * (torch.arange(76.0) + 0.5)).sum() / columns.sum()) / 2 - 0.5
        assert abs(centre_y - 20) < 0.1
        assert abs(centre_x - 17) < 0.1


def test_the_rescale_is_antialiased(bilinear: PseudoHr) -> None:
    """A fine pattern that a small picture cannot hold becomes gray, not a coarse pattern."""
    stripes = (torch.arange(64) % 2).float().repeat(3, 64, 1)
    small = resized(stripes[None], *rescaled_size(64, 64, 0.3))
    inside = small[..., 3:-3, 3:-3]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.5), atol=0.06, rtol=0)


def test_neighbouring_frames_are_seen(remembering: PseudoHr) -> None:
    """The network's recurrence runs over the frames: another past gives another result."""
    torch.manual_seed(0)
    clip = torch.rand(4, 3, 24, 24)
    other = clip.clone()
    other[0] = torch.rand(3, 24, 24)
    here, there = remembering(clip, 0.5), remembering(other, 0.5)
    assert (here[3] - there[3]).abs().max() > 1e-6
    torch.testing.assert_close(remembering(clip, 0.5), here, rtol=0, atol=0)


def test_a_part_is_that_of_the_whole(remembering: PseudoHr) -> None:
    """What is around a part is looked at, so its pseudo HR has no edges of its own."""
    torch.manual_seed(0)
    clip = functional.interpolate(torch.rand(3, 3, 24, 24), scale_factor=4, mode="bicubic")
    part = Region(32, 32, 32, 32)
    whole = remembering(clip.clamp(0, 1), 0.5)[Region(64, 64, 64, 64).index]
    apart = pseudo_hr_of(part, remembering, clip.clamp(0, 1), 0.5)
    cut = remembering(clip.clamp(0, 1)[part.index], 0.5)
    assert apart.shape == whole.shape
    assert (apart - whole).abs().max() < 0.5 * (cut - whole).abs().max()


# ---- patches -------------------------------------------------------------------------------------


def test_patches_lie_where_there_are_lines(tmp_path: Path) -> None:
    """On a picture that is empty but for one corner, the patches are there."""
    picture = torch.full((3, 240, 320), 0.5)
    picture[:, 8:72, 240:304] = drawing()
    path = write_rgb(tmp_path / "a.mkv", [picture] * 48)
    patches = choose_patches(probe(path))
    assert len(patches) == 6
    assert [each.seconds for each in patches] == sorted({each.seconds for each in patches})
    for each in patches:
        assert each.lr.shape == (3, 96, 96)
        assert sobel(each.lr.float().mean(0)).gt(8).float().mean() > 0.02


def test_patches_are_apart(tmp_path: Path) -> None:
    """Where the same places are good at all times, the patches lie in several of them."""
    picture = torch.full((3, 200, 400), 0.5)
    for left in (16, 160, 304):
        picture[:, 50:114, left : left + 64] = drawing()
    path = write_rgb(tmp_path / "a.mkv", [picture] * 48)
    parts = [each.part for each in choose_patches(probe(path))]
    thirds = {part.left // 120 for part in parts}
    assert len(thirds) == 3


@pytest.mark.parametrize(
    ("size", "frames", "level", "words"),
    [
        ((64, 24), 12, None, "too small"),
        ((64, 64), 1, None, "too short"),
        ((64, 64), 12, 0.5, "too few edges"),
        ((64, 64), 12, 0.0, "too few edges"),
    ],
)
def test_a_clip_that_shows_nothing_is_refused(
    tmp_path: Path, size: tuple[int, int], frames: int, level: float | None, words: str
) -> None:
    """Too small, too short or without texture: one clear sentence."""
    one = drawing(*size) if level is None else torch.full((3, *size), level)
    path = write_rgb(tmp_path / "a.mkv", [one] * frames)
    with pytest.raises(InputError, match=words):
        choose_patches(probe(path))


# ---- statistics ----------------------------------------------------------------------------------


def of(lr: Tensor, hr: Tensor) -> FactorStatistics:
    return statistics(lr, hr.clamp(0, 1), 0.5)


def test_a_plain_enlargement_is_the_measure() -> None:
    """Bicubic enlargement has sharpness 1."""
    lr = drawing()
    plain = resized(lr[None], 128, 128)[0]
    assert of(lr, plain).sharpness == pytest.approx(1)


def test_each_statistic_sees_its_own_fault() -> None:
    """Noise raises gradient energy, halos overshoot, blur lowers sharpness; each leaves a trace."""
    lr = drawing(lines=2)
    clean = functional.interpolate(lr[None], scale_factor=2)[0]
    soft = blur(clean[None], 3.0, 3.0)[0]
    haloed = clean + 1.5 * (clean - blur(clean[None], 1.5, 1.5)[0])
    torch.manual_seed(0)
    noisy = clean + 0.02 * torch.randn_like(clean)
    base = of(lr, clean)
    assert of(lr, noisy).flat_energy > 4 * base.flat_energy + 1
    assert of(lr, haloed).overshoot > base.overshoot + 1
    assert of(lr, soft).sharpness < 0.6 * base.sharpness
    assert base.score > max(of(lr, each).score for each in (noisy, haloed, soft))


figures = st.builds(
    FactorStatistics,
    factor=st.sampled_from(FACTORS),
    flat_energy=st.floats(0, 500),
    overshoot=st.floats(0, 20),
    sharpness=st.floats(0, 3),
)


@given(st.lists(figures, min_size=1, max_size=10))
def test_the_ranking_keeps_its_word(factors: list[FactorStatistics]) -> None:
    """All of them are in it; what lost detail comes last; what is better in all comes first."""
    order = ranked(factors)
    assert sorted(map(id, order)) == sorted(map(id, factors))
    kept = [each.keeps_detail for each in order]
    assert kept == sorted(kept, reverse=True)
    for before, after in pairwise(order):
        if before.keeps_detail and after.keeps_detail:
            assert before.score >= after.score
        better = (
            after.keeps_detail
            and after.sharpness > before.sharpness
            and after.overshoot < before.overshoot
            and after.flat_energy < before.flat_energy
        )
        assert not better


# ---- the sweep -----------------------------------------------------------------------------------


def test_the_sweep_tries_every_factor_on_every_patch(own_clip: Path, zero_checkpoint: Path) -> None:
    """Patches of the clip by factors; bilinear enlargement keeps the more the larger they are."""
    told: list[tuple[int, int]] = []
    found = sweep(
        own_clip, model=str(zero_checkpoint), device="cpu", factors=(0.2, 0.6, 1.0),
        on_trial=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert found.factors == (0.2, 0.6, 1.0)
    assert told == [(done, 18) for done in range(1, 19)]
    for patch in found.patches:
        assert patch.lr.shape == (3, 96, 96)
        assert [result.shape for result in patch.results] == [(3, 192, 192)] * 3
    steep = sorted(found.ranking, key=lambda each: each.sharpness)
    assert [each.factor for each in steep] == [0.2, 0.6, 1.0]


def test_a_sweep_can_be_stopped(own_clip: Path, zero_checkpoint: Path) -> None:
    """What ``listen`` raises ends it at once."""

    def stop() -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        sweep(own_clip, model=str(zero_checkpoint), device="cpu", listen=stop)
