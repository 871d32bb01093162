"""What a person sees of learning an operator, and how the factor is asked for.

Like ``console``: everything for people goes to stderr; stdout has, with ``--json``, one JSON object
a line, and without it nothing. Knows no torch.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from animesr_cli.cli import console
from animesr_cli.lbo.ranking import RANKING_TITLES, ranking_row
from animesr_cli.signals import waiting_for_somebody
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.lbo.factor_sweep import Sweep
    from animesr_cli.lbo.learn import LboProgress, LboResult

STOP: Final = ("q", "quit", "stop", "none")
"""Answers that mean no factor."""
STAGES: Final = {"frames": "pseudo HR, place", "net": "stage net, iteration"}
LAST_STAGE: Final = "stage gan, iteration"


def can_ask() -> bool:
    """Whether there is a person at a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class LearnDisplay(console.FrameCounter):
    """One run: trials, iterations, warnings, and what came of it."""

    def __init__(self, *, json_events: bool, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._json = json_events
        self._event_due = 0.0

    def on_trial(self, done: int, total: int) -> None:
        """One factor of one patch was tried."""
        self._progress({"stage": "sweep", "done": done, "total": total})
        self.tell(f"comparing factors, trial {done}/{total}", done, total)

    def on_progress(self, progress: LboProgress) -> None:
        """One place of the clip, or one iteration, is done."""
        self._progress(asdict(progress))
        stage = STAGES.get(progress.stage, LAST_STAGE)
        losses = "".join(f" · {name} {loss:.4f}" for name, loss in progress.losses.items())
        left = ""
        if progress.seconds_left is not None:
            until = " until --minutes" if progress.until_minutes else ""
            left = f" · {format_time(progress.seconds_left)} left{until}"
        line = f"{stage} {progress.done}/{progress.total}{losses}{left}"
        self.tell(line, progress.done, progress.total)

    def _progress(self, values: dict[str, Any]) -> None:
        if self._json and time.monotonic() >= self._event_due:
            self._event_due = time.monotonic() + console.LINE_SECONDS
            console.emit("progress", values)

    def on_warning(self, message: str) -> None:
        if self._json:
            console.emit("warning", {"message": message})
        self.warn(message)

    def on_sweep(self, sweep: Sweep, page: Path, picture: Path, *, last: bool) -> None:
        """The ranking, and where the sheet is; as the ``last`` thing of a run it is its result."""
        self.__exit__()
        ranking = [
            {**asdict(each), "score": each.score, "keeps_detail": each.keeps_detail}
            for each in sweep.ranking
        ]
        if self._json:
            sheets = {"page": str(page), "picture": str(picture)}
            console.emit("sweep", {"best": sweep.best, "ranking": ranking, **sheets})
        elif not self._quiet:
            on = console.out if last else console.err
            rows = [ranking_row(rank, each) for rank, each in enumerate(sweep.ranking, 1)]
            console.show_table(RANKING_TITLES, rows, on=on)
        self.note(f"look at {page} in a browser, or at {picture}")

    def choose(self, best: float) -> float | None:
        """Ask for the factor."""
        factor = ask_factor(best)
        if factor is None:
            self.note("nothing was learned")
        return factor

    def on_result(self, result: LboResult) -> None:
        """What was learned, and how good it is."""
        self.__exit__()
        if self._json:
            values = asdict(result) | {"output": str(result.output), "page": str(result.page)}
            console.emit("done", values)
        measured = result.measured
        state = "" if result.finished else f", stopped after {result.iterations} iterations"
        self.note(
            f"{result.output}: learned from {result.pairs} pictures in "
            f"{format_time(result.seconds)}{state}; on pictures it never saw "
            f"{measured.operator:.2f} dB, area downscaling {measured.area:.2f} dB; "
            f"{result.page} shows it"
        )


def ask_factor(best: float) -> float | None:
    """The factor that a person chooses; None: none of them, or the input ended."""
    while True:
        console.err.print(f"factor [{best:g}, q for none]: ", end="", markup=False)
        # Not input(): on a terminal it goes on reading where Ctrl-D ends a line that was begun.
        with waiting_for_somebody():
            line = sys.stdin.readline()
        ended = not line.endswith("\n")
        if ended:
            console.err.print()
        answer = line.strip().lower().replace(",", ".")
        if answer in STOP or (ended and not answer):
            return None
        if not answer:
            return best
        try:
            factor = float(answer)
        except ValueError:
            factor = 0.0
        if 0 < factor <= 1:
            return factor
        if ended:
            return None
        console.err.print("a number above 0 and at most 1, such as 0.5")
