"""An operator in training: where it begins, what its stages minimise, and that it can go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from animesr_cli.degradation.lbo import LearnableOperator
from animesr_cli.errors import WeightsError
from animesr_cli.lbo.trainer import LboTrainer, area, new_operator, operate
from animesr_cli.settings import LBO_PRESETS, LboSettings
from animesr_cli.training.state import SavedState, read_state, write_state

SETTINGS = LboSettings(
    net_iterations=4, gan_iterations=4, batch=2, patch=24, from_area=True, perceptual="gradient"
)
CPU = torch.device("cpu")


def batch(number: int) -> tuple[Tensor, Tensor]:
    hr = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(number))
    return hr, (area(hr) * 0.5 + 0.2).clamp(0, 1)


def test_the_paper_preset_is_the_papers() -> None:
    """The recipe's figures, and about 2,000 pictures."""
    paper = LBO_PRESETS["paper"]
    assert (paper.net_iterations, paper.gan_iterations) == (100_000, 100_000)
    assert (paper.net_lr, paper.gan_lr, paper.batch, paper.patch) == (2e-4, 1e-4, 16, 128)
    assert paper.excerpts * (paper.frames - paper.warmup) == 2000
    assert not paper.from_area


def test_learning_rates_are_halved_in_the_middle_of_each_stage() -> None:
    """Net begins with its own and halves it; gan begins with its own and halves it."""
    trainer = LboTrainer(replace(LBO_PRESETS["paper"], stage="gan"), CPU)
    rates = {}
    for iteration in (0, 49_999, 50_000, 99_999, 100_000, 149_999, 150_000, 199_999):
        trainer.iteration = iteration
        rates[iteration] = (trainer.stage, trainer.learning_rate)
    assert list(rates.values()) == [
        ("net", 2e-4), ("net", 2e-4), ("net", 1e-4), ("net", 1e-4),
        ("gan", 1e-4), ("gan", 1e-4), ("gan", 5e-5), ("gan", 5e-5),
    ]  # fmt: skip


def test_quick_begins_as_area_downscaling() -> None:
    """Before the first iteration the operator is area downscaling, nearly."""
    hr = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    made = operate(new_operator(SETTINGS), hr)
    assert (made - area(hr)).square().mean().sqrt() < 0.03


def test_a_seed_gives_one_operator_and_disturbs_nothing() -> None:
    """The same weights for a seed, others for another; nobody else's random numbers change."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again = new_operator(SETTINGS).state_dict(), new_operator(SETTINGS).state_dict()
    assert torch.equal(torch.rand(3), expected)
    other = new_operator(replace(SETTINGS, seed=1)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["main.0.weight"], other["main.0.weight"])
    assert set(first) == set(LearnableOperator().state_dict())


def test_stages_minimise_what_the_recipe_says() -> None:
    """Net: L1 and L2; then gan: L1, perceptual, adversarial, and the discriminator learns."""
    trainer = LboTrainer(SETTINGS, CPU)
    names = [set(trainer.step(*batch(number))) for number in range(8)]
    assert names[:4] == [{"l1", "l2"}] * 4
    assert names[4:] == [{"l1", "perceptual", "gan", "discriminator"}] * 4
    assert trainer.iteration == trainer.iterations == 8


def test_net_alone_has_no_gan_stage() -> None:
    """``--stage net`` ends where gan would begin."""
    assert LboTrainer(replace(SETTINGS, stage="net"), CPU).iterations == 4


def test_it_learns() -> None:
    """A constant change of contrast is found within a few steps."""
    settings = replace(SETTINGS, net_iterations=60, net_lr=3e-3)
    trainer = LboTrainer(settings, CPU)
    losses = [trainer.step(*batch(number))["l1"] for number in range(60)]
    assert sum(losses[-5:]) < 0.35 * sum(losses[:5])


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_going_on_equals_going_through(tmp_path: Path, stop: int) -> None:
    """Kept and restored in either stage or between them, the result is bit for bit the same."""
    through = LboTrainer(SETTINGS, CPU)
    for number in range(8):
        through.step(*batch(number))
    first = LboTrainer(SETTINGS, CPU)
    for number in range(stop):
        first.step(*batch(number))
    path = tmp_path / "state"
    write_state(path, first.tensors(), first.iteration, {})
    saved = read_state(path)
    assert saved is not None
    second = LboTrainer(SETTINGS, CPU)
    second.restore(saved)
    for number in range(stop, 8):
        second.step(*batch(number))
    expected = through.tensors()
    found = second.tensors()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    """One clear error."""
    state = SavedState(
        path=tmp_path / "a.state", tensors={"network.x": torch.zeros(1)}, iteration=3, identity={}
    )
    with pytest.raises(WeightsError, match="does not fit the operator"):
        LboTrainer(SETTINGS, CPU).restore(state)


@pytest.mark.parametrize("before", [1, 5])
def test_a_loss_that_is_not_finite_stops(before: int) -> None:
    """The operator keeps the weights that it had; the error names iteration and stage."""
    trainer = LboTrainer(SETTINGS, CPU)
    for number in range(before):
        trainer.step(*batch(number))
    kept = {name: tensor.clone() for name, tensor in trainer.operator.state_dict().items()}
    hr, lr = batch(9)
    lr[0, 0, 0, 0] = float("nan")
    stage = "net" if before < 4 else "gan"
    with pytest.raises(WeightsError, match=f"iteration {before + 1}, of stage {stage}"):
        trainer.step(hr, lr)
    after = trainer.operator.state_dict()
    assert all(torch.equal(kept[name], after[name]) for name in kept)
