"""Which of several names are inputs, and whether the last one is the output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from animesr_cli.api import check_name
from animesr_cli.errors import AnimesrError, UsageError
from animesr_cli.reading.probe import VideoInfo, probe
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import UpscaleSettings
from animesr_cli.text import shown

SAME_LENGTH: Final = 0.1
"""Share by which an output's length may differ from its input's."""


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
    paths = [check_name("input", name) for name in names]
    if output is not None:
        if len(paths) > 1 and paths[-1] != PIPE and not os.path.lexists(paths[-1]):
            raise UsageError(f"the output is named twice: {shown(paths[-1])} and {shown(output)}")
        return Named(tuple(paths), check_name("output", output))
    last = paths[-1]
    if len(paths) == 1:
        return Named((last,), None)
    if not os.path.isfile(last):
        return Named(tuple(paths[:-1]), last)
    if len(paths) > 2:
        return Named(tuple(paths), None)
    first = paths[0]
    if not os.path.isfile(first) or os.path.samefile(first, last):
        return Named((first,), last)
    likely = _looks_made(first, last, settings)
    if likely is None or likely:
        return Named((first,), last)
    if settings.overwrite:
        note = f"{shown(last)} is replaced, and does not look like an output of this command"
        return Named((first,), last, note)
    return Named((first, last), None, "two videos that exist are two inputs; -o names an output")


def _looks_made(source: Path, output: Path, settings: UpscaleSettings) -> bool | None:
    """Whether a video has the size and length that this command gives it; None: it is no video."""
    try:
        made = probe(output)
        own = probe(source, stream_index=settings.stream)
    except AnimesrError:
        return None
    return _has_wished_size(own, made, settings) and _has_length(own, made, settings)


def _has_wished_size(own: VideoInfo, made: VideoInfo, settings: UpscaleSettings) -> bool:
    if settings.fit:
        wished = tuple(float(side) for side in settings.fit)
        return max(made.width / wished[0], made.height / wished[1]) > 1 - 0.01
    if settings.width or settings.height:
        width, height = settings.width or made.width, settings.height or made.height
    else:
        width, height = round(own.width * settings.factor), round(own.height * settings.factor)
    return abs(made.width - width) <= 2 and abs(made.height - height) <= 2 and settings.factor != 1


def _has_length(own: VideoInfo, made: VideoInfo, settings: UpscaleSettings) -> bool:
    """A part may be as short as it likes; nothing becomes longer."""
    if not own.duration_seconds or not made.duration_seconds:
        return True
    ratio = float(made.duration_seconds / own.duration_seconds)
    is_part = settings.start or settings.end or settings.frames
    return ratio <= 1 + SAME_LENGTH and (bool(is_part) or ratio >= 1 - SAME_LENGTH)
