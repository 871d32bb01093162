"""The kinds of clips: each makes its layers, from below, by the chance of its stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

import numpy as np
import torch
from torch import Tensor

from animesr_cli.degradation.operators import blur
from material.figures import draw_bust, draw_machine, draw_person_of, draw_wheel
from material.ink import Cel, Colour, curve, gradient, mixed, stripes
from material.letters import draw_word
from material.motion import Layer, Pose, layer_of, moving, still
from material.pages import draw_page
from material.palette import blob, hatch, shaded
from material.scenery import draw_hills, draw_leaves, draw_room, draw_sky, draw_town
from material.stage import Stage, Stock

SOFT_SHARE: Final = 0.2
"""Of the backgrounds behind figures, which are out of focus."""


def camera_over(stage: Stage, picture: Tensor) -> Layer:
    """A pan or zoom over a picture that stays at its own sharpness or is made smaller."""
    rng = stage.rng
    height, width = picture.shape[1:]
    least = max(stage.width / width, stage.height / height)
    largest = max(1.0, least)
    scales = [rng.uniform(least, largest) for _ in range(2)]
    if rng.random() < 0.6:
        scales[1] = scales[0]
    poses: list[Pose] = []
    for scale in scales:
        room_x, room_y = width * scale - stage.width, height * scale - stage.height
        # A pan of up to 12 pixels a frame.
        reach = stage.frames * rng.uniform(1, 12)
        start = poses[0] if poses else None
        x = -rng.uniform(0, room_x) if start is None else start.x + rng.uniform(-reach, reach)
        y = -rng.uniform(0, room_y) if start is None else start.y + rng.uniform(-reach, reach)
        x, y = min(max(x, -room_x), 0), min(max(y, -room_y), 0)
        poses.append(Pose(x=x, y=y, scale=scale))
    pose = moving(poses[0], poses[1], stage.frames)
    return Layer(drawings=[picture], pixels=1.0, endless=True, pose=pose)


def recoloured(picture: Tensor, rng: Random) -> Tensor:
    """With the channels in another order, or darker, as in another light."""
    order = rng.choice(((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)))
    rgb = picture[list(order)] if rng.random() < 0.25 else picture[:3]
    light = torch.tensor([rng.uniform(0.55, 1.0) for _ in range(3)])[:, None, None]
    rgb = rgb * light if rng.random() < 0.3 else rgb
    return torch.cat([rgb, picture[3:]])


def sprite_layer(stage: Stage) -> Layer:
    """A figure that stands, walks past or leans in; never larger than it was drawn."""
    rng = stage.rng
    sprite = recoloured(rng.choice(stage.stock.sprites), rng)
    height, width = sprite.shape[1:]
    scale = rng.choice((1.0, rng.uniform(0.6, 1.0)))
    x = rng.uniform(0.1, 0.9) * stage.width
    y = scale * height + stage.height * rng.uniform(-0.3, 0.35)  # the top of the head
    start = Pose(x=x, y=y, scale=scale, degrees=rng.uniform(-4, 4), flipped=rng.random() < 0.5)
    way = stage.frames * rng.choice((0, 0, rng.uniform(-9, 9)))
    grown = scale * rng.choice((1, 1, rng.uniform(0.85, 1.0)))
    lean = start.degrees + rng.choice((0, 0, rng.uniform(-12, 12)))
    end = replace(start, x=x + way, scale=grown, degrees=lean)
    bob = rng.choice((0, 0, rng.uniform(2, 12)))
    pose = moving(start, end, stage.frames, bob=bob, turns=rng.uniform(1, 3))
    hold = rng.choice((1, 2, 2, 3))
    return Layer(drawings=[sprite], pixels=1.0, anchor=(width / 2, height), pose=pose, hold=hold)


def out_of_focus(layer: Layer, rng: Random) -> Layer:
    """As a background may be: what is soft in the truth is to stay soft."""
    if rng.random() >= SOFT_SHARE:
        return layer
    sigma = rng.uniform(0.7, 2.5) * layer.pixels
    soft = [blur(drawing[None], sigma, sigma)[0] for drawing in layer.drawings]
    return replace(layer, drawings=soft)


# ---- layers of drawings -------------------------------------------------------


def sprites_clip(stage: Stage) -> list[Layer]:
    back = camera_over(stage, recoloured(stage.rng.choice(stage.stock.backgrounds), stage.rng))
    return [
        out_of_focus(back, stage.rng),
        *(sprite_layer(stage) for _ in range(stage.rng.randint(1, 3))),
    ]


def stills_clip(stage: Stage) -> list[Layer]:
    picture = stage.rng.choice(stage.stock.stills)
    if stage.rng.random() < 0.3:
        picture = picture.flip(2)
    return [camera_over(stage, recoloured(picture, stage.rng))]


def pan(stage: Stage, more: float, hold: int = 1) -> dict[str, object]:
    """The pose of a cel that is larger than the picture, moving past it."""
    rng = stage.rng
    room_x, room_y = (more - 1) * stage.width, (more - 1) * stage.height
    x, y = rng.uniform(0, room_x), rng.uniform(0, room_y)
    reach = rng.choice((0.0, 1.0, 3.0, 7.0, 12.0)) * stage.frames
    angle = rng.choice((0, math.pi, rng.uniform(0, 2 * math.pi)))
    end_x = min(max(x + reach * math.cos(angle), 0), room_x)
    end_y = min(max(y + reach * math.sin(angle), 0), room_y)
    nearer = rng.choice((1.0, 1.0, 1.0, rng.uniform(1.0, 1.2)))
    start, end = Pose(x=-x, y=-y), Pose(x=-end_x, y=-end_y, scale=nearer)
    if rng.random() < 0.5:
        start, end = end, start
    return {"pose": moving(start, end, stage.frames), "hold": hold, "endless": True}


def scenery(stage: Stage, more: float, *, calm: bool = True) -> Cel:
    """A painted background; a calm one may be no more than a sky."""
    cel, rng = stage.cel(more), stage.rng
    size = stage.width * more, stage.height * more
    kind = rng.choice(
        ("town", "town", "room", "hills", "sky") if calm else ("town", "town", "room")
    )
    if kind == "room":
        draw_room(cel, rng, stage.palette, *size)
        return cel
    draw_sky(cel, rng, stage.palette, *size)
    if kind != "sky":
        draw_hills(cel, rng, stage.palette, *size)
    if kind == "town":
        draw_town(cel, rng, stage.palette, *size)
    return cel


def foreground(stage: Stage, more: float) -> Layer:
    cel = stage.cel(more)
    draw_leaves(cel, stage.rng, stage.palette, stage.width * more, stage.height * more)
    return layer_of([cel], **(pan(stage, more) | {"hold": stage.rng.choice((1, 2))}))


def town_clip(stage: Stage) -> list[Layer]:
    more = stage.rng.choice((1.2, 1.4))
    layers = [layer_of([scenery(stage, more, calm=False)], **pan(stage, more))]
    if stage.rng.random() < 0.4:
        layers.append(foreground(stage, 1.2))
    return layers


def person_layer(stage: Stage) -> Layer:
    """Somebody who blinks and talks, in drawings that are held."""
    rng = stage.rng
    size = stage.height * rng.uniform(0.25, 0.75)
    person = draw_person_of(rng, stage.palette, size)
    wide, high = 2.2 * size, 2.6 * size
    states = ((0.0, 0.0), (0.0, 0.6), (0.0, 1.0), (0.6, 0.0), (1.0, 0.0))
    cels = []
    for blink, talk in states:
        cel = Cel(wide, high)
        draw_bust(cel, person, wide / 2, 0.75 * size, blink, talk)
        cels.append(cel)
    order = [rng.choice((0, 0, 1, 2, 1, 3, 4)) for _ in range(stage.frames)]
    x, y = rng.uniform(0.2, 0.8) * stage.width, stage.height * rng.uniform(0.3, 0.6)
    start = Pose(x=x, y=y, degrees=rng.uniform(-6, 6), flipped=rng.random() < 0.5)
    way = rng.choice((0, 0, rng.uniform(-6, 6))) * stage.frames
    grown = rng.choice((1.0, 1.0, rng.uniform(0.8, 1.25)))
    end = replace(start, x=x + way, scale=grown, degrees=start.degrees + rng.uniform(-5, 5))
    pose = moving(start, end, stage.frames, bob=rng.choice((0, rng.uniform(1, 8))), turns=2)
    hold = rng.choice((2, 2, 3))
    drawing = order.__getitem__
    anchor = (wide / 2, 0.75 * size)
    return layer_of(cels, pose=pose, drawing=drawing, hold=hold, anchor=anchor)


def people_clip(stage: Stage) -> list[Layer]:
    people = [person_layer(stage) for _ in range(stage.rng.choice((1, 1, 2)))]
    back = layer_of([scenery(stage, 1.2)], **pan(stage, 1.2))
    return [out_of_focus(back, stage.rng), *people]


def machines_clip(stage: Stage) -> list[Layer]:
    """A machine before a town or a sky, and wheels that turn."""
    rng = stage.rng
    body = stage.cel()
    for _ in range(rng.randint(1, 2)):
        x, y = rng.uniform(0.3, 0.7) * stage.width, rng.uniform(0.3, 0.6) * stage.height
        draw_machine(body, rng, stage.palette, x, y, stage.height * rng.uniform(0.3, 0.6))
    middle = (stage.width / 2, stage.height / 2)
    start = Pose(x=middle[0], y=middle[1], degrees=rng.uniform(-5, 5))
    end = replace(start, x=start.x + rng.uniform(-6, 6) * stage.frames, degrees=rng.uniform(-8, 8))
    pose = moving(start, end, stage.frames, bob=rng.uniform(0, 4), turns=3)
    layers = [layer_of([scenery(stage, 1.2)], **pan(stage, 1.2))]
    layers.append(layer_of([body], pose=pose, anchor=middle, hold=rng.choice((1, 2))))
    for _ in range(rng.randint(1, 3)):
        size = stage.height * rng.uniform(0.1, 0.22)
        wheel = Cel(2 * size, 2 * size)
        draw_wheel(wheel, rng, stage.palette, size)
        x = rng.uniform(0.1, 0.9) * stage.width
        begin = Pose(x=x, y=stage.height * 0.8)
        speed = rng.choice((-1, 1)) * rng.uniform(2, 14)
        way = replace(begin, x=x + 3 * stage.frames, degrees=speed * stage.frames)
        turning = moving(begin, way, stage.frames)
        layers.append(layer_of([wheel], pose=turning, anchor=(size, size), hold=rng.choice((1, 2))))
    return layers


def manga_clip(stage: Stage) -> list[Layer]:
    return [layer_of([draw_page(stage, 1.35)], **pan(stage, 1.35))]


def titles_clip(stage: Stage) -> list[Layer]:
    """Lettering that scrolls, stands or turns, over a graded or striped ground."""
    rng, more = stage.rng, 1.5
    ground = stage.cel()
    one, other = stage.palette.colour(rng, 0.9), stage.palette.colour(rng, 0.6)
    ground.paint(
        ground.everything(), gradient((one, other), 0, stage.height, rng.uniform(-0.4, 0.4))
    )
    if rng.random() < 0.5:
        draw_stripes(ground, stage, mixed(one, (1, 1, 1), 0.4))
    text = stage.cel(more)
    y = 10.0
    writing = (1.0, 1.0, 1.0) if sum(one) + sum(other) < 3 else stage.palette.ink
    while y < stage.height * more - 20:
        height = rng.choice((9.0, 12.0, 16.0, 22.0, 34.0, 60.0))
        x = rng.uniform(5, 60)
        while x < stage.width * more - 4 * height:
            x = draw_word(text, rng, x, y, height, writing) + height
        y += height * rng.uniform(1.5, 2.2)
    hold = rng.choice((1, 1, 2))
    return [layer_of([ground], pose=still(0, 0)), layer_of([text], **pan(stage, more, hold))]


def draw_stripes(cel: Cel, stage: Stage, paint: Colour) -> None:
    """Thin parallel lines, of one or two pixels."""
    rng = stage.rng
    pitch, thin, angle = rng.uniform(4, 20), rng.uniform(0.9, 2.2), rng.choice((0, 90, 45, 12))
    cel.paint(stripes(cel.everything(), pitch, thin, angle), paint)


def shapes_clip(stage: Stage) -> list[Layer]:
    """Outlined shapes of all sizes that turn and cross over a calm ground."""
    rng = stage.rng
    ground = stage.cel()
    top, bottom = stage.palette.colour(rng, 0.95), stage.palette.colour(rng, 0.8)
    ground.paint(ground.everything(), gradient((top, bottom), 0, stage.height))
    if rng.random() < 0.4:
        draw_stripes(ground, stage, mixed(top, stage.palette.ink, 0.4))
    layers = [layer_of([ground], pose=still(0, 0))]
    for _ in range(rng.randint(6, 12)):
        size = stage.height * rng.uniform(0.08, 0.35)
        cel = Cel(2.6 * size, 2.6 * size)
        draw_shape(cel, stage, 1.3 * size, size)
        x, y = rng.uniform(0, stage.width), rng.uniform(0, stage.height)
        start = Pose(x=x, y=y, degrees=rng.uniform(0, 360), scale=rng.uniform(0.8, 1.1))
        way = stage.frames * rng.uniform(-5, 5), stage.frames * rng.uniform(-3, 3)
        turn = start.degrees + rng.choice((0, rng.uniform(-4, 4))) * stage.frames
        end = replace(start, x=x + way[0], y=y + way[1], degrees=turn)
        pose = moving(start, end, stage.frames)
        anchor = (1.3 * size, 1.3 * size)
        layers.append(layer_of([cel], pose=pose, anchor=anchor, hold=rng.choice((1, 2, 3))))
    return layers


def draw_shape(cel: Cel, stage: Stage, middle: float, size: float) -> None:
    rng, palette = stage.rng, stage.palette
    outline = blob(rng, middle, middle, size, rough=rng.choice((0.05, 0.25, 0.45)))
    mask = shaded(cel, outline, palette.colour(rng, 0.95), palette)
    for _ in range(rng.randint(1, 4)):
        inner = blob(rng, middle + rng.uniform(-0.4, 0.4) * size, middle, size * 0.4)
        cel.paint(cel.fill_mask(inner).within(mask), palette.colour(rng, 0.9))
        if rng.random() < 0.6:
            ring = np.vstack([inner, inner[:1]])
            cel.paint(cel.stroke_mask(ring, palette.width * 0.8).within(mask), palette.ink)
    if rng.random() < 0.4:
        part = cel.fill_mask(blob(rng, middle, middle, size * 0.7))
        hatch(cel, rng, part.within(mask), palette.ink)
    for _ in range(rng.randint(0, 5)):
        knots = [
            (middle + rng.uniform(-0.7, 0.7) * size, middle + rng.uniform(-0.7, 0.7) * size)
            for _ in range(3)
        ]
        cel.swell(curve(knots), palette.width * rng.uniform(0.6, 1.6), palette.ink)


Kind = Callable[[Stage], list[Layer]]


def kinds_of(stock: Stock) -> list[Kind]:
    """What can be made of what there is, in turn."""
    kinds: list[Kind] = [
        people_clip,
        town_clip,
        manga_clip,
        machines_clip,
        titles_clip,
        shapes_clip,
    ]
    if stock.sprites and stock.backgrounds:
        kinds[1:1] = [sprites_clip]
        kinds[4:4] = [sprites_clip]
    if stock.stills:
        kinds[3:3] = [stills_clip]
    return kinds
