"""A run of many segments: they are computed anywhere, kept in the journal, and joined in the end.

Whatever ends the run early, the same command goes on from what the journal holds: what is finished
is never computed again, and what is not is computed from its last border. The result is the one of
an uninterrupted run. A job decides what is to be done and tells of it; other files know who
computes a chunk, how a segment is made and how the folder is kept.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final

from animesr_cli.atomic_files import PartFile, explained
from animesr_cli.errors import AnimesrError, DiskFullError, Interrupted
from animesr_cli.jobs.chunk_queue import ChunkQueue
from animesr_cli.jobs.chunk_worker import ChunkWorker
from animesr_cli.jobs.chunks import Segment
from animesr_cli.jobs.folder import JobFolder, journal_folder
from animesr_cli.jobs.frame_index import CUT, FrameIndex
from animesr_cli.jobs.placement import choose_executor, own_threads
from animesr_cli.jobs.progress import JobProgress
from animesr_cli.jobs.records import Record
from animesr_cli.jobs.resume import begin_or_go_on
from animesr_cli.jobs.scan import Scan
from animesr_cli.jobs.segment_file import JobSpec
from animesr_cli.reading.reader import origin_of
from animesr_cli.signals import check_stop
from animesr_cli.text import counted, format_bytes, shown
from animesr_cli.upscaling.events import Observer, Progress, SegmentEvent, UpscaleResult
from animesr_cli.upscaling.open import open_writer
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.timestamps import format_time
from animesr_cli.workers.inline import InlineExecutor
from animesr_cli.workers.scheduler import (
    HOPELESS,
    Advanced,
    Event,
    Executor,
    Failed,
    Finished,
    Started,
)
from animesr_cli.writing.concat import Joiner

log = logging.getLogger(__name__)

FAILURES_WITHOUT_SUCCESS: Final = 3
"""Chunks that failed for good before any succeeded, after which the others are not tried."""


# ---- the run -------------------------------------------------------------------------------------


class Job:
    """One run of a plan in segments; the methods stand in the order in which they come."""

    def __init__(self, plan: Plan, observer: Observer, warnings: list[str]) -> None:
        self.plan = plan
        self.observer = observer
        self.warnings = warnings
        self._folder: JobFolder
        self._executor: Executor
        self._index = FrameIndex()
        self._is_scanned = False
        """The index is of the whole clip, and kept."""
        self._chunks: ChunkQueue
        self._progress: JobProgress
        self._tried: dict[int, int] = {}
        """By task, frames that were missing when its last try began."""
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
        self._executor, self.plan = choose_executor(self.plan, self.warn)
        with ExitStack() as stack:
            stack.enter_context(closing(self._executor))
            self._folder = stack.enter_context(JobFolder(folder, self.plan.output))
            notes = self._open()
            with self._resumable():
                self.observer.on_plan(replace(self.plan, notes=(*self.plan.notes, *notes)))
                return self._work()

    # -- the journal

    def _open(self) -> list[str]:
        """Begin or go on; what is to be told of it."""
        identity = begin_or_go_on(self._folder, self.plan, self._executor.threads, self.warn)
        self._executor.threads = identity["computing"]["threads"]
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
                self._is_scanned = True
            except (OSError, ValueError):
                manifest.frames = None
        records = self._folder.records.values()
        for record in records:
            for message in record.warnings:
                self.warn(message)
        self._progress = JobProgress(self.plan, self._folder)
        if self._is_scanned:
            self._progress.total = len(self._index)
        if not records:
            return []
        if self.plan.estimated_seconds is not None and self._progress.total:
            left = self.plan.estimated_seconds * (1 - self._folder.frames / self._progress.total)
            self.plan = replace(self.plan, estimated_seconds=max(left, 0.0))
        return [
            f"going on where it stopped: {counted(len(records), 'segment')}, "
            f"{counted(self._folder.frames, 'frame')}, are finished in {shown(self._folder.path)}"
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
                missing = self._progress.missing_bytes()
                room = format_bytes(missing) if missing > 0 else "some room"
                error.hint = f"free {room} and run again: {self._progress.hint()}"
            elif isinstance(error, Interrupted) and kept:
                error.hint = self._progress.hint()
            if is_known and not kept:
                with suppress(AnimesrError, OSError):  # whatever it is, the first error counts
                    self._folder.remove()
            raise

    # -- computing

    def _watch_room(self) -> None:
        missing = self._progress.missing_bytes()
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
        return [self._folder.records[segment.first] for segment in self._chunks.segments]

    def _compute(self) -> None:
        alone = isinstance(self._executor, InlineExecutor)
        with ExitStack() as stack:
            if alone:
                stack.enter_context(own_threads(self._executor.threads))
            self._chunks = ChunkQueue(
                self._index, self._folder, segment_frames=self.plan.segment_frames, alone=alone
            )
            if self._is_scanned:
                for flags in self._index.rows()["flags"]:
                    self._chunks.push(bool(flags & CUT))
                self._chunks.finish()
            else:
                stack.enter_context(Scan(self.plan, self._chunks, self.warn))
            work = partial(ChunkWorker, JobSpec.of(self.plan, self._folder))
            for event in stack.enter_context(closing(self._executor.run(self._chunks, work))):
                self._on_event(event)
                self._keep_index()
            self._keep_index()

    def _keep_index(self) -> None:
        """Once the scan is over, so that no later run makes it again."""
        if self._chunks.is_complete and not self._is_scanned:
            self._is_scanned = True
            self._progress.total = len(self._index)
            self._folder.save_index(self._index.to_bytes(), self.warnings)

    # -- what happens meanwhile

    def _on_event(self, event: Event) -> None:
        self._worker = event.worker
        match event:
            case Started():
                self._tried[event.key] = self._missing_frames(event.key)
                self._tell(event, "started")
            case Advanced():
                self._advance(event)
            case Finished():
                self._settle(event.key)
                self._tell(event, "finished")
            case Failed():
                self._settle(event.key)
                self._tell(event, "failed", event.error)
                self._failed(event)
        self._report()

    def _missing_frames(self, key: int) -> int:
        return sum(segment.frames for segment in self._chunks.missing(key))

    def _advance(self, event: Advanced) -> None:
        next_one = self._chunks.missing(event.key)[:1]
        done = event.frames - self._tried[event.key] + self._missing_frames(event.key)
        if next_one and done >= next_one[0].frames:  # it may have been finished
            done -= self._adopt(event.key)
        self._progress.in_hand[event.key] = max(done, 0)

    def _settle(self, key: int) -> None:
        """A try is over: what counts is what lies in the journal."""
        self._adopt(key)
        self._progress.in_hand.pop(key, None)

    def _adopt(self, key: int) -> int:
        """Take up what of a task was finished since the last look; its frames."""
        new = self._folder.adopt(segment.first for segment in self._chunks.missing(key))
        for record in new:
            for message in record.warnings:
                self.warn(message)
        if new:
            self._watch_room()
        return sum(record.frames for record in new)

    def _failed(self, event: Failed) -> None:
        if isinstance(event.error, HOPELESS):
            raise event.error
        if not event.final:
            log.info("a segment is tried again: %s", event.error.message)
            return
        self._failures.append((self._chunks.missing(event.key), event.error))
        if not self._progress.gained and len(self._failures) >= FAILURES_WITHOUT_SUCCESS:
            raise event.error

    def _tell(self, event: Event, state: str, error: AnimesrError | None = None) -> None:
        self.observer.on_segment(
            SegmentEvent(
                state=state,
                worker=event.worker,
                first_frame=event.key,
                frames=self._missing_frames(event.key),
                error=None if error is None else error.message,
            )
        )

    def _report(self) -> None:
        frames = self._progress.count()
        seconds = float(self._index.seconds(self.plan.source.time_base))
        self.observer.on_progress(
            Progress(
                frames=frames,
                total_frames=self._progress.total,
                media_seconds=seconds * frames / max(len(self._index), 1),
                bytes_written=self._folder.stored_bytes,
                elapsed_seconds=self._progress.seconds,
                frames_before=self._progress.before,
                worker=self._worker,
            )
        )

    def _check_failures(self) -> None:
        if not self._failures:
            return
        base = self.plan.source.time_base
        rows = self._index.rows()
        named = []
        for segments, _ in self._failures:
            first, end = segments[0].first, segments[-1].end
            at = format_time(int(rows[first]["pts"]) * base - self.plan.source.clock_start)
            named.append(f"frames {first} to {end - 1} (at {at})")
        error = self._failures[0][1]
        count = counted(len(named), "segment")
        self._folder.gather()
        failed = type(error)(f"{count} failed three times: {', '.join(named)}: {error.message}")
        failed.hint = (
            f"{error.hint}; {self._progress.hint()}" if error.hint else self._progress.hint()
        )
        raise failed from error

    # -- the end

    def _join(self, records: Sequence[Record]) -> None:
        plan, folder = self.plan, self._folder.path
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
