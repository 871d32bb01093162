"""The measures themselves: how near one picture is to another, and a clip by its pictures.

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

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.metrics.measures import MEASURES, Scores
from animesr_cli.video.colour import LUMA_WEIGHTS, ColourSpec, to_rgb

# Luma, in codes of 8 bit.
BLACK: Final = 16.0
SPAN: Final = 219.0
"""From black to white."""
PEAK: Final = 255.0
"""What PSNR and SSIM call the data range."""

# SSIM and MS-SSIM.
SSIM_SIGMA_PX: Final = 1.5
SSIM_REACH_PX: Final = 5
"""How far the 11 x 11 Gaussian window reaches to each side."""
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


def sobel(luma: Tensor) -> Tensor:
    """(H, W) -> (H, W): the slope in codes a pixel; the border is replicated."""
    padded = functional.pad(luma[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return _gradient(padded, middle=2) / 2


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
    drawn, wanted = _edges(sr), _edges(hr)
    if not drawn.any() and not wanted.any():
        return None
    right = (drawn & _grown(wanted)).sum().item()
    again = (wanted & _grown(drawn)).sum().item()
    precision = right / max(drawn.sum().item(), 1)
    recall = again / max(wanted.sum().item(), 1)
    return 2 * precision * recall / (precision + recall) if right and again else 0.0


def _edges(luma: Tensor) -> Tensor:
    """The pixels where the slope is steep: (H, W) bool."""
    return sobel(luma) >= EDGE_CODES_PER_PX


def _grown(mask: Tensor) -> Tensor:
    return highest(mask.float(), EDGE_TOLERANCE_PX) > 0


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
    return -highest(-luma, RANGE_PX // 2), highest(luma, RANGE_PX // 2)


def highest(values: Tensor, reach: int) -> Tensor:
    """Maximum over the square that reaches so many pixels to each side, first within rows."""
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

    def jump(self, before: tuple[Tensor, Tensor] | None = None) -> None:
        """The next pair does not follow the last: this one is before it, unscored, or none is."""
        self._before = before

    def clip(self) -> Scores:
        """Scores of all pairs: means where a measure is defined; PSNR and gradients from the sums.

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
