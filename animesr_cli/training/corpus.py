"""Training material: the clean videos and image folders of a directory, as shots of pictures.

Every source is decoded once from end to end, its cuts are found, and its pictures are kept as 8-bit
RGB as long as they fit a budget; what does not fit is decoded again where it is needed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.errors import InputError, Warn, unreadable
from animesr_cli.file_hash import sha256_of
from animesr_cli.reading.frame import Frame, FrameReader, with_cuts
from animesr_cli.reading.image_reader import SequenceReader, probe_sequence
from animesr_cli.reading.image_sequence import ImageSequence, find_sequence, natural_key
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.text import shown
from animesr_cli.video.colour import ColourSpec, to_bytes, to_rgb
from animesr_cli.video.containers import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from animesr_cli.video.part import WHOLE, Part

log = logging.getLogger(__name__)

LISTED: Final = 3
"""Sources that a warning names."""


# ---- what was found ------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Source:
    """One video or image folder that was read to its end."""

    name: str
    """Relative to the directory that was given: what a log and a model card call it."""
    path: Path
    sha256: str
    """Of the file, or of the folder's files one after another."""
    info: VideoInfo
    sequence: ImageSequence | None
    """None: a video file."""
    times: list[Fraction] = field(default_factory=list)
    """Seconds at which each picture is shown."""
    starts: list[int] = field(default_factory=list)
    """The pictures at which a shot begins; the first is 0."""
    pictures: list[Tensor] | None = None
    """(3, H, W) uint8 each; None: they are decoded again where they are needed."""

    def frames(self, first: int, count: int) -> list[Tensor]:
        """So many pictures (3, H, W) uint8, from one on."""
        if self.pictures is not None:
            return self.pictures[first : first + count]
        with self.reader(Part(self.times[first] if first else None, None, count)) as reader:
            return [picture_of(frame, self.info.colour) for frame in reader]

    def reader(self, part: Part = WHOLE) -> FrameReader:
        """Reads it, or a part of it, once."""
        if self.sequence is not None:
            return SequenceReader(self.sequence, info=self.info, part=part, warn=log.info)
        return Reader(self.path, info=self.info, part=part, warn=log.info)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Pictures of one source without a cut."""

    source: Source
    first: int
    count: int

    def frames(self, first: int, count: int, interval: int = 1) -> list[Tensor]:
        """Every ``interval``-th picture (3, H, W) uint8, counted from the shot's first."""
        assert first + (count - 1) * interval < self.count, (first, count, interval)
        return self.source.frames(self.first + first, (count - 1) * interval + 1)[::interval]


def picture_of(frame: Frame, colour: ColourSpec) -> Tensor:
    """(3, H, W) RGB of 8 bits."""
    return to_bytes(to_rgb(frame.planes, colour).clamp_(0, 1))


# ---- finding it ----------------------------------------------------------------------------------


def find_sources(root: Path) -> list[Path]:
    """Videos, and folders that hold images, below a directory; or the one file that was named.

    Raises:
        InputError: there is no such directory, or nothing in it looks like a video or an image.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError(f"the folder {shown(root)} does not exist", "--data takes a folder")
    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=natural_key)
        visible = sorted((name for name in names if not name.startswith(".")), key=natural_key)
        found += [Path(folder, n) for n in visible if Path(n).suffix.lower() in VIDEO_SUFFIXES]
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in visible):
            found.append(Path(folder))
    if not found:
        raise InputError(
            f"there is no video and no image in {shown(root)}",
            "--data takes a folder with clean videos, or folders of images",
        )
    return found


def _refuse(error: OSError) -> None:
    raise unreadable(f"the folder {shown(error.filename)}", error) from error


def _describe(path: Path, root: Path) -> Source:
    """What can be told before the pictures are read."""
    sequence = find_sequence(path)
    info = probe(path) if sequence is None else probe_sequence(sequence)
    if info.hdr is not None:
        raise InputError(f"{shown(path)} has a high dynamic range, which the network does not know")
    name = path.name if path == root else str(path.relative_to(root))
    return Source(
        name=root.name if name == "." else name,
        path=path,
        sha256=sha256_of(*(sequence.files if sequence else (path,))),
        info=info,
        sequence=sequence,
    )


# ---- threads -------------------------------------------------------------------------------------


@contextmanager
def workers_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the cores among themselves, each without a team of torch's own."""
    threads = torch.get_num_threads()
    started = threading.Barrier(workers + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        started.wait()

    pool = ThreadPoolExecutor(workers, initializer=begin, thread_name_prefix="animesr-data")
    try:
        for _ in range(workers):
            pool.submit(lambda: None)
        started.wait()
        torch.set_num_threads(threads)  # MKL has one number for all threads
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


# ---- reading it ----------------------------------------------------------------------------------


class _Budget:
    """Bytes that pictures may still take; given back by a source that does not fit."""

    def __init__(self, total: int) -> None:
        self.left = total

    def take(self, count: int) -> bool:
        if count > self.left:
            return False
        self.left -= count  # a race between two threads may overdraw by one picture
        return True


def _attempt(
    path: Path, root: Path, budget: _Budget, listen: Callable[[], None]
) -> Source | InputError:
    try:
        source = _describe(path, root)
        with source.reader() as reader:
            _load(source, reader, budget, listen)
    except InputError as error:
        return error
    except OSError as error:
        return unreadable(shown(path), error)
    return source


def _load(source: Source, reader: FrameReader, budget: _Budget, listen: Callable[[], None]) -> None:
    """Read it to its end: times, cuts and, where they fit, the pictures."""
    info = source.info
    kept: list[Tensor] | None = []
    taken = 0
    for number, (frame, cut) in enumerate(with_cuts(reader, info.colour.layout.depth)):
        listen()
        source.times.append(frame.pts * info.time_base - info.clock_start)
        if cut or not number:
            source.starts.append(number)
        if kept is None:
            continue
        picture = picture_of(frame, info.colour)
        if budget.take(picture.nbytes):
            kept.append(picture)
            taken += picture.nbytes
        else:
            kept = None  # all of it or nothing
            budget.left += taken
    source.pictures = kept


def load_sources(
    roots: Sequence[Path],
    *,
    memory_bytes: int,
    workers: int = 1,
    warn: Warn = log.warning,
    listen: Callable[[], None] = lambda: None,
    on_source: Callable[[int, int], None] = lambda done, total: None,
) -> list[Source]:
    """Read everything below the directories, in a fixed order.

    Args:
        memory_bytes: for pictures that are kept.
        listen: called between pictures; may raise to stop.
        on_source: is given the number of sources read, and of all.

    Raises:
        InputError: nothing could be read.
    """
    paths = [(path, root) for root in roots for path in find_sources(root)]
    budget = _Budget(memory_bytes)
    sources: list[Source] = []
    failures: list[InputError] = []
    with workers_pool(workers) as pool:
        futures = [pool.submit(_attempt, path, root, budget, listen) for path, root in paths]
        for done, future in enumerate(futures, 1):
            result = future.result()
            listen()
            if isinstance(result, InputError):
                failures.append(result)
            else:
                sources.append(result)
            on_source(done, len(futures))
    _warn_of(failures, sources, warn)
    return sources


def _warn_of(failures: Sequence[InputError], sources: Sequence[Source], warn: Warn) -> None:
    if failures and not sources:
        raise InputError(f"nothing could be read: {failures[0].message}", failures[0].hint)
    for error in failures[:LISTED]:
        warn(f"left out: {error.message}")
    if len(failures) > LISTED:
        warn(f"left out: {len(failures) - LISTED} more sources that cannot be read")
    again = [source for source in sources if source.pictures is None]
    if again:
        warn(
            f"{len(again)} of {len(sources)} sources do not fit the memory for pictures and are "
            "decoded again for each window, which is slow; --memory sets how much there is"
        )


def shots_of(sources: Iterable[Source]) -> list[Shot]:
    """The shots of every source, in order."""
    shots = []
    for source in sources:
        ends = [*source.starts[1:], len(source.times)]
        for first, end in zip(source.starts, ends, strict=True):
            shots.append(Shot(source=source, first=first, count=end - first))
    return shots
