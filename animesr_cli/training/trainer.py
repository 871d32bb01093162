"""One network in training: what a batch changes.

Weights, their average and the moments of Adam are fp32; multiplications run in bf16 where that
holds (autocast). Several processes each take their own batch and average the gradients, so that
together they do what one would with all of it.

Source: the recipe of AnimeSR (https://arxiv.org/abs/2206.07038): an average of the weights with
decay 0.999.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.errors import UsageError
from animesr_cli.model.network import Network
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.settings import FinetuneSettings
from animesr_cli.training.discriminator import Judge, new_discriminator
from animesr_cli.training.learner import LOSS, Learner
from animesr_cli.training.losses import (
    anchor_loss,
    energy_loss,
    focal_frequency_loss,
    gradient_loss,
    held_frame_loss,
    perceptual_loss,
    temporal_difference_loss,
    unsharp_mask,
)
from animesr_cli.training.state import NETWORK, SavedState
from animesr_cli.training.windows import Batch, made_smaller, truth_of

CLIP_LOSSES: Final = {
    "gradient": gradient_loss,
    "energy": energy_loss,
    "frequency": focal_frequency_loss,
    "temporal": temporal_difference_loss,
    "held": held_frame_loss,
}
"""Of a clip and the truth beside L1, where they weigh anything."""
LAST_SHARE: Final = 0.01
"""Of the learning rate, that schedule cosine ends with."""
SPYNET: Final = "spynet"
"""What the names of RealBasicVSR's optical flow have in common."""
OF_TRUTH: Final = ("l1", "gradient")
"""The losses that a share of truth makes smaller: an anchor takes the other share."""


def learning_rate(settings: FinetuneSettings, iteration: int) -> float:
    """Of the network in an iteration, counted from 0."""
    return settings.lr * _rate_share(settings, iteration)


def discriminator_rate(settings: FinetuneSettings, iteration: int) -> float:
    """Of the discriminator in an iteration, counted from 0."""
    return (settings.discriminator_lr or settings.lr) * _rate_share(settings, iteration)


def _rate_share(settings: FinetuneSettings, iteration: int) -> float:
    """What warmup, halvings and schedule leave of the rates that the settings name."""
    halved = float(0.5 ** sum(iteration >= at for at in settings.halve_at))
    if iteration < settings.warmup:
        return halved * (iteration + 1) / settings.warmup
    if settings.schedule == "constant":
        return halved
    rest = max(settings.iterations - settings.warmup, 1)
    done = min((iteration - settings.warmup) / rest, 1.0)
    return halved * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2)


def freeze(network: nn.Module, words: Iterable[str]) -> None:
    """Take the parameters whose names contain a word out of training.

    Raises:
        UsageError: a word is in no name, or nothing is left to train.
    """
    parameters = dict(network.named_parameters())
    for word in words:
        matching = [name for name in parameters if word in name]
        if not matching:
            words_known = {part for name in parameters for part in name.split(".")[:-1]}
            parts = sorted(part for part in words_known if not part.isdigit())
            raise UsageError(f"no parameter is called {word!r}", f"there are {', '.join(parts)}")
        for name in matching:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise UsageError("all parameters are frozen: nothing is left to train")


def _enlarged(network: Network, lr: Tensor) -> tuple[Tensor, Tensor | None]:
    """A clip's result, and the cleaned frames that it was made of where the network has any."""
    if isinstance(network, RealBasicVSR):
        cleaned = network.clean(lr)
        return torch.stack([sr for sr, _ in network.steps(cleaned)], dim=1), cleaned
    result: Tensor = network(lr)
    return result, None


class Trainer:
    """The network, its averaged weights, and what the stage needs beside them.

    Args:
        device: where all of it is.
        dtype: of multiplications.
        anchor: a network of the same scale, which is not trained: the result is held near its.
    """

    def __init__(
        self,
        network: Network,
        settings: FinetuneSettings,
        *,
        device: torch.device,
        dtype: torch.dtype,
        anchor: Network | None = None,
    ) -> None:
        self.settings, self.device, self.dtype = settings, device, dtype
        self.anchor: nn.Module | None = None
        if anchor is not None:
            self.anchor = anchor.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
            self.anchor.requires_grad_(False)
        self.network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        # The flow is not learned: a few clips would only spoil it.
        flow = (SPYNET,) if isinstance(network, RealBasicVSR) else ()
        freeze(self.network, (*settings.freeze, *flow))
        self.learner = Learner(NETWORK, self.network)
        self.average = {n: p.detach().clone() for n, p in self.network.named_parameters()}
        self.iteration = 0
        """Batches that were learned from."""
        self.judge: Judge | None = None
        if settings.stage == "gan":
            discriminator = new_discriminator(settings.discriminator, settings.seed)
            discriminator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.judge = Judge(discriminator, settings.gan_loss)
            self.perceptual = perceptual_loss(settings.perceptual, device)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # all batches are of one size

    # -- one iteration --

    def step(self, batch: Batch) -> dict[str, float]:
        """Learn from a batch; the losses, the learning rate and the norm of the gradient.

        Raises:
            DivergedError: something is not finite.
        """
        settings = self.settings
        rate = learning_rate(settings, self.iteration)
        lr = batch.lr.to(self.device)
        hr = truth_of(batch.hr.to(self.device), self.network.scale)
        usm = settings.usm if settings.stage == "net" else settings.gan_usm
        wanted = unsharp_mask(hr, usm) if usm else hr
        with self._autocast():
            sr, cleaned = _enlarged(self.network, lr)
        losses = self._clip_losses(sr, wanted) | self._anchor_losses(batch, sr, lr, hr)
        if cleaned is not None and settings.weights.cleaning:
            height, width = lr.shape[-2:]
            small = functional.adaptive_avg_pool2d(wanted.flatten(0, 1), (height, width))
            losses["cleaning"] = (cleaned - small.view(lr.shape)).abs().mean()
        seen = self._judged_frames(batch.iteration, sr.shape[1])
        pictures, real = sr[:, seen].flatten(0, 1), hr[:, seen].flatten(0, 1)
        if self.judge is not None:
            losses |= self._picture_losses(
                self.judge, pictures, real, wanted[:, seen].flatten(0, 1)
            )
        total = torch.stack([self._weight(name) * loss for name, loss in losses.items()]).sum()
        values = self.learner.descend({LOSS: total, **losses}, rate, largest_norm=settings.clip)
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.values()), list(self.network.parameters()), 1 - settings.ema
            )
        if self.judge is not None:
            with self._autocast():
                loss = self.judge.loss(pictures, real)
            judge_rate = discriminator_rate(settings, self.iteration)
            values["discriminator"] = self.judge.descend({LOSS: loss}, judge_rate)[LOSS]
        self.iteration += 1
        return {"lr": rate, **values}

    def _autocast(self) -> torch.autocast:
        half = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype if half else None, enabled=half)

    def _weight(self, name: str) -> float:
        settings = self.settings
        if name == "anchor":
            return settings.anchor_weight
        if name == "anchor_clean":
            return settings.anchor_clean
        share = settings.truth_share if self.anchor is not None and name in OF_TRUTH else 1.0
        return share * float(getattr(settings.weights, name))

    def _clip_losses(self, sr: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        weights = self.settings.weights
        return {"l1": (sr - wanted).abs().mean()} | {
            name: loss(sr, wanted) for name, loss in CLIP_LOSSES.items() if getattr(weights, name)
        }

    def _anchor_losses(self, batch: Batch, sr: Tensor, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """How far the result is from what the anchor makes of these frames, and of clean ones.

        A truth that is out of focus has no anchor: that would sharpen it.
        """
        settings = self.settings
        losses: dict[str, Tensor] = {}
        sharp = [n for n in range(len(lr)) if not (batch.windows and batch.windows[n].defocus_px)]
        if self.anchor is None or not sharp:
            return losses
        share = len(sharp) / len(lr)
        if settings.anchor_weight:
            losses["anchor"] = share * anchor_loss(sr[sharp], self._anchor_of(lr[sharp]))
        if settings.anchor_clean:
            clean = made_smaller(hr[sharp], *lr.shape[-2:])
            losses["anchor_clean"] = share * anchor_loss(sr[sharp], self._anchor_of(clean))
        return losses

    @torch.no_grad()
    def _anchor_of(self, clip: Tensor) -> Tensor:
        assert self.anchor is not None
        with self._autocast():
            result: Tensor = self.anchor(clip)
        return result.float().clamp_(0, 1)

    def _judged_frames(self, iteration: int, frames: int) -> list[int]:
        wanted = self.settings.judged or frames
        rng = random.Random(f"{self.settings.seed}/{iteration}/judged")
        return sorted(rng.sample(range(frames), min(wanted, frames)))

    def _picture_losses(
        self, judge: Judge, pictures: Tensor, real: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """What the discriminator and the perceptual loss have to say of the network's pictures.

        The latter compares with the truth as the pixel losses want it, which may be sharpened.
        """
        weights, losses = self.settings.weights, {}
        with self._autocast():
            if weights.perceptual:
                losses["perceptual"] = self.perceptual(pictures, wanted)
            if weights.gan or weights.matching:
                found = judge.losses(pictures, real, matching=weights.matching > 0)
                losses |= {name: loss for name, loss in found.items() if getattr(weights, name)}
        return losses

    # -- keeping it --

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is needed to go on, by name."""
        average = {f"average.{name}": tensor for name, tensor in self.average.items()}
        judge = {} if self.judge is None else self.judge.tensors()
        return self.learner.tensors() | average | judge

    def result(self) -> dict[str, Tensor]:
        """What was learned, as a checkpoint: the averaged weights, and what is not trained."""
        return {**self.network.state_dict(), **self.average}

    def restore(self, state: SavedState) -> None:
        """Go on from what ``tensors`` gave.

        Raises:
            WeightsError: it is of another network or stage.
        """
        self.learner.restore(state)
        # A state that was packed to be published has no discriminator, and that of another run may
        # have one of the other kind: then it learns to judge anew.
        if self.judge is not None and self.judge.is_in(state):
            self.judge.restore(state)
        for name, tensor in self.average.items():
            tensor.copy_(state.tensor(f"average.{name}"))
        self.iteration = state.iteration

    def begin_with(self, state: SavedState) -> None:
        """Start from another run's weights, average and moments, at iteration 0.

        Raises:
            WeightsError: it is of another network.
        """
        self.restore(state)
        self.iteration = 0

    def upscale(self, clip: Tensor) -> Tensor:
        """(N, T, 3, h, w) to (N, T, 3, sh, sw) with the averaged weights."""
        with self._autocast(), torch.no_grad():
            result: Tensor = torch.func.functional_call(self.network, self.average, (clip,))
        return result
