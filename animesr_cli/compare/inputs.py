"""What is compared: the clip, its reference if there is one, and how pictures of it lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from animesr_cli.compare.frame_choice import Clip
from animesr_cli.compare.report import Layout
from animesr_cli.errors import UsageError, Warn
from animesr_cli.metrics.evaluate import is_part
from animesr_cli.metrics.scoring import MS_SSIM_SIDE_PX, SMALLEST_SIDE_PX
from animesr_cli.reading.frame import FrameReader
from animesr_cli.reading.image_reader import SequenceReader
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.reader import Reader
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.output_size import output_size
from animesr_cli.upscaling.plan import choose_deinterlacer
from animesr_cli.upscaling.targets import images_of, look_at
from animesr_cli.video.colour import ColourSpec, PixelLayout
from animesr_cli.video.hdr import is_hdr
from animesr_cli.video.part import Part
from animesr_cli.writing.encoders import Encoding

WIDE_PRIMARIES: Final = frozenset({9, 10, 11, 12})
"""BT.2020, XYZ, DCI-P3 and Display P3: looked at as sRGB, they would be pale."""


def open_clip(source: Path, settings: UpscaleSettings, *, warn: Warn, is_main: bool = True) -> Clip:
    """A video file or images, to be read from any place.

    Raises:
        UsageError: it is a pipe, which can be read only once.
        InputError: it cannot be read.
    """
    if source == PIPE:
        raise UsageError(
            "standard input can be read only once, and moments are looked up", "name a file"
        )
    sequence = images_of(source)
    info = look_at(source, sequence, settings)
    deinterlacer = None
    if is_main:
        deinterlacer = choose_deinterlacer(info, settings, is_file=sequence is None, warn=warn)

    def opened(part: Part) -> FrameReader:
        if sequence is not None:
            matrix = settings.matrix
            return SequenceReader(sequence, info=info, matrix=matrix, part=part, warn=warn)
        return Reader(source, info=info, part=part, deinterlacer=deinterlacer, warn=warn)

    return Clip(info=info, open=opened)


def open_reference(reference: Path, source: Path, settings: UpscaleSettings, warn: Warn) -> Clip:
    """Images have no times of their own: a reference of images is as fast as the clip."""
    rate = settings.fps
    if images_of(reference) is None:
        rate = None
    elif rate is None and source != PIPE and images_of(source) is None:
        rate = look_at(source, None, UpscaleSettings(stream=settings.stream)).frame_rate
    bare = UpscaleSettings(max_pixels=settings.max_pixels, fps=rate)
    return open_clip(reference, bare, warn=warn, is_main=False)


def paced(source: Path, settings: UpscaleSettings, reference: VideoInfo) -> UpscaleSettings:
    """Images of a clip are as fast as its reference, unless a rate was asked for."""
    if settings.fps is not None or source == PIPE or images_of(source) is None:
        return settings
    return replace(settings, fps=reference.frame_rate)


def display(info: VideoInfo) -> ColourSpec:
    """What the shown samples are."""
    depth = 16 if is_hdr(info.hdr) else 8
    return ColourSpec(layout=PixelLayout(family="rgb", depth=depth), full_range=True)


def layout_of(info: VideoInfo, settings: UpscaleSettings) -> Layout:
    spec = display(info)
    pix_fmt = "rgb24" if spec.layout.depth == 8 else "rgb48be"
    png = Encoding(codec="png", pix_fmt=pix_fmt, options={}, format_name="png", lossless=True)
    width, height, aspect = output_size(info, settings, png)
    tagged = is_hdr(info.hdr) or info.tags.primaries in WIDE_PRIMARIES
    return Layout(
        width=width,
        height=height,
        sample_aspect_ratio=aspect,
        display_matrix=info.display_matrix,
        depth=spec.layout.depth,
        primaries=info.tags.primaries if tagged else 2,
        transfer=info.tags.transfer if tagged else 2,
    )


def sized_for(
    reference: VideoInfo, info: VideoInfo, settings: UpscaleSettings, factor: int, warn: Warn
) -> UpscaleSettings:
    """Settings whose pictures have the reference's size, or the part of it that is kept.

    Args:
        factor: by which the networks enlarge; ``animesr degrade`` may have cut off what it does
            not divide.
    """
    if settings.sized or settings.scale is not None:
        raise UsageError(
            "the pictures get the size of the reference", "leave out --scale, --width and --height"
        )
    if reference.rotation != info.rotation:
        warn("the reference is shown turned differently; pictures are compared as they are stored")
    full = info.width * factor, info.height * factor
    sides = reference.width, reference.height
    if is_part(full, sides):
        if full != sides:
            warn(
                f"of the {sides[0]}x{sides[1]} of the reference the upper left {full[0]}x{full[1]} "
                "are compared, which is what animesr degrade leaves of them"
            )
        return replace(settings, scale=float(factor))
    width, height = sides[::-1] if info.rotation % 180 else sides
    return replace(settings, width=width, height=height)


def check_measurable(layout: Layout, warn: Warn) -> None:
    shortest = min(layout.width, layout.height)
    if shortest < SMALLEST_SIDE_PX:
        raise UsageError(
            f"pictures of {layout.width}x{layout.height} are too small to be measured",
            "leave out --reference",
        )
    if shortest < MS_SSIM_SIDE_PX:
        warn(f"MS-SSIM needs {MS_SSIM_SIDE_PX} pixels on each side; it is left out")
