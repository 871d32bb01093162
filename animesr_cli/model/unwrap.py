"""What programs put around the tensors of a network: wrappers and prefixes, taken off.

Of a training's checkpoint, only the network that is meant to be used is kept: the averaged weights
where there are any; no discriminator, no optimiser. What the tensors are of is asked elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from animesr_cli.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net")
"""Keys under which a file has its tensors, the one that is taken first: BasicSR, Lightning, ..."""
GENERATORS = ("generator_ema.", "net_g_ema.", "generator.", "net_g.", "netG.")
"""Prefixes of the network beside others in one dictionary: MMEditing, Lightning modules."""
COMMON = re.compile(r"(?:module|_orig_mod|model(?!\.\d)|net|network)\.")
"""What may stand before all names: DataParallel, torch.compile, Lightning.

``model.0`` and so on are ESRGAN's oldest spelling, and no prefix.
"""


def unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    """The tensors by name of whatever a checkpoint file held.

    Raises:
        WeightsError: there are none, or something else stands among them.
    """
    from torch import Tensor

    if isinstance(content, Mapping):
        wrapped = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(wrapped, content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no tensors by name")
    names = [key for key in content if isinstance(key, str)]
    for prefix in GENERATORS:
        if chosen := [name for name in names if name.startswith(prefix)]:
            content = {name.removeprefix(prefix): content[name] for name in chosen}
            break
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {key!r} is a {type(value).__name__}, not a tensor")
    tensors = dict(content)
    while found := COMMON.match(min(tensors)):
        prefix = found[0]
        if not all(name.startswith(prefix) for name in tensors):
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
