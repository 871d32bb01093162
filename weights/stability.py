"""Measures what only a long shot or a fine pattern shows: decay, drift, and checkerboards.

    python weights/stability.py --validation CLIPS --textures CLIPS -n base -n new.safetensors

Long life: the first frames of a clean clip run to and fro for 310 frames, once, and stand still for
as long, once; degraded by the clip's first plan. The PSNR-Y of frames 300 to 309 is compared with
that of frames 10 to 19, which have the same truth. What the encoder does to the input in that time
shows in bicubic's figure, which is subtracted.

Drift: 250 such degraded frames are played over and over, 2,000 in all. The mean of each channel
over 250 frames must stay what it was in the first 250.

Checkerboard: how strongly the results alternate from pixel to pixel along rows and columns at once,
as a mean amplitude over windows of 8x8 pixels, in codes; at three moments of each real clip, the
strongest counts. A picture without the pattern has 0.0 to 0.2.

Results are kept in the work folder by candidate and clip, as those of measure.py.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.degradation import operators as degrade
from animesr_cli.degradation.lbo import load_operator
from animesr_cli.degradation.video import read_plan
from animesr_cli.errors import AnimesrError, UsageError
from animesr_cli.metrics.scoring import luma_of, psnr, squared_error
from animesr_cli.model.devices import choose_compute
from animesr_cli.reading.reader import Reader
from animesr_cli.video.colour import to_rgb
from animesr_cli.video.part import Part
from candidates import BICUBIC, Candidate, bicubic_candidate, network_candidate
from measure import OPERATORS, PLAN_FOLDERS, RGB_8_BIT, WORK_FOLDER, digest, plan_path, rounded

SWING: Final = 6
"""Frames of the clean clip that run to and fro: one period is 10 frames."""
PERIOD: Final = 2 * (SWING - 1)
EARLY: Final = 10
LATE: Final = 300
LONG_SIDE_PX: Final = 256
"""Of the part of the clean pictures that a long shot shows."""
DRIFT_SIDE_PX: Final = 192
DRIFT_LOOP: Final = 250
DRIFT_FRAMES: Final = 2000
PATTERN_FRAMES: Final = 4
"""Of a real clip before and with the one that is judged."""
PATTERN_SIZE_PX: Final = (180, 320)
PATTERN_WINDOW_PX: Final = 8
VERSION: Final = 1
"""Is to be changed with what is measured; results are kept under it."""

Say = Callable[[str], None]


# ---- long shots ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LongShot:
    """A degraded shot and the truth of each of its frames."""

    name: str
    lr: Sequence[Tensor]
    """(3, h, w), RGB in [0, 1]."""
    hr: Sequence[Tensor]
    """(3, 4h, 4w); the same tensor where the truth is the same."""


def clean_part(clip: Path, side_px: int) -> list[Tensor]:
    """The middle of the first frames, (3, side, side) RGB in [0, 1]."""
    with Reader(clip, part=Part(frames=SWING)) as reader:
        frames = [to_rgb(frame.planes, reader.info.colour) for frame in reader]
    if len(frames) < SWING:
        raise UsageError(f"{clip.name} has fewer than {SWING} frames")
    return [_middle(frame, side_px, side_px).clamp(0, 1) for frame in frames]


def _middle(frame: Tensor, height: int, width: int) -> Tensor:
    top, left = max(frame.shape[1] - height, 0) // 2, max(frame.shape[2] - width, 0) // 2
    return frame[:, top : top + height, left : left + width].contiguous()


@functools.lru_cache(maxsize=8)
def long_shot(clip: Path, plan: Path, *, side_px: int, count: int, moving: bool) -> LongShot:
    """The clip's first frames to and fro, or its first held, degraded by the plan."""
    clean = clean_part(clip, side_px)
    order = [min(n % PERIOD, PERIOD - n % PERIOD) if moving else 0 for n in range(count)]
    drawn = read_plan(plan)
    operator = degrade.operator_of(drawn, [load_operator(path) for path in OPERATORS])
    parts = []
    for first in range(0, count, PERIOD):
        part = torch.stack([clean[place] for place in order[first : first + PERIOD]])
        parts.append(degrade.shrink(part, drawn, operator, first_frame=first))
    lr = degrade.compress(torch.cat(parts), drawn.crf, drawn.profile)
    name = f"{clip.stem}, {'moving' if moving else 'held'}"
    return LongShot(name=name, lr=lr.unbind(), hr=[clean[place] for place in order])


def _luma(picture: Tensor) -> Tensor:
    return luma_of(tuple(rounded(picture)), RGB_8_BIT)


def decay_db(candidate: Candidate, *, clip: Path, plan: Path, moving: bool) -> float:
    """PSNR-Y of the frames from 10 on less that of the frames from 300 on; above 0: it decays."""
    shot = long_shot(clip, plan, side_px=LONG_SIDE_PX, count=LATE + PERIOD, moving=moving)
    errors: dict[int, list[float]] = {EARLY: [], LATE: []}
    for number, picture in enumerate(candidate.enlarge(shot.lr)):
        for first, own in errors.items():
            if first <= number < first + PERIOD:
                own.append(squared_error(_luma(picture), _luma(shot.hr[number])))
    early, late = (psnr(math.fsum(own) / PERIOD) or 100.0 for own in errors.values())
    return early - late


def drift_codes(
    candidate: Candidate, *, clip: Path, plan: Path, moving: bool, frames: int
) -> float:
    """Largest change of a channel's mean over a loop of the shot, from its first loop, in codes."""
    shot = long_shot(clip, plan, side_px=DRIFT_SIDE_PX, count=DRIFT_LOOP, moving=moving)
    played = [shot.lr[number % DRIFT_LOOP] for number in range(frames)]
    means: list[Tensor] = []
    for number, picture in enumerate(candidate.enlarge(played)):
        if number % DRIFT_LOOP == 0:
            means.append(torch.zeros(3, dtype=torch.float64))
        means[-1] += picture.clamp(0, 1).double().mean(dim=(1, 2)).cpu() * (255 / DRIFT_LOOP)
    return max(float((mean - means[0]).abs().max()) for mean in means)


# ---- the pattern ---------------------------------------------------------------------------------


def moments(clip: Path) -> Iterator[list[Tensor]]:
    """Short runs of a real clip, the middle of their pictures, at a quarter, half and three."""
    with Reader(clip) as reader:
        duration = reader.info.duration_seconds or Fraction(0)
    for quarter in (1, 2, 3):
        start = duration * quarter / 4
        with Reader(clip, part=Part(start, None, PATTERN_FRAMES), warn=lambda _: None) as reader:
            frames = [to_rgb(frame.planes, reader.info.colour) for frame in reader]
        yield [_middle(frame, *PATTERN_SIZE_PX) for frame in frames]


def pattern_codes(picture: Tensor) -> float:
    """Amplitude of what alternates between neighbours both ways, (3, H, W) RGB in [0, 1]."""
    luma = picture.float().clamp(0, 1).mean(dim=0) * 255
    rows, columns = (torch.arange(side, device=luma.device) for side in luma.shape)
    signs = 1 - 2 * ((rows[:, None] + columns) % 2)
    amplitude = functional.avg_pool2d((luma * signs)[None], PATTERN_WINDOW_PX)
    return float(amplitude.abs().double().mean())


def checkerboard_codes(candidate: Candidate, *, clip: Path) -> float:
    """The strongest response at the moments of a clip."""
    found = []
    for frames in moments(clip):
        *_, last = candidate.enlarge(frames)
        found.append(pattern_codes(last))
    return max(found)


# ---- all of it -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One figure of a candidate."""

    key: str
    """Differs where anything but the candidate differs."""
    figure: Callable[[Candidate], float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table."""

    title: str
    largest: float
    """The goal: at most this."""
    digits: int
    measurements: Sequence[Measurement]
    reduce: Callable[[Sequence[float]], float] = max
    beside_bicubic: bool = False
    """Whether bicubic's own figure is subtracted."""


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def long_rows(clips: Sequence[Path], folder: Path, drift_frames: int) -> list[Row]:
    """Decay over all clips; drift on the first of them."""
    decays, drifts = [], []
    for moving in (True, False):
        for clip in clips:
            plan = plan_path(clip, 1, folder)
            key = digest(clip, plan, "decay", moving, LONG_SIDE_PX, VERSION)
            figure = functools.partial(decay_db, clip=clip, plan=plan, moving=moving)
            decays.append(Measurement(key=key, figure=figure))
        clip = clips[0]
        plan = plan_path(clip, 1, folder)
        key = digest(clip, plan, "drift", moving, DRIFT_SIDE_PX, drift_frames, VERSION)
        figure = functools.partial(
            drift_codes, clip=clip, plan=plan, moving=moving, frames=drift_frames
        )
        drifts.append(Measurement(key=key, figure=figure))
    return [
        Row(
            title=f"decay from frame {EARLY} to {LATE}, mean of {len(decays)} shots, dB",
            largest=0.2,
            digits=3,
            measurements=decays,
            reduce=_mean,
            beside_bicubic=True,
        ),
        Row(
            title=f"drift of a channel's mean over {drift_frames} frames, codes",
            largest=0.3,
            digits=3,
            measurements=drifts,
        ),
    ]


def pattern_rows(clips: Sequence[Path]) -> list[Row]:
    """A line for each clip."""
    return [
        Row(
            title=f"checkerboard, {clip.name}, codes",
            largest=0.5,
            digits=2,
            measurements=[
                Measurement(
                    key=digest(clip, "checkerboard", PATTERN_SIZE_PX, VERSION),
                    figure=functools.partial(checkerboard_codes, clip=clip),
                )
            ],
        )
        for clip in clips
    ]


class Kept:
    """Single figures of one candidate, in a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def figure(self, candidate: Candidate, measurement: Measurement) -> float:
        key = digest(candidate.key, measurement.key)[:24]
        path = self._folder / f"{candidate.name}-{key}.json"
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(measurement.figure(candidate)), encoding="utf-8")
            part.replace(path)
        return float(json.loads(path.read_text(encoding="utf-8")))


@torch.inference_mode()
def table(rows: Sequence[Row], candidates: Sequence[Candidate], kept: Kept, say: Say) -> list[str]:
    """Markdown: a line for each row, a column for each candidate, bicubic first."""
    names = [candidate.name for candidate in candidates]
    lines = [f"|  | {' | '.join(names)} | goal |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        cells, of_bicubic = [], 0.0
        for candidate in candidates:
            value = row.reduce([kept.figure(candidate, each) for each in row.measurements])
            if candidate.name == BICUBIC:
                of_bicubic = value
                cells.append(f"{value:.{row.digits}f}")
                continue
            value -= of_bicubic if row.beside_bicubic else 0.0
            verdict = "reached" if value <= row.largest else "missed"
            cells.append(f"{value:.{row.digits}f} ({verdict})")
            say(f"{row.title}: {candidate.name} {value:.{row.digits}f}")
        lines.append(f"| {row.title} | {' | '.join(cells)} | at most {row.largest:g} |")
    return lines


# ---- the command ---------------------------------------------------------------------------------


def videos(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if p.suffix in (".mp4", ".mkv", ".webm"))
    if not found:
        raise UsageError(f"{folder} holds no video")
    return found


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure long shots and fine patterns.")
    add = parser.add_argument
    add("--validation", type=Path, metavar="DIR", help="clean clips, for long shots")
    add("--textures", type=Path, metavar="DIR", help="real clips, for checkerboards")
    add("-n", "--model", action="append", default=[], help="[COLUMN=]NAME[@STRENGTH]")
    add("--clips", type=int, default=3, metavar="N", help="clean clips that are taken [3]")
    add("--drift-frames", type=int, default=DRIFT_FRAMES, metavar="N", help=f"[{DRIFT_FRAMES}]")
    add("--plan-folder", type=Path, default=PLAN_FOLDERS[0], metavar="DIR")
    add("--device", default="cpu", help="auto, cpu, cuda ...")
    add("--precision", default="auto", help="auto, fp16, bf16, fp32")
    add("--threads", type=int, metavar="N", help="of the CPU [all]")
    add("--work", type=Path, default=WORK_FOLDER, metavar="DIR", help="where results are kept")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        rows = []
        if options.validation:
            clips = videos(options.validation)[: options.clips]
            rows += long_rows(clips, options.plan_folder, options.drift_frames)
        if options.textures:
            rows += pattern_rows(videos(options.textures))
        if not rows:
            raise UsageError("nothing to measure on", "name --validation, --textures or both")
        compute = choose_compute(options.device, options.precision)
        networks = [network_candidate(model, compute) for model in options.model]
        candidates = [bicubic_candidate(compute.device), *networks]
        kept = Kept(options.work / "stability")
        lines = table(rows, candidates, kept, lambda text: print(text, file=sys.stderr, flush=True))
    except AnimesrError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
