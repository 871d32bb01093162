"""``animesr finetune``: the network, trained further with the user's own clean videos."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.text import Text

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import Display, err, show_json, show_table
from animesr_cli.cli.options import verb
from animesr_cli.metrics.measures import MEASURES
from animesr_cli.settings import FinetuneFiles, FinetuneRun, FinetuneSettings, finetune_settings
from animesr_cli.settings.command import Reporting
from animesr_cli.text import visible
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.training.finetune import FinetuneResult
    from animesr_cli.training.run import TrainingProgress


@verb
def finetune(
    *,
    about: FinetuneFiles,
    given: Annotated[dict[str, Any], FinetuneSettings],
    run: FinetuneRun,
    reporting: Reporting,
) -> None:
    """Train the network further with clean videos; stopped, the same command goes on.

    Writes a folder: model.safetensors for -n, report.html, and the state to go on from.

    [bold]Examples[/bold]

    animesr finetune --data episodes -n base --lbo dvd.safetensors

    animesr finetune --data episodes --stage gan -n net/model.safetensors -o run
    """
    with stoppable(between_steps=True) as listen:
        settings = finetune_settings(about.preset, given)
        with undisturbed():
            from animesr_cli.training.finetune import finetune as train

        with TrainingDisplay(reporting, run.minutes) as display:
            result = train(
                about.data,
                about.output or Path(f"{about.data[0].resolve().stem}_{settings.stage}"),
                settings=settings,
                run=run,
                lbo=about.lbo,
                validation=about.validation,
                warn=display.warn,
                listen=listen,
                on_progress=display.on_progress,
                on_note=display.note,
            )
        show_finetuned(result, reporting)


class TrainingDisplay(Display):
    """Iterations done, of how many, and what is said in between."""

    def __init__(self, reporting: Reporting, minutes: float | None) -> None:
        super().__init__(reporting)
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def on_progress(self, progress: TrainingProgress) -> None:
        rate = max(progress.iterations_per_second, 1e-9)
        left = (progress.iterations - progress.iteration) / rate
        limit = ""
        if self._end is not None and (until := max(self._end - time.monotonic(), 0)) < left:
            left, limit = until, " until --minutes"
        line = (
            f"iteration {progress.iteration}/{progress.iterations} · "
            f"loss {progress.values['loss']:.4f} · {progress.iterations_per_second:.2f}/s · "
            f"waiting {progress.waiting:.0%} · {format_time(left)} left{limit}"
        )
        self.progress(line, progress.iteration, progress.iterations)


def show_finetuned(result: FinetuneResult, reporting: Reporting) -> None:
    """Where the result is, and what it gained on the held-out part."""
    columns = {"bicubic": result.bicubic, "before": result.before, "after": result.after}
    if not result.after:
        return  # one of several processes, which does not measure
    if reporting.json:
        values = {
            "folder": str(result.folder),
            "model": str(result.model),
            "iteration": result.iteration,
            "iterations": result.iterations,
            "iterations_per_second": result.iterations_per_second,
            "waiting": result.waiting,
            **{name: dict(scores) for name, scores in columns.items()},
        }
        show_json(values)
    elif not reporting.quiet:
        rows = [
            [measure.heading, *(measure.text(scores[name]) for scores in columns.values())]
            for name, measure in MEASURES.items()
            if all(name in scores for scores in columns.values())
        ]
        show_table(["held-out part", *columns], rows)
        err.print(
            Text(visible(f"{result.model} after {result.iteration} iterations; use it with -n"))
        )
