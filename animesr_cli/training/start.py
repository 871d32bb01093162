"""What a run starts from, and what makes it the run that it is.

The start is a checkpoint, another run's state, or random weights; beside it there may be an anchor,
which is not trained. All of what decides what an iteration learns is the run's identity: a run is
gone on with under the same identity only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from animesr_cli.errors import UsageError, Warn
from animesr_cli.file_hash import sha256_of
from animesr_cli.model.checkpoint import LoadedCheckpoint, load_checkpoint
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Network
from animesr_cli.model.recognise import recognise
from animesr_cli.settings import SCRATCH, FinetuneSettings
from animesr_cli.training.distributed import world_size
from animesr_cli.training.state import SavedState, is_state, read_state


@dataclass(frozen=True, kw_only=True)
class Start:
    """What training starts from."""

    network: Network
    identity: Mapping[str, Any]
    state: SavedState | None = None
    """Of another run, whose moments are taken over."""


def anchor_of(settings: FinetuneSettings, scale: int, warn: Warn) -> LoadedCheckpoint | None:
    """The network that the result is held near, if the settings name one.

    Raises:
        UsageError: it enlarges by another factor than what is trained.
    """
    if settings.anchor is None:
        return None
    loaded = load_checkpoint(settings.anchor, warn=warn)
    if loaded.network.scale != scale:
        raise UsageError(
            f"the anchor {loaded.name} enlarges {loaded.network.scale} times, and what is trained "
            f"{scale} times",
            "name a network of the same scale with --anchor",
        )
    return loaded


def start_of(settings: FinetuneSettings, warn: Warn) -> Start:
    """What ``settings.model`` names: a checkpoint, another run's state, or random weights."""
    path = Path(settings.model).expanduser()
    if is_state(path):
        return _of_state(path)
    if settings.model == SCRATCH:
        torch.manual_seed(settings.seed)
        network = MSRB(settings.num_feat, settings.num_block)
        blocks = list(settings.num_block)
        identity = {"name": SCRATCH, "num_feat": settings.num_feat, "num_block": blocks}
        return Start(network=network, identity=identity)
    loaded = load_checkpoint(settings.model, warn=warn)
    return Start(network=loaded.build(), identity={"name": loaded.name, **loaded.identity})


def _of_state(path: Path) -> Start:
    state = read_state(path)
    assert state is not None  # it was there a moment ago
    empty, _ = recognise(state.network(), path)
    network = type(empty)(**empty.config)  # the state brings the weights
    identity = {"name": path.name, "sha256": sha256_of(path)}
    return Start(network=network, identity=identity, state=state)


def fixed_settings(settings: FinetuneSettings) -> dict[str, Any]:
    """The settings that a run keeps, but for those that the fingerprint holds otherwise."""
    values = asdict(settings)
    for name in ("model", "num_feat", "num_block", "anchor"):
        del values[name]  # the start tells, or the anchor's hash
    if settings.schedule == "constant":
        del values["iterations"]  # such a run may be made longer
    values["batch"] *= world_size()
    return values
