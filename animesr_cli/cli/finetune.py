"""``animesr finetune``: the network, trained further with the user's own clean videos."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import (
    FrameCounter,
    err,
    show_json,
    show_table,
)
from animesr_cli.cli.options import (
    DebugOption,
    JsonOption,
    LboOption,
    QuietOption,
    VerboseOption,
    verb,
)
from animesr_cli.metrics.measures import MEASURES
from animesr_cli.settings import FinetuneRun, FinetuneSettings, finetune_settings
from animesr_cli.text import visible
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.training.finetune import FinetuneResult
    from animesr_cli.training.run import TrainingProgress


@verb
def finetune(
    *,
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="DIR", help="Clean videos, folders of images; repeatable."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="The folder; DATA_STAGE if left out, such as episodes_net.",
        ),
    ] = None,
    lbo: LboOption = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option("--validation", metavar="DIR", help="Validate with these; repeatable."),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="quick, for a CPU; paper, for a GPU; realesrgan, bsrgan or realbasicvsr: the "
            "recipe of that network.",
            rich_help_panel="Learning",
        ),
    ] = "quick",
    given: Annotated[dict[str, Any], FinetuneSettings],
    run: FinetuneRun,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Train the network further with clean videos; stopped, the same command goes on.

    Writes a folder: model.safetensors for -n, report.html, and the state to go on from.

    [bold]Examples[/bold]

    animesr finetune --data episodes -n base --lbo dvd.safetensors

    animesr finetune --data episodes --stage gan -n net/model.safetensors -o run
    """
    with stoppable(between_steps=True) as listen:
        settings = finetune_settings(preset, given)
        with undisturbed():
            from animesr_cli.training.finetune import finetune as train

        with TrainingCounter(minutes=run.minutes, quiet=quiet) as counter:
            result = train(
                data,
                output or Path(f"{data[0].resolve().stem}_{settings.stage}"),
                settings=settings,
                run=run,
                lbo=lbo or [],
                validation=validation or [],
                warn=counter.warn,
                listen=listen,
                on_progress=counter.show_iteration,
                on_note=counter.note,
            )
        show_finetuned(result, as_json=json_output, quiet=quiet)


class TrainingCounter(FrameCounter):
    """Iterations done, of how many, and what is said in between."""

    def __init__(self, *, minutes: float | None, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def show_iteration(self, progress: TrainingProgress) -> None:
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
        self.tell(line, progress.iteration, progress.iterations)


def show_finetuned(result: FinetuneResult, *, as_json: bool, quiet: bool) -> None:
    """Where the result is, and what it gained on the held-out part."""
    columns = {"bicubic": result.bicubic, "before": result.before, "after": result.after}
    if not result.after:
        return  # one of several processes, which does not measure
    if as_json:
        told = {
            "folder": str(result.folder),
            "model": str(result.model),
            "iteration": result.iteration,
            "iterations": result.iterations,
            "iterations_per_second": result.iterations_per_second,
            "waiting": result.waiting,
            **{name: dict(scores) for name, scores in columns.items()},
        }
        show_json(told)
    elif not quiet:
        rows = [
            [measure.heading, *(measure.text(scores[name]) for scores in columns.values())]
            for name, measure in MEASURES.items()
            if all(name in scores for scores in columns.values())
        ]
        show_table(["held-out part", *columns], rows)
        err.print(
            Text(visible(f"{result.model} after {result.iteration} iterations; use it with -n"))
        )
