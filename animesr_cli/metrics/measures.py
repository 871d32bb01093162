"""What is measured: the scores of a picture or a clip, and how each of them is shown.

One table serves ``animesr evaluate``, ``compare``, ``finetune`` and their pages, so that a measure
has one name, one unit and one number of digits wherever it stands. Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How near SR is to HR, for one picture or for a clip; None: not defined here."""

    psnr_y: float | None
    """dB; None: the two are identical. A clip's is that of its mean squared error."""
    ssim_y: float | None
    ms_ssim: float | None
    """None: a side is below 176 pixels."""
    gmsd: float | None
    """Gradient magnitude similarity deviation; 0 is best."""
    gradient_ratio: float | None
    """Sum of squared differences of neighbouring lumas, SR over HR; below 1 is softer than HR,
    above 1 sharper or noisier. A clip's is of its sums. None: HR is one colour."""
    flicker: float | None
    """Mean of |change of SR - change of HR| since the picture before, in codes; None: the first."""
    edge_f1: float | None
    """Edges found again, and not invented, within 1 pixel; None: neither has edges."""
    overshoot: float | None
    """Mean over all pixels of how far SR leaves HR's range in the 5 x 5 window, in codes."""
    flat_noise: float | None
    """Standard deviation of SR in the 5 x 5 windows where HR's range is below 2 codes, in codes;
    None: HR is flat nowhere."""


Best = Literal["high", "1", "0"]
"""Which value of a measure is the best: as high as can be, one, or zero."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One row of the table."""

    name: str
    """Name of the field in ``Scores``, and of the key in JSON."""
    title: str
    unit: str = ""
    digits: int
    """Digits behind the decimal point."""
    best: Best
    undefined: str = "-"
    """Stands for None."""

    @property
    def heading(self) -> str:
        """``flicker, codes``: the title with its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def text(self, value: float | None) -> str:
        """A value as it is shown everywhere; infinite dB are of what is identical."""
        if value is None or math.isinf(value):
            return self.undefined
        return f"{value:.{self.digits}f}"

    def in_words(self, value: float | None) -> str:
        """``PSNR-Y 31.20 dB``: all in a few words."""
        unit = f" {self.unit}" if self.unit and self.text(value) != self.undefined else ""
        return f"{self.title} {self.text(value)}{unit}"

    def nearest(self, values: Iterable[float | None]) -> float | None:
        """The value that comes nearest to the best; None: there is none at all."""
        known = [value for value in values if value is not None]
        return min(known, key=self._distance, default=None)

    def marks(self, values: Sequence[float | None]) -> list[bool]:
        """Which values read like the best one; none does where all that are known read alike."""
        best = self.text(self.nearest(values))
        texts = [None if value is None else self.text(value) for value in values]
        several = len({text for text in texts if text is not None}) > 1
        return [several and text == best for text in texts]

    def _distance(self, value: float) -> float:
        """How far a value is from the best; a ratio of 1/2 is as far from 1 as one of 2."""
        if self.best == "high":
            return -value
        return abs(value) if self.best == "0" else abs(math.log(max(value, 1e-9)))


MEASURES: Final = {
    measure.name: measure
    for measure in (
        Measure(
            name="psnr_y", title="PSNR-Y", unit="dB", digits=2, best="high", undefined="identical"
        ),
        Measure(name="ssim_y", title="SSIM-Y", digits=4, best="1"),
        Measure(name="ms_ssim", title="MS-SSIM", digits=4, best="1"),
        Measure(name="gmsd", title="GMSD", digits=4, best="0"),
        Measure(name="gradient_ratio", title="gradient energy", unit="SR/HR", digits=3, best="1"),
        Measure(name="flicker", title="flicker", unit="codes", digits=3, best="0"),
        Measure(name="edge_f1", title="edge F1", digits=4, best="1"),
        Measure(name="overshoot", title="overshoot", unit="codes", digits=3, best="0"),
        Measure(name="flat_noise", title="flat-area noise", unit="codes", digits=3, best="0"),
    )
}
"""Every field of ``Scores``, in its order."""
L1: Final = Measure(name="l1", title="L1", digits=5, best="0")
"""Mean absolute difference of RGB in [0, 1], which training reports beside the others."""
