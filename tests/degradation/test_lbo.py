"""The learnable operator against the authors' own outputs, and what its files may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from animesr_cli.degradation.lbo import LearnableOperator, load_operator
from animesr_cli.errors import UsageError, WeightsError
from animesr_cli.model.catalogue import CATALOGUE, Checkpoint
from animesr_cli.model.checkpoint import load_checkpoint


def state(num_feat: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return LearnableOperator(num_feat).state_dict()


def test_golden_frames(golden: Path) -> None:
    """With the golden weights, two frames equal the output of the authors' code to 1e-5."""
    tensors = load_file(golden / "lbo_golden.safetensors")
    network = LearnableOperator()
    weights = {key: tensor for key, tensor in tensors.items() if key.startswith("main.")}
    network.load_state_dict(weights, strict=True)
    with torch.inference_mode():
        result = network(tensors["hr"])
    torch.testing.assert_close(result, tensors["lr"], rtol=0, atol=1e-5)


def test_released_size() -> None:
    """The default operator has the paper's 45,635 parameters under the authors' names."""
    tensors = LearnableOperator().state_dict()
    assert sum(tensor.numel() for tensor in tensors.values()) == 45_635
    names = [f"main.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")]
    assert list(tensors) == names


OPERATORS = [row for row in CATALOGUE if row.kind == "operator"]


@pytest.mark.parametrize("row", OPERATORS, ids=lambda row: row.name)
def test_shipped_operators_load_by_name(row: Checkpoint) -> None:
    """Each has the paper's size, its file's hash, and keeps the brightness of a flat picture."""
    operator = load_operator(row.name)
    assert (operator.source, operator.sha256) == (row.name, row.sha256)
    assert operator.network.state_dict().keys() == LearnableOperator().state_dict().keys()
    grey = torch.full((1, 3, 64, 64), 0.5)
    with torch.inference_mode():
        inside = operator.network(grey)[..., 4:-4, 4:-4]  # beyond the borders' zeros
    torch.testing.assert_close(inside, grey[..., :24, :24], rtol=0, atol=0.05)


def test_a_name_that_is_not_there() -> None:
    """The nearest is told."""
    with pytest.raises(UsageError, match="no model is called 'lbo-dvb'") as caught:
        load_operator("lbo-dvb")
    assert "did you mean lbo-dvd?" in str(caught.value.hint)


def test_an_operator_does_not_upscale() -> None:
    """Where a network is wanted, it is said what the name is of."""
    with pytest.raises(WeightsError) as caught:
        load_checkpoint("lbo-dvd")
    assert "--lbo takes" in str(caught.value.hint)


@pytest.mark.parametrize("form", ["plain.safetensors", "plain.pth", "params.pth", "ema.pt"])
def test_every_wrapping_gives_the_same_operator(tmp_path: Path, form: str) -> None:
    """Plain tensors, safetensors and BasicSR's wrappings load; half precision becomes fp32."""
    path, tensors = tmp_path / form, state()
    if form == "plain.safetensors":
        save_file(tensors, path)
    elif form == "plain.pth":
        torch.save(tensors, path)
    elif form == "params.pth":
        torch.save({"params": tensors}, path)
    else:
        torch.save({"params": {}, "params_ema": {k: t.double() for k, t in tensors.items()}}, path)
    operator = load_operator(path)
    loaded = operator.network.state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in tensors.items())
    assert all(tensor.dtype == torch.float32 for tensor in loaded.values())
    assert not any(parameter.requires_grad for parameter in operator.network.parameters())
    assert len(operator.sha256) == 64


class Harmful:
    """Removes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.unlink, (str(self.victim),)


def test_a_file_that_asks_to_run_code_is_refused(tmp_path: Path) -> None:
    """A pickle with a call in it is not obeyed."""
    victim = tmp_path / "victim"
    victim.touch()
    torch.save({"params": Harmful(victim)}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="could run code"):
        load_operator(tmp_path / "evil.pth")
    assert victim.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"main.2.bias": torch.full((4,), torch.nan)}, "main.2.bias holds NaN or infinite"),
        ({"main.4.weight": torch.zeros(3, 5, 3, 3)}, r"main.4.weight is \(3, 5, 3, 3\), not"),
        ({"main.6.weight": torch.zeros(1)}, "it has a tensor main.6.weight"),
        ({"main.0.weight": torch.zeros(4)}, r"main.0.weight has the shape \(4,\)"),
        ({"main.2.weight": None}, "it has no tensor main.2.weight"),
        ({"main.0.weight": None}, "it has no tensor main.0.weight"),
    ],
)
def test_what_is_no_operator_is_refused(
    tmp_path: Path, change: dict[str, Tensor | None], words: str
) -> None:
    """A NaN, a missing, unknown or misshapen tensor is named."""
    path = tmp_path / "lbo.safetensors"
    tensors = {**state(), **change}
    save_file({key: tensor for key, tensor in tensors.items() if tensor is not None}, path)
    with pytest.raises(WeightsError, match=words):
        load_operator(path)


def test_an_upscaler_is_told_apart(zero_checkpoint: Path) -> None:
    """A network that upscales, given for an operator, is recognised."""
    with pytest.raises(WeightsError, match="not of an LBO") as caught:
        load_operator(zero_checkpoint)
    assert caught.value.hint is not None
    assert "upscales" in caught.value.hint


@pytest.mark.parametrize("name", ["absent.pth", "damaged.pth", "damaged.safetensors", "lbo.txt"])
def test_unreadable_files_are_refused(tmp_path: Path, name: str) -> None:
    """A missing or damaged file, or one of another kind, ends in one clear error."""
    if name != "absent.pth":
        (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(WeightsError):
        load_operator(tmp_path / name)
