"""What every reader and every writer promises, whatever it reads or writes: one suite over all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import torch

import media
from animesr_cli.errors import UsageError
from animesr_cli.reading.frame import Frame, FrameReader
from animesr_cli.reading.image_reader import SequenceReader, probe_sequence
from animesr_cli.reading.image_sequence import find_sequence
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.reading.y4m import PipeReader, probe_pipe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.plan import output_colour
from animesr_cli.video.part import WHOLE, Part
from animesr_cli.video.pixel_formats import layout_of
from animesr_cli.writing.encoding import (
    choose_encoding,
)
from animesr_cli.writing.image_names import image_names
from animesr_cli.writing.image_writer import SequenceWriter
from animesr_cli.writing.output import FrameWriter, OutputFormat
from animesr_cli.writing.pipe_writer import PipeWriter
from animesr_cli.writing.writer import Writer
from command import snapshot
from rewriting import flat_picture

FRAMES = 12
SIZE: dict[str, Any] = {"width": 32, "height": 24}
TICK = Fraction(1, 24)


def draw_images(folder: Path) -> Path:
    folder.mkdir()
    for index in range(FRAMES):
        context = av.CodecContext.create("png", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = 32, 24, "rgb24"
        context.time_base = TICK
        picture = media.picture(index, 32, 24, "rgb24")
        packets = [*context.encode(picture), *context.encode(None)]
        (folder / f"{index:03}.png").write_bytes(b"".join(bytes(each) for each in packets))
    return folder


def draw_y4m(path: Path) -> Path:
    with av.open(str(path), "w", format="yuv4mpegpipe") as output:
        stream = output.add_stream("wrapped_avframe", rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for index in range(FRAMES):
            output.mux(stream.encode(media.picture(index, 32, 24, "yuv420p")))
        output.mux(stream.encode(None))
    return path


MakeReader = Callable[[Part], FrameReader]


@pytest.fixture(params=["video", "images", "pipe"])
def make_reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeReader]:
    """Makes a reader of twelve frames, a twenty-fourth of a second apart."""
    with ExitStack() as cleanup:

        def video(part: Part) -> FrameReader:
            path = tmp_path / "in.mp4"  # Matroska rounds to milliseconds
            if not path.exists():
                media.write_video(path, frames=FRAMES, rate=24, exact=True, **SIZE)
            return Reader(path, part=part, warn=pytest.fail)

        def images(part: Part) -> FrameReader:
            folder = tmp_path / "images"
            sequence = find_sequence(folder if folder.exists() else draw_images(folder))
            assert sequence is not None
            info = probe_sequence(sequence, rate=Fraction(24))
            return SequenceReader(sequence, info=info, part=part, warn=pytest.fail)

        def pipe(part: Part) -> FrameReader:
            path = tmp_path / "in.y4m"
            descriptor = os.open(path if path.exists() else draw_y4m(path), os.O_RDONLY)
            cleanup.callback(os.close, descriptor)
            info = probe_pipe(descriptor=descriptor)
            return PipeReader(info, part=part, descriptor=descriptor, warn=pytest.fail)

        yield {"video": video, "images": images, "pipe": pipe}[request.param]


def test_frames_come_in_order_with_their_times(make_reader: MakeReader) -> None:
    """Each is a tick later than the one before, as large as was said, and counted."""
    with make_reader(WHOLE) as reader:
        frames = list(reader)
    assert len(frames) == reader.frames == FRAMES
    base = reader.info.time_base
    times = [frame.pts * base - reader.origin for frame in frames]
    assert times[0] == 0
    assert all(b - a == TICK for a, b in pairwise(times))
    assert all(frame.duration > 0 for frame in frames)
    for frame in frames:
        assert frame.planes[0].shape == (reader.info.height, reader.info.width) == (24, 32)
        assert len(frame.planes) == (1 if reader.info.colour.layout.family == "gray" else 3)
    assert len({frame.planes[0].numpy().tobytes() for frame in frames}) == FRAMES


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Part(start=4 * TICK), range(4, 12)),
        (Part(end=5 * TICK), range(5)),
        (Part(frames=3), range(3)),
        (Part(2 * TICK, 9 * TICK, 4), range(2, 6)),
        (Part(2 * TICK, 4 * TICK, 9), range(2, 4)),
    ],
)
def test_a_part_is_cut_exactly(make_reader: MakeReader, part: Part, expected: range) -> None:
    """The same frames of every kind, the first of them at zero where the beginning is cut."""
    with make_reader(WHOLE) as reader:
        whole = [frame.planes[0].clone() for frame in reader]
    with make_reader(part) as reader:
        found = list(reader)
    assert len(found) == reader.frames == len(expected)
    for frame, index in zip(found, expected, strict=True):
        assert torch.equal(frame.planes[0], whole[index])
    assert found[0].pts * reader.info.time_base == reader.origin


def test_a_part_without_a_frame_is_refused(make_reader: MakeReader) -> None:
    """The sentence is the same for every kind, and says where the clip ends."""
    with (
        pytest.raises(UsageError, match="holds no frame") as caught,
        make_reader(Part(start=Fraction(9))) as reader,
    ):
        list(reader)
    assert "ends at" in str(caught.value.hint)


def test_a_reader_can_be_left_early(make_reader: MakeReader) -> None:
    """A frame that was handed out stays what it was."""
    with make_reader(WHOLE) as reader:
        first = next(iter(reader))
        before = first.planes[0].clone()
    assert torch.equal(first.planes[0], before)


# Writers ------------------------------------------------------------------------------------------

MakeWriter = Callable[[bool], FrameWriter]


@pytest.fixture(params=["video", "images", "pipe"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def make_writer(kind: str, tmp_path: Path) -> Iterator[MakeWriter]:
    """Makes a writer into the folder ``out``; whether it may overwrite is its argument."""
    source = probe(media.write_video(tmp_path / "in.mkv", frames=3, rate=24, **SIZE))
    out = tmp_path / "out"
    out.mkdir()
    settings = UpscaleSettings(codec="ffv1") if kind == "video" else UpscaleSettings()
    with ExitStack() as cleanup:

        def make(overwrite: bool) -> FrameWriter:
            muxers = {"video": "matroska", "images": "png", "pipe": "yuv4mpegpipe"}
            encoding = choose_encoding(muxers[kind], settings, source, warn=pytest.fail)
            colour = output_colour(source, encoding)
            form = OutputFormat(
                width=32, height=24, aspect=Fraction(1), encoding=encoding, colour=colour
            )
            if kind == "video":
                return Writer(
                    out / "a.mkv", source=source, output_format=form, origin=Fraction(0),
                    overwrite=overwrite, warn=pytest.fail,
                )  # fmt: skip
            if kind == "images":
                names = image_names(out / "images", None, find_sequence(images), range(3))
                return SequenceWriter(
                    names, source=source, output_format=form, overwrite=overwrite, warn=pytest.fail
                )
            descriptor = os.open(out / "a.y4m", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            cleanup.callback(os.close, descriptor)
            return PipeWriter(
                source=source, output_format=form, warn=pytest.fail, descriptor=descriptor,
            )  # fmt: skip

        images = draw_images(tmp_path / "images") if kind == "images" else tmp_path
        yield make


def write(writer: FrameWriter, kind: str, index: int) -> None:
    layout = layout_of("rgb24" if kind == "images" else "yuv420p")
    assert layout is not None
    ticks = (index, 1) if kind == "images" else (index * 1000 // 24, 42)
    writer.write(flat_picture(layout, 32, 24, 20 + 50 * index), Frame((), *ticks))


def test_nothing_has_its_name_before_the_end(
    make_writer: MakeWriter, kind: str, tmp_path: Path
) -> None:
    """A pipe apart, whose bytes cannot be taken back: all of it appears at once, or nothing."""
    before = snapshot(tmp_path / "out")
    with make_writer(False) as writer:
        for index in range(3):
            write(writer, kind, index)
        visible = {name for name in snapshot(tmp_path / "out") if not name.startswith(".")}
        assert kind == "pipe" or visible == before.keys()
        writer.finish()
        assert writer.bytes_written > 100
    names = {"video": 1, "images": 3, "pipe": 1}
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == names[kind]
    assert not any(path.name.startswith(".") for path in files)


def test_leaving_without_the_end_leaves_nothing(
    make_writer: MakeWriter, kind: str, tmp_path: Path
) -> None:
    """Whatever the error is, and however far it was."""
    if kind == "pipe":
        pytest.skip("what went through a pipe is gone")
    before = snapshot(tmp_path / "out")
    with pytest.raises(RuntimeError, match="stopped"), make_writer(False) as writer:
        write(writer, kind, 0)
        raise RuntimeError("stopped")
    assert snapshot(tmp_path / "out") == before
