"""Pictures through pipes: YUV4MPEG2, and reading it from standard input.

A stream is one line of text and then every picture as its planes, so nothing is decoded and nothing
can be sought. Reading and writing wait for the other process in slices, so that a run can be
stopped in between. Nothing but pictures passes through it. It knows no files: those FFmpeg reads,
guarded against what it does silently (``check_file``, ``Ends.dropped_bytes``).

Not by FFmpeg's demuxer: that takes a kind which it does not know (C420p11) for 8-bit 4:2:0, says
nothing of a stream that ends inside a frame, gives one reason for all that it refuses, and refuses
lines of more than 128 bytes and streams of mixed fields (tried with FFmpeg 8.1.2).
"""

from __future__ import annotations

import io
import itertools
import logging
import os
import select
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from animesr_cli.errors import InputError, UsageError, Warn, unreadable
from animesr_cli.reading.frame import Frame, FrameReader
from animesr_cli.reading.info import ColourTags, VideoInfo
from animesr_cli.reading.probe import colour_spec
from animesr_cli.reading.y4m_header import (
    FORMATS,
    LONGEST_LINE_BYTES,
    MAGIC,
    RANGES,
    SITINGS,
    kind_of,
    unknown_kind,
    words_of,
)
from animesr_cli.settings.limits import MAX_PIXELS
from animesr_cli.video.colour import PixelLayout
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.pixel_formats import has_alpha
from animesr_cli.video.timestamps import FALLBACK_RATE, format_time

logger = logging.getLogger(__name__)

Stopped = Callable[[], bool]

PIPE: Final = Path("-")
"""The name of standard input and of standard output."""
STDIN: Final = 0

FRAME: Final = b"FRAME"
WAIT_SECONDS: Final = 0.2
"""How often a wait for the other process looks whether the run has ended."""


# The header --------------------------------------------------------------------------------------


def parse_header(
    line: bytes,
    *,
    rate: Fraction | None = None,
    matrix: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VideoInfo:
    """What the first line of a stream tells; ``rate`` and ``matrix`` override it.

    Raises:
        InputError: it is no such line, or tells of what cannot be read.
    """
    if line.split()[0] != MAGIC:
        raise _not_y4m()
    given = words_of(line)
    width, height = (_size(given.get(letter, "")) for letter in "WH")
    if width * height > max_pixels:
        raise InputError(
            f"the pictures on standard input are {width}x{height}, more than {max_pixels:,} pixels",
            "--max-pixels raises this limit",
        )
    kind = kind_of(given)
    pix_fmt = FORMATS.get(kind)
    if pix_fmt is None:
        raise unknown_kind("standard input", kind)
    tags = ColourTags(
        range=RANGES.get(given.get("XCOLORRANGE", ""), 0), siting=SITINGS.get(kind, 0)
    )
    spec, note = colour_spec(tags, pix_fmt, width, height, matrix)
    rate = rate or _ratio(given.get("F", "")) or FALLBACK_RATE
    return VideoInfo(
        path=PIPE,
        container="yuv4mpegpipe",
        stream_index=0,
        codec="rawvideo",
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        sample_aspect_ratio=_ratio(given.get("A", "")) or Fraction(1),
        time_base=1 / rate,
        frame_rate=rate,
        tags=tags,
        colour=spec,
        colour_note=note,
        interlaced=given.get("I", "p") in ("t", "b", "m"),
    )


def _not_y4m() -> InputError:
    return InputError(
        "standard input is not y4m (YUV4MPEG2)",
        "ffmpeg -i IN -strict -1 -f yuv4mpegpipe - | animesr upscale - OUT",
    )


def _size(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise InputError("the y4m header on standard input has no width or height")
    return int(text)


def _ratio(text: str) -> Fraction | None:
    """``24000:1001``; None where it is missing, or 0:0 for "not known"."""
    over, _, under = text.partition(":")
    if not (over.isdecimal() and under.isdecimal() and int(over) and int(under)):
        return None
    return Fraction(int(over), int(under))


# Waiting -----------------------------------------------------------------------------------------


def never() -> bool:
    """Nothing stops the run."""
    return False


def ready(descriptor: int, stopped: Stopped, *, to_write: bool = False) -> bool:
    """Wait for the other process; False: the run was stopped."""
    wanted = ([], [descriptor]) if to_write else ([descriptor], [])
    while not stopped():
        # Windows cannot wait for pipes: there the stop is heard between two frames.
        if sys.platform == "win32" or any(select.select(*wanted, [], WAIT_SECONDS)):
            return True
    return False


def _read(descriptor: int, size: int, stopped: Stopped) -> bytearray:
    """So many bytes; fewer at the end of the stream, or when the run was stopped."""
    content = bytearray(size)
    view, count = memoryview(content), 0
    with io.FileIO(descriptor, "rb", closefd=False) as file:
        while count < size and ready(descriptor, stopped):
            got = file.readinto(view[count:])
            if not got:
                break
            count += got
    view.release()
    del content[count:]
    return content


def _read_line(descriptor: int, stopped: Stopped) -> bytes:
    """Up to a line feed, byte by byte: nothing behind it may be taken from the pipe."""
    line = bytearray()
    while len(line) < LONGEST_LINE_BYTES and not line.endswith(b"\n"):
        byte = _read(descriptor, 1, stopped)
        if not byte:
            break
        line += byte
    return bytes(line)


# Reading -----------------------------------------------------------------------------------------


def probe_pipe(
    *,
    rate: Fraction | None = None,
    matrix: str | None = None,
    max_pixels: int = MAX_PIXELS,
    descriptor: int = STDIN,
) -> VideoInfo:
    """Take the header from standard input; the frames behind it are left to a ``PipeReader``.

    Raises:
        UsageError: nothing is piped in.
        InputError: what is piped in is no y4m.
    """
    try:
        if os.isatty(descriptor):
            raise UsageError(
                "standard input is the keyboard, and IN is -", "pipe y4m into it, or name a file"
            )
        magic = bytes(_read(descriptor, len(MAGIC), never))
        if not magic:
            raise InputError("standard input is empty")
        if magic != MAGIC:  # before anything else is waited for
            raise _not_y4m()
        line = magic + _read_line(descriptor, never)
    except OSError as error:
        raise unreadable("standard input", error) from error
    if not line.endswith(b"\n"):
        raise _not_y4m()
    return parse_header(line, rate=rate, matrix=matrix, max_pixels=max_pixels)


class PipeReader(FrameReader):
    """The frames on standard input behind a header.

    Args:
        info: what ``probe_pipe`` said.
        part: which frames are wanted, the first being at 0; what comes before is read and dropped.
        stopped: whether the run has ended; the iteration then ends without a word.
    """

    def __init__(
        self,
        info: VideoInfo,
        *,
        part: Part = WHOLE,
        warn: Warn = logger.warning,
        stopped: Stopped = never,
        descriptor: int = STDIN,
    ) -> None:
        super().__init__(info, part, warn)
        self._stopped = stopped
        self._descriptor = descriptor
        layout = info.colour.layout
        self._shapes = plane_shapes(layout, info.width, info.height)
        self._colours = len(self._shapes)
        if has_alpha(info.pix_fmt):
            self._shapes.append(self._shapes[0])
        samples = sum(height * width for height, width in self._shapes)
        self._bytes = samples * (1 if layout.depth == 8 else 2)

    def __iter__(self) -> Iterator[Frame]:
        tick, part = self.info.time_base, self._part
        for index in itertools.count():
            if part.end is not None and index * tick >= part.end:
                break
            content = self._content()
            if content is None:
                break
            if part.start is not None and index * tick < part.start:
                self.skipped += 1
                continue
            if self.frames == 0 and part.start is not None:
                self.origin = index * tick
            self.frames += 1
            planes = self._planes(content)
            alpha = next(iter(planes[self._colours :]), None)
            yield Frame(planes[: self._colours], index, 1, alpha)
            if self.frames == part.frames:
                break
        if self.frames == 0 and not self._stopped():
            self._refuse_nothing()

    def _content(self) -> bytearray | None:
        """The samples of the next frame; None: there is none."""
        marker = bytes(_read(self._descriptor, len(FRAME) + 1, self._stopped))
        if marker[-1:] not in (b"\n", b""):  # parameters of this frame alone
            marker += _read_line(self._descriptor, self._stopped)
        if not marker.startswith(FRAME) or not marker.endswith(b"\n"):
            if marker:
                self._warn_of("something that is no frame")
            return None
        content = _read(self._descriptor, self._bytes, self._stopped)
        if len(content) < self._bytes:
            self._warn_of("only a part of a frame")
            return None
        return content

    def _warn_of(self, what: str) -> None:
        if not self._stopped():
            count = self.frames + self.skipped
            self._warn(
                f"standard input is cut off or damaged: behind frame {count} comes {what}, and "
                "nothing is read from there on"
            )

    def _planes(self, content: bytearray) -> tuple[Tensor, ...]:
        deep = self.info.colour.layout.depth > 8
        samples = torch.from_numpy(np.frombuffer(content, "<u2" if deep else np.uint8))
        begins = itertools.accumulate((h * w for h, w in self._shapes), initial=0)
        return tuple(
            samples[begin : begin + height * width].view(height, width)
            for begin, (height, width) in zip(begins, self._shapes, strict=False)
        )

    def _refuse_nothing(self) -> None:
        if not self.skipped:
            raise InputError("standard input ends before its first frame")
        end = format_time(self.skipped * self.info.time_base)
        raise UsageError("the chosen part of the video holds no frame", f"the video ends at {end}")


def plane_shapes(layout: PixelLayout, width: int, height: int) -> list[tuple[int, int]]:
    """Rows and columns of each plane; chroma is rounded up."""
    shapes = [(height, width)]
    if layout.family == "yuv":
        chroma = (-(-height >> layout.chroma_shift_y), -(-width >> layout.chroma_shift_x))
        shapes += [chroma, chroma]
    return shapes
