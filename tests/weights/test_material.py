"""Generated material: shapes cover what they should, layers land in place, chance repeats."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import draw_material
from material import kinds
from material.ink import Cel, curve, fill_mask, oval, path, rectangle, stripes, stroke_mask, turned
from material.letters import LETTERS, WORDS
from material.motion import Camera, Layer, Pose, layer_of, moving
from material.palette import draw_palette
from material.stage import Stage, Stock

places = st.floats(2, 60)
NOTHING = Stock(sprites=[], backgrounds=[], stills=[])


def picture(width: int, height: int, seed: int) -> torch.Tensor:
    """An opaque one of coarse squares, RGBA."""
    rng = torch.Generator().manual_seed(seed)
    rgb = torch.rand((3, -(-height // 8), -(-width // 8)), generator=rng)
    rgb = rgb.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :height, :width]
    return torch.cat([rgb, torch.ones(1, height, width)])


STOCK = Stock(
    sprites=[torch.cat([picture(40, 90, 1)[:3], torch.ones(1, 90, 40)])],
    backgrounds=[picture(200, 120, 2)],
    stills=[picture(160, 200, 3)],
)


# ---- ink -----------------------------------------------------------------------------------------


@given(places, places, places, places)
def test_a_rectangle_covers_its_area(x0: float, y0: float, x1: float, y1: float) -> None:
    """Exactly in x, and to an eighth of a pixel at top and bottom."""
    corners = path((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    cover = fill_mask(corners, 64, 64).cover
    assert abs(cover.sum() - abs((x1 - x0) * (y1 - y0))) <= 0.25 * abs(x1 - x0) + 0.01
    assert cover.size == 0 or (cover.min() >= 0 and cover.max() <= 1)


def test_a_disc_covers_its_area() -> None:
    """The 48 corners of an oval have the area that geometry gives them."""
    cover = fill_mask(oval(32, 32, 20.3, 11.7), 64, 64).cover
    assert cover.sum() == pytest.approx(24 * np.sin(2 * np.pi / 48) * 20.3 * 11.7, rel=2e-3)


def test_a_shape_beyond_the_edge_is_cut_off() -> None:
    """What lies outside the cel is not drawn, and what lies inside is."""
    cover = fill_mask(path((-20, -20), (10, -20), (10, 10), (-20, 10)), 32, 32).cover
    assert cover.sum() == pytest.approx(100)
    assert fill_mask(path((40, 40), (50, 40), (50, 50)), 32, 32).cover.size == 0


@given(places, places, st.floats(1, 4))
def test_a_stroke_covers_length_times_width(x: float, y: float, width: float) -> None:
    """A long one, in any direction."""
    line = path((1, 1), (x + 30, y + 30))
    cover = stroke_mask(line, np.full(2, width / 2), 96, 96).cover
    length = float(np.hypot(*(line[1] - line[0])))
    round_ends = width**2 + 2 * width + 2
    assert abs(cover.sum() - length * width) < round_ends + 0.12 * length * width


def test_a_long_stroke_is_the_same_in_pieces() -> None:
    """More points on a straight line change nothing."""
    few = stroke_mask(path((3, 4), (180, 90)), np.array([3.0, 1.0]), 200, 100)
    along = np.linspace(0, 1, 40)[:, None]
    many = ((1 - along) * (3, 4) + along * (180, 90)).astype(np.float32)
    radii = np.linspace(3, 1, 40)
    assert np.allclose(few.cover, stroke_mask(many, radii, 200, 100).cover, atol=2e-3)


def test_stripes_cover_their_share() -> None:
    """Lines of 1.5 pixels every 6 pixels are a quarter of the sheet, at any angle."""
    sheet = Cel(120, 120).everything()
    for degrees in (0, 30, 90, 137):
        assert stripes(sheet, 6, 1.5, degrees).cover.mean() == pytest.approx(0.25, abs=0.01)


def test_a_mask_within_another() -> None:
    """Both cover what they have in common, wherever they lie."""
    cel = Cel(40, 40)
    one, other = (cel.fill_mask(rectangle(x, x, 20, 20)) for x in (5, 15))
    assert one.within(other).cover.sum() == pytest.approx(100 * 4)  # 2x2 cel pixels to a pixel
    assert cel.fill_mask(rectangle(0, 0, 3, 3)).within(other).cover.size == 0


def test_paint_lies_over_what_was_there() -> None:
    """Opaque paint replaces, transparent paint mixes, and bare cel stays bare."""
    cel = Cel(4, 4)
    cel.fill(rectangle(0, 0, 4, 2), (1.0, 0.0, 0.0))
    cel.paint(cel.fill_mask(rectangle(0, 0, 4, 2)), (0.0, 0.0, 1.0), 0.25)
    assert np.allclose(cel.rgba[:, :4].T, (0.75, 0, 0.25, 1))
    assert not cel.rgba[:, 4:].any()


def test_curves_go_through_their_knots() -> None:
    """A spline begins and ends at its first and last knot and passes the others."""
    knots = [(0.0, 0.0), (10.0, 5.0), (20.0, -5.0)]
    points = curve(knots)
    for knot in knots:
        assert np.abs(points - np.array(knot, np.float32)).sum(1).min() < 1e-5


def test_turning_keeps_lengths() -> None:
    """A quarter turn takes the x axis to the y axis."""
    assert np.allclose(turned(path((3, 0)), 90, 1, 1), [(1, 4)], atol=1e-5)


def test_every_word_can_be_written() -> None:
    """The font has all letters of all words."""
    assert set("".join(WORDS)) <= set(LETTERS)


# ---- motion --------------------------------------------------------------------------------------


def drawn_layer(pose: Pose) -> Layer:
    cel = Cel(32, 24)
    cel.fill(rectangle(4, 4, 10, 8), (0.2, 0.9, 0.4))
    cel.fill(oval(20, 14, 5, 5), (0.9, 0.1, 0.2))
    return layer_of([cel], pose=lambda frame: pose)


def test_a_layer_that_stands_is_its_drawing() -> None:
    """At its own place the picture is the mean of the cel's pixels."""
    layer = drawn_layer(Pose())
    (drawing,) = layer.drawings
    wanted = torch.nn.functional.avg_pool2d(drawing[None, :3], 2)[0]
    assert torch.allclose(Camera([layer], 32, 24).picture(0), wanted, atol=1e-4)


@pytest.mark.parametrize(("x", "y"), [(5, 0), (0, 3), (-2, 4)])
def test_a_layer_moves_by_whole_pixels(x: int, y: int) -> None:
    """Moved, it is the same picture elsewhere."""
    still = Camera([drawn_layer(Pose())], 64, 48).picture(0)
    moved = Camera([drawn_layer(Pose(x=x, y=y))], 64, 48).picture(0)
    inside = torch.roll(still, (y, x), dims=(1, 2))[:, 8:40, 8:56]
    assert torch.allclose(moved[:, 8:40, 8:56], inside, atol=1e-4)


def test_turned_four_times_and_mirrored_twice() -> None:
    """A quarter turn is that of the picture; a mirrored layer is the mirrored picture."""
    middle = Pose(x=16, y=12)
    poses: tuple[Pose, ...] = middle, replace(middle, flipped=True), Pose(x=12, y=16, degrees=90)
    layers = [replace(drawn_layer(pose), anchor=(16.0, 12.0)) for pose in poses]
    plain, flipped = (Camera([layer], 32, 24).picture(0) for layer in layers[:2])
    assert torch.allclose(flipped, plain.flip(2), atol=1e-4)
    quarter = Camera([layers[2]], 24, 32).picture(0)
    assert torch.allclose(quarter, torch.rot90(plain, -1, dims=(1, 2)), atol=1e-3)


def test_held_drawings_repeat() -> None:
    """On twos every second frame is the one before, to the bit, and the next is another."""
    pose = moving(Pose(), Pose(x=20), 8)
    layer = layer_of([Cel(32, 24)], pose=pose, hold=2)
    torch.manual_seed(1)
    layer.drawings[0][:] = torch.rand(4, 48, 64)
    camera = Camera([layer], 32, 24)
    same = [torch.equal(one, other) for one, other in pairwise(camera.picture(n) for n in range(8))]
    assert same == [True, False] * 3 + [True]


def test_the_upper_layer_hides_the_lower() -> None:
    """An opaque layer on top is all that is seen."""
    below = Layer(drawings=[picture(32, 24, 1)], pixels=1)
    above = Layer(drawings=[picture(32, 24, 2)], pixels=1, endless=True)
    alone = Camera([above], 32, 24).picture(0)
    assert torch.allclose(Camera([below, above], 32, 24).picture(0), alone, atol=1e-5)


# ---- clips ---------------------------------------------------------------------------------------


def stage_of(seed: int, stock: Stock = STOCK) -> Stage:
    rng = Random(seed)
    palette = draw_palette(rng)
    return Stage(rng=rng, width=128, height=96, frames=3, palette=palette, stock=stock)


@pytest.mark.parametrize("kind", kinds.kinds_of(STOCK)[:4] + kinds.kinds_of(STOCK)[5:])
def test_every_kind_draws_something(kind: kinds.Kind) -> None:
    """Pictures fill the frame, in range, with colours and edges, and are no noise."""
    stage = stage_of(1)
    for shot in draw_material.pictures_of(kind(stage), stage, grain=0.0):
        assert shot.shape == (3, 96, 128)
        assert bool(((shot >= 0) & (shot <= 1)).all())
        assert float(shot.std()) > 0.02
        assert float(shot.diff(dim=2).abs().median()) < 0.02  # flat almost everywhere


def test_kinds_without_their_pictures_are_left_out() -> None:
    """Without sprites and stills everything is drawn."""
    names = {kind.__name__ for kind in kinds.kinds_of(NOTHING)}
    assert not names & {"sprites_clip", "stills_clip"}
    assert len(names) == 6


def test_a_camera_never_leaves_its_picture() -> None:
    """A pan or zoom shows no border, and never enlarges."""
    for seed in range(40):
        stage = stage_of(seed)
        layer = kinds.camera_over(stage, STOCK.stills[0])
        poses = [layer.pose(frame) for frame in range(stage.frames)]
        assert all(pose.scale <= 1 for pose in poses)
        shot = Camera([layer], stage.width, stage.height)._placed(0, 2)
        assert float(shot[3].min()) > 0.99


def test_a_clip_follows_from_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed draws the same pictures, another one others."""
    monkeypatch.setattr(draw_material, "SIZES", ((96, 64),))
    first, again, other = (
        torch.stack(draw_material.draw_clip(kinds.people_clip, seed, 2, NOTHING))
        for seed in ("1-0", "1-0", "1-1")
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes the clips, each of its length, tagged, near to what was drawn; and keeps them."""
    monkeypatch.setattr(draw_material, "SIZES", ((96, 64),))
    arguments = ["-o", str(tmp_path), "--clips", "2", "--frames", "3", "--seed", "5"]
    draw_material.main(arguments)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["0000-people.mp4", "0001-town.mp4"]
    with av.open(str(files[0])) as container:
        frames = list(container.decode(video=0))
    drawn = draw_material.draw_clip(kinds.people_clip, "5-0", 3, NOTHING)
    assert len(frames) == 3
    assert (frames[0].format.name, frames[0].colorspace) == ("yuv444p10le", 1)
    shown = torch.from_numpy(frames[1].to_ndarray(format="rgb24")).permute(2, 0, 1) / 255
    assert float((shown - drawn[1]).abs().mean()) < 0.012
    content = files[0].read_bytes()
    files[1].unlink()
    draw_material.main(arguments)
    assert sorted(tmp_path.iterdir()) == files
    assert files[0].read_bytes() == content


def test_pictures_are_read_with_their_transparency(tmp_path: Path) -> None:
    """Backgrounds go by their name; colours under full transparency do not shine through."""
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = (200, 100, 50, 255)
    pixels[:, 3:] = (255, 255, 255, 0)
    for name in ("figure.png", "bg_sky.png"):
        with av.open(str(tmp_path / name), "w", format="image2pipe") as container:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = 6, 4, "rgba"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
            container.mux(stream.encode(None))
    stock = draw_material.read_stock(tmp_path, None)
    assert (len(stock.sprites), len(stock.backgrounds), len(stock.stills)) == (1, 1, 0)
    assert torch.allclose(
        stock.sprites[0][:, 0, 0] * 255, torch.tensor([200.0, 100.0, 50.0, 255.0])
    )
    assert not stock.sprites[0][:, :, 3:].any()
