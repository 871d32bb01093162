"""What is seen of a batch, one run after another, and of ``--dry-run``, which only looks ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from animesr_cli.cli.console import (
    Display,
    emit,
    err,
    error_event,
    out,
    show_error,
    show_note,
    show_table,
)
from animesr_cli.cli.upscale_display import RunDisplay, plan_event
from animesr_cli.errors import AnimesrError
from animesr_cli.settings.command import Reporting
from animesr_cli.text import counted, format_bytes, shown, visible
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.batch.find import BatchInputs, Item
    from animesr_cli.batch.forecast import Forecast
    from animesr_cli.batch.outcome import BatchResult, Outcome


class BatchDisplay(Display):
    """A batch: one run after another, and in the end what became of each file."""

    def __init__(self, reporting: Reporting) -> None:
        super().__init__(reporting)
        self._run: RunDisplay | None = None
        self._items: tuple[Item, ...] = ()

    def __exit__(self, *exc: object) -> None:
        if self._run is not None:
            self._run.__exit__()
        self._run = None

    def on_batch(self, batch: BatchInputs) -> None:
        self._items = batch.items
        folder = None if batch.folder is None else str(batch.folder)
        output = None if batch.output is None else str(batch.output)
        passed_over = {"others": batch.others, "earlier": batch.earlier}
        places = {"folder": folder, "output": output}
        self.emit("batch", {**places, "files": len(batch.items), **passed_over})
        if self._reporting.quiet:
            return
        count = counted(len(batch.items), "video")
        where = "" if batch.folder is None else f" in {shown(batch.folder)}"
        if batch.output is None:
            place = "beside them"
        else:
            place = shown(batch.output) + ("" if batch.output.is_dir() else " (new)")
        err.print(Text(f"{count}{where} -> {place}"))
        if batch.others:
            show_note(f"passed over: {counted(batch.others, 'file')} without a video's suffix")
        if batch.earlier:
            show_note(f"passed over: {counted(batch.earlier, 'file')} with the name of an output")

    def begin(self, item: Item) -> RunDisplay:
        if not self._reporting.quiet:
            number = self._items.index(item) + 1
            err.print(Text(f"[{number}/{len(self._items)}] {shown(item.name)}", style="bold"))
        self._run = RunDisplay(self._reporting, item.source)
        return self._run

    def on_outcome(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        if run is not None and outcome.result is not None:
            run.on_result(outcome.result)
        elif run is not None:
            run.__exit__()
        if outcome.error is not None:
            self._show_failure(outcome.item, outcome.error)
        elif outcome.result is None:
            item = outcome.item
            self.emit("skipped", {"file": str(item.source), "output": str(item.output)})

    def _show_failure(self, item: Item, error: AnimesrError) -> None:
        if self._reporting.debug:
            from rich.traceback import Traceback  # brings a highlighter, which no help needs

            err.print(Traceback.from_exception(type(error), error, error.__traceback__))
        self.emit("error", {"file": str(item.source)} | error_event(error))
        # Else its name stands in the line above.
        name = f"{shown(item.name)}: " if self._reporting.quiet else ""
        show_error(AnimesrError(name + error.message, error.hint))

    def on_result(self, result: BatchResult, exit_code: int) -> None:
        """Each file that was worked on or left, and how many were finished before."""
        counts = {state.name.lower(): count for state, count in result.counts.items()}
        self.emit("summary", counts | {"seconds": result.seconds, "exit_code": exit_code})
        if self._reporting.quiet:
            return
        rows = [
            (outcome.state.value, shown(outcome.item.name), _describe_outcome(outcome))
            for outcome in result.outcomes
            if outcome.result or outcome.error or outcome.state.name == "LEFT"
        ]
        if rows:
            show_table(("result", "file", ""), rows, on=err)
        states = [f"{count} {state.value}" for state, count in result.counts.items() if count]
        err.print(Text(", ".join([*states, format_time(result.seconds)])))


def _describe_outcome(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error.message
    if outcome.result is None:
        return ""
    result = outcome.result
    count = len(result.warnings)
    warnings = f", {counted(count, 'warning')}" if count else ""
    return f"{counted(result.frames, 'frame')}, {format_time(result.seconds)}{warnings}"


# ---- --dry-run -----------------------------------------------------------------------------------

FORECAST_COLUMNS = ("input", "output", "size", "frames", "time", "disk")


def show_forecast(forecasts: Sequence[Forecast], *, json_events: bool) -> None:
    """A table on standard output, or JSON: ``plan``, ``skipped`` and ``error``, then ``total``."""
    planned = [each for each in forecasts if each.plan is not None]
    seconds = sum(each.seconds or 0 for each in planned)
    size = sum(each.bytes or 0 for each in planned)
    free = min((each.plan.free_bytes or 0 for each in planned if each.plan), default=None)
    if json_events:
        for each in forecasts:
            _emit_forecast(each)
        totals = {"estimated_seconds": seconds, "estimated_bytes": size, "free_bytes": free}
        return emit("total", {"files": len(planned), **totals})
    show_table(FORECAST_COLUMNS, [_forecast_row(each) for each in forecasts])
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


def _emit_forecast(one: Forecast) -> None:
    file = {"file": str(one.source)}
    if one.error is not None:
        emit("error", file | error_event(one.error))
    elif one.plan is not None:
        emit("plan", file | plan_event(one.plan) | {"estimated_bytes": one.bytes})
    else:
        emit("skipped", file | {"output": str(one.output)})


def _forecast_row(one: Forecast) -> tuple[str, ...]:
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
