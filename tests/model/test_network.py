"""What all networks share: windows of frames."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from animesr_cli.model.network import windows


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("radius", [0, 1])
def test_windows_hold_neighbours_and_no_more(count: int, radius: int) -> None:
    """The ends stand in for what is missing; nothing is read further ahead than a window needs."""
    read: list[int] = []

    def items() -> Iterator[tuple[int, Tensor, bool]]:
        for number in range(count):
            read.append(number)
            yield number, torch.tensor(number), False

    seen: list[tuple[int, list[int]]] = []
    for number, window, _ in windows(items(), radius):
        assert read[-1] == min(len(seen) + radius, count - 1)
        seen.append((number, [int(each) for each in window]))
    around = range(-radius, radius + 1)
    assert seen == [
        (t, [min(max(t + step, 0), count - 1) for step in around]) for t in range(count)
    ]
