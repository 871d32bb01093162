"""Pictures through pipes: y4m from another process and to another one, and how pipes end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
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
from animesr_cli.api import run
from animesr_cli.errors import DiskFullError, InputError, OutputError, UsageError
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.y4m import PIPE, PipeReader, parse_header, plane_shapes, probe_pipe
from animesr_cli.reading.y4m_header import OUTPUT_FORMATS
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.events import Observer
from animesr_cli.video.colour import ColourSpec
from animesr_cli.video.part import Part
from animesr_cli.video.pixel_formats import layout_of, planes_of
from animesr_cli.writing.encoders import Encoding
from animesr_cli.writing.output import OutputFormat
from animesr_cli.writing.pipe_writer import PipeWriter, check_pipe_output, header_line, signalled
from command import animesr, environment, finished, start

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="a Unix matter")

FRAME_BYTES = len(b"FRAME\n") + 22 * 14 + 2 * 11 * 7
"""Of a frame of ``y4m()``."""

FORMATS = (
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuv411p",
    "gray",
    "yuv420p10le",
    "yuv444p12le",
    "gray10le",
)


# Streams -----------------------------------------------------------------------------------------


def y4m(
    frames: int = 4, pix_fmt: str = "yuv420p", *, width: int = 22, height: int = 14, **tags: str
) -> bytes:
    """A stream that FFmpeg writes, of ``media.picture``; ``tags`` are added to its header."""
    content = io.BytesIO()
    with av.open(content, "w", format="yuv4mpegpipe", options={"strict": "-1"}) as output:
        stream = output.add_stream("wrapped_avframe", rate=Fraction(24000, 1001))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for index in range(frames):
            output.mux(stream.encode(media.picture(index, width, height, pix_fmt)))
        output.mux(stream.encode(None))
    line, _, rest = content.getvalue().partition(b"\n")
    return (
        b" ".join([line, *(f"{name}{value}".encode() for name, value in tags.items())])
        + b"\n"
        + rest
    )


def pictures(content: bytes) -> list[list[NDArray[Any]]]:
    """The planes of each frame, as FFmpeg reads a stream."""
    with av.open(io.BytesIO(content), "r", format="yuv4mpegpipe") as container:
        frames = container.decode(video=0)
        return [[plane.copy() for plane in planes_of(frame)] for frame in frames]


@contextmanager
def piped(content: bytes) -> Iterator[int]:
    """The reading end of a pipe into which another thread writes."""
    reading, writing = os.pipe()

    def fill() -> None:
        with suppress(BrokenPipeError), open(writing, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        thread.join()


class Piped:
    """A stream that was read to its end through a pipe."""

    def __init__(self, content: bytes, **arguments: Any) -> None:
        self.warnings: list[str] = []
        with piped(content) as descriptor:
            self.info = probe_pipe(descriptor=descriptor)
            self.reader = PipeReader(
                self.info, descriptor=descriptor, warn=self.warnings.append, part=Part(**arguments)
            )
            self.frames: list[Frame] = list(self.reader)


def info_of(line: str) -> VideoInfo:
    return parse_header(f"YUV4MPEG2 {line}\n".encode())


# The header --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "pix_fmt", "siting"),
    [
        ("", "yuv420p", "center"),
        ("C420", "yuv420p", "center"),
        ("C420jpeg", "yuv420p", "center"),
        ("C420mpeg2", "yuv420p", "left"),
        ("C420paldv", "yuv420p", "topleft"),
        ("C411", "yuv411p", "left"),
        ("C422", "yuv422p", "left"),
        ("C444", "yuv444p", "left"),
        ("Cmono", "gray", "left"),
        ("C420p10", "yuv420p10le", "left"),
        ("C422p12", "yuv422p12le", "left"),
        ("C444p16", "yuv444p16le", "left"),
        ("Cmono10", "gray10le", "left"),
    ],
)
def test_every_kind_of_y4m_is_known(kind: str, pix_fmt: str, siting: str) -> None:
    """Format and chroma siting of each, as FFmpeg takes them."""
    info = info_of(f"W6 H4 F25:1 {kind}")
    assert (info.pix_fmt, info.colour.siting) == (pix_fmt, siting)
    assert info.colour.layout == layout_of(pix_fmt)


def test_a_header_says_all_there_is() -> None:
    """Size, rate, shape, range and fields, in any order, with what nobody knows passed over."""
    info = info_of("XCOLORRANGE=FULL It A64:45 F30000:1001 H480 W720 XYSCSS=420 C420mpeg2 Xwhat Q7")
    assert (info.width, info.height) == (720, 480)
    assert info.frame_rate == 1 / info.time_base == Fraction(30000, 1001)
    assert info.sample_aspect_ratio == Fraction(64, 45)
    assert info.colour.full_range
    assert info.interlaced
    assert info.colour.matrix == "bt601"
    assert info.path == PIPE


def test_what_a_header_leaves_open_is_settled() -> None:
    """Limited range, square pixels, progressive, BT.709 by size, and 25 frames a second."""
    info = info_of("W1280 H720 F0:0 A0:0 I?")
    assert not info.colour.full_range
    assert info.sample_aspect_ratio == 1
    assert info.frame_rate == 25
    assert not info.interlaced
    assert info.colour.matrix == "bt709"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("H4 F25:1", "no width or height"),
        ("W0 H4 F25:1", "no width or height"),
        ("W-6 H4", "no width or height"),
        ("W99999 H99999", "99999x99999"),
        ("W6 H4 C420p11", "C420p11"),
        ("W6 H4 C\xff", "not known"),
    ],
)
def test_headers_that_cannot_be(line: str, words: str) -> None:
    """Each is an input error that says why."""
    with pytest.raises(InputError, match=words):
        info_of(line)


@given(
    st.integers(1, 4096),
    st.integers(1, 4096),
    st.fractions(Fraction(1, 10), 240, max_denominator=1001),
    st.sampled_from(OUTPUT_FORMATS),
    st.booleans(),
    st.sampled_from(["left", "center", "topleft"]),
)
def test_what_is_written_is_what_is_read(
    width: int, height: int, rate: Fraction, pix_fmt: str, full: bool, siting: Any
) -> None:
    """A header comes back as it was meant, as far as y4m can say it."""
    layout = layout_of(pix_fmt)
    assert layout is not None
    colour = signalled(ColourSpec(layout=layout, full_range=full, siting=siting))
    info = parse_header(header_line(width, height, rate, Fraction(4, 3), colour))
    assert (info.width, info.height, info.frame_rate) == (width, height, rate)
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert (info.pix_fmt, info.colour.full_range) == (pix_fmt, full)
    if layout.chroma_shift_x:
        assert info.colour.siting == colour.siting


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_every_sample_of_ffmpegs_streams_is_read(pix_fmt: str) -> None:
    """At any depth and subsampling, odd sizes too, one tick apart."""
    content = y4m(3, pix_fmt, width=23, height=15)
    read = Piped(content)
    assert [(frame.pts, frame.duration) for frame in read.frames] == [(0, 1), (1, 1), (2, 1)]
    assert read.info.time_base == Fraction(1001, 24000)
    for frame, expected in zip(read.frames, pictures(content), strict=True):
        for plane, samples in zip(frame.planes, expected, strict=True):
            np.testing.assert_array_equal(plane.numpy(), samples)
    assert read.warnings == []


def test_parameters_of_a_frame_are_passed_over() -> None:
    """Fields and the like, which some programs write."""
    content = y4m(3).replace(b"FRAME\n", b"FRAME Ippp XB=7\n")
    assert len(Piped(content).frames) == 3


def test_alpha_comes_beside_the_colours() -> None:
    """And the planes of the next frame are where they belong."""
    content = y4m(2, "yuv444p", width=6, height=4)
    line, *frames = content.split(b"FRAME\n")
    with_alpha = [frame + bytes([number]) * 24 for number, frame in enumerate(frames)]
    read = Piped(b"FRAME\n".join([line.replace(b"C444", b"C444alpha"), *with_alpha]))
    for number, frame in enumerate(read.frames):
        assert frame.alpha is not None
        assert frame.alpha.shape == (4, 6)
        assert (frame.alpha == number).all()
    for frame, expected in zip(read.frames, pictures(content), strict=True):
        for plane, samples in zip(frame.planes, expected, strict=True):
            np.testing.assert_array_equal(plane.numpy(), samples)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"start": Fraction(1, 12)}, [2, 3, 4, 5]),
        ({"end": Fraction(1, 12)}, [0, 1]),
        ({"start": Fraction(1, 24), "frames": 2}, [1, 2]),
    ],
)
def test_a_part_is_chosen_by_dropping_frames(
    arguments: dict[str, Any], expected: list[int]
) -> None:
    """As of a file; the origin is the first frame's time where a start is given."""
    read = Piped(y4m(6), **arguments)
    assert [frame.pts for frame in read.frames] == expected
    began = "start" in arguments
    assert read.reader.origin == (expected[0] * Fraction(1001, 24000) if began else 0)


def test_a_part_behind_the_end_is_a_usage_error() -> None:
    """It says where the stream ended."""
    with pytest.raises(UsageError, match="no frame") as caught:
        Piped(y4m(24), start=Fraction(5))
    assert "00:00:01" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("cut", "frames", "words"),
    [
        (-1, 3, "a part of a frame"),
        (-FRAME_BYTES - 1, 2, "a part of a frame"),
        (-FRAME_BYTES, 3, None),  # between two frames: nobody can know that more was meant
        (-FRAME_BYTES + 3, 3, "no frame"),
    ],
)
def test_a_stream_that_is_cut_off_is_read_up_to_there(
    cut: int, frames: int, words: str | None
) -> None:
    """With a warning that counts what came."""
    read = Piped(y4m(4)[:cut])
    assert len(read.frames) == frames
    assert bool(read.warnings) == (words is not None)
    if words:
        assert words in read.warnings[0]
        assert f"behind frame {frames}" in read.warnings[0]


def test_garbage_between_frames_ends_the_stream() -> None:
    """What follows cannot be found again."""
    frame = y4m(1).partition(b"\n")[2]
    read = Piped(y4m(2) + b"garbage" + frame)
    assert len(read.frames) == 2
    assert "something that is no frame" in read.warnings[0]


def test_nothing_behind_the_header_is_an_input_error() -> None:
    """There is no video to make of it."""
    with pytest.raises(InputError, match="before its first frame"):
        Piped(y4m(1).partition(b"FRAME")[0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello\n", "not y4m"),
        (b"\0\0\0\x1cftypisom" * 1000, "not y4m"),
        (b"YUV4MPEG2 W6 H4" + b" " * 5000, "not y4m"),
        (b"YUV4MPEG2", "not y4m"),
    ],
)
def test_what_is_no_y4m_is_an_input_error(content: bytes, words: str) -> None:
    """At once, whatever length it has."""
    with piped(content) as descriptor, pytest.raises(InputError, match=words):
        probe_pipe(descriptor=descriptor)


@UNIX
def test_a_terminal_is_no_pipe() -> None:
    """Neither end: nobody types y4m, and nobody reads it."""
    own, terminal = os.openpty()
    try:
        with pytest.raises(UsageError, match="keyboard"):
            probe_pipe(descriptor=terminal)
        with pytest.raises(UsageError, match="terminal"):
            check_pipe_output(terminal)
    finally:
        os.close(own)
        os.close(terminal)


def test_a_closed_descriptor_is_no_pipe() -> None:
    """As after <&- and >&- in a shell: an error of the input, and one of the output."""
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    with pytest.raises(InputError, match="cannot be read: bad file descriptor"):
        probe_pipe(descriptor=reading)
    with pytest.raises(OutputError, match="cannot be written: bad file descriptor"):
        check_pipe_output(writing)


def test_a_reader_that_is_stopped_does_not_wait() -> None:
    """Nor does it say anything: the run has ended for another reason."""
    reading, writing = os.pipe()
    try:
        os.write(writing, y4m(1) + b"FRAME\nxx")
        over = threading.Event()
        info = probe_pipe(descriptor=reading)
        warnings: list[str] = []
        frames = iter(
            PipeReader(info, descriptor=reading, stopped=over.is_set, warn=warnings.append)
        )
        next(frames)
        threading.Timer(0.1, over.set).start()
        begun = time.monotonic()
        assert list(frames) == []
        assert time.monotonic() - begun < 5
        assert warnings == []
    finally:
        os.close(reading)
        os.close(writing)


# Writing -----------------------------------------------------------------------------------------


def output_format(
    width: int, height: int, pix_fmt: str, aspect: Fraction = Fraction(1)
) -> OutputFormat:
    layout = layout_of(pix_fmt)
    assert layout is not None
    encoding = Encoding(codec="rawvideo", pix_fmt=pix_fmt, options={}, format_name="yuv4mpegpipe")
    colour = ColourSpec(layout=layout)
    return OutputFormat(width=width, height=height, aspect=aspect, encoding=encoding, colour=colour)


def written(pix_fmt: str, path: Path, frames: int = 3, **arguments: Any) -> bytes:
    """What a writer makes of ``media.picture``, in a file."""
    info = info_of("W23 H15 F24000:1001 Cmono")
    with path.open("wb") as file:
        writer = PipeWriter(
            source=info, output_format=output_format(23, 15, pix_fmt, Fraction(4, 3)),
            descriptor=file.fileno(), **arguments,
        )  # fmt: skip
        with writer:
            for index in range(frames):
                views = planes_of(media.picture(index, 23, 15, pix_fmt))
                planes = [torch.from_numpy(np.ascontiguousarray(view)) for view in views]
                writer.write(planes, Frame((), index, 1))
            writer.finish()
    content = path.read_bytes()
    assert writer.bytes_written == len(content)
    return content


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_ffmpeg_reads_every_sample_that_was_written(pix_fmt: str, tmp_path: Path) -> None:
    """At any depth and subsampling, with rate and shape."""
    content = written(pix_fmt, tmp_path / "a.y4m")
    found = pictures(content)
    assert len(found) == 3
    for index, planes in enumerate(found):
        expected = planes_of(media.picture(index, 23, 15, pix_fmt))
        for plane, samples in zip(planes, expected, strict=True):
            np.testing.assert_array_equal(plane, samples)
    with av.open(io.BytesIO(content), format="yuv4mpegpipe") as container:
        stream = container.streams.video[0]
        assert stream.base_rate == Fraction(24000, 1001)
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert stream.codec_context.pix_fmt == pix_fmt


def test_planes_are_as_large_as_they_are_written() -> None:
    """Chroma is rounded up."""
    layout = layout_of("yuv420p")
    assert layout is not None
    assert plane_shapes(layout, 23, 15) == [(15, 23), (8, 12), (8, 12)]


@UNIX
def test_a_full_disk_behind_a_redirection_is_its_own_error() -> None:
    """Standard output may be a file."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb", buffering=0) as full:
        writer = PipeWriter(
            source=info_of("W6 H4 F24:1"), output_format=output_format(6, 4, "yuv420p"),
            descriptor=full.fileno(),
        )  # fmt: skip
        with pytest.raises(DiskFullError, match="standard output"), writer:
            pass


# The whole way, in this process ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pix_fmt", "expected"),
    [
        ("yuv420p", "yuv420p"),
        ("yuv422p10le", "yuv422p10le"),
        ("yuv444p", "yuv444p"),
        ("gray", "gray"),
        ("yuv420p12le", "yuv420p10le"),
        ("gbrp", "yuv420p"),
    ],
)
def test_standard_output_has_the_depth_and_kind_of_the_source(
    pix_fmt: str, expected: str, tmp_path: Path, zero_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """8 or 10 bits, gray as gray; --pix-fmt chooses another."""
    codec = "libx265" if pix_fmt == "gbrp" else "ffv1"
    source = media.write_video(tmp_path / "a.mkv", frames=1, pix_fmt=pix_fmt, codec=codec)
    content = upscaled(source, tmp_path, zero_checkpoint, monkeypatch)
    with av.open(io.BytesIO(content), format="yuv4mpegpipe") as container:
        assert container.streams.video[0].codec_context.pix_fmt == expected
    other = upscaled(source, tmp_path, zero_checkpoint, monkeypatch, pix_fmt="yuv444p10le")
    assert b" C444p10 " in other.partition(b"\n")[0]


def upscaled(
    source: Path, folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch,
    warnings: list[str] | None = None, **settings: Any,
) -> bytes:  # fmt: skip
    """What goes to standard output, which is a file here."""
    path = folder / "out.y4m"
    said = [] if warnings is None else warnings
    chosen = UpscaleSettings(model=str(checkpoint), device="cpu", precision="fp32", **settings)
    with path.open("wb") as file, monkeypatch.context() as patch:
        to_file = partial(PipeWriter, descriptor=file.fileno())
        patch.setattr("animesr_cli.upscaling.open.PipeWriter", to_file)
        patch.setattr("animesr_cli.upscaling.targets.check_pipe_output", lambda: None)
        run(source, PIPE, chosen, Observer(on_warning=said.append))
    return path.read_bytes()


def test_what_y4m_cannot_hold_is_said(
    tmp_path: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other streams and uneven times."""
    source = media.write_video(
        tmp_path / "a.mkv", pts=[0, 40, 80, 900, 940], time_base=Fraction(1, 1000), rate=25,
        audio_tracks=2, subtitles=1, rotation=90,
    )  # fmt: skip
    warnings: list[str] = []
    content = upscaled(source, tmp_path, zero_checkpoint, monkeypatch, warnings)
    assert len(pictures(content)) == 5
    assert any("2 audio, 1 subtitle" in warning for warning in warnings), warnings
    assert any("not evenly spaced" in warning for warning in warnings), warnings
    assert any("90 degrees" in warning for warning in warnings), warnings


@pytest.mark.parametrize(
    "settings", [{"codec": "libx264"}, {"crf": 20}, {"pix_fmt": "yuv410p"}, {"preset": "slow"}]
)
def test_options_that_y4m_does_not_have(
    settings: dict[str, Any], tmp_path: Path, zero_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A usage error, before anything is written."""
    source = media.write_video(tmp_path / "a.mkv", frames=1)
    with pytest.raises(UsageError):
        upscaled(source, tmp_path, zero_checkpoint, monkeypatch, **settings)
    assert (tmp_path / "out.y4m").read_bytes() == b""


def test_json_and_pictures_do_not_share_standard_output(tmp_path: Path) -> None:
    """Refused before the input is looked at."""
    outcome = animesr("upscale", tmp_path / "no.mkv", "-", "--json")
    assert outcome.exit_code == 2
    assert "--json and OUT -" in outcome.stderr


def test_a_folder_of_videos_does_not_go_through_a_pipe(tmp_path: Path) -> None:
    """One stream is one video."""
    media.write_video(tmp_path / "a.mkv", frames=1)
    animesr("upscale", tmp_path, "-").refused(2, "one pipe")


@pytest.mark.parametrize("output", [(), (".",)])
def test_standard_input_has_no_name(output: tuple[str, ...]) -> None:
    """So the output must have one."""
    animesr("upscale", "-", *output).refused(2, "no name")


# Real processes ----------------------------------------------------------------------------------


@pytest.fixture
def upscale(zero_checkpoint: Path) -> list[str]:
    """The arguments of every run here."""
    return ["upscale", "-g", "cpu", "-n", str(zero_checkpoint)]


def begin(*arguments: str | Path, stdin: Any = None) -> subprocess.Popen[bytes]:
    """The command in a process of its own, with bytes at its ends."""
    return subprocess.Popen(
        [sys.executable, "-m", "animesr_cli", *arguments], env=environment(),
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


CONSUMER = """
import sys, av
with av.open(sys.stdin.buffer, format="yuv4mpegpipe") as container:
    for frame in container.decode(video=0):
        kinds = len(set(bytes(frame.planes[0])))
        print(frame.pts, frame.width, frame.height, frame.format.name, kinds)
    print(container.streams.video[0].base_rate)
"""


@UNIX
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_three_processes_in_a_row(pix_fmt: str, upscale: list[str], tmp_path: Path) -> None:
    """A producer, the command and a consumer: every frame arrives, progress is on stderr alone."""
    (tmp_path / "in.y4m").write_bytes(y4m(5, pix_fmt, width=64, height=48))
    producer = subprocess.Popen(["cat", str(tmp_path / "in.y4m")], stdout=subprocess.PIPE)
    command = begin(*upscale, "-", "-", stdin=producer.stdout)
    consumer = subprocess.run(
        [sys.executable, "-c", CONSUMER], stdin=command.stdout, env=environment(),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert command.stderr is not None
    stderr = command.stderr.read()
    assert command.wait(60) == 0, stderr
    assert producer.wait(60) == 0
    assert b"standard output: 5 frames written" in stderr
    *frames, rate = consumer.stdout.splitlines()
    assert [line.rsplit(" ", 1)[0] for line in frames] == [
        f"{index} 256 192 {pix_fmt}" for index in range(5)
    ]
    assert all(int(line.rsplit(" ", 1)[1]) > 20 for line in frames)
    assert rate == "24000/1001"
    for stream in (producer.stdout, command.stdout, command.stderr):
        assert stream is not None
        stream.close()


@UNIX
def test_a_closed_pipe_ends_silently(upscale: list[str], tmp_path: Path) -> None:
    """Exit code 141, and not a word about it, as of any tool before head."""
    source = media.write_video(tmp_path / "a.mkv", frames=60, width=128, height=96)
    command = begin(*upscale, source, "-", "-q")
    assert command.stdout is not None
    assert command.stderr is not None
    head = command.stdout.read(100)
    command.stdout.close()
    stderr = command.stderr.read()
    command.stderr.close()
    assert command.wait(60) == 141
    assert head.startswith(b"YUV4MPEG2 W512 H384 ")
    assert stderr == b""


@UNIX
def test_an_input_that_ends_early_is_finished_with_a_warning(
    upscale: list[str], tmp_path: Path
) -> None:
    """The producer died: what came is a complete, verified video; --strict says 10."""
    command = begin(*upscale, "-", tmp_path / "a.mkv", "--strict", stdin=subprocess.PIPE)
    _, stderr = command.communicate(y4m(4, width=64, height=48)[:-1000], timeout=60)
    assert command.returncode == 10, stderr
    assert b"behind frame 3 comes only a part of a frame" in stderr
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert len(list(container.decode(video=0))) == 3


@UNIX
def test_what_is_no_y4m_is_one_line(upscale: list[str], tmp_path: Path) -> None:
    """Exit code 3, with what to type as the hint."""
    outcome = finished(start(*upscale, "-", tmp_path / "a.mkv", stdin=subprocess.DEVNULL))
    outcome.refused(3, "standard input is empty")
    assert list(tmp_path.iterdir()) == []


@UNIX
@pytest.mark.parametrize("end", ["input", "output"])
def test_a_run_that_waits_for_another_process_can_be_stopped(
    end: str, upscale: list[str], tmp_path: Path
) -> None:
    """SIGTERM ends it within seconds although the other end neither sends, reads nor closes."""
    content = y4m(30, width=256, height=192)
    if end == "input":
        command = begin(*upscale, "-", tmp_path / "a.mkv", stdin=subprocess.PIPE)
        assert command.stdin is not None
        command.stdin.write(content[: len(content) // 2])
        command.stdin.flush()
    else:
        (tmp_path / "in.y4m").write_bytes(content)
        command = begin(*upscale, tmp_path / "in.y4m", "-")
    assert command.stderr is not None
    for line in command.stderr:
        if line.startswith(b"frame"):
            break
    time.sleep(1)  # by now it waits
    command.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    assert command.wait(60) == 143
    assert time.monotonic() - begun < 10
    assert {path.name for path in tmp_path.iterdir()} <= {"in.y4m"}
    for stream in (command.stdin, command.stdout, command.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
