"""Pictures to standard output as YUV4MPEG2; what that is stands in reading/y4m.py.

Writing waits for the other process in slices, so that a run can be stopped in between. Nothing is
verified: what was written is gone.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import numpy as np
from torch import Tensor

from animesr_cli.atomic_files import explained
from animesr_cli.errors import UsageError, Warn
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.y4m import FRAME, Stopped, never, ready
from animesr_cli.reading.y4m_header import MAGIC
from animesr_cli.video.colour import ColourSpec
from animesr_cli.video.pixel_formats import SUBSAMPLING
from animesr_cli.video.timestamps import FALLBACK_RATE, Pace
from animesr_cli.writing.output import OutputFormat

logger = logging.getLogger(__name__)

STDOUT: Final = 1
STDOUT_NAME: Final = Path("standard output")
"""In messages."""
PIPE_CHUNK_BYTES: Final = 4096
"""PIPE_BUF of Linux: what a pipe that is ready takes without waiting."""
FILE_CHUNK_BYTES: Final = 1 << 20

_TITLES: Final = {"left": "420mpeg2", "center": "420jpeg", "topleft": "420paldv"}


def header_line(
    width: int, height: int, rate: Fraction, aspect: Fraction, colour: ColourSpec
) -> bytes:
    """The first line of a stream."""
    rate = rate.limit_denominator(1_000_000)
    range_name = "FULL" if colour.full_range else "LIMITED"
    return (
        f"{MAGIC.decode()} W{width} H{height} F{rate.numerator}:{rate.denominator} Ip "
        f"A{aspect.numerator}:{aspect.denominator} C{_kind(colour)} XCOLORRANGE={range_name}\n"
    ).encode()


def _kind(colour: ColourSpec) -> str:
    layout = colour.layout
    deep = "" if layout.depth == 8 else str(layout.depth)
    if layout.family == "gray":
        return f"mono{deep}"
    shifts = (layout.chroma_shift_x, layout.chroma_shift_y)
    subsampling = next(name for name, pair in SUBSAMPLING.items() if pair == shifts)
    if deep:
        return f"{subsampling}p{deep}"
    return _TITLES[colour.siting] if subsampling == "420" else subsampling


def signalled(colour: ColourSpec) -> ColourSpec:
    """The nearest colours of which a header can tell: only 8-bit 4:2:0 has a choice of siting."""
    layout = colour.layout
    if layout.depth == 8 and layout.chroma_shift_y:
        return colour
    return replace(colour, siting="left")


def check_pipe_output(descriptor: int = STDOUT) -> None:
    """Raise where the pictures would run over a terminal, or where nobody can take them."""
    with explained(STDOUT_NAME):
        os.fstat(descriptor)
    if os.isatty(descriptor):
        raise UsageError(
            "OUT is -, and standard output is the terminal", "pipe it on, or name a file"
        )


class PipeWriter:
    """Frames to standard output; the same interface as ``Writer``, but nothing is verified.

    Args:
        source: what the frame rate is taken from.
        output_format: its colours are ``signalled`` ones.
        stopped: whether the run has ended; what is not yet written is dropped then.
    """

    def __init__(
        self,
        *,
        source: VideoInfo,
        output_format: OutputFormat,
        warn: Warn = logger.warning,
        stopped: Stopped = never,
        descriptor: int = STDOUT,
    ) -> None:
        rate = source.frame_rate or FALLBACK_RATE
        self.bytes_written = 0
        form = output_format
        self._header = header_line(form.width, form.height, rate, form.aspect, form.colour)
        self._time_base = source.time_base
        self._pace = Pace(rate)
        self._warn = warn
        self._stopped = stopped
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        kind = os.fstat(self._descriptor).st_mode
        self._chunk = FILE_CHUNK_BYTES if stat.S_ISREG(kind) else PIPE_CHUNK_BYTES
        self._write(self._header)
        return self

    def write(self, planes: Sequence[Tensor], frame: Frame) -> None:
        """Write one picture."""
        self._pace.add(frame.pts * self._time_base)
        self._write(FRAME + b"\n")
        for plane in planes:
            samples = plane.numpy()
            self._write(np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).data)

    def _write(self, content: bytes | memoryview) -> None:
        view = memoryview(content).cast("B")
        try:
            while view and ready(self._descriptor, self._stopped, to_write=True):
                count = os.write(self._descriptor, view[: self._chunk])
                self.bytes_written += count
                view = view[count:]
        except BrokenPipeError:
            raise  # nobody reads any more, which is no error of ours
        except OSError as error:
            with explained(STDOUT_NAME):
                raise error

    def finish(self) -> None:
        """Everything is written; tell what could not be said in it."""
        if self._pace.strays:
            self._warn(self._pace.remark("y4m"))

    def __exit__(self, *exc: object) -> None:
        """Standard output is not ours to close."""
