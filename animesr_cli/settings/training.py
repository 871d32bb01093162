"""The settings of ``finetune``: what a run learns, and how it is carried out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from animesr_cli.errors import UsageError
from animesr_cli.settings.limits import Precision
from animesr_cli.settings.option import Option
from animesr_cli.settings.upscale import DEVICE, LBO, MINUTES, SEED

LEARNING, RUNNING = "Learning", "Running"
MOST: Final = 10**9
"""Bound on numbers of iterations and the like."""

Stage = Literal["net", "gan"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Schedule = Literal["constant", "cosine"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
Perceptual = Literal["random", "gradient", "frequency", "vgg", "none"]
PERCEPTUAL: tuple[Perceptual, ...] = get_args(Perceptual)
Discriminator = Literal["patch", "unet"]
DISCRIMINATORS: tuple[Discriminator, ...] = get_args(Discriminator)
GanLoss = Literal["lsgan", "vanilla"]
GAN_LOSSES: tuple[GanLoss, ...] = get_args(GanLoss)

SCRATCH = "scratch"
"""Instead of a checkpoint's name: random weights."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each loss counts for in the sum; 0 leaves it out."""

    l1: float = 1.0
    perceptual: float = 1.0
    """Stage gan only, like the next two."""
    gan: float = 1.0
    matching: float = 0.0
    """Difference of the discriminator's features."""
    gradient: float = 0.0
    """Difference of the Sobel slopes."""
    energy: float = 0.0
    """Difference in how steep slopes are, wherever exactly they lie."""
    frequency: float = 0.0
    """Difference of the spectra: the focal frequency loss."""
    temporal: float = 0.0
    """Difference of the changes from frame to frame."""
    held: float = 0.0
    """Change where the ground truth stands still."""
    cleaning: float = 1.0
    """Difference of cleaned frames from the downscaled truth; RealBasicVSR alone has them."""


LOSSES: tuple[str, ...] = tuple(field.name for field in fields(LossWeights))
LOSSES_OF_GAN = ("perceptual", "gan", "matching")
"""The others take part in both stages."""

learning = partial(Option, panel=LEARNING)
recipe = partial(learning, by_preset=True)
share = partial(learning, least=0, most=1)
running = partial(Option, panel=RUNNING)
EVERY: Final = running("Iterations in between.", least=1, most=MOST)


def _blocks(text: str) -> tuple[int, int, int]:
    """Residual blocks at full, half and quarter resolution, as ``5,3,2``."""
    try:
        s1, s2, s4 = (int(part) for part in text.split(","))
    except ValueError:
        s1 = s2 = s4 = 0
    if not s1 >= s2 >= s4 >= 1:
        raise UsageError(
            f"{text!r} is no number of blocks for each scale", "give three in falling order: 5,3,2"
        )
    return s1, s2, s4


def _loss_weight(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    try:
        value = float(weight)
    except ValueError:
        value = -1.0
    if name not in LOSSES or not 0 <= value < float("inf"):
        raise UsageError(
            f"{text!r} is no weight of a loss",
            f"give NAME=WEIGHT from 0 on, such as temporal=0.5; the names are {', '.join(LOSSES)}",
        )
    return name, value


def _loss_weights(texts: Iterable[str]) -> dict[str, float]:
    """The weights of the losses that are given, as ``temporal=0.5``; the preset has the others."""
    return dict(map(_loss_weight, texts))


def _paths(texts: Iterable[str]) -> tuple[Path, ...]:
    return tuple(map(Path, texts))


def _iterations(texts: Iterable[str]) -> tuple[int, ...]:
    """Iterations in rising order."""
    try:
        found = sorted(int(text) for text in texts)
    except ValueError:
        found = [0]
    if any(not 1 <= iteration <= MOST for iteration in found):
        raise UsageError("--halve-at takes iterations from 1 on", "give it once for each")
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class FinetuneFiles:
    """What ``finetune`` learns from and writes, and the preset for what is not said."""

    data: Annotated[
        tuple[Path, ...],
        Option(
            "Clean videos, folders of images; repeatable.",
            metavar="DIR",
            repeatable=True,
            reads=_paths,
        ),
    ]
    output: Annotated[
        Path | None,
        Option("The folder; DATA_STAGE if left out, such as episodes_net.", "-o", metavar="DIR"),
    ] = None
    lbo: Annotated[tuple[str, ...], replace(LBO, reads=tuple)] = ()
    validation: Annotated[
        tuple[Path, ...],
        Option("Validate with these; repeatable.", metavar="DIR", repeatable=True, reads=_paths),
    ] = ()
    preset: Annotated[
        str,
        learning(
            "quick, for a CPU; paper, for a GPU; realesrgan, bsrgan or realbasicvsr: the recipe "
            "of that network."
        ),
    ] = "quick"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """What a training run is; a run that is gone on with must have the same ones."""

    model: Annotated[
        str, Option("Start from: a name, a path, a run's state, or scratch.", "-n")
    ] = "base"
    num_feat: Annotated[
        int, learning("Feature channels, with -n scratch.", name="features", least=1, most=4096)
    ] = 64
    num_block: Annotated[
        tuple[int, int, int],
        learning(
            "With -n scratch: residual blocks at full, half and quarter resolution.",
            name="blocks", metavar="N,N,N", default_title="5,3,2", reads=_blocks,
        ),
    ] = (5, 3, 2)  # fmt: skip
    stage: Annotated[Stage, learning("net: L1; gan: with perceptual and GAN loss.")] = "net"
    iterations: Annotated[int, recipe("Iterations in all.", least=1, most=MOST)] = 2000
    batch: Annotated[int, recipe("Windows an iteration, per process.", least=1, most=4096)] = 4
    patch: Annotated[int, recipe("Side of a window, LR pixels.", least=1, most=4096)] = 40
    frames: Annotated[int, recipe("Frames in a window.", least=1, most=4096)] = 5
    lr: Annotated[
        float, recipe("Learning rate; 2e-4 for net, 1e-4 for gan.", least=0, most=1e38)
    ] = 2e-4
    schedule: Annotated[
        Schedule, learning("constant, or cosine: down to a hundredth at the end.")
    ] = "constant"
    halve_at: Annotated[
        tuple[int, ...],
        learning(
            "Halve the learning rate at this iteration; repeatable.",
            metavar="N", repeatable=True, reads=_iterations,
        ),
    ] = ()  # fmt: skip
    discriminator_lr: Annotated[
        float, recipe("Learning rate of the discriminator; 0: the same.", least=0, most=1e38)
    ] = 0.0
    warmup: Annotated[int, learning("Iterations of a rising rate.", least=0, most=MOST)] = 0
    ema: Annotated[float, share("Decay of the averaged weights, which are the result.")] = 0.999
    clip: Annotated[
        float, recipe("Largest norm of the gradient; mostly 0.5.", above=0, most=1e9)
    ] = 0.5
    usm: Annotated[
        float, recipe("Sharpening of net's ground truth; mostly 0.3.", least=0, most=100)
    ] = 0.3
    gan_usm: Annotated[
        float,
        recipe(
            "Sharpening of gan's ground truth, but not of what the discriminator sees; mostly 0.",
            least=0, most=100,
        ),
    ] = 0.0  # fmt: skip
    discriminator: Annotated[
        Discriminator,
        recipe("patch: of patches, at three sizes; unet: Real-ESRGAN's, of every pixel."),
    ] = "patch"
    gan_loss: Annotated[GanLoss, recipe("lsgan: squares; vanilla: cross entropy.")] = "lsgan"
    perceptual: Annotated[
        Perceptual, recipe(f"{', '.join(PERCEPTUAL[:-1])} or {PERCEPTUAL[-1]}; mostly random.")
    ] = "random"
    weights: Annotated[
        LossWeights,
        learning(
            f"Weight of a loss: {', '.join(LOSSES)}; repeatable.",
            name="loss", metavar="NAME=WEIGHT", repeatable=True, reads=_loss_weights,
        ),
    ] = LossWeights()  # fmt: skip
    anchor: Annotated[
        str | None,
        learning(
            "Hold the result near what this network makes of the same frames, so that lines stay "
            "sharp: a name or a path, mostly that of -n.",
            metavar="NAME",
        ),
    ] = None
    anchor_weight: Annotated[
        float, learning("Weight of the anchor's pixels and slopes.", least=0, most=1e6)
    ] = 1.0
    anchor_clean: Annotated[
        float,
        learning(
            "Weight of what the anchor makes of the clean frames, downscaled.", least=0, most=1e6
        ),
    ] = 0.0
    truth_share: Annotated[float, share("With an anchor: what is left of l1 and gradient.")] = 0.5
    mild: Annotated[float, share("Share of windows that are degraded only mildly.")] = 0.0
    defocus: Annotated[
        float, share("Share of windows whose truth is out of focus: soft backgrounds stay soft.")
    ] = 0.0
    judged: Annotated[
        int,
        recipe(
            "Frames of a window that discriminator and perceptual loss see; 0: all.",
            least=0, most=4096,
        ),
    ] = 2  # fmt: skip
    freeze: Annotated[
        tuple[str, ...],
        learning("Keep parameters of such a name.", metavar="WORD", repeatable=True, reads=tuple),
    ] = ()
    precision: Annotated[Precision, running("auto, bf16 or fp32: of the multiplications.")] = "auto"
    seed: Annotated[int, replace(SEED, panel=LEARNING)] = 0
    held_out: Annotated[float, share("Share of the shots that validation takes.")] = 0.1


@dataclass(frozen=True, kw_only=True)
class FinetuneRun:
    """How a run is carried out; none of this changes what an iteration learns."""

    minutes: Annotated[float | None, replace(MINUTES, panel=RUNNING)] = None
    restart: Annotated[bool, running("Forget what is there.")] = False
    validate_every: Annotated[int, EVERY] = 500
    save_every: Annotated[int, EVERY] = 500
    log_every: Annotated[int, EVERY] = 10
    workers: Annotated[int, running("Threads for data; 0: by cores.", least=0, most=4096)] = 0
    memory_gb: Annotated[
        float,
        running(
            "GB for decoded pictures; 0: half of what is free.", name="memory", least=0, most=10**6
        ),
    ] = 0.0
    device: Annotated[str, replace(DEVICE, panel=RUNNING)] = "auto"
