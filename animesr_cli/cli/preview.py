"""``animesr preview``: the busiest seconds of a clip, upscaled and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.compare import COMPUTED, show_comparison
from animesr_cli.cli.console import Display
from animesr_cli.cli.options import verb
from animesr_cli.settings import PreviewSettings, UpscaleSettings
from animesr_cli.settings.command import Reporting

WISHES = ("model", "strength", *(name for name in COMPUTED if name != "fps"))


@verb
def preview(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video.")],
    *,
    look: PreviewSettings,
    settings: Annotated[UpscaleSettings, WISHES],
    reporting: Reporting,
) -> None:
    """Upscale the three busiest seconds of a video and open them beside a plain enlargement.

    [bold]Examples[/bold]

    animesr preview episode.mkv

    animesr preview episode.mkv -n v2 --start 5:00 --end 8:00 --no-open
    """

    with stoppable():
        with undisturbed():
            from animesr_cli.compare.preview import preview as show

        with Display(reporting) as display:
            result = show(
                clip, settings, **vars(look), warn=display.warn, on_progress=display.progress
            )
        show_comparison(result, reporting)
