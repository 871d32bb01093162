"""Where a new shot begins: a streaming cut detector on small luma, with a state of two pictures.

Each frame is reduced to 64x36 area means. Every 4x4 block of it is searched in the picture before,
up to 3 samples away (a pan or a character that moves up to 1/20 of the width per frame is found);
what is left, relative to the contrast of the two pictures and saturated, is how new the block is.
The mean over the blocks is the novelty of the frame, 0 to 1: roughly the share of the picture that
the one before does not explain. It is taken twice, on the luma as it is and with mean and contrast
made equal, and the lower one counts, so that fades and flashes of light are not new.

It knows one plane and its bit depth: no timestamps, codecs, colours, tiles or threads. A dissolve
is not a cut here: each of its frames is explained by the one before.

Saturation is what makes it fit for animation: without it, one black wing that sweeps over a third
of the picture weighs as much as a new background does. Block matching on a thumbnail is how video
encoders look ahead (x264's scenecut compares its cost with that of intra coding).

The thresholds were chosen on real material; figures stand in the README of this room.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

COLUMNS, ROWS = 64, 36  # of the small picture, whatever the aspect
SAMPLES_X, SAMPLES_Y = 8, 4  # pixels read per small sample, at least, where the frame has them
BLOCK = 4  # side of a matched block, in small samples
REACH = 3  # search distance in small samples

SATURATION = 0.6  # of the contrast: a block that differs by this much is entirely new
FLAT = 2 / 256  # contrast below which a picture shows nothing: black, white, the end of a fade
BLACK = 20 / 256  # what is darker in both pictures, such as the bars of a letterbox, says nothing
LEAST_SHOWN = 0.5  # of the picture; below, what is black counts as unchanged: sparks in the night
CUT_NOVELTY = 0.53
SURPRISE = 0.25  # by which a cut stands out from the recent level: noise and strobes do not
LEVEL_GAIN = 1 / 3  # of the recent level, per frame
FLASH_FRAMES = 4  # a picture that returns within this many frames was interrupted by a flash


class SceneDetector:
    """Call ``is_cut`` once for every frame, in order."""

    def __init__(self) -> None:
        self._last: Tensor | None = None  # the latest frame that shows something
        self._before: Tensor | None = None  # the one before the latest novelty
        self._age = 0  # frames since that novelty
        self._level = 0.0  # running mean of the novelty

    def is_cut(self, luma: Tensor, depth: int) -> bool:
        """Whether this frame begins a new shot; the first frame does not."""
        small = _shrink(luma, depth)
        self._age += 1
        if _equalised(small, _shown(small))[1] < FLAT:
            return False  # neither a shot nor evidence of one
        last, self._last = self._last, small
        if last is None:
            return False
        novelty = _novelty(last, small)
        surprising = novelty > max(CUT_NOVELTY, self._level + SURPRISE)
        self._level += LEVEL_GAIN * (novelty - self._level)
        if not surprising:
            return False
        returned = (
            self._before is not None
            and self._age <= FLASH_FRAMES
            and _novelty(self._before, small) <= CUT_NOVELTY
        )
        self._before, self._age = last, 0
        return not returned


def _shrink(luma: Tensor, depth: int) -> Tensor:
    """(ROWS, COLUMNS) means of a regular choice of pixels, full scale 1."""
    height, width = luma.shape
    step_y = max(1, height // (ROWS * SAMPLES_Y))
    step_x = max(1, width // (COLUMNS * SAMPLES_X))
    pixels = luma[step_y // 2 :: step_y, step_x // 2 :: step_x].to(torch.float32)
    small = functional.adaptive_avg_pool2d(pixels[None], (ROWS, COLUMNS))[0]
    return small.div_(1 << depth)


def _shown(small: Tensor) -> Tensor:
    """(ROWS, COLUMNS) of 1 and 0: the blocks that are not black all over."""
    brightest = functional.max_pool2d(small[None], BLOCK)
    return functional.interpolate((brightest > BLACK).float()[None], scale_factor=BLOCK)[0, 0]


def _equalised(small: Tensor, shown: Tensor) -> tuple[Tensor, float]:
    """The picture with mean 0 and contrast 1 in what is shown, and the contrast it had."""
    area = shown.sum().clamp_(min=1)
    centred = small - (small * shown).sum() / area
    contrast = (centred.abs() * shown).sum() / area
    return centred / contrast.clamp(min=FLAT), float(contrast)


def _novelty(before: Tensor, after: Tensor) -> float:
    """How much of ``after`` is not in ``before``, 0 to 1."""
    shown = torch.maximum(_shown(before), _shown(after))
    equal_before, contrast_before = _equalised(before, shown)
    equal_after, contrast_after = _equalised(after, shown)
    full = SATURATION * max(contrast_before, contrast_after, FLAT)
    plain = _saturated(before, after, shown, full)
    return min(plain, _saturated(equal_before, equal_after, shown, SATURATION))


def _saturated(before: Tensor, after: Tensor, shown: Tensor, full: float) -> float:
    """Mean over the blocks of the smallest difference within reach, as a share of ``full``."""
    padded = functional.pad(before[None], (REACH,) * 4, mode="replicate")[0]
    shifted = padded.unfold(0, ROWS, 1).unfold(1, COLUMNS, 1)  # (shift y, shift x, ROWS, COLUMNS)
    difference = torch.sub(shifted, after, out=torch.empty(shifted.shape, device=after.device))
    blocks = functional.avg_pool2d(difference.abs_().flatten(0, 1), BLOCK)
    share = blocks.amin(0).div_(full).clamp_(max=1) * shown[::BLOCK, ::BLOCK]
    return float(share.sum() / max(shown.mean().item(), LEAST_SHOWN) / share.numel())
