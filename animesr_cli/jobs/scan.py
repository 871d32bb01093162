"""The scan of a clip: decode only, find the cuts, and tell the queue of each frame.

It runs in a thread of its own beside the first segments.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from animesr_cli.errors import InputError
from animesr_cli.jobs.chunk_queue import ChunkQueue
from animesr_cli.reading.frame import Frame, with_cuts
from animesr_cli.upscaling.open import open_reader
from animesr_cli.upscaling.plan import Plan

log = logging.getLogger(__name__)

JOIN_SECONDS: Final = 30.0
"""Until the decoder has let go of the frame in hand."""


class Scan:
    """A thread that fills the index of ``chunks``, as long as the ``with`` lasts."""

    def __init__(self, plan: Plan, chunks: ChunkQueue, warn: Callable[[str], None]) -> None:
        self._plan = plan
        self._chunks = chunks
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
            self._chunks.fail(error)

    def _read(self) -> None:
        started = time.perf_counter()
        index = self._chunks.index
        depth = self._plan.source.colour.layout.depth
        for frame, cut in with_cuts(self._frames(), depth, enabled=self._plan.settings.scenes):
            index.append(frame, cut=cut)
            self._chunks.push(cut)
        if self._stopped.is_set():
            return
        if not len(index):
            raise InputError("no frame lies between --start and --end")
        log.info("scan: %d frames, %.1f s", len(index), time.perf_counter() - started)
        self._chunks.finish()

    def _frames(self) -> Iterator[Frame]:
        with open_reader(self._plan, self._warn, self._stopped.is_set) as reader:
            for frame in reader:
                if self._stopped.is_set():
                    return
                yield frame
