"""Makes the start of a CompactMSRB of an SRVGGNetCompact, whose output it gives frame for frame.

    python weights/start_4x.py realesr-animevideov3 start.safetensors

What the single-frame network has becomes the trunk; all that CompactMSRB adds begins by saying
nothing, and training has to go on from there. The scale is the given network's: 4, 2 or 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from animesr_cli.errors import AnimesrError
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.network import Network
from animesr_cli.model.srvgg import SRVGGNetCompact


def from_srvgg(tensors: Mapping[str, Tensor], num_state: int = 32) -> CompactMSRB:
    """A network that computes what an SRVGGNetCompact with PReLU does, frame by frame.

    Args:
        tensors: its weights, ``body.{0,2,...}`` convolutions, ``body.{1,3,...}`` slopes.
        num_state: channels of the hidden state that is added.
    """
    last = max(int(name.split(".")[1]) for name in tensors)
    num_conv = (last - 2) // 2
    scale = round((len(tensors[f"body.{last}.weight"]) / 3) ** 0.5)
    net = CompactMSRB(len(tensors["body.0.weight"]), num_state, num_conv, scale=scale)
    own = net.recurrent_cell.state_dict()  # the very memory of its parameters
    own["first.weight"].zero_()
    own["first.weight"][:, 3:6] = tensors["body.0.weight"]  # frame t of the window
    own["first.bias"].copy_(tensors["body.0.bias"])
    for index in range(num_conv):
        for name in ("weight", "bias"):
            own[f"body.{index}.{name}"].copy_(tensors[f"body.{2 * index + 2}.{name}"])
    for index in range(num_conv + 1):
        own[f"act.{index}.weight"].copy_(tensors[f"body.{2 * index + 1}.weight"])
    for name in ("weight", "bias"):
        # The rows behind these make the state, of which nothing is known yet.
        own[f"last.{name}"][: 3 * scale**2] = tensors[f"body.{last}.{name}"]
    return net


def write_start(
    description: str,
    takes: str,
    tensors_of: Callable[[Network], Mapping[str, Tensor] | None],
    arguments: Sequence[str] | None,
) -> None:
    """Be the command that makes a start of a network, here and in ``start_2x.py``.

    Args:
        takes: the kind of network that it begins as.
        tensors_of: the start's weights; None where the network is of another kind.
        arguments: of the command line; None takes those of the process.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("source", help=f"an {takes}: a name or a file")
    parser.add_argument("output", type=Path, help="the start, .safetensors")
    options = parser.parse_args(arguments)
    try:
        network = load_checkpoint(options.source).build()
    except AnimesrError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)
    if (tensors := tensors_of(network)) is None:
        sys.exit(f"{options.source} is no {takes}")
    save_file(dict(tensors), options.output)


def _started(network: Network) -> Mapping[str, Tensor] | None:
    if not isinstance(network, SRVGGNetCompact):
        return None
    return from_srvgg(network.state_dict()).state_dict()


def main(arguments: Sequence[str] | None = None) -> None:
    write_start("Make the start of a CompactMSRB.", "SRVGGNetCompact", _started, arguments)


if __name__ == "__main__":
    main()
