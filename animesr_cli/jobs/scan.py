"""The first pass over a clip: decode only, find the cuts, and hand out units as they become known.

It runs in a thread of its own beside the first segments. It does not know who computes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final

from animesr_cli.errors import InputError
from animesr_cli.jobs.chunks import Cutter, Unit
from animesr_cli.jobs.frame_index import CUT, FrameTable
from animesr_cli.reading.frame import Frame
from animesr_cli.upscaling.open import open_reader
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.scenes import with_cuts

log = logging.getLogger(__name__)

JOIN_SECONDS: Final = 30.0
"""Until the decoder has let go of the frame in hand."""


def units_of(table: FrameTable, segment_frames: int) -> Iterator[Unit]:
    """Those of a clip whose first pass is over."""
    cutter = Cutter(segment_frames)
    for flags in table.rows()["flags"]:
        yield from cutter.push(bool(flags & CUT))
    yield from cutter.finish()


class FirstPass:
    """A thread that fills ``table`` and calls ``found`` with each unit, then ``over``.

    Args:
        found: is called in the thread, like the others.
        over: the clip has ended.
        failed: it cannot be read; nothing comes behind it.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        found: Callable[[Unit], None],
        over: Callable[[], None],
        failed: Callable[[BaseException], None],
        warn: Callable[[str], None],
    ) -> None:
        self.table = FrameTable()
        self._plan = plan
        self._found, self._over, self._failed = found, over, failed
        self._warn = warn
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="animesr-first-pass", daemon=True)

    def __enter__(self) -> FirstPass:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # whatever it is, nobody must wait for more units
            self._failed(error)

    def _read(self) -> None:
        started = time.perf_counter()
        settings = self._plan.settings
        depth = self._plan.source.colour.layout.depth
        cutter = Cutter(self._plan.segment_frames)
        for frame, cut in with_cuts(self._frames(), depth, enabled=settings.scenes):
            self.table.append(frame, cut=cut)
            for unit in cutter.push(cut):
                self._found(unit)
        if self._stopped.is_set():
            return
        for unit in cutter.finish():
            self._found(unit)
        log.info("first pass: %d frames, %.1f s", len(self.table), time.perf_counter() - started)
        self._over()

    def _frames(self) -> Iterator[Frame]:
        with open_reader(self._plan, self._warn, self._stopped.is_set) as reader:
            for frame in reader:
                if self._stopped.is_set():
                    return
                yield frame
        if not len(self.table):
            raise InputError("no frame lies between --start and --end")
