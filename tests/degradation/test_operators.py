"""The degradation model: what plans are drawn, what each operator does, and that plans replay."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from animesr_cli.degradation.lbo import LearnableOperator, LoadedOperator
from animesr_cli.degradation.operators import (
    DegradationPlan,
    DegradationSettings,
    Noise,
    add_noise,
    apply_plan,
    blur,
    compress,
    downscale,
    frame_rng,
    gaussian_kernel,
    learned_downscale,
    operator_of,
    plan_from_json,
    plan_to_json,
    sample_plan,
    shrink,
)
from animesr_cli.errors import UsageError
from animesr_cli.video.colour import Matrix

PLANS = 10_000
STANDARD_ERRORS = 5
"""A fair draw strays further from its probability about once in two million times."""


def operator(seed: int) -> LoadedOperator:
    torch.manual_seed(seed)
    network = LearnableOperator(4).eval().requires_grad_(False)
    return LoadedOperator(source=f"{seed}.safetensors", sha256=f"{seed:064}", network=network)


POOL = [operator(seed) for seed in range(3)]
PLAN = sample_plan(random.Random(5))


def plain(**changes: Any) -> DegradationPlan:
    """A plan with an LBO that was not drawn."""
    return replace(PLAN, down=("lbo", "area"), lbo=POOL[1].sha256, **changes)


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """Five frames of moving stripes and blocks, (5, 3, 48, 64)."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    frames = []
    for t in range(5):
        red = ((x + 3 * t) // 8 + y // 8) % 2
        frames.append(torch.stack((red, x / 64, 0.5 + 0.5 * torch.sin((x + y + t) / 3))))
    return torch.stack(frames)


# ---- plans ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plans() -> list[DegradationPlan]:
    rng = random.Random(20_221_128)
    return [sample_plan(rng, operators=POOL) for _ in range(PLANS)]


def check_shares(values: Sequence[object], shares: dict[Any, float]) -> None:
    """Every value is drawn, nothing else is, and each about as often as it should be."""
    counts = Counter(values)
    assert set(counts) == set(shares)
    for value, share in shares.items():
        error = math.sqrt(share * (1 - share) / len(values))
        assert abs(counts[value] / len(values) - share) <= STANDARD_ERRORS * error, value


def check_uniform(values: Sequence[float], low: float, high: float) -> None:
    """Kolmogorov's distance from the uniform distribution is within a bound that is certain.

    The inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, at one in a million.
    """
    ordered, count = sorted(values), len(values)
    assert low <= ordered[0]
    assert ordered[-1] <= high
    distance = max(
        max((i + 1) / count - share, share - i / count)
        for i, value in enumerate(ordered)
        for share in [(value - low) / (high - low)]
    )
    assert distance <= math.sqrt(math.log(2 / 1e-6) / (2 * count))


def test_blur_is_drawn_as_in_the_paper(plans: list[DegradationPlan]) -> None:
    """Isotropic with 0.7 in [0.2, 4.0], anisotropic with 0.3 in [0.8, 3.0] on both axes."""
    check_shares([plan.kernel for plan in plans], {"isotropic": 0.7, "anisotropic": 0.3})
    round_ones = [plan for plan in plans if plan.kernel == "isotropic"]
    long_ones = [plan for plan in plans if plan.kernel == "anisotropic"]
    assert all(plan.sigma_x_px == plan.sigma_y_px for plan in round_ones)
    assert all(plan.angle_degrees == 0 for plan in round_ones)
    check_uniform([plan.sigma_x_px for plan in round_ones], 0.2, 4.0)
    check_uniform([plan.sigma_x_px for plan in long_ones], 0.8, 3.0)
    check_uniform([plan.sigma_y_px for plan in long_ones], 0.8, 3.0)
    check_uniform([plan.angle_degrees for plan in long_ones], 0, 180)


def test_noise_is_drawn_as_in_the_paper(plans: list[DegradationPlan]) -> None:
    """Colour and gray with 0.5 each, sigma in [0, 10]; the seeds differ."""
    check_shares([plan.noise for plan in plans], {"colour": 0.5, "gray": 0.5})
    check_uniform([plan.noise_sigma for plan in plans], 0, 10)
    check_uniform([plan.noise_seed for plan in plans], 0, 2**32)


def test_downscales_are_drawn_as_in_the_paper(plans: list[DegradationPlan]) -> None:
    """Each stage is an LBO with 0.5, both of one weight, drawn from the pool; else one of three."""
    others = dict.fromkeys(("area", "bilinear", "bicubic"), 0.5 / 3)
    for stage in (0, 1):
        check_shares([plan.down[stage] for plan in plans], {"lbo": 0.5, **others})
    learned = [tuple(name == "lbo" for name in plan.down) for plan in plans]
    pairs = [(False, False), (False, True), (True, False), (True, True)]
    check_shares(learned, dict.fromkeys(pairs, 0.25))
    check_shares(
        [plan.lbo for plan in plans if "lbo" in plan.down],
        {operator.sha256: 1 / 3 for operator in POOL},
    )
    assert all((plan.lbo is None) == ("lbo" not in plan.down) for plan in plans)


def test_compression_is_drawn_as_in_the_paper(plans: list[DegradationPlan]) -> None:
    """Whole CRFs from 18 to 35, equally likely; profiles with 0.1, 0.2 and 0.7."""
    check_shares([plan.crf for plan in plans], dict.fromkeys(range(18, 36), 1 / 18))
    check_shares([plan.profile for plan in plans], {"baseline": 0.1, "main": 0.2, "high": 0.7})


def test_without_operators_there_are_the_basic_ones() -> None:
    """An empty pool gives the BasicOP-only model, with the three interpolations equally likely."""
    rng = random.Random(1)
    plans = [sample_plan(rng) for _ in range(2000)]
    names = dict.fromkeys(("area", "bilinear", "bicubic"), 1 / 3)
    check_shares([plan.down[0] for plan in plans], names)
    assert all(plan.lbo is None for plan in plans)


@given(st.integers(0, 2**64))
def test_a_plan_comes_back_from_its_json(seed: int) -> None:
    """Stored and read, a plan is equal to the last digit; and a seed gives it again."""
    plan = sample_plan(random.Random(seed), operators=POOL)
    assert plan_from_json(plan_to_json(plan)) == plan
    assert sample_plan(random.Random(seed), operators=POOL) == plan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crf": 52}, "crf must be from 0 to 51, not 52"),
        ({"crf": 20.5}, "crf must be a whole number, not 20.5"),
        ({"crf": True}, "crf must be a whole number, not true"),
        ({"sigma_x_px": 0}, "sigma_x_px must be from 0.01 to 100, not 0"),
        ({"sigma_y_px": math.nan}, "NaN is no number"),
        ({"noise_sigma": -1}, "noise_sigma must be from 0 to 255.0, not -1"),
        ({"noise_seed": 2**70}, "noise_seed must be from 0 to"),
        ({"kernel": "square"}, 'kernel must be one of isotropic, anisotropic, not "square"'),
        ({"profile": ["high"]}, "profile must be one of"),
        ({"down": ["area"]}, "down must be a list of 2"),
        ({"down": ["area", "lanczos"]}, r"down\[1\] must be one of"),
        ({"down": ["area", "lbo"]}, "down and lbo do not agree"),
        ({"lbo": 7}, "lbo must be a text, not 7"),
        ({"preset": "slow"}, "preset is not known"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(change: dict[str, Any], words: str) -> None:
    """A value outside its range, or a name that is not known, is named."""
    with pytest.raises(UsageError, match=words):
        plan_from_json(json.dumps({**asdict(PLAN), **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", "[" * 100_000])
def test_what_is_no_plan_is_refused(text: str) -> None:
    """Text that is no JSON object with a plan's names ends in one clear error."""
    with pytest.raises(UsageError, match="the plan"):
        plan_from_json(text)


def test_a_plan_finds_its_operator() -> None:
    """The operator is found by its hash; a pool without it is refused by name."""
    assert operator_of(plain(), POOL) is POOL[1]
    assert operator_of(PLAN, POOL) is None
    with pytest.raises(UsageError, match=POOL[1].sha256):
        operator_of(plain(), POOL[2:])


# ---- Blur ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma_x", "sigma_y", "angle"), [(1.5, 1.5, 0.0), (2.5, 0.8, 0.0), (0.9, 2.4, 37.0)]
)
def test_kernel_has_the_covariance_that_it_should(
    sigma_x: float, sigma_y: float, angle: float
) -> None:
    """21 x 21 weights of sum 1 whose second moments are those of the turned Gaussian."""
    kernel = gaussian_kernel(sigma_x, sigma_y, angle)
    assert kernel.shape == (21, 21)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-12)
    steps = torch.arange(21, dtype=torch.float64) - 10
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    a, b = sigma_x**2, sigma_y**2
    assert (kernel.sum(0) * steps**2).sum().item() == pytest.approx(
        a * cos**2 + b * sin**2, rel=0.01
    )
    assert (kernel.sum(1) * steps**2).sum().item() == pytest.approx(
        a * sin**2 + b * cos**2, rel=0.01
    )
    mixed = (kernel * steps * steps[:, None]).sum().item()
    assert mixed == pytest.approx((a - b) * sin * cos, abs=0.02)


def test_an_isotropic_kernel_is_the_same_from_all_sides() -> None:
    """Equal sigmas give a kernel that no angle changes, the product of its two profiles."""
    kernel = gaussian_kernel(1.7, 1.7, 0)
    torch.testing.assert_close(gaussian_kernel(1.7, 1.7, 63), kernel)
    torch.testing.assert_close(torch.outer(kernel.sum(1), kernel.sum(0)), kernel)


@pytest.mark.parametrize(("sigma_x", "sigma_y", "angle"), [(4.0, 4.0, 0.0), (3.0, 0.8, 20.0)])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (31, 7)])
def test_blur_is_the_convolution(
    clip: Tensor, sigma_x: float, sigma_y: float, angle: float, height: int, width: int
) -> None:
    """By FFT or as a sum over 441 pixels: the same to 2e-6, edges replicated."""
    frames = clip[..., :height, :width]
    padded = functional.pad(frames.double(), (10, 10, 10, 10), mode="replicate")
    kernel = gaussian_kernel(sigma_x, sigma_y, angle).expand(3, 1, 21, 21)
    expected = functional.conv2d(padded, kernel, groups=3)
    result = blur(frames, sigma_x, sigma_y, angle)
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=2e-6)


def test_the_weakest_blur_is_none(clip: Tensor) -> None:
    """Sigma 0.2 leaves a clip as it was to 2e-5."""
    torch.testing.assert_close(blur(clip, 0.2, 0.2), clip, rtol=0, atol=2e-5)


# ---- Noise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["colour", "gray"])
def test_noise_has_its_strength(kind: Noise) -> None:
    """Mean 0 and sigma as asked for, in 8-bit codes; gray noise is the same in R, G and B."""
    flat = torch.full((4, 3, 128, 128), 0.5)
    noise = (add_noise(flat, 6.0, kind, frame_rng(1, 0)) - flat) * 255
    samples = noise if kind == "colour" else noise[:, :1]
    error = 6.0 / math.sqrt(samples.numel())
    assert abs(samples.mean().item()) < STANDARD_ERRORS * error
    assert abs(samples.std().item() - 6.0) < STANDARD_ERRORS * error / math.sqrt(2)
    alike = torch.allclose(noise[:, 0], noise[:, 1], atol=1e-4)
    assert alike == (kind == "gray")
    assert not torch.allclose(noise[0], noise[1], atol=1)


def test_noise_of_a_frame_goes_by_seed_and_number() -> None:
    """Each frame's generator is its own, and the same whenever it is asked for."""
    drawn = [torch.randn(8, generator=frame_rng(*key)) for key in ((1, 0), (1, 1), (2, 0), (1, 0))]
    assert torch.equal(drawn[0], drawn[3])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


# ---- Down and LBO --------------------------------------------------------------------------------


def test_down_weighs_the_pixels_it_should() -> None:
    """Area and bilinear are the mean of 2 x 2; bicubic weighs four with -3, 19, 19, -3 in 32."""
    clip = 0.25 + torch.rand(2, 3, 12, 16) / 2  # nothing is clamped
    mean = clip.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    torch.testing.assert_close(downscale(clip, "area"), mean)
    torch.testing.assert_close(downscale(clip, "bilinear"), mean)
    taps = torch.tensor([-3.0, 19.0, 19.0, -3.0]) / 32
    inside = functional.conv2d(
        clip.reshape(6, 1, 12, 16)[..., 1:-1, 1:-1], torch.outer(taps, taps)[None, None], stride=2
    )
    result = downscale(clip, "bicubic")[..., 1:-1, 1:-1].reshape(6, 1, 4, 6)
    torch.testing.assert_close(result, inside)


def test_an_lbo_takes_the_place_of_its_downscale(clip: Tensor) -> None:
    """Where a stage is an LBO nothing else shrinks there, and both stages use one weight."""
    plan = plain(kernel="isotropic", sigma_x_px=0.01, sigma_y_px=0.01, noise_sigma=0.0)
    both = replace(plan, down=("lbo", "lbo"))
    clean = blur(clip, 0.01, 0.01)
    once = learned_downscale(clean, POOL[1])
    assert torch.equal(shrink(clip, both, POOL[1]), learned_downscale(once, POOL[1]))
    assert torch.equal(shrink(clip, plan, POOL[1]), downscale(once, "area"))


# ---- FFmpeg --------------------------------------------------------------------------------------


def psnr(a: Tensor, b: Tensor) -> float:
    return -10 * math.log10((a - b).square().mean().item())


def test_compression_loses_more_with_a_higher_crf(clip: Tensor) -> None:
    """A gray clip comes back frame by frame, the nearer the lower the CRF."""
    gray = blur(clip, 2.0, 2.0).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    distances = [psnr(compress(gray, crf, "high"), gray) for crf in (1, 18, 35)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 45
    assert distances[2] < distances[0] - 10


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_compression_keeps_colours(matrix: Matrix) -> None:
    """A flat colour comes back as it was to a code and a half, whatever matrix it went through."""
    colour = torch.tensor([0.8, 0.3, 0.1])[:, None, None].expand(3, 3, 16, 16)
    result = compress(colour, 10, "high", matrix=matrix)
    torch.testing.assert_close(result, colour, rtol=0, atol=1.5 / 255 * 2)


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_every_profile_takes_clips_of_every_length(clip: Tensor, profile: Any, frames: int) -> None:
    """As many frames come back as went in, within [0, 1]."""
    result = compress(clip[:frames], 28, profile)
    assert result.shape == clip[:frames].shape
    assert 0 <= result.min() <= result.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(2, 2), (16, 10), (48, 64)])
def test_small_pictures_are_compressed(clip: Tensor, height: int, width: int) -> None:
    """Training patches may be of any even size."""
    patch = clip[..., :height, :width]
    assert compress(patch, 20, "high").shape == patch.shape


# ---- Eq. 1 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_replays(clip: Tensor, seed: int) -> None:
    """The same plan gives the same bits, a quarter as wide and high, in [0, 1]."""
    plan = sample_plan(random.Random(seed), operators=POOL)
    result = apply_plan(clip, plan, operator_of(plan, POOL))
    assert result.shape == (5, 3, 12, 16)
    assert 0 <= result.min() <= result.max() <= 1
    assert torch.equal(apply_plan(clip, plan, operator_of(plan, POOL)), result)


@pytest.mark.parametrize("down", [("area", "bicubic"), ("lbo", "lbo")])
def test_parts_of_a_clip_are_the_clip(clip: Tensor, down: Any) -> None:
    """Degraded part by part, a clip is what it is as a whole (convolutions to 1e-6)."""
    plan = plain() if "lbo" in down else replace(PLAN, noise_sigma=8.0)
    plan = replace(plan, down=down)
    whole = shrink(clip, plan, operator_of(plan, POOL))
    parts = [
        shrink(clip[:2], plan, operator_of(plan, POOL)),
        shrink(clip[2:], plan, operator_of(plan, POOL), first_frame=2),
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: replace(plan, sigma_x_px=plan.sigma_x_px + 0.5),
        lambda plan: replace(plan, noise_sigma=plan.noise_sigma + 4),
        lambda plan: replace(plan, noise_seed=plan.noise_seed + 1),
        lambda plan: replace(plan, noise="gray" if plan.noise == "colour" else "colour"),
        lambda plan: replace(plan, down=("bicubic", "bicubic"), lbo=None),
        lambda plan: replace(plan, crf=plan.crf + 9),
    ],
)
def test_every_field_of_a_plan_counts(
    clip: Tensor, change: Callable[[DegradationPlan], DegradationPlan]
) -> None:
    """Whatever is changed in a plan changes the result."""
    plan = plain(noise_sigma=5.0, crf=20)
    other = change(plan)
    before = apply_plan(clip, plan, operator_of(plan, POOL))
    assert not torch.equal(apply_plan(clip, other, operator_of(other, POOL)), before)


@pytest.mark.gpu
def test_cuda_degrades_as_the_cpu_does(clip: Tensor) -> None:
    """On a GPU the clip before compression is the CPU's to half a code of 8 bits."""
    plan = replace(PLAN, noise_sigma=5.0)
    there = shrink(clip.cuda(), plan, None)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), shrink(clip, plan, None), rtol=0, atol=0.5 / 255)


def test_a_share_of_plans_is_mild() -> None:
    """They are as a good source is, without an operator; the others are the paper's."""
    settings = DegradationSettings(mild_probability=0.3, crf=(30, 35))
    plans = [sample_plan(random.Random(seed), settings) for seed in range(400)]
    mild = [plan for plan in plans if plan.crf < 30]
    assert 90 < len(mild) < 150
    for plan in mild:
        assert plan.kernel == "isotropic"
        assert plan.sigma_x_px <= 1.2
        assert plan.noise_sigma <= 1.5
        assert 15 <= plan.crf <= 24
