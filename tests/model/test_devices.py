"""Which device and which precision: what is there, what is asked for, what proved itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from animesr_cli.errors import DeviceError, UsageError
from animesr_cli.model import devices
from animesr_cli.model.devices import Trial, accelerators, bf16_trial, choose_compute, choose_device


@pytest.mark.parametrize(("name", "error"), [("cuda:99", DeviceError), ("toaster", UsageError)])
def test_absent_and_unknown_devices(name: str, error: type[Exception]) -> None:
    """A device that is not there has the device's exit code; a word that is none, the usage one."""
    with pytest.raises(error):
        choose_compute(name, "auto")


def test_fp16_on_a_cpu_is_refused() -> None:
    """Half precision that would be slower than full is no choice."""
    with pytest.raises(UsageError, match="GPU"):
        choose_compute("cpu", "fp16")


@pytest.mark.parametrize(
    ("capabilities", "dtype", "reason"),
    [
        ({"avx512_bf16": True}, torch.bfloat16, "AVX512-BF16"),
        ({"amx_bf16": True, "avx512_bf16": True}, torch.bfloat16, "AMX"),
        ({"avx512_f": True, "avx2": True}, torch.float32, "no bf16"),
    ],
)
def test_cpu_precision_follows_the_instructions(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype, reason: str
) -> None:
    """bf16 only where the processor multiplies it, and the reason says which instructions."""
    monkeypatch.setattr(devices, "bf16_trial", lambda: Trial(0.004, 3.0))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    compute = choose_compute("cpu", "auto")
    assert compute.dtype == dtype
    assert reason in compute.reason


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        (Trial(0.2, 3.0), "wrong"),
        (Trial(math.nan, 3.0), "wrong"),
        (Trial(0.004, 0.1), "slower than fp32"),
    ],
)
def test_bf16_that_fails_its_trial_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, trial: Trial, reason: str
) -> None:
    """Instructions that compute wrong, or crawl, leave fp32, and the reason says so."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(devices, "bf16_trial", lambda: trial)
    compute = choose_compute("cpu", "auto")
    assert compute.dtype == torch.float32
    assert reason in compute.reason
    assert choose_compute("cpu", "bf16").dtype == torch.bfloat16, "it was asked for"


def test_a_busy_machine_does_not_change_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that others disturb leaves bf16: a run that goes on must choose what it chose."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(devices, "bf16_trial", lambda: Trial(0.004, 0.8))
    assert choose_compute("cpu", "auto").dtype == torch.bfloat16


def test_the_trial_finds_a_wrong_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bf16 convolution that forgets its last channel does not pass; the real one agrees."""
    assert bf16_trial.__wrapped__().error < 0.02
    real = nn.Conv2d.forward

    def broken(self: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        result = real(self, x)
        if x.dtype == torch.bfloat16:
            result[:, -1] = 0
        return result

    monkeypatch.setattr(nn.Conv2d, "forward", broken)
    assert bf16_trial.__wrapped__().fault == "bf16 convolutions are wrong here"


def test_the_trial_leaves_random_numbers_alone() -> None:
    """A seeded run draws what it would have drawn without the trial."""
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    bf16_trial.__wrapped__()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("present", "taken"),
    [([], "cpu"), (["mps"], "mps"), (["xpu:0"], "xpu"), (["cuda:0", "cuda:1", "xpu:0"], "cuda")],
)
def test_auto_takes_the_best_device(
    monkeypatch: pytest.MonkeyPatch, present: list[str], taken: str
) -> None:
    """CUDA, then XPU, then MPS, then the CPU; each by its kind alone."""
    monkeypatch.setattr(devices, "accelerators", lambda: present)
    assert str(choose_device("auto")) == taken
    for name in present:
        assert str(choose_device(name)) == name
    with pytest.raises(DeviceError):
        choose_device("cuda:2")


def test_half_precision_is_left_alone_where_it_is_unproven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MPS and XPU run in fp32 unless somebody asks for less."""
    monkeypatch.setattr(devices, "accelerators", lambda: ["xpu:0", "mps"])
    for name in ("xpu", "mps"):
        compute = choose_compute(name, "auto")
        assert (compute.precision, name.upper() in compute.reason) == ("fp32", True)
        assert choose_compute(name, "fp16").precision == "fp16"


def test_accelerators_are_those_of_torch() -> None:
    """Here: as many as torch counts."""
    count = torch.cuda.device_count() + torch.xpu.device_count()
    assert len(accelerators()) == count + torch.backends.mps.is_available()
