"""Standard output and error that are closed or full: silence, the right code, and the work done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import media
from animesr_cli.cli.streams import Outlet
from animesr_cli.errors import (
    DeviceError,
    DiskFullError,
    ExitCode,
    InputError,
    Interrupted,
    as_expected,
)
from command import environment

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return media.write_video(tmp_path / "in.mkv", frames=2, gop=1)


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    line = line.replace("animesr", f"{sys.executable} -m animesr_cli")
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment(), capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("animesr info in.mkv >&-", ExitCode.CLOSED_PIPE),
        ("animesr info in.mkv >/dev/full", ExitCode.DISK_FULL),
        ("animesr --help >&- 2>&-", ExitCode.CLOSED_PIPE),
        ("animesr info nowhere.mkv 2>&-", ExitCode.INPUT),
        ("animesr info nowhere.mkv 2>/dev/full", ExitCode.INPUT),
    ],
)
def test_what_cannot_be_told(line: str, code: ExitCode, clip: Path) -> None:
    """Results that go nowhere are 141 or 5; a message that cannot be read changes no code."""
    ended = shell(line, clip.parent)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")


@pytest.mark.parametrize(
    ("streams", "code"),
    [("2>&-", 0), ("2>/dev/full", 0), ("--json >/dev/full 2>&1", 5), ("--json >&-", 141)],
)
def test_the_work_goes_on(streams: str, code: int, clip: Path, zero_checkpoint: Path) -> None:
    """A video is made whether or not anybody can be told of it."""
    ended = shell(f"animesr upscale in.mkv out.mkv -q -n {zero_checkpoint} {streams}", clip.parent)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert sorted(path.name for path in clip.parent.iterdir()) == ["in.mkv", "out.mkv"]


def test_a_console_that_is_not_utf_8(tmp_path: Path) -> None:
    """Signs that it does not have are escaped."""
    with (tmp_path / "out").open("w", encoding="cp1252") as stream:
        outlet = Outlet(stream)
        outlet.write("64x48 → 第一話 ×")
        outlet.flush()
    assert outlet.failure is None
    assert (tmp_path / "out").read_bytes() == b"64x48 \\u2192 \\u7b2c\\u4e00\\u8a71 \xd7"


# ---- what the machine refuses --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(5, "Input/output error"), InputError),
        (OSError(116, "Stale file handle"), InputError),
        (OSError(24, "Too many open files", "a\x1bb"), InputError),
        (OSError(28, "No space left on device"), DiskFullError),
        (MemoryError(), DeviceError),
        (OSError(12, "Cannot allocate memory"), DeviceError),
        (RuntimeError("can't start new thread"), DeviceError),
        (BlockingIOError(11, "Resource temporarily unavailable"), DeviceError),
    ],
)
def test_what_the_machine_refuses_is_no_bug(error: Exception, kind: type[Exception]) -> None:
    """A disk that fails, limits of files, memory, threads and processes have their codes."""
    assert type(as_expected(error)) is kind


def test_a_bug_stays_one() -> None:
    """Only what is known to come from the machine is explained by it."""
    for error in (ValueError("x"), KeyError("a"), OSError(2, "No such file"), RuntimeError("y")):
        assert as_expected(error) is None


# ---- signals -------------------------------------------------------------------------------------

HANGING = """
import os, signal, sys, time
from pathlib import Path
from animesr_cli.atomic_files import PartFile
from animesr_cli.cli import app
from animesr_cli.cli.app import errors_shown, stoppable
app.SAME_REQUEST_SECONDS = float(sys.argv[3])
with errors_shown(), stoppable():
    with PartFile(Path(sys.argv[1])):
        print("began", flush=True)
        try:
            time.sleep(60)
        finally:
            print("stopping", flush=True)
            end = time.monotonic() + float(sys.argv[2])
            while time.monotonic() < end:
                time.sleep(0.05)
"""


def hanging(output: Path, cleanup_seconds: float, same_seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, output, str(cleanup_seconds), str(same_seconds)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    return process


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_that_comes_twice_is_one(name: str, tmp_path: Path) -> None:
    """A second within 50 ms, of a group's owner say, does not tear the cleaning apart."""
    number = signal.Signals[name]
    process = hanging(tmp_path / "out.mkv", 0.2, 30)
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=90)
    assert f"stopped by {name}" in errors
    assert list(tmp_path.iterdir()) == []
    assert Interrupted(number).exit_code == 128 + number


def test_a_second_signal_leaves_nothing_that_is_avoidable(tmp_path: Path) -> None:
    """Where cleaning hangs, the process ends at once and its hidden files are gone."""
    process = hanging(tmp_path / "out.mkv", 60, 0.3)
    process.terminate()
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    assert process.wait(60) == ExitCode.TERMINATED
    process.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_hang_up_that_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    """The run goes on when its terminal has gone."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + HANGING
    code += "print('finished', flush=True)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code.replace("(60)", "(1)"), tmp_path / "out.mkv", "0", "1"],
        env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    os.kill(process.pid, signal.SIGHUP)
    assert "finished" in process.communicate(timeout=90)[0]
