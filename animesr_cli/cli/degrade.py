"""``animesr degrade``: a low-quality copy, by the paper's degradation model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import FrameCounter, err
from animesr_cli.cli.options import DebugOption, QuietOption, VerboseOption, verb
from animesr_cli.settings import DegradeSettings
from animesr_cli.text import counted, visible

if TYPE_CHECKING:
    from animesr_cli.degradation.operators import DegradationPlan
    from animesr_cli.degradation.video import DegradeResult


@verb
def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A clean video.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .mp4, .mov or .mkv file, for its H.264.")
    ],
    *,
    settings: DegradeSettings,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a low-quality copy, a quarter as wide and high, by the paper's degradation model.

    Blur, noise, two downscales or learned operators, H.264; the plan is written beside OUT.

    [bold]Examples[/bold]

    animesr degrade clean.mkv poor.mp4 --seed 7 -v

    animesr degrade clean.mkv poor.mp4 --lbo lbo-stream --lbo dvd.safetensors

    animesr degrade other.mkv other_poor.mp4 --plan poor.mp4.plan.json
    """
    with stoppable(), FrameCounter(quiet=quiet) as counter:
        with undisturbed():
            from animesr_cli.degradation.video import degrade_video

        result = degrade_video(
            source,
            output,
            **vars(settings),
            warn=counter.warn,
            on_plan=show_degradation if verbose else lambda _: None,
            on_progress=counter.show,
        )
        if not quiet:
            show_degraded(result)


def show_degradation(plan: DegradationPlan) -> None:
    err.print(Text.assemble(("plan: ", "cyan"), visible(str(plan))))


def show_degraded(result: DegradeResult) -> None:
    err.print(
        Text(
            f"{visible(str(result.output))}: {counted(result.frames, 'frame')} of "
            f"{result.width}x{result.height} verified, plan in {visible(str(result.plan_path))}"
        )
    )
