"""Reading the pictures of one video file, in order.

A reader is an iterator of ``Frame(planes, pts, duration)``. The planes are the decoder's own
memory; timestamps are strictly increasing and never missing; a frame that a damaged file lost is
the last good picture again, at its own time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from animesr_cli.errors import InputError, UsageError, Warn
from animesr_cli.reading.decoder import Decoded, Decoder
from animesr_cli.reading.deinterlace import Deinterlacer
from animesr_cli.reading.frame import Frame, FrameReader
from animesr_cli.reading.icc import remark_on_profile
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.signals import check_stop
from animesr_cli.text import counted, shown
from animesr_cli.video.colour import (
    FULL_RANGE_TAG,
    LIMITED_RANGE_TAG,
    MATRIX_TITLES,
    TAGGED_MATRICES,
    ColourSpec,
    from_rgb,
    to_rgb,
)
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.pixel_formats import (
    Converter,
    Plane,
    alpha_of,
    native_format,
    planes_of,
    tensor_of,
)
from animesr_cli.video.side_data import CAPTIONED_CODECS, captions_of
from animesr_cli.video.timestamps import TimestampRepair, format_time, ticks

logger = logging.getLogger(__name__)


class Reader(FrameReader):
    """The pictures of one file: ``with Reader(path) as reader: for frame in reader: ...``.

    What went wrong on the way is in the counts, too.

    Args:
        info: what ``probe`` said of this file; None probes it.
        matrix: as in ``probe``; ignored where ``info`` is given.
        part: which frames are wanted; ``VideoInfo.clock_start`` is the zero of its clock.
        deinterlacer: makes whole frames of interlaced ones.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        info: VideoInfo | None = None,
        matrix: str | None = None,
        part: Part = WHOLE,
        deinterlacer: Deinterlacer | None = None,
        warn: Warn = logger.warning,
    ) -> None:
        super().__init__(info if info is not None else probe(path, matrix=matrix), part, warn)
        self.lost_frames = 0
        """Frames that could not be decoded and repeat a neighbour."""
        self.damaged_frames = 0
        """Frames that were decoded from damaged data."""
        self._path = Path(path)
        self._deinterlacer = deinterlacer
        self._decoder = Decoder(self._path, self.info)
        self._repair = TimestampRepair(self.info.time_base, self.info.frame_rate)
        crop = self.info.crop
        self._size = (  # as it is decoded
            self.info.width + crop.left + crop.right,
            self.info.height + crop.top + crop.bottom,
        )
        self._converter = Converter(*self._size, native_format(self.info.pix_fmt))
        self._changes = Changes(self.info)
        self._captioned = self.info.codec in CAPTIONED_CODECS

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; frames that were handed out stay valid."""
        self._decoder.close()

    @property
    def repaired(self) -> Mapping[str, int]:
        """Timestamps that were repaired, by kind."""
        return dict(self._repair.repairs)

    # -- frames --

    def __iter__(self) -> Iterator[Frame]:
        try:
            for decoded, pts, duration in self._chosen():
                check_stop()
                if self.frames == 0:
                    self.origin = origin_of(self.info, self._part.start, pts)
                    self._remark_on_profile()
                self.frames += 1
                self.lost_frames += decoded.lost
                self.damaged_frames += decoded.damaged
                yield self._frame(decoded, pts, duration)
        finally:
            self.close()
        self.check_unchanged()
        if self.frames == 0:
            self._refuse_nothing()
        self._report()

    def _frame(self, decoded: Decoded, pts: int, duration: int) -> Frame:
        if (remark := self._changes.aspect_remark(decoded.aspect)) is not None:
            self._warn_once("aspect", remark.format(self._clock(pts)))
        picture = self._converted(decoded.picture, pts)
        shifts = self.info.colour.layout
        alpha = alpha_of(picture)
        planes = tuple(
            tensor_of(self._cropped(view, *shift))
            for view, shift in zip(
                planes_of(picture),
                ((0, 0), *((shifts.chroma_shift_x, shifts.chroma_shift_y),) * 2),
                strict=False,
            )
        )
        if (spec := self._changes.other_colour(picture)) is not None:
            remark = self._changes.colour_remark(spec)
            self._warn_once("colour", remark.format(self._clock(pts)))
            planes = from_rgb(to_rgb(planes, spec), self.info.colour)
        return Frame(
            planes,
            pts,
            duration,
            None if alpha is None else tensor_of(self._cropped(alpha)),
            decoded.pts,
            decoded.lost or decoded.damaged,
            captions_of(decoded.picture) if self._captioned and not decoded.lost else None,
        )

    def _cropped(self, view: Plane, shift_x: int = 0, shift_y: int = 0) -> Plane:
        """The part of a plane that is shown, in samples."""
        info = self.info
        top, left = info.crop.top >> shift_y, info.crop.left >> shift_x
        rows, columns = -(-info.height >> shift_y), -(-info.width >> shift_x)
        return view[top : top + rows, left : left + columns]

    def _clock(self, pts: int) -> str:
        return format_time(pts * self.info.time_base - self.info.clock_start)

    def _chosen(self) -> Iterator[tuple[Decoded, int, int]]:
        """Those that were asked for, each with its repaired pts and duration."""
        part, begin = self._part, None
        if part.start:
            begin = ticks(part.start + self.info.clock_start, self.info.time_base)
        for decoded, pts, duration in self._repair.settled(self._pictures(begin)):
            time = pts * self.info.time_base - self.info.clock_start
            if part.start is not None and time < part.start:
                self.skipped += 1
                continue
            if part.end is not None and time >= part.end:
                return
            yield decoded, pts, duration
            if part.frames is not None and self.frames >= part.frames:
                return

    def frames_from(self, source_pts: int) -> Iterator[Frame]:
        """All frames from some key frame on, if possible one not later than ``source_pts``.

        Their times are the file's own, unrepaired; nothing is counted or told. A caller must be
        able to tell frames apart by these times, and may stop wherever it likes.
        """
        for decoded in self._pictures(source_pts):
            if decoded.pts is None:
                return
            yield self._frame(decoded, decoded.pts, decoded.duration)

    def check_unchanged(self) -> None:
        """Raise ``InputError`` where the file is not the one any more that was opened."""
        self._decoder.check_unchanged()

    def _pictures(self, start: int | None) -> Iterator[Decoded]:
        pictures = self._decoder.pictures(start)
        return pictures if self._deinterlacer is None else self._deinterlacer.process(pictures)

    def _converted(self, picture: av.VideoFrame, pts: int) -> av.VideoFrame:
        if (picture.width, picture.height) != self._size:
            width, height = self._size
            self._warn_once(
                "size",
                f"the picture size changes to {picture.width}x{picture.height} at "
                f"{self._clock(pts)}; from there on it is scaled to {width}x{height}",
            )
        elif picture.format.name != self.info.pix_fmt:
            self._warn_once(
                "format",
                f"the pixel format changes from {self.info.pix_fmt} to {picture.format.name}; "
                f"those pictures are converted to {self._converter.pix_fmt}",
            )
        return self._converter.convert(picture)

    def _remark_on_profile(self) -> None:
        if not self.info.container.endswith("_pipe"):  # no single image
            return
        with suppress(OSError):  # it vanished, which ``check_unchanged`` tells
            if remark := remark_on_profile(self._path.read_bytes(), self._path):
                self._warn_once("profile", remark)

    # -- afterwards --

    def _refuse_nothing(self) -> None:
        if self._part.start is None and self._part.end is None:
            raise InputError(f"{shown(self._path)}: none of its pictures can be decoded")
        ends = self._decoder.ends
        end = ends.video_end - self.info.clock_start if ends is not None else None
        raise UsageError(
            "the chosen part of the video holds no frame",
            None if end is None else f"the video ends at {float(end):.1f} s",
        )

    def _report(self) -> None:
        if self._repair.repairs:
            kinds = ", ".join(f"{n} {kind}" for kind, n in self._repair.repairs.items())
            logger.info("timestamps repaired: %s", kinds)
        if self.lost_frames:
            self._warn(
                f"{counted(self.lost_frames, 'frame')} of {self.frames} could not be decoded and "
                "repeat the one before"
            )
        if self.damaged_frames:
            self._warn(
                f"{counted(self.damaged_frames, 'frame')} of {self.frames} came from damaged data"
            )
        ends = self._decoder.ends
        if ends is not None and (missing := ends.missing_seconds()):
            self._warn(
                f"the input is cut off: the last {float(missing):.1f} s of what it announces "
                "are not there"
            )
        if ends is not None and (dropped := ends.dropped_bytes()):
            self._warn(
                "the input is cut off or damaged: behind its last frame stand "
                f"{counted(dropped, 'byte')} that are no whole frame, and they are dropped"
            )


class Changes:
    """What changes in the middle although a file has it once: pixel shape and colours.

    Recordings of broadcasts and joined files switch between 4:3 and 16:9, or between ranges.
    Colours are converted to those of the beginning; for the shape of pixels there is no conversion
    without moving or cropping the picture, so it is told. Remarks have a place for the time.
    """

    def __init__(self, info: VideoInfo) -> None:
        self._colour = info.colour
        self._is_by_tag = TAGGED_MATRICES.get(info.tags.matrix) == info.colour.matrix
        self._aspect: Fraction | None = None

    def aspect_remark(self, aspect: Fraction | None) -> str | None:
        """Where the shape of the pixels is another one from here on; None: it does not say."""
        if aspect is None:
            return None
        if self._aspect is None:
            self._aspect = aspect
        if aspect == self._aspect:
            return None
        before, after = (f"{each.numerator}:{each.denominator}" for each in (self._aspect, aspect))
        return (
            f"the pixel aspect ratio changes from {before} to {after} at {{}}; the output keeps "
            "that of its beginning, and pictures from there on are shown in the wrong shape: "
            "upscale the parts one by one, with --end and --start"
        )

    def other_colour(self, picture: av.VideoFrame) -> ColourSpec | None:
        """What the codes of this picture are, where they are not those of the first."""
        if self._colour.layout.family != "yuv":
            return None
        spec, matrix = self._colour, TAGGED_MATRICES.get(picture.colorspace)
        if matrix is not None and self._is_by_tag:
            spec = replace(spec, matrix=matrix)
        if picture.color_range in (LIMITED_RANGE_TAG, FULL_RANGE_TAG):
            spec = replace(spec, full_range=picture.color_range == FULL_RANGE_TAG)
        return None if spec == self._colour else spec

    def colour_remark(self, spec: ColourSpec) -> str:
        """What changes to ``spec``, in a sentence."""
        was, parts = self._colour, []
        if spec.matrix != was.matrix:
            titles = MATRIX_TITLES[was.matrix], MATRIX_TITLES[spec.matrix]
            parts.append(f"the colour matrix changes from {titles[0]} to {titles[1]}")
        if spec.full_range != was.full_range:
            names = ("full", "limited") if was.full_range else ("limited", "full")
            parts.append(f"the colour range changes from {names[0]} to {names[1]}")
        return f"{' and '.join(parts)} at {{}}; those pictures are converted"


def origin_of(info: VideoInfo, start: Fraction | None, first_pts: int) -> Fraction:
    """The clock's zero; or the first frame, where the input is cut or begins before it."""
    first = first_pts * info.time_base
    return first if start is not None else min(first, info.clock_start)
