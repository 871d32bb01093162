"""Inference over tiles, frame after frame: any network, any size, as much memory as there is.

What a network carries from frame to frame is kept for the whole frame. A tile is computed from
crops of it that are larger by the network's receptive field (``Network.halo``), so that any tiling
gives the result of the whole frame, and a frame can be computed again (with smaller tiles, or in
fp32) until it succeeds: nothing is overwritten before then.

Where a device computes beside the host (CUDA, XPU), the host launches a frame before it looks at
the one before: whether that one is finite comes with a copy, and is read while the next one runs.
"""

from __future__ import annotations

import copy
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor

from animesr_cli.errors import DeviceError
from animesr_cli.model.devices import Compute, runtime_of, to_host
from animesr_cli.model.graphs import GraphedStep
from animesr_cli.model.memory import free_memory, is_out_of_memory
from animesr_cli.model.network import Carried, Network, Window, windows
from animesr_cli.model.tiles import MIN_TILE, Region, grid

log = logging.getLogger(__name__)

T = TypeVar("T")

Step = Callable[[Window, Carried], tuple[Tensor, Carried]]
"""``Network.step`` of some network."""

# What is left to the decoder, the encoder and everybody else.
FREE_MEMORY_SHARE = 0.6

AHEAD: Final = 1
"""Frames that are launched, on a device that computes beside the host, before one is looked at."""


def frames_ahead(device: torch.device) -> int:
    """``AHEAD`` where that helps."""
    return 0 if runtime_of(device) is None else AHEAD


def frame_bytes_per_pixel(net: Network, device: torch.device) -> int:
    """What no tiling makes smaller: what is carried in and out of frames, and their results."""
    ahead = frames_ahead(device)
    return (2 + ahead) * net.carried_bytes_per_pixel + (1 + ahead) * 4 * 3 * net.scale**2


def _what_fits(height: int, width: int, net: Network, device: torch.device, free: int) -> str:
    """The largest frame of the same shape, as advice."""
    pixels = free * FREE_MEMORY_SHARE / frame_bytes_per_pixel(net, device)
    share = min((pixels / (height * width)) ** 0.5, 1)
    size = f"{int(width * share)}x{int(height * share)}"
    return f"the network works at {net.scale} times the size; a frame of about {size} would fit"


def choose_tile(height: int, width: int, net: Network, compute: Compute) -> int:
    """The largest tile side that fits free memory; that of the padded frame if all of it does.

    Raises DeviceError where what no tiling makes smaller does not fit: what is carried, the result
    and the enlarged frame.
    """
    free = free_memory(compute.device)
    whole = max(-(-max(height, width) // net.multiple) * net.multiple, MIN_TILE)
    if free is None:
        return min(whole, 1024)
    needed = height * width * frame_bytes_per_pixel(net, compute.device)
    if needed > free:
        raise DeviceError(
            f"a frame of {width}x{height} needs about {needed / 1e9:.0f} GB on {compute.device}, "
            f"and {free / 1e9:.0f} GB are free",
            _what_fits(height, width, net, compute.device, free),
        )
    budget = free * FREE_MEMORY_SHARE - needed
    pixels = budget / net.bytes_per_pixel(compute.dtype)
    if height * width <= pixels:
        return whole
    side = int(max(pixels, 0) ** 0.5) - 2 * net.halo
    return max(side // net.multiple * net.multiple, MIN_TILE)


def seconds_per_pixel(net: Network, compute: Compute, side: int) -> float:
    """What one input pixel of one frame costs here, from the second of two trial steps."""
    engine = Engine(net, side, side, compute, tile=max(side + net.multiple, MIN_TILE))
    window = [torch.zeros(3, side, side, device=compute.device)] * (2 * net.radius + 1)
    for _ in range(2):
        start = time.perf_counter()
        engine.step(*window)  # waits for a check of the values: no work is pending
    return (time.perf_counter() - start) / side**2


def begun_check(*results: Tensor) -> Callable[[], bool]:
    """Begin to ask on their device whether results are finite; what tells, once they are there."""
    (on_host,), wait = to_host((all_finite(*results),))

    def is_finite() -> bool:
        wait()
        return bool(on_host)

    return is_finite


class BaseEngine(ABC):
    """One clip's frames through a network: what does not depend on how it looks at them.

    Args:
        net: the network with fp32 weights; it is copied, converted and moved, never changed.
        height, width: of the frames that will come, in pixels.
        compute: device and precision.
        warn: receives one sentence when the engine had to change its ways.
    """

    tile: int
    """Tile side in pixels."""

    def __init__(
        self, net: Network, height: int, width: int, compute: Compute, warn: Callable[[str], None]
    ) -> None:
        self.compute = compute
        self.busy_seconds = 0.0
        self.ahead = frames_ahead(compute.device)
        """Frames to launch before the first is finished."""
        self._master = net
        self._net = self._converted(compute.dtype)
        self._warn = warn
        self._frame = Region(0, 0, height + -height % net.multiple, width + -width % net.multiple)
        self._carried: Carried
        self.reset()

    @abstractmethod
    def upscale_frames(
        self, frames: Iterable[tuple[T, Tensor, bool]], before: Tensor | None = None
    ) -> Iterator[tuple[T, Tensor]]:
        """Run (anything, its RGB, whether it begins a shot) through the network, in order.

        What comes first of the three is handed on beside the result that belongs to it. Nothing
        reaches across a cut.

        Args:
            before: to go on inside a shot, the frame before the first; the engine carries what that
                one left.
        """

    def _converted(self, dtype: torch.dtype) -> Network:
        net = copy.deepcopy(self._master).to(self.compute.device, dtype)
        for parameter in net.requires_grad_(False).eval().parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.to(memory_format=self.compute.memory_format)
        return net

    def reset(self) -> None:
        """Forget the shot: the next frame begins with what the network begins with."""
        frame = torch.zeros(1, 3, self._frame.height, self._frame.width)
        initial = self._net.initial(frame.to(self.compute.device))
        layout = self.compute.memory_format
        # Features lie as convolutions like them; pictures of the output's size stay as they are.
        self._carried = tuple(
            tensor.to(memory_format=layout) if self._factor(tensor) == 1 else tensor
            for tensor in initial
        )

    def _factor(self, tensor: Tensor) -> int:
        """How many times a frame's size a tensor's is."""
        return tensor.shape[-2] // self._frame.height

    @property
    def carried(self) -> Carried:
        """What the frame behind the last finished one is given; nothing changes it afterwards."""
        return self._carried

    def carry(self, carried: Carried) -> None:
        """Go on from there: what ``carried`` was after the frame before, on any device.

        Raises ValueError where it is of another number or size.
        """
        for ours, theirs in zip(self._carried, carried, strict=True):
            if ours.shape != theirs.shape:
                raise ValueError(f"{tuple(theirs.shape)} does not fit {tuple(ours.shape)}")
        # Strides stay: convolutions may round otherwise where channels are not last any more.
        self._carried = tuple(each.to(self.compute.device) for each in carried)

    def _give_up_half(self) -> None:
        """Say that a frame is computed again in fp32; an error where it was in that."""
        if self.compute.dtype == torch.float32:
            raise not_finite()
        self._warn(
            f"a frame came out as NaN or infinity in {self.compute.precision} and was computed "
            "again in fp32"
        )


@dataclass(frozen=True)
class _Launched:
    """A frame that is being computed."""

    window: Window
    before: Carried
    sr: Tensor
    carried: Carried
    is_finite: Callable[[], bool]


class Engine(BaseEngine):
    """Frames by windows and tiles: hand it windows in order, ``reset`` it at cuts.

    ``step`` takes a window and gives its result. ``launch`` takes one and returns before it is
    computed; ``finish`` gives the result of the oldest that was launched.

    Args:
        tile: tile side in pixels, 0 to choose from free memory.
    """

    def __init__(
        self,
        net: Network,
        height: int,
        width: int,
        compute: Compute,
        *,
        tile: int = 0,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        super().__init__(net, height, width, compute, warn)
        self.radius = net.radius
        self._step = GraphedStep(self._net, compute.device)
        self._size = (height, width)
        self.tile = tile or choose_tile(self._frame.height, self._frame.width, net, compute)

    def reset(self) -> None:
        """Forget the shot, and what was launched of it."""
        super().reset()
        self._launched: deque[_Launched] = deque()

    def upscale_frames(
        self, frames: Iterable[tuple[T, Tensor, bool]], before: Tensor | None = None
    ) -> Iterator[tuple[T, Tensor]]:
        """The first and the last frame of a shot stand in for their missing neighbours."""
        stateless = not self.radius and not self._net.recurrent
        awaited: deque[tuple[T, bool]] = deque()  # each, and whether its frame is repeated
        last: Tensor | None = None
        sr: Tensor

        def taken(left: int) -> Iterator[tuple[T, Tensor]]:
            nonlocal sr
            while len(awaited) > left:
                item, is_repeated = awaited.popleft()
                if not is_repeated:
                    sr = self.finish()
                yield item, sr

        for item, window, begins in windows(frames, self.radius, before):
            if begins:
                yield from taken(0)
                self.reset()
            # The very tensor once more: a still picture, whose result is known.
            is_repeated = stateless and window[0] is last
            if not is_repeated:
                self.launch(*window)
                last = window[0]
            awaited.append((item, is_repeated))
            yield from taken(self.ahead)
        yield from taken(0)

    def step(self, *window: Tensor) -> Tensor:
        """Frames t - radius ... t + radius, each (3, H, W) on the device -> (3, sH, sW) fp32.

        Raises DeviceError when memory does not suffice for the smallest tile, or when even fp32
        gives NaN or Inf. The result is not clamped and must not be written to.
        """
        self.launch(*window)
        return self.finish()

    @torch.inference_mode()
    def launch(self, *window: Tensor) -> None:
        """Begin with the frame behind the last launched one; arguments and errors as of ``step``.

        Each frame that is launched is finished, in order, before ``reset`` and ``carry``.
        """
        start = time.perf_counter()
        batch: Window = tuple(self._net.padded(frame)[None] for frame in window)
        before = self._launched[-1].carried if self._launched else self._carried
        self._launched.append(self._begun(batch, before))
        self.busy_seconds += time.perf_counter() - start

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """The result of the oldest launched frame, and errors, as of ``step``."""
        start = time.perf_counter()
        oldest = self._launched.popleft()
        sr, self._carried = oldest.sr, oldest.carried
        if not oldest.is_finite():
            sr, self._carried = self._again_in_fp32(oldest)
            # Those behind it were given what was not finite.
            windows = [each.window for each in self._launched]
            self._launched.clear()
            before = self._carried
            for window in windows:
                self._launched.append(self._begun(window, before))
                before = self._launched[-1].carried
        self.busy_seconds += time.perf_counter() - start
        height, width = (size * self._net.scale for size in self._size)
        return sr[0, :, :height, :width]

    def _begun(self, window: Window, before: Carried) -> _Launched:
        sr, carried = self._compute(self._step, window, before)
        return _Launched(window, before, sr, carried, begun_check(sr, *carried))

    def _again_in_fp32(self, frame: _Launched) -> tuple[Tensor, Carried]:
        self._give_up_half()
        step = self._converted(torch.float32).step
        sr, carried = self._compute(step, frame.window, frame.before)
        if not all_finite(sr, *carried):
            raise not_finite(", in fp32 too")
        return sr, carried

    def _compute(self, step: Step, window: Window, before: Carried) -> tuple[Tensor, Carried]:
        """The whole frame, by tiles; smaller ones for as long as memory runs out."""
        while True:
            try:
                return self._by_tiles(step, window, before)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink_tile()

    def _shrink_tile(self) -> None:
        largest = max(max(r.height, r.width) for r in self._tiles())
        if largest <= MIN_TILE:
            raise self._too_large()
        multiple = self._net.multiple
        self.tile = max(largest // 2 // multiple * multiple, MIN_TILE)
        self._warn(f"out of memory on {self.compute.device}: going on with --tile {self.tile}")
        if runtime := runtime_of(self.compute.device):
            runtime.empty_cache()

    def _too_large(self) -> DeviceError:
        height, width = self._size
        free = free_memory(self.compute.device) or 0
        fits = _what_fits(height, width, self._net, self.compute.device, free)
        return DeviceError(
            f"out of memory on {self.compute.device}, even with tiles of {MIN_TILE} pixels; "
            f"{free / 1e9:.1f} GB are free",
            f"close other programs, use --device cpu, or make the input smaller first: {fits}",
        )

    def _tiles(self) -> list[Region]:
        return grid(self._frame.height, self._frame.width, self.tile, self._net.multiple)

    def _by_tiles(self, step: Step, window: Window, before: Carried) -> tuple[Tensor, Carried]:
        tiles, net = self._tiles(), self._net
        if len(tiles) == 1:
            return step(window, before)
        height, width = self._frame.height * net.scale, self._frame.width * net.scale
        sr = window[0].new_empty(1, 3, height, width, dtype=torch.float32)
        carried: Carried | None = None
        for tile in tiles:
            outer = tile.grown(net.halo, self._frame)
            inner = tile.within(outer)
            tile_sr, tile_carried = step(
                tuple(frame[outer.index] for frame in window),
                tuple(t[outer.scaled(self._factor(t)).index] for t in before),
            )
            sr[tile.scaled(net.scale).index] = tile_sr[inner.scaled(net.scale).index]
            if carried is None:  # the frame itself may be part of it: then it is kept once
                carried = tuple(
                    sr if part is tile_sr else torch.empty_like(whole)
                    for whole, part in zip(before, tile_carried, strict=True)
                )
            for whole, part in zip(carried, tile_carried, strict=True):
                if whole is not sr:
                    factor = self._factor(whole)
                    whole[tile.scaled(factor).index] = part[inner.scaled(factor).index]
        return sr, carried or ()


def not_finite(where: str = "") -> DeviceError:
    """What nothing can be done about."""
    return DeviceError(
        f"the network gave NaN or infinity{where}",
        "the checkpoint may be damaged: `animesr models` shows where it is",
    )


def all_finite(*tensors: Tensor) -> Tensor:
    """A single truth value, on the device."""
    # A sum is not finite if any term is not, and is one pass without a mask; it is taken in fp32,
    # where finite pictures and half-precision states cannot overflow it.
    total = torch.stack([tensor.sum(dtype=torch.float32) for tensor in tensors]).sum()
    return torch.isfinite(total)
