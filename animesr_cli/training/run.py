"""One command's part of a training run: iterations, and what is written about them.

The log is one JSON object a line, and is read back where a run goes on. Batches come from outside,
and so does the word to stop.
"""

from __future__ import annotations

import json
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import torch
from torch import Tensor

from animesr_cli import __version__
from animesr_cli.atomic_files import explained, write_file
from animesr_cli.bounded import MEBIBYTE, Range, UnfitError, fitted, parse_json, read_bytes
from animesr_cli.errors import OutputError
from animesr_cli.model.transfer import runtime_of
from animesr_cli.settings import FinetuneRun, FinetuneSettings
from animesr_cli.text import counted, shown
from animesr_cli.training.distributed import rank, world_size
from animesr_cli.training.report import Examination, TrainingReport, write_report
from animesr_cli.training.state import (
    CARD_FILE,
    LARGEST_ITERATION,
    LOG_FILE,
    MODEL_FILE,
    STATE_FILE,
    SavedState,
    write_state,
    write_tensors,
)
from animesr_cli.training.trainer import Trainer
from animesr_cli.training.validation import HeldOut, bicubic, measure
from animesr_cli.training.windows import Batch
from animesr_cli.video.timestamps import format_time

BATCH_FILE: Final = "diverged.safetensors"
"""The batch at which a loss was not finite."""
LARGEST_LOG_BYTES: Final = 256 * MEBIBYTE

Entry = dict[str, Any]


# ---- the log -------------------------------------------------------------------------------------


class TrainingLog:
    """Entries, each with its ``iteration``; none is later than the state that a run goes on from.

    Args:
        iteration: that of the state. What a killed run wrote after it is dropped: those iterations
            are done again.
        writes: whether this process does.
    """

    def __init__(self, path: Path, iteration: int, *, writes: bool = True) -> None:
        self._path, self._writes = path, writes
        self.entries: list[Entry] = []
        if not writes:
            return
        if iteration and path.exists():
            try:
                text = read_bytes(path, most_bytes=LARGEST_LOG_BYTES)
            except (OSError, UnfitError) as error:
                raise OutputError(
                    f"the log {shown(path)} cannot be read: {error}", "move it away and run again"
                ) from error
            lines = text.decode(errors="replace").splitlines()
            found = [entry for line in lines if (entry := _parsed(line)) is not None]
            self.entries = [entry for entry in found if entry["iteration"] <= iteration]
        write_file(path, "".join(map(_line, self.entries)).encode())

    def add(self, entry: Entry) -> None:
        """Write it down; it is in the file when this returns."""
        if not self._writes:
            return
        self.entries.append(entry)
        with explained(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(_line(entry))


def _line(entry: Entry) -> str:
    return json.dumps(entry) + "\n"


def _parsed(line: str) -> Entry | None:
    """None: the line was cut off, or is no entry."""
    try:
        values = parse_json(line)
        fitted(_Iteration, values)
        return fitted(dict[str, float | dict[str, float]], values) | {
            "iteration": values["iteration"]
        }
    except UnfitError:
        return None


@dataclass(frozen=True, kw_only=True)
class _Iteration:
    iteration: Annotated[int, Range(0, LARGEST_ITERATION)]


# ---- iterations ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """One iteration, for people."""

    iteration: int
    """Batches learned from, this one included."""
    iterations: int
    values: Mapping[str, float]
    """The losses, by name."""
    iterations_per_second: float
    """Of this command, validation and saving apart."""
    waiting: float
    """Share of that time in which the network waited for data."""

    @property
    def done(self) -> bool:
        return self.iteration >= self.iterations


@dataclass(kw_only=True)
class _Speed:
    """Time spent in iterations."""

    first: int
    """The iteration before the first one."""
    seconds: float = 0.0
    waited: float = 0.0

    def rate(self, iteration: int) -> float:
        return (iteration - self.first) / max(self.seconds, 1e-9)

    @property
    def waiting(self) -> float:
        return self.waited / max(self.seconds, 1e-9)


class TrainingRun:
    """One command's part of a run: iterations, and what is written about them."""

    def __init__(
        self,
        trainer: Trainer,
        windows: Sequence[HeldOut],
        *,
        output: Path,
        settings: FinetuneSettings,
        run: FinetuneRun,
        identity: Mapping[str, Any],
        saved: SavedState | None,
    ) -> None:
        self.trainer, self.windows, self.output = trainer, windows, output
        self.settings, self.run, self.identity = settings, run, identity
        self.leads = rank() == 0
        """This process writes; the others only compute."""
        scale = trainer.network.scale
        self.bicubic = self._examine(lambda lr: bicubic(lr, scale))
        self.before = self._examine(trainer.upscale)
        if saved is not None:
            trainer.restore(saved)
        self.after = self.before
        self.earlier_seconds = saved.seconds if saved is not None else 0.0
        self.log = TrainingLog(output / LOG_FILE, trainer.iteration, writes=self.leads)
        self.speed = _Speed(first=trainer.iteration)

    def _examine(self, upscale: Callable[[Tensor], Tensor]) -> Examination:
        if not self.leads:
            return Examination(scores={}, results=())
        scores, results = measure(upscale, self.windows, self.trainer.device)
        return Examination(scores=scores, results=tuple(results))

    def learn(self, batch: Batch, seconds: float) -> TrainingProgress:
        """One iteration; ``seconds`` went by until its batch was there."""
        began = time.perf_counter()
        values = self.trainer.step(batch)
        self.speed.waited += seconds
        self.speed.seconds += seconds + time.perf_counter() - began
        iteration = self.trainer.iteration
        progress = TrainingProgress(
            iteration=iteration,
            iterations=self.settings.iterations,
            values=values,
            iterations_per_second=self.speed.rate(iteration),
            waiting=self.speed.waiting,
        )
        if iteration % self.run.log_every == 0:
            speed = {"per_second": progress.iterations_per_second, "waiting": progress.waiting}
            self.log.add({"iteration": iteration, **values, **speed})
        return progress

    def validate(self) -> None:
        """Measure the held-out part, and show it."""
        self.after = self._examine(self.trainer.upscale)
        self.log.add({"iteration": self.trainer.iteration, "validation": self.after.scores})
        if self.leads:
            write_report(
                self.output,
                TrainingReport(
                    title=f"{self.output.name}: stage {self.settings.stage}",
                    iteration=self.trainer.iteration,
                    iterations=self.settings.iterations,
                    facts=self._facts(),
                    entries=self.log.entries,
                    windows=self.windows,
                    bicubic=self.bicubic,
                    before=self.before,
                    after=self.after,
                ),
            )

    def _facts(self) -> dict[str, str]:
        settings = self.settings
        return {
            "command": _command(),
            "started from": str(self.identity["start"]["name"]),
            "material": counted(len(self.identity["data"]), "source"),
            "operators": str(len(self.identity["operators"]) or "none"),
            "batch": f"{counted(settings.batch * world_size(), 'window')} of "
            f"{counted(settings.frames, 'frame')}, "
            f"{settings.patch}\u00d7{settings.patch} LR pixels",
            "device": f"{_device_name(self.trainer.device)}, {_dtype_name(self.trainer.dtype)}",
            "speed": f"{self.speed.rate(self.trainer.iteration):.2f} iterations/s, "
            f"{self.speed.waiting:.1%} of the time waiting for data",
            "training time": format_time(self.earlier_seconds + self.speed.seconds),
        }

    def save(self) -> None:
        """Write the state and the result; what was there is replaced whole or not at all."""
        if not self.leads:
            return
        trainer, seconds = self.trainer, self.earlier_seconds + self.speed.seconds
        state = self.output / STATE_FILE
        write_state(state, trainer.tensors(), trainer.iteration, self.identity, seconds)
        card = {
            "animesr": __version__,
            "torch": torch.__version__,
            "command": _command(),
            "iteration": trainer.iteration,
            "hours": round(seconds / 3600, 3),
            "device": _device_name(trainer.device),
            **self.identity,
            "scores": {
                "bicubic": self.bicubic.scores,
                "before": self.before.scores,
                "after": self.after.scores,
            },
        }
        # The same in the file itself, which goes where the other may not.
        metadata = {"animesr": json.dumps(card)}
        write_tensors(self.output / MODEL_FILE, trainer.result(), metadata)
        write_file(self.output / CARD_FILE, (json.dumps(card, indent=2) + "\n").encode())

    def keep_batch(self, batch: Batch) -> Path:
        """Write what a loss was not finite with."""
        path = self.output / BATCH_FILE
        told = json.dumps([asdict(window) for window in batch.windows])
        write_tensors(path, {"lr": batch.lr, "hr": batch.hr}, {"windows": told})
        return path


def _command() -> str:
    return shlex.join(["animesr", *sys.argv[1:]])


def _device_name(device: torch.device) -> str:
    if runtime := runtime_of(device):
        return str(runtime.get_device_name(device))
    return f"{device.type} ({platform.machine()}, {counted(torch.get_num_threads(), 'thread')})"


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
