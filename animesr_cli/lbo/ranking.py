"""Factors as they are written: the table of their ranking, for the terminal and for the sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from animesr_cli.lbo.factor_sweep import FactorStatistics


def factor_text(factor: float) -> str:
    """``0.5``, ``1.0``, ``0.45``."""
    return f"{factor:.1f}" if round(factor, 1) == factor else f"{factor:g}"


BEST_RANKED: Final = "the best ranked"
"""How a factor was chosen, or what it would have been."""
RANKING_TITLES: Final = ("rank", "factor", "flat energy", "overshoot", "sharpness", "score")


def ranking_row(rank: int, each: FactorStatistics) -> tuple[str, ...]:
    """One factor's line of a table under ``RANKING_TITLES``."""
    return (
        str(rank),
        factor_text(each.factor),
        f"{each.flat_energy:.2f}",
        f"{each.overshoot:.2f}",
        f"{each.sharpness:.2f}" + ("" if each.keeps_detail else " (lost)"),
        f"{each.score:.2f}",
    )
