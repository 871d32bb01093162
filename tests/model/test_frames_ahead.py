"""A device that computes beside the host: the same frames, and no frame waits for the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from animesr_cli.errors import DeviceError
from animesr_cli.model import engine as engine_module
from animesr_cli.model.devices import Compute
from animesr_cli.model.engine import Engine, frame_bytes_per_pixel
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Carried, Network, Window
from animesr_cli.model.srvgg import SRVGGNetCompact

FP32 = Compute(torch.device("cpu"), torch.float32, "a test")
BF16 = Compute(torch.device("cpu"), torch.bfloat16, "a test")
CUTS = (2, 6)


def networks() -> list[Network]:
    torch.manual_seed(3)
    nets: list[Network] = [MSRB(8, (2, 1, 1)), SRVGGNetCompact(2, 4, 1)]
    return [net.eval().requires_grad_(False) for net in nets]


def late_copies(
    log: list[str],
) -> Callable[[Sequence[Tensor]], tuple[tuple[Tensor, ...], Callable[[], None]]]:
    """`to_host` of a device whose copies hold something else until they are waited for."""

    def to_host(tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
        copies = tuple(torch.zeros_like(each) for each in tensors)
        values = [each.clone() for each in tensors]

        def wait() -> None:
            log.append("wait")
            for copy, value in zip(copies, values, strict=True):
                copy.copy_(value)

        return copies, wait

    return to_host


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the CPU play such a device; what happens, in order."""
    log: list[str] = []
    monkeypatch.setattr(engine_module, "frames_ahead", lambda device: 1)
    monkeypatch.setattr(engine_module, "to_host", late_copies(log))
    return log


def run(engine: Engine, clip: Tensor) -> tuple[list[Tensor], list[Carried]]:
    """Each frame's result, and what the engine says that it carries when that is handed on."""
    frames = ((t, frame, t in CUTS) for t, frame in enumerate(clip))
    results, carried = [], []
    for number, (t, sr) in enumerate(engine.upscale_frames(frames)):
        assert t == number
        results.append(sr)
        carried.append(engine.carried)
    assert len(results) == len(clip)
    return results, carried


@pytest.mark.parametrize("index", [0, 1])
def test_frames_ahead_are_the_same_frames(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results, and what is carried behind each of them, as without; cuts and repeats in it."""
    net = networks()[index]
    clip = torch.rand(8, 3, 20, 24)
    clip[4] = clip[3]
    expected = run(Engine(net, 20, 24, FP32), clip)
    monkeypatch.setattr(engine_module, "frames_ahead", lambda device: 1)
    monkeypatch.setattr(engine_module, "to_host", late_copies([]))
    engine = Engine(net, 20, 24, FP32)
    assert engine.ahead == 1
    results, carried = run(engine, clip)
    assert all(map(torch.equal, results, expected[0]))
    for ours, theirs in zip(carried, expected[1], strict=True):
        assert all(map(torch.equal, ours, theirs))


def test_a_frame_is_looked_at_while_the_next_one_runs(
    log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host launches frame t + 1 before it waits for frame t; only a cut lets it catch up."""
    real = MSRB.step

    def step(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        log.append("step")
        return real(self, window, carried)

    monkeypatch.setattr(MSRB, "step", step)
    run(Engine(networks()[0], 20, 24, FP32), torch.rand(8, 3, 20, 24))
    first = ["step", "step", "wait", "wait"]  # two frames
    second = ["step", *["step", "wait"] * 3, "wait"]  # four
    assert log == [*first, *second, *first]


@pytest.mark.parametrize("bad", range(8))
def test_what_is_not_finite_is_mended_before_it_is_handed_on(
    bad: int, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame is computed again in fp32, and what was launched behind it with what it left."""
    net, clip, calls = networks()[0], torch.rand(8, 3, 20, 24), [0]
    real = MSRB.step

    def step(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        sr, left = real(self, window, carried)
        if self.dtype == torch.bfloat16:
            calls[0] += 1
            if calls[0] == bad + 1:
                left[1][0, 0, 0, 0] = float("nan")
        return sr, left

    monkeypatch.setattr(MSRB, "step", step)
    said: list[str] = []
    ahead, _ = run(Engine(net, 20, 24, BF16, warn=said.append), clip)
    assert len(said) == 1
    monkeypatch.setattr(engine_module, "frames_ahead", lambda device: 0)
    calls[0] = 0
    in_step, _ = run(Engine(net, 20, 24, BF16, warn=said.append), clip)
    assert all(map(torch.equal, ahead, in_step))
    assert all(bool(torch.isfinite(sr).all()) for sr in ahead)


def test_nan_in_fp32_is_an_error_ahead_too(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never handed on."""
    monkeypatch.setattr(
        SRVGGNetCompact,
        "step",
        lambda self, window, carried: (window[0].new_full((1, 3, 40, 48), float("nan")), ()),
    )
    with pytest.raises(DeviceError, match="NaN"):
        run(Engine(networks()[1], 20, 24, FP32), torch.rand(8, 3, 20, 24))


def test_memory_counts_the_frame_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more result and one more of what is carried."""
    net, device = networks()[0], torch.device("cpu")
    plain = frame_bytes_per_pixel(net, device)
    monkeypatch.setattr(engine_module, "frames_ahead", lambda device: 1)
    more = frame_bytes_per_pixel(net, device) - plain
    assert more == net.carried_bytes_per_pixel + 4 * 3 * 16
