"""What a person (or a program) sees of a run: plan line, progress, warnings, errors, tables.

Everything for people goes to stderr; stdout is for results and, with ``--json``, for one JSON
object a line. Knows no torch: the plan and the progress arrive as objects that are only read.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text
from rich.traceback import Traceback

from animesr_cli.errors import AnimesrError
from animesr_cli.metrics.measures import MEASURES, Measure
from animesr_cli.text import shown, visible
from animesr_cli.video.timestamps import format_speed, format_time

if TYPE_CHECKING:
    from animesr_cli.batch import Batch, BatchResult, Item, Outcome
    from animesr_cli.bench_segments import SegmentFigures
    from animesr_cli.cli.doctor import Finding
    from animesr_cli.compare.report import Entry
    from animesr_cli.compare.run import CompareResult
    from animesr_cli.degradation.operators import DegradationPlan
    from animesr_cli.degradation.video import DegradeResult
    from animesr_cli.metrics.evaluate import Evaluation
    from animesr_cli.model.checkpoint import Status
    from animesr_cli.reading.probe import StreamInfo, VideoInfo
    from animesr_cli.training.finetune import FinetuneResult
    from animesr_cli.training.run import Progress as TrainingProgress
    from animesr_cli.upscaling.bench import Figures
    from animesr_cli.upscaling.pipeline import Progress as RunProgress
    from animesr_cli.upscaling.pipeline import SegmentEvent, UpscaleResult
    from animesr_cli.upscaling.plan import Plan

log = logging.getLogger(__name__)

LINE_SECONDS: Final = 5.0
"""How often a line is written where stderr is no terminal."""
PIPED_WIDTH: Final = 1000
"""Columns of a table that a program reads: nothing is wrapped."""
RATE_SECONDS: Final = 30.0
"""The speed shown is that of this last stretch, so that it follows shots of different cost."""


class Output(Console):
    """Rich ends the process with code 1 where nobody reads any more; here the caller decides."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise  # the BrokenPipeError that rich is handling


err: Final = Output(stderr=True, highlight=False, soft_wrap=True)
out: Final = Output(highlight=False, soft_wrap=True)


class LogLines(logging.Handler):
    """The library's log on stderr, above the bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            err.print(Text(visible(line)))


def show_error(error: AnimesrError) -> None:
    """One line that says what and why, and one that says what to try."""
    err.print(Text.assemble(("error: ", "bold red"), visible(error.message)))
    if error.hint:
        err.print(Text.assemble(("hint: ", "cyan"), visible(error.hint)))


def show_cursor() -> None:
    """Undo what the bar did to the terminal, in a hurry: other threads may hold rich's locks."""
    if err.is_terminal:
        os.write(sys.stderr.fileno(), b"\x1b[?25h")


def _show_note(message: str) -> None:
    err.print(Text.assemble(("note: ", "cyan"), visible(message)))


def show_warning(message: str) -> None:
    err.print(Text.assemble(("warning: ", "yellow"), visible(message)))


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", on: Console = out
) -> None:
    table = Table(title=title or None, box=None, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # a path that is cut short is of no use
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    if not on.is_terminal:
        on.width = PIPED_WIDTH
    on.print(table)


def emit(event: str, values: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def format_bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


class Speed:
    """Frames per second over the last stretch, and what remains at that speed."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int, float]] = deque()

    def add(self, seconds: float, frames: int, media_seconds: float) -> None:
        self._points.append((seconds, frames, media_seconds))
        while len(self._points) > 2 and seconds - self._points[0][0] > RATE_SECONDS:
            self._points.popleft()

    @property
    def _stretch(self) -> tuple[float, int, float]:
        # From zero while the run is young, so that the first line already has a figure.
        first = self._points[0] if self._points[0][0] > RATE_SECONDS else (0.0, 0, 0.0)
        last = self._points[-1]
        return max(last[0] - first[0], 1e-9), last[1] - first[1], last[2] - first[2]

    @property
    def frames_per_second(self) -> float:
        seconds, frames, _ = self._stretch
        return frames / seconds

    @property
    def realtime(self) -> float:
        """Media seconds done in one second."""
        seconds, _, media = self._stretch
        return media / seconds


def progress_line(progress: RunProgress, speed: Speed) -> str:
    """``frame 1200/34095 3% · 41.2 fps (1.7x) · 00:00:29<00:13:18 · 84 MB ~6.1 Mb/s``."""
    total = progress.total_frames
    fps = speed.frames_per_second
    done = f"frame {progress.frames}"
    left = "--:--:--"
    if total:
        done += f"/{total} {min(100 * progress.frames // total, 100)}%"
        left = format_time(max(total - progress.frames, 0) / fps) if fps else left
    megabits = progress.bytes_written * 8 / 1e6 / max(progress.media_seconds, 1e-9)
    return (
        f"{done} · {fps:.{1 if fps >= 1 else 2}f} fps ({speed.realtime:.2g}x)"
        f" · {format_time(progress.elapsed_seconds)}<{left}"
        f" · {format_bytes(progress.bytes_written)} ~{megabits:.1f} Mb/s"
    )


def plan_line(plan: Plan) -> str:
    """Sizes, rate, model, device, precision, tile, time and disk, in one line."""
    source = plan.source
    rate = f" {float(source.frame_rate):.6g} fps" if source.frame_rate else ""
    tile = f"tiles of {plan.tile} px" if plan.tiled else "whole frames"
    parts = [
        f"{source.width}x{source.height} -> {plan.width}x{plan.height}{rate}",
        f"{plan.frames if plan.frames else 'unknown number of'} frames",
        f"model {plan.checkpoint.name}",
        f"{plan.compute.device} {plan.compute.precision} ({plan.compute.reason}), {tile}",
        f"{plan.encoding.codec} {plan.encoding.pix_fmt}",
        source.colour_note,
    ]
    if plan.estimated_seconds is not None:
        parts.append(f"about {format_time(plan.estimated_seconds)}")
    if plan.free_bytes is not None:
        parts.append(f"{format_bytes(plan.free_bytes)} free disk")
    return " · ".join(parts)


class RunDisplay:
    """Plan, progress, warnings and result of one run: a bar, lines, JSON events, or nothing."""

    def __init__(
        self, *, json_events: bool = False, quiet: bool = False, file: Path | None = None
    ) -> None:
        self._json = json_events
        self._quiet = quiet
        self._file = {} if file is None else {"file": str(file)}
        """Of a batch, in every event."""
        self._speed = Speed()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._line_due = 0.0  # the first frame is told at once: it runs

    def __enter__(self) -> RunDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def on_plan(self, plan: Plan) -> None:
        if self._json:
            emit("plan", self._file | plan_event(plan))
        if self._quiet:
            return
        err.print(Text(visible(plan_line(plan))))
        for note in plan.notes:
            _show_note(note)
        if err.is_terminal:
            self._bar = Progress(
                BarColumn(bar_width=24),
                TextColumn(
                    "{task.description}",
                    markup=False,
                    table_column=Column(no_wrap=True, overflow="ellipsis"),
                ),
                console=err,
            )
            self._task = self._bar.add_task("frame 0", total=plan.frames)
            self._bar.start()

    def on_segment(self, event: SegmentEvent) -> None:
        if self._json:
            emit("segment", self._file | asdict(event))
        log.info("%s: segment at frame %d %s", event.worker, event.first_frame, event.state)

    def on_progress(self, progress: RunProgress) -> None:
        new = progress.frames - progress.frames_before
        media = progress.media_seconds * new / max(progress.frames, 1)
        self._speed.add(progress.elapsed_seconds, new, media)
        line = progress_line(progress, self._speed)
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.frames, description=line)
        if time.monotonic() < self._line_due:
            return
        self._line_due = time.monotonic() + LINE_SECONDS
        if self._json:
            fps = {"fps": self._speed.frames_per_second}
            emit("progress", self._file | asdict(progress) | fps)
        if self._bar is None and not self._quiet:
            err.print(Text(line))

    def on_warning(self, message: str) -> None:
        if self._json:
            emit("warning", self._file | {"message": message})
        if not self._quiet:
            show_warning(message)

    def on_result(self, result: UpscaleResult) -> None:
        self.__exit__()
        if self._json:
            emit("done", self._file | asdict(result) | {"output": str(result.output)})
        if not self._quiet:
            fps = (result.frames - result.frames_before) / max(result.seconds, 1e-9)
            piped = result.output.name == "-"
            name = "standard output" if piped else visible(str(result.output))
            done = "written" if piped else "verified"
            err.print(
                Text(
                    f"{name}: {result.frames} frames {done}, "
                    f"{format_time(result.seconds)}, {fps:.2f} fps, {result.cuts} scene cuts"
                )
            )


class BatchDisplay:
    """A batch: one run after another, and in the end what became of each file."""

    def __init__(
        self, *, json_events: bool = False, quiet: bool = False, debug: bool = False
    ) -> None:
        self._json = json_events
        self._quiet = quiet
        self._debug = debug
        self._run: RunDisplay | None = None
        self._items: tuple[Item, ...] = ()

    def __enter__(self) -> BatchDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._run is not None:
            self._run.__exit__()
        self._run = None

    def on_batch(self, batch: Batch) -> None:
        self._items = batch.items
        places = {"folder": str(batch.folder), "output": str(batch.output)}
        passed_over = {"others": batch.others, "earlier": batch.earlier}
        if self._json:
            emit("batch", {**places, "files": len(batch.items), **passed_over})
        if self._quiet:
            return
        new = "" if batch.output.is_dir() else " (new)"
        count = f"{len(batch.items)} video{'' if len(batch.items) == 1 else 's'}"
        err.print(Text(f"{count} in {shown(batch.folder)} -> {shown(batch.output)}{new}"))
        if batch.others:
            _show_note(f"passed over, as no videos by their suffix: {batch.others}")
        if batch.earlier:
            _show_note(f"passed over, as outputs by their names: {batch.earlier}")

    def begin(self, item: Item) -> RunDisplay:
        if not self._quiet:
            number = self._items.index(item) + 1
            err.print(Text(f"[{number}/{len(self._items)}] {shown(item.name)}", style="bold"))
        self._run = RunDisplay(json_events=self._json, quiet=self._quiet, file=item.source)
        return self._run

    def on_outcome(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        if run is not None and outcome.result is not None:
            run.on_result(outcome.result)
        elif run is not None:
            run.__exit__()
        if outcome.error is not None:
            self._show_failure(outcome.item, outcome.error)
        elif outcome.result is None and self._json:
            item = outcome.item
            emit("skipped", {"file": str(item.source), "output": str(item.output)})

    def _show_failure(self, item: Item, error: AnimesrError) -> None:
        if self._debug:
            err.print(Traceback.from_exception(type(error), error, error.__traceback__))
        if self._json:
            emit("error", {"file": str(item.source)} | error_event(error))
        name = f"{shown(item.name)}: " if self._quiet else ""  # else it stands in the line above
        show_error(AnimesrError(name + error.message, error.hint))

    def on_warning(self, message: str) -> None:
        RunDisplay(json_events=self._json, quiet=self._quiet).on_warning(message)

    def on_result(self, result: BatchResult, exit_code: int) -> None:
        """Each file that was worked on or left, and how many were finished before."""
        if self._json:
            counts = {state.name.lower(): count for state, count in result.counts.items()}
            emit("summary", counts | {"seconds": result.seconds, "exit_code": exit_code})
        if self._quiet:
            return
        rows = [
            (outcome.state.value, shown(outcome.item.name), _describe_outcome(outcome))
            for outcome in result.outcomes
            if outcome.result or outcome.error or outcome.state.name == "LEFT"
        ]
        if rows:
            show_table(("result", "file", ""), rows, on=err)
        counted = [f"{count} {state.value}" for state, count in result.counts.items() if count]
        err.print(Text(", ".join([*counted, format_time(result.seconds)])))


def _describe_outcome(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error.message
    if outcome.result is None:
        return ""
    result = outcome.result
    warnings = f", {len(result.warnings)} warnings" if result.warnings else ""
    return f"{result.frames} frames, {format_time(result.seconds)}{warnings}"


def error_event(error: AnimesrError) -> dict[str, Any]:
    """An error as plain values."""
    return {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}


def plan_event(plan: Plan) -> dict[str, Any]:
    """The plan as plain values."""
    source = plan.source
    return {
        "input": str(source.path),
        "output": str(plan.output),
        "input_size": [source.width, source.height],
        "output_size": [plan.width, plan.height],
        "fps": float(source.frame_rate) if source.frame_rate else None,
        "frames": plan.frames,
        "model": plan.checkpoint.name,
        "model_sha256": plan.checkpoint.sha256,
        "device": str(plan.compute.device),
        "precision": plan.compute.precision,
        "precision_reason": plan.compute.reason,
        "tile": plan.tile if plan.tiled else 0,
        "codec": plan.encoding.codec,
        "pix_fmt": plan.encoding.pix_fmt,
        "colour": source.colour_note,
        "estimated_seconds": plan.estimated_seconds,
        "free_bytes": plan.free_bytes,
        "notes": list(plan.notes),
    }


def show_json(value: Any) -> None:
    """Indented JSON on stdout; whatever JSON has no type for, as text."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
    sys.stdout.flush()  # a closed pipe is noticed here, not at exit


def show_info(info: VideoInfo, *, as_json: bool) -> None:
    """What the reader sees of one file."""
    if as_json:
        return show_json(asdict(info))
    ratio = f", sample aspect {info.sample_aspect_ratio}" if info.sample_aspect_ratio != 1 else ""
    turned = f", rotated by {info.rotation} degrees" if info.rotation else ""
    rate = f"{float(info.frame_rate):.6g} fps" if info.frame_rate else "unknown rate"
    length = format_time(info.duration_seconds) if info.duration_seconds else "unknown length"
    tags = info.tags
    rows = [
        ("file", f"{info.path}, {info.container}, {format_bytes(info.size_bytes)}"),
        ("video", f"stream {info.stream_index}, {info.codec}, {info.pix_fmt}"),
        ("picture", f"{info.width}x{info.height}{ratio}{turned}"),
        ("time", f"{length}, {rate}, {info.frame_count or 'unknown number of'} frames"),
        ("clock", f"ticks of {info.time_base} s"),
        ("colour", f"{info.colour_note}, {'full' if info.colour.full_range else 'limited'} range"),
        ("tags", f"primaries {tags.primaries}, transfer {tags.transfer}, matrix {tags.matrix}"),
        *([("dynamic range", str(info.hdr))] if info.hdr else []),
        ("interlaced", "yes" if info.interlaced else "no"),
        ("chapters", str(info.chapters)),
    ]
    rows += [(f"stream {s.index}", _describe_stream(s)) for s in info.streams]
    return show_table(("", ""), rows)


def _describe_stream(stream: StreamInfo) -> str:
    parts = [stream.kind, stream.codec, stream.detail, stream.language, stream.title]
    return ", ".join(part for part in parts if part) + (" (default)" if stream.default else "")


def show_models(rows: Sequence[Status], *, as_json: bool) -> None:
    """The catalogue, with where each checkpoint is."""
    if as_json:
        fields = [asdict(row.checkpoint) | asdict(row) | {"where": row.where} for row in rows]
        return show_json([{k: v for k, v in row.items() if k != "checkpoint"} for row in fields])
    cells = [
        (
            row.checkpoint.name,
            f"x{row.checkpoint.scale}" if row.checkpoint.kind == "network" else "LBO",
            format_bytes(row.size_bytes) if row.size_bytes else "?",
            row.checkpoint.licence,
            row.where,
        )
        for row in rows
    ]
    return show_table(("name", "kind", "size", "licence", "where"), cells)


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """The doctor's report, one section after another."""
    if as_json:
        return show_json([asdict(finding) for finding in findings])
    rows = [
        (finding.section, finding.name, ("" if finding.usable else "no: ") + finding.value)
        for finding in findings
    ]
    return show_table(("", "", ""), rows)


def show_figures(figures: Figures, *, as_json: bool) -> None:
    """The benchmark's table, plain path beside ours."""
    if as_json:
        return show_json(asdict(figures))
    f = figures
    width, height = f.size
    stages = [
        (f"{stage}, busy ms a frame", "", f"{ms:.1f}", "") for stage, ms in f.stage_ms.items()
    ]
    device = (
        [("peak on the device", "", format_bytes(f.device_bytes), "")] if f.device_bytes else []
    )
    show_table(
        ("", "plain", "animesr", ""),
        [
            ("network, ms a frame", f"{f.plain_network_ms:.1f}", f"{f.network_ms:.1f}",
             f"{f.network_ratio:.2f} times as fast"),
            ("end to end, ms a frame", f"{f.plain_end_to_end_ms:.1f}", f"{f.end_to_end_ms:.1f}",
             f"{f.end_to_end_ratio:.2f} times as fast"),
            ("end to end / network", f"{f.plain_end_to_end_over_network:.2f}",
             f"{f.end_to_end_over_network:.2f}", ""),
            *stages,
            ("peak memory", format_bytes(f.plain_peak_bytes), format_bytes(f.peak_bytes), ""),
            *device,
        ],
        title=f"{f.clip}, {width}x{height}, {f.frames} frames, median of {f.repeats}; {f.device}"
        f" {f.precision} beside fp32, {f.threads} threads, torch {f.torch}",
    )  # fmt: skip
    return None


def show_segment_figures(figures: SegmentFigures, *, as_json: bool) -> None:
    """What segments cost and gain."""
    if as_json:
        return show_json(asdict(figures))
    f = figures
    show_table(
        ("", "before", "after", ""),
        [
            ("one piece -> segments, seconds", f"{f.one_piece_seconds:.1f}",
             f"{f.segmented_seconds:.1f}",
             f"{100 * f.time_cost:+.1f} %, {100 * f.cpu_cost:+.1f} % of processor time"),
            ("one piece -> segments, size", format_bytes(f.one_piece_bytes),
             format_bytes(f.segmented_bytes), f"{100 * f.size_cost:+.1f} %"),
            ("one worker -> two, seconds", f"{f.one_worker_seconds:.1f}",
             f"{f.two_workers_seconds:.1f}", f"{f.workers_ratio:.2f} times as fast"),
            ("resumed, seconds to the first frame", "", f"{f.resume_overhead_seconds:.1f}",
             f"and {f.dropped_frames} frames in hand"),
        ],
        title=f"{f.clip}, {f.frames} frames in {f.segments} segments of at most "
        f"{f.segment_frames}, median of {f.repeats}; {f.device}, {f.threads} threads, "
        f"torch {f.torch}",
    )  # fmt: skip
    return None


def show_evaluation(evaluation: Evaluation, *, as_json: bool, per_frame: bool) -> None:
    """The scores of a clip, with the frames that are at the ends; or of each frame as well."""
    pairs = [(each, asdict(each.scores)) for each in evaluation.frames]
    if as_json:
        frames = [{"index": each.index, "seconds": each.seconds} | row for each, row in pairs]
        return show_json(asdict(evaluation) | {"frames": frames})
    if per_frame:
        rows = [
            (
                str(each.index),
                f"{each.seconds:.3f}",
                *(MEASURES[name].text(value) for name, value in row.items()),
            )
            for each, row in pairs
        ]
        headings = [measure.heading for measure in MEASURES.values()]
        show_table(("frame", "seconds", *headings), rows)
        out.print()
    border = f" without a border of {evaluation.crop}" if evaluation.crop else ""
    return show_table(
        ("", "clip", "lowest", "frame", "highest", "frame", "best"),
        [_score_row(evaluation, measure) for measure in MEASURES.values()],
        title=f"{evaluation.sr.name} beside {evaluation.hr.name}: {len(pairs)} frames, "
        f"{evaluation.width}x{evaluation.height}{border}",
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


class FrameCounter:
    """Frames done, of how many: in place on a terminal, elsewhere a line now and then."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._line_due = time.monotonic() + LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, frames: int, total: int | None) -> None:
        self.tell(f"frame {frames}" + (f"/{total}" if total else ""), frames, total)

    def tell(self, line: str, done: int, total: int | None) -> None:
        if self._quiet:
            return
        if not err.is_terminal:
            if time.monotonic() >= self._line_due:
                self._line_due = time.monotonic() + LINE_SECONDS
                err.print(Text(line))
            return
        if self._bar is None:
            self._bar = Progress(BarColumn(24), TextColumn("{task.description}"), console=err)
            self._task = self._bar.add_task(line, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=line)


def show_degradation(plan: DegradationPlan) -> None:
    err.print(Text.assemble(("plan: ", "cyan"), str(plan)))


def show_degraded(result: DegradeResult) -> None:
    err.print(
        Text(
            f"{result.output}: {result.frames} frames of {result.width}x{result.height} verified, "
            f"plan in {result.plan_path}"
        )
    )


class TrainingCounter(FrameCounter):
    """Iterations done, of how many, and what is said in between."""

    def note(self, text: str) -> None:
        if not self._quiet:
            err.print(Text(visible(text)))

    def show_iteration(self, progress: TrainingProgress) -> None:
        left = (progress.iterations - progress.iteration) / max(
            progress.iterations_per_second, 1e-9
        )
        line = (
            f"iteration {progress.iteration}/{progress.iterations} · "
            f"loss {progress.values['loss']:.4f} · {progress.iterations_per_second:.2f}/s · "
            f"waiting {progress.waiting:.0%} · {format_time(left)} left"
        )
        self.tell(line, progress.iteration, progress.iterations)


def show_finetuned(result: FinetuneResult, *, as_json: bool, quiet: bool) -> None:
    """Where the result is, and what it gained on the held-out part."""
    columns = {"bicubic": result.bicubic, "before": result.before, "after": result.after}
    if not result.after:
        return  # one of several processes, which does not measure
    if as_json:
        told = {
            "folder": str(result.folder),
            "model": str(result.model),
            "iteration": result.iteration,
            "iterations": result.iterations,
            "iterations_per_second": result.iterations_per_second,
            "waiting": result.waiting,
            **{name: dict(scores) for name, scores in columns.items()},
        }
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif not quiet:
        rows = [
            [measure.heading, *(measure.text(scores[name]) for scores in columns.values())]
            for name, measure in MEASURES.items()
            if all(name in scores for scores in columns.values())
        ]
        show_table(["held-out part", *columns], rows)
        err.print(
            Text(visible(f"{result.model} after {result.iteration} iterations; use it with -n"))
        )


def show_comparison(result: CompareResult, *, as_json: bool, quiet: bool) -> None:
    """What was measured of each candidate, and where page, sheet and clip are."""
    report = result.report
    if as_json:
        written = {"page": result.page, "page_bytes": result.page_bytes, "sheet": result.sheet}
        video = {"video": result.video, "video_frames": result.video_frames}
        return show_json(asdict(report) | written | video)
    if quiet:
        return None
    columns = ["", "frames/s", "whole clip"]
    if report.reference:
        columns += [measure.heading for measure in MEASURES.values()]
    count = len(report.moments)
    show_table(
        columns,
        [_compared(entry, measured=report.reference is not None) for entry in report.entries],
        title=f"{report.clip.name}: {count} picture{'' if count == 1 else 's'}, "
        f"{report.width}x{report.height} -> {report.layout.width}x{report.layout.height}, "
        f"{report.device}",
    )
    for path, what in (
        (result.page, f"page, {format_bytes(result.page_bytes)}"),
        (result.sheet, "sheet"),
        (result.video, f"{result.video_frames} frames verified"),
    ):
        if path is not None:
            err.print(Text(f"{visible(str(path))}: {what}"))
    return None


def _compared(entry: Entry, *, measured: bool) -> tuple[str, ...]:
    fps, whole = entry.frames_per_second, entry.clip_seconds
    speed = "" if fps is None else format_speed(fps)
    time = "" if fps is None else "unknown" if whole is None else format_time(whole)
    cells = [
        measure.text(getattr(entry.mean, measure.name)) if entry.mean else ""
        for measure in MEASURES.values()
    ]
    return (entry.name, speed, time, *(cells if measured else ()))
