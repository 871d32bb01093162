"""Whole runs under the rules of Windows, as far as Linux can play it: see ``windows_double``.

Each run is the command in processes of their own, and its output is the one of an ordinary run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import media
import windows_double
from command import Outcome, animesr, environment, finished, snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc what is open"),
]

DOUBLE = Path(windows_double.__file__)


def begin(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, DOUBLE, *arguments], env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def on_windows(*arguments: str | Path) -> Outcome:
    """Run the command under the double; nothing of it may complain."""
    outcome = finished(begin(*arguments), seconds=280)
    assert outcome.exit_code == 0, outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome


@pytest.fixture
def desk(tmp_path: Path, zero_checkpoint: Path) -> Path:
    """A clip with sound, and a network that costs nothing."""
    media.write_video(tmp_path / "in.mkv", frames=12, gop=1, audio_tracks=1)
    shutil.copy(zero_checkpoint, tmp_path / "zero.safetensors")
    return tmp_path


def usual(desk: Path, name: str, *options: str) -> bytes:
    """What an ordinary run makes, out of the way of the other."""
    output = desk / "usual" / name
    output.parent.mkdir()
    outcome = animesr(
        "upscale", desk / "in.mkv", output, "-n", desk / "zero.safetensors", "-c", "ffv1", *options
    )
    assert outcome.exit_code == 0, outcome.stderr
    content = output.read_bytes()
    shutil.rmtree(output.parent)
    return content


RULES = """
import os, sys
sys.path.insert(0, sys.argv[1])
import windows_double
windows_double.install()
with open("a", "wb") as file:
    for act, *names in ((os.unlink, "a"), (os.rename, "a", "b"), (os.replace, "c", "a")):
        try: act(*names)
        except PermissionError: print("refused")
os.unlink("a")
try: os.open(".", os.O_RDONLY)
except PermissionError: print("refused")
try: os.rename("c", "d")
except FileExistsError: print("refused")
try: import fcntl
except ImportError: print("absent")
print(hasattr(os, "link"), os.supports_dir_fd, sys.platform)
"""


def test_the_double_plays_by_its_rules(tmp_path: Path) -> None:
    """Else what follows would prove nothing."""
    (tmp_path / "c").touch()
    (tmp_path / "d").touch()
    ended = subprocess.run(
        [sys.executable, "-c", RULES, DOUBLE.parent], cwd=tmp_path, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert ended.stdout.split() == [*["refused"] * 5, "absent", "False", "set()", "win32"], (
        ended.stderr
    )


def test_a_whole_run(desk: Path) -> None:
    """One video, verified, renamed; over an older one; nothing hidden is left."""
    (desk / "out.mkv").write_bytes(b"older")
    expected = usual(desk, "out.mkv")
    on_windows(
        "upscale", desk / "in.mkv", desk / "out.mkv", "-y", "-c", "ffv1",
        "-n", desk / "zero.safetensors",
    )  # fmt: skip
    assert (desk / "out.mkv").read_bytes() == expected
    assert set(snapshot(desk)) == {"in.mkv", "out.mkv", "zero.safetensors"}


def test_a_second_run_on_one_output_is_refused(desk: Path) -> None:
    """The lock of msvcrt is seen by another process."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from animesr_cli.atomic_files import PartFile\n"
        "part = PartFile(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = begin("-c", code, desk / "out.mkv")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        arguments = ("upscale", desk / "in.mkv", desk / "out.mkv", "-n", desk / "zero.safetensors")
        outcome = finished(begin(*arguments), seconds=120)
        outcome.refused(4, "another run is writing")
    finally:
        holder.kill()
        holder.communicate()


def test_a_resumed_run(desk: Path) -> None:
    """Killed when a segment is finished, the same command goes on, and the file is the same."""
    options = ("-c", "ffv1", "--segment-frames", "2")
    expected = usual(desk, "out.mkv", *options)
    arguments = (
        "upscale", desk / "in.mkv", desk / "out.mkv", *options, "-n", desk / "zero.safetensors",
    )  # fmt: skip
    process = begin(*arguments)
    deadline = time.monotonic() + 120
    while not list((desk / "out.mkv.animesr").glob("0*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    os.killpg(process.pid, 9)
    process.communicate()
    outcome = on_windows(*arguments)
    assert "going on where it stopped" in outcome.stderr
    assert (desk / "out.mkv").read_bytes() == expected
    assert set(snapshot(desk)) == {"in.mkv", "out.mkv", "zero.safetensors"}


@pytest.mark.parametrize("there", [False, True])
def test_images_out(there: bool, desk: Path) -> None:
    """Into a folder that is new, and into one that holds some of them already."""
    if there:
        (desk / "images").mkdir()
        (desk / "images" / "0002.png").write_bytes(b"older")
    (desk / "images").mkdir(exist_ok=True)
    on_windows(
        "upscale", desk / "in.mkv", desk / "images" / "%04d.png", "-y",
        "-n", desk / "zero.safetensors",
    )  # fmt: skip
    names = sorted(path.name for path in (desk / "images").iterdir())
    assert names == [f"{number:04}.png" for number in range(1, 13)]
    assert (desk / "images" / "0002.png").read_bytes().startswith(b"\x89PNG")


def test_a_batch(desk: Path) -> None:
    """A folder of videos; the same command again has nothing left to do."""
    (desk / "season").mkdir()
    for name in ("1.mkv", "2.mkv"):
        shutil.copy(desk / "in.mkv", desk / "season" / name)
    arguments = ("upscale", desk / "season", desk / "out", "-n", desk / "zero.safetensors")
    assert "2 done" in on_windows(*arguments).stderr
    assert {"1.mkv", "2.mkv"} <= {path.name for path in (desk / "out").iterdir()}
    assert not list((desk / "out").glob(".*.part"))
    assert "2 finished before" in on_windows(*arguments).stderr


def test_two_workers(desk: Path) -> None:
    """Children connect by an address, and are told to stop; the file is that of one process."""
    options = ("-c", "ffv1", "--segment-frames", "3")
    expected = usual(desk, "out.mkv", *options)
    on_windows(
        "upscale", desk / "in.mkv", desk / "out.mkv", *options, "--workers", "2",
        "-n", desk / "zero.safetensors",
    )  # fmt: skip
    assert (desk / "out.mkv").read_bytes() == expected
    assert set(snapshot(desk)) == {"in.mkv", "out.mkv", "zero.safetensors"}
