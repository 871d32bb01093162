"""Manga pages in black and white: panels, screentone, hatching, speed lines, balloons."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import numpy as np

from material.figures import draw_bust, draw_person_of
from material.ink import Cel, Colour, Mask, oval, path, screentone, turned
from material.letters import WORDS, draw_text, text_width
from material.palette import blob, hatch
from material.stage import Stage


def draw_page(stage: Stage, more: float) -> Cel:
    """A page in black and white: panels, screentone, hatching, speed lines, balloons."""
    rng = stage.rng
    cel = stage.cel(more)
    paper = (1.0, 1.0, 1.0) if rng.random() < 0.7 else (0.97, 0.95, 0.88)
    stage = replace(stage, palette=replace(stage.palette, ink=(0.04, 0.04, 0.05), mood=0.0))
    cel.paint(cel.everything(), paper)
    width, height = stage.width * more, stage.height * more
    columns, rows = rng.randint(1, 3), rng.randint(1, 2)
    for row in range(rows):
        for column in range(columns):
            left, top = width * column / columns + 8, height * row / rows + 8
            draw_panel(cel, stage, left, top, width / columns - 16, height / rows - 16, paper)
    return cel


def draw_panel(
    cel: Cel, stage: Stage, x: float, y: float, width: float, height: float, paper: Colour
) -> None:
    rng, ink = stage.rng, stage.palette.ink
    frame = path((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    inside = cel.fill_mask(frame)
    gray = rng.uniform(0.1, 0.45)
    tone = screentone(paper, ink, rng.uniform(4, 9), gray, rng.choice((0, 45, 45, 30)))
    kind = rng.choice(("tone", "speed", "focus", "hatch"))
    if kind == "tone":
        part = cel.fill_mask(blob(rng, x + width / 2, y + height / 2, max(width, height) / 2))
        cel.paint(part.within(inside), tone)
    elif kind == "hatch":
        for _ in range(rng.randint(1, 3)):
            hatch(cel, rng, inside, ink)
    else:
        draw_speed_lines(cel, rng, inside, (x, y, width, height), ink, focus=kind == "focus")
    draw_figure_in(cel, stage, inside, x + width / 2, y + height * 0.45, min(width, height) * 0.55)
    if rng.random() < 0.7:
        draw_balloon(
            cel, rng, inside, x + width * 0.75, y + height * 0.22, min(width, height) * 0.2, ink
        )
    cel.line(np.vstack([frame, frame[:1]]), rng.uniform(1.5, 3.5), ink)


def draw_figure_in(cel: Cel, stage: Stage, inside: Mask, x: float, y: float, size: float) -> None:
    """A head that ends where its panel does."""
    own = Cel(cel.width / 2, cel.height / 2)
    person = draw_person_of(stage.rng, stage.palette, size)
    white = (1.0, 1.0, 1.0)
    hair = stage.rng.choice((white, (0.08, 0.08, 0.1), (0.6, 0.6, 0.62)))
    person = replace(person, skin=white, clothes=(0.9, 0.9, 0.9), hair=hair, eyes=(0.3, 0.3, 0.3))
    draw_bust(own, person, x, y, 0.0, stage.rng.choice((0.0, 1.0)))
    height, width = inside.cover.shape
    rows = slice(inside.top, inside.top + height)
    columns = slice(inside.left, inside.left + width)
    above = own.rgba[:, rows, columns] * inside.cover
    cel.rgba[:, rows, columns] *= 1 - above[3]
    cel.rgba[:, rows, columns] += above


def draw_speed_lines(
    cel: Cel,
    rng: Random,
    inside: Mask,
    box: tuple[float, float, float, float],
    ink: Colour,
    *,
    focus: bool,
) -> None:
    """Thin lines that end in points: all in one direction, or towards a middle."""
    x, y, width, height = box
    angle = rng.choice((0.0, 0.0, 20.0, 90.0))
    reach = math.hypot(width, height)
    for _ in range(rng.randint(50, 130)):
        thick = rng.uniform(0.8, 3.0)
        if focus:
            turn = rng.uniform(0, 360)
            line = turned(path((reach, 0), (reach * rng.uniform(0.22, 0.4), 0)), turn)
        else:
            start = rng.uniform(-reach, 0)
            line = path((start, 0), (start + reach * rng.uniform(0.4, 1.2), 0))
            line = turned(line + np.array([0, rng.uniform(-reach, reach) / 2]), angle)
        line = (line + np.array([x + width / 2, y + height / 2])).astype(np.float32)
        along = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
        points = line[0] + (line[1] - line[0]) * along
        widths = thick * np.linspace(1, 0.05, 12)
        cel.paint(cel.stroke_mask(points, widths).within(inside), ink)


def draw_balloon(
    cel: Cel, rng: Random, inside: Mask, x: float, y: float, size: float, ink: Colour
) -> None:
    shape = oval(x, y, size * 1.3, size)
    cel.paint(cel.fill_mask(shape).within(inside), (1, 1, 1))
    ring = np.vstack([shape, shape[:1]])
    cel.paint(cel.stroke_mask(ring, 1.6).within(inside), ink)
    letter = size * rng.uniform(0.22, 0.35)
    for line in range(2):
        word = rng.choice(WORDS)
        left = x - text_width(word, letter) / 2
        top = y + (line - 0.9) * letter * 1.5
        draw_text(cel, word, left, top, letter, max(letter * 0.13, 0.9), ink)
