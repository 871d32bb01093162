"""Lettering for generated material: capitals and digits of a stroke font, and invented ideographs.

All of it is drawn with a round brush, in pixels of the picture; no font is needed.
"""

from __future__ import annotations

from random import Random
from typing import Final

import numpy as np

from material.ink import Cel, Colour, curve

# Strokes in a box of 0 to 1, by letter: points "x,y", strokes apart by a semicolon.
LETTERS: Final = {
    "A": "0,1 .5,0 1,1;.2,.65 .8,.65", "B": "0,0 0,1 .7,1 1,.78 .7,.5 0,.5;0,0 .6,0 .85,.25 .6,.5",
    "C": "1,.12 .6,0 .2,.1 0,.5 .2,.9 .6,1 1,.88", "D": "0,0 0,1 .55,1 1,.6 1,.4 .55,0 0,0",
    "E": "1,0 0,0 0,1 1,1;0,.5 .8,.5", "F": "1,0 0,0 0,1;0,.5 .8,.5",
    "G": "1,.12 .6,0 .2,.1 0,.5 .2,.9 .6,1 1,.85 1,.55 .6,.55", "H": "0,0 0,1;1,0 1,1;0,.5 1,.5",
    "I": ".5,0 .5,1", "J": "1,0 1,.75 .7,1 .3,1 0,.78", "K": "0,0 0,1;1,0 0,.55;.3,.4 1,1",
    "L": "0,0 0,1 1,1", "M": "0,1 .05,0 .5,.7 .95,0 1,1", "N": "0,1 0,0 1,1 1,0",
    "O": ".5,0 .1,.2 0,.5 .1,.8 .5,1 .9,.8 1,.5 .9,.2 .5,0", "P": "0,1 0,0 .7,0 1,.25 .7,.5 0,.5",
    "Q": ".5,0 .1,.2 0,.5 .1,.8 .5,1 .9,.8 1,.5 .9,.2 .5,0;.6,.7 1,1",
    "R": "0,1 0,0 .7,0 1,.25 .7,.5 0,.5;.4,.5 1,1",
    "S": "1,.1 .6,0 .1,.1 .1,.4 .9,.6 .9,.9 .4,1 0,.9",
    "T": "0,0 1,0;.5,0 .5,1", "U": "0,0 0,.75 .3,1 .7,1 1,.75 1,0", "V": "0,0 .5,1 1,0",
    "W": "0,0 .2,1 .5,.3 .8,1 1,0", "X": "0,0 1,1;1,0 0,1", "Y": "0,0 .5,.5 1,0;.5,.5 .5,1",
    "Z": "0,0 1,0 0,1 1,1", "0": ".5,0 .1,.2 .1,.8 .5,1 .9,.8 .9,.2 .5,0", "1": ".2,.2 .5,0 .5,1",
    "2": "0,.2 .4,0 .9,.15 .8,.5 0,1 1,1", "3": "0,.1 .6,0 .9,.25 .4,.48 1,.75 .5,1 0,.9",
    "4": ".7,1 .7,0 0,.7 1,.7", "5": ".9,0 .1,0 .1,.45 .7,.4 1,.7 .6,1 0,.9", "7": "0,0 1,0 .4,1",
    "6": ".8,0 .3,.2 0,.6 .1,.9 .5,1 .9,.85 .9,.6 .5,.48 .05,.65",
    "9": ".2,1 .7,.8 1,.4 .9,.1 .5,0 .1,.15 .1,.4 .5,.52 .95,.35",
    "8": ".5,.48 .1,.25 .5,0 .9,.25 .5,.48 0,.75 .5,1 1,.75 .5,.48", "!": ".5,0 .5,.65;.5,.95 .5,1",
    "?": "0,.2 .5,0 1,.2 .5,.5 .5,.7;.5,.95 .5,1", ".": ".5,.95 .5,1", "-": ".1,.5 .9,.5",
}  # fmt: skip
WORDS: Final = (
    *("ANIME", "CAT", "STAR", "MOON", "RIVER", "NIGHT", "SKY", "HERO", "STOP", "SHOP", "CAFE"),
    *("BOOKS", "TEA", "RAMEN", "STATION", "EXIT", "NORTH", "SOUTH", "RADIO", "CINEMA", "MAGIC"),
    *("ZERO", "DRAGON", "HOTEL", "PIXEL", "FRAME", "LINE", "INK", "24", "2001", "1987", "BOOM!"),
    *("WOW!", "WHO?", "FLY", "EAST", "WEST", "GARDEN", "SUMMER", "WINTER", "TRAIN", "BUS"),
    *("KITE", "VIOLET", "JADE", "FOX", "OWL", "QUARTZ"),
)


def draw_text(
    cel: Cel, text: str, x: float, y: float, height: float, width: float, paint: Colour
) -> float:
    """Capitals from (x, y), their top left; the x where the next would begin."""
    for letter in text:
        if letter in LETTERS:
            narrow = 0.35 if letter in "I!." else 0.68
            for stroke in LETTERS[letter].split(";"):
                points = np.array([pair.split(",") for pair in stroke.split()], np.float32)
                cel.line(points * (narrow * height, height) + (x, y), width, paint)
            x += (narrow + 0.3) * height
        else:
            x += 0.6 * height
    return x


def text_width(text: str, height: float) -> float:
    return sum(0.6 if c not in LETTERS else 0.65 if c in "I!." else 0.98 for c in text) * height


def draw_character(cel: Cel, rng: Random, x: float, y: float, size: float, paint: Colour) -> None:
    """An invented ideograph: brushed strokes on a grid, thick at one end."""
    width = size * rng.uniform(0.07, 0.12)
    for _ in range(rng.randint(4, 9)):
        column, row = rng.randint(0, 3) / 3, rng.randint(0, 3) / 3
        kind = rng.choice("hhvvdc")
        start, end = {
            "h": ((0.05 + column * 0.3, row), (0.95 - rng.random() * 0.3, row - 0.04)),
            "v": ((column, 0.02), (column, rng.uniform(0.5, 1))),
            "d": ((column, row), (column + rng.uniform(-0.4, 0.4), row + 0.35)),
            "c": ((0.5, row), (rng.choice((0, 1)), min(row + 0.5, 1))),
        }[kind]
        middle = ((start[0] + end[0]) / 2 + 0.05, (start[1] + end[1]) / 2 - 0.03)
        points = curve([start, middle, end]) * size + (x, y)
        cel.taper(points.astype(np.float32), width, paint)


def draw_word(cel: Cel, rng: Random, x: float, y: float, height: float, paint: Colour) -> float:
    """A word in capitals or in invented ideographs; the x where it ends."""
    if rng.random() < 0.6:
        word = rng.choice(WORDS)
        return draw_text(cel, word, x, y, height, height * rng.uniform(0.08, 0.16), paint)
    for _ in range(rng.randint(2, 4)):
        draw_character(cel, rng, x, y, height, paint)
        x += height * 1.15
    return x
