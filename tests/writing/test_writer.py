"""The output is exact, verified and under its name, or it does not exist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animesr_cli.atomic_files import PartFile
from animesr_cli.errors import (
    DeviceError,
    DiskFullError,
    OutputError,
    UsageError,
    VerificationError,
)
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.info import ColourTags
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.video.pixel_formats import layout_of, planes_of
from animesr_cli.writing import stream_copy as streams
from animesr_cli.writing import writer
from animesr_cli.writing.encoders import probe_encoder
from animesr_cli.writing.packet_log import PacketLog
from animesr_cli.writing.verify import read_back
from animesr_cli.writing.writer import Writer, check_output
from command import hidden
from media import Audio, write_video
from rewriting import facts_of, flat_picture, make_writer, rewrite, video_times

MILLISECOND = Fraction(1, 1000)
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
ODD_NAMES = ("a b'\"%03d:\n😀.mp4", "\udce9.mkv", "-out.mp4", "é" * 125 + ".mp4")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("plain") / "plain.mp4", frames=24, audio_tracks=1)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def visible(folder: Path) -> list[str]:
    return [name for name in listing(folder) if not name.startswith(".")]


def suffixes_of_hidden(folder: Path) -> list[str]:
    return [path.suffix for path in hidden(folder)]


def video_packets(path: Path) -> list[Fraction]:
    """Times of the video's packets, in seconds, sorted."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        return sorted((p.pts or 0) * Fraction(p.time_base) for p in packets if p.size)


def write_all(target: Writer, frames: list[tuple[int, int]]) -> None:
    for number, (pts, duration) in enumerate(frames):
        layout = target._encoding.layout
        planes = flat_picture(layout, *target._size, 16 + number % 200)
        target.write(planes, Frame((), pts, duration))


# ---- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("time_base", [MILLISECOND, Fraction(1, 90_000), Fraction(1001, 24_000)])
def test_constant_rate_times_are_exact(suffix: str, time_base: Fraction, tmp_path: Path) -> None:
    """Every frame at its time, whatever the clock: exact in MP4, to half a millisecond in MKV."""
    rate = Fraction(24_000, 1001)
    source = write_video(tmp_path / "in.mp4", frames=30, rate=rate)
    frames = [(round(i / rate / time_base), round(1 / rate / time_base)) for i in range(30)]
    info = replace(probe(source), time_base=time_base)
    made = rewrite(source, tmp_path / f"out{suffix}", times=frames, info=info)
    exact = 0 if suffix in (".mp4", ".mov") else MILLISECOND / 2
    for time, (pts, _) in zip(video_packets(made.path), frames, strict=True):
        assert abs(time - pts * time_base) <= exact


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@given(steps=st.lists(st.integers(1, 900), min_size=1, max_size=40))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_variable_rate_times_are_exact(
    suffix: str, steps: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any rising times come back, the last frame's duration too; a file of one frame as well."""
    folder = tmp_path_factory.mktemp("vfr")
    source = write_video(folder / "in.mkv", frames=2)
    times = [0, *accumulate(steps)]
    frames = list(zip(times, steps, strict=False))
    made = rewrite(source, folder / f"out{suffix}", times=frames)
    packets = video_packets(made.path)
    assert packets == [pts * MILLISECOND for pts, _ in frames]
    assert read_back(made.path)[0].end == times[-1] * MILLISECOND


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"])
def test_every_encoder_keeps_variable_times(codec: str, tmp_path: Path) -> None:
    """Frames that the encoder reorders or holds back come out at their times, the end too."""
    source = write_video(tmp_path / "in.mkv", frames=2)
    steps = [40, 1, 500, 17, 33, 33, 34, 2000, 20, 20] * 3
    frames = list(zip([0, *accumulate(steps)], steps, strict=False))
    made = rewrite(
        source, tmp_path / "out.mp4", times=frames, settings=UpscaleSettings(codec=codec),
        width=128, height=96,
    )  # fmt: skip
    assert video_packets(made.path) == [pts * MILLISECOND for pts, _ in frames]
    assert read_back(made.path)[0].end == sum(steps) * MILLISECOND


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_video_of_hardly_any_frames(codec: str, suffix: str, count: int, tmp_path: Path) -> None:
    """Clips shorter than what an encoder looks ahead come out whole."""
    source = write_video(tmp_path / "in.mp4", frames=3)
    frames = video_times(probe(source))[:count]
    made = rewrite(
        source, tmp_path / f"out{suffix}", times=frames, settings=UpscaleSettings(codec=codec),
        width=128, height=96,
    )  # fmt: skip
    assert len(video_packets(made.path)) == count


def test_a_frame_without_a_length_gets_the_usual_one(tmp_path: Path) -> None:
    """The last frame of many files has no duration: it is shown as long as the others."""
    source = write_video(tmp_path / "in.mp4", frames=3, rate=25)
    for suffix in (".mp4", ".mkv"):
        made = rewrite(source, tmp_path / f"out{suffix}", times=[(0, 512), (512, 512), (1024, 0)])
        assert abs((read_back(made.path)[0].end or 0) - Fraction(3, 25)) <= MILLISECOND


@pytest.mark.parametrize(
    ("time_base", "error"),
    [(Fraction(1, 90_000), 0), (Fraction(1001, 24_000), 0), (Fraction(1, 12_288), MILLISECOND)],
)
def test_a_late_start_in_mp4(time_base: Fraction, error: Fraction, tmp_path: Path) -> None:
    """The gap before the first frame is exact on the usual clocks, and else to a millisecond."""
    source = write_video(tmp_path / "in.mp4", frames=3)
    info = replace(probe(source), time_base=time_base)
    frames = [(1921 + 3000 * number, 3000) for number in range(3)]
    made = rewrite(source, tmp_path / "out.mp4", times=frames, info=info)
    differences = {
        time - pts * time_base
        for time, (pts, _) in zip(video_packets(made.path), frames, strict=True)
    }
    assert len(differences) == 1
    assert abs(differences.pop()) <= error


def test_a_late_first_frame_stays_late(tmp_path: Path) -> None:
    """A video that begins after its sound does not begin earlier in the output."""
    source = write_video(
        tmp_path / "in.mkv", pts=range(500, 1500, 40), time_base=MILLISECOND, rate=25,
        audio_tracks=[Audio(codec="flac")], audio_seconds=1.5,
    )  # fmt: skip
    for suffix in (".mp4", ".mkv"):
        made = rewrite(source, tmp_path / f"out{suffix}")
        assert video_packets(made.path)[0] == Fraction(1, 2)
        assert facts_of(made.path)[1].times[0] == 0


# ---- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options"),
    [
        ("ffv1", "yuv420p", {}),
        ("ffv1", "yuv411p", {}),
        ("ffv1", "yuv444p12le", {}),
        ("ffv1", "gray10le", {}),
        ("ffv1", "bgr0", {}),
        ("ffv1", "bgra", {}),
        ("ffv1", "yuva420p", {}),
        ("ffv1", "yuva444p10le", {}),
        ("ffv1", "gbrp10le", {}),
        ("ffv1", "rgb48le", {}),
        ("png", "rgb24", {}),
        ("png", "rgb48be", {}),
        ("libx264", "yuv422p10le", {"qp": "0"}),
        ("libx264", "nv12", {"qp": "0"}),
        ("libx264rgb", "rgb24", {"qp": "0"}),
        ("libx265", "gbrp", {"x265-params": "lossless=1"}),
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (67, 49)])
def test_lossless_encoders_receive_the_planes_and_nothing_else(
    codec: str, pix_fmt: str, options: dict[str, str], size: tuple[int, int], tmp_path: Path
) -> None:
    """What is decoded equals what was written, sample for sample; alpha is opaque."""
    width, height = size
    source = write_video(tmp_path / "in.mp4", frames=3)
    target = make_writer(
        source, tmp_path / ("out.mov" if codec == "png" else "out.mkv"), width=width, height=height,
        settings=UpscaleSettings(codec=codec, pix_fmt=pix_fmt, encoder_options=options),
    )  # fmt: skip
    layout = target._encoding.layout
    if (width % 2 and layout.chroma_shift_x) and codec == "libx264":
        pytest.skip("x264 takes no odd size here, which test_encoders holds")
    random = np.random.default_rng(0)
    shapes = [tuple(plane.shape) for plane in flat_picture(layout, width, height)]
    sample_type = np.uint8 if layout.depth == 8 else np.uint16
    pictures = [
        [random.integers(0, 1 << layout.depth, shape, dtype=sample_type) for shape in shapes]
        for _ in range(3)
    ]
    with target:
        for (pts, duration), planes in zip(video_times(probe(source)), pictures, strict=True):
            target.write([torch.from_numpy(plane) for plane in planes], Frame((), pts, duration))
        target.finish()
    with av.open(str(target.path)) as container:
        decoded = list(container.decode(video=0))
    for frame, planes in zip(decoded, pictures, strict=True):
        native = target._encoding.frame_format
        if layout_of(frame.format.name) is None:  # big endian
            frame = frame.reformat(format=native)
        assert layout_of(frame.format.name) == layout
        for ours, theirs in zip(planes_of(frame), planes, strict=True):
            assert np.array_equal(ours, theirs)
        for component in frame.format.components:
            if component.is_alpha and component.bits == 8:
                step = len(frame.format.components) if len(frame.planes) == 1 else 1
                rows = np.frombuffer(memoryview(frame.planes[component.plane]), np.uint8)
                rows = rows.reshape(height, -1)[:, : width * step]
                assert (rows[:, step - 1 :: step] == 255).all()


def test_a_picture_of_another_size_is_a_mistake_of_ours(plain: Path, tmp_path: Path) -> None:
    """A plane of one sample would be spread over the whole picture, a larger picture shrunk."""
    with make_writer(plain, tmp_path / "out.mp4") as target:
        planes = flat_picture(target._encoding.layout, 64, 48)
        with pytest.raises(AssertionError):
            target.write((planes[0][:1, :1], *planes[1:]), Frame((), 0, 512))
        with pytest.raises(AssertionError):
            target.write(flat_picture(target._encoding.layout, 128, 96), Frame((), 0, 512))
    assert listing(tmp_path) == []


# ---- tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("tags", "full_range"),
    [
        (ColourTags(), False),
        (ColourTags(primaries=1, transfer=1, matrix=1, range=1), False),
        (ColourTags(primaries=9, transfer=16, matrix=9, range=1), False),
        (ColourTags(primaries=5, transfer=6, matrix=5, range=2), True),
    ],
)
def test_colour_tags_are_read_back(
    suffix: str, tags: ColourTags, full_range: bool, tmp_path: Path
) -> None:
    """The file carries the source's tags, and never none: what the pictures were read as."""
    source = write_video(
        tmp_path / "in.mkv",
        frames=3,
        primaries=tags.primaries, transfer=tags.transfer, matrix=tags.matrix,
        color_range=tags.range,
    )  # fmt: skip
    info = probe(source)
    assert info.colour.full_range == full_range
    made = rewrite(source, tmp_path / f"out{suffix}")
    found = probe(made.path).tags
    expected = tags if tags.matrix != 2 else ColourTags(primaries=6, transfer=6, matrix=6)
    assert (found.primaries, found.transfer, found.matrix) == (
        expected.primaries, expected.transfer, expected.matrix,
    )  # fmt: skip
    assert found.range == (2 if full_range else 1)
    assert probe(made.path).colour.matrix == info.colour.matrix


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_read_back(suffix: str, rotation: int, tmp_path: Path) -> None:
    """The display matrix is the source's; the stored picture is not turned."""
    source = write_video(tmp_path / "in.mp4", frames=2, rotation=rotation)
    info = probe(rewrite(source, tmp_path / f"out{suffix}").path)
    assert info.rotation == rotation
    assert (info.width, info.height) == (64, 48)


@pytest.mark.parametrize(
    ("suffix", "codec", "kept"),
    [
        (".mp4", "libx264", True), (".mov", "libx265", True), (".mkv", "libx264", True),
        (".mkv", "libx265", True), (".mp4", "libsvtav1", True), (".mp4", "libvpx-vp9", True),
        (".mov", "prores_ks", True), (".webm", "libvpx-vp9", False), (".mkv", "ffv1", False),
        (".mkv", "libsvtav1", False),
    ],
)  # fmt: skip
def test_shape_is_read_back_or_named(suffix: str, codec: str, kept: bool, tmp_path: Path) -> None:
    """The sample aspect ratio is the source's; where it cannot be kept, a warning says so."""
    source = write_video(tmp_path / "in.mp4", frames=2, sar=Fraction(8, 9))
    settings = UpscaleSettings(codec=codec)
    made = rewrite(source, tmp_path / f"out{suffix}", settings=settings, width=128, height=96)
    assert (probe(made.path).sample_aspect_ratio == Fraction(8, 9)) == kept
    assert [w for w in made.warnings if "pixel aspect ratio" in w] == made.warnings
    assert bool(made.warnings) != kept


def test_hevc_in_mp4_is_tagged_hvc1(tmp_path: Path) -> None:
    """A 10-bit source becomes HEVC that Apple's players open."""
    source = write_video(tmp_path / "in.mkv", frames=3, pix_fmt="yuv420p10le")
    made = rewrite(source, tmp_path / "out.mp4")
    with av.open(str(made.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.codec_tag) == ("hevc", "hvc1")
        assert stream.codec_context.pix_fmt == "yuv420p10le"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_ffprobe_sees_the_same(suffix: str, siting: Any, tmp_path: Path) -> None:
    """An independent reader finds frames, colours, chroma siting and shape as they were written."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    source = write_video(
        tmp_path / "in.mp4", frames=24, matrix=1, primaries=1, transfer=1, color_range=1,
        sar=Fraction(8, 9), audio_tracks=1,
    )  # fmt: skip
    info = probe(source)
    info = replace(info, colour=replace(info.colour, siting=siting))
    made = rewrite(source, tmp_path / f"out{suffix}", info=info)
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json"]
    run = subprocess.run([*command, str(made.path)], capture_output=True, check=True)
    video = json.loads(run.stdout)["streams"][0]
    assert video["nb_read_packets"] == "24"
    assert (video["color_primaries"], video["color_transfer"]) == ("bt709", "bt709")
    assert (video["color_space"], video["color_range"]) == ("bt709", "tv")
    assert video["sample_aspect_ratio"] == ("1:1" if suffix == ".webm" else "8:9")
    assert video.get("chroma_location") == siting


# ---- nothing or everything -----------------------------------------------------------------------


def test_an_error_leaves_nothing(plain: Path, tmp_path: Path) -> None:
    """An exception inside the with: no output, no part file, an older output as it was."""
    output = tmp_path / "out.mp4"
    output.write_bytes(b"older")
    target = make_writer(plain, output, overwrite=True)
    with pytest.raises(ZeroDivisionError), target:
        write_all(target, video_times(probe(plain)))
        assert suffixes_of_hidden(tmp_path) == [".lock", ".part"]
        assert visible(tmp_path) == ["out.mp4"]
        raise ZeroDivisionError
    assert listing(tmp_path) == ["out.mp4"]
    assert output.read_bytes() == b"older"


def test_leaving_without_finish_leaves_nothing(plain: Path, tmp_path: Path) -> None:
    """A run that was abandoned without an error is no result either."""
    with make_writer(plain, tmp_path / "out.mp4") as target:
        write_all(target, video_times(probe(plain))[:10])
    assert listing(tmp_path) == []


def test_the_output_appears_only_when_it_is_finished(plain: Path, tmp_path: Path) -> None:
    """Until finish() returns there is only the part file; then only the output."""
    with make_writer(plain, tmp_path / "out.mkv") as target:
        sizes = [target.bytes_written]
        write_all(target, video_times(probe(plain)))
        assert suffixes_of_hidden(tmp_path) == [".lock", ".part"]
        assert visible(tmp_path) == []
        target.finish()
        assert listing(tmp_path) == ["out.mkv"]
        sizes.append(target.bytes_written)
    assert sizes[0] < sizes[1] == (tmp_path / "out.mkv").stat().st_size
    assert target.bytes_written == sizes[1]


def test_overwrite_replaces_the_old_output(plain: Path, tmp_path: Path) -> None:
    """With overwrite the new file is under the name; without, the old one still is."""
    output = tmp_path / "out.mp4"
    output.write_bytes(b"older")
    with pytest.raises(OutputError, match="exists"):
        rewrite(plain, output)
    assert output.read_bytes() == b"older"
    rewrite(plain, output, overwrite=True)
    assert len(video_packets(output)) == 24


@pytest.mark.parametrize(
    "name", ["a b'\"%03d:\n😀.mp4", "\udce9.mkv", "-out.mp4", "é" * 125 + ".mp4"]
)
def test_any_name_can_be_written(name: str, plain: Path, tmp_path: Path) -> None:
    """Patterns, quotes, newlines, bytes that are no UTF-8 and the longest name are just names."""
    rewrite(plain, tmp_path / name)
    assert listing(tmp_path) == [name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.avi", "files of the type .avi are not written"),
        ("out", "files without a suffix are not written"),
        ("x" * 252 + ".mp4", "256 bytes"),
        ("a\0.mp4", "NUL"),
    ],
)
def test_names_that_are_refused(name: str, message: str, plain: Path, tmp_path: Path) -> None:
    """A usage error; for an unknown suffix the hint lists the known ones."""
    with pytest.raises(UsageError, match=message) as caught:
        check_output(tmp_path / name, plain, overwrite=False)
    if "not written" in message:
        assert ".mp4, .m4v, .mov, .mkv, .webm" in (caught.value.hint or "")
    assert listing(tmp_path) == []


def test_the_input_is_never_overwritten(plain: Path, tmp_path: Path) -> None:
    """A writer whose output is its input refuses to be entered, with overwrite too."""
    source = tmp_path / "in.mp4"
    shutil.copy(plain, source)
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    for output in (source, link):
        with pytest.raises(UsageError, match="is the input itself"):
            rewrite(source, output, overwrite=True)
    assert source.read_bytes() == plain.read_bytes()
    assert listing(tmp_path) == ["in.mp4", "link.mp4"]


# ---- the preflight -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 65}, "refuses pictures of 65x48"),
        ({"settings": UpscaleSettings(encoder_options={"presett": "fast"})}, "no option 'presett'"),
        ({"settings": UpscaleSettings(encoder_options={"qp": "many"})}, "refuses qp=many"),
        ({"width": 4, "height": 4, "settings": UpscaleSettings(codec="libx265")}, "of 4x4"),
    ],
)
def test_what_the_encoder_refuses_is_known_on_entering(
    arguments: dict[str, Any], message: str, plain: Path, tmp_path: Path
) -> None:
    """A usage error before the first frame, and nothing is left."""
    target = make_writer(plain, tmp_path / "out.mp4", **arguments)
    with pytest.raises(UsageError, match=message):
        target.__enter__()
    assert listing(tmp_path) == []


def test_what_the_container_refuses_is_known_on_entering(plain: Path, tmp_path: Path) -> None:
    """An encoder that the muxer does not take after all is a usage error, not a crash."""
    target = make_writer(plain, tmp_path / "out.mov", settings=UpscaleSettings(codec="vp9"))
    with pytest.raises(UsageError, match=r"MOV refuses the video of libvpx-vp9"):
        target.__enter__()
    assert listing(tmp_path) == []


def test_an_encoder_that_fails_everywhere_is_an_error_of_the_device(
    plain: Path, tmp_path: Path
) -> None:
    """A hardware encoder without its driver, met only on opening, is exit code 7."""
    target = make_writer(plain, tmp_path / "out.mp4")
    target._encoding = replace(target._encoding, codec="h264_nvenc", options={})
    if probe_encoder("h264_nvenc") is None:
        pytest.skip("NVENC works on this machine")
    with pytest.raises(DeviceError, match="h264_nvenc does not work here"):
        target.__enter__()
    assert listing(tmp_path) == []


# ---- full disks ----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 1 MiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def noise(layout: Any, width: int, height: int, number: int) -> list[torch.Tensor]:
    """A picture that does not compress."""
    generator = torch.Generator().manual_seed(number)
    return [
        torch.randint(0, 256, plane.shape, generator=generator, dtype=torch.uint8)
        for plane in flat_picture(layout, width, height)
    ]


@pytest.mark.parametrize("free", [0, 1 << 15, 1 << 19, (1 << 20) - 4096])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_at_any_moment(free: int, suffix: str, plain: Path, small_disk: Path) -> None:
    """At the header, in the middle or at the end: exit code 5, what to free, nothing left."""
    older = small_disk / f"out{suffix}"
    older.write_bytes(b"older")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((1 << 20) - 4096 - free))
    settings = UpscaleSettings(codec="ffv1")
    with (
        pytest.raises(DiskFullError, match="the disk is full") as caught,
        make_writer(
            plain, older, settings=settings, width=256, height=192, overwrite=True
        ) as target,
    ):
        for number, (pts, duration) in enumerate(video_times(probe(plain))):
            planes = noise(target._encoding.layout, 256, 192, number)
            target.write(planes, Frame((), pts, duration))
        target.finish()
    assert (caught.value.hint or "").startswith("free ")
    assert listing(small_disk) == ["ballast", f"out{suffix}"]
    assert older.read_bytes() == b"older"


def test_a_disk_that_is_full_at_the_trailer(plain: Path, small_disk: Path) -> None:
    """The index of an MP4 is written last: where only it does not fit, the result is the same."""
    target = make_writer(plain, small_disk / "out.mp4")
    frames = [(512 * number, 512) for number in range(1500)]  # an index of several pages
    with pytest.raises(DiskFullError), target:
        write_all(target, frames)
        free = shutil.disk_usage(small_disk).free
        (small_disk / "ballast").write_bytes(bytes(free))
        target.finish()
    assert listing(small_disk) == ["ballast"]


def test_a_device_without_room(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without a disk of its own: the system refuses every byte that is written."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    class FullDisk(PartFile):
        def __init__(self, output: Path, **options: Any) -> None:
            super().__init__(output, **options)
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, self.sink.fileno())
            os.close(full)

    monkeypatch.setattr(writer, "PartFile", FullDisk)
    target = make_writer(plain, tmp_path / "out.mkv")
    with pytest.raises(DiskFullError, match="the disk is full"), target:
        write_all(target, video_times(probe(plain)))
        target.finish()
    assert suffixes_of_hidden(tmp_path) == [".part"]  # no longer the file that was opened


def test_the_missing_room_is_estimated(plain: Path, tmp_path: Path) -> None:
    """Half way through, as much again as is written is needed, less what is free."""
    with make_writer(plain, tmp_path / "out.mkv") as target:
        write_all(target, video_times(probe(plain))[:12])
        os.truncate(target._part.path, 10**12)
        free = shutil.disk_usage(tmp_path).free
        assert target._missing_bytes() == pytest.approx(10**12 - free, rel=0.01)


# ---- verification --------------------------------------------------------------------------------


class Faulty(Writer):
    """A writer that loses or moves something between the encoder and the file."""

    fault = ""

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            if self.fault == "lost" and packet.pts == 512 * 5:
                self._durations.pop(packet.pts)
                continue
            super()._mux([packet])

    def write(self, planes: Any, frame: Frame) -> None:
        super().write(planes, frame)
        last = frame.pts == 512 * 23
        if self.fault == "end" and last:
            self._durations[frame.pts] = frame.duration * 3
        if self.fault == "last" and last:
            self._written.times[-1] += round(1 / self._written.tick)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("lost", "holds 23 of the 24 frames"),
        ("end", "the video's end is at"),
        ("last", "the video's last frame is at"),
    ],
)
def test_a_video_that_is_not_what_was_written(
    fault: str, message: str, plain: Path, tmp_path: Path
) -> None:
    """A lost frame or a wrong time is found by reading the file: exit code 9, nothing left."""
    target = make_writer(plain, tmp_path / "out.mp4")
    target.__class__ = Faulty
    target.fault = fault  # type: ignore[attr-defined]
    with pytest.raises(VerificationError, match=message), target:
        write_all(target, video_times(probe(plain)))
        target.finish()
    assert listing(tmp_path) == []


def test_a_copy_that_is_not_what_was_read(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packet of sound that did not reach the file is found too."""
    mux = streams.StreamCopier._mux
    lost = iter([True])

    def lossy(self: Any, copy: Any, converted: Any) -> None:
        packets = list(converted)
        if len(packets) > 0 and next(lost, False):
            for packet, wanted in packets:
                copy.log.add(wanted, packet.size)
        else:
            mux(self, copy, iter(packets))

    monkeypatch.setattr(streams.StreamCopier, "_mux", lossy)
    with pytest.raises(VerificationError, match=r"stream #1 .* holds 47 packets, and 48 were"):
        rewrite(plain, tmp_path / "out.mp4")
    assert listing(tmp_path) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_copy_at_another_time_is_found(
    suffix: str, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One packet of sound, in the middle, that is two milliseconds late is found."""
    mux = streams.StreamCopier._mux
    late = iter([False] * 20 + [True])

    def moving(self: Any, copy: Any, converted: Any) -> None:
        packets = list(converted)
        for packet, _ in packets:
            if next(late, False):
                packet.pts += round(Fraction(2, 1000) / packet.time_base)
                packet.dts = packet.pts
        mux(self, copy, iter(packets))

    monkeypatch.setattr(streams.StreamCopier, "_mux", moving)
    with pytest.raises(VerificationError, match=r"stream #1 .* is 0.00[123]\d* s away from its"):
        rewrite(plain, tmp_path / f"out{suffix}")
    assert listing(tmp_path) == []


def test_a_file_that_was_damaged_after_writing(plain: Path, tmp_path: Path) -> None:
    """Verification reads the file itself: a cut or overwritten one never gets its name."""
    for damage in ("cut", "zeros"):
        target = make_writer(plain, tmp_path / "out.mp4")
        with pytest.raises(VerificationError), target:
            write_all(target, video_times(probe(plain)))

            def spoiled(path: Path, damage: str = damage) -> Any:
                size = path.stat().st_size
                with path.open("r+b") as file:
                    file.truncate(size // 2) if damage == "cut" else file.write(bytes(size))
                return read_back(path)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(writer, "read_back", spoiled)
                target.finish()
        assert listing(tmp_path) == []


def test_a_rename_that_fails_keeps_the_verified_file(plain: Path, tmp_path: Path) -> None:
    """What took the name in the meantime is untouched, and the hint says where the work is."""
    output = tmp_path / "out.mp4"
    target = make_writer(plain, output)
    with pytest.raises(OutputError, match="could not be renamed") as caught, target:
        write_all(target, video_times(probe(plain)))
        output.write_bytes(b"somebody else's")
        target.finish()
    assert suffixes_of_hidden(tmp_path) == [".complete"]
    (part,) = hidden(tmp_path)
    assert str(part) in (caught.value.hint or "")
    assert len(video_packets(part)) == 24
    assert output.read_bytes() == b"somebody else's"


def test_a_log_is_of_times_not_of_order() -> None:
    """Packets arrive in decoding order; first, last and end go by time."""
    log = PacketLog(Fraction(1, 2))
    assert [log.first, log.last, log.end] == [None, None, None]
    for time in (0, 6, 2, 4):
        log.add(time, 10, 2)
    log.add(None, 5)
    assert (len(log), log.bytes) == (5, 45)
    assert [log.first, log.last, log.end] == [Fraction(0), Fraction(3), Fraction(4)]


def test_nothing_stays_open(plain: Path, tmp_path: Path) -> None:
    """Finished, abandoned and refused runs close all their files."""
    rewrite(plain, tmp_path / "first.mp4")
    before = len(os.listdir("/proc/self/fd"))
    rewrite(plain, tmp_path / "second.mp4")
    with make_writer(plain, tmp_path / "third.mp4"):
        pass
    with pytest.raises(UsageError):
        make_writer(plain, tmp_path / "fourth.mp4", width=65).__enter__()
    assert len(os.listdir("/proc/self/fd")) == before
