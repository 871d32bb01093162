"""The file of one segment: pictures in order -> a closed piece of the video, verified and named."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from animesr_cli.jobs.chunks import Segment
from animesr_cli.jobs.frame_index import Rows, digest
from animesr_cli.jobs.kept_files import StoredFile, operation, rename, temporary
from animesr_cli.jobs.records import Record
from animesr_cli.upscaling.picture import Picture
from animesr_cli.upscaling.plan import Plan
from animesr_cli.writing.concat import reorder_depth
from animesr_cli.writing.writer import Writer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """By whom a segment was computed, and what was said on the way."""

    worker: str
    identity: str
    tile: int
    warnings: tuple[str, ...]


class SegmentFile:
    """Pictures of one segment on their way to its file and record."""

    def __init__(
        self, plan: Plan, folder: Path, segment: Segment, rows: Rows, threads: int | None
    ) -> None:
        self.segment = segment
        self._plan = plan
        self._rows = rows
        self._path = folder / f"{segment.first:09}.{plan.format.encoding.format_name}"
        self._hash = hashlib.sha256()
        self._begun = time.perf_counter()
        base = plan.source.time_base
        part = temporary(self._path, self._path.suffix)
        operation("begin segment", part)
        self._writer = Writer(
            part,
            source=replace(plan.source, streams=(), display_matrix=None),
            output_format=plan.format,
            origin=int(rows[0]["pts"]) * base,
            encoder_threads=threads,
            warn=log.debug,  # said before, about the output itself
        )
        self._writer.__enter__()

    def write(self, picture: Picture) -> None:
        for plane in picture.planes:
            self._hash.update(np.ascontiguousarray(plane.numpy()).data)
        frame = picture.frame
        self._writer.write(picture.planes, frame.pts, frame.duration, frame.captions)

    def finish(self) -> tuple[StoredFile, int]:
        """Complete the file and give it its name; how far its packets are reordered."""
        try:
            operation("finish segment", self._writer.path)
            self._writer.finish()
        finally:
            self.close()
        depth = reorder_depth(self._writer.muxed_times)
        stored = StoredFile.of(self._writer.path)
        rename(self._writer.path, self._path)
        return replace(stored, name=self._path.name), depth

    def close(self) -> None:
        self._writer.__exit__(None, None, None)

    def record(
        self, file: StoredFile, reorder: int, state: StoredFile | None, made: Made
    ) -> Record:
        first, last = self._rows[0], self._rows[-1]
        return Record(
            first=self.segment.first,
            frames=self.segment.frames,
            pts=(int(first["pts"]), int(last["pts"]) + int(last["duration"])),
            rows=digest(self._rows),
            file=file,
            pictures=self._hash.hexdigest(),
            reorder=reorder,
            state=state,
            tile=made.tile,
            worker=made.worker,
            seconds=round(time.perf_counter() - self._begun, 3),
            warnings=made.warnings,
            identity=made.identity,
        )
