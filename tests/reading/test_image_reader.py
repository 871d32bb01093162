"""Images as frames, in and out: which are taken, what they hold, and what is there afterwards."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import media
from animesr_cli.api import run, upscale
from animesr_cli.errors import DiskFullError, InputError, OutputError, UsageError, VerificationError
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.image_reader import SequenceReader, probe_sequence
from animesr_cli.reading.image_sequence import (
    ImageSequence,
    Pattern,
    find_sequence,
    natural_key,
    parse_pattern,
)
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.events import Observer, UpscaleResult
from animesr_cli.video.colour import from_rgb, to_rgb
from animesr_cli.video.part import Part
from animesr_cli.video.pixel_formats import alpha_of, planes_of
from animesr_cli.writing import png as one_png
from animesr_cli.writing.image_writer import SequenceWriter
from animesr_cli.writing.part_folder import PartFolder
from command import animesr, snapshot

WIDTH, HEIGHT = 24, 16
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""Colour types of PNG."""


# Images by a few bytes ---------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(
    samples: NDArray[Any], colour_type: int = RGB, *, palette: bytes = b"", alpha: bytes = b""
) -> bytes:
    """A PNG file that holds these samples (rows, columns, channels), 8 or 16 bits each."""
    rows, columns = samples.shape[:2]
    depth = samples.dtype.itemsize * 8
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour_type, 0, 0, 0)
    lines = samples.astype(samples.dtype.newbyteorder(">")).reshape(rows, -1)
    content = b"".join(b"\0" + line.tobytes() for line in lines)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette) if palette else b"",
            chunk(b"tRNS", alpha) if alpha else b"",
            chunk(b"IDAT", zlib.compress(content)),
            chunk(b"IEND", b""),
        ]
    )


def rgb(seed: int, width: int = WIDTH, height: int = HEIGHT, bits: int = 8) -> NDArray[Any]:
    """Random pixels (rows, columns, R G B)."""
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 1 << bits, (height, width, 3), dtype=kind)


def encoded(codec: str, frame: av.VideoFrame, **options: str) -> bytes:
    """A picture as a file of an encoder of FFmpeg."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = Fraction(1, 25)
    context.options = options
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def flat(pix_fmt: str, codes: Sequence[int], width: int, height: int) -> av.VideoFrame:
    """One colour all over."""
    frame = av.VideoFrame(width, height, pix_fmt)
    for number, code in enumerate(codes):
        media.plane_samples(frame, number)[:] = code
    return frame


def frames_folder(folder: Path, count: int, first: int = 1, **size: int) -> Path:
    """PNG images 0001.png and on."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:04d}.png").write_bytes(png(rgb(number, **size)))
    return folder


def sequence_of(path: Path) -> ImageSequence:
    found = find_sequence(path)
    assert found is not None
    return found


class Reading:
    """A sequence that was read to its end."""

    def __init__(self, path: Path, **arguments: Any) -> None:
        self.sequence = sequence_of(path)
        self.info = probe_sequence(self.sequence, rate=arguments.pop("rate", None))
        self.warnings: list[str] = []
        self.reader = SequenceReader(
            self.sequence, info=self.info, warn=self.warnings.append, part=Part(**arguments)
        )
        with self.reader as reader:
            self.frames: list[Frame] = list(reader)

    def pixels(self, index: int) -> NDArray[Any]:
        """Rows, columns, channels."""
        return np.stack([plane.numpy() for plane in self.frames[index].planes], axis=-1)


def decoded(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert isinstance(frame, av.VideoFrame)
        return frame


def pixels_of(path: Path) -> NDArray[Any]:
    frame = decoded(path)
    if frame.format.name == "rgb48be":
        frame = frame.reformat(format="rgb48le")
    return np.stack(planes_of(frame), axis=-1)


# Names -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**12), unique=True), st.sampled_from(["", "f", "a 1 ", "é"]))
def test_numbers_in_names_sort_by_value(numbers: list[int], before: str) -> None:
    """Frame 2 comes before frame 10, without leading zeros."""
    names = [f"{before}{number}.png" for number in numbers]
    expected = [f"{before}{number}.png" for number in sorted(numbers)]
    assert sorted(names, key=natural_key) == expected


plain_text = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]))


@given(plain_text, st.integers(0, 99), plain_text, st.integers(0, 10**9))
def test_a_pattern_finds_the_number_that_it_put_in(
    before: str, digits: int, after: str, number: int
) -> None:
    """Whatever stands around it; a percent sign is written as two."""
    text = "{}%0{}d{}".format(before.replace("%", "%%"), digits or "", after.replace("%", "%%"))
    pattern = parse_pattern(Path("x", text))
    assert pattern is not None
    name = pattern.path(number).name
    assert name == f"{before}{number:0{digits or 1}}{after}"
    assert pattern.number_of(name) == number


@pytest.mark.parametrize(
    "name", ["a.png", "100%.png", "%d_%d.png", "%s.png", "%%d.png", "%-3d.png"]
)
def test_names_that_are_no_patterns(name: str) -> None:
    """Exactly one number is a pattern; a file name with a percent sign is not."""
    assert parse_pattern(Path(name)) is None


@pytest.mark.parametrize(
    "name", ["f1.png", "f0001.png", "f-01.png", "f001.jpg", "f00x.png", "1.png"]
)
def test_a_pattern_takes_its_own_names_only(name: str) -> None:
    """A number that it would have written otherwise belongs to another series."""
    assert Pattern(Path(), "f", 3, ".png").number_of(name) is None
    assert Pattern(Path(), "f", 3, ".png").number_of("f1000.png") == 1000


# Which images ------------------------------------------------------------------------------------


def test_a_pattern_takes_the_numbers_that_are_there(tmp_path: Path) -> None:
    """In their order, whatever the first is, and nothing else of the folder."""
    frames_folder(tmp_path, 11, first=95)
    (tmp_path / "95.png").touch()
    found = sequence_of(tmp_path / "%04d.png")
    assert [path.name for path in found.files] == [f"{n:04d}.png" for n in range(95, 106)]
    assert found.numbers == tuple(range(95, 106))


def test_an_existing_file_is_no_pattern(tmp_path: Path) -> None:
    """A literal name wins."""
    frames_folder(tmp_path, 2)
    (tmp_path / "%04d.png").write_bytes(png(rgb(0)))
    assert find_sequence(tmp_path / "%04d.png") is None
    assert probe(tmp_path / "%04d.png").width == WIDTH


def test_a_missing_number_of_a_pattern_is_an_error(tmp_path: Path) -> None:
    """It names the first and counts the rest, and says how to go on all the same."""
    frames_folder(tmp_path, 9)
    for number in (4, 5, 7):
        (tmp_path / f"{number:04d}.png").unlink()
    with pytest.raises(InputError, match=r"0004\.png is missing: 3 of .* 1 to 9") as caught:
        find_sequence(tmp_path / "%04d.png")
    assert str(tmp_path) in str(caught.value.hint)


@pytest.mark.parametrize("path", ["%04d.png", "no/%04d.png"])
def test_a_pattern_without_images(path: str, tmp_path: Path) -> None:
    """An input error, as for a file that is not there."""
    with pytest.raises(InputError, match=r"no file|does not exist"):
        find_sequence(tmp_path / path)


def test_a_folder_is_taken_in_natural_order(tmp_path: Path) -> None:
    """Several kinds of images together; what is hidden or no image is passed over."""
    for name in ("f10.png", "f9.JPG", "f8.webp", "f11.Tiff"):
        (tmp_path / name).touch()
    for name in (".DS_Store", "._f1.png", ".f2.png", "Thumbs.db", "notes.txt", "f3"):
        (tmp_path / name).touch()
    (tmp_path / "f4.png").mkdir()
    found = sequence_of(tmp_path)
    assert [path.name for path in found.files] == ["f8.webp", "f9.JPG", "f10.png", "f11.Tiff"]
    assert found.numbers == (8, 9, 10, 11)
    assert found.remarks == ()


def test_what_is_odd_about_a_folder_is_said(tmp_path: Path) -> None:
    """Gaps, and names of several kinds: nothing that stops anybody."""
    for name in ("a1.png", "a3.png"):
        (tmp_path / name).touch()
    assert "1 of the numbers from 1 to 3 is not there" in sequence_of(tmp_path).remarks[0]
    (tmp_path / "b2.png").touch()
    found = sequence_of(tmp_path)
    assert "2 kinds of names" in found.remarks[0]
    assert "a1.png, b2.png" in found.remarks[0]
    assert found.numbers is None


def test_one_frame_in_two_files_is_refused(tmp_path: Path) -> None:
    """Thumbnails beside the images would show everything twice."""
    for name in ("a1.png", "a1.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"both a1\.jpg and a1\.png"):
        find_sequence(tmp_path)


def test_a_folder_without_images(tmp_path: Path) -> None:
    """An input error."""
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds no image"):
        find_sequence(tmp_path)


# What they hold ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
def test_png_comes_exactly(bits: int, tmp_path: Path) -> None:
    """Every sample of 8 and 16 bits, one tick of the frame rate apart."""
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png(rgb(number, bits=bits)))
    reading = Reading(tmp_path, rate=Fraction(24000, 1001))
    assert reading.info.time_base == Fraction(1001, 24000)
    assert reading.info.frame_count == 3
    assert reading.info.duration_seconds == Fraction(3003, 24000)
    assert reading.info.colour.layout.depth == bits
    assert [(frame.pts, frame.duration) for frame in reading.frames] == [(0, 1), (1, 1), (2, 1)]
    for number in range(3):
        np.testing.assert_array_equal(reading.pixels(number), rgb(number, bits=bits))
    assert reading.warnings == []


def test_gray_images_stay_gray(tmp_path: Path) -> None:
    """One plane, as long as all are."""
    samples = rgb(0)[..., :1]
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png(samples, GRAY))
    reading = Reading(tmp_path)
    assert reading.info.colour.layout.family == "gray"
    assert reading.info.colour.full_range
    np.testing.assert_array_equal(reading.pixels(1), samples)


def test_kinds_may_change_from_image_to_image(tmp_path: Path) -> None:
    """Optimised PNG: a gray first image takes no colour from the others, a palette none at all."""
    gray, colours = rgb(0)[..., :1], rgb(1, 16, 16)
    indices = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH, 1) % 255
    palette = colours.reshape(-1, 3)
    opaque = np.concatenate([rgb(2), np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], axis=-1)
    for number, content in enumerate(
        [
            png(gray, GRAY),
            png(rgb(2)),
            png(indices, PALETTE, palette=palette[:255].tobytes()),
            png(opaque, RGB_ALPHA),
        ]
    ):
        (tmp_path / f"{number}.png").write_bytes(content)
    reading = Reading(tmp_path)
    np.testing.assert_array_equal(reading.pixels(0), np.repeat(gray, 3, axis=-1))
    np.testing.assert_array_equal(reading.pixels(1), rgb(2))
    np.testing.assert_array_equal(reading.pixels(2), palette[indices[..., 0]])
    np.testing.assert_array_equal(reading.pixels(3), rgb(2))
    assert reading.warnings == []


def test_depths_may_change_from_image_to_image(tmp_path: Path) -> None:
    """The deepest decides, wherever it stands; white stays white."""
    (tmp_path / "1.png").write_bytes(png(rgb(1)))
    (tmp_path / "2.png").write_bytes(png(rgb(2, bits=16)))
    reading = Reading(tmp_path)
    np.testing.assert_array_equal(reading.pixels(0), rgb(1).astype(np.uint16) * 257)
    np.testing.assert_array_equal(reading.pixels(1), rgb(2, bits=16))


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt", "full"),
    [("mjpeg", ".jpg", "yuvj420p", True), ("libwebp", ".webp", "yuv420p", False)],
)
def test_jpeg_and_webp_have_their_own_colours(
    codec: str, suffix: str, pix_fmt: str, full: bool, tmp_path: Path
) -> None:
    """BT.601 at any size, each its range, chroma in the centre; a red comes out as that red."""
    codes = (76, 85, 255) if full else (82, 90, 240)  # pure red
    (tmp_path / f"1{suffix}").write_bytes(encoded(codec, flat(pix_fmt, codes, 1280, 720)))
    reading = Reading(tmp_path)
    spec = reading.info.colour
    assert (spec.matrix, spec.full_range, spec.siting) == ("bt601", full, "center")
    red = to_rgb(reading.frames[0].planes, spec).mean(dim=(1, 2))
    torch.testing.assert_close(red, torch.tensor([1.0, 0.0, 0.0]), atol=0.02, rtol=0)


def test_jpeg_and_png_mix(tmp_path: Path) -> None:
    """All become RGB, each from its own colours."""
    (tmp_path / "1.jpg").write_bytes(encoded("mjpeg", flat("yuvj420p", (76, 85, 255), 64, 48)))
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    (tmp_path / "2.png").write_bytes(png(red))
    reading = Reading(tmp_path)
    assert reading.info.colour.layout.family == "rgb"
    assert np.abs(reading.pixels(0).astype(int) - red).max() <= 3
    np.testing.assert_array_equal(reading.pixels(1), red)


def test_another_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    """With one warning that names the first such image."""
    for number, width in enumerate((24, 48, 12, 24)):
        (tmp_path / f"{number}.png").write_bytes(png(np.full((16, width, 3), 90, np.uint8)))
    reading = Reading(tmp_path)
    assert all((reading.pixels(index) == 90).all() for index in range(4))
    assert {reading.pixels(index).shape for index in range(4)} == {(16, 24, 3)}
    assert len(reading.warnings) == 1
    assert "1.png is 48x16" in reading.warnings[0]


def clear_in_a_corner(seed: int, bits: int = 8) -> NDArray[Any]:
    """Random pixels (rows, columns, R G B A), opaque but for a quarter that is half transparent."""
    top = (1 << bits) - 1
    samples = np.concatenate([rgb(seed, bits=bits), rgb(seed, bits=bits)[..., :1]], axis=-1)
    samples[..., 3] = top
    samples[: HEIGHT // 2, : WIDTH // 2, 3] = top // 2
    return samples


@pytest.mark.parametrize("bits", [8, 16])
def test_transparency_comes_beside_the_colours(bits: int, tmp_path: Path) -> None:
    """Every sample of it; opaque images of the same sequence have none, or the highest."""
    first, second = clear_in_a_corner(1, bits), rgb(2, bits=bits)
    (tmp_path / "1.png").write_bytes(png(first, RGB_ALPHA))
    (tmp_path / "2.png").write_bytes(png(second))
    reading = Reading(tmp_path)
    np.testing.assert_array_equal(reading.pixels(0), first[..., :3])
    alpha = reading.frames[0].alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha.numpy(), first[..., 3])
    assert reading.frames[1].alpha is None


def test_transparency_has_the_depth_of_the_sequence(tmp_path: Path) -> None:
    """Where depths mix, full scale stays full scale."""
    (tmp_path / "1.png").write_bytes(png(clear_in_a_corner(1), RGB_ALPHA))
    (tmp_path / "2.png").write_bytes(png(rgb(2, bits=16)))
    alpha = Reading(tmp_path).frames[0].alpha
    assert alpha is not None
    expected = clear_in_a_corner(1)[..., 3].astype(np.uint16) * 257
    np.testing.assert_array_equal(alpha.numpy(), expected)


def test_a_palette_may_be_transparent(tmp_path: Path) -> None:
    """Where it says so itself."""
    indices = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    content = png(indices, PALETTE, palette=bytes([10, 20, 30]), alpha=b"\x80")
    (tmp_path / "1.png").write_bytes(content)
    reading = Reading(tmp_path)
    assert (reading.pixels(0) == [10, 20, 30]).all()
    alpha = reading.frames[0].alpha
    assert alpha is not None
    assert (alpha == 128).all()


# Damage ------------------------------------------------------------------------------------------


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("fault", [damaged, lambda content: content[:-40], lambda content: b""])
def test_a_damaged_image_repeats_the_one_before(
    fault: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Time goes on, and the warning names it."""
    frames_folder(tmp_path, 3)
    path = tmp_path / "0002.png"
    path.write_bytes(fault(path.read_bytes()))
    reading = Reading(tmp_path)
    assert [frame.pts for frame in reading.frames] == [0, 1, 2]
    np.testing.assert_array_equal(reading.pixels(1), rgb(1))
    np.testing.assert_array_equal(reading.pixels(2), rgb(3))
    assert reading.warnings == [
        "1 image (0002.png) could not be decoded and repeats the one before"
    ]


def test_a_cut_off_jpeg_is_noticed(tmp_path: Path) -> None:
    """FFmpeg fills up what is missing without a word."""
    content = encoded("mjpeg", media.picture(0, 64, 48, "yuvj420p"))
    (tmp_path / "1.jpg").write_bytes(content)
    (tmp_path / "2.jpg").write_bytes(content[: len(content) // 2])
    reading = Reading(tmp_path)
    assert reading.warnings == ["1 image (2.jpg) is cut off: the lower part is made up"]


def test_a_first_image_that_cannot_be_decoded_is_an_error(tmp_path: Path) -> None:
    """There is nothing to repeat."""
    frames_folder(tmp_path, 2)
    (tmp_path / "0001.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"0001\.png"):
        Reading(tmp_path)
    other = sequence_of(frames_folder(tmp_path / "other", 1))
    with pytest.raises(InputError, match=r"0001\.png cannot be decoded"):
        list(SequenceReader(sequence_of(tmp_path), info=probe_sequence(other)))


def test_an_image_that_vanishes_is_an_error(tmp_path: Path) -> None:
    """What was found at the beginning must be there."""
    frames_folder(tmp_path, 3)
    sequence = sequence_of(tmp_path)
    reader = iter(SequenceReader(sequence, info=probe_sequence(sequence)))
    next(reader)
    (tmp_path / "0002.png").unlink()
    with pytest.raises(InputError, match=r"0002\.png cannot be read: no such file"):
        next(reader)


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A header of 60000 x 60000 pixels in a small file is refused, or counts as damaged."""
    frames_folder(tmp_path, 2)
    content = bytearray((tmp_path / "0002.png").read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "0002.png").write_bytes(content)
    assert "could not be decoded" in Reading(tmp_path).warnings[0]
    (tmp_path / "0001.png").unlink()
    with pytest.raises(InputError):
        Reading(tmp_path)


# A part ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"start": Fraction(1, 12)}, [2, 3, 4, 5]),
        ({"start": Fraction(1, 13)}, [2, 3, 4, 5]),
        ({"end": Fraction(1, 12)}, [0, 1]),
        ({"start": Fraction(1, 24), "frames": 2}, [1, 2]),
        ({"frames": 99}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_part_is_chosen_by_time(
    arguments: dict[str, Any], expected: list[int], tmp_path: Path
) -> None:
    """Frames in [start, end), as of a video; with a start, the origin is the first of them."""
    reading = Reading(frames_folder(tmp_path, 6), **arguments)
    assert [frame.pts for frame in reading.frames] == expected
    for index, frame in enumerate(expected):
        np.testing.assert_array_equal(reading.pixels(index), rgb(frame + 1))
    began = "start" in arguments
    assert reading.reader.origin == (Fraction(expected[0], 24) if began else 0)


def test_a_part_behind_the_end_is_a_usage_error(tmp_path: Path) -> None:
    """It says where the end is."""
    with pytest.raises(UsageError, match="no frame") as caught:
        Reading(frames_folder(tmp_path, 48), start=Fraction(2))
    assert "00:00:02" in str(caught.value.hint)


# The whole way -----------------------------------------------------------------------------------


def go(
    source: Path, output: Path | None, checkpoint: Path, warnings: list[str] | None = None,
    **settings: Any,
) -> UpscaleResult:  # fmt: skip
    """Upscale with a network that enlarges bilinearly."""
    chosen = UpscaleSettings(model=str(checkpoint), device="cpu", precision="fp32", **settings)
    said = [] if warnings is None else warnings
    return run(source, output, chosen, Observer(on_warning=said.append))


def enlarged(samples: NDArray[Any]) -> NDArray[Any]:
    """What the network of zeros makes of RGB pixels."""
    depth = samples.dtype.itemsize * 8
    picture = torch.from_numpy(samples.astype(np.float32) / ((1 << depth) - 1)).permute(2, 0, 1)
    larger = torch.nn.functional.interpolate(
        picture[None], scale_factor=4, mode="bilinear", align_corners=False
    )[0]
    codes = (larger * ((1 << depth) - 1)).round().clamp(0, (1 << depth) - 1)
    return codes.permute(1, 2, 0).numpy().astype(samples.dtype)


def assert_enlarged(path: Path, samples: NDArray[Any]) -> None:
    difference = pixels_of(path).astype(int) - enlarged(samples).astype(int)
    assert np.abs(difference).max() <= 1


def test_images_become_images_of_the_same_names(tmp_path: Path, zero_checkpoint: Path) -> None:
    """A folder in, a folder out, in natural order; nothing else is there, nothing hidden either."""
    source = tmp_path / "in"
    source.mkdir()
    for number in (2, 10, 1):
        (source / f"f{number}.png").write_bytes(png(rgb(number)))
    result = go(source, tmp_path / "out", zero_checkpoint)
    assert result.frames == 3
    assert set(snapshot(tmp_path / "out")) == {"f1.png", "f2.png", "f10.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    for number in (1, 2, 10):
        assert_enlarged(tmp_path / "out" / f"f{number}.png", rgb(number))


def test_a_pattern_keeps_the_numbers(tmp_path: Path, zero_checkpoint: Path) -> None:
    """Also those of a part: two parts of one sequence fit together in one folder."""
    frames_folder(tmp_path / "in", 4, first=7)
    pattern = tmp_path / "out" / "x%d.png"
    go(tmp_path / "in" / "%04d.png", pattern, zero_checkpoint, start=Fraction(2, 24))
    assert set(snapshot(tmp_path / "out")) == {"x9.png", "x10.png"}
    go(tmp_path / "in", pattern, zero_checkpoint, end=Fraction(2, 24))
    assert set(snapshot(tmp_path / "out")) == {"x7.png", "x8.png", "x9.png", "x10.png"}
    for number in range(7, 11):
        assert_enlarged(tmp_path / "out" / f"x{number}.png", rgb(number))


def test_without_an_output_a_folder_beside_is_made(tmp_path: Path, zero_checkpoint: Path) -> None:
    """IN_x4, with the same names."""
    frames_folder(tmp_path / "in", 2)
    result = go(tmp_path / "in", None, zero_checkpoint)
    assert result.output == tmp_path / "in_x4"
    result = go(tmp_path / "in" / "%04d.png", None, zero_checkpoint, scale=2.0)
    assert result.output == tmp_path / "in_x2" / "%04d.png"
    for folder in ("in_x4", "in_x2"):
        assert set(snapshot(tmp_path / folder)) == {"0001.png", "0002.png"}


def test_a_video_becomes_images(tmp_path: Path, zero_checkpoint: Path) -> None:
    """Numbered from 1, whatever part it is; what images cannot hold is said."""
    source = media.write_video(
        tmp_path / "a.mkv", frames=6, audio_tracks=1, chapters=[(0, 0.1, "one")]
    )
    warnings: list[str] = []
    go(source, tmp_path / "out" / "%03d.png", zero_checkpoint, warnings, start=Fraction(8, 100))
    assert set(snapshot(tmp_path / "out")) == {f"{n:03d}.png" for n in range(1, 5)}
    assert len(warnings) == 1
    assert "1 audio, 1 chapter" in warnings[0]
    info = probe(tmp_path / "out" / "001.png")
    assert (info.width, info.height, info.pix_fmt) == (256, 192, "rgb24")


def test_images_become_a_video(tmp_path: Path, zero_checkpoint: Path) -> None:
    """At the given rate, exactly, from a fraction."""
    frames_folder(tmp_path / "in", 5)
    result = upscale(tmp_path / "in", tmp_path / "a.mp4", fps="23.976", model=str(zero_checkpoint))
    info = probe(tmp_path / "a.mp4")
    assert result.frames == info.frame_count == 5
    assert info.frame_rate == Fraction(24000, 1001)
    assert (info.width, info.height) == (4 * WIDTH, 4 * HEIGHT)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
    times = [(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in frames]
    assert times == [Fraction(1001 * n, 24000) for n in range(5)]


def test_deep_images_stay_deep_where_asked(tmp_path: Path, zero_checkpoint: Path) -> None:
    """16 bits with --pix-fmt rgb48be; without it, the loss is said."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "1.png").write_bytes(png(rgb(1, bits=16)))
    warnings: list[str] = []
    go(source, tmp_path / "8", zero_checkpoint, warnings)
    assert any("--pix-fmt rgb48be" in warning for warning in warnings)
    assert decoded(tmp_path / "8" / "1.png").format.name == "rgb24"
    go(source, tmp_path / "16", zero_checkpoint, pix_fmt="rgb48be")
    assert decoded(tmp_path / "16" / "1.png").format.name == "rgb48be"
    assert_enlarged(tmp_path / "16" / "1.png", rgb(1, bits=16))


@pytest.mark.parametrize("pix_fmt", ["gray", "gray16be", "rgba", "rgba64be", "ya8"])
def test_every_format_of_png_can_be_written(
    pix_fmt: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Black is black, white is white, and what has alpha is opaque."""
    source = tmp_path / "in"
    source.mkdir()
    samples = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    samples[:, WIDTH // 2 :] = 255
    (source / "1.png").write_bytes(png(samples))
    go(source, tmp_path / "out", zero_checkpoint, pix_fmt=pix_fmt)
    frame = decoded(tmp_path / "out" / "1.png")
    assert frame.format.name == pix_fmt
    rows = media.plane_samples(frame, 0).view(np.uint8).reshape(4 * HEIGHT, 4 * WIDTH, -1)
    alpha = {"rgba": 1, "rgba64be": 2, "ya8": 1}.get(pix_fmt, 0)
    colours = rows.shape[-1] - alpha
    assert (rows[0, 0] == [0] * colours + [255] * alpha).all()
    assert (rows[-1, -1] == 255).all()


def test_transparency_is_enlarged_or_its_loss_is_said(
    tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Kept in PNG by default, by its depth; a format without it says so, once, where any shows."""
    source = tmp_path / "in"
    source.mkdir()
    for number in (1, 2):
        (source / f"{number}.png").write_bytes(png(clear_in_a_corner(number), RGB_ALPHA))
    for pix_fmt, half in ((None, 127), ("rgba64be", 127 * 257)):
        warnings: list[str] = []
        out = tmp_path / f"{pix_fmt}"
        go(source, out, zero_checkpoint, warnings, pix_fmt=pix_fmt)
        assert warnings == []
        frame = decoded(out / "2.png")
        if pix_fmt:
            frame = frame.reformat(format="rgba64le")
        alpha = alpha_of(frame)
        assert alpha is not None
        assert alpha[0, 0] == half
        assert alpha[-1, -1] == (65535 if pix_fmt else 255)
        assert alpha.shape == (4 * HEIGHT, 4 * WIDTH)
    go(source, tmp_path / "rgb", zero_checkpoint, warnings, pix_fmt="rgb24")
    assert len(warnings) == 1
    assert "--pix-fmt rgba does" in warnings[0]


def test_images_keep_shape_and_tags(tmp_path: Path, zero_checkpoint: Path) -> None:
    """The sample aspect ratio, primaries and transfer of a video are in the PNG."""
    source = media.write_video(
        tmp_path / "a.mkv", frames=1, sar=Fraction(4, 3), primaries=9, transfer=14, matrix=9
    )
    for pix_fmt in ("rgb24", "rgb48be"):
        go(source, tmp_path / pix_fmt / "%d.png", zero_checkpoint, pix_fmt=pix_fmt)
        info = probe(tmp_path / pix_fmt / "1.png")
        assert info.sample_aspect_ratio == Fraction(4, 3)
        assert (info.tags.primaries, info.tags.transfer) == (9, 14)


def test_uneven_times_are_said(tmp_path: Path, zero_checkpoint: Path) -> None:
    """Images have no times: how far frames move is in the warning."""
    source = media.write_video(
        tmp_path / "a.mkv", pts=[0, 40, 80, 900, 940], time_base=Fraction(1, 1000), rate=25
    )
    warnings: list[str] = []
    go(source, tmp_path / "out" / "%d.png", zero_checkpoint, warnings)
    assert any("not evenly spaced" in warning for warning in warnings), warnings


# What is there already ---------------------------------------------------------------------------


def test_existing_images_are_refused_and_with_y_replaced(
    tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Before anything is decoded; other files of the folder do not matter."""
    frames_folder(tmp_path / "in", 3)
    out = frames_folder(tmp_path / "out", 2, first=3)  # 0003.png is in the way
    (out / "notes.txt").write_text("mine")
    before = snapshot(out)
    with pytest.raises(OutputError, match=r"0003\.png exists") as caught:
        go(tmp_path / "in", out, zero_checkpoint)
    assert "-y" in str(caught.value.hint)
    assert snapshot(out) == before
    go(tmp_path / "in", out, zero_checkpoint, overwrite=True)
    after = snapshot(out)
    assert after.keys() == before.keys() | {"0001.png", "0002.png"}
    assert {name for name in before if after[name] != before[name]} == {"0003.png"}
    assert_enlarged(out / "0003.png", rgb(3))


def test_older_images_behind_the_new_ones_are_named(tmp_path: Path, zero_checkpoint: Path) -> None:
    """A shorter video over a longer one leaves a tail, which would be taken for a part of it."""
    source = media.write_video(tmp_path / "a.mkv", frames=2)
    frames_folder(tmp_path / "out", 4)
    pattern = tmp_path / "out" / "%04d.png"
    with pytest.raises(OutputError, match="3 more"):
        go(source, pattern, zero_checkpoint)
    warnings: list[str] = []
    go(source, pattern, zero_checkpoint, warnings, overwrite=True)
    assert len(warnings) == 1
    assert "2 older images" in warnings[0]
    assert "0003.png" in warnings[0]


@pytest.mark.parametrize("output", ["in", "in/%04d.png", "link", "link/%04d.png"])
def test_the_input_is_never_replaced(output: str, tmp_path: Path, zero_checkpoint: Path) -> None:
    """Not with -y either, and not through a link."""
    frames_folder(tmp_path / "in", 2)
    (tmp_path / "link").symlink_to("in")
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match="input's own"):
        go(tmp_path / "in", tmp_path / output, zero_checkpoint, overwrite=True)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "error", "words"),
    [
        ("no/out/%d.png", OutputError, "does not exist"),
        ("a.txt/%d.png", OutputError, "is a file"),
        ("out/frame.png", UsageError, "is one image"),
        ("out/%d.jpg", UsageError, "not written"),
        ("out/%d_%d.png", UsageError, "is one image"),
        ("out/" + "x" * 252 + "%d.png", UsageError, "too long"),
        ("out.xyz", UsageError, "not written"),
    ],
)
def test_outputs_that_cannot_be(
    output: str, error: type[Exception], words: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Each in one sentence, and nothing is left behind."""
    (tmp_path / "a.txt").touch()
    source = frames_folder(tmp_path / "in", 1)
    before = snapshot(tmp_path)
    with pytest.raises(error, match=words):
        go(source, tmp_path / output, zero_checkpoint)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "settings", [{"codec": "libx264"}, {"crf": 20}, {"pix_fmt": "yuv420p"}, {"preset": "slow"}]
)
def test_options_that_png_does_not_have(
    settings: dict[str, Any], tmp_path: Path, zero_checkpoint: Path
) -> None:
    """A usage error, before the first frame."""
    source = frames_folder(tmp_path / "in", 1)
    with pytest.raises(UsageError):
        go(source, tmp_path / "out", zero_checkpoint, **settings)
    assert not (tmp_path / "out").exists()


def test_a_misspelt_option_of_the_encoder_is_noticed(tmp_path: Path, zero_checkpoint: Path) -> None:
    """FFmpeg would pass it over."""
    source = frames_folder(tmp_path / "in", 1)
    with pytest.raises(UsageError, match="compresion_level"):
        go(source, tmp_path / "out", zero_checkpoint, encoder_options={"compresion_level": "9"})
    assert not (tmp_path / "out").exists()


def test_fps_is_not_for_videos(tmp_path: Path, zero_checkpoint: Path) -> None:
    """A video file has its own times."""
    source = media.write_video(tmp_path / "a.mkv", frames=2)
    with pytest.raises(UsageError, match="--fps"):
        go(source, tmp_path / "b.mkv", zero_checkpoint, fps=Fraction(30))


# All or nothing ----------------------------------------------------------------------------------


@pytest.fixture
def half_way(tmp_path: Path) -> Path:
    """Images of which one disappears when the first has been read."""
    return frames_folder(tmp_path / "in", 12)


@pytest.mark.parametrize("there", [False, True])
def test_a_run_that_fails_leaves_nothing(
    there: bool, half_way: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """No image, no folder, nothing hidden; and what was there is as it was."""
    if there:
        frames_folder(tmp_path / "out", 2)
    before = snapshot(tmp_path)
    (half_way / "0009.png").write_bytes(b"")

    def vanish(plan: object) -> None:
        (half_way / "0012.png").rename(tmp_path / "kept.png")

    chosen = UpscaleSettings(model=str(zero_checkpoint), device="cpu", overwrite=True)
    with pytest.raises(InputError, match=r"0012\.png cannot be read"):
        run(half_way, tmp_path / "out", chosen, Observer(on_plan=vanish))
    (tmp_path / "kept.png").rename(half_way / "0012.png")
    after = snapshot(tmp_path)
    assert {name for name in after if after[name] != before.get(name)} == {"in/0009.png"}
    assert after.keys() == before.keys()


def test_an_image_that_is_not_what_was_handed_in_stops_the_run(
    tmp_path: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is read back and compared, sample by sample."""

    def tampered(planes: tuple[torch.Tensor, ...], *arguments: Any, **others: Any) -> bytes:
        planes[1][0, 0] ^= 1
        content = one_png.encoded(planes, *arguments, **others)
        planes[1][0, 0] ^= 1
        return content

    monkeypatch.setattr("animesr_cli.writing.image_writer.encoded", tampered)
    frames_folder(tmp_path / "in", 3)
    with pytest.raises(VerificationError, match=r"000\d\.png is not what was written"):
        go(tmp_path / "in", tmp_path / "out", zero_checkpoint)
    assert not (tmp_path / "out").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how much room is missing, as far as that is known."""
    flush, flushed = os.fsync, itertools.count()

    def full(descriptor: int) -> None:
        flush(descriptor)
        if next(flushed) == 3:
            nothing = shutil.disk_usage(tmp_path)._replace(free=0)
            monkeypatch.setattr(shutil, "disk_usage", lambda path: nothing)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    frames_folder(tmp_path / "in", 12)
    with pytest.raises(DiskFullError, match="the disk is full") as caught:
        go(tmp_path / "in", tmp_path / "out", zero_checkpoint)
    assert re.fullmatch(r"free [\d.]+ (B|kB) and run again", str(caught.value.hint))
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_a_lost_file_is_noticed_at_the_end(
    tmp_path: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the folder must be what was written to it."""
    publish = SequenceWriter.finish

    def finish(writer: SequenceWriter) -> None:
        while writer._pending:
            writer._settle()
        (writer._part.path / "0002.png").unlink()
        publish(writer)

    monkeypatch.setattr(SequenceWriter, "finish", finish)
    frames_folder(tmp_path / "in", 3)
    with pytest.raises(VerificationError, match="3 images were written"):
        go(tmp_path / "in", tmp_path / "out", zero_checkpoint)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_names_that_cannot_all_be_given_are_taken_back(tmp_path: Path) -> None:
    """Old files are as before, new ones complete in the hidden folder that the error names."""
    out = frames_folder(tmp_path / "out", 3)
    before = snapshot(out)
    with PartFolder(out, "images") as part:
        for name in ("0001.png", "0002.png"):
            (part.path / name).write_bytes(b"new")
        with pytest.raises(OutputError, match="could not be moved") as caught:
            part.publish(["0001.png", "0002.png", "0003.png"], overwrite=True)
    assert str(part.path) in str(caught.value.hint)
    assert {path.name for path in part.path.glob("*.png")} == {"0001.png", "0002.png"}
    after = snapshot(out)
    assert {name: after[name] for name in before} == before


def test_a_name_that_was_taken_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Without -y nothing is, however late it came."""
    out = frames_folder(tmp_path / "out", 1)
    before = snapshot(out)
    with PartFolder(out, "images") as part:
        (part.path / "0001.png").write_bytes(b"new")
        with pytest.raises(OutputError, match="could not be moved"):
            part.publish(["0001.png"], overwrite=False)
    after = snapshot(out)
    assert {name: after[name] for name in before} == before


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second is refused, and takes nothing from the first."""
    with PartFolder(tmp_path / "out", "images") as first:
        (first.path / "1.png").touch()
        with pytest.raises(OutputError, match="another run"):
            PartFolder(tmp_path / "out", "images")
        assert (first.path / "1.png").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    """Its images are not taken for this run's; what it was replacing is given back."""
    out = frames_folder(tmp_path / "out", 2)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from animesr_cli.writing.part_folder import PartFolder\n"
        "part = PartFolder(Path(sys.argv[1]), 'images'); part.write('0001.png', b'new')\n"
        "part._files.make_folder('.replaced')\n"
        "os.rename(part.folder / '0001.png', part.path / '.replaced' / '0001.png'); os._exit(9)"
    )
    before = snapshot(out)
    subprocess.run([sys.executable, "-c", code, out], check=False)
    assert len(list(out.iterdir())) == 3  # one image, and what the killed run left
    with PartFolder(out, "images") as part:
        assert part.sizes() == {}
        part.write("0003.png", b"new")
        part.publish(["0003.png"], overwrite=False)
    after = snapshot(out)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"0003.png"}


def test_a_users_own_hidden_folder_is_never_touched(tmp_path: Path) -> None:
    """A folder that only looks like one of ours keeps its files, in runs and refused ones."""
    own = tmp_path / ".fr.part"
    own.mkdir()
    (own / "1.png").write_bytes(b"mine")
    with PartFolder(tmp_path / "fr", "images") as part:
        with pytest.raises(OutputError, match="another run"):
            PartFolder(tmp_path / "fr", "images")
        part.write("2.png", b"new")
        part.publish(["2.png"], overwrite=False)
    assert set(snapshot(tmp_path)) == {".fr.part", ".fr.part/1.png", "fr", "fr/2.png"}
    assert (own / "1.png").read_bytes() == b"mine"


def test_a_hidden_folder_that_is_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Nothing behind the link is removed, whether the run fails or not."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "dear.png").write_bytes(b"dear")
    with PartFolder(tmp_path / "out", "images") as part:
        part.write("1.png", b"new")
        part.path.rename(tmp_path / "moved")
        part.path.symlink_to(victim)
    assert (victim / "dear.png").read_bytes() == b"dear"
    assert list((tmp_path / "moved").iterdir()) == []  # what the run itself had made


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_is_full_while_images_get_their_names(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's entries need room too: code 5, and the complete images are kept."""
    out = frames_folder(tmp_path / "out", 2) if there else tmp_path / "out"
    before = snapshot(tmp_path)

    def full(*names: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with PartFolder(out, "images") as part:
        part.write("0003.png", b"new")
        with monkeypatch.context() as patch, pytest.raises(DiskFullError) as caught:
            patch.setattr(os, "link", full)
            patch.setattr(os, "rename", full)
            part.publish(["0003.png"], overwrite=True)
    assert caught.value.exit_code == 5
    assert str(part.path) in str(caught.value.hint)
    assert (part.path / "0003.png").read_bytes() == b"new"
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before


# The command -------------------------------------------------------------------------------------


def test_the_command_takes_images(tmp_path: Path, zero_checkpoint: Path) -> None:
    """With a note about the rate, a warning about the gap, and the count at the end."""
    frames_folder(tmp_path / "in", 4)
    (tmp_path / "in" / "0003.png").unlink()
    arguments = ("upscale", tmp_path / "in", "-n", zero_checkpoint, "--strict")
    outcome = animesr(*arguments, tmp_path / "a.mkv")
    assert outcome.exit_code == 10
    assert "warning: 1 of the numbers from 1 to 4 is not there" in outcome.stderr
    assert "note: images have no times: 24 frames a second; --fps sets another" in outcome.stderr
    assert "a.mkv: 3 frames verified" in outcome.stderr
    animesr(*arguments, tmp_path / "b.mkv", "--fps", "x").refused(2, "'x' is no number of frames")


def test_info_shows_images(tmp_path: Path) -> None:
    """A folder and a pattern, as the reader sees them."""
    frames_folder(tmp_path / "in", 48)
    for path in (tmp_path / "in", tmp_path / "in" / "%04d.png"):
        outcome = animesr("info", path)
        assert outcome.exit_code == 0, outcome.stderr
        assert "24x16" in outcome.stdout
        assert "00:00:02, 24 fps, 48 frames" in outcome.stdout


def test_planes_of_every_layout_reach_the_images(tmp_path: Path, zero_checkpoint: Path) -> None:
    """A limited-range gray video becomes a full-range gray image."""
    source = media.write_video(
        tmp_path / "a.mkv", frames=1, codec="ffv1", pix_fmt="gray", color_range=1,
        pictures=[flat("gray", (235,), 64, 48)],
    )  # fmt: skip
    go(source, tmp_path / "out" / "%d.png", zero_checkpoint, pix_fmt="gray")
    assert (pixels_of(tmp_path / "out" / "1.png") == 255).all()
    white = from_rgb(torch.ones(3, 2, 2), probe(tmp_path / "out" / "1.png").colour)
    assert (white[0] == 255).all()
