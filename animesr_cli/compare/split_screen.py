"""A clip of which each candidate has drawn a strip: the same picture, divided by lines.

Candidates are computed frame by frame beside each other, each on whole pictures with a state of its
own, so memory holds all of them. Sound and the other streams go along, as in ``animesr upscale``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from animesr_cli.compare.frame_choice import Clip, nearest_frames
from animesr_cli.compare.pictures import Comparison
from animesr_cli.errors import InputError
from animesr_cli.model.resample import resample
from animesr_cli.pages.lettering import CAPITAL, TOP, fitted, shadow
from animesr_cli.reading.frame import Frame, with_cuts
from animesr_cli.upscaling.open import open_reader, open_writer
from animesr_cli.upscaling.plan import Plan
from animesr_cli.video.colour import from_rgb, to_rgb

NAME_SHARE: Final = 0.024
"""Height of capitals, of the picture's."""
LEAST_NAME_PX: Final = 10
DIVIDER_SHARE: Final = 0.0016
"""Width of a divider, of the picture's."""
INK: Final = 0.92
SHADE: Final = 0.55
"""How much darker the picture becomes under a name."""


@dataclass(frozen=True)
class Overlay:
    """What is drawn over every frame."""

    light: Tensor
    """(H, W): how much of each pixel is white."""
    shade: Tensor
    """(H, W): how much of each pixel is black, beneath it."""

    def over(self, picture: Tensor) -> Tensor:
        """(3, H, W) with dividers and names."""
        dark = picture * (1 - self.shade * SHADE)
        return torch.lerp(dark, torch.full_like(dark, INK), self.light)


def edges(width: int, count: int) -> list[int]:
    """The columns at which ``count`` strips begin and end."""
    return [round(width * place / count) for place in range(count + 1)]


def make_overlay(names: Sequence[str], height: int, width: int, device: torch.device) -> Overlay:
    """White lines between the strips, and each name at the lower left of its own."""
    light, shade = torch.zeros(2, height, width).unbind()
    half = max(round(width * DIVIDER_SHARE / 2), 1)
    size = max(round(height * NAME_SHARE), LEAST_NAME_PX)
    outline = max(size // 4, 1)
    y = height - size - round(size * (CAPITAL - TOP) / CAPITAL)
    for name, (left, right) in zip(names, pairwise(edges(width, len(names))), strict=True):
        if left:
            shade[:, left - half - 1 : left + half + 1] = 1
            light[:, left - half : left + half] = 1
        word = fitted(name, size, max(right - left - 2 * size, 1))
        _lay(shade, shadow(word, outline), left + size - outline, y - outline)
        _lay(light, word, left + size, y)
    return Overlay(light.to(device), shade.to(device))


def _lay(mask: Tensor, word: Tensor, x: int, y: int) -> None:
    """Into a mask, as far as it fits."""
    y = max(y, 0)
    place = mask[y : y + word.shape[0], x : x + word.shape[1]]
    torch.maximum(place, word[: place.shape[0], : place.shape[1]], out=place)


def _reference_at(
    comparison: Comparison, clip: Clip, times: Iterator[Fraction], size: tuple[int, int]
) -> Generator[tuple[Frame, Tensor], None, None]:
    """The picture of the reference at each of some rising times, RGB (3, *size)."""
    height, width = comparison.size  # of the part that is compared, from the upper left
    for frame in nearest_frames(clip, times):
        rgb = to_rgb(frame.planes, clip.info.colour)[:, :height, :width]
        yield frame, resample(rgb, *size).to(comparison.candidates[0].device)


def write_split_screen(
    plan: Plan,
    comparison: Comparison,
    *,
    on_progress: Callable[[int, int | None], None],
) -> int:
    """Write the video of a plan, of whose network no use is made; the number of its frames.

    Raises AnimesrError, with nothing left behind.
    """
    done = 0
    with open_reader(plan, comparison.warn) as reader:
        frames = iter(reader)
        first = next(frames, None)
        if first is None:
            raise InputError("no frame lies in the chosen part")
        with open_writer(plan, reader.origin, comparison.warn) as writer:
            for frame, picture in _divided(plan, comparison, itertools.chain([first], frames)):
                planes = [plane.cpu() for plane in from_rgb(picture, plan.format.colour)]
                writer.write(planes, frame)
                done += 1
                on_progress(done, plan.frames)
            writer.finish()
    return done


def _divided(
    plan: Plan, comparison: Comparison, frames: Iterator[Frame]
) -> Iterator[tuple[Frame, Tensor]]:
    """Each frame with its divided picture."""
    size, candidates = (plan.format.height, plan.format.width), comparison.candidates
    depth, scenes = plan.source.colour.layout.depth, plan.settings.scenes
    copies = itertools.tee(with_cuts(frames, depth, enabled=scenes), len(comparison.names))
    results = [
        candidate.pictures(source, plan.source, size, tile=plan.settings.tile, warn=comparison.warn)
        for candidate, source in zip(candidates, copies, strict=False)
    ]
    overlay = make_overlay(comparison.names, *size, candidates[0].device)
    with ExitStack() as stack:
        if comparison.reference is not None:
            info = plan.source
            times = (frame.pts * info.time_base - info.clock_start for frame, _ in copies[-1])
            truth = _reference_at(comparison, comparison.reference, times, size)
            results.append(stack.enter_context(closing(truth)))
        for strips in zip(*results, strict=True):
            yield strips[0][0], overlay.over(_joined([picture for _, picture in strips]))


def _joined(pictures: Sequence[Tensor]) -> Tensor:
    """One strip of each."""
    borders = pairwise(edges(pictures[0].shape[2], len(pictures)))
    strips = [
        picture[..., left:right] for picture, (left, right) in zip(pictures, borders, strict=True)
    ]
    return torch.cat(strips, dim=2)
