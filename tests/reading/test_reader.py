"""Reading: what a file is, its pictures in order at their times, and every fault on the way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch import Tensor

import media
from animesr_cli.errors import InputError, UsageError
from animesr_cli.reading import reader as reader_module
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.video import containers
from animesr_cli.video.part import Part
from animesr_cli.video.pixel_formats import planes_of
from media import Audio, Subtitles

# Lossless x264 makes no B-frames.
B_FRAMES = {"preset": "medium", "crf": "4", "threads": "1", "x264-params": "b-adapt=0"}


class Clip:
    """Everything a reader gave of one file."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.warnings: list[str] = []
        part = {name: options.pop(name) for name in ("start", "end", "frames") if name in options}
        with Reader(path, warn=self.warnings.append, part=Part(**part), **options) as reader:
            self.frames: list[Frame] = list(reader)
        self.reader = reader
        self.pts = [frame.pts for frame in self.frames]
        self.seconds = [frame.pts * reader.info.time_base for frame in self.frames]


def same(planes: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    return len(planes) == len(others) and all(map(_same_plane, planes, others))


def _same_plane(plane: Tensor, other: Tensor) -> bool:
    return bool(np.array_equal(plane.numpy(), other.numpy()))


def drawn(frame: Frame, index: int, **shape: Any) -> bool:
    """Whether a frame is ``media.picture(index)``, sample for sample."""
    expected = media.frame_planes(media.picture(index, **shape))
    return all(np.array_equal(p.numpy(), e) for p, e in zip(frame.planes, expected, strict=True))


def index_of(frame: Frame) -> int:
    """Which of ``media.picture`` a frame is, after a lossy codec: its square tells."""
    luma = frame.planes[0].numpy()
    square = luma[2 : luma.shape[0] // 4 - 2, 2 : luma.shape[1] // 4 - 2]
    return round((float(np.median(square)) - 32) / 6)


# What a file is ----------------------------------------------------------------------------------


def test_probe_tells_what_is_in_an_mkv(tmp_path: Path) -> None:
    """Every stream with its language, title, disposition and details; chapters; size; time."""
    path = media.write_video(
        tmp_path / "a.mkv",
        frames=24,
        sar=Fraction(8, 9),
        audio_tracks=[
            Audio(language="jpn", title="Stereo", default=True),
            Audio(codec="flac", rate=44100, layout="mono", language="eng"),
        ],
        subtitles=[Subtitles(codec="ass", language="eng", title="Signs", forced=True)],
        chapters=[(0, 0.5, "A"), (0.5, 1, "B")],
        attachments=[("font.ttf", "font/ttf", b"font")],
        cover="jpeg",
    )
    info = probe(path)
    assert [(s.kind, s.language, s.title, s.default, s.detail) for s in info.streams] == [
        ("video", None, None, False, "h264 64x48 yuv420p"),
        ("audio", "jpn", "Stereo", True, "aac 48000 Hz stereo"),
        ("audio", "eng", None, False, "flac 44100 Hz mono"),
        ("subtitle", "eng", "Signs", False, "ass (forced)"),
        ("cover", None, None, False, "mjpeg 32x32 yuvj420p"),
        ("attachment", None, None, False, "font.ttf font/ttf"),
    ]
    assert (info.path, info.container, info.codec) == (path, "matroska,webm", "h264")
    assert (info.width, info.height, info.pix_fmt) == (64, 48, "yuv420p")
    assert info.sample_aspect_ratio == Fraction(8, 9)
    assert info.frame_rate == 24
    assert info.duration_seconds == 1
    assert info.time_base == Fraction(1, 1000)
    assert (info.chapters, info.stream_index) == (2, 0)
    assert info.size_bytes == path.stat().st_size


def test_probe_counts_the_frames_of_an_mp4(tmp_path: Path) -> None:
    """Where the container knows the number of frames it is told, else None."""
    assert probe(media.write_video(tmp_path / "a.mp4", frames=7)).frame_count == 7
    assert probe(media.write_video(tmp_path / "a.mkv", frames=7)).frame_count is None


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_is_read(tmp_path: Path, degrees: int, suffix: str) -> None:
    """The display matrix comes as degrees and as it is; the pictures are not turned."""
    info = probe(media.write_video(tmp_path / f"a{suffix}", frames=2, rotation=degrees))
    assert (info.rotation, info.width, info.height) == (degrees, 64, 48)
    one = 1 << 16
    turned = {90: (0, -one, one, 0), 180: (-one, 0, 0, -one), 270: (0, one, -one, 0)}
    matrix = info.display_matrix
    assert matrix is not None
    assert (matrix[0], matrix[1], matrix[3], matrix[4]) == turned[degrees]


def test_an_upright_square_video_is_plain(tmp_path: Path) -> None:
    """Without a matrix and an aspect ratio there is no rotation and pixels are square."""
    info = probe(media.write_video(tmp_path / "a.mp4", frames=2))
    assert (info.rotation, info.display_matrix) == (0, None)
    assert info.sample_aspect_ratio == 1
    assert not info.interlaced


def test_interlaced_video_is_noticed(tmp_path: Path) -> None:
    """Fields that the encoder flagged are told."""
    assert probe(media.write_video(tmp_path / "a.mkv", frames=2, interlaced=True)).interlaced


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colour_tags_are_read(tmp_path: Path, suffix: str) -> None:
    """The AVCOL_* numbers arrive as they were written, and decide the colours."""
    path = media.write_video(
        tmp_path / f"a{suffix}", frames=2, primaries=9, transfer=14, matrix=9, color_range=2
    )
    info = probe(path)
    tags = info.tags
    assert (tags.primaries, tags.transfer, tags.matrix, tags.range) == (9, 14, 9, 2)
    assert (info.colour.matrix, info.colour.full_range) == ("bt2020", True)
    assert "tagged" in info.colour_note


@pytest.mark.parametrize(("height", "matrix"), [(576, "bt601"), (720, "bt709")])
def test_untagged_video_goes_by_its_size(tmp_path: Path, height: int, matrix: str) -> None:
    """Without tags SD is BT.601 and HD is BT.709; the note says that this was a guess."""
    info = probe(media.write_video(tmp_path / "a.mp4", frames=1, height=height))
    assert info.colour.matrix == matrix
    assert "untagged" in info.colour_note
    assert (info.tags.matrix, info.tags.range) == (2, 0)


def test_a_given_matrix_overrides_the_tag(tmp_path: Path) -> None:
    """--matrix wins over what the file says; the tags are still told as they are."""
    path = media.write_video(tmp_path / "a.mkv", frames=1, matrix=6)
    info = probe(path, matrix="bt709")
    assert (info.colour.matrix, info.tags.matrix) == ("bt709", 6)


def test_rgb_and_gray_are_told(tmp_path: Path) -> None:
    """Pictures without chroma need no matrix and say so; their layout is that of the planes."""
    rgb = probe(media.write_video(tmp_path / "a.mkv", codec="ffv1", pix_fmt="bgr0", frames=1))
    assert (rgb.colour.layout.family, rgb.colour_note) == ("rgb", "RGB")
    assert rgb.colour.full_range
    gray = probe(media.write_video(tmp_path / "b.mkv", codec="ffv1", pix_fmt="gray10le", frames=1))
    assert (gray.colour.layout.family, gray.colour.layout.depth) == ("gray", 10)


def test_jpeg_chroma_sits_between_the_pixels(tmp_path: Path) -> None:
    """Motion JPEG is centred and full range by definition; MPEG video is neither."""
    path = media.write_video(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", frames=1)
    info = probe(path)
    assert (info.colour.siting, info.colour.full_range) == ("center", True)
    info = probe(media.write_video(tmp_path / "a.mp4", frames=1))
    assert (info.colour.siting, info.colour.full_range) == ("left", False)


# Which stream ------------------------------------------------------------------------------------


def test_the_default_video_is_chosen(tmp_path: Path) -> None:
    """Of several videos the one with the default disposition is read."""
    path = media.write_video(
        tmp_path / "a.mkv", frames=2, video_tracks=3, default_video=1, audio_tracks=1
    )
    assert probe(path).stream_index == 1


@pytest.mark.parametrize(("suffix", "kind"), [(".mp4", "png"), (".mp4", "jpeg"), (".mkv", "png")])
def test_cover_art_is_never_the_video(tmp_path: Path, suffix: str, kind: str) -> None:
    """A cover beside a video is not chosen."""
    info = probe(media.write_video(tmp_path / f"a{suffix}", frames=2, cover=kind))
    assert (info.codec, info.width) == ("h264", 64)


@pytest.mark.parametrize("cover", [None, "png"])
def test_sound_alone_is_refused(tmp_path: Path, cover: str | None) -> None:
    """A file without moving pictures is refused, with what it holds; a cover does not count."""
    path = media.write_video(
        tmp_path / "a.mkv", video_tracks=0, audio_tracks=2, audio_seconds=0.2, cover=cover
    )
    with pytest.raises(InputError, match="no video stream") as caught:
        probe(path)
    assert "aac 48000 Hz stereo" in caught.value.message
    assert ("cover (png" in caught.value.message) == (cover is not None)


def test_a_video_without_a_decoder_is_refused(tmp_path: Path) -> None:
    """A codec that FFmpeg does not know is an input error."""
    path = media.write_video(tmp_path / "a.mkv", frames=2)
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_UNKNOWN/THING"))
    with pytest.raises(InputError, match=r"decoder|no video stream"):
        probe(path)


# Pictures and times ------------------------------------------------------------------------------

CONTAINERS: dict[str, dict[str, Any]] = {
    ".mp4": {}, ".mov": {}, ".mkv": {}, ".ts": {}, ".flv": {}, ".nut": {}, ".y4m": {},
    ".webm": {}, ".avi": {"codec": "ffv1"}, ".h264": {}, ".265": {},
}  # fmt: skip


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_picture_comes_in_order(tmp_path: Path, suffix: str) -> None:
    """From every container all frames come, each the picture that was encoded."""
    path = media.write_video(tmp_path / f"a{suffix}", frames=15, exact=True, **CONTAINERS[suffix])
    clip = Clip(path)
    assert len(clip.frames) == 15
    assert all(drawn(frame, index) for index, frame in enumerate(clip.frames))
    steps = {round(float(b - a), 2) for a, b in zip(clip.seconds, clip.seconds[1:], strict=False)}
    assert steps == {0.04}
    assert (clip.warnings, clip.reader.lost_frames, clip.reader.damaged_frames) == ([], 0, 0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_b_frames_come_in_display_order(tmp_path: Path, suffix: str) -> None:
    """Pictures that are stored out of order are handed out in the order of display."""
    path = media.write_video(tmp_path / f"a{suffix}", frames=20, b_frames=3, options=B_FRAMES)
    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stored != sorted(stored)  # the file does have them
    clip = Clip(path)
    assert clip.pts == sorted(stored)
    assert [index_of(frame) for frame in clip.frames] == list(range(20))


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p12le", "gray", "bgr0", "yuv410p", "rgb48le"]
)
def test_planes_are_the_decoders_memory(
    tmp_path: Path, pix_fmt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tensors begin inside the decoder's buffers: nothing is copied."""
    path = media.write_video(tmp_path / "a.nut", codec="ffv1", pix_fmt=pix_fmt, frames=3)
    buffers: list[list[tuple[int, int]]] = []
    original = planes_of

    def spy(frame: av.VideoFrame) -> Any:
        buffers.append([(p.buffer_ptr, p.buffer_ptr + p.buffer_size) for p in frame.planes])
        return original(frame)

    monkeypatch.setattr(reader_module, "planes_of", spy)
    clip = Clip(path)
    assert len(buffers) == len(clip.frames) == 3
    for frame, ranges in zip(clip.frames, buffers, strict=True):
        for plane in frame.planes:
            assert any(low <= plane.data_ptr() < high for low, high in ranges)


def test_frames_outlive_the_reader(tmp_path: Path) -> None:
    """Pictures that were handed out do not change when more are read and the file is closed."""
    path = media.write_video(tmp_path / "a.mkv", frames=60, exact=True)
    kept = []
    with Reader(path) as reader:
        for frame in reader:
            kept.append((frame, [plane.clone() for plane in frame.planes]))
    assert all(same(frame.planes, tuple(copy)) for frame, copy in kept)


def test_a_reader_may_run_in_a_thread(tmp_path: Path) -> None:
    """It may be made in one thread and read in another."""
    path = media.write_video(tmp_path / "a.mkv", frames=30)
    count: list[int] = []
    with Reader(path) as reader:
        thread = threading.Thread(target=lambda: count.append(sum(1 for _ in reader)))
        thread.start()
        thread.join(20)
    assert count == [30]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".nut"])
def test_variable_frame_rates_are_kept(tmp_path: Path, suffix: str) -> None:
    """Irregular times, a long pause among them, come out as they were written."""
    times = [0, 40, 60, 61, 100, 1100, 1140, 3600_000, 3600_040]
    if suffix == ".ts":  # where so long a pause is a jump of the clock
        times[-2:] = [9000, 9040]
    clip = Clip(media.write_video(tmp_path / f"a{suffix}", pts=times, time_base=Fraction(1, 1000)))
    first = clip.seconds[0]
    assert [round((time - first) * 1000) for time in clip.seconds] == times
    assert clip.reader.repaired == {}


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".h264", ".gif"])
def test_the_shortest_videos(tmp_path: Path, suffix: str, frames: int) -> None:
    """One frame is a video, and two are."""
    pix_fmt = "rgb8" if suffix == ".gif" else "yuv420p"
    clip = Clip(media.write_video(tmp_path / f"a{suffix}", frames=frames, pix_fmt=pix_fmt))
    assert len(clip.frames) == frames
    assert all(frame.duration > 0 for frame in clip.frames)


@pytest.mark.parametrize("pix_fmt", ["nv12", "yuyv422", "rgb565le", "yuv420p10be", "monob"])
def test_formats_without_a_view_are_converted(tmp_path: Path, pix_fmt: str) -> None:
    """Pictures in an unusual arrangement come as planes of the layout that the info tells."""
    path = media.write_video(
        tmp_path / "a.nut", codec="rawvideo", pix_fmt=pix_fmt, frames=2, width=64, height=48
    )
    clip = Clip(path)
    layout = clip.reader.info.colour.layout
    assert clip.reader.info.pix_fmt == pix_fmt
    for frame in clip.frames:
        assert len(frame.planes) == (1 if layout.family == "gray" else 3)
        assert frame.planes[0].shape == (48, 64)
        assert frame.planes[0].dtype.itemsize == (1 if layout.depth == 8 else 2)


# The clock ---------------------------------------------------------------------------------------


def test_the_clock_usually_starts_at_zero(tmp_path: Path) -> None:
    """A file whose first frame is at ten seconds keeps it there, with its sound."""
    path = media.write_video(
        tmp_path / "a.mkv", pts=[10_000 + 40 * i for i in range(5)], time_base=Fraction(1, 1000)
    )
    clip = Clip(path)
    assert clip.reader.origin == 0
    assert clip.seconds[0] == 10


def test_a_stream_without_a_zero_starts_at_its_own(tmp_path: Path) -> None:
    """MPEG-TS has an arbitrary clock: its start, that of all streams, is the origin."""
    path = media.write_video(
        tmp_path / "a.ts", frames=24, audio_tracks=1, container_options={"output_ts_offset": "100"}
    )
    clip = Clip(path)
    assert 99 < clip.reader.origin <= clip.seconds[0]
    assert clip.reader.origin == clip.reader.info.clock_start
    assert clip.seconds[0] - clip.reader.origin < Fraction(1, 10)


def test_a_negative_start_becomes_the_origin(tmp_path: Path) -> None:
    """Frames before zero are kept, and what is to be subtracted makes the first one zero."""
    path = media.write_video(
        tmp_path / "a.mkv",
        codec="mpeg4",
        pts=[40 * i - 200 for i in range(10)],
        time_base=Fraction(1, 1000),
        container_options={"avoid_negative_ts": "disabled"},
    )
    clip = Clip(path)
    assert len(clip.frames) == 10
    assert clip.reader.origin == clip.seconds[0] < 0


# Broken timestamps -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "expected", "kind"),
    [
        ({3: 83}, {3: 84}, "duplicate"),
        ({4: 20}, {4: 126}, "backward"),
        ({3: 9000}, {3: 166}, "ahead"),
    ],
)
def test_broken_timestamps_are_repaired(
    tmp_path: Path, broken: dict[int, int], expected: dict[int, int], kind: str
) -> None:
    """A file that no muxer would write: every frame is there, only the broken time is moved."""
    path = media.write_video(tmp_path / "a.mkv", codec="ffv1", frames=12)
    good = Clip(path)
    clip = Clip(media.patch_block_times(path, broken))
    assert clip.pts == [expected.get(i, pts) for i, pts in enumerate(good.pts)]
    assert clip.reader.repaired == {kind: 1}
    assert all(same(a.planes, b.planes) for a, b in zip(clip.frames, good.frames, strict=True))
    assert clip.warnings == []


def test_a_raw_stream_gets_times(tmp_path: Path) -> None:
    """A .h264 file has no timestamps: its frames are one frame apart from zero on."""
    clip = Clip(media.write_video(tmp_path / "a.h264", frames=25, rate=Fraction(24000, 1001)))
    expected = [i * Fraction(1001, 24000) for i in range(25)]
    assert all(abs(a - b) < Fraction(1, 1000) for a, b in zip(clip.seconds, expected, strict=True))
    assert clip.reader.repaired == {"missing": 25}


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_with_b_frames_is_in_order(tmp_path: Path, codec: str) -> None:
    """AVI stores decoding times alone; the frames come one after another all the same."""
    options = B_FRAMES if codec == "libx264" else None
    path = media.write_video(
        tmp_path / "a.avi", codec=codec, frames=20, b_frames=2, options=options
    )
    clip = Clip(path)
    assert len(clip.frames) == 20
    assert all(a < b for a, b in zip(clip.pts, clip.pts[1:], strict=False))
    assert clip.pts[-1] - clip.pts[0] <= 21


# A part of a file --------------------------------------------------------------------------------

SEEKABLE: dict[str, dict[str, Any]] = {
    "a.mp4": {"b_frames": 3, "options": B_FRAMES},
    "a.mov": {"b_frames": 3, "options": {**B_FRAMES, "x264-params": "b-adapt=0:open-gop=1"}},
    "a.mkv": {"b_frames": 3, "options": B_FRAMES},
    "x265.mkv": {"codec": "libx265", "b_frames": 2},
    "ffv1.mkv": {"codec": "ffv1"},
    "a.webm": {},
    "a.ts": {"b_frames": 3, "options": B_FRAMES},
    "a.mpg": {"b_frames": 2, "rate": 25},
    "a.avi": {},
    "b.avi": {"b_frames": 2},
    "a.flv": {},
    "a.h264": {},
    "a.y4m": {},
    "a.gif": {"pix_fmt": "rgb8"},
    "a.apng": {"pix_fmt": "rgb24"},
}


@pytest.mark.parametrize("name", SEEKABLE)
def test_a_part_is_a_slice_of_the_whole(tmp_path: Path, name: str) -> None:
    """Reading from and to a time gives exactly those frames of a full reading, bit for bit."""
    path = media.write_video(tmp_path / name, frames=60, gop=12, **SEEKABLE[name])
    whole = Clip(path)
    zero = whole.reader.info.clock_start
    for start, end in ((0.0, 0.5), (0.46, 1.3), (1.02, 1.1), (2.0, 9.0)):
        part = Clip(path, start=Fraction(start), end=Fraction(end))
        expected = [
            frame
            for frame, time in zip(whole.frames, whole.seconds, strict=True)
            if Fraction(start) <= time - zero < Fraction(end)
        ]
        assert part.pts == [frame.pts for frame in expected]
        assert all(same(a.planes, b.planes) for a, b in zip(part.frames, expected, strict=True))
        assert part.reader.origin == part.seconds[0]


def test_seeking_does_not_decode_from_the_beginning(tmp_path: Path) -> None:
    """To reach a late frame at most a group of pictures is decoded in vain."""
    path = media.write_video(tmp_path / "a.mp4", frames=240, gop=12)
    clip = Clip(path, start=Fraction(9), frames=3)
    assert clip.seconds == [Fraction(216 + i, 24) for i in range(3)]
    assert clip.reader.skipped <= 12


def test_a_start_at_the_exact_time_of_a_frame_includes_it(tmp_path: Path) -> None:
    """The start is inclusive, the end is not, and both are exact fractions."""
    path = media.write_video(tmp_path / "a.mp4", frames=24, rate=Fraction(24000, 1001))
    step = Fraction(1001, 24000)
    clip = Clip(path, start=5 * step, end=9 * step)
    assert clip.seconds == [i * step for i in range(5, 9)]


def test_a_number_of_frames(tmp_path: Path) -> None:
    """At most that many, from the start; more than there are is no error."""
    path = media.write_video(tmp_path / "a.mkv", frames=10)
    assert len(Clip(path, frames=4).frames) == 4
    assert len(Clip(path, frames=4, start=Fraction(1, 4)).frames) == 4
    assert len(Clip(path, frames=99).frames) == 10


@pytest.mark.parametrize(
    "part", [{"start": Fraction(99)}, {"end": Fraction(1, 10**6), "start": Fraction(1, 10**7)}]
)
def test_an_empty_part_is_refused(tmp_path: Path, part: dict[str, Fraction]) -> None:
    """Where no frame lies in the interval, the video's length is the hint."""
    path = media.write_video(tmp_path / "a.mkv", frames=24)
    with pytest.raises(UsageError, match="no frame") as caught:
        Clip(path, **part)
    assert caught.value.hint == "the video ends at 1.0 s" or "end" in part


@pytest.mark.parametrize(
    "part", [{"start": Fraction(2), "end": Fraction(1)}, {"end": Fraction(0)}, {"frames": 0}]
)
def test_an_impossible_part_is_refused_at_once(tmp_path: Path, part: dict[str, Any]) -> None:
    """An end before the start, or no frames at all, is a usage error before anything is read."""
    path = media.write_video(tmp_path / "a.mkv", frames=2)
    with pytest.raises(UsageError):
        Reader(path, part=Part(**part))


def test_a_part_does_not_complain_about_the_rest(tmp_path: Path) -> None:
    """A file that is cut off further on is no matter for who reads only its beginning."""
    path = media.truncate(media.write_video(tmp_path / "a.mkv", frames=120, gop=12), 0.5)
    assert Clip(path, frames=5).warnings == []
    assert Clip(path, end=Fraction(1, 2)).warnings == []


# Changes on the way ------------------------------------------------------------------------------


def joined(tmp_path: Path, *shapes: dict[str, Any]) -> Path:
    """Raw streams of different shapes, one behind another in one file."""
    path = tmp_path / "joined.h264"
    content = b""
    for shape in shapes:
        content += media.write_video(tmp_path / "part.h264", frames=4, **shape).read_bytes()
    path.write_bytes(content)
    return path


def test_another_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    """A change of size on the way keeps the first size, says so once, and loses no frame."""
    clip = Clip(joined(tmp_path, {}, {"width": 96, "height": 64}, {}))
    assert len(clip.frames) == 12
    assert {tuple(frame.planes[0].shape) for frame in clip.frames} == {(48, 64)}
    assert len(clip.warnings) == 1
    assert "96x64" in clip.warnings[0]


def test_another_format_is_converted_to_the_first(tmp_path: Path) -> None:
    """A change of pixel format on the way keeps the first layout, and says so once."""
    clip = Clip(joined(tmp_path, {}, {"pix_fmt": "yuv444p"}, {}))
    assert len(clip.frames) == 12
    assert {tuple(frame.planes[1].shape) for frame in clip.frames} == {(24, 32)}
    assert len(clip.warnings) == 1
    assert "yuv444p" in clip.warnings[0]


# Damage ------------------------------------------------------------------------------------------

DAMAGED: dict[str, dict[str, Any]] = {
    "intra ffv1": {"codec": "ffv1", "gop": 1},
    "x264": {"gop": 12, "exact": True},
    "x264 with b-frames": {"gop": 12, "b_frames": 3, "options": B_FRAMES},
    "mpeg4": {"codec": "mpeg4", "gop": 12},
    "vp9": {"codec": "libvpx-vp9", "gop": 12},
    "x265": {"codec": "libx265", "gop": 12},
}


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("index", [0, 20, 24, 47])
def test_corrupt_packets_cost_no_time(tmp_path: Path, kind: str, index: int) -> None:
    """Whichever packet is noise, as many frames come at the same times, with one warning."""
    path = media.write_video(tmp_path / "a.mkv", frames=48, **DAMAGED[kind])
    good = Clip(path)
    clip = Clip(media.corrupt_blocks(path, [index]))
    assert clip.pts == good.pts
    assert clip.reader.lost_frames >= 1
    assert len(clip.warnings) == 1
    assert f"{clip.reader.lost_frames} frame" in clip.warnings[0]


def test_a_lost_picture_repeats_the_last_good_one(tmp_path: Path) -> None:
    """Two packets of noise in a stream of key frames: exactly those two repeat a neighbour."""
    path = media.write_video(tmp_path / "a.mkv", codec="ffv1", gop=1, frames=48)
    clip = Clip(media.corrupt_blocks(path, [10, 30]))
    shown = {10: 9, 30: 29}
    assert all(drawn(frame, shown.get(i, i)) for i, frame in enumerate(clip.frames))
    assert (clip.reader.lost_frames, clip.reader.damaged_frames) == (2, 0)
    assert clip.warnings == ["2 frames of 48 could not be decoded and repeat the one before"]


@pytest.fixture
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode as on a machine with 16 processors, where a decoder holds 16 pictures."""
    original = containers.open_input

    def open_input(path: Path | str, **options: Any) -> av.container.InputContainer:
        container = original(path, **options)
        for stream in container.streams.video:
            stream.thread_count = 16
        return container

    monkeypatch.setattr(containers, "open_input", open_input)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("index", [0, 5, 22])
def test_damage_near_the_end_costs_one_picture(tmp_path: Path, index: int) -> None:
    """What frame threads hold behind an error at the end of the stream is not lost with it."""
    path = media.write_video(tmp_path / "a.mkv", codec="ffv1", gop=1, frames=24)
    clip = Clip(media.corrupt_blocks(path, [index]))
    assert clip.reader.lost_frames == 1
    stand_in = {index: index - 1 if index else 1}
    assert all(drawn(frame, stand_in.get(i, i)) for i, frame in enumerate(clip.frames))


@pytest.mark.usefixtures("many_threads")
def test_untimed_damage_near_the_end_costs_one_picture(tmp_path: Path) -> None:
    """The same in a raw stream, where pictures can only be counted."""
    path = media.write_video(tmp_path / "a.h264", frames=24, gop=1)
    clip = Clip(damage_raw_h264(path, 15))
    assert (len(clip.frames), clip.reader.lost_frames) == (24, 1)
    assert [index_of(frame) for frame in clip.frames] == [14 if i == 15 else i for i in range(24)]


def test_a_lost_first_picture_takes_the_next(tmp_path: Path) -> None:
    """Where there is no picture before, the first good one stands in, from the same time on."""
    path = media.write_video(tmp_path / "a.mkv", codec="ffv1", gop=1, frames=12)
    clip = Clip(media.corrupt_blocks(path, [0, 1]))
    assert clip.pts[0] == 0
    assert all(drawn(frame, max(i, 2)) for i, frame in enumerate(clip.frames))


def damage_raw_h264(path: Path, index: int) -> Path:
    """Spoil picture ``index`` of a raw stream of key frames, from behind its slice's type on."""
    content = bytearray(path.read_bytes())
    headers = [i for i in range(len(content) - 4) if content[i : i + 5] == b"\0\0\0\1\x67"]
    begin, end = content.index(b"\0\0\1\x65", headers[index]) + 4, headers[index + 1]
    content[begin:end] = b"\xff" * (end - begin)
    path.write_bytes(content)
    return path


def test_lost_pictures_without_timestamps_are_repeated(tmp_path: Path) -> None:
    """In a raw stream too a damaged frame is replaced, so that the length stays the same."""
    path = media.write_video(tmp_path / "a.h264", frames=24, gop=1)
    clip = Clip(damage_raw_h264(path, 9))
    assert len(clip.frames) == 24
    assert clip.reader.lost_frames == 1
    assert [index_of(frame) for frame in clip.frames[8:12]] == [8, 8, 10, 11]


def test_pictures_from_damaged_packets_are_counted(tmp_path: Path) -> None:
    """A transport stream says which packets arrived damaged: those pictures are counted."""
    path = media.write_video(tmp_path / "a.ts", frames=24, gop=1, codec="mpeg2video", rate=25)
    content = bytearray(path.read_bytes())
    packets = [content[i : i + 188] for i in range(0, len(content), 188)]
    video = [p for p in packets if p[1] & 0x1F == 1 and p[2] == 0]  # FFmpeg's first PID is 0x100
    video[len(video) // 2][1] |= 0x80  # transport_error_indicator
    path.write_bytes(b"".join(packets))
    clip = Clip(path)
    assert (clip.reader.damaged_frames, clip.reader.lost_frames) == (1, 0)
    assert clip.warnings == ["1 frame of 24 came from damaged data"]


@pytest.mark.parametrize("kind", DAMAGED)
def test_nothing_but_noise_is_refused(tmp_path: Path, kind: str) -> None:
    """Where no packet can be decoded, the file is refused by the probe already."""
    path = media.write_video(tmp_path / "a.mkv", frames=12, **DAMAGED[kind])
    media.corrupt_blocks(path, range(12))
    with pytest.raises(InputError, match="no picture"):
        probe(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {}),
        ("sound.mkv", {"audio_tracks": 1}),
        ("a.webm", {}),
        ("a.mp4", {"container_options": {"movflags": "faststart"}}),
        ("a.avi", {}),
        ("a.flv", {}),
    ],
)
def test_a_cut_off_file_is_noticed(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    """FFmpeg reads a truncated file without a word; here the missing seconds are told."""
    path = media.write_video(tmp_path / name, frames=120, gop=12, **options)
    assert Clip(path).warnings == []
    clip = Clip(media.truncate(path, 0.5))
    assert 0 < len(clip.frames) < 110
    told = [text for text in clip.warnings if "cut off" in text]
    missing = 5 - float(clip.seconds[-1] - clip.seconds[0])
    assert len(told) == 1
    assert float(told[0].split("last ")[1].split(" s")[0]) == pytest.approx(missing, abs=0.15)


def test_subtitles_that_outlast_the_video_are_no_damage(tmp_path: Path) -> None:
    """A text track may end later than the picture: the file is whole."""
    late = Subtitles(lines=[(0.1, 0.2, "a"), (9.0, 12.0, "b")])
    path = media.write_video(tmp_path / "a.mkv", frames=24, subtitles=[late], audio_tracks=1)
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert container.duration >= 12_000_000
    assert Clip(path).warnings == []


def test_longer_sound_is_no_damage(tmp_path: Path) -> None:
    """Without a length of its own the video is not held against the sound's."""
    path = media.write_video(tmp_path / "a.flv", frames=24, audio_tracks=1, audio_seconds=4)
    assert Clip(path).warnings == []


# The file itself ---------------------------------------------------------------------------------


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(100))


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(0, 0))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize(
    ("tamper", "word"),
    [(Path.unlink, "removed"), (grow, "changed"), (rewrite, "changed"), (replace, "changed")],
)
def test_an_input_that_changes_is_refused(
    tmp_path: Path, tamper: Callable[[Path], None], word: str
) -> None:
    """Removed, grown, rewritten or replaced while it is read: the run must not succeed."""
    path = media.write_video(tmp_path / "a.mkv", frames=48)
    with Reader(path) as reader, pytest.raises(InputError, match=word):
        for index, _ in enumerate(reader):
            if index == 20:
                tamper(path)


def test_an_input_that_changed_since_the_probe_is_refused(tmp_path: Path) -> None:
    """What was planned is not what is there."""
    path = media.write_video(tmp_path / "a.mkv", frames=12)
    info = probe(path)
    grow(path)
    with Reader(path, info=info) as reader, pytest.raises(InputError, match="changed"):
        list(reader)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """The input is the same file afterwards."""
    path = media.write_video(tmp_path / "a.mkv", frames=12)
    before = path.read_bytes(), path.stat().st_mtime_ns
    Clip(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_stopping_early_closes_the_file(tmp_path: Path) -> None:
    """Leaving the loop or the ``with`` leaves no open file behind."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    path = media.write_video(tmp_path / "a.mkv", frames=48)

    def is_open() -> bool:
        targets = [os.readlink(fd) for fd in folder.iterdir() if fd.is_symlink()]
        return str(path) in targets

    with Reader(path) as reader:
        frames = iter(reader)
        next(frames)
        assert is_open()
    assert not is_open()


# Real clips --------------------------------------------------------------------------------------

CLIPS = {
    "bbb_320x180_vp9.webm": 300,
    "bbb_854x480_h264_aac.mp4": 720,
    "bbb_960x540_h264_aac.mkv": 480,
    "popeye_1440x1074_hevc_pgs.mkv": 1440,
    "popeye_720x478_sar8-9_hevc_dvdsub_a.mkv": 1800,
    "popeye_720x478_sar8-9_hevc_dvdsub_b.mkv": 1799,
}


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_begin_and_end_well(clips: Path, name: str) -> None:
    """The first and the last second of real files are read without a repair or a warning."""
    info = probe(clips / name)
    assert info.duration_seconds is not None
    assert info.frame_rate is not None
    first = Clip(clips / name, info=info, end=Fraction(1))
    last = Clip(clips / name, info=info, start=info.duration_seconds - 1)
    for clip in (first, last):
        assert abs(len(clip.frames) - info.frame_rate) <= 1
        assert (clip.warnings, clip.reader.repaired) == ([], {})
        assert (clip.reader.lost_frames, clip.reader.damaged_frames) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), CLIPS.items())
def test_real_clips_are_read_whole(clips: Path, name: str, count: int) -> None:
    """Every frame of real files is there, and none of them is taken for cut off."""
    warnings: list[str] = []
    with Reader(clips / name, warn=warnings.append) as reader:
        assert sum(1 for _ in reader) == count
    assert (warnings, reader.repaired) == ([], {})
    assert (reader.lost_frames, reader.damaged_frames) == (0, 0)
