"""The walk of one frame: decode -> RGB -> network -> resample -> YUV -> encode, overlapped.

``upscale_chunk`` is the one loop that every run goes through, whether in one piece or in segments.
One thread decodes, the caller's runs everything of torch, one encodes and muxes; bounded queues lie
between them, so memory does not grow with the clip.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from animesr_cli.errors import Warn
from animesr_cli.model.clip_engine import open_engine
from animesr_cli.model.devices import to_device, to_host
from animesr_cli.model.network import Carried
from animesr_cli.model.resample import resample
from animesr_cli.reading.frame import Frame
from animesr_cli.threads import Pipeline
from animesr_cli.upscaling.picture import Border, Picture
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.colour import from_rgb, to_rgb

T = TypeVar("T")

DECODED_FRAMES = 4
"""Frames that may wait between the decoder and the network."""
UPSCALED_FRAMES = 2
"""Frames that may wait between the network and the encoder."""


class StageClock:
    """Busy seconds by stage; each stage runs in one thread only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(
            ("decode", "network", "colour", "encode"), 0.0
        )

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Pass ``items`` on, timing how long each took to come."""
        iterator = iter(items)
        while True:
            with self(stage):
                item = next(iterator, None)
            if item is None:
                return
            yield item


class FrameUpscaler:
    """Frames through colour, network and resampling, in order; methods as a frame meets them."""

    def __init__(self, plan: Plan, clock: StageClock, warn: Warn) -> None:
        self.plan = plan
        self.clock = clock
        self.warn = warn
        self.cuts = 0
        self.engine = open_engine(
            plan.network, plan.source.height, plan.source.width, plan.compute,
            tile=plan.tile, window=plan.segment_frames, warn=warn,
        )  # fmt: skip
        self._transparent = False  # and that was said
        self._last: tuple[Frame, Tensor] | None = None

    def pictures(
        self, decoded: Iterable[tuple[Frame, bool]], before: Frame | None = None
    ) -> Iterator[Picture]:
        """Of frames, each with whether it begins a shot; ``before`` as in ``upscale_frames``."""
        output = self.plan.format
        earlier = None if before is None else self._rgb(before)
        for frame, sr in self.engine.upscale_frames(self._with_rgb(decoded), earlier):
            self.clock.seconds["network"] = self.engine.busy_seconds
            with self.clock("colour"):
                planes = from_rgb(resample(sr, output.height, output.width), output.colour)
                copies, wait = to_host(planes)
            yield Picture((*copies, *self._alpha(frame)), frame, wait)

    def _with_rgb(
        self, decoded: Iterable[tuple[Frame, bool]]
    ) -> Iterator[tuple[Frame, Tensor, bool]]:
        for frame, cut in decoded:
            self.cuts += cut
            yield frame, self._rgb(frame), cut

    def _rgb(self, frame: Frame) -> Tensor:
        """(3, H, W) on the network's device; the same tensor again where no sample has changed."""
        device = self.plan.compute.device
        with self.clock("colour"):
            if self._last is None or not _are_equal(self._last[0].planes, frame.planes):
                planes = to_device(frame.planes, device)
                self._last = frame, to_rgb(planes, self.plan.source.colour)
            return self._last[1]

    def _alpha(self, frame: Frame) -> tuple[Tensor, ...]:
        """The transparency beside a picture if the output has it, else a warning where it shows."""
        if frame.alpha is None:
            return ()
        output = self.plan.format
        opacity = frame.alpha.to(torch.float32) / ((1 << self.plan.source.colour.layout.depth) - 1)
        if output.encoding.keeps_alpha:
            depth = output.colour.layout.depth
            sized = resample(opacity[None], output.height, output.width)[0].clamp(0, 1)
            codes = (sized * ((1 << depth) - 1)).round()
            return (codes.to(torch.uint8 if depth == 8 else torch.uint16),)
        if not self._transparent and bool((opacity < 1).any()):
            self._transparent = True
            to_keep = "-c prores_ks in .mov and -c ffv1 in .mkv do"
            self.warn(
                "the input is transparent in places, which the output does not keep; "
                + ("--pix-fmt rgba does" if self.plan.images else to_keep)
            )
        return ()


def _are_equal(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    """Whether two frames are the same to the sample; both lie in host memory."""
    return all(map(torch.equal, before, after))


def upscale_chunk(
    upscaler: FrameUpscaler,
    frames: Iterable[tuple[Frame, bool]],
    sink: Callable[[Picture | Border], None],
    threads: Pipeline,
    *,
    lengths: Sequence[int | None] = (None,),
    state: Carried | None = None,
) -> Iterator[Frame]:
    """Take frames through colour, network and resampling to ``sink``; each, once it is sent there.

    Args:
        frames: each with whether it begins a shot; iterated in a thread.
        sink: is called in a thread with each picture, and with a border behind each length.
        threads: ends when this iterator has ended, and stops it if it is left early.
        lengths: frames up to each border; None: all that come.
        state: what the frame before the chunk left, to go on inside a shot; that frame then comes
            first of all, as the neighbour of the next, and is not upscaled again.
    """
    decoded = threads.prefetch(upscaler.clock.each("decode", frames), depth=DECODED_FRAMES)
    before = None
    if state is not None:
        before, _ = next(decoded)
        upscaler.engine.carry(state)
    send = threads.drain(sink, depth=UPSCALED_FRAMES)
    pictures = upscaler.pictures(decoded, before)
    for length in lengths:
        for picture in itertools.islice(pictures, length):
            send(picture)
            yield picture.frame
        send(Border(upscaler.engine.carried, upscaler.engine.tile))
    threads.finish()
