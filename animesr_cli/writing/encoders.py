"""Containers and encoders: defaults, options, pixel formats, and which of them really open here.

An encoder that is compiled in may still lack its driver, and FFmpeg silently ignores an option
whose name is misspelt: both are found out by opening the encoder, before the first frame. It does
not know files or frames; writer.py opens the encoder of a run through ``open_encoder``.

Defaults were chosen by CPU time per 1280x720 frame and luma PSNR on real material (two AVX-512
cores; the network takes about 900 ms of CPU time for such a frame): libx264 faster 27 ms 48.1 dB
(medium 47 ms 48.3 dB), libx265 superfast at 10 bit 49 ms 48.4 dB (medium 122 ms 49.9 dB),
libvpx-vp9 realtime 6 18 ms 47.7 dB (good 5 66 ms 47.2 dB at 18 % fewer bits), libsvtav1 8 26 ms
46.8 dB.
"""

from __future__ import annotations

import difflib
import io
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import av
import av.codec
from av.codec.codec import UnknownCodecError, codecs_available, find_best_pix_fmt_of_list
from av.video.codeccontext import VideoCodecContext

from animesr_cli.errors import DeviceError, InputError, UsageError
from animesr_cli.reading.probe import ColourTags, VideoInfo
from animesr_cli.settings import UpscaleSettings
from animesr_cli.video.colour import (
    MATRIX_TAGS,
    NO_MATRIX_TAGS,
    SITING_TAGS,
    TAGGED_MATRICES,
    ColourSpec,
    Matrix,
    PixelLayout,
)
from animesr_cli.video.containers import open_output
from animesr_cli.video.hdr import (
    LEAST_DEPTH,
    check_carrier,
    is_hdr,
    losses,
    with_metadata,
)
from animesr_cli.video.pixel_formats import has_alpha, layout_of, native_format
from animesr_cli.video.stream_header import container_keeps
from animesr_cli.writing.hardware import hardware_codec, hardware_quality, wished_bits

log = logging.getLogger(__name__)

Warn = Callable[[str], None]

TRIAL_WIDTH_PX: Final = 320
TRIAL_HEIGHT_PX: Final = 240
"""Size at which an encoder is tried: hardware ones refuse 64x64."""

# ---- the tables ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Format:
    """A container that is written."""

    muxer: str
    """FFmpeg's name."""
    title: str
    codecs: tuple[str, ...]
    """Encoders that ``auto`` tries for 8-bit pictures, best first."""
    deep_codecs: tuple[str, ...]
    """The same above 8 bits a sample."""


_USUAL: Final = ("libx264", "libx265", "libsvtav1", "mpeg4")
_USUAL_DEEP: Final = ("libx265", "libsvtav1", "libx264")
_WEBM: Final = ("libvpx-vp9", "libsvtav1")

_MP4: Final = Format(muxer="mp4", title="MP4", codecs=_USUAL, deep_codecs=_USUAL_DEEP)
FORMATS: Final[Mapping[str, Format]] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Format(muxer="mov", title="MOV", codecs=_USUAL, deep_codecs=_USUAL_DEEP),
    ".mkv": Format(muxer="matroska", title="Matroska", codecs=_USUAL, deep_codecs=_USUAL_DEEP),
    ".webm": Format(muxer="webm", title="WebM", codecs=_WEBM, deep_codecs=_WEBM),
}
"""By suffix. AVI is left out: it destroys variable frame rates; and TS: it shifts times."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """What ``--crf`` and ``--preset`` mean to one encoder, and its defaults."""

    quality: str | None = None
    """The option that ``--crf`` sets; None: it has no constant quality."""
    default_quality: float | None = None
    qualities: tuple[float, float] = (0, 51)
    """What ``--crf`` may be."""
    speed: str | None = None
    """The option that ``--preset`` sets."""
    default_speed: str | None = None
    speeds: tuple[str, ...] = ()
    """The values of ``speed``, where they are names that the encoder itself does not list."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Options that ``-e`` may override."""


X26X_SPEEDS: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
    "placebo",
)  # fmt: skip

_X264: Final = Encoder(
    quality="crf", default_quality=18, speed="preset", default_speed="faster", speeds=X26X_SPEEDS
)
_NVENC: Final = Encoder(
    quality="cq", default_quality=19, qualities=(1, 51), speed="preset", default_speed="p5",
    fixed={"rc": "vbr", "b": "0"},
)  # fmt: skip
_QSV: Final = Encoder(
    quality="global_quality",
    default_quality=20,
    qualities=(1, 51),
    speed="preset",
    default_speed="medium",
)
_AMF: Final = Encoder(speed="quality", default_speed="quality")
ENCODERS: Final[Mapping[str, Encoder]] = {
    "libx264": _X264,
    "libx265": replace(_X264, default_speed="superfast"),
    "libx264rgb": _X264,
    "libsvtav1": Encoder(
        quality="crf", default_quality=20, qualities=(1, 63), speed="preset", default_speed="8"
    ),
    "libvpx-vp9": Encoder(
        quality="crf", default_quality=24, qualities=(0, 63), speed="cpu-used", default_speed="6",
        fixed={"b": "0", "row-mt": "1", "deadline": "realtime"},
    ),
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
    "av1_nvenc": _NVENC,
    "h264_qsv": _QSV,
    "hevc_qsv": _QSV,
    "av1_qsv": _QSV,
    "h264_amf": _AMF,
    "hevc_amf": _AMF,
    "av1_amf": _AMF,
    "h264_videotoolbox": Encoder(),
    "hevc_videotoolbox": Encoder(),
    "ffv1": Encoder(fixed={"level": "3", "slicecrc": "1"}),
    "prores_ks": Encoder(),
    "png": Encoder(fixed={"compression_level": "3"}),
}  # fmt: skip
"""Encoders that ``animesr doctor`` lists; any other of FFmpeg can be named with ``-c``."""

RATE_OPTIONS: Final = frozenset({"b", "qp", "crf", "cq", "cqp", "global_quality", "lossless"})
"""Options that choose a rate; where ``-e`` gives one, no default quality is added."""

_NEEDS: Final = {
    "_nvenc": "it needs an NVIDIA GPU with NVENC, which data-centre cards lack, and its driver",
    "_qsv": "it needs an Intel GPU and its driver",
    "_amf": "it needs an AMD GPU and its driver",
    "_videotoolbox": "it needs macOS",
    "_vaapi": "pictures would have to be uploaded to the GPU, which is not supported",
}

FORMATS_WITH_ASPECT: Final = frozenset({"mp4", "mov", "png", "yuv4mpegpipe"})
CODECS_WITH_ALPHA: Final = frozenset({"ffv1", "png", "prores_ks", "qtrle"})
"""Encoders that are given the transparency of the source; elsewhere few players show it."""

CODECS_WITH_ASPECT: Final = frozenset({"h264", "hevc", "mpeg4", "mpeg2video"})

SHALLOW_CODECS: Final = frozenset({"libvpx-vp9", "mpeg4"})
"""Encoders of the table of containers with 8 bits alone; PyAV's build of VP9 is one."""

LARGEST_DEFAULT_DEPTH: Final = 10
"""Bits a sample of lossy output by default: 12-bit HEVC plays in few devices."""


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """An encoder with everything that is settled about it before the first frame."""

    codec: str
    """FFmpeg's encoder."""
    pix_fmt: str
    """What the encoder is given."""
    options: Mapping[str, str]
    format_name: str
    """FFmpeg's muxer."""
    lossless: bool = False

    @property
    def frame_format(self) -> str:
        """How pictures are filled: ``pix_fmt`` itself, or planes that repack to it exactly."""
        return native_format(self.pix_fmt)

    @property
    def layout(self) -> PixelLayout:
        """The planes of ``frame_format``."""
        layout = layout_of(self.frame_format)
        assert layout is not None
        return layout

    @property
    def keeps_alpha(self) -> bool:
        """Whether the planes are followed by one of transparency, where the source has it."""
        return self.codec in CODECS_WITH_ALPHA and has_alpha(self.pix_fmt)

    @property
    def codec_tag(self) -> str | None:
        """HEVC is tagged hvc1 in MP4 and MOV, without which Apple's players refuse it."""
        hevc = av.codec.Codec(self.codec, "w").canonical_name == "hevc"
        return "hvc1" if hevc and self.format_name in ("mp4", "mov") else None


# ---- containers ----------------------------------------------------------------------------------


def format_of(suffix: str) -> Format | None:
    """The container that is written under a suffix such as ``.mp4``."""
    return FORMATS.get(suffix.lower())


def format_named(format_name: str) -> Format:
    """The container of an FFmpeg muxer."""
    return next(each for each in FORMATS.values() if each.muxer == format_name)


def holds(format_name: str, codec: str) -> bool:
    """Whether a container can hold what an encoder makes."""
    return codec in open_output(io.BytesIO(), format_name=format_name).supported_codecs


def stores_aspect(encoding: Encoding) -> bool:
    """Whether the sample aspect ratio survives.

    PyAV does not pass it on to the Matroska muxer, so it is kept there only by codecs that have it
    in their own headers.
    """
    codec = av.codec.Codec(encoding.codec, "w").canonical_name
    return encoding.format_name in FORMATS_WITH_ASPECT or codec in CODECS_WITH_ASPECT


# ---- opening encoders ----------------------------------------------------------------------------


def new_context(encoding: Encoding, width: int, height: int) -> VideoCodecContext:
    """An encoder that is set up and not open."""
    context = av.codec.CodecContext.create(encoding.codec, "w")
    if not isinstance(context, VideoCodecContext):
        raise UsageError(f"{encoding.codec} encodes no video")
    context.width, context.height, context.pix_fmt = width, height, encoding.pix_fmt
    context.framerate = 24  # type: ignore[assignment]  # the stub forgets that integers do
    context.options = encoder_options(encoding)
    return context


def encoder_options(encoding: Encoding) -> dict[str, str]:
    """The options of an encoding, and what keeps the encoder from printing to stderr."""
    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1: errors alone
    options = dict(encoding.options)
    if encoding.codec == "libx265":
        own = options.get("x265-params")
        options["x265-params"] = "log-level=none" + (f":{own}" if own else "")
    return options


def _opens(encoding: Encoding, width: int, height: int) -> bool:
    try:
        new_context(encoding, width, height).open()
    except (av.FFmpegError, ValueError):
        return False
    return True


def probe_encoder(codec: str) -> str | None:
    """Why an encoder does not work on this machine; None where it opened."""
    try:
        formats = fillable_formats(codec)
        encoding = Encoding(
            codec=codec, pix_fmt=formats[0] if formats else "yuv420p", options={}, format_name=""
        )
        new_context(encoding, TRIAL_WIDTH_PX, TRIAL_HEIGHT_PX).open()
    except UnknownCodecError:
        return "it is not part of this build of FFmpeg"
    except (av.FFmpegError, ValueError) as error:
        needs = next((text for part, text in _NEEDS.items() if codec.endswith(part)), None)
        return needs or getattr(error, "strerror", str(error)).lower()
    return None


def probe_encoders() -> dict[str, str | None]:
    """Every encoder of the table with why it does not open, or None."""
    return {codec: probe_encoder(codec) for codec in ENCODERS}


def open_encoder(context: VideoCodecContext, encoding: Encoding) -> None:
    """Open the encoder of a run, or say which part of the wish it refuses.

    Raises:
        DeviceError: it works at no size.
        UsageError: it refuses the size, the pixel format, an option, or knows no such option.
    """
    asked = dict(context.options)
    size = context.width, context.height  # FFmpeg forgets those that it finds too large
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        raise _refusal(encoding, *size) from error
    unknown = [key for key in context.options if key in asked]
    if unknown:
        raise UsageError(
            f"the encoder {encoding.codec} has no option {unknown[0]!r}",
            _near(unknown[0], _option_names(context)),
        )


def check_opens(encoding: Encoding, width: int, height: int) -> None:
    """Open the encoder of a run once and let it go; raises as ``open_encoder`` does."""
    open_encoder(new_context(encoding, width, height), encoding)


def _refusal(encoding: Encoding, width: int, height: int) -> DeviceError | UsageError:
    """Find out what an encoder did not like by leaving things out."""
    codec = encoding.codec
    if why := probe_encoder(codec):
        return DeviceError(f"the encoder {codec} does not work here: {why}", _other_encoders(codec))
    bare = replace(encoding, options={})
    if not _opens(bare, width, height):
        if _opens(bare, TRIAL_WIDTH_PX, TRIAL_HEIGHT_PX):
            return UsageError(
                f"the encoder {codec} refuses pictures of {width}x{height}",
                "choose another size with --scale, --width or --height, or another encoder with -c",
            )
        return UsageError(f"the encoder {codec} refuses {encoding.pix_fmt} at {width}x{height}")
    for key, value in encoding.options.items():
        if not _opens(replace(bare, options={key: value}), width, height):
            return UsageError(f"the encoder {codec} refuses {key}={value}", _values(codec, key))
    together = " ".join(f"{key}={value}" for key, value in encoding.options.items())
    return UsageError(f"the encoder {codec} refuses these options together: {together}")


def _option_names(context: VideoCodecContext) -> list[str]:
    options = context.supported_options
    return [option.name for option in (*options.private, *options.generic)]


OTHER_NAMES: Final = {
    "h265": "libx265", "x265": "libx265", "h.265": "libx265", "x264": "libx264",
    "h.264": "libx264", "av1": "libsvtav1", "svtav1": "libsvtav1", "vp9": "libvpx-vp9",
    "nvenc": "hevc_nvenc", "prores": "prores_ks",
}  # fmt: skip
"""What people say, and the encoder that is meant."""


def _encoder_names() -> list[str]:
    """Every video encoder of this FFmpeg; those of the table first."""
    return [*ENCODERS, *(name for name in sorted(codecs_available) if _encodes_video(name))]


def _encodes_video(name: str) -> bool:
    try:
        return av.codec.Codec(name, "w").type == "video"
    except UnknownCodecError:
        return False


def _near(name: str, names: list[str]) -> str | None:
    nearest = difflib.get_close_matches(name, list(dict.fromkeys(names)), n=3)
    return f"did you mean {' or '.join(nearest)}?" if nearest else None


def _meant_encoder(wish: str) -> str | None:
    meant = OTHER_NAMES.get(wish.lower())
    return f"did you mean {meant}?" if meant else _near(wish, _encoder_names())


def _values(codec: str, key: str) -> str | None:
    """What an option takes, as far as FFmpeg lists it."""
    context = av.codec.CodecContext.create(codec, "w")
    for option in (*context.supported_options.private, *context.supported_options.generic):
        if option.name == key and option.choices:
            return f"{key} is one of {', '.join(choice.name for choice in option.choices)}"
        if option.name == key and abs(option.min) < option.max < 1e6:
            return f"{key} goes from {option.min:g} to {option.max:g}"
    return None


def _other_encoders(codec: str) -> str:
    working = [name for name in ENCODERS if name != codec and probe_encoder(name) is None]
    return f"these work: {', '.join(working)}"


def size_multiple(encoding: Encoding) -> tuple[int, int]:
    """What width and height must be multiples of; (1, 1) where the encoder takes odd sizes."""
    layout = encoding.layout
    width, height = 1 << layout.chroma_shift_x, 1 << layout.chroma_shift_y
    if width > 1 and _opens(encoding, TRIAL_WIDTH_PX + 1, TRIAL_HEIGHT_PX):
        width = 1
    if height > 1 and _opens(encoding, TRIAL_WIDTH_PX, TRIAL_HEIGHT_PX + 1):
        height = 1
    return width, height


# ---- pixel formats -------------------------------------------------------------------------------


def fillable_formats(codec: str) -> list[str]:
    """Pixel formats of an encoder that can be filled; empty: it lists none, and takes any."""
    formats = av.codec.Codec(codec, "w").video_formats or []
    return [format.name for format in formats if _fillable(format.name)]


def _fillable(pix_fmt: str) -> bool:
    if pix_fmt.startswith("yuvj") or av.VideoFormat(pix_fmt).has_palette:
        return False
    try:
        return layout_of(native_format(pix_fmt)) is not None
    except InputError:
        return False


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
        known = pix_fmt in formats or (not formats and _fillable(pix_fmt))
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
_UNSPECIFIED: Final = 2
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
        _other_encoders(first),
    )


def named_codec(wish: str) -> str:
    """FFmpeg's encoder of that name, or its usual one for a codec such as ``hevc``."""
    try:
        encoder = av.codec.Codec(wish, "w")
    except UnknownCodecError:
        raise DeviceError(
            f"there is no encoder {wish!r} in this build of FFmpeg",
            _meant_encoder(wish) or _other_encoders(wish),
        ) from None
    if encoder.type != "video":
        raise UsageError(f"{wish} encodes {encoder.type}, not video", _other_encoders(wish))
    if why := probe_encoder(encoder.name):
        raise DeviceError(
            f"the encoder {encoder.name} does not work here: {why}", _other_encoders(encoder.name)
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
    """Settle encoder, pixel format and options for a container (``Format.muxer``) and a source.

    Raises:
        DeviceError: the encoder is absent or has no driver.
        UsageError: the container cannot hold it, or it has no such pixel format, crf or preset.
    """
    depth = source.colour.layout.depth
    codec = _codec_for(format_name, settings.codec, source, warn)
    if settings.hw:
        codec = _held_codec(format_name, hardware_codec(codec, probe_encoder))
    properties = av.codec.Codec(codec, "w")
    lossless = properties.lossless and not properties.lossy
    bits = wished_bits(settings, source)
    if lossless and bits is not None:
        raise UsageError(f"{codec} is lossless: it has no bit rate", "leave -c out")
    if settings.pix_fmt:
        pix_fmt = _checked_pix_fmt(codec, settings.pix_fmt)
    else:
        pix_fmt = default_pix_fmt(codec, source, lossless)
    encoding = Encoding(
        codec=codec,
        pix_fmt=pix_fmt,
        options=with_metadata(_options(codec, settings, bits), codec, source.hdr),
        format_name=format_name,
        lossless=lossless,
    )
    _check_hdr(encoding, source, warn)
    if depth > 8 and encoding.layout.depth == 8 and not settings.pix_fmt:
        warn(f"the input has {depth} bits a sample and {codec} keeps 8; -c libsvtav1 keeps 10")
    return encoding


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


def choose_image_encoding(
    settings: UpscaleSettings, source: VideoInfo, *, warn: Warn = log.warning
) -> Encoding:
    """Settle how PNG images are written: rgb24, rgba, or what ``--pix-fmt`` names.

    Raises:
        UsageError: another encoder is asked for, or what this one does not have.
    """
    if settings.codec not in ("auto", "png"):
        raise UsageError(f"images are written as PNG, not by {settings.codec}", "leave -c out")
    usual = "rgba" if has_alpha(native_format(source.pix_fmt)) else "rgb24"
    pix_fmt = _checked_pix_fmt("png", settings.pix_fmt or usual)
    encoding = Encoding(
        codec="png",
        pix_fmt=pix_fmt,
        options=_options("png", settings),
        format_name="png",
        lossless=True,
    )
    _check_hdr(encoding, source, warn)
    depth = source.colour.layout.depth
    if depth > 8 and encoding.layout.depth == 8 and not settings.pix_fmt:
        warn(f"the input has {depth} bits a sample and the images 8; --pix-fmt rgb48be keeps more")
    return encoding


def choose_pipe_encoding(
    settings: UpscaleSettings, source: VideoInfo, formats: Sequence[str]
) -> Encoding:
    """Settle in which of ``formats`` pictures go through a pipe: the nearest to the source's.

    Raises:
        UsageError: an encoder or its options are asked for, or a format that y4m does not have.
    """
    if settings.codec not in ("auto", "rawvideo"):
        raise UsageError(
            f"standard output is y4m, which {settings.codec} does not make",
            "leave -c out, or name a file",
        )
    pix_fmt = settings.pix_fmt
    if pix_fmt is not None and pix_fmt not in formats:
        raise UsageError(f"y4m has no pixel format {pix_fmt!r}", f"one of {', '.join(formats)}")
    if pix_fmt is None:
        pix_fmt = _wished_format(source, lossless=False)
        if source.colour.layout.family == "gray":
            pix_fmt = pix_fmt.replace("yuv420p", "gray")
    encoding = Encoding(
        codec="rawvideo",
        pix_fmt=pix_fmt,
        options=_options("rawvideo", settings),
        format_name="yuv4mpegpipe",
        lossless=True,
    )
    _check_hdr(encoding, source, log.warning)
    return encoding
