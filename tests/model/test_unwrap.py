"""What programs put around a network's tensors comes off, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from animesr_cli.errors import WeightsError
from animesr_cli.model.tensor_file import unwrapped

PATH = Path("some.pth")
A, B, C = (torch.full((1,), value) for value in (1.0, 2.0, 3.0))
TENSORS = {"body.0.weight": A, "body.0.bias": B}
OTHERS = {"body.0.weight": C, "body.0.bias": C}


def after(prefix: str, tensors: dict[str, torch.Tensor] = TENSORS) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


FILES: dict[str, object] = {
    "bare": TENSORS,
    "basicsr": {"params": OTHERS, "params_ema": TENSORS},
    "basicsr without average": {"params": TENSORS},
    "dashed": {"params-ema": TENSORS},
    "lightning": {"epoch": 3, "state_dict": after("model."), "optimizer_states": [{"lr": 1.0}]},
    "lightning gan": {"state_dict": {**after("net_g."), **after("net_d.", OTHERS)}},
    "lightning gan with average": {
        "state_dict": {**after("net_g_ema."), **after("net_g.", OTHERS), "step": torch.tensor(3)}
    },
    "mmediting": {
        "meta": {"epoch": 1},
        "state_dict": {
            "step_counter": torch.tensor([5]),
            **after("generator.", OTHERS),
            **after("generator_ema."),
            **after("discriminator.", OTHERS),
            "perceptual_loss.vgg.mean": C,
        },
    },
    "mmediting without average": {"state_dict": {**after("generator."), "step_counter": C}},
    "data parallel": after("module."),
    "compiled in parallel": {"params": after("module._orig_mod.")},
    "a whole training": {"model": TENSORS, "optimizer": {"lr": 1.0}, "iteration": 5},
}


@pytest.mark.parametrize("kind", FILES)
def test_wrappers_and_prefixes_come_off(kind: str) -> None:
    """The averaged weights where there are any, by the network's own names."""
    assert unwrapped(FILES[kind], PATH) == TENSORS


def test_the_oldest_spelling_is_no_prefix() -> None:
    """``model.0`` is a layer of ESRGAN, ``model.`` before a word is a wrapper's."""
    layers = {"model.0.weight": A, "model.1.sub.0.RDB1.conv1.0.weight": B}
    assert unwrapped(layers, PATH) == layers
    assert unwrapped({"state_dict": after("model.", layers)}, PATH) == layers


def test_a_prefix_of_some_names_stays() -> None:
    """What only some names begin with belongs to the network."""
    tensors = {"net.a": A, "other.b": B}
    assert unwrapped(tensors, PATH) == tensors


@pytest.mark.parametrize(
    "content",
    [None, 3, [], {}, {"params": {}}, {"a": 1.0}, {1: A}, {"params": {"params": TENSORS}}],
)
def test_other_contents_are_refused(content: object) -> None:
    """What holds no tensors by name is one error that names the file."""
    with pytest.raises(WeightsError, match=r"some\.pth"):
        unwrapped(content, PATH)
