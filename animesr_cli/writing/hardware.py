"""Hardware encoders by one switch, and a bit rate or a size of the file instead of a quality.

Each maker counts quality in its own way. The numbers here stand for about the same picture as
libx264 at the same ``--crf``; they come from the makers' documentation and were not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from animesr_cli.errors import DeviceError, UsageError
from animesr_cli.reading.info import VideoInfo
from animesr_cli.settings.upscale import UpscaleSettings

KINDS: Final = ("nvenc", "videotoolbox", "qsv", "amf")
"""In the order in which they are tried."""
FAMILIES: Final = {
    "libx264": "h264", "libx264rgb": "h264", "libx265": "hevc", "libsvtav1": "av1",
}  # fmt: skip
"""Software encoder -> what the hardware encoders of the same codec are called after."""
USUAL_CRF: Final = 18.0
LAMBDA: Final = 118
"""FFmpeg's FF_QP2LAMBDA: by it ``-q:v`` is multiplied."""

SOUND_BITS: Final = 192_000
"""A second, that each stream of sound is taken for."""
CONTAINER_SHARE: Final = Fraction(1, 50)
"""Of a file, that is not pictures or sound, and what the encoder may miss the rate by."""
LEAST_BITS: Final = 10_000


def hardware_codec(software: str, why_not: Callable[[str], str | None]) -> str:
    """The first hardware encoder that opens and makes what ``software`` makes.

    Args:
        why_not: why an encoder does not work here; None: it does.

    Raises:
        UsageError: no hardware encodes such video.
        DeviceError: none opens.
    """
    if software.endswith(tuple(f"_{kind}" for kind in KINDS)):
        return software
    family = FAMILIES.get(software)
    if family is None:
        raise UsageError(
            f"--hw has no encoder in the place of {software}",
            "use -c libx264, libx265 or libsvtav1",
        )
    names = [f"{family}_{kind}" for kind in KINDS]
    found = next((name for name in names if why_not(name) is None), None)
    if found is None:
        raise DeviceError(
            f"no hardware encoder works here: {', '.join(names)} were tried",
            "leave --hw out; `animesr doctor` says why each does not open",
        )
    return found


def hardware_quality(codec: str, crf: float | None) -> dict[str, str]:
    """The options that give about the picture of libx264 at this ``--crf``."""
    wish = USUAL_CRF if crf is None else crf
    if not 0 <= wish <= 51:
        raise UsageError(f"--crf with --hw goes from 0 to 51, not to {wish:g}", "lower is better")
    kind = codec.rpartition("_")[2]
    if kind == "nvenc":
        return {"cq": f"{min(wish + 1, 51):g}"}
    if kind == "qsv":
        return {"global_quality": f"{min(round(wish) + 2, 51)}"}
    if kind == "videotoolbox":  # from 100, the best, down to 1
        quality = max(round(100 - wish * 35 / USUAL_CRF), 1)
        return {"flags": "+qscale", "global_quality": str(quality * LAMBDA)}
    level = round(wish)
    return {"rc": "cqp", "qp_i": str(level), "qp_p": str(min(level + 2, 51))}


def wished_bits(settings: UpscaleSettings, source: VideoInfo) -> int | None:
    """Bits a second of the pictures; None: a quality is asked for.

    Raises:
        UsageError: the size is too small for the length, or the length is not known.
    """
    if settings.target_size is None:
        return settings.bitrate
    seconds = _seconds(settings, source)
    if seconds is None:
        raise UsageError("--target-size needs the length, which the input does not tell")
    sound = sum(stream.kind == "audio" for stream in source.streams) * SOUND_BITS
    whole = 8 * settings.target_size * (1 - CONTAINER_SHARE) / seconds
    bits = int(whole - sound)
    if bits < LEAST_BITS:
        least = (LEAST_BITS + sound) * seconds / 8 / (1 - CONTAINER_SHARE)
        raise UsageError(
            f"--target-size is too small for {float(seconds):.0f} seconds",
            f"at least {float(least) / 1e6:.1f}M",
        )
    return bits


def _seconds(settings: UpscaleSettings, source: VideoInfo) -> Fraction | None:
    """Of the part that is upscaled."""
    seconds = source.shown_seconds(settings.start, settings.end)
    if seconds is None:
        return None
    if settings.frames and source.frame_rate:
        seconds = min(seconds, settings.frames / source.frame_rate)
    return seconds if seconds > 0 else None
