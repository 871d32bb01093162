"""The command line: one thin function per verb. Parses, builds the settings, calls the workflow.

Importing this leaves torch unloaded; each verb imports its workflow inside the body, so that help,
completion and usage errors are instant.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand

from animesr_cli.cli import console
from animesr_cli.cli.app import app, errors_shown, set_up_logging, stoppable, undisturbed
from animesr_cli.cli.options import (
    ConfigOption,
    DebugOption,
    IgnoreConfigOption,
    JsonOption,
    ProfileOption,
    QuietOption,
    VerboseOption,
    long_names,
    option_kinds,
)
from animesr_cli.cli.user_config import file_in_force, read_values
from animesr_cli.errors import ExitCode, UsageError
from animesr_cli.settings import PRECISIONS, Precision, UpscaleSettings
from animesr_cli.video.timestamps import parse_rate, parse_time

if TYPE_CHECKING:
    from animesr_cli.upscaling.pipeline import Observer

__all__ = ["app"]

DEFAULTS = UpscaleSettings()
BENCH_FRAMES = 30
PIPE = Path("-")
"""Standard input as IN, standard output as OUT."""


def _key_values(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair.strip("="):
            raise UsageError(f"-e {pair}: expected key=value", "for example -e tune=animation")
    return dict(pair.split("=", 1) for pair in pairs)


def _time(text: str | None) -> Fraction | None:
    return None if text is None else parse_time(text)


def _one(kind: str, argument: Path | None, option: Path | None) -> Path | None:
    if argument is not None and option is not None:
        raise UsageError(f"the {kind} is named twice: {argument} and {option}")
    return option if argument is None else argument


class _Configured(TyperCommand):
    """A command whose defaults are those of the user's configuration file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        if not (ctx.resilient_parsing or given.get("help")):  # completion; the help always works
            debug, json_events = bool(given.get("debug")), bool(given.get("json_events"))
            with errors_shown(debug=debug, json_events=json_events):
                ctx.default_map = self._defaults(given)
        return super().parse_args(ctx, args)

    def _defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """By parameter, for those that are not ``given`` on the command line."""
        parameters = long_names(self)
        named = given.get("config")
        values = read_values(
            None if named is None else Path(named),
            ignore=bool(given.get("ignore_config")),
            preset=given.get("profile"),
            given={name for name, parameter in parameters.items() if parameter in given},
            kinds=option_kinds(self),
        )
        return {parameters[name]: value for name, value in values.items()}


@app.command(cls=_Configured)
def upscale(
    input_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="IN",
            help="A video, a folder of videos or of images, a pattern such as in/%06d.png, or -.",
            show_default=False,
        ),
    ] = None,
    output_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUT",
            help="Where to write: a file, out/%06d.png or -; a folder, or nothing, names it IN_x4.",
            show_default=False,
        ),
    ] = None,
    input_option: Annotated[
        Path | None, typer.Option("-i", "--input", help="The same as IN.", hidden=True)
    ] = None,
    output_option: Annotated[
        Path | None, typer.Option("-o", "--output", help="The same as OUT.", hidden=True)
    ] = None,
    scale: Annotated[
        float,
        typer.Option(
            "-s",
            "--scale",
            help="Factor on width and height, any above 0.",
            rich_help_panel="Picture",
        ),
    ] = DEFAULTS.scale,
    width: Annotated[
        int | None,
        typer.Option(help="Exact width; alone, it keeps the aspect.", rich_help_panel="Picture"),
    ] = DEFAULTS.width,
    height: Annotated[
        int | None,
        typer.Option(help="Exact height; alone, it keeps the aspect.", rich_help_panel="Picture"),
    ] = DEFAULTS.height,
    matrix: Annotated[
        str | None,
        typer.Option(
            help="Read the input as bt601, bt709 or bt2020, whatever its tags say.",
            rich_help_panel="Picture",
        ),
    ] = DEFAULTS.matrix,
    stream: Annotated[
        int | None,
        typer.Option(
            help="Which video stream, by its number in `animesr info`; others are copied.",
            rich_help_panel="Picture",
        ),
    ] = DEFAULTS.stream,
    deinterlace: Annotated[
        bool,
        typer.Option(
            "--deinterlace",
            help="Make whole frames of interlaced ones first (bwdif).",
            rich_help_panel="Picture",
        ),
    ] = DEFAULTS.deinterlace,
    max_pixels: Annotated[
        int,
        typer.Option(help="Refuse frames of more pixels.", rich_help_panel="Picture"),
    ] = DEFAULTS.max_pixels,
    no_scenes: Annotated[
        bool,
        typer.Option(
            "--no-scenes",
            help="Carry the recurrent state over scene cuts.",
            rich_help_panel="Picture",
        ),
    ] = not DEFAULTS.scenes,
    start: Annotated[
        str | None,
        typer.Option(
            help="Begin here: seconds or HH:MM:SS.mmm.", rich_help_panel="Part of the input"
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(help="End before this time.", rich_help_panel="Part of the input"),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help="At most this many frames.", rich_help_panel="Part of the input"),
    ] = DEFAULTS.frames,
    fps: Annotated[
        str | None,
        typer.Option(
            help="Frames per second of images: 24, 23.976 or 24000/1001.",
            rich_help_panel="Part of the input",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "-n",
            "--model",
            help="A name of `animesr models`, or a .safetensors or .pth file.",
            rich_help_panel="Network",
        ),
    ] = DEFAULTS.model,
    tile: Annotated[
        int,
        typer.Option(
            "-t",
            "--tile",
            help="Tile side in pixels of the input; 0 goes by free memory.",
            rich_help_panel="Network",
        ),
    ] = DEFAULTS.tile,
    device: Annotated[
        str,
        typer.Option(
            "-g", "--device", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel="Network"
        ),
    ] = DEFAULTS.device,
    precision: Annotated[
        str, typer.Option(help=", ".join(PRECISIONS) + ".", rich_help_panel="Network")
    ] = DEFAULTS.precision,
    half: Annotated[
        bool, typer.Option("--half", help="The same as --precision fp16.", hidden=True)
    ] = False,
    fp32: Annotated[
        bool, typer.Option("--fp32", help="The same as --precision fp32.", hidden=True)
    ] = False,
    codec: Annotated[
        str,
        typer.Option(
            "-c",
            "--codec",
            help="An FFmpeg encoder; auto goes by container and bit depth.",
            rich_help_panel="Encoding",
        ),
    ] = DEFAULTS.codec,
    crf: Annotated[
        float | None,
        typer.Option(
            help="Quality, lower is better; each encoder has its default.",
            rich_help_panel="Encoding",
        ),
    ] = DEFAULTS.crf,
    preset: Annotated[
        str | None,
        typer.Option(help="Speed of the encoder, as it names them.", rich_help_panel="Encoding"),
    ] = DEFAULTS.preset,
    pix_fmt: Annotated[
        str | None,
        typer.Option(
            "--pix-fmt", help="FFmpeg's name of a pixel format.", rich_help_panel="Encoding"
        ),
    ] = DEFAULTS.pix_fmt,
    encoder_option: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--encoder-option",
            metavar="KEY=VALUE",
            help="An option of the encoder; repeatable.",
            rich_help_panel="Encoding",
        ),
    ] = None,
    no_journal: Annotated[
        bool,
        typer.Option(
            "--no-journal",
            help="Run in one piece: an interrupted run begins anew.",
            rich_help_panel="Long jobs",
        ),
    ] = not DEFAULTS.journal,
    segment_frames: Annotated[
        int,
        typer.Option(
            help="Frames that are kept together; an interruption costs at most these.",
            rich_help_panel="Long jobs",
        ),
    ] = DEFAULTS.segment_frames,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for OUT.animesr, where finished segments are kept; else beside OUT.",
            rich_help_panel="Long jobs",
        ),
    ] = DEFAULTS.work_dir,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Begin anew where OUT.animesr holds an interrupted run.",
            rich_help_panel="Long jobs",
        ),
    ] = DEFAULTS.restart,
    workers: Annotated[
        int | None,
        typer.Option(
            help="How many compute at once; one for each GPU where there are several.",
            rich_help_panel="Long jobs",
        ),
    ] = DEFAULTS.workers,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Compute on a Ray cluster: auto, or HOST:PORT of its head.",
            rich_help_panel="Long jobs",
        ),
    ] = DEFAULTS.cluster,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace OUT where it exists.")
    ] = DEFAULTS.overwrite,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 10 where there were warnings.")
    ] = DEFAULTS.strict,
    config: ConfigOption = None,  # these three are seen to before, by _Configured
    ignore_config: IgnoreConfigOption = False,
    profile: ProfileOption = None,
    json_events: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Enlarge a video, every video of a folder, a sequence of images, or what is piped in.

    An output is complete and verified, or it does not exist.

    [bold]Examples[/bold]

    animesr upscale episode.mkv episode_4k.mkv

    animesr upscale dvd.mkv --height 1080 --start 10:00 --end 10:20 -c libx265 --crf 16

    animesr upscale season1 season1_4k

    animesr upscale frames/%06d.png out/%06d.png

    ffmpeg -i old.avi -f yuv4mpegpipe - | animesr upscale - new.mkv
    """
    with errors_shown(debug=debug, json_events=json_events), stoppable() as listen:
        set_up_logging(verbose=verbose, debug=debug)
        source = _one("input", input_path, input_option)
        if source is None:
            raise UsageError("no input is named", "animesr upscale IN [OUT]")
        settings = UpscaleSettings(
            scale=scale,
            width=width,
            height=height,
            model=model,
            tile=tile,
            device=device,
            precision="fp16" if half else "fp32" if fp32 else cast(Precision, precision),
            codec=codec,
            crf=crf,
            preset=preset,
            pix_fmt=pix_fmt,
            encoder_options=_key_values(encoder_option or []),
            start=_time(start),
            end=_time(end),
            frames=frames,
            fps=None if fps is None else parse_rate(fps),
            scenes=not no_scenes,
            matrix=matrix,
            stream=stream,
            deinterlace=deinterlace,
            max_pixels=max_pixels,
            journal=not no_journal,
            segment_frames=segment_frames,
            work_dir=work_dir,
            restart=restart,
            workers=workers,
            cluster=cluster,
            overwrite=overwrite,
            strict=strict,
        )
        output = _one("output", output_path, output_option)
        if json_events and output == PIPE:
            raise UsageError(
                "--json and OUT - both write to standard output", "name a file, or leave --json out"
            )
        if os.path.isdir(source) and _holds_videos(source, output):
            if output == PIPE:
                raise UsageError("a folder of videos cannot go through one pipe", "name a folder")
            return _upscale_folder(source, output, settings, json_events, quiet, debug, listen)
        _upscale(source, output, settings, json_events, quiet, listen)


def _holds_videos(folder: Path, output: Path | None) -> bool:
    with undisturbed():
        from animesr_cli.batch import is_batch

    return is_batch(folder, output)


def _observer(display: console.RunDisplay, listen: Callable[[], None]) -> Observer:
    from animesr_cli.upscaling.pipeline import Observer, Progress

    def on_progress(progress: Progress) -> None:
        listen()
        display.on_progress(progress)

    return Observer(
        on_plan=display.on_plan,
        on_progress=on_progress,
        on_segment=display.on_segment,
        on_warning=display.on_warning,
    )


def _upscale_folder(
    folder: Path,
    output: Path | None,
    settings: UpscaleSettings,
    json_events: bool,
    quiet: bool,
    debug: bool,
    listen: Callable[[], None],
) -> None:
    with undisturbed():
        from animesr_cli.batch import BatchObserver, Item, run_batch

    def watch(item: Item) -> Observer:
        return _observer(display.begin(item), listen)

    with console.BatchDisplay(json_events=json_events, quiet=quiet, debug=debug) as display:
        observer = BatchObserver(
            on_batch=display.on_batch,
            on_item=watch,
            on_outcome=display.on_outcome,
            on_warning=display.on_warning,
        )
        result = run_batch(folder, output, settings, observer)
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

    with console.RunDisplay(json_events=json_events, quiet=quiet) as display:
        result = run(source, output, settings, _observer(display, listen))
        display.on_result(result)
    if settings.strict and result.warnings:
        raise typer.Exit(ExitCode.WARNINGS)


@app.command()
def info(
    file: Annotated[
        Path, typer.Argument(metavar="IN", help="A video, a folder or pattern of images, or -.")
    ],
    json_output: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what the reader sees in a file, in a sequence of images, or in what is piped in.

    [bold]Examples[/bold]

    animesr info episode.mkv

    animesr info episode.mkv --json
    """
    with errors_shown(debug=debug):
        from animesr_cli.upscaling.targets import images_of, look_at

        console.show_info(look_at(file, images_of(file), DEFAULTS), as_json=json_output)


@app.command()
def models(json_output: JsonOption = False, debug: DebugOption = False) -> None:
    """List the checkpoints: name, kind, size, licence, and where each is.

    [bold]Examples[/bold]

    animesr models

    animesr models --json
    """
    with errors_shown(debug=debug):
        from animesr_cli.model.checkpoint import CATALOGUE, status

        console.show_models([status(checkpoint) for checkpoint in CATALOGUE], as_json=json_output)


@app.command()
def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Of `animesr models`.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every model of the catalogue.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
    debug: DebugOption = False,
) -> None:
    """Fetch checkpoints, verified by their hashes; an interrupted download breaks nothing.

    [bold]Examples[/bold]

    animesr download v2

    animesr download --all --force
    """
    with errors_shown(debug=debug), stoppable():
        from animesr_cli.model.checkpoint import CATALOGUE
        from animesr_cli.model.checkpoint import download as fetch

        if bool(names) == every:
            raise UsageError("name the models to download, or --all", "animesr download v2")
        wanted = [row.name for row in CATALOGUE if not row.shipped] if every else names or []
        for path in fetch(wanted, force=force, warn=console.show_warning):
            console.out.print(str(path), markup=False)


@app.command()
def doctor(
    config: ConfigOption = None,
    ignore_config: IgnoreConfigOption = False,
    json_output: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what this machine can do, and what the configuration file sets.

    Devices, precisions, encoders that really open, checkpoints; every value of the file.

    [bold]Examples[/bold]

    animesr doctor

    animesr doctor --json
    """
    with errors_shown(debug=debug):
        path = file_in_force(config, ignore=ignore_config)
        from animesr_cli.cli.doctor import configuration, examine

        commands = cast("Any", typer.main.get_command(app)).commands
        findings = [*examine(), *configuration(path, option_kinds(commands["upscale"]))]
        console.show_findings(findings, as_json=json_output)


@app.command()
def bench(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video file.")],
    frames: Annotated[
        int | None,
        typer.Option(min=2, help="Frames of each end-to-end run: 30, or all with --segments."),
    ] = None,
    segments: Annotated[
        bool,
        typer.Option(
            "--segments", help="Measure segments, two workers and resuming beside one piece."
        ),
    ] = False,
    segment_frames: Annotated[
        int, typer.Option(help="Frames of a segment, for --segments.")
    ] = DEFAULTS.segment_frames,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each kind, side by side.")] = 3,
    device: Annotated[
        str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = DEFAULTS.device,
    precision: Annotated[str, typer.Option(help=", ".join(PRECISIONS) + ".")] = DEFAULTS.precision,
    model: Annotated[
        str, typer.Option("-n", "--model", help="A name of `animesr models`, or a file.")
    ] = DEFAULTS.model,
    tile: Annotated[
        int, typer.Option("-t", "--tile", help="Tile side in pixels; 0 goes by free memory.")
    ] = DEFAULTS.tile,
    json_output: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure the network and the whole pipeline beside the plain path, on your clip.

    [bold]Examples[/bold]

    animesr bench episode.mkv

    animesr bench episode.mkv --frames 100 --json

    animesr bench minute.mkv --segments
    """
    with errors_shown(debug=debug), stoppable():
        with undisturbed():
            from animesr_cli.bench_segments import measure_segments
            from animesr_cli.upscaling.bench import measure

        settings = UpscaleSettings(
            device=device,
            precision=cast(Precision, precision),
            model=model,
            tile=tile,
            frames=frames if segments else frames or BENCH_FRAMES,
            segment_frames=segment_frames,
        )
        if segments:
            cost = measure_segments(clip, settings, repeats=repeats)
            return console.show_segment_figures(cost, as_json=json_output)
        console.show_figures(measure(clip, settings, repeats=repeats), as_json=json_output)


importlib.import_module("animesr_cli.cli.research")  # its verbs stand after these in the help
