"""Every kind of file that a user may have lying about meets the whole command."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import zoo
from command import Outcome, animesr, snapshot, warnings_of
from rewriting import StreamFacts, attachments_of, chapters_of, facts_of, tags_of_file
from zoo import ZOO, Specimen

TIME_TOLERANCE = Fraction(1, 1000)
"""The tick of Matroska."""


def run(
    specimen: Specimen, source: Path, checkpoint: Path, folder: Path | None = None
) -> tuple[Outcome, Path]:
    """The command as a user types it, on one file."""
    output = (folder or source.parent) / specimen.output
    fast = () if "-c" in specimen.options else ("--crf", "4")
    outcome = animesr("upscale", "-n", checkpoint, *fast, *specimen.options, "--", source, output)
    return outcome, output


def pictures(path: Path, index: int) -> list[av.VideoFrame]:
    with av.open("file:" + str(path), metadata_errors="surrogateescape") as container:
        frames = container.decode(container.streams[index])
        return [frame for frame in frames if isinstance(frame, av.VideoFrame)]


def best_video(path: Path) -> int:
    with av.open("file:" + str(path), metadata_errors="surrogateescape") as container:
        best = container.streams.best("video")
        assert best is not None
        return best.index


def clock_start(path: Path) -> Fraction:
    """Where a player's clock begins: 0 but for MPEG streams, which begin anywhere."""
    with av.open("file:" + str(path), metadata_errors="surrogateescape") as container:
        far = container.format.flags & 0x0200  # AVFMT_TS_DISCONT
        return Fraction(container.start_time or 0, 1_000_000) if far else Fraction(0)


def matters(facts: StreamFacts, clock: Fraction) -> tuple[Any, ...]:
    """What every copied stream keeps."""
    times = tuple(round(float(time - clock), 2) for time in facts.times[:1])
    return facts.kind, facts.codec, facts.payload, facts.language, facts.title, times


@pytest.mark.parametrize("name", ZOO)
def test_every_kind_is_upscaled_or_refused_in_one_line(
    name: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Exit code, words, frames, times, size, shape, colours and other streams are as promised."""
    specimen = ZOO[name]
    source = specimen.make(tmp_path)
    before = snapshot(tmp_path)
    outcome, output = run(specimen, source, zero_checkpoint)
    assert "Traceback" not in outcome.stderr
    if specimen.refused is not None:
        code, words = specimen.refused
        outcome.refused(code, words)
        assert snapshot(tmp_path) == before
        return
    assert outcome.exit_code == 0, outcome.stderr
    assert snapshot(tmp_path).keys() - before.keys() == {output.name}
    said = warnings_of(outcome)
    assert len(said) == len(specimen.warns), said
    assert all(any(words in line for line in said) for words in specimen.warns), said
    check_video(specimen, source, output)
    check_other_streams(specimen, source, output)


def check_video(specimen: Specimen, source: Path, output: Path) -> None:
    index = best_video(source)
    read, written = pictures(source, index), pictures(output, best_video(output))
    assert len(written) == specimen.frames
    first, out = read[0], written[0]
    size = (first.width * specimen.scale, first.height * specimen.scale)
    assert (out.width, out.height) == size
    assert out.rotation == first.rotation
    assert sample_aspect(output, best_video(output)) == sample_aspect(source, index)
    check_times(specimen, source, output)
    if specimen.blocks:
        check_colours(specimen, first, written)
    if specimen in zoo.ALPHA.values() and specimen.options:
        for frame in written:
            assert np.abs(zoo.shown_alpha(frame) - zoo.ALPHAS).max() < 0.02


def sample_aspect(path: Path, index: int) -> Fraction:
    with av.open("file:" + str(path), metadata_errors="surrogateescape") as container:
        return Fraction(container.streams.video[0].sample_aspect_ratio or 1)


def check_times(specimen: Specimen, source: Path, output: Path) -> None:
    video = facts_of(output)[best_video(output)]
    expected = specimen.times
    if expected is None:
        clock = clock_start(source)
        times = facts_of(source)[best_video(source)].times
        expected = tuple(sorted(time - clock for time in times))
    found = sorted(video.times)
    assert len(found) == len(expected)
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    assert worst <= TIME_TOLERANCE, (list(map(float, found)), list(map(float, expected)))


def check_colours(specimen: Specimen, first: av.VideoFrame, written: list[av.VideoFrame]) -> None:
    """What is shown is what was drawn, by the output's own tags."""
    assert written[0].colorspace in zoo.MATRICES or written[0].format.is_rgb or specimen.gray
    for index, frame in enumerate(written):
        shown = zoo.shown_colours(frame).astype(int)
        drawn = zoo.block_colours(index).astype(int)
        if specimen.gray:
            weights = np.array([0.299, 0.587, 0.114])
            shown, drawn = shown @ weights, drawn @ weights
        worst = int(np.abs(shown - drawn).max())
        assert worst <= specimen.tolerance, f"frame {index} is {worst} off"


def check_other_streams(specimen: Specimen, source: Path, output: Path) -> None:
    """Sound, text, covers, chapters, attachments and tags come over as they are."""
    mine, theirs = facts_of(source), facts_of(output)
    del mine[best_video(source)], theirs[best_video(output)]
    if source.suffix == output.suffix:
        clock = clock_start(source)
        before, after = (Counter(matters(f, clock) for f in facts) for facts in (mine, theirs))
        assert after == before
    else:
        kinds = Counter(f.kind for f in mine if f.kind not in specimen.lost_streams)
        assert Counter(f.kind for f in theirs) == kinds
    if "attachment" not in specimen.lost_streams:
        assert attachments_of(output) == attachments_of(source)
    assert chapters_of(output) == chapters_of(source)
    kept = {key.lower(): value for key, value in tags_of_file(output).items()}
    for key, value in tags_of_file(source).items():
        if key.lower() in ("title", "date"):
            assert kept[key.lower()] == value


def test_flat_black_stays_black(tmp_path: Path, zero_checkpoint: Path) -> None:
    """Nothing but black comes out of nothing but black: no tint, no lifted level."""
    outcome, output = run(ZOO["flat black"], ZOO["flat black"].make(tmp_path), zero_checkpoint)
    assert outcome.exit_code == 0, outcome.stderr
    for frame in pictures(output, best_video(output)):
        luma, *chroma = (np.frombuffer(memoryview(plane), np.uint8) for plane in frame.planes)
        rows = luma.reshape(frame.height, -1)[:, : frame.width]
        assert np.abs(rows.astype(int) - 16).max() <= 1
        for plane in chroma:
            rows = plane.reshape(frame.height // 2, -1)[:, : frame.width // 2]
            assert np.abs(rows.astype(int) - 128).max() <= 1


@pytest.mark.parametrize(
    "begins", [(3600, 10), (10, 7200), (10, 7200, 50), (10, 10, 10, 10), (10, 10.2), (10, 9.8, 10)]
)
def test_sound_and_picture_stay_together_over_a_splice(
    begins: tuple[float, ...], tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Where the clock of a recording jumps, all streams go on by the same step, without a gap."""
    source = zoo.spliced_ts(*begins)(tmp_path)
    outcome, output = run(Specimen(make=zoo.spliced_ts()), source, zero_checkpoint)
    assert outcome.exit_code == 0, outcome.stderr
    video, sound = (next(f for f in facts_of(output) if f.kind == k) for k in ("video", "audio"))
    pieces = len(begins)
    frames, packets = len(video.times) // pieces, len(sound.times) // pieces
    assert (frames, len(sound.times)) == (10, pieces * packets)
    apart = [sound.times[i * packets] - video.times[i * frames] for i in range(pieces)]
    assert max(apart) - min(apart) <= 2 * TIME_TOLERANCE
    steps = [b - a for a, b in zip(video.times, video.times[1:], strict=False)]
    assert max(steps) <= Fraction(50, 1000)


def test_a_short_piece_in_the_middle_is_joined(
    faults: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """A real DVD structure: three pieces on one clock, the middle one of less than a second."""
    source = faults / "vob_short_middle_piece.vob"
    outcome, output = run(Specimen(make=zoo.spliced_ts()), source, zero_checkpoint, tmp_path)
    assert outcome.exit_code == 0, outcome.stderr
    video, sound = (facts_of(output)[number].times for number in (0, 1))
    for times, usual in ((sorted(video), Fraction(40, 1000)), (sound, Fraction(32, 1000))):
        steps = [b - a for a, b in pairwise(times)]
        # Sound and picture of a piece do not end together, and stay as far apart as they were.
        assert min(steps) >= usual / 2
        # The last group of the middle piece is cut: two of its pictures were never there.
        assert max(steps) <= 3 * Fraction(40, 1000) + TIME_TOLERANCE


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("wanted", [0, 1])
def test_a_stream_can_be_picked(
    wanted: int, suffix: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """``--stream`` enlarges that video; the other one is copied bit for bit."""
    source = zoo.two_videos("in" + suffix)(tmp_path)
    output = tmp_path / ("out" + suffix)
    outcome = animesr("upscale", source, output, "-n", zero_checkpoint, "--stream", str(wanted))
    assert outcome.exit_code == 0, outcome.stderr
    with av.open(str(output)) as container:
        widths = [stream.width for stream in container.streams.video]
    assert sorted(widths) == [zoo.WIDTH, 4 * zoo.WIDTH]
    copied = facts_of(output)[widths.index(zoo.WIDTH)]
    assert copied.payload == facts_of(source)[1 - wanted].payload


def test_the_manual_promises_what_the_zoo_shows() -> None:
    """The rows of the manual's table of what is kept are those that specimens stand for."""
    manual = Path(__file__).parents[2] / "animesr_cli" / "reading" / "README.md"
    text = manual.read_text(encoding="utf-8")
    table = text.partition("<!-- kept -->")[2].partition("<!-- /kept -->")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert rows[1:] == list(zoo.KEPT)
    assert {name for names in zoo.KEPT.values() for name in names} <= set(ZOO)
