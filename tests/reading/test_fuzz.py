"""Damaged files of every kind, by the hundred: each is upscaled or refused, and none does more."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import fuzz_headers
import zoo
from animesr_cli.errors import ExitCode
from fork_server import Ending, run_all
from fuzz_headers import LARGEST_PIXELS, fuzz, mutated
from media import still_picture

KINDS = ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv", "wmv", "gif", "nut", "y4m")
FILES_OF_A_KIND = 17
"""12 kinds: 204 files."""
LONGEST_SECONDS = 60.0

HEADERS = ("mp4", "mkv", "webm", "ts", "y4m", "png")
COPIES_OF_A_HEADER = 1000
"""6 kinds: 6,000 copies."""

ALLOWED = {ExitCode.OK, ExitCode.USAGE, ExitCode.INPUT, ExitCode.DISK_FULL}
"""What a damaged file may lead to; a size that no encoder takes is a matter of options."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork there")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_upscaled_or_refused(
    kind: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """No traceback, crash or hang, an exit code of the table, and nothing left but the output."""
    rng = np.random.default_rng([KINDS.index(kind), 2026])
    source = zoo.ZOO[kind].make(tmp_path)
    content = source.read_bytes()
    source.unlink()
    runs, folders = [], []
    for number in range(FILES_OF_A_KIND):
        folder = tmp_path / str(number)
        folder.mkdir()
        damaged = folder / source.name
        damaged.write_bytes(mutated(content, rng))
        folders.append(folder)
        options = ("-n", str(zero_checkpoint), "--max-pixels", str(LARGEST_PIXELS))
        runs.append(["upscale", str(damaged), str(folder / "out.mkv"), *options])
    endings = run_all(runs, seconds=LONGEST_SECONDS)
    complaints = [
        f"{folder}: {ending.exit_code}, {ending.seconds:.1f} s: {complaint}\n{ending.stderr}"
        for folder, ending in zip(folders, endings, strict=True)
        if (complaint := wrong(ending, folder, source.name))
    ]
    assert not complaints, "\n".join(complaints)


def wrong(ending: Ending, folder: Path, source: str) -> str | None:
    """What is not as promised."""
    left = {path.name for path in folder.iterdir()} - {source}
    if ending.exit_code not in ALLOWED:
        return "this exit code has no place here"
    if "Traceback" in ending.stderr:
        return "a traceback"
    if left != ({"out.mkv"} if ending.exit_code == 0 else set()):
        return f"there is {', '.join(left) or 'nothing'}"
    if ending.exit_code and ending.stderr.count("error: ") != 1:
        return "not one line"
    return None


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a pipe cannot be waited for there")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", HEADERS)
def test_a_damaged_header_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    """No crash, hang or "this is a bug" of what is told of a file, and of its first frames."""
    if kind == "png":
        source = tmp_path / "in.png"
        source.write_bytes(still_picture("png"))
    else:
        source = zoo.ZOO[kind].make(tmp_path)
    complaints = fuzz(
        source, seed=HEADERS.index(kind), count=COPIES_OF_A_HEADER, seconds=LONGEST_SECONDS
    )
    assert not complaints, "\n".join(complaints)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals there")
def test_the_fuzzer_finds_what_it_is_for(tmp_path: Path) -> None:
    """A crash, a hang and a bug are each complained about, and the copies behind them are read."""
    source, script = tmp_path / "in.png", tmp_path / "faulty.py"
    source.write_bytes(still_picture("png"))
    script.write_text(
        f"import sys; sys.path.append({str(Path(fuzz_headers.__file__).parent)!r})\n"
        "import os, time, fuzz_headers\n"
        "first = int(sys.argv[3])\n"
        "faults = {1: os.abort, 3: lambda: time.sleep(60), 4: lambda: 'a bug', 6: os.abort}\n"
        "def what_is_wrong(path):\n"
        "    global first\n"
        "    first += 1\n"
        "    return faults.get(first - 1, lambda: None)()\n"
        "fuzz_headers.what_is_wrong = what_is_wrong\n"
        "fuzz_headers.main()\n"
    )
    complaints = fuzz(source, seed=0, count=7, seconds=3, script=str(script))
    assert complaints == [
        "1 ended the process: -6", "3 takes too long", "4 'a bug'", "6 ended the process: -6"
    ]  # fmt: skip


def test_copies_are_the_same_in_every_process(tmp_path: Path) -> None:
    """A number that was complained about can be looked at, and no two copies are alike."""
    content = still_picture("png")
    copies = [fuzz_headers.copy_of(content, 7, number) for number in range(50)]
    assert copies == [fuzz_headers.copy_of(content, 7, number) for number in range(50)]
    assert len(set(copies)) > 45
