"""YUV <-> RGB: the closed form, flat colours, drift, siting, and what the tags of a file mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from animesr_cli.errors import InputError, UsageError
from animesr_cli.video.colour import (
    MATRICES,
    MATRIX_TAGS,
    SITING_TAGS,
    ColourSpec,
    Matrix,
    PixelLayout,
    Siting,
    choose_matrix,
    from_rgb,
    full_range_of,
    siting_of,
    to_rgb,
)

SITINGS: tuple[Siting, ...] = ("left", "center", "topleft")
SHIFTS = {"444": (0, 0), "422": (1, 0), "420": (1, 1), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
WEIGHTS = {  # Kr, Kg, Kb as the standards print them
    "bt601": (0.299, 0.587, 0.114),
    "bt709": (0.2126, 0.7152, 0.0722),
    "bt2020": (0.2627, 0.6780, 0.0593),
    "fcc": (0.30, 0.59, 0.11),
    "smpte240m": (0.212, 0.701, 0.087),
}


def yuv(
    depth: int,
    subsampling: str = "444",
    matrix: Matrix = "bt709",
    full_range: bool = False,
    siting: Siting = "left",
) -> ColourSpec:
    """A YUV specification."""
    shift_x, shift_y = SHIFTS[subsampling]
    layout = PixelLayout(family="yuv", depth=depth, chroma_shift_x=shift_x, chroma_shift_y=shift_y)
    return ColourSpec(layout=layout, matrix=matrix, full_range=full_range, siting=siting)


def plane_shapes(spec: ColourSpec, height: int, width: int) -> list[tuple[int, int]]:
    """The shapes of Y, U and V: chroma is rounded up."""
    step_x, step_y = 1 << spec.layout.chroma_shift_x, 1 << spec.layout.chroma_shift_y
    chroma = (height + step_y - 1) // step_y, (width + step_x - 1) // step_x
    return [(height, width), chroma, chroma]


def integer(plane: Tensor, depth: int) -> Tensor:
    """The dtype that a decoded plane of this depth has."""
    return plane.to(torch.uint8 if depth == 8 else torch.uint16)


def codes_in(plane: Tensor) -> set[int]:
    """The distinct codes of a plane."""
    return set(plane.flatten().tolist())


def random_planes(spec: ColourSpec, height: int, width: int, seed: int = 0) -> list[Tensor]:
    """Planes of every code, nominal or not."""
    rng = torch.Generator().manual_seed(seed)
    depth = spec.layout.depth
    return [
        integer(torch.randint(0, 1 << depth, shape, generator=rng), depth)
        for shape in plane_shapes(spec, height, width)
    ]


def drawn_planes(spec: ColourSpec, height: int, width: int) -> list[Tensor]:
    """Flat regions, a gradient, hard outlines and a little noise, inside the nominal range."""
    rng = torch.Generator().manual_seed(7)
    unit = 1 << (spec.layout.depth - 8)
    planes = []
    for index, (rows, columns) in enumerate(plane_shapes(spec, height, width)):
        y = torch.linspace(0, 1, rows)[:, None]
        x = torch.linspace(0, 1, columns)[None, :]
        inside = ((x - 0.45) ** 2 + (y - 0.5) ** 2 < 0.1) | (x > 0.8)
        picture = 60 + 40 * x + 30 * y + 70 * inside - 35 * index
        picture = picture + torch.randn((rows, columns), generator=rng)
        planes.append(integer((picture.clamp(16, 235) * unit).round(), spec.layout.depth))
    return planes


# ---- the closed form, float64, written from the standards ----------------------------------------


def ranges(depth: int, full_range: bool) -> tuple[float, float, float, float]:
    """Black, luma span, neutral chroma, chroma span."""
    scale = 2 ** (depth - 8)
    if full_range:
        return 0.0, 2**depth - 1, 2.0 ** (depth - 1), 2**depth - 1
    return 16.0 * scale, 219.0 * scale, 128.0 * scale, 224.0 * scale


def closed_form_rgb(planes: list[Tensor], spec: ColourSpec) -> Tensor:
    """R = Y + 2 (1 - Kr) V, B = Y + 2 (1 - Kb) U, G from Y = Kr R + Kg G + Kb B."""
    kr, kg, kb = WEIGHTS[spec.matrix]
    black, luma_span, neutral, chroma_span = ranges(spec.layout.depth, spec.full_range)
    y = (planes[0].double() - black) / luma_span
    u, v = ((plane.double() - neutral) / chroma_span for plane in planes[1:])
    red = y + 2 * (1 - kr) * v
    blue = y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / kg
    return torch.stack((red, green, blue))


def closed_form_planes(rgb: Tensor, spec: ColourSpec) -> list[Tensor]:
    """Y = Kr R + Kg G + Kb B, U = (B - Y) / (2 (1 - Kb)), V = (R - Y) / (2 (1 - Kr))."""
    kr, kg, kb = WEIGHTS[spec.matrix]
    black, luma_span, neutral, chroma_span = ranges(spec.layout.depth, spec.full_range)
    red, green, blue = rgb.double()
    y = kr * red + kg * green + kb * blue
    u = (blue - y) / (2 * (1 - kb))
    v = (red - y) / (2 * (1 - kr))
    top = 2**spec.layout.depth - 1
    codes = (y * luma_span + black, u * chroma_span + neutral, v * chroma_span + neutral)
    return [code.round().clamp(0, top) for code in codes]


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_444_is_the_closed_form(matrix: Matrix, full_range: bool, depth: int) -> None:
    """Any codes decode to the closed form to a hundredth of a code; RGB encodes to it but ties."""
    spec = yuv(depth, matrix=matrix, full_range=full_range)
    planes = random_planes(spec, 120, 160)
    rgb_error = (to_rgb(planes, spec).double() - closed_form_rgb(planes, spec)).abs().max()
    assert rgb_error * (2**depth - 1) < 0.01
    rgb = torch.rand((3, 120, 160), generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    for mine, exact in zip(from_rgb(rgb, spec), closed_form_planes(rgb, spec), strict=True):
        difference = (mine.double() - exact).abs()
        assert difference.max() <= 1
        assert (difference > 0).double().mean() < 1e-3


@pytest.mark.parametrize("depth", range(8, 17))
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
def test_white_black_and_gray_have_their_nominal_codes(full_range: bool, depth: int) -> None:
    """10-bit limited white is 940, black 64, and no gray has colour: at every depth and range."""
    spec = yuv(depth, "420", full_range=full_range)
    black, span, neutral, _ = ranges(depth, full_range)
    for level in (0.0, 1.0):
        luma, *chroma = from_rgb(torch.full((3, 4, 6), level), spec)
        assert codes_in(luma) == {black + level * span}
        assert all(codes_in(plane) == {neutral} for plane in chroma)


def test_primaries_have_the_codes_of_the_standard() -> None:
    """75 % colour bars of BT.709, 8 bit limited, as tabulated for test generators."""
    bars = {  # RGB: Y, Cb, Cr
        (0.75, 0.75, 0.0): (168, 44, 136),
        (0.0, 0.75, 0.75): (145, 147, 44),
        (0.0, 0.75, 0.0): (133, 63, 52),
        (0.75, 0.0, 0.75): (63, 193, 204),
        (0.75, 0.0, 0.0): (51, 109, 212),
        (0.0, 0.0, 0.75): (28, 212, 120),
    }
    for rgb, codes in bars.items():
        planes = from_rgb(torch.tensor(rgb)[:, None, None], yuv(8))
        assert tuple(int(plane.item()) for plane in planes) == codes


# ---- there and back ------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_flat_colours_come_back_exactly(data: st.DataObject) -> None:
    """A flat picture of any codes, nominal or not, any format and size, is returned unchanged."""
    depth = data.draw(st.integers(8, 16))
    spec = yuv(
        depth,
        data.draw(st.sampled_from(sorted(SHIFTS))),
        data.draw(st.sampled_from(MATRICES)),
        data.draw(st.booleans()),
        data.draw(st.sampled_from(SITINGS)),
    )
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    codes = [data.draw(st.integers(0, 2**depth - 1)) for _ in range(3)]
    planes = [
        integer(torch.full(shape, code), depth)
        for shape, code in zip(plane_shapes(spec, height, width), codes, strict=True)
    ]
    rgb = to_rgb(planes, spec)
    assert rgb.shape == (3, height, width)
    for before, after in zip(planes, from_rgb(rgb, spec), strict=True):
        assert after.dtype == before.dtype
        assert after.is_contiguous()
        assert torch.equal(after.int(), before.int())


@pytest.mark.parametrize("depth", [8, 10])
def test_every_444_code_comes_back_exactly(depth: int) -> None:
    """4:4:4 survives the round trip without one changed code, in all matrices and ranges."""
    for matrix in MATRICES:
        for full_range in (False, True):
            spec = yuv(depth, matrix=matrix, full_range=full_range)
            planes = random_planes(spec, 120, 160)
            for before, after in zip(planes, from_rgb(to_rgb(planes, spec), spec), strict=True):
                assert torch.equal(after.int(), before.int())


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("subsampling", ["420", "422"])
@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
def test_round_trip_does_not_drift(
    full_range: bool, siting: Siting, subsampling: str, depth: int
) -> None:
    """Subsampled YUV -> RGB -> YUV moves no mean by 0.05 codes, and leaves luma as it is."""
    spec = yuv(depth, subsampling, full_range=full_range, siting=siting)
    for planes in (drawn_planes(spec, 361, 641), random_planes(spec, 720, 1280)):
        back = from_rgb(to_rgb(planes, spec), spec)
        assert torch.equal(back[0].int(), planes[0].int())
        for before, after in zip(planes, back, strict=True):
            assert abs((after.double() - before.double()).mean()) < 0.05


# ---- siting --------------------------------------------------------------------------------------


def chroma_positions(spec: ColourSpec, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column, in pixels, of every chroma sample."""
    _, (rows, columns), _ = plane_shapes(spec, height, width)
    step_x, step_y = 1 << spec.layout.chroma_shift_x, 1 << spec.layout.chroma_shift_y
    right = (step_x - 1) / 2 if spec.siting == "center" else 0.0
    down = 0.0 if spec.siting == "topleft" else (step_y - 1) / 2
    y = torch.arange(rows, dtype=torch.float64) * step_y + down
    x = torch.arange(columns, dtype=torch.float64) * step_x + right
    return y[:, None], x[None, :]


@pytest.mark.parametrize("subsampling", [name for name in SHIFTS if name != "444"])
@pytest.mark.parametrize("siting", SITINGS)
def test_chroma_sits_where_its_siting_says(siting: Siting, subsampling: str) -> None:
    """A colour ramp sampled at the siting's positions decodes to that ramp, and encodes back."""
    spec = yuv(16, subsampling, full_range=True, siting=siting)
    height, width = 33, 47
    y, x = chroma_positions(spec, height, width)
    ramp = (20000 + 300 * x + 500 * y).round()
    planes = [integer(torch.full((height, width), 30000), 16), integer(ramp, 16)]
    rgb = to_rgb([*planes, planes[1]], spec).double()
    rows = torch.arange(height, dtype=torch.float64)[:, None]
    columns = torch.arange(width, dtype=torch.float64)[None, :]
    blue_difference = (rgb[2] * 65535 - 30000) / (2 * (1 - WEIGHTS["bt709"][2])) + 32768
    inside = (..., slice(4, -4), slice(4, -4))
    expected = 20000 + 300 * columns + 500 * rows
    assert (blue_difference - expected)[inside].abs().max() < 2  # codes of 65535
    back = from_rgb(rgb, spec)[1].double()
    assert (back - ramp)[..., 1:-1, 1:-1].abs().max() <= 1


@pytest.mark.parametrize(
    ("siting", "expected"),
    [("left", [100, 125, 150, 175, 200]), ("center", [100, 112.5, 137.5, 162.5, 187.5])],
)
def test_chroma_is_interpolated_and_its_edges_replicated(
    siting: Siting, expected: list[float]
) -> None:
    """Three samples over five pixels: the written-out values of linear interpolation."""
    spec = yuv(8, "422", full_range=True, siting=siting)
    planes = [torch.full((1, 5), 128), torch.tensor([[100, 150, 200]]), torch.full((1, 3), 128)]
    rgb = to_rgb([plane.to(torch.uint8) for plane in planes], spec)
    codes = (rgb[2] * 255 - 128) / (2 * (1 - WEIGHTS["bt709"][2])) + 128
    assert codes[0].tolist() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("siting", "weights"),
    [
        ("left", [[0.75, 0.25, 0, 0, 0], [0, 0.25, 0.5, 0.25, 0], [0, 0, 0, 0.25, 0.75]]),
        ("center", [[0.5, 0.5, 0, 0, 0], [0, 0, 0.5, 0.5, 0], [0, 0, 0, 0, 1]]),
    ],
)
def test_chroma_is_the_mean_of_its_footprint(siting: Siting, weights: list[list[float]]) -> None:
    """Five pixels to three samples: [1 2 1]/4 on a pixel, [1 1]/2 between, edges replicated."""
    spec = yuv(16, "422", full_range=True, siting=siting)
    blue = torch.tensor([0.1, 0.9, 0.3, 0.5, 0.8])
    rgb = torch.stack((torch.zeros(5), torch.zeros(5), blue))[:, None, :]
    u = from_rgb(rgb, spec)[1].double()
    expected = torch.tensor(weights).double() @ blue.double() * 0.5 * 65535 + 32768
    assert (u[0] - expected).abs().max() <= 0.51


# ---- memory layout, clamping, the other families -------------------------------------------------


def test_strided_planes_and_pictures_are_the_same_as_dense_ones() -> None:
    """Rows with padding, packed pixels, crops and channels_last change nothing."""
    spec = yuv(10, "420")
    planes = random_planes(spec, 23, 37)
    wide = [torch.zeros(p.shape[0], 2 * p.shape[1] + 5, dtype=p.dtype) for p in planes]
    views = [w[:, : 2 * p.shape[1] : 2] for w, p in zip(wide, planes, strict=True)]
    for view, plane in zip(views, planes, strict=True):
        view.copy_(plane)
    rgb = to_rgb(planes, spec)
    assert torch.equal(to_rgb(views, spec), rgb)
    last = rgb[None].contiguous(memory_format=torch.channels_last)[0]
    crop = torch.nn.functional.pad(rgb, (3, 2, 1, 4))[:, 1:-4, 3:-2]
    for picture in (last, crop):
        before = picture.clone()
        for dense, strided in zip(from_rgb(rgb, spec), from_rgb(picture, spec), strict=True):
            assert torch.equal(dense.int(), strided.int())
            assert strided.is_contiguous()
        assert torch.equal(picture, before)


def test_only_the_codes_are_clamped() -> None:
    """Codes beyond white and black stay beyond 1 and 0 in RGB; RGB far outside meets 0 and 255."""
    spec = yuv(8, "420")
    planes = [torch.full((2, 2), 255), torch.full((1, 1), 128), torch.full((1, 1), 128)]
    rgb = to_rgb([plane.to(torch.uint8) for plane in planes], spec)
    assert rgb.min() == pytest.approx((255 - 16) / 219)
    assert [codes_in(plane) for plane in from_rgb(rgb * 9, spec)] == [{255}, {128}, {128}]
    assert codes_in(from_rgb(rgb * -9, spec)[0]) == {0}
    blue = torch.tensor([-9.0, -9.0, 9.0])[:, None, None].expand(3, 2, 2)
    assert [codes_in(plane) for plane in from_rgb(blue, spec)[1:]] == [{255}, {0}]


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_rgb_codes_come_back_exactly(depth: int) -> None:
    """Every code of an RGB picture is code / (2^depth - 1) and returns; outside [0, 1] clamps."""
    spec = ColourSpec(layout=PixelLayout(family="rgb", depth=depth))
    codes = torch.arange(1 << depth).reshape(16, -1)
    planes = [integer(plane, depth) for plane in (codes, codes.flip(0), codes.flip(1))]
    rgb = to_rgb(planes, spec)
    assert rgb.min() == 0
    assert rgb.max() == 1
    for before, after in zip(planes, from_rgb(rgb, spec), strict=True):
        assert torch.equal(before.int(), after.int())
    outside = from_rgb(torch.tensor([-0.2, 0.5, 1.2])[:, None, None], spec)
    assert [plane.item() for plane in outside] == [0, round((2**depth - 1) / 2), 2**depth - 1]


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
def test_gray_is_luma_alone(full_range: bool) -> None:
    """A gray picture decodes to three equal planes and encodes to its own codes."""
    spec = ColourSpec(layout=PixelLayout(family="gray", depth=10), full_range=full_range)
    luma = torch.arange(1024).reshape(32, 32).to(torch.uint16)
    rgb = to_rgb([luma], spec)
    assert torch.equal(rgb[0], rgb[1])
    assert torch.equal(rgb[0], rgb[2])
    (back,) = from_rgb(rgb, spec)
    assert torch.equal(back.int(), luma.int())


def test_the_result_has_the_dtype_asked_for() -> None:
    """A half-precision result is the fp32 result, cast once at the end."""
    spec = yuv(8, "420")
    planes = random_planes(spec, 9, 11)
    for dtype in (torch.float16, torch.bfloat16):
        assert torch.equal(to_rgb(planes, spec, dtype), to_rgb(planes, spec).to(dtype))


# ---- tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "size", "override", "expected"),
    [
        (1, (320, 180), None, ("bt709", "BT.709 (tagged)")),
        (5, (1920, 1080), None, ("bt601", "BT.601 (tagged)")),
        (6, (1920, 1080), None, ("bt601", "BT.601 (tagged)")),
        (4, (720, 480), None, ("fcc", "FCC (tagged)")),
        (7, (1920, 1035), None, ("smpte240m", "SMPTE 240M (tagged)")),
        (9, (3840, 2160), None, ("bt2020", "BT.2020 (tagged)")),
        (2, (1024, 719), None, ("bt601", "BT.601 (untagged, by size)")),
        (2, (1025, 400), None, ("bt709", "BT.709 (untagged, by size)")),
        (2, (960, 720), None, ("bt709", "BT.709 (untagged, by size)")),
        (0, (640, 480), None, ("bt601", "BT.601 (tagged RGB, by size)")),
        (6, (640, 480), "bt709", ("bt709", "BT.709 (--matrix)")),
        (8, (640, 480), "bt601", ("bt601", "BT.601 (--matrix)")),
    ],
)
def test_matrix_comes_from_the_override_the_tag_or_the_size(
    tag: int, size: tuple[int, int], override: str | None, expected: tuple[Matrix, str]
) -> None:
    """--matrix goes before the tag, the tag before the size, and the note says which it was."""
    assert choose_matrix(tag, *size, override) == expected


def test_constant_luminance_says_how_it_is_read() -> None:
    """BT.2020 CL is read as NCL and the note admits it."""
    matrix, note = choose_matrix(10, 3840, 2160, None)
    assert matrix == "bt2020"
    assert "non-constant" in note


def test_matrices_that_cannot_be_read_are_refused() -> None:
    """YCgCo and ICtCp are input errors that name --matrix; a wrong --matrix lists the choices."""
    for tag in (8, 14):
        with pytest.raises(InputError, match=str(tag)) as refused:
            choose_matrix(tag, 1920, 1080, None)
        assert "--matrix" in str(refused.value.hint)
    with pytest.raises(UsageError, match="bt470") as misspelt:
        choose_matrix(1, 1920, 1080, "bt470")
    assert all(matrix in str(misspelt.value.hint) for matrix in MATRICES)


def test_tags_written_are_read_back_as_the_same() -> None:
    """Matrix and siting survive being written as FFmpeg's numbers."""
    for matrix in MATRICES:
        assert choose_matrix(MATRIX_TAGS[matrix], 64, 64, None)[0] == matrix
    for siting in SITINGS:
        assert siting_of(SITING_TAGS[siting]) == siting
    assert siting_of(0) == "left"


@pytest.mark.parametrize(
    ("tag", "pix_fmt", "full"),
    [
        (0, "yuv420p", False),
        (1, "yuv420p", False),
        (2, "yuv420p10le", True),
        (1, "yuvj420p", True),
        (0, "yuvj444p", True),
        (0, "gray", True),
        (0, "ya8", True),
        (1, "gray10le", False),
    ],
)
def test_range_comes_from_the_tag_or_the_format(tag: int, pix_fmt: str, full: bool) -> None:
    """Untagged YUV is limited; yuvj is always full; untagged gray is full."""
    assert full_range_of(tag, pix_fmt) is full
