"""RealBasicVSR against the authors' own outputs, and its own equalities."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file

from animesr_cli.errors import WeightsError
from animesr_cli.model.network import Tensors
from animesr_cli.model.realbasicvsr import RealBasicVSR, realbasicvsr_of
from macs import macs_per_pixel
from pinned import filled, picture, sample


def small(threshold: float = 1.0) -> RealBasicVSR:
    """A network of 8 features and one block each, always with the same weights."""
    return cast(RealBasicVSR, filled(RealBasicVSR(8, 1, 1, threshold)))


def network(tensors: Tensors, threshold: float = 1.0) -> RealBasicVSR:
    found = realbasicvsr_of(tensors, Path("some.pth"))
    assert found is not None
    net, named = found
    net.load_state_dict(named, strict=True)
    net.threshold = threshold
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def case(golden: Path) -> Tensors:
    return load_file(golden / "realbasicvsr.safetensors")


@pytest.fixture(scope="module")
def golden_weights(case: Tensors) -> Tensors:
    return {n[8:]: tensor.float() for n, tensor in case.items() if n.startswith("weights.")}


def close(result: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(result, wanted, rtol=0, atol=1e-5)


def test_golden_one_cleaning(case: Tensors, golden_weights: Tensors) -> None:
    """With the threshold of the released settings, cleaned and enlarged frames are the authors'."""
    net = network(golden_weights)
    assert net.config == {
        "mid_channels": 16,
        "num_propagation_blocks": 2,
        "num_cleaning_blocks": 2,
        "threshold": 1.0,
    }
    close(net.clean(case["input"])[..., ::3, ::3], case["cleaned_255_s3"])
    result = net(case["input"])
    close(result[..., ::3, ::3], case["output_255_s3"])
    close(result[:, 2, :, :48, -48:], case["output_255_frame2_corner"])
    close(net(case["odd_input"])[..., ::5, ::5], case["odd_output_255_s5"])


def test_golden_dynamic_refinement(case: Tensors, golden_weights: Tensors) -> None:
    """Cleaned twice, and at most three times, where the threshold asks for it: as the authors'."""
    net = network(golden_weights, threshold=5 / 255)
    close(net.clean(case["input"]), case["cleaned_5"])
    result = net(case["input"])
    close(result[..., ::3, ::3], case["output_5_s3"])
    close(result[:, 2], case["output_5_frame2"])
    odd = net(case["odd_input"])
    close(odd[..., ::3, ::3], case["odd_output_5_s3"])
    close(odd[..., -24:, -24:], case["odd_output_5_corner"])


def test_golden_flows(case: Tensors, golden_weights: Tensors) -> None:
    """Both directions' flows on the cleaned frames are the authors'."""
    net = network(golden_weights, threshold=5 / 255)
    frames = net.clean(case["input"])[0]
    spynet = net.basicvsr.spynet
    forward = spynet(frames[1:], frames[:-1])[..., ::3, ::3]
    backward = spynet(frames[:-1], frames[1:])[..., ::3, ::3]
    torch.testing.assert_close(forward, case["flows_forward_5_s3"][0], rtol=0, atol=1e-4)
    torch.testing.assert_close(backward, case["flows_backward_5_s3"][0], rtol=0, atol=1e-4)


def test_released_size(golden: Path) -> None:
    """The default network has the released file's 320 tensors, buffers included."""
    released = json.loads((golden / "released_keys.json").read_text())["RealBasicVSRNet"]
    with torch.device("meta"):
        net = RealBasicVSR()
    tensors = net.state_dict()
    assert len(tensors) == released["tensors"] == 320
    assert sum(p.numel() for p in net.parameters()) == released["parameters"]
    for name, shape in released["keys"].items():
        assert list(tensors[name].shape) == shape


def test_files_tell_the_size_in_both_spellings() -> None:
    """Sizes come out of a file's tensors, and BasicSR's names of SPyNet's layers are the same."""
    net = small()
    tensors = net.state_dict()
    assert network(tensors).config == net.config
    inner = re.compile(r"(spynet\.basic_module\.\d\.basic_module\.)(\d)\.conv\.")
    spelled = {
        inner.sub(lambda m: f"{m[1]}{2 * int(m[2])}.", name): t for name, t in tensors.items()
    }
    assert set(spelled) != set(tensors)
    clip = picture(1, 2, 3, 16, 20)
    assert torch.equal(network(spelled)(clip), net(clip))


def test_results_stay() -> None:
    """A small network gives the numbers that it gave when it matched the authors'."""
    result = small()(picture(1, 3, 3, 20, 36))
    assert sample(result) == pytest.approx(PINNED, abs=2e-5)
    assert float(result.std()) > 0.05


PINNED = [0.2608, 0.97236, 0.28705, 0.25634, 0.07305, 0.41911, 0.1422]


def test_at_most_three_cleanings() -> None:
    """A threshold that is never reached ends after three; the third one's change is applied."""
    net = small(threshold=0.0)
    clip = picture(1, 2, 3, 16, 16)
    given, expected = clip.clone(), clip
    for _ in range(3):
        expected = expected + torch.stack([net.image_cleaning(f) for f in expected.unbind(1)], 1)
    assert torch.equal(net.clean(clip), expected)
    assert torch.equal(clip, given)  # the caller's frames are his


def test_what_comes_changes_what_was() -> None:
    """Propagation runs both ways: another last frame changes the first one's result."""
    net, clip = small(), picture(1, 4, 3, 16, 16)
    other = clip.clone()
    other[:, -1] = 1 - other[:, -1]
    assert float((net(clip)[:, 0] - net(other)[:, 0]).abs().max()) > 1e-4


def test_going_on_is_exact_forwards() -> None:
    """A clip in two parts, each of which sees all that comes behind it, equals it in one."""
    net, clip = small(), picture(1, 5, 3, 16, 16)
    cleaned = net.clean(clip)
    parts = list(net.steps(cleaned, wanted=2))
    parts += net.steps(cleaned[:, 2:], before=parts[-1][1])
    assert torch.equal(torch.stack([sr for sr, _ in parts], dim=1), net(clip))


def test_a_step_is_a_clip_of_one() -> None:
    """``step`` from ``initial`` is what a clip of one frame gives."""
    net, clip = small(), picture(1, 1, 3, 16, 16)
    sr, _ = net.step((clip[:, 0],), net.initial(clip[:, 0]))
    torch.testing.assert_close(sr, net(clip)[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 18), (33, 20)])
def test_any_size(height: int, width: int) -> None:
    """Frames smaller than the flow's coarsest level come out all the same."""
    result = small()(picture(1, 2, 3, height, width))
    assert result.shape == (1, 2, 3, 4 * height, 4 * width)
    assert bool(result.isfinite().all())


def test_half_precision_keeps_flow_and_base_in_fp32() -> None:
    """In bf16 the flow is computed in fp32 and the result is not rounded to bf16's steps."""
    net = small().bfloat16()
    assert {p.dtype for p in net.basicvsr.spynet.parameters()} == {torch.float32}
    assert net.dtype == torch.bfloat16
    result = net(picture(1, 2, 3, 16, 16))
    assert result.dtype == torch.float32
    assert not torch.equal(result.bfloat16().float(), result)
    torch.testing.assert_close(result, small()(picture(1, 2, 3, 16, 16)), rtol=0, atol=0.05)


def test_contradictions_are_refused() -> None:
    """A first layer without a kernel is one clear error."""
    tensors = small().state_dict() | {"image_cleaning.0.main.0.weight": torch.zeros(8)}
    with pytest.raises(WeightsError, match="has the shape"):
        realbasicvsr_of(tensors, Path("some.pth"))


def test_multiplications_are_counted_without_weights() -> None:
    """On the meta device, where there are no values to clean by: once."""
    with torch.device("meta"):
        counts = [macs_per_pixel(RealBasicVSR(8, blocks, 1)) for blocks in (1, 2)]
    assert counts[1] - counts[0] == 2 * 2 * 9 * 8 * 8  # a block of two convolutions each way
