"""Makes the start of an x2 CompactMSRB of an x4 one: what it gives is the mean of 2x2 pixels.

    python weights/start_2x.py base.safetensors start-2x.safetensors

Behind the last convolution of an x4 network come only a pixel shuffle and the enlarged input, so
that the mean of four neighbours is a mean of its rows. Where the network takes its former frame,
each x2 pixel stands for the four that it is the mean of. The first frame of a shot is thereby
exactly the x4 one made smaller; from the second on the former frame lacks its finest detail, and
training has to go on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from animesr_cli.model.compact_msrb import RGB_CHANNELS, CompactMSRB
from animesr_cli.model.network import Network
from start_4x import write_start

FINE: Final = 4
COARSE: Final = 2


def paired(channels: Tensor) -> Tensor:
    """Rows (3 x 16, ...) of an image shuffled by 4 -> (3 x 4, 4, ...): those of one x2 pixel."""
    step = FINE // COARSE
    rest = channels.shape[1:]
    split = channels.reshape(3, COARSE, step, COARSE, step, *rest)
    return split.transpose(2, 3).reshape(3 * COARSE**2, step**2, *rest)


def coarser(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an x4 CompactMSRB -> those of an x2 one."""
    image = 3 * FINE**2
    first, last = "recurrent_cell.first.weight", "recurrent_cell.last"
    made = {name: tensor.float() for name, tensor in tensors.items()}
    for name in (f"{last}.weight", f"{last}.bias"):
        made[name] = torch.cat((paired(made[name][:image]).mean(1), made[name][image:]))
    window, former, state = torch.tensor_split(
        made[first], (RGB_CHANNELS, RGB_CHANNELS + image), dim=1
    )
    former = paired(former.transpose(0, 1)).sum(1).transpose(0, 1)
    made[first] = torch.cat((window, former, state), dim=1).contiguous()
    return made


def _started(network: Network) -> Mapping[str, Tensor] | None:
    if not isinstance(network, CompactMSRB) or network.scale != FINE:
        return None
    return coarser(network.state_dict())


def main(arguments: Sequence[str] | None = None) -> None:
    what = "Make the start of an x2 network of an x4 one."
    write_start(what, f"x{FINE} CompactMSRB", _started, arguments)


if __name__ == "__main__":
    main()
