"""Computing one chunk of a clip: its segments become files of the journal, each with its record.

What a worker is sent is a ``ChunkTask`` (frame numbers and the scan's rows); what it loads once
is the plan. It looks into the journal itself for what is finished and goes on behind that, so that
a first try, a retry and a resumed run are one thing. A segment's file is written under a name of
its own and renamed; its record comes last.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from animesr_cli.atomic_files import explained
from animesr_cli.errors import DeviceError, InputError
from animesr_cli.jobs.chunk_task import ChunkTask
from animesr_cli.jobs.chunks import Chunk, Segment
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.frame_index import digest
from animesr_cli.jobs.kept_files import (
    StoredFile,
    remove,
    write_file,
)
from animesr_cli.jobs.range_reader import RangeReader
from animesr_cli.jobs.records import Record, read_record, state_name, write_record
from animesr_cli.jobs.recurrent_state import read_state, state_bytes
from animesr_cli.jobs.segment_file import Made, SegmentFile
from animesr_cli.model.clip_engine import lookahead_of
from animesr_cli.model.devices import choose_compute
from animesr_cli.model.network import Carried
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.reader import Reader
from animesr_cli.text import shown
from animesr_cli.threads import Pipeline
from animesr_cli.upscaling.open import open_file
from animesr_cli.upscaling.picture import Border, Picture
from animesr_cli.upscaling.pipeline import FrameUpscaler, StageClock, upscale_chunk
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.containers import check_readable
from animesr_cli.workers.protocol import WorkerSlot
from animesr_cli.writing.concat import segment_format

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


@dataclass(frozen=True)
class Prepare:
    """Makes a worker: called once in each, wherever it is."""

    plan: Plan
    """With the output's encoder, and the segments' container."""
    folder: Path
    """The journal's, absolute."""
    identity: str
    modified_ns: int
    """When the input was written."""

    @classmethod
    def of(cls, plan: Plan, job: JobFolder) -> Self:
        """For a plan whose journal is open; weights stay behind, each worker loads its own."""
        name = segment_format(plan.format.encoding)
        assert name is not None  # ``is_long`` made sure
        encoding = replace(plan.format.encoding, format_name=name)
        source = replace(plan.source, path=Path(os.path.abspath(plan.source.path)))
        return cls(
            plan=replace(
                plan,
                source=source,
                format=replace(plan.format, encoding=encoding),
                checkpoint=replace(plan.checkpoint, state_dict={}),
            ),
            folder=Path(os.path.abspath(job.path)),
            identity=job.identity,
            modified_ns=int(str(job.manifest.identity["input"]["modification time"])),
        )

    def __call__(self, slot: WorkerSlot) -> ChunkWorker:
        return ChunkWorker(replace(self, plan=self._on_device(slot)), slot)

    def _on_device(self, slot: WorkerSlot) -> Plan:
        """The plan on this slot's device, in the precision that was decided."""
        if slot.device is None:
            return self.plan
        compute = choose_compute(slot.device, self.plan.compute.precision)
        if compute.device.type != self.plan.compute.device.type:
            raise DeviceError(
                f"worker {slot.name} is on {compute.device.type}, and the run on "
                f"{self.plan.compute.device.type}: results would differ",
                "leave that device out",
            )
        return replace(self.plan, compute=compute)


class ChunkWorker:
    """Computes tasks, one after another; ``__call__`` is the executor's ``Work``."""

    def __init__(self, prepared: Prepare, slot: WorkerSlot) -> None:
        self._plan = prepared.plan
        self._folder = prepared.folder
        self._identity = prepared.identity
        self._modified_ns = prepared.modified_ns
        self._slot = slot
        self._warnings: list[str] = []
        self._still_there: Callable[[], None] = lambda: None
        self._ranges = RangeReader(self._open_reader, self._warn, lambda: self._still_there())

    def _open_reader(self) -> Reader:
        path = check_readable(self._plan.source.path)
        if path.stat().st_mtime_ns != self._modified_ns:
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
        record = read_record(self._folder, segment.first)
        if record is None or record.identity != self._identity:
            return None
        rows = task.rows_of(segment)
        return record if (record.frames, record.rows) == (len(rows), digest(rows)) else None

    def _state(self, task: ChunkTask, segment: Segment) -> Carried | None:
        """What was carried into a segment, if it was kept and is whole."""
        if not self._plan.network.recurrent:
            return ()
        index = task.chunk.segments.index(segment)
        before = self._record(task, task.chunk.segments[index - 1]) if index else None
        if before is None or before.state is None or not before.state.is_in(self._folder):
            return None
        with suppress(OSError, ValueError):
            return read_state(self._folder / before.state.name, self._initial)
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
            filing = threads.enter(_SegmentFiles(self, task, span))
            frames = upscale_chunk(
                FrameUpscaler(self._plan, StageClock(), self._warn),
                self._frames(task, span),
                filing.take,
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
            filing.finish()

    def _frames(self, task: ChunkTask, span: ResumeRange) -> Iterator[tuple[Frame, bool]]:
        """Frames of a span, and neighbours that its window reaches; whether each is a cut."""
        first = span.first - span.segments[0].continues
        end = span.end
        if self._goes_on(task, span.segments[-1]):
            end = min(end + lookahead_of(self._plan.network), task.chunk.end)
        rows = task.rows[: end - task.rows_first]
        numbers = range(first, end)
        cuts = set(task.chunk.cuts)
        for number, frame in zip(
            numbers, self._ranges.frames(rows, task.rows_first, first), strict=True
        ):
            yield frame, number in cuts

    @staticmethod
    def _goes_on(task: ChunkTask, segment: Segment) -> bool:
        """Whether the shot at the end of a segment goes on in the next one."""
        segments = task.chunk.segments
        index = segments.index(segment) + 1
        return index < len(segments) and segments[index].continues

    # -- its files

    def new_file(self, task: ChunkTask, segment: Segment) -> SegmentFile:
        rows = task.rows_of(segment)
        return SegmentFile(self._plan, self._folder, segment, rows, self._slot.threads)

    def keep(self, task: ChunkTask, file: SegmentFile, border: Border) -> None:
        """Finish a segment: file, state, record, in this order; then the state before it goes."""
        segment = file.segment
        with explained(self._folder):
            stored, reorder = file.finish()
            state = None
            if self._goes_on(task, segment) and border.state:
                path = self._folder / state_name(segment.end)
                write_file(path, state_bytes(border.state))
                state = StoredFile.of(path)
            warnings = tuple(dict.fromkeys(self._warnings))
            made = Made(self._slot.name, self._identity, border.tile, warnings)
            write_record(self._folder, file.record(stored, reorder, state, made))
            if segment.continues:
                remove(self._folder / state_name(segment.first))


class _SegmentFiles:
    """Pictures and borders in order -> files: one is written while the one before is finished."""

    def __init__(self, work: ChunkWorker, task: ChunkTask, span: ResumeRange) -> None:
        self._work = work
        self._task = task
        self._wanted = span.wanted
        self._segments = iter(span.segments)
        self._segment = next(self._segments, None)
        self._open: SegmentFile | None = None
        self._finisher = ThreadPoolExecutor(1, "animesr-finisher")
        self._finishing: Future[None] | None = None

    def take(self, item: Picture | Border) -> None:
        """In the encoding thread; segments that are not wanted only lead to those that are."""
        assert self._segment is not None
        wanted = self._segment.first in self._wanted
        if isinstance(item, Picture):
            item.wait()
            if wanted:
                if self._open is None:
                    self._open = self._work.new_file(self._task, self._segment)
                self._open.write(item)
            return
        self._segment = next(self._segments, None)
        if wanted:
            self.finish()
            assert self._open is not None
            file, self._open = self._open, None
            self._finishing = self._finisher.submit(self._work.keep, self._task, file, item)

    def finish(self) -> None:
        """Wait for the file that is being finished; raises what went wrong."""
        if self._finishing is not None:
            self._finishing.result()

    def __enter__(self) -> _SegmentFiles:
        return self

    def __exit__(self, *exc: object) -> None:
        self._finisher.shutdown(wait=True)
        if self._open is not None:
            self._open.close()
