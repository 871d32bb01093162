"""Copying the other streams: bit for bit and at their times, or left out by name."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.subtitles.subtitle import AssSubtitle
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from animesr_cli.reading.probe import probe
from animesr_cli.video.containers import open_output
from animesr_cli.writing.stream_copy import MAX_LOST_PACKETS, StreamCopier
from animesr_cli.writing.stream_support import cut_chapters, kept_tags
from media import Audio, Subtitles, matroska_blocks, patch_block_times, write_video
from rewriting import (
    attachments_of,
    chapters_of,
    facts_of,
    make_writer,
    rewrite,
    tags_of_file,
    video_times,
)

MILLISECOND = Fraction(1, 1000)


@pytest.fixture(scope="module")
def rich_mkv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything that Matroska holds."""
    return write_video(
        tmp_path_factory.mktemp("rich") / "rich.mkv",
        frames=24,
        audio_tracks=[
            Audio(language="jpn", title="Original", default=True),
            Audio(codec="flac", language="eng", title="Dub"),
        ],
        subtitles=[
            Subtitles(language="eng", title="Signs", forced=True),
            Subtitles(codec="ass", language="ger", title="Styled"),
        ],
        chapters=[(0, 0.4, "One"), (0.4, 1, "Two")],
        attachments=[("font.ttf", "application/x-truetype-font", bytes(range(256)) * 8)],
        cover="jpeg",
        metadata={"title": "A Film", "artist": "Ünïcödé", "comment": "kept"},
        video_language="jpn",
    )


@pytest.fixture(scope="module")
def rich_mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything that MP4 holds."""
    return write_video(
        tmp_path_factory.mktemp("rich") / "rich.mp4",
        frames=24,
        audio_tracks=[Audio(language="jpn", title="Original", default=True), Audio(language="eng")],
        subtitles=[Subtitles(language="eng", title="All")],
        chapters=[(0, 0.4, "One"), (0.4, 1, "Two")],
        cover="png",
        metadata={"title": "A Film", "artist": "Ünïcödé"},
    )


# ---- kept ----------------------------------------------------------------------------------------


def test_matroska_to_matroska_keeps_everything(rich_mkv: Path, tmp_path: Path) -> None:
    """Packets, times, languages, titles, dispositions, attachments, chapters and tags are equal."""
    made = rewrite(rich_mkv, tmp_path / "out.mkv")
    before, after = facts_of(rich_mkv), facts_of(made.path)
    assert after[1:] == before[1:]
    assert (after[0].language, after[0].disposition) == ("jpn", before[0].disposition)
    assert attachments_of(made.path) == attachments_of(rich_mkv)
    assert chapters_of(made.path) == chapters_of(rich_mkv)
    tags = tags_of_file(made.path)
    expected = kept_tags(tags_of_file(rich_mkv))
    assert {name: tags.get(name) for name in expected} == expected
    assert made.warnings == []


def test_mp4_to_mp4_keeps_everything(rich_mp4: Path, tmp_path: Path) -> None:
    """The same for MP4, whose chapter titles are no stream of their own."""
    made = rewrite(rich_mp4, tmp_path / "out.mp4")
    assert facts_of(made.path)[1:] == facts_of(rich_mp4)[1:]
    assert chapters_of(made.path) == chapters_of(rich_mp4)
    tags = tags_of_file(made.path)
    assert (tags["title"], tags["artist"]) == ("A Film", "Ünïcödé")
    assert made.warnings == []


def test_no_trace_of_the_programs_is_added(rich_mp4: Path, tmp_path: Path) -> None:
    """Neither the old file's encoder and brands nor a new encoder tag are written."""
    source = tags_of_file(rich_mp4)
    assert "encoder" in source
    tags = tags_of_file(rewrite(rich_mp4, tmp_path / "out.mp4").path)
    assert "encoder" not in tags
    tags = tags_of_file(rewrite(rich_mp4, tmp_path / "out.mkv").path)
    assert not {"major_brand", "minor_version", "compatible_brands"} & {t.lower() for t in tags}


def test_the_video_keeps_its_title_but_not_its_statistics(tmp_path: Path) -> None:
    """mkvmerge's counts are of the old packets; they stay true of copied streams alone."""
    tags = {"title": "t", "BPS": "1", "NUMBER_OF_FRAMES-eng": "2", "_STATISTICS_TAGS": "BPS"}
    assert kept_tags(tags, statistics=False) == {"title": "t"}
    assert kept_tags(tags) == tags
    assert kept_tags({"DURATION-eng": "1", "Duration": "2", "ENCODER": "3", "VENDOR_ID": "4"}) == {}


def test_mp4_to_matroska(rich_mp4: Path, tmp_path: Path) -> None:
    """Sound bit for bit, text as SubRip, the cover as an attachment, chapters; nothing is lost."""
    made = rewrite(rich_mp4, tmp_path / "out.mkv")
    before, after = facts_of(rich_mp4), facts_of(made.path)
    assert [s.codec for s in after[1:]] == ["aac", "aac", "subrip", "png"]
    for number in (1, 2):
        assert after[number].payload == before[number].payload
        for ours, theirs in zip(after[number].times, before[number].times, strict=True):
            assert abs(ours - theirs) <= MILLISECOND / 2
    assert [float(time) for time in after[3].times] == [0.1, 0.35]
    assert (after[3].language, after[3].title) == ("eng", "All")
    assert after[4].payload == before[4].payload
    assert chapters_of(made.path) == chapters_of(rich_mp4)
    assert made.warnings == []


def test_matroska_to_mp4_names_what_is_left_out(rich_mkv: Path, tmp_path: Path) -> None:
    """Text becomes mov_text; lost styles and attachments are said, with the advice .mkv."""
    made = rewrite(rich_mkv, tmp_path / "out.mp4")
    after = facts_of(made.path)
    assert [s.codec for s in after[1:]] == ["aac", "flac", "mov_text", "mov_text", "mjpeg"]
    assert [s.language for s in after[1:5]] == ["jpn", "eng", "eng", "ger"]
    assert [s.title for s in after[1:5]] == ["Original", "Dub", "Signs", "Styled"]
    assert [float(time) for time in after[3].times] == [0.1, 0.35]
    assert chapters_of(made.path) == chapters_of(rich_mkv)
    styled, font = made.warnings
    assert "subtitle stream #4 (ass, ger)" in styled
    assert ".mkv keeps" in styled
    assert "font.ttf" in font
    assert ".mkv keeps it" in font


def test_mov_says_that_it_has_no_room_for_covers(rich_mp4: Path, tmp_path: Path) -> None:
    """FFmpeg drops covers of MOV silently; here they are named."""
    made = rewrite(rich_mp4, tmp_path / "out.mov")
    assert made.warnings == ["MOV cannot hold cover #5 (png): it is left out; .mkv keeps it"]
    assert [s.codec for s in facts_of(made.path)[1:]] == ["aac", "aac", "mov_text"]


def test_webm_keeps_only_what_it_holds(rich_mkv: Path, tmp_path: Path) -> None:
    """Both text tracks as WebVTT; each of the rest is named once."""
    made = rewrite(rich_mkv, tmp_path / "out.webm")
    assert [s.codec for s in facts_of(made.path)[1:]] == ["webvtt", "webvtt"]
    left_out = [w.split("cannot hold ")[1].split(":")[0] for w in made.warnings if "hold" in w]
    assert left_out == [
        "audio stream #1 (aac, jpn)",
        "audio stream #2 (flac, eng)",
        "cover #5 (mjpeg)",
        "attachment stream #6 (font.ttf)",
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_text_survives_conversion(suffix: str, tmp_path: Path) -> None:
    """The words of a converted subtitle are those of the source, line breaks and umlauts too."""
    lines = [(0.1, 0.3, "Grüße,\nWelt"), (0.5, 0.9, "второй")]
    first = ".mkv" if suffix == ".mp4" else ".mp4"
    source = tmp_path / f"in{first}"
    write_video(
        source,
        frames=24,
        subtitles=[Subtitles(lines=[(a, b, t.replace("\n", r"\N") if first == ".mp4" else t)
                                    for a, b, t in lines])],
    )  # fmt: skip
    made = rewrite(source, tmp_path / f"out{suffix}")
    with av.open(str(made.path)) as container:
        stream = container.streams.subtitles[0]
        words = [
            line.dialogue.decode().strip()
            for packet in container.demux(stream)
            if packet.size > 2
            for line in packet.decode()
            if isinstance(line, AssSubtitle)
        ]
    assert words == [text for _, _, text in lines]


def test_cover_and_names_of_a_matroska_cover_are_kept(tmp_path: Path) -> None:
    """A cover attachment comes back under its own name and type, byte for byte."""
    source = write_video(tmp_path / "in.mkv", cover="png")
    made = rewrite(source, tmp_path / "out.mkv")
    with av.open(str(made.path)) as container:
        cover = container.streams[1]
        assert cover.metadata["filename"] == "cover.png"
        assert cover.metadata["mimetype"] == "image/png"
    assert facts_of(made.path)[1] == facts_of(source)[1]


def test_every_video_track_is_kept(tmp_path: Path) -> None:
    """A second video stream is copied as it is, B-frames included."""
    source = write_video(tmp_path / "in.mkv", frames=24, video_tracks=2, b_frames=2)
    made = rewrite(source, tmp_path / "out.mkv")
    assert facts_of(made.path)[1] == facts_of(source)[1]


def test_tags_that_are_not_utf8_pass_through(tmp_path: Path) -> None:
    """The bytes of a Shift-JIS title are still the same in the output."""
    source = write_video(tmp_path / "in.mkv", metadata={"title": "abcdefgh"})
    content = source.read_bytes()
    shift_jis = "アニメ曲".encode("shift_jis")
    assert content.count(b"abcdefgh") == 1
    source.write_bytes(content.replace(b"abcdefgh", shift_jis))
    made = rewrite(source, tmp_path / "out.mkv")
    assert os.fsencode(tags_of_file(made.path)["title"]) == shift_jis


def test_gap_marks_of_mp4_text_do_not_multiply(tmp_path: Path) -> None:
    """MP4 text copied to MP4 has as many samples as before, with the gaps where they were."""
    source = write_video(tmp_path / "in.mp4", frames=24, subtitles=1)
    made = rewrite(source, tmp_path / "out.mp4")

    def samples(path: Path) -> list[tuple[int | None, int]]:
        with av.open(str(path)) as container:
            packets = container.demux(container.streams.subtitles[0])
            return [(packet.pts, packet.size) for packet in packets if packet.size]

    assert samples(made.path) == samples(source)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("first", "codec"),
    [
        (".avi", "pcm_s16le"), (".mkv", "pcm_s24le"), (".mkv", "alac"), (".ts", "aac"),
        (".flv", "aac"), (".mkv", "ac3"), (".mkv", "eac3"), (".mov", "pcm_s16le"), (".mkv", "mp2"),
    ],
)  # fmt: skip
def test_sound_of_other_containers_is_complete(
    first: str, codec: str, suffix: str, tmp_path: Path
) -> None:
    """Every byte of it is there to its end, though each container tells other things about it."""
    source = write_video(
        tmp_path / f"in{first}", frames=24, audio_tracks=[Audio(codec=codec)], audio_seconds=1.5
    )
    made = rewrite(source, tmp_path / f"out{suffix}")
    assert made.warnings == []
    before, after = facts_of(source)[1], facts_of(made.path)[1]
    if first == ".ts":  # ADTS headers in TS, none elsewhere: AAC is repacked
        assert len(after.times) == len(before.times)
    else:
        assert after.payload == before.payload
    assert abs(after.times[0] - before.times[0]) <= MILLISECOND / 2


def test_what_even_matroska_does_not_take_has_no_advice(tmp_path: Path) -> None:
    """WMA is named as left out, and .mkv is not promised to keep it."""
    source = write_video(tmp_path / "in.wmv", frames=24, audio_tracks=1)
    made = rewrite(source, tmp_path / "out.mp4")
    assert made.warnings == ["MP4 cannot hold audio stream #1 (wmav2): it is left out"]


# ---- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_that_begins_late_stays_late(suffix: str, tmp_path: Path) -> None:
    """The offset between sound and picture is that of the source."""
    late = Audio(start_seconds=Fraction(1, 4))
    source = write_video(tmp_path / f"in{suffix}", frames=24, audio_tracks=[late])
    made = rewrite(source, tmp_path / f"out{suffix}")
    before, after = facts_of(source), facts_of(made.path)
    assert before[1].times[0] > Fraction(1, 5)
    assert after[1] == before[1]
    assert after[0].times[0] == 0


def test_sound_before_the_first_picture_does_not_move_the_video(tmp_path: Path) -> None:
    """The encoder delay of AAC in MP4 lies before zero; the video in Matroska still begins at 0."""
    source = write_video(tmp_path / "in.mp4", frames=24, audio_tracks=1)
    assert facts_of(source)[1].times[0] < 0
    video, sound = facts_of(rewrite(source, tmp_path / "out.mkv").path)
    assert min(video.times) == 0
    assert sound.payload == facts_of(source)[1].payload
    assert abs(sound.times[0] - facts_of(source)[1].times[0]) <= MILLISECOND / 2


def test_origin_moves_everything(tmp_path: Path) -> None:
    """All streams and chapters are moved by the origin, to the tick."""
    source = write_video(
        tmp_path / "in.mkv", pts=range(500, 1500, 40), time_base=MILLISECOND, rate=25,
        audio_tracks=[Audio(codec="flac", start_seconds=Fraction(1, 2))],
        subtitles=[Subtitles(lines=[(0.6, 0.7, "text")])], chapters=[(0.5, 1.5, "c")],
    )  # fmt: skip
    made = rewrite(source, tmp_path / "out.mkv", origin=Fraction(1, 2))
    for before, after in zip(facts_of(source), facts_of(made.path), strict=True):
        assert sorted(after.times) == [time - Fraction(1, 2) for time in sorted(before.times)]
    assert chapters_of(made.path) == [(0, 1, "c")]


def test_an_interval_cuts_at_packet_edges(tmp_path: Path) -> None:
    """With start and end, exactly the packets that begin in the interval are there, moved to 0."""
    source = write_video(
        tmp_path / "in.mkv", frames=100, rate=25, audio_tracks=[Audio(codec="flac")],
        subtitles=[Subtitles(lines=[(0.5, 0.9, "soon"), (1.2, 1.4, "now"), (2.5, 2.6, "late")])],
        chapters=[(0, 1.5, "one"), (1.5, 3, "two"), (3, 4, "three")],
    )  # fmt: skip
    start, end = Fraction(1), Fraction(2)
    times = [(pts, 40) for pts in range(1000, 2000, 40)]
    made = rewrite(source, tmp_path / "out.mkv", times=times, origin=start, start=start, end=end)
    before, after = facts_of(source), facts_of(made.path)
    for number in (1, 2):
        expected = [time - start for time in before[number].times if start <= time < end]
        assert list(after[number].times) == expected
        assert expected
    assert chapters_of(made.path) == [(0, Fraction(1, 2), "one"), (Fraction(1, 2), 1, "two")]


def test_an_interval_far_into_a_file_is_sought(tmp_path: Path) -> None:
    """Reading begins shortly before the start, and what is kept is the same as without seeking."""
    source = write_video(
        tmp_path / "in.mkv", frames=120, rate=4, gop=4, audio_tracks=[Audio(codec="flac")],
    )  # fmt: skip
    start = Fraction(25)
    times = [(pts, 250) for pts in range(25_000, 30_000, 250)]
    made = rewrite(source, tmp_path / "out.mkv", times=times, origin=start, start=start)
    expected = [time - start for time in facts_of(source)[1].times if time >= start]
    assert list(facts_of(made.path)[1].times) == expected


def test_a_number_of_frames_ends_the_sound_with_the_picture(tmp_path: Path) -> None:
    """With frames=N nothing of the other streams begins after the last frame's end."""
    source = write_video(
        tmp_path / "in.mkv", frames=100, rate=25, audio_tracks=[Audio(codec="flac")],
        chapters=[(0, 0.2, "one"), (0.2, 4, "two")],
    )  # fmt: skip
    times = [(pts, 40) for pts in range(0, 400, 40)]
    made = rewrite(source, tmp_path / "out.mkv", times=times, frames=10)
    end = Fraction(2, 5)
    sound = facts_of(made.path)[1].times
    assert list(sound) == [time for time in facts_of(source)[1].times if time < end]
    assert chapters_of(made.path)[-1] == (Fraction(1, 5), end, "two")


def test_sound_that_outlasts_the_picture_is_kept(tmp_path: Path) -> None:
    """A whole file is copied to its very end."""
    source = write_video(
        tmp_path / "in.mkv", frames=12, audio_tracks=[Audio(codec="flac")], audio_seconds=3
    )
    made = rewrite(source, tmp_path / "out.mkv")
    assert facts_of(made.path)[1] == facts_of(source)[1]


def test_backward_times_of_a_copied_stream_are_repaired(tmp_path: Path) -> None:
    """Two packets at one time, which no MP4 takes, do not stop the run; every packet is there."""
    source = write_video(tmp_path / "in.mkv", frames=24, audio_tracks=1)
    patch_block_times(source, {3: 20, 4: 20, 5: 10}, track=2)
    made = rewrite(source, tmp_path / "out.mp4")
    before, after = facts_of(source)[1], facts_of(made.path)[1]
    assert after.payload == before.payload
    assert list(after.times) == sorted(set(after.times))


@pytest.mark.parametrize("codec", ["subrip", "ass"])
def test_lines_that_begin_together_stay_together(codec: str, tmp_path: Path) -> None:
    """Matroska holds any number of lines of one moment: none is pushed behind another."""
    lines = [(0.2, 0.4, f"sign {number}") for number in range(40)] + [(0.3, 0.5, "speech")] * 2
    source = write_video(
        tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines, codec=codec)]
    )
    made = rewrite(source, tmp_path / "out.mkv")
    assert facts_of(made.path)[1] == facts_of(source)[1]
    assert set(facts_of(made.path)[1].times) == {Fraction(1, 5), Fraction(3, 10)}
    assert made.warnings == []


def shown_texts(path: Path) -> list[tuple[Fraction, Fraction, list[str]]]:
    """When an MP4 shows which lines."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        return [
            (
                (packet.pts or 0) * Fraction(packet.time_base),
                ((packet.pts or 0) + (packet.duration or 0)) * Fraction(packet.time_base),
                [
                    text
                    for line in packet.decode()
                    if isinstance(line, AssSubtitle)
                    for text in line.dialogue.decode().split("\n")
                ],
            )
            for packet in container.demux(stream)
            if packet.size > 2
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_lines_that_overlap_are_shown_together(suffix: str, tmp_path: Path) -> None:
    """MP4 shows one sample at a time: each moment has the lines that the source shows then."""
    lines = [(0.1, 0.5, "a"), (0.2, 0.3, "b"), (0.2, 0.6, "c"), (0.7, 0.8, "d")]
    source = write_video(tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines)])
    made = rewrite(source, tmp_path / f"out{suffix}")
    assert [(float(a), float(b), texts) for a, b, texts in shown_texts(made.path)] == [
        (0.1, 0.2, ["a"]),
        (0.2, 0.3, ["a", "b", "c"]),
        (0.3, 0.5, ["a", "c"]),
        (0.5, 0.6, ["c"]),
        (0.7, 0.8, ["d"]),
    ]
    assert made.warnings == []


def test_sound_whose_packets_share_times_does_not_drift(tmp_path: Path) -> None:
    """Packets shorter than a tick of Matroska, as those of TrueHD, keep all their times."""
    source = write_video(tmp_path / "in.mkv", frames=24, audio_tracks=[Audio(codec="flac")])
    count = len(matroska_blocks(source, track=2))
    patch_block_times(source, {n: 20 * (n // 3) for n in range(count)}, track=2)
    made = rewrite(source, tmp_path / "out.mkv")
    assert facts_of(made.path)[1] == facts_of(source)[1]
    assert made.warnings == []
    # MP4 takes no equal times: one tick of its own, of 1/48000 s, lies between them.
    made = rewrite(source, tmp_path / "out.mp4")
    for ours, theirs in zip(facts_of(made.path)[1].times, facts_of(source)[1].times, strict=True):
        assert 0 <= ours - theirs <= Fraction(2, 48000)
    assert made.warnings == []


def test_times_that_go_backward_are_said(tmp_path: Path) -> None:
    """What no container holds is moved as little as possible, and told with its size."""
    source = write_video(tmp_path / "in.mkv", frames=24, audio_tracks=[Audio(codec="flac")])
    times = facts_of(source)[1].times
    patch_block_times(source, {5: 10}, track=2)
    made = rewrite(source, tmp_path / "out.mkv")
    moved = list(times)
    moved[5] = times[4]
    assert list(facts_of(made.path)[1].times) == moved
    (warning,) = made.warnings
    assert "1 packets of audio stream #1 (flac) are up to" in warning
    assert "go backward" in warning


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("truehd_beep_at_7s.mkv", ".mkv"),
        ("ass_300_lines_at_once.mkv", ".mkv"),
        ("captions_a53_h264.mp4", ".mp4"),
        ("lpcm_dvd.vob", ".mkv"),
    ],
)
def test_ffprobe_finds_every_packet_at_its_time(
    name: str, suffix: str, faults: Path, tmp_path: Path
) -> None:
    """An independent reader sees the packets of sound and text at the times that they had."""
    begin = probe(faults / name).clock_start
    made = rewrite(faults / name, tmp_path / f"out{suffix}", origin=begin)
    for kind in ("a", "s"):
        before, after = (packet_times(path, kind) for path in (made.source.path, made.path))
        moved = [time - float(begin) for time in before]
        assert len(after) == len(moved)
        assert all(abs(a - b) < 0.00101 for a, b in zip(after, moved, strict=True))


def packet_times(path: Path, kind: str) -> list[float]:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time",
         "-of", "csv=p=0", str(path)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [float(line.strip(",")) for line in told.stdout.split()]


# ---- sound of discs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "format_name", "codec", "suffix"),
    [
        (".mpg", "vob", "pcm_dvd", ".mkv"),
        (".mpg", "vob", "pcm_dvd", ".mp4"),
        (".ts", "mpegts", "pcm_bluray", ".mkv"),
        (".ts", "mpegts", "pcm_bluray", ".mov"),
    ],
)
def test_sound_of_discs_is_kept_sample_for_sample(
    first: str, format_name: str, codec: str, suffix: str, tmp_path: Path
) -> None:
    """LPCM of DVD and Blu-ray becomes PCM that the container holds, with the same samples."""
    options = {"mpegts_m2ts_mode": "1"} if format_name == "mpegts" else {}
    source = write_video(
        tmp_path / f"in{first}", frames=24, audio_tracks=[Audio(codec=codec)],
        format_name=format_name, container_options=options,
    )  # fmt: skip
    made = rewrite(source, tmp_path / f"out{suffix}")
    assert not [warning for warning in made.warnings if "left out" in warning]
    before, after = samples_of(source), samples_of(made.path)
    assert len(before) > 40_000
    assert np.array_equal(before, after)
    assert facts_of(made.path)[1].codec.endswith("le")


def samples_of(path: Path) -> NDArray[Any]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(frames)


# ---- tracks that cannot be described -------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_a_track_that_cannot_be_described_is_left_out(suffix: str, tmp_path: Path) -> None:
    """The metadata tracks of phones (mebx) would become tracks without a description."""
    source = write_video(tmp_path / "in.mp4", frames=24, audio_tracks=1, subtitles=1)
    content = source.read_bytes()
    for old, new in ((b"tx3g", b"mebx"), (b"sbtl", b"meta")):
        assert content.count(old) >= 1
        content = content.replace(old, new)
    source.write_bytes(content)
    with av.open(str(source)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "data"]
    made = rewrite(source, tmp_path / f"out{suffix}")
    (warning,) = made.warnings
    assert "data stream #2" in warning
    assert "left out" in warning
    assert [stream.kind for stream in facts_of(made.path)] == ["video", "audio"]


# ---- sound that an edit list hides ---------------------------------------------------------------


def test_hidden_sound_stays_hidden(faults: Path, tmp_path: Path) -> None:
    """An edit list cuts 0.4 s off the sound: no container brings them back."""
    source = faults / "editlist_trimmed_audio.mp4"
    with av.open(str(source)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
    shown = [(p.pts or 0) * Fraction(p.time_base) for p in packets if not p.is_discard]
    assert len(shown) < len(packets)
    times = [time for time in video_times(probe(source)) if time[0] >= 0]
    made = rewrite(source, tmp_path / "out.mkv", times=times)
    found = facts_of(made.path)[1].times
    assert len(found) == len(shown)
    assert max(abs(a - b) for a, b in zip(found, shown, strict=True)) <= MILLISECOND
    made = rewrite(source, tmp_path / "out.mp4", times=times)
    with av.open(str(made.path)) as container:
        again = [p for p in container.demux(audio=0) if p.size]
    assert [(p.pts, p.is_discard) for p in again] == [(p.pts, p.is_discard) for p in packets]


chapter_edges = st.lists(st.integers(0, 100), min_size=2, max_size=8, unique=True).map(sorted)


@given(edges=chapter_edges, start=st.integers(0, 100), length=st.integers(1, 100))
def test_cut_chapters_lie_in_the_interval(edges: list[int], start: int, length: int) -> None:
    """They cover exactly what the chapters covered of it, in order, from 0 on."""
    chapters = [
        {"id": i, "start": a, "end": b, "time_base": Fraction(1), "metadata": {}}
        for i, (a, b) in enumerate(itertools.pairwise(edges))
    ]
    cut = cut_chapters(chapters, Fraction(start), Fraction(start), Fraction(start + length))
    covered = {second for c in cut for second in range(c["start"], c["end"])}
    wanted = range(max(edges[0], start), min(edges[-1], start + length))
    assert covered == {second - start for second in wanted}
    assert [c["start"] for c in cut] == sorted(c["start"] for c in cut)


# ---- faults --------------------------------------------------------------------------------------


def test_a_line_that_cannot_be_converted_is_counted(tmp_path: Path) -> None:
    """One damaged line is left out and named; the others and the run are unharmed."""
    lines = [(0.1, 0.2, "first"), (0.3, 0.4, "damaged"), (0.5, 0.6, "third")]
    source = write_video(tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines)])
    content = bytearray(source.read_bytes())
    block = matroska_blocks(source, track=2)[1]
    content[block.data : block.data + 7] = b"\xff\xfe\xfd\xfc\xfb\xfa\xf9"
    source.write_bytes(content)
    made = rewrite(source, tmp_path / "out.mp4")
    assert [float(time) for time in facts_of(made.path)[1].times] == [0.1, 0.5]
    assert made.warnings == ["1 damaged packets of subtitle stream #1 (subrip) are left out"]


def test_a_stream_that_cannot_be_read_is_left_out_before_the_work(tmp_path: Path) -> None:
    """Text of which nothing can be understood is named and left out; the run goes on."""
    count = MAX_LOST_PACKETS + 5
    lines = [(0.01 * i, 0.01 * i + 0.005, "damaged") for i in range(1, count)]
    source = write_video(tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines)])
    content = source.read_bytes().replace(b"damaged", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9")
    source.write_bytes(content)
    warnings: list[str] = []
    with make_writer(source, tmp_path / "out.mp4", warn=warnings.append):
        (warning,) = warnings
    assert "subtitle stream #1 (subrip) is not UTF-8, and what it is cannot be told" in warning
    assert len(facts_of(rewrite(source, tmp_path / "out.mp4").path)) == 1


def texts_of(path: Path) -> list[str]:
    """The words of all lines of the first subtitles."""
    with av.open(str(path)) as container:
        return [
            line.dialogue.decode().strip()
            for packet in container.demux(container.streams.subtitles[0])
            if packet.size > 2
            for line in packet.decode()
            if isinstance(line, AssSubtitle)
        ]


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("cp1251", "Это строка на русском языке"),
        ("cp1252", "Où étais-tu, garçon?"),
        ("cp932", "おはようございます、元気ですか"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_text_of_other_encodings_is_converted(
    charset: str, text: str, suffix: str, tmp_path: Path
) -> None:
    """More than a hundred lines that are not UTF-8 are read right, which is said once."""
    content = text.encode(charset)
    place = "#" * len(content)
    lines = [(0.005 * i, 0.005 * i + 0.004, place) for i in range(1, MAX_LOST_PACKETS + 30)]
    source = write_video(tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines)])
    source.write_bytes(source.read_bytes().replace(place.encode(), content))
    made = rewrite(source, tmp_path / f"out{suffix}")
    assert texts_of(made.path) == [text] * len(lines)
    (warning,) = made.warnings
    assert f"{len(lines)} lines of subtitle stream #1 (subrip) are not UTF-8" in warning
    assert texts_of_bytes(rewrite(source, tmp_path / "same.mkv").path) == texts_of_bytes(source)


def texts_of_bytes(path: Path) -> str:
    return facts_of(path)[1].payload


def test_lines_that_mp4_cannot_hold_are_known_before_the_work(tmp_path: Path) -> None:
    """A line of a megabyte costs no time, and one that lasts for weeks ends within a day."""
    lines = [(0.1, 0.2, "first"), (0.3, 0.4, "x" * 1_000_000), (0.5, 3_000_000, "for ever")]
    source = write_video(tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines)])
    warnings: list[str] = []
    with make_writer(source, tmp_path / "out.mp4", warn=warnings.append):
        told = list(warnings)
    assert "1 lines of subtitle stream #1 (subrip) are longer than 65,535 bytes" in told[0]
    assert "1 lines of subtitle stream #1 (subrip) last longer than MP4 can say" in told[1]
    made = rewrite(source, tmp_path / "out.mp4")
    assert made.warnings == told
    shown = shown_texts(made.path)
    assert [texts for _, _, texts in shown] == [["first"], ["for ever"]]
    assert shown[-1][1] - shown[-1][0] == 24 * 3600
    kept = rewrite(source, tmp_path / "out.mkv")
    assert facts_of(kept.path)[1] == facts_of(source)[1]


def counts(copier: StreamCopier) -> dict[int, int]:
    return {index: len(packets) for index, packets in copier.logs.items()}


def test_copying_reads_no_further_than_the_video(tmp_path: Path) -> None:
    """At most one packet is held: what is not due yet is neither read nor written."""
    source = write_video(
        tmp_path / "in.mkv", frames=50, rate=25, audio_tracks=[Audio(codec="flac")]
    )
    output = open_output(tmp_path / "out.mkv", format_name="matroska")
    video = output.add_stream("libx264", rate=25)
    assert isinstance(video, av.VideoStream)
    with StreamCopier(probe(source), output, format_name="matroska", origin=Fraction(0)) as copier:
        output.start_encoding()
        assert counts(copier) == {1: 0}
        copier.mux_until(Fraction(1, 2))
        expected = [time for time in facts_of(source)[1].times if time < Fraction(1, 2)]
        assert counts(copier) == {1: len(expected)}
        copier.finish()
        assert counts(copier) == {1: len(facts_of(source)[1].times)}
    output.close()


# ---- real files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suffix", "kept"),
    [
        ("bbb_854x480_h264_aac.mp4", ".mp4", ["aac"]),
        ("bbb_854x480_h264_aac.mp4", ".mkv", ["aac"]),
        ("bbb_960x540_h264_aac.mkv", ".mkv", ["aac"]),
        ("bbb_960x540_h264_aac.mkv", ".mp4", ["aac"]),
        ("popeye_1440x1074_hevc_pgs.mkv", ".mkv", ["hdmv_pgs_subtitle"]),
        ("popeye_1440x1074_hevc_pgs.mkv", ".mp4", []),
        ("popeye_720x478_sar8-9_hevc_dvdsub_a.mkv", ".mkv", ["dvd_subtitle"]),
        ("popeye_720x478_sar8-9_hevc_dvdsub_b.mkv", ".mp4", ["dvd_subtitle"]),
    ],
)
def test_real_streams_come_back(
    name: str, suffix: str, kept: list[str], clips: Path, tmp_path: Path
) -> None:
    """AAC and bitmap subtitles of real films are the same bytes at the same times, or named."""
    source = clips / name
    made = rewrite(source, tmp_path / f"out{suffix}")
    before, after = facts_of(source)[1:], facts_of(made.path)[1:]
    assert [stream.codec for stream in after] == kept
    assert bool(made.warnings) == (not kept)
    for ours, theirs in zip(after, before, strict=False):
        assert ours.payload == theirs.payload
        pairs = zip(ours.times, theirs.times, strict=True)
        assert max(abs(a - b) for a, b in pairs) <= MILLISECOND / 2


def test_frame_rate_is_the_sources(tmp_path: Path) -> None:
    """The average rate stands in the output, whatever the times of single frames are."""
    source = write_video(tmp_path / "in.mp4", frames=24, rate=Fraction(24000, 1001))
    made = rewrite(source, tmp_path / "out.mp4")
    assert probe(made.path).frame_rate == Fraction(24000, 1001)
    info = replace(probe(source), frame_rate=None)
    made = rewrite(source, tmp_path / "unknown.mp4", info=info)
    assert len(facts_of(made.path)[0].times) == 24
