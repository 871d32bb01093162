"""Words on pictures: a stroke font of this project's own, drawn smooth at any size.

A glyph is a few polylines and elliptical arcs; a pixel is covered by how near it lies to one of
them, so letters are antialiased and have round ends. ASCII and a few signs are drawn; what else
there is in a name becomes a box.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

# Units of the glyphs: y runs down, capitals reach from 0 to 10, small letters from 3.4, tails to
# 13. A stroke is "x y, x y ..." or "@centre-x centre-y radius-x radius-y from to" (an arc, in
# degrees, 0 at the right, 90 below); strokes are separated by semicolons.
CAPITAL: Final = 10.0
TOP, BOTTOM = -2.4, 14.2
"""Extent of a line, with room for strokes that end there."""
GAP: Final = 2.3
"""Distance between two glyphs."""
SPACE: Final = 2.6
STROKE: Final = 1.25
ARC_STEP_DEGREES: Final = 12

GLYPHS: Final = {
    "A": "0 10, 3.6 0, 7.2 10; 1.2 6.7, 6 6.7",
    "B": "3.2 0, 0 0, 0 10, 3.4 10; 0 4.8, 3.4 4.8; @3.2 2.4 2.4 2.4 -90 90;"
    "@3.4 7.4 2.7 2.6 -90 90",
    "C": "@4 5 4 5 48 312",
    "D": "2.4 0, 0 0, 0 10, 2.4 10; @2.4 5 4.4 5 -90 90",
    "E": "5.2 0, 0 0, 0 10, 5.2 10; 0 4.8, 4.6 4.8",
    "F": "5.2 0, 0 0, 0 10; 0 4.8, 4.4 4.8",
    "G": "@4 5 4 5 0 312; 8 5, 4.6 5",
    "H": "0 0, 0 10; 6.6 0, 6.6 10; 0 4.8, 6.6 4.8",
    "I": "0 0, 0 10",
    "J": "4 0, 4 7.2; @2 7.2 2 2.8 0 160",
    "K": "0 0, 0 10; 6 0, 0 6.2; 2.2 4, 6.4 10",
    "L": "0 0, 0 10, 4.8 10",
    "M": "0 10, 0 0, 4 6.4, 8 0, 8 10",
    "N": "0 10, 0 0, 6.6 10, 6.6 0",
    "O": "@4.3 5 4.3 5 0 360",
    "P": "0 10, 0 0, 3.2 0; 0 5.6, 3.2 5.6; @3.2 2.8 2.8 2.8 -90 90",
    "Q": "@4.3 5 4.3 5 0 360; 5.4 7.4, 8.4 10.6",
    "R": "0 10, 0 0, 3.2 0; 0 5.4, 3.2 5.4; @3.2 2.7 2.7 2.7 -90 90; 3 5.4, 6.2 10",
    "S": "@3 2.5 2.8 2.5 330 90; @3 7.5 3.1 2.5 -90 150",
    "T": "0 0, 6.8 0; 3.4 0, 3.4 10",
    "U": "0 0, 0 6.7; @3.3 6.7 3.3 3.3 180 0; 6.6 6.7, 6.6 0",
    "V": "0 0, 3.5 10, 7 0",
    "W": "0 0, 2.6 10, 5.2 1.4, 7.8 10, 10.4 0",
    "X": "0 0, 6.4 10; 6.4 0, 0 10",
    "Y": "0 0, 3.4 5, 6.8 0; 3.4 5, 3.4 10",
    "Z": "0 0, 6.2 0, 0 10, 6.4 10",
    "a": "@2.6 6.7 2.6 3.3 0 360; 5.2 3.4, 5.2 10",
    "b": "0 0, 0 10; @2.6 6.7 2.6 3.3 0 360",
    "c": "@2.6 6.7 2.6 3.3 48 312",
    "d": "@2.6 6.7 2.6 3.3 0 360; 5.2 0, 5.2 10",
    "e": "@2.7 6.7 2.7 3.3 40 360; 0.1 6.7, 5.4 6.7",
    "f": "1.5 10, 1.5 2; @3.4 2 1.9 2 180 285; 0 3.6, 3.3 3.6",
    "g": "@2.6 6.7 2.6 3.3 0 360; 5.2 3.4, 5.2 10.4; @2.6 10.4 2.6 2.6 0 150",
    "h": "0 0, 0 10; @2.4 5.8 2.4 2.4 180 360; 4.8 5.8, 4.8 10",
    "i": "0 3.6, 0 10; 0 0.7, 0 0.7",
    "j": "1.4 3.6, 1.4 11.2; @-0.2 11.2 1.6 1.8 0 90; 1.4 0.7, 1.4 0.7",
    "k": "0 0, 0 10; 4.4 3.6, 0 7.6; 1.8 6.1, 4.8 10",
    "l": "0 0, 0 8.4; @1.5 8.4 1.5 1.6 180 90",
    "m": "0 3.4, 0 10; @2.1 5.5 2.1 2.1 180 360; 4.2 5.5, 4.2 10; @6.3 5.5 2.1 2.1 180 360;"
    "8.4 5.5, 8.4 10",
    "n": "0 3.4, 0 10; @2.4 5.8 2.4 2.4 180 360; 4.8 5.8, 4.8 10",
    "o": "@2.8 6.7 2.8 3.3 0 360",
    "p": "0 3.4, 0 13; @2.6 6.7 2.6 3.3 0 360",
    "q": "@2.6 6.7 2.6 3.3 0 360; 5.2 3.4, 5.2 13",
    "r": "0 3.4, 0 10; @2.3 5.8 2.3 2.4 180 300",
    "s": "@2.2 5.05 2 1.65 335 90; @2.2 8.35 2.2 1.65 -90 155",
    "t": "1.5 1, 1.5 8; @3.3 8 1.8 2 180 75; 0 3.6, 3.5 3.6",
    "u": "0 3.4, 0 7.6; @2.4 7.6 2.4 2.4 180 0; 4.8 3.4, 4.8 10",
    "v": "0 3.4, 2.5 10, 5 3.4",
    "w": "0 3.4, 1.9 10, 3.8 4.4, 5.7 10, 7.6 3.4",
    "x": "0 3.4, 4.8 10; 4.8 3.4, 0 10",
    "y": "0 3.4, 2.6 10; 5.2 3.4, 1.6 13",
    "z": "0 3.4, 4.5 3.4, 0 10, 4.7 10",
    "0": "@3 5 3 5 0 360",
    "1": "0 2.2, 2.6 0, 2.6 10",
    "2": "@2.9 2.9 2.8 2.9 195 398; 5.1 4.7, 0 10, 5.8 10",
    "3": "@2.7 2.5 2.4 2.5 -150 90; @2.7 7.4 2.8 2.6 -90 150",
    "4": "4.6 10, 4.6 0, 0 7, 6.2 7",
    "5": "5.2 0, 0.9 0, 0.5 4.8; @2.8 6.7 2.9 3.3 -142 145",
    "6": "@3 6.9 2.9 3.1 0 360; @5.4 6.9 5.3 6.9 180 264",
    "7": "0 0, 5.8 0, 1.9 10",
    "8": "@3 2.4 2.4 2.4 0 360; @3 7.4 3 2.6 0 360",
    "9": "@2.9 3.1 2.9 3.1 0 360; @0.5 3.1 5.3 6.9 0 84",
    ".": "0 9.7, 0 9.7",
    ",": "0.7 9.5, 0 11.8",
    ":": "0 4.6, 0 4.6; 0 9.7, 0 9.7",
    ";": "0.7 4.6, 0.7 4.6; 0.7 9.5, 0 11.8",
    "!": "0 0, 0 6.6; 0 9.7, 0 9.7",
    "?": "@2.5 2.7 2.5 2.7 190 400; 4.4 4.4, 2.5 6, 2.5 6.9; 2.5 9.7, 2.5 9.7",
    "-": "0 6.2, 3.4 6.2",
    "_": "0 11.4, 5.6 11.4",
    "/": "0 11.4, 4.4 -1",
    "\\": "0 -1, 4.4 11.4",
    "|": "0 -1, 0 12",
    "(": "@4.4 5.2 4.4 7.4 120 240",
    ")": "@-2.2 5.2 4.4 7.4 -60 60",
    "[": "2.2 -1, 0 -1, 0 11.6, 2.2 11.6",
    "]": "0 -1, 2.2 -1, 2.2 11.6, 0 11.6",
    "{": "2.8 -1, 1.6 -1, 1.6 4.4, 0 5.3, 1.6 6.2, 1.6 11.6, 2.8 11.6",
    "}": "0 -1, 1.2 -1, 1.2 4.4, 2.8 5.3, 1.2 6.2, 1.2 11.6, 0 11.6",
    "<": "5.4 3, 0 6, 5.4 9",
    ">": "0 3, 5.4 6, 0 9",
    "=": "0 4.4, 5.6 4.4; 0 7.6, 5.6 7.6",
    "+": "0 6, 6 6; 3 3, 3 9",
    "*": "2.2 0, 2.2 4.6; 0.2 1.1, 4.2 3.5; 4.2 1.1, 0.2 3.5",
    "%": "@1.8 2.2 1.8 2.2 0 360; @7 7.8 1.8 2.2 0 360; 7.4 0, 1.4 10",
    "&": "7 10, 1.4 3.6; @3 2.3 1.9 2.2 140 400; 4.5 3.8, 1.4 5.4; @2.8 7.4 2.7 2.6 230 30;"
    "5.1 8.7, 6.6 5.6",
    "#": "2.4 0, 1 10; 6 0, 4.6 10; 0.4 3.2, 7 3.2; 0 6.8, 6.6 6.8",
    "@": "@4.6 6 2.1 2.4 0 360; @4.8 6 4.8 5.6 60 350; 6.7 3.6, 6.7 7; @8.1 7 1.4 1.4 180 20",
    "$": "@3 2.5 2.8 2.5 330 90; @3 7.5 3.1 2.5 -90 150; 3 -1.2, 3 11.2",
    "'": "0 0, 0 2.6",
    '"': "0 0, 0 2.6; 2.2 0, 2.2 2.6",
    "`": "0 0, 1.4 1.8",
    "^": "0 3.4, 2.3 0, 4.6 3.4",
    "~": "@1.5 6.6 1.5 1.4 180 350; @4.5 6 1.5 1.4 170 0",
    "\u00b7": "0 6, 0 6",
    "\u00d7": "0 3.6, 5 8.6; 5 3.6, 0 8.6",
    "\u2013": "0 6.2, 5 6.2",
    "\u2026": "0 9.7, 0 9.7; 3 9.7, 3 9.7; 6 9.7, 6 9.7",
}
BOX: Final = "0 0, 5 0, 5 10, 0 10, 0 0"
"""Stands for every other character."""


@cache
def _segments(character: str) -> Tensor:
    """(S, 2, 2): both ends of each straight piece of a glyph, as x, y."""
    pieces: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for stroke in GLYPHS.get(character, BOX).split(";"):
        points = _arc(stroke.strip()[1:]) if stroke.strip().startswith("@") else _line(stroke)
        pieces += pairwise(points)
    return torch.tensor(pieces)


def _line(stroke: str) -> list[tuple[float, float]]:
    pairs = (point.split() for point in stroke.split(","))
    return [(float(x), float(y)) for x, y in pairs]


def _arc(stroke: str) -> list[tuple[float, float]]:
    x, y, radius_x, radius_y, first, last = map(float, stroke.split())
    steps = max(round(abs(last - first) / ARC_STEP_DEGREES), 1)
    angles = [math.radians(first + (last - first) * step / steps) for step in range(steps + 1)]
    return [(x + radius_x * math.cos(a), y + radius_y * math.sin(a)) for a in angles]


@cache
def _glyph(character: str, unit_px: float) -> Tensor:
    """(H, W) coverage of one glyph, 0 to 1, with half a gap at each side."""
    if character == " ":
        return torch.zeros(_rows(unit_px), round((SPACE + GAP) * unit_px))
    segments = _segments(character)
    left = float(segments[..., 0].min()) - GAP / 2
    columns = round((float(segments[..., 0].max()) + GAP / 2 - left) * unit_px)
    y = TOP + (torch.arange(_rows(unit_px)) + 0.5) / unit_px
    x = left + (torch.arange(columns) + 0.5) / unit_px
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H, W, 2)
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    offset = places[:, :, None] - start  # (H, W, S, 2)
    length = along.square().sum(-1).clamp(min=1e-9)
    share = ((offset * along).sum(-1) / length).clamp(0, 1)
    distance = (offset - share[..., None] * along).norm(dim=-1).amin(-1)
    covered: Tensor = ((STROKE / 2 - distance) * unit_px + 0.5).clamp_(0, 1)
    return covered


def _rows(unit_px: float) -> int:
    return round((BOTTOM - TOP) * unit_px)


def lettering(text: str, height_px: int) -> Tensor:
    """(H, W) coverage of one line of text, 0 to 1; capitals are ``height_px`` high."""
    unit_px = height_px / CAPITAL
    glyphs = [_glyph(c if c.isprintable() else "?", unit_px) for c in text or " "]
    return torch.cat(glyphs, dim=1)


def fitted(text: str, height_px: int, width_px: int) -> Tensor:
    """As ``lettering``, in at most so many columns: the middle of a long text becomes dots."""
    drawn = lettering(text, height_px)
    for kept in range(len(text) - 1, 1, -1):
        if drawn.shape[1] <= width_px:
            break
        head, tail = (kept + 1) // 2, kept // 2
        drawn = lettering(f"{text[:head]}\u2026{text[len(text) - tail :]}", height_px)
    return drawn[:, :width_px]


def draw(picture: Tensor, text: Tensor, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Lay lettering into a (3, H, W) picture of uint8, its upper left corner at x, y."""
    height, width = picture.shape[1:]
    text = text[: max(height - y, 0), : max(width - x, 0)]
    place = picture[:, y : y + text.shape[0], x : x + text.shape[1]]
    ink = torch.tensor(colour, dtype=torch.float32)[:, None, None]
    place.copy_(torch.lerp(place.float(), ink.expand_as(place), text).round_())


def shadow(text: Tensor, reach_px: int) -> Tensor:
    """The outline of lettering, grown by so many pixels, to be drawn dark beneath it."""
    padded = functional.pad(text[None], (reach_px,) * 4)
    return functional.max_pool2d(padded, 2 * reach_px + 1, stride=1, padding=reach_px)[0]
