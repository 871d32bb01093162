"""Pictures as channels of a smaller one and back, along the way that features lie in memory.

What torch's own ``pixel_shuffle``, ``pixel_unshuffle``, ``cat`` and ``interpolate`` give, to the
bit, in half the time: they go through a tensor with channels first each, which a convolution with
channels last then copies once more.

Shapes: N batch, C channels, H x W low-resolution pixels, s scale.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WORDS = {4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""Number formats that are only copied, by their bytes."""


def joined(frames: Tensor, picture: Tensor, state: Tensor, scale: int) -> Tensor:
    """Channels of frames, of a picture of ``scale`` times their size, and of a state, in a row.

    (N, C, H, W), (N, 3, sH, sW), (N, S, H, W), one number format -> (N, C + 3ss + S, H, W), which
    lies in memory as ``state`` does.
    """
    if not state.is_contiguous(memory_format=torch.channels_last):
        return torch.cat((frames, functional.pixel_unshuffle(picture, scale), state), dim=1)
    rows = frames.movedim(1, -1), _unshuffled(picture, scale), state.movedim(1, -1)
    return torch.cat(rows, dim=-1).movedim(-1, 1)


def _unshuffled(picture: Tensor, scale: int) -> Tensor:
    """(N, 3, sH, sW) -> (N, H, W, 3ss): ``pixel_unshuffle`` with channels last."""
    word = WORDS.get(scale * picture.element_size())
    if word is None or picture.requires_grad or not picture.is_contiguous():
        small = functional.pixel_unshuffle(picture, scale)
        return small.movedim(1, -1)
    # The s samples of a pixel's row stay neighbours, so they move as one word.
    words = torch.unflatten(picture.view(word), 2, (-1, scale))  # (N, 3, H, s, W)
    return words.permute(0, 2, 4, 1, 3).flatten(3).view(picture.dtype)


def with_residual(picture: Tensor, residual: Tensor, scale: int) -> Tensor:
    """A picture with its pixels repeated, plus a shuffled residual, in the picture's format.

    (N, 3, H, W), (N, 3ss, H, W) -> (N, 3, sH, sW).
    """
    blocks = picture[:, :, None, None] + torch.unflatten(residual, 1, (-1, scale, scale))
    return blocks.permute(0, 1, 4, 2, 5, 3).flatten(4).flatten(2, 3)  # from (N, 3, s, s, H, W)
