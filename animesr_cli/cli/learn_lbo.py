"""``animesr learn-lbo``: the degradation of the user's own clip, as an operator."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from animesr_cli.cli.app import stoppable, stoppable_between_steps, undisturbed
from animesr_cli.cli.learn_display import LearnDisplay, ask_factor, can_ask
from animesr_cli.cli.options import (
    DebugOption,
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    VerboseOption,
    typed,
    verb,
)
from animesr_cli.errors import UsageError
from animesr_cli.settings import LBO_PRESETS, LboPreset, LboSettings
from animesr_cli.settings.option import declared
from animesr_cli.settings.upscale import MINUTES


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How the factor is come by."""

    factor: float | None
    auto: bool
    sweep_only: bool

    def check(self) -> None:
        if self.factor is not None and (self.auto or self.sweep_only):
            raise UsageError(
                f"--factor and {'--auto' if self.auto else '--sweep-only'} cannot go together",
                "leave one of them out",
            )
        if self.factor is None and not (self.auto or self.sweep_only or can_ask()):
            raise UsageError(
                "there is no terminal to ask for the factor on",
                "name it with --factor, or use --auto or --sweep-only",
            )


@verb
def learn_lbo(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A low-quality video.")],
    *,
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
    auto: Annotated[bool, typer.Option("--auto", help="Take the best-ranked factor.")] = False,
    sweep_only: Annotated[
        bool, typer.Option("--sweep-only", help="Write the sheet of factors and stop.")
    ] = False,
    preset: Annotated[
        LboPreset,
        typer.Option(help="quick: minutes on a CPU; paper: the paper's figures."),
    ] = "quick",
    given: Annotated[dict[str, Any], LboSettings],
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Of each stage, instead of the preset's.")
    ] = None,
    minutes: Annotated[float | None, typed(MINUTES, "minutes")] = None,
    device: DeviceOption = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where a stopped run could go on.")
    ] = False,
    overwrite: OverwriteOption = False,
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

    animesr learn-lbo dvd.mkv --factor 0.5 -o dvd.safetensors --preset paper --device cuda
    """
    settings = replace(LBO_PRESETS[preset], **given)
    if iterations is not None:
        settings = replace(settings, net_iterations=iterations, gan_iterations=iterations)
    with LearnDisplay(json_events=json_events, quiet=quiet) as display:
        way = _Way(factor=factor, auto=auto, sweep_only=sweep_only)
        way.check()
        with undisturbed():
            from animesr_cli.lbo import learn as room

        output = output or room.default_output(clip)
        choice: dict[str, Any] = {"by": "asked for"}
        if factor is None:
            said = _as_said(settings, preset=preset, device=device, iterations=iterations)
            replacing = overwrite or room.can_go_on(output, restart=restart)
            found = _compare_factors(
                clip, output, way, settings.model, device, said, replacing, display
            )
            if found is None:
                return
            factor, choice = found
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


def _as_said(
    settings: LboSettings, *, preset: str, device: str, iterations: int | None
) -> list[str]:
    """The options of this run as one would write them again."""
    said = ["--preset", preset, "-g", device]
    for name, each in declared(LboSettings).items():
        said += [each.option.short or f"--{each.name}", str(getattr(settings, name))]
    return said + (["--iterations", str(iterations)] if iterations else [])


def _compare_factors(
    clip: Path,
    output: Path,
    way: _Way,
    model: str,
    device: str,
    said: Sequence[str],
    replacing: bool,
    display: LearnDisplay,
) -> tuple[float, dict[str, Any]] | None:
    """The factor that was chosen, and how; None: none, or none was to be."""
    with undisturbed():
        from animesr_cli.lbo import factor_sheet
        from animesr_cli.lbo import learn as room

    def command(factor: str) -> str:
        return shlex.join(
            ["animesr", "learn-lbo", str(clip), "-f", factor, *said, "-o", str(output)]
        )

    with stoppable() as listen:
        if not way.sweep_only:
            room.check_outputs(clip, output, overwrite=replacing)
        sweep, *sheet = factor_sheet.compare_factors(
            clip,
            output,
            command,
            model=model,
            device=device,
            overwrite=replacing,
            warn=display.on_warning,
            listen=listen,
            on_trial=display.on_trial,
        )
        display.on_sweep(sweep, *sheet, last=way.sweep_only)
        if way.sweep_only:
            return None
        factor = sweep.best if way.auto else ask_factor(sweep.best)
        if factor is None:
            display.on_note("nothing was learned")
            return None
        by = "the best ranked" if way.auto else "chosen by a person"
        return factor, {"by": by, "ranking": [asdict(each) for each in sweep.ranking]}
