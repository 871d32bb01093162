"""The research verbs: degrade, evaluate. One thin function each, like those of ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from animesr_cli import console
from animesr_cli.application import app, errors_shown, set_up_logging, stoppable, undisturbed
from animesr_cli.config import UpscaleSettings
from animesr_cli.options import DebugOption, JsonOption, QuietOption, VerboseOption

DEFAULTS = UpscaleSettings()


@app.command()
def evaluate(
    sr: Annotated[Path, typer.Argument(metavar="SR", help="The video to judge.")],
    hr: Annotated[Path, typer.Argument(metavar="HR", help="What it should be.")],
    crop: Annotated[int, typer.Option(min=0, help="Leave out this many pixels at each side.")] = 0,
    frames: Annotated[int | None, typer.Option(min=1, help="At most this many frames.")] = None,
    per_frame: Annotated[bool, typer.Option("--per-frame", help="A line for each frame.")] = False,
    json_output: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how near a video is to its original of the same size, in luma.

    [bold]Examples[/bold]

    animesr evaluate upscaled.mkv original.mkv

    animesr evaluate upscaled.mkv original.mkv --crop 4 --json
    """
    with errors_shown(debug=debug), stoppable():
        with undisturbed():
            from animesr_cli.evaluate import evaluate as measure

        with console.err.status("reading") as status:  # nothing where stderr is no terminal
            result = measure(
                sr,
                hr,
                crop=crop,
                frames=frames,
                on_frame=lambda each: status.update(f"frame {each.index + 1}"),
                warn=console.show_warning,
            )
        console.show_evaluation(result, as_json=json_output, per_frame=per_frame)


@app.command()
def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A clean video.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .mp4, .mov or .mkv file, for its H.264.")
    ],
    seed: Annotated[int | None, typer.Option(min=0, help="Draw the plan from this number.")] = None,
    lbo: Annotated[
        list[Path] | None,
        typer.Option("--lbo", metavar="FILE", help="A learned operator to draw from; repeatable."),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Follow this plan; draw nothing.")
    ] = None,
    plan_out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the plan is written, instead of OUT.plan.json."),
    ] = None,
    device: Annotated[
        str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = DEFAULTS.device,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace OUT and its plan.")
    ] = DEFAULTS.overwrite,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a low-quality copy, a quarter as wide and high, by the paper's degradation model.

    Blur, noise, two downscales or learned operators, H.264; the plan is written beside OUT.

    [bold]Examples[/bold]

    animesr degrade clean.mkv poor.mp4 --seed 7 -v

    animesr degrade clean.mkv poor.mp4 --lbo dvd.safetensors --lbo web.safetensors

    animesr degrade other.mkv other_poor.mp4 --plan poor.mp4.plan.json
    """
    with errors_shown(debug=debug), stoppable(), console.FrameCounter(quiet=quiet) as counter:
        set_up_logging(verbose=verbose, debug=debug)
        with undisturbed():
            from animesr_cli.degrade_video import degrade_video

        result = degrade_video(
            source,
            output,
            seed=seed,
            lbo=lbo or [],
            plan_path=plan,
            plan_output=plan_out,
            device=device,
            overwrite=overwrite,
            warn=(lambda _: None) if quiet else console.show_warning,
            on_plan=console.show_degradation if verbose else lambda _: None,
            on_progress=counter.show,
        )
        if not quiet:
            console.show_degraded(result)
