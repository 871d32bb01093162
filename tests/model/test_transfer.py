"""Copies beside the device's work: pinned on the way there, an event on the way back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from animesr_cli.model import devices
from animesr_cli.model.devices import RUNTIMES, runtime_of, to_device, to_host

CPU = torch.device("cpu")


class Double:
    """A runtime that writes down what is asked of it; the CPU plays the device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Any] = []
        real = Tensor.to

        def pinned(tensor: Tensor) -> Tensor:
            self.log.append("pin")
            return tensor.clone()

        def to(tensor: Tensor, *args: Any, non_blocking: bool = False) -> Tensor:
            self.log.append(("copy", non_blocking))
            return real(tensor, *args)

        monkeypatch.setattr(Tensor, "pin_memory", pinned)
        monkeypatch.setattr(Tensor, "to", to)
        monkeypatch.setattr(devices, "runtime_of", lambda device: self)

    def current_stream(self, device: torch.device) -> str:
        return f"stream of {device}"

    def Event(self) -> Double:  # the name of torch's class
        return self

    def record(self, stream: str) -> None:
        self.log.append(("record", stream))

    def synchronize(self) -> None:
        self.log.append("wait")


def test_uploads_come_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plane is pinned and copied without waiting."""
    double = Double(monkeypatch)
    planes = torch.rand(4, 4), torch.rand(2, 2)
    found = to_device(planes, CPU)
    assert all(map(torch.equal, found, planes))
    assert double.log == ["pin", ("copy", True)] * 2


def test_downloads_are_awaited_by_their_own_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the copies, on the stream of the device that they come from; nobody waits at once."""
    double = Double(monkeypatch)
    copies, wait = to_host((torch.ones(2), torch.zeros(3)))
    begun = [("copy", True), ("copy", True), ("record", "stream of cpu")]
    assert double.log == begun
    wait()
    assert double.log == [*begun, "wait"]
    assert [copy.tolist() for copy in copies] == [[1, 1], [0, 0, 0]]


def test_without_events_nothing_is_left_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU and MPS have no such runtime: copies are done when they return."""
    assert runtime_of(torch.device("mps")) is runtime_of(CPU) is None
    assert runtime_of(torch.device("cuda:1")) is torch.cuda
    assert runtime_of(torch.device("xpu")) is torch.xpu
    (copy,), wait = to_host((torch.ones(2),))
    assert copy.tolist() == [1, 1]
    wait()
    assert to_device([torch.ones(2)], CPU)[0].tolist() == [1, 1]


def test_every_runtime_has_what_is_asked_of_it() -> None:
    """The doubles stand in for functions that torch has, on this machine or another."""
    for runtime in RUNTIMES.values():
        for function in ("Event", "current_stream", "empty_cache", "synchronize",
                         "max_memory_allocated", "mem_get_info"):  # fmt: skip
            assert callable(getattr(runtime, function))
