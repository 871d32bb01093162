"""A cartoon of three seconds, drawn and played by NumPy: a cat walks down a street and says hello.

Drawn at 640x384; small frames are means of its 4x4 squares, as a good resampler would make them.
Figures move on twos and the background on ones, as in drawn animation. The same every time; knows
nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brush import INK, Colour, Floats, Pen, curve, loop, oval, points

Bytes = NDArray[np.uint8]

SCALE = 4  # canvas pixels per pixel of the small clip, in each direction
WIDTH, HEIGHT = 160, 96  # pixels of the small clip
CANVAS_WIDTH, CANVAS_HEIGHT = WIDTH * SCALE, HEIGHT * SCALE

RATE = 24  # frames a second
FRAMES = 72
CUT = 40  # the first frame of the second scene
HELD = range(CUT, 54)  # these frames are one and the same drawing
SPEAKS = 58  # from this frame on the mouth is open and the balloon is there

SAMPLE_RATE = 48_000  # Hz
BEAT_SECONDS = 0.25
MIDDLE_C_HZ = 261.63
TUNE = "7:1 9:.5 7:.5 4:1 7:1 9:.5 7:.5 4:2 0:1 4:1 7:1 12:2"  # semitones above middle C : beats

FUR: Colour = (244, 168, 92)
FUR_LIGHT: Colour = (255, 232, 198)
FUR_DARK: Colour = (206, 116, 62)
SCARF: Colour = (214, 60, 66)
SCARF_DARK: Colour = (166, 36, 58)
WHITE: Colour = (255, 252, 244)


# The cat


@dataclass(frozen=True, kw_only=True)
class Pose:
    """What changes from one drawing of the cat to the next."""

    step: float = 0.0
    """Phase of the walk, in turns."""
    blink: float = 0.0
    """0: eyes open, 1: shut."""
    speaks: bool = False
    ears: float = 0.0
    """How far the ears lean outwards."""


def draw_ear(pen: Pen, side: int, lean: float) -> None:
    x, y = side * (52 + 0.7 * lean), -84 + 0.5 * lean  # the tip
    pen.shape(
        curve([(side * 18, -48), (side * 34, -68), (x, y), (side * 62, -48), (side * 58, -14)]), FUR
    )
    pen.fill(
        loop([(side * 33, -50), (x - side * 3, y + 17), (side * 53, -36), (side * 42, -38)]),
        FUR_DARK,
    )


def draw_eye(pen: Pen, blink: float) -> None:
    """One eye about the origin."""
    if blink > 0.8:
        pen.line(curve("-14,2 -5,8 6,8 14,1"), 1.5)
        return
    high = 19 * (1 - 0.6 * blink)
    pen.shape(oval(0, 0, 14, high), WHITE, 0.6)
    pen.fill(oval(2, 1, 10.5, high * 0.86), (58, 128, 96))
    pen.fill(oval(2, 1, 6, high * 0.66), INK)
    pen.fill(oval(-3, high * -0.36, 4.2, high * 0.25), WHITE)
    pen.fill(oval(6, high * 0.42, 2.2, high * 0.12), WHITE)
    pen.line(curve(points("-15,-.55 -6,-1 6,-1 15,-.6") * (1, high)), 1.5)


def draw_mouth(pen: Pen, speaks: bool) -> None:
    if speaks:
        pen.shape(loop("-13,25 3,29 19,25 15,40 3,47 -9,40"), (122, 30, 52), 0.8)
        pen.fill(oval(3, 39, 9, 5), (240, 120, 120))
    else:
        pen.line(curve("-13,27 -7,32 0,31 3,25 6,31 13,32 19,27"), 0.8)
    pen.fill(loop("-3,17 9,17 3,24"), INK)


def draw_head(pen: Pen, pose: Pose) -> None:
    """130 wide and 140 high in its own coordinates, the origin between the eyes."""
    for side in (-1, 1):
        draw_ear(pen, side, pose.ears)
    right = points("0,-54 34,-46 58,-20 62,10 76,24 60,32 62,42 40,50 0,56")
    left = (right * (-1, 1))[-2:0:-1]
    pen.shape(loop(np.vstack([right, left])), FUR)
    pen.fill(loop("3,12 26,20 34,36 18,48 3,50 -16,47 -30,36 -20,20"), FUR_LIGHT)
    for stripe in ("-17,-51 -9,-51 -12,-37", "-3,-51 5,-51 2,-33", "11,-51 19,-51 16,-37"):
        pen.fill(loop(stripe), FUR_DARK)
    for side in (-1, 1):
        pen.fill(oval(side * 46 + 2, 26, 9, 5), (240, 130, 100))
        draw_eye(pen.moved(side * 27 + 3, 0), pose.blink)
        for whisker in ("50,20 72,10 94,8", "50,29 72,28 94,35"):
            pen.line(curve(points(whisker) * (side, 1)), 0.5)
    draw_mouth(pen, pose.speaks)


def draw_leg(pen: Pen, hip: float, phase: float) -> None:
    x = hip + 20 * np.sin(2 * np.pi * phase)
    y = 74 - 9 * max(0.0, np.cos(2 * np.pi * phase))
    pen.shape([(hip - 9, 36), (hip + 9, 36), (x + 8, y - 8), (x - 9, y - 8)], FUR)
    pen.moved(x, y).shape(loop("-11,-12 8,-12 20,-3 18,3 -11,3", steps=4), (92, 70, 132))


def draw_arm(pen: Pen, shoulder: float, phase: float) -> None:
    swing = 0.7 * np.sin(2 * np.pi * phase)
    hand = (shoulder + 34 * np.sin(swing), 4 + 34 * np.cos(swing))
    pen.limb([(shoulder, 4), hand], (8.5, 10.5), FUR)


def draw_tail(pen: Pen, wave: float) -> None:
    path = [(-18, 34), (-52, 38), (-74, 14), (-70 + wave, -20), (-88 + wave, -38)]
    tail = curve(path, steps=12)
    radii = np.linspace(7, 11, len(tail))
    pen.limb(tail, radii, FUR)
    pen.limb(tail[-14:], radii[-14:], FUR_LIGHT)


def draw_cat(pen: Pen, pose: Pose) -> None:
    """The whole cat, walking; the origin is the middle of its body."""
    turn = 2 * np.pi * pose.step
    body = pen.moved(0, -3 * np.cos(2 * turn))
    draw_tail(body, 8 * np.sin(turn))
    draw_arm(body, 20, pose.step)
    draw_leg(pen, -10, pose.step + 0.5)
    draw_leg(pen, 10, pose.step)
    body.shape(loop("-22,-16 22,-16 32,20 24,46 0,50 -24,46 -32,20"), FUR)
    body.fill(oval(4, 24, 17, 20), FUR_LIGHT)
    draw_arm(body, -22, pose.step + 0.5)
    flap = 7 * np.sin(turn + 1)
    end = [
        (-24, -14),
        (-58, flap - 20),
        (-98, -4 - flap),
        (-104, 14 - flap),
        (-60, flap + 2),
        (-22, 4),
    ]
    body.shape(loop(end), SCARF_DARK)
    draw_head(body.moved(4, -66), pose)
    body.shape(loop("-40,-14 0,-6 42,-14 40,2 0,12 -38,2"), SCARF)


# The scenes


def draw_house(pen: Pen, wall: Colour, roof: Colour, name: str) -> None:
    """A shop front 150 wide with a lettered sign; the origin is its lower left corner."""
    pen.shape(points("0,0 0,-118 150,-118 150,0"), wall, 1.1)
    pen.shape(points("-16,-112 16,-176 134,-176 166,-112"), roof, 1.2)
    for tile in range(1, 6):
        pen.line([(16 + 20 * tile, -172), (-14 + 30 * tile, -116)], 0.6)
    pen.shape(points("96,0 96,-62 134,-62 134,0"), (120, 76, 62))
    pen.fill(oval(126, -30, 3.5, 3.5), (250, 214, 110))
    pen.shape(points("18,-24 18,-62 76,-62 76,-24"), (170, 218, 236))
    pen.fill(points("24,-30 38,-30 58,-56 44,-56"), (214, 240, 248))
    pen.line(points("47,-62 47,-24"), 0.75)
    pen.shape(points("8,-72 8,-108 142,-108 142,-72"), (252, 240, 206))
    pen.text(name, 75, -102, 24, 1.1, SCARF_DARK)


def draw_sky(pen: Pen, frame: int) -> None:
    pen.canvas[:] = (148, 206, 240)
    pen.canvas[130:] = (182, 224, 244)
    pen.canvas[190:] = (216, 238, 240)
    pen.fill(oval(520, 76, 40, 40), (255, 240, 176))
    for x, y, size in ((90, 66, 0.9), (330, 104, 0.6), (610, 58, 1.0)):
        cloud = Pen(canvas=pen.canvas, x=x - 0.8 * frame, y=y, size=size, width=3)
        puffs = loop("-70,14 -62,-8 -36,-12 -20,-34 14,-34 28,-14 56,-14 70,14 0,18")
        cloud.shape(puffs, WHITE, 1, (150, 170, 200))
    along = np.arange(-40, 860, 20)
    rises = 216 + 34 * np.sin(along / 83) + 12 * np.sin(along / 37)
    ridge = np.stack([along, rises], axis=1)
    hills = np.vstack([ridge, points("860,400 -40,400")])
    pen.moved(-1.6 * frame, 0).shape(hills, (134, 190, 150), 0.75, (76, 128, 104))


def draw_pavement(pen: Pen, pan: float) -> None:
    pen.fill(points("0,286 640,286 640,384 0,384"), (222, 200, 170))
    pen.line(points("-60,287 700,287"), 1.2)
    pen.fill(points("0,352 640,352 640,384 0,384"), (150, 140, 150))
    pen.line(points("-60,353 700,353"))
    for slab in range(15):
        pen.moved(slab * 80 + pan, 0).line(points("0,288 -26,352"), 0.6, (150, 126, 110))


def draw_street(frame: int) -> Floats:
    """The first scene: the cat walks (on twos) while the street pans past (on ones)."""
    pen = Pen(canvas=np.zeros((CANVAS_HEIGHT, CANVAS_WIDTH, 3), np.float32))
    pan = -5.0 * frame
    draw_sky(pen, frame)
    draw_house(pen.moved(20 + pan, 288), (246, 206, 164), (176, 84, 76), "FINE")
    draw_house(pen.moved(330 + pan, 288), (206, 190, 224), (84, 98, 150), "ANIME")
    draw_house(pen.moved(640 + pan, 288), (190, 222, 190), (196, 132, 64), "HAM")
    draw_pavement(pen, pan)
    pen.fill(oval(270, 338, 74, 10), (176, 152, 136))  # the cat's shadow
    drawing = frame // 2
    pose = Pose(step=drawing / 10, blink=float(drawing in (12, 13)), ears=3 * (drawing % 2))
    draw_cat(Pen(canvas=pen.canvas, x=268, y=258, size=1.05, width=5.4), pose)
    return pen.canvas


def draw_rays(pen: Pen) -> None:
    pen.canvas[:] = (250, 206, 128)
    for ray in range(12):
        angle = np.pi * (ray / 6 + 0.04)
        ends = [(600 * np.cos(a), 600 * np.sin(a)) for a in (angle, angle + 0.26)]
        pen.moved(300, 220).fill([(0, 0), *ends], (255, 226, 164))


def draw_hello(frame: int) -> Floats:
    """The second scene, on twos: a held close-up, a blink, then the cat says hello."""
    pen = Pen(canvas=np.zeros((CANVAS_HEIGHT, CANVAS_WIDTH, 3), np.float32), width=6)
    draw_rays(pen)
    speaks = frame >= SPEAKS
    drawing = max(frame, HELD.stop - 2) // 2
    nod = 4.0 * (drawing % 2) if speaks else 0.0
    blink = {HELD.stop // 2: 0.6, HELD.stop // 2 + 1: 1.0}.get(drawing, 0.0)
    cat = Pen(canvas=pen.canvas, x=268, y=214 + nod, size=2.05, width=7.5)
    cat.shape(curve("-78,110 -70,62 -40,44 0,40 40,44 70,62 78,110"), FUR)
    draw_head(cat, Pose(blink=blink, speaks=speaks, ears=2 * nod))
    cat.shape(loop("-56,52 -26,58 0,60 26,58 56,52 58,72 0,84 -58,72"), SCARF)
    for x in (-34, -8, 20, 42):
        cat.moved(x, 0).line(curve("0,60 4,68 2,76"), 0.55, SCARF_DARK)
    if speaks:
        balloon = "452,96 474,54 530,34 590,52 612,96 588,136 530,152 490,144 440,172 464,130"
        pen.shape(loop(balloon), WHITE)
        pen.text("HI!", 530, 66, 54, 1.3, INK)
    return pen.canvas


def draw_frame(frame: int) -> Bytes:
    """Frame ``frame`` at full size, (384, 640, 3) RGB."""
    canvas = draw_street(frame) if frame < CUT else draw_hello(frame)
    return np.rint(canvas).astype(np.uint8)


def shrink(picture: Bytes) -> Bytes:
    """The mean of each 4x4 square: (96, 160, 3) RGB."""
    squares = picture.reshape(HEIGHT, SCALE, WIDTH, SCALE, 3)
    small: Bytes = np.rint(squares.mean((1, 3))).astype(np.uint8)
    return small


def draw_sound() -> Floats:
    """The tune on plucked strings, stereo, (2, samples) in [-1, 1], as long as the picture."""
    seconds = np.arange(FRAMES * SAMPLE_RATE // RATE) / SAMPLE_RATE
    sound = np.zeros((2, len(seconds)))
    start = 0.0
    for semitones, beats in (map(float, note.split(":")) for note in TUNE.split()):
        since = np.maximum(seconds - start, 0)
        phase = 2 * np.pi * MIDDLE_C_HZ * 2 ** (semitones / 12) * since
        tone = np.sum([np.sin(k * phase) / k**2 for k in (1, 2, 3, 4)], axis=0)
        tone *= np.minimum(since / 0.005, 1) * np.exp(-4 * since)
        side = semitones / 24  # low notes to the left, high ones to the right
        sound += 0.25 * np.stack([tone * (1 - side), tone * (0.5 + side)])
        start += beats * BEAT_SECONDS
    return np.clip(sound, -1, 1).astype(np.float32)
