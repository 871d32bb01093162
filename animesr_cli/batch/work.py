"""The work of a batch: one video after another, and no file stops the others.

An output has its name only once it is complete and verified, and the folder's state says what it
was made from, so running the same command again goes on where it stopped. The network is loaded
once.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from animesr_cli import crash_watch
from animesr_cli.api import finished_before, run
from animesr_cli.batch.find import BatchInputs, Item, found, out_folder
from animesr_cli.batch.finished import FinishedOutputs, Origin, origin_of
from animesr_cli.batch.outcome import BatchObserver, BatchResult, Outcome, State
from animesr_cli.errors import (
    AnimesrError,
    DiskFullError,
    InputError,
    Interrupted,
    OutputError,
    UsageError,
    as_bug,
)
from animesr_cli.settings import UpscaleSettings, check_settings
from animesr_cli.text import shown
from animesr_cli.upscaling.plan import LoadedNetwork, Plan, ready_network, with_scale

log = logging.getLogger(__name__)


def _attempt(
    item: Item, settings: UpscaleSettings, observer: BatchObserver, loaded: LoadedNetwork
) -> Outcome:
    """One file, whatever happens to it."""
    watcher = observer.on_item(item)
    begun = False

    def on_plan(plan: Plan) -> None:
        nonlocal begun
        begun = True
        watcher.on_plan(plan)

    try:
        if os.path.isdir(item.output):  # which `run` would take as a folder to write into
            raise OutputError(f"{shown(item.output)} is a folder")
        with out_folder(item.output):
            watched = replace(watcher, on_plan=on_plan)
            result = run(item.source, item.output, settings, watched, loaded)
    except (Interrupted, BrokenPipeError):  # the user's wish, not the file's failure
        raise
    except Exception as error:
        return Outcome(item=item, state=State.FAILED, error=as_bug(error), begun=begun)
    return Outcome(item=item, state=State.DONE, result=result)


def _failed_folders(batch: BatchInputs) -> list[Outcome]:
    top = batch.folder or Path()
    return [
        Outcome(
            item=Item(name, top / name, (batch.output or top) / name, batch.output or top),
            state=State.FAILED,
            error=InputError(f"the folder {shown(top / name)} cannot be read: {why}"),
        )
        for name, why in batch.unreadable.items()
    ]


class _Work:
    """A batch on its way; ``outcomes`` are right whenever it is stopped."""

    def __init__(
        self,
        batch: BatchInputs,
        settings: UpscaleSettings,
        observer: BatchObserver,
        loaded: LoadedNetwork | None,
    ) -> None:
        self.batch = batch
        self.settings = settings
        self.observer = observer
        self.outcomes: list[Outcome] = []
        self.warnings: list[str] = []
        self._loaded = loaded

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self.observer.on_warning(message)

    def _network(self) -> LoadedNetwork:
        """Loaded for the first file that needs it, and kept."""
        if self._loaded is None:
            self._loaded = ready_network(self.settings, warn=self._warn)
        return self._loaded

    def _settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.observer.on_outcome(outcome)
        if outcome.error:
            # What a traceback holds on to, frames and device memory, would stay to the end.
            outcome.error.__traceback__ = outcome.error.__cause__ = None
            outcome.error.__context__ = None

    def _outcome(self, item: Item) -> Outcome:
        finished = FinishedOutputs(item.top, self._warn)
        try:
            if finished.holds(item, self.settings):
                finished_before(item.source, item.output, self.settings)  # tidies up
                return Outcome(item=item, state=State.SKIPPED)
        except Interrupted:
            raise
        except AnimesrError as error:
            return Outcome(item=item, state=State.FAILED, error=error)
        return self._made(item, finished)

    def _made(self, item: Item, finished: FinishedOutputs) -> Outcome:
        """Upscale one file, with the folder's state right at every moment.

        A run may be killed right after the output got its name, so what it is made from is kept
        before that, and where it was killed earlier that tells which file it was at; but while an
        older output still has the name, nothing must be said of it.
        """
        try:
            origin: Origin | None = origin_of(item.source, self.settings)
        except OSError:
            origin = None  # the run says what is wrong
        replaced = os.path.lexists(item.output)

        finished.note(item.output, None if replaced else origin)
        is_done = False
        try:
            outcome = _attempt(item, self.settings, self.observer, self._network())
            is_done = outcome.state is State.DONE
            return outcome
        finally:
            if is_done:
                finished.note(item.output, origin)
            elif not replaced and not os.path.lexists(item.output):
                finished.note(item.output, None)

    def _ordered(self) -> list[Item]:
        """What a run was killed in comes last: it may crash FFmpeg each time."""
        return sorted(
            self.batch.items,
            key=lambda item: FinishedOutputs(item.top, log.info).is_begun(item.output),
        )

    def _tell_watch(self, item: Item) -> None:
        done = sum(outcome.state in (State.DONE, State.SKIPPED) for outcome in self.outcomes)
        crash_watch.goes_on(
            f"{shown(item.name)} was in work, {done} of {len(self.batch.items)} files are done; "
            "the same command goes on, and comes to this one last"
        )

    def run(self) -> None:
        for outcome in _failed_folders(self.batch):
            self._settle(outcome)
        for item in self._ordered():
            self._tell_watch(item)
            outcome = self._outcome(item)
            self._settle(outcome)
            if isinstance(outcome.error, DiskFullError) and outcome.begun:
                return  # hours of work on each of the others would end alike

    def left(self) -> list[Outcome]:
        settled = {outcome.item for outcome in self.outcomes}
        return [
            Outcome(item=item, state=State.LEFT) for item in self.batch.items if item not in settled
        ]


def run_batch(
    inputs: Path | Sequence[Path],
    output: Path | None,
    settings: UpscaleSettings,
    observer: BatchObserver | None = None,
) -> BatchResult:
    """Upscale every video below a folder, or several inputs, one after another.

    Args:
        inputs: a folder; or videos and folders. Of a folder hidden files, files that are no videos
            by their suffix, and outputs are passed over.
        output: a folder, made where it is missing; None is ``IN_x4`` beside each input.

    Returns:
        What became of each file: a file that fails is an outcome, no exception.

    Raises:
        AnimesrError: what no file can be upscaled with, such as a missing checkpoint.
    """
    started = time.perf_counter()
    check_settings(settings)
    if settings.fps is not None:
        what = f"{shown(inputs)} is a folder with" if isinstance(inputs, Path) else "these are"
        raise UsageError(f"--fps is for images, and {what} videos", "leave it out")
    observer = observer or BatchObserver()
    settings, loaded = with_scale(settings, None, warn=observer.on_warning)
    batch = found(inputs, output, settings)
    work = _Work(batch, settings, observer, loaded)
    observer.on_batch(batch)
    stopped = None
    try:
        work.run()
    except Interrupted as interrupted:
        stopped = interrupted
    return BatchResult(
        batch=batch,
        outcomes=(*work.outcomes, *work.left()),
        seconds=time.perf_counter() - started,
        warnings=tuple(work.warnings),
        stopped=stopped,
    )
