"""Steps of a network that were recorded once for a size and are replayed: CUDA graphs.

A step of a small frame is some sixty short kernels, and launching each of them from Python takes
longer than computing it. A recorded step is launched as one. It works on memory of its own, so what
goes in and comes out is copied; for large frames that costs more than launching does.
"""

from __future__ import annotations

import logging
from typing import Final

import torch
from torch import Tensor

from animesr_cli.model.devices import runtime_of
from animesr_cli.model.network import Carried, Network, Window

log = logging.getLogger(__name__)

MOST_PIXELS: Final = 1 << 19
"""Of a recorded frame or tile. By the cost of a launch, about 10 microseconds, and not measured: a
frame of 854x480 is where sixty of them come near what current cards take to compute it."""
MOST_SIZES: Final = 4
"""Recorded for one network; tiles of a frame have at most four, where the last ones are smaller."""
WARM_UP_STEPS: Final = 3
"""Before recording, in which libraries choose their algorithms and allocate."""


class GraphedStep:
    """``step`` of a network, recorded for each size that comes; plain where that cannot be."""

    def __init__(self, net: Network, device: torch.device) -> None:
        self._net = net
        self._recordings: dict[object, _Recording] = {}
        self._device = device
        self._is_off = device.type != "cuda"

    def __call__(self, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        """As ``Network.step``."""
        height, width = window[0].shape[-2:]
        if self._is_off or height * width > MOST_PIXELS:
            return self._net.step(window, carried)
        given = (*window, *carried)
        size = tuple((each.shape, each.dtype) for each in given)
        if size not in self._recordings:
            if len(self._recordings) == MOST_SIZES:
                return self._net.step(window, carried)
            try:
                self._recordings[size] = _Recording(self._net, self._device, window, carried)
            except RuntimeError as error:
                self._recordings.clear()  # and the memory that they hold
                self._is_off = True
                log.info("CUDA graphs are not used: %s", error)
                return self._net.step(window, carried)
        return self._recordings[size].replayed(given)


class _Recording:
    """A step for one size, with the memory that it reads and writes."""

    def __init__(
        self, net: Network, device: torch.device, window: Window, carried: Carried
    ) -> None:
        self._inputs = [each.clone() for each in (*window, *carried)]
        count = len(window)
        own_window, own_carried = tuple(self._inputs[:count]), tuple(self._inputs[count:])
        cuda = runtime_of(device)
        with cuda.device(device):
            # Recording needs a stream other than the default one, also for what it warms up.
            aside = cuda.Stream(device)
            aside.wait_stream(cuda.current_stream(device))
            with cuda.stream(aside):
                for _ in range(WARM_UP_STEPS):
                    net.step(own_window, own_carried)
            cuda.current_stream(device).wait_stream(aside)
            self._graph = cuda.CUDAGraph()
            with cuda.graph(self._graph, capture_error_mode="thread_local"):  # others go on
                self._sr, self._carried = net.step(own_window, own_carried)

    def replayed(self, given: tuple[Tensor, ...]) -> tuple[Tensor, Carried]:
        for own, each in zip(self._inputs, given, strict=True):
            own.copy_(each)
        self._graph.replay()
        # The next replay writes over its results, so what is handed on is a copy.
        sr = self._sr.clone()
        return sr, tuple(sr if each is self._sr else each.clone() for each in self._carried)
