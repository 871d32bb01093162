"""A module that learns: steps down the gradient of a loss, by Adam, and a state to go on from.

Source: the recipe of AnimeSR (https://arxiv.org/abs/2206.07038): Adam, betas 0.9 and 0.99.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

from animesr_cli.errors import WeightsError
from animesr_cli.text import shown
from animesr_cli.training.distributed import averaged
from animesr_cli.training.state import MOMENTS, STEPS, SavedState

LOSS: Final = "loss"
"""The name of what is minimised."""
BETAS: Final = (0.9, 0.99)


class DivergedError(Exception):
    """A loss or a gradient is not finite, and the step that would follow was not made."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """What draws weights in here draws the same ones for a seed, and disturbs nobody else."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield


class Learner:
    """A module in training, and its Adam.

    Args:
        name: what its tensors in a state begin with.
        module: on the device where it stays; what is to be frozen is frozen.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module = name, module
        learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.adam = torch.optim.Adam(learned, betas=BETAS, fused=learned[0].is_cuda)

    def descend(
        self, losses: Mapping[str, Tensor], rate: float, *, largest_norm: float = math.inf
    ) -> dict[str, float]:
        """Make one step down the gradient of ``loss``, which all processes share.

        Args:
            losses: ``loss``, which is minimised, and whatever else is to be told.
            rate: the learning rate.
            largest_norm: of the gradient; a longer one is scaled down.

        Returns:
            All losses, and ``gradient_norm``, as it was before.

        Raises:
            DivergedError: one of these is not finite; the module is as it was.
        """
        self.adam.zero_grad(set_to_none=True)
        losses[LOSS].backward()  # type: ignore[no-untyped-call]
        learned = [each for each in self.module.parameters() if each.grad is not None]
        averaged([each.grad for each in learned if each.grad is not None])
        norm: Tensor = nn.utils.clip_grad_norm_(learned, largest_norm)
        reported = {**losses, "gradient_norm": norm}
        # One transfer for all of them: a GPU is waited for once a step, not once a number.
        numbers = torch.stack([value.detach().float() for value in reported.values()]).tolist()
        if not all(map(math.isfinite, numbers)):
            raise DivergedError
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        return dict(zip(reported, numbers, strict=True))

    # -- keeping it --

    def tensors(self) -> dict[str, Tensor]:
        """The module's weights and buffers, its parameters' moments by name, and Adam's steps."""
        tensors = {f"{self.name}.{name}": each for name, each in self.module.state_dict().items()}
        for name, parameter in self.module.named_parameters():
            for moment in MOMENTS if parameter in self.adam.state else ():
                tensors[f"{self.name}.{moment}.{name}"] = self.adam.state[parameter][moment]
                tensors[f"{self.name}.{STEPS}"] = self.adam.state[parameter]["step"]  # of all alike
        return tensors

    def is_in(self, state: SavedState) -> bool:
        """Whether a state has a module of this name and kind."""
        return f"{self.name}.{next(iter(self.module.state_dict()))}" in state.tensors

    def restore(self, state: SavedState) -> None:
        """Go on from what ``tensors`` gave; without moments in it, as if no step had been made.

        Raises:
            WeightsError: it is of another module.
        """
        own = {
            name.removeprefix(f"{self.name}."): tensor
            for name, tensor in state.tensors.items()
            if name.startswith(f"{self.name}.")
        }
        begun = any(name.startswith(f"{MOMENTS[0]}.") for name in own)
        # A state from before steps were kept has as many as iterations.
        steps = float(own.get(STEPS, state.iteration if begun else 0))
        try:
            self.module.load_state_dict({name: own[name] for name in self.module.state_dict()})
            for name, parameter in self.module.named_parameters():
                if not (parameter.requires_grad and steps):
                    continue
                place = parameter.device if self.adam.defaults["fused"] else "cpu"
                self.adam.state[parameter] = {"step": torch.tensor(steps, device=place)} | {
                    moment: torch.empty_like(parameter).copy_(own[f"{moment}.{name}"])
                    for moment in MOMENTS
                }
        except (KeyError, RuntimeError) as error:
            raise WeightsError(
                f"{shown(state.path)} does not fit the {self.name}: {str(error).splitlines()[0]}",
                "--restart begins anew",
            ) from error
