"""HDR: what is read, what is carried into the output and how, and what is refused."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.errors import InputError, UsageError
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.video import hdr
from animesr_cli.video.hdr import ContentLight, HdrMetadata, MasteringDisplay
from animesr_cli.video.side_data import side_data_of
from animesr_cli.writing.encoding import (
    choose_encoding,
)
from command import Outcome, animesr
from hdr_clips import (
    BT2020,
    BT2020_NC,
    DISPLAY,
    HLG,
    LIGHT,
    LIMITED,
    PQ,
    hdr_video,
)
from media import still_picture, write_video

HDR10 = HdrMetadata(curve="PQ", mastering=DISPLAY, light=LIGHT)

AV1_ROUNDING = Fraction(1, 16384)
"""The coarsest of the fixed-point numbers in which AV1 stores a display."""

needs_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="there is no ffprobe")


@pytest.fixture(scope="module")
def pq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hdr_video(tmp_path_factory.mktemp("hdr") / "pq.mkv")


@pytest.fixture(scope="module")
def hlg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hdr") / "hlg.mp4"
    return hdr_video(path, transfer=HLG, static=False)


def near(read: MasteringDisplay | None, expected: MasteringDisplay = DISPLAY) -> bool:
    """Whether a display is the expected one within what AV1 can store."""
    assert read is not None
    pairs = [
        (a, b)
        for name in ("red", "green", "blue", "white")
        for a, b in zip(getattr(read, name), getattr(expected, name), strict=True)
    ]
    pairs += [(read.min_luminance, expected.min_luminance)]
    pairs += [(read.max_luminance, expected.max_luminance)]
    return all(abs(a - b) <= AV1_ROUNDING for a, b in pairs)


# Dolby Vision and HDR10+, which no encoder here writes --------------------------------------------


def dolby_vision_record(profile: int, compatibility: int) -> bytes:
    """A ``dvcC`` (up to profile 7) or ``dvvC`` box: the configuration record of ISOM."""
    # Seven bits of profile, six of level, an RPU, no enhancement layer, a base layer.
    flags = profile << 25 | 6 << 19 | 1 << 18 | 1 << 16 | compatibility << 12
    content = struct.pack(">BBI18x", 1, 0, flags)
    return struct.pack(">I4s", 32, b"dvvC" if profile > 7 else b"dvcC") + content


def add_to_sample_entry(path: Path, box: bytes) -> Path:
    """Append a box to the description of the first track's pictures, in an MP4 with moov last."""
    content = bytearray(path.read_bytes())
    begin, end, sizes = 0, len(content), []
    entry = b"av01" if b"av01" in content else b"hev1"
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry):
        begin, end = find_box(content, begin, end, name)
        sizes.append(begin)
        begin += 16 if name == b"stsd" else 8
    for at in sizes:
        struct.pack_into(">I", content, at, struct.unpack_from(">I", content, at)[0] + len(box))
    content[end:end] = box
    path.write_bytes(content)
    return path


def find_box(content: bytes | bytearray, begin: int, end: int, name: bytes) -> tuple[int, int]:
    while begin < end:
        size, found = struct.unpack_from(">I4s", content, begin)
        if found == name:
            return begin, begin + size
        begin += size
    raise AssertionError(f"no box {name!r}")


def dolby_vision(path: Path, profile: int, compatibility: int, **more: Any) -> Path:
    """An MP4 that says it is Dolby Vision."""
    return add_to_sample_entry(hdr_video(path, **more), dolby_vision_record(profile, compatibility))


def bits(*pairs: tuple[int, int]) -> str:
    """Numbers of these many bits, most significant first."""
    return "".join(f"{value:0{length}b}" for value, length in pairs)


def golomb(*values: int) -> str:
    """Unsigned exponential Golomb codes."""
    return "".join("0" * (len(f"{v + 1:b}") - 1) + f"{v + 1:b}" for v in values)


def packed(text: str) -> bytes:
    """Whole bytes, padded with zeroes."""
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def hdr10_plus_unit() -> bytes:
    """An SEI of SMPTE ST 2094-40 in a NAL unit: one window, without a tone mapping curve."""
    window = bits((9000, 17), (9000, 17), (9000, 17), (500, 17), (0, 4), (10, 10))
    content = packed(bits((1, 2), (4000, 27), (0, 1)) + window + bits((0, 1), (0, 1), (0, 1)))
    payload = bytes([0xB5, 0x00, 0x3C, 0x00, 0x01, 4, 1]) + content
    message = bytes([4, len(payload)]) + payload + b"\x80"
    return b"\0\0\0\1" + bytes([39 << 1, 1]) + escaped(message)


def rpu_unit(*, profile_of_rpu: int, full_range: bool, fixed_point: bool = True) -> bytes:
    """A Dolby Vision RPU that changes nothing (ETSI GS CCM 001), in a NAL unit of type 62."""
    text = bits((25, 8), (2, 6), (18, 11), (profile_of_rpu, 4), (6, 4), (1, 1), (0, 1))
    text += bits((0, 2)) + golomb(23) if fixed_point else bits((1, 2))
    text += bits((1, 2), (int(full_range), 1)) + golomb(2, 2, 4)  # 10, 10 and 12 bits
    text += bits((0, 5), (1, 1), (0, 2))  # no residual, no display management, no predecessor
    text += golomb(0, 0, 0) + 3 * (golomb(0) + bits((0, 10), (1023, 10))) + golomb(0, 0)
    zero, one = ("1" + bits((0, 23)), "010" + bits((0, 23)))
    if not fixed_point:
        zero, one = bits((0, 32)), bits((0x3F800000, 32))
    text += 3 * (golomb(0, 0) + "0" + zero + one)
    content = packed(text)
    return b"\0\0\0\1" + bytes([62 << 1, 1]) + escaped(content + bytes(4)) + b"\x80"


def escaped(payload: bytes) -> bytes:
    out = bytearray()
    for value in payload:
        if value <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(value)
    return bytes(out)


def with_unit(path: Path, unit: bytes, *, last: bool) -> Path:
    """Put a NAL unit before or behind the first picture of a bare HEVC stream."""
    content = path.read_bytes()
    starts = [at for at in range(len(content) - 4) if content[at : at + 3] == b"\0\0\1"]
    slices = [at for at in starts if (content[at + 3] >> 1) & 0x3F < 32]
    place = slices[1] if last else slices[0]
    while content[place - 1] == 0:
        place -= 1
    path.write_bytes(content[:place] + unit + content[place:])
    return path


# Reading ------------------------------------------------------------------------------------------


def test_hdr10_is_read(pq: Path) -> None:
    """Curve, display and light level are what was given to the encoder, exactly."""
    info = probe(pq)
    assert info.hdr == HDR10
    assert info.colour.matrix == "bt2020"
    assert str(info.hdr) == "PQ, mastered at 0.005 to 1000 cd/m2, MaxCLL 1000, MaxFALL 400"


def test_hlg_is_read(hlg: Path) -> None:
    """HLG without metadata is HDR, and has nothing but its tags to carry."""
    assert probe(hlg).hdr == HdrMetadata(curve="HLG")
    assert not HdrMetadata(curve="HLG").is_static


def test_standard_video_has_none(own_clip: Path) -> None:
    """A standard video is not taken for HDR."""
    assert probe(own_clip).hdr is None


def test_an_untagged_matrix_is_that_of_hdr(tmp_path: Path) -> None:
    """PQ without a tagged matrix is BT.2020 at any size, not what its size would say."""
    path = hdr_video(tmp_path / "in.mkv", matrix=2)
    info = probe(path)
    assert (info.colour.matrix, info.tags.matrix) == ("bt2020", 2)
    assert info.colour_note == "BT.2020 (untagged, as HDR is)"
    assert probe(path, matrix="bt709").colour.matrix == "bt709"


@given(
    numbers=st.lists(st.integers(0, 2**31 - 1), min_size=10, max_size=10),
    denominator=st.integers(1, 2**31 - 1),
    halves=st.tuples(st.booleans(), st.booleans()),
)
def test_a_display_is_read_whole_or_not(
    numbers: list[int], denominator: int, halves: tuple[bool, bool]
) -> None:
    """FFmpeg's struct is read as it is, and left alone where one half of it is not filled."""
    flat = [value for number in numbers for value in (number, denominator)]
    read = hdr._mastering(struct.pack("=20i2i", *flat, *halves))
    if not all(halves):
        assert read is None
        return
    assert read is not None
    points = [*read.red, *read.green, *read.blue, *read.white]
    values = [*points, read.min_luminance, read.max_luminance]
    assert values == [Fraction(number, denominator) for number in numbers]


@pytest.mark.parametrize("data", [None, b"", bytes(8)])
def test_no_metadata_is_none(data: bytes | None) -> None:
    """Absent, short and empty structs are no metadata; zeroes would be a wrong brightness."""
    assert hdr._mastering(data) is None
    assert hdr._light(data) is None


def test_a_picture_with_exif_is_read(tmp_path: Path) -> None:
    """A JPEG with Exif, whose side data PyAV fails to list, is probed, and its turn is kept."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation: turned clockwise
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    jpeg = still_picture("jpeg")
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg[:2] + struct.pack(">HH", 0xFFE1, len(exif) + 2) + exif + jpeg[2:])
    info = probe(path)
    assert info.hdr is None
    assert info.rotation == 270
    assert info.display_matrix == (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)


# Dolby Vision, HDR10+ -----------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "compatibility"), [(7, 6), (8, 1)])
def test_dolby_vision_over_hdr10_is_dropped(
    tmp_path: Path, profile: int, compatibility: int
) -> None:
    """The profile is found in the container's record, and the warning names it."""
    info = probe(dolby_vision(tmp_path / "in.mp4", profile, compatibility))
    assert info.hdr is not None
    assert info.hdr == HdrMetadata(curve="PQ", mastering=DISPLAY, light=LIGHT, dolby_vision=profile)
    warnings: list[str] = []
    choose_encoding("matroska", UpscaleSettings(), info, warn=warnings.append)
    assert warnings == [
        f"the Dolby Vision enhancement (profile {profile}) is dropped; "
        "the PQ picture under it is kept"
    ]


def test_dolby_vision_over_a_standard_picture(tmp_path: Path) -> None:
    """Profile 8.2 lies over BT.709: it is no HDR, so any encoder will do, and the warning comes."""
    path = tmp_path / "in.mp4"
    info = probe(dolby_vision(path, 8, 2, static=False, transfer=1, primaries=1, matrix=1))
    assert info.hdr == HdrMetadata(curve=None, dolby_vision=8)
    warnings: list[str] = []
    settings = UpscaleSettings(codec="libx264", pix_fmt="yuv420p")
    assert choose_encoding("mp4", settings, info, warn=warnings.append).layout.depth == 8
    assert [text for text in warnings if "Dolby Vision" in text and "standard picture" in text]


def test_dolby_vision_without_a_base_is_refused(tmp_path: Path) -> None:
    """Profile 5 is refused before anything is decoded with wrong colours, whatever the file."""
    path = dolby_vision(tmp_path / "in.mp4", 5, 0, transfer=2, primaries=2, matrix=2, static=False)
    with pytest.raises(InputError, match="profile 5"):
        probe(path)
    copy = tmp_path / "in.mkv"
    with av.open(str(path)) as source, av.open(str(copy), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    with pytest.raises(InputError, match="profile 5"):
        probe(copy)


def test_profile_10_goes_by_its_base(tmp_path: Path) -> None:
    """Dolby Vision in AV1 is refused or not by what its record says of the base layer."""
    with pytest.raises(InputError, match="profile 10 without a base layer"):
        probe(dolby_vision(tmp_path / "bare.mp4", 10, 0, codec="libsvtav1", static=False))
    info = probe(dolby_vision(tmp_path / "hdr10.mp4", 10, 1, codec="libsvtav1", static=False))
    assert info.hdr == HdrMetadata(curve="PQ", dolby_vision=10)


@pytest.mark.parametrize("fixed_point", [True, False])
def test_a_bare_stream_tells_profile_5(tmp_path: Path, fixed_point: bool) -> None:
    """Without a container the first RPU tells it: profile 0 of the RPU, and a full-range base."""
    path = hdr_video(tmp_path / "in.265", static=False, transfer=2, primaries=2, matrix=2)
    rpu = rpu_unit(profile_of_rpu=0, full_range=True, fixed_point=fixed_point)
    with pytest.raises(InputError, match="profile 5"):
        probe(with_unit(path, rpu, last=True))


@pytest.mark.parametrize(("profile_of_rpu", "full_range"), [(1, False), (1, True), (0, False)])
def test_other_bare_streams_are_not_refused(
    tmp_path: Path, profile_of_rpu: int, full_range: bool
) -> None:
    """Another RPU is noticed, and its profile is not guessed."""
    path = hdr_video(tmp_path / "in.265", static=False)
    with_unit(path, rpu_unit(profile_of_rpu=profile_of_rpu, full_range=full_range), last=True)
    assert probe(path).hdr == HdrMetadata(curve="PQ", dolby_vision=0)


def test_hdr10_plus_is_dropped(tmp_path: Path) -> None:
    """Metadata that changes with the picture is noticed, and the warning says that it goes."""
    path = with_unit(hdr_video(tmp_path / "in.265"), hdr10_plus_unit(), last=False)
    info = probe(path)
    assert info.hdr is not None
    assert info.hdr.hdr10_plus
    assert info.hdr.mastering == DISPLAY
    warnings: list[str] = []
    choose_encoding("matroska", UpscaleSettings(), info, warn=warnings.append)
    assert len(warnings) == 1
    assert warnings[0].startswith("the HDR10+ metadata, which changes with the picture, is dropped")


# Choosing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_name", "codec"),
    [("mp4", "libx265"), ("mov", "libx265"), ("matroska", "libx265"), ("webm", "libsvtav1")],
)
def test_auto_takes_ten_bits(pq: Path, hlg: Path, format_name: str, codec: str) -> None:
    """Without a wish HDR goes to an encoder of 10 bits, silently, in every container."""
    warnings: list[str] = []
    for path in (pq, hlg):
        encoding = choose_encoding(
            format_name, UpscaleSettings(), probe(path), warn=warnings.append
        )
        assert (encoding.codec, encoding.pix_fmt) == (codec, "yuv420p10le")
    assert warnings == []


def test_eight_bit_hdr_becomes_ten(tmp_path: Path) -> None:
    """A video that says HLG with 8 bits gets 10."""
    path = hdr_video(tmp_path / "in.mp4", transfer=HLG, static=False, pix_fmt="yuv420p")
    encoding = choose_encoding("mp4", UpscaleSettings(), probe(path))
    assert (encoding.codec, encoding.pix_fmt) == ("libx265", "yuv420p10le")


@pytest.mark.parametrize(
    ("format_name", "wish"),
    [
        ("mp4", {"pix_fmt": "yuv420p"}),
        ("mp4", {"codec": "libx264", "pix_fmt": "yuv420p"}),
        ("matroska", {"codec": "mpeg4"}),
        ("matroska", {"codec": "libx264rgb"}),
        ("webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_what_would_wash_out_is_refused(pq: Path, format_name: str, wish: dict[str, Any]) -> None:
    """Fewer than 10 bits, by an encoder or by a wish, are refused with what to use instead."""
    with pytest.raises(UsageError, match="HDR") as caught:
        choose_encoding(format_name, UpscaleSettings(**wish), probe(pq))
    assert caught.value.hint is not None
    usual = "libsvtav1" if format_name == "webm" else "libx265"
    assert f"-c {usual} --pix-fmt yuv420p10le" in caught.value.hint
    named = UpscaleSettings(codec=usual, pix_fmt="yuv420p10le")
    assert choose_encoding(format_name, named, probe(pq)).layout.depth == 10


def test_what_cannot_say_hdr_is_refused(pq: Path) -> None:
    """Images and y4m have no place for the curve."""
    with pytest.raises(UsageError, match="PNG images would not say so"):
        choose_encoding("png", UpscaleSettings(pix_fmt="rgb48be"), probe(pq))
    with pytest.raises(UsageError, match="y4m would not say so"):
        choose_encoding("yuv4mpegpipe", UpscaleSettings(), probe(pq))


@pytest.mark.parametrize(
    ("codec", "option"),
    [
        ("libx265", "x265-params=max-cll=7,5"),
        ("libsvtav1", "svtav1-params=content-light=7,5"),
        ("libx264", "x264-params=cll=7,5"),
    ],
)
def test_own_parameters_win(
    pq: Path, tmp_path: Path, zero_checkpoint: Path, codec: str, option: str
) -> None:
    """Metadata given with -e replaces the source's, and no container contradicts it."""
    output = tmp_path / "out.mp4"
    assert upscaled(pq, output, zero_checkpoint, "-c", codec, "-e", option).exit_code == 0
    info = probe(output)
    assert info.hdr is not None
    assert info.hdr.light == ContentLight(max_cll=7, max_fall=5)
    assert near(info.hdr.mastering)
    assert b"clli" not in output.read_bytes()


def test_options_without_metadata_are_untouched(hlg: Path) -> None:
    """Where there is nothing to carry, no encoder gets a parameter."""
    options = {"crf": "18"}
    for codec in ("libx264", "libx265", "libsvtav1", "ffv1"):
        assert hdr.with_metadata(options, codec, probe(hlg).hdr) == options
        assert hdr.with_metadata(options, codec, None) == options


# Writing ------------------------------------------------------------------------------------------

CARRIERS = [
    (".mkv", "auto"),
    (".mp4", "auto"),
    (".mov", "auto"),
    (".webm", "auto"),
    (".mp4", "libsvtav1"),
    (".mkv", "libx264"),
    (".mkv", "ffv1"),
    (".mov", "prores_ks"),
]


def upscaled(source: Path, output: Path, checkpoint: Path, *more: str) -> Outcome:
    return animesr(
        "upscale", source, output, "--model", checkpoint, "--scale", "2", "--device", "cpu", *more
    )


def tags_of(path: Path) -> tuple[int, ...]:
    tags = probe(path).tags
    return tags.primaries, tags.transfer, tags.matrix, tags.range


@pytest.mark.parametrize(("suffix", "codec"), CARRIERS)
def test_hdr10_is_kept(
    pq: Path, tmp_path: Path, zero_checkpoint: Path, suffix: str, codec: str
) -> None:
    """Tags, display and light level of the output are the input's, with every fitting encoder."""
    output = tmp_path / f"out{suffix}"
    done = upscaled(pq, output, zero_checkpoint, "-c", codec)
    assert done.exit_code == 0, done.stderr
    info = probe(output)
    assert tags_of(output) == (BT2020, PQ, BT2020_NC, LIMITED)
    assert info.colour.layout.depth == 10
    assert (info.width, info.height, info.frame_count or 4) == (128, 96, 4)
    assert info.hdr is not None
    assert near(info.hdr.mastering)
    assert info.hdr.light == LIGHT


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_the_container_says_it_too(
    pq: Path, tmp_path: Path, zero_checkpoint: Path, suffix: str
) -> None:
    """The metadata is in the container's own header, where a copy of the stream takes it from."""
    output = tmp_path / f"out{suffix}"
    assert upscaled(pq, output, zero_checkpoint).exit_code == 0
    content = output.read_bytes()
    if suffix == ".mp4":
        at = content.index(b"mdcv")
        green_blue_red_white = struct.unpack_from(">8H2I", content, at + 4)
        assert green_blue_red_white == (
            13250, 34500, 7500, 3000, 34000, 16000, 15635, 16450, 10_000_000, 50
        )  # fmt: skip
        assert struct.unpack_from(">2H", content, content.index(b"clli") + 4) == (1000, 400)
    else:
        luminance = b"".join(
            struct.pack(">HBd", identifier, 0x88, value)
            for identifier, value in ((0x55D9, 1000.0), (0x55DA, 0.005))
        )
        assert luminance in content


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libx264"])
def test_the_pictures_say_it_too(
    pq: Path, tmp_path: Path, zero_checkpoint: Path, codec: str
) -> None:
    """The metadata is in the coded pictures: a decoder that knows no container finds it."""
    output = tmp_path / "out.mp4"
    assert upscaled(pq, output, zero_checkpoint, "-c", codec).exit_code == 0
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        bare = av.CodecContext.create(stream.codec_context.name, "r")
        bare.extradata = stream.codec_context.extradata
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert isinstance(bare, av.VideoCodecContext)
    frames = [frame for packet in packets for frame in bare.decode(packet)] + bare.decode(None)
    read = hdr.read_hdr(side_data_of(frames[0]), PQ)
    assert read is not None
    assert near(read.mastering)
    assert read.light == LIGHT


def test_a_described_stream_is_like_any_other(tmp_path: Path, zero_checkpoint: Path) -> None:
    """Turn, pixel aspect, frame rate, title, language and codec tag are kept with the metadata."""
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    rate = Fraction(24000, 1001)
    hdr_video(source, rotation=90, sar=Fraction(4, 3), rate=rate, video_language="jpn")
    assert upscaled(source, output, zero_checkpoint).exit_code == 0
    before, after = probe(source), probe(output)
    assert after.hdr == before.hdr == HDR10
    assert after.display_matrix == before.display_matrix is not None
    assert (after.sample_aspect_ratio, after.frame_rate) == (Fraction(4, 3), rate)
    assert (after.time_base, after.frame_count) == (before.time_base, 4)
    assert after.streams[0].language == "jpn"
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_rgb_of_ten_bits_is_kept(pq: Path, tmp_path: Path, zero_checkpoint: Path) -> None:
    """HDR as RGB keeps its curve and metadata too."""
    output = tmp_path / "out.mkv"
    done = upscaled(pq, output, zero_checkpoint, "-c", "libx265", "--pix-fmt", "gbrp10le")
    assert done.exit_code == 0, done.stderr
    assert tags_of(output) == (BT2020, PQ, 0, 2)
    assert probe(output).hdr == HDR10


def test_hlg_is_kept(hlg: Path, tmp_path: Path, zero_checkpoint: Path) -> None:
    """HLG stays HLG, and gets no metadata that it did not have."""
    output = tmp_path / "out.mp4"
    assert upscaled(hlg, output, zero_checkpoint).exit_code == 0
    assert tags_of(output) == (BT2020, HLG, BT2020_NC, LIMITED)
    assert probe(output).hdr == HdrMetadata(curve="HLG")
    assert b"mdcv" not in output.read_bytes()


def test_light_level_alone_is_kept(tmp_path: Path, zero_checkpoint: Path) -> None:
    """A video with a light level and no display gets no display."""
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    write_video(
        source, codec="libx265", width=64, height=48, frames=2, pix_fmt="yuv420p10le",
        primaries=BT2020, transfer=PQ, matrix=BT2020_NC, color_range=LIMITED,
        options={"x265-params": "log-level=none:max-cll=300,100"},
    )  # fmt: skip
    assert upscaled(source, output, zero_checkpoint).exit_code == 0
    assert probe(output).hdr == HdrMetadata(
        curve="PQ", light=ContentLight(max_cll=300, max_fall=100)
    )


def test_dolby_vision_leaves_no_trace(tmp_path: Path, zero_checkpoint: Path) -> None:
    """The output is HDR10 and nothing in it announces Dolby Vision; the run warns."""
    source, output = dolby_vision(tmp_path / "in.mp4", 8, 1), tmp_path / "out.mp4"
    done = upscaled(source, output, zero_checkpoint)
    assert done.exit_code == 0
    assert "the Dolby Vision enhancement (profile 8) is dropped" in done.stderr
    assert probe(output).hdr == HDR10


def test_refusals_leave_nothing(pq: Path, tmp_path: Path, zero_checkpoint: Path) -> None:
    """A refused run is one line, the documented code, and no file."""
    output = tmp_path / "out.mp4"
    done = upscaled(pq, output, zero_checkpoint, "--pix-fmt", "yuv420p")
    done.refused(2, "the input is HDR (PQ)", "hint: ")
    source = dolby_vision(tmp_path / "in.mp4", 5, 0, static=False)
    upscaled(source, output, zero_checkpoint).refused(3, "profile 5", "hint: ")
    assert sorted(tmp_path.iterdir()) == [source]


def test_info_shows_it(pq: Path, own_clip: Path) -> None:
    """``animesr info`` has a row for HDR, and none for a standard video."""
    assert "MaxCLL 1000" in animesr("info", pq).stdout
    assert json.loads(animesr("info", pq, "--json").stdout)["hdr"]["curve"] == "PQ"
    assert "dynamic range" not in animesr("info", own_clip).stdout


# Another reader -----------------------------------------------------------------------------------


def ffprobe(path: Path, *arguments: str) -> Any:
    command = ["ffprobe", "-v", "error", "-of", "json", *arguments, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def displayed(values: dict[str, str]) -> MasteringDisplay:
    def point(name: str) -> tuple[Fraction, Fraction]:
        return Fraction(values[f"{name}_x"]), Fraction(values[f"{name}_y"])

    return MasteringDisplay(
        red=point("red"),
        green=point("green"),
        blue=point("blue"),
        white=point("white_point"),
        min_luminance=Fraction(values["min_luminance"]),
        max_luminance=Fraction(values["max_luminance"]),
    )


@pytest.mark.slow
@needs_ffprobe
@pytest.mark.parametrize(("suffix", "codec"), CARRIERS)
def test_ffprobe_sees_it(
    pq: Path, tmp_path: Path, zero_checkpoint: Path, suffix: str, codec: str
) -> None:
    """FFmpeg's own tool finds the tags, and the metadata in the container and in the pictures."""
    output = tmp_path / f"out{suffix}"
    assert upscaled(pq, output, zero_checkpoint, "-c", codec).exit_code == 0
    (stream,) = ffprobe(output, "-show_streams")["streams"]
    assert stream["color_primaries"] == "bt2020"
    assert stream["color_transfer"] == "smpte2084"
    assert stream["color_space"] == "bt2020nc"
    assert stream["color_range"] == "tv"
    if codec != "prores_ks":
        assert stream["chroma_location"] == "left"
    # No side data of pictures: those encoders have no headers for it, or ffprobe is too old.
    places = [stream["side_data_list"]]
    if codec in ("auto", "libsvtav1"):
        first = ffprobe(output, "-show_frames", "-read_intervals", "%+#1")["frames"][0]
        places.append(first["side_data_list"])
    for found in places:
        (display,) = [d for d in found if d["side_data_type"] == "Mastering display metadata"]
        (light,) = [d for d in found if d["side_data_type"] == "Content light level metadata"]
        assert (light["max_content"], light["max_average"]) == (1000, 400)
        assert near(displayed(display))
