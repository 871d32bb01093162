"""SPyNet and warping against the authors' own outputs, and what they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from animesr_cli.model.network import Tensors
from animesr_cli.model.spynet import SPyNet, warp
from pinned import filled, picture, sample


@pytest.fixture(scope="module")
def case(golden: Path) -> Tensors:
    return load_file(golden / "realbasicvsr.safetensors")


@pytest.mark.parametrize("which", ["", "_odd"])
def test_golden_flow(case: Tensors, which: str) -> None:
    """The flow equals the authors' to 1e-4 of a pixel, at sizes that do not divide by 32 too."""
    net = SPyNet()
    prefix = "weights.basicvsr.spynet."
    weights = {n.removeprefix(prefix): t.float() for n, t in case.items() if n.startswith(prefix)}
    net.load_state_dict(weights, strict=True)
    with torch.inference_mode():
        flow = net(case[f"spynet{which}_ref"], case[f"spynet{which}_supp"])
    torch.testing.assert_close(flow, case[f"spynet{which}_flow"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("outside", ["zeros", "border"])
def test_golden_warp(case: Tensors, outside: str) -> None:
    """Warping equals the authors', with zeros and with the border beyond the edges."""
    flow = case["warp_flow"].permute(0, 3, 1, 2)
    result = warp(case["warp_x"], flow, outside)  # type: ignore[arg-type]
    torch.testing.assert_close(result, case[f"warp_{outside}"], rtol=0, atol=1e-5)


def test_a_flow_points_at_what_is_taken() -> None:
    """Two pixels to the right and one down: pixel (x, y) shows what was at (x + 2, y + 1)."""
    frame = picture(1, 3, 6, 9)
    flow = torch.tensor((2.0, 1.0)).view(1, 2, 1, 1).expand(1, 2, 6, 9)
    moved = warp(frame, flow)
    torch.testing.assert_close(moved[..., :5, :7], frame[..., 1:, 2:], rtol=0, atol=1e-5)
    assert float(moved[..., 5, :].abs().max()) < 1e-4  # from beyond the edge: nothing
    kept = warp(frame, flow, "border")
    torch.testing.assert_close(kept[..., 5, :7], frame[..., 5, 2:], rtol=0, atol=1e-5)


def test_warping_by_no_flow_keeps_the_frame() -> None:
    """Every pixel stays, in half precision too, and on a frame of one pixel."""
    for frame in (picture(2, 3, 7, 5), picture(1, 3, 4, 4).bfloat16(), picture(1, 3, 1, 1)):
        still = warp(frame, torch.zeros(len(frame), 2, *frame.shape[-2:]))
        assert still.dtype == frame.dtype
        torch.testing.assert_close(still, frame, rtol=0, atol=1e-5)


def test_results_stay() -> None:
    """Weights by a formula give the flow that they gave when it matched the authors'."""
    net = filled(SPyNet(), gain=1.2)
    flow = net(picture(1, 3, 40, 70), picture(1, 3, 40, 70).flip(-1))
    assert sample(flow) == pytest.approx(PINNED, abs=1e-4)
    assert float(flow.std()) > 0.1


PINNED = [5.33979, 5.15154, 4.91152, 1.44644, 2.41593, 2.56387, 2.22864]
