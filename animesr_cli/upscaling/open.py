"""The reader and the writer of a plan: a file, images or a pipe on either side."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from animesr_cli.errors import Warn
from animesr_cli.reading.frame import FrameReader
from animesr_cli.reading.image_reader import SequenceReader
from animesr_cli.reading.reader import Reader
from animesr_cli.reading.y4m import PIPE, PipeReader, never
from animesr_cli.upscaling.plan import Plan
from animesr_cli.writing.image_writer import SequenceWriter
from animesr_cli.writing.output import FrameWriter
from animesr_cli.writing.pipe_writer import PipeWriter
from animesr_cli.writing.writer import Writer


def open_reader(plan: Plan, warn: Warn, stopped: Callable[[], bool] = never) -> FrameReader:
    """The reader of a plan; one that waits for another process gives up once it is ``stopped``."""
    if plan.sequence is not None:
        return SequenceReader(
            plan.sequence, info=plan.source, matrix=plan.settings.matrix, part=plan.part, warn=warn
        )
    if plan.source.path == PIPE:
        return PipeReader(plan.source, part=plan.part, warn=warn, stopped=stopped)
    return open_file(plan, warn)


def open_file(plan: Plan, warn: Warn) -> Reader:
    """The reader of a plan whose input is a video file."""
    return Reader(
        plan.source.path,
        info=plan.source,
        part=plan.part,
        deinterlacer=plan.deinterlacer,
        warn=warn,
    )


def open_writer(
    plan: Plan,
    origin: Fraction,
    warn: Warn,
    stopped: Callable[[], bool] = never,
) -> FrameWriter:
    """The writer of a plan; ``origin`` is known once the first frame is decoded."""
    if plan.images is not None:
        return SequenceWriter(
            plan.images,
            source=plan.source,
            output_format=plan.format,
            overwrite=plan.settings.overwrite,
            warn=warn,
        )
    if plan.output == PIPE:
        return PipeWriter(
            source=plan.source,
            output_format=plan.format,
            warn=warn,
            stopped=stopped,
        )
    return Writer(
        plan.output,
        source=plan.source,
        output_format=plan.format,
        origin=origin,
        part=plan.part,
        overwrite=plan.settings.overwrite,
        warn=warn,
    )
