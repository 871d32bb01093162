"""``animesr degrade``: a low-quality copy, by the paper's degradation model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import Display, err
from animesr_cli.cli.options import verb
from animesr_cli.settings import DegradeSettings
from animesr_cli.settings.command import Reporting
from animesr_cli.text import counted, visible

if TYPE_CHECKING:
    from animesr_cli.degradation.operators import DegradationPlan


@verb
def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A clean video.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .mp4, .mov or .mkv file, for its H.264.")
    ],
    *,
    settings: DegradeSettings,
    reporting: Annotated[Reporting, ("quiet", "verbose", "debug")],
) -> None:
    """Make a low-quality copy, a quarter as wide and high, by the paper's degradation model.

    Blur, noise, two downscales or learned operators, H.264; the plan is written beside OUT.

    [bold]Examples[/bold]

    animesr degrade clean.mkv poor.mp4 --seed 7 -v

    animesr degrade clean.mkv poor.mp4 --lbo lbo-stream --lbo dvd.safetensors

    animesr degrade other.mkv other_poor.mp4 --plan poor.mp4.plan.json
    """
    with stoppable(), Display(reporting) as display:
        with undisturbed():
            from animesr_cli.degradation.video import degrade_video

        result = degrade_video(
            source,
            output,
            **vars(settings),
            warn=display.warn,
            on_plan=show_degradation if reporting.verbose else lambda _: None,
            on_progress=display.show,
        )
        display.note(
            f"{result.output}: {counted(result.frames, 'frame')} of "
            f"{result.width}x{result.height} verified, plan in {result.plan_path}"
        )


def show_degradation(plan: DegradationPlan) -> None:
    err.print(Text.assemble(("plan: ", "cyan"), visible(str(plan))))
