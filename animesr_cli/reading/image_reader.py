"""Still images as the frames of a video.

The reader is an iterator of ``Frame`` as that of a video file; all images come in one layout, also
where tools have stored black ones as gray and flat ones with a palette.

Sources: ISO/IEC 15948 (PNG), section 11.2.2; RFC 9649 (WebP); ITU-T T.81 (JPEG), annex B.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import torch
from av.video.codeccontext import VideoCodecContext
from torch import Tensor

from animesr_cli import crash_watch
from animesr_cli.errors import InputError, UsageError, Warn, unreadable
from animesr_cli.reading.frame import Frame, FrameReader
from animesr_cli.reading.icc import remark_on_profile
from animesr_cli.reading.image_sequence import LISTED, ImageSequence
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.packets import DECODING_ERRORS
from animesr_cli.reading.probe import colour_spec, colour_tags, probe
from animesr_cli.settings.limits import MAX_PIXELS
from animesr_cli.text import shown
from animesr_cli.video.colour import ColourSpec, from_rgb, to_rgb
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.pixel_formats import (
    Converter,
    alpha_of,
    layout_of,
    native_format,
    planes_of,
    tensor_of,
)
from animesr_cli.video.timestamps import format_time

logger = logging.getLogger(__name__)

DEFAULT_RATE: Final = Fraction(24)
"""Frames per second of images, which do not say: that of film and of most drawn animation."""

UNDECODABLE: Final[tuple[type[Exception], ...]] = (*DECODING_ERRORS, InputError)

_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "mjpeg"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_HEAD_BYTES: Final = 32
_JPEG_END: Final = b"\xff\xd9"
_JPEG_PADDING_BYTES: Final = 4096
"""How far before the end of a JPEG file its end marker is looked for."""
_PNG_COLOUR: Final = 2
_PNG_ALPHA: Final = 4
"""Bits of the colour type."""


# What they are -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """What the first bytes of an image tell."""

    decoder: str
    gray: bool
    deep: bool
    """More than 8 bits a sample, or perhaps more."""
    alpha: bool = False


def _decoder_of(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((name for signature, name in _SIGNATURES if head.startswith(signature)), None)


def _kind(path: Path) -> _Kind | None:
    """None: the file is no image, or cannot be read; decoding it will tell."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    decoder = _decoder_of(head)
    if decoder == "png":  # IHDR: length, type, width, height, depth, colour type
        depth, colour_type = int.from_bytes(head[24:25]), int.from_bytes(head[25:26])
        gray, alpha = not colour_type & _PNG_COLOUR, bool(colour_type & _PNG_ALPHA)
        return _Kind("png", gray, depth == 16, alpha)
    return None if decoder is None else _Kind(decoder, False, decoder == "tiff")


def probe_sequence(
    sequence: ImageSequence,
    *,
    rate: Fraction | None = None,
    matrix: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VideoInfo:
    """What ``video_info.probe`` tells of a video; sizes and tags are those of the first image.

    Raises:
        InputError: the first image cannot be decoded.
    """
    info = probe(sequence.files[0], matrix=matrix, max_pixels=max_pixels)
    rate = rate or DEFAULT_RATE
    info = replace(
        info,
        path=sequence.path,
        container="image sequence",
        time_base=1 / rate,
        frame_rate=rate,
        duration_seconds=len(sequence.files) / rate,
        frame_count=len(sequence.files),
        clock_start=Fraction(0),
        interlaced=False,
        streams=(),
        chapters=0,
        size_bytes=sum(path.stat().st_size for path in sequence.files if path.exists()),
    )
    kinds = {kind for path in sequence.files if (kind := _kind(path)) is not None}
    gray_by_chance = info.colour.layout.family == "gray" and info.codec != "png"
    if len(kinds) == 1 and not (gray_by_chance and len(sequence.files) > 1):
        return info
    return _as_rgb(info, kinds)


def _as_rgb(info: VideoInfo, kinds: Collection[_Kind]) -> VideoInfo:
    """Images of several kinds: what holds all of them."""
    alpha = any(kind.alpha for kind in kinds)
    if any(kind.deep for kind in kinds):
        pix_fmt = "rgba64le" if alpha else "rgb48le"
    else:
        pix_fmt = "rgba" if alpha else "rgb24"
    layout = layout_of(pix_fmt)
    assert layout is not None
    return replace(
        info,
        pix_fmt=pix_fmt,
        tags=replace(info.tags, matrix=0, range=2, siting=0),
        colour=ColourSpec(layout=layout, full_range=True),
        colour_note="RGB",
    )


# Reading -----------------------------------------------------------------------------------------


def decode_image(
    content: bytes, *, max_pixels: int = MAX_PIXELS
) -> tuple[VideoCodecContext, av.VideoFrame]:
    """The picture of an image file, and the decoder, which knows its tags.

    Raises:
        ValueError, av.FFmpegError: it is no image of a known kind, or damaged.
    """
    decoder = _decoder_of(content[:_HEAD_BYTES])
    if decoder is None:
        raise ValueError("no kind of image is recognised")
    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, VideoCodecContext)
    context.options = {"max_pixels": str(max_pixels)}
    if decoder == "png":
        context.options |= {"err_detect": "crccheck+explode"}
    frames = [*context.decode(av.Packet(content)), *context.decode(None)]
    if not frames:
        raise ValueError("it holds no picture")
    return context, frames[0]


def _is_cut_off(content: bytes) -> bool:
    """Whether a JPEG file has no end; its decoder would fill up what is missing with gray."""
    return _decoder_of(content[:_HEAD_BYTES]) == "mjpeg" and (
        _JPEG_END not in content[-_JPEG_PADDING_BYTES:]
    )


class SequenceReader(FrameReader):
    """The images of a sequence as frames, one tick apart.

    Args:
        info: what ``probe_sequence`` said of it.
        matrix: as in ``probe_sequence``.
        part: which images are wanted, the first being at 0.
    """

    def __init__(
        self,
        sequence: ImageSequence,
        *,
        info: VideoInfo,
        matrix: str | None = None,
        part: Part = WHOLE,
        warn: Warn = logger.warning,
    ) -> None:
        super().__init__(info, part, warn)
        self._files = sequence.files
        self._matrix = matrix
        self._range = chosen(len(sequence.files), info.time_base, part)
        if part.start is not None:
            self.origin = self._range.start * info.time_base
        self._converters: dict[str, Converter] = {}
        self._lost: list[Path] = []
        self._cut_off: list[Path] = []

    def __iter__(self) -> Iterator[Frame]:
        frame: Frame | None = None
        for index in self._range:
            frame = self._frame(self._files[index], index) or frame
            if frame is None:
                raise InputError(f"{shown(self._files[index])} cannot be decoded")
            self.frames += 1
            yield replace(frame, pts=index)
        self._report()

    def _frame(self, path: Path, index: int) -> Frame | None:
        """None: the image is damaged."""
        crash_watch.opened(shown(path))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise unreadable(shown(path), error) from error
        try:
            context, picture = decode_image(content, max_pixels=self.info.max_pixels)
            tags, kind = colour_tags(context, picture), picture.format.name
            spec, _ = colour_spec(tags, kind, picture.width, picture.height, self._matrix)
        except UNDECODABLE as error:
            logger.info("%s cannot be decoded: %s", shown(path), error)
            self._lost.append(path)
            return None
        if _is_cut_off(content):
            self._cut_off.append(path)
        if (remark := remark_on_profile(content, path)) is not None:
            self._warn_once("profile", remark)
        self._check_size(picture, path)
        planes, alpha = self._in_layout(picture, spec)
        return Frame(planes, index, 1, alpha)

    def _check_size(self, picture: av.VideoFrame, path: Path) -> None:
        info = self.info
        if (picture.width, picture.height) != (info.width, info.height):
            self._warn_once(
                "size",
                f"{shown(path)} is {picture.width}x{picture.height}; images that are not as large "
                f"as the first are scaled to its {info.width}x{info.height}",
            )

    def _in_layout(
        self, picture: av.VideoFrame, spec: ColourSpec
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """Planes and transparency as ``info.colour`` says, whatever this one image is."""
        pix_fmt = picture.format.name
        pix_fmt = "rgba" if picture.format.has_palette else native_format(pix_fmt)
        converted = self._converted(picture, pix_fmt)
        planes = tuple(tensor_of(view) for view in planes_of(converted))
        view = alpha_of(converted)
        alpha = None if view is None else tensor_of(view)
        target = self.info.colour
        if spec == target:
            return planes, alpha
        if alpha is not None:
            alpha = _rescaled(alpha, spec.layout.depth, target.layout.depth)
        return from_rgb(to_rgb(planes, spec), target), alpha

    def _converted(self, picture: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
        if pix_fmt not in self._converters:
            self._converters[pix_fmt] = Converter(self.info.width, self.info.height, pix_fmt)
        return self._converters[pix_fmt].convert(picture)

    def _report(self) -> None:
        if self._lost:
            self._warn(
                f"{_images(self._lost)} could not be decoded and "
                f"{'repeats' if len(self._lost) == 1 else 'repeat'} the one before"
            )
        if self._cut_off:
            verb = "is" if len(self._cut_off) == 1 else "are"
            self._warn(f"{_images(self._cut_off)} {verb} cut off: the lower part is made up")


def _rescaled(codes: Tensor, depth: int, to_depth: int) -> Tensor:
    """The same values with another number of bits; full scale stays full scale."""
    values = codes.to(torch.float32) * (((1 << to_depth) - 1) / ((1 << depth) - 1))
    return values.round().to(torch.uint8 if to_depth == 8 else torch.uint16)


def chosen(count: int, tick: Fraction, part: Part) -> range:
    """The indices of ``count`` frames, ``tick`` seconds apart, that lie in a part.

    Raises:
        UsageError: none does.
    """
    first = math.ceil((part.start or 0) / tick)
    last = count if part.end is None else min(math.ceil(part.end / tick), count)
    last = last if part.frames is None else min(last, first + part.frames)
    if first >= last:
        raise UsageError(
            "the chosen part of the images holds no frame",
            f"the last one ends at {format_time(count * tick)}",
        )
    return range(first, last)


def _images(paths: Sequence[Path]) -> str:
    """``2 images (a.png, b.png)``."""
    names = ", ".join(shown(path.name) for path in paths[:LISTED])
    more = " and others" if len(paths) > LISTED else ""
    return f"{len(paths)} image{'' if len(paths) == 1 else 's'} ({names}{more})"
