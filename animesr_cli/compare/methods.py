"""What can enlarge a picture and be compared: networks by name or file, and classic resamplers.

Networks of different kinds and scales stand on one page, since every result is brought to one
size: a resampler goes there at once, a network by its own factor and then by bicubic resampling, as
in ``animesr upscale``.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from animesr_cli.errors import UsageError, Warn
from animesr_cli.model.catalogue import named
from animesr_cli.model.clip_engine import WINDOWS, lookahead_of, open_engine
from animesr_cli.model.devices import choose_compute, to_device
from animesr_cli.model.resample import RESAMPLERS, enlarge, resample
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.info import VideoInfo
from animesr_cli.settings import NETWORK_SCALE, UpscaleSettings
from animesr_cli.upscaling.plan import LoadedNetwork, ready_network
from animesr_cli.video.colour import to_rgb


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to enlarge a clip."""

    name: str
    """The name that people see: the catalogue's, the file's, or the resampler's."""
    device: torch.device
    loaded: LoadedNetwork | None = None
    """None: it is a resampler."""

    @property
    def kind(self) -> str:
        return "resampler" if self.loaded is None else "network"

    @property
    def scale(self) -> int | None:
        """By which the network enlarges; None: a resampler goes to any size."""
        return None if self.loaded is None else self.loaded.network.scale

    @property
    def takes_shots(self) -> bool:
        """Whether its frames are computed many at a time, and come in bursts."""
        if self.loaded is None:
            return False
        return lookahead_of(self.loaded.network) > self.loaded.network.radius

    @property
    def strength(self) -> float | None:
        """How far the network is from its soft partner; None: it has none, or is itself."""
        return None if self.loaded is None else self.loaded.checkpoint.strength

    def how(self, source: VideoInfo, size: tuple[int, int]) -> str:
        """How its pictures come to their height and width, for people."""
        height, width = size
        if self.loaded is None:
            return f"resampled from {source.width}\u00d7{source.height}"
        network = self.loaded.network
        made = f"{network.architecture} \u00d7{network.scale}"
        if self.strength is not None:
            made += f", strength {self.strength:g}"
        if (source.height * network.scale, source.width * network.scale) == size:
            return made
        return f"{made}, then bicubic to {width}\u00d7{height}"

    def pictures(
        self,
        frames: Iterable[tuple[Frame, bool]],
        source: VideoInfo,
        size: tuple[int, int],
        *,
        tile: int = 0,
        warn: Warn,
    ) -> Iterator[tuple[Frame, Tensor]]:
        """Frames, each with whether it begins a shot -> the same with RGB (3, *size).

        RGB is fp32 and not clamped.
        """
        rgb = ((frame, self._rgb(frame, source), cut) for frame, cut in frames)
        if self.loaded is None:
            for frame, picture, _ in rgb:
                yield frame, enlarge(picture, *size, self.name)
            return
        engine = open_engine(
            self.loaded.network, source.height, source.width, self.loaded.compute,
            tile=tile, window=WINDOWS[1], warn=warn,
        )  # fmt: skip
        for frame, picture in engine.upscale_frames(rgb):
            yield frame, resample(picture, *size)

    def _rgb(self, frame: Frame, source: VideoInfo) -> Tensor:
        return to_rgb(to_device(frame.planes, self.device), source.colour)


def load_candidates(
    models: Sequence[str], settings: UpscaleSettings, *, warn: Warn
) -> list[Candidate]:
    """All of them, loaded and verified, so that whatever cannot be had is known before any work.

    Raises:
        UsageError: one is named twice, or there is nothing of that name.
        WeightsError, DownloadError: a checkpoint cannot be had or read.
    """
    for name, count in Counter(models).items():
        if count > 1:
            raise UsageError(f"{name} is named twice", "leave one of them out")
    device = choose_compute(settings.device, settings.precision).device
    wishes = [_with_strength(model) for model in models]
    for model, strength in wishes:
        if model in RESAMPLERS and strength is not None:
            raise UsageError(f"{model} is a resampler and has no strength", f"name it -n {model}")
    names = _short_names([model for model, _ in wishes])
    return _distinguished(
        [
            Candidate(
                name=names[model] if strength is None else f"{names[model]}@{strength:g}",
                device=device,
                loaded=None if model in RESAMPLERS else _network(model, strength, settings, warn),
            )
            for model, strength in wishes
        ]
    )


def _with_strength(model: str) -> tuple[str, float | None]:
    """``base@0.5`` is ``base`` at strength 0.5, unless a file is called so."""
    name, at, number = model.rpartition("@")
    if not at or os.path.exists(model):
        return model, None
    try:
        return name, float(number)
    except ValueError:
        return model, None


def common_factor(candidates: Sequence[Candidate]) -> int:
    """The size at which all are shown where nothing else is asked for: the largest network's."""
    return max((each.scale for each in candidates if each.scale is not None), default=NETWORK_SCALE)


def _distinguished(candidates: list[Candidate]) -> list[Candidate]:
    """Where networks differ in scale, each name says its own, unless it does so already."""
    if len({each.scale for each in candidates} - {None}) < 2:
        return candidates
    return [
        each
        if each.scale is None or f"x{each.scale}" in each.name.lower()
        else replace(each, name=f"{each.name} \u00d7{each.scale}")
        for each in candidates
    ]


def _network(
    model: str, strength: float | None, settings: UpscaleSettings, warn: Warn
) -> LoadedNetwork:
    try:
        return ready_network(replace(settings, model=model, strength=strength), warn=warn)
    except UsageError as error:  # of the name or strength: what else there is was settled before
        if strength is not None and named(model):
            raise
        close = difflib.get_close_matches(model.lower(), RESAMPLERS, n=1)
        nearest = f"did you mean {close[0]}? " if close else ""
        hint = f"{nearest}{error.hint}, and the resamplers {', '.join(RESAMPLERS)}"
        raise UsageError(error.message, hint) from error


def _short_names(models: Sequence[str]) -> dict[str, str]:
    """File names without their folders, where that tells them apart."""
    known = {model for model in models if model in RESAMPLERS or named(model)}
    short = {model: model if model in known else Path(model).name for model in models}
    often = Counter(short.values())  # of different files
    return {model: model if often[name] > 1 else name for model, name in short.items()}
