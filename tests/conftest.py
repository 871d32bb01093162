"""What every test shares: the outside material it may be given, and a home of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Before torch is imported, here and in every child: on pictures as small as those of the tests
# threads wait for each other longer than they work, ten times so on a machine that is busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need CUDA where there is none; torch is loaded only to find that out."""
    of_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not of_gpu:
        return
    import torch

    if not torch.cuda.is_available():
        for item in of_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def folder_from(variable: str) -> Path:
    """The folder that an environment variable names; the test is skipped without it."""
    if not (name := os.environ.get(variable)):
        pytest.skip(f"{variable} names no folder")
    folder = Path(name)
    assert folder.is_dir(), f"{variable} names {name}, which is no folder"
    return folder


@pytest.fixture(scope="session")
def clips() -> Path:
    """A folder of real clips, from outside the repository (ANIMESR_TEST_CLIPS)."""
    return folder_from("ANIMESR_TEST_CLIPS")


@pytest.fixture(scope="session")
def faults() -> Path:
    """A folder of small files that went wrong once, from outside (ANIMESR_TEST_FAULTS)."""
    return folder_from("ANIMESR_TEST_FAULTS")


@pytest.fixture(scope="session")
def golden() -> Path:
    """A folder of tensors that the authors' own code computed (ANIMESR_TEST_GOLDEN)."""
    return folder_from("ANIMESR_TEST_GOLDEN")


@pytest.fixture(scope="session")
def own_clip() -> Path:
    """The repository's own clip: 72 frames of 160x96 with sound, text and chapters (cartoon.py)."""
    return TESTS / "clip.mp4"


@pytest.fixture(scope="session")
def zero_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny network with all weights zero: its result is bilinear enlargement."""
    import torch
    from safetensors.torch import save_file

    from animesr_cli.model.msrb import MSRB

    path = tmp_path_factory.mktemp("weights") / "zero.safetensors"
    state = MSRB(num_feat=4, num_block=(1, 1, 1)).state_dict()
    save_file({name: torch.zeros_like(tensor) for name, tensor in state.items()}, path)
    return path


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a tiny network that changes its pictures visibly, and remembers."""
    import torch
    from safetensors.torch import save_file

    from animesr_cli.model.msrb import MSRB

    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(MSRB(num_feat=4, num_block=(1, 1, 1)).state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's caches and settings."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for variable in ("ANIMESR_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return home
