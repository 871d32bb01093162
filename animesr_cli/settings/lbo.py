"""The settings of ``learn-lbo``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from animesr_cli.errors import UsageError
from animesr_cli.settings.limits import MAX_COUNT
from animesr_cli.settings.option import Option
from animesr_cli.settings.training import Perceptual, Stage
from animesr_cli.settings.upscale import DEVICE, MINUTES, OVERWRITE, SEED


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
    """How many of them come first and give no picture, while the network's memory fills."""
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


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """How ``learn-lbo`` comes by its factor, and how a run is carried out."""

    factor: Annotated[
        float | None,
        Option(
            "Above 0, at most 1. Left out: compare and ask.", "-f", metavar="F", above=0, most=1
        ),
    ] = None
    output: Annotated[
        Path | None, Option("CLIP_lbo.safetensors if left out.", "-o", metavar="FILE", reads=Path)
    ] = None
    auto: Annotated[bool, Option("Take the best-ranked factor.")] = False
    sweep_only: Annotated[bool, Option("Write the sheet of factors and stop.")] = False
    minutes: Annotated[float | None, MINUTES] = None
    device: Annotated[str, replace(DEVICE, panel="")] = "auto"
    restart: Annotated[bool, Option("Begin anew where a stopped run could go on.")] = False
    overwrite: Annotated[bool, OVERWRITE] = False
    preset: Annotated[
        str, Option("quick: minutes on a CPU; paper: the paper's figures.", metavar="<quick|paper>")
    ] = "quick"
    iterations: Annotated[
        int | None,
        Option("Iterations of each stage, instead of the preset's.", least=1, most=MAX_COUNT),
    ] = None

    def check(self, *, can_ask: bool) -> None:
        """Refuse two ways to a factor, and none.

        Args:
            can_ask: whether there is somebody to choose one.
        """
        if self.factor is not None and (self.auto or self.sweep_only):
            raise UsageError(
                f"--factor and {'--auto' if self.auto else '--sweep-only'} cannot go together",
                "leave one of them out",
            )
        if self.factor is None and not (self.auto or self.sweep_only or can_ask):
            raise UsageError(
                "there is no terminal to ask for the factor on",
                "name it with --factor, or use --auto or --sweep-only",
            )


LBO_PRESETS: Mapping[str, LboSettings] = {
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
    "paper": LboSettings(),
}


def lbo_settings(run: LearnSettings, given: Mapping[str, Any]) -> LboSettings:
    """The preset's settings with what was given instead, by field.

    Raises:
        UsageError: there is no such preset.
    """
    if run.preset not in LBO_PRESETS:
        raise UsageError(f"there is no preset {run.preset!r}", f"there is {', '.join(LBO_PRESETS)}")
    settings = replace(LBO_PRESETS[run.preset], **given)
    if run.iterations is None:
        return settings
    return replace(settings, net_iterations=run.iterations, gan_iterations=run.iterations)
