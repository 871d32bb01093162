"""Draw the README's picture: one frame enlarged by bicubic interpolation, and by animesr.

python tests/support/draw_before_after.py tests/clip.mp4 clip_x4.mp4 tests/before_after.png
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FRAME = 45  # the held close-up after the cut
PART = (slice(40, 340), slice(140, 500))  # rows and columns of the enlarged picture


def picture(path: Path, width: int, height: int) -> np.ndarray:
    """One frame as (H, W, 3) RGB bytes, enlarged by bicubic interpolation where it is smaller."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == FRAME:
                return frame.to_ndarray(
                    format="rgb24", width=width, height=height, interpolation="BICUBIC"
                )
    raise SystemExit(f"{path} has fewer than {FRAME + 1} frames")


def save(pixels: np.ndarray, path: Path) -> None:
    with av.open(str(path), "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.time_base, frame.pts = Fraction(1), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main(clip: str, large: str, output: str) -> None:
    with av.open(large) as container:
        width, height = container.streams.video[0].width, container.streams.video[0].height
    halves = [picture(Path(path), width, height)[PART] for path in (clip, large)]
    gap = np.full((halves[0].shape[0], 8, 3), 255, dtype=np.uint8)
    save(np.concatenate([halves[0], gap, halves[1]], axis=1), Path(output))


if __name__ == "__main__":
    main(*sys.argv[1:])
