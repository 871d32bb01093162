"""Copying the other streams: bit for bit and at their times, or left out by name."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.subtitles.subtitle import AssSubtitle
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.errors import OutputError
from animesr_cli.reading.probe import probe
from animesr_cli.video.containers import open_output
from animesr_cli.writing.stream_copy import MAX_LOST_PACKETS, StreamCopier, cut_chapters, kept_tags
from media import Audio, Subtitles, matroska_blocks, patch_block_times, write_video
from rewriting import attachments_of, chapters_of, facts_of, rewrite, tags_of_file

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


def test_too_many_damaged_packets_end_the_run(tmp_path: Path) -> None:
    """A stream of which nothing can be converted is an error that names it, not a silent loss."""
    count = MAX_LOST_PACKETS + 5
    lines = [(0.01 * i, 0.01 * i + 0.005, "damaged") for i in range(1, count)]
    source = write_video(tmp_path / "in.mkv", frames=24, subtitles=[Subtitles(lines=lines)])
    content = source.read_bytes().replace(b"damaged", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9")
    source.write_bytes(content)
    with pytest.raises(OutputError, match=r"subtitle stream #1 \(subrip\) cannot be copied"):
        rewrite(source, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_copying_reads_no_further_than_the_video(tmp_path: Path) -> None:
    """At most one packet is held: what is not due yet is neither read nor written."""
    source = write_video(
        tmp_path / "in.mkv", frames=50, rate=25, audio_tracks=[Audio(codec="flac")]
    )
    output = open_output(tmp_path / "out.mkv", format_name="matroska")
    video = output.add_stream("libx264", rate=25)
    assert isinstance(video, av.VideoStream)
    with StreamCopier(
        source, output, format_name="matroska", video_stream_index=0, origin=Fraction(0)
    ) as copier:
        output.start_encoding()
        assert copier.counts == {1: 0}
        copier.mux_until(Fraction(1, 2))
        expected = [time for time in facts_of(source)[1].times if time < Fraction(1, 2)]
        assert copier.counts == {1: len(expected)}
        copier.finish()
        assert copier.counts == {1: len(facts_of(source)[1].times)}
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
