"""Vector drawing for generated material: masks of shapes and strokes, and a cel to paint them on.

A mask says how much of each pixel a shape covers: exactly in x and from four lines in y for fills,
by the distance to the middle of the line for strokes. A cel is a transparent sheet, drawn at twice
the size of the picture that it will be seen in, so that it can be moved by parts of a pixel without
getting soft. Coordinates are those of the picture, in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Path2D = Floats
"""(N, 2): x and y."""
Colour = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""
Paint = Colour | Callable[[Floats, Floats], Floats]
"""A colour, or a function of x and y (arrays that broadcast) to RGB (..., 3)."""

SUPERSAMPLING: Final = 2
"""Cel pixels per pixel of the picture, in each direction."""
ROWS_PER_PIXEL: Final = 4
"""Lines in y that a fill is looked at along."""
PIECE_PX: Final = 48.0
"""Strokes are drawn in pieces of this length: the square around a long slanted line is empty."""


# ---- paths ---------------------------------------------------------------------------------------


def path(*points: tuple[float, float]) -> Path2D:
    return np.array(points, np.float32)


def curve(knots: Sequence[tuple[float, float]] | Path2D, *, closed: bool = False) -> Path2D:
    """A Catmull-Rom spline through knots, in pieces of eight straight lines."""
    through = np.asarray(knots, np.float32)
    ends = (through[-1:], through[:2]) if closed else (through[:1], through[-1:])
    through = np.vstack([ends[0], through, ends[1]])
    a, b, c, d = (through[i : len(through) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, 8, endpoint=False, dtype=np.float32)[None, :, None]
    bent = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    flat: Path2D = bent.reshape(-1, 2)
    return flat if closed else np.vstack([flat, through[-1:]])


def oval(x: float, y: float, rx: float, ry: float) -> Path2D:
    """An ellipse about (x, y), as a closed path."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1).astype(np.float32)


def rectangle(left: float, top: float, width: float, height: float) -> Path2D:
    """From its lower left corner over the top to the lower right."""
    right, bottom = left + width, top + height
    return path((left, bottom), (left, top), (right, top), (right, bottom))


def spots(x: float, y: float, unit: float, *points: tuple[float, float]) -> Path2D:
    """Points in units of a figure, about its middle (x, y)."""
    return np.array([(x + a * unit, y + b * unit) for a, b in points], np.float32)


def turned(points: Path2D, degrees: float, x: float = 0.0, y: float = 0.0) -> Path2D:
    """Turned about the origin, then moved to (x, y)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[cos, sin], [-sin, cos]])
    result: Path2D = (points @ matrix + (x, y)).astype(np.float32)
    return result


# ---- masks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mask:
    """How much is covered, in [0, 1], of the cel pixels from (left, top) on."""

    left: int
    top: int
    cover: Floats
    """(h, w)."""

    def within(self, other: Mask) -> Mask:
        """What both cover."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.cover.shape[1], other.left + other.cover.shape[1])
        bottom = min(self.top + self.cover.shape[0], other.top + other.cover.shape[0])
        if right <= left or bottom <= top:
            return Mask(0, 0, np.zeros((0, 0), np.float32))
        mine, theirs = (
            mask.cover[top - mask.top : bottom - mask.top, left - mask.left : right - mask.left]
            for mask in (self, other)
        )
        return Mask(left, top, mine * theirs)


def _bounds(points: Path2D, margin: float, width: int, height: int) -> tuple[int, int, int, int]:
    """left, top, right and bottom of the pixels that can be touched."""
    left, top = np.clip(np.floor(points.min(0) - margin), 0, (width, height))
    right, bottom = np.clip(np.ceil(points.max(0) + margin), 0, (width, height))
    return int(left), int(top), int(right), int(bottom)


def fill_mask(points: Path2D, width: int, height: int) -> Mask:
    """A closed path in cel pixels; even-odd where it crosses itself."""
    left, top, right, bottom = _bounds(points, 0, width, height)
    columns, lines = right - left, (bottom - top) * ROWS_PER_PIXEL
    if columns <= 0 or lines <= 0:
        return Mask(0, 0, np.zeros((0, 0), np.float32))
    y = top + (np.arange(lines)[:, None] + 0.5) / ROWS_PER_PIXEL
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    crosses = (y0 <= y) != (y1 <= y)  # (lines, edges of the path)
    slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    crossings = np.sort(np.where(crosses, x0 + (y - y0) * slope, np.inf), axis=1)
    most = int(crosses.sum(1).max())
    # Each crossing turns the line on or off from there to the right: two entries of a running sum.
    change = np.zeros(lines * (columns + 2))
    first = np.arange(lines) * (columns + 2)
    for number in range(most):
        x = np.clip(np.minimum(crossings[:, number], right) - left, 0, columns)
        whole = np.minimum(x.astype(np.int64), columns)
        sign = 1.0 if number % 2 == 0 else -1.0
        np.add.at(change, first + whole, sign * (1 - (x - whole)))
        np.add.at(change, first + whole + 1, sign * (x - whole))
    change = change.reshape(-1, ROWS_PER_PIXEL, columns + 2).mean(1)
    cover = change.cumsum(axis=1)[:, :columns].clip(0, 1)
    return Mask(left, top, cover.astype(np.float32))


def stroke_mask(points: Path2D, radii: NDArray[Any], width: int, height: int) -> Mask:
    """Along a path in cel pixels with a round brush, its radius given at every point.

    A brush of less than half a pixel paints as thinly as its width asks for.
    """
    reach = float(radii.max()) + 1
    left, top, right, bottom = _bounds(points, reach, width, height)
    if right <= left or bottom <= top:
        return Mask(0, 0, np.zeros((0, 0), np.float32))
    points, radii = _in_pieces(points, radii)
    cover = np.zeros((bottom - top, right - left), np.float32)
    for i in range(len(points) - 1):
        x_low, y_low, x_high, y_high = _bounds(points[i : i + 2], reach, width, height)
        if x_high <= x_low or y_high <= y_low:
            continue
        x = np.arange(x_low, x_high, dtype=np.float32)[None, :] + (0.5 - points[i, 0])
        y = np.arange(y_low, y_high, dtype=np.float32)[:, None] + (0.5 - points[i, 1])
        dx, dy = points[i + 1] - points[i]
        along = np.clip((x * dx + y * dy) / max(float(dx * dx + dy * dy), 1e-6), 0, 1)
        radius = radii[i] + along * (radii[i + 1] - radii[i])
        edge = np.minimum(2 * radius, 1)
        covered = np.clip(radius - np.hypot(x - along * dx, y - along * dy) + 0.5, 0, edge)
        part = cover[y_low - top : y_high - top, x_low - left : x_high - left]
        np.maximum(part, covered, out=part)
    return Mask(left, top, cover)


def _in_pieces(points: Path2D, radii: NDArray[Any]) -> tuple[Path2D, NDArray[Any]]:
    """The same path with more points where they are far apart."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    counts = np.maximum(np.ceil(lengths / PIECE_PX), 1).astype(int)
    if counts.max(initial=1) == 1:
        return points, radii
    places = np.concatenate([[i + np.arange(n) / n for i, n in enumerate(counts)]][0])
    places = np.append(places, len(points) - 1)
    known = np.arange(len(points))
    split = [np.interp(places, known, values) for values in (*points.T, radii)]
    return np.stack(split[:2], axis=1).astype(np.float32), split[2]


def stripes(mask: Mask, pitch: float, thin: float, degrees: float) -> Mask:
    """Of a mask, parallel lines ``pitch`` apart and ``thin`` wide, in pixels of the picture."""
    height, width = mask.cover.shape
    x = (np.arange(width)[None, :] + mask.left + 0.5) / SUPERSAMPLING
    y = (np.arange(height)[:, None] + mask.top + 0.5) / SUPERSAMPLING
    across = y * np.cos(np.radians(degrees)) - x * np.sin(np.radians(degrees))
    distance = np.abs((across + pitch / 2) % pitch - pitch / 2)
    cover = np.clip((thin / 2 - distance) * SUPERSAMPLING + 0.5, 0, 1)
    return Mask(mask.left, mask.top, (mask.cover * cover).astype(np.float32))


# ---- cels ----------------------------------------------------------------------------------------


class Cel:
    """A transparent sheet of width x height pixels of the picture, its origin at the top left."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = round(width * SUPERSAMPLING), round(height * SUPERSAMPLING)
        self.rgba: Floats = np.zeros((4, self.height, self.width), np.float32)
        """Alpha is multiplied in already."""

    def everything(self) -> Mask:
        return Mask(0, 0, np.ones((self.height, self.width), np.float32))

    def fill_mask(self, points: Path2D) -> Mask:
        return fill_mask(points * SUPERSAMPLING, self.width, self.height)

    def stroke_mask(self, points: Path2D, widths: float | NDArray[Any]) -> Mask:
        radii = np.broadcast_to(np.asarray(widths) * (SUPERSAMPLING / 2), (len(points),))
        return stroke_mask(points * SUPERSAMPLING, radii, self.width, self.height)

    def paint(self, mask: Mask, paint: Paint, opacity: float = 1.0) -> None:
        """Lay a paint over the sheet where a mask covers it."""
        height, width = mask.cover.shape
        colour: tuple[float | Floats, ...]
        if callable(paint):
            x: Floats = np.arange(0.5, width, dtype=np.float32)[None, :] + np.float32(mask.left)
            y: Floats = np.arange(0.5, height, dtype=np.float32)[:, None] + np.float32(mask.top)
            x, y = x / np.float32(SUPERSAMPLING), y / np.float32(SUPERSAMPLING)
            colour = tuple(np.moveaxis(paint(x, y).astype(np.float32), 2, 0))
        else:
            colour = paint
        cover = mask.cover if opacity == 1 else mask.cover * np.float32(opacity)
        rows, columns = slice(mask.top, mask.top + height), slice(mask.left, mask.left + width)
        for plane, value in zip(self.rgba[:, rows, columns], (*colour, 1.0), strict=True):
            change = value - plane
            change *= cover
            plane += change

    def fill(self, points: Path2D, paint: Paint) -> Mask:
        """A closed shape; its mask, for what goes inside."""
        mask = self.fill_mask(points)
        self.paint(mask, paint)
        return mask

    def line(self, points: Path2D, widths: float | NDArray[Any], paint: Paint) -> None:
        self.paint(self.stroke_mask(points, widths), paint)

    def outline(self, points: Path2D, width: float, paint: Paint) -> None:
        """Around a closed shape, heavier below, as if lit from above."""
        ring = np.vstack([points, points[:1]])
        rise = ring[:, 1] - ring[:, 1].min()
        weight = 0.7 + 0.6 * rise / max(float(rise.max()), 1.0)
        self.line(ring, width * weight, paint)

    def swell(self, points: Path2D, width: float, paint: Paint) -> None:
        """An open line that swells in the middle and ends fine."""
        along = np.sin(np.linspace(0.08, 1, len(points)) * np.pi * 0.96)
        self.line(points, width * (0.25 + 0.75 * along), paint)

    def taper(self, points: Path2D, width: float, paint: Paint) -> None:
        """An open line that ends in a point."""
        self.line(points, width * np.linspace(1, 0.1, len(points)), paint)


# ---- paints --------------------------------------------------------------------------------------


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """So much of the other."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def gradient(stops: Sequence[Colour], top: float, bottom: float, lean: float = 0.0) -> Paint:
    """From the first colour at y = top to the last at y = bottom; ``lean`` turns it towards x."""
    colours = np.array(stops, np.float32)

    def paint(x: Floats, y: Floats) -> Floats:
        place = y + lean * x if lean else y
        share = np.clip((place - top) / (bottom - top), 0, 1) * (len(colours) - 1)
        index = np.minimum(share.astype(int), len(colours) - 2)
        rest = (share - index)[..., None]
        mixture: Floats = colours[index] * (1 - rest) + colours[index + 1] * rest
        return mixture

    return paint


def glow(inner: Colour, outer: Colour, x0: float, y0: float, radius: float) -> Paint:
    """From one colour in the middle to another at a radius."""
    near, far = np.array(inner, np.float32), np.array(outer, np.float32)

    def paint(x: Floats, y: Floats) -> Floats:
        share = np.clip(np.hypot(x - x0, y - y0) / radius, 0, 1)[..., None]
        mixture: Floats = near + (far - near) * share
        return mixture

    return paint


def screentone(paper: Colour, ink: Colour, pitch: float, share: float, degrees: float) -> Paint:
    """Round dots ``pitch`` pixels apart that cover a share of the paper, in rows at an angle."""
    radius = pitch * np.sqrt(share / np.pi)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    light, dark = np.array(paper, np.float32), np.array(ink, np.float32)

    def paint(x: Floats, y: Floats) -> Floats:
        u, v = (x * cos + y * sin) / pitch, (y * cos - x * sin) / pitch
        distance = np.hypot(u - np.floor(u) - 0.5, v - np.floor(v) - 0.5) * pitch
        cover = np.clip((radius - distance) * SUPERSAMPLING + 0.5, 0, 1)[..., None]
        mixture: Floats = light + (dark - light) * cover.astype(np.float32)
        return mixture

    return paint
