"""Which network a file is of: every kind is told, nothing else passes, nothing ends as a bug."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from animesr_cli.errors import WeightsError
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Network
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.model.recognise import recognise
from animesr_cli.model.rrdb import RRDBNet
from animesr_cli.model.srvgg import SRVGGNetCompact
from animesr_cli.model.tensor_file import unwrapped
from command import animesr

PATH = Path("some.pth")

KINDS: dict[str, Callable[[], Network]] = {
    "MSRB": lambda: MSRB(num_feat=4, num_block=(2, 1, 1)),
    "CompactMSRB": lambda: CompactMSRB(4, 4, 2, (1, 1)),
    "CompactMSRB x2": lambda: CompactMSRB(4, 4, 2, (1, 1), 2),
    "RRDBNet x4": lambda: RRDBNet(4, 4, 2, 2),
    "RRDBNet x2": lambda: RRDBNet(2, 4, 1, 2, 2),
    "RRDBNet x1": lambda: RRDBNet(1, 4, 1, 2, 4),
    "BSRGAN x2": lambda: RRDBNet(2, 4, 1, 2),
    "SRVGGNetCompact x4": lambda: SRVGGNetCompact(4, 4, 2),
    "SRVGGNetCompact x1": lambda: SRVGGNetCompact(1, 4, 0),
    "RealBasicVSR": lambda: RealBasicVSR(4, 2, 1),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def tensors_of(kind: str) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return KINDS[kind]().state_dict()


@every_kind
def test_every_kind_is_told_with_its_size(kind: str) -> None:
    """Architecture and arguments come out of the tensors, in half precision too."""
    halves = {name: tensor.half() for name, tensor in tensors_of(kind).items()}
    net, named = recognise(halves, PATH)
    made = KINDS[kind]()
    assert (type(net), net.config, net.scale) == (type(made), made.config, made.scale)
    assert set(named) == set(made.state_dict())
    assert {parameter.device.type for parameter in net.parameters()} == {"meta"}


@every_kind
def test_no_tensor_may_be_missing_or_too_many(kind: str) -> None:
    """Any tensor left out, and any one added, is one error that names the file."""
    tensors = tensors_of(kind)
    for name in random.Random(1).sample(sorted(tensors), min(len(tensors), 12)):
        rest = {other: tensor for other, tensor in tensors.items() if other != name}
        with pytest.raises(WeightsError, match=r"some\.pth"):
            recognise(rest, PATH)
    with pytest.raises(WeightsError, match="some"):
        recognise(tensors | {"extra.weight": torch.zeros(3)}, PATH)


@pytest.mark.parametrize("other", ["RRDBNet x4", "SRVGGNetCompact x4", "RealBasicVSR"])
@every_kind
def test_two_networks_in_one_file_are_refused(kind: str, other: str) -> None:
    """A mixture is of neither."""
    mixed = tensors_of(other) | tensors_of(kind)
    if mixed.keys() in (tensors_of(kind).keys(), tensors_of(other).keys()):
        return
    with pytest.raises(WeightsError):
        recognise(mixed, PATH)


LOOKS: dict[str, tuple[str, str]] = {
    "layers.0.residual_group.blocks.0.attn.relative_position_bias_table": ("SwinIR", "HAT"),
    "layers.0.blocks.0.attn.attns.0.rpe_biases": ("DAT", "known are"),
    "unet1.conv1.conv.0.weight": ("waifu2x", "Real-CUGAN"),
    "backward_resblocks.main.0.weight": ("BasicVSR", "cleaning"),
    "main.0.weight": ("learned operator", "--lbo"),
    "features.0.weight": ("VGG", "classifier"),
    "nothing.anybody.knows": ("known are", "RRDBNet"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_other_networks_are_named(name: str) -> None:
    """What the file looks like is said, and what is known."""
    with pytest.raises(WeightsError, match="no network that is known here") as caught:
        recognise({name: torch.zeros(4, 4, 3, 3)}, PATH)
    assert all(word in str(caught.value.hint) for word in LOOKS[name])


def hurt(tensors: dict[str, Tensor], rng: random.Random) -> dict[str, Tensor]:
    """One thing wrong: a shape, a name, a tensor of another network, a wild number in a name."""
    names = sorted(tensors)
    name = rng.choice(names)
    changed = dict(tensors)
    tensor = changed.pop(name)
    shapes = [(), (0,), (7,), (3, 3), (4, 0, 3, 3), (1, 1, 1, 1), (5, 4, 3, 3), (2, 2, 2, 2, 2)]
    match rng.randrange(6):
        case 0:
            changed[name] = torch.zeros(rng.choice(shapes))
        case 1:
            changed[name + rng.choice([".x", "", "0", "."])] = tensor.flatten()
        case 2:
            other = tensors_of(rng.choice(list(KINDS)))
            key = rng.choice(sorted(other))
            changed[name] = tensor
            changed[key] = other[key][..., :1]
        case 3:
            digits = [c for c in name if c.isdigit()]
            wild = rng.choice(["99999999999999999999", "-1", "007", "x"])
            changed[name.replace(digits[0], wild, 1) if digits else wild] = tensor
        case 4:
            changed[name] = tensor.transpose(0, -1) if tensor.dim() > 1 else tensor[:1]
        case _:
            for gone in rng.sample(names, len(names) // 2):
                changed.pop(gone, None)
    return changed


def outcome(tensors: dict[str, Tensor]) -> str | None:
    """None where a network was recognised; else the error."""
    try:
        recognise(unwrapped(tensors, PATH), PATH)
    except WeightsError as error:
        return error.message
    return None


@pytest.mark.parametrize("seed", range(8))
def test_damaged_names_and_shapes_are_never_a_bug(seed: int) -> None:
    """Six hundred files with something wrong: one line each, or what was changed did not matter."""
    rng = random.Random(seed)
    kinds = {kind: tensors_of(kind) for kind in KINDS}
    refused = 0
    for _ in range(75):
        kind = rng.choice(list(kinds))
        if (said := outcome(hurt(kinds[kind], rng))) is not None:
            assert len(said.splitlines()) == 1, said
            assert "some.pth" in said
            refused += 1
    assert refused >= 60


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_never_a_bug(seed: int, tmp_path: Path) -> None:
    """A file with wrong bytes anywhere is refused, or still holds a whole network."""
    rng = random.Random(seed)
    kind = rng.choice(list(KINDS))
    path = tmp_path / rng.choice(["some.pth", "some.safetensors"])
    if path.suffix == ".pth":
        wrapper = rng.choice(["params", "params_ema", "state_dict"])
        torch.save({wrapper: tensors_of(kind)}, path)
    else:
        save_file(tensors_of(kind), path)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 4, 40])):
        data[rng.randrange(min(len(data), 4000))] = rng.randrange(256)
    path.write_bytes(data[: rng.choice([len(data), len(data), rng.randrange(len(data))])])
    said = ""
    try:
        load_checkpoint(path)
    except WeightsError as error:
        said = error.message
    assert len(said.splitlines()) <= 1, said


def test_the_command_says_it_in_one_line(own_clip: Path, tmp_path: Path) -> None:
    """A 3x network, a mixed file and an unknown one end with code 6 each."""
    third = tensors_of("SRVGGNetCompact x4")
    third |= {"body.6.weight": torch.zeros(27, 4, 3, 3), "body.6.bias": torch.zeros(27)}
    mixed = tensors_of("RRDBNet x4") | tensors_of("SRVGGNetCompact x4")
    unknown = {"layers.0.blocks.0.attn.attns.0.w": torch.zeros(3)}
    for tensors, words in (
        (third, ("enlarges 3 times", "1x, 2x and 4x")),
        (mixed, ("is not of RRDBNet",)),
        (unknown, ("no network that is known here", "DAT")),
    ):
        save_file(tensors, tmp_path / "some.safetensors")
        output = tmp_path / "out.mkv"
        animesr("upscale", own_clip, output, "-n", tmp_path / "some.safetensors").refused(6, *words)
        assert not output.exists()
