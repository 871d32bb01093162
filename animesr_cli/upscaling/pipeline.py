"""The walk of one frame: decode -> RGB -> network -> resample -> YUV -> encode, overlapped.

One thread decodes and looks for cuts, the caller's runs everything of torch, one encodes and
muxes; bounded queues lie between them, so memory does not grow with the clip.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.errors import InputError
from animesr_cli.model.engine import Engine, upscale_frames
from animesr_cli.reading.image_reader import SequenceReader
from animesr_cli.reading.reader import Frame, Reader
from animesr_cli.reading.y4m import PIPE, PipeReader, PipeWriter
from animesr_cli.threads import Crew
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.colour import from_rgb, to_rgb
from animesr_cli.video.scenes import SceneDetector
from animesr_cli.writing.image_writer import SequenceWriter
from animesr_cli.writing.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

DECODED_FRAMES = 4
"""Frames that may wait between the decoder and the network."""
ENLARGED_FRAMES = 2
"""Frames that may wait between the network and the encoder."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; one is handed over after each frame."""

    frames: int
    total_frames: int | None
    media_seconds: float
    """Length of what is done, on the output's clock."""
    bytes_written: int
    elapsed_seconds: float
    frames_before: int = 0
    """Of ``frames``: done by an earlier run that was interrupted."""
    worker: str | None = None
    """Who has just done something, where there may be several."""


@dataclass(frozen=True, kw_only=True)
class SegmentEvent:
    """What became of a piece of the clip."""

    state: str
    """started, finished or failed; a failed one may be tried again."""
    worker: str
    first_frame: int
    frames: int
    """Still to do, when it is told."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpscaleResult:
    """What a run did."""

    output: Path
    frames: int
    seconds: float
    """Wall clock, from the first frame to the verified file."""
    warnings: tuple[str, ...]
    cuts: int
    """Scene cuts at which the recurrent state was reset."""
    stage_seconds: Mapping[str, float]
    """Busy seconds of each stage; stages overlap, so they may add up to more than ``seconds``."""
    segments: int = 0
    """That the output was joined from; 0: it was made in one piece."""
    frames_before: int = 0
    """Done by an earlier run that was interrupted."""
    pictures: str | None = None
    """Hash over those of all segments: of the samples that were handed to the encoder."""


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Who is told what happens. ``on_warning`` may be called from any thread."""

    on_plan: Callable[[Plan], None] = lambda plan: None
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_segment: Callable[[SegmentEvent], None] = lambda event: None
    on_warning: Callable[[str], None] = log.warning


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


def resample(picture: Tensor, height: int, width: int) -> Tensor:
    """Bring (3, H, W) to another size, bicubic and antialiased, before anything is quantised."""
    if picture.shape[-2:] == (height, width):
        return picture
    resized = functional.interpolate(
        picture[None], size=(height, width), mode="bicubic", antialias=True, align_corners=False
    )
    return resized[0]


@contextmanager
def _set_at_end(event: threading.Event) -> Iterator[None]:
    """However the body ends: who waits for another process goes on before he is waited for."""
    try:
        yield
    finally:
        event.set()


@dataclass(frozen=True)
class Picture:
    """One enlarged frame on its way to the encoder."""

    planes: tuple[Tensor, ...]
    """In host memory, as the encoder takes them, once ``wait`` has returned."""
    frame: Frame
    wait: Callable[[], None]


def to_host(planes: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
    """Start copying to host memory, and what waits for the copies: the GPU goes on meanwhile."""
    copies = tuple(plane.to("cpu", non_blocking=True) for plane in planes)  # pinned by torch
    if planes[0].device.type != "cuda":
        return copies, lambda: None
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no hint for it
    done.record()
    return copies, done.synchronize


AnyReader: TypeAlias = Reader | SequenceReader | PipeReader
AnyWriter: TypeAlias = Writer | SequenceWriter | PipeWriter


def never() -> bool:
    return False


def open_reader(
    plan: Plan, warn: Callable[[str], None], stopped: Callable[[], bool] = never
) -> AnyReader:
    """The reader of a plan; one that waits for another process gives up once it is ``stopped``."""
    settings = plan.settings
    start, end, frames = settings.start, settings.end, settings.frames
    if plan.sequence is not None:
        return SequenceReader(
            plan.sequence, info=plan.source, matrix=settings.matrix,
            start=start, end=end, frames=frames, warn=warn,
        )  # fmt: skip
    if plan.source.path == PIPE:
        return PipeReader(
            plan.source, start=start, end=end, frames=frames, warn=warn, stopped=stopped
        )
    return Reader(
        plan.source.path, info=plan.source, start=start, end=end, frames=frames,
        deinterlacer=plan.deinterlacer, warn=warn,
    )  # fmt: skip


def open_writer(
    plan: Plan,
    origin: Fraction,
    warn: Callable[[str], None],
    stopped: Callable[[], bool] = never,
) -> AnyWriter:
    """The writer of a plan; ``origin`` is known once the first frame is decoded."""
    settings = plan.settings
    if plan.images is not None:
        return SequenceWriter(
            plan.images,
            source=plan.source,
            width=plan.width,
            height=plan.height,
            sample_aspect_ratio=plan.sample_aspect_ratio,
            encoding=plan.encoding,
            overwrite=settings.overwrite,
            warn=warn,
        )
    if plan.output == PIPE:
        return PipeWriter(
            source=plan.source,
            width=plan.width,
            height=plan.height,
            sample_aspect_ratio=plan.sample_aspect_ratio,
            colour=plan.colour,
            warn=warn,
            stopped=stopped,
        )
    return Writer(
        plan.output,
        source=plan.source,
        width=plan.width,
        height=plan.height,
        sample_aspect_ratio=plan.sample_aspect_ratio,
        encoding=plan.encoding,
        origin=origin,
        colour=plan.colour,
        start=settings.start,
        end=settings.end,
        frames=settings.frames,
        overwrite=settings.overwrite,
        warn=warn,
    )


class Enlarger:
    """Frames through colour, network and resampling, in order; methods as a frame meets them."""

    def __init__(self, plan: Plan, clock: StageClock, warn: Callable[[str], None]) -> None:
        self.plan = plan
        self.clock = clock
        self.warn = warn
        self.cuts = 0
        self.engine = Engine(
            plan.network, plan.source.height, plan.source.width, plan.compute,
            tile=plan.tile, warn=warn,
        )  # fmt: skip
        self._transparent = False  # and that was said
        self._window: deque[Frame] = deque()  # decoded, not yet super-resolved

    def pictures(
        self, decoded: Iterable[tuple[Frame, bool]], before: Frame | None = None
    ) -> Iterator[Picture]:
        """Of frames, each with whether it begins a shot; ``before`` as in ``upscale_frames``."""
        plan = self.plan
        earlier = None if before is None else self._rgb(before)
        for sr in upscale_frames(self.engine, self._windowed(decoded), earlier):
            self.clock.seconds["network"] = self.engine.busy_seconds
            with self.clock("colour"):
                planes = from_rgb(resample(sr, plan.height, plan.width), plan.colour)
                copies, wait = to_host(planes)
            frame = self._window.popleft()
            yield Picture((*copies, *self._alpha(frame)), frame, wait)

    def _windowed(self, decoded: Iterable[tuple[Frame, bool]]) -> Iterator[tuple[Tensor, bool]]:
        for frame, cut in decoded:
            self._window.append(frame)
            self.cuts += cut
            yield self._rgb(frame), cut

    def _rgb(self, frame: Frame) -> Tensor:
        device = self.plan.compute.device
        with self.clock("colour"):
            planes = [plane.to(device, non_blocking=True) for plane in frame.planes]
            return to_rgb(planes, self.plan.source.colour)

    def _alpha(self, frame: Frame) -> tuple[Tensor, ...]:
        """The transparency beside a picture if the output has it, else a warning where it shows."""
        if frame.alpha is None:
            return ()
        opacity = frame.alpha.to(torch.float32) / ((1 << self.plan.source.colour.layout.depth) - 1)
        if self.plan.encoding.keeps_alpha:
            depth = self.plan.colour.layout.depth
            sized = resample(opacity[None], self.plan.height, self.plan.width)[0].clamp(0, 1)
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


class Upscaling:
    """One run of a plan in one piece."""

    def __init__(self, plan: Plan, observer: Observer, warnings: list[str]) -> None:
        self.plan = plan
        self.observer = observer
        self.clock = StageClock()
        self.warnings = warnings
        self.frames = 0
        self._first_pts: int | None = None

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.observer.on_warning(message)

    def run(self) -> UpscaleResult:
        """Do it; on any error nothing is left behind but what was there before."""
        started = time.perf_counter()
        over = threading.Event()
        with open_reader(self.plan, self.warn, over.is_set) as reader:
            frames = iter(reader)
            first = next(frames, None)
            if first is None:
                raise InputError("no frame lies between --start and --end")
            with (
                open_writer(self.plan, reader.origin, self.warn, over.is_set) as writer,
                Crew() as crew,
                _set_at_end(over),
            ):
                decoded = crew.ahead(
                    self._cuts(itertools.chain([first], frames)), depth=DECODED_FRAMES
                )
                encode = crew.behind(partial(self._encode, writer), depth=ENLARGED_FRAMES)
                enlarger = Enlarger(self.plan, self.clock, self.warn)
                for picture in enlarger.pictures(decoded):
                    encode(picture)
                    self._report(writer, picture.frame, started)
                crew.finish()
                writer.finish()
        return UpscaleResult(
            output=self.plan.output,
            frames=self.frames,
            seconds=time.perf_counter() - started,
            warnings=tuple(self.warnings),
            cuts=enlarger.cuts,
            stage_seconds=self.clock.seconds,
        )

    def _cuts(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, bool]]:
        """In the decoding thread: each frame with whether it begins a new shot."""
        detector = SceneDetector() if self.plan.settings.scenes else None
        depth = self.plan.source.colour.layout.depth
        for frame in self.clock.each("decode", frames):
            yield frame, detector is not None and detector.is_cut(frame.planes[0], depth)

    def _encode(self, writer: AnyWriter, picture: Picture) -> None:
        """In the encoding thread."""
        picture.wait()
        with self.clock("encode"):
            writer.write(picture.planes, picture.frame.pts, picture.frame.duration)

    def _report(self, writer: AnyWriter, frame: Frame, started: float) -> None:
        self.frames += 1
        if self._first_pts is None:
            self._first_pts = frame.pts
        media = frame.pts + frame.duration - self._first_pts
        self.observer.on_progress(
            Progress(
                frames=self.frames,
                total_frames=self.plan.frames,
                media_seconds=float(media * self.plan.source.time_base),
                bytes_written=writer.bytes_written,
                elapsed_seconds=time.perf_counter() - started,
            )
        )
