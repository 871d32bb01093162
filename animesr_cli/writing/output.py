"""What an output is, and what every writer is, whatever it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, Self

from torch import Tensor

from animesr_cli.reading.frame import Frame
from animesr_cli.video.colour import ColourSpec
from animesr_cli.writing.encoders import Encoding


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """The pictures of an output and how they are encoded."""

    width: int
    height: int
    """Of the coded (unrotated) picture, in pixels."""
    aspect: Fraction
    """Width of a pixel over its height."""
    encoding: Encoding
    colour: ColourSpec
    """What the planes are."""


class FrameWriter(Protocol):
    """A complete output or none: ``with writer: writer.write(...) ...; writer.finish()``.

    Entering opens everything, so that whatever is refused is known before the first picture.
    Leaving without ``finish`` leaves nothing behind. A writer is used by one thread at a time.
    """

    @property
    def bytes_written(self) -> int:
        """So far; encoders hold some seconds back."""

    def __enter__(self) -> Self: ...

    def write(self, planes: Sequence[Tensor], frame: Frame) -> None:
        """Write the planes that were made of a frame, at its time and with its captions.

        A writer that has no place for captions says so.
        """

    def finish(self) -> None:
        """Write what is left, verify it and give it its name."""

    def __exit__(self, *exc: object) -> None: ...
