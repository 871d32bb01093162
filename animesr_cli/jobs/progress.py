"""How far a job is, in frames and bytes: what is finished, what is in hand, what will be needed."""

from __future__ import annotations

import shutil
import time

from animesr_cli.jobs.folder import JobFolder
from animesr_cli.text import shown
from animesr_cli.upscaling.plan import LIKELY_BITS_PER_PIXEL, LOSSLESS_BITS_PER_PIXEL, Plan
from animesr_cli.video.timestamps import format_time


class JobProgress:
    """The frames of one run, from its beginning, counted as its workers speak."""

    def __init__(self, plan: Plan, folder: JobFolder) -> None:
        self.total = plan.frames
        """Of the whole clip; None: not known."""
        self.before = folder.frames
        """Finished when it began."""
        self._computed = self.before
        self.in_hand: dict[int, int] = {}
        """By task, computed and in no finished segment yet."""
        self._plan = plan
        self._folder = folder
        self._started = time.perf_counter()

    def count(self) -> int:
        """What is computed by now; of what is found finished later, all was in hand."""
        self._computed = self._folder.frames + sum(self.in_hand.values())
        return self._computed

    @property
    def gained(self) -> int:
        """Finished by this run."""
        return self._folder.frames - self.before

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def missing_bytes(self) -> int:
        """How much more is needed than is free, where there is least; not above 0: it is enough.

        Segments and output are there together in the end. Their sizes are estimated from that of
        the picture until the first segment is finished.
        """
        if self.total is None:
            return 0
        output, kept = self._plan.format, self._folder
        bits = LOSSLESS_BITS_PER_PIXEL if output.encoding.lossless else LIKELY_BITS_PER_PIXEL
        each = output.width * output.height * bits / 8
        if kept.frames:
            each = kept.stored_bytes / kept.frames
        segments, whole = (self.total - kept.frames) * each, self.total * each
        place = self._plan.output.absolute().parent
        free = shutil.disk_usage(kept.path).free
        if kept.path.stat().st_dev == place.stat().st_dev:
            return int(segments + whole - free)
        return int(max(segments - free, whole - shutil.disk_usage(place).free))

    def hint(self) -> str:
        """What is kept of a run that ends now, what is lost, and how to go on."""
        kept = self._folder.frames
        if not kept:
            return "nothing is finished yet"
        of = f" of {self.total}" if self.total else ""
        return (
            f"{kept}{of} frames are finished and kept in {shown(self._folder.path)}: "
            f"the same command goes on from there{self._lost(kept)}"
        )

    def _lost(self, kept: int) -> str:
        """What was computed and is not part of a finished segment, in words."""
        lost, new = self._computed - kept, self._computed - self.before
        if lost <= 0:
            return ""
        work = format_time(round(self.seconds * lost / max(new, 1)))
        return f", and computes {lost} frames again (about {work} of work)"
