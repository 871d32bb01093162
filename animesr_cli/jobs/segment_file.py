"""Pictures in order -> the files of a chunk's segments, each closed, verified, named and recorded.

A segment's file is written under a name of its own and renamed; its record comes last.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from animesr_cli.atomic_files import explained
from animesr_cli.jobs.chunk_task import ChunkTask
from animesr_cli.jobs.chunks import Segment
from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.frame_index import digest
from animesr_cli.jobs.kept_files import (
    StoredFile,
    operation,
    remove,
    rename,
    temporary,
    write_file,
)
from animesr_cli.jobs.records import Record, state_name, write_record
from animesr_cli.jobs.recurrent_state import state_bytes
from animesr_cli.upscaling.picture import Border, Picture
from animesr_cli.upscaling.plan import Plan
from animesr_cli.workers.protocol import WorkerSlot
from animesr_cli.writing.concat import reorder_depth, segment_format
from animesr_cli.writing.writer import Writer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobSpec:
    """The job, as all of its workers are told of it."""

    plan: Plan
    """With the output's encoder, and the segments' container; without weights: each loads them."""
    folder: Path
    """The journal's, absolute."""
    identity: str
    modified_ns: int
    """When the input was written."""

    @classmethod
    def of(cls, plan: Plan, job: JobFolder) -> Self:
        """For a plan whose journal is open."""
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


class SegmentFile:
    """Pictures of one segment on their way to its file and record."""

    def __init__(self, job: JobSpec, slot: WorkerSlot, task: ChunkTask, segment: Segment) -> None:
        self._job = job
        self._worker = slot.name
        self._segment = segment
        self._rows = task.rows_of(segment)
        self._goes_on = task.chunk.goes_on(segment)
        plan = job.plan
        self._path = job.folder / f"{segment.first:09}.{plan.format.encoding.format_name}"
        self._hash = hashlib.sha256()
        self._begun = time.perf_counter()
        part = temporary(self._path, self._path.suffix)
        operation("begin segment", part)
        self._writer = Writer(
            part,
            source=replace(plan.source, streams=(), display_matrix=None),
            output_format=plan.format,
            origin=int(self._rows[0]["pts"]) * plan.source.time_base,
            encoder_threads=slot.threads,
            warn=log.debug,  # said before, about the output itself
        )
        self._writer.__enter__()

    def write(self, picture: Picture) -> None:
        for plane in picture.planes:
            self._hash.update(np.ascontiguousarray(plane.numpy()).data)
        self._writer.write(picture.planes, picture.frame)

    def close(self) -> None:
        self._writer.__exit__(None, None, None)

    def keep(self, border: Border, warnings: tuple[str, ...]) -> None:
        """Finish it: file, state, record, in this order; then the state before it goes."""
        segment, folder = self._segment, self._job.folder
        first, last = self._rows[0], self._rows[-1]
        with explained(folder):
            file = self._finished()
            state = None
            if self._goes_on and border.state:
                state = write_file(folder / state_name(segment.end), state_bytes(border.state))
            record = Record(
                first=segment.first,
                frames=segment.frames,
                pts=(int(first["pts"]), int(last["pts"]) + int(last["duration"])),
                rows=digest(self._rows),
                file=file,
                pictures=self._hash.hexdigest(),
                reorder=reorder_depth(self._writer.muxed_times),
                state=state,
                tile=border.tile,
                worker=self._worker,
                seconds=round(time.perf_counter() - self._begun, 3),
                warnings=warnings,
                identity=self._job.identity,
            )
            write_record(folder, record)
            if segment.continues:
                remove(folder / state_name(segment.first))

    def _finished(self) -> StoredFile:
        """The complete file, under its name."""
        try:
            operation("finish segment", self._writer.path)
            self._writer.finish()
        finally:
            self.close()
        stored = StoredFile.of(self._writer.path)
        rename(self._writer.path, self._path)
        return replace(stored, name=self._path.name)


class SegmentFiles:
    """Pictures and borders in order -> files: one is written while the one before is finished.

    Args:
        segments: what will come, in order.
        wanted: first frames of those that become files; the others only lead to those.
        warnings: of the segment in hand, as they come.
    """

    def __init__(
        self,
        job: JobSpec,
        slot: WorkerSlot,
        task: ChunkTask,
        segments: tuple[Segment, ...],
        wanted: frozenset[int],
        warnings: list[str],
    ) -> None:
        self._source = job, slot, task
        self._segments = iter(segments)
        self._segment = next(self._segments, None)
        self._wanted = wanted
        self._warnings = warnings
        self._open: SegmentFile | None = None
        self._finisher = ThreadPoolExecutor(1, "animesr-finisher")
        self._finishing: Future[None] | None = None

    def take(self, item: Picture | Border) -> None:
        """In the encoding thread."""
        assert self._segment is not None
        wanted = self._segment.first in self._wanted
        if isinstance(item, Picture):
            item.wait()
            if wanted:
                if self._open is None:
                    self._open = SegmentFile(*self._source, self._segment)
                self._open.write(item)
            return
        self._segment = next(self._segments, None)
        if wanted:
            self.finish()
            assert self._open is not None
            file, self._open = self._open, None
            warnings = tuple(dict.fromkeys(self._warnings))
            self._finishing = self._finisher.submit(file.keep, item, warnings)

    def finish(self) -> None:
        """Wait for the file that is being finished; raises what went wrong."""
        if self._finishing is not None:
            self._finishing.result()

    def __enter__(self) -> SegmentFiles:
        return self

    def __exit__(self, *exc: object) -> None:
        self._finisher.shutdown(wait=True)
        if self._open is not None:
            self._open.close()
