"""What a comparison comes to: pictures, how they lie on a screen, and what was measured.

Plain values and a little geometry.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from torch import Tensor

from animesr_cli.metrics.measures import Scores

REFERENCE: Final = "reference"
"""Name and kind of what the others are measured against."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How pictures lie: sizes in stored pixels, before they are turned for the screen."""

    width: int
    height: int
    sample_aspect_ratio: Fraction
    display_matrix: tuple[int, ...] | None
    depth: int
    primaries: int
    """Code points of H.273 for the PNG files; 2: none, which is sRGB."""
    transfer: int

    @property
    def tags(self) -> dict[str, int]:
        """What a PNG file says of its colours."""
        return {"primaries": self.primaries, "transfer": self.transfer}

    @property
    def _turns(self) -> tuple[int, int, int, int]:
        """x' = a x + c y and y' = b x + d y, as signs."""
        matrix = self.display_matrix or (1, 0, 0, 0, 1, 0, 0, 0, 1)
        a, b, c, d = ((value > 0) - (value < 0) for value in (*matrix[:2], *matrix[3:5]))
        return a, b, c, d

    @property
    def lies_sideways(self) -> bool:
        """Whether columns are shown as rows."""
        a, _, _, d = self._turns
        return not (a and d)

    def turned(self, picture: Tensor) -> Tensor:
        """(C, H, W) as it is shown: by quarter turns and mirrored, never resampled."""
        a, b, c, d = self._turns
        across, down = (c, b) if self.lies_sideways else (a, d)
        picture = picture.mT if self.lies_sideways else picture
        backwards = [axis for axis, sign in ((2, across), (1, down)) if sign < 0]
        return picture.flip(backwards) if backwards else picture

    @property
    def pixel_shape(self) -> tuple[float, float]:
        """Width and height of a pixel on the screen, the shorter being 1."""
        aspect = float(self.sample_aspect_ratio)
        shape = max(aspect, 1.0), max(1 / aspect, 1.0)
        return shape[::-1] if self.lies_sideways else shape

    @property
    def shown_size(self) -> tuple[float, float]:
        """Width and height on the screen, in square pixels."""
        sides = (self.height, self.width) if self.lies_sideways else (self.width, self.height)
        across, down = self.pixel_shape
        return sides[0] * across, sides[1] * down


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One shown frame, without its pictures."""

    seconds: float
    run_up: int
    """Frames before it that were computed first."""
    scores: tuple[Scores | None, ...]
    """One for each result, in order; None: there is no reference, or this is it."""


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """What was measured of one candidate."""

    name: str
    kind: str
    """network, resampler, or reference."""
    how: str = ""
    """How its pictures came to their size, for people: ``MSRB ×4``."""
    file: str | None = None
    sha256: str | None = None
    seconds_per_frame: float | None = None
    """Median from decoded planes to a picture in host memory; None: it is the reference."""
    frames_per_second: float | None = None
    clip_seconds: float | None = None
    """What the whole clip would take, without decoding and encoding; None: length unknown."""
    mean: Scores | None = None
    """Over the shown pictures; flicker is the change since the frame before each."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything but the pictures themselves."""

    clip: Path
    width: int
    height: int
    """Size of the clip."""
    frames: int | None
    """Length of the whole clip; None: it does not say."""
    layout: Layout
    device: str
    """Device and precision, such as ``cpu bf16``."""
    reference: Path | None
    entries: tuple[ResultRow, ...]
    moments: tuple[Moment, ...]
