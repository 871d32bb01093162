"""What training minimises: losses of pictures and clips, and the ground truth's unsharp mask.

A picture is (N, 3, H, W) and a clip (N, T, 3, H, W), RGB with [0, 1] as the full range, on any
device; every loss is a mean, one number of fp32. L1 and L2 are torch's own. The discriminator and
its losses have a file of their own.

A perceptual loss compares feature maps instead of pixels: those of VGG19, as in the paper, or of a
narrow network of fixed random weights (Liu et al. 2021, https://arxiv.org/abs/2103.10571).

Sources: AnimeSR (https://arxiv.org/abs/2206.07038) and its implementation's settings for the mask
and for VGG19; the rest where it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.file_hash import sha256_of
from animesr_cli.settings import Perceptual

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of SR and HR."""

# The unsharp mask of the ground truth, stage net.
USM_WEIGHT: Final = 0.3
USM_SIDE_PX: Final = 51
USM_SIGMA_PX: Final = 8.0
"""What OpenCV takes for a side of 51: 0.3 ((51 - 1) / 2 - 1) + 0.8."""
USM_THRESHOLD: Final = 10 / 255
"""Where a pixel differs from its surroundings by less, nothing is sharpened."""

ENERGY_SIDE_PX: Final = 8
"""Two pixels of LR: as far as a line may be from where it is."""
ENERGY_FLOOR: Final = 0.25 / 255
"""Where there is no slope at all, the root would have none either."""

HELD: Final = 0.5 / 255
"""A pixel of the ground truth that changes by less has not changed."""


# ---- ground truth --------------------------------------------------------------------------------


def unsharp_mask(clip: Tensor, weight: float = USM_WEIGHT) -> Tensor:
    """Strengthen the lines of (..., 3, H, W); flat areas and soft gradients stay as they are."""
    blurred = _gaussian_blur(clip)
    residual = clip - blurred
    # The mask is blurred too, so that no edge of its own appears in the picture.
    where = _gaussian_blur((residual.abs() > USM_THRESHOLD).to(clip.dtype))
    sharp = (clip + weight * residual).clamp_(0, 1)
    return torch.lerp(clip, sharp, where)


def _gaussian_blur(clip: Tensor) -> Tensor:
    # As two products of matrices: 51 taps of one channel are slow as a convolution, on CPUs most.
    height, width = clip.shape[-2:]
    down = _blur_matrix(height).to(clip.device, clip.dtype)
    across = _blur_matrix(width).to(clip.device, clip.dtype)
    blurred: Tensor = down @ clip @ across.T
    return blurred


def _blur_matrix(size: int) -> Tensor:
    """(size, size): row y holds the weights that pixel y gives to all pixels; edges replicated."""
    reach = USM_SIDE_PX // 2
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-(steps.double() / USM_SIGMA_PX).square() / 2)
    weights /= weights.sum()
    places = (torch.arange(size)[:, None] + steps).clamp_(0, size - 1)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix.scatter_add_(1, places, weights.expand(size, -1))
    return matrix


# ---- pictures ------------------------------------------------------------------------------------


def gradient_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean difference of the Sobel slopes across and down, per channel."""
    difference = (sr - hr).float()
    slopes = 0.0 * difference.sum()
    for one, other in ((-1, -2), (-2, -1)):
        size = difference.shape[other] - 2
        smooth = (
            difference.narrow(other, 0, size)
            + 2 * difference.narrow(other, 1, size)
            + difference.narrow(other, 2, size)
        )
        length = difference.shape[one] - 2
        slope = smooth.narrow(one, 2, length) - smooth.narrow(one, 0, length)
        slopes = slopes + slope.abs().mean() / 8
    return slopes / 2


def anchor_loss(sr: Tensor, anchor: Tensor) -> Tensor:
    """Distance of pixels and of slopes from what another network made of the same frames.

    Pixel losses against a truth that cannot be known average over what it may be, and soften every
    line. What a sharp network makes of the input is a function of the input: nothing is averaged.
    """
    return (sr - anchor).float().abs().mean() + gradient_loss(sr, anchor)


def energy_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean difference of how steep slopes are, root mean square within windows of 8x8 pixels.

    Pixel losses make a line whose place is uncertain soft: in the mean, that costs least. This one
    asks for lines as steep as the truth's and leaves their place to the others; where the truth is
    flat, the result has to be. It judges no texture and invents none, unlike a discriminator.
    """
    loss: Tensor = (_slope_strength(sr) - _slope_strength(hr)).abs().mean()
    return loss


def _slope_strength(pictures: Tensor) -> Tensor:
    """(..., 3, H, W) -> (N, 1, H / 4, W / 4)."""
    pictures = pictures.flatten(0, -4).float()
    down = pictures[..., 1:, :-1] - pictures[..., :-1, :-1]
    across = pictures[..., :-1, 1:] - pictures[..., :-1, :-1]
    squared = (down.square() + across.square()).mean(dim=1, keepdim=True)
    pooled = functional.avg_pool2d(squared, ENERGY_SIDE_PX, ENERGY_SIDE_PX // 2)
    return (pooled + ENERGY_FLOOR**2).sqrt()


def focal_frequency_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """Squared differences of the spectra, those that are far off weighing more.

    Source: Jiang et al. 2021 (https://arxiv.org/abs/2012.12821), with alpha 1, whole pictures.
    """
    spectrum = torch.fft.fft2((sr - hr).float(), norm="ortho")
    squared = spectrum.real.square() + spectrum.imag.square()
    weight = squared.detach().sqrt()
    weight = weight / weight.amax(dim=(-2, -1), keepdim=True).clamp_(min=1e-12)
    loss: Tensor = (weight * squared).mean()
    return loss


# ---- clips ---------------------------------------------------------------------------------------


def temporal_difference_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean of |change of SR - change of HR| from frame to frame of (N, T, 3, H, W)."""
    return (sr.diff(dim=1) - hr.diff(dim=1)).float().abs().mean()


def held_frame_loss(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean of |change of SR| where HR does not change; what moves counts as 0.

    A drawing that is held for two or three frames gets new noise and new coding errors in each; the
    result must stand still all the same.
    """
    held = hr.diff(dim=1).abs().amax(dim=2, keepdim=True) < HELD
    return (sr.diff(dim=1).float().abs() * held).mean()


# ---- features ------------------------------------------------------------------------------------

_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)

VGG_FILE: Final = "vgg19-dcbb9e9d.pth"
"""torchvision's name for its ImageNet weights; it ends with the first digits of the sha256."""
VGG_URL: Final = "https://download.pytorch.org/models/" + VGG_FILE

RANDOM_SEED: Final = 2103_10571


class FeatureLoss(nn.Module):
    """L1 between feature maps, before the ReLU, of a fixed network in the manner of VGG.

    Args:
        stages: the widths of the 3x3 convolutions of each stage; a maximum over 2x2 between stages.
        weights: of the last convolution of each stage in the sum; 0: only passed through.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, stages: Sequence[Sequence[int]], weights: Sequence[float]) -> None:
        super().__init__()
        widths = [3, *(width for stage in stages for width in stage)]
        self.stages = [len(stage) for stage in stages]
        self.weights = tuple(weights)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_IMAGENET_DEVIATION).view(3, 1, 1))
        self.requires_grad_(False)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What the last convolution of each stage gives, (N, C, H / 2^stage, W / 2^stage)."""
        x = (pictures - self.mean) / self.deviation
        convolutions = iter(self.convolutions)
        found = []
        for number, count in enumerate(self.stages):
            if number:
                x = functional.max_pool2d(x.relu(), 2)
            for position in range(count):
                x = next(convolutions)(x.relu() if position else x)
            found.append(x)
        return found

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(hr)
        total = torch.zeros((), device=sr.device)
        for weight, one, other in zip(self.weights, self.features(sr), wanted, strict=True):
            if weight:
                total = total + weight * (one - other).float().abs().mean()
        return total


def random_features() -> FeatureLoss:
    """A narrow network of random weights, always the same ones."""
    with torch.random.fork_rng(devices=()):  # layers draw weights, which are replaced
        loss = FeatureLoss(((16, 16), (32, 32), (64, 64), (64, 64)), (0.25, 0.25, 0.25, 0.25))
    rng = torch.Generator().manual_seed(RANDOM_SEED)
    for convolution in loss.convolutions:
        assert isinstance(convolution, nn.Conv2d)
        # He et al. 2015: the scale that a ReLU keeps, so that every stage weighs about the same.
        fan_in = 9 * convolution.in_channels
        deviation = math.sqrt(2 / fan_in)
        weight = torch.randn(convolution.weight.shape, generator=rng) * deviation
        convolution.weight.copy_(weight - weight.mean(dim=(1, 2, 3), keepdim=True))
        if convolution.bias is not None:
            convolution.bias.zero_()
    return loss


def vgg_features(path: Path | None = None) -> FeatureLoss:
    """VGG19 of ImageNet, weighted as in the paper's implementation: 0.1, 0.1, 1, 1, 1.

    Args:
        path: the weights; None: where torchvision keeps them. Nothing is downloaded.

    Raises:
        WeightsError: the file is not there, or is not torchvision's.
    """
    path = path or Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE
    stages = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)
    with torch.random.fork_rng(devices=()):
        loss = FeatureLoss(stages, (0.1, 0.1, 1.0, 1.0, 1.0))
    loss.convolutions.load_state_dict(_vgg_weights(path, len(loss.convolutions)))
    return loss.requires_grad_(False)


def _vgg_weights(path: Path, count: int) -> Mapping[str, Tensor]:
    """The convolutions of the file, numbered from 0."""
    hint = f"fetch {VGG_URL} and put it there, or use the random features"
    try:
        digest = sha256_of(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise WeightsError(
            f"the weights of VGG19 cannot be read at {path}: {reason}", hint
        ) from error
    if not digest.startswith(VGG_FILE[len("vgg19-") : -len(".pth")]):
        raise WeightsError(
            f"{path} is not torchvision's VGG19: its sha256 is {digest[:8]}...", hint
        )
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    names = [name.removesuffix(".weight") for name in tensors if name.startswith("features.")]
    names = list(dict.fromkeys(name.removesuffix(".bias") for name in names))[:count]
    return {
        f"{number}.{part}": tensors[f"{name}.{part}"]
        for number, name in enumerate(names)
        for part in ("weight", "bias")
    }


def perceptual_loss(kind: Perceptual, device: torch.device) -> Loss:
    """The loss of pictures (N, 3, H, W) on the device that goes by this name.

    Its weights are fixed and take part in no optimiser; ``none`` is always 0.

    Raises:
        WeightsError: the weights of VGG19 are not on this machine.
    """
    if kind == "random":
        return random_features().to(device)
    if kind == "vgg":
        return vgg_features().to(device)
    if kind == "gradient":
        return gradient_loss
    if kind == "frequency":
        return focal_frequency_loss
    return lambda sr, _: sr.new_zeros((), dtype=torch.float32)
