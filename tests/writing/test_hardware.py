"""One switch for hardware encoders, and rates in the place of a quality."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from animesr_cli.errors import DeviceError, UsageError
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.writing import encoding as choice
from animesr_cli.writing.encoders import probe_encoder
from animesr_cli.writing.encoding import choose_encoding
from animesr_cli.writing.hardware import hardware_codec, hardware_quality, wished_bits
from command import animesr

CLIP = Path(__file__).parents[1] / "clip.mp4"
SOURCE = probe(CLIP)


def test_the_first_that_opens_is_taken() -> None:
    """In the order nvenc, videotoolbox, qsv, amf, and of the codec that would be made."""
    working = {"hevc_qsv", "hevc_amf", "h264_videotoolbox"}

    def why_not(name: str) -> str | None:
        return None if name in working else "no driver"

    assert hardware_codec("libx265", why_not) == "hevc_qsv"
    assert hardware_codec("libx264", why_not) == "h264_videotoolbox"
    assert hardware_codec("hevc_amf", why_not) == "hevc_amf"
    with pytest.raises(DeviceError, match="no hardware encoder works here: av1_nvenc, "):
        hardware_codec("libsvtav1", why_not)
    with pytest.raises(UsageError, match="in the place of ffv1"):
        hardware_codec("ffv1", why_not)


def test_a_better_crf_is_a_better_quality_everywhere() -> None:
    """Each maker's scale goes its own way, and --crf goes along with it from 0 to 51."""
    for codec, key, sign in (
        ("h264_nvenc", "cq", 1),
        ("hevc_qsv", "global_quality", 1),
        ("hevc_videotoolbox", "global_quality", -1),
        ("av1_amf", "qp_i", 1),
    ):
        values = [sign * float(hardware_quality(codec, crf)[key]) for crf in range(52)]
        assert values == sorted(values)
        assert len(set(values)) > 45
        with pytest.raises(UsageError, match="from 0 to 51, not to 52"):
            hardware_quality(codec, 52)
    assert hardware_quality("h264_nvenc", None) == {"cq": "19"}


def test_the_switch_reaches_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoder and quality are those of the hardware; -e still wins."""
    monkeypatch.setattr(
        choice, "probe_encoder", lambda name: None if "nvenc" in name else probe_encoder(name)
    )
    settings = UpscaleSettings(hw=True, crf=20, encoder_options={"preset": "p7"})
    encoding = choose_encoding("matroska", settings, SOURCE)
    assert encoding.codec == "h264_nvenc"
    assert (encoding.options["cq"], encoding.options["preset"]) == ("21", "p7")


def test_a_rate_takes_the_place_of_a_quality() -> None:
    """No default quality beside it; a size becomes the rate that fills it, sound counted."""
    encoding = choose_encoding("matroska", UpscaleSettings(bitrate=8_000_000), SOURCE)
    assert encoding.options["b"] == "8000000"
    assert "crf" not in encoding.options
    minute = replace(SOURCE, duration_seconds=Fraction(60))
    sound = sum(stream.kind == "audio" for stream in minute.streams) * 192_000
    bits = wished_bits(UpscaleSettings(target_size=60_000_000), minute)
    assert bits == 8_000_000 * 0.98 - sound
    half = wished_bits(UpscaleSettings(target_size=60_000_000, start=Fraction(30)), minute)
    assert half == 16_000_000 * 0.98 - sound
    with pytest.raises(UsageError, match="too small for 60 seconds"):
        wished_bits(UpscaleSettings(target_size=1000), minute)
    with pytest.raises(UsageError, match="ffv1 is lossless"):
        choose_encoding("matroska", UpscaleSettings(codec="ffv1", bitrate=10**6), SOURCE)
    with pytest.raises(UsageError, match="png is lossless"):
        choose_encoding("png", UpscaleSettings(bitrate=10**6), SOURCE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--crf 0 --bitrate 8M", "--crf and --bitrate both set the rate"),
        ("--bitrate 8M --target-size 1G", "--bitrate and --target-size both set the rate"),
        ("--bitrate fast", "'fast' is no amount"),
        ("--bitrate 1", "--bitrate must be at least 1000, not 1"),
        ("--target-size 9999999T", "--target-size must be at most"),
    ],
)
def test_contradictions_are_one_line(options: str, words: str, zero_checkpoint: Any) -> None:
    """Before anything is opened."""
    animesr("upscale", CLIP, "-n", zero_checkpoint, *options.split()).refused(2, words)
