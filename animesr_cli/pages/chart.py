"""Curves for pages: where lines, ticks and labels lie; ``chart.html`` draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

# In CSS pixels.
WIDTH: Final = 340
HEIGHT: Final = 170
TOP: Final = 8
BOTTOM: Final = 22
"""Room for the labels of the horizontal axis."""
RIGHT: Final = 10
CHARACTER: Final = 7.1
"""Width of a digit at the labels' size, rounded up."""

MOST_POINTS: Final = 400
"""A longer curve is averaged down to so many."""
MOST_TICKS: Final = 5

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A labelled place of an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with."""

    name: str
    label: str
    points: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One curve, ready to be drawn."""

    title: str
    latest: str
    """The last value, as it is written."""
    width: int = WIDTH
    height: int = HEIGHT
    left: float
    right: float
    """Where the plot begins and ends."""
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    levels: tuple[Level, ...]
    line: str
    """The ``points`` of an SVG polyline."""
    dot: Point | None
    """Instead of a line, where there is one value only."""


def ticks(low: float, high: float, most: int = MOST_TICKS, *, whole: bool = False) -> list[float]:
    """Two to ``most`` round numbers between two that differ, in even steps of 1, 2 or 5 tens."""
    exponent = math.floor(math.log10((high - low) / most))
    steps = [
        digit * 10.0**power for power in range(exponent, exponent + 3) for digit in (1.0, 2.0, 5.0)
    ]
    for step in steps:
        if whole and step < 1:
            continue
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [number * step for number in range(first, last + 1)]
    raise AssertionError("steps reach ten times the range")


def labels(values: Sequence[float]) -> list[str]:
    """Even numbers with as many digits as tell them apart."""
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    largest = max((abs(value) for value in values), default=0.0)
    if _needs_power(largest):
        digits = max(math.ceil(math.log10(largest / step)), 0)
        return ["0" if abs(value) < step / 2 else _power(value, digits) for value in values]
    digits = max(-math.floor(math.log10(step) + 1e-9), 0)
    return [f"{value:z.{digits}f}" for value in values]


def _needs_power(size: float) -> bool:
    """Whether a number would have too many digits without a power of ten."""
    return size >= 1e6 or 0 < size < 1e-3


def _power(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def chart(
    title: str,
    points: Sequence[Point],
    levels: Mapping[str, float] | None = None,
    *,
    digits: int | None = None,
) -> Chart | None:
    """A curve of (iteration, value) with levels to compare with; None: no value is finite.

    Args:
        levels: values by name; one so far away that the curve would be flat is left out.
        digits: behind the point of the values that are written out; None: four significant ones.
    """
    points = [(x, y) for x, y in points if math.isfinite(y)]
    if not points:
        return None
    line = _thinned(points)
    values = [y for _, y in line]
    near = {name: y for name, y in (levels or {}).items() if _is_near(y, values)}
    low, high = min(*values, *near.values(), values[0]), max(*values, *near.values(), values[0])
    is_flat = low == high
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    low, high = low - pad, high + pad
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)

    def text(value: float) -> str:
        if digits is not None:
            return f"{value:z.{digits}f}"
        return _power(value, 3) if _needs_power(abs(value)) else f"{value:z.4g}"

    y_values = [values[0]] if is_flat else ticks(low, high)
    y_labels = [text(values[0])] if is_flat else labels(y_values)
    left = 8 + CHARACTER * max(map(len, y_labels))
    right = WIDTH - RIGHT

    def across(x: float) -> float:
        return round(left + (right - left) * (x - first) / (last - first), 1)

    def down(y: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low), 1)

    x_values = ticks(first, last, whole=True)
    return Chart(
        title=title,
        latest=text(points[-1][1]),
        left=round(left, 1),
        right=right,
        y_ticks=tuple(Tick(down(y), label) for y, label in zip(y_values, y_labels, strict=True)),
        x_ticks=tuple(
            _inside(Tick(across(x), label))
            for x, label in zip(x_values, labels(x_values), strict=True)
        ),
        levels=tuple(
            Level(name, text(y), f"{left:.1f},{down(y)} {right},{down(y)}")
            for name, y in near.items()
        ),
        line=" ".join(f"{across(x)},{down(y)}" for x, y in line),
        dot=(across(line[0][0]), down(line[0][1])) if len(line) == 1 else None,
    )


def _inside(tick: Tick) -> Tick:
    """A label that would be cut off at an edge moves inside."""
    half = CHARACTER * len(tick.label) / 2
    return Tick(round(min(max(tick.at, half), WIDTH - half), 1), tick.label)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most so many points, each the mean of as many neighbours."""
    step = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + step] for start in range(0, len(points), step)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def _is_near(level: float, values: Sequence[float]) -> bool:
    """Whether a line at this height leaves something to see of the values."""
    low, high = min(values), max(values)
    return low - 3 * (high - low) <= level <= high + 3 * (high - low)


def curves(titles: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """What rows have under each name, by their ``iteration``; what none of them has is left out."""
    found = [
        chart(title, [(row["iteration"], row[name]) for row in rows if name in row])
        for name, title in titles.items()
    ]
    return [each for each in found if each]
