"""Packing for shipping: what is lost, what is told, and that training can go on from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import pack
from animesr_cli.degradation.lbo import LearnableOperator, load_operator
from animesr_cli.errors import UsageError
from animesr_cli.model.checkpoint import load_checkpoint, load_network
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.msrb import MSRB
from animesr_cli.settings import FinetuneSettings
from animesr_cli.training import discriminator
from animesr_cli.training.state import read_state, write_state
from animesr_cli.training.trainer import Trainer
from animesr_cli.training.windows import Batch

SETTINGS = FinetuneSettings(patch=8, frames=2, batch=2, lr=1e-3, judged=0)
COMMAND = "animesr finetune --data /home/me/clips -n base -o runs/net --validation=../films"


def trainer_of(settings: FinetuneSettings) -> Trainer:
    torch.manual_seed(3)
    network = MSRB(num_feat=4, num_block=(1, 1, 1))
    return Trainer(network, settings, device=torch.device("cpu"), dtype=torch.float32)


def trainer_after(iterations: int) -> Trainer:
    trainer = trainer_of(SETTINGS)
    for iteration in range(iterations):
        trainer.step(batch_of(iteration))
    return trainer


def batch_of(iteration: int, side: int = 8) -> Batch:
    rng = torch.Generator().manual_seed(iteration)
    lr = torch.rand((2, 2, 3, side, side), generator=rng)
    hr = torch.rand((2, 2, 3, 4 * side, 4 * side), generator=rng)
    return Batch(iteration=iteration, windows=(), lr=lr, hr=hr)


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


@pytest.fixture
def model(random_checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint with a history, as training writes it."""
    path = tmp_path / "net" / "model.safetensors"
    path.parent.mkdir()
    card = {"command": COMMAND, "iteration": 7, "identity": {"data": {"a.mp4": "0"}}}
    save_file(
        dict(load_checkpoint(random_checkpoint).state_dict), path, {"animesr": json.dumps(card)}
    )
    return path


def test_a_packed_network_is_the_same_in_half_precision(model: Path, tmp_path: Path) -> None:
    """Every weight is the nearest half-precision number, and the file loads."""
    output = tmp_path / "base.safetensors"
    pack.pack_model(model, output, {})
    before, after = load_checkpoint(model), load_checkpoint(output)
    assert after.network.config == before.network.config
    for name, tensor in before.state_dict.items():
        assert torch.equal(after.state_dict[name], tensor.half().float()), name


def test_its_pictures_are_the_same_by_far(model: Path, tmp_path: Path) -> None:
    """What half precision changes in the result is far below one code."""
    output = tmp_path / "base.safetensors"
    pack.pack_model(model, output, {})
    clip = torch.rand((1, 3, 3, 16, 16), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        difference = load_network(output)(clip) - load_network(model)(clip)
    assert 0 < float(difference.abs().max()) < 0.5 / 255


def test_what_a_packed_network_tells(model: Path, tmp_path: Path) -> None:
    """Name, licence, credits, size, history and figures are in it; folders are not."""
    output = tmp_path / "base.safetensors"
    pack.pack_model(model, output, {"psnr_y": 31.5}, "A Film, CC BY 4.0")
    told = metadata_of(output)
    assert (told["name"], told["licence"]) == ("base", "Apache-2.0")
    assert told["credits"] == "A Film, CC BY 4.0"
    assert json.loads(told["figures"]) == {"psnr_y": 31.5}
    assert json.loads(told["network"])["num_feat"] == 4
    history = json.loads(told["training"])["animesr"]
    assert history["command"] == "animesr finetune --data clips -n base -o net --validation=films"
    assert history["identity"] == {"data": {"a.mp4": "0"}}


def test_the_row_of_the_catalogue(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is the row that the program would check this file by."""
    output = tmp_path / "base.safetensors"
    pack.main([str(model), str(output)])
    row = capsys.readouterr().out
    assert f'sha256="{hashlib.sha256(output.read_bytes()).hexdigest()}"' in row
    assert 'name="base"' in row
    assert f"size_bytes={output.stat().st_size:_}," in row


def test_an_operator_is_packed_too(tmp_path: Path) -> None:
    """A learned operator loads again after it."""
    save_file(LearnableOperator(8).state_dict(), tmp_path / "run.safetensors")
    pack.pack_model(tmp_path / "run.safetensors", tmp_path / "lbo-film.safetensors", {})
    operator = load_operator(tmp_path / "lbo-film.safetensors")
    assert operator.network.main[0].out_channels == 8
    assert metadata_of(Path(operator.source))["name"] == "lbo-film"


def test_a_blend_lies_between(tmp_path: Path) -> None:
    """Every weight is on the way from the first to the second; both histories are kept."""
    states = [MSRB(4, (1, 1, 1)).state_dict() for _ in range(2)]
    paths = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    for state, path in zip(states, paths, strict=True):
        save_file(state, path, {"made by": path.stem})
    output = tmp_path / "base.safetensors"
    pack.main([str(paths[0]), str(output), "--toward", str(paths[1]), "--share", "0.25"])
    packed = load_file(output)
    for name, tensor in packed.items():
        wanted = 0.75 * states[0][name] + 0.25 * states[1][name]
        torch.testing.assert_close(tensor.float(), wanted, rtol=1e-3, atol=1e-4)
    assert json.loads(metadata_of(output)["training"])["made by"] == "one"
    told = json.loads(metadata_of(output)["blended with"])
    assert (told["share"], told["training"]["made by"]) == (0.25, "other")


def test_networks_of_two_sizes_are_not_blended(tmp_path: Path) -> None:
    """It is said, and nothing is written."""
    paths = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    for features, path in zip((4, 6), paths, strict=True):
        save_file(MSRB(features, (1, 1, 1)).state_dict(), path)
    with pytest.raises(SystemExit, match="different sizes"):
        pack.main([str(paths[0]), str(tmp_path / "base.safetensors"), "--toward", str(paths[1])])
    assert not (tmp_path / "base.safetensors").exists()


def test_what_half_precision_cannot_hold(tmp_path: Path) -> None:
    """A weight beyond 65504 is named; nothing is written."""
    state = LearnableOperator(8).state_dict()
    state["main.2.weight"][0, 0, 0, 0] = 1e5
    save_file(state, tmp_path / "run.safetensors")
    with pytest.raises(UsageError, match=r"main\.2\.weight"):
        pack.pack_model(tmp_path / "run.safetensors", tmp_path / "lbo.safetensors", {})
    assert not (tmp_path / "lbo.safetensors").exists()


def test_a_file_that_is_too_large(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, and not left behind."""
    monkeypatch.setattr(pack, "LARGEST_MODEL_BYTES", 1000)
    with pytest.raises(SystemExit, match="1000 are too many"):
        pack.main([str(model), str(tmp_path / "base.safetensors")])
    assert not (tmp_path / "base.safetensors").exists()


def test_figures_of_a_candidate(model: Path, tmp_path: Path) -> None:
    """They are the means of the candidate by the name that measure.py gives it."""
    scores = {"psnr_y": 30.0, "flicker": 2.0}
    rows = [{"scores": {"bicubic": scores, "net-run": {"psnr_y": 32.0, "flicker": 1.0}}}]
    figures = tmp_path / "figures.json"
    report: dict[str, Any] = {"candidates": {"bicubic": "", "net-run": ""}, "pairs": rows}
    figures.write_text(json.dumps(report), encoding="utf-8")
    output = tmp_path / "base.safetensors"
    pack.main([str(model), str(output), "--figures", str(figures)])
    told = json.loads(metadata_of(output)["figures"])
    assert told == {"psnr_y": 32.0, "flicker": 1.0, "flicker_share": 0.5}
    with pytest.raises(SystemExit, match="no figures of other; it has bicubic, net-run"):
        pack.main([str(model), str(output), "--figures", str(figures), "--candidate", "other"])


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("run --data /a/b/c", "run --data c"),
        ("run -o ~/x/y -n ./z.pth", "run -o y -n z.pth"),
        ("--data=/a/b --lbo ../c/d.safetensors", "--data=b --lbo d.safetensors"),
        ("runs/a/b --lbo d/e.pth", "b --lbo e.pth"),
        ("plain words", "plain words"),
    ],
)
def test_folders_are_taken_out_of_commands(text: str, short: str) -> None:
    """A path is its last part."""
    assert pack.without_folders({"command": [text]}) == {"command": [short]}


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("/a/b/c.mkv", "c.mkv"),
        ("of ~/x/y and ../z", "of y and z"),
        ("0.5 iterations/s, 1/2 of it waiting", "0.5 iterations/s, 1/2 of it waiting"),
    ],
)
def test_folders_are_taken_out_of_the_rest(text: str, short: str) -> None:
    """A path that begins with a slash, a dot or a tilde is its last part; a fraction stays."""
    assert pack.without_folders({text: text}) == {short: short}


# ---- states --------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.safetensors"
    trainer = trainer_after(3)
    tensors = trainer.tensors() | {"discriminator.0.weight": torch.ones(3)}
    write_state(path, tensors, trainer.iteration, {"settings": {"stage": "net"}}, seconds=60.0)
    return path


def test_a_packed_state_lets_training_go_on(state: Path, tmp_path: Path) -> None:
    """After the next iteration the weights are nearly those of an uninterrupted run."""
    output = tmp_path / "training-state-base.safetensors"
    pack.pack_state(state, output)
    saved = read_state(output)
    assert saved is not None
    resumed = trainer_after(0)
    resumed.restore(saved)
    resumed.step(batch_of(3))
    wanted = trainer_after(4)
    assert (resumed.iteration, saved.seconds) == (4, 60.0)
    pairs = zip(resumed.network.parameters(), wanted.network.parameters(), strict=True)
    # A step of Adam moves a weight by about the learning rate, however small its gradient.
    changes = [(one - other).detach().abs() for one, other in pairs]
    assert max(float(change.max()) for change in changes) < SETTINGS.lr
    assert max(float(change.mean()) for change in changes) < SETTINGS.lr / 20


def test_small_squares_survive(state: Path, tmp_path: Path) -> None:
    """Moments of 1e-12, which fp16 would make zero, are still there."""
    saved = read_state(state)
    assert saved is not None
    tiny = {
        name: torch.full_like(tensor, 1e-12) if ".exp_avg_sq." in name else tensor
        for name, tensor in saved.tensors.items()
    }
    packed = pack.halved_state(tiny)
    moments = [tensor for name, tensor in packed.items() if ".exp_avg_sq." in name]
    assert moments
    assert all(bool((tensor.float() - 1e-12).abs().max() < 1e-14) for tensor in moments)


def test_a_packed_state_is_half_as_large(state: Path, tmp_path: Path) -> None:
    """Two bytes a number, and no discriminator."""
    output = tmp_path / "training-state-base.safetensors"
    pack.main([str(state), str(output)])
    with safe_open(output, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert not [name for name in tensors if name.startswith("discriminator")]
    assert {tensor.element_size() for tensor in tensors.values() if tensor.dim()} == {2}
    assert json.loads(metadata_of(output)["animesr_training"])["iteration"] == 3


def test_a_packed_state_of_stage_gan_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is where it was; the discriminator, which is not packed, begins anew."""
    monkeypatch.setattr(discriminator, "WIDTHS", (3, 4, 4, 4, 4, 1))
    settings = replace(SETTINGS, stage="gan", patch=24, batch=1)
    trainer = trainer_of(settings)
    trainer.step(batch_of(0, side=24))
    write_state(tmp_path / "state.safetensors", trainer.tensors(), trainer.iteration, {})
    pack.pack_state(tmp_path / "state.safetensors", tmp_path / "packed.safetensors")
    saved = read_state(tmp_path / "packed.safetensors")
    assert saved is not None
    assert not [name for name in saved.tensors if name.startswith("discriminator")]
    resumed = trainer_of(settings)
    resumed.restore(saved)
    for name, tensor in trainer.average.items():
        assert torch.allclose(resumed.average[name], tensor, rtol=1e-3, atol=1e-6), name
    assert resumed.step(batch_of(1, side=24))["discriminator"] > 0
    assert resumed.iteration == 2


@torch.inference_mode()
@pytest.mark.parametrize("scale", [2, 4])
def test_nothing_alternates_where_it_was_projected_out(scale: int) -> None:
    """Whatever the input, and only that: the state is the same, and so is what has none of it."""
    torch.manual_seed(0)
    network = CompactMSRB(num_feat=8, num_state=4, num_conv=3, scale=scale)
    tensors = dict(network.state_dict())
    frame = torch.rand(1, 3, 8, 12)
    window, carried = (frame, frame, frame), network.initial(frame)
    before, (_, state) = network.step(window, carried)
    network.load_state_dict(pack.without_checkerboard(tensors, scale))
    after, (_, same) = network.step(window, carried)
    place = torch.arange(scale)
    signs = 1.0 - 2.0 * ((place[:, None] + place) % 2)

    def alternation(picture: torch.Tensor) -> torch.Tensor:
        blocks = picture.reshape(1, 3, 8, scale, 12, scale)
        mean: torch.Tensor = (blocks * signs[:, None, :]).mean(dim=(3, 5))
        return mean

    assert alternation(before).abs().max() > 1e-3
    torch.testing.assert_close(alternation(after), torch.zeros(1, 3, 8, 12), atol=1e-6, rtol=0)
    taken = torch.nn.functional.interpolate(alternation(before), scale_factor=scale)
    torch.testing.assert_close(before - after, taken * signs.repeat(8, 12))
    torch.testing.assert_close(same, state)
