"""``animesr upscale``: one input, several, or every video of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.batch_display import BatchDisplay
from animesr_cli.cli.console import show_note, show_warning
from animesr_cli.cli.forecast_display import show_forecast
from animesr_cli.cli.options import (
    ConfigOption,
    DebugOption,
    IgnoreConfigOption,
    JsonOption,
    ProfileOption,
    QuietOption,
    VerboseOption,
    verb,
)
from animesr_cli.cli.upscale_display import RunDisplay
from animesr_cli.errors import ExitCode, UsageError
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
    input_option: Annotated[
        str | None, typer.Option("-i", "--input", help="The same as IN.", hidden=True)
    ] = None,
    output_option: Annotated[
        str | None, typer.Option("-o", "--output", help="The same as OUT.", hidden=True)
    ] = None,
    settings: UpscaleSettings,
    half: Annotated[
        bool, typer.Option("--half", help="The same as --precision fp16.", hidden=True)
    ] = False,
    fp32: Annotated[
        bool, typer.Option("--fp32", help="The same as --precision fp32.", hidden=True)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show outputs, sizes, hours and disk; do nothing."),
    ] = False,
    config: ConfigOption = None,  # these three are seen to before, by ConfiguredCommand
    ignore_config: IgnoreConfigOption = False,
    profile: ProfileOption = None,
    json_events: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
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
        if input_option is not None and names:
            raise UsageError(f"the input is named twice: {names[0]} and {input_option}")
        named = [input_option] if input_option is not None else names
        if not named:
            raise UsageError("no input is named", "animesr upscale IN [OUT]")
        if half or fp32:
            settings = replace(settings, precision="fp16" if half else "fp32")
        with undisturbed():
            from animesr_cli.batch.arguments import understand

        what = understand(named, output_option, settings)
        if json_events and what.output == PIPE:
            raise UsageError(
                "--json and OUT - both write to standard output", "name a file, or leave --json out"
            )
        if what.note and not quiet:
            (show_warning if settings.overwrite else show_note)(what.note)
        source = what.inputs[0]
        inputs: Path | Sequence[Path] | None = None  # one video, one sequence, or a pipe
        if len(what.inputs) > 1:
            inputs = what.inputs
        elif os.path.isdir(source) and _holds_videos(source, what.output):
            inputs = source
        if inputs is not None and what.output == PIPE:
            raise UsageError("several videos cannot go through one pipe", "name a folder")
        if dry_run:
            return _forecast(source, inputs, what.output, settings, json_events, quiet)
        if inputs is None:
            return _upscale(source, what.output, settings, json_events, quiet, listen)
        _upscale_all(inputs, what.output, settings, json_events, quiet, debug, listen)


def _holds_videos(folder: Path, output: Path | None) -> bool:
    with undisturbed():
        from animesr_cli.batch.find import is_batch

    return is_batch(folder, output)


def _forecast(
    source: Path,
    inputs: Path | Sequence[Path] | None,
    output: Path | None,
    settings: UpscaleSettings,
    json_events: bool,
    quiet: bool,
) -> None:
    from animesr_cli.batch.forecast import forecast_all, forecast_one
    from animesr_cli.batch.outcome import WORST_FIRST

    def warn(text: str) -> None:
        if not quiet:
            show_warning(text)

    if inputs is None:
        forecasts = [forecast_one(source, output, settings, warn=warn)]
    else:
        forecasts = list(forecast_all(inputs, output, settings, warn=warn))
    show_forecast(forecasts, json_events=json_events)
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
    json_events: bool,
    quiet: bool,
    debug: bool,
    listen: Callable[[], None],
) -> None:
    with undisturbed():
        from animesr_cli.batch.find import Item
        from animesr_cli.batch.outcome import BatchObserver
        from animesr_cli.batch.work import run_batch

    def watch(item: Item) -> Observer:
        return _observer(display.begin(item), listen)

    with BatchDisplay(json_events=json_events, quiet=quiet, debug=debug) as display:
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
    json_events: bool,
    quiet: bool,
    listen: Callable[[], None],
) -> None:
    with undisturbed():
        from animesr_cli.api import run

    with RunDisplay(json_events=json_events, quiet=quiet) as display:
        result = run(source, output, settings, _observer(display, listen))
        display.on_result(result)
    if settings.strict and result.warnings:
        raise typer.Exit(ExitCode.WARNINGS)
