"""Several processes that train one network together, as torchrun starts them.

    torchrun --nproc-per-node 4 -m animesr_cli finetune ...

Every process takes its own windows of an iteration; what they learn is averaged. Without torchrun
there is one process, and all of this is free.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed


def rank() -> int:
    """Which process this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_device(name: str) -> str:
    """Where there are several processes and GPUs, ``auto`` is a GPU for each."""
    if name == "auto" and world_size() > 1 and torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return name


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Be one of the processes: NCCL between GPUs, Gloo between CPUs."""
    if world_size() == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def averaged(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over all processes."""
    if world_size() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= world_size()
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))


def any_of_us(mine: bool, device: torch.device) -> bool:
    """Whether one of the processes says so; all of them get the same answer."""
    if world_size() == 1:
        return mine
    flag = torch.tensor(float(mine), device=device)
    distributed.all_reduce(flag, distributed.ReduceOp.MAX)
    return bool(flag)
