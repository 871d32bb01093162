"""What decides which pictures a long run makes: two runs that agree in it may share segments.

It is kept in the journal's manifest. What a run leaves to chance, such as the tile size that goes
by free memory, is settled as it was when the run was begun.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import torch

from animesr_cli import __version__
from animesr_cli.model.tiles import MIN_TILE
from animesr_cli.settings.limits import MAX_COUNT, MAX_SIDE
from animesr_cli.settings.option import decisions
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.upscaling.plan import Plan

END_BYTES: Final = 1 << 20
"""Of the input, hashed at its beginning and at its end, to know it again."""

MAX_THREADS: Final = 1024
"""Of torch, that are taken over from an earlier run."""


def _ends_of(path: Path) -> str:
    """SHA-256 of a file's beginning and end."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        found.update(file.read(END_BYTES))
        file.seek(max(os.fstat(file.fileno()).st_size - END_BYTES, 0))
        found.update(file.read(END_BYTES))
    return found.hexdigest()


def identity_of(plan: Plan, threads: int | None) -> dict[str, dict[str, Any]]:
    """Everything that decides which pictures come out, and into which segments they go."""
    source, settings, encoding = plan.source, plan.settings, plan.format.encoding
    found = os.stat(source.path)

    return {
        "input": {
            "size": found.st_size,
            "modification time": found.st_mtime_ns,
            "content": _ends_of(source.path),
            "stream": source.stream_index,
            "colour": str(source.colour),
        },
        "output": {
            "size": f"{plan.format.width}x{plan.format.height}",
            "pixel aspect": str(plan.format.aspect),
            "colour": str(plan.format.colour),
        },
        "option": {
            name: str(value) if isinstance(value, Fraction) else value
            for name, value in decisions(settings).items()
        }
        | {"--segment-frames": plan.segment_frames},
        "encoder": {
            "name": encoding.codec,
            "pixel format": encoding.pix_fmt,
            **dict(sorted(encoding.options.items())),
        },
        "model": plan.checkpoint.identity,
        "computing": {
            "device": plan.compute.device.type,
            "precision": plan.compute.precision,
            "threads": threads,
            "tile": plan.tile,
        },
        "program": {"animesr": __version__, "torch": torch.__version__},
    }


def adopt_choices(
    then: Mapping[str, Mapping[str, Any]], now: dict[str, dict[str, Any]], settings: UpscaleSettings
) -> None:
    """Take over what was left to chance then: free memory, the number of processors, the speed."""

    def adopt(section: str, name: str, allowed: range) -> None:
        value = then.get(section, {}).get(name)
        if type(value) is int and value in allowed:  # anybody may have written it
            now[section][name] = value

    if settings.segment_frames is None:
        adopt("option", "--segment-frames", range(1, MAX_COUNT + 1))
    if then.get("computing", {}).get("device") != now["computing"]["device"]:
        return
    # Workers of a cluster have one each.
    if settings.cluster is None and now["computing"]["threads"] is not None:
        adopt("computing", "threads", range(1, MAX_THREADS + 1))
    if not settings.tile:
        adopt("computing", "tile", range(1))
        adopt("computing", "tile", range(MIN_TILE, MAX_SIDE + 1))
