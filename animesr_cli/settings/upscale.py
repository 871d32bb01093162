"""The settings of ``upscale``, and the options that other commands share with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
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

picture = partial(Option, panel="Picture")
part = partial(Option, panel="Part of the input")
network = partial(Option, panel="Network")
encoding = partial(Option, panel="Encoding")
long_job = partial(Option, panel="Long jobs", how_only=True)

MODEL = network("A name of `animesr models`, or a .safetensors or .pth file.", "-n")
STRENGTH = network(
    "How much is redrawn, where the model has a softer partner: 0 faithful, 1 all of it.",
    least=0, most=1, default_title="the model's own",
)  # fmt: skip
DEVICE = network("auto, cpu, cuda, cuda:1, xpu or mps.", "-g", how_only=True)
PRECISION = network(f"{', '.join(PRECISIONS)}.")
TILE = network(
    "Tile side in pixels of the input; 0 goes by free memory.",
    "-t", automatic=0, least=16, most=MAX_SIDE, how_only=True,
)  # fmt: skip
FRAMES = part("At most this many frames.", least=1, most=MAX_COUNT, decides=True)
OVERWRITE = Option("Replace what is there under the output's name.", "-y", how_only=True)
MINUTES = Option("Stop and save after so long; the same command goes on.", least=0, most=10**7)
SEED = Option("Seed of everything that is drawn at random.", least=0, most=2**63 - 1)
LBO = Option("A learned operator: a name or a path; repeatable.", repeatable=True)


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """Everything of ``animesr upscale`` that is not a file name."""

    scale: Annotated[
        float | None,
        picture(
            "Factor on width and height.",
            "-s", above=0, least=0.01, most=100, default_title="the network's, 4 for most",
        ),
    ] = None  # fmt: skip
    width: Annotated[
        int | None, picture("Exact width; alone, it keeps the aspect.", least=1, most=MAX_SIDE)
    ] = None
    height: Annotated[
        int | None,
        picture(
            "Exact height, or 720p, 1080p, 4k, 8k; alone, it keeps the aspect.",
            metavar="<int>", least=1, most=MAX_SIDE, reads=texts.lines,
        ),
    ] = None  # fmt: skip
    fit: Annotated[
        tuple[int, int] | None,
        picture(
            "The largest size within WxH, or within 1080p, 4k, that keeps the aspect.",
            metavar="WxH", reads=texts.box,
        ),
    ] = None  # fmt: skip
    matrix: Annotated[
        str | None, picture(f"Read the input as {', '.join(MATRICES)}, whatever its tags say.")
    ] = None
    stream: Annotated[
        int | None,
        picture(
            "Which video stream, by its number in `animesr info`; others are copied.",
            least=0, most=10**6,
        ),
    ] = None  # fmt: skip
    deinterlace: Annotated[
        bool, picture("Make whole frames of interlaced ones first (bwdif).", decides=True)
    ] = False
    max_pixels: Annotated[
        int, picture("Refuse frames of more pixels.", least=1, most=2**31 - 1, how_only=True)
    ] = MAX_PIXELS
    scenes: Annotated[
        bool, picture("Carry the recurrent state over scene cuts.", switches_off=True, decides=True)
    ] = True
    start: Annotated[
        Fraction | None,
        part(
            "Begin here: seconds or HH:MM:SS.mmm.", metavar="TIME", reads=texts.time, decides=True
        ),
    ] = None
    end: Annotated[
        Fraction | None,
        part("End before this time.", metavar="TIME", reads=texts.time, decides=True),
    ] = None
    frames: Annotated[int | None, FRAMES] = None
    fps: Annotated[
        Fraction | None,
        part(
            "Frames per second of images: 24, 23.976 or 24000/1001.",
            metavar="RATE", reads=texts.rate,
        ),
    ] = None  # fmt: skip
    model: Annotated[str, MODEL] = "base"
    strength: Annotated[float | None, STRENGTH] = None
    tile: Annotated[int, TILE] = 0
    device: Annotated[str, DEVICE] = "auto"
    precision: Annotated[Precision, PRECISION] = "auto"
    codec: Annotated[
        str, encoding("An FFmpeg encoder; auto goes by container and bit depth.", "-c")
    ] = "auto"
    crf: Annotated[
        float | None, encoding("Quality, lower is better; each encoder has its range and default.")
    ] = None
    bitrate: Annotated[
        int | None,
        encoding(
            "Bits a second of the pictures instead of a quality: 8M, 900k.",
            metavar="BITS", least=1000, most=10**10, reads=texts.amount,
        ),
    ] = None  # fmt: skip
    target_size: Annotated[
        int | None,
        encoding(
            "About so many bytes instead of a quality: 700M, 4.7G.",
            metavar="BYTES", least=1000, most=10**15, reads=texts.amount,
        ),
    ] = None  # fmt: skip
    hw: Annotated[
        bool, encoding("Encode in hardware: the first of nvenc, videotoolbox, qsv, amf that opens.")
    ] = False
    preset: Annotated[str | None, encoding("Speed of the encoder, as it names them.")] = None
    pix_fmt: Annotated[str | None, encoding("FFmpeg's name of a pixel format.")] = None
    encoder_options: Annotated[
        Mapping[str, str],
        encoding(
            "An option of the encoder; repeatable.",
            "-e", "encoder-option", metavar="KEY=VALUE", repeatable=True,
            reads=texts.pairs("-e", "tune=animation"),
        ),
    ] = field(default_factory=dict)  # fmt: skip
    journal: Annotated[
        bool, long_job("Run in one piece: an interrupted run begins anew.", switches_off=True)
    ] = True
    segment_frames: Annotated[
        int | None,
        long_job(
            "Frames that are kept together, which an interruption costs at most; about five "
            "minutes of work where it is left out.",
            least=1, most=MAX_COUNT, decides=True,
        ),
    ] = None  # fmt: skip
    work_dir: Annotated[
        Path | None,
        long_job(
            "Folder for OUT.animesr, where finished segments are kept; else beside OUT.", reads=Path
        ),
    ] = None
    restart: Annotated[bool, long_job("Begin anew where OUT.animesr holds an interrupted run.")] = (
        False
    )
    workers: Annotated[
        int | None,
        long_job(
            "How many compute at once; one for each GPU where there are several.",
            least=1, most=4096,
        ),
    ] = None  # fmt: skip
    cluster: Annotated[
        str | None,
        long_job("Compute on a Ray cluster: auto, or HOST:PORT of its head.", metavar="ADDRESS"),
    ] = None
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
