"""Damaged copies of a media file, read one after another in a process of their own.

``python fuzz_headers.py SOURCE SEED FIRST LAST`` prints a line when it turns to a copy, and one for
what is wrong with it: whoever reads the lines knows at which copy the process crashed or hangs.
``fuzz`` reads them, and begins anew behind such a copy.
"""

from __future__ import annotations

import itertools
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from command import animesr, environment

HEADER_BYTES = 1500
LARGEST_PIXELS = 200_000
"""A damaged header may ask for any size; this bounds the work."""
FRAMES = 12
START_SECONDS = 120.0
"""Torch and PyAV are loaded before the first copy."""
ALLOWED = {0, 2, 3}
"""What a damaged file may lead to: it is read, has no such stream, or is refused."""


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip some bytes, most of them in the headers; at times cut a piece out, or the end off."""
    data = np.frombuffer(content, np.uint8).copy()
    count = int(rng.integers(1, 30))
    reach = len(data) if rng.random() < 0.5 else min(len(data), HEADER_BYTES)
    places = rng.integers(0, reach, count)
    data[places] ^= rng.integers(1, 256, count, dtype=np.uint8)
    begin, length = int(rng.integers(0, len(data))), int(rng.integers(0, 400))
    if rng.random() < 0.2:
        data = np.delete(data, slice(begin, begin + length))
    if rng.random() < 0.2:
        data = data[:begin]
    return data.tobytes()


def with_odd_fields(content: bytes, rng: np.random.Generator) -> bytes:
    """Fields of a header become what no writer writes: zeros, ones, extremes; a piece comes twice.

    Few at a time: most copies get past the first check, to where sizes and counts are believed.
    """
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        size = int(rng.choice([1, 2, 4, 8]))
        at = int(rng.integers(0, min(len(data), HEADER_BYTES)))
        odd = rng.choice(["zeros", "ones", "top", "least", "any"])
        data[at : at + size] = {
            "zeros": bytes(size),
            "ones": b"\xff" * size,
            "top": b"\x7f" + b"\xff" * (size - 1),
            "least": bytes(size - 1) + b"\x01",
            "any": rng.bytes(size),
        }[str(odd)]
    if rng.random() < 0.1:
        at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 300))
        data[at:at] = data[at : at + size]
    return bytes(data)


def copy_of(content: bytes, seed: int, number: int) -> bytes:
    """The same for the same numbers, whichever process makes it."""
    rng = np.random.default_rng([seed, number])
    return (mutated if number % 2 else with_odd_fields)(content, rng)


# The process that reads --------------------------------------------------------------------------


def what_is_wrong(path: Path) -> str | None:
    """Through the command, and then its first frames, as far as they can be had."""
    from animesr_cli.errors import AnimesrError, as_expected
    from animesr_cli.reading.probe import probe
    from animesr_cli.reading.reader import Reader

    outcome = animesr("info", path)
    if outcome.exit_code not in ALLOWED or "this is a bug" in outcome.stderr:
        return f"info ended with {outcome.exit_code}: {outcome.stderr}"
    try:
        info = probe(path, max_pixels=LARGEST_PIXELS)
        with Reader(path, info=info, warn=lambda _: None) as reader:
            for _ in itertools.islice(reader, FRAMES):
                pass
    except AnimesrError:
        return None
    except Exception as error:
        return None if as_expected(error) else f"{type(error).__name__}: {error}"
    return None


def _read_copies(source: Path, seed: int, first: int, last: int) -> None:
    content = source.read_bytes()
    with TemporaryDirectory() as folder:
        path = Path(folder) / source.name
        for number in range(first, last):
            path.write_bytes(copy_of(content, seed, number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            if complaint := what_is_wrong(path):
                sys.stdout.write(f"{number} {complaint!r}\n")


# The one that waits ------------------------------------------------------------------------------


def fuzz(
    source: Path, *, seed: int, count: int, seconds: float, script: str = __file__
) -> list[str]:
    """What was wrong with which of ``count`` copies; none may take longer than ``seconds``."""
    complaints: list[str] = []
    first = 0
    while first < count:
        command = [sys.executable, script, *map(str, (source, seed, first, count))]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        ) as process:
            at, hangs = first - 1, False
            for number, complaint in _heard(process, seconds):
                at, hangs = max(at, number), number < 0
                complaints += [f"{number} {complaint}"] if complaint else []
            process.kill()
        if at < first:
            return [*complaints, f"the process ended with {process.returncode} before {first}"]
        if at + 1 < count or process.returncode:
            how = "takes too long" if hangs else f"ended the process: {process.returncode}"
            complaints.append(f"{at} {how}")
        first = at + 1
    return complaints


def _heard(process: subprocess.Popen[bytes], seconds: float) -> Iterator[tuple[int, str]]:
    """Numbers of copies, with complaints; at last -1 where one takes too long."""
    assert process.stdout is not None
    text, patience = b"", START_SECONDS
    while select.select([process.stdout], [], [], patience)[0]:
        part = os.read(process.stdout.fileno(), 1 << 16)
        if not part:
            process.wait()
            return
        *lines, text = (text + part).split(b"\n")
        for line in lines:
            number, _, complaint = line.decode().partition(" ")
            yield int(number), complaint
        patience = seconds
    yield -1, ""


def main() -> None:
    _read_copies(Path(sys.argv[1]), *map(int, sys.argv[2:]))


if __name__ == "__main__":
    main()
