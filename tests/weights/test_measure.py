"""The table of the shipped weights: how figures come about, and what is said of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from random import Random
from typing import Any

import av
import pytest
import torch
from torch import Tensor

import candidates
import measure
import tables
from animesr_cli.degradation.operators import plan_from_json, sample_plan
from animesr_cli.degradation.video import degrade_video
from animesr_cli.errors import UsageError
from animesr_cli.metrics.evaluate import evaluate
from animesr_cli.metrics.measures import Scores
from animesr_cli.model.devices import choose_compute
from media import write_video
from sheet import PART_HEIGHT_PX, PART_WIDTH_PX, ZOOM, Scene, busiest_part, draw_sheet

WIDTH, HEIGHT, FRAMES = 96, 64, 4
CPU = torch.device("cpu")


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    """Two clean clips."""
    folder = tmp_path / "validation"
    folder.mkdir()
    for name in ("film-1-1_0003.mkv", "film-2-2_0009.mkv"):
        write_video(folder / name, codec="ffv1", frames=FRAMES, width=WIDTH, height=HEIGHT)
    return folder


def run(validation: Path, tmp_path: Path, *more: str) -> dict[str, Any]:
    """The command's JSON report."""
    report = tmp_path / "figures.json"
    places = ("--plan-folder", str(tmp_path / "plans"), "--work", str(tmp_path / "work"))
    measure.main(["--validation", str(validation), *places, "--json", str(report), *more])
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def scores(**values: float | None) -> dict[str, float | None]:
    usual = dict.fromkeys((field.name for field in fields(Scores)), 1.0)
    return {**usual, **values}


def rows_of(*pairs: tuple[str, dict[str, Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of measured pairs: clip, bicubic's scores, the model's; peers are between the two."""
    return [
        {
            "clip": clip,
            "kind": "plans",
            "plan": number,
            "scores": {"bicubic": bicubic, **dict.fromkeys(tables.PEERS, PEER), "base": base},
        }
        for number, (clip, bicubic, base) in enumerate(pairs, 1)
    ]


PEER = scores(
    psnr_y=31.0,
    ssim_y=0.92,
    ms_ssim=0.95,
    gmsd=0.1,
    gradient_ratio=0.85,
    flicker=0.8,
    edge_f1=0.85,
    overshoot=0.9,
    flat_noise=0.9,
)
GOOD = scores(
    psnr_y=32.1,
    ssim_y=0.95,
    ms_ssim=0.96,
    gmsd=0.05,
    gradient_ratio=0.9,
    flicker=0.6,
    edge_f1=0.9,
    overshoot=0.5,
    flat_noise=0.5,
)
POOR = scores(psnr_y=30.0, ssim_y=0.90, gradient_ratio=0.4, flicker=1.0, edge_f1=0.8)
COLUMNS = ["bicubic", *tables.PEERS, "base"]


# ---- the tables ----------------------------------------------------------------------------------


def test_means_are_over_pairs_that_have_the_measure() -> None:
    """A measure that is defined for one of two pairs is that one's; flicker is a share too."""
    rows = rows_of(
        ("a", scores(flicker=2.0), scores(flat_noise=None, psnr_y=30.0, flicker=1.0)),
        ("a", scores(flicker=4.0), scores(flat_noise=0.25, psnr_y=32.0, flicker=2.0)),
    )
    found = tables.means(rows, "base")
    assert (found["psnr_y"], found["flat_noise"], found["flicker_share"]) == (31.0, 0.25, 0.5)
    assert math.isnan(tables.means(rows_of(("a", POOR, scores(ms_ssim=None))), "base")["ms_ssim"])


def test_what_reaches_every_goal_is_not_marked() -> None:
    """A candidate that is good enough has no cell that says it missed its goal."""
    text = tables.markdown(rows_of(("a", POOR, GOOD)), COLUMNS)
    assert "(missed)" not in text
    assert text.count("(reached)") == 10


@pytest.mark.parametrize(
    ("measured", "value"),
    [
        ("psnr_y", 31.49),
        ("ssim_y", 0.927),
        ("ms_ssim", 0.95),
        ("gmsd", 0.1),
        ("gradient_ratio", 0.79),
        ("gradient_ratio", 1.06),
        ("flicker", 0.74),
        ("edge_f1", 0.85),
        ("overshoot", 0.9),
        ("flat_noise", 0.9),
    ],
)
def test_each_goal_can_be_missed(measured: str, value: float) -> None:
    """One figure that falls short of its goal is marked, and no other is."""
    rows = rows_of(("a", POOR, {**GOOD, measured: value}))
    lines = tables.summary(rows, COLUMNS)
    assert sum("(missed)" in line for line in lines) == 1


def test_goals_beside_peers_wait_for_them() -> None:
    """Without the peers' columns only what stands for itself is judged."""
    lines = tables.summary(rows_of(("a", POOR, GOOD)), ["bicubic", "base"])
    assert [line.split(" | ")[0] for line in lines if "(reached)" in line] == [
        "| gradient energy (1 is the truth)",
        "| scenes below bicubic, the two smooth clips left out",
    ]


def test_smooth_clips_count_at_strength_0_alone() -> None:
    """Below bicubic on a smooth clip is no miss of `base`, but one of the column of strength 0."""
    rows = rows_of(("film-1-1_0001", POOR, GOOD), ("film-230-230_0249", GOOD, POOR))
    for row in rows:
        row["scores"]["base@0"] = row["scores"]["base"]
    lines = tables.summary(rows, ["bicubic", "base", "base@0"])
    (scenes,) = (line for line in lines if "scenes below" in line)
    (clips,) = (line for line in lines if "clips below" in line)
    assert scenes.count("none (reached)") == 2
    assert "film-230-230_0249 | film-230-230_0249 (missed)" in clips


def test_each_kind_of_plans_has_a_table() -> None:
    """Beside the one of all pairs, where plans of two folders were measured."""
    rows = rows_of(("a", POOR, GOOD), ("a", POOR, GOOD))
    rows[1]["kind"] = "plans-lbo"
    text = tables.markdown(rows, COLUMNS)
    assert text.count("| PSNR-Y, dB |") == 3
    assert "1 pairs of plans-lbo:" in text


def test_a_clip_below_bicubic_is_named() -> None:
    """It counts in the mean of its plans, in PSNR or in SSIM; a pair counts for itself."""
    worse = {**GOOD, "ssim_y": 0.5}
    rows = rows_of(("a", POOR, GOOD), ("b", POOR, worse), ("c", POOR, GOOD), ("c", GOOD, POOR),
                   ("c", POOR, {**GOOD, "psnr_y": 40.0, "ssim_y": 0.99}))  # fmt: skip
    assert tables.clips_below(rows, "base") == ["b"]
    assert tables.pairs_below(rows, "base") == [("b", 2), ("c", 4)]


def test_every_clip_has_its_line() -> None:
    """The second table has one line for each clip, with the gain over bicubic."""
    rows = rows_of(("one", POOR, GOOD), ("two", POOR, GOOD))
    lines = tables.clip_table(rows, ["bicubic", "base"])
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| one", "| two"]
    assert "+2.10" in lines[2]


# ---- plans ---------------------------------------------------------------------------------------


def committed_plans() -> list[Path]:
    return sorted(measure.PLAN_FOLDERS[0].glob("*.json"))


def test_every_clip_has_four_committed_plans() -> None:
    """The plans come in fours, and each can be read back."""
    names = [path.stem.rsplit("-", 1) for path in committed_plans()]
    clips = sorted({clip for clip, _ in names})
    assert len(clips) == 14
    assert names == [[clip, str(number)] for clip in clips for number in (1, 2, 3, 4)]
    for path in committed_plans():
        plan_from_json(path.read_text(encoding="utf-8"))


def test_no_plan_was_chosen() -> None:
    """Basic plans are those of seeds 0, 1, 2 ..., as `animesr degrade --seed` draws them."""
    for seed, path in enumerate(committed_plans()):
        plan = plan_from_json(path.read_text(encoding="utf-8"))
        assert plan == sample_plan(Random(seed)), path.name


def test_every_clip_has_a_committed_plan_with_an_operator() -> None:
    """The second folder has one plan for each clip, made with an operator of this repository."""
    shipped = {hashlib.sha256(path.read_bytes()).hexdigest() for path in measure.OPERATORS}
    paths = sorted(measure.PLAN_FOLDERS[1].glob("*.json"))
    clips = {path.stem.rsplit("-", 1)[0] for path in committed_plans()}
    assert {path.stem.rsplit("-", 1)[0] for path in paths} == clips
    for path in paths:
        assert plan_from_json(path.read_text(encoding="utf-8")).lbo in shipped, path.name


# ---- candidates ----------------------------------------------------------------------------------


def test_bicubic_is_keys_cubic() -> None:
    """The weights of one bright pixel are the cubic's with a = -0.5, four to a pixel."""

    def cubic(x: float) -> float:
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    frame = torch.zeros(3, 9, 9)
    frame[:, :, 4] = 1
    (large,) = candidates.enlarge_bicubic([frame])
    wanted = [cubic(abs((place + 0.5) / 4 - 4.5)) for place in range(36)]
    assert torch.allclose(large[0, 16], torch.tensor(wanted), atol=1e-6)


def test_scores_are_those_of_evaluate(tmp_path: Path) -> None:
    """What is scored in memory is what the command says of the same pictures in files."""
    write_video(tmp_path / "hr.mkv", codec="ffv1", frames=FRAMES, width=WIDTH, height=HEIGHT)
    rng = torch.Generator().manual_seed(4)
    pictures = [torch.rand((3, HEIGHT, WIDTH), generator=rng) for _ in range(FRAMES)]
    with av.open(str(tmp_path / "sr.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for picture in pictures:
            pixels = measure.rounded(picture).permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="bgr0")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = evaluate(tmp_path / "sr.mkv", tmp_path / "hr.mkv", warn=lambda _: None).clip
    own = measure.score(pictures, measure.read_luma(tmp_path / "hr.mkv", None, CPU))
    for name, value in asdict(own).items():
        wanted = getattr(found, name)
        assert value == (None if wanted is None else pytest.approx(wanted, rel=1e-6)), name


# ---- the whole -----------------------------------------------------------------------------------


def test_the_command(
    validation: Path, tmp_path: Path, zero_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clips are degraded by their plans, enlarged and scored; table, JSON and sheet are written."""
    sheet = tmp_path / "sheet.png"
    report = run(validation, tmp_path, "--draw-plans", "--plans", "2", "-n", str(zero_checkpoint),
                 "--sheet", str(sheet))  # fmt: skip
    assert [(row["clip"], row["plan"]) for row in report["pairs"]] == [
        (clip, number) for clip in ("film-1-1_0003", "film-2-2_0009") for number in (1, 2)
    ]
    assert set(report["candidates"]) == {"bicubic", "zero"}
    assert "| PSNR-Y, dB |" in capsys.readouterr().out
    with av.open(str(sheet)) as container:
        picture = next(container.decode(video=0))
    assert (picture.width, picture.height) == (3 * 2 * WIDTH + 16, 2 * 2 * HEIGHT + 8)


def test_a_degraded_clip_is_what_its_plan_makes(validation: Path, tmp_path: Path) -> None:
    """`animesr degrade --plan` with the plan's file gives the same bytes."""
    run(validation, tmp_path, "--draw-plans", "--clips", "1", "--plans", "1")
    (kept,) = (tmp_path / "work" / "degraded").glob("*.mp4")
    plan = tmp_path / "plans" / "film-1-1_0003-1.json"
    degrade_video(validation / "film-1-1_0003.mkv", tmp_path / "again.mp4", plan_path=plan)
    assert kept.read_bytes() == (tmp_path / "again.mp4").read_bytes()


def test_what_was_measured_is_kept(
    validation: Path,
    tmp_path: Path,
    zero_checkpoint: Path,
    random_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second model costs its own work alone, and a repeated run computes no picture at all."""
    models = ("--plans", "1", "-n", str(zero_checkpoint), "-n", str(random_checkpoint))
    first = run(validation, tmp_path, "--draw-plans", *models[:4])
    scored: list[int] = []
    score = measure.score

    def counted(pictures: Iterable[Tensor], lumas: Sequence[Tensor]) -> Scores:
        scored.append(len(lumas))
        return score(pictures, lumas)

    monkeypatch.setattr(measure, "score", counted)
    second = run(validation, tmp_path, *models)
    probe = measure.PROBE_FRAMES  # by which a change of the metrics is noticed
    assert scored == [probe, FRAMES, FRAMES]  # the random one, on both clips
    third = run(validation, tmp_path, *models)
    assert scored == [probe, FRAMES, FRAMES, probe]
    assert third["pairs"] == second["pairs"]
    assert first["pairs"][0]["scores"]["zero"] == second["pairs"][0]["scores"]["zero"]


def test_fewer_frames_are_measured_anew(validation: Path, tmp_path: Path) -> None:
    """Figures of the first frames are not taken for those of the whole clip."""
    whole = run(validation, tmp_path, "--draw-plans", "--clips", "1", "--plans", "1")
    part = run(validation, tmp_path, "--clips", "1", "--plans", "1", "--frames", "2")
    psnr = [report["pairs"][0]["scores"]["bicubic"]["psnr_y"] for report in (whole, part)]
    assert psnr[0] != psnr[1]


def test_a_clip_without_a_plan(validation: Path, tmp_path: Path) -> None:
    """It is named, with the option that draws plans."""
    with pytest.raises(SystemExit, match=r"film-1-1_0003\.mkv has no plan.*--draw-plans"):
        run(validation, tmp_path)


def test_two_candidates_of_one_name(
    validation: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Figures go by name, so that two models cannot share one."""
    with pytest.raises(SystemExit, match="two candidates are called zero"):
        run(validation, tmp_path, "--draw-plans", *(2 * ("-n", str(zero_checkpoint))))


def test_an_empty_folder(tmp_path: Path) -> None:
    """There is nothing to measure, and it is said."""
    with pytest.raises(UsageError, match="holds no"):
        measure.new_job(measure.parsed(["--validation", str(tmp_path)]))


# ---- the sheet -----------------------------------------------------------------------------------


def test_the_part_with_the_most_lines_is_shown() -> None:
    """Of a picture that is flat but for one corner, that corner."""
    truth = torch.full((3, 4 * PART_HEIGHT_PX, 4 * PART_WIDTH_PX), 128, dtype=torch.uint8)
    truth[:, -PART_HEIGHT_PX:, -PART_WIDTH_PX::4] = 0
    assert busiest_part(truth) == (3 * PART_HEIGHT_PX, 3 * PART_WIDTH_PX)


def test_the_sheet_shows_pixels_as_they_are(tmp_path: Path) -> None:
    """Every pixel of the part is a square, in the order of the pictures, with white between."""
    rng = torch.Generator().manual_seed(1)
    pictures = [torch.randint(0, 256, (3, 32, 48), generator=rng).byte() for _ in range(3)]
    draw_sheet([Scene("a", pictures)], tmp_path / "sheet.png")
    with av.open(str(tmp_path / "sheet.png")) as container:
        shown = torch.from_numpy(next(container.decode(video=0)).to_ndarray(format="rgb24"))
    second = shown.permute(2, 0, 1)[:, ::ZOOM, 48 * ZOOM + 8 :: ZOOM][:, :, :48]
    assert torch.equal(second, pictures[1])
    assert bool((shown[:, 48 * ZOOM : 48 * ZOOM + 8] == 255).all())


# ---- networks ------------------------------------------------------------------------------------


def test_a_column_can_be_named(zero_checkpoint: Path) -> None:
    """``NAME=PATH``: two files of one name can stand beside each other."""
    compute = choose_compute("cpu", "fp32")
    named = candidates.network_candidate(f"before={zero_checkpoint}", compute)
    plain = candidates.network_candidate(str(zero_checkpoint), compute)
    assert (named.name, plain.name) == ("before", "zero")
    assert named.key == plain.key


def test_what_lies_between_two_networks(random_checkpoint: Path, zero_checkpoint: Path) -> None:
    """``ONE~OTHER@SHARE``: at 0 and 1 it is one of the two; the column says what it is."""
    compute = choose_compute("cpu", "fp32")
    frames = [
        torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)
    ]

    def made(model: str) -> Tensor:
        with torch.inference_mode():
            return torch.stack(list(candidates.network_candidate(model, compute).enlarge(frames)))

    one, other = made(str(random_checkpoint)), made(str(zero_checkpoint))
    blend = f"{random_checkpoint}~{zero_checkpoint}"
    assert torch.equal(made(f"{blend}@0"), one)
    assert torch.allclose(made(f"{blend}@1"), other, atol=1e-6)
    assert not torch.allclose(made(f"{blend}@0.5"), one, atol=1e-4)
    named = candidates.network_candidate(f"{blend}@0.5", compute)
    assert named.name == "random~zero@0.5"


def test_at_twice_the_size(validation: Path, tmp_path: Path, zero_checkpoint: Path) -> None:
    """``--scale 2`` compares with a truth of half the sides; results of x4 are made as small."""
    models = ("--plans", "1", "--clips", "1", "-n", str(zero_checkpoint))
    four = run(validation, tmp_path, "--draw-plans", *models)["pairs"][0]["scores"]
    two = run(validation, tmp_path, *models, "--scale", "2")["pairs"][0]["scores"]
    assert two["zero"]["psnr_y"] != four["zero"]["psnr_y"]
    lumas = measure.read_luma(validation / "film-1-1_0003.mkv", None, CPU, 2)
    assert lumas[0].shape == (HEIGHT // 2, WIDTH // 2)
