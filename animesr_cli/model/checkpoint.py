"""Checkpoints as networks: found by name or path, verified, read, recognised, built.

A checkpoint is named by the catalogue, lies in the folder of the user's own models, or is a path
to a ``.safetensors`` or ``.pth`` file.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from animesr_cli.errors import DeviceError, UsageError, Warn, WeightsError
from animesr_cli.model import catalogue
from animesr_cli.model.catalogue import find, named
from animesr_cli.model.download import (
    by_hand,
    cause,
    is_expected,
    obtain,
    user_file,
)
from animesr_cli.model.tensor_file import SUFFIXES, read_bytes, tensors_of, to_float32

if TYPE_CHECKING:
    # torch and the networks are imported where they are used: torch alone takes two seconds.
    import torch
    from torch import Tensor

    from animesr_cli.model.network import Network

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LoadedCheckpoint:
    """The weights of a network, whole and checked."""

    name: str
    """The catalogue's name, or the file's."""
    path: Path
    sha256: str
    """Of the file."""
    strength: float | None = None
    """How far from its soft partner, which is 0, to itself it was blended; None: it is itself."""
    soft_sha256: str = ""
    network: Network
    """Of the right kind and size, on the meta device: it has no weights."""
    state_dict: dict[str, Tensor]
    """fp32, on the CPU, all finite; by the names of ``network``."""

    @property
    def identity(self) -> dict[str, str | float]:
        """What tells its pictures from those of every other network."""
        if self.strength is None:
            return {"sha256": self.sha256}
        return {
            "sha256": self.sha256,
            "strength": self.strength,
            "sha256 at strength 0": self.soft_sha256,
        }

    @property
    def words(self) -> str:
        """The same in one text."""
        return " ".join(map(str, self.identity.values()))

    def build(self) -> Network:
        """A network of its own with these weights, fp32, on the CPU, in evaluation mode."""
        network = copy.deepcopy(self.network)  # without drawing random weights first
        own = {name: tensor.clone() for name, tensor in self.state_dict.items()}
        network.load_state_dict(own, strict=True, assign=True)
        return network.eval()


# ---- Reading ----


def _is_path(name_or_path: str | Path) -> bool:
    """Names of the catalogue first; then whatever looks like a file or is one."""
    if isinstance(name_or_path, Path):
        return True
    if named(name_or_path):
        return False
    has_folder = os.sep in name_or_path or "/" in name_or_path
    # os.path: unlike Path.exists, it takes a name that is too long or forbidden as absent.
    known = Path(name_or_path).suffix.lower() in SUFFIXES or os.path.exists(name_or_path)
    return has_folder or known


def locate(name_or_path: str | Path, warn: Warn = logger.warning) -> Path:
    """The file of a checkpoint; the catalogue's are hashed and, where need be, downloaded."""
    if _is_path(name_or_path):
        path = Path(os.path.expanduser(name_or_path))
        if not os.path.isfile(path):
            if own := user_file(str(name_or_path)):
                return own
            state = "is not a file" if os.path.exists(path) else "does not exist"
            raise WeightsError(f"the checkpoint {path} {state}")
        return path
    name = str(name_or_path)
    if named(name) is None and (own := user_file(name)):
        return own
    checkpoint = find(name)
    if (found := obtain(checkpoint, force=False, warn=warn)) is None:
        raise WeightsError(
            f"no intact file of model {checkpoint.name} is on this machine and HF_HUB_OFFLINE is "
            "set",
            by_hand(checkpoint),
        )
    return found


def load_tensors(name_or_path: str | Path) -> tuple[dict[str, Tensor], str]:
    """Every tensor of a file by name, fp32, finite and on the CPU; and the file's sha256."""
    path = locate(name_or_path)
    data = read_bytes(path)
    tensors = tensors_of(data, path)
    floats = {key: to_float32(key, tensor, path) for key, tensor in tensors.items()}
    return floats, hashlib.sha256(data).hexdigest()


def load_checkpoint(
    name_or_path: str | Path,
    *,
    strength: float | None = None,
    warn: Warn = logger.warning,
) -> LoadedCheckpoint:
    """Find, verify and read a checkpoint; what is verified is what is read, byte by byte.

    Args:
        strength: from 0, its soft partner, to 1, itself: every weight is blended on the way
            (network interpolation, https://arxiv.org/abs/1809.00219, section 3.4). None: as the
            catalogue has it.

    Raises:
        UsageError: a strength is wished, and there is no partner; or it is not in [0, 1].
    """
    row = named(name_or_path) if isinstance(name_or_path, str) else None
    soft = None if row is None else row.soft
    if strength is not None:
        _check_strength(strength, str(name_or_path), soft)
    elif row is not None:
        strength = row.strength
    loaded = _read(name_or_path, warn)
    if soft is None or strength is None or strength == 1:
        return loaded
    return _blended(loaded, _read(soft, warn), strength)


def _check_strength(strength: float, name: str, soft: str | None) -> None:
    if not 0 <= strength <= 1:
        raise UsageError(f"--strength is between 0 and 1, not {strength:g}")
    if soft is None:
        able = ", ".join(row.name for row in catalogue.CATALOGUE if row.soft)
        raise UsageError(
            f"--strength is not for the model {name}: it has no softer partner to blend with",
            f"leave it out{f', or use -n {able}' if able else ''}",
        )


def _blended(loaded: LoadedCheckpoint, soft: LoadedCheckpoint, strength: float) -> LoadedCheckpoint:
    """Every weight on the way from the soft partner, by ``strength``."""
    import torch

    sizes = [(each.network.architecture, each.network.config) for each in (loaded, soft)]
    if sizes[0] != sizes[1]:
        raise WeightsError(f"{loaded.path} and {soft.path} cannot be blended: they differ in size")
    return replace(
        loaded,
        strength=strength,
        soft_sha256=soft.sha256,
        state_dict={
            name: torch.lerp(soft.state_dict[name], tensor, strength)
            for name, tensor in loaded.state_dict.items()
        },
    )


def _read(name_or_path: str | Path, warn: Warn) -> LoadedCheckpoint:
    from animesr_cli.model.recognise import recognise

    path = locate(name_or_path, warn)
    data = read_bytes(path)
    sha256 = hashlib.sha256(data).hexdigest()
    name = path.name
    if not _is_path(name_or_path):
        name = str(name_or_path)
        row = named(name)
        if row is not None and not is_expected(sha256, row):
            raise WeightsError(f"{path} changed while it was read", "try again")
    network, tensors = recognise(tensors_of(data, path), path)
    return LoadedCheckpoint(
        name=name,
        path=path,
        sha256=sha256,
        network=network,
        state_dict={key: to_float32(key, tensor, path) for key, tensor in tensors.items()},
    )


def known_scale(model: str) -> int | None:
    """What a model of the catalogue multiplies width and height by; None: only its file tells."""
    row = named(model)
    return row.scale if row else None


def load_network(
    name_or_path: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    strength: float | None = None,
) -> Network:
    """The network of a checkpoint, ready to run.

    Args:
        name_or_path: a name of the catalogue, downloaded at first use, or a path.
        device: where its parameters go.
        dtype: of its parameters; None is torch.float32.
        strength: as in ``load_checkpoint``.

    Returns:
        A module in evaluation mode: ``net(clip)`` maps (N, T, 3, H, W) RGB in [0, 1] to
        (N, T, 3, sH, sW), not clamped; s is ``net.scale``.
    """
    import torch

    from animesr_cli.model.devices import Compute

    network = load_checkpoint(name_or_path, strength=strength).build()
    try:
        network = network.to(device=device, dtype=dtype).eval()
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch without CUDA
        raise DeviceError(f"the device {device} cannot be used: {cause(error)}") from error
    layout = Compute(torch.device(device), network.dtype, "asked for").memory_format
    return network.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]
