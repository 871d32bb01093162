"""Frozen settings of the commands: each option is declared once, here. No torch, no Typer."""

from animesr_cli.settings.bench import BenchSettings
from animesr_cli.settings.compare import CompareSettings, PreviewSettings
from animesr_cli.settings.degrade import DegradeSettings
from animesr_cli.settings.evaluate import EvaluateSettings
from animesr_cli.settings.lbo import LBO_PRESETS, LboSettings, LearnSettings, lbo_settings
from animesr_cli.settings.limits import (
    MAX_PIXELS,
    NETWORK_SCALE,
    PRECISIONS,
    Precision,
)
from animesr_cli.settings.training import (
    DISCRIMINATORS,
    GAN_LOSSES,
    LOSSES,
    LOSSES_OF_GAN,
    PERCEPTUAL,
    SCHEDULES,
    SCRATCH,
    STAGES,
    Discriminator,
    FinetuneFiles,
    FinetuneRun,
    FinetuneSettings,
    GanLoss,
    LossWeights,
    Perceptual,
    Schedule,
    Stage,
)
from animesr_cli.settings.training_presets import (
    TRAINING_PRESETS,
    TrainingPreset,
    finetune_settings,
)
from animesr_cli.settings.upscale import UpscaleSettings, check_settings

__all__ = [
    "DISCRIMINATORS",
    "GAN_LOSSES",
    "LBO_PRESETS",
    "LOSSES",
    "LOSSES_OF_GAN",
    "MAX_PIXELS",
    "NETWORK_SCALE",
    "PERCEPTUAL",
    "PRECISIONS",
    "SCHEDULES",
    "SCRATCH",
    "STAGES",
    "TRAINING_PRESETS",
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
    "Precision",
    "PreviewSettings",
    "Schedule",
    "Stage",
    "TrainingPreset",
    "UpscaleSettings",
    "check_settings",
    "finetune_settings",
    "lbo_settings",
]
