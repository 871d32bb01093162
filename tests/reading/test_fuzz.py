"""Damaged files of every kind, by the hundred: each is upscaled or refused, and none does more."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from animesr_cli.errors import ExitCode
from fork_server import Ending, run_all

KINDS = ("mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv", "wmv", "gif", "nut", "y4m")
FILES_OF_A_KIND = 17
"""12 kinds: 204 files."""
LONGEST_SECONDS = 60.0
LARGEST_PIXELS = 200_000
"""A damaged header may ask for any size; this bounds the work."""

ALLOWED = {ExitCode.OK, ExitCode.USAGE, ExitCode.INPUT, ExitCode.DISK_FULL}
"""What a damaged file may lead to; a size that no encoder takes is a matter of options."""


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip some bytes, most of them in the headers; at times cut a piece out, or the end off."""
    data = np.frombuffer(content, np.uint8).copy()
    count = int(rng.integers(1, 30))
    reach = len(data) if rng.random() < 0.5 else min(len(data), 1500)
    places = rng.integers(0, reach, count)
    data[places] ^= rng.integers(1, 256, count, dtype=np.uint8)
    begin, length = int(rng.integers(0, len(data))), int(rng.integers(0, 400))
    if rng.random() < 0.2:
        data = np.delete(data, slice(begin, begin + length))
    if rng.random() < 0.2:
        data = data[:begin]
    return data.tobytes()


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
