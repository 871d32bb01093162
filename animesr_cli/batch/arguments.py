"""Which of several names are inputs, and whether the last one is the output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from animesr_cli.api import check_name
from animesr_cli.batch.resemblance import looks_made
from animesr_cli.errors import UsageError
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.text import shown


@dataclass(frozen=True)
class Named:
    """What the names of a command mean."""

    inputs: tuple[Path, ...]
    output: Path | None
    note: str = ""
    """What a person should know of how they are understood."""


def understand(names: Sequence[str], output: str | None, settings: UpscaleSettings) -> Named:
    """Tell inputs from the output.

    The last of two or more names is the output unless it is a video that exists. Of exactly two
    videos that exist the second is the output where it looks like what this command makes of the
    first, or where ``-y`` says to replace it; else both are inputs.

    Args:
        names: as they were given, at least one.
        output: what ``-o`` names.
    """
    is_output = len(names) > 1 and output is None and not os.path.isfile(names[-1])
    last = check_name("output" if is_output else "input", names[-1])
    paths = [*(check_name("input", name) for name in names[:-1]), last]
    if output is not None:
        if len(paths) > 1 and paths[-1] != PIPE and not os.path.lexists(paths[-1]):
            raise UsageError(f"the output is named twice: {shown(paths[-1])} and {shown(output)}")
        return Named(tuple(paths), check_name("output", output))
    if len(paths) == 1:
        return Named((last,), None)
    if is_output:
        return Named(tuple(paths[:-1]), last)
    if len(paths) > 2:
        return Named(tuple(paths), None)
    first = paths[0]
    if not os.path.isfile(first) or os.path.samefile(first, last):
        return Named((first,), last)
    likely = looks_made(first, last, settings)
    if likely is None or likely:
        return Named((first,), last)
    if settings.overwrite:
        note = f"{shown(last)} is replaced, and does not look like an output of this command"
        return Named((first,), last, note)
    return Named((first, last), None, "two videos that exist are two inputs; -o names an output")
