"""RRDBNet against the authors' own outputs, in every make and spelling, and its own equalities."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file

from animesr_cli.errors import WeightsError
from animesr_cli.model.network import Tensors
from animesr_cli.model.rrdb import RRDBNet, rrdb_of
from pinned import filled, picture, sample

X4 = {"scale": 4}
SHUFFLED = {"scale": 2, "unshuffled": 2}
MAKES: dict[str, dict[str, int]] = {
    "x4": X4,
    "x2": SHUFFLED,
    "x1": {"scale": 1, "unshuffled": 4},
    "bsrgan x2": {"scale": 2},
    "oldest x1": {"scale": 1},
}


def small(make: str) -> RRDBNet:
    """A network of 8 features and two blocks, always with the same weights."""
    return cast(RRDBNet, filled(RRDBNet(**MAKES[make], num_feat=8, num_block=2, num_grow_ch=4)))


def golden_weights(file: Path) -> Tensors:
    tensors = load_file(file)
    return {
        name.removeprefix("weights."): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith("weights.")
    }


def network(tensors: Tensors) -> RRDBNet:
    found = rrdb_of(tensors, Path("some.pth"))
    assert found is not None
    net, named = found
    net.load_state_dict(named, strict=True)
    return net.eval().requires_grad_(False)


def spelled(tensors: Tensors, spelling: str) -> Tensors:
    """Tensors by the names that other programs give them, written down here once more."""
    if spelling == "newest":
        return dict(tensors)
    steps = len({name for name in tensors if re.fullmatch(r"conv_up\d\.weight", name)})
    blocks = len({name for name in tensors if re.fullmatch(r"body\.\d+\.rdb1\.conv1\.bias", name)})
    since_2019 = {"body": "RRDB_trunk", "conv_body": "trunk_conv", "conv_hr": "HRconv"}
    layers = {
        "conv_first": "model.0",
        "conv_body": f"model.1.sub.{blocks}",
        "conv_up1": "model.3",
        "conv_up2": "model.6",
        "conv_hr": f"model.{3 * steps + 2}",
        "conv_last": f"model.{3 * steps + 4}",
    }
    renamed = {}
    for name, tensor in tensors.items():
        head, _, rest = name.partition(".")
        if head == "body":
            rest = rest.replace("rdb", "RDB")
            if spelling == "bsrgan":
                head = "RRDB_trunk"
            else:
                last = r"(conv\d)" if spelling == "oldest" else r"(conv[1-4])"
                head, rest = "model.1.sub", re.sub(last, r"\1.0", rest)
        elif spelling == "bsrgan":
            head = since_2019.get(head, head.replace("conv_up", "upconv"))
        else:
            head = layers[head]
        renamed[f"{head}.{rest}"] = tensor
    return renamed


@pytest.mark.parametrize("spelling", ["newest", "bsrgan", "oldest", "kair_old"])
def test_golden_x4(golden: Path, spelling: str) -> None:
    """x4 equals the authors' output to 1e-5 whatever the file calls its tensors."""
    tensors = golden_weights(golden / "rrdb_x4.safetensors")
    if spelling != "newest":
        names = json.loads((golden / "rrdb_spellings.json").read_text())[spelling]
        tensors = {names[name]: tensor for name, tensor in tensors.items()}
    case = load_file(golden / "rrdb_x4.safetensors")
    result = network(tensors)(case["input"][:, None])[:, 0]
    torch.testing.assert_close(result, case["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 1])
def test_golden_x2_and_x1_by_unshuffle(golden: Path, scale: int) -> None:
    """Real-ESRGAN's x2 and x1 equal the authors' output, at sizes that do not divide too."""
    case = load_file(golden / f"rrdb_x{scale}.safetensors")
    weights = golden_weights(golden / "rrdb_x4.safetensors")
    net = network(weights | golden_weights(golden / f"rrdb_x{scale}.safetensors"))
    assert (net.scale, net.unshuffled) == (scale, 4 // scale)
    for which in ("", "_odd"):
        result = net(case["input" + which][:, None])[:, 0]
        torch.testing.assert_close(result, case["output" + which], rtol=0, atol=1e-5)


@pytest.mark.parametrize("spelling", ["bsrgan", "oldest_upscale2"])
def test_golden_bsrgan_x2(golden: Path, spelling: str) -> None:
    """x2 without the second enlargement equals the authors' output."""
    names = json.loads((golden / "rrdb_spellings.json").read_text())[spelling]
    tensors = golden_weights(golden / "rrdb_x4.safetensors")
    case = load_file(golden / "rrdb_bsrgan_x2.safetensors")
    kept = {names[n]: tensor for n, tensor in tensors.items() if not n.startswith("conv_up2")}
    net = network(kept)
    assert (net.scale, net.unshuffled) == (2, 1)
    result = net(case["input"][:, None])[:, 0]
    torch.testing.assert_close(result, case["output"], rtol=0, atol=1e-5)


def test_released_sizes(golden: Path) -> None:
    """Tensors and parameters at the true sizes are those of the released files."""
    released = json.loads((golden / "released_keys.json").read_text())
    for name, make in {
        "RRDBNet x4 23 (newest)": {},
        "RRDBNet x4 6 (newest)": {"num_block": 6},
        "RRDBNet x2 23 (newest)": SHUFFLED,
        "BSRGAN x2": {"scale": 2},
    }.items():
        with torch.device("meta"):
            tensors = RRDBNet(**make).state_dict()
        counts = released[name]
        assert len(tensors) == counts["tensors"]
        assert sum(tensor.numel() for tensor in tensors.values()) == counts["parameters"]


PINNED = {
    "x4": [0.05778, 0.2185, 0.16549, 0.09455, 0.05621, -0.05384, -0.04213],
    "x2": [0.01334, 0.02274, 0.20626, -0.03687, 0.00436, -0.12514, -0.11757],
    "x1": [0.36192, 0.07293, 0.46194, -0.01766, -0.02381, -0.06809, 0.1922],
    "bsrgan x2": [0.41795, 0.42419, 0.04461, -0.26319, 0.0649, -0.25403, -0.16872],
    "oldest x1": [0.42974, -0.02254, 0.0427, -0.26397, -0.04177, 0.08209, -0.10494],
}


@pytest.mark.parametrize("make", MAKES)
def test_results_stay(make: str) -> None:
    """A small network of each make gives the numbers that it gave when it matched the authors'."""
    result = small(make)(picture(1, 1, 3, 12, 20))
    assert sample(result) == pytest.approx(PINNED[make], abs=2e-5)
    assert float(result.std()) > 0.05


@pytest.mark.parametrize("spelling", ["newest", "bsrgan", "oldest", "kair_old"])
@pytest.mark.parametrize("make", MAKES)
def test_every_spelling_is_one_network(make: str, spelling: str) -> None:
    """A file's names do not matter: make, size and result come out the same."""
    net = small(make)
    read = network(spelled(net.state_dict(), spelling))
    assert read.config == net.config
    clip = picture(1, 1, 3, 8, 12)
    assert torch.equal(read(clip), net(clip))


@pytest.mark.parametrize(("make", "multiple"), [("x2", 2), ("x1", 4)])
def test_odd_sizes_are_reflected(make: str, multiple: int) -> None:
    """Sizes that do not divide give what the frame reflected at its last row and column gives."""
    net, clip = small(make), picture(1, 1, 3, 21, 25)
    rows = [*range(21), *(19 - i for i in range(-21 % multiple))]
    columns = [*range(25), *(23 - i for i in range(-25 % multiple))]
    padded = clip[..., rows, :][..., columns]
    expected = net(padded)[..., : 21 * net.scale, : 25 * net.scale]
    assert torch.equal(net(clip), expected)


@pytest.mark.parametrize("make", ["x2", "x1"])
def test_one_pixel_is_enough(make: str) -> None:
    """A frame that is too small to be reflected is replicated."""
    net = small(make)
    assert net(picture(1, 1, 3, 1, 1)).shape == (1, 1, 3, net.scale, net.scale)


def test_unshuffle_takes_blocks_of_pixels() -> None:
    """x2 sees what x4 sees whose first convolution lies on blocks of two pixels."""
    net = small("x2")
    clip = picture(1, 1, 3, 8, 8)
    whole = small("x4")
    whole.load_state_dict(net.state_dict() | {"conv_first.weight": whole.conv_first.weight})
    blocks = clip[0].unfold(2, 2, 2).unfold(3, 2, 2)  # (1, 3, 4, 4, 2, 2)
    blocks = blocks.permute(0, 1, 4, 5, 2, 3).reshape(1, 12, 4, 4)
    whole.conv_first = net.conv_first
    assert torch.equal(net(clip)[0], whole.enlarge(blocks))


@pytest.mark.parametrize("make", MAKES)
def test_reach_is_what_a_result_depends_on(make: str) -> None:
    """What lies beyond ``reach`` changes nothing; what lies a few pixels nearer does."""
    net = RRDBNet(**MAKES[make], num_feat=4, num_block=1, num_grow_ch=2).double()
    for parameter in net.parameters():  # all on one side of the slopes, and far ones count
        torch.nn.init.constant_(parameter, 0.2)
    far, step = net.reach, net.multiple
    clip = torch.rand(1, 1, 3, step, 2 * far + 4 * step, dtype=torch.float64)
    with torch.no_grad():
        whole = net(clip)[..., -net.scale * step :]
        for nearer, same in ((0, True), (4 * step, False)):
            changed = clip.clone()
            changed[..., : clip.shape[-1] - far - step + nearer] = 0.5
            alike = torch.equal(net(changed)[..., -net.scale * step :], whole)
            assert alike == same, nearer


CODES = 64
"""Standard deviation of a result, as that of a picture with contrast."""


def differences_at_an_edge(net: RRDBNet, overlaps: Iterable[int]) -> dict[int, float]:
    """Codes of 8 bits by which a tile is off where it ends, for so many pixels around it."""
    frame, inside = torch.rand(1, 3, 8, 120, dtype=torch.float64), 40
    whole = net.enlarge(frame)[..., : inside * net.scale]
    tiles = {each: net.enlarge(frame[..., : inside + each]) for each in overlaps}
    off = {each: (tile[..., : inside * net.scale] - whole).abs() for each, tile in tiles.items()}
    return {each: float(difference.max() / whole.std() * CODES) for each, difference in off.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gain", "most"), [(1.0, {8: 0.2, 16: 0.0001, 32: 1e-9}), (2.0, {16: 5, 32: 0.01})]
)
def test_an_overlap_of_32_is_as_good_as_the_whole_frame(
    gain: float, most: dict[int, float]
) -> None:
    """Six blocks, in fp64, random normal weights: the bounds that the room's page states."""
    torch.manual_seed(1)
    net = RRDBNet(num_block=6).double().eval().requires_grad_(False)
    for parameter in net.parameters():
        if parameter.dim() == 4:  # keeps the size of features, times the gain
            torch.nn.init.kaiming_normal_(parameter, a=0.2).mul_(gain)
        else:
            parameter.normal_(std=0.1)
    found = differences_at_an_edge(net, most)
    assert all(found[overlap] <= bound for overlap, bound in most.items()), found


def test_half_precision_has_a_fine_result() -> None:
    """In bf16 the result is fp32 and has more than bf16's 256 steps between 0.5 and 1."""
    net = small("x4").bfloat16()
    result = net(picture(1, 1, 3, 32, 32))
    assert result.dtype == torch.float32
    assert not torch.equal(result.bfloat16().float(), result)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t | {"conv_first.weight": torch.zeros(8, 1, 3, 3)}, "pictures of 1 channels"),
        (lambda t: t | {"conv_up3.weight": t["conv_up2.weight"]}, "enlarges 8 times"),
        (lambda t: t | {"conv_first.weight": torch.zeros(8, 12, 3)}, "has the shape"),
        (lambda t: {n: v for n, v in t.items() if n != "conv_first.weight"}, "has the shape"),
    ],
)
def test_contradictions_are_refused(change: object, said: str) -> None:
    """Tensors that make no network of a kind that can run are one clear error."""
    tensors = small("x4").state_dict()
    with pytest.raises(WeightsError, match=said):
        rrdb_of(change(tensors), Path("some.pth"))  # type: ignore[operator]


def test_a_3x_network_of_the_oldest_spelling_goes_by_its_name() -> None:
    """Its tensors are those of a 2x one, so only the name of the file tells."""
    tensors = spelled(small("bsrgan x2").state_dict(), "oldest")
    assert network(tensors).scale == 2
    with pytest.raises(WeightsError, match="enlarges 3 times"):
        rrdb_of(tensors, Path("3x_some.pth"))


def test_other_tensors_are_none_of_its_business() -> None:
    """Tensors without a single dense block are left to the other readers."""
    assert rrdb_of({"conv_first.weight": torch.zeros(8, 3, 3, 3)}, Path("some.pth")) is None
