"""The scan of a clip: decode only, find the cuts, and hand out chunks as they become known.

It runs in a thread of its own beside the first segments.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from animesr_cli.errors import InputError
from animesr_cli.jobs.chunks import Chunk, Chunker
from animesr_cli.jobs.frame_index import CUT, FrameIndex
from animesr_cli.reading.frame import Frame, with_cuts
from animesr_cli.upscaling.open import open_reader
from animesr_cli.upscaling.plan import Plan

log = logging.getLogger(__name__)

JOIN_SECONDS: Final = 30.0
"""Until the decoder has let go of the frame in hand."""


def chunks_of(index: FrameIndex, segment_frames: int) -> Iterator[Chunk]:
    """Those of a clip whose scan is over."""
    chunker = Chunker(segment_frames)
    for flags in index.rows()["flags"]:
        yield from chunker.push(bool(flags & CUT))
    yield from chunker.finish()


class Scan:
    """A thread that fills ``index`` and calls ``found`` with each chunk, then ``over``.

    Args:
        found: is called in the thread, like the others.
        over: the clip has ended.
        failed: it cannot be read; nothing comes behind it.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        found: Callable[[Chunk], None],
        over: Callable[[], None],
        failed: Callable[[BaseException], None],
        warn: Callable[[str], None],
    ) -> None:
        self.index = FrameIndex()
        self._plan = plan
        self._found, self._over, self._failed = found, over, failed
        self._warn = warn
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="animesr-scan", daemon=True)

    def __enter__(self) -> Scan:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # whatever it is, nobody must wait for more chunks
            self._failed(error)

    def _read(self) -> None:
        started = time.perf_counter()
        settings = self._plan.settings
        depth = self._plan.source.colour.layout.depth
        chunker = Chunker(self._plan.segment_frames)
        for frame, cut in with_cuts(self._frames(), depth, enabled=settings.scenes):
            self.index.append(frame, cut=cut)
            for chunk in chunker.push(cut):
                self._found(chunk)
        if self._stopped.is_set():
            return
        for chunk in chunker.finish():
            self._found(chunk)
        log.info("scan: %d frames, %.1f s", len(self.index), time.perf_counter() - started)
        self._over()

    def _frames(self) -> Iterator[Frame]:
        with open_reader(self._plan, self._warn, self._stopped.is_set) as reader:
            for frame in reader:
                if self._stopped.is_set():
                    return
                yield frame
        if not len(self.index):
            raise InputError("no frame lies between --start and --end")
