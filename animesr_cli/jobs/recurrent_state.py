"""What the network carries over the end of a segment, as a file: any number of tensors.

The file is safetensors, whose header also says how each tensor lies in memory: convolutions may go
by it. It is read as what anybody may have written: only tensors that fit the network are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from animesr_cli.bounded import MEBIBYTE, AtMost, fitted, open_regular, parse_json
from animesr_cli.model.network import Carried

LENGTH_BYTES = 8
"""Of the header's length, at the beginning of a safetensors file."""
LARGEST_SAMPLE_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """What the header says of one."""

    shape: Annotated[tuple[int, ...], AtMost(8)]


def state_bytes(state: Carried) -> bytes:
    """All tensors under their numbers."""
    tensors = {str(number): tensor.detach().cpu() for number, tensor in enumerate(state)}
    layout = {
        name: str(tensor.is_contiguous(memory_format=torch.channels_last))
        for name, tensor in tensors.items()
    }
    return save({name: tensor.contiguous() for name, tensor in tensors.items()}, layout)


def read_state(path: Path, like: Carried) -> Carried:
    """The state in a file, of the number and shapes of ``like``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another network or size of frames.
    """
    with open(open_regular(path), "rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if length > MEBIBYTE:
            raise ValueError("its header is too long")
        header = file.read(length)
        values = fitted(dict[str, Any], parse_json(header))
        layout = fitted(dict[str, Literal["True", "False"]], values.pop("__metadata__", {}))
        names = [str(number) for number in range(len(like))]
        if sorted(values) != sorted(names) or sorted(layout) != sorted(names):
            raise ValueError("it does not hold what this network carries")
        for name, ours in zip(names, like, strict=True):
            if fitted(_Tensor, values[name]).shape != tuple(ours.shape):
                raise ValueError("it is of frames of another size")
        rest = file.read(sum(tensor.numel() for tensor in like) * LARGEST_SAMPLE_BYTES + 1)
    try:
        tensors = load(length.to_bytes(LENGTH_BYTES, "little") + header + rest)
    except SafetensorError as error:
        raise ValueError(f"it is damaged: {error}") from error
    if not all(tensors[name].is_floating_point() for name in names):
        raise ValueError("it holds something else than samples")
    return tuple(
        tensors[name].to(memory_format=torch.channels_last)
        if layout[name] == "True"
        else tensors[name]
        for name in names
    )
