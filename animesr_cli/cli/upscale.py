"""``animesr upscale``: one input, several, or every video of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.batch_display import BatchDisplay, show_forecast
from animesr_cli.cli.console import Display, show_note, show_warning
from animesr_cli.cli.options import verb
from animesr_cli.cli.upscale_display import RunDisplay
from animesr_cli.errors import ExitCode, UsageError
from animesr_cli.settings.command import ConfigChoice, Reporting, UpscaleCommand
from animesr_cli.settings.upscale import UpscaleSettings

if TYPE_CHECKING:
    from animesr_cli.upscaling.events import Observer

PIPE = Path("-")
"""Standard input as IN, standard output as OUT."""


@verb
def upscale(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IN... [OUT]",
            help="Videos, folders of videos; or one folder of images, a pattern such as "
            "in/%06d.png, or -. OUT is a new name, out/%06d.png or -; a folder, or nothing, "
            "names it IN_x4.",
            show_default=False,
        ),
    ] = None,
    *,
    settings: UpscaleSettings,
    asked: UpscaleCommand,
    choice: ConfigChoice,  # ConfiguredCommand has seen to it
    reporting: Reporting,
) -> None:
    """Enlarge a video, every video of a folder, a sequence of images, or what is piped in.

    An output is complete and verified, or it does not exist.

    `animesr preview IN` shows three seconds of it first; --dry-run says what it takes.

    [bold]Examples[/bold]

    animesr upscale episode.mkv episode_4k.mkv

    animesr upscale dvd.mkv --height 1080p --start 10:00 --end 10:20 --crf 16

    animesr upscale season1 season1_4k

    animesr upscale ep1.mkv ep2.mkv big

    animesr upscale frames/%06d.png out/%06d.png

    ffmpeg -i old.avi -f yuv4mpegpipe - | animesr upscale - new.mkv
    """
    with stoppable() as listen:
        if asked.input is not None and names:
            raise UsageError(f"the input is named twice: {names[0]} and {asked.input}")
        named = [asked.input] if asked.input is not None else names
        if not named:
            raise UsageError("no input is named", "animesr upscale IN [OUT]")
        if asked.half or asked.fp32:
            settings = replace(settings, precision="fp16" if asked.half else "fp32")
        with undisturbed():
            from animesr_cli.batch.arguments import understand

        what = understand(named, asked.output, settings)
        if reporting.json and what.output == PIPE:
            raise UsageError(
                "--json and OUT - both write to standard output", "name a file, or leave --json out"
            )
        if what.note and not reporting.quiet:
            (show_warning if settings.overwrite else show_note)(what.note)
        source = what.inputs[0]
        inputs: Path | Sequence[Path] | None = None  # one video, one sequence, or a pipe
        if len(what.inputs) > 1:
            inputs = what.inputs
        elif os.path.isdir(source) and _holds_videos(source, what.output):
            inputs = source
        if inputs is not None and what.output == PIPE:
            raise UsageError("several videos cannot go through one pipe", "name a folder")
        if asked.dry_run:
            _forecast(source, inputs, what.output, settings, reporting)
        elif inputs is None:
            _upscale(source, what.output, settings, reporting, listen)
        else:
            _upscale_all(inputs, what.output, settings, reporting, listen)


def _holds_videos(folder: Path, output: Path | None) -> bool:
    with undisturbed():
        from animesr_cli.batch.find import is_batch

    return is_batch(folder, output)


def _forecast(
    source: Path,
    inputs: Path | Sequence[Path] | None,
    output: Path | None,
    settings: UpscaleSettings,
    reporting: Reporting,
) -> None:
    from animesr_cli.batch.forecast import forecast_all, forecast_one
    from animesr_cli.batch.outcome import WORST_FIRST

    warn = Display(reporting).warn
    if inputs is None:
        forecasts = [forecast_one(source, output, settings, warn=warn)]
    else:
        forecasts = list(forecast_all(inputs, output, settings, warn=warn))
    show_forecast(forecasts, json_events=reporting.json)
    codes = {each.error.exit_code for each in forecasts if each.error}
    if codes:
        raise typer.Exit(next(code for code in WORST_FIRST if code in codes))


def _observer(display: RunDisplay, listen: Callable[[], None]) -> Observer:
    from animesr_cli.upscaling.events import Observer, Progress

    def on_progress(progress: Progress) -> None:
        listen()
        display.on_progress(progress)

    return Observer(
        on_plan=display.on_plan,
        on_progress=on_progress,
        on_segment=display.on_segment,
        on_warning=display.on_warning,
    )


def _upscale_all(
    inputs: Path | Sequence[Path],
    output: Path | None,
    settings: UpscaleSettings,
    reporting: Reporting,
    listen: Callable[[], None],
) -> None:
    with undisturbed():
        from animesr_cli.batch.find import Item
        from animesr_cli.batch.outcome import BatchObserver
        from animesr_cli.batch.work import run_batch

    def watch(item: Item) -> Observer:
        return _observer(display.begin(item), listen)

    with BatchDisplay(reporting) as display:
        observer = BatchObserver(
            on_batch=display.on_batch,
            on_item=watch,
            on_outcome=display.on_outcome,
            on_warning=display.on_warning,
        )
        result = run_batch(inputs, output, settings, observer)
    exit_code = result.exit_code(strict=settings.strict)
    display.on_result(result, exit_code)
    if result.stopped:
        raise result.stopped
    if exit_code:
        raise typer.Exit(exit_code)


def _upscale(
    source: Path,
    output: Path | None,
    settings: UpscaleSettings,
    reporting: Reporting,
    listen: Callable[[], None],
) -> None:
    with undisturbed():
        from animesr_cli.api import run

    with RunDisplay(reporting) as display:
        result = run(source, output, settings, _observer(display, listen))
        display.on_result(result)
    if settings.strict and result.warnings:
        raise typer.Exit(ExitCode.WARNINGS)
