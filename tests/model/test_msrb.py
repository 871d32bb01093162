"""The network against the authors' own outputs, and its own equalities."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from animesr_cli.model.msrb import MSRB


@pytest.fixture(scope="module")
def net() -> MSRB:
    """A small network with random weights, scaled so that its output stays near [0, 1]."""
    torch.manual_seed(1)
    return MSRB(num_feat=8, num_block=(5, 3, 2)).eval().requires_grad_(False)


def test_golden_clip(golden: Path) -> None:
    """With the golden weights, five frames equal the output of the authors' code to 1e-5."""
    network = MSRB()
    network.load_state_dict(load_file(golden / "msrswvsr_weights.safetensors"), strict=True)
    clip = load_file(golden / "msrswvsr_clip.safetensors")
    with torch.inference_mode():
        result = network(clip["lq"])
    torch.testing.assert_close(result, clip["sr"], rtol=0, atol=1e-5)


def test_released_size() -> None:
    """The default network has the paper's 50 tensors and 1,495,376 parameters."""
    tensors = MSRB().state_dict()
    assert len(tensors) == 50
    assert sum(tensor.numel() for tensor in tensors.values()) == 1_495_376


def test_forward_is_a_loop_of_steps(net: MSRB) -> None:
    """`forward` equals `step` by hand; the first and last frame are their own neighbours."""
    clip = torch.rand(1, 3, 3, 20, 24)
    a, b, c = clip.unbind(1)
    carried = net.initial(a)
    results = []
    for window in ((a, a, b), (a, b, c), (b, c, c)):
        sr, carried = net.step(window, carried)
        results.append(sr)
    assert torch.equal(net(clip), torch.stack(results, dim=1))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 18), (16, 16), (19, 35)])
def test_any_size_is_the_replicated_multiple_of_four_cropped(
    net: MSRB, height: int, width: int
) -> None:
    """Odd sizes give what the frame padded by its own edge gives, without the padding."""
    clip = torch.rand(2, 2, 3, height, width)
    rows = torch.arange(height + -height % 4).clamp(max=height - 1)
    columns = torch.arange(width + -width % 4).clamp(max=width - 1)
    padded = clip[..., rows, :][..., columns]
    expected = net(padded)[..., : 4 * height, : 4 * width]
    assert net(clip).shape == (2, 2, 3, 4 * height, 4 * width)
    assert torch.equal(net(clip), expected)


def test_a_clip_of_one_frame_works(net: MSRB) -> None:
    """One frame is its own neighbour on both sides."""
    frame = torch.rand(1, 3, 8, 8)
    sr, _ = net.step((frame, frame, frame), net.initial(frame))
    assert torch.equal(net(frame[:, None])[:, 0], sr)


def test_clips_of_a_batch_do_not_mix(net: MSRB) -> None:
    """Each clip of a batch comes out as it does alone."""
    clips = torch.rand(2, 3, 3, 12, 16)
    alone = torch.cat([net(clips[:1]), net(clips[1:])])
    torch.testing.assert_close(net(clips), alone, rtol=0, atol=1e-6)


def test_half_precision_keeps_the_base_in_fp32() -> None:
    """With zero weights in bf16 the result is the bilinear enlargement, to fp32 accuracy."""
    zero = MSRB(num_feat=4, num_block=(1, 1, 1)).bfloat16().requires_grad_(False)
    for parameter in zero.parameters():
        parameter.zero_()
    ramp = torch.linspace(0, 1, 64 * 16).reshape(1, 1, 1, 16, 64).expand(1, 1, 3, 16, 64)
    expected = torch.nn.functional.interpolate(ramp[:, 0], scale_factor=4, mode="bilinear")
    result = zero(ramp)[:, 0]
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_an_empty_clip_is_refused(net: MSRB) -> None:
    """No frame, no result: an IndexError, not an empty tensor."""
    with pytest.raises(IndexError):
        net(torch.rand(1, 0, 3, 8, 8))


def test_halo_of_the_released_size() -> None:
    """The released schedule needs 24 pixels, as was measured; 20 is wrong."""
    assert MSRB(8, (5, 3, 2)).halo == 24


@pytest.mark.parametrize("num_block", [(5, 3, 2), (3, 2, 1), (4, 4, 4), (2, 1, 1), (6, 3, 1)])
def test_halo_is_enough_and_not_more_than_a_step_too_much(num_block: tuple[int, int, int]) -> None:
    """What lies beyond the halo changes nothing in the tile; what lies 8 pixels nearer does."""
    torch.manual_seed(0)
    net = MSRB(num_feat=4, num_block=num_block).double().requires_grad_(False)
    margin = net.halo
    size = 2 * margin + 16
    frame = torch.rand(1, 3, 8, size, dtype=torch.float64)
    sr = torch.zeros(1, 3, 32, 4 * size, dtype=torch.float64)
    state = torch.zeros(1, 4, 8, size, dtype=torch.float64)

    def tile(kept_from: int) -> torch.Tensor:
        cut = slice(kept_from, None)
        picture = frame[..., cut]
        carried = sr[..., 4 * kept_from :], state[..., cut]
        out, _ = net.step((picture, picture, picture), carried)
        return out[..., 4 * (margin + 8 - kept_from) : 4 * (margin + 16 - kept_from)]

    whole = tile(0)
    torch.testing.assert_close(tile(8), whole, rtol=0, atol=1e-6)  # base is fp32
    assert not torch.allclose(tile(16), whole, rtol=0, atol=1e-12)
