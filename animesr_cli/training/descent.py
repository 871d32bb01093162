"""One step downhill: gradients of a loss, shared among processes and bounded, and Adam's step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from animesr_cli.training.distributed import averaged

LOSS = "loss"
"""The name of what is minimised."""


class DivergedError(Exception):
    """A loss or a gradient is not finite, and the step that would follow was not made."""


def descend(
    losses: Mapping[str, Tensor],
    module: nn.Module,
    adam: torch.optim.Adam,
    rate: float,
    *,
    largest_norm: float = math.inf,
) -> dict[str, float]:
    """Make one step of Adam down the gradient of ``loss``.

    Args:
        losses: ``loss``, which is minimised, and whatever else is to be told.
        rate: the learning rate.
        largest_norm: of the gradient; a longer one is scaled down.

    Returns:
        All losses, and ``gradient_norm``, as it was before.

    Raises:
        DivergedError: one of these is not finite; the module is as it was.
    """
    adam.zero_grad(set_to_none=True)
    losses[LOSS].backward()  # type: ignore[no-untyped-call]
    learned = [parameter for parameter in module.parameters() if parameter.grad is not None]
    averaged([parameter.grad for parameter in learned if parameter.grad is not None])
    norm: Tensor = nn.utils.clip_grad_norm_(learned, largest_norm)
    told = {**losses, "gradient_norm": norm}
    # One transfer for all of them: a GPU is waited for once a step, not once a number.
    numbers = torch.stack([value.detach().float() for value in told.values()]).tolist()
    if not all(map(math.isfinite, numbers)):
        raise DivergedError
    for group in adam.param_groups:
        group["lr"] = rate
    adam.step()
    return dict(zip(told, numbers, strict=True))
