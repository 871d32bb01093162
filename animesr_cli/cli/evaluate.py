"""``animesr evaluate``: how near a video is to its original."""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from animesr_cli.cli.app import stoppable, undisturbed
from animesr_cli.cli.console import err, out, show_json, show_table, show_warning
from animesr_cli.cli.options import verb
from animesr_cli.metrics.measures import MEASURES, Measure
from animesr_cli.settings import EvaluateSettings
from animesr_cli.settings.command import Reporting
from animesr_cli.text import counted, visible

if TYPE_CHECKING:
    from animesr_cli.metrics.evaluate import Evaluation


PER_FRAME_WIDTH: Final = 110
"""Columns that all measures of a frame take beside each other; a narrower terminal shows two
tables, for words broken in the middle cannot be read."""


@verb
def evaluate(
    sr: Annotated[
        Path, typer.Argument(metavar="SR", help="The video to judge, or a folder of images.")
    ],
    hr: Annotated[Path, typer.Argument(metavar="HR", help="What it should be.")],
    *,
    settings: EvaluateSettings,
    reporting: Annotated[Reporting, ("json", "debug")],
) -> None:
    """Measure how near a video is to its original of the same size, in luma.

    [bold]Examples[/bold]

    animesr evaluate upscaled.mkv original.mkv

    animesr evaluate upscaled.mkv original.mkv --crop 4 --json
    """
    with stoppable():
        with undisturbed():
            from animesr_cli.metrics.evaluate import evaluate as measure

        with err.status("reading") as status:  # nothing where stderr is no terminal
            result = measure(
                sr,
                hr,
                crop=settings.crop,
                frames=settings.frames,
                on_frame=lambda each: status.update(f"frame {each.index + 1}"),
                warn=show_warning,
            )
        show_evaluation(result, as_json=reporting.json, per_frame=settings.per_frame)


def show_evaluation(evaluation: Evaluation, *, as_json: bool, per_frame: bool) -> None:
    """The scores of a clip, with the frames that are at the ends; or of each frame as well."""
    pairs = [(each, asdict(each.scores)) for each in evaluation.frames]
    if as_json:
        frames = [{"index": each.index, "seconds": each.seconds} | row for each, row in pairs]
        return show_json(asdict(evaluation) | {"frames": frames})
    if per_frame:
        names = list(MEASURES)
        is_narrow = out.is_terminal and out.width < PER_FRAME_WIDTH
        for part in (names[:5], names[5:]) if is_narrow else (names,):
            rows = [
                (
                    str(each.index),
                    f"{each.seconds:.3f}",
                    *(MEASURES[name].text(row[name]) for name in part),
                )
                for each, row in pairs
            ]
            show_table(("frame", "seconds", *(MEASURES[name].heading for name in part)), rows)
            out.print()
    border = f" without a border of {evaluation.crop}" if evaluation.crop else ""
    return show_table(
        ("", "clip", "lowest", "frame", "highest", "frame", "best"),
        [_score_row(evaluation, measure) for measure in MEASURES.values()],
        title=f"{visible(evaluation.sr.name)} beside {visible(evaluation.hr.name)}: "
        f"{counted(len(pairs), 'frame')}, {evaluation.width}x{evaluation.height}{border}",
    )


def _score_row(evaluation: Evaluation, measure: Measure) -> tuple[str, ...]:
    values = [
        (value, str(each.index))
        for each in evaluation.frames
        if (value := getattr(each.scores, measure.name)) is not None
    ]
    clip = measure.text(getattr(evaluation.clip, measure.name))
    if not values:
        return (measure.heading, clip, "", "", "", "", measure.best)
    # min and max give the first of equals.
    lowest, highest = min(values, key=itemgetter(0)), max(values, key=itemgetter(0))
    ends = [cell for value, index in (lowest, highest) for cell in (measure.text(value), index)]
    return (measure.heading, clip, *ends, measure.best)
