"""Frozen settings of the commands: each option is declared once, here. No torch, no Typer."""

from animesr_cli.settings.lbo import LBO_PRESETS, LboSettings, LearnSettings, lbo_settings
from animesr_cli.settings.limits import NETWORK_SCALE
from animesr_cli.settings.research import (
    BenchSettings,
    CompareSettings,
    DegradeSettings,
    EvaluateSettings,
    PreviewSettings,
)
from animesr_cli.settings.training import (
    LOSSES,
    LOSSES_OF_GAN,
    PERCEPTUAL,
    SCRATCH,
    Discriminator,
    FinetuneFiles,
    FinetuneRun,
    FinetuneSettings,
    GanLoss,
    LossWeights,
    Perceptual,
    Stage,
)
from animesr_cli.settings.training_presets import finetune_settings
from animesr_cli.settings.upscale import UpscaleSettings, check_settings

__all__ = [
    "LBO_PRESETS",
    "LOSSES",
    "LOSSES_OF_GAN",
    "NETWORK_SCALE",
    "PERCEPTUAL",
    "SCRATCH",
    "BenchSettings",
    "CompareSettings",
    "DegradeSettings",
    "Discriminator",
    "EvaluateSettings",
    "FinetuneFiles",
    "FinetuneRun",
    "FinetuneSettings",
    "GanLoss",
    "LboSettings",
    "LearnSettings",
    "LossWeights",
    "Perceptual",
    "PreviewSettings",
    "Stage",
    "UpscaleSettings",
    "check_settings",
    "finetune_settings",
    "lbo_settings",
]
