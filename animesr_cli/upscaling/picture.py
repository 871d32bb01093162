"""What goes from the network to the encoder: upscaled frames, and the borders between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from animesr_cli.model.network import Carried
from animesr_cli.reading.frame import Frame


@dataclass(frozen=True)
class Picture:
    """One upscaled frame on its way to the encoder."""

    planes: tuple[Tensor, ...]
    """In host memory, as the encoder takes them, once ``wait`` has returned."""
    frame: Frame
    wait: Callable[[], None]


@dataclass(frozen=True)
class Border:
    """The end of one of the lengths that a chunk is divided into, behind its last picture."""

    state: Carried
    """What the network carries into the next frame; nothing changes it afterwards."""
    tile: int
    """Tile side in input pixels; smaller than planned where memory ran out."""
