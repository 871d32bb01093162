"""A training run from top to bottom: set up, step, validate, save, and the loop over them.

What a batch changes stands in trainer.py, and where batches come from in windows.py. Times are of
iterations alone, validation and saving apart.
"""

from __future__ import annotations

import json
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch

from animesr_cli import __version__
from animesr_cli.atomic_files import write_file
from animesr_cli.errors import Interrupted, WeightsError
from animesr_cli.metrics.measures import MEASURES
from animesr_cli.model.devices import runtime_of
from animesr_cli.settings import FinetuneRun, FinetuneSettings
from animesr_cli.text import counted, shown
from animesr_cli.training.distributed import any_of_us, rank, world_size
from animesr_cli.training.learner import DivergedError
from animesr_cli.training.log import TrainingLog
from animesr_cli.training.report import TrainingReport, write_report
from animesr_cli.training.state import (
    CARD_FILE,
    LOG_FILE,
    MODEL_FILE,
    STATE_FILE,
    SavedState,
    write_state,
    write_tensors,
)
from animesr_cli.training.trainer import Trainer
from animesr_cli.training.validation import HeldOut, bicubic, examine
from animesr_cli.training.windows import Batch
from animesr_cli.video.timestamps import format_time

BATCH_FILE: Final = "diverged.safetensors"
"""The batch at which a loss was not finite."""
REPORTED_SCORES: Final = ("psnr_y", "ssim_y", "gradient_ratio", "flicker")
"""In the line about a validation."""


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


class TrainingRun:
    """One command's part of a run.

    Args:
        windows: of the held-out part; none where another process measures.
        identity: what must be the same for the run to go on.
        saved: the state that it goes on from.
    """

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
        self._leads = rank() == 0
        """This process writes; the others only compute."""
        scale = trainer.network.scale
        self.bicubic = examine(lambda lr: bicubic(lr, scale), windows, trainer.device)
        self.before = self.after = examine(trainer.upscale, windows, trainer.device)
        if saved is not None:
            trainer.restore(saved)
        self._log = TrainingLog(output / LOG_FILE, trainer.iteration, writes=self._leads)
        self._first = trainer.iteration
        self._earlier_seconds = saved.seconds if saved is not None else 0.0
        self._seconds = self._waited_seconds = 0.0

    @property
    def per_second(self) -> float:
        """Iterations of this command."""
        return (self.trainer.iteration - self._first) / max(self._seconds, 1e-9)

    @property
    def waiting(self) -> float:
        """Share of their time in which the network waited for data."""
        return self._waited_seconds / max(self._seconds, 1e-9)

    # -- step --

    def step(self, batches: Iterator[Batch]) -> TrainingProgress:
        """One iteration.

        Raises:
            WeightsError: a loss is not finite; the batch is kept.
        """
        began = time.perf_counter()
        batch = next(batches)
        self._waited_seconds += time.perf_counter() - began
        try:
            values = self.trainer.step(batch)
        except DivergedError as error:
            path = self.output / BATCH_FILE
            windows = json.dumps([asdict(window) for window in batch.windows])
            write_tensors(path, {"lr": batch.lr, "hr": batch.hr}, {"windows": windows})
            raise WeightsError(
                f"a loss is not finite at iteration {batch.iteration + 1}; its batch is kept as "
                f"{shown(path)}",
                "begin anew with a lower --lr or with --precision fp32; what was saved before is "
                "intact",
            ) from error
        self._seconds += time.perf_counter() - began
        iteration = self.trainer.iteration
        if iteration % self.run.log_every == 0:
            speed = {"per_second": self.per_second, "waiting": self.waiting}
            self._log.add({"iteration": iteration, **values, **speed})
        return TrainingProgress(
            iteration=iteration,
            iterations=self.settings.iterations,
            values=values,
            iterations_per_second=self.per_second,
            waiting=self.waiting,
        )

    # -- validate --

    def validate(self) -> str:
        """Measure the held-out part, and show it; a line about it."""
        iteration = self.trainer.iteration
        self.after = examine(self.trainer.upscale, self.windows, self.trainer.device)
        scores = self.after.scores
        self._log.add({"iteration": iteration, "validation": scores})
        if self._leads:
            write_report(
                self.output,
                TrainingReport(
                    title=f"{self.output.name}: stage {self.settings.stage}",
                    iteration=iteration,
                    iterations=self.settings.iterations,
                    facts=self._facts(),
                    entries=self._log.entries,
                    windows=self.windows,
                    bicubic=self.bicubic,
                    before=self.before,
                    after=self.after,
                ),
            )
        parts = [MEASURES[n].in_words(scores[n]) for n in REPORTED_SCORES if n in scores]
        return f"iteration {iteration}, held-out part: {', '.join(parts)}"

    def _facts(self) -> dict[str, str]:
        settings, device = self.settings, self.trainer.device
        precision = str(self.trainer.dtype).removeprefix("torch.")
        return {
            "command": _command(),
            "started from": str(self.identity["start"]["name"]),
            "material": counted(len(self.identity["data"]), "source"),
            "operators": str(len(self.identity["operators"]) or "none"),
            "batch": f"{counted(settings.batch * world_size(), 'window')} of "
            f"{counted(settings.frames, 'frame')}, "
            f"{settings.patch}\u00d7{settings.patch} LR pixels",
            "device": f"{_device_name(device)}, {precision}",
            "speed": f"{self.per_second:.2f} iterations/s, "
            f"{self.waiting:.1%} of the time waiting for data",
            "training time": format_time(self._earlier_seconds + self._seconds),
        }

    # -- save --

    def save(self) -> None:
        """Write the state and the result; what was there is replaced whole or not at all."""
        if not self._leads:
            return
        trainer, seconds = self.trainer, self._earlier_seconds + self._seconds
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

    # -- the loop --

    def loop(
        self,
        batches: Iterator[Batch],
        listen: Callable[[], None],
        deadline: float,
        on_progress: Callable[[TrainingProgress], None],
        on_note: Callable[[str], None],
    ) -> None:
        """Iterate until there are enough, time is up, or somebody stops it; then save."""
        trainer, run = self.trainer, self.run
        if not trainer.iteration:
            self.validate()
        while trainer.iteration < self.settings.iterations:
            stop = _stop(listen, deadline)
            if any_of_us(stop is not None, trainer.device):
                self.save()
                if isinstance(stop, Interrupted):
                    raise stop
                on_note(
                    f"stopped at iteration {trainer.iteration}; the same command goes on from it"
                )
                break
            on_progress(self.step(batches))
            is_last = trainer.iteration == self.settings.iterations
            if trainer.iteration % run.validate_every == 0 and not is_last:
                on_note(self.validate())
            if trainer.iteration % run.save_every == 0:
                self.save()
        line = self.validate()
        self.save()
        on_note(line)


def _stop(listen: Callable[[], None], deadline: float) -> Interrupted | Literal["time"] | None:
    """Why to stop now, if there is a reason."""
    try:
        listen()
    except Interrupted as error:
        return error
    return "time" if time.monotonic() > deadline else None


def _command() -> str:
    return shlex.join(["animesr", *sys.argv[1:]])


def _device_name(device: torch.device) -> str:
    if runtime := runtime_of(device):
        return str(runtime.get_device_name(device))
    return f"{device.type} ({platform.machine()}, {counted(torch.get_num_threads(), 'thread')})"
