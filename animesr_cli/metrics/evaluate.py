"""Measures how near one video is to another: SR beside HR, picture by picture, in luma.

Both are read side by side, one pair of pictures at a time and the pair before it, so that memory
does not grow with length. It knows nothing of networks and neither resizes nor aligns: the videos
have the same size, and the n-th picture of one is compared with the n-th of the other.

Luma is that of the super-resolution literature: each file becomes R'G'B' by its own matrix, range
and bit depth, and Y = 16 + 65.481 R' + 128.553 G' + 24.966 B' (BT.601, limited range) of that, in
codes of 8 bit whatever the files' depth, neither rounded nor clamped. Black is 16 and white 235;
the peak (data range) of PSNR, SSIM and MS-SSIM is 255. A limited-range BT.601 file gets its own
Y plane back.

Sources: SSIM, Wang et al. 2004; MS-SSIM, Wang et al. 2003; borders, weights and the clamp at zero
as torchmetrics 1.9 has them. GMSD, Xue et al. 2014, with the authors' constants. The rest is
defined where it is computed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.degradation.operators import SIZE_MULTIPLE
from animesr_cli.errors import UsageError
from animesr_cli.reading.image_reader import SequenceReader, find_sequence, probe_sequence
from animesr_cli.reading.probe import VideoInfo, probe
from animesr_cli.reading.reader import Frame, Reader
from animesr_cli.video.colour import LUMA_WEIGHTS, ColourSpec, to_rgb
from animesr_cli.video.containers import shown

logger = logging.getLogger(__name__)

AnyReader: TypeAlias = Reader | SequenceReader

# Luma, in codes of 8 bit.
BLACK: Final = 16.0
SPAN: Final = 219.0
"""From black to white."""
PEAK: Final = 255.0
"""What PSNR and SSIM call the data range."""

# SSIM and MS-SSIM.
SSIM_SIGMA_PX: Final = 1.5
SSIM_REACH_PX: Final = 5
"""Of the 11 x 11 Gaussian window, to each side."""
SSIM_C1: Final = (0.01 * PEAK) ** 2
SSIM_C2: Final = (0.03 * PEAK) ** 2
MS_SSIM_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""One for each scale, the finest first."""
MS_SSIM_SIDE_PX: Final = (2 * SSIM_REACH_PX + 1) * 2 ** (len(MS_SSIM_WEIGHTS) - 1)
"""A smaller picture has no whole window at the coarsest scale: 176."""

GMSD_C: Final = 170.0
"""The constant T of the paper, for codes of 8 bit."""

EDGE_CODES_PER_PX: Final = 8.0
"""A slope this steep (Sobel) is an edge: a sharp step of 16 codes has it."""
EDGE_TOLERANCE_PX: Final = 1
RANGE_PX: Final = 5
"""Side of the window that overshoot and flatness look at."""
FLAT_CODES: Final = 2.0
"""HR is flat where its range in the window is below this."""

SMALLEST_SIDE_PX: Final = 2 * SSIM_REACH_PX + 1


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How near SR is to HR, for one picture or for a clip; None: not defined here."""

    psnr_y: float | None
    """dB; None: the two are identical. A clip's is that of its mean squared error."""
    ssim_y: float | None
    ms_ssim: float | None
    """None: a side is below 176 pixels."""
    gmsd: float | None
    """Gradient magnitude similarity deviation; 0 is best."""
    gradient_ratio: float | None
    """Sum of squared differences of neighbouring lumas, SR over HR; below 1 is softer than HR,
    above 1 sharper or noisier. A clip's is of its sums. None: HR is one colour."""
    flicker: float | None
    """Mean of |change of SR - change of HR| since the picture before, in codes; None: the first."""
    edge_f1: float | None
    """Edges found again, and not invented, within 1 pixel; None: neither has edges."""
    overshoot: float | None
    """Mean over all pixels of how far SR leaves HR's range in the 5 x 5 window, in codes."""
    flat_noise: float | None
    """Standard deviation of SR in the 5 x 5 windows where HR's range is below 2 codes, in codes;
    None: HR is flat nowhere."""


MEASURES: Final = tuple(field.name for field in fields(Scores))


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """The scores of one pair of pictures."""

    index: int
    """Of the pair, from 0."""
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
    """Of what was compared, without the border."""
    crop: int
    """Pixels that were left out at each side."""
    clip: Scores
    frames: tuple[FrameScores, ...]


# ---- luma ----------------------------------------------------------------------------------------


def luma_of(planes: Sequence[Tensor], spec: ColourSpec) -> Tensor:
    """(H, W) luma in codes of 8 bit, as the head of this file defines it."""
    red, green, blue = to_rgb(planes, spec)
    kr, kb = LUMA_WEIGHTS["bt601"]
    luma: Tensor = red * (kr * SPAN)
    luma.add_(green, alpha=(1 - kr - kb) * SPAN).add_(blue, alpha=kb * SPAN)
    return luma.add_(BLACK)


# ---- one pair of pictures: (H, W) lumas in codes -------------------------------------------------


def squared_error(sr: Tensor, hr: Tensor) -> float:
    """Mean of the squared differences, in codes squared."""
    return float((sr - hr).double().square().mean())


def psnr(error: float) -> float | None:
    """Peak signal-to-noise ratio in dB of a mean squared error; None: there is no error."""
    return 10 * math.log10(PEAK**2 / error) if error else None


def ssim_and_ms_ssim(sr: Tensor, hr: Tensor) -> tuple[float, float | None]:
    """Structural similarity at the full size and over five scales; 1 is best, 0 or less worst.

    Over five scales: the contrast factor of each times the whole of the coarsest, each to the power
    of its weight; None: the pictures are too small for that.
    """
    sr, hr = sr[None, None], hr[None, None]
    whole, contrast = _similarity(sr, hr)
    finest = whole
    if min(sr.shape[2:]) < MS_SSIM_SIDE_PX:
        return finest, None
    product = 1.0
    for weight in MS_SSIM_WEIGHTS[:-1]:
        product *= max(contrast, 0.0) ** weight
        sr, hr = functional.avg_pool2d(sr, 2), functional.avg_pool2d(hr, 2)
        whole, contrast = _similarity(sr, hr)
    return finest, product * max(whole, 0.0) ** MS_SSIM_WEIGHTS[-1]


def _similarity(sr: Tensor, hr: Tensor) -> tuple[float, float]:
    """The means of SSIM and of its contrast factor.

    As in torchmetrics the first takes in the border, where the picture is mirrored, and the second
    only whole windows.
    """
    # Variances are differences of large numbers: around zero fp32 leaves 1e-5 of SSIM, not 1e-4.
    x, y = sr - PEAK / 2, hr - PEAK / 2
    stack = torch.cat((x, y, x * x, y * y, x * y))  # (5, 1, H, W)
    mean_x, mean_y, square_x, square_y, product = _blur(stack).unbind()  # each (1, H, W)
    spread = (square_x - mean_x**2) + (square_y - mean_y**2)
    contrast = (2 * (product - mean_x * mean_y) + SSIM_C2) / (spread + SSIM_C2)
    mean_x, mean_y = mean_x + PEAK / 2, mean_y + PEAK / 2
    level = (2 * mean_x * mean_y + SSIM_C1) / (mean_x**2 + mean_y**2 + SSIM_C1)
    inside = slice(SSIM_REACH_PX, -SSIM_REACH_PX)
    whole, factor = (level * contrast).double().mean(), contrast[:, inside, inside].double().mean()
    return float(whole), float(factor)


def _blur(pictures: Tensor) -> Tensor:
    """SSIM's Gaussian window over (N, 1, H, W); the border is mirrored."""
    reach = SSIM_REACH_PX
    window = [math.exp(-((place / SSIM_SIGMA_PX) ** 2) / 2) for place in range(-reach, reach + 1)]
    total = math.fsum(window)
    pictures = functional.pad(pictures, (reach,) * 4, mode="reflect")
    for dimension in (3, 2):
        # Sums of shifted views: three times as fast as a convolution of one channel on a CPU.
        size = pictures.shape[dimension] - 2 * reach
        blurred = torch.zeros_like(pictures.narrow(dimension, 0, size))
        for place, weight in enumerate(window):
            blurred.add_(pictures.narrow(dimension, place, size), alpha=weight / total)
        pictures = blurred
    return pictures


def gmsd(sr: Tensor, hr: Tensor) -> float:
    """Standard deviation of the similarity of Prewitt gradients at half size; 0 is best."""
    x, y = _prewitt(sr), _prewitt(hr)
    similarity = (2 * x * y + GMSD_C) / (x**2 + y**2 + GMSD_C)
    return float(similarity.double().std(correction=1))


def _prewitt(luma: Tensor) -> Tensor:
    """Gradient magnitude of the mean of 2 x 2 pixels; zeros outside, as conv2(..., 'same')."""
    height, width = luma.shape
    even = functional.pad(luma, (0, width % 2, 0, height % 2))
    half = functional.avg_pool2d(even[None], 2)[0]
    return _gradient(functional.pad(half, (1, 1, 1, 1)), middle=1)


def _gradient(padded: Tensor, middle: int) -> Tensor:
    """Magnitude of the differences over two pixels, smoothed by (1, middle, 1) the other way.

    From (H + 2, W + 2) to (H, W); the middle is 1 for Prewitt, 2 for Sobel.
    """
    rows = padded[:-2] + padded[2:] + middle * padded[1:-1]  # (H, W + 2)
    columns = padded[:, :-2] + padded[:, 2:] + middle * padded[:, 1:-1]  # (H + 2, W)
    across, down = rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
    return torch.hypot(across, down) / (middle + 2)


def gradient_energy(luma: Tensor) -> float:
    """Sum of the squared differences of neighbours, along rows and along columns."""
    across, down = luma.diff(dim=1), luma.diff(dim=0)
    return float(across.double().square().sum() + down.double().square().sum())


def flicker(sr: Tensor, hr: Tensor, sr_before: Tensor, hr_before: Tensor) -> float:
    """Mean of |change of SR - change of HR| since the picture before, in codes."""
    return float(((sr - sr_before) - (hr - hr_before)).abs().double().mean())


def edge_f1(sr: Tensor, hr: Tensor) -> float | None:
    """F1 of SR's edges against HR's, each found within the tolerance; None: neither has any."""
    found, wanted = _edges(sr), _edges(hr)
    if not found.any() and not wanted.any():
        return None
    right = (found & _grown(wanted)).sum().item()
    again = (wanted & _grown(found)).sum().item()
    precision = right / max(found.sum().item(), 1)
    recall = again / max(wanted.sum().item(), 1)
    return 2 * precision * recall / (precision + recall) if right and again else 0.0


def _edges(luma: Tensor) -> Tensor:
    """Where the Sobel gradient is steep: (H, W) bool; borders are replicated."""
    padded = functional.pad(luma[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return _gradient(padded, middle=2) / 2 >= EDGE_CODES_PER_PX


def _grown(mask: Tensor) -> Tensor:
    return _highest(mask.float(), EDGE_TOLERANCE_PX) > 0


def overshoot(sr: Tensor, hr: Tensor) -> float:
    """Mean over all pixels of how far SR is above or below all of HR nearby, in codes."""
    lowest, highest = _extremes(hr)
    return float(((sr - highest).clamp_(min=0) + (lowest - sr).clamp_(min=0)).double().mean())


def flat_noise(sr: Tensor, hr: Tensor) -> float | None:
    """Root mean variance of SR within the windows where HR is flat, in codes; None: there is none.

    Within a window, so that a slow gradient of the sky, or one flat colour beside another, is none.
    """
    lowest, highest = _extremes(hr)
    inside = slice(RANGE_PX // 2, -(RANGE_PX // 2))
    flat = (highest - lowest)[inside, inside] < FLAT_CODES
    if not flat.any():
        return None
    values = sr[None].double()  # a difference of large numbers
    mean = functional.avg_pool2d(values, RANGE_PX, stride=1)
    variance = functional.avg_pool2d(values.square(), RANGE_PX, stride=1) - mean**2
    return math.sqrt(variance[0][flat].clamp_(min=0).mean().item())


def _extremes(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest value in the window around each pixel, as far as it lies inside."""
    return -_highest(-luma, RANGE_PX // 2), _highest(luma, RANGE_PX // 2)


def _highest(values: Tensor, reach: int) -> Tensor:
    """Of the square that reaches so many pixels to each side: first of the rows, then of those."""
    side = 2 * reach + 1
    rows = functional.max_pool2d(values[None], (1, side), stride=1, padding=(0, reach))
    return functional.max_pool2d(rows, (side, 1), stride=1, padding=(reach, 0))[0]


# ---- a clip --------------------------------------------------------------------------------------


class Meter:
    """Scores one pair of pictures after another, and in the end the clip."""

    def __init__(self) -> None:
        self._before: tuple[Tensor, Tensor] | None = None
        self._squared_errors: list[float] = []
        self._sr_energy = self._hr_energy = 0.0
        self.scores: list[Scores] = []

    def add(self, sr: Tensor, hr: Tensor) -> Scores:
        """Score the next pair of (H, W) lumas in codes."""
        before, self._before = self._before, (sr, hr)
        error = squared_error(sr, hr)
        ssim_y, over_scales = ssim_and_ms_ssim(sr, hr)
        sr_energy, hr_energy = gradient_energy(sr), gradient_energy(hr)
        self._squared_errors.append(error)
        self._sr_energy += sr_energy
        self._hr_energy += hr_energy
        scores = Scores(
            psnr_y=psnr(error),
            ssim_y=ssim_y,
            ms_ssim=over_scales,
            gmsd=gmsd(sr, hr),
            gradient_ratio=_ratio(sr_energy, hr_energy),
            flicker=None if before is None else flicker(sr, hr, *before),
            edge_f1=edge_f1(sr, hr),
            overshoot=overshoot(sr, hr),
            flat_noise=flat_noise(sr, hr),
        )
        self.scores.append(scores)
        return scores

    def jump(self, sr: Tensor | None = None, hr: Tensor | None = None) -> None:
        """The next pair does not follow the last: this one is before it, unscored, or none is."""
        self._before = None if sr is None or hr is None else (sr, hr)

    def clip(self) -> Scores:
        """Of all pairs: means where a measure is defined; PSNR and gradients from the sums.

        The mean of PSNRs would be infinite with one identical picture, and that of the ratios
        anything with one that is nearly flat.
        """
        means = {name: _mean([getattr(each, name) for each in self.scores]) for name in MEASURES}
        means["psnr_y"] = psnr(math.fsum(self._squared_errors) / len(self.scores))
        means["gradient_ratio"] = _ratio(self._sr_energy, self._hr_energy)
        return Scores(**means)


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else None


# ---- two videos ----------------------------------------------------------------------------------


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
        on_frame: is told the scores of each pair.
        warn: is told, once each, of lengths, times and ranges that do not agree.

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
) -> AnyReader:
    """A reader of a video, or of images; these have no times, so they get the other's rate."""
    sequence = find_sequence(Path(path))
    if sequence is None:
        return Reader(path, frames=frames, warn=warn)
    rate = None if find_sequence(Path(other)) else probe(other).frame_rate
    info = probe_sequence(sequence, rate=rate)
    return SequenceReader(sequence, info=info, frames=frames, warn=warn)


def _named(path: Path | str, warn: Callable[[str], None]) -> Callable[[str], None]:
    """Of two files, each warning says which."""
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
    sr: AnyReader, hr: AnyReader, warn: Callable[[str], None]
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
