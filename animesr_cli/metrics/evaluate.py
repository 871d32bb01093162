"""Scoring one video against another: SR beside HR, picture by picture, in luma.

Both are read side by side, one pair of pictures at a time and the pair before it, so that memory
does not grow with length. Nothing is resized or aligned: the videos have the same size, and the
n-th picture of one is compared with the n-th of the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from animesr_cli.errors import UsageError
from animesr_cli.metrics.measures import Scores
from animesr_cli.metrics.scoring import MS_SSIM_SIDE_PX, SMALLEST_SIDE_PX, Meter, luma_of
from animesr_cli.reading.frame import Frame, FrameReader
from animesr_cli.reading.image_reader import SequenceReader, probe_sequence
from animesr_cli.reading.image_sequence import find_sequence
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.settings.limits import SIZE_MULTIPLE
from animesr_cli.text import shown
from animesr_cli.video.part import Part

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """The scores of one pair of pictures."""

    index: int
    """Number of the pair, from 0."""
    seconds: float
    """HR's time of the picture."""
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured of two videos."""

    sr: Path
    hr: Path
    width: int
    height: int
    """Size of what was compared, without the border."""
    crop: int
    """Pixels that were left out at each side."""
    clip: Scores
    frames: tuple[FrameScores, ...]


def evaluate(
    sr: Path | str,
    hr: Path | str,
    *,
    crop: int = 0,
    frames: int | None = None,
    on_frame: Callable[[FrameScores], None] | None = None,
    warn: Callable[[str], None] = logger.warning,
) -> Evaluation:
    """Score every picture of ``sr`` against the same one of ``hr``.

    Args:
        sr, hr: a video, or a folder or pattern of images, which take the other's times.
        crop: pixels to leave out at each side, where enlarging knows less.
        frames: at most this many.
        on_frame: called with the scores of each pair.
        warn: called once for each kind of disagreement: lengths, times, ranges.

    Raises:
        UsageError: the pictures differ in size, or are too small.
        InputError: one of the two cannot be read.
    """
    results: list[FrameScores] = []
    meter = Meter()
    with (
        _opened(sr, hr, frames, _named(sr, warn)) as sr_reader,
        _opened(hr, sr, frames, _named(hr, warn)) as hr_reader,
        torch.inference_mode(),
    ):
        _check(sr_reader.info, hr_reader.info, crop, warn)
        info, clocks = sr_reader.info, _Clocks(sr_reader.info, hr_reader.info)
        for sr_frame, hr_frame in _pairs(sr_reader, hr_reader, warn):
            pictures = (
                _cropped(
                    luma_of(frame.planes, reader.info.colour)[: info.height, : info.width], crop
                )
                for frame, reader in ((sr_frame, sr_reader), (hr_frame, hr_reader))
            )
            seconds = clocks.compare(sr_frame, hr_frame)
            scores = meter.add(*pictures)
            results.append(FrameScores(index=len(results), seconds=seconds, scores=scores))
            if on_frame is not None:
                on_frame(results[-1])
    clocks.report(warn)
    return Evaluation(
        sr=Path(sr),
        hr=Path(hr),
        width=info.width - 2 * crop,
        height=info.height - 2 * crop,
        crop=crop,
        clip=meter.clip(),
        frames=tuple(results),
    )


def _opened(
    path: Path | str, other: Path | str, frames: int | None, warn: Callable[[str], None]
) -> FrameReader:
    """A reader of a video, or of images; these have no times, so they get the other's rate."""
    sequence = find_sequence(Path(path))
    if sequence is None:
        return Reader(path, part=Part(frames=frames), warn=warn)
    rate = None if find_sequence(Path(other)) else probe(other).frame_rate
    info = probe_sequence(sequence, rate=rate)
    return SequenceReader(sequence, info=info, part=Part(frames=frames), warn=warn)


def _named(path: Path | str, warn: Callable[[str], None]) -> Callable[[str], None]:
    """Warnings that say which of the two files they are about."""
    return lambda text: warn(f"{shown(Path(path))}: {text}")


def is_part(part: tuple[int, int], whole: tuple[int, int]) -> bool:
    """Whether a size is what ``animesr degrade`` leaves of another, at its right and bottom."""
    return all(0 <= b - a < SIZE_MULTIPLE for a, b in zip(part, whole, strict=True))


def _check(sr: VideoInfo, hr: VideoInfo, crop: int, warn: Callable[[str], None]) -> None:
    """Refuse what cannot be compared, and warn of what should not be."""
    if not is_part((sr.width, sr.height), (hr.width, hr.height)):
        raise UsageError(
            f"the pictures differ in size: {shown(sr.path)} has {sr.width}x{sr.height}, "
            f"{shown(hr.path)} {hr.width}x{hr.height}",
            f"animesr upscale with --width {hr.width} --height {hr.height} makes one of that size",
        )
    if (sr.width, sr.height) != (hr.width, hr.height):
        warn(
            f"of the {hr.width}x{hr.height} of {shown(hr.path)} the upper left {sr.width}x"
            f"{sr.height} are compared, which is what animesr degrade leaves of them"
        )
    if crop < 0:
        raise UsageError(f"the border to leave out must be 0 pixels or more, not {crop}")
    width, height = sr.width - 2 * crop, sr.height - 2 * crop
    if min(width, height) < SMALLEST_SIDE_PX:
        smallest = f"{SMALLEST_SIDE_PX}x{SMALLEST_SIDE_PX}"
        raise UsageError(
            f"pictures of {sr.width}x{sr.height} without a border of {crop} are too small to "
            f"compare; at least {smallest} pixels are needed"
        )
    if min(width, height) < MS_SSIM_SIDE_PX:
        warn(f"MS-SSIM needs {MS_SSIM_SIDE_PX} pixels on each side; it is left out")
    if (sr.hdr is None) != (hr.hdr is None):
        warn("one of the two has a high dynamic range; its codes do not mean what the other's do")
    if sr.rotation != hr.rotation:
        warn("one of the two is shown rotated; the pictures are compared as they are stored")


def _cropped(luma: Tensor, crop: int) -> Tensor:
    height, width = luma.shape
    return luma[crop : height - crop, crop : width - crop]


def _pairs(
    sr: FrameReader, hr: FrameReader, warn: Callable[[str], None]
) -> Iterator[tuple[Frame, Frame]]:
    """The frames of both in order, until one of them ends; the other may not go on."""
    sr_frames, hr_frames = iter(sr), iter(hr)
    while True:
        # Both are asked each time, so that each reader gets to its end and says what it met.
        pair = next(sr_frames, None), next(hr_frames, None)
        if pair[0] is not None and pair[1] is not None:
            yield pair[0], pair[1]
            continue
        if pair[0] is not None or pair[1] is not None:
            short, long = (sr, hr) if pair[0] is None else (hr, sr)
            warn(
                f"{shown(short.info.path)} ends after {short.frames} frames and "
                f"{shown(long.info.path)} goes on; only what both have is compared"
            )
        return


class _Clocks:
    """Whether the pictures that are compared lie at the same time after the first."""

    def __init__(self, sr: VideoInfo, hr: VideoInfo) -> None:
        self._sr, self._hr = sr, hr
        self._first: tuple[Frame, Frame] | None = None
        self._apart = 0
        self._example = ""

    def compare(self, sr: Frame, hr: Frame) -> float:
        """Count a pair that is apart by more than rounding; the time of HR's picture."""
        first_sr, first_hr = self._first = self._first or (sr, hr)
        sr_time = (sr.pts - first_sr.pts) * self._sr.time_base
        hr_time = (hr.pts - first_hr.pts) * self._hr.time_base
        # Two times, each rounded to its clock, twice; a coarse clock must not hide a whole frame.
        rounding = self._sr.time_base + self._hr.time_base
        half = hr.duration * self._hr.time_base / 2
        if abs(sr_time - hr_time) > (min(rounding, half) if half > 0 else rounding):
            self._apart += 1
            self._example = self._example or f"{float(sr_time):.3f} s and {float(hr_time):.3f} s"
        return float(hr.pts * self._hr.time_base - self._hr.clock_start)

    def report(self, warn: Callable[[str], None]) -> None:
        if self._apart:
            warn(
                f"{self._apart} of the pairs lie at different times, first {self._example} after "
                "the first picture; the pairing goes by order"
            )
