"""How large the output is: a factor, a side, a box to fit into, and the sizes that people mean."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from animesr_cli.reading.info import VideoInfo
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.writing.encoders import Encoding, size_multiple, stores_aspect

USUAL_SIZES: Final = tuple(
    (lines * shape.numerator // shape.denominator, lines)
    for lines in (720, 1080, 1440, 2160, 4320)
    for shape in (Fraction(16, 9), Fraction(4, 3))
)
"""Pictures that a person means who asks for one of their sides."""
ROUNDED_PX: Final = 2
"""How far a side of the input may be from its meant length: encoders round to multiples of 4."""
ROUNDED_SHARE: Final = Fraction(1, 400)
"""And of that length, so that small pictures keep their own shape: 852 of 853.3 is 1/640."""


def output_size(
    source: VideoInfo, settings: UpscaleSettings, encoding: Encoding
) -> tuple[int, int, Fraction]:
    """Width, height and sample aspect ratio of the output, on the coded (unrotated) picture.

    A factor, a box, or one side alone keeps the sample aspect ratio; where both sides are given, it
    takes up the difference, so that the picture is shown in the same shape. Where the file cannot
    store it, pixels are made square. Where one side is that of a usual picture and the input has
    its shape but for rounding, it is that picture: 854x480 at 1080 lines is 1920x1080, not 1922.
    """
    stored = stores_aspect(encoding)
    aspect = source.sample_aspect_ratio
    shape = Fraction(source.width) * (1 if stored else aspect), Fraction(source.height)
    width, height, box = _wishes(source, settings)
    if box is not None:
        shown = Fraction(source.width) * aspect
        scale = min(box[0] / shown, box[1] / shape[1])
    elif width or height:
        scale = width / shape[0] if width else (height or 0) / shape[1]
    else:
        scale = Fraction(settings.factor).limit_denominator(10_000)
    exact: tuple[Fraction | int, Fraction | int]
    exact = (width or shape[0] * scale, height or shape[1] * scale)
    if settings.sized and not (width and height) and (aspect == 1 or not stored):
        exact = _usual(shape, exact, bool(source.rotation % 180)) or exact
    steps = size_multiple(encoding)
    out_w, out_h = (_nearest(size, step) for size, step in zip(exact, steps, strict=True))
    if not stored:
        return out_w, out_h, Fraction(1)
    if width and height:
        aspect *= Fraction(source.width * out_h, source.height * out_w)
        aspect = aspect.limit_denominator(1000)
    return out_w, out_h, aspect


def _wishes(
    source: VideoInfo, settings: UpscaleSettings
) -> tuple[int | None, int | None, tuple[int, int] | None]:
    """Width, height and box as they are asked for, on the coded picture: wishes are about the
    picture as it is shown."""
    width, height, box = settings.width, settings.height, settings.fit
    if source.rotation % 180:
        return height, width, None if box is None else (box[1], box[0])
    return width, height, box


def _usual(
    shape: tuple[Fraction, Fraction],
    exact: tuple[Fraction | int, Fraction | int],
    turned: bool,
) -> tuple[int, int] | None:
    """The usual picture that is meant by a size; None: there is none."""
    for size in USUAL_SIZES:
        width, height = reversed(size) if turned else size
        if exact[0] != width and exact[1] != height:
            continue
        # What the other side of the input would be if it were exactly of this shape.
        if exact[1] == height:
            meant, own = shape[1] * width / height, shape[0]
        else:
            meant, own = shape[0] * height / width, shape[1]
        apart = abs(own - meant)
        if apart <= ROUNDED_PX and apart <= meant * ROUNDED_SHARE:
            return width, height
    return None


def _nearest(size: Fraction | int, step: int) -> int:
    return max(int(size / step + Fraction(1, 2)), 1) * step


def size_notes(
    source: VideoInfo, settings: UpscaleSettings, width: int, height: int, aspect: Fraction
) -> list[str]:
    """What a person should know where the size is not the one that was asked for."""
    notes = []
    exact: tuple[float, float] = (source.width * settings.factor, source.height * settings.factor)
    if source.sample_aspect_ratio != aspect == 1 and not (settings.width and settings.height):
        notes.append("pixels made square: the output cannot store that they are not")
        exact = (width, exact[1])
    if settings.sized:
        wished = _wishes(source, settings)
        exact = (wished[0] or width, wished[1] or height)
    if (width, height) != tuple(round(size) for size in exact):
        notes.append(f"{exact[0]:g}x{exact[1]:g} made {width}x{height}, as the encoder needs")
    return notes
