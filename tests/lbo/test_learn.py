"""``animesr learn-lbo``: the operator does its job, its file is usable, nothing learned is lost."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

import cartoon
from animesr_cli.cli import learn_lbo as command_file
from animesr_cli.degradation.lbo import load_operator
from animesr_cli.degradation.operators import blur
from animesr_cli.degradation.video import degrade_video
from animesr_cli.errors import (
    AnimesrError,
    InputError,
    Interrupted,
    OutputError,
    UsageError,
    WeightsError,
)
from animesr_cli.lbo import learn as room
from animesr_cli.lbo import run as run_file
from animesr_cli.lbo.learn import LboProgress, learn_lbo
from animesr_cli.lbo.pairs import Pair, Pairs, collect
from animesr_cli.lbo.run import METADATA, measure, page_of, state_of
from animesr_cli.lbo.trainer import LboTrainer, operate
from animesr_cli.settings import LBO_PRESETS, LboSettings
from browser import chromium
from command import animesr, environment, finished, snapshot, start
from media import write_video
from pictures import write_rgb


@pytest.fixture(scope="module")
def tiny(zero_checkpoint: Path) -> LboSettings:
    """Seconds instead of minutes: few pictures, few iterations, cheap losses."""
    return LboSettings(
        model=str(zero_checkpoint), excerpts=4, frames=3, warmup=1, net_iterations=4,
        gan_iterations=3, batch=2, patch=32, from_area=True, perceptual="gradient",
    )  # fmt: skip


@pytest.fixture
def learn(own_clip: Path, tiny: LboSettings, tmp_path: Path) -> Callable[..., room.LboResult]:
    """One short run, to ``lbo.safetensors``."""

    def run(**changes: Any) -> room.LboResult:
        options: dict[str, Any] = {"factor": 0.5, "settings": tiny, "device": "cpu"}
        return learn_lbo(own_clip, tmp_path / "lbo.safetensors", **{**options, **changes})

    return run


def weights(path: Path) -> dict[str, Tensor]:
    return load_operator(path).network.state_dict()


def history(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()[METADATA])
    return found


def stopping_after(count: int, stop: Callable[[], None]) -> Callable[[LboProgress], None]:
    """A listener that asks for the end after so many iterations."""

    def listen(progress: LboProgress) -> None:
        if progress.stage != "frames" and progress.done == count:
            stop()

    return listen


# ---- what is written -----------------------------------------------------------------------------


def test_the_file_is_an_operator_with_its_history(
    learn: Callable[..., room.LboResult], tmp_path: Path
) -> None:
    """It loads as one; its metadata tell clip, factor, model, settings, losses and figures."""
    choice = {"by": "chosen by a person"}
    result = learn(choice=choice)
    assert result.finished
    assert {path.name for path in tmp_path.iterdir()} == {"lbo.safetensors", "lbo.html"}
    load_operator(result.output)
    told = history(result.output)
    assert told["clip"] == "clip.mp4"
    assert told["size"] == [160, 96]
    assert told["choice"] == choice
    assert told["settings"]["factor"] == 0.5
    assert told["settings"]["seed"] == 0
    assert len(told["settings"]["clip"]) == len(told["settings"]["model"]) == 64
    assert (told["iterations"], told["of"]) == (7, 7)
    assert [row["stage"] for row in told["curve"]] == ["net"] * 4 + ["gan"] * 3
    assert set(told["curve"][-1]) >= {"l1", "perceptual", "gan", "discriminator"}
    assert told["psnr"] == {
        "area": result.measured.area, "operator": result.measured.operator,
    }  # fmt: skip


def test_the_operator_degrades(learn: Callable[..., room.LboResult], tmp_path: Path) -> None:
    """``animesr degrade --lbo`` takes it as it is."""
    operator = learn().output
    clean = write_video(tmp_path / "hr.mkv", frames=3, exact=True)
    degrade_video(clean, tmp_path / "lr.mp4", seed=4, lbo=[operator], device="cpu")
    plan = json.loads((tmp_path / "lr.mp4.plan.json").read_text())
    assert plan["lbo"] == load_operator(operator).sha256


def test_a_seed_repeats(learn: Callable[..., room.LboResult], tiny: LboSettings) -> None:
    """The same clip, settings and seed give the same file; another seed does not."""
    first = learn().output.read_bytes()
    assert learn(overwrite=True).output.read_bytes() == first
    assert learn(overwrite=True, settings=replace(tiny, seed=1)).output.read_bytes() != first


def test_figures_are_of_pictures_that_were_held_out(
    learn: Callable[..., room.LboResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured and shown is never what is learned from."""
    held_out: set[int] = set()
    measured: list[Pair] = []

    def collecting(*arguments: Any, **options: Any) -> Pairs:
        pairs = collect(*arguments, **options)
        held_out.update(id(pair) for pair in pairs.held_out)
        return pairs

    def measuring(make: Callable[[Tensor], Tensor], pairs: Sequence[Pair]) -> float:
        measured.extend(pairs)
        return measure(make, pairs)

    monkeypatch.setattr(room, "collect", collecting)
    monkeypatch.setattr(run_file, "measure", measuring)
    learn()
    assert measured
    assert {id(pair) for pair in measured} <= held_out


# ---- the best of them ----------------------------------------------------------------------------


def spoiling_from(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an iteration on, every step makes the operator worse than area downscaling."""
    step = LboTrainer.step

    def spoil(self: LboTrainer, hr: Tensor, lr: Tensor) -> dict[str, float]:
        losses = step(self, hr, lr)
        if self.iteration >= first:
            with torch.no_grad():
                for parameter in self.operator.parameters():
                    parameter.mul_(0.3)
        return losses

    monkeypatch.setattr(LboTrainer, "step", spoil)


def test_the_best_operator_is_written(
    learn: Callable[..., room.LboResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last one is clearly worse on the held-out pictures, an earlier one is taken."""
    spoiling_from(5, monkeypatch)
    result = learn()
    told = history(result.output)
    assert told["taken"] < 5
    assert told["iterations"] == 7
    assert result.measured.operator >= result.measured.area - 0.1


def test_an_operator_that_learned_nothing_is_called_so(
    learn: Callable[..., room.LboResult], tiny: LboSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worse than area downscaling to the end: it is written, with a warning that says so."""
    spoiling_from(1, monkeypatch)
    warnings: list[str] = []
    learn(settings=replace(tiny, from_area=False), warn=warnings.append)
    assert any("no better than area downscaling" in warning for warning in warnings)


# ---- stopping and going on -----------------------------------------------------------------------


def test_what_was_learned_is_kept_and_goes_on(
    learn: Callable[..., room.LboResult], tmp_path: Path
) -> None:
    """Stopped in the middle, the file is usable; the same call goes on and ends as one run does."""
    through = weights(learn().output)
    for path in tmp_path.iterdir():
        path.unlink()

    notes: list[str] = []
    asked: list[bool] = []

    def listen() -> None:
        if asked:
            raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        learn(
            listen=listen,
            on_progress=stopping_after(5, lambda: asked.append(True)),
            on_note=notes.append,
        )
    output = tmp_path / "lbo.safetensors"
    assert history(output)["iterations"] == 5
    assert "5 of 7 iterations" in notes[-1]
    assert state_of(output).exists()
    assert page_of(output).exists()
    result = learn(on_note=notes.append)
    assert "going on from iteration 5" in notes
    assert result.finished
    assert not state_of(output).exists()
    after = weights(output)
    assert all(torch.equal(after[name], through[name]) for name in through)
    assert [row["iteration"] for row in history(output)["curve"]] == list(range(1, 8))


def test_minutes_end_a_run_in_good_order(
    learn: Callable[..., room.LboResult], tmp_path: Path
) -> None:
    """It is saved, not finished, and goes on from there; ``restart`` begins anew."""
    result = learn(minutes=1e-9)
    assert (result.finished, result.iterations) == (False, 0)
    assert state_of(result.output).exists()
    result = learn()
    assert result.finished
    learn(minutes=1e-9, overwrite=True)
    notes: list[str] = []
    assert learn(restart=True, overwrite=True, on_note=notes.append).finished
    assert notes == []


def test_what_minutes_leave_is_what_is_said_to_be_left(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Not what a million iterations would take."""
    arguments = command(own_clip, zero_checkpoint, "-o", tmp_path / "dvd.safetensors", "-f", "0.5")
    arguments[arguments.index("--iterations") + 1] = "1000000"
    process = start(*arguments, "--minutes", "2", "--json")
    assert process.stdout
    told = next(json.loads(line) for line in process.stdout if '"seconds_left": null' not in line)
    process.send_signal(signal.SIGINT)
    ended = finished(process)
    assert ended.exit_code == 130, ended.stderr
    assert told["until_minutes"]
    assert 0 < told["seconds_left"] <= 120
    assert "left until --minutes" in ended.stderr


def test_going_on_under_other_settings_is_refused(
    learn: Callable[..., room.LboResult], tiny: LboSettings, tmp_path: Path
) -> None:
    """What differs is named, and everything stays as it was."""
    learn(minutes=1e-9)
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match=r"factor was 0\.5 and is 0\.4"):
        learn(factor=0.4)
    with pytest.raises(UsageError, match="seed was 0 and is 3"):
        learn(settings=replace(tiny, seed=3))
    assert snapshot(tmp_path) == before


def test_a_loss_that_is_not_finite_keeps_what_was_learned(
    learn: Callable[..., room.LboResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says where; the file holds the iterations before it; nothing would go on there."""
    step = LboTrainer.step

    def diverge(self: LboTrainer, hr: Tensor, lr: Tensor) -> dict[str, float]:
        return step(self, hr, lr * float("nan") if self.iteration == 2 else lr)

    monkeypatch.setattr(LboTrainer, "step", diverge)
    with pytest.raises(WeightsError, match="not finite at iteration 3"):
        learn()
    output = tmp_path / "lbo.safetensors"
    assert history(output)["iterations"] == 2
    assert not state_of(output).exists()


def write_rival(path: Path) -> None:
    path.write_text("mine")


def test_a_file_that_appears_meanwhile_stays(
    learn: Callable[..., room.LboResult], tmp_path: Path
) -> None:
    """Nothing is replaced without -y; what was learned lies beside it, and the run can go on."""
    output = tmp_path / "lbo.safetensors"
    with pytest.raises(OutputError, match=r"lbo\.safetensors"):
        learn(on_progress=stopping_after(3, lambda: write_rival(output)))
    assert output.read_text() == "mine"
    assert state_of(output).exists()
    with pytest.raises(OutputError, match="exists"):
        learn()
    assert learn(overwrite=True).finished


def test_two_runs_do_not_share_an_output(
    learn: Callable[..., room.LboResult], tmp_path: Path
) -> None:
    """The second is refused while the first learns, and the first ends as ever."""
    refused: list[str] = []

    def again() -> None:
        with pytest.raises(OutputError) as caught:
            learn()
        refused.append(caught.value.message)

    result = learn(on_progress=stopping_after(2, again))
    assert result.finished
    assert "another run" in refused[0]


# ---- what cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "error", "words"),
    [
        ("lbo.safetensors", {"factor": 0.0}, UsageError, "not above 0"),
        ("lbo.safetensors", {"factor": 1.2}, UsageError, "not above 0"),
        ("lbo.safetensors", {"factor": float("nan")}, UsageError, "not above 0"),
        ("lbo.pth", {}, UsageError, "written as .safetensors"),
        ("old.safetensors", {}, OutputError, "exists"),
        ("page.safetensors", {}, OutputError, "page.html exists"),
        ("no/lbo.safetensors", {}, OutputError, "does not exist"),
        ("lbo.safetensors", {"device": "abacus"}, AnimesrError, "abacus"),
        ("lbo.safetensors", {"model": "absent"}, UsageError, "absent"),
    ],
)
def test_a_wish_that_cannot_be_met_leaves_nothing(
    own_clip: Path,
    tmp_path: Path,
    tiny: LboSettings,
    name: str,
    changes: dict[str, Any],
    error: type[AnimesrError],
    words: str,
) -> None:
    """One clear error before the first frame, and every file as it was."""
    (tmp_path / "old.safetensors").write_text("mine")
    (tmp_path / "page.html").write_text("mine")
    before = snapshot(tmp_path)
    settings = replace(tiny, model=changes.pop("model", tiny.model))
    options: dict[str, Any] = {"factor": 0.5, "device": "cpu", **changes}
    with pytest.raises(error, match=words):
        learn_lbo(own_clip, tmp_path / name, settings=settings, **options)
    assert snapshot(tmp_path) == before


def test_a_clip_that_is_too_small_leaves_nothing(tmp_path: Path, tiny: LboSettings) -> None:
    """One clear error, and no file."""
    clip = write_video(tmp_path / "a.mkv", width=64, height=16)
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match="too small"):
        learn_lbo(clip, factor=0.5, settings=tiny, device="cpu")
    assert snapshot(tmp_path) == before


# ---- the command ---------------------------------------------------------------------------------


def command(clip: Path, checkpoint: Path, *more: str | Path) -> list[str | Path]:
    return [
        "learn-lbo", clip, "-n", checkpoint, "-g", "cpu", "--iterations", "1",
        "--stage", "net", *more,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-f", "0.5", "--auto"], "--factor and --auto cannot go together"),
        (["-f", "0.5", "--sweep-only"], "--factor and --sweep-only cannot go together"),
        ([], "no terminal to ask"),
        (["-f", "2"], "--factor must be at most 1, not 2"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path, more: list[str], words: str
) -> None:
    """Each in one line, before anything is read."""
    output = tmp_path / "lbo.safetensors"
    animesr(*command(own_clip, zero_checkpoint, "-o", output, *more)).refused(2, words)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two factors instead of ten."""
    from animesr_cli.lbo import factor_sweep as rescale

    def fewer(clip: Path, **options: Any) -> rescale.Sweep:
        return rescale.sweep(clip, factors=(0.5, 1.0), **options)

    monkeypatch.setattr(room, "sweep", fewer)


@pytest.mark.usefixtures("quick_sweep")
def test_the_sweep_alone_writes_the_sheet(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """The ranking on stdout, the sheet beside the operator that is to be, and no operator."""
    output = tmp_path / "dvd.safetensors"
    ended = animesr(*command(own_clip, zero_checkpoint, "-o", output, "--sweep-only"))
    assert ended.exit_code == 0, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"dvd_sheet.html", "dvd_sheet.png"}
    assert "sharpness" in ended.stdout
    lines = [line.split() for line in ended.stdout.splitlines()[1:]]
    assert {line[1] for line in lines} == {"0.5", "1.0"}
    page = (tmp_path / "dvd_sheet.html").read_text()
    assert f"{own_clip} -f 0.5" in page
    assert "--iterations 1" in page


@pytest.mark.usefixtures("quick_sweep")
def test_auto_takes_the_best_ranked(own_clip: Path, zero_checkpoint: Path, tmp_path: Path) -> None:
    """One command from the clip to the operator; --json tells each step in one object a line."""
    output = tmp_path / "dvd.safetensors"
    ended = animesr(*command(own_clip, zero_checkpoint, "-o", output, "--auto", "--json", "-q"))
    assert ended.exit_code == 0, ended.stderr
    assert ended.stderr == ""
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    sweep = next(each for each in events if each["event"] == "sweep")
    assert sweep["best"] == sweep["ranking"][0]["factor"]
    assert {"flat_energy", "overshoot", "sharpness", "score"} <= set(sweep["ranking"][0])
    done = events[-1]
    assert done["event"] == "done"
    assert done["finished"]
    assert done["factor"] == sweep["best"]
    told = history(output)
    assert told["choice"]["by"] == "the best ranked"
    assert [each["factor"] for each in told["choice"]["ranking"]] == [
        each["factor"] for each in sweep["ranking"]
    ]


@pytest.mark.usefixtures("quick_sweep")
@pytest.mark.parametrize(
    ("answers", "factor"),
    [
        (["0.7\n"], 0.7),
        (["\n"], None),
        (["many\n", "3\n", "0,6\n"], 0.6),
        (["q\n"], "none"),
        ([], "none"),
        (["many"], "none"),
        (["many\n"], "none"),
        (["0.7"], 0.7),
    ],
)
def test_a_person_decides(
    own_clip: Path,
    zero_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[str],
    factor: float | str | None,
) -> None:
    """Enter takes the best-ranked, a number that number; nonsense is asked again, q ends it."""
    typed = io.StringIO("".join(answers))
    monkeypatch.setattr(command_file, "can_ask", lambda: True)
    monkeypatch.setattr(command_file, "sys", SimpleNamespace(stdin=typed))
    output = tmp_path / "dvd.safetensors"
    ended = animesr(*command(own_clip, zero_checkpoint, "-o", output))
    assert ended.exit_code == 0, ended.stderr
    assert typed.read() == ""
    if factor == "none":
        assert not output.exists()
        assert "nothing was learned" in ended.stderr
        return
    told = history(output)
    best = told["choice"]["ranking"][0]["factor"]
    assert told["settings"]["factor"] == (best if factor is None else factor)
    assert told["choice"]["by"] == "chosen by a person"


def test_an_existing_operator_needs_a_yes(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Without -y it stays, with it it is replaced."""
    output = tmp_path / "dvd.safetensors"
    run = command(own_clip, zero_checkpoint, "-o", output, "-f", "0.5")
    assert animesr(*run).exit_code == 0
    before = snapshot(tmp_path)
    animesr(*run).refused(4, "dvd.safetensors exists", "-y")
    assert snapshot(tmp_path) == before
    assert animesr(*run, "-y").exit_code == 0
    assert snapshot(tmp_path) != before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals of a terminal")
def test_ctrl_c_keeps_what_was_learned(
    own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Exit code 130, an operator that loads, and a note that says how far it came."""
    output = tmp_path / "lbo.safetensors"
    process = start(
        "learn-lbo", own_clip, "-f", "0.5", "-n", zero_checkpoint, "-o", output, "-g", "cpu",
        "--iterations", "100000", "--perceptual", "gradient",
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "stage net" in line:
            break
    process.send_signal(signal.SIGINT)
    ended = finished(process)
    assert ended.exit_code == 130
    assert "holds what was learned in" in ended.stderr
    ended.refused(130, "stopped by SIGINT")
    assert 0 < history(output)["iterations"] < 100000
    assert state_of(output).exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_on_a_terminal_the_factor_is_asked_for(
    zero_checkpoint: Path, own_clip: Path, tmp_path: Path
) -> None:
    """The ranking stands above the question, and what is typed is taken."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")
    terminal, its_end = pty.openpty()
    output = tmp_path / "dvd.safetensors"
    process = start(
        *command(own_clip, zero_checkpoint, "-o", output),
        stderr=its_end, stdin=its_end, env=environment(TERM="xterm-256color"),
    )  # fmt: skip
    os.close(its_end)
    seen, deadline = "", time.monotonic() + 120
    typed = False
    while time.monotonic() < deadline:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so where the other end is closed
            break
        if not part:
            break
        seen += part.decode(errors="replace")
        if not typed and "q for none]:" in seen:
            os.write(terminal, b"0.8\n")
            typed = True
    os.close(terminal)
    stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, ""), seen
    assert "sharpness" in seen[: seen.index("q for none]:")]
    assert history(output)["settings"]["factor"] == 0.8


# ---- it does its job -----------------------------------------------------------------------------


def drawn(first: int, end: int, step: int = 1) -> Tensor:
    """Frames of the cartoon at 640x384: (T, 3, H, W) in [0, 1]."""
    frames = [torch.from_numpy(cartoon.draw_frame(number)) for number in range(first, end, step)]
    return torch.stack(frames).permute(0, 3, 1, 2).float().div(255)


def soften(hr: Tensor) -> Tensor:
    """A fixed degradation: soft blur, half the size, overshoot, coarse levels; no colour change."""
    lr = functional.avg_pool2d(blur(hr, 2.5, 2.5), 2)
    lr = (lr + 0.8 * (lr - blur(lr, 1.2, 1.2))).clamp(0, 1)
    return lr.mul(32).round().div(32)


def decibels(made: Tensor, real: Tensor) -> float:
    return float(-10 * (made - real).square().mean().log10())


@pytest.mark.slow
def test_it_is_nearer_to_the_real_lr_than_area_downscaling(tmp_path: Path) -> None:
    """By 1.5 dB at least, on frames of a scene that learning never saw; its page shows it."""
    clip = write_rgb(tmp_path / "poor.mkv", list(soften(drawn(0, 24))))
    settings = replace(LBO_PRESETS["quick"], net_iterations=200, gan_iterations=20)
    result = learn_lbo(clip, factor=0.5, settings=settings, device="cpu")
    assert result.output == tmp_path / "poor_lbo.safetensors"

    unseen = drawn(cartoon.CUT + 2, cartoon.FRAMES, 12)
    real = soften(unseen)
    operator = load_operator(result.output).network
    gain = decibels(operate(operator, unseen), real) - decibels(
        functional.avg_pool2d(unseen, 2), real
    )
    assert gain >= 1.5
    assert result.measured.operator - result.measured.area >= 1.5

    with chromium() as browser:
        page = browser.open(result.page, width=1200, height=900)
        assert page.problems == []
        sizes = page.evaluate(
            "[...document.querySelectorAll('.pictures img')]"
            ".map(i => [i.complete && i.naturalWidth > 0, i.getBoundingClientRect().width])"
        )
        assert sizes
        assert {tuple(each) for each in sizes} == {(True, 256)}
        assert len(sizes) % 4 == 0
        assert f"{result.measured.operator:.2f} dB" in page.text("body")
        assert page.evaluate("document.querySelectorAll('svg').length") == 5
