"""What people write for times, rates, sizes and amounts."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.errors import UsageError
from animesr_cli.settings import texts
from animesr_cli.settings.texts import parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("12.5", Fraction(25, 2)),
        (".25", Fraction(1, 4)),
        ("7.", 7),
        ("90:00", 5400),
        ("1:30", 90),
        ("1:02:03.250", Fraction(3723250, 1000)),
        (" 00:00:01 ", 1),
        ("100:00:00", 360000),
    ],
)
def test_parse_time_is_exact(text: str, expected: Fraction) -> None:
    """Seconds and clock times become exact fractions."""
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1:60",
        "1:60:00",
        "1:2:3:4",
        "90s",
        "1e3",
        "nan",
        "1,5",
        "1:",
        ":30",
        ".",
        "\uff11",
    ],
)
def test_parse_time_refuses_with_an_example(text: str) -> None:
    """What is no time is a usage error whose hint shows both ways to write one."""
    with pytest.raises(UsageError) as caught:
        parse_time(text)
    assert repr(text.strip()) in caught.value.message
    assert "1:02:03.250" in (caught.value.hint or "")


@given(st.text(max_size=80))
def test_any_text_is_a_value_or_a_usage_error(text: str) -> None:
    """No reader fails in another way, whatever is typed."""
    for reads in (texts.time, texts.rate, texts.lines, texts.box, texts.amount):
        with suppress(UsageError):
            reads(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8M", 8_000_000), ("900k", 900_000), ("4.7G", 4_700_000_000), ("1500", 1500), ("1T", 10**12)],
)
def test_amounts_are_in_thousands(text: str, expected: int) -> None:
    """As disks and lines are sold; a small letter means the same."""
    assert texts.amount(text) == texts.amount(text.lower()) == expected
