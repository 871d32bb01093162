"""Curves: true heights, and axes whose labels differ and lie inside the picture."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from animesr_cli.pages.chart import (
    CHARACTER,
    HEIGHT,
    MOST_TICKS,
    WIDTH,
    Chart,
    chart,
    labels,
    ticks,
)
from animesr_cli.pages.html import _environment


def drawn(*points: tuple[float, float], **levels: float) -> Chart:
    found = chart("PSNR", points, levels)
    assert found is not None
    return found


def places(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]


def test_a_curve_rises_with_its_values() -> None:
    """Later is further right, and more is further up."""
    points = places(drawn((0, 1.0), (5, 2.0), (10, 4.0)).line)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_ticks_lie_where_their_numbers_are() -> None:
    """A value that is a tick's lies on that tick's line."""
    found = drawn((0, 1.0), (10, 4.0))
    heights = {tick.label: tick.at for tick in found.y_ticks}
    assert places(found.line)[0][1] == heights["1"]
    assert places(found.line)[-1][1] == heights["4"]


def test_an_even_curve_has_one_number() -> None:
    """The value itself, written as above the curve: numbers around it would mean nothing."""
    found = drawn((1, 2e-4), (100, 2e-4))
    assert [tick.label for tick in found.y_ticks] == ["2e-4"] == [found.latest]
    assert {y for _, y in places(found.line)} == {found.y_ticks[0].at}


def test_long_curves_are_thinned() -> None:
    """A hundred thousand points become a few hundred means."""
    points = places(drawn(*((number, number % 2) for number in range(100_000))).line)
    assert 200 <= len(points) <= 400
    assert len({y for _, y in points}) == 1


@pytest.mark.parametrize(("level", "there"), [(1.5, True), (-40.0, False)])
def test_levels_far_away_are_left_out(level: float, there: bool) -> None:
    """A line to compare with is drawn where it leaves the curve something to show."""
    found = drawn((0, 1.0), (10, 2.0), before=level)
    assert bool(found.levels) == there


def test_what_is_not_finite_has_no_place() -> None:
    """NaN is left out; without any value there is no curve; one value is a dot."""
    assert chart("x", [(0, math.nan)]) is None
    assert "nan" not in drawn((0, 1.0), (1, math.nan), (2, 3.0)).line
    assert drawn((3, 1.0)).dot is not None
    assert drawn((3, 1.0), (4, 1.0)).dot is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (24.49, 24.53, ["24.49", "24.50", "24.51", "24.52", "24.53"]),
        (0, 2000, ["0", "500", "1000", "1500", "2000"]),
        (-0.4, 0.3, ["-0.4", "-0.2", "0.0", "0.2"]),
        (0, 1.05e-4, ["0", "5e-5", "1e-4"]),
        (2.1e6, 2.35e6, ["2.1e6", "2.2e6", "2.3e6"]),
    ],
)
def test_axes_have_round_numbers(low: float, high: float, expected: list[str]) -> None:
    """In steps of 1, 2 or 5, with as many digits as these need."""
    assert labels(ticks(low, high)) == expected


finite = st.floats(-1e9, 1e9, allow_nan=False)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 10**7), finite), min_size=1, max_size=30),
    st.dictionaries(st.sampled_from(["before", "bicubic"]), finite),
)
@example([(0, -0.0)], {})
def test_labels_differ_and_lie_inside(
    points: list[tuple[int, float]], levels: dict[str, float]
) -> None:
    """Whatever was measured: no number stands twice on an axis, and none is cut off."""
    values = [y for _, y in points]
    spread = max(values) - min(values)
    assume(spread == 0 or spread > 1e-6 * max(map(abs, values)))
    found = drawn(*sorted(points), **levels)
    for axis in (found.x_ticks, found.y_ticks):
        assert len({tick.label for tick in axis}) == len(axis) <= MOST_TICKS
    if len({*values, *(levels[level.name] for level in found.levels)}) == 1:
        assert [tick.label for tick in found.y_ticks] == [found.latest]
    else:
        assert len(found.y_ticks) >= 2
    for tick in found.y_ticks:
        assert found.left - 6 - CHARACTER * len(tick.label) >= 0
        assert 0 <= tick.at <= HEIGHT
    for tick in found.x_ticks:
        half = CHARACTER * len(tick.label) / 2
        assert half <= tick.at + 0.1
        assert tick.at + half <= WIDTH + 0.1
    for line in (found.line, *(level.points for level in found.levels)):
        for x, y in places(line):
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_a_chart_is_drawn_as_svg() -> None:
    """With its title for those who cannot see it, its levels and its last value."""
    template = '{% from "pages/chart.html" import figure %}{{ figure(chart) }}'
    found = drawn((0, 1.0), (10, 2.0), before=1.5)
    figure = ET.fromstring(_environment().from_string(template).render(chart=found))
    svg = figure.find("svg")
    assert svg is not None
    assert svg.attrib["aria-label"] == "PSNR, latest 2"
    classes = [each.attrib["class"] for each in svg.findall("polyline")]
    assert "line" in classes
    assert "level before" in classes
    assert [each.text for each in svg.findall("text")] == [
        tick.label for tick in (*found.y_ticks, *found.x_ticks)
    ]
