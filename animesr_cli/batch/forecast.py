"""What a run would do, without doing it: outputs, sizes, hours and disk, also of a season."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from animesr_cli.batch.find import Item, found, out_folder
from animesr_cli.batch.finished import FinishedOutputs
from animesr_cli.errors import AnimesrError, UsageError, Warn
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import UpscaleSettings, check_settings
from animesr_cli.signals import check_stop
from animesr_cli.upscaling.open import open_reader
from animesr_cli.upscaling.plan import (
    LoadedNetwork,
    Plan,
    likely_bytes,
    make_plan,
    ready_network,
    with_scale,
)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What would become of one input."""

    source: Path
    output: Path
    plan: Plan | None = None
    """None: it is finished, or fails."""
    error: AnimesrError | None = None

    @property
    def seconds(self) -> float | None:
        """Estimated time of the network; None: not known."""
        return None if self.plan is None else self.plan.estimated_seconds

    @property
    def bytes(self) -> int | None:
        """Likely size of the output."""
        if self.plan is None or self.plan.frames is None:
            return None
        form = self.plan.format
        return likely_bytes(form.width * form.height * self.plan.frames, form.encoding)


def forecast_one(
    source: Path, output: Path | None, settings: UpscaleSettings, *, warn: Warn
) -> Forecast:
    """The plan of one input.

    Raises:
        AnimesrError: what the run itself would raise before its first frame.
    """
    if source == PIPE:
        raise UsageError("standard input can be read only once", "leave --dry-run out")
    plan = make_plan(source, output, settings, warn=warn)
    _check_part(plan, warn)
    return Forecast(source=source, output=plan.output, plan=plan)


def forecast_all(
    inputs: Path | Sequence[Path], output: Path | None, settings: UpscaleSettings, *, warn: Warn
) -> Iterator[Forecast]:
    """The plans of a folder or of several inputs, one after another; no file stops the others.

    Raises:
        AnimesrError: what no file can be upscaled with.
    """
    check_settings(settings)
    settings, loaded = with_scale(settings, None, warn=warn)
    batch = found(inputs, output, settings)
    for item in batch.items:
        plan = None
        error: AnimesrError | None = None
        try:
            is_left = not FinishedOutputs(item.top, warn).holds(item, settings)
        except AnimesrError as refused:
            is_left, error = False, refused
        if is_left:
            loaded = loaded or ready_network(settings, warn=warn)
            try:
                plan = _planned(item, settings, loaded, warn)
            except AnimesrError as refused:
                error = refused
        check_stop()  # an interruption is no refusal of this file
        yield Forecast(source=item.source, output=item.output, plan=plan, error=error)


def _planned(item: Item, settings: UpscaleSettings, loaded: LoadedNetwork, warn: Warn) -> Plan:
    def named(text: str) -> None:
        warn(f"{item.name}: {text}")

    with out_folder(item.output, keep=False):
        settings = replace(settings, fps=None)
        plan = make_plan(item.source, item.output, settings, warn=named, loaded=loaded)
    _check_part(plan, warn)
    return plan


def _check_part(plan: Plan, warn: Warn) -> None:
    """Refuse a part without a frame, as the run does.

    What a file announces may be wrong, so where it leaves no frame the first one is looked for.
    """
    seconds = plan.source.shown_seconds(plan.settings.start, plan.settings.end)
    if seconds is not None and seconds * (plan.source.frame_rate or 0) < 1:
        with open_reader(plan, warn) as reader:
            next(iter(reader), None)
