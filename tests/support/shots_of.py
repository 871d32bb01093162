"""Clips of several shots, for tests: each shot is another drawing that slowly moves.

It knows nothing of the package under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from media import plane_samples, write_video

Luma = NDArray[np.float64]


def drawing(seed: int, width: int, height: int) -> Luma:
    """Flat discs on a flat ground, in codes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    luma: Luma = np.full((height, width), rng.uniform(60, 200))
    for _ in range(14):
        middle = rng.uniform(0, height), rng.uniform(0, width)
        radius = rng.uniform(height / 12, height / 3)
        luma[np.hypot(y - middle[0], x - middle[1]) < radius] = rng.uniform(30, 230)
    return luma


def shot(seed: int, length: int, width: int = 96, height: int = 64) -> list[av.VideoFrame]:
    """Frames that pan by a pixel each."""
    wide = drawing(seed, width + length, height)
    return [gray_frame(wide[:, i : i + width]) for i in range(length)]


def flat(level: float, length: int, width: int = 96, height: int = 64) -> list[av.VideoFrame]:
    """Frames of one gray."""
    return [gray_frame(np.full((height, width), level)) for _ in range(length)]


def gray_frame(luma: Luma) -> av.VideoFrame:
    """A yuv420p frame without colour."""
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], "yuv420p")
    plane_samples(frame, 0)[:] = luma.round().clip(16, 235).astype(np.uint8)
    for plane in (1, 2):
        plane_samples(frame, plane)[:] = 128
    return frame


def write_shots(
    path: Path, lengths: Sequence[int], width: int = 96, height: int = 64, **options: Any
) -> Path:
    """A lossless clip whose shots have these lengths, with seeds 0, 1, 2 ..."""
    frames = [f for seed, length in enumerate(lengths) for f in shot(seed, length, width, height)]
    return write_video(path, pictures=frames, width=width, height=height, exact=True, **options)
