"""What becomes of the items of a batch, who is told of it, and the exit code of the whole."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from animesr_cli.batch.find import BatchInputs, Item
from animesr_cli.errors import AnimesrError, ExitCode, Interrupted
from animesr_cli.upscaling.events import Observer, UpscaleResult

log = logging.getLogger(__name__)

WORST_FIRST: Final = (
    ExitCode.TERMINATED,
    ExitCode.HANGUP,
    ExitCode.INTERRUPTED,
    ExitCode.BUG,
    ExitCode.VERIFICATION,
    ExitCode.DISK_FULL,
    ExitCode.DEVICE,
    ExitCode.WEIGHTS,
    ExitCode.NETWORK,
    ExitCode.OUTPUT,
    ExitCode.INPUT,
    ExitCode.USAGE,
    ExitCode.WARNINGS,
    ExitCode.OK,
)
"""Which exit code a batch has: from what concerns every file down to what concerns one."""


class State(StrEnum):
    """How a file came out of a batch."""

    DONE = "done"
    SKIPPED = "finished before"
    FAILED = "failed"
    LEFT = "not done"
    """The batch ended before its turn, or during it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one item."""

    item: Item
    state: State
    result: UpscaleResult | None = None
    error: AnimesrError | None = None
    begun: bool = False
    """Whether it failed after its plan stood: in the middle of the work."""


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What a batch did."""

    batch: BatchInputs
    outcomes: tuple[Outcome, ...]
    seconds: float
    warnings: tuple[str, ...]
    """Warnings about the batch itself; those about a file are in its result."""
    stopped: Interrupted | None

    @property
    def counts(self) -> Mapping[State, int]:
        counts = Counter(outcome.state for outcome in self.outcomes)
        return {state: counts[state] for state in State}

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """That of the worst file; ``strict`` counts warnings too."""
        codes = {outcome.error.exit_code for outcome in self.outcomes if outcome.error}
        if self.stopped:
            codes.add(self.stopped.exit_code)
        if strict and (self.warnings or any(o.result and o.result.warnings for o in self.outcomes)):
            codes.add(ExitCode.WARNINGS)
        return next(code for code in WORST_FIRST if code in {*codes, ExitCode.OK})


@dataclass(frozen=True, kw_only=True)
class BatchObserver:
    """Who is told what happens."""

    on_batch: Callable[[BatchInputs], None] = lambda batch: None
    on_item: Callable[[Item], Observer] = lambda item: Observer()
    """Before each file that is upscaled; its answer watches that run."""
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    on_warning: Callable[[str], None] = log.warning
