"""A run of many segments: they are computed anywhere, kept in the journal, and joined in the end.

Whatever ends the run early, the same command goes on from what the journal holds: what is finished
is never computed again, and what is not is computed from its last border. The result is the one of
an uninterrupted run. A job decides what is to be done and tells of it; other files know who
computes a chunk, how a segment is made and how the folder is kept.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final

from animesr_cli.atomic_files import PartFile, explained
from animesr_cli.errors import (
    AnimesrError,
    DiskFullError,
    InputError,
    Interrupted,
    UsageError,
    WeightsError,
)
from animesr_cli.jobs.chunk_queue import ChunkQueue
from animesr_cli.jobs.chunk_worker import Prepare
from animesr_cli.jobs.chunks import Segment
from animesr_cli.jobs.disk_space import missing_bytes
from animesr_cli.jobs.folder import JobFolder, journal_folder
from animesr_cli.jobs.frame_index import FrameIndex
from animesr_cli.jobs.placement import Placement, choose_placement, own_threads
from animesr_cli.jobs.progress import JobProgress
from animesr_cli.jobs.records import Record
from animesr_cli.jobs.resume import begin_or_go_on
from animesr_cli.jobs.scan import Scan, chunks_of
from animesr_cli.reading.reader import origin_of
from animesr_cli.signals import check_stop
from animesr_cli.text import counted, format_bytes, shown
from animesr_cli.upscaling.events import Observer, Progress, SegmentEvent, UpscaleResult
from animesr_cli.upscaling.open import open_writer
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.timestamps import format_time
from animesr_cli.workers.scheduler import (
    Advanced,
    Event,
    Executor,
    Failed,
    Finished,
    Started,
)
from animesr_cli.workers.tasks import TaskQueue
from animesr_cli.writing.concat import Joiner

log = logging.getLogger(__name__)

FAILURES_WITHOUT_SUCCESS: Final = 3
"""Chunks that failed for good before any succeeded, after which the others are not tried."""

STOPPING: Final = (UsageError, InputError, WeightsError, DiskFullError)
"""Errors of a segment that every other one would meet as well."""


# ---- the run -------------------------------------------------------------------------------------


class Job:
    """One run of a plan in segments; the methods stand in the order in which they come."""

    def __init__(self, plan: Plan, observer: Observer, warnings: list[str]) -> None:
        self.plan = plan
        self.observer = observer
        self.warnings = warnings
        self._folder: JobFolder
        self._placement: Placement
        self._executor: Executor
        self._threads: int | None = None
        self._index: FrameIndex | None = None
        self._scan: Scan | None = None
        self._scanned = threading.Event()
        self._chunks: ChunkQueue
        self._progress = JobProgress()
        self._failures: list[tuple[tuple[Segment, ...], AnimesrError]] = []
        self._room_told = False
        self._worker: str | None = None

    def warn(self, message: str) -> None:
        """Each matter once: it may come up in every segment, and again when they are joined."""
        if message not in self.warnings:
            self.warnings.append(message)
            self.observer.on_warning(message)

    def run(self) -> UpscaleResult:
        settings = self.plan.settings
        folder = journal_folder(self.plan.output, settings.work_dir)
        self._placement, self.plan = choose_placement(self.plan, self.warn)
        with ExitStack() as stack:
            if self._placement.cluster is not None:
                stack.callback(self._placement.cluster.close)
            self._folder = stack.enter_context(JobFolder(folder, self.plan.output))
            notes = self._open()
            with self._resumable():
                self.observer.on_plan(replace(self.plan, notes=(*self.plan.notes, *notes)))
                return self._work()

    # -- the journal

    def _open(self) -> list[str]:
        """Begin or go on; what is to be told of it."""
        identity = begin_or_go_on(self._folder, self.plan, self._placement, self.warn)
        self._threads = identity["computing"]["threads"]
        self._executor = self._placement.executor(self._threads, self.warn)
        self.plan = replace(
            self.plan,
            tile=identity["computing"]["tile"],
            segment_frames=identity["option"]["--segment-frames"],
        )
        return self._resumed()

    def _resumed(self) -> list[str]:
        manifest = self._folder.manifest
        for message in manifest.warnings:
            self.warn(message)
        if manifest.frames is not None:
            try:
                self._index = FrameIndex.from_bytes(self._folder.read_index())
            except (OSError, ValueError):
                manifest.frames = None
        records = self._folder.records.values()
        for record in records:
            for message in record.warnings:
                self.warn(message)
        self._progress.done = self._progress.before = sum(record.frames for record in records)
        if not records:
            return []
        if self.plan.estimated_seconds is not None and self._total:
            left = self.plan.estimated_seconds * (1 - self._progress.done / self._total)
            self.plan = replace(self.plan, estimated_seconds=max(left, 0.0))
        return [
            f"going on where it stopped: {counted(len(records), 'segment')}, "
            f"{counted(self._progress.done, 'frame')}, are finished in {shown(self._folder.path)}"
        ]

    @contextmanager
    def _resumable(self) -> Iterator[None]:
        """Whatever ends the run: what is finished is kept, and how to go on is said."""
        try:
            yield
        except BaseException as error:
            is_known = False
            with suppress(OSError):
                self._folder.gather()
                is_known = True
            kept = self._folder.records
            if isinstance(error, DiskFullError):
                missing = missing_bytes(self.plan, self._folder, self._total)
                room = format_bytes(missing) if missing > 0 else "some room"
                error.hint = f"free {room} and run again: {self._hint()}"
            elif isinstance(error, Interrupted) and kept:
                error.hint = self._hint()
            if is_known and not kept:
                with suppress(AnimesrError, OSError):  # whatever it is, the first error counts
                    self._folder.remove()
            raise

    def _hint(self) -> str:
        return self._progress.hint(self._folder, self._total)

    @property
    def _total(self) -> int | None:
        return len(self._index) if self._index is not None else self.plan.frames

    # -- computing

    def _watch_room(self) -> None:
        missing = missing_bytes(self.plan, self._folder, self._total)
        if missing > 0 and not self._room_told:
            self._room_told = True
            self.warn(
                "the disk will be full before the run ends: segments and output, which are there "
                f"together in the end, need about {format_bytes(missing)} more than are free"
            )

    def _work(self) -> UpscaleResult:
        source = self.plan.source
        with open_writer(self.plan, source.clock_start, self.warn):
            pass  # everything that encoder and container refuse is known now
        self._watch_room()
        with explained(self.plan.output), PartFile(self.plan.output):  # nobody else writes there
            records = self._all_records()
        self._join(records)
        assert self._index is not None
        pictures = hashlib.sha256("".join(record.pictures for record in records).encode())
        result = UpscaleResult(
            output=self.plan.output,
            frames=len(self._index),
            seconds=self._progress.seconds,
            warnings=tuple(self.warnings),
            cuts=self._index.cuts,
            stage_seconds={},
            segments=len(records),
            frames_before=self._progress.before,
            pictures=pictures.hexdigest(),
        )
        self._folder.remove()
        return result

    def _all_records(self) -> list[Record]:
        """Compute until every segment is finished and its file as it was written."""
        while True:
            self._compute()
            self._check_failures()
            damaged = self._folder.damaged()
            if not damaged:
                break
            for sentence in self._folder.forget(damaged):
                self.warn(sentence)
            self._progress.done -= sum(record.frames for record in damaged)
        records = self._folder.records
        wanted = [segment for chunk in self._chunks.chunks for segment in chunk.segments]
        return [records[segment.first] for segment in wanted]

    def _compute(self) -> None:
        queue = TaskQueue()
        with ExitStack() as stack:
            if self._placement.is_single:
                stack.enter_context(own_threads(self._threads))
            self._feed(queue, stack)
            events = stack.enter_context(
                closing(self._executor.run(queue, Prepare.of(self.plan, self._folder)))
            )
            for event in events:
                self._hear(event)
                self._take_index()
            self._take_index()

    def _feed(self, queue: TaskQueue, stack: ExitStack) -> None:
        """Chunks to the queue: from the index of an earlier run, or from the scan beside it."""
        alone = self._placement.is_single
        if self._index is not None:
            self._chunks = ChunkQueue(queue, self._index, self._folder, alone=alone)
            for chunk in chunks_of(self._index, self.plan.segment_frames):
                self._chunks.add(chunk)
            self._chunks.finish()
            return

        def over() -> None:
            self._scanned.set()
            self._chunks.finish()

        self._scan = Scan(
            self.plan,
            found=lambda chunk: self._chunks.add(chunk),
            over=over,
            failed=queue.fail,
            warn=self.warn,
        )
        self._chunks = ChunkQueue(queue, self._scan.index, self._folder, alone=alone)
        stack.enter_context(self._scan)

    def _take_index(self) -> None:
        """The scan is over: the index is kept, so that no later run makes it again."""
        if self._index is None and self._scan is not None and self._scanned.is_set():
            self._index = self._scan.index
            self._folder.save_index(self._index.to_bytes(), self.warnings)

    # -- what happens meanwhile

    def _hear(self, event: Event) -> None:
        self._worker = event.worker
        match event:
            case Started():
                self._progress.in_hand[event.key] = 0
                self._tell(event, "started")
            case Advanced():
                self._progress.in_hand[event.key] = event.frames
                if self._is_border_passed(event):
                    self._adopt(event.key)
            case Finished():
                self._settle(event.key)
                self._tell(event, "finished")
            case Failed():
                self._settle(event.key)
                self._tell(event, "failed", event.error)
                self._failed(event)
        self._report()

    def _is_border_passed(self, event: Advanced) -> bool:
        """Whether a segment of the task may have been finished since the last look."""
        missing = self._chunks.missing[event.key]
        known = self._folder.records
        left = [segment for segment in missing if segment.first not in known]
        done = sum(segment.frames for segment in missing) - sum(s.frames for s in left)
        return bool(left) and event.frames >= done + left[0].frames

    def _adopt(self, key: int) -> int:
        """Take up what of a task is finished; its frames."""
        new = self._folder.adopt(segment.first for segment in self._chunks.missing[key])
        for record in new:
            for message in record.warnings:
                self.warn(message)
        if new:
            self._watch_room()
        return sum(record.frames for record in new)

    def _settle(self, key: int) -> None:
        """A try is over: what counts is what lies in the journal."""
        self._adopt(key)
        self._progress.in_hand.pop(key, None)
        known = self._folder.records
        missing = self._chunks.missing[key]
        self._progress.done += sum(segment.frames for segment in missing if segment.first in known)
        self._chunks.missing[key] = tuple(s for s in missing if s.first not in known)

    def _failed(self, event: Failed) -> None:
        if isinstance(event.error, STOPPING):
            raise event.error
        if not event.final:
            log.info("a segment is tried again: %s", event.error.message)
            return
        self._failures.append((self._chunks.missing[event.key], event.error))
        if not self._progress.gained and len(self._failures) >= FAILURES_WITHOUT_SUCCESS:
            raise event.error

    def _tell(self, event: Event, state: str, error: AnimesrError | None = None) -> None:
        segments = self._chunks.missing[event.key]
        self.observer.on_segment(
            SegmentEvent(
                state=state,
                worker=event.worker,
                first_frame=event.key,
                frames=sum(segment.frames for segment in segments),
                error=None if error is None else error.message,
            )
        )

    def _report(self) -> None:
        index = self._index or (self._scan.index if self._scan else FrameIndex())
        frames = self._progress.computed
        seconds = float(index.seconds(self.plan.source.time_base))
        records = self._folder.records.values()
        self.observer.on_progress(
            Progress(
                frames=frames,
                total_frames=self._total,
                media_seconds=seconds * frames / max(len(index), 1),
                bytes_written=sum(record.file.bytes for record in records),
                elapsed_seconds=self._progress.seconds,
                frames_before=self._progress.before,
                worker=self._worker,
            )
        )

    def _check_failures(self) -> None:
        if not self._failures:
            return
        base = self.plan.source.time_base
        assert self._index is not None
        rows = self._index.rows()
        named = []
        for segments, _ in self._failures:
            first, end = segments[0].first, segments[-1].end
            at = format_time(int(rows[first]["pts"]) * base - self.plan.source.clock_start)
            named.append(f"frames {first} to {end - 1} (at {at})")
        error = self._failures[0][1]
        count = f"{len(named)} segment{'s' if len(named) > 1 else ''}"
        self._folder.gather()
        failed = type(error)(f"{count} failed three times: {', '.join(named)}: {error.message}")
        failed.hint = f"{error.hint}; {self._hint()}" if error.hint else self._hint()
        raise failed from error

    # -- the end

    def _join(self, records: Sequence[Record]) -> None:
        plan, folder = self.plan, self._folder.path
        assert self._index is not None
        rows = self._index.rows()
        joiner = Joiner(
            plan.output,
            template=folder / records[0].file.name,
            depth=max(record.reorder for record in records),
            times=rows["pts"].tolist(),
            durations=rows["duration"].tolist(),
            source=plan.source,
            output_format=plan.format,
            origin=origin_of(plan.source, plan.settings.start, int(rows[0]["pts"])),
            part=plan.part,
            overwrite=plan.settings.overwrite,
            warn=self.warn,
        )
        with joiner:
            for record in records:
                for _ in joiner.append(folder / record.file.name):
                    check_stop()
                self._report()
            joiner.finish(partial(self._folder.finished_file, cuts=self._index.cuts))
