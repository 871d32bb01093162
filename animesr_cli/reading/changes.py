"""What may change in the middle of a video although a file has it once: pixel shape and colours.

Recordings of broadcasts and joined files switch between 4:3 and 16:9, or between ranges. Colours
are converted to those of the beginning; for the shape of pixels there is no conversion without
moving or cropping the picture, so it is told.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av

from animesr_cli.reading.info import VideoInfo
from animesr_cli.video.colour import (
    FULL_RANGE_TAG,
    LIMITED_RANGE_TAG,
    MATRIX_TITLES,
    TAGGED_MATRICES,
    ColourSpec,
)


class Changes:
    """Compares each picture with the first; remarks have a place for the time."""

    def __init__(self, info: VideoInfo) -> None:
        self._colour = info.colour
        self._is_by_tag = TAGGED_MATRICES.get(info.tags.matrix) == info.colour.matrix
        self._aspect: Fraction | None = None

    def aspect_remark(self, aspect: Fraction | None) -> str | None:
        """Where the shape of the pixels is another one from here on; None: it does not say."""
        if aspect is None:
            return None
        if self._aspect is None:
            self._aspect = aspect
        if aspect == self._aspect:
            return None
        before, after = (f"{each.numerator}:{each.denominator}" for each in (self._aspect, aspect))
        return (
            f"the pixel aspect ratio changes from {before} to {after} at {{}}; the output keeps "
            "that of its beginning, and pictures from there on are shown in the wrong shape: "
            "upscale the parts one by one, with --end and --start"
        )

    def other_colour(self, picture: av.VideoFrame) -> ColourSpec | None:
        """What the codes of this picture are, where they are not those of the first."""
        if self._colour.layout.family != "yuv":
            return None
        spec, matrix = self._colour, TAGGED_MATRICES.get(picture.colorspace)
        if matrix is not None and self._is_by_tag:
            spec = replace(spec, matrix=matrix)
        if picture.color_range in (LIMITED_RANGE_TAG, FULL_RANGE_TAG):
            spec = replace(spec, full_range=picture.color_range == FULL_RANGE_TAG)
        return None if spec == self._colour else spec

    def colour_remark(self, spec: ColourSpec) -> str:
        """What changes to ``spec``, in a sentence."""
        was, parts = self._colour, []
        if spec.matrix != was.matrix:
            titles = MATRIX_TITLES[was.matrix], MATRIX_TITLES[spec.matrix]
            parts.append(f"the colour matrix changes from {titles[0]} to {titles[1]}")
        if spec.full_range != was.full_range:
            names = ("full", "limited") if was.full_range else ("limited", "full")
            parts.append(f"the colour range changes from {names[0]} to {names[1]}")
        return f"{' and '.join(parts)} at {{}}; those pictures are converted"
