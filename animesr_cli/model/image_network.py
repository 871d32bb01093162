"""Networks that take every picture by itself: no window, nothing carried.

RGB in [0, 1], red first. Shapes: N batch, H x W low-resolution pixels, s scale.
"""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from animesr_cli.errors import WeightsError
from animesr_cli.model.network import Carried, Network, Window

SCALES = (1, 2, 4)


class ImageNetwork(Network):
    """A network of one picture; a subclass computes in ``enlarge``."""

    radius = 0
    recurrent = False

    @abstractmethod
    def enlarge(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, sH, sW) in fp32, not clamped; sizes divide by ``multiple``."""

    def initial(self, frame: Tensor) -> Carried:
        """Nothing."""
        return ()

    def step(self, window: Window, carried: Carried) -> tuple[Tensor, Carried]:
        """Enlarge the only frame of the window."""
        return self.enlarge(window[0]), ()


def check_scale(scale: Fraction, path: Path) -> None:
    """Raises WeightsError where a network enlarges by a factor that is not supported."""
    if scale not in SCALES:
        raise WeightsError(
            f"{path} enlarges {float(scale):g} times", "networks of 1x, 2x and 4x can be used"
        )
