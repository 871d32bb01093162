"""The doctor's report: what it says is so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import pytest
import torch

import animesr_cli
from animesr_cli.cli import machine as doctor
from animesr_cli.cli.machine import Finding, examine
from animesr_cli.model import catalogue as checkpoints
from animesr_cli.model.devices import choose_compute
from animesr_cli.writing.encoders import ENCODERS
from command import animesr


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return examine()


def section(findings: list[Finding], name: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings if finding.section == name}


def test_the_versions_are_those_that_run(findings: list[Finding]) -> None:
    """Our own and those of every package that a report of a fault needs."""
    versions = {name: finding.value for name, finding in section(findings, "versions").items()}
    assert versions["animesr"] == animesr_cli.__version__
    assert versions["torch"] == torch.__version__
    assert versions["av"] == av.__version__
    assert versions.keys() >= {"python", "typer", "rich", "numpy", "huggingface_hub", "safetensors"}


def test_every_device_is_listed_with_its_choice(findings: list[Finding]) -> None:
    """The CPU always; each with the precision that `auto` takes there, and why."""
    devices = section(findings, "devices")
    assert "cpu" in devices
    assert len(devices) == 1 + torch.cuda.device_count() + torch.backends.mps.is_available()
    for name, finding in devices.items():
        compute = choose_compute(name, "auto")
        assert f"auto is {compute.precision} ({compute.reason})" in finding.value
    assert f"{os.cpu_count()} cores" in devices["cpu"].value


def opens(codec: str) -> bool:
    """Whether an encoder works here, found out without the code under test."""
    try:
        encoder = av.codec.Codec(codec, "w")
        context = av.CodecContext.create(codec, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.framerate = 320, 240, 24  # type: ignore[assignment]
        formats = [f.name for f in encoder.video_formats or []]
        context.pix_fmt = "yuv420p" if "yuv420p" in formats or not formats else formats[0]
        context.open()
    except (av.FFmpegError, ValueError):
        return False
    return True


def test_the_encoders_that_are_listed_as_working_do(findings: list[Finding]) -> None:
    """Each of the table, opened, not only compiled in; the others with the reason."""
    listed = section(findings, "encoders")
    assert listed.keys() == ENCODERS.keys()
    for codec in ("libx264", "libx265", "libvpx-vp9", "ffv1", "h264_nvenc", "h264_videotoolbox"):
        assert listed[codec].usable == opens(codec), codec
        assert (listed[codec].value == "opens") == listed[codec].usable
    assert {codec for codec, finding in listed.items() if not finding.value} == set()


def test_the_models_and_the_cache_are_where_they_are_said_to_be(
    findings: list[Finding], own_home: Path
) -> None:
    """The shipped one with its path; those that are not here as such."""
    models = section(findings, "models")
    assert models.keys() == {row.name for row in checkpoints.CATALOGUE}
    assert Path(models["base"].value).name == "base.safetensors"
    assert Path(models["base"].value).is_file()
    cache = section(examine(), "cache")["folder"].value
    assert cache == str(own_home / ".cache" / "animesr")
    assert not Path(cache).exists()  # looking makes nothing


def test_the_report_is_for_people_and_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not work begins with "no:"; JSON has every finding."""
    rows = [Finding("encoders", "good", "opens"), Finding("encoders", "bad", "it is not", False)]
    monkeypatch.setattr(doctor, "examine", lambda: rows)
    outcome = animesr("doctor", "--ignore-config")
    assert outcome.exit_code == 0
    lines = [line.split() for line in outcome.stdout.splitlines()]
    assert ["encoders", "good", "opens"] in lines
    assert ["encoders", "bad", "no:", "it", "is", "not"] in lines
    facts = json.loads(animesr("doctor", "--ignore-config", "--json").stdout)
    assert facts[:2] == [
        {"section": "encoders", "name": "good", "value": "opens", "usable": True},
        {"section": "encoders", "name": "bad", "value": "it is not", "usable": False},
    ]
