"""The engine: any tiling equals the whole frame, and a frame is computed until it is right."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from animesr_cli.errors import DeviceError
from animesr_cli.model import engine as engine_module
from animesr_cli.model.devices import Compute, choose_compute
from animesr_cli.model.engine import Engine, choose_tile
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Carried, Window
from animesr_cli.model.srvgg import SRVGGNetCompact

CPU_FP32 = Compute(torch.device("cpu"), torch.float32, "a test")
CPU_BF16 = Compute(torch.device("cpu"), torch.bfloat16, "a test")


def small_network(num_block: tuple[int, int, int] = (5, 3, 2)) -> MSRB:
    """The released schedule with few features, so that every path of the halo is real."""
    torch.manual_seed(3)
    return MSRB(num_feat=8, num_block=num_block).eval().requires_grad_(False)


NET = small_network()


def run(engine: Engine, clip: Tensor, cuts: tuple[int, ...] = ()) -> Tensor:
    """Feed (T, 3, H, W) through the engine and stack what comes out."""
    frames = ((t, frame, t in cuts) for t, frame in enumerate(clip))
    results = [(t, sr.clone()) for t, sr in engine.upscale_frames(frames)]
    assert [t for t, _ in results] == list(range(len(clip)))  # each beside its own frame
    return torch.stack([sr for _, sr in results])


def engine_for(clip: Tensor, compute: Compute = CPU_FP32, tile: int = 10_000) -> Engine:
    return Engine(NET, clip.shape[-2], clip.shape[-1], compute, tile=tile)


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(16, 90),
    frames=st.integers(1, 3),
)
def test_tiles_equal_the_whole_frame(height: int, width: int, tile: int, frames: int) -> None:
    """Any tile from 16 up, any odd size, over several frames of recurrence: 1e-5 in fp32."""
    clip = torch.rand(frames, 3, height, width)
    whole = NET(clip[None])[0]
    tiled = run(engine_for(clip, tile=tile), clip)
    assert tiled.shape == (frames, 3, 4 * height, 4 * width)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-5)


def test_the_full_size_network_tiles_too() -> None:
    """The released size, 100x140, tiles of 16 and 64: equal to the whole frame to 1e-5."""
    torch.manual_seed(5)
    net = MSRB().eval().requires_grad_(False)
    clip = torch.rand(2, 3, 100, 140)
    whole = run(Engine(net, 100, 140, CPU_FP32, tile=1000), clip)
    for tile in (40, 64):
        tiled = run(Engine(net, 100, 140, CPU_FP32, tile=tile), clip)
        torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-5)


def test_a_cut_makes_two_clips() -> None:
    """A clip with cuts gives exactly what its shots give alone, the window included."""
    clip = torch.rand(7, 3, 20, 24)
    shots = [clip[:1], clip[1:4], clip[4:]]
    expected = torch.cat([run(engine_for(shot), shot) for shot in shots])
    assert torch.equal(run(engine_for(clip), clip, cuts=(1, 4)), expected)


def test_a_reset_engine_is_a_new_one() -> None:
    """After `reset` nothing of the frames before is left."""
    clip = torch.rand(3, 3, 16, 16)
    engine = engine_for(clip)
    first = run(engine, clip)
    engine.reset()
    assert torch.equal(run(engine, clip), first)


def test_bf16_is_near_fp32() -> None:
    """Half precision with channels last stays within 1 % of full scale over a short clip."""
    clip = torch.rand(3, 3, 32, 40)
    torch.testing.assert_close(
        run(engine_for(clip, CPU_BF16), clip), run(engine_for(clip), clip), rtol=0, atol=0.01
    )


def fail_times(
    monkeypatch: pytest.MonkeyPatch, times: int, above_px: int, error: Exception
) -> list[tuple[int, ...]]:
    """Make the first `times` network steps on more than `above_px` rows fail; returns the calls."""
    calls: list[tuple[int, ...]] = []
    real = MSRB.step

    def step(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        calls.append(tuple(window[0].shape[-2:]))
        if window[0].shape[-2] > above_px and len(calls) <= times:
            raise error
        return real(self, window, carried)

    monkeypatch.setattr(MSRB, "step", step)
    return calls


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB, max allowed: 9 GB)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("could not create a primitive"),
        MemoryError(),
    ],
)
def test_out_of_memory_makes_smaller_tiles_and_the_same_frame(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A frame that did not fit is computed again, whole, in smaller tiles: no frame is lost."""
    clip = torch.rand(3, 3, 200, 60)
    expected = NET(clip[None])[0]
    warnings: list[str] = []
    calls = fail_times(monkeypatch, 10_000, 100, error)
    engine = Engine(NET, 200, 60, CPU_FP32, tile=1000, warn=warnings.append)
    torch.testing.assert_close(run(engine, clip), expected, rtol=0, atol=1e-5)
    assert calls[0] == (200, 60)
    assert engine.tile == 48  # 200 -> 100 -> 48, each with a halo of 24 on both sides
    assert [warning.split(":")[0] for warning in warnings] == ["out of memory on cpu"] * 2


def test_out_of_memory_with_the_smallest_tile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """When 16 pixels do not fit either, the run ends with the device's exit code."""
    fail_times(monkeypatch, 10_000, 0, torch.OutOfMemoryError("CUDA out of memory"))
    engine = Engine(NET, 64, 64, CPU_FP32, tile=64, warn=lambda message: None)
    with pytest.raises(DeviceError, match="even with tiles of 16") as caught:
        engine.step(*torch.rand(3, 3, 64, 64))
    assert "a frame of about 64x64 would fit" in str(caught.value.hint)


def test_other_runtime_errors_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the network is not hidden behind smaller tiles."""
    fail_times(monkeypatch, 1, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        engine_for(torch.rand(1, 3, 32, 32)).step(*torch.rand(3, 3, 32, 32))


def poison(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Tensor, Tensor], object], only_half: bool
) -> None:
    """Let `spoil` change what each step returns, perhaps only in half precision."""
    real = MSRB.step

    def step(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        sr, (kept, state) = real(self, window, carried)
        if state.dtype != torch.float32 or not only_half:
            spoil(sr, state)
        return sr, (kept, state)

    monkeypatch.setattr(MSRB, "step", step)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sr, state: sr[0, 0, 0, 0].fill_(float("nan")),
        lambda sr, state: sr[0, 2, -1, -1].fill_(float("inf")),
        lambda sr, state: state[0, 0, 0, 0].fill_(float("-inf")),
    ],
)
def test_nan_and_infinity_are_computed_again_in_fp32(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Tensor, Tensor], object]
) -> None:
    """One bad value anywhere, in the picture or the state, and the frame is fp32's."""
    clip = torch.rand(2, 3, 16, 20)
    poison(monkeypatch, spoil, only_half=True)
    warnings: list[str] = []
    engine = Engine(NET, 16, 20, CPU_BF16, tile=64, warn=warnings.append)
    result = run(engine, clip)
    torch.testing.assert_close(result, NET(clip[None])[0], rtol=0, atol=1e-5)
    assert len(warnings) == 2
    assert "again in fp32" in warnings[0]


def test_nan_in_fp32_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still not finite in fp32 is an error: it is never handed on."""
    poison(monkeypatch, lambda sr, state: sr.fill_(float("nan")), only_half=False)
    for compute in (CPU_FP32, CPU_BF16):
        engine = Engine(NET, 16, 16, compute, tile=64, warn=lambda message: None)
        with pytest.raises(DeviceError, match="NaN"):
            engine.step(*torch.rand(3, 3, 16, 16))


def test_opposite_infinities_do_not_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    """+inf and -inf together are found too."""

    def spoil(sr: Tensor, state: Tensor) -> None:
        sr[0, 0, 0, :2] = torch.tensor([float("inf"), float("-inf")])

    poison(monkeypatch, spoil, only_half=False)
    with pytest.raises(DeviceError):
        engine_for(torch.rand(1, 3, 16, 16)).step(*torch.rand(3, 3, 16, 16))


def test_the_tile_follows_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plenty of memory: the whole frame. Less: a multiple of four. Hardly any: the minimum."""
    frame = (1080, 1920, MSRB(), CPU_BF16)
    chosen = []
    for free in (64 << 30, 8 << 30, 3 << 30):
        monkeypatch.setattr(engine_module, "free_memory", lambda device, free=free: free)
        chosen.append(choose_tile(*frame))
    assert chosen[0] == 1920
    assert 16 < chosen[1] < 1920
    assert chosen[1] % 4 == 0
    assert chosen[2] == 16


def test_a_frame_that_no_tiling_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """8K needs 36 GB for its state and enlarged frame: said before the first frame."""
    monkeypatch.setattr(engine_module, "free_memory", lambda device: 20 << 30)
    needs = "7680x4320 needs about 36 GB on cpu, and 21 GB are free"
    with pytest.raises(DeviceError, match=needs) as caught:
        choose_tile(4320, 7680, MSRB(), CPU_BF16)
    size = re.search(r"about (\d+)x(\d+) would fit", str(caught.value.hint))
    assert size is not None
    assert choose_tile(int(size[2]), int(size[1]), MSRB(), CPU_BF16) >= 16
    assert choose_tile(int(size[2]), int(size[1]), MSRB(), CPU_BF16) < int(size[1])


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_still_picture_is_computed_once(recurrent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very same tensor again costs nothing where nothing is carried, and changes nothing."""
    torch.manual_seed(2)
    net = SRVGGNetCompact(2, 4, 1).eval().requires_grad_(False)
    monkeypatch.setattr(SRVGGNetCompact, "recurrent", recurrent)
    a, b = torch.rand(2, 3, 16, 20)
    expected = [Engine(net, 16, 20, CPU_FP32).step(frame) for frame in (a, a, b, a, a)]
    steps = []
    real = SRVGGNetCompact.step

    def counted(self: SRVGGNetCompact, window: Window, left: Carried) -> tuple[Tensor, Carried]:
        steps.append(window)
        return real(self, window, left)

    monkeypatch.setattr(SRVGGNetCompact, "step", counted)
    frames = ((number, frame, False) for number, frame in enumerate((a, a, b, a, a)))
    results = list(Engine(net, 16, 20, CPU_FP32).upscale_frames(frames))
    assert [number for number, _ in results] == [0, 1, 2, 3, 4]
    assert all(torch.equal(sr, own) for (_, sr), own in zip(results, expected, strict=True))
    assert len(steps) == (5 if recurrent else 3)


@pytest.mark.gpu
def test_cuda_in_half_precision_is_near_the_cpu() -> None:
    """fp16 channels last on CUDA, tiled, stays within 1 % of the CPU's fp32."""
    clip = torch.rand(3, 3, 64, 80)
    compute = choose_compute("cuda", "auto")
    assert compute.dtype == torch.float16
    result = run(engine_for(clip, compute, tile=32), clip.cuda())
    torch.testing.assert_close(result.cpu(), NET(clip[None])[0], rtol=0, atol=0.01)
