"""What this machine can do: devices, precisions, encoders that really open, caches, checkpoints.

And what the user's configuration file has to say, as far as that can be read.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from animesr_cli import __version__
from animesr_cli.cli.user_config import Kinds, Table, read_config, usual_file
from animesr_cli.errors import UsageError
from animesr_cli.model.catalogue import CATALOGUE
from animesr_cli.model.devices import (
    accelerators,
    bf16_trial,
    choose_compute,
    cpu_multiplies_bf16,
    runtime_of,
)
from animesr_cli.model.download import cache_folder, status
from animesr_cli.model.memory import free_memory
from animesr_cli.text import counted
from animesr_cli.writing.encoders import probe_encoders

PACKAGES = ("torch", "av", "typer", "rich", "numpy", "huggingface_hub", "safetensors", "tqdm")


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    section: str
    name: str
    value: str
    usable: bool = True


def _devices() -> list[Finding]:
    return [Finding("devices", name, _describe(name)) for name in ("cpu", *accelerators())]


def _describe(name: str) -> str:
    compute = choose_compute(name, "auto")
    if runtime := runtime_of(compute.device):
        title = runtime.get_device_name(compute.device)
    elif compute.device.type == "cpu":
        title = (
            f"{counted(os.cpu_count() or 1, 'core')}, {counted(torch.get_num_threads(), 'thread')}"
        )
    else:
        title = platform.processor()
    free = free_memory(compute.device)
    memory = f", {free / 1e9:.1f} GB free" if free else ""
    text = f"{title}{memory}; auto is {compute.precision} ({compute.reason})"
    if compute.device.type == "cpu" and cpu_multiplies_bf16():
        text += f"; self-test of bf16: {bf16_trial()}"
    return text


def _values(section: str, table: Table) -> list[Finding]:
    return [Finding(section, name, json.dumps(value)) for name, value in table.items()]


def configuration(path: Path | None, kinds: Kinds) -> list[Finding]:
    """Which configuration file is in force, and each value that it and its presets set."""
    if path is None:
        state = "is ignored" if usual_file().exists() else "does not exist"
        return [Finding("config", "file", f"none: {usual_file()} {state}")]
    try:
        config = read_config(path, kinds)
    except UsageError as error:
        why = error.message + (f" ({error.hint})" if error.hint else "")
        return [Finding("config", "file", why, usable=False)]
    findings = [Finding("config", "file", str(path)), *_values("config", config.upscale)]
    for name, table in config.presets.items():
        findings += _values(f"preset {name}", table)
    return findings


def examine() -> list[Finding]:
    """Look at everything that a run depends on; nothing is downloaded or written."""
    versions = [Finding("versions", "animesr", __version__)]
    versions.append(Finding("versions", "python", platform.python_version()))
    versions += [Finding("versions", name, version(name)) for name in PACKAGES]
    encoders = [
        Finding("encoders", name, "opens" if why is None else why, why is None)
        for name, why in probe_encoders().items()
    ]
    rows = [status(checkpoint) for checkpoint in CATALOGUE]
    models = [Finding("models", row.checkpoint.name, row.where, row.intact) for row in rows]
    return [
        *versions,
        *_devices(),
        *encoders,
        Finding("cache", "folder", str(cache_folder())),
        *models,
    ]
