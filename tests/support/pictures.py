"""Pictures of tests: drawn, written without loss, and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from animesr_cli.reading.image_reader import decode_image
from animesr_cli.reading.reader import Reader
from animesr_cli.video.colour import to_rgb
from animesr_cli.video.pixel_formats import planes_of
from media import frame_planes, write_video


def frames_of(path: Path) -> torch.Tensor:
    with Reader(path) as reader:
        return torch.stack([to_rgb(frame.planes, reader.info.colour) for frame in reader])


def drawing(height: int = 64, width: int = 64, *, lines: int = 4) -> Tensor:
    """(3, H, W): dark lines on light ground."""
    picture = torch.full((3, height, width), 0.8)
    for number in range(lines):
        at = (2 * number + 1) * width // (2 * lines)
        picture[:, height // 8 : -height // 8, at : at + 2] = 0.2
    return picture


def write_rgb(path: Path, pictures: list[Tensor]) -> Path:
    """Pictures (3, H, W) in [0, 1] as a lossless video."""
    frames = [
        av.VideoFrame.from_ndarray(
            np.ascontiguousarray((each * 255).round().byte().permute(1, 2, 0).numpy()),
            format="rgb24",
        ).reformat(format="bgr0")
        for each in pictures
    ]
    height, width = pictures[0].shape[1:]
    return write_video(
        path, pictures=frames, frames=len(frames), width=width, height=height,
        pix_fmt="bgr0", codec="ffv1",
    )  # fmt: skip


def decoded(path: Path, pix_fmt: str | None = None) -> list[list[np.ndarray[Any, Any]]]:
    """The planes of every frame."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert pix_fmt is None or {frame.format.name for frame in frames} == {pix_fmt}
    return [frame_planes(frame) for frame in frames]


def decode_png(content: bytes) -> Tensor:
    """The (3, H, W) samples of a PNG file of 8 or 16 bits."""
    _, picture = decode_image(content)
    depth_16 = picture.format.name == "rgb48be"
    picture = picture.reformat(format="rgb48le") if depth_16 else picture
    return torch.stack([torch.from_numpy(plane.copy()) for plane in planes_of(picture)])
