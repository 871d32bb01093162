"""What the network carries over the end of a segment, as a file: any number of tensors.

The file is safetensors. Each tensor comes back as it lay in memory, since convolutions may go by
that. What is read may have been written by anybody: only tensors that fit the network are taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from animesr_cli.bounded import MEBIBYTE, read_bytes
from animesr_cli.model.network import Carried

LAST: Final = " channels last"
"""Behind the number of a tensor that lies so; in the file its channels are the last dimension."""

LARGEST_SAMPLE_BYTES: Final = 4


def state_bytes(state: Carried) -> bytes:
    """All tensors under their numbers."""
    return save(dict(_named(number, tensor) for number, tensor in enumerate(state)))


def _named(number: int, tensor: Tensor) -> tuple[str, Tensor]:
    plain = tensor.detach().cpu()
    if plain.is_contiguous(memory_format=torch.channels_last):
        return f"{number}{LAST}", plain.permute(0, 2, 3, 1).contiguous()
    return str(number), plain.contiguous()


def read_state(path: Path, like: Carried) -> Carried:
    """The state in a file, of the number and shapes of ``like``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another network or size of frames.
    """
    most = MEBIBYTE + LARGEST_SAMPLE_BYTES * sum(tensor.numel() for tensor in like)
    try:
        found = load(read_bytes(path, most_bytes=most))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f"it is damaged: {error}") from error
    state = tuple(
        tensor.permute(0, 3, 1, 2) if name.endswith(LAST) and tensor.dim() == 4 else tensor
        for name, tensor in sorted(found.items(), key=lambda item: _number(item[0]))
    )
    if sorted(map(_number, found)) != list(range(len(like))):
        raise ValueError("it does not hold what this network carries")
    if any(tensor.shape != ours.shape for tensor, ours in zip(state, like, strict=True)):
        raise ValueError("it is of frames of another size")
    if not all(tensor.is_floating_point() for tensor in state):
        raise ValueError("it holds something else than samples")
    return state


def _number(name: str) -> int:
    number = name.removesuffix(LAST)
    return int(number) if number.isdecimal() else -1
