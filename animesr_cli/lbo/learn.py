"""Learning an operator from one low-quality clip: its own degradation, as a file.

The clip's frames, rescaled and super-resolved, are the pseudo HR; the operator learns the way back
to the frames as they are. Every picture that it is measured on was held out, and what is written is
the operator of the last iteration unless an earlier one did clearly better on those. A run that was
stopped leaves the operator as far as it was learned, and a state from which the same command goes
on. How factors are ranked stands in factor_sweep.py.
Source: AnimeSR (NeurIPS 2022, https://arxiv.org/abs/2206.07038), section 3.2, and its supplement.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from animesr_cli import __version__
from animesr_cli.atomic_files import check_place, part_file
from animesr_cli.errors import Interrupted, UsageError, Warn, WeightsError
from animesr_cli.file_hash import sha256_of
from animesr_cli.file_names import check_name
from animesr_cli.lbo.factor_sheet import check_sheet, write_sheet
from animesr_cli.lbo.factor_sweep import Sweep, sweep
from animesr_cli.lbo.pairs import collect
from animesr_cli.lbo.pseudo_hr import open_network
from animesr_cli.lbo.ranking import BEST_RANKED
from animesr_cli.lbo.run import Curve, LboRun, Measured, is_own, page_of, state_of
from animesr_cli.lbo.trainer import LboTrainer
from animesr_cli.reading.probe import probe
from animesr_cli.settings import LBO_PRESETS, LboSettings, LearnSettings
from animesr_cli.text import shown
from animesr_cli.training.state import check_same, read_state

log = logging.getLogger(__name__)

SUFFIX: Final = ".safetensors"
SAVE_SECONDS: Final = 300.0
"""Between two states that are kept of a long run."""


@dataclass(frozen=True, kw_only=True)
class LboProgress:
    """How far a run is."""

    stage: str
    """frames, net or gan."""
    done: int
    total: int
    """Places of the clip, or iterations of both stages."""
    losses: Mapping[str, float] = field(default_factory=dict)
    seconds_left: float | None = None
    """As it goes now, to the end or to what ``minutes`` says; None: not known yet."""
    until_minutes: bool = False
    """Whether ``minutes`` are over first."""


@dataclass(frozen=True, kw_only=True)
class LboResult:
    """What was learned."""

    output: Path
    page: Path
    factor: float
    pairs: int
    iterations: int
    """That were done."""
    finished: bool
    measured: Measured
    seconds: float
    """Of this run, without what came before a stop."""


# ---- before the first frame ----------------------------------------------------------------------


def default_output(clip: Path) -> Path:
    """``CLIP_lbo.safetensors`` beside the clip."""
    return clip.with_name(f"{clip.stem}_lbo{SUFFIX}")


def check_outputs(
    clip: Path, output: Path, *, overwrite: bool, written: Mapping[str, str] | None = None
) -> None:
    """Raise where the operator and its page must not or cannot be written.

    Args:
        written: the sha256 of what a run that was stopped wrote there, by name: that is replaced.
    """
    if output.suffix != SUFFIX:
        raise UsageError(
            f"{shown(output)}: an operator is written as {SUFFIX}",
            f"name it {shown(output.with_suffix(SUFFIX))}",
        )
    for path in (output, page_of(output)):
        check_name(path)
        check_place(path, clip, overwrite=overwrite or is_own(path, written or {}))


def _identity(clip: Path, factor: float, model: str, settings: LboSettings) -> dict[str, Any]:
    """Everything that decides what is learned; the network by its sha256, wherever it lies."""
    chosen = {name: value for name, value in asdict(settings).items() if name != "model"}
    return {"clip": sha256_of(clip), "factor": factor, "model": model, **chosen}


# ---- the factor ----------------------------------------------------------------------------------


def choose_factor(
    clip: Path,
    output: Path,
    settings: LearnSettings,
    command: Callable[[str], str],
    *,
    model: str,
    warn: Warn,
    listen: Callable[[], None],
    on_trial: Callable[[int, int], None],
    on_sweep: Callable[[Sweep, Path, Path], None],
    choose: Callable[[float], float | None],
) -> tuple[float, dict[str, Any]] | None:
    """Write the sheet of factors and choose one; None: none was chosen, or none was to be.

    Args:
        output: the operator's file, which is refused now if it could not be written then.
        command: what to run for a factor, which it is given as text.
        listen: is called between trials; what it raises ends the comparison.
        on_sweep: is given the sweep, the page and the picture of the sheet.
        choose: is given the best ranked, and asks somebody; None: none of them.

    Returns:
        The factor, and how it was come by, for the history of what is learned with it.
    """
    goes_on = not settings.restart and state_of(output).exists()
    replacing = settings.overwrite or goes_on
    if not settings.sweep_only:
        check_outputs(clip, output, overwrite=replacing)
    check_sheet(clip, output, overwrite=replacing)
    tried = sweep(
        clip, model=model, device=settings.device, warn=warn, listen=listen, on_trial=on_trial
    )
    on_sweep(tried, *write_sheet(tried, output, command))
    if settings.sweep_only:
        return None
    factor = tried.best if settings.auto else choose(tried.best)
    if factor is None:
        return None
    by = BEST_RANKED if settings.auto else "chosen by a person"
    return factor, {"by": by, "ranking": [asdict(each) for each in tried.ranking]}


# ---- a run ---------------------------------------------------------------------------------------


def _learn(
    run: LboRun,
    until: float | None,
    listen: Callable[[], None],
    on_progress: Callable[[LboProgress], None],
) -> None:
    """Iterate to the end, or to a moment of the monotonic clock."""
    trainer = run.trainer
    began = saved = time.monotonic()
    first, timed = trainer.iteration, trainer.stage
    if not trainer.iteration:
        run.try_now()
    while trainer.iteration < trainer.iterations:
        listen()
        if until is not None and time.monotonic() > until:
            return
        stage = trainer.stage
        if stage != timed:  # its iterations take longer
            began, first, timed = time.monotonic(), trainer.iteration, stage
        losses = trainer.step(*run.pairs.batch(trainer.settings, trainer.iteration))
        run.curve.add(stage, trainer.iteration, losses)
        run.try_now()
        now = time.monotonic()
        left = (
            (trainer.iterations - trainer.iteration) * (now - began) / (trainer.iteration - first)
        )
        allowed = math.inf if until is None else max(until - now, 0.0)
        on_progress(
            LboProgress(
                stage=stage,
                done=trainer.iteration,
                total=trainer.iterations,
                losses=losses,
                seconds_left=min(left, allowed),
                until_minutes=allowed < left,
            )
        )
        if time.monotonic() - saved > SAVE_SECONDS:
            run.keep_state()
            saved = time.monotonic()


def learn_lbo(
    clip: Path,
    output: Path | None = None,
    *,
    factor: float,
    settings: LboSettings = LBO_PRESETS["quick"],
    choice: Mapping[str, Any] | None = None,
    device: str = "auto",
    minutes: float | None = None,
    overwrite: bool = False,
    restart: bool = False,
    warn: Warn = log.warning,
    listen: Callable[[], None] = lambda: None,
    on_progress: Callable[[LboProgress], None] = lambda progress: None,
    on_note: Callable[[str], None] = log.info,
) -> LboResult:
    """Learn the operator of a clip and write it, with a page that shows it.

    Args:
        output: a ``.safetensors`` file; None is ``CLIP_lbo.safetensors`` beside the clip.
        factor: by which frames are rescaled before they are super-resolved, above 0, at most 1.
        choice: how the factor was chosen, for the history.
        minutes: stop after so long; the same call goes on from there.
        restart: begin anew where a run that was stopped could go on.
        listen: is called between iterations; what it raises stops the run, which keeps what was
            learned.

    Raises:
        AnimesrError: before the first iteration with nothing left behind.
    """
    began = time.monotonic()
    output = output or default_output(clip)
    if not 0 < factor <= 1:
        raise UsageError(
            f"the factor {factor:g} is not above 0 and at most 1",
            "usually about 0.5 is best; without --factor the factors are compared",
        )
    saved = None if restart else read_state(state_of(output))
    written = {} if saved is None else dict(saved.identity.get("written", {}))
    check_outputs(clip, output, overwrite=overwrite, written=written)
    info = probe(clip)
    make, model = open_network(settings.model, device, warn=warn)
    identity = _identity(clip, factor, model.words, settings)
    if saved is not None:
        check_same(saved.identity["run"], identity, output)

    def on_excerpt(done: int, total: int) -> None:
        on_progress(LboProgress(stage="frames", done=done, total=total))

    with ExitStack() as stack:
        # Open from here on, so that no other run writes them, nor replaces what appears there.
        parts = [stack.enter_context(part_file(path)) for path in (output, page_of(output))]
        pairs = collect(
            info, factor, settings, make, warn=warn, listen=listen, on_excerpt=on_excerpt
        )
        trainer = LboTrainer(settings, make.compute.device)
        run = LboRun(
            output=output,
            overwrite=overwrite,
            identity=identity,
            card={
                "version": __version__,
                "clip": clip.name,
                "size": [info.width, info.height],
                "model": model.name,
                "choice": dict(choice or {"by": "asked for"}),
                "settings": identity,
            },
            pairs=pairs,
            trainer=trainer,
            curve=Curve(trainer.iterations),
            written=written,
        )
        if saved is not None:
            run.go_on(saved)
            on_note(f"going on from iteration {trainer.iteration}")
        until = None if minutes is None else began + minutes * 60
        try:
            _learn(run, until, listen, on_progress)
        except (Interrupted, WeightsError) as error:
            if trainer.iteration:
                run.write(*parts)
                on_note(f"{shown(output)} holds what was learned in {run.so_far}")
            if isinstance(error, Interrupted):
                run.keep_state()
            raise
        measured = run.write(*parts)
    if run.finished:
        run.state.unlink(missing_ok=True)
    else:
        run.keep_state()
    if measured.operator <= measured.area:
        warn(
            f"the operator is no better than area downscaling: {measured.operator:.2f} dB against "
            f"{measured.area:.2f} dB on held-out pictures; learn longer, or try another --factor"
        )
    return LboResult(
        output=output,
        page=page_of(output),
        factor=factor,
        pairs=len(pairs.learned),
        iterations=trainer.iteration,
        finished=run.finished,
        measured=measured,
        seconds=time.monotonic() - began,
    )
