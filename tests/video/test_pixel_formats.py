"""Component planes of FFmpeg's pixel formats: views without copies, conversions without loss."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.filter import Graph
from av.video import format as video_format
from av.video.format import VideoFormat
from numpy.typing import NDArray

import media
from animesr_cli.errors import InputError
from animesr_cli.video.pixel_formats import Converter, layout_of, native_format, planes_of

WIDTH, HEIGHT = 62, 47
ALL_FORMATS: set[str] = video_format.names  # type: ignore[attr-defined] # not in PyAV's stubs
SOFTWARE_FORMATS = sorted(name for name in ALL_FORMATS if VideoFormat(name, 64, 64).components)
DIRECT = [name for name in SOFTWARE_FORMATS if layout_of(name) is not None]


def is_supported(name: str) -> bool:
    try:
        native_format(name)
    except InputError:
        return False
    return True


CONVERTED = [name for name in SOFTWARE_FORMATS if name not in DIRECT and is_supported(name)]


def noise(name: str, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> av.VideoFrame:
    """A frame whose every byte is random, within the depth of its samples."""
    frame = av.VideoFrame(width, height, name)
    random = np.random.default_rng(seed)
    for plane in frame.planes:
        content = random.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        depth = max(component.bits for component in frame.format.components)
        if 8 < depth < 16 and "p0" not in name and "msb" not in name:
            content = (content.view(np.uint16) & ((1 << depth) - 1)).view(np.uint8)
        plane.update(content.tobytes())
    return frame


def rows(frame: av.VideoFrame, plane: int = 0) -> NDArray[np.uint8]:
    """All bytes of one plane, row padding included, read without the code under test."""
    data = np.frombuffer(bytes(frame.planes[plane]), np.uint8)
    return data.reshape(-1, frame.planes[plane].line_size)


def equal(ours: tuple[NDArray[Any], ...], expected: tuple[NDArray[Any], ...]) -> bool:
    return len(ours) == len(expected) and all(map(np.array_equal, ours, expected))


# Direct views ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIRECT)
def test_layout_agrees_with_ffmpeg(name: str) -> None:
    """Family, depth and subsampling are those of FFmpeg's own description of the format."""
    layout, fmt = layout_of(name), VideoFormat(name, 64, 64)
    assert layout is not None
    assert layout.depth == fmt.components[0].bits
    assert (layout.family == "rgb") == fmt.is_rgb
    assert (layout.family == "yuv") == (not fmt.is_rgb and len(fmt.components) >= 3)
    if layout.family == "yuv":
        chroma = fmt.components[1]
        assert 64 >> layout.chroma_shift_x == chroma.width
        assert 64 >> layout.chroma_shift_y == chroma.height


@pytest.mark.parametrize("name", DIRECT)
def test_planes_are_views_of_the_frame(name: str) -> None:
    """What is written into the planes is in the frame, and nothing else of the frame changes."""
    frame = noise(name, 17, 9)
    before = [bytes(plane) for plane in frame.planes]
    planes = planes_of(frame)
    assert all(np.shares_memory(p, q) for p, q in zip(planes, planes_of(frame), strict=True))
    values = [plane.copy() for plane in planes]
    for plane in planes:
        plane[:] = 1
    assert all((plane == 1).all() for plane in planes_of(frame))
    for plane, value in zip(planes, values, strict=True):
        plane[:] = value
    assert [bytes(plane) for plane in frame.planes] == before


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv410p", "gray", "gbrp", "yuva444p"])
def test_planes_start_where_ffmpegs_do(name: str) -> None:
    """The address of each view is that of a plane of the frame: there is no copy."""
    frame = noise(name)
    addresses = {plane.buffer_ptr for plane in frame.planes}
    assert {view.ctypes.data for view in planes_of(frame)} <= addresses


@pytest.mark.parametrize("width", [1, 2, 17, 62])
@pytest.mark.parametrize("name", ["yuv420p", "yuv411p", "yuv410p", "yuv440p", "yuv422p12le"])
def test_odd_sizes_round_chroma_up(name: str, width: int) -> None:
    """Chroma planes of odd sizes have FFmpeg's width and height."""
    frame = av.VideoFrame(width, 13, name)
    assert [p.shape for p in planes_of(frame)] == [(p.height, p.width) for p in frame.planes]


def test_packed_rgb_is_in_the_order_red_green_blue() -> None:
    """Every packed order gives the same three planes as planar RGB."""
    source = noise("gbrp")
    expected = planes_of(source)
    for name in ("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb0", "bgr0", "0rgb", "0bgr"):
        converted = Converter(WIDTH, HEIGHT, name).convert(source)
        assert equal(planes_of(converted), expected), name


def test_sixteen_bit_rgb_is_in_the_order_red_green_blue() -> None:
    """The same at 16 bit."""
    frame = noise("rgb48le")
    words = rows(frame)[:, : WIDTH * 6].copy().view(np.uint16).reshape(HEIGHT, WIDTH, 3)
    assert equal(planes_of(frame), tuple(words[:, :, channel] for channel in range(3)))


def test_planar_rgb_is_in_the_order_red_green_blue() -> None:
    """FFmpeg stores G, B, R; the planes come as R, G, B."""
    frame = av.VideoFrame(8, 8, "gbrp")
    for plane, value in zip(frame.planes, (2, 3, 1), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    assert [int(plane[0, 0]) for plane in planes_of(frame)] == [1, 2, 3]


def test_bottom_up_pictures_are_read_top_down() -> None:
    """A picture with negative line sizes comes with its first row first."""
    graph, pix_fmt = Graph(), VideoFormat("yuv420p")
    source = graph.add_buffer(width=WIDTH, height=HEIGHT, format=pix_fmt, time_base=Fraction(1))
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    frame = noise("yuv420p")
    frame.pts = 0
    graph.push(frame)
    flipped = graph.pull()
    assert isinstance(flipped, av.VideoFrame)
    assert flipped.planes[0].line_size < 0
    assert equal(planes_of(flipped), tuple(plane[::-1] for plane in planes_of(frame)))


def test_planes_keep_the_frame_alive() -> None:
    """The views stay valid when the frame itself is gone."""
    frame = noise("yuv420p")
    expected = media.frame_planes(frame)
    views = planes_of(frame)
    del frame
    churn = [noise("yuv420p", seed=seed) for seed in range(20)]
    assert equal(views, tuple(expected))
    assert len(churn) == 20


def test_planes_of_a_format_without_a_view_is_our_mistake() -> None:
    """Asking for the planes of a paletted picture is an error, not a wrong picture."""
    with pytest.raises(ValueError, match="pal8"):
        planes_of(av.VideoFrame(8, 8, "pal8"))


# Conversions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOFTWARE_FORMATS)
def test_every_format_has_a_view_or_is_refused(name: str) -> None:
    """No format that FFmpeg decodes to is left undecided."""
    if is_supported(name):
        assert layout_of(native_format(name)) is not None
    else:
        assert name not in DIRECT


@pytest.mark.parametrize("name", ["cuda", "vaapi", "grayf32le", "yaf32le", "rgb444le", "xyz12le"])
def test_what_cannot_be_exact_is_refused(name: str) -> None:
    """Device memory and formats that swscale would spoil, or die of, are an input error."""
    with pytest.raises(InputError, match=name):
        native_format(name)


@pytest.mark.parametrize("name", CONVERTED)
def test_conversion_keeps_depth_and_subsampling(name: str) -> None:
    """The native format is as deep as the original and has its chroma resolution."""
    fmt = VideoFormat(name, 64, 64)
    layout = layout_of(native_format(name))
    assert layout is not None
    assert layout.depth >= max(component.bits for component in fmt.components)
    if layout.family == "yuv":
        assert 64 >> layout.chroma_shift_x == fmt.components[1].width
        assert 64 >> layout.chroma_shift_y == fmt.components[1].height


# swscale cannot write pal8 and uyyvyy411, and dithers to formats of few bits: those are taken apart
# in the tests below.
RETURNING = [
    name
    for name in CONVERTED
    if name not in ("pal8", "uyyvyy411") and VideoFormat(name, 8, 8).components[0].bits >= 8
]


@pytest.mark.parametrize("name", RETURNING)
def test_conversion_there_and_back_loses_nothing(name: str) -> None:
    """Native planes converted to the format and back are the same, whatever the range's tag."""
    frame = noise(native_format(name), 64, 48)
    for colour_range in (0, 1, 2):
        frame.color_range = colour_range
        there = Converter(64, 48, name).convert(frame)
        back = Converter(64, 48, frame.format.name).convert(there)
        assert there.format.name == name
        assert equal(planes_of(back), planes_of(frame))


def native_planes(frame: av.VideoFrame) -> tuple[NDArray[Any], ...]:
    converter = Converter(frame.width, frame.height, native_format(frame.format.name))
    return planes_of(converter.convert(frame))


def test_nv12_becomes_its_three_planes() -> None:
    """Interleaved chroma is taken apart, bit for bit."""
    frame = noise("nv12")
    chroma = rows(frame, 1)[:, :WIDTH]
    expected = rows(frame)[:, :WIDTH], chroma[:, 0::2], chroma[:, 1::2]
    assert equal(native_planes(frame), expected)


def test_p010_is_right_aligned() -> None:
    """10 bits at the top of a word become 10 bits at its bottom."""
    frame = noise("p010le")
    for plane in frame.planes:
        words = np.frombuffer(bytes(plane), np.uint16) & 0xFFC0
        plane.update(words.tobytes())
    luma, chroma = (rows(frame, n)[:, : WIDTH * 2].copy().view(np.uint16) >> 6 for n in (0, 1))
    assert equal(native_planes(frame), (luma, chroma[:, 0::2], chroma[:, 1::2]))


def test_yuyv422_becomes_its_three_planes() -> None:
    """Packed 4:2:2 is taken apart, bit for bit."""
    frame = noise("yuyv422")
    data = rows(frame)[:, : WIDTH * 2]
    assert equal(native_planes(frame), (data[:, 0::2], data[:, 1::4], data[:, 3::4]))


def test_uyyvyy411_becomes_its_three_planes() -> None:
    """Packed 4:1:1 (DV) is taken apart, bit for bit."""
    frame = noise("uyyvyy411", 64, HEIGHT)
    data = rows(frame)[:, :96]
    luma = np.stack([data[:, i::6] for i in (1, 2, 4, 5)], axis=2).reshape(HEIGHT, 64)
    assert equal(native_planes(frame), (luma, data[:, 0::6], data[:, 3::6]))


def test_pal8_becomes_the_colours_of_its_palette() -> None:
    """Palette entries are looked up; their alpha changes nothing."""
    frame = noise("pal8")
    palette = np.frombuffer(bytes(frame.planes[1]), np.uint8).reshape(256, 4)  # B, G, R, A
    indices = rows(frame)[:, :WIDTH]
    assert equal(native_planes(frame), tuple(palette[indices, channel] for channel in (2, 1, 0)))


@pytest.mark.parametrize(("name", "white"), [("monob", 1), ("monow", 0)])
def test_one_bit_pictures_become_black_and_white(name: str, white: int) -> None:
    """One bit becomes code 0 or 255."""
    frame = noise(name)
    bits = np.unpackbits(rows(frame), axis=1)[:, :WIDTH]
    assert equal(native_planes(frame), (np.where(bits == white, 255, 0).astype(np.uint8),))


@pytest.mark.parametrize(
    ("name", "shifts", "bits"),
    [
        ("rgb565le", (11, 5, 0), (5, 6, 5)),
        ("bgr565le", (0, 5, 11), (5, 6, 5)),
        ("rgb555le", (10, 5, 0), (5, 5, 5)),
    ],
)
def test_narrow_rgb_is_widened_to_full_white(
    name: str, shifts: tuple[int, ...], bits: tuple[int, ...]
) -> None:
    """5 and 6 bits become 8 by repeating the top ones: black stays 0, white becomes 255."""
    frame = noise(name)
    words = rows(frame)[:, : WIDTH * 2].copy().view(np.uint16)
    parts = [(words >> shift) & ((1 << n) - 1) for shift, n in zip(shifts, bits, strict=True)]
    expected = [(p << (8 - n)) | (p >> (2 * n - 8)) for p, n in zip(parts, bits, strict=True)]
    assert equal(native_planes(frame), tuple(expected))


def test_right_frames_pass_through() -> None:
    """A frame of the right size and format is handed on itself."""
    frame = noise("yuv420p")
    assert Converter(WIDTH, HEIGHT, "yuv420p").convert(frame) is frame


def test_other_sizes_are_scaled() -> None:
    """A flat picture of another size comes out in the right one with the same codes."""
    frame = av.VideoFrame(96, 64, "yuv420p10le")
    for plane, value in zip(planes_of(frame), (940, 512, 300), strict=True):
        plane[:] = value
    planes = planes_of(Converter(64, 48, "yuv420p10le").convert(frame))
    assert [plane.shape for plane in planes] == [(48, 64), (24, 32), (24, 32)]
    assert [np.unique(plane).tolist() for plane in planes] == [[940], [512], [300]]


def test_a_decoded_picture_is_what_was_encoded(tmp_path: Path) -> None:
    """Through a lossless codec, planes_of gives back what the test drew."""
    path = media.write_video(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv422p10le", frames=2)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        expected = media.frame_planes(media.picture(0, pix_fmt="yuv422p10le"))
        assert equal(planes_of(frame), tuple(expected))
