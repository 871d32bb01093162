"""What holds of the measures for any two pictures, and images in the place of videos."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from animesr_cli import upscale
from animesr_cli.errors import InputError, UsageError
from animesr_cli.metrics.evaluate import evaluate
from animesr_cli.metrics.measures import MEASURES, Scores
from animesr_cli.metrics.scoring import Meter, flicker
from animesr_cli.reading.reader import Reader
from animesr_cli.writing.png import encode_png
from media import write_video

SIDES = st.sampled_from([(32, 48), (48, 32), (16, 16)])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Two lumas of one size: blocks of flat colour, ramps, noise, one nearly the other."""
    height, width = draw(SIDES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    block = draw(st.sampled_from([1, 4, 8]))
    small = torch.rand(2, height // block, width // block, generator=generator)
    hr, other = (small.repeat_interleave(block, 1).repeat_interleave(block, 2) * 219 + 16).unbind()
    near = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0]))
    return torch.lerp(hr, other, near), hr


def scored(sr: Tensor, hr: Tensor) -> Scores:
    return Meter().add(sr, hr)


def assert_same(one: Scores, other: Scores, names: tuple[str, ...] = tuple(MEASURES)) -> None:
    for name in names:
        found, expected = getattr(one, name), getattr(other, name)
        assert (found is None) == (expected is None), name
        if found is not None:
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-4), name


@settings(deadline=None, max_examples=60)
@given(pairs())
def test_every_measure_keeps_to_its_range(pair: tuple[Tensor, Tensor]) -> None:
    """Similarities end at 1, deviations begin at 0, and none is NaN."""
    scores = scored(*pair)
    for name, value in asdict(scores).items():
        assert value is None or value == value, name
    assert scores.psnr_y is None or scores.psnr_y > 0
    assert scores.ssim_y is not None
    assert -1 <= scores.ssim_y <= 1 + 1e-6
    assert scores.gmsd is not None
    assert 0 <= scores.gmsd <= 1
    assert scores.edge_f1 is None or 0 <= scores.edge_f1 <= 1
    for value in (scores.overshoot, scores.flat_noise, scores.gradient_ratio):
        assert value is None or value >= 0


@settings(deadline=None, max_examples=40)
@given(pairs(), st.sampled_from(["mirror", "upside down", "transpose"]))
def test_no_measure_knows_left_from_right(pair: tuple[Tensor, Tensor], turn: str) -> None:
    """Both pictures turned alike score alike."""
    sr, hr = pair
    if turn == "transpose":
        turned = sr.mT.contiguous(), hr.mT.contiguous()
    else:
        axis = 1 if turn == "mirror" else 0
        turned = sr.flip(axis), hr.flip(axis)
    assert_same(scored(*turned), scored(sr, hr))


@settings(deadline=None, max_examples=40)
@given(pairs())
def test_what_does_not_ask_which_is_the_truth(pair: tuple[Tensor, Tensor]) -> None:
    """PSNR, SSIM, GMSD and edge F1 are the same both ways; the gradient ratio is turned over."""
    sr, hr = pair
    there, back = scored(sr, hr), scored(hr, sr)
    assert_same(there, back, ("psnr_y", "ssim_y", "gmsd", "edge_f1"))
    if there.gradient_ratio and back.gradient_ratio:
        assert there.gradient_ratio * back.gradient_ratio == pytest.approx(1, rel=1e-4)


@settings(deadline=None, max_examples=40)
@given(pairs(), st.integers(-40, 40))
def test_brightness_is_no_detail(pair: tuple[Tensor, Tensor], codes: int) -> None:
    """Slopes, edges and noise do not change where SR as a whole is brighter; PSNR tells it.

    GMSD does change a little: its authors take what is outside of a picture for black.
    """
    sr, hr = pair
    plain, brighter = scored(sr, hr), scored(sr + codes, hr)
    assert_same(brighter, plain, ("gradient_ratio", "edge_f1", "flat_noise"))
    same = scored(hr + codes, hr)
    expected = None if codes == 0 else 20 * torch.log10(torch.tensor(255 / abs(codes))).item()
    assert same.psnr_y == (None if expected is None else pytest.approx(expected, rel=1e-4))


@settings(deadline=None, max_examples=40)
@given(pairs(), st.floats(0, 1))
def test_within_the_range_of_hr_nothing_overshoots(
    pair: tuple[Tensor, Tensor], share: float
) -> None:
    """Any mixture of HR's own pixels nearby stays in their range; the same excess adds as much."""
    _, hr = pair
    blurred = torch.nn.functional.avg_pool2d(hr[None], 3, 1, 1, count_include_pad=False)[0]
    mixed = torch.lerp(hr, blurred, share)
    assert scored(mixed, hr).overshoot == pytest.approx(0, abs=1e-4)
    assert scored(hr + 300, hr).overshoot is not None
    excess = [scored(hr + step, hr).overshoot or 0 for step in (300, 307)]
    assert excess[1] - excess[0] == pytest.approx(7, abs=1e-3)


@settings(deadline=None, max_examples=40)
@given(pairs(), st.floats(0, 8))
def test_flicker_grows_with_what_comes_and_goes(pair: tuple[Tensor, Tensor], codes: float) -> None:
    """An error that is there every second frame flickers by its size; a constant one does not."""
    sr, hr = pair
    assert flicker(sr + codes, hr, sr, hr) == pytest.approx(codes, abs=1e-3)
    assert flicker(sr, hr, sr + codes, hr) == pytest.approx(codes, abs=1e-3)
    assert flicker(sr, hr, sr, hr) == 0
    moved = hr.roll(1, 1)
    assert flicker(sr + moved, moved, sr + hr, hr) == pytest.approx(0, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(pairs(), pairs())
def test_a_jump_forgets_or_tells_what_was_before(
    pair: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]
) -> None:
    """Flicker is of the pair that was told, or of none; nothing else depends on it."""
    meter = Meter()
    first = meter.add(*pair)
    meter.jump()
    assert meter.add(*other if other[0].shape == pair[0].shape else pair).flicker is None
    meter.jump(pair)
    again = meter.add(*pair)
    assert again.flicker == 0
    assert_same(again, first, tuple(name for name in MEASURES if name != "flicker"))
    assert len(meter.scores) == 3


# ---- images --------------------------------------------------------------------------------------


def test_images_stand_for_a_video(tmp_path: Path) -> None:
    """A folder, a pattern and a video of the same pictures score alike, whatever the rate."""
    clean = write_video(tmp_path / "clean.mkv", frames=4, rate=30, exact=True, matrix=5)
    for folder in ("hr", "sr"):
        (tmp_path / folder).mkdir()
        scale = 1.0 if folder == "hr" else 2.0
        half = tmp_path / f"{folder}.mkv"
        upscale(clean, half, scale=1 / scale, device="cpu", codec="ffv1", pix_fmt="bgr0")
        upscale(half, tmp_path / folder / "%03d.png", scale=scale, device="cpu")
    heard: list[str] = []
    kinds = [
        evaluate(tmp_path / "sr" / "%03d.png", tmp_path / hr, warn=heard.append)
        for hr in ("hr", "hr/%03d.png", "hr.mkv")
    ]
    assert [len(kind.frames) for kind in kinds] == [4, 4, 4]
    assert_same(kinds[0].clip, kinds[1].clip)
    assert kinds[2].frames[1].seconds == pytest.approx(1 / 30, abs=1e-3)
    assert not [text for text in heard if "different times" in text]
    assert len(evaluate(tmp_path / "sr", tmp_path / "hr", frames=2, warn=heard.append).frames) == 2


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    """As for upscale, in one line."""
    clean = write_video(tmp_path / "clean.mkv", frames=2)
    (tmp_path / "empty").mkdir()
    with pytest.raises((InputError, UsageError), match="empty"):
        evaluate(tmp_path / "empty", clean)


def test_what_degrade_cropped_is_compared_with_that_part(tmp_path: Path) -> None:
    """Up to 7 pixels less at the right and bottom: the same scores as HR cropped by hand, told."""
    clean = write_video(tmp_path / "hr.mkv", frames=2, width=71, height=52, pix_fmt="gray")
    heard: list[str] = []
    with Reader(clean) as reader:
        lumas = [frame.planes[0].clone() for frame in reader]
    for name, height, width in (("part", 48, 64), ("noise", 48, 64)):
        (tmp_path / name).mkdir()
        for number, luma in enumerate(lumas):
            codes = luma[:height, :width].expand(3, height, width).clone()
            if name == "noise":
                codes[:, ::2] = 255 - codes[:, ::2]
            (tmp_path / name / f"{number}.png").write_bytes(encode_png(codes))
    cropped = evaluate(tmp_path / "noise", tmp_path / "part", warn=lambda text: None)
    whole = tmp_path / "whole"
    whole.mkdir()
    for number, luma in enumerate(lumas):
        (whole / f"{number}.png").write_bytes(encode_png(luma.expand(3, *luma.shape)))
    found = evaluate(tmp_path / "noise", whole, warn=heard.append)
    assert found.clip == cropped.clip
    assert (found.width, found.height) == (64, 48)
    assert [text for text in heard if "upper left 64x48" in text]
    with pytest.raises(UsageError, match="differ in size"):
        evaluate(whole, tmp_path / "noise")
