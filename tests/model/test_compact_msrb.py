"""The compact network: what it begins as, how far it sees, and its file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from animesr_cli.errors import WeightsError
from animesr_cli.model.compact_msrb import CompactMSRB, joins
from animesr_cli.model.network import Carried
from animesr_cli.model.recognise import recognise
from macs import macs_per_pixel
from start_4x import from_srvgg

HERE = Path("x.safetensors")


def small(**sizes: int) -> CompactMSRB:
    """A network with random weights everywhere, the coarser scales' entries too."""
    torch.manual_seed(1)
    net = CompactMSRB(8, **{"num_state": 4, **sizes}).requires_grad_(False).eval()  # type: ignore[arg-type]
    for entry in net.recurrent_cell.into_full:
        assert isinstance(entry, torch.nn.Conv2d)
        torch.nn.init.normal_(entry.weight, std=0.1)
    return net


def srvgg(tensors: dict[str, Tensor], frame: Tensor) -> Tensor:
    """SRVGGNetCompact by its definition: convolutions, slopes, pixel shuffle, nearest below."""
    last = max(int(name.split(".")[1]) for name in tensors)
    features = frame
    for index in range(0, last + 1, 2):
        weight, bias = tensors[f"body.{index}.weight"], tensors[f"body.{index}.bias"]
        features = functional.conv2d(features, weight, bias, padding=1)
        if index < last:
            features = functional.prelu(features, tensors[f"body.{index + 1}.weight"])
    scale = round((len(weight) / 3) ** 0.5)
    below = functional.interpolate(frame, scale_factor=scale, mode="nearest")
    return functional.pixel_shuffle(features, scale) + below


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_it_begins_as_the_single_frame_network(golden: Path, scale: int) -> None:
    """Fresh from an SRVGGNetCompact it gives that network's own output, frame after frame."""
    file = load_file(golden / f"srvgg_x{scale}.safetensors")
    tensors = {key[8:]: value.float() for key, value in file.items() if key.startswith("weights.")}
    net = from_srvgg(tensors, num_state=8).eval().requires_grad_(False)
    clip = torch.stack((file["input"], torch.rand_like(file["input"]), file["input"]), dim=1)
    result = net(clip)
    torch.testing.assert_close(result[:, 0], file["output"], rtol=0, atol=1e-5)
    torch.testing.assert_close(result[:, 2], file["output"], rtol=0, atol=1e-5)


def test_it_begins_as_realesr_animevideov3(golden: Path) -> None:
    """With the released single-frame weights the start equals the golden output to 1e-5.

    The released file is 2.5 MB and no part of the golden tensors, so that this needs it beside
    them or skips.
    """
    found = golden.parent / "weights" / "realesr-animevideov3.pth"
    if not found.exists():
        pytest.skip(f"{found} is not there")
    tensors = torch.load(found, map_location="cpu", weights_only=True)["params"]
    file = load_file(golden / "srvgg_animevideov3.safetensors")
    net = from_srvgg(tensors).eval().requires_grad_(False)
    assert sum(parameter.numel() for parameter in net.parameters()) == 997_328
    result = net(file["input"][:, None])[:, 0]
    torch.testing.assert_close(result, file["output"], rtol=0, atol=1e-5)
    # 86 channels of zeros are added in another order, and nothing else differs.
    torch.testing.assert_close(result, srvgg(tensors, file["input"]), rtol=0, atol=2e-6)


def test_the_shipped_size() -> None:
    """997,328 parameters, 742.5 thousand multiplications for each pixel, a reach of 34."""
    net = CompactMSRB()
    assert sum(parameter.numel() for parameter in net.parameters()) == 997_328
    assert macs_per_pixel(net) == 742_464
    assert (net.context, net.halo) == (34, 36)
    assert joins(16) == (6, 11)


@pytest.mark.parametrize(
    ("num_conv", "num_block"), [(16, (2, 1)), (4, (1, 1)), (6, (0, 2)), (9, (3, 0)), (2, (1, 2))]
)
def test_halo_is_enough_and_not_more_than_a_step_too_much(
    num_conv: int, num_block: tuple[int, int]
) -> None:
    """What lies beyond the halo changes nothing in the tile; what lies 8 pixels nearer does."""
    torch.manual_seed(0)
    net = CompactMSRB(4, 4, num_conv, num_block).double().requires_grad_(False)
    for entry in net.recurrent_cell.into_full:
        assert isinstance(entry, torch.nn.Conv2d)
        torch.nn.init.normal_(entry.weight)
    margin = net.halo
    size = 2 * margin + 16
    frame = torch.rand(1, 3, 8, size, dtype=torch.float64)
    sr = torch.rand(1, 3, 32, 4 * size, dtype=torch.float64)
    state = torch.rand(1, 4, 8, size, dtype=torch.float64)

    def tile(kept_from: int) -> tuple[Tensor, Tensor]:
        cut = slice(kept_from, None)
        carried: Carried = (sr[..., 4 * kept_from :], state[..., cut])
        out, (_, left) = net.step((frame[..., cut],) * 3, carried)
        kept = slice(margin + 8 - kept_from, margin + 16 - kept_from)
        return out[..., 4 * kept.start : 4 * kept.stop], left[..., kept]

    whole, near, nearer = tile(0), tile(8), tile(16)
    for inside, expected in zip(near, whole, strict=True):
        torch.testing.assert_close(inside, expected, rtol=0, atol=1e-12)
    assert not torch.allclose(nearer[0], whole[0], rtol=0, atol=1e-13)


def test_every_path_is_used() -> None:
    """The frames around, the frame before, the state and both coarser scales change the result."""
    net = small()
    window = tuple(torch.rand(1, 3, 16, 16) for _ in range(3))
    carried = tuple(torch.rand_like(each) for each in net.initial(window[1]))
    plain, _ = net.step(window, carried)
    for changed in (
        net.step((window[1], *window[1:]), carried),
        net.step((*window[:2], window[1]), carried),
        net.step(window, (torch.zeros_like(carried[0]), carried[1])),
        net.step(window, (carried[0], torch.zeros_like(carried[1]))),
    ):
        assert not torch.allclose(changed[0], plain)
    for block in (net.recurrent_cell.blocks2[0], net.recurrent_cell.blocks4[0]):
        assert isinstance(block, torch.nn.Module)
        for parameter in block.parameters():
            parameter.add_(0.1)
        assert not torch.allclose(net.step(window, carried)[0], plain)
        plain, _ = net.step(window, carried)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_size_is_read_from_the_tensors(scale: int) -> None:
    """Any size comes back, the scale too."""
    net = CompactMSRB(6, 5, 7, (1, 2), scale)
    found, tensors = recognise(dict(net.state_dict()), HERE)
    assert isinstance(found, CompactMSRB)
    assert found.config == net.config
    assert tensors.keys() == net.state_dict().keys()
    frame = torch.rand(1, 1, 3, 5, 9)
    assert net(frame).shape == (1, 1, 3, 5 * scale, 9 * scale)


def test_a_state_that_hides_the_scale_is_refused() -> None:
    """At x2, 37 state channels would look like x4."""
    with pytest.raises(ValueError, match="x2"):
        CompactMSRB(8, 37, scale=2)


@pytest.mark.parametrize("shape", [(), (0, 9, 3, 3), (4096, 9, 3, 3), (8, 9)])
def test_shapes_that_contradict_are_one_error(shape: tuple[int, ...]) -> None:
    """A first convolution that is none ends in one line."""
    tensors = dict(CompactMSRB(8, 4).state_dict())
    tensors["recurrent_cell.first.weight"] = torch.zeros(shape, device="meta")
    with pytest.raises(WeightsError, match="first"):
        recognise(tensors, HERE)


def test_half_precision_keeps_what_lies_below_in_fp32() -> None:
    """With zero weights in bf16 the result is the frame itself, enlarged, to the bit."""
    zero = CompactMSRB(8, 4).bfloat16().requires_grad_(False)
    for parameter in zero.parameters():
        parameter.zero_()
    frame = torch.rand(1, 1, 3, 16, 24)
    expected = functional.interpolate(frame[:, 0], scale_factor=4, mode="nearest")
    assert torch.equal(zero(frame)[:, 0], expected)
