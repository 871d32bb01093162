"""The research verbs: degrade, evaluate. One thin function each, like those of ``cli``."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from animesr_cli.cli import console
from animesr_cli.cli.app import (
    app,
    errors_shown,
    set_up_logging,
    stoppable,
    stoppable_between_steps,
    undisturbed,
)
from animesr_cli.cli.learn_display import LearnDisplay, ask_factor, can_ask
from animesr_cli.cli.options import DebugOption, JsonOption, QuietOption, VerboseOption
from animesr_cli.errors import UsageError
from animesr_cli.settings import (
    LBO_PRESETS,
    LOSSES,
    PRECISIONS,
    CompareSettings,
    FinetuneRun,
    FinetuneSettings,
    Perceptual,
    Precision,
    Stage,
    TrainingPreset,
    UpscaleSettings,
    finetune_settings,
)
from animesr_cli.video.timestamps import parse_rate, parse_time

DEFAULTS = UpscaleSettings()
COMPARED = CompareSettings()
TRAINING_DEFAULTS = FinetuneSettings()
RUN_DEFAULTS = FinetuneRun()
LboOption = Annotated[
    list[str] | None,
    typer.Option("--lbo", help="A learned operator: a name or a path; repeatable."),
]
LEARNING = "Learning"
RUNNING = "Running"


@app.command()
def evaluate(
    sr: Annotated[
        Path, typer.Argument(metavar="SR", help="The video to judge, or a folder of images.")
    ],
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
            from animesr_cli.metrics.evaluate import evaluate as measure

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
    lbo: LboOption = None,
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

    animesr degrade clean.mkv poor.mp4 --lbo lbo-stream --lbo dvd.safetensors

    animesr degrade other.mkv other_poor.mp4 --plan poor.mp4.plan.json
    """
    with errors_shown(debug=debug), stoppable(), console.FrameCounter(quiet=quiet) as counter:
        set_up_logging(verbose=verbose, debug=debug)
        with undisturbed():
            from animesr_cli.degradation.video import degrade_video

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


@app.command()
def compare(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video, or a folder of images.")],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-n",
            "--model",
            metavar="NAME",
            help="A name of `animesr models`, a checkpoint file, or nearest, bilinear, bicubic, "
            r"lanczos; repeatable. \[default: base and bicubic]",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="HTML", help="The page; CLIP_compare.html if left out."
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIME",
            help="Show this moment: seconds or HH:MM:SS.mmm; repeatable.",
            rich_help_panel="Moments",
        ),
    ] = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=1, help="How many moments to choose, without --at.", rich_help_panel="Moments"
        ),
    ] = COMPARED.pictures,
    start: Annotated[
        str | None,
        typer.Option(help="Choose from here on; begin the video here.", rich_help_panel="Moments"),
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="And up to this time.", rich_help_panel="Moments")
    ] = None,
    run_up: Annotated[
        int,
        typer.Option(
            min=0,
            help="Frames that are computed before each shown one, as far as its shot has them.",
            rich_help_panel="Moments",
        ),
    ] = COMPARED.run_up,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="HR", help="The clip at full quality: measure against it, show it."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A split-screen clip too: of --start to --end, else of ten seconds.",
            rich_help_panel="Video",
        ),
    ] = None,
    codec: Annotated[
        str, typer.Option("-c", "--codec", help="Its encoder.", rich_help_panel="Video")
    ] = DEFAULTS.codec,
    crf: Annotated[
        float | None, typer.Option(help="Its quality.", rich_help_panel="Video")
    ] = DEFAULTS.crf,
    scale: Annotated[
        float,
        typer.Option(
            "-s", "--scale", help="Factor on width and height.", rich_help_panel="Picture"
        ),
    ] = DEFAULTS.scale,
    width: Annotated[
        int | None, typer.Option(help="Exact width.", rich_help_panel="Picture")
    ] = DEFAULTS.width,
    height: Annotated[
        int | None, typer.Option(help="Exact height.", rich_help_panel="Picture")
    ] = DEFAULTS.height,
    matrix: Annotated[
        str | None,
        typer.Option(help="Read CLIP as bt601, bt709 or bt2020.", rich_help_panel="Picture"),
    ] = DEFAULTS.matrix,
    stream: Annotated[
        int | None, typer.Option(help="Which video stream of CLIP.", rich_help_panel="Picture")
    ] = DEFAULTS.stream,
    deinterlace: Annotated[
        bool,
        typer.Option(
            "--deinterlace", help="Make whole frames of interlaced ones.", rich_help_panel="Picture"
        ),
    ] = DEFAULTS.deinterlace,
    no_scenes: Annotated[
        bool,
        typer.Option(
            "--no-scenes", help="Carry the state over scene cuts.", rich_help_panel="Picture"
        ),
    ] = not DEFAULTS.scenes,
    fps: Annotated[
        str | None, typer.Option(help="Frames per second of images.", rich_help_panel="Picture")
    ] = None,
    tile: Annotated[
        int,
        typer.Option(
            "-t", "--tile", help="Tile side; 0 goes by free memory.", rich_help_panel="Network"
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
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace page, sheet and video.")
    ] = DEFAULTS.overwrite,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Put networks and classic resamplers side by side on a clip: a page with a slider, a sheet.

    [bold]Examples[/bold]

    animesr compare episode.mkv -n base -n v2 -n bicubic

    animesr compare episode.mkv -n base -n mine.safetensors --at 2:10 --at 12:31.5 -o look.html

    animesr compare poor.mp4 -n base -n bicubic --reference clean.mkv --video split.mp4
    """
    with errors_shown(debug=debug), stoppable():
        set_up_logging(verbose=verbose, debug=debug)
        with undisturbed():
            from animesr_cli.compare.run import compare as put_side_by_side

        settings = UpscaleSettings(
            scale=scale,
            width=width,
            height=height,
            tile=tile,
            device=device,
            precision=cast(Precision, precision),
            codec=codec,
            crf=crf,
            start=None if start is None else parse_time(start),
            end=None if end is None else parse_time(end),
            fps=None if fps is None else parse_rate(fps),
            scenes=not no_scenes,
            matrix=matrix,
            stream=stream,
            deinterlace=deinterlace,
            overwrite=overwrite,
        )
        wishes = CompareSettings(
            models=tuple(models or COMPARED.models),
            times=tuple(parse_time(each) for each in at or ()),
            pictures=pictures,
            run_up=run_up,
        )
        with console.FrameCounter(quiet=quiet) as counter:
            result = put_side_by_side(
                clip,
                settings,
                wishes,
                page=page,
                reference=reference,
                video=video,
                warn=(lambda _: None) if quiet else console.show_warning,
                on_progress=counter.tell,
            )
        console.show_comparison(result, as_json=json_output, quiet=quiet)


@app.command()
def finetune(
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="DIR", help="Clean videos, folders of images; repeatable."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Instead of NAME_STAGE, here."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "-n", "--model", help="Start from: a name, a path, a run's state, or scratch."
        ),
    ] = TRAINING_DEFAULTS.model,
    lbo: LboOption = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option("--validation", metavar="DIR", help="Validate with these; repeatable."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="quick, for a CPU, or paper, for a GPU.", rich_help_panel=LEARNING)
    ] = "quick",
    stage: Annotated[
        str,
        typer.Option(help="net: L1; gan: with perceptual and GAN loss.", rich_help_panel=LEARNING),
    ] = TRAINING_DEFAULTS.stage,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="In all.", rich_help_panel=LEARNING)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Windows an iteration, per process.", rich_help_panel=LEARNING),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(min=1, help="Side of a window, LR pixels.", rich_help_panel=LEARNING),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Of a window.", rich_help_panel=LEARNING)
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate; 2e-4 for net, 1e-4 for gan.", rich_help_panel=LEARNING),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="constant or cosine.", rich_help_panel=LEARNING)
    ] = TRAINING_DEFAULTS.schedule,
    warmup: Annotated[
        int,
        typer.Option(min=0, help="Iterations of a rising rate.", rich_help_panel=LEARNING),
    ] = TRAINING_DEFAULTS.warmup,
    ema: Annotated[
        float, typer.Option(help="Decay of the averaged weights.", rich_help_panel=LEARNING)
    ] = TRAINING_DEFAULTS.ema,
    clip: Annotated[
        float, typer.Option(help="Largest norm of the gradient.", rich_help_panel=LEARNING)
    ] = TRAINING_DEFAULTS.clip,
    usm: Annotated[
        float,
        typer.Option(min=0, help="Sharpening of net's ground truth.", rich_help_panel=LEARNING),
    ] = TRAINING_DEFAULTS.usm,
    perceptual: Annotated[
        str,
        typer.Option(help="random, gradient, frequency, vgg or none.", rich_help_panel=LEARNING),
    ] = TRAINING_DEFAULTS.perceptual,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            "--loss",
            metavar="NAME=WEIGHT",
            help=f"Weight of a loss: {', '.join(LOSSES)}; repeatable.",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    judged: Annotated[
        int | None,
        typer.Option(min=0, help="Frames the critic sees; 0: all.", rich_help_panel=LEARNING),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD", help="Keep parameters of such a name.", rich_help_panel=LEARNING
        ),
    ] = None,
    features: Annotated[
        int, typer.Option(min=1, help="Of scratch.", rich_help_panel=LEARNING)
    ] = TRAINING_DEFAULTS.num_feat,
    blocks: Annotated[
        str, typer.Option(help="Of scratch, per scale.", rich_help_panel=LEARNING)
    ] = ",".join(map(str, TRAINING_DEFAULTS.num_block)),
    held_out: Annotated[
        float, typer.Option(help="Share that validation takes.", rich_help_panel=LEARNING)
    ] = TRAINING_DEFAULTS.held_out,
    seed: Annotated[
        int, typer.Option(min=0, help="Of everything that is drawn.", rich_help_panel=LEARNING)
    ] = TRAINING_DEFAULTS.seed,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Stop and save after so long.", rich_help_panel=RUNNING),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what is there.", rich_help_panel=RUNNING)
    ] = False,
    validate_every: Annotated[
        int, typer.Option(min=1, help="Iterations in between.", rich_help_panel=RUNNING)
    ] = RUN_DEFAULTS.validate_every,
    save_every: Annotated[
        int, typer.Option(min=1, help="Iterations in between.", rich_help_panel=RUNNING)
    ] = RUN_DEFAULTS.save_every,
    log_every: Annotated[
        int, typer.Option(min=1, help="Iterations in between.", rich_help_panel=RUNNING)
    ] = RUN_DEFAULTS.log_every,
    workers: Annotated[
        int, typer.Option(min=0, help="Threads for data; 0: by cores.", rich_help_panel=RUNNING)
    ] = RUN_DEFAULTS.workers,
    memory: Annotated[
        float,
        typer.Option(
            min=0, help="GB for pictures; 0: half of what is free.", rich_help_panel=RUNNING
        ),
    ] = RUN_DEFAULTS.memory_gb,
    device: Annotated[
        str,
        typer.Option(
            "-g", "--device", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=RUNNING
        ),
    ] = RUN_DEFAULTS.device,
    precision: Annotated[
        str, typer.Option(help="auto, bf16 or fp32.", rich_help_panel=RUNNING)
    ] = TRAINING_DEFAULTS.precision,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Train the network further with clean videos; stopped, the same command goes on.

    Writes a folder: model.safetensors for -n, report.html, and the state to go on from.

    [bold]Examples[/bold]

    animesr finetune --data episodes -n base --lbo dvd.safetensors

    animesr finetune --data episodes --preset paper --stage gan -n net/model.safetensors -o run
    """
    with errors_shown(debug=debug), stoppable_between_steps() as listen:
        set_up_logging(verbose=verbose, debug=debug)
        settings = finetune_settings(
            preset,
            stage,
            model=model,
            num_feat=features,
            num_block=blocks,
            iterations=iterations,
            batch=batch,
            patch=patch,
            frames=frames,
            lr=lr,
            schedule=schedule,
            warmup=warmup,
            ema=ema,
            clip=clip,
            usm=usm,
            perceptual=perceptual,
            losses=loss or (),
            judged=judged,
            freeze=tuple(freeze or ()),
            precision=precision,
            seed=seed,
            held_out=held_out,
        )
        run = FinetuneRun(
            minutes=minutes,
            validate_every=validate_every,
            save_every=save_every,
            log_every=log_every,
            workers=workers,
            memory_gb=memory,
            device=device,
            restart=restart,
        )
        with undisturbed():
            from animesr_cli.training.finetune import finetune as train

        with console.TrainingCounter(quiet=quiet) as counter:
            result = train(
                data,
                output or Path(f"{data[0].resolve().stem}_{stage}"),
                settings=settings,
                run=run,
                lbo=lbo or [],
                validation=validation or [],
                warn=(lambda _: None) if quiet else console.show_warning,
                listen=listen,
                on_progress=counter.show_iteration,
                on_note=counter.note,
            )
        console.show_finetuned(result, as_json=json_output, quiet=quiet)


@app.command("learn-lbo")
def learn_lbo(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A low-quality video.")],
    factor: Annotated[
        float | None,
        typer.Option(
            "-f", "--factor", metavar="F", help="Above 0, at most 1. Left out: compare and ask."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="CLIP_lbo.safetensors if left out."),
    ] = None,
    model: Annotated[
        str,
        typer.Option("-n", "--model", metavar="NAME", help="What makes the HR: a name or a path."),
    ] = LBO_PRESETS["quick"].model,
    auto: Annotated[bool, typer.Option("--auto", help="Take the best-ranked factor.")] = False,
    sweep_only: Annotated[
        bool, typer.Option("--sweep-only", help="Write the sheet of factors and stop.")
    ] = False,
    preset: Annotated[
        TrainingPreset,
        typer.Option(help="quick: minutes on a CPU; paper: the paper's figures."),
    ] = "quick",
    stage: Annotated[
        Stage, typer.Option(help="net: L1 and L2; gan: after it L1, perceptual and adversarial.")
    ] = LBO_PRESETS["quick"].stage,
    perceptual: Annotated[
        Perceptual, typer.Option(help="Perceptual loss of stage gan.")
    ] = LBO_PRESETS["quick"].perceptual,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Of each stage, instead of the preset's.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Stop and save after so long; the same command goes on."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    device: Annotated[
        str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = DEFAULTS.device,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where a stopped run could go on.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace what is there.")
    ] = DEFAULTS.overwrite,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Learn the degradation of a video: an operator (LBO) for degrade and finetune.

    Without --factor, ten rescaling factors are compared on a sheet first, ranked, and asked for.

    [bold]Examples[/bold]

    animesr learn-lbo dvd.mkv

    animesr learn-lbo dvd.mkv --sweep-only

    animesr learn-lbo dvd.mkv --factor 0.5 -o dvd.safetensors --preset paper --device cuda
    """
    settings = replace(
        LBO_PRESETS[preset], model=model, stage=stage, perceptual=perceptual, seed=seed
    )
    if iterations is not None:
        settings = replace(settings, net_iterations=iterations, gan_iterations=iterations)
    with (
        errors_shown(debug=debug, json_events=json_output),
        LearnDisplay(json_events=json_output, quiet=quiet) as display,
    ):
        set_up_logging(verbose=verbose, debug=debug)
        choice: dict[str, Any] = {"by": "asked for"}
        if factor is not None and (auto or sweep_only):
            raise UsageError(
                f"--factor and {'--auto' if auto else '--sweep-only'} cannot go together",
                "leave one of them out",
            )
        if factor is None and not (auto or sweep_only or can_ask()):
            raise UsageError(
                "there is no terminal to ask for the factor on",
                "name it with --factor, or use --auto or --sweep-only",
            )
        with undisturbed():
            from animesr_cli.lbo import factor_sheet as contact_sheet
            from animesr_cli.lbo import learn as room

        output = output or room.default_output(clip)
        if factor is None:
            said = ["-n", model, "--preset", preset, "--stage", stage, "--perceptual", perceptual]
            said += ["--seed", str(seed), "-g", device]
            said += ["--iterations", str(iterations)] if iterations else []
            with stoppable() as listen:
                replacing = overwrite or room.can_go_on(output, restart=restart)
                if not sweep_only:
                    room.check_outputs(clip, output, overwrite=replacing)
                sweep, *sheet = contact_sheet.compare_factors(
                    clip,
                    output,
                    lambda each: shlex.join(
                        ["animesr", "learn-lbo", str(clip), "-f", each, *said, "-o", str(output)]
                    ),
                    model=model,
                    device=device,
                    overwrite=replacing,
                    warn=display.on_warning,
                    listen=listen,
                    on_trial=display.on_trial,
                )
                display.on_sweep(sweep, *sheet, last=sweep_only)
                if sweep_only:
                    return
                factor = sweep.best if auto else ask_factor(sweep.best)
                if factor is None:
                    return display.on_note("nothing was learned")
                choice = {
                    "by": "the best ranked" if auto else "chosen by a person",
                    "ranking": [asdict(each) for each in sweep.ranking],
                }
        with stoppable_between_steps() as listen:
            result = room.learn_lbo(
                clip,
                output,
                factor=factor,
                settings=settings,
                choice=choice,
                device=device,
                minutes=minutes,
                overwrite=overwrite,
                restart=restart,
                warn=display.on_warning,
                listen=listen,
                on_progress=display.on_progress,
                on_note=display.on_note,
            )
            display.on_result(result)
