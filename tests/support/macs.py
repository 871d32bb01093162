"""What a network costs, counted and not timed."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from animesr_cli.model.network import Network

SIDE_PX = 64


def macs_per_pixel(net: Network) -> int:
    """Multiplications for each pixel of each input frame; no device computes them."""
    with torch.device("meta"):
        twin = type(net)(**net.config)
        frame = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        twin.step((frame,) * (2 * net.radius + 1), twin.initial(frame))
    # A multiplication and the addition behind it are two operations to the counter.
    return int(counter.get_total_flops() / 2 / SIDE_PX**2)
