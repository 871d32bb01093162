"""One run of learning an operator: the best so far, what is measured, and what is written.

The operator of the last iteration is written unless an earlier one did clearly better on the
held-out pictures. A file that this run did not write is never replaced.
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from animesr_cli.atomic_files import PartFile, explained
from animesr_cli.degradation.lbo import LearnableOperator
from animesr_cli.errors import OutputError
from animesr_cli.file_hash import sha256_of
from animesr_cli.lbo.detail import CODES
from animesr_cli.lbo.page import lbo_page
from animesr_cli.lbo.pairs import Pair, Pairs
from animesr_cli.lbo.trainer import LboTrainer, area, operate
from animesr_cli.training.state import SavedState, packed, write_state
from animesr_cli.video.colour import from_bytes, to_bytes

STATE_SUFFIX: Final = ".state"
METADATA: Final = "animesr_lbo"
"""Key of the history, one JSON object, in the file's metadata."""
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
class Measured:
    """PSNR of all held-out pictures together, in dB over RGB."""

    area: float
    """Of area downscaling of the pseudo HR, beside the real LR."""
    operator: float


def page_of(output: Path) -> Path:
    """Where the page goes that shows what was learned."""
    return output.with_suffix(".html")


def state_of(output: Path) -> Path:
    """The hidden file from which a run that was stopped goes on."""
    return output.with_name(f".{output.name}{STATE_SUFFIX}")


def is_own(path: Path, written: Mapping[str, str]) -> bool:
    """Whether a file is one that this run wrote, by the sha256 of each by name."""
    known = written.get(path.name)
    return known is not None and path.is_file() and sha256_of(path) == known


# ---- measuring -----------------------------------------------------------------------------------


def spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """At most so many of them, at equal distances."""
    step = max(len(pairs) / count, 1)
    return [pairs[int(number * step)] for number in range(min(len(pairs), count))]


def measure(make: Callable[[Tensor], Tensor], pairs: Sequence[Pair]) -> float:
    """PSNR in dB of what is made of HR beside real LR, over all pictures together."""
    errors = []
    for pair in pairs:
        made = to_bytes(make(from_bytes(pair.hr[None]))[0])
        errors.append((made.float() - pair.lr.float()).double().square().mean())
    error = float(torch.stack(errors).mean())
    return 10 * math.log10(CODES**2 / max(error, LEAST_ERROR))


# ---- a run ---------------------------------------------------------------------------------------


class Curve:
    """Means of the losses over equal stretches of iterations."""

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
class LboRun:
    """What a run works on, and how it is kept."""

    output: Path
    overwrite: bool
    identity: Mapping[str, Any]
    """What must be the same for it to go on."""
    card: Mapping[str, Any]
    """What the history tells besides."""
    pairs: Pairs
    trainer: LboTrainer
    curve: Curve
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
        self.trainer.restore(saved)
        self.curve.rows = [dict(row) for row in saved.identity["curve"]]
        if best := saved.identity.get("best"):
            weights = {
                name.removeprefix(BEST): tensor
                for name, tensor in saved.tensors.items()
                if name.startswith(BEST)
            }
            self.best = _Best(iteration=best["iteration"], psnr=best["psnr"], weights=weights)

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
        overwrite = self.overwrite or is_own(path, self.written)
        with explained(path, lambda: len(content)):
            part.sink.write(content)
            part.publish(overwrite=overwrite)
        self.written[path.name] = hashlib.sha256(content).hexdigest()

    def _page(self, history: Mapping[str, Any], operator: LearnableOperator) -> str:
        pairs = spread(self.pairs.held_out, SHOWN)
        pictures = [from_bytes(pair.hr[None]) for pair in pairs]
        uses = ["degrade", "CLEAN.mkv", "POOR.mp4"], ["finetune", "--data", "DIR"]
        return lbo_page(
            history,
            pairs,
            [to_bytes(operate(operator, hr)[0]) for hr in pictures],
            [to_bytes(area(hr)[0]) for hr in pictures],
            [shlex.join(["animesr", *words, "--lbo", str(self.output)]) for words in uses],
        )
