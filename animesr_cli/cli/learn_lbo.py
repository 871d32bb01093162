"""``animesr learn-lbo``: the degradation of the user's own clip, as an operator."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from animesr_cli.cli import console
from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import Display
from animesr_cli.cli.options import verb
from animesr_cli.lbo.ranking import RANKING_TITLES, ranking_row
from animesr_cli.settings import LboSettings, LearnSettings, lbo_settings
from animesr_cli.settings.command import Reporting
from animesr_cli.settings.option import declared
from animesr_cli.signals import waiting_for_somebody
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.lbo.factor_sweep import Sweep
    from animesr_cli.lbo.learn import LboProgress, LboResult

STOP: Final = ("q", "quit", "stop", "none")
"""Answers that mean no factor."""
STAGES: Final = {"frames": "pseudo HR, place", "net": "stage net, iteration"}
LAST_STAGE: Final = "stage gan, iteration"


@verb
def learn_lbo(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A low-quality video.")],
    *,
    run: LearnSettings,
    given: Annotated[dict[str, Any], LboSettings],
    reporting: Reporting,
) -> None:
    """Learn the degradation of a video: an operator (LBO) for degrade and finetune.

    Without --factor, ten rescaling factors are compared on a sheet first, ranked, and asked for.

    [bold]Examples[/bold]

    animesr learn-lbo dvd.mkv

    animesr learn-lbo dvd.mkv --sweep-only

    animesr learn-lbo dvd.mkv -f 0.5 -o dvd.safetensors --preset paper -g cuda
    """
    settings = lbo_settings(run, given)
    with LearnDisplay(reporting) as display:
        run.check(can_ask=can_ask())
        with undisturbed():
            from animesr_cli.lbo import learn as room

        output = run.output or room.default_output(clip)
        factor, choice = run.factor, None
        if factor is None:
            options = _written(settings, run)

            def command(factor: str) -> str:
                words = ["animesr", "learn-lbo", str(clip), "-f", factor, *options]
                return shlex.join([*words, "-o", str(output)])

            with stoppable() as listen:
                found = room.choose_factor(
                    clip,
                    output,
                    run,
                    command,
                    model=settings.model,
                    warn=display.on_warning,
                    listen=listen,
                    on_trial=display.on_trial,
                    on_sweep=partial(display.on_sweep, last=run.sweep_only),
                    choose=display.choose,
                )
            if found is None:
                return
            factor, choice = found
        with stoppable(between_steps=True) as listen:
            result = room.learn_lbo(
                clip,
                output,
                factor=factor,
                settings=settings,
                choice=choice,
                device=run.device,
                minutes=run.minutes,
                overwrite=run.overwrite,
                restart=run.restart,
                warn=display.on_warning,
                listen=listen,
                on_progress=display.on_progress,
                on_note=display.note,
            )
            display.on_result(result)


def _written(settings: LboSettings, run: LearnSettings) -> list[str]:
    """The options of this run as one would write them again."""
    options = ["--preset", run.preset, "-g", run.device]
    for name, each in declared(LboSettings).items():
        options += [each.option.short or f"--{each.name}", str(getattr(settings, name))]
    return options + (["--iterations", str(run.iterations)] if run.iterations else [])


def can_ask() -> bool:
    """Whether there is a person at a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class LearnDisplay(Display):
    """One run: trials, iterations, warnings, and what came of it."""

    def on_trial(self, done: int, total: int) -> None:
        """One factor of one patch was tried."""
        event = {"stage": "sweep", "done": done, "total": total}
        self.progress(f"comparing factors, trial {done}/{total}", done, total, event)

    def on_progress(self, progress: LboProgress) -> None:
        """One place of the clip, or one iteration, is done."""
        stage = STAGES.get(progress.stage, LAST_STAGE)
        losses = "".join(f" · {name} {loss:.4f}" for name, loss in progress.losses.items())
        left = ""
        if progress.seconds_left is not None:
            until = " until --minutes" if progress.until_minutes else ""
            left = f" · {format_time(progress.seconds_left)} left{until}"
        line = f"{stage} {progress.done}/{progress.total}{losses}{left}"
        self.progress(line, progress.done, progress.total, asdict(progress))

    def on_sweep(self, sweep: Sweep, page: Path, picture: Path, *, last: bool) -> None:
        """The ranking, and where the sheet is; as the ``last`` thing of a run it is its result."""
        self.__exit__()
        ranking = [
            {**asdict(each), "score": each.score, "keeps_detail": each.keeps_detail}
            for each in sweep.ranking
        ]
        sheets = {"page": str(page), "picture": str(picture)}
        self.emit("sweep", {"best": sweep.best, "ranking": ranking, **sheets})
        if not (self._reporting.json or self._reporting.quiet):
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
        values = asdict(result) | {"output": str(result.output), "page": str(result.page)}
        self.emit("done", values)
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
