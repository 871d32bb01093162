"""How far a job is, in frames: what earlier runs did, what is finished, and what is in hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from animesr_cli.jobs.folder import JobFolder
from animesr_cli.text import shown
from animesr_cli.video.timestamps import format_time


@dataclass
class JobProgress:
    """The frames of one run, counted as its workers speak."""

    before: int = 0
    """Finished when it began."""
    done: int = 0
    """Finished, those before included."""
    in_hand: dict[int, int] = field(default_factory=dict)
    """By task, computed and in no finished segment yet."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def computed(self) -> int:
        return self.done + sum(self.in_hand.values())

    @property
    def gained(self) -> int:
        """Finished by this run."""
        return self.done - self.before

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def hint(self, folder: JobFolder, total: int | None) -> str:
        """What is kept of a run that ends now, what is lost, and how to go on."""
        kept = sum(record.frames for record in folder.records.values())
        if not kept:
            return "nothing is finished yet"
        of = f" of {total}" if total else ""
        return (
            f"{kept}{of} frames are finished and kept in {shown(folder.path)}: "
            f"the same command goes on from there{self._lost(kept)}"
        )

    def _lost(self, kept: int) -> str:
        """What was computed and is not part of a finished segment, in words."""
        lost, new = self.computed - kept, self.computed - self.before
        if lost <= 0:
            return ""
        work = format_time(round(self.seconds * lost / max(new, 1)))
        return f", and computes {lost} frames again (about {work} of work)"
