"""A folder of videos in, a folder out: the tree is kept, and no file stops the others.

An output has its name only once it is complete and verified, so one that is there and not older
than its input is finished: running the same command again goes on where it stopped. The network is
loaded once. This room does not know how one file is upscaled, nor what is shown of it.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from animesr_cli.api import finished_before, run
from animesr_cli.atomic_files import explained
from animesr_cli.errors import (
    AnimesrError,
    DiskFullError,
    ExitCode,
    InputError,
    Interrupted,
    OutputError,
    UsageError,
    as_bug,
)
from animesr_cli.reading.image_reader import natural_key
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import UpscaleSettings, check_settings
from animesr_cli.text import shown
from animesr_cli.upscaling.events import Observer, UpscaleResult
from animesr_cli.upscaling.plan import LoadedNetwork, Plan, ready_network
from animesr_cli.upscaling.targets import size_label
from animesr_cli.video.containers import IMAGE_SUFFIXES
from animesr_cli.writing.encoders import format_of, holds, named_codec

log = logging.getLogger(__name__)

VIDEO_SUFFIXES: Final = frozenset({
    ".264", ".265", ".3g2", ".3gp", ".amv", ".apng", ".asf", ".av1", ".avc", ".avi", ".bik",
    ".divx", ".dv", ".f4v", ".flv", ".gif", ".gxf", ".h264", ".h265", ".hevc", ".ivf", ".m1v",
    ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mpe",
    ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nsv", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm",
    ".rmvb", ".smk", ".swf", ".tod", ".trp", ".ts", ".vc1", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
})  # fmt: skip
"""What makes a file of a folder an input; a file that is named itself may have any suffix."""

WORST_FIRST: Final = (
    ExitCode.TERMINATED,
    ExitCode.INTERRUPTED,
    ExitCode.BUG,
    ExitCode.VERIFICATION,
    ExitCode.DISK_FULL,
    ExitCode.DEVICE,
    ExitCode.WEIGHTS,
    ExitCode.NETWORK,
    ExitCode.OUTPUT,
    ExitCode.INPUT,
    ExitCode.USAGE,
    ExitCode.WARNINGS,
    ExitCode.OK,
)
"""Which exit code a batch has: from what concerns every file down to what concerns one."""


class State(StrEnum):
    """How a file came out of a batch."""

    DONE = "done"
    SKIPPED = "finished before"
    FAILED = "failed"
    LEFT = "not done"
    """The batch ended before its turn, or during it."""


@dataclass(frozen=True)
class Item:
    """One video of a batch."""

    name: Path
    """Below the input folder."""
    source: Path
    output: Path


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What was found in a folder, before the first file."""

    folder: Path
    output: Path
    items: tuple[Item, ...]
    """In the order of their names, numbers by value."""
    others: int
    """Files that are no videos by their suffix."""
    earlier: int
    """Files and folders named as this command names outputs, beside what they were made from."""
    unreadable: Mapping[Path, str]
    """Folders, below the input folder, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one item."""

    item: Item
    state: State
    result: UpscaleResult | None = None
    error: AnimesrError | None = None
    begun: bool = False
    """Whether it failed after its plan stood: in the middle of the work."""


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What a batch did."""

    batch: Batch
    outcomes: tuple[Outcome, ...]
    seconds: float
    warnings: tuple[str, ...]
    """Of the batch itself; those of a file are in its result."""
    stopped: Interrupted | None

    @property
    def counts(self) -> Mapping[State, int]:
        counts = Counter(outcome.state for outcome in self.outcomes)
        return {state: counts[state] for state in State}

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """That of the worst file; ``strict`` counts warnings too."""
        codes = {outcome.error.exit_code for outcome in self.outcomes if outcome.error}
        if self.stopped:
            codes.add(self.stopped.exit_code)
        if strict and (self.warnings or any(o.result and o.result.warnings for o in self.outcomes)):
            codes.add(ExitCode.WARNINGS)
        return next(code for code in WORST_FIRST if code in {*codes, ExitCode.OK})


@dataclass(frozen=True, kw_only=True)
class BatchObserver:
    """Who is told what happens."""

    on_batch: Callable[[Batch], None] = lambda batch: None
    on_item: Callable[[Item], Observer] = lambda item: Observer()
    """Before each file that is upscaled; its answer watches that run."""
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    on_warning: Callable[[str], None] = log.warning


# ---- what is in the folder -----------------------------------------------------------------------


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def _in_order(names: Iterable[str]) -> list[str]:
    """Without the hidden ones, episode 2 before episode 10."""
    shown_names = (name for name in names if not name.startswith("."))
    return sorted(shown_names, key=lambda name: (natural_key(name.casefold()), name))


class _Walk:
    """Every folder of a tree once, with its files; links that lead back are not followed."""

    def __init__(self, root: Path, without: Path | None) -> None:
        self.root = root
        self.unreadable: dict[Path, str] = {}
        self._top = Path(os.path.realpath(root))
        self._without = None if without is None else Path(os.path.realpath(without))
        self._seen = {self._top}

    def __iter__(self) -> Iterator[tuple[Path, list[str], list[str]]]:
        """Folder, its subfolders, which may be taken out, and its files."""
        walk = os.walk(self.root, onerror=self._note, followlinks=True)
        for folder, subfolders, files in walk:
            here = Path(folder)
            subfolders[:] = [name for name in _in_order(subfolders) if self._enters(here / name)]
            kept = [name for name in _in_order(files) if not self._left_out(here / name)]
            yield here, subfolders, kept

    def _note(self, error: OSError) -> None:
        folder = Path(os.fsdecode(error.filename))
        self.unreadable[folder] = (error.strerror or str(error)).lower()

    def _left_out(self, path: Path) -> bool:
        return self._without is not None and Path(os.path.realpath(path)) == self._without

    def _enters(self, folder: Path) -> bool:
        real = Path(os.path.realpath(folder))
        if real == self._without or real in self._seen:
            return False
        if folder.is_symlink() and (
            real.is_relative_to(self._top) or self._top.is_relative_to(real)
        ):
            return False  # what it leads to is met by its own name
        self._seen.add(real)
        return True


def is_batch(folder: Path, output: Path | None = None) -> bool:
    """Whether a folder holds a video, at any depth; ``output``, file or folder, does not count."""
    return any(_is_video(name) for _, _, files in _Walk(folder, output) for name in files)


def _earlier(names: Sequence[str], label: str, *, files: bool) -> set[str]:
    """Those that are called as another one's output: ``a_x4.mkv`` beside ``a.avi``."""
    stems = {Path(name).stem if files else name for name in names}
    return {
        name
        for name in names
        if (stem := Path(name).stem if files else name).endswith(f"_{label}")
        and stem.removesuffix(f"_{label}") in stems
    }


def _suffix(source: Path, codec: str | None) -> str:
    """The input's own, where it is written and holds what the encoder makes; else MKV."""
    container = format_of(source.suffix)
    fits = container is not None and (codec is None or holds(container.muxer, codec))
    return source.suffix if fits else ".mkv"


def _outputs(names: Sequence[Path], codec: str | None) -> dict[Path, Path]:
    """Each input's output, both below their folders."""
    usual = {name: name.with_suffix(_suffix(name, codec)) for name in names}
    taken = Counter(usual.values())
    # a.avi and a.mkv: where two would become a.mkv, the one that changes is a.avi.mkv.
    return {
        name: name.with_name(name.name + output.suffix)
        if taken[output] > 1 and output != name
        else output
        for name, output in usual.items()
    }


# ---- the folders ---------------------------------------------------------------------------------


def _names_a_file(path: Path) -> bool:
    return _is_video(path.name) or path.suffix.lower() in IMAGE_SUFFIXES


def _output_folder(folder: Path, output: Path | None, settings: UpscaleSettings) -> Path:
    """Where the outputs go, checked; it need not exist, only the folder that it is in."""
    if output is None:
        beside = folder if folder.name not in ("", "..") else Path(os.path.abspath(folder))
        if not beside.name:
            raise UsageError(f"{shown(folder)} has no folder beside it", "name an output folder")
        output = beside.with_name(f"{beside.name}_{size_label(settings)}")
    with explained(output):
        if output.is_dir():
            if output.samefile(folder):
                raise UsageError(
                    f"{shown(output)} is the input folder itself",
                    f"name another folder, or leave it out for {shown(folder)}_"
                    f"{size_label(settings)}",
                )
            return output
        if output == PIPE or os.path.lexists(output) or _names_a_file(output):
            what = "standard output" if output == PIPE else shown(output)
            raise UsageError(
                f"{what} is no folder, and {shown(folder)} is a folder with videos",
                "name a folder for the output, or one file of the input",
            )
        if not output.absolute().parent.is_dir():
            raise OutputError(
                f"the folder {shown(output.parent)} does not exist", "make it first, with mkdir -p"
            )
    return output


@contextmanager
def _folder_made(output: Path) -> Iterator[None]:
    """Make the folders above an output; those that were missing go again where the run fails."""
    folder = output.parent
    with explained(output):
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # something else is in it by now
            for each in missing:
                each.rmdir()
        raise


def find_batch(folder: Path, output: Path | None, settings: UpscaleSettings) -> Batch:
    """Look through a folder and name every output; nothing is opened or written.

    Raises:
        InputError: it cannot be read.
        UsageError, OutputError: the outputs cannot go there.
    """
    output = _output_folder(folder, output, settings)
    walk, label = _Walk(folder, output), size_label(settings)
    names: list[Path] = []
    others = earlier = 0
    for here, subfolders, files in walk:
        videos = [name for name in files if _is_video(name)]
        made = _earlier(videos, label, files=True)
        made_folders = _earlier(subfolders, label, files=False)
        subfolders[:] = [name for name in subfolders if name not in made_folders]
        names += [(here / name).relative_to(folder) for name in videos if name not in made]
        others += len(files) - len(videos)
        earlier += len(made) + len(made_folders)
    if folder in walk.unreadable:
        raise InputError(f"{shown(folder)} cannot be read: {walk.unreadable[folder]}")
    codec = None if settings.codec == "auto" else named_codec(settings.codec)
    if not names and not walk.unreadable:
        raise InputError(
            f"{shown(folder)} holds no video that is not an output already",
            "inputs are files with a video's suffix, such as .mkv, that are not hidden",
        )
    batch = Batch(
        folder=folder,
        output=output,
        items=tuple(
            Item(name, folder / name, output / result)
            for name, result in _outputs(names, codec).items()
        ),
        others=others,
        earlier=earlier,
        unreadable={path.relative_to(folder): why for path, why in walk.unreadable.items()},
    )
    _check_apart(batch)
    return batch


def _check_apart(batch: Batch) -> None:
    """No output may have the place of an input, or of another output."""
    inputs = {os.path.realpath(item.source): item.source for item in batch.items}
    outputs: dict[str, Path] = {}
    for item in batch.items:
        place = os.path.realpath(item.output)
        if other := inputs.get(place):
            raise UsageError(
                f"the output of {shown(item.source)} would be the input {shown(other)}",
                "choose another output folder",
            )
        if other := outputs.get(place):
            raise UsageError(
                f"{shown(item.source)} and {shown(other)} would both become {shown(item.output)}",
                "rename one of them",
            )
        outputs[place] = item.source


# ---- the work ------------------------------------------------------------------------------------


def _is_finished(item: Item, settings: UpscaleSettings) -> bool:
    """Whether the output is there already; one that is older than its input is an error."""
    if settings.overwrite or not os.path.isfile(item.output):
        return False
    try:
        output, source = item.output.stat(), item.source.stat()
    except OSError:
        return False  # the usual checks say what is wrong
    if not output.st_size or os.path.samestat(output, source):
        return False  # no output of ours: likewise
    if output.st_mtime_ns < source.st_mtime_ns:
        raise OutputError(
            f"{shown(item.output)} exists and is older than its input",
            "remove it, or replace all outputs with -y",
        )
    return True


def _upscale_item(
    item: Item, settings: UpscaleSettings, observer: Observer, loaded: LoadedNetwork
) -> UpscaleResult:
    if os.path.isdir(item.output):  # which `run` would take as a folder to write into
        raise OutputError(f"{shown(item.output)} is a folder")
    with _folder_made(item.output):
        return run(item.source, item.output, settings, observer, loaded)


def _attempt(
    item: Item, settings: UpscaleSettings, observer: BatchObserver, loaded: LoadedNetwork
) -> Outcome:
    """One file, whatever happens to it."""
    watcher = observer.on_item(item)
    begun = False

    def on_plan(plan: Plan) -> None:
        nonlocal begun
        begun = True
        watcher.on_plan(plan)

    try:
        result = _upscale_item(item, settings, replace(watcher, on_plan=on_plan), loaded)
    except (Interrupted, BrokenPipeError):  # the user's wish, not the file's failure
        raise
    except AnimesrError as error:
        return Outcome(item=item, state=State.FAILED, error=error, begun=begun)
    except Exception as error:
        bug = as_bug(error)
        bug.__cause__ = error
        return Outcome(item=item, state=State.FAILED, error=bug, begun=begun)
    return Outcome(item=item, state=State.DONE, result=result)


def _failed_folders(batch: Batch) -> list[Outcome]:
    return [
        Outcome(
            item=Item(name, batch.folder / name, batch.output / name),
            state=State.FAILED,
            error=InputError(f"the folder {shown(batch.folder / name)} cannot be read: {why}"),
        )
        for name, why in batch.unreadable.items()
    ]


class _Work:
    """A batch on its way; ``outcomes`` are right whenever it is stopped."""

    def __init__(self, batch: Batch, settings: UpscaleSettings, observer: BatchObserver) -> None:
        self.batch = batch
        self.settings = settings
        self.observer = observer
        self.outcomes: list[Outcome] = []
        self.warnings: list[str] = []
        self._loaded: LoadedNetwork | None = None

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self.observer.on_warning(message)

    def _network(self) -> LoadedNetwork:
        """Loaded for the first file that needs it, and kept."""
        if self._loaded is None:
            self._loaded = ready_network(self.settings, warn=self._warn)
        return self._loaded

    def _settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.observer.on_outcome(outcome)
        if outcome.error:
            # What a traceback holds on to, frames and device memory, would stay to the end.
            outcome.error.__traceback__ = outcome.error.__cause__ = None
            outcome.error.__context__ = None

    def _outcome(self, item: Item) -> Outcome:
        try:
            if _is_finished(item, self.settings):
                finished_before(item.source, item.output, self.settings)  # tidies up
                return Outcome(item=item, state=State.SKIPPED)
        except AnimesrError as error:
            return Outcome(item=item, state=State.FAILED, error=error)
        return _attempt(item, self.settings, self.observer, self._network())

    def run(self) -> None:
        for outcome in _failed_folders(self.batch):
            self._settle(outcome)
        for item in self.batch.items:
            outcome = self._outcome(item)
            self._settle(outcome)
            if isinstance(outcome.error, DiskFullError) and outcome.begun:
                return  # hours of work on each of the others would end alike

    def left(self) -> list[Outcome]:
        settled = {outcome.item for outcome in self.outcomes}
        return [
            Outcome(item=item, state=State.LEFT) for item in self.batch.items if item not in settled
        ]


def run_batch(
    folder: Path,
    output: Path | None,
    settings: UpscaleSettings,
    observer: BatchObserver | None = None,
) -> BatchResult:
    """Upscale every video below a folder, one after another.

    Args:
        folder: the input; hidden files, files that are no videos by their suffix, and outputs are
            passed over.
        output: made where it is missing; None is ``IN_x4`` beside the input.

    Returns:
        What became of each file: a file that fails is an outcome, no exception.

    Raises:
        AnimesrError: what no file can be upscaled with, such as a missing checkpoint.
    """
    started = time.perf_counter()
    check_settings(settings)
    if settings.fps is not None:
        raise UsageError(
            f"--fps is for images, and {shown(folder)} is a folder with videos", "leave it out"
        )
    batch = find_batch(folder, output, settings)
    observer = observer or BatchObserver()
    work = _Work(batch, settings, observer)
    observer.on_batch(batch)
    stopped = None
    try:
        work.run()
    except Interrupted as interrupted:
        stopped = interrupted
    return BatchResult(
        batch=batch,
        outcomes=(*work.outcomes, *work.left()),
        seconds=time.perf_counter() - started,
        warnings=tuple(work.warnings),
        stopped=stopped,
    )
