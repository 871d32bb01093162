"""Ray clusters of several nodes on this machine; who asks for one is skipped where Ray is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

STORE_BYTES = 80 * 2**20


@contextmanager
def cluster(cpus: int, gpus: int = 0) -> Iterator[Any]:
    """A head with so many CPUs, as ``ray start --head`` makes one; its ``address`` leads to it.

    Ray believes what it is told of GPUs, and keeps account of them as of real ones.
    """
    utils = pytest.importorskip("ray.cluster_utils", reason="animesr-cli[ray] is not installed")
    head = {"num_cpus": cpus, "num_gpus": gpus, "object_store_memory": STORE_BYTES}
    head["include_dashboard"] = False
    nodes = utils.Cluster(initialize_head=True, head_node_args=head)
    try:
        yield nodes
    finally:
        nodes.shutdown()


def add_node(nodes: Any, **environment: str) -> Any:
    """One more machine, with one CPU, as ``ray start --address`` adds it."""
    return nodes.add_node(num_cpus=1, object_store_memory=STORE_BYTES, env_vars=environment)


def kill_node(nodes: Any, node: Any) -> None:
    """As if its power had failed."""
    nodes.remove_node(node, allow_graceful=False)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return False
    return state not in "ZX"


def members(session: int) -> list[int]:
    """The living processes of a session, whoever started them."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in found if alive(pid) and _session_of(pid) == session]


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1
