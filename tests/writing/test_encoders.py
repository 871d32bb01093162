"""Choosing and opening encoders: the defaults, and one clear line for whatever is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from animesr_cli.errors import DeviceError, UsageError
from animesr_cli.reading.info import ColourTags, VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.video.colour import ColourSpec, PixelLayout
from animesr_cli.video.pixel_formats import layout_of, native_format
from animesr_cli.writing import encoders
from animesr_cli.writing import encoding as encoding_room
from animesr_cli.writing.encoders import (
    ENCODERS,
    FORMATS,
    Encoding,
    format_of,
    new_context,
    open_encoder,
    probe_encoder,
    probe_encoders,
    size_multiple,
)
from animesr_cli.writing.encoding import choose_encoding, output_tags
from media import picture, write_video

YUV420 = PixelLayout(family="yuv", depth=8, chroma_shift_x=1, chroma_shift_y=1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    return probe(write_video(tmp_path_factory.mktemp("plain") / "plain.mp4", frames=2))


def source_of(plain: VideoInfo, pix_fmt: str) -> VideoInfo:
    """What ``probe`` says of a video with these pictures."""
    layout = layout_of(native_format(pix_fmt))
    assert layout is not None
    return replace(plain, pix_fmt=pix_fmt, colour=replace(plain.colour, layout=layout))


def encode_some(encoding: Encoding, width: int, height: int) -> int:
    """Open as a run does, encode three pictures and count the packets."""
    context = new_context(encoding, width, height)
    context.time_base = Fraction(1, 24)
    open_encoder(context, encoding)
    packets = 0
    for number in range(3):
        frame = picture(number, width, height, encoding.pix_fmt)
        frame.pts, frame.time_base = number, Fraction(1, 24)
        packets += len(context.encode(frame))
    return packets + len(context.encode(None))


# ---- defaults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".MKV"])
@pytest.mark.parametrize(
    ("pix_fmt", "codec", "chosen"),
    [
        ("yuv420p", "libx264", "yuv420p"),
        ("yuvj420p", "libx264", "yuv420p"),
        ("nv12", "libx264", "yuv420p"),
        ("yuv422p", "libx264", "yuv422p"),
        ("yuv444p", "libx264", "yuv444p"),
        ("yuv440p", "libx264", "yuv444p"),
        ("yuv411p", "libx264", "yuv420p"),
        ("yuv410p", "libx264", "yuv420p"),
        ("yuva420p", "libx264", "yuv420p"),
        ("gray", "libx264", "yuv420p"),
        ("rgb24", "libx264", "yuv420p"),
        ("pal8", "libx264", "yuv420p"),
        ("gbrp", "libx264", "yuv420p"),
        ("yuv420p10le", "libx265", "yuv420p10le"),
        ("yuv422p10le", "libx265", "yuv422p10le"),
        ("p010le", "libx265", "yuv420p10le"),
        ("yuv420p12le", "libx265", "yuv420p10le"),
        ("gbrp12le", "libx265", "yuv420p10le"),
        ("gray10le", "libx265", "yuv420p10le"),
    ],
)
def test_defaults_go_by_depth_and_subsampling(
    suffix: str, pix_fmt: str, codec: str, chosen: str, plain: VideoInfo
) -> None:
    """H.264 for 8 bit, HEVC at 10 bit above; 4:2:2 and 4:4:4 stay, all else plays everywhere."""
    container = format_of(suffix)
    assert container is not None
    encoding = choose_encoding(container.muxer, UpscaleSettings(), source_of(plain, pix_fmt))
    assert (encoding.codec, encoding.pix_fmt) == (codec, chosen)
    assert encoding.layout.depth == (8 if codec == "libx264" else 10)


def test_webm_is_vp9_and_says_that_it_has_8_bits(plain: VideoInfo) -> None:
    """WebM gets libvpx-vp9; a deeper source is told what it loses and what would keep it."""
    warnings: list[str] = []
    encoding = choose_encoding("webm", UpscaleSettings(), plain, warn=warnings.append)
    assert (encoding.codec, encoding.pix_fmt, warnings) == ("libvpx-vp9", "yuv420p", [])
    deep = source_of(plain, "yuv420p10le")
    encoding = choose_encoding("webm", UpscaleSettings(), deep, warn=warnings.append)
    assert (encoding.codec, encoding.pix_fmt) == ("libvpx-vp9", "yuv420p")
    (warning,) = warnings
    assert "10 bits" in warning
    assert "-c libsvtav1" in warning


@pytest.mark.parametrize(
    ("codec", "source", "chosen"),
    [
        ("ffv1", "yuv420p", "yuv420p"),
        ("ffv1", "yuvj422p", "yuv422p"),
        ("ffv1", "yuv420p12le", "yuv420p12le"),
        ("ffv1", "gbrp", "bgr0"),
        ("ffv1", "rgba", "bgra"),
        ("ffv1", "gbrp10le", "gbrp10le"),
        ("ffv1", "gray", "gray"),
        ("libx264rgb", "yuv420p", "bgr24"),
        ("prores_ks", "yuv420p", "yuv422p10le"),
        ("prores_ks", "yuv444p", "yuv444p10le"),
        ("libsvtav1", "yuv444p12le", "yuv420p10le"),
        ("rawvideo", "yuv420p", "yuv420p"),
    ],
)
def test_a_named_encoder_gets_the_nearest_format(
    codec: str, source: str, chosen: str, plain: VideoInfo
) -> None:
    """Lossless encoders keep the source's samples; the others get the nearest that they have."""
    muxer = "mov" if codec == "prores_ks" else "matroska"
    settings = UpscaleSettings(codec=codec)
    encoding = choose_encoding(muxer, settings, source_of(plain, source), warn=pytest.fail)
    assert encoding.pix_fmt == chosen
    assert encoding.lossless == (codec in ("ffv1", "rawvideo"))


def test_common_codec_names_mean_their_usual_encoder(plain: VideoInfo) -> None:
    """``-c hevc`` is libx265, as FFmpeg itself takes it."""
    names = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
    for name, encoder in names.items():
        assert choose_encoding("matroska", UpscaleSettings(codec=name), plain).codec == encoder


@pytest.mark.parametrize("codec", [name for name in ENCODERS if probe_encoder(name) is None])
def test_every_row_of_the_table_opens_with_its_defaults(codec: str, plain: VideoInfo) -> None:
    """Each default option is one that the encoder takes, and it makes a packet of each picture."""
    muxer = "mov" if codec in ("png", "prores_ks") else "matroska"
    encoding = choose_encoding(muxer, UpscaleSettings(codec=codec), plain)
    assert encode_some(encoding, 128, 96) == 3


def test_hevc_is_tagged_for_apple(plain: VideoInfo) -> None:
    """hvc1 in MP4 and MOV; Matroska has no such tags."""
    for muxer, tag in (("mp4", "hvc1"), ("mov", "hvc1"), ("matroska", None)):
        assert choose_encoding(muxer, UpscaleSettings(codec="libx265"), plain).codec_tag == tag
    assert choose_encoding("mp4", UpscaleSettings(), plain).codec_tag is None


# ---- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"crf": "18", "preset": "faster"}),
        ({"crf": 20.5, "preset": "slow"}, {"crf": "20.5", "preset": "slow"}),
        ({"encoder_options": {"crf": "30"}}, {"crf": "30", "preset": "faster"}),
        ({"crf": 20, "encoder_options": {"crf": "30"}}, {"crf": "30", "preset": "faster"}),
        ({"encoder_options": {"b": "2M"}}, {"b": "2M", "preset": "faster"}),
        ({"encoder_options": {"qp": "0"}}, {"qp": "0", "preset": "faster"}),
        ({"codec": "libx265"}, {"crf": "18", "preset": "superfast"}),
        ({"codec": "libsvtav1", "preset": "10"}, {"crf": "20", "preset": "10"}),
        ({"codec": "ffv1"}, {"level": "3", "slicecrc": "1"}),
        ({"codec": "prores_ks", "encoder_options": {"profile": "3"}}, {"profile": "3"}),
        (
            {"codec": "libvpx-vp9", "crf": 30, "preset": "4"},
            {"crf": "30", "cpu-used": "4", "b": "0", "row-mt": "1", "deadline": "realtime"},
        ),
    ],
)
def test_options_in_order_of_weight(
    settings: dict[str, Any], expected: dict[str, str], plain: VideoInfo
) -> None:
    """``-e`` wins over ``--crf`` and ``--preset``, they over defaults; a rate drops the crf."""
    muxer = "mov" if settings.get("codec") == "prores_ks" else "matroska"
    assert choose_encoding(muxer, UpscaleSettings(**settings), plain).options == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codec": "ffv1", "crf": 20}, "ffv1 has no --crf"),
        ({"codec": "prores_ks", "crf": 20}, "prores_ks has no --crf"),
        ({"codec": "ffv1", "preset": "slow"}, "ffv1 has no --preset"),
        ({"preset": "sloow"}, "libx264 has no preset 'sloow'"),
        ({"pix_fmt": "yuv411p"}, "libx264 does not take the pixel format 'yuv411p'"),
        ({"pix_fmt": "yuv420q"}, "libx264 does not take the pixel format 'yuv420q'"),
        ({"codec": "rawvideo", "pix_fmt": "yuv420q"}, "does not take the pixel format"),
        ({"codec": "aac"}, "aac encodes audio, not video"),
    ],
)
def test_settings_that_an_encoder_does_not_have(
    settings: dict[str, Any], message: str, plain: VideoInfo, capfd: pytest.CaptureFixture[str]
) -> None:
    """A usage error that names encoder and setting, before anything is opened or printed."""
    muxer = "mov" if settings.get("codec") == "prores_ks" else "matroska"
    with pytest.raises(UsageError, match=message):
        choose_encoding(muxer, UpscaleSettings(**settings), plain)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"presett": "fast"}, "libx264 has no option 'presett'", "preset"),
        ({"x264-param": "a=b"}, "libx264 has no option 'x264-param'", "x264-params"),
        ({"movflags": "faststart"}, "libx264 has no option 'movflags'", None),
        ({"coder": "7"}, "libx264 refuses coder=7", "coder is one of default, cavlc"),
        ({"rc-lookahead": "many"}, "libx264 refuses rc-lookahead=many", None),
        ({"profile": "baseline", "qp": "0"}, "refuses these options together", None),
    ],
)
def test_options_that_an_encoder_refuses(
    options: dict[str, str], message: str, hint: str | None, plain: VideoInfo
) -> None:
    """Opening finds a misspelt key, a bad value and a bad combination, and says which it was."""
    settings = UpscaleSettings(encoder_options=options, preset="ultrafast")
    encoding = choose_encoding("mp4", settings, plain)
    with pytest.raises(UsageError, match=message) as caught:
        open_encoder(new_context(encoding, 64, 48), encoding)
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("codec", "width", "height"),
    [("libx264", 65, 48), ("libx264", 20000, 20000), ("libx265", 4, 4), ("libx265", 65, 48)],
)
def test_a_size_that_an_encoder_refuses(
    codec: str, width: int, height: int, plain: VideoInfo
) -> None:
    """The refused size stands in the message; nothing was encoded."""
    encoding = choose_encoding("mp4", UpscaleSettings(codec=codec), plain)
    with pytest.raises(UsageError, match=f"{codec} refuses pictures of {width}x{height}"):
        open_encoder(new_context(encoding, width, height), encoding)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "multiple"),
    [
        ("libx264", "yuv420p", (2, 2)),
        ("libx264", "yuv422p", (2, 1)),
        ("libx264", "yuv444p", (1, 1)),
        ("libx265", "yuv420p10le", (2, 2)),
        ("libvpx-vp9", "yuv420p", (1, 1)),
        ("libsvtav1", "yuv420p10le", (1, 1)),
        ("ffv1", "yuv420p", (1, 1)),
        ("libx264rgb", "bgr24", (1, 1)),
    ],
)
def test_size_multiple_is_what_the_encoder_needs(
    codec: str, pix_fmt: str, multiple: tuple[int, int], plain: VideoInfo
) -> None:
    """The smallest odd or even size that it allows really encodes."""
    settings = UpscaleSettings(codec=codec, pix_fmt=pix_fmt)
    encoding = choose_encoding("matroska", settings, plain)
    assert size_multiple(encoding) == multiple
    assert encode_some(encoding, 129 + multiple[0] % 2 - 1, 97 + multiple[1] % 2 - 1) == 3


@pytest.mark.parametrize(("codec", "extra"), [("libx265", "x265-params"), ("libsvtav1", None)])
def test_chatty_encoders_are_silent(
    codec: str, extra: str | None, plain: VideoInfo, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing reaches stderr, with and without parameters of the user, which are still obeyed."""
    options = {extra: "keyint=1:min-keyint=1"} if extra else {}
    settings = UpscaleSettings(codec=codec, encoder_options=options)
    encoding = choose_encoding("matroska", settings, plain)
    assert encode_some(encoding, 128, 96) == 3
    assert probe_encoder(codec) is None
    assert capfd.readouterr() == ("", "")


def test_parameters_of_the_user_reach_x265(plain: VideoInfo) -> None:
    """Silencing x265 does not replace what the user gave it: here every frame is a key frame."""
    options = {"x265-params": "keyint=1"}
    settings = UpscaleSettings(codec="libx265", encoder_options=options)
    encoding = choose_encoding("matroska", settings, plain)
    context = new_context(encoding, 128, 96)
    context.time_base = Fraction(1, 24)
    open_encoder(context, encoding)
    packets: list[Any] = []
    for number in range(3):
        frame = picture(number, 128, 96)
        frame.pts, frame.time_base = number, Fraction(1, 24)
        packets += context.encode(frame)
    packets += context.encode(None)
    assert [packet.is_keyframe for packet in packets] == [True] * 3


# ---- absent encoders, containers -----------------------------------------------------------------


def test_doctor_lists_every_row_and_the_truth() -> None:
    """Software encoders open; a hardware encoder opens or says what it needs."""
    found = probe_encoders()
    assert set(found) == set(ENCODERS)
    assert found["libx264"] is None
    for name, why in found.items():
        assert why is None or why, name
    if found["h264_nvenc"] is not None:
        assert "NVIDIA" in found["h264_nvenc"]


def fails(*names: str) -> Callable[[str], str | None]:
    return lambda codec: "no such library" if codec in names else None


def test_auto_falls_back_and_says_so(plain: VideoInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the usual encoder does not open, the next one is taken, in one sentence."""
    for room in (encoders, encoding_room):
        monkeypatch.setattr(room, "probe_encoder", fails("libx264"))
    warnings: list[str] = []
    encoding = choose_encoding("mp4", UpscaleSettings(), plain, warn=warnings.append)
    assert encoding.codec == "libx265"
    (warning,) = warnings
    assert "libx264 does not work here (no such library): libx265 takes its place" in warning


def test_auto_without_any_encoder(plain: VideoInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none of a container opens, the error names what works elsewhere."""
    for room in (encoders, encoding_room):
        monkeypatch.setattr(room, "probe_encoder", fails(*FORMATS[".webm"].codecs))
    with pytest.raises(DeviceError, match="no encoder for WebM works here") as caught:
        choose_encoding("webm", UpscaleSettings(), plain)
    assert "libx264" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("codec", "message", "hint"),
    [
        ("libx246", "there is no encoder 'libx246'", "libx264"),
        ("h264_videotoolbox", "h264_videotoolbox", None),
        ("h264_nvenc", "h264_nvenc does not work here", "libx264"),
    ],
)
def test_an_encoder_that_is_absent_or_has_no_driver(
    codec: str, message: str, hint: str | None, plain: VideoInfo
) -> None:
    """Named by the user, it is an error of the device, with what to take in its place."""
    if codec in ENCODERS and probe_encoder(codec) is None:
        pytest.skip(f"{codec} works on this machine")
    with pytest.raises(DeviceError, match=message) as caught:
        choose_encoding("mp4", UpscaleSettings(codec=codec), plain)
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("muxer", "codec", "fitting"),
    [("webm", "libx264", ".mp4"), ("mp4", "prores_ks", ".mov"), ("matroska", "dnxhd", ".mov")],
)
def test_a_container_that_cannot_hold_the_encoder(
    muxer: str, codec: str, fitting: str, plain: VideoInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usage error that names the containers which can."""
    for room in (encoders, encoding_room):
        monkeypatch.setattr(room, "probe_encoder", fails())
    with pytest.raises(UsageError, match=f"cannot hold the video of {codec}") as caught:
        choose_encoding(muxer, UpscaleSettings(codec=codec), plain)
    assert fitting in (caught.value.hint or "")


def test_unknown_suffixes_have_no_format() -> None:
    """What is not written is not in the table: AVI, TS, images, nothing."""
    assert [format_of(suffix) for suffix in ("", ".avi", ".ts", ".png", "mp4")] == [None] * 5


# ---- tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "height", "matrix", "expected"),
    [
        # untagged: what goes with the matrix that the pictures were read with
        (ColourTags(), 720, "bt709", (1, 1, 1)),
        (ColourTags(), 480, "bt601", (6, 6, 6)),
        (ColourTags(), 576, "bt601", (5, 6, 5)),
        (ColourTags(), 2160, "bt2020", (9, 14, 9)),
        # tagged: as they are
        (ColourTags(primaries=9, transfer=16, matrix=9), 2160, "bt2020", (9, 16, 9)),
        (ColourTags(primaries=5, transfer=5, matrix=5), 480, "bt601", (5, 5, 5)),
        (ColourTags(primaries=1, transfer=13, matrix=6), 720, "bt601", (1, 13, 6)),
        # --matrix against the tag
        (ColourTags(primaries=1, transfer=1, matrix=1), 720, "bt601", (1, 1, 6)),
    ],
)
def test_output_tags(
    tags: ColourTags, height: int, matrix: Any, expected: tuple[int, int, int], plain: VideoInfo
) -> None:
    """Primaries and transfer of the source, the matrix that was used, and no tag left open."""
    source = replace(plain, tags=tags, height=height)
    made = output_tags(source, ColourSpec(layout=YUV420, matrix=matrix))
    assert (made.primaries, made.transfer, made.matrix) == expected
    assert (made.range, made.siting) == (1, 1)


def test_output_tags_of_rgb(plain: VideoInfo) -> None:
    """RGB has no matrix and is full range; its untagged transfer is that of sRGB."""
    rgb = PixelLayout(family="rgb", depth=8)
    source = replace(source_of(plain, "gbrp"), tags=ColourTags())
    made = output_tags(source, ColourSpec(layout=rgb))
    assert made == ColourTags(primaries=1, transfer=13, matrix=0, range=2, siting=0)
    made = output_tags(source, ColourSpec(layout=YUV420, full_range=True, siting="center"))
    assert made == ColourTags(primaries=1, transfer=13, matrix=1, range=2, siting=2)
