"""What is seen of one run: plan, progress, warnings, result; as lines, as a bar, as JSON events.

Knows no torch: the plan and the progress arrive as objects that are only read.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from animesr_cli.cli.console import Display, err, show_note
from animesr_cli.settings.command import Reporting
from animesr_cli.text import counted, format_bytes, shown, visible
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.upscaling.events import Progress as RunProgress
    from animesr_cli.upscaling.events import SegmentEvent, UpscaleResult
    from animesr_cli.upscaling.plan import Plan

log = logging.getLogger(__name__)

RATE_SECONDS: Final = 30.0
"""The speed shown is that of this last stretch, so that it follows shots of different cost."""


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
    def overall(self) -> float:
        """Frames per second since the run began: shots of different cost even out."""
        seconds, frames, _ = self._points[-1]
        return frames / max(seconds, 1e-9)

    @property
    def realtime(self) -> float:
        """Media seconds done in one second."""
        seconds, _, media = self._stretch
        return media / seconds


HEADER_BYTES: Final = 2000
"""What a container writes before the first picture, at most; an encoder may keep dozens of pictures
back, and until then there is no rate to be told."""


def progress_line(progress: RunProgress, speed: Speed) -> str:
    """``frame 1200/34095 3% · 41.2 fps (1.7x) · 00:00:29<00:13:18 · 84 MB ~6.1 Mb/s``."""
    total = progress.total_frames
    fps = speed.frames_per_second
    done = f"frame {progress.frames}"
    left = "--:--:--"
    if total:
        done += f"/{total} {min(100 * progress.frames // total, 100)}%"
        if overall := speed.overall:
            left = format_time(max(total - progress.frames, 0) / overall)
    line = (
        f"{done} · {fps:.{1 if fps >= 1 else 2}f} fps ({speed.realtime:.2g}x)"
        f" · {format_time(progress.elapsed_seconds)}<{left}"
    )
    if progress.bytes_written < HEADER_BYTES:
        return line
    megabits = progress.bytes_written * 8 / 1e6 / max(progress.media_seconds, 1e-9)
    return f"{line} · {format_bytes(progress.bytes_written)} ~{megabits:.1f} Mb/s"


def plan_lines(plan: Plan) -> tuple[str, str]:
    """Where it goes, how long it takes and what it becomes; then how it is computed."""
    source, form = plan.source, plan.format
    rate = f" {float(source.frame_rate):.6g} fps" if source.frame_rate else ""
    tile = f"tiles of {plan.tile} px" if plan.tiled else "whole frames"
    if not plan.tile:
        tile = "tiles by each worker's memory"
    piped = plan.output.name == "-"
    first = ["standard output" if piped else shown(plan.output)]
    if plan.estimated_seconds is not None:
        first.append(f"about {format_time(plan.estimated_seconds)}")
    first += [
        f"{source.width}x{source.height} -> {form.width}x{form.height}{rate}",
        counted(plan.frames, "frame") if plan.frames else "unknown number of frames",
    ]
    if plan.free_bytes is not None:
        first.append(f"{format_bytes(plan.free_bytes)} free disk")
    second = (
        f"model {plan.checkpoint.name}",
        f"{plan.compute.device} {plan.compute.precision} ({plan.compute.reason}), {tile}",
        f"{form.encoding.codec} {form.encoding.pix_fmt}",
        source.colour_note,
    )
    return visible(" · ".join(first)), visible(" · ".join(second))


def plan_event(plan: Plan) -> dict[str, Any]:
    """The plan as plain values."""
    source = plan.source
    return {
        "input": str(source.path),
        "output": str(plan.output),
        "input_size": [source.width, source.height],
        "output_size": [plan.format.width, plan.format.height],
        "fps": float(source.frame_rate) if source.frame_rate else None,
        "frames": plan.frames,
        "model": plan.checkpoint.name,
        "model_sha256": plan.checkpoint.sha256,
        "device": str(plan.compute.device),
        "precision": plan.compute.precision,
        "precision_reason": plan.compute.reason,
        "tile": plan.tile if plan.tiled else 0,
        "codec": plan.format.encoding.codec,
        "pix_fmt": plan.format.encoding.pix_fmt,
        "colour": source.colour_note,
        "estimated_seconds": plan.estimated_seconds,
        "free_bytes": plan.free_bytes,
        "notes": list(plan.notes),
    }


class RunDisplay(Display):
    """Plan, progress, warnings and result of one run: a bar, lines, JSON events, or nothing."""

    def __init__(self, reporting: Reporting, file: Path | None = None) -> None:
        super().__init__(reporting, file)
        self._speed = Speed()
        self._line_due = 0.0  # the first frame is shown at once: it runs

    def on_plan(self, plan: Plan) -> None:
        self.emit("plan", plan_event(plan))
        if self._reporting.quiet:
            return
        for line in plan_lines(plan):
            err.print(Text(line))
        for note in plan.notes:
            show_note(note)
        if err.is_terminal:
            self.progress("frame 0", 0, plan.frames)

    def on_segment(self, event: SegmentEvent) -> None:
        self.emit("segment", asdict(event))
        log.info("%s: segment at frame %d %s", event.worker, event.first_frame, event.state)

    def on_progress(self, progress: RunProgress) -> None:
        new = progress.frames - progress.frames_before
        media = progress.media_seconds * new / max(progress.frames, 1)
        self._speed.add(progress.elapsed_seconds, new, media)
        event = asdict(progress) | {"fps": self._speed.frames_per_second}
        line = progress_line(progress, self._speed)
        self.progress(line, progress.frames, progress.total_frames, event)

    def on_result(self, result: UpscaleResult) -> None:
        self.__exit__()
        self.emit("done", asdict(result) | {"output": str(result.output)})
        fps = (result.frames - result.frames_before) / max(result.seconds, 1e-9)
        piped = result.output.name == "-"
        name = "standard output" if piped else str(result.output)
        self.note(
            f"{name}: {counted(result.frames, 'frame')} {'written' if piped else 'verified'}, "
            f"{format_time(result.seconds)}, {fps:.2f} fps, {counted(result.cuts, 'scene cut')}"
        )
