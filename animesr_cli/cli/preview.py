"""``animesr preview``: the busiest seconds of a clip, upscaled and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import undisturbed
from animesr_cli.cli.compare import COMPUTED, show_comparison
from animesr_cli.cli.console import FrameCounter
from animesr_cli.cli.options import (
    DebugOption,
    JsonOption,
    QuietOption,
    VerboseOption,
    only,
    verb,
)
from animesr_cli.settings import PreviewSettings, UpscaleSettings

if TYPE_CHECKING:
    from animesr_cli.compare.run import CompareResult

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
    look: PreviewSettings,
    settings: Annotated[UpscaleSettings, WISHES],
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    debug: DebugOption = False,
) -> None:
    """Upscale the three busiest seconds of a video and open them beside a plain enlargement.

    [bold]Examples[/bold]

    animesr preview episode.mkv

    animesr preview episode.mkv -n v2 --start 5:00 --end 8:00 --no-open
    """

    def make(counter: FrameCounter) -> CompareResult:
        with undisturbed():
            from animesr_cli.compare.preview import preview as show

        return show(
            clip,
            settings,
            page=page,
            **vars(look),
            warn=counter.warn,
            on_progress=counter.tell,
        )

    show_comparison(make, as_json=json_output, quiet=quiet)
