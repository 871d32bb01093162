"""Checkpoints as networks: strength, what is read, and what is refused to be read."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

import animesr_cli
from animesr_cli.errors import (
    DeviceError,
    ExitCode,
    UsageError,
    WeightsError,
)
from animesr_cli.model import catalogue
from animesr_cli.model import download as download_module
from animesr_cli.model.catalogue import Checkpoint, find
from animesr_cli.model.checkpoint import load_checkpoint, load_network
from animesr_cli.model.msrb import MSRB
from weight_files import Tensors, assert_same, torch_bytes, weights, write_pth

RELEASED_SIZE = {"num_feat": 64, "num_block": (5, 3, 2)}


# ---- Strength ----


@pytest.fixture
def partners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensors, Tensors]:
    """A catalogue of a soft network and a strong one that runs at 0.75; their tensors."""
    tensors = (weights(), {name: tensor + 0.5 for name, tensor in weights().items()})
    rows = []
    monkeypatch.setattr(download_module, "_shipped_paths", lambda row: (tmp_path / row.filename,))
    for name, each in zip(("mild", "strong"), tensors, strict=True):
        path = tmp_path / f"{name}.safetensors"
        save_file(each, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(Checkpoint(name=name, filename=path.name, sha256=sha256, licence="CC0"))
    rows[1] = dataclasses.replace(rows[1], soft="mild", strength=0.75)
    monkeypatch.setattr(catalogue, "CATALOGUE", tuple(rows))
    return tensors


@pytest.mark.parametrize(
    ("strength", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0), (None, 0.75)]
)
def test_strength_blends_every_weight(
    strength: float | None, share: float, partners: tuple[Tensors, Tensors]
) -> None:
    """0 is the soft partner, 1 the network itself; left out, it is the catalogue's."""
    mild, strong = partners
    loaded = load_checkpoint("strong", strength=strength)
    for name, tensor in loaded.state_dict.items():
        expected = mild[name] + share * (strong[name] - mild[name])
        torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-6)
    built = load_network("strong", strength=strength).state_dict()
    assert_same(built, loaded.state_dict)
    assert loaded.identity.get("strength", 1.0) == share


def test_strength_tells_runs_apart(partners: tuple[Tensors, Tensors]) -> None:
    """Two strengths are two networks to whoever goes on with a run; 1 is the plain one."""
    found = [load_checkpoint("strong", strength=value).identity for value in (0, 0.5, 1)]
    assert len({str(each) for each in found}) == 3
    assert found[2] == {"sha256": find("strong").sha256}
    assert found[1]["sha256 at strength 0"] == find("mild").sha256


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_strength_has_a_range(strength: float, partners: tuple[Tensors, Tensors]) -> None:
    """From 0 to 1."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        load_checkpoint("strong", strength=strength)


def test_strength_without_a_partner_is_refused(
    partners: tuple[Tensors, Tensors], tmp_path: Path
) -> None:
    """A network that has none, or a file: one line that says which have."""
    for name in ("mild", str(tmp_path / "strong.safetensors")):
        with pytest.raises(UsageError, match="no softer partner") as caught:
            load_checkpoint(name, strength=0.5)
        assert "-n strong" in str(caught.value.hint)


def test_partners_of_different_sizes_are_an_error(
    partners: tuple[Tensors, Tensors], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot be of one start."""
    save_file(weights(3), tmp_path / "mild.safetensors")
    sha256 = hashlib.sha256((tmp_path / "mild.safetensors").read_bytes()).hexdigest()
    rows = (dataclasses.replace(find("mild"), sha256=sha256), find("strong"))
    monkeypatch.setattr(catalogue, "CATALOGUE", rows)
    with pytest.raises(WeightsError, match="cannot be blended"):
        load_checkpoint("strong", strength=0.5)


# ---- Reading ----


def legacy_bytes(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


WRAPPINGS: dict[str, Callable[[Tensors], Any]] = {
    "plain": lambda tensors: tensors,
    "params": lambda tensors: {"params": tensors},
    "params_ema": lambda tensors: {"params_ema": tensors},
    "both": lambda tensors: {
        "params": {key: value + 1 for key, value in tensors.items()},
        "params_ema": tensors,
    },
    "parallel": lambda tensors: {f"module.{key}": value for key, value in tensors.items()},
    "parameters": lambda tensors: {k: torch.nn.Parameter(v) for k, v in tensors.items()},
    "training state": lambda tensors: {"params": tensors, "iter": 7, "lr": [2e-4]},
}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".PTH"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_wrapping_gives_the_same_tensors(wrapping: str, suffix: str, tmp_path: Path) -> None:
    """Plain, BasicSR's (EMA first) and DataParallel's files hold the same checkpoint."""
    path = write_pth(tmp_path / f"x{suffix}", WRAPPINGS[wrapping](weights()))
    loaded = load_checkpoint(str(path))
    assert_same(loaded.state_dict, weights())
    assert not any(tensor.requires_grad for tensor in loaded.state_dict.values())
    assert (loaded.name, loaded.path) == (path.name, path)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_of_old_torch_are_read(tmp_path: Path) -> None:
    """The format before torch 1.6 is read without a word."""
    path = tmp_path / "old.pth"
    path.write_bytes(legacy_bytes(weights()))
    assert_same(load_checkpoint(path).state_dict, weights())


@settings(max_examples=12, deadline=None)
@given(
    num_feat=st.integers(1, 6),
    num_block=st.tuples(*[st.integers(1, 3)] * 3).map(lambda b: tuple(sorted(b, reverse=True))),
)
def test_the_size_is_read_from_the_tensors(
    tmp_path_factory: pytest.TempPathFactory, num_feat: int, num_block: tuple[int, int, int]
) -> None:
    """Any size of the network comes back, and fits a network of the size that was read."""
    path = tmp_path_factory.mktemp("sizes") / "any.safetensors"
    save_file(weights(num_feat, num_block), path)
    loaded = load_checkpoint(path)
    assert loaded.network.config == {"num_feat": num_feat, "num_block": num_block}
    assert_same(dict(loaded.build().state_dict()), weights(num_feat, num_block))


def test_the_authors_tensors_are_of_the_released_size(golden: Path) -> None:
    """The names and shapes with which the authors' own code was run are accepted."""
    loaded = load_checkpoint(golden / "msrswvsr_weights.safetensors")
    assert loaded.network.config == RELEASED_SIZE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_precisions_become_fp32(dtype: torch.dtype, suffix: str, tmp_path: Path) -> None:
    """Every floating-point file is read as fp32, value by value."""
    stored = {key: tensor.to(dtype) for key, tensor in weights().items()}
    path = tmp_path / f"x{suffix}"
    if suffix == ".pth":
        write_pth(path, stored)
    else:
        save_file(stored, path)
    assert_same(load_checkpoint(path).state_dict, stored)


class Dangerous:
    """A pickle of this makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["torch", "torch legacy", 0, 2, 3, 4, 5])
def test_code_in_a_checkpoint_is_refused_and_never_run(form: str | int, tmp_path: Path) -> None:
    """A pickle with a function call ends in code 6, whatever its form, and nothing was called."""
    marker, path = tmp_path / "was-run", tmp_path / "evil.pth"
    content = {**weights(), "extra": Dangerous(marker)}
    if isinstance(form, int):
        path.write_bytes(pickle.dumps({"extra": Dangerous(marker)}, protocol=form))
    else:
        path.write_bytes(torch_bytes(content) if form == "torch" else legacy_bytes(content))
    with pytest.raises(WeightsError, match=r"evil\.pth") as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == ExitCode.WEIGHTS
    assert not marker.exists()
    pickle.loads(pickle.dumps(Dangerous(marker)))
    assert marker.exists(), "the pickle would not have done anything"


def test_the_refused_object_is_named(tmp_path: Path) -> None:
    """The line says what was found in the file and is one line."""
    path = write_pth(tmp_path / "x.pth", {"extra": Dangerous(tmp_path / "was-run")})
    with pytest.raises(WeightsError, match=r"posix\.mkdir.*refused") as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message


def test_torch_load_is_always_weights_only() -> None:
    """Every call of torch.load in the package says weights_only=True and map_location="cpu"."""
    calls = []
    for file in Path(animesr_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                calls.append({word.arg: ast.unparse(word.value) for word in node.keywords})
    assert calls
    assert all(call == {"map_location": "'cpu'", "weights_only": "True"} for call in calls)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(part: float, suffix: str, tmp_path: Path) -> None:
    """A file that ends anywhere before its end is code 6 and one line with its name."""
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        write_pth(path, weights())
    else:
        save_file(weights(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(WeightsError, match=f"cut{suffix}") as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), form=st.sampled_from(["zip", "legacy", "safetensors"]))
def test_damage_is_never_more_than_an_error_of_the_weights(
    data: st.DataObject, form: str, tmp_path: Path
) -> None:
    """Bytes flipped in the header or anywhere else: the file loads, finite, or ends in code 6."""
    path = tmp_path / ("x.safetensors" if form == "safetensors" else "x.pth")
    if form == "safetensors":
        save_file(weights(), path)
    else:
        path.write_bytes(torch_bytes(weights()) if form == "zip" else legacy_bytes(weights()))
    content = bytearray(path.read_bytes())
    places = st.integers(0, 3000) | st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        loaded = load_checkpoint(path)
    except WeightsError:
        return
    assert all(bool(tensor.isfinite().all()) for tensor in loaded.state_dict.values())


BODY = "recurrent_cell.body_s2_first.0.conv1.weight"
FUSION = "recurrent_cell.fusion.2.weight"


def edited(**changes: Tensor | None) -> Tensors:
    """The toy's tensors with some replaced, added, or (None) removed; __ stands for a dot."""
    tensors = weights()
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        tensors.pop(key, None)
        if tensor is not None:
            tensors[key] = tensor
    return tensors


def dunder(key: str) -> str:
    return key.replace(".", "__")


WRONG: dict[str, tuple[Tensors, str]] = {
    "missing": (edited(**{dunder(FUSION): None}), rf"no tensor {FUSION}"),
    "shape": (edited(**{dunder(BODY): torch.zeros(2, 3, 3, 3)}), rf"{BODY} is \(2, 3, 3, 3\)"),
    "unknown": (edited(spy__weight=torch.zeros(3)), r"a tensor spy\.weight"),
    "integers": (
        edited(**{dunder(FUSION): weights()[FUSION].to(torch.int8)}),
        rf"{FUSION} is no plain floating-point tensor",
    ),
    "nan": (edited(**{dunder(BODY): torch.full((2, 2, 3, 3), torch.nan)}), f"{BODY} holds NaN"),
    "infinite": (edited(**{dunder(BODY): torch.full((2, 2, 3, 3), -torch.inf)}), BODY),
    "too large": (
        edited(**{dunder(BODY): torch.full((2, 2, 3, 3), 1e300, dtype=torch.float64)}),
        BODY,
    ),
    "a degradation operator": (
        {"main.0.weight": torch.zeros(64, 12, 3, 3)},
        r"no network that is known here: it has a tensor main\.0\.weight",
    ),
    "no coarse blocks": (
        {key: value for key, value in weights().items() if "body_s4" not in key},
        r"no tensor recurrent_cell\.body_s4_first\.0\.conv1\.weight",
    ),
    "a gap between blocks": (
        {k.replace("s1_first.0.conv", "s1_first.9.conv"): v for k, v in weights().items()},
        r"no tensor recurrent_cell\.body_s1_first\.0\.conv1\.weight",
    ),
    "more coarse blocks": (
        {**weights(), "recurrent_cell.body_s4_first.1.conv1.bias": torch.zeros(2)},
        "coarser scales cannot have more",
    ),
    "a scalar where a kernel belongs": (
        edited(recurrent_cell__conv_s1_first__0__weight=torch.tensor(1.0)),
        r"has the shape \(\)",
    ),
    "empty": ({}, "no tensors by name"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", WRONG)
def test_the_first_bad_tensor_is_named(kind: str, suffix: str, tmp_path: Path) -> None:
    """Whatever is wrong with names, shapes or values: code 6, the file, and the tensor."""
    tensors, pattern = WRONG[kind]
    path = tmp_path / f"wrong{suffix}"
    if suffix == ".pth":
        write_pth(path, tensors)
    else:
        save_file(tensors, path)
    with pytest.raises(WeightsError, match=pattern) as caught:
        load_checkpoint(path)
    assert str(path) in caught.value.message


ODD: dict[str, object] = {
    "list": [torch.zeros(1)],
    "a tensor": torch.zeros(1),
    "numbers": {"a": 1.0},
    "numbered": {0: torch.zeros(1)},
    "nested": {"params": {"params": weights()}},
    "no mapping inside": {"params_ema": 3},
    "sparse": {**weights(), FUSION: weights()[FUSION].to_sparse()},
    "without data": {**weights(), FUSION: weights()[FUSION].to("meta")},
    "complex": {**weights(), FUSION: weights()[FUSION].to(torch.complex64)},
    "huge by stride": edited(
        recurrent_cell__conv_s1_first__0__weight=torch.zeros(1).expand(10**9, 57 + 10**9, 3, 3)
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_other_contents_of_a_pth_are_refused(kind: str, tmp_path: Path) -> None:
    """What loads safely but holds no plain tensors by name is code 6 as well."""
    with pytest.raises(WeightsError, match=r"odd\.pth"):
        load_checkpoint(write_pth(tmp_path / "odd.pth", ODD[kind]))


def test_a_path_that_is_no_file_is_named(tmp_path: Path) -> None:
    """A missing file, a folder and a foreign suffix each end in code 6 with the path."""
    with pytest.raises(WeightsError, match=r"nothing\.pth does not exist"):
        load_checkpoint(str(tmp_path / "nothing.pth"))
    for name in ("no/such/model", "x" * 5000 + ".pth", "nul\0.pth"):
        with pytest.raises(WeightsError, match="does not exist"):
            load_checkpoint(name)
    with pytest.raises(UsageError):
        load_checkpoint("x" * 5000)
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError, match=r"folder\.pth is not a file"):
        load_checkpoint(tmp_path / "folder.pth")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(WeightsError, match=r"notes\.txt does not end in one of \.safetensors"):
        load_checkpoint(tmp_path / "notes.txt")


# ---- A network with its weights ----


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_a_network_is_loaded_ready_to_run(dtype: torch.dtype | None, tmp_path: Path) -> None:
    """`load_network` gives the checkpoint's network, fp32 unless asked otherwise, to evaluate."""
    path = write_pth(tmp_path / "x.pth", weights())
    random_state = torch.get_rng_state()
    network = load_network(path) if dtype is None else load_network(path, "cpu", dtype)
    assert torch.equal(torch.get_rng_state(), random_state), "a user's random numbers changed"
    assert not network.training
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights()[key].to(dtype or torch.float32))
    clip = torch.rand(1, 2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        result = network(clip)
    assert result.shape == (1, 2, 3, 20, 28)
    if dtype != torch.bfloat16:
        # As the command's engine has it: a convolution may round otherwise with channels first.
        expected = MSRB(2, (1, 1, 1)).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        expected.load_state_dict(weights())
        assert torch.equal(result, expected(clip))


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_code_7(device: str) -> None:
    """A network cannot be loaded onto a device that this machine lacks."""
    with pytest.raises(DeviceError, match=device):
        load_network("base", device)
