"""``animesr learn-lbo``: the degradation of the user's own clip, as an operator."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.learn_display import LearnDisplay, can_ask
from animesr_cli.cli.options import DebugOption, JsonOption, QuietOption, VerboseOption, verb
from animesr_cli.settings import LBO_PRESETS, LboPreset, LboSettings, LearnSettings
from animesr_cli.settings.option import declared


@verb
def learn_lbo(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A low-quality video.")],
    *,
    run: LearnSettings,
    preset: Annotated[
        LboPreset,
        typer.Option(help="quick: minutes on a CPU; paper: the paper's figures."),
    ] = "quick",
    given: Annotated[dict[str, Any], LboSettings],
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Of each stage, instead of the preset's.")
    ] = None,
    json_events: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Learn the degradation of a video: an operator (LBO) for degrade and finetune.

    Without --factor, ten rescaling factors are compared on a sheet first, ranked, and asked for.

    [bold]Examples[/bold]

    animesr learn-lbo dvd.mkv

    animesr learn-lbo dvd.mkv --sweep-only

    animesr learn-lbo dvd.mkv -f 0.5 -o dvd.safetensors --preset paper -g cuda
    """
    settings = replace(LBO_PRESETS[preset], **given)
    if iterations is not None:
        settings = replace(settings, net_iterations=iterations, gan_iterations=iterations)
    with LearnDisplay(json_events=json_events, quiet=quiet) as display:
        run.check(can_ask=can_ask())
        with undisturbed():
            from animesr_cli.lbo import choice as choosing
            from animesr_cli.lbo import learn as room

        output = run.output or room.default_output(clip)
        if run.factor is not None:
            choice = choosing.Choice(run.factor, choosing.ASKED_FOR)
        else:
            options = _written(settings, preset=preset, device=run.device, iterations=iterations)

            def command(factor: str) -> str:
                words = ["animesr", "learn-lbo", str(clip), "-f", factor, *options]
                return shlex.join([*words, "-o", str(output)])

            with stoppable() as listen:
                found = choosing.choose_factor(
                    clip, output, run, command, display, model=settings.model, listen=listen
                )
            if found is None:
                return
            choice = found
        with stoppable(between_steps=True) as listen:
            result = room.learn_lbo(
                clip,
                output,
                factor=choice.factor,
                settings=settings,
                choice=choice.how,
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


def _written(
    settings: LboSettings, *, preset: str, device: str, iterations: int | None
) -> list[str]:
    """The options of this run as one would write them again."""
    options = ["--preset", preset, "-g", device]
    for name, each in declared(LboSettings).items():
        options += [each.option.short or f"--{each.name}", str(getattr(settings, name))]
    return options + (["--iterations", str(iterations)] if iterations else [])
