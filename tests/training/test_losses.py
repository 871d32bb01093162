"""The losses: what each is zero for, what each answers to, and the features that need no file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.settings import PERCEPTUAL
from animesr_cli.training import losses
from animesr_cli.training.losses import (
    FeatureLoss,
    energy_loss,
    focal_frequency_loss,
    gradient_loss,
    held_frame_loss,
    perceptual_loss,
    random_features,
    temporal_difference_loss,
    unsharp_mask,
)

PAIRS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradient": gradient_loss,
    "energy": energy_loss,
    "frequency": focal_frequency_loss,
    "temporal": temporal_difference_loss,
}

CPU = torch.device("cpu")


def clip(seed: int = 0, *, frames: int = 3, side: int = 32) -> Tensor:
    """(1, T, 3, side, side) of soft noise."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.rand((frames, 3, side + 4, side + 4), generator=rng)
    return functional.avg_pool2d(noise, 5, stride=1)[None]


# ---- the unsharp mask ----------------------------------------------------------------------------


def directly_blurred(picture: Tensor) -> Tensor:
    """The 51 x 51 Gaussian of the mask as one plain convolution, edges replicated."""
    steps = torch.arange(-25, 26).double()
    line = torch.exp(-((steps / 8) ** 2) / 2)
    kernel = torch.outer(line, line) / line.sum() ** 2
    padded = functional.pad(picture.double()[None], (25,) * 4, mode="replicate")
    weight = kernel.expand(3, 1, 51, 51)
    return functional.conv2d(padded, weight, groups=3)[0]


def test_unsharp_mask_is_that_of_the_recipe() -> None:
    """It equals the definition, written out: weight 0.3, radius 51, threshold 10, blurred mask."""
    picture = torch.zeros(3, 60, 72)
    picture[:, 20:40, 30:34] = 0.8
    picture[:, :, 60:] = 0.03
    residual = picture - directly_blurred(picture)
    where = directly_blurred((residual.abs() * 255 > 10).double())
    sharp = (picture + 0.3 * residual).clamp(0, 1)
    expected = where * sharp + (1 - where) * picture
    torch.testing.assert_close(unsharp_mask(picture), expected.float(), atol=1e-5, rtol=0)


def test_unsharp_mask_leaves_soft_pictures_alone() -> None:
    """A flat area and a slow gradient, as of a sky, stay as they are."""
    ramp = torch.linspace(0.2, 0.5, 80).expand(3, 64, 80)
    torch.testing.assert_close(unsharp_mask(ramp), ramp, atol=1e-6, rtol=0)


def test_unsharp_mask_strengthens_a_line() -> None:
    """Dark lines on a light ground get darker, and stay within [0, 1]."""
    picture = torch.full((3, 64, 64), 0.7)
    picture[:, :, ::6] = 0.2
    result = unsharp_mask(picture)
    assert float(result[0, 32, 30]) < 0.15
    assert float(result.min()) >= 0
    assert float(result.max()) <= 1


# ---- losses of pairs -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
def test_equal_clips_lose_nothing(name: str) -> None:
    """A loss of two equal clips is 0, and of two others is not."""
    assert float(PAIRS[name](clip(), clip())) == 0
    assert float(PAIRS[name](clip(1), clip(2))) > 0


@pytest.mark.parametrize("name", PAIRS)
def test_losses_have_finite_gradients(name: str) -> None:
    """Where the clips are equal, where a root has no slope, the gradient is finite too."""
    sr = clip().requires_grad_()
    (gradient,) = torch.autograd.grad(PAIRS[name](sr, clip()), sr)
    assert bool(torch.isfinite(gradient).all())


def test_gradient_loss_is_that_of_sobel() -> None:
    """It equals the mean difference of two Sobel convolutions, normed to slopes per pixel."""
    one, other = clip(1)[0], clip(2)[0]
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    kernels = torch.stack((across, across.T))[:, None]
    planes = (one - other).flatten(0, 1)[:, None]
    expected = functional.conv2d(planes, kernels).abs().mean()
    torch.testing.assert_close(gradient_loss(one, other), expected)


def test_a_constant_offset_is_no_gradient() -> None:
    """Slopes do not answer to brightness."""
    assert float(gradient_loss(clip() + 0.1, clip())) < 1e-7


def test_energy_asks_for_steep_lines_and_not_for_their_place() -> None:
    """Two pixels beside its place a line costs less than a soft one; in L1 it is the other way."""
    truth = torch.ones(1, 3, 32, 32)
    truth[..., 14:17] = 0
    moved = truth.roll(2, dims=-1)
    soft = functional.avg_pool2d(functional.pad(truth, (2, 2, 0, 0), value=1), (1, 5), stride=1)
    assert float(energy_loss(moved, truth)) < float(energy_loss(soft, truth))
    assert float((moved - truth).abs().mean()) > float((soft - truth).abs().mean())


def test_energy_is_the_root_mean_square_of_slopes() -> None:
    """Against a flat truth the loss of an even ramp is its slope."""
    ramp = torch.linspace(0, 1, 33).expand(2, 3, 33, 33)
    flat = torch.zeros(2, 3, 33, 33)
    assert float(energy_loss(ramp, flat)) == pytest.approx(1 / 32, rel=0.04)
    assert float(energy_loss(flat + 0.4, flat)) < 1e-7


def test_focal_frequency_weighs_what_is_far_off() -> None:
    """One wrong frequency of the same energy costs more than many that are a little wrong each."""
    truth = torch.zeros(1, 3, 32, 32)
    wave = 0.1 * torch.cos(torch.arange(32) * 2 * math.pi * 4 / 32).expand(1, 3, 32, 32)
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(truth.shape, generator=rng)
    noise *= wave.square().mean().sqrt() / noise.square().mean().sqrt()
    assert focal_frequency_loss(wave, truth) > 2 * focal_frequency_loss(noise, truth)


def test_temporal_loss_answers_to_change_only() -> None:
    """A constant error costs nothing; one that comes and goes costs its change."""
    truth = clip(frames=3)
    assert float(temporal_difference_loss(truth + 0.1, truth)) < 1e-6
    blinking = truth + torch.tensor([0.0, 0.1, 0.0])[None, :, None, None, None]
    assert float(temporal_difference_loss(blinking, truth)) == pytest.approx(0.1, abs=1e-6)


def test_held_drawings_are_to_stand_still() -> None:
    """Flicker costs where the ground truth repeats, and nothing where it moves."""
    drawing = clip(frames=1)
    held = torch.cat((drawing, drawing), dim=1)
    flickering = torch.cat((drawing, drawing + 0.1), dim=1)
    assert float(held_frame_loss(held, held)) == 0
    assert float(held_frame_loss(flickering, held)) == pytest.approx(0.1, abs=1e-6)
    moving = torch.cat((drawing, drawing + 0.5), dim=1)
    assert float(held_frame_loss(flickering, moving)) == 0


# ---- features ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in PERCEPTUAL if kind not in ("vgg", "none")])
def test_perceptual_losses(kind: str) -> None:
    """Each kind is 0 for equal pictures, more for a blurred one, and teaches the picture only."""
    loss = perceptual_loss(kind, CPU)  # type: ignore[arg-type]
    truth = clip(side=48)[0]
    sr = functional.avg_pool2d(truth, 3, stride=1, padding=1).requires_grad_()
    assert float(loss(truth, truth)) == 0
    found = loss(sr, truth)
    found.backward()  # type: ignore[no-untyped-call]
    assert float(found.detach()) > 0
    assert sr.grad is not None
    assert float(sr.grad.abs().sum()) > 0
    parameters = loss.parameters() if isinstance(loss, nn.Module) else ()
    assert not any(parameter.requires_grad for parameter in parameters)


def test_none_is_nothing() -> None:
    """Without a perceptual loss its term is 0."""
    assert float(perceptual_loss("none", CPU)(clip(1)[0], clip(2)[0])) == 0


def test_random_features_are_always_the_same() -> None:
    """Two losses have equal weights whatever was drawn before, and draw nothing from torch."""
    torch.manual_seed(1)
    one = random_features().state_dict()
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    other = random_features().state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@settings(max_examples=10, deadline=None)
@given(st.integers(16, 40), st.integers(16, 40))
def test_features_of_any_size(height: int, width: int) -> None:
    """Odd sizes work, and the stages halve them."""
    features = random_features().features(torch.zeros(1, 3, height, width))
    assert [tuple(x.shape[-2:]) for x in features] == [
        (height >> stage, width >> stage) for stage in range(len(features))
    ]


def test_vgg_has_the_layers_of_the_paper() -> None:
    """Its taps are conv1_2, conv2_2, conv3_4, conv4_4 and conv5_4, before the ReLU."""
    loss = FeatureLoss(((2,) * 2, (2,) * 2, (2,) * 4, (2,) * 4, (2,) * 4), (1,) * 5)
    calls: list[int] = []
    for number, convolution in enumerate(loss.convolutions):
        convolution.register_forward_hook(lambda *_, n=number: calls.append(n))
    features = loss.features(torch.zeros(1, 3, 32, 32))
    assert calls == list(range(16))
    assert [x.shape[-1] for x in features] == [32, 16, 8, 4, 2]


def test_vgg_weights_are_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision numbers its layers with ReLUs and pools between; the convolutions are found."""
    tensors = {}
    for number, layer in enumerate((0, 2, 5)):
        tensors[f"features.{layer}.weight"] = torch.full((2, 2, 3, 3), float(number))
        tensors[f"features.{layer}.bias"] = torch.full((2,), float(number))
    tensors["classifier.0.weight"] = torch.zeros(1)
    path = tmp_path / "vgg.pth"
    torch.save(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(losses, "VGG_FILE", f"vgg19-{digest[:8]}.pth")
    found = losses._vgg_weights(path, 3)
    layers = nn.ModuleList(nn.Conv2d(2, 2, 3) for _ in range(3))
    layers.load_state_dict(dict(found))
    assert [float(found[f"{number}.bias"][0]) for number in range(3)] == [0, 1, 2]


def test_vgg_without_its_file(own_home: Path) -> None:
    """Nothing is downloaded: the error says where the weights belong and where they are."""
    with pytest.raises(WeightsError, match="cannot be read at") as caught:
        perceptual_loss("vgg", CPU)
    assert losses.VGG_URL in str(caught.value.hint)


def test_vgg_of_somebody_else(tmp_path: Path) -> None:
    """A file that is not torchvision's is refused before it is unpickled."""
    path = tmp_path / "vgg19.pth"
    path.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="not torchvision's"):
        losses.vgg_features(path)
