"""The settings of ``finetune``: what a run learns, and how it is carried out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from animesr_cli.errors import UsageError
from animesr_cli.settings.limits import Precision
from animesr_cli.settings.option import Option
from animesr_cli.settings.upscale import DEVICE, LBO, MINUTES, SEED

LEARNING, RUNNING = "Learning", "Running"
MOST: Final = 10**9
"""Of iterations and the like."""

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
    """Of the discriminator's features."""
    gradient: float = 0.0
    """Of the Sobel slopes."""
    energy: float = 0.0
    """Of how steep slopes are, wherever exactly they lie."""
    frequency: float = 0.0
    """Of the spectra: the focal frequency loss."""
    temporal: float = 0.0
    """Of the changes from frame to frame."""
    held: float = 0.0
    """Of what changes where the ground truth stands still."""
    cleaning: float = 1.0
    """Of the cleaned frames beside the downscaled ground truth; RealBasicVSR alone has them."""


LOSSES: tuple[str, ...] = tuple(field.name for field in fields(LossWeights))
LOSSES_OF_GAN = ("perceptual", "gan", "matching")
"""The others take part in both stages."""

EVERY: Final = Option("Iterations in between.", panel=RUNNING, least=1, most=MOST)


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
            metavar="DIR", repeatable=True, reads=_paths,
        ),
    ]  # fmt: skip
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
        Option(
            "quick, for a CPU; paper, for a GPU; realesrgan, bsrgan or realbasicvsr: the recipe "
            "of that network.",
            panel=LEARNING,
        ),
    ] = "quick"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """What a training run is; a run that is gone on with must have the same ones."""

    model: Annotated[
        str, Option("Start from: a name, a path, a run's state, or scratch.", "-n")
    ] = "base"
    num_feat: Annotated[
        int, Option("Of scratch.", name="features", panel=LEARNING, least=1, most=4096)
    ] = 64
    num_block: Annotated[
        tuple[int, int, int],
        Option(
            "Of scratch: residual blocks at full, half and quarter resolution.",
            name="blocks", panel=LEARNING, metavar="N,N,N", default_title="5,3,2",
            reads=_blocks,
        ),
    ] = (5, 3, 2)  # fmt: skip
    stage: Annotated[
        Stage, Option("net: L1; gan: with perceptual and GAN loss.", panel=LEARNING)
    ] = "net"
    iterations: Annotated[
        int, Option("In all.", panel=LEARNING, least=1, most=MOST, by_preset=True)
    ] = 2000
    batch: Annotated[
        int,
        Option(
            "Windows an iteration, per process.",
            panel=LEARNING, least=1, most=4096, by_preset=True,
        ),
    ] = 4  # fmt: skip
    patch: Annotated[
        int,
        Option("Side of a window, LR pixels.", panel=LEARNING, least=1, most=4096, by_preset=True),
    ] = 40
    frames: Annotated[
        int, Option("Of a window.", panel=LEARNING, least=1, most=4096, by_preset=True)
    ] = 5
    lr: Annotated[
        float,
        Option(
            "Learning rate; 2e-4 for net, 1e-4 for gan.",
            panel=LEARNING, least=0, most=1e38, by_preset=True,
        ),
    ] = 2e-4  # fmt: skip
    schedule: Annotated[
        Schedule,
        Option("constant, or cosine: down to a hundredth at the end.", panel=LEARNING),
    ] = "constant"
    halve_at: Annotated[
        tuple[int, ...],
        Option(
            "Halve the learning rate at this iteration; repeatable.",
            panel=LEARNING, metavar="N", repeatable=True, reads=_iterations,
        ),
    ] = ()  # fmt: skip
    discriminator_lr: Annotated[
        float,
        Option(
            "Learning rate of the discriminator; 0: the same.",
            panel=LEARNING, least=0, most=1e38, by_preset=True,
        ),
    ] = 0.0  # fmt: skip
    warmup: Annotated[
        int, Option("Iterations of a rising rate.", panel=LEARNING, least=0, most=MOST)
    ] = 0
    ema: Annotated[
        float,
        Option(
            "Decay of the averaged weights, which are the result.",
            panel=LEARNING, least=0, most=1,
        ),
    ] = 0.999  # fmt: skip
    clip: Annotated[
        float,
        Option(
            "Largest norm of the gradient; mostly 0.5.",
            panel=LEARNING, above=0, most=1e9, by_preset=True,
        ),
    ] = 0.5  # fmt: skip
    usm: Annotated[
        float,
        Option(
            "Sharpening of net's ground truth; mostly 0.3.",
            panel=LEARNING, least=0, most=100, by_preset=True,
        ),
    ] = 0.3  # fmt: skip
    gan_usm: Annotated[
        float,
        Option(
            "Sharpening of gan's ground truth, but not of what the discriminator sees; mostly 0.",
            panel=LEARNING, least=0, most=100, by_preset=True,
        ),
    ] = 0.0  # fmt: skip
    discriminator: Annotated[
        Discriminator,
        Option(
            "patch: of patches, at three sizes; unet: Real-ESRGAN's, of every pixel.",
            panel=LEARNING, by_preset=True,
        ),
    ] = "patch"  # fmt: skip
    gan_loss: Annotated[
        GanLoss,
        Option("lsgan: squares; vanilla: cross entropy.", panel=LEARNING, by_preset=True),
    ] = "lsgan"
    perceptual: Annotated[
        Perceptual,
        Option(
            f"{', '.join(PERCEPTUAL[:-1])} or {PERCEPTUAL[-1]}; mostly random.",
            panel=LEARNING, by_preset=True,
        ),
    ] = "random"  # fmt: skip
    weights: Annotated[
        LossWeights,
        Option(
            f"Weight of a loss: {', '.join(LOSSES)}; repeatable.",
            name="loss", panel=LEARNING, metavar="NAME=WEIGHT", repeatable=True,
            reads=_loss_weights,
        ),
    ] = LossWeights()  # fmt: skip
    anchor: Annotated[
        str | None,
        Option(
            "Hold the result near what this network makes of the same frames, so that lines stay "
            "sharp: a name or a path, mostly that of -n.",
            panel=LEARNING, metavar="NAME",
        ),
    ] = None  # fmt: skip
    anchor_weight: Annotated[
        float,
        Option("Weight of the anchor's pixels and slopes.", panel=LEARNING, least=0, most=1e6),
    ] = 1.0
    anchor_clean: Annotated[
        float,
        Option(
            "Weight of what the anchor makes of the clean frames, downscaled.",
            panel=LEARNING, least=0, most=1e6,
        ),
    ] = 0.0  # fmt: skip
    truth_share: Annotated[
        float,
        Option("With an anchor: what is left of l1 and gradient.", panel=LEARNING, least=0, most=1),
    ] = 0.5
    mild: Annotated[
        float,
        Option("Share of windows that are degraded only mildly.", panel=LEARNING, least=0, most=1),
    ] = 0.0
    defocus: Annotated[
        float,
        Option(
            "Share of windows whose truth is out of focus: soft backgrounds stay soft.",
            panel=LEARNING, least=0, most=1,
        ),
    ] = 0.0  # fmt: skip
    judged: Annotated[
        int,
        Option(
            "Frames of a window that discriminator and perceptual loss see; 0: all.",
            panel=LEARNING, least=0, most=4096, by_preset=True,
        ),
    ] = 2  # fmt: skip
    freeze: Annotated[
        tuple[str, ...],
        Option(
            "Keep parameters of such a name.",
            panel=LEARNING, metavar="WORD", repeatable=True, reads=tuple,
        ),
    ] = ()  # fmt: skip
    precision: Annotated[
        Precision,
        Option("auto, bf16 or fp32: of the multiplications.", panel=RUNNING),
    ] = "auto"
    seed: Annotated[int, replace(SEED, panel=LEARNING)] = 0
    held_out: Annotated[
        float,
        Option("Share of the shots that validation takes.", panel=LEARNING, least=0, most=1),
    ] = 0.1


@dataclass(frozen=True, kw_only=True)
class FinetuneRun:
    """How a run is carried out; none of this changes what an iteration learns."""

    minutes: Annotated[float | None, replace(MINUTES, panel=RUNNING)] = None
    restart: Annotated[bool, Option("Forget what is there.", panel=RUNNING)] = False
    validate_every: Annotated[int, EVERY] = 500
    save_every: Annotated[int, EVERY] = 500
    log_every: Annotated[int, EVERY] = 10
    workers: Annotated[
        int, Option("Threads for data; 0: by cores.", panel=RUNNING, least=0, most=4096)
    ] = 0
    memory_gb: Annotated[
        float,
        Option(
            "GB for decoded pictures; 0: half of what is free.",
            name="memory", panel=RUNNING, least=0, most=10**6,
        ),
    ] = 0.0  # fmt: skip
    device: Annotated[str, replace(DEVICE, panel=RUNNING)] = "auto"
