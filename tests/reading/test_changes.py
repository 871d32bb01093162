"""What is not to be shown is cut off, and what changes on the way is converted or told."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.video.colour import to_rgb
from command import animesr, warnings_of
from matroska import TRACK, TRACKS, VIDEO, element, insert
from media import frame_planes, picture, plane_samples, write_video

TOP, BOTTOM, LEFT, RIGHT = 0x54BB, 0x54AA, 0x54CC, 0x54DD


def cropped_mkv(path: Path, top: int, bottom: int, left: int, right: int) -> Path:
    """A lossless file of 64x48 whose edges are not to be shown."""
    write_video(path, exact=True, frames=4)
    crop = zip((TOP, BOTTOM, LEFT, RIGHT), (top, bottom, left, right), strict=True)
    added = b"".join(element(*pair) for pair in crop)
    return insert(path, TRACKS, TRACK, VIDEO, added=added)


@pytest.mark.parametrize("edges", [(8, 8, 0, 0), (0, 2, 6, 4), (2, 1, 4, 3)])
def test_a_crop_is_applied(edges: tuple[int, int, int, int], tmp_path: Path) -> None:
    """The picture that comes out is the part that a player shows, luma and chroma."""
    path = cropped_mkv(tmp_path / "in.mkv", *edges)
    top, bottom, left, right = edges
    info = probe(path)
    assert (info.width, info.height) == (64 - left - right, 48 - top - bottom)
    with Reader(path) as reader:
        frames = list(reader)
    assert len(frames) == 4
    for index, frame in enumerate(frames):
        for number, (plane, whole) in enumerate(
            zip(frame.planes, frame_planes(picture(index)), strict=True)
        ):
            shift = 1 if number else 0
            rows, columns = -(-info.height >> shift), -(-info.width >> shift)
            part = whole[top >> shift :, left >> shift :][:rows, :columns]
            assert np.array_equal(plane.numpy(), part)


def test_a_cropped_file_is_upscaled(tmp_path: Path, zero_checkpoint: Path) -> None:
    """The output has four times the size of what is shown, and no bars."""
    source = cropped_mkv(tmp_path / "in.mkv", 8, 8, 0, 0)
    output = tmp_path / "out.mkv"
    outcome = animesr("upscale", source, output, "-n", zero_checkpoint)
    assert outcome.exit_code == 0, outcome.stderr
    info = probe(output)
    assert (info.width, info.height) == (256, 128)


def mild(index: int) -> av.VideoFrame:
    """A picture whose codes are colours by any matrix and in any range."""
    frame = picture(index)
    for number in range(3):
        samples = plane_samples(frame, number)
        samples[:] = (60 if number == 0 else 110) + samples // (2 if number == 0 else 6)
    return frame


def joined_ts(path: Path, *parts: dict[str, Any]) -> Path:
    """Pieces of half a second one behind another in one broadcast."""
    content = b""
    for number, options in enumerate(parts):
        times = range(12 * number, 12 * number + 12)
        piece = path.with_name(f"{number}.ts")
        pictures = [mild(time) for time in times]
        content += write_video(piece, pts=times, pictures=pictures, **options).read_bytes()
        piece.unlink()
    path.write_bytes(content)
    return path


def test_a_change_of_the_pixel_shape_is_told(tmp_path: Path) -> None:
    """4:3 that becomes 16:9 cannot be kept in one file, and is said with its time."""
    path = joined_ts(
        tmp_path / "in.ts", {"sar": Fraction(12, 11)}, {"sar": Fraction(16, 11)}
    )  # fmt: skip
    warnings: list[str] = []
    with Reader(path, warn=warnings.append) as reader:
        assert len(list(reader)) == 24
    (warning,) = [each for each in warnings if "changes" in each]
    assert "from 12:11 to 16:11 at 00:00:00" in warning


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"color_range": 1}, {"color_range": 2}, "the colour range changes from limited to full"),
        ({"matrix": 6}, {"matrix": 1}, "the colour matrix changes from BT.601 to BT.709"),
    ],
)
def test_a_change_of_colours_is_converted(
    before: dict[str, int], after: dict[str, int], words: str, tmp_path: Path
) -> None:
    """Every picture means the colours that it has by its own tags, to the rounding of chroma."""
    path = joined_ts(tmp_path / "in.ts", before, after)
    warnings: list[str] = []
    with Reader(path, warn=warnings.append) as reader:
        info = reader.info
        frames = list(reader)
    (warning,) = [each for each in warnings if "changes" in each]
    assert words in warning
    assert "converted" in warning
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    other = replace(
        info.colour,
        full_range=after.get("color_range") == 2,
        matrix="bt709" if "matrix" in after else info.colour.matrix,
    )
    for index, (frame, own) in enumerate(zip(frames, decoded, strict=True)):
        spec = info.colour if index < 12 else other
        planes = [torch.from_numpy(plane) for plane in frame_planes(own)]
        shown, meant = (
            to_rgb(codes, each).clamp(0, 1)
            for codes, each in ((frame.planes, info.colour), (planes, spec))
        )
        assert (shown - meant).abs().mean() < 1 / 255
        flat = (slice(None), slice(2, 10), slice(2, 12))  # chroma is interpolated at edges
        assert (shown - meant)[flat].abs().max() < 4 / 255


def test_the_real_file_tells_its_change(
    faults: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """A recording that switches from 4:3 to 16:9, through the whole command."""
    source = faults / "sar_4-3_then_16-9.ts"
    outcome = animesr("upscale", source, tmp_path / "out.mkv", "-n", zero_checkpoint)
    assert outcome.exit_code == 0, outcome.stderr
    assert "damaged data" not in outcome.stderr  # at the join, where packets are counted anew
    assert any("the pixel aspect ratio changes" in line for line in warnings_of(outcome))
