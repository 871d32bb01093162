"""The folders above an output, made where they are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from animesr_cli.atomic_files import explained


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
