"""Procedural backgrounds: skies, hills, towns with windows and signs, rooms, grass.

Every function draws on a cel, in pixels of the picture, by the chance of its ``rng``.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np

from material.ink import Cel, curve, glow, gradient, mixed, oval, path, stripes
from material.letters import WORDS, draw_text, text_width
from material.palette import Palette, hsv, shade_of, shaded


def draw_sky(cel: Cel, rng: Random, palette: Palette, width: float, height: float) -> None:
    top, bottom = palette.colour(rng, 0.75), palette.colour(rng, 1.0, 0.9)
    cel.paint(cel.everything(), gradient((top, mixed(top, bottom, 0.6), bottom), 0, height))
    if palette.light < 0.5:
        for _ in range(rng.randint(20, 60)):
            x, y = rng.uniform(0, width), rng.uniform(0, height * 0.7)
            cel.fill(oval(x, y, *[rng.uniform(0.5, 1.6)] * 2), (1, 1, rng.uniform(0.8, 1)))
    elif rng.random() < 0.5:
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.4)
        radius = height * rng.uniform(0.05, 0.14)
        bright = hsv(0.13, 0.25, 1)
        cel.paint(cel.fill_mask(oval(x, y, radius * 2, radius * 2)), bright, 0.25)
        cel.fill(oval(x, y, radius, radius), glow((1, 1, 0.95), bright, x, y, radius))
    for _ in range(rng.randint(0, 5)):
        draw_cloud(
            cel, rng, palette, rng.uniform(0, width), rng.uniform(0.05, 0.45) * height, height
        )


def draw_cloud(cel: Cel, rng: Random, palette: Palette, x: float, y: float, height: float) -> None:
    size = height * rng.uniform(0.06, 0.16)
    puffs = [(-2.2, 0.5), (-2.0, -0.2), (-1.2, -0.4), (-0.6, -1.1), (0.4, -1.1), (0.9, -0.5),
             (1.8, -0.4), (2.3, 0.5), (0, 0.6)]  # fmt: skip
    points = curve(
        [(x + a * size * rng.uniform(0.8, 1.2), y + b * size) for a, b in puffs], closed=True
    )
    white = mixed((1, 1, 1), palette.colour(rng, 1.0), 0.1)
    mask = cel.fill(points, white)
    low = cel.fill_mask(points + np.array([0.1 * size, 0.5 * size], np.float32))
    cel.paint(mask.within(low), mixed(white, palette.colour(rng, 0.8), 0.25))
    if rng.random() < 0.5:
        cel.outline(points, palette.width * 0.6, mixed(palette.ink, white, 0.35))


def draw_hills(cel: Cel, rng: Random, palette: Palette, width: float, height: float) -> None:
    for layer in range(rng.randint(1, 3)):
        level = height * (0.5 + 0.13 * layer)
        x = np.arange(-20, width + 40, 12)
        one, other = rng.uniform(60, 200), rng.uniform(20, 70)
        y = level + height * (0.06 * np.sin(x / one + layer) + 0.025 * np.sin(x / other))
        ridge = np.stack([x, y], axis=1)
        end = [(width + 40, height + 20), (-20, height + 20)]
        points = np.vstack([ridge, end]).astype(np.float32)
        cel.fill(points, palette.colour(rng, 0.55 + 0.12 * layer))
        cel.line(ridge.astype(np.float32), palette.width * 0.8, palette.ink)


def draw_building(
    cel: Cel, rng: Random, palette: Palette, x: float, base: float, width: float, height: float
) -> None:
    """A front with rows of windows, and perhaps a sign."""
    wall = palette.colour(rng, 0.85)
    front = path((x, base), (x, base - height), (x + width, base - height), (x + width, base))
    cel.fill(front, wall)
    side = width * rng.uniform(0, 0.25)
    cel.fill(
        path((x, base), (x, base - height), (x + side, base - height), (x + side, base)),
        shade_of(wall),
    )
    cel.outline(front, palette.width, palette.ink)
    columns, rows = rng.randint(2, 6), max(int(height / rng.uniform(22, 45)), 1)
    glass = mixed(palette.colour(rng, 0.6), (0.6, 0.8, 0.95), 0.5)
    lit = hsv(0.13, 0.5, 1)
    cell_x, cell_y = (width - side) / columns, height / rows
    thin = max(palette.width * 0.5, 0.8)
    for row in range(rows):
        for column in range(columns):
            left, top = x + side + cell_x * (column + 0.2), base - height + cell_y * (row + 0.2)
            right, bottom = left + cell_x * 0.6, top + cell_y * 0.6
            pane = path((left, top), (right, top), (right, bottom), (left, bottom))
            cel.fill(pane, lit if rng.random() < 0.4 - 0.4 * palette.light else glass)
            cel.line(np.vstack([pane, pane[:1]]), thin, palette.ink)
            if cell_x > 18:
                middle = (left + right) / 2
                cel.line(path((middle, top), (middle, bottom)), thin, palette.ink)
    if rng.random() < 0.5 and width > 50:
        draw_sign(cel, rng, palette, x + width * 0.08, base - height * 0.6, width * 0.84)


def draw_sign(cel: Cel, rng: Random, palette: Palette, x: float, y: float, width: float) -> None:
    word = rng.choice(WORDS)
    height = min(width * 0.8 / max(text_width(word, 1), 1), width * 0.3)
    board = path((x, y), (x + width, y), (x + width, y + 2 * height), (x, y + 2 * height))
    colour = palette.colour(rng, 0.95)
    cel.fill(board, colour)
    cel.outline(board, palette.width, palette.ink)
    left = x + (width - text_width(word, height)) / 2
    writing = palette.ink if sum(colour) > 1.2 else (1.0, 1.0, 0.95)
    draw_text(cel, word, left, y + height / 2, height, max(height * 0.13, 0.9), writing)


def draw_town(cel: Cel, rng: Random, palette: Palette, width: float, height: float) -> None:
    base, x = height * 0.86, -20.0
    while x < width + 20:
        wide = rng.uniform(50, 150)
        draw_building(cel, rng, palette, x, base, wide, height * rng.uniform(0.25, 0.7))
        x += wide + rng.choice((0, 0, 6, 25))
    road = palette.colour(rng, 0.5)
    cel.fill(path((0, base), (width, base), (width, height), (0, height)), road)
    cel.line(path((0, base), (width, base)), palette.width * 1.3, palette.ink)
    for x in np.arange(0, width, 46):
        cel.line(
            path((x, base + 3), (x - 16, height)), max(0.5 * palette.width, 0.8), shade_of(road)
        )
    for wire in range(rng.randint(0, 4)):
        sag = [
            (x, height * (0.12 + 0.03 * wire) + 9 * math.cos(x / 70))
            for x in range(0, int(width), 25)
        ]
        cel.line(curve(sag), rng.uniform(0.8, 1.4), palette.ink)


def draw_room(cel: Cel, rng: Random, palette: Palette, width: float, height: float) -> None:
    """Walls and boards in perspective: long thin lines that converge."""
    wall, floor = palette.colour(rng, 0.85), palette.colour(rng, 0.6)
    cel.paint(cel.everything(), gradient((wall, shade_of(wall)), 0, height))
    level, middle = height * rng.uniform(0.55, 0.7), width * rng.uniform(0.3, 0.7)
    cel.fill(path((0, level), (width, level), (width, height), (0, height)), floor)
    thin = max(palette.width * 0.55, 0.8)
    for x in np.linspace(-width, 2 * width, rng.randint(16, 40)):
        start = middle + (x - middle) * 0.3
        cel.line(path((start, level), (x, height)), thin, palette.ink)
    for y in level + (height - level) * np.cumsum([0.1, 0.16, 0.24, 0.34]):
        cel.line(path((0, y), (width, y)), thin, palette.ink)
    cel.line(path((0, level), (width, level)), palette.width * 1.2, palette.ink)
    for _ in range(rng.randint(2, 4)):
        draw_shelf(cel, rng, palette, rng.uniform(0, width * 0.8), level, height)
    if rng.random() < 0.4:
        above = cel.fill_mask(path((0, 0), (width, 0), (width, level), (0, level)))
        cel.paint(stripes(above, rng.uniform(20, 60), 0.9, 90), shade_of(wall))


def draw_shelf(
    cel: Cel, rng: Random, palette: Palette, x: float, level: float, height: float
) -> None:
    """Books on a board, each with its outline."""
    y, wide = level - height * rng.uniform(0.1, 0.35), rng.uniform(80, 200)
    place = x
    while place < x + wide:
        thick, tall = rng.uniform(5, 16), rng.uniform(24, 52)
        book = path((place, y), (place, y - tall), (place + thick, y - tall), (place + thick, y))
        cel.fill(book, palette.colour(rng, 0.9))
        cel.outline(book, palette.width * 0.7, palette.ink)
        cel.line(
            path((place + 1, y - tall * 0.75), (place + thick - 1, y - tall * 0.75)), 1, palette.ink
        )
        place += thick
    board = path((x - 8, y), (place + 8, y), (place + 8, y + 6), (x - 8, y + 6))
    shaded(cel, board, palette.colour(rng, 0.6), palette)


def draw_leaves(cel: Cel, rng: Random, palette: Palette, width: float, height: float) -> None:
    """A border of grass and leaves, each a tapered shape."""
    green = hsv(rng.uniform(0.2, 0.45), 0.6, 0.35 + 0.35 * palette.light)
    for _ in range(rng.randint(60, 140)):
        x, tall = rng.uniform(-10, width + 10), height * rng.uniform(0.06, 0.3)
        lean, wide = rng.uniform(-0.5, 0.5) * tall, rng.uniform(2, 8)
        left = [
            (x - wide, height + 4),
            (x + lean * 0.3 - wide * 0.6, height - tall * 0.6),
            (x + lean, height - tall),
        ]
        right = [(x + lean * 0.3 + wide * 0.6, height - tall * 0.6), (x + wide, height + 4)]
        blade = np.vstack([curve(left), curve([left[-1], *right])])
        tone = mixed(green, palette.colour(rng, 0.7), rng.uniform(0, 0.4))
        cel.fill(blade, tone)
        cel.line(blade, palette.width * 0.6, palette.ink)
