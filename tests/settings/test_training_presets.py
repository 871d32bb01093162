"""The presets of ``finetune``: what was given goes before them, and they before the defaults."""

from __future__ import annotations

from typing import Any

import pytest

from animesr_cli.errors import UsageError
from animesr_cli.settings import FinetuneSettings, LossWeights, finetune_settings
from animesr_cli.settings.option import check_values, read
from animesr_cli.settings.training_presets import TRAINING


@pytest.mark.parametrize("preset", TRAINING)
@pytest.mark.parametrize("stage", ["net", "gan"])
def test_every_preset_is_within_the_ranges(preset: str, stage: str) -> None:
    """A preset has nothing that an option would refuse."""
    settings = finetune_settings(preset, {"stage": stage})
    check_values(settings)
    assert settings.stage == stage


def test_realbasicvsr_has_two_rates() -> None:
    """The discriminator learns twice as fast as the network."""
    settings = finetune_settings("realbasicvsr", {"stage": "gan"})
    assert (settings.lr, settings.discriminator_lr) == (5e-5, 1e-4)
    assert settings.weights == LossWeights(l1=1, perceptual=1, gan=0.05, cleaning=1)
    assert (settings.gan_usm, settings.gan_loss, settings.frames) == (0.5, "vanilla", 15)


def test_bsrgan_does_not_sharpen_its_truth() -> None:
    """Neither stage does, and its rate is halved where it is in the recipe."""
    net, gan = (finetune_settings("bsrgan", {"stage": stage}) for stage in ("net", "gan"))
    assert net.usm == gan.gan_usm == 0
    assert gan.halve_at == (800_000, 1_600_000)
    assert (gan.patch, gan.gan_loss) == (72, "lsgan")


def test_a_loss_that_is_given_leaves_the_others_to_the_preset() -> None:
    """``--loss temporal=0.5`` beside a preset whose gan weighs 0.1."""
    given = read(FinetuneSettings, {"weights": ["temporal=0.5"], "stage": "gan"})
    weights = finetune_settings("realesrgan", given).weights
    assert (weights.temporal, weights.gan, weights.l1) == (0.5, 0.1, 1.0)
    assert finetune_settings("quick", given).weights == LossWeights(temporal=0.5)


def test_what_is_given_goes_before_the_preset() -> None:
    """Also where it is what the setting is without a preset."""
    given = {"stage": "gan", "discriminator": "patch", "clip": 0.5, "perceptual": "random"}
    settings = finetune_settings("realesrgan", given)
    assert (settings.discriminator, settings.clip, settings.perceptual) == ("patch", 0.5, "random")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"discriminator": "vgg"}, "no discriminator 'vgg'"),
        ({"gan_loss": "hinge"}, "no GAN loss 'hinge'"),
    ],
)
def test_names_that_there_are_not(given: dict[str, Any], message: str) -> None:
    """They are refused by name."""
    with pytest.raises(UsageError, match=message):
        finetune_settings("quick", given)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1e6"])
def test_halvings_are_iterations(text: str) -> None:
    """Whole numbers from 1 on, in rising order whatever the order they are given in."""
    with pytest.raises(UsageError, match="--halve-at takes iterations"):
        read(FinetuneSettings, {"halve_at": [text]})
    assert read(FinetuneSettings, {"halve_at": ["9", "5"]}) == {"halve_at": (5, 9)}
