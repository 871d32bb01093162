"""An operator in training: what an iteration changes.

Stage net minimises L1 + L2; stage gan, which goes on from it, L1 + perceptual + LSGAN, with a
discriminator of one scale. In the middle of each stage the learning rate is halved. All of it is
fp32: the operator is small.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from animesr_cli.degradation.lbo import SCALE, LearnableOperator
from animesr_cli.errors import WeightsError
from animesr_cli.settings import LboSettings, Stage
from animesr_cli.training.discriminator import Judge, new_discriminator
from animesr_cli.training.learner import LOSS, DivergedError, Learner, seeded
from animesr_cli.training.losses import perceptual_loss
from animesr_cli.training.state import SavedState

REST_SHARE: Final = 0.1
"""Of the usual random weights, behind the paths that begin as area downscaling."""


def begin_as_area(network: LearnableOperator) -> None:
    """Set the weights so that the operator is area downscaling, plus a little of everything.

    The first three features carry the mean of each colour's four pixels through both hidden layers:
    colours are not negative, so LeakyReLU lets them pass.
    """
    layers = [layer for layer in network.main if isinstance(layer, nn.Conv2d)]
    first, middle, last = layers
    with torch.no_grad():
        last.weight.mul_(REST_SHARE)
        for layer in layers:
            assert layer.bias is not None
            layer.bias.zero_()
            layer.weight[:3].zero_()
        for colour in range(3):
            pixels = slice(SCALE**2 * colour, SCALE**2 * (colour + 1))
            first.weight[colour, pixels, 1, 1] = 1 / SCALE**2
            middle.weight[colour, colour, 1, 1] = 1
            last.weight[colour, colour, 1, 1] = 1


def new_operator(settings: LboSettings) -> LearnableOperator:
    """The operator before the first iteration, the same for a seed."""
    with seeded(settings.seed):
        network = LearnableOperator()
    if settings.from_area:
        begin_as_area(network)
    return network


class LboTrainer:
    """The operator and the discriminator; ``iteration`` counts those of both stages."""

    def __init__(self, settings: LboSettings, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.iteration = 0
        self.operator = new_operator(settings).to(device)
        self.learner = Learner("operator", self.operator)
        self.judge = Judge(new_discriminator("patch", settings.seed, sizes=1).to(device))
        self.perceptual = perceptual_loss(settings.perceptual, device)

    @property
    def iterations(self) -> int:
        """Of all stages."""
        gan = self.settings.gan_iterations if self.settings.stage == "gan" else 0
        return self.settings.net_iterations + gan

    @property
    def stage(self) -> Stage:
        """That the next iteration belongs to."""
        return "net" if self.iteration < self.settings.net_iterations else "gan"

    @property
    def learning_rate(self) -> float:
        """Of the next iteration."""
        settings = self.settings
        if self.stage == "net":
            done, rate = self.iteration / settings.net_iterations, settings.net_lr
        else:
            done = (self.iteration - settings.net_iterations) / settings.gan_iterations
            rate = settings.gan_lr
        return rate if done < 0.5 else rate / 2

    def step(self, hr: Tensor, lr: Tensor) -> dict[str, float]:
        """Learn from HR (N, 3, 2h, 2w) and LR (N, 3, h, w) in [0, 1]; the losses.

        Raises:
            WeightsError: one is not finite; the operator is as it was before.
        """
        hr, lr = hr.to(self.device), lr.to(self.device)
        rate, stage = self.learning_rate, self.stage
        made = self.operator(hr)
        losses = {"l1": functional.l1_loss(made, lr)}
        if stage == "net":
            losses["l2"] = functional.mse_loss(made, lr)
        else:
            losses["perceptual"] = self.perceptual(made, lr)
            losses |= self.judge.losses(made, lr)
        total = torch.stack(list(losses.values())).sum()
        try:
            values = self.learner.descend({LOSS: total, **losses}, rate)
            reported = {name: values[name] for name in losses}
            if stage == "gan":
                loss = self.judge.loss(made, lr)
                reported["discriminator"] = self.judge.descend({LOSS: loss}, rate)[LOSS]
        except DivergedError as error:
            raise WeightsError(
                f"learning went wrong: the loss is not finite at iteration {self.iteration + 1}, "
                f"of stage {stage}",
                "try another --seed, or --stage net",
            ) from error
        self.iteration += 1
        return reported

    # -- keeping it --

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is needed to go on, by name."""
        return self.learner.tensors() | self.judge.tensors()

    def restore(self, state: SavedState) -> None:
        """Go on from what ``tensors`` gave.

        Raises:
            WeightsError: it is of something else.
        """
        self.learner.restore(state)
        self.judge.restore(state)
        self.iteration = state.iteration


def operate(operator: nn.Module, hr: Tensor) -> Tensor:
    """(N, 3, 2h, 2w) -> (N, 3, h, w) in [0, 1], without learning."""
    with torch.inference_mode():
        device = next(operator.parameters()).device
        made: Tensor = operator(hr.to(device)).clamp_(0, 1).cpu()
    return made


def area(hr: Tensor) -> Tensor:
    """What an operator is compared with: the mean of each four pixels."""
    return functional.avg_pool2d(hr, SCALE)
