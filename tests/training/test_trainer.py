"""What a batch changes: gradients, precision, averages, and a state that loses nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from animesr_cli.degradation.operators import sample_plan
from animesr_cli.errors import UsageError, WeightsError
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Network
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.model.rrdb import RRDBNet
from animesr_cli.model.srvgg import SRVGGNetCompact
from animesr_cli.settings import LOSSES, FinetuneSettings, LossWeights, finetune_settings
from animesr_cli.training import discriminator
from animesr_cli.training.discriminator import UNetDiscriminatorSN
from animesr_cli.training.learner import DivergedError
from animesr_cli.training.losses import gradient_loss, unsharp_mask
from animesr_cli.training.state import SavedState, write_tensors
from animesr_cli.training.trainer import Trainer, discriminator_rate, learning_rate
from animesr_cli.training.windows import Batch, Window, made_smaller

CPU = torch.device("cpu")
TINY = FinetuneSettings(patch=8, frames=2, batch=2, lr=1e-3, judged=0)
GAN = replace(TINY, stage="gan", patch=24, batch=1)
UNET = replace(TINY, stage="gan", batch=1, discriminator="unet", gan_loss="vanilla")


@pytest.fixture(autouse=True)
def narrow_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one has 8 million parameters, which take seconds to begin with."""
    monkeypatch.setattr(discriminator, "WIDTHS", (3, 4, 4, 4, 4, 1))
    monkeypatch.setattr(discriminator, "FEATURES", 2)


def trainer_of(settings: FinetuneSettings = TINY, dtype: torch.dtype = torch.float32) -> Trainer:
    torch.manual_seed(3)
    network = MSRB(num_feat=4, num_block=(1, 1, 1))
    return Trainer(network, settings, device=CPU, dtype=dtype)


def batch_of(settings: FinetuneSettings = TINY, iteration: int = 0) -> Batch:
    rng = torch.Generator().manual_seed(iteration)
    side, shape = settings.patch, (settings.batch, settings.frames, 3)
    hr = torch.rand((*shape, 4 * side, 4 * side), generator=rng)
    lr = torch.nn.functional.avg_pool3d(hr.flatten(0, 1), (1, 4, 4)).view(*shape, side, side)
    return Batch(iteration=iteration, windows=(), lr=lr, hr=hr)


def anchored(settings: FinetuneSettings, **changes: Any) -> Trainer:
    """A trainer whose anchor is a network of other weights."""
    torch.manual_seed(8)
    anchor = MSRB(num_feat=6, num_block=(1, 1, 1))
    torch.manual_seed(3)
    network = MSRB(num_feat=4, num_block=(1, 1, 1))
    settings = replace(settings, anchor="other", usm=0.0, **changes)
    return Trainer(network, settings, device=CPU, dtype=torch.float32, anchor=anchor)


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.network.state_dict().items()}


# ---- the learning rate ---------------------------------------------------------------------------


def test_a_constant_rate() -> None:
    """It is what it is, from the first iteration to the last."""
    assert {learning_rate(TINY, iteration) for iteration in (0, 7, 10**6)} == {1e-3}


def test_cosine_with_warmup() -> None:
    """It rises over the first iterations, is highest then, and ends at a hundredth."""
    settings = replace(TINY, schedule="cosine", warmup=10, iterations=110)
    rates = [learning_rate(settings, iteration) for iteration in range(111)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[10] == max(rates) == 1e-3
    assert rates[60] == pytest.approx(1e-3 * (0.01 + 0.99 / 2))
    assert rates[110] == pytest.approx(1e-5)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_halvings() -> None:
    """From the iteration that is named on the rate is half, and so is the discriminator's own."""
    settings = replace(TINY, halve_at=(3, 5), discriminator_lr=4e-3)
    rates = [learning_rate(settings, iteration) for iteration in range(6)]
    assert rates == pytest.approx([1e-3] * 3 + [5e-4] * 2 + [2.5e-4])
    assert discriminator_rate(settings, 4) == pytest.approx(2e-3)
    assert discriminator_rate(replace(settings, discriminator_lr=0.0), 4) == pytest.approx(5e-4)


# ---- one iteration -------------------------------------------------------------------------------


def test_an_anchor_adds_its_distance() -> None:
    """The loss is the share of truth, the anchor's pixels and slopes, and those of clean frames."""
    weights = LossWeights(gradient=0.5, temporal=0.25)
    trainer = anchored(TINY, weights=weights, anchor_weight=2.0, anchor_clean=3.0, truth_share=0.25)
    batch = batch_of()
    assert trainer.anchor is not None
    with torch.no_grad():
        sr, near = trainer.network(batch.lr), trainer.anchor(batch.lr).clamp(0, 1)
        clean = trainer.anchor(made_smaller(batch.hr, 8, 8)).clamp(0, 1)
    told = trainer.step(batch)
    of_input, of_clean = (
        float((sr - other).abs().mean() + gradient_loss(sr, other)) for other in (near, clean)
    )
    assert told["anchor"] == pytest.approx(of_input, rel=1e-5)
    assert told["anchor_clean"] == pytest.approx(of_clean, rel=1e-5)
    truth = 0.25 * (told["l1"] + 0.5 * told["gradient"]) + 0.25 * told["temporal"]
    assert told["loss"] == pytest.approx(truth + 2 * of_input + 3 * of_clean, rel=1e-5)


def test_the_anchor_holds() -> None:
    """With no share of truth the result comes nearer to the anchor's; the anchor stays as it is."""
    trainer, batch = anchored(TINY, truth_share=0.0), batch_of()
    assert trainer.anchor is not None
    before = [parameter.clone() for parameter in trainer.anchor.parameters()]
    distances = [trainer.step(batch)["anchor"] for _ in range(15)]
    assert distances[-1] < 0.97 * distances[0]
    after = list(trainer.anchor.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_what_is_out_of_focus_has_no_anchor() -> None:
    """The anchor's loss is that of the other windows, by their share; without any there is none."""
    trainer, batch = anchored(TINY), batch_of()
    plan = sample_plan(random.Random(0))
    soft = Window(
        shot=0, first=0, interval=1, reverse=False, top=0, left=0, flip_x=False, flip_y=False,
        transpose=False, plan=plan, defocus_px=3.0,
    )  # fmt: skip
    clear = replace(soft, defocus_px=0.0)
    assert trainer.anchor is not None
    with torch.no_grad():
        sr, near = trainer.network(batch.lr), trainer.anchor(batch.lr).clamp(0, 1)
    told = trainer.step(replace(batch, windows=(soft, clear)))
    of_second = float((sr[1] - near[1]).abs().mean() + gradient_loss(sr[1], near[1]))
    assert told["anchor"] == pytest.approx(of_second / 2, rel=1e-5)
    assert "anchor" not in trainer.step(replace(batch, windows=(soft, soft)))


NETWORKS: dict[str, Callable[[], Network]] = {
    "CompactMSRB": lambda: CompactMSRB(4, 2, 3, (1, 1)),
    "CompactMSRB x2": lambda: CompactMSRB(4, 2, 3, (1, 1), 2),
    "SRVGGNetCompact": lambda: SRVGGNetCompact(4, 4, 2),
    "SRVGGNetCompact x1": lambda: SRVGGNetCompact(1, 4, 2),
    "RRDBNet": lambda: RRDBNet(4, 4, 1, 4),
    "RRDBNet x2": lambda: RRDBNet(2, 4, 1, 4, 2),
    "RealBasicVSR": lambda: RealBasicVSR(4, 1, 1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_network_learns(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """Recurrent or not, whatever the scale; what was learned is a checkpoint of its kind."""
    torch.manual_seed(5)
    trainer = Trainer(NETWORKS[name](), replace(TINY, usm=0.0), device=CPU, dtype=dtype)
    losses = [trainer.step(batch_of()) for _ in range(8)]
    assert losses[-1]["loss"] < losses[0]["loss"]
    path = tmp_path / "learned.safetensors"
    write_tensors(path, trainer.result(), {})
    loaded = load_checkpoint(path)
    assert loaded.network.architecture == name.split()[0]
    assert loaded.network.config == trainer.network.config
    with torch.no_grad():
        sr, wanted = loaded.build()(batch_of().lr), trainer.upscale(batch_of().lr)
    assert torch.allclose(sr, wanted.float(), atol=1e-5 if dtype == torch.float32 else 0.1)


def test_realbasicvsr_learns_to_clean_and_keeps_its_flow() -> None:
    """The cleaned frames have a loss of their own; the optical flow stays as it is."""
    torch.manual_seed(5)
    network = RealBasicVSR(4, 1, 1)
    before = {n: p.clone() for n, p in network.named_parameters()}
    settings = replace(TINY, usm=0.0, weights=LossWeights(cleaning=3.0))
    trainer = Trainer(network, settings, device=CPU, dtype=torch.float32)
    batch = batch_of()
    with torch.no_grad():
        cleaned = network.clean(batch.lr)
    small = torch.nn.functional.avg_pool2d(batch.hr.flatten(0, 1), 4).view(batch.lr.shape)
    told = trainer.step(batch)
    assert told["cleaning"] == pytest.approx(float((cleaned - small).abs().mean()), rel=1e-4)
    assert told["loss"] == pytest.approx(told["l1"] + 3 * told["cleaning"], rel=1e-4)
    changed = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert any(name.startswith("image_cleaning") for name in changed)
    assert not any("spynet" in name for name in changed)


@pytest.mark.parametrize("stage", ["net", "gan"])
@pytest.mark.parametrize(
    ("preset", "kind"),
    [("realesrgan", "RRDBNet"), ("bsrgan", "RRDBNet"), ("realbasicvsr", "RealBasicVSR")],
)
def test_recipes_of_other_networks(preset: str, kind: str, stage: str) -> None:
    """One iteration of each, of tiny size: the rates, and every loss with its weight."""
    recipe = finetune_settings(preset, {"stage": stage, "perceptual": "random"})
    settings = replace(recipe, patch=8, batch=1, frames=min(recipe.frames, 2))
    torch.manual_seed(5)
    trainer = Trainer(NETWORKS[kind](), settings, device=CPU, dtype=torch.float32)
    before = [parameter.clone() for parameter in trainer.network.parameters()]
    batch = batch_of(settings)
    told = trainer.step(batch)
    assert told["lr"] == {
        ("realesrgan", "net"): 2e-4, ("realesrgan", "gan"): 1e-4,
        ("bsrgan", "net"): 1e-4, ("bsrgan", "gan"): 5e-5,
        ("realbasicvsr", "net"): 1e-4, ("realbasicvsr", "gan"): 5e-5,
    }[preset, stage]  # fmt: skip
    expected = told["l1"] + told.get("cleaning", 0.0)
    assert ("cleaning" in told) == (kind == "RealBasicVSR")
    if stage == "gan":
        weight = {"realesrgan": 0.1, "bsrgan": 1.0, "realbasicvsr": 0.05}[preset]
        expected += told["perceptual"] + weight * told["gan"]
        assert trainer.judge is not None
        assert isinstance(trainer.judge.module, UNetDiscriminatorSN)
        rate = 1e-4 if preset != "bsrgan" else 5e-5
        assert trainer.judge.adam.param_groups[0]["lr"] == rate
    assert told["loss"] == pytest.approx(expected, rel=1e-5)
    after = trainer.network.parameters()
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_discriminator_sees_the_truth_as_it_is() -> None:
    """A sharpened truth is for the pixels and the features; what is judged stays unsharpened."""
    settings = replace(UNET, gan_usm=0.5, judged=0)
    plain, sharp = (trainer_of(each) for each in (replace(settings, gan_usm=0.0), settings))
    batch = batch_of(settings)
    seen: list[Tensor] = []
    assert sharp.judge is not None
    sharp.judge.module.register_forward_pre_hook(lambda _, pictures: seen.append(pictures[0]))
    without, with_usm = plain.step(batch), sharp.step(batch)
    assert torch.equal(seen[1], batch.hr.flatten(0, 1))  # after what was made: the truth
    assert with_usm["gan"] == without["gan"]
    with torch.no_grad():
        sr = trainer_of(settings).network(batch.lr)
    wanted = unsharp_mask(batch.hr, 0.5)
    assert with_usm["l1"] == pytest.approx(float((sr - wanted).abs().mean()), rel=1e-5)
    assert with_usm["l1"] != without["l1"]
    assert with_usm["perceptual"] != without["perceptual"]


def test_it_learns() -> None:
    """A batch that comes again and again costs less and less."""
    trainer, batch = trainer_of(), batch_of()
    losses = [trainer.step(batch)["l1"] for _ in range(15)]
    assert losses[-1] < 0.97 * losses[0]
    assert trainer.iteration == 15


def test_half_precision_learns_the_same() -> None:
    """In bf16 the losses are those of fp32 to a hundredth, and weights and moments are fp32."""
    full, half = trainer_of(), trainer_of(dtype=torch.bfloat16)
    for iteration in range(4):
        batch = batch_of(iteration=iteration)
        assert half.step(batch)["l1"] == pytest.approx(full.step(batch)["l1"], rel=1e-2)
    assert {tensor.dtype for tensor in half.tensors().values()} == {torch.float32}


def test_the_average_follows_slowly() -> None:
    """The result is the decaying average of the weights, and it is what validation runs with."""
    trainer = trainer_of(replace(TINY, ema=0.9))
    start = weights_of(trainer)
    trainer.step(batch_of())
    for name, weight in trainer.network.named_parameters():
        expected = 0.9 * start[name] + 0.1 * weight.detach()
        torch.testing.assert_close(trainer.average[name], expected)
    network = MSRB(num_feat=4, num_block=(1, 1, 1))
    network.load_state_dict(trainer.average, strict=True)
    clip = batch_of().lr
    with torch.no_grad():
        torch.testing.assert_close(trainer.upscale(clip), network(clip), rtol=0, atol=1e-6)


def test_long_gradients_are_cut() -> None:
    """The norm that is told is the whole one; what is learned is that of the limit."""
    trainer = trainer_of(replace(TINY, clip=1e-3))
    assert trainer.step(batch_of())["gradient_norm"] > 1e-3
    gradients = [p.grad for p in trainer.network.parameters() if p.grad is not None]
    assert float(torch.nn.utils.get_total_norm(gradients)) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in ("l1", "cleaning")])
def test_each_loss_counts(name: str) -> None:
    """A weight brings its loss into the sum, times the weight; 0 leaves it out."""
    weights = LossWeights(**{loss: float(loss == "l1") for loss in LOSSES})
    stage = GAN if name in ("perceptual", "gan", "matching") else TINY
    settings = replace(stage, weights=replace(weights, **{name: 3.0}))
    values = trainer_of(settings).step(batch_of(settings))
    assert values["loss"] == pytest.approx(values["l1"] + 3 * values[name], rel=1e-5)
    alone = replace(stage, weights=weights)
    assert name not in trainer_of(alone).step(batch_of(alone))


def test_the_truth_is_sharpened_for_net_only() -> None:
    """Stage net has the unsharp mask on its ground truth, stage gan has not."""
    sharpened, plain = trainer_of(), trainer_of(replace(TINY, usm=0.0))
    assert sharpened.step(batch_of())["l1"] != plain.step(batch_of())["l1"]
    l1_of_gan = {trainer_of(replace(GAN, usm=u)).step(batch_of(GAN))["l1"] for u in (0.0, 0.3)}
    assert len(l1_of_gan) == 1


def test_gan_teaches_both() -> None:
    """In stage gan the network and the discriminator change, each by its own loss."""
    trainer = trainer_of(GAN)
    assert trainer.judge is not None
    before = {name: p.detach().clone() for name, p in trainer.judge.module.named_parameters()}
    start = weights_of(trainer)
    values = trainer.step(batch_of(GAN))
    assert {"l1", "perceptual", "gan", "discriminator"} <= values.keys()
    after = dict(trainer.judge.module.named_parameters())
    assert all(not torch.equal(before[name], after[name]) for name in before if "bias" not in name)
    assert any(not torch.equal(start[name], weight) for name, weight in weights_of(trainer).items())


def test_judged_frames_are_drawn_by_iteration() -> None:
    """So many frames, other ones each time, the same ones for the same iteration."""
    trainer = trainer_of(replace(GAN, judged=2))
    drawn = [trainer._judged_frames(iteration, 7) for iteration in range(30)]
    assert all(len(frames) == 2 for frames in drawn)
    assert len({tuple(frames) for frames in drawn}) > 10
    assert drawn == [trainer._judged_frames(iteration, 7) for iteration in range(30)]
    assert trainer_of(GAN)._judged_frames(0, 7) == list(range(7))


def test_frozen_parameters_stay() -> None:
    """What a word freezes does not change, and everything else does."""
    trainer = trainer_of(replace(TINY, freeze=("fusion", "body_s4")))
    start = weights_of(trainer)
    trainer.step(batch_of())
    for name, weight in trainer.network.named_parameters():
        frozen = "fusion" in name or "body_s4" in name
        assert torch.equal(start[name], weight) == frozen, name


@pytest.mark.parametrize(("words", "message"), [(("head",), "head"), (("recurrent",), "all")])
def test_freezing_nothing_or_everything(words: tuple[str, ...], message: str) -> None:
    """A word without a parameter, and words that leave nothing to train, are refused."""
    with pytest.raises(UsageError, match=message):
        trainer_of(replace(TINY, freeze=words))


@pytest.mark.parametrize("fault", [math.nan, math.inf])
def test_what_is_not_finite_changes_nothing(fault: float) -> None:
    """A batch with a NaN in it raises, and weights, average and count are as before."""
    trainer, batch = trainer_of(), batch_of()
    trainer.step(batch)
    before = {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    batch.hr[0, 0, 0, 0, 0] = fault
    with pytest.raises(DivergedError):
        trainer.step(replace(batch))
    assert all(torch.equal(before[name], tensor) for name, tensor in trainer.tensors().items())
    assert trainer.iteration == 1


# ---- going on ------------------------------------------------------------------------------------


def state_of(trainer: Trainer) -> SavedState:
    """As it would come back from a file."""
    tensors = {name: tensor.detach().clone() for name, tensor in trainer.tensors().items()}
    return SavedState(
        path=Path("state.safetensors"), tensors=tensors, iteration=trainer.iteration, identity={}
    )


@pytest.mark.parametrize("settings", [TINY, replace(TINY, freeze=("fusion",)), GAN, UNET])
def test_going_on_is_as_if_nothing_happened(settings: FinetuneSettings) -> None:
    """After a restart from the state every loss equals the uninterrupted run's, bit for bit."""
    whole = trainer_of(settings)
    expected = [whole.step(batch_of(settings, number)) for number in range(4)]
    first = trainer_of(settings)
    found = [first.step(batch_of(settings, number)) for number in range(2)]
    second = trainer_of(settings)
    second.restore(state_of(first))
    found += [second.step(batch_of(settings, number)) for number in (2, 3)]
    assert found == expected


def test_a_new_run_takes_over_the_moments() -> None:
    """Begun with another run's state, the next step is the one that run would have made."""
    first, second = trainer_of(), trainer_of()
    for number in range(3):
        first.step(batch_of(TINY, number))
    second.begin_with(state_of(first))
    assert second.iteration == 0
    assert second.step(batch_of(TINY, 3)) == first.step(batch_of(TINY, 3))
    assert (first.iteration, second.iteration) == (4, 1)
    again = trainer_of()
    again.restore(state_of(second))
    assert again.step(batch_of(TINY, 4)) == first.step(batch_of(TINY, 4))


def test_a_state_with_another_discriminator() -> None:
    """The network goes on, and the new discriminator learns to judge from the beginning."""
    first = trainer_of(GAN)
    first.step(batch_of(GAN))
    second = trainer_of(UNET)
    assert second.judge is not None
    before = {name: tensor.clone() for name, tensor in second.judge.module.state_dict().items()}
    second.begin_with(state_of(first))
    assert all(torch.equal(tensor, second.average[n]) for n, tensor in first.average.items())
    now = second.judge.module.state_dict()
    assert all(torch.equal(tensor, now[name]) for name, tensor in before.items())
    second.step(batch_of(UNET))


def test_a_state_before_the_first_iteration() -> None:
    """A run that was stopped before it learned anything goes on from its start."""
    first, second = trainer_of(), trainer_of()
    second.restore(state_of(first))
    assert second.step(batch_of()) == first.step(batch_of())


@pytest.mark.parametrize("missing", ["network.", "average.", "network.exp_avg_sq"])
def test_a_state_that_lacks_something(missing: str) -> None:
    """It is refused with the name of what it lacks."""
    trainer = trainer_of()
    trainer.step(batch_of())
    state = state_of(trainer)
    kept: dict[str, Any] = {n: t for n, t in state.tensors.items() if not n.startswith(missing)}
    with pytest.raises(WeightsError, match="does not fit the network"):
        trainer_of().restore(replace(state, tensors=kept))
