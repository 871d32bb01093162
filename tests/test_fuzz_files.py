"""Files and options by the thousand, damaged by chance: each works or is refused in a sentence.

10,000 cases with fixed seeds. What reads a file may raise an error of the family that is no bug, or
the ``ValueError`` that stands in its docstring; nothing outside the folder is touched.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import typer.main

import media
from animesr_cli.cli import commands as cli
from animesr_cli.cli.options import option_kinds
from animesr_cli.cli.user_config import read_config
from animesr_cli.degradation.operators import plan_to_json, sample_plan
from animesr_cli.degradation.video import read_plan
from animesr_cli.errors import AnimesrError, ExitCode
from animesr_cli.jobs.folder import JobFolder, journal_folder
from animesr_cli.jobs.kept_files import StoredFile
from animesr_cli.jobs.manifest import MANIFEST, digest_of
from animesr_cli.jobs.records import Record, record_path, write_record
from animesr_cli.jobs.recurrent_state import read_state as read_recurrent_state
from animesr_cli.jobs.recurrent_state import state_bytes
from animesr_cli.training.log import TrainingLog
from animesr_cli.training.state import read_state, write_state
from command import animesr
from damage import NASTY, damaged_bytes, damaged_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KINDS = option_kinds(cast(Any, typer.main.get_command(cli.app)).commands["upscale"])
IDENTITY: dict[str, dict[str, Any]] = {
    "input": {"size": 7},
    "model": {"sha256": "0" * 64},
    "computing": {"tile": 0},
}


@contextmanager
def no_bug(what: object, *allowed: type[Exception]) -> Iterator[None]:
    """Errors of the family pass, except for bugs, and so does what is allowed."""
    refused: AnimesrError | None = None
    try:
        yield
    except allowed:
        pass
    except AnimesrError as error:
        refused = error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} from {what!r}") from error
    if refused is not None:
        assert refused.exit_code is not ExitCode.BUG, what
        assert refused.message.isprintable(), what


def each_case(seed: int, cases: int, damage: Callable[[random.Random], bytes]) -> Iterator[bytes]:
    for case in range(cases):
        yield damage(random.Random(seed * 1_000_000 + case))


# ---- a run's folder ------------------------------------------------------------------------------


def run_folder(output: Path) -> Path:
    """The folder of an interrupted run with one finished segment."""
    with JobFolder(journal_folder(output, None), output) as job:
        job.begin(IDENTITY, {"input": "in.mkv"})
        file = job.path / "000000000.mp4"
        file.write_bytes(b"a segment")
        write_record(
            job.path,
            Record(
                first=0, frames=2, pts=(0, 84), rows="ab", file=StoredFile.of(file),
                pictures="c" * 64, reorder=1, tile=64, worker="inline", seconds=0.5,
                identity=digest_of(IDENTITY),
            ),
        )  # fmt: skip
    return job.path


@pytest.mark.parametrize("kind", ["manifest", "record"])
def test_a_damaged_folder_of_a_run(kind: str, tmp_path: Path) -> None:
    """2,000 manifests and 2,000 records: what is damaged is done again, nothing else is touched."""
    output = tmp_path / "out.mkv"
    folder = run_folder(output)
    victim = tmp_path / "victim"
    victim.write_bytes(b"dear")
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    path = folder / MANIFEST if kind == "manifest" else record_path(folder, 0)
    seed = 1 if kind == "manifest" else 2
    for content in each_case(seed, 2000, lambda rng: damaged_json(rng, whole[path.name])):
        for name, data in whole.items():
            (folder / name).write_bytes(data)
        path.write_bytes(content)
        with no_bug(content, ValueError), JobFolder(folder, output) as job:
            manifest = job.load()
            if manifest is not None:
                job.go_on(manifest)
        assert victim.read_bytes() == b"dear", content
        assert {each.name for each in tmp_path.iterdir()} == {"victim", folder.name}, content


def test_a_damaged_recurrent_state(tmp_path: Path) -> None:
    """500 files: read as it was, or refused with the error that makes it be computed again."""
    like = (torch.rand(1, 4, 6, 8), torch.rand(1, 3, 12, 16))
    whole, path = state_bytes(like), tmp_path / "state.safetensors"
    for content in each_case(3, 500, lambda rng: damaged_bytes(rng, whole, reach=300)):
        path.write_bytes(content)
        with no_bug(content[:300], ValueError, OSError):
            read_recurrent_state(path, like)


# ---- plans, training, configuration --------------------------------------------------------------


def test_a_damaged_plan(tmp_path: Path) -> None:
    """1,500 plans of a degradation."""
    whole, path = plan_to_json(sample_plan(random.Random(1))).encode(), tmp_path / "plan.json"
    for content in each_case(4, 1500, lambda rng: damaged_json(rng, whole)):
        path.write_bytes(content)
        with no_bug(content):
            read_plan(path)


def test_a_damaged_training_state(tmp_path: Path) -> None:
    """1,000 states of training, most of them with a damaged header."""
    path = tmp_path / "state.safetensors"
    write_state(path, {"network.a": torch.rand(4, 4)}, 7, {"settings": {"lr": 1e-4}}, seconds=1.0)
    whole = path.read_bytes()
    for content in each_case(5, 1000, lambda rng: damaged_bytes(rng, whole)):
        path.write_bytes(content)
        with no_bug(content):
            read_state(path)


def test_a_damaged_log(tmp_path: Path) -> None:
    """500 logs of training: what is no entry is left out."""
    path = tmp_path / "log.jsonl"
    entries = [{"iteration": n, "loss": 0.5, "validation": {"psnr": 30.0}} for n in range(4)]

    def damage(rng: random.Random) -> bytes:
        lines = [damaged_json(rng, json.dumps(entry).encode()) for entry in entries]
        return b"\n".join(lines)

    for content in each_case(6, 500, damage):
        path.write_bytes(content)
        with no_bug(content):
            for entry in TrainingLog(path, 3).entries:
                assert 0 <= entry["iteration"] <= 3


def toml(rng: random.Random) -> bytes:
    """Some options with values that may or may not be theirs."""
    lines = ["[upscale]"]
    for name in rng.sample(sorted(KINDS), rng.randint(1, 4)):
        value = rng.choice(NASTY)
        lines.append(f"{name} = {json.dumps(value) if value is not None else 'x'}")
    if rng.random() < 0.3:
        lines.append("[preset.a]\ncrf = 12")
    text = "\n".join(lines).encode()
    return damaged_bytes(rng, text) if rng.random() < 0.5 else text


def test_a_damaged_configuration(tmp_path: Path) -> None:
    """2,000 configuration files."""
    path = tmp_path / "config.toml"
    for content in each_case(7, 2000, toml):
        path.write_bytes(content)
        with no_bug(content):
            read_config(path, KINDS)


# ---- options -------------------------------------------------------------------------------------

NEVER = {"cluster", "debug", "help", "download"}
"""What starts a cluster, shows Python's own traceback, or asks a server."""


def test_options_of_all_kinds(tmp_path: Path, zero_checkpoint: Path) -> None:
    """500 command lines with values that no option expects: code and sentence, never a bug."""
    clip = media.write_video(tmp_path / "in.mkv", frames=2, gop=1)
    names = sorted(set(KINDS) - NEVER)
    values = [str(value) for value in NASTY if value is not None and "\0" not in str(value)]
    for case in range(500):
        rng = random.Random(8_000_000 + case)
        chosen = []
        for name in rng.sample(names, rng.randint(1, 2)):
            is_flag = KINDS[name] is bool
            chosen.append(f"--{name}" if is_flag else f"--{name}={rng.choice(values)}")
        arguments: list[str | Path] = [clip, tmp_path / "out.mkv", "--dry-run", *chosen]
        if not any(each.startswith("--model") for each in chosen):
            arguments += ["-n", str(zero_checkpoint)]
        outcome = animesr("upscale", *arguments)
        assert outcome.exit_code in set(ExitCode) - {ExitCode.BUG}, (chosen, outcome.stderr)
        assert "this is a bug" not in outcome.stderr, (chosen, outcome.stderr)
        assert not (tmp_path / "out.mkv").exists(), chosen
