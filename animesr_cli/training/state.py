"""What a training run leaves behind: its state, from which it goes on, and its result.

The state is one safetensors file: weights, averaged weights, the moments of Adam and, in stage gan,
the discriminator with its own; its metadata hold the iteration and everything that makes a run what
it is. Files are replaced whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from animesr_cli.atomic_files import write_file
from animesr_cli.bounded import Range, UnfitError, check_regular, fitted, parse_json
from animesr_cli.errors import UsageError, WeightsError
from animesr_cli.text import shown

STATE_FILE: Final = "state.safetensors"
MODEL_FILE: Final = "model.safetensors"
CARD_FILE: Final = "model.json"
LOG_FILE: Final = "log.jsonl"
REPORT_FILE: Final = "report.html"
PICTURES_FOLDER: Final = "validation"

LARGEST_ITERATION: Final = 10**12
LARGEST_SECONDS: Final = 10**12
LISTED: Final = 5
"""Differences that a message names."""
_METADATA: Final = "animesr_training"
MOMENTS: Final = ("exp_avg", "exp_avg_sq")
STEPS: Final = "steps"
"""That Adam has made: more than the run's iterations, where it began with another's state."""
NETWORK: Final = "network"
"""What the network's tensors in a state begin with."""


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What stands in a state's metadata."""

    iteration: Annotated[int, Range(0, LARGEST_ITERATION)]
    identity: dict[str, Any]
    """What must be the same for a run to go on: settings, material, operators, start."""
    seconds: Annotated[float, Range(0, LARGEST_SECONDS)] = 0.0
    """Of training so far."""


@dataclass(frozen=True, kw_only=True)
class SavedState(_Header):
    """A state file's content."""

    path: Path
    tensors: Mapping[str, Tensor]

    def tensor(self, name: str) -> Tensor:
        """One of them.

        Raises:
            WeightsError: there is none of that name.
        """
        if name not in self.tensors:
            raise WeightsError(
                f"{shown(self.path)} does not fit the network: it has no tensor {name}",
                "--restart begins anew",
            )
        return self.tensors[name]

    def network(self) -> dict[str, Tensor]:
        """The weights of the network alone, under the names of a checkpoint."""
        named = [(name.split("."), tensor) for name, tensor in self.tensors.items()]
        return {
            ".".join(name): tensor
            for (owner, *name), tensor in named
            if owner == NETWORK and name[0] not in (*MOMENTS, STEPS)
        }


# ---- files ---------------------------------------------------------------------------------------


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file, replaced whole or not at all."""
    write_file(path, packed(tensors, metadata))


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The content of a safetensors file; the tensors may be on any device."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content: bytes = save(plain, dict(metadata))
    return content


def write_state(
    path: Path,
    tensors: Mapping[str, Tensor],
    iteration: int,
    identity: Mapping[str, Any],
    seconds: float = 0.0,
) -> None:
    """Keep what a run needs to go on."""
    header = {"iteration": iteration, "seconds": seconds, "identity": identity}
    write_tensors(path, tensors, {_METADATA: json.dumps(header)})


def is_state(path: Path) -> bool:
    """Whether a file says that it is a training state."""
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            return _METADATA in (file.metadata() or {})
    except (SafetensorError, OSError, UnfitError):
        return False


def read_state(path: Path) -> SavedState | None:
    """What a run left; None where there is none.

    Raises:
        WeightsError: the file is damaged, or is not a training state.
    """
    hint = "--restart begins anew"
    if not path.exists():
        return None
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = fitted(_Header, parse_json((file.metadata() or {})[_METADATA]))
        saved = SavedState(path=path, tensors=tensors, **vars(header))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise WeightsError(
            f"{shown(path)} is damaged, or is no training state: {why}", hint
        ) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{shown(path)}: {name} holds NaN or infinite values", hint)
    return saved


# ---- the same run? -------------------------------------------------------------------------------


def check_same(
    saved: Mapping[str, Any],
    asked: Mapping[str, Any],
    folder: Path,
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Refuse to go on with a run under other settings.

    Args:
        defaults: what a setting was before there was a name for it, as ``asked`` nests them.

    Raises:
        UsageError: it lists what differs.
    """
    before = _flat(_plain(defaults or {})) | _flat(saved)
    now = _flat(_plain(defaults or {})) | _flat(_plain(asked))
    differences = [
        f"{name} was {_value(before.get(name))} and is {_value(now.get(name))}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]
    if not differences:
        return
    listed = "; ".join(differences[:LISTED])
    more = f"; and {len(differences) - LISTED} more" if len(differences) > LISTED else ""
    raise UsageError(
        f"{shown(folder)} holds a run with other settings: {listed}{more}",
        "--restart begins anew there; -o names another folder; the same settings go on",
    )


def _plain(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """As it comes back from a file."""
    plain: Mapping[str, Any] = json.loads(json.dumps(values))
    return plain


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name} ")
        else:
            flat[prefix + name] = value
    return flat


def _value(value: object) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
