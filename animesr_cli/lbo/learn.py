"""Learning an operator from one low-quality clip: its own degradation, as a file.

The clip's frames, rescaled and super-resolved, are the pseudo HR; the operator learns the way back
to the frames as they are. Every picture that it is measured on was held out, and what is written is
the operator of the last iteration unless an earlier one did clearly better on those. A run that was
stopped leaves the operator as far as it was learned, and a state from which the same command goes
on. How the factor is chosen stands in factor_sweep.py.
Source: AnimeSR (NeurIPS 2022, https://arxiv.org/abs/2206.07038), section 3.2, and its supplement.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from animesr_cli import __version__
from animesr_cli.atomic_files import PartFile, check_place, explained
from animesr_cli.degradation.lbo import LearnableOperator
from animesr_cli.errors import Interrupted, OutputError, UsageError, WeightsError
from animesr_cli.file_names import check_name
from animesr_cli.lbo.factor_sweep import CODES, open_network
from animesr_cli.lbo.page import as_bytes, lbo_page
from animesr_cli.lbo.pairs import Pair, Pairs, collect
from animesr_cli.lbo.trainer import LboTrainer, area, operate
from animesr_cli.model.download import sha256_of
from animesr_cli.reading.probe import probe
from animesr_cli.settings import LBO_PRESETS, LboSettings
from animesr_cli.text import shown
from animesr_cli.training.state import (
    SavedState,
    check_same,
    packed,
    read_state,
    write_state,
)

log = logging.getLogger(__name__)

Warn = Callable[[str], None]

SUFFIX: Final = ".safetensors"
STATE_SUFFIX: Final = ".state"
METADATA: Final = "animesr_lbo"
"""Key of the history, one JSON object, in the file's metadata."""
SAVE_SECONDS: Final = 300.0
"""Between two states that are kept of a long run."""
SECONDS_PER_MINUTE: Final = 60.0
MEASURED: Final = 48
"""Held-out pictures that are measured on."""
TRIALS: Final = 10
"""Times in each stage that the operator is measured for the choice of the best."""
TRIED: Final = 12
"""Held-out pictures that this is done on."""
ALLOWED_LOSS_DB: Final = 0.5
"""What stage gan may cost: the last operator is taken unless the best is better by more."""
SHOWN: Final = 6
"""Of them, on the page."""
LEAST_ERROR: Final = 1e-3
"""In codes squared: equal pictures have 78 dB."""
BEST: Final = "best."
"""What the tensors of the best operator in a state begin with."""
LOGGED: Final = 200
"""Points of the curves: means over as many equal stretches of iterations."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is."""

    stage: str
    """frames, net or gan."""
    done: int
    total: int
    """Places of the clip, or iterations of both stages."""
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds_left: float | None = None
    """As it goes now; None: not known yet."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """PSNR of all held-out pictures together, in dB over RGB."""

    area: float
    """Of area downscaling of the pseudo HR, beside the real LR."""
    operator: float


@dataclass(frozen=True, kw_only=True)
class LboResult:
    """What was learned."""

    output: Path
    page: Path
    factor: float
    pairs: int
    iterations: int
    """That were done."""
    finished: bool
    measured: Measured
    seconds: float
    """Of this run, without what came before a stop."""


# ---- before the first frame ----------------------------------------------------------------------


def default_output(clip: Path) -> Path:
    """``CLIP_lbo.safetensors`` beside the clip."""
    return clip.with_name(f"{clip.stem}_lbo{SUFFIX}")


def page_of(output: Path) -> Path:
    """Where the page goes that shows what was learned."""
    return output.with_suffix(".html")


def can_go_on(output: Path, *, restart: bool = False) -> bool:
    """Whether a run that was stopped left something to go on from."""
    return not restart and state_of(output).exists()


def state_of(output: Path) -> Path:
    """The hidden file from which a run that was stopped goes on."""
    return output.with_name(f".{output.name}{STATE_SUFFIX}")


def check_factor(factor: float) -> None:
    """Raise ``UsageError`` unless it is above 0 and at most 1."""
    if not 0 < factor <= 1:
        raise UsageError(
            f"the factor {factor:g} is not above 0 and at most 1",
            "usually about 0.5 is best; without --factor the factors are compared",
        )


def check_outputs(
    clip: Path, output: Path, *, overwrite: bool, written: Mapping[str, str] | None = None
) -> None:
    """Raise where the operator and its page must not or cannot be written.

    Args:
        written: the sha256 of what a run that was stopped wrote there, by name: that is replaced.
    """
    if output.suffix != SUFFIX:
        raise UsageError(
            f"{shown(output)}: an operator is written as {SUFFIX}",
            f"name it {shown(output.with_suffix(SUFFIX))}",
        )
    for path in (output, page_of(output)):
        check_name(path)
        known = (written or {}).get(path.name)
        own = known is not None and path.is_file() and sha256_of(path) == known
        check_place(path, clip, overwrite=overwrite or own)


def _identity(clip: Path, factor: float, model: str, settings: LboSettings) -> dict[str, Any]:
    """Everything that decides what is learned; the network by its sha256, wherever it lies."""
    chosen = {name: value for name, value in asdict(settings).items() if name != "model"}
    return {"clip": sha256_of(clip), "factor": factor, "model": model, **chosen}


# ---- measuring -----------------------------------------------------------------------------------


def spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """At most so many of them, at equal distances."""
    step = max(len(pairs) / count, 1)
    return [pairs[int(number * step)] for number in range(min(len(pairs), count))]


def measure(make: Callable[[Tensor], Tensor], pairs: Sequence[Pair]) -> float:
    """PSNR in dB of what is made of HR beside real LR, over all pictures together."""
    errors = []
    for pair in pairs:
        made = make(pair.hr[None].float().div(CODES))[0].mul(CODES).round_()
        errors.append((made - pair.lr.float()).double().square().mean())
    error = float(torch.stack(errors).mean())
    return 10 * math.log10(CODES**2 / max(error, LEAST_ERROR))


# ---- a run ---------------------------------------------------------------------------------------


class _Curve:
    """Means of the losses over equal stretches of iterations, and the PSNR now and then."""

    def __init__(self, iterations: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self._stretch = max(iterations // LOGGED, 1)
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, stage: str, iteration: int, losses: Mapping[str, float]) -> None:
        if self.rows and self.rows[-1]["stage"] != stage:
            self._sums, self._count = {}, 0
        self._count += 1
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + loss
        if iteration % self._stretch == 0:
            means = {name: total / self._count for name, total in self._sums.items()}
            self.rows.append({"iteration": iteration, "stage": stage, **means})
            self._sums, self._count = {}, 0


@dataclass(frozen=True, kw_only=True)
class _Best:
    """The operator that did best on the held-out pictures so far."""

    iteration: int
    psnr: float
    weights: Mapping[str, Tensor]


@dataclass(kw_only=True)
class _Run:
    """What a run works on, and how it is kept."""

    output: Path
    overwrite: bool
    identity: Mapping[str, Any]
    """What must be the same for it to go on."""
    card: Mapping[str, Any]
    """What the history tells besides."""
    pairs: Pairs
    trainer: LboTrainer
    curve: _Curve
    written: dict[str, str]
    """The sha256 of the files that this run wrote before it was stopped, by name: it may replace
    them."""
    best: _Best | None = None

    @property
    def state(self) -> Path:
        return state_of(self.output)

    @property
    def finished(self) -> bool:
        return self.trainer.iteration == self.trainer.iterations

    @property
    def so_far(self) -> str:
        return f"{self.trainer.iteration} of {self.trainer.iterations} iterations"

    # -- the best of them --

    def _psnr(self, make: Callable[[Tensor], Tensor]) -> float:
        return measure(make, spread(self.pairs.held_out, TRIED))

    def try_now(self) -> None:
        """Measure the operator, where its turn is, and keep it if it is the best so far."""
        trainer, settings = self.trainer, self.trainer.settings
        in_gan = trainer.iteration > settings.net_iterations
        length = settings.gan_iterations if in_gan else settings.net_iterations
        done = trainer.iteration - (settings.net_iterations if in_gan else 0)
        if done % max(length // TRIALS, 1) and done != length:
            return
        psnr = self._psnr(lambda hr: operate(trainer.operator, hr))
        if self.best is None or psnr > self.best.psnr:
            weights = {n: t.detach().clone() for n, t in trainer.operator.state_dict().items()}
            self.best = _Best(iteration=trainer.iteration, psnr=psnr, weights=weights)

    def _taken(self) -> tuple[LearnableOperator, int]:
        """The operator to write, and of which iteration it is."""
        trainer, best = self.trainer, self.best
        if best is not None:
            psnr = self._psnr(lambda hr: operate(trainer.operator, hr))
            if psnr < best.psnr - ALLOWED_LOSS_DB or psnr < self._psnr(area) <= best.psnr:
                operator = LearnableOperator().to(trainer.device)
                operator.load_state_dict(best.weights)
                return operator, best.iteration
        return trainer.operator, trainer.iteration

    # -- keeping it --

    def go_on(self, saved: SavedState) -> None:
        """From what ``keep_state`` kept."""
        self.trainer.restore(saved, self.state)
        self.curve.rows = [dict(row) for row in saved.identity["curve"]]
        if told := saved.identity.get("best"):
            weights = {
                name.removeprefix(BEST): tensor
                for name, tensor in saved.tensors.items()
                if name.startswith(BEST)
            }
            self.best = _Best(iteration=told["iteration"], psnr=told["psnr"], weights=weights)

    def keep_state(self) -> None:
        """So that the same command goes on from here."""
        kept: dict[str, Any] = {"run": self.identity, "curve": self.curve.rows}
        kept["written"] = self.written
        tensors = self.trainer.tensors()
        if self.best is not None:
            kept["best"] = {"iteration": self.best.iteration, "psnr": self.best.psnr}
            tensors |= {f"{BEST}{name}": tensor for name, tensor in self.best.weights.items()}
        write_state(self.state, tensors, self.trainer.iteration, kept)

    def write(self, operator_part: PartFile, page_part: PartFile) -> Measured:
        """The operator, with its history, and its page; what is in their places stays.

        Raises:
            OutputError: a file has appeared there; the run can go on, and the operator lies beside.
        """
        operator, iteration = self._taken()
        pairs = spread(self.pairs.held_out, MEASURED)
        measured = Measured(
            area=measure(area, pairs), operator=measure(lambda hr: operate(operator, hr), pairs)
        )
        history = {
            **self.card,
            "iterations": self.trainer.iteration,
            "of": self.trainer.iterations,
            "taken": iteration,
            "pairs": len(self.pairs.learned),
            "held_out": len(self.pairs.held_out),
            "psnr": asdict(measured),
            "curve": self.curve.rows,
        }
        metadata = {METADATA: json.dumps(history)}
        try:
            self._publish(operator_part, self.output, packed(operator.state_dict(), metadata))
            page = self._page(history, operator).encode()
            self._publish(page_part, page_of(self.output), page)
        except OutputError:
            self.keep_state()
            raise
        return measured

    def _publish(self, part: PartFile, path: Path, content: bytes) -> None:
        known = self.written.get(path.name)
        own = known is not None and path.exists() and sha256_of(path) == known
        with explained(path, lambda: len(content)):
            part.sink.write(content)
            part.publish(overwrite=self.overwrite or own)
        self.written[path.name] = hashlib.sha256(content).hexdigest()

    def _page(self, history: Mapping[str, Any], operator: LearnableOperator) -> str:
        pairs = spread(self.pairs.held_out, SHOWN)
        pictures = [pair.hr[None].float().div(CODES) for pair in pairs]
        return lbo_page(
            history,
            pairs,
            [as_bytes(operate(operator, hr)[0]) for hr in pictures],
            [as_bytes(area(hr)[0]) for hr in pictures],
            [
                shlex.join(
                    ["animesr", "degrade", "CLEAN.mkv", "POOR.mp4", "--lbo", str(self.output)]
                ),
                shlex.join(["animesr", "finetune", "--data", "DIR", "--lbo", str(self.output)]),
            ],
        )


def _learn(
    run: _Run,
    until: float | None,
    listen: Callable[[], None],
    on_progress: Callable[[Progress], None],
) -> None:
    """Iterate to the end, or to a moment of the monotonic clock."""
    trainer = run.trainer
    began = saved = time.monotonic()
    first, timed = trainer.iteration, trainer.stage
    if not trainer.iteration:
        run.try_now()
    while trainer.iteration < trainer.iterations:
        listen()
        if until is not None and time.monotonic() > until:
            return
        stage = trainer.stage
        if stage != timed:  # its iterations take longer
            began, first, timed = time.monotonic(), trainer.iteration, stage
        losses = trainer.step(*run.pairs.batch(trainer.settings, trainer.iteration))
        run.curve.add(stage, trainer.iteration, losses)
        run.try_now()
        left = trainer.iterations - trainer.iteration
        on_progress(
            Progress(
                stage=stage,
                done=trainer.iteration,
                total=trainer.iterations,
                losses=losses,
                seconds_left=left * (time.monotonic() - began) / (trainer.iteration - first),
            )
        )
        if time.monotonic() - saved > SAVE_SECONDS:
            run.keep_state()
            saved = time.monotonic()


def learn_lbo(
    clip: Path,
    output: Path | None = None,
    *,
    factor: float,
    settings: LboSettings = LBO_PRESETS["quick"],
    choice: Mapping[str, Any] | None = None,
    device: str = "auto",
    minutes: float | None = None,
    overwrite: bool = False,
    restart: bool = False,
    warn: Warn = log.warning,
    listen: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_note: Callable[[str], None] = log.info,
) -> LboResult:
    """Learn the operator of a clip and write it, with a page that shows it.

    Args:
        output: a ``.safetensors`` file; None is ``CLIP_lbo.safetensors`` beside the clip.
        factor: by which frames are rescaled before they are super-resolved, above 0, at most 1.
        choice: how the factor was chosen, for the history.
        minutes: stop after so long; the same call goes on from there.
        restart: begin anew where a run that was stopped could go on.
        listen: is called between iterations; what it raises stops the run, which keeps what was
            learned.

    Raises:
        AnimesrError: before the first iteration with nothing left behind.
    """
    began = time.monotonic()
    output = output or default_output(clip)
    check_factor(factor)
    saved = None if restart else read_state(state_of(output))
    written = {} if saved is None else dict(saved.identity.get("written", {}))
    check_outputs(clip, output, overwrite=overwrite, written=written)
    info = probe(clip)
    make, model = open_network(settings.model, device, warn=warn)
    identity = _identity(clip, factor, model.sha256, settings)
    if saved is not None:
        check_same(saved.identity["run"], identity, output)

    def on_excerpt(done: int, total: int) -> None:
        on_progress(Progress(stage="frames", done=done, total=total))

    with ExitStack() as stack:
        # Open from here on, so that no other run writes them, nor replaces what appears there.
        parts = [stack.enter_context(_opened(path)) for path in (output, page_of(output))]
        pairs = collect(
            info, factor, settings, make, warn=warn, listen=listen, on_excerpt=on_excerpt
        )
        trainer = LboTrainer(settings, make.compute.device)
        run = _Run(
            output=output,
            overwrite=overwrite,
            identity=identity,
            card={
                "version": __version__,
                "clip": clip.name,
                "size": [info.width, info.height],
                "model": model.name,
                "choice": dict(choice or {"by": "asked for"}),
                "settings": identity,
            },
            pairs=pairs,
            trainer=trainer,
            curve=_Curve(trainer.iterations),
            written=written,
        )
        if saved is not None:
            run.go_on(saved)
            on_note(f"going on from iteration {trainer.iteration}")
        until = None if minutes is None else began + minutes * SECONDS_PER_MINUTE
        try:
            _learn(run, until, listen, on_progress)
        except (Interrupted, WeightsError) as error:
            if trainer.iteration:
                run.write(*parts)
                on_note(f"{shown(output)} holds what was learned in {run.so_far}")
            if isinstance(error, Interrupted):
                run.keep_state()
            raise
        measured = run.write(*parts)
    if run.finished:
        run.state.unlink(missing_ok=True)
    else:
        run.keep_state()
    if measured.operator <= measured.area:
        warn(
            f"the operator is no better than area downscaling: {measured.operator:.2f} dB against "
            f"{measured.area:.2f} dB on held-out pictures; learn longer, or try another --factor"
        )
    return LboResult(
        output=output,
        page=page_of(output),
        factor=factor,
        pairs=len(pairs.learned),
        iterations=trainer.iteration,
        finished=run.finished,
        measured=measured,
        seconds=time.monotonic() - began,
    )


def _opened(path: Path) -> PartFile:
    with explained(path):
        return PartFile(path)
