"""RealBasicVSR over shots and windows: what comes out is the network's own result."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import cast

import pytest
import torch
from torch import Tensor

from animesr_cli.errors import DeviceError
from animesr_cli.model import clip_engine
from animesr_cli.model import engine as engine_module
from animesr_cli.model.clip_engine import (
    LOOKAHEAD,
    ClipEngine,
    choose_window,
    lookahead_of,
    open_engine,
)
from animesr_cli.model.devices import Compute
from animesr_cli.model.engine import Engine
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.model.srvgg import SRVGGNetCompact
from pinned import filled, picture

FP32 = Compute(torch.device("cpu"), torch.float32, "asked for")
BF16 = Compute(torch.device("cpu"), torch.bfloat16, "asked for")
H, W = 16, 20


@pytest.fixture(scope="module")
def net() -> RealBasicVSR:
    return cast(RealBasicVSR, filled(RealBasicVSR(4, 1, 1), gain=1.2))


def clip_of(frames: int) -> Tensor:
    return picture(frames, 3, H, W)


def engine_of(net: RealBasicVSR, window: int, compute: Compute = FP32) -> ClipEngine:
    return ClipEngine(net, H, W, compute, window=window)


def run(engine: ClipEngine, clip: Tensor, cuts: Collection[int] = ()) -> list[Tensor]:
    frames = ((index, frame, index in cuts) for index, frame in enumerate(clip))
    found = list(engine.upscale_frames(frames))
    assert [index for index, _ in found] == list(range(len(clip)))  # each with its own
    return [sr for _, sr in found]


def close(ours: list[Tensor], wanted: Tensor) -> None:
    torch.testing.assert_close(torch.stack(ours), wanted, rtol=0, atol=1e-5)


def test_a_shot_that_fits_is_the_networks_own(net: RealBasicVSR) -> None:
    """A shot of as many frames as a window, or fewer, is what the network makes of the clip."""
    for frames in (1, 3, 6):
        clip = clip_of(frames)
        close(run(engine_of(net, 6), clip), net(clip[None])[0])


def test_nothing_crosses_a_cut(net: RealBasicVSR) -> None:
    """Each shot comes out as it does alone, also where a cut follows a cut."""
    clip = clip_of(7)
    shots = clip[:3], clip[3:4], clip[4:]
    whole = torch.cat([net(shot[None])[0] for shot in shots])
    close(run(engine_of(net, 6), clip, {0, 3, 4}), whole)


def test_windows_see_ahead_and_carry_what_was(net: RealBasicVSR) -> None:
    """A long shot's windows are: all that was before, and LOOKAHEAD frames behind the window."""
    window = 4
    clip = clip_of(2 * window + LOOKAHEAD + 1)
    cleaned = net.clean(clip[None])
    wanted: list[Tensor] = []
    before = None
    for first in range(0, len(clip), window):
        part = cleaned[:, first : first + window + LOOKAHEAD]
        steps = list(net.steps(part, before, window))
        wanted += [sr[0] for sr, _ in steps]
        before = steps[-1][1]
    ours = run(engine_of(net, window), clip)
    close(ours, torch.stack(wanted))
    # Forwards nothing is lost: what sees the end of the shot is what the whole clip gives.
    sees_the_end = slice(-LOOKAHEAD - 1, None)
    close(ours[sees_the_end], net(clip[None])[0, sees_the_end])


def test_frames_come_as_soon_as_they_are_known(net: RealBasicVSR) -> None:
    """No more frames are asked for than a window and what it looks ahead."""
    asked = 0

    def frames() -> Iterator[tuple[int, Tensor, bool]]:
        nonlocal asked
        for index, frame in enumerate(clip_of(40)):
            asked += 1
            yield index, frame, False

    results = engine_of(net, 3).upscale_frames(frames())
    next(results)
    assert asked == 3 + LOOKAHEAD


def test_stopped_at_a_window_it_goes_on_with_the_same_bits(net: RealBasicVSR) -> None:
    """What is carried at the end of a window, and the frames from there on, make the rest."""
    window, clip = 4, clip_of(4 + LOOKAHEAD + 3)
    whole = run(engine_of(net, window), clip)
    first = engine_of(net, window)
    frames = ((index, frame, False) for index, frame in enumerate(clip))
    results = first.upscale_frames(frames)
    for _ in range(window):
        next(results)
    second = engine_of(net, window)
    second.carry(tuple(tensor.clone() for tensor in first.carried))
    assert torch.equal(torch.stack(run(second, clip[window:])), torch.stack(whole[window:]))


def test_what_does_not_fit_is_not_carried(net: RealBasicVSR) -> None:
    """A state of another size is a ValueError."""
    engine = engine_of(net, 4)
    with pytest.raises(ValueError, match="does not fit"):
        engine.carry(net.initial(torch.zeros(1, 3, H, W + 1)))


def test_half_precision_is_near_and_fp32(net: RealBasicVSR) -> None:
    """In bf16 results are fp32 and near; the engine's network is its own."""
    clip = clip_of(3)
    ours = torch.stack(run(engine_of(net, 3, BF16), clip))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, net(clip[None])[0], rtol=0, atol=0.05)
    assert net.dtype == torch.float32


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("bad", range(4))
def test_nan_in_half_precision_is_computed_again(
    net: RealBasicVSR, bad: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window with NaN in bf16 goes on in fp32, frame by frame the same, with one sentence."""
    clip, steps = clip_of(4), RealBasicVSR.steps

    def broken(self: RealBasicVSR, *args: object) -> Iterator[object]:
        for index, (sr, passed) in enumerate(steps(self, *args)):  # type: ignore[arg-type]
            is_bad = index == bad and self.dtype != torch.float32
            yield (sr * float("nan") if is_bad else sr), passed

    said: list[str] = []
    expected = net(clip[None])[0]
    monkeypatch.setattr(engine_module, "frames_ahead", lambda device: ahead)
    monkeypatch.setattr(RealBasicVSR, "steps", broken)
    engine = ClipEngine(net, H, W, BF16, window=4, warn=said.append)
    ours = run(engine, clip)
    torch.testing.assert_close(ours[bad], expected[bad], rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.stack(ours), expected, rtol=0, atol=0.05)
    assert ["fp32" in sentence for sentence in said] == [True]


def test_frames_ahead_are_the_same_frames(
    net: RealBasicVSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over windows and cuts, launched before the one before is looked at: the same bits."""
    clip = clip_of(7)
    plain = run(engine_of(net, 3), clip, cuts=(4,))
    monkeypatch.setattr(engine_module, "frames_ahead", lambda device: 1)
    assert all(map(torch.equal, run(engine_of(net, 3), clip, cuts=(4,)), plain))


def test_nan_in_fp32_is_an_error(net: RealBasicVSR) -> None:
    """Weights that give NaN whatever the precision end in one clear error."""
    with pytest.raises(DeviceError, match="NaN or infinity"):
        run(engine_of(net, 4), clip_of(2) * float("nan"))


def test_out_of_memory_names_what_fits(net: RealBasicVSR, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused memory says how many frames to take instead."""

    def refused(self: RealBasicVSR, clip: Tensor) -> Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(RealBasicVSR, "clean", refused)
    with pytest.raises(DeviceError, match="8 frames") as caught:
        run(engine_of(net, 8), clip_of(2))
    assert "--segment-frames 4" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("free", "most", "window"),
    [(None, 250, 15), (1 << 50, 250, 60), (1 << 50, 20, 20), (1 << 50, 1, 1)],
)
def test_windows_follow_memory_and_the_wish(
    net: RealBasicVSR, monkeypatch: pytest.MonkeyPatch, free: int | None, most: int, window: int
) -> None:
    """As many frames as are wished, at most sixty, or a careful number where nothing tells."""
    monkeypatch.setattr(clip_engine, "free_memory", lambda device: free)
    assert choose_window(480, 640, net, FP32, most) == window


def test_less_memory_makes_smaller_windows_then_an_error(
    net: RealBasicVSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows shrink with what is free; where one frame does not fit, the error says what would."""
    windows = []
    for gigabytes in (40, 10, 8.5, 8):
        monkeypatch.setattr(
            clip_engine, "free_memory", lambda device, free=gigabytes: int(free * 1e9)
        )
        windows.append(choose_window(480, 640, net, FP32, 250))
    assert windows == sorted(windows, reverse=True)
    assert windows[0] == 60
    assert windows[-1] < 60
    monkeypatch.setattr(clip_engine, "free_memory", lambda device: 10**9)
    with pytest.raises(DeviceError, match="480") as caught:
        choose_window(480, 640, net, FP32, 250)
    assert "would fit" in str(caught.value.hint)


def test_each_network_gets_its_engine(net: RealBasicVSR) -> None:
    """Only a network that looks into the future takes windows."""
    small = SRVGGNetCompact(1, 4, 1)
    options = {"tile": 16, "window": 4, "warn": print}
    assert isinstance(open_engine(small, H, W, FP32, **options), Engine)  # type: ignore[arg-type]
    assert isinstance(open_engine(net, H, W, FP32, **options), ClipEngine)  # type: ignore[arg-type]
    assert (lookahead_of(small), lookahead_of(net)) == (0, LOOKAHEAD)
