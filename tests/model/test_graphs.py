"""Recorded steps: replayed with the values that are given, plain where they cannot be recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from animesr_cli.model import graphs
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.graphs import WARM_UP_STEPS, GraphedStep
from animesr_cli.model.network import Carried, Window

CUDA = torch.device("cuda")


class Cuda:
    """What of torch.cuda is used, on a CPU: a graph is a call with the recorded tensors.

    As a real one it reads and writes the memory that it was recorded with, and nothing else.
    """

    def __init__(self, net: CompactMSRB, error: Exception | None = None) -> None:
        self.net, self.error = net, error
        self.recorded = self.replayed = 0

    def Stream(self, device: torch.device) -> Any:  # the names of torch's classes
        return SimpleNamespace(wait_stream=lambda other: None)

    def current_stream(self, device: torch.device) -> Any:
        return SimpleNamespace(wait_stream=lambda other: None)

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        yield

    @contextmanager
    def stream(self, stream: object) -> Iterator[None]:
        yield

    def CUDAGraph(self) -> Any:
        return SimpleNamespace(replay=None)

    @contextmanager
    def graph(self, graph: Any, capture_error_mode: str) -> Iterator[None]:
        if self.error:
            raise self.error
        self.recorded += 1
        calls: list[tuple[Any, Any, Any]] = []
        real = type(self.net).step

        def step(window: Window, carried: Carried) -> tuple[Tensor, Carried]:
            given = real(self.net, window, carried)
            calls.append((window, carried, given))
            return given

        self.net.step = step  # type: ignore[method-assign]
        yield
        del self.net.step
        ((window, carried, (sr, left)),) = calls

        def replay() -> None:
            self.replayed += 1
            new_sr, new_left = real(self.net, window, carried)
            for own, new in zip((sr, *left), (new_sr, *new_left), strict=True):
                own.copy_(new)

        graph.replay = replay


@pytest.fixture
def net() -> CompactMSRB:
    torch.manual_seed(4)
    return CompactMSRB(8, 4, 3, (1, 1), 2).eval().requires_grad_(False)


def clip(net: CompactMSRB, step: Any, height: int = 16) -> list[Tensor]:
    """Results of five frames, kept while the next ones are computed."""
    torch.manual_seed(5)
    frames = torch.rand(5, 1, 3, height, 16)
    carried, results = net.initial(frames[0]), []
    for frame in frames:
        sr, carried = step((frame, frame, frame), carried)
        assert carried[0] is sr, "the frame itself is carried, and kept once"
        results.append(sr)
    return results


def test_replayed_steps_are_steps(net: CompactMSRB, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded once for each size; nothing that was handed on is written over."""
    cuda = Cuda(net)
    monkeypatch.setattr(graphs, "runtime_of", lambda device: cuda)
    step = GraphedStep(net, CUDA)
    for height in (16, 20, 16):
        expected = clip(net, net.step, height)
        assert all(map(torch.equal, clip(net, step, height), expected))
    assert (cuda.recorded, cuda.replayed) == (2, 15)


def test_no_more_sizes_are_recorded_than_a_frame_has(
    net: CompactMSRB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds memory; the others are computed plainly."""
    cuda = Cuda(net)
    monkeypatch.setattr(graphs, "runtime_of", lambda device: cuda)
    step = GraphedStep(net, CUDA)
    for height in range(16, 16 + 4 * (graphs.MOST_SIZES + 2), 4):
        assert all(map(torch.equal, clip(net, step, height), clip(net, net.step, height)))
    assert cuda.recorded == graphs.MOST_SIZES


@pytest.mark.parametrize(
    "error", [RuntimeError("operation not permitted when stream is capturing"),
              torch.OutOfMemoryError("CUDA out of memory")],
)  # fmt: skip
def test_what_cannot_be_recorded_is_computed(
    net: CompactMSRB, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed recording is not tried again, and costs no frame."""
    calls = []
    real = CompactMSRB.step

    def counted(self: CompactMSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        calls.append(window)
        return real(self, window, carried)

    expected = clip(net, net.step)
    monkeypatch.setattr(CompactMSRB, "step", counted)
    cuda = Cuda(net, error)
    monkeypatch.setattr(graphs, "runtime_of", lambda device: cuda)
    assert all(map(torch.equal, clip(net, GraphedStep(net, CUDA)), expected))
    assert len(calls) == WARM_UP_STEPS + 5


@pytest.mark.parametrize(("device", "height"), [("cpu", 16), ("xpu", 16), ("cuda", 1 << 16)])
def test_large_frames_and_other_devices_are_computed_plainly(
    net: CompactMSRB, device: str, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is recorded where it does not pay, or cannot be."""
    cuda = Cuda(net)
    monkeypatch.setattr(graphs, "runtime_of", lambda device: cuda)
    frame = torch.empty(1, 3, height, 16, device="meta")
    monkeypatch.setattr(CompactMSRB, "step", lambda self, window, carried: (frame, carried))
    step = GraphedStep(net, torch.device(device))
    assert step((frame,) * 3, ()) == (frame, ())
    assert cuda.recorded == 0


@pytest.mark.gpu
def test_a_card_replays_what_it_computes(net: CompactMSRB) -> None:
    """On CUDA a recorded clip equals the plain one to the bit."""
    cuda = net.cuda()

    def moved(window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        return cuda.step(tuple(each.cuda() for each in window), tuple(c.cuda() for c in carried))

    graphed = GraphedStep(cuda, CUDA)
    replayed = clip(
        cuda, lambda w, c: graphed(tuple(e.cuda() for e in w), tuple(e.cuda() for e in c))
    )
    assert graphed._recordings
    assert all(map(torch.equal, replayed, clip(cuda, moved)))
