"""The settings of ``learn-lbo``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from animesr_cli.settings.option import Option
from animesr_cli.settings.training import Perceptual, Stage
from animesr_cli.settings.upscale import SEED

LboPreset = Literal["quick", "paper"]


@dataclass(frozen=True, kw_only=True)
class LboSettings:
    """How an operator is learned; the defaults are the paper's figures, where it gives any."""

    model: Annotated[
        str, Option("What makes the pseudo HR: a name or a path.", "-n", metavar="NAME")
    ] = "basicop"
    stage: Annotated[
        Stage, Option("net: L1 and L2; gan: after it L1, perceptual and adversarial.")
    ] = "gan"
    excerpts: int = 250
    """Places of the clip that pictures are taken from; with the next two, about 2,000 pictures."""
    frames: int = 10
    """Consecutive ones that the network sees at each place."""
    warmup: int = 2
    """Of these, the first ones, which give no picture: the network's memory fills."""
    net_iterations: int = 100_000
    gan_iterations: int = 100_000
    net_lr: float = 2e-4
    """Halved in the middle of its stage, like the next."""
    gan_lr: float = 1e-4
    batch: int = 16
    patch: int = 128
    """Side of what is learned from at a time, in LR pixels; twice that of HR."""
    from_area: bool = False
    """Begin as area downscaling, which saves most of the iterations; else with random weights."""
    perceptual: Annotated[Perceptual, Option("Perceptual loss of stage gan.")] = "random"
    seed: Annotated[int, SEED] = 0


LBO_PRESETS: Mapping[LboPreset, LboSettings] = {
    "paper": LboSettings(),
    "quick": LboSettings(
        excerpts=40,
        frames=4,
        net_iterations=400,
        gan_iterations=150,
        net_lr=1e-3,
        batch=8,
        patch=48,
        from_area=True,
    ),
}
