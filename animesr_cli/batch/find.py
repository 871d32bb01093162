"""What a batch works on: the videos of folders, and videos that are named, with their outputs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from animesr_cli.atomic_files import explained
from animesr_cli.errors import InputError, OutputError, UsageError
from animesr_cli.reading.image_sequence import natural_key
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.text import shown
from animesr_cli.upscaling.targets import default_output, size_label
from animesr_cli.video.containers import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from animesr_cli.writing.encoders import format_of, holds
from animesr_cli.writing.encoding import named_codec


@dataclass(frozen=True)
class Item:
    """One video of a batch."""

    name: Path
    """Relative to the input folder, or as it was given."""
    source: Path
    output: Path
    top: Path
    """The folder of outputs that this one belongs to."""


@dataclass(frozen=True, kw_only=True)
class BatchInputs:
    """What was found in a folder, or is named, before the first file."""

    folder: Path | None
    """None: the inputs are named one by one."""
    output: Path | None
    """None: outputs are beside their inputs."""
    items: tuple[Item, ...]
    """Sorted by name, numbers by value."""
    others: int
    """Files that are no videos by their suffix."""
    earlier: int
    """Files and folders named as this command names outputs, beside what they were made from."""
    unreadable: Mapping[Path, str]
    """Folders, below the input folder, with the reason."""


# ---- what is in the folder -----------------------------------------------------------------------


def is_video_name(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def _in_order(names: Iterable[str]) -> list[str]:
    """The names that are not hidden, episode 2 before episode 10."""
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
    return any(is_video_name(name) for _, _, files in _Walk(folder, output) for name in files)


def _earlier(names: Sequence[str], label: str, *, files: bool) -> set[str]:
    """The names that look like another one's output: ``a_x4.mkv`` beside ``a.avi``."""
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
    return is_video_name(path.name) or path.suffix.lower() in IMAGE_SUFFIXES


def _output_folder(
    folder: Path, output: Path | None, settings: UpscaleSettings, within: Path | None = None
) -> Path:
    """The checked folder of the outputs; it need not exist, only its parent must."""
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
        what = "standard output" if output == PIPE else shown(output)
        refusal = UsageError(
            f"{what} is no folder, and {shown(folder)} is a folder with videos",
            "name a folder for the output, or one file of the input",
        )
        _check_new_folder(output, refusal, within)
    return output


def _check_new_folder(output: Path, refusal: UsageError, within: Path | None = None) -> None:
    """Refuse what is there, is named like a file, or would be in no folder but ``within``."""
    if output == PIPE or os.path.lexists(output) or _names_a_file(output):
        raise refusal
    if output.parent != within and not output.absolute().parent.is_dir():
        raise OutputError(
            f"the folder {shown(output.parent)} does not exist", "make it first, with mkdir -p"
        )


@contextmanager
def out_folder(output: Path, *, keep: bool = True) -> Iterator[None]:
    """Make the folders above an output; they go again where the run fails, or unless ``keep``."""
    folder = output.parent
    with explained(output):
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    kept = False
    try:
        yield
        kept = keep
    finally:
        if not kept:
            with suppress(OSError):  # something else is in it by now
                for each in missing:
                    each.rmdir()


def find_batch(
    folder: Path, output: Path | None, settings: UpscaleSettings, *, within: Path | None = None
) -> BatchInputs:
    """Look through a folder and name every output; nothing is opened or written.

    ``within`` is a folder that will be made where it is missing.

    Raises:
        InputError: it cannot be read.
        UsageError, OutputError: the outputs cannot go there.
    """
    output = _output_folder(folder, output, settings, within)
    walk, label = _Walk(folder, output), size_label(settings)
    names: list[Path] = []
    others = earlier = 0
    for here, subfolders, files in walk:
        videos = [name for name in files if is_video_name(name)]
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
    batch = BatchInputs(
        folder=folder,
        output=output,
        items=tuple(
            Item(name, folder / name, output / result, output)
            for name, result in _outputs(names, codec).items()
        ),
        others=others,
        earlier=earlier,
        unreadable={path.relative_to(folder): why for path, why in walk.unreadable.items()},
    )
    _check_apart(batch)
    return batch


def find_several(
    inputs: Sequence[Path], output: Path | None, settings: UpscaleSettings
) -> BatchInputs:
    """Name the output of each of several inputs, videos and folders of videos.

    Args:
        output: a folder that takes all of them, made where it is missing; None: each output is
            beside its input.

    Raises:
        InputError: a folder cannot be read or has no video.
        UsageError, OutputError: an input is of another kind, or the outputs cannot go there.
    """
    if output is not None and not output.is_dir():
        refusal = f"{len(inputs)} inputs cannot go into {shown(output)}"
        _check_new_folder(output, UsageError(refusal, "name a folder, or nothing"))
    items: list[Item] = []
    others = earlier = 0
    unreadable: dict[Path, str] = {}
    for source in inputs:
        if source == PIPE or (source.is_dir() and not is_batch(source, output)):
            what = "standard input" if source == PIPE else f"{shown(source)}, without videos,"
            raise UsageError(f"{what} is upscaled alone", "give it to a command of its own")
        if not source.is_dir():
            folder = source.parent if output is None else output
            items.append(Item(source, source, default_output(source, settings, output), top=folder))
            continue
        tree = None if output is None else output / Path(os.path.abspath(source)).name
        found = find_batch(source, tree, settings, within=output)
        items += [
            Item(source / each.name, each.source, each.output, top=each.top) for each in found.items
        ]
        others, earlier = others + found.others, earlier + found.earlier
        unreadable |= {source / path: why for path, why in found.unreadable.items()}
    batch = BatchInputs(
        folder=None,
        output=output,
        items=tuple(dict.fromkeys(items)),
        others=others,
        earlier=earlier,
        unreadable=unreadable,
    )
    _check_apart(batch)
    return batch


def _check_apart(batch: BatchInputs) -> None:
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


def found(
    inputs: Path | Sequence[Path], output: Path | None, settings: UpscaleSettings
) -> BatchInputs:
    """What ``run_batch`` would work on."""
    if isinstance(inputs, Path):
        return find_batch(inputs, output, settings)
    return find_several(inputs, output, settings)
