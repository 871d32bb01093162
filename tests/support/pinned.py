"""Weights and pictures by a formula: a few numbers in a test pin what a network computes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def waves(*shape: int, step: float) -> Tensor:
    """Values in [-1, 1] that differ everywhere: sine at irrational places, taken in fp64."""
    count = torch.Size(shape).numel()
    places = torch.arange(1, count + 1, dtype=torch.float64) * step
    return (places + 0.01 * places.square().remainder(997)).sin().reshape(shape).float()


def filled(network: nn.Module, gain: float = 1.5) -> nn.Module:
    """The network with weights that keep the size of features, all by ``waves``."""
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            fan_in = max(parameter[0].numel(), 1)
            size = gain / fan_in**0.5 if parameter.dim() > 1 else 0.1
            parameter.copy_(size * waves(*parameter.shape, step=0.7 + 0.1 * (index % 13)))
    return network.eval().requires_grad_(False)


def picture(*shape: int) -> Tensor:
    """RGB in [0, 1]."""
    return 0.5 + 0.5 * waves(*shape, step=0.313)


def sample(tensor: Tensor) -> list[float]:
    """Seven values from all over a tensor, for a test to compare."""
    flat = tensor.flatten().double()
    places = torch.linspace(0, len(flat) - 1, 9)[1:-1].round().long()
    return [round(float(value), 5) for value in flat[places]]
