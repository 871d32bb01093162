"""The lengths that an MP4 file announces: read, and set right in place."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import pytest

from animesr_cli.writing.mp4_boxes import media_lengths, shorten_media
from media import picture, write_video


def write_reordered(path: Path, steps: list[int], suffix_muxer: str = "mp4") -> None:
    """A video of frames that are shown ``steps`` milliseconds each, with B-frames, by x265."""
    options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:b-adapt=0"}
    with av.open(str(path), "w", format=suffix_muxer) as output:
        stream = output.add_stream("libx265", rate=24, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        durations = dict(zip(accumulate(steps[:-1], initial=0), steps, strict=True))
        packets = []
        for number, pts in enumerate(durations):
            frame = picture(number)
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode()]:
            packet.duration = durations[packet.pts or 0]
            output.mux(packet)


def announced(path: Path) -> Fraction:
    """Seconds of the movie (mvhd), found by its name alone."""
    content = path.read_bytes()
    at = content.index(b"mvhd") + 4
    scale, duration = (int.from_bytes(content[at + o : at + o + 4], "big") for o in (12, 16))
    return Fraction(duration, scale)


@pytest.mark.parametrize("muxer", ["mp4", "mov"])
@pytest.mark.parametrize("steps", [[42, 41, 41], [40, 500, 20]])
def test_what_the_muxer_added_is_taken_away(steps: list[int], muxer: str, tmp_path: Path) -> None:
    """Track and movie are as long as their frames are shown; the pictures stay where they were."""
    path = tmp_path / "in.mp4"
    write_reordered(path, steps, muxer)
    length = Fraction(sum(steps), 1000)
    assert media_lengths(path)[0] > length, "the muxer no longer adds anything: mp4.py can go"
    before = path.read_bytes()
    shorten_media(path, length, at_most=Fraction(1))
    assert media_lengths(path) == [length]
    assert announced(path) == length
    after = path.read_bytes()
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert all(i > before.index(b"moov") for i in changed)
    with av.open(str(path)) as container:
        times = sorted(p.pts or 0 for p in container.demux() if p.size)
        scale = Fraction(container.streams.video[0].time_base or 1)
    assert [time * scale * 1000 for time in times] == list(accumulate(steps[:-1], initial=0))


def test_an_exact_length_is_left_alone(tmp_path: Path) -> None:
    """Without reordering nothing is written, nor where the difference has another reason."""
    path = write_video(tmp_path / "in.mp4", frames=24, audio_tracks=1)
    before = path.read_bytes()
    assert media_lengths(path)[0] == 1
    shorten_media(path, Fraction(1), at_most=Fraction(1))
    shorten_media(path, Fraction(1, 2), at_most=Fraction(1, 4))
    shorten_media(path, Fraction(2), at_most=Fraction(1))
    assert path.read_bytes() == before


def test_a_longer_sound_keeps_the_movie_long(tmp_path: Path) -> None:
    """The movie is as long as its longest track, whatever is done to the video."""
    path = write_video(tmp_path / "in.mp4", frames=24, audio_tracks=1, audio_seconds=3)
    movie = announced(path)
    assert movie > 2
    shorten_media(path, Fraction(23, 24), at_most=Fraction(1))
    assert media_lengths(path)[0] == Fraction(23, 24)
    assert announced(path) == movie


def test_a_file_without_tracks_is_no_error(tmp_path: Path) -> None:
    """Whatever is wrong with a file is for verification to say."""
    for content in (b"", b"\0\0\0\x08moov", b"\0\0\0\0mdat" + bytes(40), b"no MP4 at all" * 9):
        path = tmp_path / "odd.mp4"
        path.write_bytes(content)
        assert media_lengths(path) == []
        shorten_media(path, Fraction(1), at_most=Fraction(1))
        assert path.read_bytes() == content
