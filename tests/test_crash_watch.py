"""A command that native code or the system ends says so, and still ends by that signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import media
from animesr_cli import crash_watch
from animesr_cli.errors import ExitCode
from command import Outcome, environment, finished, hidden, start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork there")

DECODER = """
import ctypes, os, signal, sys
import animesr_cli.reading.decoder as decoder
decode, packets = decoder._decode_packet, iter(range(6))

def crash(*given):
    if next(packets, None) is None:
        {crash}
    return decode(*given)

decoder._decode_packet = crash
from animesr_cli.__main__ import main
main()
"""
"""The command with a decoder that crashes at the seventh packet, in the thread that decodes."""

CRASHES = {
    "ctypes.string_at(0)": (signal.SIGSEGV, "native code crashed (segmentation fault)"),
    "os.abort()": (signal.SIGABRT, "native code crashed (aborted)"),
    "os.kill(os.getpid(), signal.SIGBUS)": (signal.SIGBUS, "native code crashed (bus error)"),
    "os.kill(os.getpid(), signal.SIGFPE)": (signal.SIGFPE, "native code crashed (floating"),
    "os.kill(os.getpid(), signal.SIGKILL)": (signal.SIGKILL, "killed, by hand or by the system"),
}


def crashing(crash: str, *arguments: str | Path) -> Outcome:
    command = [sys.executable, "-c", DECODER.format(crash=crash), *arguments]
    return finished(
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
    )


@pytest.mark.parametrize(
    "crash",
    [
        pytest.param(crash, marks=[pytest.mark.slow] if number else [])
        for number, crash in enumerate(CRASHES)
    ],
)
def test_a_crash_of_the_decoder_is_told(
    crash: str, own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """One line with the reason and the file, a hint, and the end that a shell shows as 128 + n."""
    signum, words = CRASHES[crash]
    source = tmp_path / "a \x1b[31mb.mp4"
    source.write_bytes(own_clip.read_bytes())
    options = ("-n", zero_checkpoint, "--no-journal", "-q")
    ended = crashing(crash, "upscale", source, tmp_path / "out.mkv", *options)
    ended.refused(-signum, words, r"a \x1b[31mb.mp4", "the same command goes on")
    assert ended.stderr == ended.error + "\n"
    assert not (tmp_path / "out.mkv").exists()


CRASHER = """
import ctypes
import animesr_cli.reading.probe as probe
first = probe._first_picture

def crash(container, stream, path, *more):
    if path.name == "2.mkv":
        ctypes.string_at(0)
    return first(container, stream, path, *more)

probe._first_picture = crash
from animesr_cli.__main__ import main
main()
"""


def test_a_file_that_crashes_holds_up_no_other(zero_checkpoint: Path, tmp_path: Path) -> None:
    """Which was in work and how many are done is told; the same command comes to it last."""
    (tmp_path / "in").mkdir()
    for name in ("1.mkv", "2.mkv", "3.mkv"):
        media.write_video(tmp_path / "in" / name, frames=3, width=32, height=24)
    done: list[str] = []
    for _ in range(2):
        command = ("upscale", tmp_path / "in", tmp_path / "out", "-n", zero_checkpoint)
        process = subprocess.Popen(
            [sys.executable, "-c", CRASHER, *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
        ended = finished(process)
        ended.refused(-signal.SIGSEGV, "2.mkv was in work", f"{len(done) + 1} of 3 files are done")
        done = sorted(os.listdir(tmp_path / "out"))
    assert done == ["1.mkv", "3.mkv"]


@pytest.mark.parametrize("parts", [1, 3])
def test_a_name_and_a_crash_in_one_read_are_told_apart(
    parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are in the pipe at once where a file crashes as soon as it is opened."""
    written = b"opened a.mp4\nopened b.mp4\nFatal Python error: Aborted\n\nThread 1\n"
    size = -(-len(written) // parts)
    reads = iter([written[at : at + size] for at in range(0, len(written), size)] + [b""])
    read = os.read  # others in this process may read, too
    monkeypatch.setattr(os, "read", lambda pipe, most: read(pipe, most) if pipe else next(reads))
    last, text = crash_watch._collected(debug=True)
    assert (last, text) == ({crash_watch.OPENED: "b.mp4"}, written[26:])


@pytest.mark.slow
def test_debug_shows_where_python_was(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """``--debug`` adds what ``faulthandler`` saw, for a report."""
    output = tmp_path / "out.mkv"
    ended = crashing(
        "ctypes.string_at(0)", "upscale", own_clip, output, "-n", zero_checkpoint, "--debug"
    )
    assert ended.exit_code == -signal.SIGSEGV
    assert "error: native code crashed" in ended.stderr
    assert 'decoder.py", line' in ended.stderr


@pytest.mark.slow
def test_a_killed_command_says_what_is_kept(own_clip: Path, tmp_path: Path) -> None:
    """SIGKILL from outside ends it at once; nothing is cleaned up that the next run may take."""
    process = start("upscale", own_clip, tmp_path / "out.mkv", "--no-journal")
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    while not hidden(tmp_path, ".part") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    ended = finished(process)
    assert ended.exit_code == -signal.SIGKILL
    assert "error: the command was killed" in ended.error
    assert len(hidden(tmp_path, ".part")) == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGQUIT])
@pytest.mark.slow
def test_who_stops_it_is_told_no_crash(signum: int, own_clip: Path, tmp_path: Path) -> None:
    """What a user's own signals say is all that is said."""
    process = start("upscale", own_clip, tmp_path / "out.mkv", "--no-journal")
    deadline = time.monotonic() + 60
    while not hidden(tmp_path, ".part") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signum)
    ended = finished(process)
    code = ExitCode.TERMINATED if signum == signal.SIGTERM else -signum
    assert ended.exit_code == code
    assert "crashed" not in ended.stderr
    assert "killed" not in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="its number is read in /proc")
def test_the_watch_holds_nothing_and_ends_with_the_command() -> None:
    """It keeps no pipe of the command open, hears no Ctrl-C, and leaves no process behind."""
    code = (
        "import os, sys, time\n"
        "from animesr_cli import crash_watch\n"
        "crash_watch.begin()\n"
        "watch = crash_watch._watch\n"
        "os.close(1)\n"
        "sys.stdin.read()\n"
        "crash_watch.end()\n"
        "crash_watch.end()\n"
        "try: os.kill(watch.process, 0)\n"
        "except ProcessLookupError: sys.exit(7)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read() == b""  # would wait for ever on an end that the watch holds
        watch = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(watch, signum)
        os.kill(watch, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(watch, 0)
        process.stdin.close()
        assert process.wait(10) == 7


def test_help_and_usage_errors_start_no_watch() -> None:
    """No second process for what ends at once; nor in a process that is not the command's own."""
    code = (
        "import os, sys\n"
        "os.fork = lambda: sys.exit(99)\n"
        "from animesr_cli.__main__ import main\n"
        "main()\n"
    )
    for arguments, expected in ((["upscale", "--help"], 0), (["upscale", "--nonsense"], 2)):
        ended = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=environment(), capture_output=True
        )
        assert ended.returncode == expected
    crash_watch.opened("a.mkv")  # nobody listens
    crash_watch.end()
