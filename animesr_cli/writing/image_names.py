"""What the images of a run are called, and whether they may be written under these names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from animesr_cli.atomic_files import explained
from animesr_cli.errors import OutputError, UsageError
from animesr_cli.file_names import check_name
from animesr_cli.reading.image_sequence import ImageSequence, Pattern
from animesr_cli.text import shown
from animesr_cli.writing.part_folder import PartFolder

FIRST_NUMBER: Final = 1
"""Of the images of a video, which has no numbers of its own."""


@dataclass(frozen=True, kw_only=True)
class ImageNames:
    """What the images of a run are called."""

    folder: Path
    pattern: Pattern | None
    """None: each is called as the image that it is made from."""
    known: Mapping[int, str] | None
    """By index of the source's frame; None: they are numbered as they come."""

    def name(self, index: int) -> str:
        if self.known is not None:
            return self.known[index]
        assert self.pattern is not None
        return self.pattern.path(FIRST_NUMBER + index).name

    @property
    def label(self) -> str:
        """What tells this output from others in the same folder."""
        return "images" if self.pattern is None else self.pattern.path(0).name


def image_names(
    folder: Path, pattern: Pattern | None, sequence: ImageSequence | None, frames: Sequence[int]
) -> ImageNames:
    """Names for the frames of these indices; images keep their numbers, and with no pattern names.

    ``frames`` is ignored where there is no sequence: it is not known how many will come.
    """
    if sequence is None:
        return ImageNames(folder=folder, pattern=pattern, known=None)
    if pattern is None:
        known = {i: sequence.files[i].with_suffix(".png").name for i in frames}
    else:
        numbers = sequence.numbers or range(FIRST_NUMBER, FIRST_NUMBER + len(sequence.files))
        known = {i: pattern.path(numbers[i]).name for i in frames}
    return ImageNames(folder=folder, pattern=pattern, known=known)


def check_images(images: ImageNames, sequence: ImageSequence | None, *, overwrite: bool) -> None:
    """Raise where the images must not or cannot be written; nothing is left behind.

    Raises:
        UsageError: a name is too long, or they would replace the input's own.
        OutputError: one exists, the folder's own folder is missing, or it is read-only.
    """
    names = [images.name(0)] if images.known is None else list(images.known.values())
    check_name(images.folder / max(names, key=lambda name: len(os.fsencode(name))))
    with explained(images.folder):
        if images.folder.exists():
            _check_existing(images, sequence, overwrite)
        elif not images.folder.absolute().parent.is_dir():
            raise OutputError(
                f"the folder {shown(images.folder.parent)} does not exist",
                "make it first, with mkdir -p",
            )
        with PartFolder(images.folder, images.label):
            pass


def _check_existing(images: ImageNames, sequence: ImageSequence | None, overwrite: bool) -> None:
    if not images.folder.is_dir():
        raise OutputError(f"{shown(images.folder)} is a file, not a folder")
    existing = _existing(images)
    own = {(s.st_dev, s.st_ino) for s in map(os.stat, sequence.files if sequence else ())}
    for path in existing:
        status = path.stat()
        if (status.st_dev, status.st_ino) in own:
            raise UsageError(
                f"{shown(path)} is one of the input's own images, which would be destroyed",
                "choose another folder",
            )
    if existing and not overwrite:
        more = f", and so do {len(existing) - 1} more of these images" if existing[1:] else ""
        raise OutputError(
            f"{shown(existing[0])} exists{more}", "-y replaces them; or choose another folder"
        )


def _existing(images: ImageNames) -> list[Path]:
    """Files that have the name of an image of this run, or might have."""
    if images.known is not None:
        present = set(os.listdir(images.folder))
        return [images.folder / name for name in images.known.values() if name in present]
    assert images.pattern is not None
    return list(images.pattern.existing().values())
