"""Writes the repository's own clip: the drawings of cartoon.py as a file, with sound and text.

    python tests/support/draw_clip.py tests/clip.mp4   the committed clip: small, compressed
    python tests/support/draw_clip.py --hr clean.mkv   the same at four times the size, lossless

Needs NumPy and PyAV only; knows nothing of animesr_cli.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import SubtitleSet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

import cartoon

if TYPE_CHECKING:
    from av.container.core import Chapter  # exists for type checkers only

RATE, FRAMES = cartoon.RATE, cartoon.FRAMES
CHAPTERS = (
    ("The street", 0, cartoon.CUT),
    ("Hello", cartoon.CUT, FRAMES),
)  # title, first frame, end
SUBTITLES = (("La, la, la...", 6, 34), ("Hi!", cartoon.SPEAKS, FRAMES))  # text, first frame, end

# What the mov_text encoder reads the font from: one style, in the fields of ASS.
SUBTITLE_HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, BackColour, Bold, Italic, Underline, Alignment
Style: Default,Arial,18,&Hffffff,&H0,0,0,0,2
"""


def to_yuv420(rgb: cartoon.Bytes) -> tuple[cartoon.Bytes, cartoon.Bytes, cartoon.Bytes]:
    """BT.601 in limited range; a chroma sample sits at the left luma sample, between two rows."""
    red, green, blue = np.moveaxis(rgb / 255, 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = [16 + 219 * luma]
    for colour, reach in ((blue, 1.772), (red, 1.402)):
        chroma = 128 + 224 * (colour - luma) / reach
        chroma = (chroma[0::2] + chroma[1::2]) / 2
        beside = np.pad(chroma, ((0, 0), (1, 1)), mode="edge")
        planes.append(((beside[:, :-2] + 2 * chroma + beside[:, 2:]) / 4)[:, ::2])
    y, u, v = (np.rint(plane).astype(np.uint8) for plane in planes)
    return y, u, v


def large_frame(picture: cartoon.Bytes) -> av.VideoFrame:
    """The drawing as bgr0, the RGB that ffv1 takes."""
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")


def small_frame(picture: cartoon.Bytes) -> av.VideoFrame:
    """The drawing at a quarter of its size, as yuv420p."""
    planes = [plane.reshape(-1, cartoon.WIDTH) for plane in to_yuv420(cartoon.shrink(picture))]
    return av.VideoFrame.from_ndarray(np.vstack(planes), format="yuv420p")


def sound_frames(size: int) -> Iterator[av.AudioFrame]:
    """The sound in pieces of ``size`` samples."""
    sound = cartoon.draw_sound()
    for start in range(0, sound.shape[1], size):
        piece = np.ascontiguousarray(sound[:, start : start + size])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = cartoon.SAMPLE_RATE, start
        frame.time_base = Fraction(1, cartoon.SAMPLE_RATE)
        yield frame


def subtitle_packets(stream: SubtitleStream) -> Iterator[av.Packet[SubtitleStream]]:
    """The lines of the song as timed text, in milliseconds."""
    for text, first, end in SUBTITLES:
        start, lasts = first * 1000 // RATE, (end - first) * 1000 // RATE
        dialogue = f"0,0,Default,,0,0,0,,{text}".encode()
        packet = stream.codec_context.encode_subtitle(SubtitleSet.create(dialogue, 0, lasts))
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts, packet.dts, packet.duration = start, start, lasts
        yield packet


def encode_pictures(
    output: av.container.OutputContainer, video: av.VideoStream, frames: int, *, hr: bool
) -> None:
    for index in range(frames):
        picture = cartoon.draw_frame(index)
        frame = large_frame(picture) if hr else small_frame(picture)
        frame.pts, frame.time_base = index, Fraction(1, RATE)
        output.mux(video.encode(frame))
    output.mux(video.encode(None))


def write_hr(path: Path, frames: int = FRAMES) -> None:
    """The clean drawings at full size: lossless RGB, no sound."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("ffv1", rate=RATE)
        video.width, video.height, video.pix_fmt = (
            cartoon.CANVAS_WIDTH,
            cartoon.CANVAS_HEIGHT,
            "bgr0",
        )
        encode_pictures(output, video, frames, hr=True)


def add_video(output: av.container.OutputContainer) -> av.VideoStream:
    """H.264 that has seen better days, tagged BT.601 as ``to_yuv420`` makes it."""
    # asm and threads: x264's result depends on both, and on some processors changes between runs.
    options = {"crf": "27", "preset": "medium", "threads": "1", "x264-params": "asm=avx2"}
    video = output.add_stream("libx264", rate=RATE, options=options)
    video.width, video.height, video.pix_fmt = cartoon.WIDTH, cartoon.HEIGHT, "yuv420p"
    video.codec_context.colorspace = Colorspace.SMPTE170M
    video.codec_context.color_primaries = ColorPrimaries.SMPTE170M
    video.codec_context.color_trc = ColorTrc.SMPTE170M
    video.codec_context.color_range = ColorRange.MPEG
    return video


def chapter(title: str, first: int, end: int) -> Chapter:
    """What PyAV writes as a chapter."""
    tick = Fraction(1, RATE)
    metadata = {"title": title}
    return {"id": first, "start": first, "end": end, "time_base": tick, "metadata": metadata}


def write_clip(path: Path) -> None:
    """The small clip: H.264, AAC, one subtitle track, two chapters, a title and languages."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
        output.metadata["title"] = "A cat says hello"
        video = add_video(output)
        audio = output.add_stream("aac", rate=cartoon.SAMPLE_RATE, layout="stereo", bit_rate=64_000)
        text = output.add_stream("mov_text")
        text.codec_context.subtitle_header = SUBTITLE_HEADER
        for stream in (audio, text):
            stream.metadata["language"] = "eng"
        output.set_chapters([chapter(*row) for row in CHAPTERS])
        output.start_encoding()
        output.mux(list(subtitle_packets(text)))
        encode_pictures(output, video, FRAMES, hr=False)
        for piece in sound_frames(audio.codec_context.frame_size):
            output.mux(audio.encode(piece))
        output.mux(audio.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the repository's own clip.")
    parser.add_argument("output", type=Path, help="the file to write")
    parser.add_argument("--hr", action="store_true", help="the clean drawings at full size (.mkv)")
    arguments = parser.parse_args()
    (write_hr if arguments.hr else write_clip)(arguments.output)


if __name__ == "__main__":
    main()
