"""Bad input and bad luck, made for real and met by the whole command.

For each fault: the exit code, the one line that says what and why, and that nothing is left behind
and nothing of the user's was touched; or the complete output, with its warning. Rooms have their
own tests of the same faults, in every variety; here each passes once through everything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from torch import Tensor

import media
from animesr_cli import upscale
from animesr_cli.cli.upscale_display import RunDisplay
from animesr_cli.errors import (
    DeviceError,
    DiskFullError,
    ExitCode,
    InputError,
    OutputError,
    UsageError,
)
from animesr_cli.model import catalogue as checkpoints
from animesr_cli.model.catalogue import Checkpoint
from animesr_cli.model.devices import choose_compute
from animesr_cli.model.engine import Engine
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Carried, Window
from animesr_cli.upscaling.events import Progress
from animesr_cli.video.scenes import SceneDetector
from animesr_cli.writing import encoders, encoding
from animesr_cli.writing.writer import Writer
from command import Outcome, animesr, environment, finished, hidden, snapshot, start
from loopback_hub import Fault, LoopbackHub
from rewriting import facts_of

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="a Unix matter")


@pytest.fixture
def desk(tmp_path: Path, zero_checkpoint: Path) -> Path:
    """The user's folder: a video, an older output, and a network that costs nothing."""
    folder = tmp_path / "desk"
    folder.mkdir()
    media.write_video(folder / "in.mkv", frames=30, gop=1, audio_tracks=1)
    (folder / "old.mkv").write_bytes(b"an older output, dear to the user")
    shutil.copy(zero_checkpoint, folder / "zero.safetensors")
    return folder


def enlarge(source: Path, output: str | Path, *options: str | Path) -> Outcome:
    """Run the command on a file of the desk with its cheap network."""
    output = source.parent / output
    return animesr("upscale", source, output, "-n", source.parent / "zero.safetensors", *options)


Refusal = Callable[..., None]


@pytest.fixture
def refused(desk: Path) -> Refusal:
    """Run the command and hold it to its promises for a failure."""

    def check(code: int, words: str | Sequence[str], *options: str | Path, **names: Path) -> None:
        before = snapshot(desk)
        source, output = names.get("source", desk / "in.mkv"), names.get("output", Path("out.mkv"))
        outcome = animesr(
            "upscale", source, desk / output, "-n", desk / "zero.safetensors", *options
        )
        outcome.refused(code, *([words] if isinstance(words, str) else words))
        assert snapshot(desk) == before

    return check


@pytest.fixture
def sealed(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the desk is laid, opening any media file fails the test."""

    def opened(*arguments: object, **options: object) -> None:
        raise AssertionError(f"{arguments} was opened")

    monkeypatch.setattr(av, "open", opened)


@pytest.fixture
def as_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """Gives up root's right to do everything, for the rest of the test."""
    root = sys.platform != "win32" and os.geteuid() == 0

    def give_up() -> None:
        if root:
            os.seteuid(65534)

    yield give_up
    if root:
        os.seteuid(0)


@pytest.fixture
def open_folder(zero_checkpoint: Path) -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        shutil.copy(zero_checkpoint, Path(name, "zero.safetensors"))
        Path(name, "zero.safetensors").chmod(0o644)
        yield Path(name)
        Path(name).chmod(0o755)


def preload(folder: Path) -> None:
    """Have everything imported that a run needs: nobody may not read root's Python."""
    enlarge(folder / "missing.mkv", "out.mkv").refused(3, "does not exist")


@pytest.fixture
def after_frame(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Have something happen to the system while a run is at a frame."""

    def arrange(number: int, action: Callable[[], object]) -> None:
        shown = RunDisplay.on_progress

        def on_progress(self: RunDisplay, progress: Progress) -> None:
            shown(self, progress)
            if progress.frames == number:
                action()

        monkeypatch.setattr(RunDisplay, "on_progress", on_progress)

    return arrange


def times_of(path: Path) -> list[Fraction]:
    """Seconds of the video's packets, in display order."""
    video = next(stream for stream in facts_of(path) if stream.kind == "video")
    return sorted(video.times)


def decoded_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


# 1: an input that is not there -------------------------------------------------------------------


def test_a_missing_input_is_told_the_nearest_name(desk: Path, refused: Refusal) -> None:
    """Row 1: the line names the file, the hint the one that was probably meant."""
    refused(3, ["im.mkv does not exist", "did you mean", "in.mkv?"], source=desk / "im.mkv")


def test_a_folder_is_no_input(desk: Path, refused: Refusal) -> None:
    """Row 1: a folder that holds nothing is named as what it is."""
    (desk / "season 1").mkdir()
    refused(3, "season 1 is a folder", source=desk / "season 1")


@UNIX
def test_an_unreadable_input_is_refused(open_folder: Path, as_nobody: Callable[[], None]) -> None:
    """Row 1: a file without the permission to read."""
    source = media.write_video(open_folder / "in.mkv", frames=1)
    source.chmod(0)
    before = snapshot(open_folder)
    preload(open_folder)
    as_nobody()
    outcome = enlarge(source, Path(tempfile.gettempdir(), f"unreadable {os.getpid()}.mkv"))
    outcome.refused(3, "in.mkv cannot be read: permission denied")
    os.seteuid(os.getuid())
    assert snapshot(open_folder) == before


# 2: an input that is no video --------------------------------------------------------------------


def without_index(path: Path) -> None:
    """An MP4 whose recording broke off before its index was written."""
    media.write_video(path, frames=12)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"moov") - 4])


def sound_alone(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=48000)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=4096)
        frame.sample_rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])


NO_VIDEOS: dict[str, tuple[str, Callable[[Path], object], tuple[str, ...]]] = {
    "empty": ("in.mkv", lambda path: path.write_bytes(b""), ("it is empty",)),
    "noise": (
        "in.mp4",
        lambda path: path.write_bytes(media.noise(5000)),
        ("no video format is recognised in its 5,000 bytes",),
    ),
    "html": (
        "in.mp4",
        lambda path: path.write_text("<!DOCTYPE html><html>404</html>"),
        ("it is an HTML page", "a web page in place of the video"),
    ),
    "no index": ("in.mp4", without_index, ("index (moov) is missing", "did not finish")),
    "sound alone": ("in.mka", sound_alone, ("has no video stream", "audio (flac 48000 Hz stereo)")),
    "a script": (
        "in.mp4",
        lambda path: path.write_text("ffconcat version 1.0\nfile in.mkv\n"),
        ("a concat script",),
    ),
}


@pytest.mark.parametrize("kind", NO_VIDEOS)
def test_what_is_no_video_is_called_what_it_is(kind: str, desk: Path, refused: Refusal) -> None:
    """Row 2: the line says what the file is, and which streams it holds if it has any."""
    name, make, words = NO_VIDEOS[kind]
    (desk / name).unlink(missing_ok=True)
    make(desk / name)
    refused(3, [name, *words], source=desk / name)


# 3 and 4: an input that is damaged ---------------------------------------------------------------


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 10)])
def test_a_truncated_file_is_finished_as_far_as_it_goes(
    desk: Path, strict: tuple[str, ...], code: int
) -> None:
    """Row 3: every frame that is there is in the output, and the missing seconds are named."""
    source = media.truncate(desk / "in.mkv", 0.5)
    before = snapshot(desk)
    outcome = enlarge(source, "out.mkv", *strict)
    assert outcome.exit_code == code
    assert re.search(r"^warning: .* cut off: the last 0\.\d s", outcome.stderr, re.MULTILINE)
    frames = decoded_frames(source)
    assert 5 < frames < 25
    assert decoded_frames(desk / "out.mkv") == frames
    assert {**before, "out.mkv": ""} == {**snapshot(desk), "out.mkv": ""}


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 10)])
def test_corrupt_packets_keep_their_place_in_time(
    desk: Path, strict: tuple[str, ...], code: int
) -> None:
    """Row 4: the lost frames repeat the last good one, at their own times; sound stays beside."""
    source = media.corrupt_blocks(desk / "in.mkv", [10, 11, 20])
    before = snapshot(desk)
    outcome = enlarge(source, "out.mkv", *strict, "-c", "ffv1")
    assert outcome.exit_code == code
    assert "warning: 3 frames of 30 could not be decoded and repeat" in outcome.stderr
    assert times_of(desk / "out.mkv") == times_of(source)
    assert facts_of(desk / "out.mkv")[1] == facts_of(source)[1]
    with av.open(str(desk / "out.mkv")) as container:
        pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
    same = [i for i in range(1, 30) if (pictures[i] == pictures[i - 1]).all()]
    assert same == [10, 11, 20]
    assert {**before, "out.mkv": ""} == {**snapshot(desk), "out.mkv": ""}


# 5: nothing can be decoded, or the input goes away -----------------------------------------------


def test_a_file_without_one_good_picture_is_refused(desk: Path, refused: Refusal) -> None:
    """Row 5: code 3, and the output of an earlier run is as it was, though -y was said."""
    media.corrupt_blocks(desk / "in.mkv", range(30))
    words = ["no picture of its video stream (64x48 h264) can be decoded", "30 packets"]
    refused(3, words, "-y", output=Path("old.mkv"))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "vanishes": (lambda path: path.unlink(), "was removed while it was being read"),
    "is cut": (lambda path: os.truncate(path, 5000), "was changed while it was being read"),
    "grows": (lambda path: os.truncate(path, 500_000), "was changed while it was being read"),
    "is replaced": (
        lambda path: media.write_video(path.with_name("in.new.mkv"), frames=2).replace(path),
        "was changed while it was being read",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_changes_during_the_run_ends_it(
    change: str, desk: Path, after_frame: Callable[[int, Callable[[], object]], None]
) -> None:
    """Row 5: code 3, no new output, and the old one is as it was."""
    action, words = CHANGES[change]
    before = snapshot(desk)
    after_frame(3, lambda: action(desk / "in.mkv"))
    outcome = enlarge(desk / "in.mkv", "old.mkv", "-y")
    outcome.refused(3, "in.mkv", words)
    after = snapshot(desk)
    assert after.keys() <= before.keys()
    assert after["old.mkv"] == before["old.mkv"]


# 6, 7 and 8: an output that cannot be ------------------------------------------------------------


@UNIX
@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("how", ["name", "other name", "symbolic link", "hard link"])
def test_the_input_is_never_the_output(how: str, desk: Path, refused: Refusal) -> None:
    """Row 6: refused before a file is opened, whatever the name, and also with -y."""
    name = {"name": "in.mkv", "other name": "../desk/in.mkv"}.get(how, "link.mkv")
    if how == "symbolic link":
        (desk / name).symlink_to("in.mkv")
    if how == "hard link":
        (desk / name).hardlink_to(desk / "in.mkv")
    refused(2, [name, "is the input itself"], "-y", output=Path(name))


@pytest.mark.usefixtures("sealed")
def test_an_output_that_exists_is_kept(refused: Refusal) -> None:
    """Row 7: without -y nothing is replaced, and the hint names -y."""
    refused(4, ["old.mkv exists", "-y overwrites it"], output=Path("old.mkv"))


@pytest.mark.usefixtures("sealed")
def test_the_folder_of_the_output_must_be_there(refused: Refusal) -> None:
    """Row 7: folders are not made."""
    refused(4, ["the folder", "missing does not exist", "mkdir -p"], output=Path("missing/out.mkv"))


@UNIX
@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("how", ["FIFO", "device"])
def test_an_output_that_is_no_file_is_refused(how: str, desk: Path, refused: Refusal) -> None:
    """Row 7: nobody waits for the other end of a pipe, and devices are not written."""
    if how == "FIFO":
        os.mkfifo(desk / "out.mkv")
    else:
        (desk / "out.mkv").symlink_to(os.devnull)
    refused(4, ["out.mkv is a device or a pipe"], "-y")


@UNIX
@pytest.mark.usefixtures("sealed")
def test_a_read_only_folder_is_noticed_first(
    open_folder: Path, as_nobody: Callable[[], None]
) -> None:
    """Row 7: before anything is opened."""
    source = open_folder / "in.mkv"
    source.write_bytes(b"not opened")
    before = snapshot(open_folder)
    preload(open_folder)
    open_folder.chmod(0o555)
    as_nobody()
    enlarge(source, "out.mkv").refused(4, "out.mkv cannot be written: permission denied")
    os.seteuid(os.getuid())
    assert snapshot(open_folder) == before


NAMES = {
    "no suffix": ("out", ["without a suffix", ".mp4, .m4v, .mov, .mkv, .webm"]),
    "other suffix": ("out.avi", ["files of the type .avi", ".mp4, .m4v, .mov, .mkv, .webm"]),
    "too long": ("o" * 252 + ".mkv", ["too long: 256 bytes, and 255 fit"]),
    "too long in bytes": ("\N{KATAKANA LETTER A}" * 84 + ".mkv", ["too long: 256 bytes"]),
}


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_cannot_be_is_refused(kind: str, refused: Refusal) -> None:
    """Row 8: the line says what is wrong with it, and what is supported."""
    name, words = NAMES[kind]
    refused(2, words, output=Path(name))


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("names", [("in.mkv\0.txt", "out.mkv"), ("in.mkv", "out.mkv\0.txt")])
def test_a_nul_byte_in_a_name_is_refused(names: tuple[str, str], desk: Path) -> None:
    """Row 8: FFmpeg would not look behind it; only a program can give such a name."""
    before = snapshot(desk)
    with pytest.raises(UsageError, match="NUL byte"):
        upscale(*(f"{desk}/{name}" for name in names))
    assert snapshot(desk) == before


# 9: the disk is full -----------------------------------------------------------------------------

SMALL_DISK = (
    "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
    'mount -t tmpfs -o size="$SIZE" none "$DISK" || exit; "$@"; code=$?; ls -A "$DISK"; exit $code',
    "sh",
)  # fmt: skip
"""Runs a command, then lists what is left on the disk."""


def on_a_small_disk(kilobytes: int, disk: Path, *command: str | Path) -> subprocess.Popen[str]:
    """Run the command where ``disk`` is a file system of so many kilobytes, which it alone sees."""
    disk.mkdir()
    return subprocess.Popen(
        [*SMALL_DISK, sys.executable, "-m", "animesr_cli", *command],
        env=environment(SIZE=f"{kilobytes}k", DISK=str(disk)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def can_mount(tmp_path: Path) -> None:
    """Skip where an unprivileged process may not make a file system of its own."""
    (tmp_path / "trial").mkdir()
    try:
        trial = subprocess.run(
            [*SMALL_DISK, "true"],
            env=environment(SIZE="8k", DISK=str(tmp_path / "trial")),
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here, so no small disk can be made")
    if trial.returncode:
        pytest.skip(f"no small disk can be made here: {trial.stderr.decode().strip()}")


@pytest.mark.usefixtures("can_mount")
def test_a_full_disk_leaves_nothing(desk: Path, tmp_path: Path) -> None:
    """Row 9: before the run, in its middle, at the trailer: code 5, how much to free, no part."""
    options: list[str | Path] = [
        "-n",
        desk / "zero.safetensors",
        "-c",
        "mpeg4",
        "-e",
        "b=50000000",
        "-q",
    ]
    full = desk / "whole.mp4"
    assert animesr("upscale", desk / "in.mkv", full, *options).exit_code == 0
    whole = full.stat().st_size // 1024
    before = snapshot(desk)
    runs = {
        "before": on_a_small_disk(
            64, tmp_path / "a", "upscale", desk / "in.mkv", tmp_path / "a/out.mkv",
            "-n", desk / "zero.safetensors", "--scale", "40",
        ),
        "middle": on_a_small_disk(
            whole // 2, tmp_path / "b", "upscale", desk / "in.mkv", tmp_path / "b/out.mp4", *options
        ),
        "trailer": on_a_small_disk(
            whole // 4 * 4, tmp_path / "c", "upscale", desk / "in.mkv", tmp_path / "c/out.mp4",
            *options,
        ),
    }  # fmt: skip
    outcomes = {moment: finished(process) for moment, process in runs.items()}
    for moment, outcome in outcomes.items():
        outcome.refused(5, "free")  # nothing on stdout: the disk is empty again
        assert re.search(r"free \d+(\.\d+)? [kMG]?B and run again", outcome.error), moment
    assert "are free where the output goes" in outcomes["before"].error
    assert "out.mp4 could not be finished" in outcomes["middle"].error
    assert "out.mp4 could not be finished" in outcomes["trailer"].error
    assert snapshot(desk) == before


@UNIX
def test_a_limit_on_file_sizes_leaves_nothing(desk: Path) -> None:
    """Row 9: a quota of another kind; the line says that the place sets a limit."""
    import resource

    before, limits = snapshot(desk), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        outcome = enlarge(desk / "in.mkv", "old.mkv", "-y", "-c", "ffv1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    outcome.refused(4, "old.mkv", "not allowed where it goes")
    assert snapshot(desk) == before


# 10: the last step fails -------------------------------------------------------------------------


def test_a_finished_file_that_cannot_be_renamed_is_kept(
    desk: Path, after_frame: Callable[[int, Callable[[], object]], None]
) -> None:
    """Row 10: the line says where the complete file is."""
    after_frame(5, (desk / "out.mkv").mkdir)
    before = snapshot(desk)
    outcome = enlarge(desk / "in.mkv", "out.mkv", "-y")
    outcome.refused(4, "could not be renamed to", "it is complete, as", ".complete")
    after = snapshot(desk)
    (complete,) = hidden(desk)
    assert complete.suffix == ".complete"
    assert after.keys() - before.keys() == {"out.mkv", complete.name}
    assert {name: after[name] for name in before} == before
    assert decoded_frames(complete) == 30


def test_what_appears_under_the_name_during_the_run_is_kept(
    desk: Path, after_frame: Callable[[int, Callable[[], object]], None]
) -> None:
    """Rows 7 and 10: without -y, a file that was not there at the beginning is not replaced."""
    after_frame(5, lambda: (desk / "out.mkv").write_bytes(b"somebody else's"))
    enlarge(desk / "in.mkv", "out.mkv").refused(4, "could not be renamed", "it is complete, as")
    assert (desk / "out.mkv").read_bytes() == b"somebody else's"
    assert decoded_frames(hidden(desk, ".complete")[0]) == 30


# 11 and 12: signals ------------------------------------------------------------------------------


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read a process's stderr up to a line with this text."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(read)


@UNIX
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_cleanly(name: str, times: int, desk: Path, own_clip: Path) -> None:
    """Rows 11 and 12: codes 130, 143 and 129, one line, no part; the old output is as it was.

    A second one right behind the first, of a terminal that goes say, tears nothing apart.
    """
    signum = signal.Signals[name]
    before = snapshot(desk)
    process = start("upscale", own_clip, desk / "old.mkv", "-y")  # the real network: seconds
    wait_for(process, "frame ")
    assert hidden(desk, ".part")
    for _ in range(times):
        process.send_signal(signum)
        time.sleep(0.02)
    outcome = finished(process)
    outcome.refused(128 + signum, f"stopped by {signum.name}")
    assert snapshot(desk) == before


@UNIX
def test_a_signal_waits_until_torch_is_imported(desk: Path, own_clip: Path) -> None:
    """Row 11: an exception in the middle of that would end the process with SIGABRT."""
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name == 'torch.nn': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from animesr_cli.__main__ import main\n"
        "try: main()\n"
        "finally: print('whole' if hasattr(sys.modules['torch'], 'compile') else 'torn')\n"
    )
    before = snapshot(desk)
    process = subprocess.Popen(
        [sys.executable, "-c", code, "upscale", own_clip, desk / "old.mkv", "-y"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    outcome = finished(process)
    assert (outcome.exit_code, outcome.error) == (130, "error: stopped by SIGINT")
    assert outcome.stdout == "whole\n"
    assert snapshot(desk) == before


@UNIX
def test_a_signal_that_is_lost_is_heard_again(
    desk: Path, refused: Refusal, after_frame: Callable[[int, Callable[[], object]], None]
) -> None:
    """Row 11: the exception that it raises may vanish in an `except`; the next frame asks."""
    frames: list[int] = []

    def swallow() -> None:
        frames.append(3)
        with contextlib.suppress(Exception):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    after_frame(3, swallow)
    refused(130, "stopped by SIGINT", "-y", output=Path("old.mkv"))
    assert frames == [3]


@UNIX
def test_a_second_signal_ends_it_at_once(desk: Path) -> None:
    """Row 11: while the first waits for an encoder that hangs, the second ends the process."""
    code = (
        "import sys, time\n"
        "from animesr_cli.writing.writer import Writer\n"
        "def hang(*arguments): print('hangs', file=sys.stderr, flush=True); time.sleep(60)\n"
        "Writer.write = hang\n"
        "from animesr_cli.__main__ import main\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "upscale", desk / "in.mkv", desk / "old.mkv", "-y", "-n",
         desk / "zero.safetensors"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(process, "hangs")
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert finished(process).exit_code == ExitCode.INTERRUPTED
    assert time.monotonic() - began < 10
    assert (desk / "old.mkv").read_bytes() == b"an older output, dear to the user"


@UNIX
def test_a_killed_run_does_not_stand_in_the_way(desk: Path, own_clip: Path) -> None:
    """Row 12: after SIGKILL the same command works, and takes the part that was left over."""
    process = start("upscale", own_clip, desk / "old.mkv", "-y")
    wait_for(process, "frame ")
    process.kill()
    finished(process)
    assert hidden(desk, ".part")
    assert (desk / "old.mkv").read_bytes() == b"an older output, dear to the user"
    assert enlarge(desk / "in.mkv", "old.mkv", "-y").exit_code == 0
    assert decoded_frames(desk / "old.mkv") == 30
    assert hidden(desk) == []


def test_a_second_run_on_one_output_is_refused(
    desk: Path, after_frame: Callable[[int, Callable[[], object]], None]
) -> None:
    """Row 15: code 4, and the first goes on as if nothing had been."""
    refusals: list[OutputError] = []

    def second() -> None:
        with pytest.raises(OutputError, match="another run is writing") as caught:
            upscale(desk / "in.mkv", desk / "out.mkv", model=str(desk / "zero.safetensors"))
        refusals.append(caught.value)

    after_frame(3, second)
    assert enlarge(desk / "in.mkv", "out.mkv").exit_code == 0
    assert [error.exit_code for error in refusals] == [4]
    assert decoded_frames(desk / "out.mkv") == 30


# 16 and 17: encoders -----------------------------------------------------------------------------


def test_an_absent_encoder_is_told_the_nearest(refused: Refusal) -> None:
    """Row 16: code 7 for a name that FFmpeg does not have."""
    refused(7, ["no encoder 'libx246'", "did you mean", "libx264"], "-c", "libx246")


def test_an_encoder_without_its_driver_names_those_that_work(refused: Refusal) -> None:
    """Row 16: compiled in is not enough: it is opened."""
    if encoders.probe_encoder("h264_nvenc") is None:
        pytest.skip("NVENC works here")
    words = ["h264_nvenc does not work here", "NVIDIA GPU", "these work: libx264"]
    refused(7, words, "-c", "h264_nvenc")


def test_auto_falls_back_and_says_so(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 16: where the usual encoder does not open, `auto` takes the next and names both."""
    probe = encoders.probe_encoder
    monkeypatch.setattr(
        encoding,
        "probe_encoder",
        lambda codec: "it is switched off" if codec == "libx264" else probe(codec),
    )
    outcome = enlarge(desk / "in.mkv", "out.mkv", "--preset", "ultrafast")
    assert outcome.exit_code == 0
    assert "warning: the encoder libx264 does not work here (it is switched off)" in outcome.stderr
    with av.open(str(desk / "out.mkv")) as container:
        assert container.streams.video[0].codec_context.name == "hevc"


REJECTED = {
    "size": (["--width", "30000", "--height", "9"], ["libx264 refuses pictures of 30000x10"]),
    "pixel format": (["--pix-fmt", "pal8"], ["libx264 does not take", "'pal8'", "yuv420p"]),
    "unknown format": (["--pix-fmt", "yuv421p"], ["libx264 does not take", "'yuv421p'"]),
    "option": (["-e", "tun=animation"], ["libx264 has no option 'tun'", "did you mean tune?"]),
    "value": (["-e", "tune=cartoon"], ["libx264 refuses tune=cartoon"]),
    "preset": (["--preset", "fastest"], ["has no preset 'fastest'", "veryfast"]),
    "container": (["-c", "gif"], ["Matroska cannot hold", "gif"]),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_what_the_encoder_rejects_is_known_before_the_first_frame(
    kind: str, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 17: code 2, what is refused, and what is taken; no frame was computed for it."""
    options, words = REJECTED[kind]
    computed: list[object] = []
    monkeypatch.setattr(RunDisplay, "on_progress", lambda self, done: computed.append(done))
    refused(2, words, *options)
    assert computed == []


# 18: containers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 10)])
def test_a_stream_that_does_not_fit_is_named(
    desk: Path, strict: tuple[str, ...], code: int
) -> None:
    """Row 18: the rest is written, .mkv is suggested, and --strict ends with code 10."""
    source = media.write_video(
        desk / "font.mkv", attachments=[("a.ttf", "font/ttf", b"font")], audio_tracks=1
    )
    before = snapshot(desk)
    outcome = enlarge(source, "out.mp4", *strict)
    assert outcome.exit_code == code
    warning = "MP4 cannot hold attachment stream #2 (a.ttf): it is left out; .mkv keeps it"
    assert f"warning: {warning}" in outcome.stderr.splitlines()
    assert [stream.kind for stream in facts_of(desk / "out.mp4")] == ["video", "audio"]
    assert {**before, "out.mp4": ""} == {**snapshot(desk), "out.mp4": ""}


# 19: timestamps ----------------------------------------------------------------------------------

BROKEN_TIMES = {"duplicate": {5: 125, 6: 125}, "backward": {5: 208, 7: 100}, "negative": {0: -80}}


@pytest.mark.parametrize("kind", BROKEN_TIMES)
def test_broken_timestamps_are_repaired(
    kind: str, desk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 19: code 0, every frame, rising times from 0 on, and the repair is in the log."""
    media.patch_block_times(desk / "in.mkv", BROKEN_TIMES[kind])
    with caplog.at_level(logging.INFO):
        assert enlarge(desk / "in.mkv", "out.mkv", "-v").exit_code == 0
    times = times_of(desk / "out.mkv")
    assert len(times) == 30
    assert times[0] >= 0
    assert all(a < b for a, b in itertools.pairwise(times))
    if kind != "negative":
        assert "timestamps repaired" in caplog.text


def test_missing_timestamps_are_made(desk: Path) -> None:
    """Row 19: a raw stream has no times at all; its frames come at its rate."""
    source = media.write_video(desk / "in.h264", frames=10, rate=24)
    assert enlarge(source, "out.mp4").exit_code == 0
    assert times_of(desk / "out.mp4") == [Fraction(n, 24) for n in range(10)]


# 20, 21 and 22: devices --------------------------------------------------------------------------


def pictures_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def test_the_frame_for_which_memory_ran_out_is_computed_in_tiles(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 20: smaller tiles, the same frame again: the output is that of enough memory."""
    options = ("-c", "ffv1", "--precision", "fp32")
    assert enlarge(desk / "in.mkv", "enough.mkv", *options).exit_code == 0
    step = MSRB.step
    steps = itertools.count()

    def scarce(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        if next(steps) > 5 and window[1].shape[-1] > 48:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(self, window, carried)

    monkeypatch.setattr(MSRB, "step", scarce)
    outcome = enlarge(desk / "in.mkv", "scarce.mkv", *options)
    assert outcome.exit_code == 0
    assert "warning: out of memory on cpu: going on with --tile " in outcome.stderr
    assert pictures_of(desk / "scarce.mkv") == pictures_of(desk / "enough.mkv")


def test_memory_for_not_even_the_smallest_tile_is_code_7(
    refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 20: then it is an error."""

    def none(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(MSRB, "step", none)
    refused(7, ["out of memory on cpu, even with tiles of 16 pixels"])


def test_cuda_is_not_replaced_in_silence(refused: Refusal) -> None:
    """Row 21: who says cuda gets cuda, or code 7."""
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    refused(7, ["device cuda is not available", "--device auto"], "--device", "cuda")


def test_auto_says_which_device_it_takes_and_how_long_it_will_be(desk: Path) -> None:
    """Row 21: the plan says first how long it takes, then the device: without a GPU the CPU."""
    said = enlarge(desk / "in.mkv", "out.mkv").stderr
    device = choose_compute("auto", "auto").device
    assert re.search(rf" · about 00:00:\d\d · .*\n.* · {device} \w+ \(.*\), whole frames · ", said)


def test_a_frame_of_nan_is_computed_again(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 22: in half precision it is done again in fp32, said, and never encoded."""
    options = ("-c", "ffv1", "--precision", "bf16")
    assert enlarge(desk / "in.mkv", "good.mkv", *options).exit_code == 0
    step = MSRB.step
    steps = itertools.count()

    def sick(self: MSRB, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        sr, left = step(self, window, carried)
        return (sr * float("nan") if next(steps) == 8 else sr), left

    monkeypatch.setattr(MSRB, "step", sick)
    outcome = enlarge(desk / "in.mkv", "sick.mkv", *options)
    assert outcome.exit_code == 0
    assert "warning: a frame came out as NaN or infinity in bf16 and was computed" in outcome.stderr
    assert pictures_of(desk / "sick.mkv") == pictures_of(desk / "good.mkv")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_that_overflows_ends_the_run(
    precision: str, desk: Path, refused: Refusal
) -> None:
    """Row 22: finite weights that are far too large; fp32 is infinite too, so code 7."""
    tensors = load_file(desk / "zero.safetensors")
    save_file({name: tensor + 1e30 for name, tensor in tensors.items()}, desk / "zero.safetensors")
    refused(7, "NaN or infinity", "--precision", precision)


# 23 and 24: weights ------------------------------------------------------------------------------


def with_code(path: Path) -> None:
    torch.save({"params": {"a": torch.zeros(1), "b": Path}}, path)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def other_keys(path: Path) -> None:
    save_file({"conv.weight": torch.zeros(1)}, path)


def one_nan(path: Path) -> None:
    tensors = load_file(path)
    tensors["recurrent_cell.fusion.2.bias"][3] = float("nan")
    save_file(tensors, path)


WEIGHTS: dict[str, tuple[str, Callable[[Path], object], tuple[str, ...]]] = {
    "missing": ("no.pth", lambda path: None, ("the checkpoint", "no.pth does not exist")),
    "truncated": ("zero.safetensors", cut_short, ("zero.safetensors is damaged",)),
    "code": ("evil.pth", with_code, ("could run code: refused",)),
    "other keys": (
        "other.safetensors", other_keys,
        (
            "is of no network that is known here: it has a tensor conv.weight",
            "known are MSRB, CompactMSRB, RealBasicVSR, RRDBNet, SRVGGNetCompact",
        ),
    ),
    "NaN": ("zero.safetensors", one_nan, ("recurrent_cell.fusion.2.bias holds NaN",)),
}  # fmt: skip


@pytest.mark.parametrize("kind", WEIGHTS)
def test_bad_weights_are_code_6(kind: str, desk: Path, refused: Refusal) -> None:
    """Row 23: the line names the file and the first thing that is wrong with it."""
    name, make, words = WEIGHTS[kind]
    make(desk / name)
    refused(6, words, "-n", desk / name)


def test_a_misspelt_model_is_told_the_nearest(refused: Refusal) -> None:
    """Row 23: a name that is not of the catalogue is a usage error."""
    refused(2, ["no model is called 'bsae'", "did you mean base?"], "-n", "bsae")


@pytest.fixture
def hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zero_checkpoint: Path
) -> Iterator[LoopbackHub]:
    """A hub that serves the model ``toy``, to a client that sees nothing of this machine's."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("HF_", "HUGGING")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("ANIMESR_HOME", str(tmp_path / "own"))
    data = zero_checkpoint.read_bytes()
    files = {"someone/toy/toy.safetensors": data, "toy.safetensors": data}
    with LoopbackHub(files=files) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        toy = Checkpoint(
            name="toy",
            filename="toy.safetensors",
            sha256=hashlib.sha256(data).hexdigest(),
            licence="CC0",
            note="toy is for tests only.",
            hub_repo="someone/toy",
            url=server.plain_url("toy.safetensors"),
        )
        monkeypatch.setattr(checkpoints, "CATALOGUE", (*checkpoints.CATALOGUE, toy))
        huggingface_hub.close_session()
        yield server
        huggingface_hub.close_session()


@pytest.mark.usefixtures("hub")
def test_a_model_is_fetched_at_its_first_use(desk: Path) -> None:
    """A run that needs a model fetches it and says its note, once."""
    outcome = animesr("upscale", desk / "in.mkv", desk / "out.mkv", "-n", "toy", "--frames", "2")
    assert outcome.exit_code == 0
    assert "toy is for tests only." in outcome.stderr
    again = animesr("upscale", desk / "in.mkv", desk / "out2.mkv", "-n", "toy", "--frames", "2")
    assert "toy is for tests only." not in again.stderr


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_hub_that_refuses_is_code_8(
    status: int, hub: LoopbackHub, desk: Path, refused: Refusal
) -> None:
    """Row 24: the cause of each source, and how to do without."""
    hub.faults += [Fault(source="hub", status=status), Fault(source="plain", status=status)]
    words = [f"HTTP {status}", "animesr download toy"]
    animesr("download", "toy").refused(8, *words)
    before = snapshot(desk)
    outcome = animesr("upscale", desk / "in.mkv", desk / "old.mkv", "-y", "-n", "toy")
    outcome.refused(8, *words)
    assert snapshot(desk) == before


def test_an_interrupted_download_is_code_8_and_works_the_next_time(
    hub: LoopbackHub,
) -> None:
    """Row 24: what was cut off is not taken for the file, and does not stand in the way."""
    hub.faults += [Fault(source="hub", status=404), Fault(source="plain", cut_at=5000)]
    animesr("download", "toy").refused(8, "toy could not be downloaded")
    hub.faults.clear()
    outcome = animesr("download", "toy")
    assert outcome.exit_code == 0
    assert Path(outcome.stdout.strip()).read_bytes() == hub.files["toy.safetensors"]


def test_an_unreachable_hub_is_code_8(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 24: nobody listens at either address."""
    toy = checkpoints.find("toy")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", nowhere)
    row = dataclasses.replace(toy, url=f"{nowhere}/toy.safetensors")
    monkeypatch.setattr(checkpoints, "CATALOGUE", (row,))
    animesr("download", "toy").refused(8, "toy could not be downloaded", "try again later")


@pytest.mark.usefixtures("hub")
def test_offline_says_what_to_do(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 24: HF_HUB_OFFLINE asks nobody; the hint tells where to put the file."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    animesr("download", "toy").refused(8, "HF_HUB_OFFLINE is set", "put it at")
    refused(6, ["no intact file of model toy", "HF_HUB_OFFLINE is set", "put it at"], "-n", "toy")


@pytest.mark.usefixtures("hub")
def test_a_cache_that_cannot_be_written_is_code_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 24: the file has no place on this disk."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    monkeypatch.setenv("ANIMESR_HOME", str(tmp_path / "file" / "own"))
    animesr("download", "toy").refused(5, "toy cannot be stored", "HF_HOME and ANIMESR_HOME")


def test_other_bytes_everywhere_are_code_6(hub: LoopbackHub) -> None:
    """Row 23: a hash that does not match, after one more try, at both sources."""
    hub.faults += [Fault(source="hub", flip_at=99), Fault(source="plain", flip_at=99)]
    animesr("download", "toy").refused(6, "no intact file of model toy", "--force")


# 25: threads -------------------------------------------------------------------------------------


def failing(number: int, error: Exception) -> Callable[..., None]:
    """A stand-in that fails at its n-th call and is slow before, so that the others wait."""
    calls = itertools.count(1)

    def call(*arguments: object, **options: object) -> None:
        time.sleep(0.01)
        if next(calls) == number:
            raise error

    return call


@pytest.mark.parametrize("room", ["decoder", "network", "encoder"])
def test_the_error_of_any_thread_stops_all(
    room: str, desk: Path, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 25: the first error is the one shown, with its code; nobody waits for ever."""
    before = threading.active_count()
    if room == "decoder":
        fail = failing(6, InputError("the tape tore"))
        is_cut = SceneDetector.is_cut
        monkeypatch.setattr(SceneDetector, "is_cut", lambda *a: (fail(), is_cut(*a))[1])
        refused(3, "the tape tore", "-y", output=Path("old.mkv"))
    elif room == "network":
        fail, launch = failing(6, DeviceError("the chip melted")), Engine.launch
        monkeypatch.setattr(Engine, "launch", lambda *a: (fail(), launch(*a))[1])
        refused(7, "the chip melted", "-y", output=Path("old.mkv"))
    else:
        monkeypatch.setattr(Writer, "write", failing(6, DiskFullError("the disk is full")))
        refused(5, "the disk is full", "-y", output=Path("old.mkv"))
    assert threading.active_count() == before


def test_a_bug_is_one_line_too(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 25: an error that nobody foresaw, in a thread: code 1, and --debug for the traceback."""
    monkeypatch.setattr(Writer, "write", failing(2, ZeroDivisionError("oops")))
    words = ["this is a bug: ZeroDivisionError: oops", "--debug"]
    refused(1, words, "-y", output=Path("old.mkv"))


# 26: nobody reads --------------------------------------------------------------------------------


def ended(process: subprocess.Popen[str]) -> tuple[str, int]:
    """What a process whose stdout is closed said, and its exit code."""
    assert process.stderr is not None
    with process.stderr as stderr:
        return stderr.read(), process.wait(60)


@UNIX
def test_a_closed_pipe_is_a_silent_stop(desk: Path) -> None:
    """Row 26: code 141, not a word, no part, whichever command and whichever way it writes."""
    commands: dict[str, tuple[str | Path, ...]] = {
        "events": (
            "upscale", desk / "in.mkv", desk / "old.mkv", "-y", "-q", "--json", "-n",
            desk / "zero.safetensors",
        ),
        "table": ("models",),
        "json": ("models", "--json"),
        "help": ("--help",),
        "version": ("--version",),
    }  # fmt: skip
    before = snapshot(desk)
    reading, writing = os.pipe()
    os.close(reading)
    running = {name: start(*command, stdout=writing) for name, command in commands.items()}
    os.close(writing)
    for name, process in running.items():
        assert (name, *ended(process)) == (name, "", ExitCode.CLOSED_PIPE)
    assert snapshot(desk) == before


@UNIX
def test_a_pipe_that_closes_in_the_middle_of_a_run_stops_it(desk: Path, own_clip: Path) -> None:
    """Row 26: `animesr upscale --json | head -1` ends soon after head does."""
    before = snapshot(desk)
    # The real network, slowly: the pipe is closed before its first frame, which is told at once,
    # or on a busy machine before what is told five seconds later.
    slowly = ("-n", "base", "--precision", "fp32")
    process = start("upscale", own_clip, desk / "old.mkv", "-y", "--json", "-q", *slowly)
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"event": "plan"')
    process.stdout.close()
    assert ended(process) == ("", ExitCode.CLOSED_PIPE)
    assert snapshot(desk) == before
