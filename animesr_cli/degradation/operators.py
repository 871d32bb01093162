"""The degradation model: x = (FFmpeg . LBO . Down . LBO . Down . Noise . Blur)(y), its Eq. 1.

An operator is a function ``op(clip, ..., rng) -> clip`` of a clip (T, 3, H, W), RGB in [0, 1], on
any device, and gives a clip in [0, 1]; ``rng`` is there where chance is. What is applied to a clip
is a frozen plan, drawn first, so that it can be printed, stored and replayed: one kernel, one noise
strength, one pair of downscales and one encoder for all its frames.

Where the paper is silent: the angle of an anisotropic kernel and both its sigmas are uniform; edges
are replicated; every result is clamped; the CRF is a whole number; x264 runs its preset medium.
Down is the plain operation, without antialiasing: at a factor of exactly 2 bilinear then weighs the
same four pixels as area, and bicubic (a = -0.75) sharpens.
Source: AnimeSR (NeurIPS 2022, https://arxiv.org/abs/2206.07038), supplement, section 3.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, get_args

import av
import numpy as np
import torch
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from torch import Tensor
from torch.nn import functional

from animesr_cli.bounded import LARGEST_INT, Range, UnfitError, fitted, parse_json
from animesr_cli.degradation.lbo import LoadedOperator
from animesr_cli.errors import UsageError
from animesr_cli.video.colour import ColourSpec, Matrix, PixelLayout, from_rgb, to_rgb
from animesr_cli.video.pixel_formats import filled_frame, planes_of
from animesr_cli.writing.encoders import Encoding, new_context, open_encoder

Kernel = Literal["isotropic", "anisotropic"]
Noise = Literal["colour", "gray"]
Interpolation = Literal["area", "bilinear", "bicubic"]
Down = Literal["area", "bilinear", "bicubic", "lbo"]
Profile = Literal["baseline", "main", "high"]

KERNEL_PX: Final = 21
SCALE: Final = 4
"""HR pixels per LR pixel, in each direction: two stages of 2."""
CODES: Final = 255.0
"""The noise of the paper is in codes of 8 bits."""

CODEC: Final = "libx264"
PIX_FMT: Final = "yuv420p"
PRESET: Final = "medium"
LARGEST_CRF: Final = 51
USUAL_FRAME_RATE: Final = Fraction(25)
"""Frames per second of a clip without times: x264 spends more on frames that are shown longer."""


# ---- settings and plans --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DegradationSettings:
    """What plans are drawn from; the paper's figures."""

    isotropic_probability: float = 0.7
    isotropic_sigma_px: tuple[float, float] = (0.2, 4.0)
    anisotropic_sigma_px: tuple[float, float] = (0.8, 3.0)
    """Of each of the two axes."""
    noise_sigma: tuple[float, float] = (0.0, 10.0)
    """In 8-bit codes."""
    gray_noise_probability: float = 0.5
    interpolations: tuple[Interpolation, ...] = get_args(Interpolation)
    """Equally likely."""
    lbo_probability: float = 0.5
    """Of each of the two stages, where there is an operator at all."""
    crf: tuple[int, int] = (18, 35)
    """From, to, both included."""
    profiles: tuple[tuple[Profile, float], ...] = (("baseline", 0.1), ("main", 0.2), ("high", 0.7))
    """With their probabilities."""
    mild_probability: float = 0.0
    """Of a plan that is drawn from ``MILD`` instead: not the paper's, whose every clip is poor. A
    network that never saw a clean source oversharpens it."""


MILD: Final = DegradationSettings(
    isotropic_probability=1.0,
    isotropic_sigma_px=(0.2, 1.2),
    noise_sigma=(0.0, 1.5),
    lbo_probability=0.0,
    crf=(15, 24),
)
"""What a good source went through."""


SigmaPx = Annotated[float, Range(0.01, 100)]


@dataclass(frozen=True, kw_only=True)
class DegradationPlan:
    """Everything that is done to one clip; also the schema of a plan's file."""

    kernel: Kernel
    sigma_x_px: SigmaPx
    """Along the kernel's own first axis; of HR pixels."""
    sigma_y_px: SigmaPx
    angle_degrees: Annotated[float, Range(-360, 360)]
    """From the picture's x axis to the kernel's own, clockwise as the picture is seen."""
    noise: Noise
    noise_sigma: Annotated[float, Range(0, CODES)]
    """In 8-bit codes."""
    noise_seed: Annotated[int, Range(0, LARGEST_INT)]
    down: tuple[Down, Down]
    lbo: str | None
    """The sha256 of the operator's file; None where neither stage employs one."""
    lbo_file: str | None
    """Where that file was."""
    crf: Annotated[int, Range(0, LARGEST_CRF)]
    profile: Profile

    def __str__(self) -> str:
        blur = f"sigma {self.sigma_x_px:.2f}"
        if self.kernel == "anisotropic":
            blur += f" x {self.sigma_y_px:.2f} at {self.angle_degrees:.0f} degrees"
        lbo = f" ({self.lbo_file}, sha256 {self.lbo[:8]})" if self.lbo else ""
        return (
            f"{self.kernel} blur, {blur} · {self.noise} noise, sigma {self.noise_sigma:.2f} · "
            f"down by {self.down[0]}, {self.down[1]}{lbo} · H.264 {self.profile}, CRF {self.crf}"
        )


def sample_plan(
    rng: random.Random,
    settings: DegradationSettings = DegradationSettings(),
    operators: Sequence[LoadedOperator] = (),
) -> DegradationPlan:
    """Draw what will be done to one clip; without operators it is the basic ones alone."""
    if settings.mild_probability and rng.random() < settings.mild_probability:
        return sample_plan(rng, MILD, operators)
    kernel: Kernel = "anisotropic"
    if rng.random() < settings.isotropic_probability:
        kernel = "isotropic"
        sigma_x = sigma_y = rng.uniform(*settings.isotropic_sigma_px)
        angle = 0.0
    else:
        sigma_x = rng.uniform(*settings.anisotropic_sigma_px)
        sigma_y = rng.uniform(*settings.anisotropic_sigma_px)
        angle = rng.uniform(0.0, 180.0)
    noise: Noise = "gray" if rng.random() < settings.gray_noise_probability else "colour"
    noise_sigma = rng.uniform(*settings.noise_sigma)
    noise_seed = rng.getrandbits(32)
    down = (_sample_down(rng, settings, operators), _sample_down(rng, settings, operators))
    operator = rng.choice(operators) if "lbo" in down else None  # both stages share one weight
    profiles, weights = zip(*settings.profiles, strict=True)
    return DegradationPlan(
        kernel=kernel,
        sigma_x_px=sigma_x,
        sigma_y_px=sigma_y,
        angle_degrees=angle,
        noise=noise,
        noise_sigma=noise_sigma,
        noise_seed=noise_seed,
        down=down,
        lbo=operator.sha256 if operator else None,
        lbo_file=operator.source if operator else None,
        crf=rng.randint(*settings.crf),
        profile=rng.choices(profiles, weights)[0],
    )


def _sample_down(
    rng: random.Random, settings: DegradationSettings, operators: Sequence[LoadedOperator]
) -> Down:
    if operators and rng.random() < settings.lbo_probability:
        return "lbo"  # it unshuffles by 2, so the stage's own downscale is left out
    return rng.choice(settings.interpolations)


# ---- plans as JSON -------------------------------------------------------------------------------


def plan_to_json(plan: DegradationPlan) -> str:
    """The plan as text; every number comes back as it was."""
    return json.dumps(asdict(plan), indent=2) + "\n"


def plan_from_json(text: str | bytes) -> DegradationPlan:
    """Read a plan.

    Raises:
        UsageError: it is no plan, or asks for what does not exist.
    """
    try:
        plan = fitted(DegradationPlan, parse_json(text), exact=True)
    except UnfitError as error:
        hint = "plans are written by animesr degrade"
        raise UsageError(f"this is not the plan of a degradation: {error}", hint) from error
    if ("lbo" in plan.down) != (plan.lbo is not None):
        raise UsageError("the plan's down and lbo do not agree")
    return plan


# ---- Blur ----------------------------------------------------------------------------------------


def gaussian_kernel(sigma_x_px: float, sigma_y_px: float, angle_degrees: float) -> Tensor:
    """(21, 21) samples of a Gaussian density in float64, their sum 1."""
    steps = torch.arange(KERNEL_PX, dtype=torch.float64) - KERNEL_PX // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    cos, sin = math.cos(math.radians(angle_degrees)), math.sin(math.radians(angle_degrees))
    along, across = (x * cos + y * sin) / sigma_x_px, (y * cos - x * sin) / sigma_y_px
    density = torch.exp((along.square() + across.square()) / -2)
    return density.div_(density.sum())


def blur(clip: Tensor, sigma_x_px: float, sigma_y_px: float, angle_degrees: float = 0.0) -> Tensor:
    """Convolve every frame with a Gaussian of 21 x 21 pixels."""
    height, width = clip.shape[-2:]
    margin = KERNEL_PX // 2
    kernel = gaussian_kernel(sigma_x_px, sigma_y_px, angle_degrees).to(clip.device, clip.dtype)
    padded = functional.pad(clip, (margin, margin, margin, margin), mode="replicate")
    # By FFT for all kernels: exact in fp32, where GPUs may run convolutions in TF32. What wraps
    # around lands in the first 20 rows and columns, which are cut off.
    size = (_fft_length(height + 2 * margin), _fft_length(width + 2 * margin))
    spectrum = torch.fft.rfft2(padded, size).mul_(torch.fft.rfft2(kernel, size))
    blurred: Tensor = torch.fft.irfft2(spectrum, size)
    first = KERNEL_PX - 1
    return blurred[..., first : first + height, first : first + width].clamp(0, 1)


def _fft_length(least: int) -> int:
    """The next length whose only prime factors are 2, 3 and 5."""
    length = least
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


# ---- Noise ---------------------------------------------------------------------------------------


def add_noise(clip: Tensor, sigma: float, kind: Noise, rng: torch.Generator) -> Tensor:
    """Add Gaussian noise of ``sigma`` 8-bit codes, new in every frame; ``gray`` alike in RGB."""
    frames, channels, height, width = clip.shape
    shape = (frames, 1 if kind == "gray" else channels, height, width)
    normal = torch.randn(shape, generator=rng, device=rng.device, dtype=clip.dtype)
    return (clip + normal.to(clip.device).mul_(sigma / CODES)).clamp_(0, 1)


def frame_rng(seed: int, frame: int) -> torch.Generator:
    """The generator of one frame, whatever was drawn before it; on the CPU, for all devices."""
    state = np.random.SeedSequence((seed, frame)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


# ---- Down and LBO --------------------------------------------------------------------------------


def downscale(clip: Tensor, interpolation: Interpolation) -> Tensor:
    """Halve height and width, which are even."""
    if interpolation == "area":
        return functional.avg_pool2d(clip, 2)
    return functional.interpolate(
        clip, scale_factor=0.5, mode=interpolation, align_corners=False
    ).clamp_(0, 1)


def learned_downscale(clip: Tensor, operator: LoadedOperator) -> Tensor:
    """Halve height and width, which are even, as the operator learned it."""
    result: Tensor = operator.network(clip)
    return result.clamp(0, 1)


# ---- FFmpeg --------------------------------------------------------------------------------------


def h264_encoding(crf: float, profile: Profile, format_name: str = "") -> Encoding:
    """x264 so that equal pictures give equal bytes on every machine with AVX2."""
    # One thread: rate control depends on how pictures are shared out. AVX-512 decides differently.
    own = ["threads=1", "lookahead-threads=1"]
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):  # x264 does not check
        own.append("asm=avx2")
    options = {
        "crf": str(crf), "profile": profile, "preset": PRESET, "x264-params": ":".join(own),
    }  # fmt: skip
    return Encoding(codec=CODEC, pix_fmt=PIX_FMT, options=options, format_name=format_name)


def h264_colour(matrix: Matrix = "bt709") -> ColourSpec:
    """What the encoder is given: 4:2:0 of 8 bits, limited range."""
    layout = PixelLayout(family="yuv", depth=8, chroma_shift_x=1, chroma_shift_y=1)
    return ColourSpec(layout=layout, matrix=matrix)


def compress(
    clip: Tensor,
    crf: float,
    profile: Profile,
    *,
    frame_rate: Fraction = USUAL_FRAME_RATE,
    matrix: Matrix = "bt709",
) -> Tensor:
    """Through H.264 and back, in memory; height and width are even."""
    height, width = clip.shape[-2:]
    encoding = h264_encoding(crf, profile)
    encoder = new_context(encoding, width, height)
    encoder.framerate, encoder.time_base = frame_rate, 1 / frame_rate
    encoder.thread_type = ThreadType.AUTO  # PyAV's SLICE would cut pictures into bands
    open_encoder(encoder, encoding)
    colour = h264_colour(matrix)
    planes = [plane.cpu() for plane in from_rgb(clip.transpose(0, 1), colour)]  # (T, H, W) each
    packets = []
    for number, picture in enumerate(zip(*planes, strict=True)):
        frame = filled_frame(picture, PIX_FMT)
        frame.pts, frame.time_base = number, 1 / frame_rate
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [torch.stack(each).to(clip.device) for each in zip(*_decoded(packets), strict=True)]
    assert len(decoded[0]) == len(clip), (len(decoded[0]), len(clip))
    return to_rgb(decoded, colour).transpose(0, 1).clamp(0, 1).to(clip.dtype)


def _decoded(packets: Iterable[av.Packet[Any]]) -> list[tuple[Tensor, ...]]:
    """Copies of the decoder's planes, in order of display."""
    decoder = av.codec.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    return [tuple(torch.from_numpy(view.copy()) for view in planes_of(frame)) for frame in frames]


# ---- Eq. 1 ---------------------------------------------------------------------------------------


def shrink(
    clip: Tensor, plan: DegradationPlan, operator: LoadedOperator | None, *, first_frame: int = 0
) -> Tensor:
    """All but the last operator: (T, 3, 4h, 4w) -> (T, 3, h, w).

    A long clip may come in parts; ``first_frame`` is the number of a part's first frame.
    """
    assert clip.shape[-1] % SCALE == clip.shape[-2] % SCALE == 0, clip.shape
    assert operator is None or plan.lbo in (None, operator.sha256)
    result = blur(clip, plan.sigma_x_px, plan.sigma_y_px, plan.angle_degrees)
    noisy = []
    for number, frame in enumerate(result, first_frame):
        rng = frame_rng(plan.noise_seed, number)
        noisy.append(add_noise(frame[None], plan.noise_sigma, plan.noise, rng))
    return downscaled(torch.cat(noisy), plan, operator)


def downscaled(clip: Tensor, plan: DegradationPlan, operator: LoadedOperator | None) -> Tensor:
    """Both stages of Down and LBO: (T, 3, 4h, 4w) -> (T, 3, h, w)."""
    for stage in plan.down:
        if stage == "lbo":
            assert operator is not None
            clip = learned_downscale(clip, operator)
        else:
            clip = downscale(clip, stage)
    return clip


def apply_plan(
    clip: Tensor,
    plan: DegradationPlan,
    operator: LoadedOperator | None = None,
    *,
    frame_rate: Fraction = USUAL_FRAME_RATE,
    matrix: Matrix = "bt709",
) -> Tensor:
    """A clip (T, 3, 8m, 8n) as its plan degrades it: (T, 3, 2m, 2n)."""
    small = shrink(clip, plan, operator)
    return compress(small, plan.crf, plan.profile, frame_rate=frame_rate, matrix=matrix)


def operator_of(
    plan: DegradationPlan, operators: Iterable[LoadedOperator]
) -> LoadedOperator | None:
    """The operator that a plan names, out of those at hand; None where it needs none."""
    if plan.lbo is None:
        return None
    for operator in operators:
        if operator.sha256 == plan.lbo:
            return operator
    raise UsageError(
        f"none of the operators is the one of the plan: sha256 {plan.lbo}, once {plan.lbo_file}",
        "name its file with --lbo",
    )
