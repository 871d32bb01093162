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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import av
import av.codec
from av.codec.codec import UnknownCodecError, codecs_available
from av.video.codeccontext import VideoCodecContext

from animesr_cli.errors import DeviceError, InputError, UsageError
from animesr_cli.video.colour import PixelLayout
from animesr_cli.video.containers import open_output
from animesr_cli.video.pixel_formats import has_alpha, layout_of, native_format

log = logging.getLogger(__name__)

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
    text_codec: str
    """What text subtitles become that it does not hold as they are."""


_USUAL: Final = ("libx264", "libx265", "libsvtav1", "mpeg4")
_USUAL_DEEP: Final = ("libx265", "libsvtav1", "libx264")
_WEBM: Final = ("libvpx-vp9", "libsvtav1")

_MP4: Final = Format(
    muxer="mp4", title="MP4", codecs=_USUAL, deep_codecs=_USUAL_DEEP, text_codec="mov_text"
)
FORMATS: Final[Mapping[str, Format]] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": replace(_MP4, muxer="mov", title="MOV"),
    ".mkv": replace(_MP4, muxer="matroska", title="Matroska", text_codec="subrip"),
    ".webm": Format(
        muxer="webm", title="WebM", codecs=_WEBM, deep_codecs=_WEBM, text_codec="webvtt"
    ),
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
            _near(unknown[0], [option.name for option in _own_options(context)]),
        )


def check_opens(encoding: Encoding, width: int, height: int) -> None:
    """Open the encoder of a run once and let it go; raises as ``open_encoder`` does."""
    open_encoder(new_context(encoding, width, height), encoding)


def _refusal(encoding: Encoding, width: int, height: int) -> DeviceError | UsageError:
    """Find out what an encoder did not like by leaving things out."""
    codec = encoding.codec
    if why := probe_encoder(codec):
        return DeviceError(f"the encoder {codec} does not work here: {why}", other_encoders(codec))
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


def _own_options(context: av.codec.CodecContext) -> list[Any]:
    return [*context.supported_options.private, *context.supported_options.generic]


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


def meant_encoder(wish: str) -> str | None:
    meant = OTHER_NAMES.get(wish.lower())
    return f"did you mean {meant}?" if meant else _near(wish, _encoder_names())


def _values(codec: str, key: str) -> str | None:
    """What an option takes, as far as FFmpeg lists it."""
    for option in _own_options(av.codec.CodecContext.create(codec, "w")):
        if option.name == key and option.choices:
            return f"{key} is one of {', '.join(choice.name for choice in option.choices)}"
        if option.name == key and abs(option.min) < option.max < 1e6:
            return f"{key} goes from {option.min:g} to {option.max:g}"
    return None


def other_encoders(codec: str) -> str:
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


def fillable_formats(codec: str) -> list[str]:
    """Pixel formats of an encoder that can be filled; empty: it lists none, and takes any."""
    formats = av.codec.Codec(codec, "w").video_formats or []
    return [format.name for format in formats if is_fillable(format.name)]


def is_fillable(pix_fmt: str) -> bool:
    if pix_fmt.startswith("yuvj") or av.VideoFormat(pix_fmt).has_palette:
        return False
    try:
        return layout_of(native_format(pix_fmt)) is not None
    except InputError:
        return False
