"""A run in segments gives what a run in one piece gives, whatever the input is."""

from __future__ import annotations

import json
import shutil
import signal
from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import cartoon
import media
import zoo
from animesr_cli import upscale
from animesr_cli.errors import DeviceError, InputError, Interrupted
from animesr_cli.jobs import chunk_queue
from animesr_cli.jobs.chunk_task import ChunkTask
from animesr_cli.jobs.chunk_worker import ChunkWorker, ResumeRange
from animesr_cli.jobs.job import FAILURES_WITHOUT_SUCCESS, Job
from animesr_cli.upscaling.events import Progress, UpscaleResult
from animesr_cli.video.scenes import SceneDetector
from animesr_cli.writing import concat as joiner
from command import animesr, warnings_of
from hdr_clips import hdr_video
from pictures import decoded
from sameness import contents
from zoo import ZOO

SEGMENTED = {
    name: specimen
    for name, specimen in ZOO.items()
    if specimen.refused is None and specimen.output.endswith((".mkv", ".mp4", ".mov", ".webm"))
}

LOSSLESS = {".mkv": "ffv1", ".mp4": "ffv1", ".mov": "png"}
"""By output; x264 itself is not reproducible on every CPU."""


QUICK = {**zoo.CONTAINERS, **zoo.TIMES, **zoo.ALPHA, **zoo.CHANGES}
"""What segments have most to do with; the others are read and written by the same rooms."""


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in SEGMENTED],
)
def test_every_kind_comes_out_of_segments_as_out_of_one_piece(
    name: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Segments of two frames: streams, times, tags, samples and warnings are those of one piece."""
    specimen = SEGMENTED[name]
    source = specimen.make(tmp_path)
    whole = tmp_path / f"whole{Path(specimen.output).suffix}"
    options = list(specimen.options)
    if "-c" not in options and whole.suffix in LOSSLESS:
        options += ["-c", LOSSLESS[whole.suffix]]
    command: list[str | Path] = ["upscale", "-n", zero_checkpoint, *options, "--", source]
    one = animesr(*command[:1], "--no-journal", *command[1:], whole)
    output = tmp_path / ("pieces" + whole.suffix)
    pieces = animesr(*command[:1], "--segment-frames", "2", *command[1:], output)
    assert (one.exit_code, pieces.exit_code) == (0, 0), pieces.stderr
    assert warnings_of(pieces) == warnings_of(one)
    lossless = bool({"ffv1", "png"} & set(options))
    assert contents(output, pictures=lossless) == contents(whole, pictures=lossless)
    assert not (tmp_path / (output.name + ".animesr")).exists()
    assert len(contents(output)["frames"]) >= zoo.FRAMES or specimen.frames < zoo.FRAMES


# What stays exactly, beyond the kinds of input ----------------------------------------------------


def both_ways(
    source: Path, suffix: str, checkpoint: Path, *options: str | Path, frames: int = 5
) -> tuple[Path, Path]:
    """One piece and segments; both outputs, which were made without a word."""
    folder = source.parent
    command: list[str | Path] = ["-n", checkpoint, "--precision", "fp32", *options, source]
    whole, pieces = folder / f"whole{suffix}", folder / f"pieces{suffix}"
    one = animesr("upscale", "--no-journal", *command, whole)
    other = animesr("upscale", "--segment-frames", str(frames), *command, pieces)
    assert (one.exit_code, other.exit_code) == (0, 0), other.stderr
    assert warnings_of(one) == warnings_of(other)
    return whole, pieces


LOSSLESS_WITH_B_FRAMES = {
    "libx264": ("-e", "qp=0", "--preset", "veryfast"),
    "libx265": ("-e", "x265-params=lossless=1:bframes=3", "--preset", "veryfast"),
    "libvpx-vp9": ("-e", "lossless=1"),
}


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize("codec", LOSSLESS_WITH_B_FRAMES)
def test_reordered_frames_are_joined_exactly(
    codec: str, suffix: str, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """Lossless encoders that reorder: every sample and time is as in one piece."""
    if (codec, suffix) == ("libvpx-vp9", ".mov"):
        pytest.skip("MOV holds no VP9")
    source = Path(shutil.copy(own_clip, tmp_path))
    options = ("-c", codec, *LOSSLESS_WITH_B_FRAMES[codec], "--scale", "1", "--frames", "40")
    whole, pieces = both_ways(source, suffix, random_checkpoint, *options, frames=13)
    assert contents(pieces) == contents(whole)
    if codec == "libx265":
        assert any(packet.dts != packet.pts for packet in packets_of(pieces))


def packets_of(path: Path) -> list[av.Packet[Any]]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_lossy_segments_play_as_one_piece(
    suffix: str, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """The defaults: same headers and times, rising decoding times, pictures as near as usual."""
    source = Path(shutil.copy(own_clip, tmp_path))
    whole, pieces = both_ways(
        source, suffix, random_checkpoint, "--scale", "1", "--crf", "4", frames=10
    )
    assert contents(pieces, pictures=False) == contents(whole, pictures=False)
    times = [packet.dts for packet in packets_of(pieces)]
    assert all(a < b for a, b in pairwise(time for time in times if time is not None))
    for ours, theirs in zip(decoded(pieces), decoded(whole), strict=True):
        assert np.abs(ours[0].astype(int) - theirs[0]).mean() < 1


PARTS = {
    "start": ("--start", "0.4"),
    "start and end": ("--start", "0.4", "--end", "1.3"),
    "frames": ("--frames", "17"),
    "no scenes": ("--no-scenes",),
    "deinterlaced": ("--deinterlace",),
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_and_options_of_a_clip(
    part: str, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """The memory of the network runs through long shots; every option means what it means."""
    source = Path(shutil.copy(own_clip, tmp_path))
    options = (*PARTS[part], "-c", "ffv1", "--scale", "1")
    whole, pieces = both_ways(source, ".mkv", random_checkpoint, *options, frames=7)
    assert contents(pieces) == contents(whole)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_hdr_survives_the_joint(suffix: str, tmp_path: Path, zero_checkpoint: Path) -> None:
    """Mastering display, content light level and tags are in the header and in the pictures."""
    source = hdr_video(tmp_path / "in.mkv", frames=6)
    whole, pieces = both_ways(source, suffix, zero_checkpoint, frames=2)
    found = contents(pieces, pictures=False)
    assert found == contents(whole, pictures=False)
    assert {name for frame in found["frames"] for name, _ in frame[2]} >= {
        "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL",
    }  # fmt: skip


# Whether it goes in segments ----------------------------------------------------------------------


@pytest.fixture
def pieces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in segments fails the test."""

    def run(self: Job) -> None:
        raise AssertionError("in segments")

    monkeypatch.setattr(Job, "run", run)


@pytest.mark.usefixtures("pieces_only")
def test_what_is_short_or_no_file_goes_in_one_piece(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """A clip of one segment, images, --no-journal; where workers are of no use, it is said."""
    options: list[str | Path] = ["-n", zero_checkpoint, "--frames", "3", "--workers", "2"]
    for output in ("short.mkv", "%03d.png"):
        outcome = animesr("upscale", own_clip, tmp_path / output, *options)
        assert outcome.exit_code == 0
        assert "computed in one piece, by one worker" in outcome.stderr
    outcome = animesr("upscale", own_clip, tmp_path / "a.mkv", *options[:2], "--no-journal")
    assert outcome.exit_code == 0


def test_an_encoder_that_no_segment_holds_goes_in_one_piece(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said that such a run cannot be continued."""
    monkeypatch.setattr(joiner, "SEGMENT_FORMATS", ())
    output = tmp_path / "out.mkv"
    outcome = animesr(
        "upscale", own_clip, output, "-n", zero_checkpoint, "-c", "ffv1", "--segment-frames", "9"
    )
    assert outcome.exit_code == 0
    assert "no container for segments holds the video of ffv1" in outcome.stderr


# Failures -----------------------------------------------------------------------------------------


def test_a_segment_that_fails_three_times_is_named_and_the_rest_is_finished(
    own_clip: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames and time stand in the line with its error's code; the next run does it alone."""
    compute, tries = ChunkWorker._compute, Counter[int]()

    def failing(self: ChunkWorker, piece: ChunkTask, stretch: ResumeRange) -> Any:
        tries[stretch.first] += 1
        if broken and stretch.first == cartoon.CUT:
            raise DeviceError("this GPU has a hole")
        return compute(self, piece, stretch)

    monkeypatch.setattr(ChunkWorker, "_compute", failing)
    monkeypatch.setattr(chunk_queue, "LARGEST_TASK_SEGMENTS", 1)
    output, broken = tmp_path / "out.mkv", True
    command: list[str | Path] = [
        "upscale", own_clip, output, "-n", random_checkpoint, "-c", "ffv1", "--scale", "1",
        "--segment-frames", "40", "--json",
    ]  # fmt: skip
    outcome = animesr(*command)
    assert outcome.exit_code == 7
    named = f"1 segment failed three times: frames {cartoon.CUT} to 71 (at 00:00:01)"
    assert named in outcome.error
    assert "this GPU has a hole" in outcome.error
    assert f"{cartoon.CUT} of 72 frames are finished and kept" in outcome.error
    states = [json.loads(line) for line in outcome.stdout.splitlines() if '"segment"' in line]
    assert Counter(each["state"] for each in states) == {"started": 4, "failed": 3, "finished": 1}
    assert {each["worker"] for each in states} == {"inline"}
    broken = False
    assert animesr(*command).exit_code == 0
    assert tries == {0: 1, cartoon.CUT: 4}


def test_a_network_that_always_fails_is_not_tried_on_every_segment(
    own_clip: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three units failed for good and none succeeded: the run ends with their error."""
    tries = Counter[int]()

    def failing(self: ChunkWorker, piece: ChunkTask, stretch: ResumeRange) -> Any:
        tries[stretch.first] += 1
        raise DeviceError("no GPU at all")

    monkeypatch.setattr(ChunkWorker, "_compute", failing)
    monkeypatch.setattr(SceneDetector, "is_cut", lambda self, luma, depth: True)
    outcome = animesr(
        "upscale", own_clip, tmp_path / "out.mkv", "-n", random_checkpoint, "--segment-frames", "2"
    )
    outcome.refused(7, "no GPU at all")
    assert sum(tries.values()) <= 3 * FAILURES_WITHOUT_SUCCESS + 2


def test_an_error_of_the_first_pass_ends_the_run(
    own_clip: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for segments that do not come; what was finished is kept."""

    def is_cut(self: SceneDetector, luma: Any, depth: int) -> bool:
        raise InputError("the disk has died")

    monkeypatch.setattr(SceneDetector, "is_cut", is_cut)
    outcome = animesr(
        "upscale", own_clip, tmp_path / "out.mkv", "-n", random_checkpoint, "--segment-frames", "9"
    )
    outcome.refused(3, "the disk has died")


# What is told -------------------------------------------------------------------------------------


def test_progress_is_of_the_whole_job(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Frames only rise, up to all of them; the worker is named; Python is told as well."""
    seen: list[Progress] = []
    result = upscale(
        own_clip, tmp_path / "out.mkv", model=str(zero_checkpoint), scale=1, segment_frames=9,
        on_progress=seen.append,
    )  # fmt: skip
    assert (result.frames, result.segments, result.frames_before) == (72, 9, 0)
    assert len(result.pictures or "") == 64
    frames = [progress.frames for progress in seen]
    assert frames == sorted(frames)
    assert (seen[-1].frames, seen[-1].total_frames) == (72, 72)
    assert seen[-1].media_seconds == pytest.approx(3)
    assert {progress.worker for progress in seen} == {"inline"}


def test_python_goes_on_as_the_command_does(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """An exception of the caller's own leaves the journal, and the same call goes on."""

    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.bytes_written:
            raise Enough

    call = partial(
        upscale, own_clip, tmp_path / "out.mkv", model=str(zero_checkpoint), segment_frames=9
    )
    with pytest.raises(Enough):
        call(on_progress=stop)
    assert (tmp_path / "out.mkv.animesr" / "manifest.json").is_file()
    result = call()
    assert 0 < result.frames_before < result.frames == 72
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


def test_a_folder_of_videos_has_a_journal_for_each(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file in work goes on where it was, those before it are finished, those behind follow."""
    season = tmp_path / "season"
    season.mkdir()
    for name in ("1.mkv", "2.mkv", "3.mkv"):
        media.write_video(season / name, frames=12)
    command: list[str | Path] = [
        "upscale", season, "-n", zero_checkpoint, "--segment-frames", "5", "--json"
    ]  # fmt: skip
    join = Job._join

    def stop_at_the_second(self: Job, records: Any) -> None:
        if self.plan.output.name == "2.mkv":
            raise Interrupted(signal.SIGINT)
        join(self, records)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "_join", stop_at_the_second)
        stopped = animesr(*command)
    assert stopped.exit_code == 130
    output = tmp_path / "season_x4"
    assert sorted(path.name for path in output.iterdir()) == ["1.mkv", "2.mkv.animesr"]
    events = [json.loads(line) for line in animesr(*command).stdout.splitlines()]
    done = [event["frames_before"] for event in events if event["event"] == "done"]
    assert done == [12, 0]
    assert sorted(path.name for path in output.iterdir()) == ["1.mkv", "2.mkv", "3.mkv"]


# Several processes --------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_give_what_one_gives(
    own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """The same bytes, and events that name the processes."""
    outputs = {workers: tmp_path / f"{workers}.mkv" for workers in ("1", "2")}
    for workers, output in outputs.items():
        outcome = animesr(
            "upscale", own_clip, output, "-n", random_checkpoint, "-c", "ffv1", "-g", "cpu",
            "--segment-frames", "10", "--workers", workers, "--json",
        )  # fmt: skip
        assert outcome.exit_code == 0, outcome.stderr
    named = {
        json.loads(line)["worker"] for line in outcome.stdout.splitlines() if '"segment"' in line
    }
    assert named <= {"cpu/1", "cpu/2"}
    assert outputs["1"].read_bytes() == outputs["2"].read_bytes()


def test_a_run_that_has_finished_nothing_leaves_nothing(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in its first segment, or refused by the encoder: no folder, and no such hint."""

    def stop(self: Job, event: object) -> None:
        raise Interrupted(signal.SIGINT)

    command = ("upscale", own_clip, tmp_path / "out.mkv", "-n", zero_checkpoint)
    with monkeypatch.context() as patch:
        patch.setattr(Job, "_on_event", stop)
        outcome = animesr(*command, "--segment-frames", "9")
    outcome.refused(130, "stopped by SIGINT")
    assert "the same command" not in outcome.stderr
    animesr(*command, "--segment-frames", "9", "-e", "aud=maybe").refused(2, "aud")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["ffv1", "libx265"])
def test_an_interrupted_run_gives_the_file_of_an_uninterrupted_one(
    codec: str, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """Byte by byte, with its hash of the pictures, where the encoder is reproducible."""

    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.bytes_written:
            raise Enough

    def run(name: str, **more: Any) -> UpscaleResult:
        return upscale(
            own_clip, tmp_path / name, model=str(random_checkpoint), codec=codec, scale=1,
            segment_frames=12, scenes=False, device="cpu", **more,
        )  # fmt: skip

    whole = run("whole.mkv")
    with pytest.raises(Enough):
        run("resumed.mkv", on_progress=stop)
    resumed = run("resumed.mkv")
    assert 0 < resumed.frames_before < 72
    assert resumed.pictures == whole.pictures
    assert (tmp_path / "resumed.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
