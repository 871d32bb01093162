"""Measures networks on clean clips that were degraded by fixed plans, beside bicubic.

    python weights/measure.py --validation CLIPS -n base -n peer.pth -n new.safetensors --json OUT
    python weights/measure.py --validation CLIPS -n new.safetensors --plans 1 --frames 8
    python weights/measure.py --validation CLIPS -n before=old.safetensors -n base --sheet OUT.png
    python weights/measure.py --validation CLIPS -n base@0 -n base -n base@1
    python weights/measure.py --validation CLIPS -n soft.safetensors~sharp.safetensors@0.3
    python weights/measure.py --validation CLIPS -n two.safetensors -n base --scale 2

Every clip is degraded by its plans in plans/ and plans-lbo/ (each can be replayed by `animesr
degrade --plan`), enlarged by every candidate, and scored against the clean clip as `animesr
evaluate` does it. A candidate's pictures are clamped and rounded to 8-bit RGB before, as an image
file would hold them; no encoder comes between. Bicubic is that of the literature (Keys, a = -0.5).

Degraded clips and scores are kept in a work folder under the hashes of what they depend on: one
column more costs its own inference alone, and a run that was stopped goes on. A mean is over all
pairs of a clip and a plan. What the figures must reach stands in tables.py; what only a long shot
or a fine pattern shows is measured by stability.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

import animesr_cli
from animesr_cli.degradation import operators as degrade
from animesr_cli.degradation import video as degrade_video
from animesr_cli.degradation.lbo import LoadedOperator, load_operator
from animesr_cli.degradation.operators import DegradationPlan
from animesr_cli.errors import AnimesrError, UsageError
from animesr_cli.metrics.measures import Scores
from animesr_cli.metrics.scoring import Meter, luma_of
from animesr_cli.model.devices import Compute, choose_compute
from animesr_cli.reading.reader import Reader
from animesr_cli.training.windows import truth_of
from animesr_cli.video.colour import ColourSpec, PixelLayout, to_bytes, to_rgb
from animesr_cli.video.part import Part
from candidates import SCALE, Candidate, bicubic_candidate, network_candidate
from sheet import Scene, draw_sheet
from tables import markdown

HERE: Final = Path(__file__).resolve().parent
PLAN_FOLDERS: Final = (HERE / "plans", HERE / "plans-lbo")
OPERATORS: Final = tuple(sorted(HERE.glob("lbo-*.safetensors")))
WORK_FOLDER: Final = HERE.parent / "build" / "measure"
PLANS_PER_CLIP: Final = 4
RGB_8_BIT: Final = ColourSpec(layout=PixelLayout(family="rgb", depth=8))
SHEET_SCENES: Final = 8
SCORING: Final = "8-bit RGB, Keys' bicubic"
"""Is to be changed with what is scored; scores are kept under it."""
PROBE_SIDE_PX: Final = 192
PROBE_FRAMES: Final = 2


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A clean clip and one of its plans."""

    clip: Path
    number: int
    """Of the plan, from 1."""
    plan: Path

    @property
    def kind(self) -> str:
        """The folder of its plan: ``plans`` or ``plans-lbo``."""
        return self.plan.parent.name

    @property
    def name(self) -> str:
        return f"{self.clip.stem}-{self.kind}-{self.number}"


# ---- plans ---------------------------------------------------------------------------------------


def plan_path(clip: Path, number: int, folder: Path) -> Path:
    return folder / f"{clip.stem}-{number}.json"


def draw_plans(clips: Sequence[Path], folder: Path, plans: int, lbo: Sequence[Path]) -> None:
    """Write the plans of all clips, from the seeds 0, 1, 2 ... in the order of the clips' names.

    Nothing is chosen: `animesr degrade --seed` draws the same plans from the same seeds. With
    operators a generator draws until its plan employs one.
    """
    operators = [load_operator(path) for path in lbo]
    folder.mkdir(parents=True, exist_ok=True)
    for index, clip in enumerate(clips):
        for number in range(1, plans + 1):
            rng = random.Random(index * plans + number - 1)
            plan = degrade.sample_plan(rng, operators=operators)
            while operators and plan.lbo is None:
                plan = degrade.sample_plan(rng, operators=operators)
            plan_path(clip, number, folder).write_text(degrade.plan_to_json(plan), encoding="utf-8")


def samples_of(clips: Sequence[Path], plans: int, folder: Path) -> list[Sample]:
    """Every clip with its first plans of one folder, as many as there are."""
    samples = []
    for clip in clips:
        paths = [(number, plan_path(clip, number, folder)) for number in range(1, plans + 1)]
        own = [Sample(clip=clip, number=n, plan=path) for n, path in paths if path.is_file()]
        if not own:
            raise UsageError(f"{clip.name} has no plan {paths[0][1]}", "--draw-plans draws them")
        samples += own
    return samples


# ---- what is kept --------------------------------------------------------------------------------


def digest(*parts: Any) -> str:
    """Of files (paths) by their content, and of everything else by its text."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
        sha.update(b"\0")
    return sha.hexdigest()


def probe_clip(seed: int) -> Tensor:
    """A small fixed clip (T, 3, H, W) of coarse and fine noise."""
    rng = torch.Generator().manual_seed(seed)
    shape = (PROBE_FRAMES, 3, PROBE_SIDE_PX, PROBE_SIDE_PX)
    coarse = functional.interpolate(torch.rand((PROBE_FRAMES, 3, 12, 12), generator=rng), shape[2:])
    return (coarse * 0.9).add_(torch.rand(shape, generator=rng), alpha=0.1)


def metrics_key() -> str:
    """Differs where the metrics do: what they say of two fixed clips."""
    lumas = [picture.mean(dim=0) * 255 for picture in probe_clip(1)]
    scores = asdict(score(probe_clip(2), lumas))
    return f"{SCORING} {[f'{value:.4g}' for value in scores.values() if value is not None]}"


def degradation_key(plan: DegradationPlan, lbo: Sequence[LoadedOperator]) -> str:
    """Differs where the operators do: what they make of a fixed clip."""
    degraded = degrade.apply_plan(probe_clip(1), plan, degrade.operator_of(plan, lbo))
    return hashlib.sha256(rounded(degraded).numpy().tobytes()).hexdigest()


def degraded_clip(sample: Sample, work: Path, lbo: Sequence[Path]) -> Path:
    """The clip as its plan degrades it; the whole of it, however little of it is measured."""
    plan = degrade_video.read_plan(sample.plan)
    key = digest(sample.clip, degradation_key(plan, [load_operator(path) for path in lbo]))
    path = work / "degraded" / f"{sample.name}-{key[:16]}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.mp4")  # another run may make it too
        degrade_video.degrade_video(
            sample.clip,
            part,
            plan_path=sample.plan,
            plan_output=path.with_suffix(f".{os.getpid()}.json"),
            lbo=lbo,
            device="cpu",  # a GPU rounds differently, and x264 would make other clips of it
            overwrite=True,
        )
        part.replace(path)
        path.with_suffix(f".{os.getpid()}.json").unlink()
    return path


class ScoreStore:
    """The scores of one candidate on one pair, by all that they depend on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._metrics = metrics_key()
        folder.mkdir(parents=True, exist_ok=True)

    def path(
        self, sample: Sample, degraded: Path, candidate: Candidate, frames: int | None
    ) -> Path:
        key = digest(sample.clip, degraded, candidate.key, frames, self._metrics)
        return self._folder / f"{sample.name}-{candidate.name}-{key[:24]}.json"

    def read(self, path: Path) -> Scores | None:
        return Scores(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def write(self, path: Path, scores: Scores) -> None:
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(scores)), encoding="utf-8")
        part.replace(path)


# ---- pictures ------------------------------------------------------------------------------------


def read_rgb(
    path: Path, frames: int | None, device: torch.device, scale: int = SCALE
) -> Iterator[Tensor]:
    """Frames (3, H, W), RGB in [0, 1] as the network is given them; smaller below scale 4."""
    with Reader(path, part=Part(frames=frames)) as reader:
        for frame in reader:
            planes = [plane.to(device) for plane in frame.planes]
            rgb = to_rgb(planes, reader.info.colour)
            yield truth_of(rgb[None], scale)[0]


def read_luma(
    path: Path, frames: int | None, device: torch.device, scale: int = SCALE
) -> list[Tensor]:
    """(H, W) lumas of a clean clip, in codes, as `animesr evaluate` has them.

    At a scale below that of the degradation the clean pictures are made as much smaller.
    """
    if scale != SCALE:
        small = read_rgb(path, frames, device, scale)
        return [luma_of(tuple(rounded(picture)), RGB_8_BIT) for picture in small]
    with Reader(path, part=Part(frames=frames)) as reader:
        return [
            luma_of([plane.to(device) for plane in frame.planes], reader.info.colour)
            for frame in reader
        ]


def rounded(rgb: Tensor) -> Tensor:
    """(3, H, W) RGB as bytes."""
    return to_bytes(rgb.float().clamp(0, 1))


def score(pictures: Iterable[Tensor], lumas: Sequence[Tensor]) -> Scores:
    """Of a clip: enlarged RGB pictures against the lumas of the clean ones."""
    meter = Meter()
    for picture, luma in zip(pictures, lumas, strict=True):
        meter.add(luma_of(tuple(rounded(picture)), RGB_8_BIT), luma)
    return meter.clip()


# ---- all pairs -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured, and how."""

    samples: Sequence[Sample]
    candidates: Sequence[Candidate]
    frames: int | None
    """Of each clip, at most; None: all."""
    work: Path
    lbo: Sequence[Path]
    compute: Compute
    scale: int
    """At which results and truth are compared."""


@torch.inference_mode()
def measure_pair(job: Job, sample: Sample, store: ScoreStore) -> dict[str, Scores]:
    """Scores by candidate; what is in the store is not computed again."""
    degraded = degraded_clip(sample, job.work, job.lbo)
    paths = {c.name: store.path(sample, degraded, c, job.frames) for c in job.candidates}
    found = {name: store.read(path) for name, path in paths.items()}
    missing = [c for c in job.candidates if found[c.name] is None]
    if missing:
        device = job.compute.device
        lumas = read_luma(sample.clip, job.frames, device, job.scale)
        small = list(read_rgb(degraded, job.frames, device))
        for candidate in missing:
            found[candidate.name] = scores = score(candidate.enlarge(small), lumas)
            store.write(paths[candidate.name], scores)
    return {name: scores for name, scores in found.items() if scores is not None}


def measure(job: Job, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each pair: clip, plan, and the scores by candidate."""
    store = ScoreStore(job.work / "scores")
    rows: list[dict[str, Any]] = []
    for index, sample in enumerate(job.samples, 1):
        start = time.perf_counter()
        scores = measure_pair(job, sample, store)
        rows.append(
            {
                "clip": sample.clip.stem,
                "kind": sample.kind,
                "plan": sample.number,
                "degradation": json.loads(sample.plan.read_text(encoding="utf-8")),
                "scores": {name: asdict(of) for name, of in scores.items()},
            }
        )
        seconds = time.perf_counter() - start
        psnr = ", ".join(f"{name} {of.psnr_y or 0:.2f} dB" for name, of in scores.items())
        say(f"{index}/{len(job.samples)} {sample.name}: {psnr} ({seconds:.1f} s)")
    return rows


# ---- the sheet -----------------------------------------------------------------------------------


def scene_of(clip: Path) -> str:
    """Clips are called <title>-<scene>-<source>_<first frame>."""
    return clip.stem.rsplit("_", 1)[0]


@torch.inference_mode()
def scenes_for_sheet(job: Job) -> list[Scene]:
    """The middle picture of the first clip of each scene, by its first plan."""
    kind = job.samples[0].kind
    first = {scene_of(s.clip): s for s in reversed(job.samples) if (s.kind, s.number) == (kind, 1)}
    scenes = []
    for name in sorted(first)[:SHEET_SCENES]:
        sample = first[name]
        device = job.compute.device
        truth = list(read_rgb(sample.clip, job.frames, device, job.scale))
        middle = len(truth) // 2
        degraded = degraded_clip(sample, job.work, job.lbo)
        small = list(read_rgb(degraded, middle + 2, device))[: len(truth)]
        pictures = [list(c.enlarge(small))[middle] for c in job.candidates]
        scenes.append(Scene(name, [rounded(p).cpu() for p in (*pictures, truth[middle])]))
    return scenes


# ---- the command ---------------------------------------------------------------------------------


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure checkpoints beside bicubic.")
    add = parser.add_argument
    add("--validation", type=Path, required=True, metavar="DIR", help="clean clips, .mp4 or .mkv")
    add("-n", "--model", action="append", default=[], help="[COLUMN=]NAME[@STRENGTH]; repeatable")
    add("--plan-folder", type=Path, action="append", metavar="DIR", help="[both]; repeatable")
    add("--draw-plans", action="store_true", help="write the plans of the one folder first")
    add("--lbo", type=Path, action="append", help="a learned operator [those of weights/]")
    add("--clips", type=int, metavar="N", help="only the first N clips")
    add("--plans", type=int, default=PLANS_PER_CLIP, metavar="N", help="at most N of each folder")
    add("--frames", type=int, metavar="N", help="only the first N frames of each clip")
    add("--device", default="cpu", help="auto, cpu, cuda ... (degrading stays on the CPU)")
    add("--precision", default="auto", help="auto, fp16, bf16, fp32")
    add("--scale", type=int, choices=(2, 4), default=SCALE, help="compare at this scale [4]")
    add("--threads", type=int, metavar="N", help="of the CPU [all]")
    add("--work", type=Path, default=WORK_FOLDER, metavar="DIR", help="where results are kept")
    add("--json", type=Path, metavar="FILE", help="write every figure there")
    add("--sheet", type=Path, metavar="PNG", help="draw eight scenes: bicubic, models, truth")
    return parser.parse_args(arguments)


def new_job(options: argparse.Namespace) -> Job:
    clips = sorted(p for p in options.validation.iterdir() if p.suffix in (".mp4", ".mkv"))
    if not clips:
        raise UsageError(f"{options.validation} holds no .mp4 or .mkv file")
    folders = options.plan_folder or PLAN_FOLDERS
    if options.draw_plans:
        if len(folders) != 1:
            raise UsageError("plans are drawn into one folder", "name it with --plan-folder")
        draw_plans(clips, folders[0], options.plans, options.lbo or [])
    if options.threads:
        torch.set_num_threads(options.threads)
    compute = choose_compute(options.device, options.precision)
    networks = [network_candidate(model, compute, options.scale) for model in options.model]
    candidates = [bicubic_candidate(compute.device, options.scale), *networks]
    names = [candidate.name for candidate in candidates]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two candidates are called {min(twice)}", "rename one of the files")
    return Job(
        samples=[
            sample
            for folder in folders
            for sample in samples_of(clips[: options.clips], options.plans, folder)
        ],
        candidates=candidates,
        frames=options.frames,
        work=options.work,
        lbo=options.lbo or OPERATORS,
        compute=compute,
        scale=options.scale,
    )


def report(job: Job, rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Everything that is known, for a JSON file."""
    return {
        "animesr": animesr_cli.__version__,
        "torch": torch.__version__,
        "device": str(job.compute.device),
        "precision": job.compute.precision,
        "frames": job.frames,
        "seconds": round(seconds, 1),
        "candidates": {candidate.name: candidate.key for candidate in job.candidates},
        "pairs": rows,
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    start = time.perf_counter()
    try:
        job = new_job(options)
        rows = measure(job, say)
        if options.sheet:
            draw_sheet(scenes_for_sheet(job), options.sheet)
    except AnimesrError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)
    seconds = time.perf_counter() - start
    say(f"{seconds:.0f} s")
    if options.json:
        text = json.dumps(report(job, rows, seconds), indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    print(markdown(rows, [candidate.name for candidate in job.candidates]))


if __name__ == "__main__":
    main()
