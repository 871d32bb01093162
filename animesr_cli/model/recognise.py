"""Which network a file's tensors are of: told by their names, sized by their shapes, held strictly.

A new architecture has one function ``..._of(tensors, path)`` beside its class, which returns None
where the tensors are another's, and its line in ``READERS``. Where a file spells the tensors in
another way than the class does, that function returns them renamed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from animesr_cli.errors import WeightsError
from animesr_cli.model.compact_msrb import compact_msrb_of
from animesr_cli.model.msrb import msrb_of
from animesr_cli.model.network import Network, Tensors
from animesr_cli.model.realbasicvsr import realbasicvsr_of
from animesr_cli.model.rrdb import rrdb_of
from animesr_cli.model.srvgg import srvgg_of

Reader = Callable[[Tensors, Path], tuple[Network, Tensors] | None]

READERS: tuple[Reader, ...] = (
    msrb_of,
    compact_msrb_of,
    realbasicvsr_of,
    rrdb_of,
    srvgg_of,
)
"""In the order in which they are asked."""


def recognise(tensors: Tensors, path: Path) -> tuple[Network, Tensors]:
    """The network that a checkpoint is of, without memory for its weights, and its tensors.

    Returns:
        The network on the meta device, and the tensors by the names that it has for them: all of
        them, none else, each of the right shape.

    Raises:
        WeightsError: they are of no network that is known, or of one only in part.
    """
    with torch.device("meta"):
        for reader in READERS:
            if found := reader(tensors, path):
                network, named = found
                check_tensors(named, network.state_dict(), path, network.architecture)
                return network, named
    raise WeightsError(
        f"{path} is of no network that is known here: it has a tensor {min(tensors)}",
        _likeness(tensors),
    )


LIKENESSES: tuple[tuple[str, str], ...] = (
    (r"main\.\d+\.", "a learned operator (LBO), which --lbo takes"),
    (r"(?:basicvsr\.)?(?:spynet|backward_resblocks)\.", "BasicVSR without RealBasicVSR's cleaning"),
    (r"layers\.\d+\.residual_group\.blocks\.\d+\.attn\.relative_position", "SwinIR or HAT"),
    (r"layers\.\d+\.(?:residual_group\.)?(?:blocks\.\d+\.)?conv_block\.cab", "HAT"),
    (r"layers\.\d+\.blocks\.\d+\.attn\.attns\.", "DAT"),
    (r"layers\.\d+\.blocks\.\d+\.attn\.", "a transformer such as DAT or RGT"),
    (r"encoder_level\d|refinement\.\d+\.attn", "Restormer"),
    (r"conv_first\.|body\.\d+\.conv\d", "EDSR, MSRResNet or another ESRGAN-like network"),
    (r"feats\.\d+\.|to_img\.", "one of the OmniSR, SPAN or PLKSR family"),
    (r"block_1\.c1_r\.|block_n\.", "SPAN"),
    (r"unet[12]\.conv|unet\d?\.", "waifu2x's CUNet or Real-CUGAN"),
    (r"conv_bottom\.|model\.conv0|swin_unet", "waifu2x"),
    (r"conv_final\.|cugan", "Real-CUGAN"),
    (r"features\.\d+\.|classifier\.", "a classifier such as VGG"),
    (r"discriminator|conv\d\.weight_orig|conv0\.weight", "a discriminator"),
    (r"first_stage_model\.|diffusion_model\.", "a diffusion model"),
)
"""A pattern in tensors' names -> what files with them usually are of."""


def _likeness(tensors: Mapping[str, Tensor]) -> str:
    """What unknown tensors look like, where that helps; else what is known."""
    known = "MSRB, CompactMSRB, RealBasicVSR, RRDBNet, SRVGGNetCompact"
    for pattern, name in LIKENESSES:
        if any(re.match(pattern, tensor) for tensor in tensors):
            return f"it looks like {name}; known are {known}"
    return f"known are {known}"


def check_tensors(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, network: str
) -> None:
    """Name the first tensor that is missing, of another shape, or not the network's."""
    for key, wanted in expected.items():
        if key not in tensors:
            raise WeightsError(f"{path} is not of {network}: it has no tensor {key}")
        shape, fits = tuple(tensors[key].shape), tuple(wanted.shape)
        if shape != fits:
            raise WeightsError(f"{path} is not of {network}: {key} is {shape}, not {fits}")
    if unknown := sorted(set(tensors) - set(expected)):
        raise WeightsError(f"{path} is not of {network}: it has a tensor {unknown[0]}")
