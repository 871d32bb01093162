"""The workflow of one input: plan it, then run it in one piece or in segments; and ``upscale``.

In segments goes whatever may take long and can be kept: video files of more frames than one segment
has. Images, pipes and short clips go in one piece.
"""

from __future__ import annotations

import inspect
import os
import re
import time
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from animesr_cli.errors import InputError, UsageError
from animesr_cli.jobs.folder import journal_folder, left_behind
from animesr_cli.jobs.job import Job
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import UpscaleSettings, check_settings
from animesr_cli.settings.option import declared, read
from animesr_cli.text import shown
from animesr_cli.upscaling.events import Observer, Progress, UpscaleResult
from animesr_cli.upscaling.one_piece import run_in_one_piece
from animesr_cli.upscaling.plan import LoadedNetwork, Plan, make_plan, with_scale
from animesr_cli.upscaling.targets import default_output, images_of
from animesr_cli.writing.concat import segment_format

ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def check_name(kind: str, name: str) -> Path:
    """A name as a path.

    Raises:
        UsageError: it is empty, or holds a NUL byte.
        InputError: it is an address on a network.
    """
    if not name:
        raise UsageError(f"the {kind}'s name is empty", "a variable of the shell may be unset")
    if "\0" in name:
        raise UsageError(f"the {kind} name {shown(name)!r} holds a NUL byte")
    if ADDRESS.match(name) and not os.path.lexists(name):
        raise InputError(
            f"{shown(name)} is an address, and the {kind} is a file", "fetch or send it yourself"
        )
    return Path(name)


def is_long(plan: Plan, warn: Callable[[str], None]) -> bool:
    """Whether a plan is run in segments; else in one piece, which cannot be continued."""
    settings = plan.settings
    if not settings.journal:
        return False
    if plan.sequence is not None or plan.images is not None:
        return False
    if PIPE in (plan.source.path, plan.output):
        return False
    if segment_format(plan.format.encoding) is None:
        warn(
            f"no container for segments holds the video of {plan.format.encoding.codec}: "
            "the run is in one piece, and begins anew where it is interrupted"
        )
        return False
    is_short = plan.frames is not None and plan.frames <= plan.segment_frames
    return not is_short or journal_folder(plan.output, settings.work_dir).exists()


def check_long_settings(settings: UpscaleSettings) -> None:
    """Refuse what cannot work, before anything is opened."""
    check_settings(settings)
    if settings.work_dir is not None and not settings.work_dir.is_dir():
        raise UsageError(f"--work-dir {shown(settings.work_dir)} is no folder", "make it first")
    if settings.journal:
        return
    for name, value in (
        ("workers", settings.workers not in (None, 1)),
        ("cluster", settings.cluster is not None),
        ("work-dir", settings.work_dir is not None),
        ("restart", settings.restart),
    ):
        if value:
            raise UsageError(
                f"--{name} needs the journal, and --no-journal is given", "leave out one of them"
            )


def run(
    source: Path,
    output: Path | None,
    settings: UpscaleSettings,
    observer: Observer,
    loaded: LoadedNetwork | None = None,
) -> UpscaleResult:
    """Plan, then do it; the command line's way in. ``loaded`` is as for ``make_plan``."""
    warnings: list[str] = []

    def warn(message: str) -> None:
        warnings.append(message)
        observer.on_warning(message)

    check_long_settings(settings)
    settings, loaded = with_scale(settings, loaded, warn=warn)
    if (finished := finished_before(source, output, settings)) is not None:
        return finished
    plan = make_plan(source, output, settings, warn=warn, loaded=loaded)
    if is_long(plan, warn):
        return Job(plan, observer, warnings).run()
    _check_one_piece(plan, warn)
    observer.on_plan(plan)
    return run_in_one_piece(plan, observer, warnings)


def _check_one_piece(plan: Plan, warn: Callable[[str], None]) -> None:
    """Say what was asked for and is not done."""
    folder = journal_folder(plan.output, plan.settings.work_dir)
    if plan.output != PIPE and folder.exists():
        warn(f"{shown(folder)} holds a run that was interrupted; it is left as it is")
    if plan.settings.cluster is not None or plan.settings.workers not in (None, 1):
        what = "images and pipes are" if plan.images or plan.sequence else "this input is"
        warn(f"{what} computed in one piece, by one worker")


def finished_before(
    source: Path, output: Path | None, settings: UpscaleSettings
) -> UpscaleResult | None:
    """What a run did that was ended after it had named its output; what it left is removed."""
    if settings.overwrite or settings.restart or not settings.journal or PIPE in (source, output):
        return None
    if output is None or os.path.isdir(output):  # which takes names that cannot be, too
        if images_of(source) is not None:
            return None
        output = default_output(source, settings, output)
    started = time.perf_counter()
    try:
        folder = journal_folder(output, settings.work_dir)
        if not folder.is_dir():
            return None
    except (OSError, ValueError):
        return None  # a name that cannot be; the plan says why
    with left_behind(folder, output) as job:
        if job is None or job.manifest.output is None:
            return None
        finished = job.manifest.output
        job.remove()
    return UpscaleResult(
        output=output,
        frames=finished.frames,
        seconds=time.perf_counter() - started,
        warnings=tuple(job.manifest.warnings),
        cuts=finished.cuts,
        stage_seconds={},
        segments=finished.segments,
        frames_before=finished.frames,
    )


def upscale(
    input: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> UpscaleResult:
    """Enlarge a video: the same as ``animesr upscale`` of one input, with the same options.

    Args:
        input: a video file, a folder or pattern of images, or ``-`` for standard input.
        output: where to write; None or a folder names it ``IN_x4``.
        on_progress: called after each frame, or now and then where there is a journal.
        options: the fields of ``UpscaleSettings``, in their own types or as a person writes them
            (``start="1:02:03.5"``, ``height="1080p"``, ``fps="24000/1001"``).

    Returns:
        Frames, seconds and warnings; the file is complete and verified.

    Raises:
        AnimesrError: one of its family, with a message, a hint and the exit code of the command.
            Nothing is left of the output then but its journal, and an older one is untouched.
        TypeError: an option is none.
    """
    keywords = keyword_parameters()
    unknown = sorted(options.keys() - keywords.keys())
    if unknown:
        raise TypeError(f"upscale() got an unexpected keyword argument {unknown[0]!r}")
    given = {name: value for name, value in options.items() if value is not None}
    settings = UpscaleSettings(**read(UpscaleSettings, given))
    observer = Observer(on_progress=on_progress or (lambda progress: None))
    source = check_name("input", fspath(input))
    target = None if output is None else check_name("output", fspath(output))
    return run(source, target, settings, observer)


def keyword_parameters() -> dict[str, inspect.Parameter]:
    """The options of ``upscale`` as a signature shows them, with types and defaults."""
    return {
        each.field: inspect.Parameter(
            each.field,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=each.type,
        )
        for each in declared(UpscaleSettings).values()
        if not each.option.command_only
    }


def _signature() -> inspect.Signature:
    plain = inspect.signature(upscale)
    kept = [each for name, each in plain.parameters.items() if name != "options"]
    return plain.replace(parameters=[*kept, *keyword_parameters().values()])


upscale.__dict__["__signature__"] = _signature()
