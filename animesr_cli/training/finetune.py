"""Fine-tuning: material and settings in, a checkpoint out; it goes on where it was stopped.

The folder that it writes holds the state of the run, its result, a log, pictures of the held-out
part and a report. Here everything is checked and set up; the run itself stands in run.py.

Source: AnimeSR (https://arxiv.org/abs/2206.07038), steps 1 and 3 of its recipe.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from animesr_cli.atomic_files import PartFile, explained
from animesr_cli.degradation.lbo import load_operator
from animesr_cli.degradation.operators import SCALE
from animesr_cli.errors import InputError, OutputError, UsageError, Warn
from animesr_cli.model.devices import choose_compute
from animesr_cli.model.memory import free_memory
from animesr_cli.settings import LOSSES, LOSSES_OF_GAN, FinetuneRun, FinetuneSettings
from animesr_cli.text import counted, shown
from animesr_cli.training.corpus import Shot, Source, load_sources, shots_of, workers_pool
from animesr_cli.training.discriminator import smallest_judged_px
from animesr_cli.training.distributed import joined, own_device, rank
from animesr_cli.training.run import TrainingProgress, TrainingRun
from animesr_cli.training.start import anchor_of, fixed_settings, start_of
from animesr_cli.training.state import MODEL_FILE, STATE_FILE, check_same, read_state
from animesr_cli.training.trainer import Trainer
from animesr_cli.training.validation import fixed_windows, hold_out
from animesr_cli.training.windows import WindowSampler, batches, usable_shots

log = logging.getLogger(__name__)

PATCH_MULTIPLE: Final = 4
SMALLEST_PATCH_PX: Final = 8
MOST_WORKERS: Final = 16
DEFAULTS: Final = FinetuneSettings()


@dataclass(frozen=True, kw_only=True)
class FinetuneResult:
    """How far a run came, and what it gained."""

    folder: Path
    iteration: int
    iterations: int
    bicubic: Mapping[str, float]
    before: Mapping[str, float]
    """Scores of the held-out part with the weights that the run began with."""
    after: Mapping[str, float]
    iterations_per_second: float
    waiting: float

    @property
    def model(self) -> Path:
        return self.folder / MODEL_FILE

    @property
    def finished(self) -> bool:
        return self.iteration >= self.iterations


# ---- before the first iteration ------------------------------------------------------------------


def check(settings: FinetuneSettings) -> None:
    """Refuse what cannot work.

    Raises:
        UsageError: says which setting, and what would do.
    """
    patch = settings.patch
    if patch % PATCH_MULTIPLE or patch < SMALLEST_PATCH_PX:
        raise UsageError(
            f"a patch of {patch}x{patch} pixels cannot be trained with",
            f"--patch is at least {SMALLEST_PATCH_PX}, and divisible by {PATCH_MULTIPLE}",
        )
    if not 0 < settings.held_out < 1:
        raise UsageError(f"the held-out share must lie between 0 and 1, not {settings.held_out:g}")
    names = [n for n in LOSSES if settings.stage == "gan" or n not in LOSSES_OF_GAN]
    names.remove("cleaning")  # one kind of network has it, and never alone
    anchored = settings.anchor and (settings.anchor_weight or settings.anchor_clean)
    if not anchored and not any(getattr(settings.weights, name) for name in names):
        raise UsageError(
            f"every loss of stage {settings.stage} weighs 0: there is nothing to learn",
            f"it has {', '.join(names)}",
        )


def _check_pictures(settings: FinetuneSettings, scale: int) -> None:
    """Raises UsageError where enlarged windows are too small for the discriminator."""
    needed = -(-smallest_judged_px(settings.discriminator) // scale)
    if settings.stage == "gan" and settings.patch < needed:
        raise UsageError(
            f"a patch of {settings.patch}x{settings.patch} pixels is too small for stage gan, "
            "whose discriminator judges a quarter of the picture too",
            f"use --patch {needed} or more",
        )


@contextmanager
def _folder(output: Path) -> Iterator[None]:
    """The output's folder, for this run alone."""
    with explained(output):
        is_new = not output.exists()
        output.mkdir(parents=True, exist_ok=True)
        try:
            lock = PartFile(output / "run")
        except OutputError as error:
            raise OutputError(
                f"another run is training in {shown(output)}",
                "wait for it, or name another folder with -o",
            ) from error
    try:
        with lock:
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it holds something by now
                output.rmdir()


def _memory_bytes(run: FinetuneRun) -> int:
    if run.memory_gb:
        return int(run.memory_gb * 1e9)
    return (free_memory(torch.device("cpu")) or 4 << 30) // 2


def _workers(run: FinetuneRun) -> int:
    cores = os.cpu_count() or 1
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))  # those that this process may use
    return run.workers or min(cores, MOST_WORKERS)


def _split(
    shots: Sequence[Shot], others: Sequence[Shot], settings: FinetuneSettings, warn: Warn
) -> tuple[list[Shot], list[Shot]]:
    """What is learned from, and what is held out."""
    side_px = settings.patch * SCALE
    usable = usable_shots(shots, frames=settings.frames, side_px=side_px, warn=warn)
    if others:
        return usable, usable_shots(others, frames=2, side_px=side_px, warn=warn)
    learned, held = hold_out(usable, settings.held_out)
    if any(shot.count < settings.frames for shot in learned):
        raise InputError(
            f"the only shot has {usable[0].count} frames: too few to learn windows of "
            f"{settings.frames} frames from and to validate with others",
            "add clips, use fewer --frames, or name other clips with --validation",
        )
    return learned, held


# ---- the whole -----------------------------------------------------------------------------------


def finetune(
    data: Sequence[Path],
    output: Path,
    *,
    settings: FinetuneSettings = DEFAULTS,
    run: FinetuneRun | None = None,
    lbo: Sequence[str | Path] = (),
    validation: Sequence[Path] = (),
    warn: Warn = log.warning,
    listen: Callable[[], None] = lambda: None,
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
    on_note: Callable[[str], None] = log.info,
) -> FinetuneResult:
    """Train a network with clean material, or go on where the same call was stopped.

    Args:
        data: folders of videos and of images, or single files.
        output: the folder that is written: ``model.safetensors`` with its ``model.json``,
            ``state.safetensors``, ``log.jsonl``, ``report.html`` and ``validation/``.
        run: how it is carried out.
        lbo: learned operators that the degradation draws from, by name or path.
        validation: as ``data``; without it a share of the shots is held out.
        listen: called between steps; may raise ``Interrupted``, and what was learned is saved.

    Raises:
        UsageError: settings that cannot work, or others than those of the run in ``output``.
        InputError: nothing to learn from.
        WeightsError: the checkpoint, an operator or the state is damaged, or a loss is not finite.
        DiskFullError, OutputError: what was saved last is untouched.
        Interrupted: raised again after saving.
    """
    run = run or FinetuneRun()
    if rank():  # one of several processes speaks for all
        warn, on_note, on_progress = log.info, log.info, lambda progress: None
    deadline = time.monotonic() + (math.inf if run.minutes is None else run.minutes * 60)
    check(settings)
    compute = choose_compute(own_device(run.device), settings.precision)
    # bf16 has the range of fp32, so that losses need no scaling; fp16 has not.
    dtype = torch.bfloat16 if compute.dtype == torch.float16 else compute.dtype
    with joined(compute.device), _folder(output) if rank() == 0 else nullcontext():
        saved = None if run.restart else read_state(output / STATE_FILE)
        start = start_of(settings, warn)
        scale = start.network.scale
        _check_pictures(settings, scale)
        anchor = anchor_of(settings, scale, warn)
        operators = [load_operator(path) for path in lbo]
        for operator in operators:
            operator.network.to(compute.device)

        identity: dict[str, Any] = {
            "settings": fixed_settings(settings),
            "start": dict(start.identity),
            "anchor": None if anchor is None else anchor.words,
            "operators": [operator.sha256 for operator in operators],
        }
        usual = {"settings": fixed_settings(DEFAULTS)}
        if saved is not None:  # before the material is read, which takes longer
            same = {name: saved.identity.get(name) for name in identity}
            check_same(same, identity, output, usual)

        def read(roots: Sequence[Path]) -> list[Source]:
            return load_sources(
                roots,
                memory_bytes=_memory_bytes(run),
                workers=_workers(run),
                warn=warn,
                listen=listen,
                on_source=lambda done, total: log.info("%d of %d sources read", done, total),
            )

        sources, others = read(data), read(validation) if validation else []
        for name, part in (("data", sources), ("validation", others)):
            identity[name] = {source.name: source.sha256 for source in part}
        if saved is not None:
            check_same(saved.identity, identity, output, usual)
        learned, held = _split(shots_of(sources), shots_of(others), settings, warn)
        on_note(
            f"{counted(len(sources), 'source')}: {counted(len(learned), 'shot')} of "
            f"{sum(shot.count for shot in learned)} frames to learn from, {len(held)} held out"
        )
        sampler = WindowSampler(learned, settings, operators)
        windows = (
            fixed_windows(held, settings, operators, compute.device, scale) if rank() == 0 else []
        )
        trainer = Trainer(
            start.network,
            settings,
            device=compute.device,
            dtype=dtype,
            anchor=None if anchor is None else anchor.build(),
        )
        if start.state is not None:
            trainer.begin_with(start.state)
        one = TrainingRun(
            trainer,
            windows,
            output=output,
            settings=settings,
            run=run,
            identity=identity,
            saved=saved,
        )
        if saved is not None:
            on_note(f"going on from iteration {trainer.iteration}")
        with workers_pool(_workers(run)) as pool:
            coming = batches(
                sampler,
                pool,
                device=compute.device,
                first_iteration=trainer.iteration,
                numbers=range(rank() * settings.batch, (rank() + 1) * settings.batch),
            )
            one.loop(coming, listen, deadline, on_progress, on_note)
    return FinetuneResult(
        folder=output,
        iteration=trainer.iteration,
        iterations=settings.iterations,
        bicubic=one.bicubic.scores,
        before=one.before.scores,
        after=one.after.scores,
        iterations_per_second=one.per_second,
        waiting=one.waiting,
    )
