"""``animesr preview``: the busiest seconds of a clip, upscaled and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.compare import COMPUTED, show_comparison
from animesr_cli.cli.console import FrameCounter, show_warning
from animesr_cli.cli.options import (
    DebugOption,
    JsonOption,
    QuietOption,
    VerboseOption,
    only,
    verb,
)
from animesr_cli.settings.upscale import UpscaleSettings

WISHES = only("model", "strength", *(name for name in COMPUTED.fields if name != "fps"))


@verb
def preview(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video.")],
    *,
    page: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="HTML", help="The page; CLIP_preview.html if left out."
        ),
    ] = None,
    seconds: Annotated[
        int, typer.Option(min=1, max=60, help="How long the part is that is upscaled.")
    ] = 3,
    beside: Annotated[
        str, typer.Option(metavar="NAME", help="What is shown on the other side.")
    ] = "bicubic",
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Write the page and open no browser.")
    ] = False,
    settings: Annotated[UpscaleSettings, WISHES],
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Upscale the three busiest seconds of a video and open them beside a plain enlargement.

    [bold]Examples[/bold]

    animesr preview episode.mkv

    animesr preview episode.mkv -n v2 --start 5:00 --end 8:00 --no-open -o look.html
    """
    with stoppable():
        with undisturbed():
            from animesr_cli.compare.preview import preview as show

        with FrameCounter(quiet=quiet) as counter:
            result = show(
                clip,
                settings,
                page=page,
                seconds=seconds,
                beside=beside,
                open_page=not no_open,
                warn=(lambda _: None) if quiet else show_warning,
                on_progress=counter.tell,
            )
        show_comparison(result, as_json=json_output, quiet=quiet)
