"""Copies between the host and a device, which go on while the device computes.

CUDA and XPU copy between pinned memory and the device beside everything else, and an event tells
when; whoever needs the copy waits for that event alone. Elsewhere a copy is finished when it
returns: on MPS a copy to the host that nobody waits for may be read half done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def runtime_of(device: torch.device) -> Any:
    """The module of torch whose streams and events order a device's work; None: it has none."""
    return {"cuda": torch.cuda, "xpu": torch.xpu}.get(device.type)


def to_device(planes: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """From host memory; the host goes on before they are there, the device's work waits."""
    if runtime_of(device) is None:
        return [plane.to(device) for plane in planes]
    # Torch keeps pinned memory until the copy out of it is done.
    return [plane.pin_memory().to(device, non_blocking=True) for plane in planes]


def to_host(tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
    """Start copying to host memory, and what waits for the copies: the device goes on meanwhile."""
    device = tensors[0].device
    runtime = runtime_of(device)
    if runtime is None:
        return tuple(tensor.to("cpu") for tensor in tensors), lambda: None
    copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)  # pinned by torch
    done = runtime.Event()
    # By itself an event is recorded on the current device, which need not be this one.
    done.record(runtime.current_stream(device))
    return copies, done.synchronize
