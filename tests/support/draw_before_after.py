"""Draw the README's pictures: the same part of one frame from several files, side by side.

python tests/support/draw_before_after.py tests/clip.mp4 clip_x4.mp4 tests/before_after.png
python tests/support/draw_before_after.py soft.mp4 clip_x4.mp4 strong.mp4 tests/strengths.png

What is smaller than the last file is enlarged by bicubic interpolation. The second picture shows
`--strength` 0, the default and 1.
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


def main(*clips: str, output: str) -> None:
    with av.open(clips[-1]) as container:
        width, height = container.streams.video[0].width, container.streams.video[0].height
    columns: list[np.ndarray] = []
    for clip in clips:
        part = picture(Path(clip), width, height)[PART]
        gap = np.full((part.shape[0], 8, 3), 255, dtype=np.uint8)
        columns += [gap, part] if columns else [part]
    save(np.concatenate(columns, axis=1), Path(output))


if __name__ == "__main__":
    main(*sys.argv[1:-1], output=sys.argv[-1])
