"""How far a job is, in frames: what earlier runs did, what is finished, and what is in hand."""

from __future__ import annotations

import time

from animesr_cli.jobs.folder import JobFolder
from animesr_cli.text import shown
from animesr_cli.video.timestamps import format_time


class JobProgress:
    """The frames of one run, from its beginning, counted as its workers speak."""

    def __init__(self, folder: JobFolder) -> None:
        self.before = folder.frames
        """Finished when it began."""
        self.in_hand: dict[int, int] = {}
        """By task, computed and in no finished segment yet."""
        self._folder = folder
        self._started = time.perf_counter()

    @property
    def computed(self) -> int:
        return self._folder.frames + sum(self.in_hand.values())

    @property
    def gained(self) -> int:
        """Finished by this run."""
        return self._folder.frames - self.before

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def hint(self, total: int | None) -> str:
        """What is kept of a run that ends now, what is lost, and how to go on."""
        kept = self._folder.frames
        if not kept:
            return "nothing is finished yet"
        of = f" of {total}" if total else ""
        return (
            f"{kept}{of} frames are finished and kept in {shown(self._folder.path)}: "
            f"the same command goes on from there{self._lost()}"
        )

    def _lost(self) -> str:
        """What was computed and is not part of a finished segment, in words."""
        lost, new = sum(self.in_hand.values()), self.computed - self.before
        if not lost:
            return ""
        work = format_time(round(self.seconds * lost / max(new, 1)))
        return f", and computes {lost} frames again (about {work} of work)"
