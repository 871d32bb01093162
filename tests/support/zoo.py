"""The input zoo: a small file of every kind that a user may have, and what becomes of it.

``ZOO`` maps a name to a ``Specimen``: how the file is made (PyAV, or a few bytes) and what the
command must do with it. Pictures are blocks of known colours, so that a wrong matrix, range or
order of planes shows without asking the code under test.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

import media
from media import Audio, Subtitles

FRAMES = 5
WIDTH, HEIGHT = 64, 48

BLOCK_COLUMNS, BLOCK_ROWS = 4, 3
PALETTE = np.array(
    [
        (20, 20, 20), (235, 235, 235), (200, 40, 40), (40, 180, 60), (50, 60, 200), (210, 200, 50),
        (60, 190, 190), (190, 60, 180), (120, 120, 120), (230, 150, 90), (90, 50, 30),
        (150, 200, 240),
    ],
    dtype=np.uint8,
)  # fmt: skip
"""RGB of the blocks; in frame i they move on by i places."""

MATRICES = {
    1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 9: Colorspace.bt2020
}  # fmt: skip
UNDEFINED = Fraction(0)

Make = Callable[[Path], Path]
"""Makes the file in a folder and says where it is."""


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One kind of file and what the command does with it."""

    make: Make
    output: str = "out.mkv"
    options: tuple[str, ...] = ()
    refused: tuple[int, str] | None = None
    """Exit code and words of the one line; None: it succeeds."""
    warns: tuple[str, ...] = ()
    """Words of each warning, in any order; there are no others."""
    frames: int = FRAMES
    times: tuple[Fraction, ...] | None = None
    """Seconds of the output's frames, where they are not those of the input's packets."""
    tolerance: int = 8
    """Of 255, on the colours of the blocks; what a lossy codec does with them."""
    gray: bool = False
    """The colours are lost, their brightness is not."""
    blocks: bool = True
    """Whether the pictures are the blocks."""
    lost_streams: tuple[str, ...] = ()
    """Kinds of the streams that the output cannot hold."""
    scale: int = 4


# Pictures ----------------------------------------------------------------------------------------


def block_colours(index: int) -> NDArray[np.uint8]:
    """RGB of the blocks of frame ``index``, (rows, columns, 3)."""
    return np.roll(PALETTE, -index, axis=0).reshape(BLOCK_ROWS, BLOCK_COLUMNS, 3)


def blocks_rgb(index: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    rows = np.arange(height) * BLOCK_ROWS // height
    columns = np.arange(width) * BLOCK_COLUMNS // width
    return np.ascontiguousarray(block_colours(index)[rows][:, columns])


def blocks(
    index: int,
    width: int = WIDTH,
    height: int = HEIGHT,
    pix_fmt: str = "yuv420p",
    *,
    matrix: int = 6,
    full: bool = False,
    swap: bool = False,
) -> av.VideoFrame:
    """Frame ``index`` in any pixel format; ``matrix`` is an AVCOL_SPC_* number."""
    rgb = av.VideoFrame.from_ndarray(blocks_rgb(index, width, height), format="rgb24")
    if pix_fmt == "pal8":
        return _paletted(index, width, height)
    wide = ColorRange.JPEG if full or pix_fmt.startswith("yuvj") else ColorRange.MPEG
    is_rgb = av.VideoFormat(pix_fmt).is_rgb
    return VideoReformatter().reformat(
        rgb,
        format=pix_fmt,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if is_rgb else wide,
        dst_colorspace=None if is_rgb else MATRICES[matrix],
        interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
    )


def _paletted(index: int, width: int, height: int) -> av.VideoFrame:
    rows = np.arange(height) * BLOCK_ROWS // height
    columns = np.arange(width) * BLOCK_COLUMNS // width
    numbers = np.roll(np.arange(len(PALETTE)), -index).reshape(BLOCK_ROWS, BLOCK_COLUMNS)
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0] = 255  # alpha first
    palette[: len(PALETTE), 1:] = PALETTE
    picture = np.ascontiguousarray(numbers[rows][:, columns].astype(np.uint8))
    both: Any = (picture, palette)  # the stub knows no palettes
    return av.VideoFrame.from_ndarray(both, format="pal8")


def shown_colours(frame: av.VideoFrame, matrix: int | None = None) -> NDArray[np.uint8]:
    """RGB at the middles of the blocks of a decoded frame, by its own tags; (rows, columns, 3)."""
    number = matrix or (frame.colorspace if frame.colorspace in MATRICES else 6)
    is_rgb = frame.format.is_rgb
    full = is_rgb or frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    rgb: NDArray[Any] = (
        VideoReformatter()
        .reformat(
            frame,
            format="rgb24",
            src_colorspace=None if is_rgb else MATRICES[number],
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )
        .to_ndarray()
    )
    rows = (np.arange(BLOCK_ROWS) * 2 + 1) * frame.height // (2 * BLOCK_ROWS)
    columns = (np.arange(BLOCK_COLUMNS) * 2 + 1) * frame.width // (2 * BLOCK_COLUMNS)
    return rgb[rows][:, columns]


# Files -------------------------------------------------------------------------------------------

_QUALITY: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "qp": "4", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:qp=4"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "4", "b": "0"},
    "libvpx": {"deadline": "realtime", "crf": "4", "b": "4M"},
    "libsvtav1": {"preset": "13", "crf": "4", "svtav1-params": "lp=1"},
    "snow": {"strict": "-2"},
    "libx264rgb": {"qp": "0", "preset": "ultrafast"},
}
_BITRATE = {"b": "8M"}  # for the old codecs, whose default is poor


def video(
    name: str,
    *,
    codec: str | None = None,
    width: int = WIDTH,
    height: int = HEIGHT,
    pix_fmt: str = "yuv420p",
    frames: int = FRAMES,
    draw_matrix: int | None = None,
    options: dict[str, str] | None = None,
    **how: Any,
) -> Make:
    """A file with blocks, made by ``media.write_video``."""
    matrix = draw_matrix or how.get("matrix") or (1 if height >= 720 or width > 1024 else 6)
    full = how.get("color_range") == 2

    def make(folder: Path) -> Path:
        path = folder / name
        used = codec or media.KINDS[path.suffix][1]
        count = len(how["pts"]) if how.get("pts") is not None else frames
        pictures = [
            blocks(i, width, height, pix_fmt, matrix=matrix, full=full) for i in range(count)
        ]
        return media.write_video(
            path, codec=used, width=width, height=height, pix_fmt=pix_fmt, pictures=pictures,
            options=_QUALITY.get(used, _BITRATE) | (options or {}), **how,
        )  # fmt: skip

    return make


def then(make: Make, change: Callable[[Path], object]) -> Make:
    """A file that is changed after it was made."""

    def made(folder: Path) -> Path:
        path = make(folder)
        change(path)
        return path

    return made


def flv_with_times(changes: dict[int, int]) -> Make:
    """An FLV file in which the video tags of these numbers have other times, in milliseconds."""

    def make(folder: Path) -> Path:
        path = video("in.flv", codec="flv", rate=25)(folder)
        data = bytearray(path.read_bytes())
        place, number = 13, 0  # behind the header and the first back pointer
        while place < len(data):
            kind, size = data[place], int.from_bytes(data[place + 1 : place + 4], "big")
            if kind == 9:
                if number in changes:
                    data[place + 4 : place + 7] = changes[number].to_bytes(3, "big")
                number += 1
            place += 11 + size + 4
        path.write_bytes(data)
        return path

    return make


def flat(name: str) -> Make:
    """A file of black pictures."""

    def make(folder: Path) -> Path:
        black = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, code in zip(black.planes, (16, 128, 128), strict=True):
            plane.update(bytes([code]) * plane.buffer_size)
        return media.write_video(
            folder / name, width=WIDTH, height=HEIGHT, frames=FRAMES, pictures=[black] * FRAMES
        )

    return make


def named(name: str | bytes, make: Make | None = None) -> Make:
    """A file under another name."""

    def made(folder: Path) -> Path:
        path = folder / os.fsdecode(name)
        (make or video("plain.mkv"))(folder).rename(path)
        return path

    return made


def content(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def _concatenated(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def resized(folder: Path) -> Path:
    """Raw H.264 that goes on in half the size: such a stream comes from broadcasts."""
    first = video("a.h264")(folder)
    second = video("b.h264", width=32, height=24)(folder)
    path = _concatenated(folder / "resized.h264", first, second)
    first.unlink()
    second.unlink()
    return path


def spliced_ts(*begins: float) -> Make:
    """An MPEG-TS of pieces of ten frames with sound, whose clock begins anew at these seconds."""

    def make(folder: Path) -> Path:
        parts = [
            video(
                f"{number}.ts", rate=25, gop=1, b_frames=0, codec="mpeg2video",
                pts=[round(25 * second) + i for i in range(10)],
                audio_tracks=[Audio(codec="mp2", start_seconds=Fraction(second))],
            )(folder)
            for number, second in enumerate(begins)
        ]  # fmt: skip
        path = folder / "spliced.ts"
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        for part in parts:
            part.unlink()
        return path

    return make


def two_videos(name: str, *, default: int | None = None) -> Make:
    return video(name, video_tracks=2, default_video=default, audio_tracks=1)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int = 30_000) -> bytes:
    """A picture of a gigapixel in some kilobytes."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    line = b"\0" * (side // 8 + 1)
    packed = b"".join(rows.compress(line) for _ in range(side)) + rows.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", packed)
        + _png_chunk(b"IEND", b"")
    )  # fmt: skip


def huge_header(folder: Path) -> Path:
    """A Y4M header that announces a terapixel."""
    header = b"YUV4MPEG2 W1048576 H1048576 F25:1 Ip A1:1 C420\nFRAME\n"
    return content("huge.y4m", header + b"\0" * 4096)(folder)


def grown(path: Path) -> Path:
    """Have an AVI say that its pictures are 65536 x 65536 (BITMAPINFOHEADER, behind "strf")."""
    data = bytearray(path.read_bytes())
    at = data.index(b"strf") + 8 + 4
    struct.pack_into("<ii", data, at, 65536, 65536)
    path.write_bytes(data)
    return path


def cueless(path: Path) -> Path:
    """Void the index of a Matroska file (Cues, 0x1C53BB6B): seeking has nothing to go by."""
    data = path.read_bytes()
    at = data.rindex(b"\x1c\x53\xbb\x6b")
    # A Void element (0xEC) of the same length in place of the four bytes of the id.
    path.write_bytes(data[:at] + b"\xec\x80\xec\x80" + data[at + 4 :])
    return path


def _ms(*times: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(time, 1000) for time in times)


def _even(count: int, rate: Fraction | int = 24, start: Fraction | int = 0) -> tuple[Fraction, ...]:
    return tuple(start + i / Fraction(rate) for i in range(count))


def patched(name: str, times_ms: dict[int, int]) -> Make:
    """A Matroska file with times that no muxer would write."""
    return then(
        video(name, rate=25, gop=1, b_frames=0),
        lambda path: media.patch_block_times(path, times_ms),
    )


# Sound begins 10 ms before the picture, and outlasts it by 8 ms more than that at the splice.
SPLICED = tuple(Fraction(10 + 40 * i + 8 * (i >= 10), 1000) for i in range(20))


# The zoo -----------------------------------------------------------------------------------------

MP4_HOLDS_NO = "MP4 cannot hold"

CONTAINERS: dict[str, Specimen] = {
    "mp4": Specimen(make=video("in.mp4", audio_tracks=1), output="out.mp4"),
    "mov": Specimen(make=video("in.mov", audio_tracks=1), output="out.mov"),
    "mkv": Specimen(make=video("in.mkv", audio_tracks=1)),
    "webm": Specimen(make=video("in.webm", audio_tracks=1), output="out.webm"),
    "avi": Specimen(make=video("in.avi", audio_tracks=1), times=_even(FRAMES)),
    "ts": Specimen(make=video("in.ts", audio_tracks=1)),
    "mpg": Specimen(make=video("in.mpg", rate=25, audio_tracks=1), tolerance=12),
    "flv": Specimen(make=video("in.flv", audio_tracks=1)),
    "nut": Specimen(make=video("in.nut", audio_tracks=1)),
    "wmv": Specimen(
        make=video("in.wmv", audio_tracks=1),
        warns=("Matroska cannot hold audio stream #1 (wmav2)",), lost_streams=("audio",),
    ),
    "wtv": Specimen(make=video("in.wtv", rate=25, audio_tracks=1), tolerance=12),
    "mxf": Specimen(make=video("in.mxf", rate=25, audio_tracks=1), tolerance=12),
    "raw h264": Specimen(make=video("in.h264"), times=_even(FRAMES)),
    "raw hevc": Specimen(make=video("in.265"), times=_even(FRAMES)),
    "y4m": Specimen(make=video("in.y4m")),
    "gif": Specimen(make=video("in.gif", pix_fmt="pal8", rate=25)),
    "apng": Specimen(make=video("in.apng", pix_fmt="rgb24", rate=25)),
    "fragmented mp4": Specimen(
        make=video("in.mp4", container_options={"movflags": "frag_keyframe+empty_moov"}, gop=2)
    ),
    "mkv without cues": Specimen(make=then(video("in.mkv", gop=1), cueless)),
}  # fmt: skip

TIMES: dict[str, Specimen] = {
    "vfr": Specimen(make=video("in.mkv", pts=[0, 40, 100, 101, 900], time_base=media.MILLISECOND)),
    "vfr in mp4": Specimen(
        make=video("in.mp4", pts=[0, 40, 100, 101, 900], time_base=media.MILLISECOND),
        output="out.mp4",
    ),
    "film rate": Specimen(make=video("in.mp4", rate=Fraction(24000, 1001)), output="out.mp4"),
    "59.94": Specimen(make=video("in.mp4", rate=Fraction(60000, 1001)), output="out.mp4"),
    "120 fps": Specimen(make=video("in.mp4", rate=120, frames=12), output="out.mp4", frames=12),
    "start at 10 s": Specimen(
        make=video("in.mkv", pts=[10_000 + 40 * i for i in range(5)], time_base=media.MILLISECOND,
                   audio_tracks=[Audio(start_seconds=Fraction(10))]),
    ),
    "one-hour gap": Specimen(
        make=video("in.mkv", pts=[0, 40, 80, 3_600_000, 3_600_040], time_base=media.MILLISECOND)
    ),
    "one-hour gap in mp4": Specimen(
        make=video("in.mp4", pts=[0, 40, 80, 3_600_000, 3_600_040], time_base=media.MILLISECOND),
        output="out.mp4",
    ),
    "one frame": Specimen(make=video("in.mp4", frames=1), output="out.mp4", frames=1),
    "two frames": Specimen(make=video("in.mkv", frames=2), frames=2),
    "duplicate times": Specimen(make=patched("in.mkv", {2: 40}), times=_ms(0, 40, 41, 120, 160)),
    "backward times": Specimen(make=patched("in.mkv", {3: 60}), times=_ms(0, 40, 80, 81, 160)),
    "flv with a backward time": Specimen(
        make=flv_with_times({3: 60}), times=_ms(0, 40, 80, 81, 160), tolerance=12
    ),
    "flv with a duplicate time": Specimen(
        make=flv_with_times({2: 40}), times=_ms(0, 40, 41, 120, 160), tolerance=12
    ),
    "missing times": Specimen(make=patched("in.mkv", {2: -40}), times=_ms(0, 40, 80, 120, 160)),
    "a clock that falls back": Specimen(
        make=spliced_ts(3600, 10), times=SPLICED, frames=20, blocks=False
    ),
    "a clock that leaps ahead": Specimen(
        make=spliced_ts(10, 7200), times=SPLICED, frames=20, blocks=False
    ),
    "far from zero": Specimen(
        make=spliced_ts(90_000), times=SPLICED[:10], frames=10, tolerance=12
    ),
    "negative times": Specimen(
        make=video("in.mkv", pts=[40 * i - 80 for i in range(FRAMES)], time_base=media.MILLISECOND,
                   container_options={"avoid_negative_ts": "disabled"}, codec="mpeg4", rate=25),
        times=_ms(0, 40, 80, 120, 160),
    ),
}  # fmt: skip

SHAPES: dict[str, Specimen] = {
    "1x1": Specimen(
        make=video("in.mkv", codec="ffv1", width=1, height=1, pix_fmt="yuv444p"), blocks=False
    ),
    "odd 255x191": Specimen(
        make=video("in.mkv", codec="ffv1", width=255, height=191, frames=2), frames=2
    ),
    "flat black": Specimen(make=flat("in.mkv"), blocks=False),
    "8K": Specimen(
        make=video("in.mkv", codec="mjpeg", pix_fmt="yuvj420p", width=7680, height=4320, frames=1),
        refused=(2, "refuses pictures of 30720x17280"),
    ),
    "16x16": Specimen(make=video("in.mp4", width=16, height=16), output="out.mp4", blocks=False),
    "sar 4:3": Specimen(make=video("in.mkv", sar=Fraction(4, 3))),
    "anamorphic 720x480": Specimen(
        make=video("in.mp4", width=720, height=480, sar=Fraction(32, 27), frames=2),
        output="out.mp4", frames=2,
    ),
    **{
        f"rotation {degrees} in {suffix}": Specimen(
            make=video(f"in.{suffix}", rotation=degrees), output=f"out.{suffix}"
        )
        for degrees in (90, 180, 270)
        for suffix in ("mp4", "mkv", "mov")
    },
    "rotation from mp4 to mkv": Specimen(make=video("in.mp4", rotation=90)),
}  # fmt: skip

PIXELS: dict[str, Specimen] = {
    "gray": Specimen(make=video("in.mkv", codec="ffv1", pix_fmt="gray"), gray=True),
    "4:1:0": Specimen(make=video("in.mov", codec="svq1", pix_fmt="yuv410p"), tolerance=24),
    "4:1:1": Specimen(
        make=video("in.avi", codec="ffvhuff", pix_fmt="yuv411p"), times=_even(FRAMES)
    ),
    "4:1:1 DV": Specimen(
        make=video("in.avi", codec="dvvideo", pix_fmt="yuv411p", width=720, height=480,
                   rate=Fraction(30000, 1001), frames=2),
        frames=2, times=_even(2, Fraction(30000, 1001)), warns=("interlaced",), tolerance=12,
    ),
    "4:4:0": Specimen(make=video("in.mkv", codec="ffv1", pix_fmt="yuv440p")),
    "4:2:2": Specimen(make=video("in.mkv", pix_fmt="yuv422p")),
    "4:4:4": Specimen(make=video("in.mkv", pix_fmt="yuv444p")),
    "full range": Specimen(make=video("in.mp4", color_range=2), output="out.mp4"),
    "mjpeg": Specimen(
        make=video("in.avi", codec="mjpeg", pix_fmt="yuvj420p"), times=_even(FRAMES), tolerance=14
    ),
    "10 bit": Specimen(make=video("in.mkv", codec="libx265", pix_fmt="yuv420p10le")),
    "12 bit": Specimen(make=video("in.mkv", codec="ffv1", pix_fmt="yuv420p12le")),
    "12 bit hevc 4:4:4": Specimen(make=video("in.mkv", codec="libx265", pix_fmt="yuv444p12le")),
    "16 bit": Specimen(make=video("in.mkv", codec="ffv1", pix_fmt="yuv444p16le")),
    "v210": Specimen(make=video("in.mov", codec="v210", pix_fmt="yuv422p10le")),
    "rgb": Specimen(make=video("in.mov", codec="png", pix_fmt="rgb24")),
    "rgb in h264": Specimen(make=video("in.mp4", codec="libx264rgb", pix_fmt="bgr24")),
    "rgb555": Specimen(make=video("in.mov", codec="qtrle", pix_fmt="rgb555be")),
    "rgb 16 bit": Specimen(make=video("in.mov", codec="png", pix_fmt="rgb48be")),
    "gbrp": Specimen(make=video("in.avi", codec="utvideo", pix_fmt="gbrp"), times=_even(FRAMES)),
    "gbrp 10 bit": Specimen(make=video("in.mkv", codec="ffv1", pix_fmt="gbrp10le")),
    "pal8": Specimen(make=video("in.avi", codec="png", pix_fmt="pal8"), times=_even(FRAMES)),
    "yuyv": Specimen(make=video("in.nut", codec="rawvideo", pix_fmt="yuyv422")),
    "nv12": Specimen(make=video("in.nut", codec="rawvideo", pix_fmt="nv12")),
    "old codecs: mpeg1": Specimen(
        make=video("in.mpg", codec="mpeg1video", rate=25), tolerance=12
    ),
    "old codecs: cinepak": Specimen(
        make=video("in.avi", codec="cinepak", pix_fmt="rgb24"), times=_even(FRAMES), tolerance=30
    ),
    "old codecs: msmpeg4": Specimen(
        make=video("in.avi", codec="msmpeg4v3"), times=_even(FRAMES), tolerance=12
    ),
    "old codecs: sorenson flv": Specimen(make=video("in.flv", codec="flv"), tolerance=12),
    "old codecs: zmbv": Specimen(
        make=video("in.avi", codec="zmbv", pix_fmt="bgr0"), times=_even(FRAMES)
    ),
    "prores": Specimen(make=video("in.mov", codec="prores_ks", pix_fmt="yuv422p10le")),
    "av1": Specimen(
        make=video("in.mp4", codec="libsvtav1", width=128, height=96), output="out.mp4"
    ),
}  # fmt: skip

# Transparency of the blocks, by rows: none of it is lost, or all of it.
ALPHAS = np.linspace(0, 1, BLOCK_ROWS * BLOCK_COLUMNS)


def transparent(name: str, codec: str, pix_fmt: str) -> Make:
    """Blocks of rising opacity."""

    def make(folder: Path) -> Path:
        pictures = [blocks(i, pix_fmt=pix_fmt) for i in range(FRAMES)]
        for picture in pictures:
            set_alpha(picture)
        return media.write_video(
            folder / name, codec=codec, pix_fmt=pix_fmt, width=WIDTH, height=HEIGHT,
            pictures=pictures, rate=25,
        )  # fmt: skip

    return make


def set_alpha(picture: av.VideoFrame) -> None:
    rows = np.arange(picture.height) * BLOCK_ROWS // picture.height
    columns = np.arange(picture.width) * BLOCK_COLUMNS // picture.width
    component = next(c for c in picture.format.components if c.is_alpha)
    top = (1 << component.bits) - 1
    alpha = np.round(ALPHAS.reshape(BLOCK_ROWS, BLOCK_COLUMNS)[rows][:, columns] * top)
    samples = media.plane_samples(picture, component.plane)
    packed = {"argb": (0, 4), "rgba": (3, 4), "bgra": (3, 4)}.get(picture.format.name)
    if packed:
        samples[:, packed[0] :: packed[1]] = alpha
    else:
        samples[:] = alpha


def shown_alpha(frame: av.VideoFrame) -> NDArray[np.float64]:
    """Opacity at the middles of the blocks, 0 to 1."""
    component = next(c for c in frame.format.components if c.is_alpha)
    samples = media.plane_samples(frame, component.plane)
    if frame.format.name in ("bgra", "rgba", "argb"):
        samples = samples[:, (0 if frame.format.name == "argb" else 3) :: 4]
    rows = (np.arange(BLOCK_ROWS) * 2 + 1) * frame.height // (2 * BLOCK_ROWS)
    columns = (np.arange(BLOCK_COLUMNS) * 2 + 1) * frame.width // (2 * BLOCK_COLUMNS)
    return (samples[rows][:, columns] / ((1 << component.bits) - 1)).ravel()


TRANSPARENT = "is transparent in places"

ALPHA: dict[str, Specimen] = {
    "alpha": Specimen(
        make=transparent("in.mkv", "ffv1", "yuva420p"), warns=(TRANSPARENT,)
    ),
    "rgba": Specimen(make=transparent("in.apng", "apng", "rgba"), warns=(TRANSPARENT,)),
    "opaque rgba": Specimen(make=video("in.mov", codec="qtrle", pix_fmt="argb")),
    "alpha to ffv1": Specimen(
        make=transparent("in.mkv", "ffv1", "yuva420p"), options=("-c", "ffv1")
    ),
    "argb to ffv1": Specimen(make=transparent("in.mov", "qtrle", "argb"), options=("-c", "ffv1")),
    "rgba to prores": Specimen(
        make=transparent("in.apng", "apng", "rgba"), options=("-c", "prores_ks"), output="out.mov"
    ),
    "prores 4444 to prores": Specimen(
        make=transparent("in.mov", "prores_ks", "yuva444p10le"), options=("-c", "prores_ks"),
        output="out.mov",
    ),
}  # fmt: skip

COLOURS: dict[str, Specimen] = {
    "untagged sd": Specimen(make=video("in.mkv")),
    "untagged hd": Specimen(make=video("in.mkv", width=320, height=720, frames=2), frames=2),
    "601": Specimen(make=video("in.mkv", matrix=6, primaries=6, transfer=6, color_range=1)),
    "709 in sd": Specimen(make=video("in.mkv", matrix=1, primaries=1, transfer=1, color_range=1)),
    "2020": Specimen(
        make=video("in.mkv", codec="libx265", pix_fmt="yuv420p10le", matrix=9, primaries=9,
                   transfer=14, color_range=1)
    ),
}  # fmt: skip

STREAMS: dict[str, Specimen] = {
    "no audio": Specimen(make=video("in.mkv")),
    "five audio tracks": Specimen(
        make=video("in.mkv", audio_tracks=[
            Audio(), Audio(codec="libopus", language="jpn", default=True, title="main"),
            Audio(codec="flac", language="eng"), Audio(codec="pcm_s16le", language="ger"),
            Audio(codec="libmp3lame", rate=44100, layout="mono"),
        ])
    ),
    "opus in mp4": Specimen(
        make=video("in.mp4", audio_tracks=[Audio(codec="libopus")]), output="out.mp4"
    ),
    "srt": Specimen(make=video("in.mkv", frames=12, subtitles=2), frames=12),
    "ass and a font": Specimen(
        make=video("in.mkv", frames=12, subtitles=[Subtitles(codec="ass", language="ger")],
                   attachments=[("font.ttf", "application/x-truetype-font", b"\0\1\0\0" * 40)]),
        frames=12,
    ),
    "mov_text": Specimen(make=video("in.mp4", frames=12, subtitles=1), output="out.mp4", frames=12),
    "forced subtitles": Specimen(
        make=video("in.mkv", frames=12, subtitles=[Subtitles(forced=True, language="eng")]),
        frames=12,
    ),
    "cover in mp4": Specimen(make=video("in.mp4", cover="jpeg"), output="out.mp4"),
    "cover in mkv": Specimen(make=video("in.mkv", cover="png")),
    "chapters": Specimen(make=video("in.mkv", chapters=[(0, 0.1, "Teil Äins"), (0.1, 0.2, "two")])),
    "chapters in mp4": Specimen(
        make=video("in.mp4", chapters=[(0, 0.1, "one"), (0.1, 0.2, "two")]), output="out.mp4"
    ),
    "tags": Specimen(make=video("in.mkv", metadata={"title": "a title", "DATE": "1999"})),
    "everything into mp4": Specimen(
        make=video("in.mkv", frames=12, audio_tracks=1, subtitles=1,
                   attachments=[("font.ttf", "application/x-truetype-font", b"\0\1\0\0" * 40)]),
        output="out.mp4", frames=12, warns=(MP4_HOLDS_NO,), lost_streams=("attachment",),
    ),
    "two videos": Specimen(make=two_videos("in.mkv")),
    "the second video is the default": Specimen(make=two_videos("in.mkv", default=1)),
    "a wrong stream": Specimen(
        make=two_videos("in.mkv"), options=("--stream", "2"), refused=(2, "stream #2 is no video")
    ),
    "two videos in mp4": Specimen(make=two_videos("in.mp4"), output="out.mp4"),
}  # fmt: skip

NAMES: dict[str, Specimen] = {
    "spaces": Specimen(make=named("a b  c.mkv")),
    "quotes": Specimen(make=named('it\'s "so".mkv')),
    "leading dash": Specimen(make=named("-y.mkv")),
    "colon": Specimen(make=named("http:in.mkv")),
    "%03d": Specimen(make=named("%03d.mkv")),
    "newline": Specimen(make=named("a\nb.mkv")),
    "emoji": Specimen(make=named("🎞️.mkv")),
    "not utf-8": Specimen(make=named(b"\xff\xfe.mkv")),
    "255 characters": Specimen(make=named("n" * 251 + ".mkv")),
    "a fragment mark": Specimen(make=named("in#1?x=2.mkv")),
}

HOSTILE: dict[str, Specimen] = {
    "ffconcat script": Specimen(
        make=content("in.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        refused=(3, "a concat script"),
    ),
    "hls playlist": Specimen(
        make=content("in.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n"),
        refused=(3, "an HLS playlist"),
    ),
    "huge dimensions": Specimen(make=huge_header, refused=(3, "a y4m file whose header makes no")),
    "png bomb": Specimen(
        make=content("bomb.png", png_bomb()), refused=(3, "larger than 268,435,456 pixels?")
    ),
    "huge pictures in an avi": Specimen(
        make=then(video("in.avi", codec="ffvhuff"), grown), refused=(3, "--max-pixels raises")
    ),
    "larger than the limit": Specimen(
        make=video("in.mkv"), options=("--max-pixels", "3071"), refused=(3, "larger than 3,071")
    ),
    "as large as the limit": Specimen(make=video("in.mkv"), options=("--max-pixels", "3072")),
    "images of a concat script": Specimen(
        make=content("in.mkv", b"ffconcat version 1.0\nfile 'in%03d.png'\n"),
        refused=(3, "a concat script"),
    ),
    "empty": Specimen(make=content("in.mkv", b""), refused=(3, "it is empty")),
    "noise": Specimen(make=content("in.mp4", media.noise(4000)), refused=(3, "no video format")),
}

CHANGES: dict[str, Specimen] = {
    "a change of size": Specimen(
        make=resized, frames=2 * FRAMES, times=_even(2 * FRAMES), blocks=False,
        warns=("the picture size changes to 32x24",),
    ),
}  # fmt: skip

ZOO: dict[str, Specimen] = {
    **CONTAINERS, **TIMES, **SHAPES, **PIXELS, **ALPHA, **COLOURS, **STREAMS, **NAMES, **HOSTILE,
    **CHANGES,
}  # fmt: skip

# What the README says is kept, by the specimens that show it -------------------------------------

KEPT: dict[str, tuple[str, ...]] = {
    "frames and their times": ("vfr", "vfr in mp4", "film rate", "120 fps", "one-hour gap"),
    "broken times": ("duplicate times", "backward times", "missing times", "negative times"),
    "MPEG-TS whose clock jumps": ("a clock that falls back", "a clock that leaps ahead"),
    "pixel aspect ratio": ("sar 4:3", "anamorphic 720x480"),
    "rotation": ("rotation 90 in mp4", "rotation 180 in mkv", "rotation 270 in mov"),
    "matrix, range, primaries, transfer": ("601", "709 in sd", "2020", "full range"),
    "more than 8 bits": ("10 bit", "12 bit", "16 bit", "gbrp 10 bit"),
    "4:2:2, 4:4:4, RGB, gray, palettes": ("4:2:2", "4:4:4", "4:1:1", "rgb", "gray", "pal8"),
    "transparency": ("alpha", "alpha to ffv1", "rgba to prores"),
    "a change of size": ("a change of size",),
    "sound": ("five audio tracks", "opus in mp4", "wmv"),
    "subtitles and fonts": ("srt", "ass and a font", "mov_text", "forced subtitles"),
    "covers, chapters, tags": ("cover in mp4", "cover in mkv", "chapters", "tags"),
    "further video streams": ("two videos", "two videos in mp4", "the second video is the default"),
    "interlaced pictures": ("4:1:1 DV",),
}
"""Row of the table -> names in ``ZOO``."""
