"""Which network a file's tensors are of: told by their names, sized by their shapes, held strictly.

A new architecture has one function ``..._of(tensors, path)`` beside its class, which returns None
where the tensors are another's, and its line in ``READERS``. Where a file spells the tensors in
another way than the class does, that function returns them renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from animesr_cli.errors import WeightsError
from animesr_cli.model.compact_msrb import compact_msrb_of
from animesr_cli.model.msrb import msrb_of
from animesr_cli.model.network import Network, Tensors

Reader = Callable[[Tensors, Path], tuple[Network, Tensors] | None]

READERS: tuple[Reader, ...] = (msrb_of, compact_msrb_of)
"""In the order in which they are asked."""


def recognise(tensors: Tensors, path: Path) -> tuple[Network, Tensors]:
    """The network that a checkpoint is of, without memory for its weights, and its tensors.

    Returns:
        The network on the meta device, and the tensors by the names that it has for them: all of
        them, none else, each of the right shape.

    Raises:
        WeightsError: they are of no network that is known, or of one only in part.
    """
    with torch.device("meta"):
        for reader in READERS:
            if found := reader(tensors, path):
                network, named = found
                check_tensors(named, network.state_dict(), path, network.architecture)
                return network, named
    raise WeightsError(
        f"{path} is of no network that is known here: it has a tensor {min(tensors)}",
        _likeness(tensors),
    )


def _likeness(tensors: Mapping[str, Tensor]) -> str | None:
    """What unknown tensors look like, where that helps."""
    if any(key.startswith("main.") for key in tensors):
        return "it looks like a learned operator (LBO), which --lbo takes"
    return None


def check_tensors(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, network: str
) -> None:
    """Name the first tensor that is missing, of another shape, or not the network's."""
    for key, wanted in expected.items():
        if key not in tensors:
            raise WeightsError(f"{path} is not of {network}: it has no tensor {key}")
        shape, fits = tuple(tensors[key].shape), tuple(wanted.shape)
        if shape != fits:
            raise WeightsError(f"{path} is not of {network}: {key} is {shape}, not {fits}")
    if unknown := sorted(set(tensors) - set(expected)):
        raise WeightsError(f"{path} is not of {network}: it has a tensor {unknown[0]}")
