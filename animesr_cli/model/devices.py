"""On which device and in which number format a network runs, and why; copies to it and from it.

Half precision is taken where it is known to be right and fast: fp16 on CUDA, bf16 on processors
whose instructions multiply it, after a short trial that both hold here.

CUDA and XPU copy between pinned memory and the device beside everything else, and an event tells
when; whoever needs the copy waits for that event alone. Elsewhere a copy is finished when it
returns: on MPS a copy to the host that nobody waits for may be read half done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn

from animesr_cli.errors import DeviceError, UsageError
from animesr_cli.settings.limits import PRECISIONS

RUNTIMES: Final[Mapping[str, Any]] = {"cuda": torch.cuda, "xpu": torch.xpu}
"""Kinds of GPUs, in the order in which ``auto`` takes them, each with the module of torch whose
streams and events order its work."""

FORMATS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Of features, by the names of ``--precision``."""

TRIAL_CHANNELS: Final = 64
TRIAL_SIDE_PX: Final = 64
TRIAL_ROUNDS: Final = 5
TOLERANCE: Final = 0.03
"""Largest difference that bf16 may make in the trial, as a share of the largest value: 0.4 % is
what its 8 bits of mantissa cost."""
LEAST_SPEED: Final = 0.6
"""Times fp32's speed. Sound processors have 2 to 8, faulty builds a tenth: far from both, so that a
busy machine never turns one into the other, and the same machine always chooses the same."""


@dataclass(frozen=True)
class Compute:
    """Where and in which number format the network runs, and why that was chosen."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    @property
    def precision(self) -> str:
        return next(name for name, dtype in FORMATS.items() if dtype == self.dtype)

    @property
    def memory_format(self) -> torch.memory_format:
        """How features lie in memory."""
        # Half-precision convolutions are fastest with channels last, by 2x on AVX512-BF16; on a
        # CPU those in fp32 too, by a third and more. Elsewhere fp32 has not been measured.
        last = self.dtype != torch.float32 or self.device.type == "cpu"
        return torch.channels_last if last else torch.contiguous_format


def accelerators() -> list[str]:
    """Every device of this machine but the CPU, the one that ``auto`` takes first."""
    names = [
        f"{kind}:{index}"
        for kind, runtime in RUNTIMES.items()
        for index in range(runtime.device_count())
    ]
    return [*names, *(["mps"] if torch.backends.mps.is_available() else [])]


def runtime_of(device: torch.device) -> Any:
    """Of ``RUNTIMES``; None: the device has no streams and events."""
    return RUNTIMES.get(device.type)


def to_device(planes: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """From host memory; the host goes on before they are there, the device's work waits."""
    if runtime_of(device) is None:
        return [plane.to(device) for plane in planes]
    # Torch keeps pinned memory until the copy out of it is done.
    return [plane.pin_memory().to(device, non_blocking=True) for plane in planes]


def to_host(tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
    """Start copying to host memory, and what waits for the copies: the device goes on meanwhile."""
    device = tensors[0].device
    runtime = runtime_of(device)
    if runtime is None:
        return tuple(tensor.to("cpu") for tensor in tensors), lambda: None
    copies = tuple(tensor.to("cpu", non_blocking=True) for tensor in tensors)  # pinned by torch
    done = runtime.Event()
    # By itself an event is recorded on the current device, which need not be this one.
    done.record(runtime.current_stream(device))
    return copies, done.synchronize


def choose_device(name: str) -> torch.device:
    """``auto`` takes CUDA, XPU or MPS, else the CPU; a named device that is absent is an error."""
    present = {*accelerators(), "cpu"}
    if name == "auto":
        first = next(iter(accelerators()), "cpu")
        return torch.device(first.partition(":")[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            f"'{name}' is not a device", "use auto, cpu, cuda, cuda:1, xpu or mps"
        ) from None
    if not {device.type, f"{device.type}:{device.index or 0}"} & present:
        raise DeviceError(
            f"device {name} is not available here",
            "`animesr doctor` lists the devices; `--device auto` takes the best of them",
        )
    return device


def cpu_multiplies_bf16() -> str | None:
    """The instruction set that makes bf16 fast on this processor, or None."""
    # Emulated bf16 is several times slower than fp32, so the instructions themselves must be there.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    names = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "bf16": "Arm BF16"}
    return next((names[key] for key in names if capabilities.get(key)), None)


@dataclass(frozen=True)
class Trial:
    """What a convolution in bf16 gave beside the same in fp32."""

    error: float
    """Largest difference, as a share of the largest value."""
    speed: float
    """How many times as fast as fp32."""

    @property
    def fault(self) -> str | None:
        """Why bf16 should not be used here, or None."""
        if not self.error <= TOLERANCE:  # NaN is a fault too
            return "bf16 convolutions are wrong here"
        return "bf16 is slower than fp32 here" if self.speed < LEAST_SPEED else None

    def __str__(self) -> str:
        return f"within {self.error:.1%} of fp32, {self.speed:.1f} times as fast"


@cache
def bf16_trial() -> Trial:
    """One block of convolutions in bf16 and in fp32, on this CPU; once in a process."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        convs = [nn.Conv2d(TRIAL_CHANNELS, TRIAL_CHANNELS, 3, padding=1) for _ in range(2)]
        block = nn.Sequential(convs[0], nn.ReLU(), convs[1])
        picture = torch.rand(1, TRIAL_CHANNELS, TRIAL_SIDE_PX, TRIAL_SIDE_PX)
        expected, fp32_seconds = _timed(block, picture)
        block = block.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
        small = picture.to(torch.bfloat16, memory_format=torch.channels_last)
        found, bf16_seconds = _timed(block, small)
    error = (found.float() - expected).abs().max() / expected.abs().max()
    # Spinning threads spoil one clock and other programs the other; hardly ever both.
    speeds = (full / max(half, 1e-9) for full, half in zip(fp32_seconds, bf16_seconds, strict=True))
    return Trial(float(error), max(speeds))


def _timed(block: nn.Module, picture: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """What a block gives, and the least that it took of a few times, by two clocks.

    The wall's, and that of this thread alone, which stands still while others have the processor.
    """
    result: Tensor = block(picture)  # prepares the weights
    seconds = []
    for _ in range(TRIAL_ROUNDS):
        start = time.perf_counter(), time.thread_time()
        block(picture)
        seconds.append((time.perf_counter() - start[0], time.thread_time() - start[1]))
    wall, own = zip(*seconds, strict=True)
    return result, (min(wall), min(own))


def choose_compute(device_name: str, precision: str) -> Compute:
    """Pick device and precision; the one place where either is decided."""
    return compute_on(choose_device(device_name), precision)


def compute_on(device: torch.device, precision: str) -> Compute:
    """The precision for a device, which need not be one of this machine."""
    if precision not in PRECISIONS:
        raise UsageError(f"there is no precision {precision!r}", f"use {', '.join(PRECISIONS)}")
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("fp16 needs a GPU", "on a CPU use --precision auto, bf16 or fp32")
    if precision in FORMATS:
        return Compute(device, FORMATS[precision], "asked for")
    if device.type == "cuda":
        return Compute(device, torch.float16, "half precision on CUDA")
    if device.type != "cpu":
        name = device.type.upper()
        return Compute(device, torch.float32, f"half precision is unproven on {name}")
    instructions = cpu_multiplies_bf16()
    if instructions is None:
        return Compute(device, torch.float32, "the CPU has no bf16 instructions")
    if fault := bf16_trial().fault:
        return Compute(device, torch.float32, f"the CPU has {instructions}, but {fault}")
    return Compute(device, torch.bfloat16, f"the CPU has {instructions}")
