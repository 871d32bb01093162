"""What ``upscale --dry-run`` shows: a line for each input, and what all of them take together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from animesr_cli.cli.console import emit, error_event, out, show_table
from animesr_cli.cli.upscale_display import plan_event
from animesr_cli.text import format_bytes, shown, visible
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.batch.forecast import Forecast

COLUMNS = ("input", "output", "size", "frames", "time", "disk")


def show_forecast(forecasts: Sequence[Forecast], *, json_events: bool) -> None:
    """A table on standard output, or JSON: ``plan``, ``skipped`` and ``error``, then ``total``."""
    planned = [each for each in forecasts if each.plan is not None]
    seconds = sum(each.seconds or 0 for each in planned)
    size = sum(each.bytes or 0 for each in planned)
    free = min((each.plan.free_bytes or 0 for each in planned if each.plan), default=None)
    if json_events:
        for each in forecasts:
            _emit(each)
        totals = {"estimated_seconds": seconds, "estimated_bytes": size, "free_bytes": free}
        return emit("total", {"files": len(planned), **totals})
    show_table(COLUMNS, [_row(each) for each in forecasts])
    room = "" if free is None else f", {format_bytes(free)} free"
    count = f"{len(planned)} to do" if len(forecasts) != 1 else "in all"
    # Of a stream whose length is not told nothing can be known beforehand.
    unknown = sum(each.seconds is None for each in planned)
    if unknown == len(planned) > 0:
        known = "time and size unknown"
    else:
        known = f"about {format_time(seconds)}, about {format_bytes(size)}"
        known += f" without the {unknown} of unknown length" if unknown else ""
    out.print(f"{count}: {known}{room}")
    return None


def _emit(one: Forecast) -> None:
    file = {"file": str(one.source)}
    if one.error is not None:
        emit("error", file | error_event(one.error))
    elif one.plan is not None:
        emit("plan", file | plan_event(one.plan) | {"estimated_bytes": one.bytes})
    else:
        emit("skipped", file | {"output": str(one.output)})


def _row(one: Forecast) -> tuple[str, ...]:
    names = shown(one.source), shown(one.output)
    if one.error is not None:
        return (*names, visible(one.error.message), "", "", "")
    if one.plan is None:
        return (*names, "finished before", "", "", "")
    source, form = one.plan.source, one.plan.format
    return (
        *names,
        f"{source.width}x{source.height} -> {form.width}x{form.height}",
        str(one.plan.frames or "?"),
        "?" if one.seconds is None else format_time(one.seconds),
        "?" if one.bytes is None else format_bytes(one.bytes),
    )
