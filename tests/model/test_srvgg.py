"""SRVGGNetCompact against the authors' own outputs, and its own equalities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file

from animesr_cli.errors import WeightsError
from animesr_cli.model.network import Tensors
from animesr_cli.model.srvgg import SRVGGNetCompact, srvgg_of
from pinned import filled, picture, sample

MAKES = {"x4": 4, "x2": 2, "x1": 1}


def small(make: str) -> SRVGGNetCompact:
    """A network of 8 features and three convolutions, always with the same weights."""
    return cast(SRVGGNetCompact, filled(SRVGGNetCompact(MAKES[make], 8, 3)))


def network(tensors: Tensors, name: str = "some.pth") -> SRVGGNetCompact:
    found = srvgg_of(tensors, Path(name))
    assert found is not None
    net, named = found
    net.load_state_dict(named, strict=True)
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("scale", [4, 2, 1])
def test_golden(golden: Path, scale: int) -> None:
    """Every scale equals the authors' output to 1e-5."""
    case = load_file(golden / f"srvgg_x{scale}.safetensors")
    weights = {n[8:]: tensor.float() for n, tensor in case.items() if n.startswith("weights.")}
    net = network(weights)
    assert net.config == {"scale": scale, "num_feat": 64, "num_conv": 4}
    result = net(case["input"][:, None])[:, 0]
    torch.testing.assert_close(result, case["output"], rtol=0, atol=1e-5)


def test_released_sizes(golden: Path) -> None:
    """Tensors and parameters at the true sizes are those of the released files."""
    released = json.loads((golden / "released_keys.json").read_text())
    for num_conv in (16, 32):
        tensors = SRVGGNetCompact(num_conv=num_conv).state_dict()
        counts = released[f"SRVGG x4 {num_conv}"]
        assert len(tensors) == counts["tensors"]
        assert sum(tensor.numel() for tensor in tensors.values()) == counts["parameters"]


PINNED = {
    "x4": [0.78774, 0.95249, 0.966, 0.98353, 1.11961, 0.34021, 0.91282],
    "x2": [0.81314, 0.95249, 0.87229, 0.83777, 0.85334, 0.36679, 1.02569],
    "x1": [0.18944, 0.95249, 0.24095, 1.0427, 0.18812, 0.41214, 0.8935],
}


@pytest.mark.parametrize("make", MAKES)
def test_results_stay(make: str) -> None:
    """A small network of each scale gives the numbers that it gave when it matched the authors'."""
    result = small(make)(picture(1, 1, 3, 12, 20))
    assert sample(result) == pytest.approx(PINNED[make], abs=2e-5)
    assert float(result.std()) > 0.05


@pytest.mark.parametrize("make", MAKES)
def test_files_tell_the_size(make: str) -> None:
    """Scale, features and depth come out of a file's tensors as they went in."""
    net = small(make)
    read = network(net.state_dict())
    assert read.config == net.config
    clip = picture(1, 2, 3, 7, 9)
    assert torch.equal(read(clip), net(clip))


def test_the_input_is_below_the_result() -> None:
    """With weights of zero every pixel is repeated, in bf16 to fp32 accuracy."""
    net = SRVGGNetCompact(4, 4, 1).bfloat16().requires_grad_(False)
    for parameter in net.parameters():
        parameter.zero_()
    frame = picture(1, 3, 5, 6)
    expected = frame.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(net(frame[:, None])[:, 0], expected)


@pytest.mark.parametrize("num_conv", [0, 3, 16])
def test_context_is_what_a_result_depends_on(num_conv: int) -> None:
    """What lies beyond ``context`` changes nothing; what lies one pixel nearer does."""
    net = SRVGGNetCompact(2, 4, num_conv).double()
    for parameter in net.parameters():
        torch.nn.init.constant_(parameter, 0.2)
    far = net.context
    assert far == num_conv + 2
    clip = torch.rand(1, 1, 3, 4, 2 * far, dtype=torch.float64)
    whole = net(clip)[..., -2:]
    for nearer, same in ((0, True), (1, False)):
        changed = clip.clone()
        changed[..., : clip.shape[-1] - far - 1 + nearer] = 0.5
        assert torch.equal(net(changed)[..., -2:], whole) == same


def test_a_3x_network_is_refused() -> None:
    """One that enlarges by 3 is told apart and named."""
    tensors = small("x4").state_dict()
    tensors["body.8.weight"], tensors["body.8.bias"] = torch.zeros(27, 8, 3, 3), torch.zeros(27)
    with pytest.raises(WeightsError, match="enlarges 3 times"):
        network(tensors)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body.0.weight": torch.zeros(8, 1, 3, 3)}, "not an SRVGGNetCompact for RGB"),
        ({"body.8.weight": torch.zeros(10, 8, 3, 3)}, "not an SRVGGNetCompact for RGB"),
        ({"body.10.weight": torch.zeros(48, 8, 3, 3)}, "no tensor body.9.weight"),
    ],
)
def test_contradictions_are_refused(change: Tensors, said: str) -> None:
    """Tensors that make no network of RGB, or one with other activations, are one clear error."""
    with pytest.raises(WeightsError, match=said):
        network(small("x4").state_dict() | change)


def test_other_tensors_are_none_of_its_business() -> None:
    """A single tensor of another name leaves the file to the other readers."""
    assert srvgg_of(small("x4").state_dict() | {"tail": torch.zeros(1)}, Path("some.pth")) is None
