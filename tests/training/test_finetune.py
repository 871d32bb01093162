"""Fine-tuning as a whole, through the command: what it writes, how it goes on, what it refuses."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from animesr_cli.atomic_files import PartFile
from animesr_cli.degradation.lbo import LearnableOperator
from animesr_cli.errors import Interrupted
from animesr_cli.metrics.evaluate import evaluate
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.settings import FinetuneRun, FinetuneSettings
from animesr_cli.training.finetune import finetune
from animesr_cli.training.run import TrainingProgress
from command import Outcome, animesr, environment, finished, start
from media import write_video

TINY = ("--patch", "8", "--frames", "2", "--batch", "2", "--precision", "fp32")
SPEED = ("per_second", "waiting")
"""What of the log is not the same twice."""


@pytest.fixture(autouse=True)
def little_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two windows of three frames: scores of more take most of the time."""
    monkeypatch.setattr("animesr_cli.training.validation.WINDOWS", 2)
    monkeypatch.setattr("animesr_cli.training.validation.FRAMES", 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of 10 frames, 64x48."""
    folder = tmp_path_factory.mktemp("episodes")
    for number in range(3):
        write_video(folder / f"{number}.mp4", frames=10)
    return folder


@pytest.fixture
def tune(data: Path, random_checkpoint: Path, tmp_path: Path) -> Any:
    """Run the command with a tiny network, into ``tmp_path / "out"``."""

    def run(*options: str | Path, iterations: int = 4) -> Outcome:
        return animesr(
            "finetune", "--data", data, "-n", random_checkpoint, "-o", tmp_path / "out", *TINY,
            "--iterations", str(iterations), "--log-every", "1", *options,
        )  # fmt: skip

    return run


def log_of(folder: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if k not in SPEED} for entry in entries]


def losses_of(folder: Path) -> dict[int, float]:
    return {entry["iteration"]: entry["loss"] for entry in log_of(folder) if "loss" in entry}


# ---- what it writes ------------------------------------------------------------------------------


def test_everything_is_there(tune: Any, tmp_path: Path, random_checkpoint: Path) -> None:
    """Result, card, state, log, report and pictures; the result is a checkpoint like any other."""
    outcome = tune()
    out = tmp_path / "out"
    assert outcome.exit_code == 0, outcome.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "log.jsonl", "model.json", "model.safetensors", "report.html", "state.safetensors",
        "validation",
    ]  # fmt: skip
    trained, start = load_checkpoint(out / "model.safetensors"), load_checkpoint(random_checkpoint)
    assert trained.network.config == start.network.config
    assert any(
        not torch.equal(start.state_dict[name], value) for name, value in trained.state_dict.items()
    )
    assert [entry["iteration"] for entry in log_of(out) if "loss" in entry] == [1, 2, 3, 4]
    assert "PSNR-Y, dB" in outcome.stdout
    assert str(out / "model.safetensors") in outcome.stderr


def test_the_card_tells_how_it_was_made(tune: Any, tmp_path: Path, data: Path) -> None:
    """Settings, start, the hash of every source, and scores; in the checkpoint too."""
    assert tune().exit_code == 0
    card = json.loads((tmp_path / "out" / "model.json").read_text())
    assert card["iteration"] == 4
    assert card["settings"]["patch"] == 8
    assert card["start"]["name"] == "random.safetensors"
    assert list(card["data"]) == ["0.mp4", "1.mp4", "2.mp4"]
    assert all(len(digest) == 64 for digest in card["data"].values())
    assert set(card["scores"]) == {"bicubic", "before", "after"}
    assert card["scores"]["before"]["l1"] != card["scores"]["after"]["l1"]
    header = (tmp_path / "out" / "model.safetensors").read_bytes()[:8192]
    assert b'\\"iteration\\": 4' in header


def test_numbers_for_programs(tune: Any) -> None:
    """--json prints what was reached, and nothing else, on standard output."""
    told = json.loads(tune("--json", "-q").stdout)
    assert (told["iteration"], told["iterations"]) == (4, 4)
    assert told["after"]["l1"] > 0


def test_the_folder_is_named_after_the_data(
    data: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without -o the result lies here, named after the material and the stage."""
    monkeypatch.chdir(tmp_path)
    outcome = animesr(
        "finetune", "--data", data, "-n", random_checkpoint, *TINY, "--iterations", "1"
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == [f"{data.name}_net"]


def test_from_scratch(tune: Any, tmp_path: Path) -> None:
    """A network of a given size is trained from random weights."""
    assert tune("-n", "scratch", "--features", "6", "--blocks", "2,1,1").exit_code == 0
    trained = load_checkpoint(tmp_path / "out" / "model.safetensors")
    assert trained.network.config == {"num_feat": 6, "num_block": (2, 1, 1)}


def test_operators_take_part(tune: Any, tmp_path: Path) -> None:
    """Learned operators change what is learned from, and the card names them."""
    torch.manual_seed(0)
    path = tmp_path / "lbo.safetensors"
    save_file(LearnableOperator(4).state_dict(), path)
    assert tune("--lbo", path).exit_code == 0
    with_operator = losses_of(tmp_path / "out")
    assert len(json.loads((tmp_path / "out" / "model.json").read_text())["operators"]) == 1
    assert tune("--restart").exit_code == 0
    assert losses_of(tmp_path / "out") != with_operator


def test_an_anchor_takes_part(
    tune: Any, tmp_path: Path, random_checkpoint: Path, zero_checkpoint: Path
) -> None:
    """Its losses are logged and its hash is in the card; another anchor is another run."""
    assert tune("--anchor", random_checkpoint, "--usm", "0").exit_code == 0
    entries = [entry for entry in log_of(tmp_path / "out") if "loss" in entry]
    assert all(entry["anchor"] >= 0 for entry in entries)
    assert entries[0]["loss"] == pytest.approx(0.5 * entries[0]["l1"] + entries[0]["anchor"])
    card = json.loads((tmp_path / "out" / "model.json").read_text())
    assert card["anchor"] == load_checkpoint(random_checkpoint).sha256
    moved = shutil.copy(random_checkpoint, tmp_path / "moved.safetensors")
    assert tune("--anchor", moved, "--usm", "0").exit_code == 0
    tune("--anchor", zero_checkpoint, "--usm", "0").refused(2, "anchor was", "--restart")
    tune("--anchor", random_checkpoint, "--usm", "0", "--mild", "0.3").refused(2, "mild was 0.0")


def test_validation_with_other_clips(tune: Any, tmp_path: Path, own_clip: Path) -> None:
    """Clips that are named for validation are measured, and all of the data is learned from."""
    outcome = tune("--validation", own_clip)
    assert outcome.exit_code == 0, outcome.stderr
    assert "3 shots of 30 frames to learn from" in outcome.stderr
    assert "clip.mp4" in (tmp_path / "out" / "report.html").read_text()


# ---- going on ------------------------------------------------------------------------------------


def settings_of(checkpoint: Path, **changes: Any) -> FinetuneSettings:
    usual = FinetuneSettings(
        model=str(checkpoint), iterations=8, patch=8, frames=2, batch=2, precision="fp32"
    )
    return replace(usual, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "cosine", "warmup": 3, "mild": 0.5},
        {"stage": "gan", "patch": 24, "batch": 1},
        {"stage": "gan", "batch": 1, "discriminator": "unet", "gan_loss": "vanilla"},
        {"anchor": "itself", "anchor_clean": 0.5},
    ],
)
def test_an_interrupted_run_goes_on_exactly(
    data: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:  # fmt: skip
    """Stopped by a signal and called again, a run logs what an uninterrupted one logs."""
    monkeypatch.setattr("animesr_cli.training.discriminator.WIDTHS", (3, 4, 4, 4, 4, 1))
    monkeypatch.setattr("animesr_cli.training.discriminator.FEATURES", 2)
    write_video(tmp_path / "large.mp4", frames=8, width=128, height=112)
    write_video(tmp_path / "other.mp4", frames=8, width=128, height=112)
    if "anchor" in changes:
        changes = {**changes, "anchor": str(random_checkpoint)}
    settings = settings_of(random_checkpoint, **changes)
    run = FinetuneRun(log_every=1, validate_every=4)
    files = [tmp_path / "large.mp4", tmp_path / "other.mp4"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finetune(files, whole, settings=settings, run=run)
    reached: list[int] = []

    def listen() -> None:
        if reached and reached[-1] == 5:
            raise Interrupted(signal.SIGINT)

    def on_progress(progress: TrainingProgress) -> None:
        reached.append(progress.iteration)

    with pytest.raises(Interrupted):
        finetune(files, parts, settings=settings, run=run, listen=listen, on_progress=on_progress)
    result = finetune(files, parts, settings=settings, run=run)
    assert (result.iteration, result.finished) == (8, True)
    assert log_of(parts) == log_of(whole)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_state_is_a_start(tune: Any, data: Path, tmp_path: Path) -> None:
    """A new run begins with another's weights and moments; stopped, it goes on exactly."""
    assert tune().exit_code == 0
    state = (tmp_path / "out" / "state.safetensors").rename(tmp_path / "earlier.safetensors")
    settings = settings_of(state, iterations=4, schedule="cosine", seed=1)
    run = FinetuneRun(log_every=1, validate_every=4)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finetune([data], whole, settings=settings, run=run)
    finetune([data], parts, settings=settings, run=replace(run, minutes=0))  # at iteration 0
    reached: list[int] = []

    def listen() -> None:
        if reached and reached[-1] == 2:
            raise Interrupted(signal.SIGINT)

    def on_progress(progress: TrainingProgress) -> None:
        reached.append(progress.iteration)

    with pytest.raises(Interrupted):
        finetune([data], parts, settings=settings, run=run, listen=listen, on_progress=on_progress)
    finetune([data], parts, settings=settings, run=run)
    assert log_of(parts) == log_of(whole)
    start = json.loads((whole / "model.json").read_text())["start"]["name"]
    assert start == "earlier.safetensors"


def test_what_minutes_leave_is_what_is_said_to_be_left(
    data: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """Not what a million iterations would take."""
    process = start(
        "finetune", "--data", data, "-n", random_checkpoint, "-o", tmp_path / "out", *TINY,
        "--iterations", "1000000", "--log-every", "1", "--minutes", "5",
    )  # fmt: skip
    assert process.stderr
    told = next(line for line in process.stderr if " left" in line)
    process.send_signal(signal.SIGINT)
    assert finished(process).exit_code == 130
    found = re.search(r"iteration [1-9]\d*/1000000 .* (\S+) left until --minutes", told)
    assert found, told
    assert "00:00:00" < found[1] <= "00:05:00"


def test_time_runs_out(tune: Any, tmp_path: Path) -> None:
    """After --minutes a run stops, saves and ends well; the same command goes on."""
    outcome = tune("--minutes", "0")
    assert outcome.exit_code == 0, outcome.stderr
    assert "stopped at iteration 0; the same command goes on from it" in outcome.stderr
    assert (tmp_path / "out" / "state.safetensors").exists()
    assert tune().exit_code == 0
    assert len(losses_of(tmp_path / "out")) == 4


def test_a_run_may_become_longer(tune: Any, tmp_path: Path) -> None:
    """With a constant rate more iterations are no other run, and the first ones are not redone."""
    assert tune().exit_code == 0
    first = losses_of(tmp_path / "out")
    outcome = tune(iterations=6)
    assert "going on from iteration 4" in outcome.stderr
    assert losses_of(tmp_path / "out").keys() == {1, 2, 3, 4, 5, 6}
    assert first.items() <= losses_of(tmp_path / "out").items()


def test_other_settings_are_refused(tune: Any, tmp_path: Path) -> None:
    """What differs is listed, nothing is touched, and --restart begins anew."""
    assert tune().exit_code == 0
    before = (tmp_path / "out" / "state.safetensors").read_bytes()
    tune("--lr", "1e-3", "--seed", "5").refused(
        2, "lr was 0.0002 and is 0.001", "seed was 0 and is 5", "--restart"
    )
    assert (tmp_path / "out" / "state.safetensors").read_bytes() == before
    assert tune("--lr", "1e-3", "--seed", "5", "--restart").exit_code == 0
    assert log_of(tmp_path / "out")[1]["lr"] == 1e-3


def test_other_material_is_refused(data: Path, random_checkpoint: Path, tmp_path: Path) -> None:
    """A run whose clips were exchanged in between is not gone on with."""
    own = tmp_path / "data"
    shutil.copytree(data, own)
    arguments = (
        "finetune", "--data", own, "-n", random_checkpoint, "-o", tmp_path / "out", *TINY,
        "--iterations", "2",
    )  # fmt: skip
    assert animesr(*arguments).exit_code == 0
    write_video(own / "1.mp4", frames=11)
    animesr(*arguments).refused(2, "data 1.mp4 was")


@pytest.mark.slow
def test_ctrl_c_saves(data: Path, random_checkpoint: Path, tmp_path: Path) -> None:
    """SIGINT ends a process between two iterations with exit code 130, and nothing is lost."""
    out = tmp_path / "out"
    arguments = (
        "finetune", "--data", data, "-n", random_checkpoint, "-o", out, *TINY,
        "--iterations", "100000", "--log-every", "1",
    )  # fmt: skip
    process = start(*arguments)
    deadline = time.monotonic() + 60
    while not (out / "log.jsonl").exists() or len(losses_of(out)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert outcome.exit_code == 130
    assert "stopped by SIGINT" in outcome.error
    reached = len(losses_of(out))
    assert load_checkpoint(out / "model.safetensors").network.config["num_feat"] == 4
    again = animesr(*arguments, "--minutes", "0")
    assert f"going on from iteration {reached}" in again.stderr


# ---- what goes wrong -----------------------------------------------------------------------------


def test_a_loss_that_is_not_finite(tune: Any, tmp_path: Path) -> None:
    """A rate that is far too high ends the run with one line, and the batch is kept."""
    tune("--lr", "1e30").refused(6, "a loss is not finite at iteration", "lower --lr")
    batch = load_file(tmp_path / "out" / "diverged.safetensors")
    assert batch["lr"].shape == (2, 2, 3, 8, 8)
    assert not (tmp_path / "out" / "state.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--preset", "fast"], 2, ["no preset 'fast'", "quick, paper"]),
        (["--stage", "full"], 2, ["no stage 'full'", "net, gan"]),
        (["--schedule", "linear"], 2, ["no schedule", "constant, cosine"]),
        (["--discriminator", "vgg"], 2, ["no discriminator 'vgg'", "patch, unet"]),
        (["--perceptual", "lpips"], 2, ["no perceptual loss", "random, gradient"]),
        (["--loss", "temporal"], 2, ["'temporal' is no weight", "temporal=0.5"]),
        (["--loss", "sharp=1"], 2, ["the names are l1, perceptual"]),
        (["--loss", "l1=-1"], 2, ["no weight of a loss"]),
        (["--loss", "l1=0"], 2, ["nothing to learn", "temporal"]),
        (["--blocks", "1,2,3"], 2, ["falling order"]),
        (["--patch", "10"], 2, ["divisible by 4"]),
        (["--stage", "gan"], 2, ["too small for stage gan", "--patch 24"]),
        (["--held-out", "1"], 2, ["between 0 and 1"]),
        (["--freeze", "head"], 2, ["no parameter is called 'head'", "fusion"]),
        (["--precision", "fp64"], 2, ["no precision"]),
        (["--perceptual", "vgg", "--stage", "gan", "--patch", "24"], 3, ["96x96"]),
        (["-n", "bsae"], 2, ["no model is called 'bsae'", "base"]),
        (["-n", "missing.safetensors"], 6, ["does not exist"]),
        (["--frames", "11"], 3, ["the longest has 10", "--frames 10"]),
        (["--patch", "16"], 3, ["64x64", "--patch 12"]),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said(
    tune: Any, options: list[str], code: int, words: list[str]
) -> None:
    """One line says what is wrong and what would do."""
    tune(*options).refused(code, *words)


def test_nothing_to_read(random_checkpoint: Path, tmp_path: Path) -> None:
    """A folder whose only video is damaged is an error of the input."""
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    animesr(
        "finetune", "--data", tmp_path, "-n", random_checkpoint, "-o", tmp_path / "out"
    ).refused(3, "nothing could be read", "clip.mp4")


def test_one_short_shot(random_checkpoint: Path, tmp_path: Path) -> None:
    """A single shot that leaves nothing to hold out is refused, with what helps."""
    write_video(tmp_path / "clip.mp4", frames=3)
    animesr(
        "finetune", "--data", tmp_path / "clip.mp4", "-n", random_checkpoint, "-o",
        tmp_path / "out", *TINY, "--frames", "3",
    ).refused(3, "the only shot has 3 frames", "--validation")  # fmt: skip


def test_material_that_is_absent_leaves_no_folder(tune: Any, tmp_path: Path) -> None:
    """Nothing was learned, so nothing is there; a folder that was there before stays."""
    tune("--data", tmp_path / "nosuch").refused(3, "nosuch does not exist")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    tune("--data", tmp_path / "nosuch").refused(3, "nosuch does not exist")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_operator_is_no_network(tune: Any, tmp_path: Path) -> None:
    """A checkpoint of something else is refused as -n, and a network as --lbo."""
    path = tmp_path / "lbo.safetensors"
    save_file(LearnableOperator(4).state_dict(), path)
    tune("-n", path).refused(6, "of no network", "a learned operator (LBO), which --lbo takes")


def test_a_damaged_state(tune: Any, tmp_path: Path) -> None:
    """It is refused, not overwritten; --restart begins anew."""
    assert tune().exit_code == 0
    state = tmp_path / "out" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    damaged = state.read_bytes()
    tune().refused(6, "state.safetensors is damaged", "--restart")
    assert state.read_bytes() == damaged
    assert tune("--restart").exit_code == 0


def test_two_runs_in_one_folder(tune: Any, tmp_path: Path) -> None:
    """The second is refused while the first one lives."""
    out = tmp_path / "out"
    out.mkdir()
    with PartFile(out / "run"):
        tune().refused(4, "another run is training in", "-o")
    assert tune().exit_code == 0


def test_a_disk_that_takes_no_more(tune: Any, tmp_path: Path) -> None:
    """What was saved last stays whole where the next save fails."""
    assert tune().exit_code == 0
    before = (tmp_path / "out" / "state.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        outcome = tune("--save-every", "1", iterations=6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    outcome.refused(4, "state.safetensors")
    assert (tmp_path / "out" / "state.safetensors").read_bytes() == before
    assert tune(iterations=6).exit_code == 0


@pytest.mark.gpu
@pytest.mark.parametrize("stage", ["net", "gan"])
def test_on_a_gpu(random_checkpoint: Path, tmp_path: Path, stage: str) -> None:
    """On CUDA both stages learn in bf16, with degradation on the device."""
    for number in range(2):
        write_video(tmp_path / f"{number}.mp4", frames=8, width=128, height=112)
    outcome = animesr(
        "finetune", "--data", tmp_path, "-n", random_checkpoint, "-o", tmp_path / "out", "--patch",
        "24", "--frames", "3", "--iterations", "20", "--stage", stage, "--log-every", "1",
        "--lr", "2e-3", "--device", "cuda",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    losses = [entry["l1"] for entry in log_of(tmp_path / "out") if "l1" in entry]
    assert sum(losses[-5:]) < sum(losses[:5])


# ---- several processes, and the way from a clip to a better one ----------------------------------


@pytest.mark.slow
def test_two_processes_are_one(data: Path, random_checkpoint: Path, tmp_path: Path) -> None:
    """Two of torchrun's processes learn what one does with twice the batch, to 1e-5."""
    common = (
        "finetune", "--data", str(data), "-n", str(random_checkpoint), "--patch", "8", "--frames",
        "2", "--precision", "fp32", "--iterations", "5", "--log-every", "1", "-q",
    )  # fmt: skip
    one = animesr(*common, "--batch", "4", "-o", tmp_path / "one")
    assert one.exit_code == 0, one.stderr
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    two = subprocess.run(
        [*launcher, "--nproc-per-node", "2", "-m", "animesr_cli", *common, "--batch", "2",
         "-o", tmp_path / "two"],
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert two.returncode == 0, two.stderr
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_from_a_clip_to_a_better_one(
    own_clip: Path, random_checkpoint: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Degrade, learn an operator, train with it, upscale: nearer to the original than before."""
    poor, operator = tmp_path / "poor.mp4", tmp_path / "lbo.safetensors"
    assert animesr("degrade", own_clip, poor, "--seed", "3", "-q").exit_code == 0
    learned = animesr(
        "learn-lbo", own_clip, "-f", "0.5", "-n", zero_checkpoint, "-o", operator,
        "--iterations", "20", "--perceptual", "gradient", "-q",
    )  # fmt: skip
    assert learned.exit_code == 0, learned.stderr
    outcome = animesr(
        "finetune", "--data", own_clip, "-n", random_checkpoint, "--lbo", operator,
        "-o", tmp_path / "out", "--patch", "12", "--frames", "3", "--iterations", "60",
        "--lr", "3e-3", "--ema", "0.9", "--usm", "0", "--json", "-q",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert told["after"]["l1"] < 0.9 * told["before"]["l1"]
    scores = {}
    for name, model in {"before": random_checkpoint, "after": Path(told["model"])}.items():
        output = tmp_path / f"{name}.mkv"
        assert animesr("upscale", poor, output, "-n", model, "-q").exit_code == 0
        scores[name] = evaluate(output, own_clip, frames=24).clip.psnr_y or 0
    assert scores["after"] > scores["before"] + 0.2
