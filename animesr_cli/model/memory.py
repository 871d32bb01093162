"""How much memory can still be had, and whether an error means that there was none.

What the system calls available is not all that counts: a container's limit (cgroup, version 1 or
2) and the limit of a process's addresses (``ulimit -v``) may be far below it, and whoever crosses
the first is killed without an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]
import torch

from animesr_cli.model.devices import runtime_of

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

OUT_OF_MEMORY = (
    "out of memory",  # CUDA, HIP, MPS, oneDNN
    "can't allocate memory",  # torch on a CPU
    "not enough memory",  # the same on Windows
    "cudnn_status_alloc_failed",
    "cublas_status_alloc_failed",
    "could not create a primitive",  # oneDNN where memory for its weights is refused
    "could not create a memory",
    "bad_alloc",
)
"""Of what libraries say, in lower case."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was refused, whichever library raised it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error).lower() for words in OUT_OF_MEMORY
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated on a device, or None where nothing tells."""
    if runtime := runtime_of(device):
        return int(runtime.mem_get_info(device)[0])
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    machine = int(psutil.virtual_memory().available)  # by what the system itself estimates
    return min([machine, *_in_cgroups(CGROUPS, OWN_CGROUPS), *_addresses()])


def _in_cgroups(root: Path, own: Path) -> Iterator[int]:
    """What each limit leaves, from the group of this process up to the root of all groups."""
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except OSError:
        return  # no Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _under(root, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            yield from _under(
                root / "memory", path,
                "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
            )  # fmt: skip


def _under(root: Path, path: str, limit: str, usage: str, cache: str) -> Iterator[int]:
    # A container often sees its own group as the root, under a path that is not there.
    group = root / path.lstrip("/")
    for folder in (group, *group.parents):
        try:
            text = (folder / limit).read_text(encoding="ascii").strip()
            if text != "max":
                used = int((folder / usage).read_text(encoding="ascii"))
                # Pages of files that nobody uses are given back before anybody is refused.
                yield max(int(text) - used + _statistic(folder / "memory.stat", cache), 0)
        except (OSError, ValueError):
            pass
        if folder == root:
            return


def _statistic(file: Path, name: str) -> int:
    rows = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return next((int(row[1]) for row in rows if row[0] == name), 0)


def _addresses() -> Iterator[int]:
    """What ``ulimit -v`` leaves to this process."""
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield max(limit - int(psutil.Process().memory_info().vms), 0)
    yield from ()  # no limit
