"""How much memory is left: the machine, the container, the process; and errors that mean none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from animesr_cli.model import memory
from animesr_cli.model.memory import free_memory, is_out_of_memory

CPU = torch.device("cpu")
MB = 1 << 20


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def group(root: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process be in the group of a line of /proc/self/cgroup."""
    own = root / "own"
    own.write_text(line + "\n")
    monkeypatch.setattr(memory, "CGROUPS", root)
    monkeypatch.setattr(memory, "OWN_CGROUPS", own)


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cgroup v2: the tightest limit on the way up, less what is used, cached files apart."""
    stat = f"anon {20 * MB}\ninactive_file {5 * MB}"
    write(tmp_path / "a", memory__max=100 * MB, memory__current=30 * MB, memory__stat=stat)
    write(tmp_path / "a" / "b", memory__max="max", memory__current=10 * MB, memory__stat="x 1")
    group(tmp_path, "0::/a/b", monkeypatch)
    assert free_memory(CPU) == 75 * MB
    write(tmp_path / "a" / "b", memory__max=40 * MB, memory__current=10 * MB, memory__stat="x 1")
    assert free_memory(CPU) == 30 * MB


def test_the_older_kind_of_groups_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cgroup v1, seen from inside a container: the path of the host is not there."""
    write(
        tmp_path / "memory",
        memory__limit_in_bytes=64 * MB,
        memory__usage_in_bytes=20 * MB,
        memory__stat=f"inactive_file 1\ntotal_inactive_file {4 * MB}",
    )
    group(tmp_path, "4:memory:/docker/0123", monkeypatch)
    assert free_memory(CPU) == 48 * MB


@pytest.mark.parametrize("content", ["", "lots", "-"])
def test_odd_group_files_are_passed_over(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read limits nothing, and nothing breaks."""
    write(tmp_path, memory__max=content, memory__current=content)
    group(tmp_path, "0::/", monkeypatch)
    free = free_memory(CPU)
    assert free is not None
    assert free > 75 * MB


def test_a_group_that_is_full_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never less than nothing."""
    write(tmp_path, memory__max=MB, memory__current=2 * MB, memory__stat="inactive_file 0")
    group(tmp_path, "0::/", monkeypatch)
    assert free_memory(CPU) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_the_limit_of_addresses_counts() -> None:
    """Under `ulimit -v` no more is free than what the limit leaves."""
    code = (
        "import resource, torch, psutil\n"
        "from animesr_cli.model.memory import free_memory\n"
        "limit = psutil.Process().memory_info().vms + (200 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "print(free_memory(torch.device('cpu')))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 100 * MB < int(run.stdout) <= 200 * MB


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8"), True),
        (RuntimeError("could not create a primitive"), True),
        (MemoryError(), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_that_mean_memory(error: Exception, means: bool) -> None:
    """Each library has its own words for it."""
    assert is_out_of_memory(error) == means
