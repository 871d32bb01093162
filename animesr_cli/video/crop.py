"""Which edges of a clip's pictures are not to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Pixels at the edges of each picture that are not to be shown."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


NO_CROP: Final = Crop()
