"""The start of an x2 network: its first frame is the x4 one, two by two."""

from __future__ import annotations

import torch
from torch.nn import functional

from animesr_cli.model.compact_msrb import CompactMSRB
from start_2x import coarser


def networks(seed: int) -> tuple[CompactMSRB, CompactMSRB]:
    """One of random weights, and its x2 start."""
    torch.manual_seed(seed)
    fine = CompactMSRB(num_feat=8, num_state=4, num_conv=3)
    coarse = CompactMSRB(num_feat=8, num_state=4, num_conv=3, scale=2)
    coarse.load_state_dict(coarser(fine.state_dict()))
    return fine, coarse


@torch.inference_mode()
def test_the_first_frame_is_the_mean_of_2x2_pixels() -> None:
    """Whatever the weights are; the state is the same."""
    fine, coarse = networks(seed=0)
    frame = torch.rand(1, 3, 16, 20)
    window = (frame, frame, frame)
    sr, (_, state) = fine.step(window, fine.initial(frame))
    small, (_, small_state) = coarse.step(window, coarse.initial(frame))
    torch.testing.assert_close(small, functional.avg_pool2d(sr, 2))
    torch.testing.assert_close(small_state, state)


@torch.inference_mode()
def test_a_former_frame_without_fine_detail_counts_the_same() -> None:
    """Where all four pixels of a former frame are equal, nothing is lost."""
    fine, coarse = networks(seed=1)
    frame, former, state = (
        torch.rand(1, 3, 16, 20),
        torch.rand(1, 3, 32, 40),
        torch.rand(1, 4, 16, 20),
    )
    window = (frame, frame, frame)
    large = functional.interpolate(former, scale_factor=2, mode="nearest")
    sr, _ = fine.step(window, (large, state))
    small, _ = coarse.step(window, (former, state))
    torch.testing.assert_close(small, functional.avg_pool2d(sr, 2))
