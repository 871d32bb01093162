"""(Degraded, clean) windows of a few frames, drawn from shots, in an order that a seed fixes.

What is window ``number`` of iteration ``iteration`` depends on those two numbers and the seed only,
not on threads, on what was drawn before or on where a run was resumed. Windows are cut, degraded
and sent through H.264 in threads that work ahead of training.

Source: the recipe of AnimeSR (https://arxiv.org/abs/2206.07038): windows of 15 frames at an
interval of 1 to 3, reversed with probability 0.5, flips and transposition, GT of 256 pixels.
"""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, count
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.degradation.lbo import LoadedOperator
from animesr_cli.degradation.operators import (
    MILD,
    SCALE,
    DegradationPlan,
    DegradationSettings,
    add_noise,
    blur,
    compress,
    downscaled,
    operator_of,
    sample_plan,
)
from animesr_cli.errors import InputError, Warn
from animesr_cli.model.resample import resample
from animesr_cli.settings import FinetuneSettings
from animesr_cli.text import counted
from animesr_cli.training.corpus import LISTED, Shot
from animesr_cli.video.colour import from_bytes

MAX_INTERVAL: Final = 3
DEFOCUS_PX: Final = (1.5, 7.0)
"""Sigma of a truth that is out of focus, in HR pixels."""
MILD_DEFOCUS: Final = 0.75
"""Share of such windows that are degraded mildly: softness must not look like a fault."""
BATCHES_AHEAD: Final = 4
"""Batches that may be in the making while the network is trained with one."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which pixels of which pictures, and what is done to them."""

    shot: int
    first: int
    interval: int
    reverse: bool
    top: int
    left: int
    flip_x: bool
    flip_y: bool
    transpose: bool
    plan: DegradationPlan
    defocus_px: float = 0.0
    """Sigma of the blur that the truth itself has; 0: none."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one iteration learns from."""

    iteration: int
    windows: tuple[Window, ...]
    lr: Tensor
    """(N, T, 3, h, w) RGB in [0, 1], degraded."""
    hr: Tensor
    """(N, T, 3, 4h, 4w) RGB in [0, 1]."""


# ---- choosing ------------------------------------------------------------------------------------


def usable_shots(shots: Sequence[Shot], *, frames: int, side_px: int, warn: Warn) -> list[Shot]:
    """The shots that hold a window of so many frames and HR pixels.

    Raises:
        InputError: none does.
    """
    small = [s for s in shots if min(s.source.info.width, s.source.info.height) < side_px]
    large = [s for s in shots if s not in small]
    short = [s for s in large if s.count < frames]
    usable = [s for s in large if s.count >= frames]
    if not usable:
        raise _nothing(small, short, frames, side_px)
    if short:
        warn(f"left out: {_listed(short)}, shorter than the {frames} frames of a window")
    if small:
        warn(f"left out: {_listed(small)}, smaller than the {side_px} pixels of a patch")
    return usable


def _listed(shots: Sequence[Shot]) -> str:
    names = list(dict.fromkeys(shot.source.name for shot in shots))
    more = " and others" if len(names) > LISTED else ""
    return f"{counted(len(shots), 'shot')} ({', '.join(names[:LISTED])}{more})"


def _nothing(small: Sequence[Shot], short: Sequence[Shot], frames: int, side_px: int) -> InputError:
    if short:
        longest = max(shot.count for shot in short)
        return InputError(
            f"no shot is as long as a window of {frames} frames; the longest has {longest}",
            f"use longer clips, or --frames {max(longest, 1)}",
        )
    largest = max((min(s.source.info.width, s.source.info.height) for s in small), default=0)
    return InputError(
        f"no picture is as large as a patch of {side_px}x{side_px} pixels; the largest has "
        f"{largest} on its shorter side",
        f"use larger pictures, or --patch {max(largest // SCALE // 4 * 4, 8)}",
    )


class WindowSampler:
    """Draws windows; every window that there is counts alike, so long shots come up more often."""

    def __init__(
        self,
        shots: Sequence[Shot],
        settings: FinetuneSettings,
        operators: Sequence[LoadedOperator] = (),
    ) -> None:
        self.shots, self.operators = tuple(shots), tuple(operators)
        self._frames, self._side_px = settings.frames, settings.patch * SCALE
        self._seed, self._defocus = settings.seed, settings.defocus
        self._degradation = DegradationSettings(mild_probability=settings.mild)
        self._ends = list(accumulate(shot.count - self._frames + 1 for shot in shots))

    def window(self, iteration: int, number: int) -> Window:
        """Window ``number`` of an iteration."""
        rng = random.Random(f"{self._seed}/{iteration}/{number}")
        index = bisect_right(self._ends, rng.randrange(self._ends[-1]))
        shot = self.shots[index]
        steps = max(self._frames - 1, 1)
        interval = rng.randint(1, max(min(MAX_INTERVAL, (shot.count - 1) // steps), 1))
        length = (self._frames - 1) * interval + 1
        window = Window(
            shot=index,
            first=rng.randint(0, shot.count - length),
            interval=interval,
            reverse=rng.random() < 0.5,
            top=rng.randint(0, shot.source.info.height - self._side_px),
            left=rng.randint(0, shot.source.info.width - self._side_px),
            flip_x=rng.random() < 0.5,
            flip_y=rng.random() < 0.5,
            transpose=rng.random() < 0.5,
            plan=sample_plan(rng, self._degradation, self.operators),
        )
        # A generator of its own, so that the other windows are those of a run without defocus.
        rng = random.Random(f"{self._seed}/{iteration}/{number}/defocus")
        if rng.random() >= self._defocus:
            return window
        sigma_px, is_mild = rng.uniform(*DEFOCUS_PX), rng.random() < MILD_DEFOCUS
        plan = sample_plan(rng, MILD) if is_mild else window.plan
        return replace(window, defocus_px=sigma_px, plan=plan)

    def pictures(self, window: Window) -> Tensor:
        """(T, 3, H, W) uint8: the clean pixels of a window."""
        side = self._side_px
        frames = self.shots[window.shot].frames(window.first, self._frames, window.interval)
        rows = slice(window.top, window.top + side)
        columns = slice(window.left, window.left + side)
        clip = torch.stack([frame[:, rows, columns] for frame in frames])
        mirrored = {0: window.reverse, 2: window.flip_y, 3: window.flip_x}
        clip = clip.flip([axis for axis, on in mirrored.items() if on])
        clip = clip.mT.contiguous() if window.transpose else clip
        return out_of_focus(clip, window.defocus_px) if window.defocus_px else clip


def out_of_focus(clip: Tensor, sigma_px: float) -> Tensor:
    """(T, 3, H, W) uint8, blurred by a Gaussian that reaches three sigmas; borders are mirrored."""
    reach = min(round(3 * sigma_px), min(clip.shape[-2:]) - 1)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-steps.square() / (2 * sigma_px**2))
    kernel /= kernel.sum()
    blurred = functional.pad(clip.float(), (reach,) * 4, mode="reflect").flatten(0, 1)[:, None]
    for shape in ((1, 1, 1, -1), (1, 1, -1, 1)):
        blurred = functional.conv2d(blurred, kernel.view(shape))
    return blurred.view(clip.shape).round_().clamp_(0, 255).byte()


def truth_of(hr: Tensor, scale: int) -> Tensor:
    """Clean pictures (..., 3, 4h, 4w) in [0, 1] at the size of a network of x1, x2 or x4.

    The degradation leaves a quarter of each side, whatever the network; one that enlarges less is
    shown a smaller truth.
    """
    if scale == SCALE:
        return hr
    return made_smaller(hr, *(side * scale // SCALE for side in hr.shape[-2:]))


def made_smaller(clip: Tensor, height: int, width: int) -> Tensor:
    """Pictures (..., 3, H, W) in [0, 1] at a smaller size, bicubic without aliasing."""
    return resample(clip, height, width).clamp(0, 1)


def degraded(hr: Tensor, plan: DegradationPlan, operators: Sequence[LoadedOperator]) -> Tensor:
    """A clean clip (T, 3, 8m, 8n) in [0, 1] as Eq. 1 makes it: (T, 3, 2m, 2n) on its device.

    As ``degrade.apply_plan``, but all noise is drawn at once, where the clip is.
    """
    result = blur(hr, plan.sigma_x_px, plan.sigma_y_px, plan.angle_degrees)
    rng = torch.Generator(hr.device).manual_seed(plan.noise_seed)
    result = add_noise(result, plan.noise_sigma, plan.noise, rng)
    result = downscaled(result, plan, operator_of(plan, operators))
    # One transfer there and one back: every frame by itself would wait for the GPU three times.
    return compress(result.cpu(), plan.crf, plan.profile).to(hr.device)


# ---- making --------------------------------------------------------------------------------------


def batches(
    sampler: WindowSampler,
    pool: ThreadPoolExecutor,
    *,
    device: torch.device,
    first_iteration: int,
    numbers: range,
) -> Iterator[Batch]:
    """Batches without an end, made by the threads of a pool ahead of time.

    Args:
        first_iteration: the first one's number.
        numbers: which windows of each iteration; several processes share them out.
    """
    pending: deque[tuple[int, list[Future[tuple[Window, Tensor, Tensor]]]]] = deque()
    for coming in count(first_iteration):
        made = [pool.submit(_make, sampler, device, coming, number) for number in numbers]
        pending.append((coming, made))
        if len(pending) == BATCHES_AHEAD:
            iteration, futures = pending.popleft()
            windows, lr, hr = zip(*(future.result() for future in futures), strict=True)
            yield Batch(
                iteration=iteration,
                windows=windows,
                lr=torch.stack(lr),
                hr=from_bytes(torch.stack(hr)),
            )


def _make(
    sampler: WindowSampler, device: torch.device, iteration: int, number: int
) -> tuple[Window, Tensor, Tensor]:
    """A window with its LR, fp32 in [0, 1], and its HR, uint8."""
    window = sampler.window(iteration, number)
    pictures = sampler.pictures(window)
    with _own_stream(device):
        hr = pictures.to(device)
        lr = degraded(from_bytes(hr), window.plan, sampler.operators)
    for tensor in (lr, hr) if hr.is_cuda else ():
        # Whoever is given them uses them in the usual stream: the memory is not free before.
        tensor.record_stream(torch.cuda.default_stream(device))
    return window, lr, hr


_thread = threading.local()


@contextmanager
def _own_stream(device: torch.device) -> Iterator[None]:
    """On a GPU, a stream for this thread, so that it need not wait for training."""
    if device.type != "cuda":
        yield
        return
    if not hasattr(_thread, "stream"):
        _thread.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.stream(_thread.stream):
        yield
    _thread.stream.synchronize()
