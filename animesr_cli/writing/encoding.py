"""The encoding of one output: encoder, pixel format, options and colour tags, for its source.

What the user asks for is checked against what the container holds and the encoder takes; what is
left open follows from the source.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import av
import av.codec
from av.codec.codec import UnknownCodecError, find_best_pix_fmt_of_list

from animesr_cli.errors import DeviceError, UsageError, Warn
from animesr_cli.reading.info import ColourTags, VideoInfo
from animesr_cli.reading.y4m_header import OUTPUT_FORMATS
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.video.colour import (
    MATRIX_TAGS,
    NO_MATRIX_TAGS,
    SITING_TAGS,
    TAGGED_MATRICES,
    ColourSpec,
    Matrix,
)
from animesr_cli.video.hdr import (
    LEAST_DEPTH,
    check_carrier,
    is_hdr,
    losses,
    with_metadata,
)
from animesr_cli.video.pixel_formats import has_alpha, native_format
from animesr_cli.video.stream_header import container_keeps
from animesr_cli.writing.encoders import (
    CODECS_WITH_ALPHA,
    ENCODERS,
    FORMATS,
    LARGEST_DEFAULT_DEPTH,
    RATE_OPTIONS,
    SHALLOW_CODECS,
    Encoder,
    Encoding,
    fillable_formats,
    format_named,
    holds,
    is_fillable,
    meant_encoder,
    other_encoders,
    probe_encoder,
)
from animesr_cli.writing.hardware import hardware_codec, hardware_quality, wished_bits

log = logging.getLogger(__name__)

# ---- pixel formats -------------------------------------------------------------------------------


def _wished_format(source: VideoInfo, lossless: bool) -> str:
    """What the output would be if the encoder took everything.

    Lossless output keeps what the source has. Otherwise gray, RGB and rare subsamplings become
    4:2:0, which plays everywhere; 4:2:2 and 4:4:4 stay; more than 10 bits become 10.
    """
    layout = source.colour.layout
    if lossless:
        return native_format(source.pix_fmt).replace("yuvj", "yuv")
    shifts = (layout.chroma_shift_x, layout.chroma_shift_y)
    kept = {(0, 0): "444", (0, 1): "444", (1, 0): "422"}
    subsampling = kept.get(shifts, "420") if layout.family == "yuv" else "420"
    return f"yuv{subsampling}p" + ("" if _depth_of(source) == 8 else f"{LARGEST_DEFAULT_DEPTH}le")


def _depth_of(source: VideoInfo) -> int:
    """Bits a sample that the output should have, at the least."""
    return max(source.colour.layout.depth, LEAST_DEPTH if is_hdr(source.hdr) else 0)


def default_pix_fmt(codec: str, source: VideoInfo, lossless: bool) -> str:
    """The nearest format of the encoder to what the source asks for; alpha if both have it."""
    wish = _wished_format(source, lossless)
    alpha = codec in CODECS_WITH_ALPHA and has_alpha(native_format(source.pix_fmt))
    formats = [name for name in fillable_formats(codec) if has_alpha(name) == alpha]
    if not formats or wish in formats:
        return wish
    nearest, _ = find_best_pix_fmt_of_list(formats, wish)
    return nearest.name if nearest else formats[0]


def _checked_pix_fmt(codec: str, pix_fmt: str) -> str:
    formats = fillable_formats(codec)
    try:
        known = pix_fmt in formats or (not formats and is_fillable(pix_fmt))
    except ValueError:  # FFmpeg knows no such format
        known = False
    if not known:
        raise UsageError(
            f"the encoder {codec} does not take the pixel format {pix_fmt!r}",
            f"it takes {', '.join(formats)}" if formats else None,
        )
    return pix_fmt


# ---- colour tags ---------------------------------------------------------------------------------

# Primaries and transfer (AVCOL_PRI_*, AVCOL_TRC_*) that go with a matrix, for untagged sources.
_USUAL_TAGS: Final[Mapping[Matrix, tuple[int, int]]] = {
    "bt709": (1, 1),
    "bt601": (6, 6),  # SMPTE 170M
    "fcc": (4, 4),  # BT.470 M
    "smpte240m": (7, 7),
    "bt2020": (9, 14),  # the 10-bit curve
}
_BT470BG: Final = 5  # primaries and matrix of 625-line (576 visible) material
_LINES_625: Final = (288, 576)
_SRGB_TRANSFER: Final = 13
_RGB_MATRIX: Final = 0
_LIMITED, _FULL = 1, 2


def output_tags(source: VideoInfo, colour: ColourSpec) -> ColourTags:
    """The tags of the output: the source's, and where it has none, what it was read as.

    Without them an SD source enlarged to HD would be taken as BT.709 by its new size.
    """
    tags, layout = source.tags, colour.layout
    primaries, transfer = _USUAL_TAGS[colour.matrix]
    matrix = MATRIX_TAGS[colour.matrix]
    if colour.matrix == "bt601" and source.height in _LINES_625:
        primaries = matrix = _BT470BG
    if TAGGED_MATRICES.get(tags.matrix) == colour.matrix:
        matrix = tags.matrix
    if source.colour.layout.family == "rgb":
        transfer = _SRGB_TRANSFER
    if layout.family == "rgb":
        matrix = _RGB_MATRIX
    return ColourTags(
        primaries=tags.primaries if tags.primaries not in NO_MATRIX_TAGS else primaries,
        transfer=tags.transfer if tags.transfer not in NO_MATRIX_TAGS else transfer,
        matrix=matrix,
        range=_FULL if colour.full_range or layout.family == "rgb" else _LIMITED,
        siting=SITING_TAGS[colour.siting] if layout.chroma_shift_x else 0,
    )


# ---- the choice ----------------------------------------------------------------------------------


def _codec_for(format_name: str, wish: str, source: VideoInfo, warn: Warn) -> str:
    if wish != "auto":
        return _held_codec(format_name, named_codec(wish))
    container = format_named(format_name)
    first, *others = container.deep_codecs if _depth_of(source) > 8 else container.codecs
    if is_hdr(source.hdr) and first in SHALLOW_CODECS:
        first, *others = others
    if (why := probe_encoder(first)) is None:
        return first
    for codec in others:
        if probe_encoder(codec) is None:
            warn(f"the encoder {first} does not work here ({why}): {codec} takes its place")
            return codec
    raise DeviceError(
        f"no encoder for {container.title} works here: {first} does not, because {why}",
        other_encoders(first),
    )


def named_codec(wish: str) -> str:
    """FFmpeg's encoder of that name, or its usual one for a codec such as ``hevc``."""
    try:
        encoder = av.codec.Codec(wish, "w")
    except UnknownCodecError:
        raise DeviceError(
            f"there is no encoder {wish!r} in this build of FFmpeg",
            meant_encoder(wish) or other_encoders(wish),
        ) from None
    if encoder.type != "video":
        raise UsageError(f"{wish} encodes {encoder.type}, not video", other_encoders(wish))
    if why := probe_encoder(encoder.name):
        raise DeviceError(
            f"the encoder {encoder.name} does not work here: {why}", other_encoders(encoder.name)
        )
    return encoder.name


def _held_codec(format_name: str, codec: str) -> str:
    """The encoder itself, unless the container cannot hold what it makes."""
    if not holds(format_name, codec):
        title = format_named(format_name).title
        fitting = [suffix for suffix, each in FORMATS.items() if holds(each.muxer, codec)]
        raise UsageError(
            f"{title} cannot hold the video of {codec}",
            f"{' and '.join(fitting)} can; or leave -c out" if fitting else "leave -c out",
        )
    return codec


def _generic_row(codec: str) -> Encoder:
    """An encoder outside the table: FFmpeg's own defaults, and the options that are usual."""
    context = av.codec.CodecContext.create(codec, "w")
    known = {option.name: option for option in context.supported_options.private}
    crf = known.get("crf")
    return Encoder(
        quality=None if crf is None else "crf",
        qualities=(0, 51) if crf is None else (float(crf.min), float(crf.max)),
        speed="preset" if "preset" in known else None,
    )


def _options(codec: str, settings: UpscaleSettings, bits: int | None = None) -> dict[str, str]:
    """Defaults, then a rate or ``--crf``, and ``--preset``, then ``-e``: the later wins."""
    row = ENCODERS.get(codec) or _generic_row(codec)
    chosen, extra = dict(row.fixed), settings.encoder_options
    crf, preset = settings.crf, settings.preset
    if bits is not None:
        extra = {"b": str(bits), **extra}
    elif settings.hw:
        extra, crf = {**hardware_quality(codec, crf), **extra}, None
    for option, value, key in (("--crf", crf, row.quality), ("--preset", preset, row.speed)):
        if value is not None and key is None:
            hint = "leave it out; -e key=value sets what the encoder has"
            raise UsageError(f"the encoder {codec} has no {option}", hint)
    if preset is not None and row.speeds and preset not in row.speeds:
        raise UsageError(
            f"the encoder {codec} has no preset {preset!r}", f"one of {', '.join(row.speeds)}"
        )
    lowest, highest = row.qualities
    if crf is not None and not lowest <= crf <= highest:
        raise UsageError(
            f"--crf of {codec} goes from {lowest:g} to {highest:g}, not to {crf:g}",
            "lower is better",
        )
    if crf is None and not RATE_OPTIONS & set(extra):
        crf = row.default_quality
    preset = preset or row.default_speed
    if row.quality and crf is not None:
        chosen[row.quality] = f"{crf:g}"
    if row.speed and preset is not None:
        chosen[row.speed] = preset
    return {**chosen, **extra}


def choose_encoding(
    format_name: str,
    settings: UpscaleSettings,
    source: VideoInfo,
    *,
    warn: Warn = log.warning,
) -> Encoding:
    """Settle encoder, pixel format and options for a source.

    Args:
        format_name: ``Format.muxer`` of a container, ``png`` for images, ``yuv4mpegpipe`` for a
            pipe.

    Raises:
        DeviceError: the encoder is absent or has no driver.
        UsageError: it cannot be in such an output, or has no such pixel format, crf or preset.
    """
    depth, bits = source.colour.layout.depth, wished_bits(settings, source)
    keeps = "{codec} keeps 8; -c libsvtav1 keeps 10"
    if format_name == "png":
        codec, keeps = "png", "the images 8; --pix-fmt rgb48be keeps more"
        pix_fmt = _image_format(settings, source)
    elif format_name == "yuv4mpegpipe":
        codec, pix_fmt = "rawvideo", _pipe_format(settings, source)
    else:
        codec = _codec_for(format_name, settings.codec, source, warn)
        if settings.hw:
            codec = _held_codec(format_name, hardware_codec(codec, probe_encoder))
        if settings.pix_fmt:
            pix_fmt = _checked_pix_fmt(codec, settings.pix_fmt)
        else:
            pix_fmt = default_pix_fmt(codec, source, _is_lossless(codec))
    if bits is not None and _is_lossless(codec):
        chosen = "--bitrate and --target-size" if settings.codec == "auto" else "-c"
        raise UsageError(f"{codec} is lossless: it has no bit rate", f"leave {chosen} out")
    encoding = Encoding(
        codec=codec,
        pix_fmt=pix_fmt,
        options=with_metadata(_options(codec, settings, bits), codec, source.hdr),
        format_name=format_name,
        lossless=_is_lossless(codec),
    )
    _check_hdr(encoding, source, warn)
    if depth > 8 and encoding.layout.depth == 8 and not settings.pix_fmt:
        warn(f"the input has {depth} bits a sample and {keeps.format(codec=codec)}")
    return encoding


def _is_lossless(codec: str) -> bool:
    properties = av.codec.Codec(codec, "w")
    return properties.lossless and not properties.lossy


def _image_format(settings: UpscaleSettings, source: VideoInfo) -> str:
    """Of PNG images: rgb24, rgba, or what ``--pix-fmt`` names."""
    if settings.codec not in ("auto", "png"):
        raise UsageError(f"images are written as PNG, not by {settings.codec}", "leave -c out")
    usual = "rgba" if has_alpha(native_format(source.pix_fmt)) else "rgb24"
    return _checked_pix_fmt("png", settings.pix_fmt or usual)


def _pipe_format(settings: UpscaleSettings, source: VideoInfo) -> str:
    """Of y4m: what ``--pix-fmt`` names, or the nearest to the source's."""
    if settings.codec not in ("auto", "rawvideo"):
        raise UsageError(
            f"standard output is y4m, which {settings.codec} does not make",
            "leave -c out, or name a file",
        )
    pix_fmt = settings.pix_fmt or _wished_format(source, lossless=False)
    if settings.pix_fmt and pix_fmt not in OUTPUT_FORMATS:
        takes = f"one of {', '.join(OUTPUT_FORMATS)}"
        raise UsageError(f"y4m has no pixel format {pix_fmt!r}", takes)
    if not settings.pix_fmt and source.colour.layout.family == "gray":
        return pix_fmt.replace("yuv420p", "gray")
    return pix_fmt


def _check_hdr(encoding: Encoding, source: VideoInfo, warn: Warn) -> None:
    """Refuse to wash out HDR, and say what of it is lost."""
    codec, hdr = encoding.codec, source.hdr
    check_carrier(
        hdr,
        codec=codec,
        pix_fmt=encoding.pix_fmt,
        depth=encoding.layout.depth,
        format_name=encoding.format_name,
    )
    for sentence in losses(hdr):
        warn(sentence)
    if hdr is not None and hdr.is_static and not container_keeps(codec):
        warn(
            f"{codec} does not keep the mastering display and content light level; "
            "-c libx265 keeps them"
        )
