"""The colours of a scene, and shapes painted with them as cel animation does.

Hues belong together, the side away from the light has one darker tone, outlines are of one ink.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np

from material.ink import Cel, Colour, Mask, Path2D, curve, stripes

INK: Final[tuple[Colour, ...]] = (
    (0.05, 0.04, 0.07), (0.16, 0.09, 0.1), (0.1, 0.1, 0.22), (0.0, 0.0, 0.0),
)  # fmt: skip


def hsv(hue: float, saturation: float, value: float) -> Colour:
    return colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))


@dataclass(frozen=True, kw_only=True)
class Palette:
    """The colours of one scene."""

    ink: Colour
    hue: float
    mood: float
    """Saturation, 0 to 1."""
    light: float
    """0: night, 1: day."""
    width: float
    """Of an ordinary outline, in pixels."""

    def colour(self, rng: Random, value: float = 0.8, spread: float = 0.5) -> Colour:
        """One that belongs to the others."""
        hue = self.hue + rng.choice((0, 0, 0.08, -0.08, 0.5, 0.33)) + rng.uniform(-0.03, 0.03)
        saturation = self.mood * rng.uniform(1 - spread, 1)
        bright = value * (0.45 + 0.55 * self.light) * rng.uniform(0.85, 1.1)
        return hsv(hue, saturation, bright)


def draw_palette(rng: Random) -> Palette:
    return Palette(
        ink=rng.choice(INK),
        hue=rng.random(),
        mood=rng.uniform(0.25, 0.85),
        light=rng.choice((0.3, 0.7, 1.0, 1.0, 1.0)),
        width=rng.choice((1.0, 1.2, 1.5, 1.8, 2.2, 2.6, 3.2)),
    )


def shade_of(colour: Colour) -> Colour:
    """What cel paint has for the side that is away from the light."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    return hsv(hue - 0.02, saturation * 1.15 + 0.05, value * 0.74)


def hatch(cel: Cel, rng: Random, inside: Mask, paint: Colour) -> None:
    """Fine parallel strokes within a mask, perhaps crossed by others."""
    angle, thin = rng.uniform(20, 70), rng.uniform(0.8, 1.4)
    cel.paint(stripes(inside, rng.uniform(3.5, 8), thin, angle), paint)
    if rng.random() < 0.3:
        cel.paint(stripes(inside, rng.uniform(3.5, 8), thin, angle - 80), paint)


def shaded(
    cel: Cel, points: Path2D, colour: Colour, palette: Palette, *, width: float = 1.0
) -> Mask:
    """A shape with a flat fill, its shade on one side, and an outline."""
    mask = cel.fill(points, colour)
    span = points.max(0) - points.min(0)
    moved = points + np.array([-0.16, -0.1], np.float32) * span
    light = cel.fill_mask(moved.astype(np.float32))
    cel.paint(mask, shade_of(colour))
    cel.paint(mask.within(light), colour)
    cel.outline(points, palette.width * width, palette.ink)
    return mask


def blob(rng: Random, x: float, y: float, radius: float, rough: float = 0.25) -> Path2D:
    """A closed curve about a point, nowhere quite round."""
    knots = rng.randint(5, 10)
    points = []
    for knot in range(knots):
        angle = 2 * math.pi * (knot + rng.uniform(-0.2, 0.2)) / knots
        reach = radius * (1 + rng.uniform(-rough, rough))
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return curve(points, closed=True)
