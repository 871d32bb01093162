"""Anti-aliased vector drawing with NumPy alone: flat fills, and strokes of varying width.

A pixel takes a colour by the part of it that a shape covers: exact in x and sampled in y for fills,
from the distance to the middle of the line for strokes. Knows nothing of what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""A canvas (H, W, 3) of RGB in [0, 255], or a path (N, 2) of x, y."""
Path2D = Floats | Sequence[tuple[float, float]]
Colour = tuple[int, int, int]

INK: Colour = (44, 30, 48)
ROWS_PER_PIXEL = 4  # vertical samples of a fill
LETTER_GAP = 0.36  # between two letters, in heights of a capital

# The width of a letter, in heights of a capital, and its strokes in a box of 0 to 1.
LETTERS = {
    "A": (0.72, ("0,1 .5,0 1,1", ".2,.65 .8,.65")),
    "E": (0.60, ("1,0 0,0 0,1 1,1", "0,.5 .85,.5")),
    "F": (0.60, ("1,0 0,0 0,1", "0,.5 .85,.5")),
    "H": (0.66, ("0,0 0,1", "1,0 1,1", "0,.5 1,.5")),
    "I": (0.10, (".5,0 .5,1",)),
    "M": (0.80, ("0,1 .1,0 .5,.7 .9,0 1,1",)),
    "N": (0.62, ("0,1 0,0 1,1 1,0",)),
    "!": (0.10, (".5,0 .5,.62", ".5,.95 .5,1")),
}


def points(text: str) -> Floats:
    """``"0,0 10,5"`` as a path."""
    return np.array([pair.split(",") for pair in text.split()], np.float32)


def oval(x: float, y: float, rx: float, ry: float) -> Floats:
    """An ellipse about (x, y), as a closed path."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1).astype(np.float32)


def curve(knots: Path2D | str, *, closed: bool = False, steps: int = 8) -> Floats:
    """A Catmull-Rom spline through ``knots``, ``steps`` straight pieces between neighbours."""
    through = points(knots) if isinstance(knots, str) else np.asarray(knots, np.float32)
    if closed:
        through = np.vstack([through[-1:], through, through[:2]])
    else:
        through = np.vstack([through[:1], through, through[-1:]])
    a, b, c, d = (through[i : len(through) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    path = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    flat: Floats = path.reshape(-1, 2)
    return flat if closed else np.vstack([flat, through[-1:]])


def loop(knots: Path2D | str, *, steps: int = 8) -> Floats:
    """A closed curve."""
    return curve(knots, closed=True, steps=steps)


def text_width(text: str) -> float:
    """The width of a line of ``text``, in heights of a capital."""
    return sum(LETTERS[letter][0] + LETTER_GAP for letter in text) - LETTER_GAP


@dataclass(frozen=True, kw_only=True)
class Pen:
    """Draws figures given in their own coordinates: times ``size``, then moved to (x, y)."""

    canvas: Floats
    x: float = 0.0
    y: float = 0.0
    size: float = 1.0
    width: float = 4.0
    """Of an ordinary outline, in canvas pixels; the methods take multiples of it."""

    def moved(self, x: float, y: float) -> Pen:
        """The same pen at (x, y) of its own coordinates."""
        return replace(self, x=self.x + x * self.size, y=self.y + y * self.size)

    def fill(self, path: Path2D, colour: Colour) -> None:
        """A flat closed shape (even-odd where it crosses itself)."""
        fill(self.canvas, self._placed(path), colour)

    def shape(self, path: Path2D, colour: Colour, width: float = 1.0, ink: Colour = INK) -> None:
        """A flat closed shape with an outline that is heavier below, as if lit from above."""
        self.fill(path, colour)
        ring = self._placed(path)
        ring = np.vstack([ring, ring[:1]])
        height = ring[:, 1] - ring[:, 1].min()
        weight = 0.7 + 0.6 * height / max(float(height.max()), 1.0)
        stroke(self.canvas, ring, self.width * width / 2 * weight, ink)

    def line(self, path: Path2D, width: float = 1.0, ink: Colour = INK) -> None:
        """An open stroke that swells in the middle and ends fine."""
        placed = self._placed(path)
        swell = np.sin(np.linspace(0.12, 1, len(placed)) * np.pi * 0.94)
        stroke(self.canvas, placed, self.width * width / 2 * (0.35 + 0.65 * swell), ink)

    def limb(self, path: Path2D, radii: Sequence[float] | NDArray[Any], colour: Colour) -> None:
        """A thick rounded shape along a path, outlined; ``radii`` in the figure's coordinates."""
        placed, middle = self._placed(path), np.asarray(radii) * self.size
        stroke(self.canvas, placed, middle + self.width / 2, INK)
        stroke(self.canvas, placed, middle - self.width / 2, colour)

    def text(self, text: str, x: float, y: float, height: float, width: float, ink: Colour) -> None:
        """Letters by hand, centred on x, their top at y."""
        left = x - text_width(text) * height / 2
        for letter in text:
            box, strokes = LETTERS[letter]
            for path in strokes:
                placed = self._placed(points(path) * (box * height, height) + (left, y))
                stroke(self.canvas, placed, np.full(len(placed), self.width * width / 2), ink)
            left += (box + LETTER_GAP) * height

    def _placed(self, path: Path2D) -> Floats:
        return (np.asarray(path) * self.size + (self.x, self.y)).astype(np.float32)


def fill(canvas: Floats, path: Floats, colour: Colour) -> None:
    """Fill a closed path in canvas pixels."""
    left, top, right, bottom = _bounds(canvas, path, 0)
    if left >= right or top >= bottom:
        return
    y = top + (np.arange((bottom - top) * ROWS_PER_PIXEL)[:, None] + 0.5) / ROWS_PER_PIXEL
    x0, y0 = path.T
    x1, y1 = np.roll(path, -1, axis=0).T
    crosses = (y0 <= y) != (y1 <= y)  # (rows, edges of the path)
    slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    crossings = np.sort(np.where(crosses, x0 + (y - y0) * slope, np.inf), axis=1)
    borders = np.arange(left, right + 1)[None, :]  # between pixels
    cover: NDArray[np.float64] = np.zeros((len(y), right - left))
    for enter in range(0, int(crosses.sum(1).max()), 2):
        spans = np.minimum(crossings[:, enter : enter + 2, None], right)
        reached: NDArray[np.float64] = np.clip(borders, spans[:, 0], spans[:, 1])
        cover += reached[:, 1:] - reached[:, :-1]
    cover = cover.reshape(-1, ROWS_PER_PIXEL, right - left).mean(1)
    _blend(canvas, left, top, cover, colour)


def stroke(canvas: Floats, path: Floats, radii: NDArray[Any], colour: Colour) -> None:
    """Draw along a path in canvas pixels with a round brush, its radius given at every point."""
    reach = float(radii.max()) + 1
    left, top, right, bottom = _bounds(canvas, path, reach)
    if left >= right or top >= bottom:
        return
    cover = np.zeros((bottom - top, right - left))
    for i in range(len(path) - 1):
        x_low, y_low, x_high, y_high = _bounds(canvas, path[i : i + 2], reach)
        x = np.arange(x_low, x_high)[None, :] + 0.5 - path[i, 0]
        y = np.arange(y_low, y_high)[:, None] + 0.5 - path[i, 1]
        dx, dy = path[i + 1] - path[i]
        along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
        radius = radii[i] + along * (radii[i + 1] - radii[i])
        covered = np.clip(radius - np.hypot(x - along * dx, y - along * dy) + 0.5, 0, 1)
        part = cover[y_low - top : y_high - top, x_low - left : x_high - left]
        np.maximum(part, covered, out=part)
    _blend(canvas, left, top, cover, colour)


def _bounds(canvas: Floats, path: Floats, margin: float) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the canvas pixels that ``path`` can touch."""
    height, width = canvas.shape[:2]
    left, top = np.clip(np.floor(path.min(0) - margin), 0, (width, height))
    right, bottom = np.clip(np.ceil(path.max(0) + margin), 0, (width, height))
    return int(left), int(top), int(right), int(bottom)


def _blend(canvas: Floats, left: int, top: int, cover: NDArray[np.float64], colour: Colour) -> None:
    """Lay ``colour`` over the canvas at (left, top), as opaque as ``cover`` in [0, 1] says."""
    part = canvas[top : top + cover.shape[0], left : left + cover.shape[1]]
    paint: Floats = np.asarray(colour, np.float32) - part
    part += cover[:, :, None].astype(np.float32) * paint
