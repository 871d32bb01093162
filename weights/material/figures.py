"""Procedural figures: people who blink and talk, machines of plates, wheels.

A person is drawn again and again, each time with other eyes and another mouth, and is otherwise the
same: chance is in what a person is, not in a drawing. Units are halves of a head; coordinates are
pixels of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from material.ink import Cel, Colour, Path2D, curve, gradient, mixed, oval, path, spots, turned
from material.letters import WORDS, draw_text
from material.palette import Palette, hatch, hsv, shade_of, shaded


@dataclass(frozen=True, kw_only=True)
class Person:
    """What stays the same from drawing to drawing."""

    palette: Palette
    skin: Colour
    hair: Colour
    eyes: Colour
    clothes: Colour
    hair_seed: int
    size: float
    """Pixels from the chin to the top of the head."""


def draw_person_of(rng: Random, palette: Palette, size: float) -> Person:
    return Person(
        palette=palette,
        skin=hsv(rng.uniform(0.03, 0.09), rng.uniform(0.15, 0.5), rng.uniform(0.6, 1)),
        hair=hsv(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.15, 0.95)),
        eyes=hsv(rng.random(), 0.7, 0.7),
        clothes=palette.colour(rng, 0.9, 0.3),
        hair_seed=rng.getrandbits(32),
        size=size,
    )


def draw_bust(cel: Cel, person: Person, x: float, y: float, blink: float, talk: float) -> None:
    """Head and shoulders, the middle of the face at (x, y); ``blink`` and ``talk`` are 0 to 1."""
    unit = person.size / 2
    rng = Random(person.hair_seed)
    draw_hair_behind(cel, rng, person, x, y, unit)
    draw_body(cel, person, x, y, unit)
    draw_face(cel, person, x, y, unit)
    for side in (-1, 1):
        draw_eye(cel, person, x + side * 0.38 * unit, y + 0.12 * unit, unit, side, blink)
        draw_blush(cel, person, x + side * 0.5 * unit, y + 0.5 * unit, unit)
    nose = curve(spots(x, y, unit, (0.02, 0.36), (0.07, 0.46), (0, 0.48)))
    cel.swell(nose, person.palette.width * 0.7, person.palette.ink)
    draw_mouth(cel, person, x, y + 0.7 * unit, unit, talk)
    draw_hair_before(cel, rng, person, x, y, unit)


def draw_body(cel: Cel, person: Person, x: float, y: float, unit: float) -> None:
    """Neck, shoulders and a collar."""
    half = [(0.35, 0.9), (0.9, 1.35), (1.5, 1.6), (1.9, 3.2)]
    body = [(-a, b) for a, b in half] + half[::-1]
    shaded(cel, curve(spots(x, y, unit, *body), closed=True), person.clothes, person.palette)
    neck = [(-0.26, 0.6), (-0.3, 1.25), (0.0, 1.5), (0.3, 1.25), (0.26, 0.6)]
    skin = shade_of(person.skin)
    shaded(cel, curve(spots(x, y, unit, *neck), closed=True), skin, person.palette, width=0.8)
    white = mixed(person.clothes, (1, 1, 1), 0.6)
    for side in (-1, 1):
        fold = spots(x, y, unit, (side * 0.9, 1.7), (side * 0.8, 2.2), (side * 1.0, 2.9))
        cel.swell(curve(fold), person.palette.width, person.palette.ink)
        collar = spots(x, y, unit, (0, 1.6), (side * 0.75, 1.15), (side * 0.8, 1.5))
        shaded(cel, collar, white, person.palette, width=0.8)


def draw_face(cel: Cel, person: Person, x: float, y: float, unit: float) -> None:
    half = [(0.62, -0.75), (0.82, -0.1), (0.7, 0.45), (0.3, 0.88)]
    face = [(0.0, -1.0), *half, (0.0, 1.0), *((-a, b) for a, b in half[::-1])]
    shaded(cel, curve(spots(x, y, unit, *face), closed=True), person.skin, person.palette)


def draw_blush(cel: Cel, person: Person, x: float, y: float, unit: float) -> None:
    """Three short strokes."""
    red = (1.0, 0.3, 0.3) if person.palette.mood else (0.4, 0.4, 0.4)
    for stroke in (-1, 0, 1):
        line = spots(x + stroke * 0.07 * unit, y, unit, (0, 0), (-0.05, 0.08))
        cel.line(line, max(0.02 * unit, 0.8), mixed(person.skin, red, 0.35))


def draw_mouth(cel: Cel, person: Person, x: float, y: float, unit: float, talk: float) -> None:
    ink, wide = person.palette.ink, person.palette.width
    if talk < 0.2:
        cel.swell(curve(spots(x, y, unit, (-0.16, 0), (0, 0.03), (0.16, -0.01))), wide, ink)
        return
    low = 0.2 * talk
    lips = spots(x, y, unit, (-0.16, -0.02), (0, 0), (0.16, -0.02), (0, low))
    mouth = curve(lips, closed=True)
    inside = cel.fill(mouth, (0.45, 0.1, 0.15))
    tongue = cel.fill_mask(oval(x, y + low * unit, 0.1 * unit, 0.5 * low * unit))
    cel.paint(tongue.within(inside), (0.9, 0.45, 0.45))
    cel.outline(mouth, wide * 0.8, ink)


def draw_eye(
    cel: Cel, person: Person, x: float, y: float, unit: float, side: int, blink: float
) -> None:
    ink, wide = person.palette.ink, person.palette.width
    half, high = 0.2 * unit, 0.24 * unit * (1 - 0.8 * blink)
    if blink < 0.9:
        draw_iris(cel, person, x, y, half, high)
        knots = ((-1.1, -0.5), (-0.4, -1), (0.5, -1), (1.15, -0.35))
        lid = curve([(x + a * half, y + b * high) for a, b in knots])
        below = ((-0.7, 0.9), (0, 1), (0.7, 0.9))
        cel.swell(curve([(x + a * half, y + b * high) for a, b in below]), wide * 0.6, ink)
    else:
        lid = curve([(x - half, y), (x, y + 0.06 * unit), (x + half, y)])
    cel.swell(lid, wide * 1.8, ink)
    brow = spots(x, y, unit, (-0.22 * side, -0.42), (0, -0.5), (0.24 * side, -0.4))
    cel.taper(curve(brow), wide * 1.1, shade_of(person.hair))


def draw_iris(cel: Cel, person: Person, x: float, y: float, half: float, high: float) -> None:
    """The white, a graded iris, the pupil and two lights."""
    white = cel.fill(oval(x, y, half, high), (0.98, 0.98, 1.0))
    dark, light = mixed(person.eyes, (0, 0, 0), 0.55), mixed(person.eyes, (1, 1, 1), 0.5)
    iris = cel.fill_mask(oval(x, y, half * 0.72, high * 0.95)).within(white)
    cel.paint(iris, gradient((dark, person.eyes, light), y - high, y + high))
    pupil = cel.fill_mask(oval(x, y - 0.05 * high, half * 0.34, high * 0.48))
    cel.paint(pupil.within(white), person.palette.ink)
    cel.fill(oval(x - 0.3 * half, y - 0.42 * high, half * 0.24, high * 0.24), (1, 1, 1))
    cel.fill(oval(x + 0.32 * half, y + 0.45 * high, half * 0.12, high * 0.12), (1, 1, 1))


def draw_hair_behind(
    cel: Cel, rng: Random, person: Person, x: float, y: float, unit: float
) -> None:
    length = rng.uniform(0.6, 2.4)
    half = [(0.5, length * 0.9), (1.05, length), (1.1, 0), (0.8, -0.8)]
    around = [*((-a, b) for a, b in half[::-1]), *half, (0, -1.2)]
    shape = curve(spots(x, y, unit, *around), closed=True)
    shaded(cel, shape, shade_of(person.hair), person.palette)


def draw_hair_before(
    cel: Cel, rng: Random, person: Person, x: float, y: float, unit: float
) -> None:
    """A crown and pointed locks over the forehead, with strands and a band of light."""
    tips = lock_tips(rng)
    shape = spots(x, y, unit, *crown_above(tips))
    mask = cel.fill(shape, person.hair)
    low = cel.fill_mask(shape + np.array([0, 0.4 * unit], np.float32))
    cel.paint(low.within(mask), shade_of(person.hair), 0.6)
    band = curve(spots(x, y, unit, (-0.8, -0.75), (0, -0.95), (0.8, -0.75)))
    shine = mixed(person.hair, (1, 1, 1), 0.55)
    cel.paint(cel.stroke_mask(band, 0.09 * unit).within(mask), shine)
    cel.outline(shape, person.palette.width, person.palette.ink)
    for across, down in tips[1:-1]:
        strand = spots(x, y, unit, (across * 0.5, -1.1), (across * 0.9, -0.6), (across, down - 0.1))
        cel.taper(curve(strand), person.palette.width * 0.8, person.palette.ink)


def lock_tips(rng: Random) -> list[tuple[float, float]]:
    """Where the locks end, from left to right; the outer ones hang lower."""
    locks = rng.randint(4, 8)
    tips = [
        (-1.0 + 2.0 * lock / locks + rng.uniform(-0.05, 0.05), rng.uniform(-0.25, 0.2))
        for lock in range(locks + 1)
    ]
    tips[0], tips[-1] = (-1.0, rng.uniform(0.2, 0.9)), (1.0, rng.uniform(0.2, 0.9))
    return tips


def crown_above(tips: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The outline of the hair before the face: over the crown, and back from tip to tip."""
    half = [(0.55, -1.18), (1.0, -0.6), (0.95, 0.1)]
    crown = curve([*((-a, b) for a, b in half[::-1]), (0, -1.3), *half])
    outline = [(float(a), float(b)) for a, b in crown]
    before = [(-1.0, 0.0), *tips[:-1]]
    for tip, left in zip(reversed(tips), reversed(before), strict=True):
        outline += [tip, ((tip[0] + left[0]) / 2 - 0.02, -0.55)]
    return outline[:-1]


# ---- machines ------------------------------------------------------------------------------------


def draw_machine(cel: Cel, rng: Random, palette: Palette, x: float, y: float, size: float) -> None:
    """Plates with panel lines, rivets, hatching and a number."""
    for _ in range(rng.randint(4, 8)):
        wide, tall = size * rng.uniform(0.3, 0.9), size * rng.uniform(0.2, 0.6)
        left, top = x + rng.uniform(-0.5, 0.5) * size, y + rng.uniform(-0.4, 0.4) * size
        draw_plate(cel, rng, palette, left, top, wide, tall)


def draw_plate(
    cel: Cel, rng: Random, palette: Palette, left: float, top: float, wide: float, tall: float
) -> None:
    """An octagon, turned about its corner."""
    ink, cut, angle = palette.ink, 0.25 * min(wide, tall), rng.choice((0, 0, 0, 15, -20, 45))

    def at(*points: tuple[float, float]) -> Path2D:
        return turned(path(*points), angle, left, top)

    right, low = wide - cut, tall - cut
    upper = ((0, low), (0, cut), (cut, 0), (right, 0))
    plate = at(*upper, (wide, cut), (wide, low), (right, tall), (cut, tall))
    mask = shaded(cel, plate, palette.colour(rng, 0.85), palette)
    for share in (0.3, 0.65):
        line = at((wide * share, 0), (wide * share, tall * 0.6), (wide * (share + 0.1), tall))
        thin = max(0.5 * palette.width, 0.8)
        cel.paint(cel.stroke_mask(line, thin).within(mask), ink)
    for place in np.arange(cut, right, 11):
        rivet = at((float(place), 5))[0]
        cel.fill(oval(float(rivet[0]), float(rivet[1]), 1.2, 1.2), ink)
    if rng.random() < 0.4:
        corner = cel.fill_mask(at((0, tall), (wide * 0.4, tall), (0, tall * 0.3)))
        hatch(cel, rng, corner.within(mask), ink)
    if rng.random() < 0.5 and angle == 0:
        thick = max(tall * 0.03, 0.9)
        draw_text(cel, rng.choice(WORDS), left + cut, top + tall * 0.4, tall * 0.22, thick, ink)


def draw_wheel(cel: Cel, rng: Random, palette: Palette, size: float) -> None:
    """Round, about the middle of a cel that is twice as wide and high as ``size``."""
    ink, rim, hub = palette.ink, palette.colour(rng, 0.5), palette.colour(rng, 0.95)

    def ring(share: float, colour: Colour, width: float) -> None:
        circle = oval(size, size, size * share, size * share)
        cel.fill(circle, colour)
        cel.outline(circle, palette.width * width, ink)

    ring(0.95, rim, 1)
    ring(0.75, hub, 0.8)
    spokes = rng.randint(5, 16)
    arm = spots(0, 0, size, (0.12, -0.02), (0.75, -0.05), (0.75, 0.05), (0.12, 0.02))
    for spoke in range(spokes):
        points = turned(arm, 360 * spoke / spokes, size, size)
        cel.fill(points, rim)
        cel.outline(points, palette.width * 0.6, ink)
    ring(0.15, rim, 1)
