"""How the rescaling factor of a clip is chosen where none was given.

Factors are compared on a sheet first; then the best ranked is taken, or somebody is asked. Who that
is, and what they see, is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from animesr_cli.lbo.factor_sheet import compare_factors
from animesr_cli.lbo.factor_sweep import Sweep
from animesr_cli.lbo.learn import can_go_on, check_outputs
from animesr_cli.lbo.ranking import BEST_RANKED
from animesr_cli.settings import LearnSettings


@dataclass(frozen=True)
class Choice:
    """A factor, and how it was come by."""

    factor: float
    how: Mapping[str, Any]
    """For the history of what is learned with it."""


ASKED_FOR: Final = {"by": "asked for"}
"""How a factor was come by that was given."""


class Audience(Protocol):
    """Who is told, and asked."""

    def on_warning(self, message: str) -> None: ...

    def on_trial(self, done: int, total: int) -> None: ...

    def on_sweep(self, sweep: Sweep, page: Path, picture: Path, *, last: bool) -> None:
        """The sheet is written; ``last``: nothing comes after it."""

    def choose(self, best: float) -> float | None:
        """A factor; None: none of them."""


def choose_factor(
    clip: Path,
    output: Path,
    settings: LearnSettings,
    command: Callable[[str], str],
    audience: Audience,
    *,
    model: str,
    listen: Callable[[], None],
) -> Choice | None:
    """Write the sheet of factors and choose one; None: none was chosen, or none was to be.

    Args:
        output: the operator's file, which is refused now if it could not be written then.
        command: what to run for a factor, which it is given as text.
        listen: is called between trials; what it raises ends the comparison.
    """
    replacing = settings.overwrite or can_go_on(output, restart=settings.restart)
    if not settings.sweep_only:
        check_outputs(clip, output, overwrite=replacing)
    sweep, page, picture = compare_factors(
        clip,
        output,
        command,
        model=model,
        device=settings.device,
        overwrite=replacing,
        warn=audience.on_warning,
        listen=listen,
        on_trial=audience.on_trial,
    )
    audience.on_sweep(sweep, page, picture, last=settings.sweep_only)
    if settings.sweep_only:
        return None
    factor = sweep.best if settings.auto else audience.choose(sweep.best)
    if factor is None:
        return None
    by = BEST_RANKED if settings.auto else "chosen by a person"
    return Choice(factor, {"by": by, "ranking": [asdict(each) for each in sweep.ranking]})
