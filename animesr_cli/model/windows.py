"""Each frame with its neighbours of the same shot, as a network of one step looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def windows(
    frames: Iterable[tuple[T, Tensor, bool]], radius: int, before: Tensor | None
) -> Iterator[tuple[T, tuple[Tensor, ...], bool]]:
    """(Anything, a frame, whether it begins a shot) -> the same with the frame's window.

    The first and the last frame of a shot stand in for their missing neighbours.

    Args:
        radius: 0 or 1: frames before and behind that a window holds.
        before: of the same shot, the frame before the first; None: there is none.
    """
    if not radius:
        yield from ((item, (frame,), cut) for item, frame, cut in frames)
        return
    held: tuple[T, Tensor, bool] | None = None  # a frame waits for the one behind it
    for item, nxt, cut in frames:
        if held is not None:
            waiting, cur, begins = held
            prev = cur if begins or before is None else before
            yield waiting, (prev, cur, cur if cut else nxt), begins
            before = cur
        held = item, nxt, cut
    if held is not None:
        waiting, cur, begins = held
        yield waiting, (cur if begins or before is None else before, cur, cur), begins
