"""The presets of ``finetune``, and the settings that they and what was given make together.

``quick`` and ``paper`` are sizes of AnimeSR's recipe (https://arxiv.org/abs/2206.07038), the latter
its own. The others are the recipes that three networks were made with, for going on with them:

- ``realesrgan``: Real-ESRGAN (https://arxiv.org/abs/2107.10833), x4plus, the 12 pictures that each
  of its 4 GPUs took.
- ``bsrgan``: BSRGAN (https://arxiv.org/abs/2103.14006). It names no end; here a run ends where the
  learning rate would be halved for the second time.
- ``realbasicvsr``: RealBasicVSR (https://arxiv.org/abs/2111.12704), the 1 or 2 clips that each of
  its 8 GPUs took. Clips are 15 frames, which it mirrors to 30 and which are not mirrored here; it
  makes its LR frames from the sharpened truth, and here they are made from the plain one. One
  pass of cleaning and a frozen optical flow are what training does with such a network anyway.

Degradations are those of ``animesr degrade`` whatever the preset, and Adam's betas are 0.9 and
0.99 with the averages' decay 0.999 in all of them. None of the three cuts gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal, cast, get_args

from animesr_cli.errors import UsageError
from animesr_cli.settings.training import (
    DISCRIMINATORS,
    GAN_LOSSES,
    PERCEPTUAL,
    SCHEDULES,
    STAGES,
    FinetuneSettings,
    LossWeights,
    Stage,
)

TrainingPreset = Literal["quick", "paper", "realesrgan", "bsrgan", "realbasicvsr"]
TRAINING_PRESETS: tuple[TrainingPreset, ...] = get_args(TrainingPreset)

Values = Mapping[str, Any]
"""Settings by the names of their fields."""

_UNCUT: Final = 1e9
"""A norm that no gradient reaches."""
_QUICK: Final[Values] = {"iterations": 2000, "patch": 40, "frames": 5, "batch": 4, "judged": 2}
_PAPER: Final[Values] = {"iterations": 300_000, "patch": 64, "frames": 15, "batch": 4, "judged": 0}
_ONE_PICTURE: Final[Values] = {"frames": 1, "judged": 0, "clip": _UNCUT}
_CLIP: Final[Values] = {"frames": 15, "judged": 0, "clip": _UNCUT}
_UNET: Final[Values] = {"discriminator": "unet", "perceptual": "vgg"}

TRAINING: Final[Mapping[TrainingPreset, Mapping[Stage, Values]]] = {
    "quick": {"net": {**_QUICK, "lr": 2e-4}, "gan": {**_QUICK, "lr": 1e-4}},
    "paper": {"net": {**_PAPER, "lr": 2e-4}, "gan": {**_PAPER, "lr": 1e-4}},
    "realesrgan": {
        "net": {
            **_ONE_PICTURE,
            "iterations": 1_000_000, "patch": 64, "batch": 12, "lr": 2e-4, "usm": 0.5,
        },
        "gan": {
            **_ONE_PICTURE, **_UNET,
            "iterations": 400_000, "patch": 64, "batch": 12, "lr": 1e-4, "gan_usm": 0.5,
            "gan_loss": "vanilla", "weights": LossWeights(gan=0.1),
        },
    },
    "bsrgan": {
        "net": {
            **_ONE_PICTURE,
            "iterations": 1_600_000, "patch": 72, "batch": 4, "lr": 1e-4, "usm": 0.0,
        },
        "gan": {
            **_ONE_PICTURE, **_UNET,
            "iterations": 1_600_000, "patch": 72, "batch": 4, "lr": 5e-5,
            "halve_at": (800_000, 1_600_000), "gan_loss": "lsgan",
        },
    },
    "realbasicvsr": {
        "net": {
            **_CLIP,
            "iterations": 300_000, "patch": 64, "batch": 2, "lr": 1e-4, "usm": 0.5,
        },
        "gan": {
            **_CLIP, **_UNET,
            "iterations": 150_000, "patch": 64, "batch": 1, "lr": 5e-5, "discriminator_lr": 1e-4,
            "gan_usm": 0.5, "gan_loss": "vanilla", "weights": LossWeights(gan=0.05),
        },
    },
}  # fmt: skip
"""What a preset has for a stage; the defaults of the settings hold for the rest."""


def finetune_settings(preset: str, given: Values) -> FinetuneSettings:
    """Settings from what was given; what is left out, or None, is the preset's for the stage.

    Args:
        given: by field; ``weights`` may be the weights of some losses by their names.

    Raises:
        UsageError: says what there is instead.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    for name, value, known in (
        ("preset", preset, TRAINING_PRESETS),
        ("stage", asked.get("stage", STAGES[0]), STAGES),
        ("schedule", asked.get("schedule", SCHEDULES[0]), SCHEDULES),
        ("perceptual loss", asked.get("perceptual", PERCEPTUAL[0]), PERCEPTUAL),
        ("discriminator", asked.get("discriminator", DISCRIMINATORS[0]), DISCRIMINATORS),
        ("GAN loss", asked.get("gan_loss", GAN_LOSSES[0]), GAN_LOSSES),
    ):
        if value not in known:
            raise UsageError(f"there is no {name} {value!r}", f"there is {', '.join(known)}")
    stage = cast(Stage, asked.get("stage", STAGES[0]))
    usual = TRAINING[cast(TrainingPreset, preset)][stage]
    weights = asked.get("weights")
    if isinstance(weights, Mapping):
        asked["weights"] = replace(usual.get("weights", LossWeights()), **weights)
    return FinetuneSettings(**{**usual, **asked})
