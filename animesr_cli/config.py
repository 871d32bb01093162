"""Frozen settings of the commands; the command line's defaults are these. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

Precision = Literal["auto", "fp16", "bf16", "fp32"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

NETWORK_SCALE = 4
"""The network multiplies width and height by this; other factors are resampled from its result."""


MAX_PIXELS = 1 << 28
"""Of one frame of the input: 16384 x 16384."""


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """Everything of ``animesr upscale`` that is not a file name."""

    scale: float = float(NETWORK_SCALE)
    """Factor on width and height, above 0; ignored where ``width`` or ``height`` is given."""
    width: int | None = None
    """Exact output width in pixels; alone, it keeps the aspect."""
    height: int | None = None
    """Exact output height in pixels; alone, it keeps the aspect."""
    model: str = "base"
    """A name of the catalogue or a path to a checkpoint."""
    tile: int = 0
    """Tile side in input pixels; 0 chooses from free memory."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    precision: Precision = "auto"
    codec: str = "auto"
    """An FFmpeg encoder; auto goes by the container and the bit depth of the input."""
    crf: float | None = None
    """Constant rate factor; None is the default of the encoder's row in the README."""
    preset: str | None = None
    pix_fmt: str | None = None
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """Private options of the encoder, as ``-e key=value``."""
    start: Fraction | None = None
    """Seconds on the input's clock; frames from there on."""
    end: Fraction | None = None
    """Seconds on the input's clock; frames before it."""
    frames: int | None = None
    """At most this many frames."""
    fps: Fraction | None = None
    """Frames per second of images and of what is piped in; a video file has its own times."""
    scenes: bool = True
    """Reset the recurrent state at scene cuts."""
    matrix: str | None = None
    """bt601, bt709 or bt2020: read the input so, whatever its tags say."""
    stream: int | None = None
    """Index of the video stream, as ``animesr info`` lists it; None is the default one."""
    deinterlace: bool = False
    """Make whole frames of interlaced ones first; one for each, at its own time."""
    max_pixels: int = MAX_PIXELS
    """Frames of more pixels are refused before they are allocated."""
    overwrite: bool = False
    strict: bool = False
    """End with exit code 10 where the run succeeded with warnings."""
