"""Inference of a network that looks into the future: RealBasicVSR, a shot at a time.

A frame's result is made of all frames before it and all behind it, so a shot is read to its end
before its first frame comes out. One that is longer than memory allows is computed in windows,
counted from its first frame: forwards as if there were none, backwards anew from ``LOOKAHEAD``
frames behind each (README.md). A run that stops at the end of one goes on with the same bits.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

import torch
from torch import Tensor

from animesr_cli.errors import DeviceError
from animesr_cli.model.devices import Compute
from animesr_cli.model.engine import (
    FREE_MEMORY_SHARE,
    BaseEngine,
    Engine,
    begun_check,
    not_finite,
)
from animesr_cli.model.memory import free_memory, is_out_of_memory
from animesr_cli.model.network import Carried, Network
from animesr_cli.model.realbasicvsr import Passed, RealBasicVSR

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOKAHEAD: Final = 10
"""Frames behind a window that its last frames know; what they add falls off with their distance."""
WINDOWS: Final = (60, 30, 15, 8, 4, 2, 1)
"""Frames of a window, the largest that fits: few choices, so that another run makes the same."""


def lookahead_of(net: Network) -> int:
    """Frames of the same shot that must be there before a frame can be computed."""
    return LOOKAHEAD if isinstance(net, RealBasicVSR) else net.radius


def choose_window(height: int, width: int, net: RealBasicVSR, compute: Compute, most: int) -> int:
    """Frames of a shot that are computed together: as many as fit free memory, at most ``most``.

    Raises DeviceError where not even one fits.
    """
    most = min(most, WINDOWS[0])
    free = free_memory(compute.device)
    if free is None:
        return min(most, 15)
    # Each frame's input, cleaned twice over, and its features; and one step at a time.
    half = compute.dtype != torch.float32
    kept = 3 * 12 + int(net.config["mid_channels"]) * (2 if half else 4)
    pixels = height * width
    budget = free * FREE_MEMORY_SHARE - pixels * net.bytes_per_pixel(compute.dtype)
    for window in (most, *(frames for frames in WINDOWS if frames < most)):
        if (window + LOOKAHEAD) * kept * pixels <= budget:
            return window
    needed = pixels * (net.bytes_per_pixel(compute.dtype) + (1 + LOOKAHEAD) * kept)
    share = (free * FREE_MEMORY_SHARE / needed) ** 0.5
    raise DeviceError(
        f"frames of {width}x{height} need about {needed / 1e9:.0f} GB on {compute.device} with "
        f"{net.architecture}, and {free / 1e9:.0f} GB are free",
        f"frames of about {int(width * share)}x{int(height * share)} would fit; other networks can "
        "compute frames in tiles",
    )


class _Launched(NamedTuple):
    """A frame that is being computed."""

    sr: Tensor
    passed: Passed
    is_finite: Callable[[], bool]


class ClipEngine(BaseEngine):
    """Frames by shots, through RealBasicVSR.

    Args:
        window: frames of a shot that are computed together.
    """

    def __init__(
        self,
        net: RealBasicVSR,
        height: int,
        width: int,
        compute: Compute,
        *,
        window: int,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        super().__init__(net, height, width, compute, warn)
        self.window = window
        self.tile = max(height, width)  # flows reach as far as things move

    def upscale_frames(
        self, frames: Iterable[tuple[T, Tensor, bool]], before: Tensor | None = None
    ) -> Iterator[tuple[T, Tensor]]:
        """What lies ``before`` is in what is carried."""
        shot: list[tuple[T, Tensor]] = []
        for item, frame, cut in frames:
            if cut:
                yield from self._rest(shot)
                shot = []
                self.reset()
            shot.append((item, frame))
            if len(shot) == self.window + LOOKAHEAD:
                yield from self._computed(shot, self.window)
                del shot[: self.window]
        yield from self._rest(shot)

    def _rest(self, shot: list[tuple[T, Tensor]]) -> Iterator[tuple[T, Tensor]]:
        """What is left of a shot whose end is known."""
        for first in range(0, len(shot), self.window):
            behind = shot[first : first + self.window + LOOKAHEAD]
            yield from self._computed(behind, min(self.window, len(behind)))

    def _computed(self, shot: list[tuple[T, Tensor]], wanted: int) -> Iterator[tuple[T, Tensor]]:
        """The first frames of a part of a shot, with what they are to know of those behind them."""
        clip = torch.stack([frame for _, frame in shot])[None]
        results = self._results(self._net, clip, wanted)
        begun = self._carried
        launched: deque[_Launched] = deque()
        for index in range(wanted + self.ahead):
            start = time.perf_counter()
            if index < wanted:
                launched.append(self._next(results))
            if index >= self.ahead:
                oldest = launched.popleft()
                if not oldest.is_finite():
                    # In fp32 from the window's first frame on, and those that are behind it too.
                    self._give_up_half()
                    results = self._results(self._converted(torch.float32), clip, wanted, begun)
                    for _ in range(index - self.ahead + 1):
                        oldest = self._next(results)
                    if not oldest.is_finite():
                        raise not_finite(", in fp32 too")
                    launched = deque(self._next(results) for _ in launched)
                passed = oldest.passed
                self._carried = Passed(passed.feature.to(self._net.dtype), passed.cleaned)
            self.busy_seconds += time.perf_counter() - start
            if index >= self.ahead:
                yield shot[index - self.ahead][0], oldest.sr[0]

    def _results(
        self, net: Network, clip: Tensor, wanted: int, before: Carried | None = None
    ) -> Iterator[tuple[Tensor, Passed]]:
        assert isinstance(net, RealBasicVSR)
        feature, cleaned = before or self._carried
        yield from net.steps(net.clean(clip), Passed(feature.to(net.dtype), cleaned), wanted)

    @torch.inference_mode()  # for the body of the generator, which runs here
    def _next(self, results: Iterator[tuple[Tensor, Passed]]) -> _Launched:
        try:
            sr, passed = next(results)
            return _Launched(sr, passed, begun_check(sr, passed.feature))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise DeviceError(
                f"out of memory on {self.compute.device} with {self.window} frames at a time",
                f"--segment-frames {max(self.window // 2, 1)} takes fewer; other networks can "
                "compute frames in tiles",
            ) from error


def open_engine(
    net: Network,
    height: int,
    width: int,
    compute: Compute,
    *,
    tile: int,
    window: int,
    warn: Callable[[str], None],
) -> BaseEngine:
    """The engine that a network needs; ``tile`` and ``window`` are of one kind each."""
    if isinstance(net, RealBasicVSR):
        return ClipEngine(net, height, width, compute, window=window, warn=warn)
    return Engine(net, height, width, compute, tile=tile, warn=warn)
