"""The settings of ``upscale``, and the options that other commands share with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from animesr_cli.errors import UsageError
from animesr_cli.settings import texts
from animesr_cli.settings.limits import (
    MATRICES,
    MAX_COUNT,
    MAX_PIXELS,
    MAX_SIDE,
    NETWORK_SCALE,
    PRECISIONS,
    Precision,
)
from animesr_cli.settings.option import Option, check_values, declared

PICTURE, PART, NETWORK = "Picture", "Part of the input", "Network"
ENCODING, LONG_JOBS = "Encoding", "Long jobs"

MODEL = Option("A name of `animesr models`, or a .safetensors or .pth file.", "-n", panel=NETWORK)
STRENGTH = Option(
    "How much is redrawn, where the model has a softer partner: 0 faithful, 1 all of it.",
    panel=NETWORK, least=0, most=1, default_title="the model's own",
)  # fmt: skip
DEVICE = Option("auto, cpu, cuda, cuda:1, xpu or mps.", "-g", panel=NETWORK, how_only=True)
PRECISION = Option(f"{', '.join(PRECISIONS)}.", panel=NETWORK)
TILE = Option(
    "Tile side in pixels of the input; 0 goes by free memory.",
    "-t", panel=NETWORK, automatic=0, least=16, most=MAX_SIDE, how_only=True,
)  # fmt: skip
FRAMES = Option("At most this many frames.", panel=PART, least=1, most=MAX_COUNT, decides=True)
OVERWRITE = Option("Replace what is there under the output's name.", "-y", how_only=True)
MINUTES = Option("Stop and save after so long; the same command goes on.", least=0, most=10**7)
SEED = Option("Of everything that is drawn.", least=0, most=2**63 - 1)
LBO = Option("A learned operator: a name or a path; repeatable.", repeatable=True)


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """Everything of ``animesr upscale`` that is not a file name."""

    scale: Annotated[
        float | None,
        Option(
            "Factor on width and height.",
            "-s", panel=PICTURE, above=0, least=0.01, most=100,
            default_title="the network's, 4 for most",
        ),
    ] = None  # fmt: skip
    width: Annotated[
        int | None,
        Option("Exact width; alone, it keeps the aspect.", panel=PICTURE, least=1, most=MAX_SIDE),
    ] = None
    height: Annotated[
        int | None,
        Option(
            "Exact height, or 720p, 1080p, 4k, 8k; alone, it keeps the aspect.",
            panel=PICTURE, metavar="<int>", least=1, most=MAX_SIDE, reads=texts.lines,
        ),
    ] = None  # fmt: skip
    fit: Annotated[
        tuple[int, int] | None,
        Option(
            "The largest size within WxH, or within 1080p, 4k, that keeps the aspect.",
            panel=PICTURE, metavar="WxH", reads=texts.box,
        ),
    ] = None  # fmt: skip
    matrix: Annotated[
        str | None,
        Option(f"Read the input as {', '.join(MATRICES)}, whatever its tags say.", panel=PICTURE),
    ] = None
    stream: Annotated[
        int | None,
        Option(
            "Which video stream, by its number in `animesr info`; others are copied.",
            panel=PICTURE, least=0, most=10**6,
        ),
    ] = None  # fmt: skip
    deinterlace: Annotated[
        bool,
        Option("Make whole frames of interlaced ones first (bwdif).", panel=PICTURE, decides=True),
    ] = False
    max_pixels: Annotated[
        int,
        Option(
            "Refuse frames of more pixels.", panel=PICTURE, least=1, most=2**31 - 1, how_only=True
        ),
    ] = MAX_PIXELS
    scenes: Annotated[
        bool,
        Option(
            "Carry the recurrent state over scene cuts.",
            panel=PICTURE, switches_off=True, decides=True,
        ),
    ] = True  # fmt: skip
    start: Annotated[
        Fraction | None,
        Option(
            "Begin here: seconds or HH:MM:SS.mmm.",
            panel=PART, metavar="TIME", reads=texts.time, decides=True,
        ),
    ] = None  # fmt: skip
    end: Annotated[
        Fraction | None,
        Option("End before this time.", panel=PART, metavar="TIME", reads=texts.time, decides=True),
    ] = None
    frames: Annotated[int | None, FRAMES] = None
    fps: Annotated[
        Fraction | None,
        Option(
            "Frames per second of images: 24, 23.976 or 24000/1001.",
            panel=PART, metavar="RATE", reads=texts.rate,
        ),
    ] = None  # fmt: skip
    model: Annotated[str, MODEL] = "base"
    strength: Annotated[float | None, STRENGTH] = None
    tile: Annotated[int, TILE] = 0
    device: Annotated[str, DEVICE] = "auto"
    precision: Annotated[Precision, PRECISION] = "auto"
    codec: Annotated[
        str,
        Option("An FFmpeg encoder; auto goes by container and bit depth.", "-c", panel=ENCODING),
    ] = "auto"
    crf: Annotated[
        float | None,
        Option("Quality, lower is better; each encoder has its range and default.", panel=ENCODING),
    ] = None
    bitrate: Annotated[
        int | None,
        Option(
            "Bits a second of the pictures instead of a quality: 8M, 900k.",
            panel=ENCODING, metavar="BITS", least=1000, most=10**10, reads=texts.amount,
        ),
    ] = None  # fmt: skip
    target_size: Annotated[
        int | None,
        Option(
            "About so many bytes instead of a quality: 700M, 4.7G.",
            panel=ENCODING, metavar="BYTES", least=1000, most=10**15, reads=texts.amount,
        ),
    ] = None  # fmt: skip
    hw: Annotated[
        bool,
        Option(
            "Encode in hardware: the first of nvenc, videotoolbox, qsv, amf that opens.",
            panel=ENCODING,
        ),
    ] = False  # fmt: skip
    preset: Annotated[
        str | None, Option("Speed of the encoder, as it names them.", panel=ENCODING)
    ] = None
    pix_fmt: Annotated[str | None, Option("FFmpeg's name of a pixel format.", panel=ENCODING)] = (
        None
    )
    encoder_options: Annotated[
        Mapping[str, str],
        Option(
            "An option of the encoder; repeatable.",
            "-e", "encoder-option", panel=ENCODING, metavar="KEY=VALUE", repeatable=True,
            reads=texts.pairs("-e", "tune=animation"),
        ),
    ] = field(default_factory=dict)  # fmt: skip
    journal: Annotated[
        bool,
        Option(
            "Run in one piece: an interrupted run begins anew.",
            panel=LONG_JOBS,
            how_only=True,
            switches_off=True,
        ),
    ] = True
    segment_frames: Annotated[
        int | None,
        Option(
            "Frames that are kept together, which an interruption costs at most; about five "
            "minutes of work where it is left out.",
            panel=LONG_JOBS, how_only=True, least=1, most=MAX_COUNT, decides=True,
        ),
    ] = None  # fmt: skip
    work_dir: Annotated[
        Path | None,
        Option(
            "Folder for OUT.animesr, where finished segments are kept; else beside OUT.",
            panel=LONG_JOBS, how_only=True, reads=Path,
        ),
    ] = None  # fmt: skip
    restart: Annotated[
        bool,
        Option(
            "Begin anew where OUT.animesr holds an interrupted run.", panel=LONG_JOBS, how_only=True
        ),
    ] = False
    workers: Annotated[
        int | None,
        Option(
            "How many compute at once; one for each GPU where there are several.",
            panel=LONG_JOBS, how_only=True, least=1, most=4096,
        ),
    ] = None  # fmt: skip
    cluster: Annotated[
        str | None,
        Option(
            "Compute on a Ray cluster: auto, or HOST:PORT of its head.",
            panel=LONG_JOBS, how_only=True, metavar="ADDRESS",
        ),
    ] = None  # fmt: skip
    overwrite: Annotated[bool, OVERWRITE] = False
    strict: Annotated[
        bool,
        Option(
            "End with exit code 10 where there were warnings.", command_only=True, how_only=True
        ),
    ] = False

    @property
    def factor(self) -> float:
        """``scale``; where none was settled, that of most networks."""
        return float(NETWORK_SCALE) if self.scale is None else self.scale

    @property
    def sized(self) -> bool:
        """Whether the output's size is said in pixels, not as a factor."""
        return bool(self.width or self.height or self.fit)


def check_settings(settings: UpscaleSettings) -> None:
    """Refuse values and combinations that cannot work, before anything is opened.

    Raises:
        UsageError: one sentence about the first of them.
    """
    check_values(settings)
    for side in settings.fit or ():
        if not 1 <= side <= MAX_SIDE:
            raise UsageError(f"--fit takes sides from 1 to {MAX_SIDE}, not {side}")
    if settings.matrix not in (None, *MATRICES):
        raise UsageError(
            f"no colour matrix is named {settings.matrix!r}", f"one of {', '.join(MATRICES)}"
        )
    if settings.start is not None and settings.end is not None and settings.end <= settings.start:
        raise UsageError("--end must be later than --start")
    if settings.scale is not None and settings.sized:
        raise UsageError(
            f"--scale and {_size_options(settings)} both set the size", "leave out one of them"
        )
    rates = [
        f"--{each.name}"
        for each in declared(UpscaleSettings).values()
        if each.field in ("crf", "bitrate", "target_size")
        and getattr(settings, each.field) is not None
    ]
    if len(rates) > 1:
        raise UsageError(f"{rates[0]} and {rates[1]} both set the rate", "leave out one of them")
    if settings.fit and (settings.width or settings.height):
        raise UsageError(
            "--fit sets both sides, and --width or --height is given", "leave out one of them"
        )


def _size_options(settings: UpscaleSettings) -> str:
    return next(f"--{name}" for name in ("fit", "height", "width") if getattr(settings, name))
