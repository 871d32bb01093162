"""Frozen settings of the commands; the command line's defaults are these. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, cast, get_args

from animesr_cli.errors import UsageError

Precision = Literal["auto", "fp16", "bf16", "fp32"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

NETWORK_SCALE = 4
"""The network multiplies width and height by this; other factors are resampled from its result."""


MAX_PIXELS = 1 << 28
"""Of one frame of the input: 16384 x 16384."""

SEGMENT_FRAMES = 250
"""What an interruption costs at most, and as often as encoders set a key frame anyway."""


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """Everything of ``animesr upscale`` that is not a file name."""

    scale: float = float(NETWORK_SCALE)
    """Factor on width and height, above 0; ignored where ``width`` or ``height`` is given."""
    width: int | None = None
    """Exact output width in pixels; alone, it keeps the aspect."""
    height: int | None = None
    """Exact output height in pixels; alone, it keeps the aspect."""
    model: str = "base"
    """A name of the catalogue or a path to a checkpoint."""
    tile: int = 0
    """Tile side in input pixels; 0 chooses from free memory."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    precision: Precision = "auto"
    codec: str = "auto"
    """An FFmpeg encoder; auto goes by the container and the bit depth of the input."""
    crf: float | None = None
    """Constant rate factor; None is the default of the encoder's row in the README."""
    preset: str | None = None
    pix_fmt: str | None = None
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    """Private options of the encoder, as ``-e key=value``."""
    start: Fraction | None = None
    """Seconds on the input's clock; frames from there on."""
    end: Fraction | None = None
    """Seconds on the input's clock; frames before it."""
    frames: int | None = None
    """At most this many frames."""
    fps: Fraction | None = None
    """Frames per second of images and of what is piped in; a video file has its own times."""
    scenes: bool = True
    """Reset the recurrent state at scene cuts."""
    matrix: str | None = None
    """bt601, bt709 or bt2020: read the input so, whatever its tags say."""
    stream: int | None = None
    """Index of the video stream, as ``animesr info`` lists it; None is the default one."""
    deinterlace: bool = False
    """Make whole frames of interlaced ones first; one for each, at its own time."""
    max_pixels: int = MAX_PIXELS
    """Frames of more pixels are refused before they are allocated."""
    journal: bool = True
    """Keep finished segments, so that an interrupted run goes on where it was."""
    segment_frames: int = SEGMENT_FRAMES
    """Frames of one segment, at most; shorter clips run in one piece."""
    work_dir: Path | None = None
    """Where the journal's folder goes; None is beside the output."""
    restart: bool = False
    """Begin anew where there is a journal."""
    workers: int | None = None
    """How many compute at once; None is one for each GPU, and one on a CPU."""
    cluster: str | None = None
    """Address of a Ray cluster whose GPUs compute; ``auto`` finds the one of this machine."""
    overwrite: bool = False
    strict: bool = False
    """End with exit code 10 where the run succeeded with warnings."""


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """What is put side by side; how it is computed is in ``UpscaleSettings``."""

    models: tuple[str, ...] = ("base", "bicubic")
    """Names of the catalogue, paths to checkpoints, and classic resamplers."""
    times: tuple[Fraction, ...] = ()
    """Seconds on the input's clock; none: moments are chosen."""
    pictures: int = 4
    """Moments that are chosen."""
    run_up: int = 15
    """Frames of a shot that the networks see before the one that is shown."""


Stage = Literal["net", "gan"]
STAGES: tuple[Stage, ...] = get_args(Stage)
TrainingPreset = Literal["quick", "paper"]
TRAINING_PRESETS: tuple[TrainingPreset, ...] = get_args(TrainingPreset)
Schedule = Literal["constant", "cosine"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
Perceptual = Literal["random", "gradient", "frequency", "vgg", "none"]
PERCEPTUAL: tuple[Perceptual, ...] = get_args(Perceptual)

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


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """What a training run is; a run that is gone on with must have the same ones."""

    model: str = "base"
    """A name of the catalogue, a path to a checkpoint, or ``scratch``."""
    num_feat: int = 64
    """Of ``scratch``."""
    num_block: tuple[int, int, int] = (5, 3, 2)
    """Of ``scratch``: residual blocks at full, half and quarter resolution."""
    stage: Stage = "net"
    """net: L1 against a sharpened ground truth; gan: with perceptual and adversarial losses."""
    iterations: int = 2000
    batch: int = 4
    """Windows of an iteration, in each process."""
    patch: int = 40
    """Side of a window in LR pixels; a quarter of the ground truth's."""
    frames: int = 5
    """Of a window."""
    lr: float = 2e-4
    """The learning rate of Adam."""
    schedule: Schedule = "constant"
    """cosine: down to a hundredth at the last iteration."""
    warmup: int = 0
    """Iterations in which the learning rate rises from 0."""
    ema: float = 0.999
    """Decay of the averaged weights, which are the result."""
    clip: float = 0.5
    """Largest norm of the gradient; longer ones are scaled down."""
    usm: float = 0.3
    """Stage net: how much the ground truth's lines are sharpened."""
    perceptual: Perceptual = "random"
    weights: LossWeights = LossWeights()
    judged: int = 2
    """Frames of each window that discriminator and perceptual loss are shown; 0: all of them."""
    freeze: tuple[str, ...] = ()
    """Parameters whose name contains one of these stay as they are."""
    precision: Precision = "auto"
    """Of the multiplications; the weights and their updates are fp32."""
    seed: int = 0
    """Of the order of the material, its degradations and all first weights."""
    held_out: float = 0.1
    """Share of the shots that validation takes, where no folder is given for it."""


LOSSES: tuple[str, ...] = tuple(field.name for field in fields(LossWeights))
LOSSES_OF_GAN = ("perceptual", "gan", "matching")
"""The others take part in both stages."""
LEARNING_RATES: Mapping[Stage, float] = {"net": 2e-4, "gan": 1e-4}
TRAINING: Mapping[TrainingPreset, Mapping[str, int]] = {
    "quick": {"iterations": 2000, "patch": 40, "frames": 5, "batch": 4, "judged": 2},
    "paper": {"iterations": 300_000, "patch": 64, "frames": 15, "batch": 4, "judged": 0},
}


def finetune_settings(
    preset: str, stage: str, *, num_block: str, losses: Iterable[str] = (), **given: Any
) -> FinetuneSettings:
    """Settings from what a person says; None stands for the preset's, or the stage's.

    Args:
        num_block: as "5,3,2".
        losses: as "temporal=0.5".

    Raises:
        UsageError: says what there is instead.
    """
    for name, value, known in (
        ("preset", preset, TRAINING_PRESETS),
        ("stage", stage, STAGES),
        ("schedule", given.get("schedule", "constant"), SCHEDULES),
        ("perceptual loss", given.get("perceptual", "none"), PERCEPTUAL),
    ):
        if value not in known:
            raise UsageError(f"there is no {name} {value!r}", f"there is {', '.join(known)}")
    chosen_stage = cast(Stage, stage)
    usual = {**TRAINING[cast(TrainingPreset, preset)], "lr": LEARNING_RATES[chosen_stage]}
    asked = {name: value for name, value in given.items() if value is not None}
    weights = LossWeights(**dict(map(_loss_weight, losses)))
    return FinetuneSettings(
        stage=chosen_stage, num_block=_blocks(num_block), weights=weights, **(usual | asked)
    )


def _blocks(text: str) -> tuple[int, int, int]:
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
            f"give NAME=WEIGHT, such as temporal=0.5; the names are {', '.join(LOSSES)}",
        )
    return name, value


@dataclass(frozen=True, kw_only=True)
class FinetuneRun:
    """How a run is carried out; none of this changes what an iteration learns."""

    minutes: float | None = None
    """Stop and save after so long, everything counted."""
    validate_every: int = 500
    """Iterations."""
    save_every: int = 500
    """Iterations."""
    log_every: int = 10
    """Iterations."""
    workers: int = 0
    """Threads that make windows; 0 chooses by the number of cores."""
    memory_gb: float = 0.0
    """For decoded pictures; 0: half of what is free."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    restart: bool = False
    """Begin anew, whatever the folder holds."""


@dataclass(frozen=True, kw_only=True)
class LboSettings:
    """How an operator is learned; the defaults are the paper's figures, where it gives any."""

    model: str = "basicop"
    """What makes the pseudo HR: a name of the catalogue or a path to a checkpoint."""
    stage: Stage = "gan"
    """The last one: net (L1 and L2) or, after it, gan (L1, perceptual and LSGAN)."""
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
    perceptual: Perceptual = "random"
    seed: int = 0


LBO_PRESETS: Mapping[TrainingPreset, LboSettings] = {
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
