"""Files of anybody's: bounded before memory is taken, and read without running their code."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch

from animesr_cli.errors import WeightsError
from animesr_cli.model import tensor_file
from animesr_cli.model.tensor_file import read_bytes, tensors_of


def compressed(data: bytes) -> bytes:
    """The same archive with its parts deflated, as a bomb has them."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for part in old.infolist():
            new.writestr(part.filename, old.read(part))
    return packed.getvalue()


def saved(content: object, *, old: bool = False) -> bytes:
    data = io.BytesIO()
    torch.save(content, data, _use_new_zipfile_serialization=not old)
    return data.getvalue()


def test_a_compressed_bomb_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the parts of an archive add up to counts, not the length of the file."""
    bomb = compressed(saved({"params": {"a": torch.zeros(1 << 22)}}))
    assert len(bomb) < 1 << 20
    monkeypatch.setattr(tensor_file, "LARGEST_BYTES", 1 << 22)
    tracemalloc.start()
    with pytest.raises(WeightsError, match=r"bomb\.pth is too large"):
        tensors_of(bomb, tmp_path / "bomb.pth")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("old", [False, True])
def test_a_tensor_that_repeats_a_value_is_refused(old: bool, tmp_path: Path) -> None:
    """A few bytes that stand for a hundred billion values are counted as what they become."""
    bomb = saved({"a": torch.zeros(1).expand(10**11)}, old=old)
    assert len(bomb) < 10_000
    with pytest.raises(WeightsError, match="too large to be a checkpoint"):
        tensors_of(bomb, tmp_path / "bomb.pth")


def test_many_that_are_small_enough_alone_are_added_up(tmp_path: Path) -> None:
    """The limit is of the whole file."""
    one = torch.zeros(1).expand(10**8)
    bomb = saved({f"{i}": one for i in range(10)})
    with pytest.raises(WeightsError, match=r"4\.0 GB"):
        tensors_of(bomb, tmp_path / "bomb.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".ckpt"])
def test_a_sparse_file_is_refused_unread(suffix: str, tmp_path: Path) -> None:
    """A file that is longer than the memory is told by its length."""
    path = tmp_path / f"sparse{suffix}"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 30 * 10**9)
    with pytest.raises(WeightsError, match=r"30\.0 GB"):
        read_bytes(path)


def test_the_limit_itself_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As many bytes as are allowed come back whole; one more is refused."""
    monkeypatch.setattr(tensor_file, "LARGEST_BYTES", 100)
    path = tmp_path / "some.pth"
    path.write_bytes(b"x" * 100)
    assert read_bytes(path) == b"x" * 100
    path.write_bytes(b"x" * 101)
    with pytest.raises(WeightsError, match="too large"):
        read_bytes(path)


def test_an_optimiser_beside_the_network_is_passed_over(tmp_path: Path) -> None:
    """What a training keeps beside the network does not make its file unreadable."""
    content = {"state_dict": {"model.a": torch.zeros(4)}, "optimizer": {"m": torch.zeros(1 << 20)}}
    assert list(tensors_of(saved(content), tmp_path / "some.ckpt")) == ["a"]
