"""Computing one chunk of a clip: its segments become files of the journal, each with its record.

The worker looks into the journal itself for what is finished and goes on behind that, so that a
first try, a retry and a resumed run are one thing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property

from animesr_cli.errors import DeviceError, InputError
from animesr_cli.jobs.chunk_task import ChunkTask
from animesr_cli.jobs.chunks import Chunk, Segment
from animesr_cli.jobs.range_reader import RangeReader
from animesr_cli.jobs.records import Record, read_record
from animesr_cli.jobs.recurrent_state import read_state
from animesr_cli.jobs.segment_file import JobSpec, SegmentFiles
from animesr_cli.model.clip_engine import lookahead_of
from animesr_cli.model.devices import choose_compute
from animesr_cli.model.network import Carried
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.reader import Reader
from animesr_cli.text import shown
from animesr_cli.threads import Pipeline
from animesr_cli.upscaling.open import open_file
from animesr_cli.upscaling.pipeline import FrameUpscaler, StageClock, upscale_chunk
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.containers import check_readable
from animesr_cli.workers.protocol import WorkerSlot

log = logging.getLogger(__name__)


# ---- which frames are computed -------------------------------------------------------------------


@dataclass(frozen=True)
class ResumeRange:
    """Consecutive segments of a chunk that are computed in one go."""

    segments: tuple[Segment, ...]
    wanted: frozenset[int]
    """First frames of those that become files; the others only lead there."""

    @property
    def first(self) -> int:
        return self.segments[0].first

    @property
    def end(self) -> int:
        return self.segments[-1].end


def resume_ranges(
    chunk: Chunk, is_finished: Callable[[Segment], bool], has_state: Callable[[Segment], bool]
) -> list[ResumeRange]:
    """What of a chunk is left to compute, each from the nearest place where that can begin."""
    found: list[ResumeRange] = []
    for index, segment in enumerate(chunk.segments):
        if is_finished(segment):
            continue
        begin = index
        while chunk.segments[begin].continues and not has_state(chunk.segments[begin]):
            begin -= 1
        last = found[-1] if found else None
        if last is not None and chunk.segments[begin].first <= last.end:
            done = chunk.segments.index(last.segments[0])
            segments = chunk.segments[done : index + 1]
            found[-1] = ResumeRange(segments, last.wanted | {segment.first})
        else:
            segments = chunk.segments[begin : index + 1]
            found.append(ResumeRange(segments, frozenset({segment.first})))
    return found


# ---- a worker ------------------------------------------------------------------------------------


class ChunkWorker:
    """Computes tasks, one after another: the ``Work`` of a job, wherever it is."""

    def __init__(self, job: JobSpec, slot: WorkerSlot) -> None:
        self._plan = plan = _on_device(job.plan, slot)
        self._job = replace(job, plan=plan)
        self._slot = slot
        self._warnings: list[str] = []
        self._still_there: Callable[[], None] = lambda: None
        self._ranges = RangeReader(self._open_reader, self._warn, lambda: self._still_there())

    def _open_reader(self) -> Reader:
        path = check_readable(self._plan.source.path)
        if path.stat().st_mtime_ns != self._job.modified_ns:
            raise InputError(
                f"{shown(path)} was changed since the run was begun", "--restart begins anew"
            )
        return open_file(self._plan, log.debug)  # the scan has said it all

    def _warn(self, message: str) -> None:
        self._warnings.append(message)

    def __call__(self, payload: object, advanced: Callable[[int], None]) -> object:
        """Compute what is left of a task; the number of frames."""
        assert isinstance(payload, ChunkTask)
        done = 0
        self._still_there = lambda: advanced(done)  # a long way from the beginning is no standstill
        for span in self._left(payload):
            with closing(self._compute(payload, span)) as counts:
                for count in counts:
                    done += count
                    advanced(done)
        return done

    def _left(self, task: ChunkTask) -> list[ResumeRange]:
        return resume_ranges(
            task.chunk,
            lambda segment: self._record(task, segment) is not None,
            lambda segment: self._state(task, segment) is not None,
        )

    def _record(self, task: ChunkTask, segment: Segment) -> Record | None:
        """Of a segment that is finished; the journal's keeper has looked at its file."""
        record = read_record(self._job.folder, segment.first)
        if record is None or record.identity != self._job.identity:
            return None
        return record if record.is_of(task.rows_of(segment)) else None

    def _state(self, task: ChunkTask, segment: Segment) -> Carried | None:
        """What was carried into a segment, if it was kept and is whole."""
        if not self._plan.network.recurrent:
            return ()
        index = task.chunk.segments.index(segment)
        before = self._record(task, task.chunk.segments[index - 1]) if index else None
        if before is None or before.state is None or not before.state.is_in(self._job.folder):
            return None
        with suppress(OSError, ValueError):
            return read_state(self._job.folder / before.state.name, self._initial)
        return None

    @cached_property
    def _initial(self) -> Carried:
        """What the network begins a shot with: of the shapes of all that it carries."""
        return FrameUpscaler(self._plan, StageClock(), self._warn).engine.carried

    # -- one span

    def _compute(self, task: ChunkTask, span: ResumeRange) -> Generator[int]:
        """1 for each frame that becomes part of a file, 0 for the others, as they are computed."""
        self._warnings.clear()
        state = None
        if span.segments[0].continues:
            state = self._state(task, span.segments[0])
            assert state is not None  # ``resume_ranges`` asked for it
        with Pipeline() as threads:
            files = threads.enter(
                SegmentFiles(
                    self._job, self._slot, task, span.segments, span.wanted, self._warnings
                )
            )
            frames = upscale_chunk(
                FrameUpscaler(self._plan, StageClock(), self._warn),
                self._frames(task, span),
                files.take,
                threads,
                lengths=[segment.frames for segment in span.segments],
                state=state,
            )
            for segment in span.segments:
                for _ in range(segment.frames):
                    next(frames)
                    yield int(segment.first in span.wanted)
            for _ in frames:  # until everything is handed over
                pass
            files.finish()

    def _frames(self, task: ChunkTask, span: ResumeRange) -> Iterator[tuple[Frame, bool]]:
        """Frames of a span, and neighbours that its window reaches; whether each is a cut."""
        first = span.first - span.segments[0].continues
        end = span.end
        if task.chunk.goes_on(span.segments[-1]):
            end = min(end + lookahead_of(self._plan.network), task.chunk.end)
        rows = task.rows[: end - task.rows_first]
        frames = self._ranges.frames(rows, task.rows_first, first)
        for number, frame in zip(range(first, end), frames, strict=True):
            yield frame, number in task.chunk.cuts


def _on_device(plan: Plan, slot: WorkerSlot) -> Plan:
    """The plan on this slot's device, in the precision that was decided."""
    if slot.device is None:
        return plan
    compute = choose_compute(slot.device, plan.compute.precision)
    if compute.device.type != plan.compute.device.type:
        raise DeviceError(
            f"worker {slot.name} is on {compute.device.type}, and the run on "
            f"{plan.compute.device.type}: results would differ",
            "leave that device out",
        )
    return replace(plan, compute=compute)
