"""Whatever ends a run, the same command finishes it, and the file is the uninterrupted run's.

Files are compared byte by byte: ffv1 and x265 are reproducible, and the muxer is told to be. The
network is tiny and random, so that its memory shows in every frame of a shot.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import animesr_cli
import media
from animesr_cli.errors import Interrupted
from animesr_cli.jobs.chunk_worker import ChunkWorker
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.job import Job
from animesr_cli.upscaling import chunk_size
from command import Outcome, animesr, environment, finished, snapshot, start
from fault_server import DIED, Attempt, Ending, attempt_all

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are Unix things")

SHOTS = (5, 1, 1)
"""Frames of each shot of the clip; with segments of 2, the first has two inner borders."""
SEGMENTS = 3 + 1


def cut_clip(path: Path, shots: tuple[int, ...] = SHOTS) -> Path:
    """A clip with sound whose shots share nothing, so that every cut is found."""
    pictures = []
    for number, frames in enumerate(shots):
        for index in range(frames):
            picture = media.picture(index, 64, 48)
            for plane in range(3):
                samples = media.plane_samples(picture, plane)
                generator = random.Random(100 * number + plane)
                blocks = [[generator.randrange(20, 230) for _ in range(8)] for _ in range(6)]
                for y in range(samples.shape[0]):
                    for x in range(samples.shape[1]):
                        samples[y, x] = blocks[y * 6 // samples.shape[0]][
                            (x + index) * 8 // samples.shape[1] % 8
                        ]
            pictures.append(picture)
    return media.write_video(path, pictures=pictures, frames=len(pictures), audio_tracks=1, gop=4)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_clip(tmp_path_factory.mktemp("clip") / "in.mkv")


@pytest.fixture
def desk(tmp_path: Path, clip: Path, random_checkpoint: Path) -> list[str]:
    """The command but for its output, segments as short as they make sense."""
    return [
        "upscale", "-n", str(random_checkpoint), "-c", "ffv1", "--precision", "fp32", "-g", "cpu",
        "--segment-frames", "2", str(clip),
    ]  # fmt: skip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def upscaled(desk: list[str], output: Path, *options: str | Path) -> Outcome:
    return animesr(desk[0], *options, *desk[1:], output)


def test_the_clip_is_cut_as_it_was_made(desk: list[str], tmp_path: Path) -> None:
    """What the other tests stand on: three shots, of which one has two inner borders."""
    outcome = upscaled(desk, tmp_path / "out.mkv", "--json", "-q")
    assert '"cuts": 2' in outcome.stdout
    assert f'"segments": {SEGMENTS}' in outcome.stdout


def killed_at(desk: list[str], output: Path, operation: int) -> list[Attempt]:
    """A run that dies there, and the one that goes on."""
    arguments = [*desk, str(output)]
    return [Attempt(arguments, operation=operation), Attempt(arguments)]


def check_killed(desk: list[str], folder: Path, step: int = 1) -> None:
    reference = folder / "whole.mkv"
    whole = attempt_all([Attempt([*desk, str(reference)])])[0]
    assert whole.exit_code == 0, whole.stderr
    outputs = {n: folder / f"{n}.mkv" for n in range(0, len(whole.operations), step)}
    endings = attempt_all([each for n, out in outputs.items() for each in killed_at(desk, out, n)])
    for number, output in outputs.items():
        killed, resumed, *endings = endings
        where = killed.operations[-1]
        assert killed.exit_code in (DIED, 0), killed.stderr  # some writes are put together
        check_resumed(resumed, where, output)
        assert sha256(output) == sha256(reference), where
        left = [path.name for path in folder.iterdir() if path.name.startswith((".", f"{number}."))]
        assert left == [output.name], where


def check_resumed(resumed: Ending, where: str, output: Path) -> None:
    """It ended well; where nothing but an empty folder was left, the output is in its way."""
    if where.startswith("remove folder"):
        assert resumed.exit_code == 4, resumed.stderr
        assert f"{output} exists" in resumed.stderr
    else:
        assert resumed.exit_code == 0, (where, resumed.stderr)


@pytest.mark.slow
def test_a_run_killed_at_any_change_of_the_disk_is_finished_by_the_next(
    desk: list[str], tmp_path: Path
) -> None:
    """Before each write, rename and removal of the journal: the same bytes, nothing left."""
    check_killed(desk, tmp_path)


def test_a_run_killed_at_some_changes_of_the_disk_is_finished_by_the_next(
    desk: list[str], tmp_path: Path
) -> None:
    """The same for a few of them, as a quick look."""
    check_killed(desk, tmp_path, step=17)


@pytest.mark.slow
def test_a_dozen_random_kills_change_nothing(desk: list[str], tmp_path: Path) -> None:
    """SIGKILL at random moments of one run, then to the end: the same bytes."""
    generator = random.Random(5)
    reference, output = tmp_path / "whole.mkv", tmp_path / "killed.mkv"
    arguments = [*desk, str(output)]
    kills = [Attempt(arguments, kill_after=generator.uniform(0.02, 0.6)) for _ in range(12)]
    whole, *killed, last = attempt_all(
        [Attempt([*desk, str(reference)]), *kills, Attempt([*arguments, "-y"])]
    )
    assert (whole.exit_code, last.exit_code) == (0, 0), last.stderr
    assert {each.exit_code for each in killed} <= {-9, 0, 4}
    assert sha256(output) == sha256(reference)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.mkv", "whole.mkv"]


# Signals ------------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def records(output: Path) -> list[str]:
    """The finished segments of a run."""
    folder = output.with_name(output.name + ".animesr")
    return sorted(path.stem for path in folder.glob("[0-9]*.json"))


@pytest.fixture
def slow(own_clip: Path, random_checkpoint: Path) -> list[str | Path]:
    """A command but for its output that takes seconds, some tenths for each segment."""
    return [
        "upscale", own_clip, "-n", random_checkpoint, "--segment-frames", "4", "--frames", "60",
        "-c", "ffv1", "-g", "cpu", "--precision", "fp32",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_keeps_what_is_finished_and_says_how_to_go_on(
    signum: signal.Signals, slow: list[str | Path], tmp_path: Path
) -> None:
    """130 or 143, one line and the hint; the next run computes only the rest, to the same bytes."""
    output, whole = tmp_path / "out.mkv", tmp_path / "whole.mkv"
    process = start(*slow, "--no-scenes", output)
    wait_until(lambda: len(records(output)) >= 2)
    process.send_signal(signum)
    stopped = finished(process)
    stopped.refused(128 + signum, f"stopped by {signum.name}", "frames are finished and kept")
    assert "the same command goes on from there" in stopped.stderr
    if "and computes" in stopped.stderr:  # it may have been stopped right at a border
        assert re.search(
            r"and computes \d+ frames again \(about 00:0\d:\d\d of work\)", stopped.stderr
        )
    done = len(records(output))
    assert not output.exists()
    resumed = finished(start(*slow, "--no-scenes", "--json", output))
    assert resumed.exit_code == 0, resumed.stderr
    assert f"{done} segments, {4 * done} frames, are finished" in resumed.stderr
    events = [json.loads(line) for line in resumed.stdout.splitlines()]
    assert events[-1]["frames_before"] == 4 * done
    assert animesr(*slow, "--no-scenes", whole).exit_code == 0
    assert sha256(output) == sha256(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mkv", "whole.mkv"]


@pytest.mark.slow
def test_a_killed_driver_leaves_no_worker_and_a_resumable_run(
    slow: list[str | Path], tmp_path: Path
) -> None:
    """SIGKILL of the command while processes compute for it: they end, and the next run goes on."""
    output, whole = tmp_path / "out.mkv", tmp_path / "whole.mkv"
    process = start(*slow, "--workers", "2", output)
    wait_until(lambda: len(records(output)) >= 1)
    children = descendants(process.pid)
    assert len(children) >= 2  # the watch is one
    process.kill()
    finished(process)
    wait_until(lambda: not any(map(is_alive, children)), 20)
    resumed = animesr(*slow, output)  # by another number of workers
    assert resumed.exit_code == 0, resumed.stderr
    assert "going on where it stopped" in resumed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]
    assert animesr(*slow, whole).exit_code == 0
    assert sha256(output) == sha256(whole)


def descendants(pid: int) -> list[int]:
    """Processes below another one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# A full disk --------------------------------------------------------------------------------------

SMALL_DISK = (
    "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
    'mount -t tmpfs -o size=2m none "$DISK" || exit 99; "$@"; full=$?; '
    'find "$DISK" -name "0*.json"; '
    'mount -o remount,size=64m "$DISK" || exit 99; "$@"; echo "codes $full $?"; ls -A "$DISK"',
    "sh",
)  # fmt: skip
"""Runs a command on a disk of 2 MB, lists the segments, makes it larger, and runs it again."""


@pytest.mark.slow
def test_a_full_work_folder_keeps_what_is_finished(random_checkpoint: Path, tmp_path: Path) -> None:
    """Code 5 and how much to free; with more room the same command ends with the same bytes."""
    disk, output, whole = tmp_path / "disk", tmp_path / "out.mkv", tmp_path / "whole.mkv"
    disk.mkdir()
    source = cut_clip(tmp_path / "in.mkv", (2,) * 30)
    own: list[str | Path] = [
        "upscale", source, "-n", random_checkpoint, "-c", "ffv1", "-g", "cpu", "--precision",
        "fp32", "--segment-frames", "2", "--scale", "8",
    ]  # fmt: skip
    command = [*SMALL_DISK, sys.executable, "-m", "animesr_cli", *own, "--work-dir", disk, output]
    try:
        run = subprocess.run(
            command, env=environment(DISK=str(disk)), capture_output=True, text=True, timeout=120
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here, so no small disk can be made")
    if run.returncode == 99:
        pytest.skip(f"no small disk can be made here: {run.stderr.strip()}")
    *kept, codes = run.stdout.splitlines()
    assert codes == "codes 5 0", run.stderr
    assert len(kept) > 2, "too little was finished"
    assert "the disk is full" in run.stderr
    assert re.search(
        r"hint: free [\d.]+ [kMG]?B and run again: \d+ of 60 frames are fini", run.stderr
    )
    assert f"going on where it stopped: {len(kept)} segments" in run.stderr
    assert animesr(*own, whole).exit_code == 0
    assert sha256(output) == sha256(whole)


# The journal as it is found -----------------------------------------------------------------------


@pytest.fixture
def interrupted(desk: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output whose run ended behind its last segment, before they were joined."""
    output = tmp_path / "out.mkv"

    def stop(self: Job, records: object) -> None:
        raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "_join", stop)
        outcome = upscaled(desk, output)
    outcome.refused(130, "stopped by SIGINT", f"{sum(SHOTS)} of {sum(SHOTS)} frames")
    assert len(records(output)) == SEGMENTS
    return output


def journal_of(output: Path) -> Path:
    return output.with_name(output.name + ".animesr")


def manifest_of(output: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((journal_of(output) / "manifest.json").read_text())
    return values


@pytest.fixture(scope="session")
def whole(clip: Path, random_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bytes of an uninterrupted run."""
    output = tmp_path_factory.mktemp("whole") / "out.mkv"
    command: list[str | Path] = [
        "upscale", "-n", random_checkpoint, "-c", "ffv1", "--precision", "fp32", "-g", "cpu",
        "--segment-frames", "2", clip,
    ]  # fmt: skip
    assert animesr(*command, output).exit_code == 0
    return sha256(output)


def check_finishes(desk: list[str], output: Path, whole: str, *words: str) -> Outcome:
    """The same command goes on, says these words, and ends with the uninterrupted run's file."""
    outcome = upscaled(desk, output)
    assert outcome.exit_code == 0, outcome.stderr
    assert [word for word in words if word not in outcome.stderr] == [], outcome.stderr
    assert sha256(output) == whole
    assert not journal_of(output).exists()
    return outcome


def test_the_manifest_says_what_is_made_of_what(interrupted: Path, clip: Path) -> None:
    """Schema, input, settings, device, checkpoint, version; segments with ranges and hashes."""
    found = manifest_of(interrupted)
    assert found["schema"] == 1
    identity = found["identity"]
    assert identity["input"]["size"] == clip.stat().st_size
    assert identity["input"]["modification time"] == clip.stat().st_mtime_ns
    assert identity["computing"] == {"device": "cpu", "precision": "fp32", "threads": 1, "tile": 64}
    assert identity["encoder"]["name"] == "ffv1"
    assert len(identity["model"]["sha256"]) == 64
    assert identity["program"]["animesr"] == animesr_cli.__version__
    paths = sorted(journal_of(interrupted).glob("[0-9]*.json"))
    finished_ones = [json.loads(path.read_text()) for path in paths]
    ranges = [(each["first"], each["frames"]) for each in finished_ones]
    assert ranges == [(0, 2), (2, 2), (4, 1), (5, 2)]
    for each in finished_ones:
        path = journal_of(interrupted) / each["file"]["name"]
        assert each["file"] == {
            "name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)
        }  # fmt: skip
        assert len(each["pictures"]) == 64
    edges = [tuple(each["pts"]) for each in finished_ones]
    assert all(before[1] <= after[0] for before, after in pairwise(edges))


def test_segments_that_are_finished_are_only_joined(
    interrupted: Path, desk: list[str], whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is computed and no worker started where all segments are there."""

    def started(*arguments: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(ChunkWorker, "__init__", started)
    check_finishes(desk, interrupted, whole, f"{SEGMENTS} segments, {sum(SHOTS)} frames")


@pytest.mark.parametrize("state_is_kept", [True, False])
@pytest.mark.parametrize("first", [0, 2, 4, 5])
@pytest.mark.parametrize("fault", ["missing", "damaged", "cut"])
def test_one_lost_segment_is_done_again_alone(
    fault: str, first: int, state_is_kept: bool, interrupted: Path, desk: list[str], whole: str
) -> None:
    """A file that is gone or changed: it is said, and only that one is encoded again."""
    folder = journal_of(interrupted)
    lost = folder / f"{first:09}.mp4"
    others = {path: path.stat().st_ino for path in folder.glob("*.mp4") if path != lost}
    content = lost.read_bytes()
    if fault == "missing":
        lost.unlink()
    else:
        half = len(content) // 2
        lost.write_bytes(
            content[:half] + (b"?" + content[half + 1 :] if fault == "damaged" else b"")
        )
    if not state_is_kept:
        for path in folder.glob("*.safetensors"):
            path.unlink()
    kept: dict[Path, int] = {}

    def look(self: Job, records: Any) -> None:
        kept.update({path: path.stat().st_ino for path in others})
        join(self, records)

    join = Job._join
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "_join", look)
        word = "missing" if fault == "missing" else "damaged"
        check_finishes(desk, interrupted, whole, f"{lost} is {word}: its", "frames are done again")
    assert kept == others


@pytest.mark.parametrize(
    "content", [b"", b'{"schema": 1, "segm', b"[]", b"\xff\xfe", b'{"schema": 1}']
)
def test_a_cut_manifest_is_put_together_again(
    content: bytes, interrupted: Path, desk: list[str], whole: str
) -> None:
    """Each segment has its own record: nothing but the manifest is lost."""
    (journal_of(interrupted) / "manifest.json").write_bytes(content)
    check_finishes(
        desk, interrupted, whole, "is damaged", f"{SEGMENTS} finished segments are taken up"
    )


def test_a_missing_manifest_is_put_together_again(
    interrupted: Path, desk: list[str], whole: str
) -> None:
    """The same where it is gone."""
    (journal_of(interrupted) / "manifest.json").unlink()
    check_finishes(desk, interrupted, whole, "is missing", f"{SEGMENTS} finished segments")


def test_a_cut_manifest_over_other_settings_is_refused(interrupted: Path, desk: list[str]) -> None:
    """Segments that were made otherwise are neither joined nor deleted."""
    (journal_of(interrupted) / "manifest.json").write_bytes(b"")
    before = snapshot(interrupted.parent)
    upscaled(desk, interrupted, "--no-scenes").refused(2, "is damaged", "of other settings")
    assert snapshot(interrupted.parent) == before


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_lost_index_costs_a_scan(
    fault: str, interrupted: Path, desk: list[str], whole: str
) -> None:
    """The index of frames is made again, and every segment is found to fit."""
    path = journal_of(interrupted) / "frames.npy"
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    check_finishes(
        desk, interrupted, whole, "the index of the clip's frames", f"{SEGMENTS} segments"
    )


def test_a_newer_journal_is_refused(interrupted: Path, desk: list[str]) -> None:
    """It is said which it is; nothing is deleted."""
    values = manifest_of(interrupted) | {"schema": 2}
    (journal_of(interrupted) / "manifest.json").write_text(json.dumps(values))
    before = snapshot(interrupted.parent)
    upscaled(desk, interrupted).refused(
        2, "is of a newer version of animesr", "schema 2", "--restart"
    )
    assert snapshot(interrupted.parent) == before


OTHER: dict[str, tuple[tuple[str, ...], str]] = {
    "scale": (("--scale", "2"), "output size was 256x192 and is 128x96"),
    "scenes": (("--no-scenes",), "option --no-scenes was False and is True"),
    "segments": (("--segment-frames", "3"), "option --segment-frames was 2 and is 3"),
    "encoder": (("-e", "coder=range_def"), "encoder coder was not set and is range_def"),
    "pixels": (("--pix-fmt", "yuv444p"), "encoder pixel format was yuv420p and is yuv444p"),
    "precision": (("--precision", "bf16"), "computing precision was fp32 and is bf16"),
    "tile": (("--tile", "16"), "computing tile was 64 and is 16"),
    "part": (("--frames", "6"), "option --frames was not set and is 6"),
    "matrix": (("--matrix", "bt709"), "input colour was"),
}


@pytest.mark.parametrize("what", OTHER)
def test_other_settings_are_refused_with_the_differences(
    what: str, interrupted: Path, desk: list[str], whole: str
) -> None:
    """The line says what was and what is; nothing is deleted, and the old command still goes on."""
    options, words = OTHER[what]
    before = snapshot(interrupted.parent)
    arguments = [*desk[:1], *desk[1:], *options, str(interrupted)]
    animesr(*arguments).refused(2, "holds a run with other settings", words, "--restart")
    assert snapshot(interrupted.parent) == before
    check_finishes(desk, interrupted, whole)


def test_another_model_or_input_is_refused(
    interrupted: Path, desk: list[str], zero_checkpoint: Path, clip: Path, tmp_path: Path
) -> None:
    """A checkpoint is known by its hash, an input by size, time and content."""
    model = [str(zero_checkpoint) if each.endswith("random.safetensors") else each for each in desk]
    upscaled(model, interrupted).refused(2, "model sha256 was")
    other = cut_clip(tmp_path / "other.mkv", (4, 3))
    source = [str(other) if each == str(clip) else each for each in desk]
    upscaled(source, interrupted).refused(2, "input modification time was", "input content was")


def test_restart_begins_anew(interrupted: Path, desk: list[str], zero_checkpoint: Path) -> None:
    """What was kept is gone, and the new settings are in force."""
    model = [str(zero_checkpoint) if each.endswith("random.safetensors") else each for each in desk]
    outcome = upscaled(model, interrupted, "--restart", "--json")
    assert outcome.exit_code == 0
    assert '"frames_before": 0' in outcome.stdout
    assert "going on" not in outcome.stderr
    assert not journal_of(interrupted).exists()


def test_what_was_left_to_chance_stays_as_it_was(
    interrupted: Path, desk: list[str], whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less free memory or more processors than at the beginning are no other settings."""
    monkeypatch.setattr("animesr_cli.upscaling.plan.choose_tile", lambda *arguments: 16)
    (journal_of(interrupted) / f"{0:09}.mp4").unlink()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    check_finishes(desk, interrupted, whole, "is missing")


def test_segments_stay_as_they_were_cut_whatever_the_speed(
    clip: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many frames are kept together goes by the speed once, when the run is begun."""
    command: list[str | Path] = [
        "upscale", "-n", random_checkpoint, "-c", "ffv1", "--precision", "fp32", "-g", "cpu", clip,
    ]  # fmt: skip
    frames = f"{chunk_size.__name__}.LEAST_SEGMENT_FRAMES"
    slow = f"{chunk_size.__name__}.SEGMENT_SECONDS"
    output = tmp_path / "out.mkv"

    def stop(self: Job, records: object) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(frames, 2)
    with monkeypatch.context() as patch:
        patch.setattr(slow, 0.0)  # segments of two frames
        patch.setattr(Job, "_join", stop)
        animesr(*command, output).refused(130)
    assert len(records(output)) == SEGMENTS
    outcome = animesr(*command, output)
    assert outcome.exit_code == 0, outcome.stderr
    assert f"{SEGMENTS} segments, {sum(SHOTS)} frames, are finished" in outcome.stderr


def test_a_second_run_on_one_output_is_refused(interrupted: Path, desk: list[str]) -> None:
    """By the lock of the journal, wherever it is; the first goes on."""
    before = snapshot(interrupted.parent)
    with JobFolder(journal_of(interrupted), interrupted):
        upscaled(desk, interrupted).refused(4, "another run is working on", "wait for it")
    assert snapshot(interrupted.parent) == before


def test_a_run_in_one_piece_beside_a_journal_leaves_it(interrupted: Path, desk: list[str]) -> None:
    """--no-journal does not touch what another run keeps, and says that it is there."""
    before = snapshot(journal_of(interrupted))
    outcome = upscaled(desk, interrupted, "--no-journal")
    assert outcome.exit_code == 0
    assert "holds a run that was interrupted" in outcome.stderr
    assert snapshot(journal_of(interrupted)) == before


def test_foreign_files_are_never_deleted(interrupted: Path, desk: list[str], whole: str) -> None:
    """What others put into the folder stays, and the folder with it."""
    foreign = journal_of(interrupted) / "notes.txt"
    foreign.write_text("dear to the user")
    assert upscaled(desk, interrupted).exit_code == 0
    assert sha256(interrupted) == whole
    assert snapshot(journal_of(interrupted)).keys() == {"notes.txt"}


def test_a_folder_that_is_no_journal_is_refused(desk: list[str], tmp_path: Path) -> None:
    """A user's own folder of that name is not written to."""
    folder = tmp_path / "out.mkv.animesr"
    folder.mkdir()
    (folder / "notes.txt").write_text("dear to the user")
    before = snapshot(tmp_path)
    upscaled(desk, tmp_path / "out.mkv").refused(4, "was not made by animesr", "--work-dir")
    assert snapshot(tmp_path) == before


def test_the_journal_goes_where_it_is_told_to(
    desk: list[str], tmp_path: Path, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--work-dir holds the folder while the run lasts; the output is beside nothing."""
    work = tmp_path / "work"
    work.mkdir()
    seen: list[Path] = []
    join = Job._join

    def look(self: Job, records: Any) -> None:
        seen.extend(work.iterdir())
        join(self, records)

    monkeypatch.setattr(Job, "_join", look)
    output = tmp_path / "out.mkv"
    assert upscaled(desk, output, "--work-dir", work).exit_code == 0
    assert seen == [work / "out.mkv.animesr"]
    assert list(work.iterdir()) == []
    assert sha256(output) == whole


def test_other_places_and_numbers_of_workers_are_checked(desk: list[str], tmp_path: Path) -> None:
    """What cannot work is refused before anything is opened."""
    output = tmp_path / "out.mkv"
    upscaled(desk, output, "--workers", "0").refused(2, "--workers must be at least 1")
    upscaled(desk, output, "--work-dir", tmp_path / "no").refused(2, "is no folder")
    upscaled(desk, output, "--no-journal", "--workers", "2").refused(2, "--workers needs")
    upscaled(desk, output, "--no-journal", "--restart").refused(2, "--restart needs")
    assert list(tmp_path.iterdir()) == []
