"""A folder of videos as one job: what is found, what is made, and what one bad file does to it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import media
from animesr_cli import probe
from animesr_cli.batch import forecast
from animesr_cli.batch.find import BatchInputs, Item, find_batch, is_batch
from animesr_cli.batch.finished import FinishedOutputs
from animesr_cli.batch.outcome import WORST_FIRST, BatchObserver, BatchResult, Outcome, State
from animesr_cli.batch.work import run_batch
from animesr_cli.errors import (
    AnimesrError,
    DiskFullError,
    ExitCode,
    InputError,
    Interrupted,
    OutputError,
    UsageError,
    VerificationError,
    WeightsError,
)
from animesr_cli.settings import UpscaleSettings
from animesr_cli.signals import stop_wishes, want_stop
from animesr_cli.upscaling.events import Observer, UpscaleResult
from animesr_cli.upscaling.plan import ready_network
from command import animesr, environment, snapshot, start

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="a Unix matter")


@pytest.fixture
def settings(zero_checkpoint: Path) -> UpscaleSettings:
    """A network that costs nothing."""
    return UpscaleSettings(model=str(zero_checkpoint), scale=2.0, device="cpu")


@pytest.fixture
def season(tmp_path: Path) -> Path:
    """Two videos in a tree, one of them of a kind that is not written, and one that is none."""
    folder = tmp_path / "season"
    (folder / "extras").mkdir(parents=True)
    media.write_video(folder / "ep1.mkv", frames=3)
    media.write_video(folder / "extras" / "trailer.avi", frames=3)
    (folder / "notes.txt").write_text("no video")
    return folder


def touch(folder: Path, *names: str) -> Path:
    """Empty files, with the folders that they are in."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def pairs(found: BatchInputs) -> dict[str, str]:
    """Input below its folder -> output below its folder, in order."""
    assert found.output is not None
    return {str(i.name): str(i.output.relative_to(found.output)) for i in found.items}


def states(result: BatchResult) -> dict[str, str]:
    return {str(outcome.item.name): outcome.state.name for outcome in result.outcomes}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


# ---- what is found -------------------------------------------------------------------------------


def test_the_tree_and_the_names_are_kept(tmp_path: Path) -> None:
    """Inputs in the order of their names, numbers by value; a suffix stays if it is written."""
    folder = touch(
        tmp_path / "in", "ep10.mkv", "ep2.MP4", "b/x.webm", "b/c/y.avi", "Ep1.m2ts", "ep3.mkv"
    )
    assert list(pairs(find_batch(folder, tmp_path / "out", UpscaleSettings())).items()) == [
        ("Ep1.m2ts", "Ep1.mkv"),
        ("ep2.MP4", "ep2.MP4"),
        ("ep3.mkv", "ep3.mkv"),
        ("ep10.mkv", "ep10.mkv"),
        ("b/x.webm", "b/x.webm"),
        ("b/c/y.avi", "b/c/y.mkv"),
    ]


def test_two_inputs_never_share_an_output(tmp_path: Path) -> None:
    """Where two would become a.mkv, those whose suffix changes keep it in front."""
    folder = touch(tmp_path / "in", "a.avi", "a.mkv", "b.avi", "b.ts", "c.avi")
    assert pairs(find_batch(folder, tmp_path / "out", UpscaleSettings())) == {
        "a.avi": "a.avi.mkv", "a.mkv": "a.mkv", "b.avi": "b.avi.mkv", "b.ts": "b.ts.mkv",
        "c.avi": "c.mkv",
    }  # fmt: skip
    touch(folder, "a.avi.mkv")
    with pytest.raises(UsageError, match=r"would both become .*a\.avi\.mkv"):
        find_batch(folder, tmp_path / "out", UpscaleSettings())


def test_a_container_that_cannot_hold_the_codec_becomes_mkv(tmp_path: Path) -> None:
    """With -c the suffix stays only where the container takes what that encoder makes."""
    folder = touch(tmp_path / "in", "a.webm", "b.mp4")
    found = find_batch(folder, tmp_path / "out", UpscaleSettings(codec="libx265"))
    assert pairs(found) == {"a.webm": "a.mkv", "b.mp4": "b.mp4"}


def test_what_is_no_input_is_passed_over(tmp_path: Path) -> None:
    """Hidden files, parts of a run, other suffixes; and the counts that the user is told."""
    folder = touch(
        tmp_path / "in",
        "a.mkv", ".hidden.mkv", ".a.mkv.part", ".trash/b.mkv", "a.srt", "cover.png", "noext",
    )  # fmt: skip
    found = find_batch(folder, tmp_path / "out", UpscaleSettings())
    assert (list(pairs(found)), found.others, found.earlier) == (["a.mkv"], 3, 0)


def test_outputs_are_never_inputs(tmp_path: Path) -> None:
    """Neither those of this command below its input, nor those that single runs left beside."""
    folder = touch(
        tmp_path / "in",
        "out/a.mkv", "a.avi", "a_x4.mkv", "b_x4.mkv", "s1/c.mkv", "s1_x4/c.mkv", "a_x2.mkv",
    )  # fmt: skip
    found = find_batch(folder, folder / "out", UpscaleSettings())
    assert list(pairs(found)) == ["a.avi", "a_x2.mkv", "b_x4.mkv", "s1/c.mkv"]
    assert found.earlier == 2
    found = find_batch(folder, folder / "out", UpscaleSettings(scale=2))
    assert "a_x2.mkv" not in pairs(found)
    assert "a_x4.mkv" in pairs(found)


@UNIX
def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    """Every video is met once, by its own name where it has one in the tree."""
    folder = touch(tmp_path / "in", "a/v.mkv", "z/deep/w.mkv")
    touch(tmp_path, "neighbour/x.mkv")
    elsewhere = touch(tmp_path / "elsewhere", "u.mkv", "deep/t.mkv")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "a" / "above").symlink_to(tmp_path)
    (folder / "a" / "aside").symlink_to(folder / "z" / "deep")
    (folder / "b").symlink_to(elsewhere)
    (folder / "c").symlink_to(elsewhere)
    (elsewhere / "deep" / "circle").symlink_to(elsewhere)
    (folder / "v2.mkv").symlink_to(folder / "a" / "v.mkv")
    found = find_batch(folder, tmp_path / "out", UpscaleSettings())
    assert list(pairs(found)) == [
        "v2.mkv", "a/v.mkv", "b/u.mkv", "b/deep/t.mkv", "z/deep/w.mkv",
    ]  # fmt: skip


def test_is_batch_asks_for_a_video_at_any_depth(tmp_path: Path) -> None:
    """A folder of images is none; an output and hidden files do not make it one."""
    folder = touch(tmp_path / "in", "0001.png", "0002.jpg", ".old/v.mkv", "result.mp4")
    assert not is_batch(folder, folder / "result.mp4")
    assert is_batch(folder)
    (folder / "result.mp4").unlink()
    touch(folder, "out/v.mkv")
    assert not is_batch(folder, folder / "out")
    touch(folder, "a/b/c/v.MKV")
    assert is_batch(folder, folder / "out")


# ---- where it goes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "scale", "name"), [("in", 4.0, "in_x4"), ("in", 1.5, "in_x1.5"), ("in/..", 4.0, None)]
)
def test_without_an_output_it_is_a_folder_beside(
    tmp_path: Path, given: str, scale: float, name: str | None
) -> None:
    """IN_x4, whatever the input is called by."""
    touch(tmp_path / "in", "a.mkv")
    found = find_batch(tmp_path / given, None, UpscaleSettings(scale=scale))
    expected = tmp_path.with_name(f"{tmp_path.name}_x4") if name is None else tmp_path / name
    assert found.output == expected


def test_the_folder_one_is_in_has_a_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`animesr upscale .` writes beside the current folder, not into it."""
    monkeypatch.chdir(touch(tmp_path / "in", "a.mkv"))
    assert find_batch(Path("."), None, UpscaleSettings()).output == tmp_path / "in_x4"


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        ("in", UsageError, "is the input folder itself"),
        ("link", UsageError, "is the input folder itself"),
        ("file", UsageError, "is no folder"),
        ("new.mp4", UsageError, "is no folder"),
        ("%06d.png", UsageError, "is no folder"),
        ("-", UsageError, "standard output is no folder"),
        ("in/a/a.mkv", UsageError, "is no folder"),
        ("none/out", OutputError, "none does not exist"),
        ("in/a", UsageError, r"output of .*a\.mkv would be the input .*a/a\.mkv"),
    ],
)
@UNIX
def test_places_that_cannot_be_are_refused(
    tmp_path: Path, output: str, error: type[AnimesrError], message: str
) -> None:
    """One line before anything is made."""
    folder = touch(tmp_path / "in", "a.mkv", "a/a.mkv")
    touch(tmp_path, "file")
    (tmp_path / "link").symlink_to(folder)
    if output == "in/a":  # a tree in which an output would fall on an input
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a.mkv").symlink_to(folder / "a" / "a.mkv")
        output = "out"
    before = snapshot(tmp_path)
    with pytest.raises(error, match=message):
        run_batch(folder, Path("-") if output == "-" else tmp_path / output, UpscaleSettings())
    assert snapshot(tmp_path) == before


def test_a_folder_without_a_video_left_is_refused(tmp_path: Path) -> None:
    """Where only outputs lie there is nothing to do, and that is said."""
    folder = touch(tmp_path / "in", "notes.txt", "out/a.mkv")
    with pytest.raises(InputError, match="holds no video that is not an output already"):
        run_batch(folder, folder / "out", UpscaleSettings())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scale": -1.0}, 2),
        ({"fps": Fraction(24)}, 2),
        ({"codec": "libx26"}, 7),
        ({"model": "none.pth"}, 6),
        ({"device": "x"}, 2),
    ],
)
def test_what_no_file_can_do_is_said_once(season: Path, changes: dict[str, Any], code: int) -> None:
    """A wish that fails for every file is an error of the command, before the first of them."""
    outcomes: list[Outcome] = []
    with pytest.raises(AnimesrError) as raised:
        run_batch(
            season, None, UpscaleSettings(**changes), BatchObserver(on_outcome=outcomes.append)
        )
    assert raised.value.exit_code == code
    assert outcomes == []
    assert not season.with_name("season_x4").exists()


# ---- the work ------------------------------------------------------------------------------------


def test_every_video_is_upscaled_into_the_tree(season: Path, settings: UpscaleSettings) -> None:
    """All frames at their size below a folder that was missing; nothing else is written."""
    before = snapshot(season)
    result = run_batch(season, None, settings)
    output = season.with_name("season_x2")
    assert files(output) == {"ep1.mkv", "extras/trailer.mkv"}
    assert [(o.state, o.result and o.result.frames) for o in result.outcomes] == [
        (State.DONE, 3), (State.DONE, 3),
    ]  # fmt: skip
    info = probe(output / "extras" / "trailer.mkv")
    assert (info.width, info.height) == (128, 96)
    assert snapshot(season) == before
    assert result.exit_code() == ExitCode.OK


def test_the_network_is_loaded_once_and_only_if_needed(
    season: Path, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One checkpoint for all files; none where all are finished."""
    loads: list[UpscaleSettings] = []
    load = ready_network

    def counted(settings: UpscaleSettings, *, warn: Callable[[str], None]) -> Any:
        loads.append(settings)
        return load(settings, warn=warn)

    monkeypatch.setattr("animesr_cli.batch.work.ready_network", counted)
    monkeypatch.setattr("animesr_cli.upscaling.plan.ready_network", counted)
    run_batch(season, None, settings)
    assert len(loads) == 1
    run_batch(season, None, settings)
    assert len(loads) == 1


def test_finished_outputs_are_skipped_and_the_rest_is_done(
    season: Path, settings: UpscaleSettings
) -> None:
    """The same command again does what is missing, and touches nothing of what is there."""
    output = season.with_name("season_x2")
    run_batch(season, None, settings)
    (output / "extras" / "trailer.mkv").unlink()
    before = snapshot(output)
    result = run_batch(season, None, settings)
    assert states(result) == {"ep1.mkv": "SKIPPED", "extras/trailer.avi": "DONE"}
    assert result.exit_code() == ExitCode.OK
    after = snapshot(output)
    assert after.pop("extras/trailer.mkv")
    assert {**before, **after} == before


def test_overwrite_does_all_again(season: Path, settings: UpscaleSettings) -> None:
    """With -y what is finished is made anew."""
    output = season.with_name("season_x2")
    run_batch(season, None, settings)
    before = snapshot(output)
    result = run_batch(season, None, UpscaleSettings(**{**vars(settings), "overwrite": True}))
    assert set(states(result).values()) == {"DONE"}
    after = snapshot(output)
    assert [name for name in before if name.endswith("mkv") and before[name] == after[name]] == []


def test_an_output_older_than_its_input_is_an_error_and_stays(
    season: Path, settings: UpscaleSettings
) -> None:
    """It belongs to another input; without -y it is neither taken for finished nor replaced."""
    output = season.with_name("season_x2")
    touch(output, "extras/trailer.mkv")
    (output / "ep1.mkv").write_bytes(b"of an older ep1")
    os.utime(output / "ep1.mkv", (1, 1))
    before = snapshot(output)
    result = run_batch(season, None, settings)
    assert states(result) == {"ep1.mkv": "FAILED", "extras/trailer.avi": "FAILED"}
    older, empty = (outcome.error for outcome in result.outcomes)
    assert older is not None
    assert empty is not None
    assert "is older than its input" in older.message
    assert "exists" in empty.message  # of no size: no output of ours
    assert result.exit_code() == ExitCode.OUTPUT
    assert snapshot(output) == before


def test_one_bad_file_stops_no_other(season: Path, settings: UpscaleSettings) -> None:
    """It is an outcome with its error, and leaves no file and no folder behind."""
    (season / "bad").mkdir()
    (season / "bad" / "a.mkv").write_bytes(media.noise(2000))
    (season / "gone.mp4").symlink_to("nowhere")
    result = run_batch(season, None, settings)
    assert states(result) == {
        "ep1.mkv": "DONE", "gone.mp4": "FAILED", "bad/a.mkv": "FAILED",
        "extras/trailer.avi": "DONE",
    }  # fmt: skip
    assert result.exit_code() == ExitCode.INPUT
    output = season.with_name("season_x2")
    assert {str(path.relative_to(output)) for path in output.rglob("*")} == {
        "ep1.mkv", "extras", "extras/trailer.mkv",
    }  # fmt: skip


def test_nothing_is_left_where_everything_fails(tmp_path: Path, settings: UpscaleSettings) -> None:
    """The output folder goes again; one that was there before stays."""
    folder = touch(tmp_path / "in", "a.mkv", "b/c.mkv")
    run_batch(folder, None, settings)
    assert not (tmp_path / "in_x2").exists()
    (tmp_path / "out").mkdir()
    run_batch(folder, tmp_path / "out", settings)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_in_the_place_of_an_output_is_an_error(
    season: Path, settings: UpscaleSettings
) -> None:
    """It is not taken for the folder to write into."""
    output = season.with_name("season_x2")
    touch(output, "ep1.mkv/mine")
    result = run_batch(season, None, settings)
    assert states(result)["ep1.mkv"] == "FAILED"
    assert files(output) == {"ep1.mkv/mine", "extras/trailer.mkv"}


def test_a_folder_that_cannot_be_read_is_a_failure(
    season: Path, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it is missing from the output, so the exit code says so."""
    scandir = os.scandir

    def locked(path: str) -> Any:
        if path == str(season / "extras"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    result = run_batch(season, None, settings)
    assert states(result) == {"extras": "FAILED", "ep1.mkv": "DONE"}
    error = result.outcomes[0].error
    assert error is not None
    assert error.message == f"the folder {season / 'extras'} cannot be read: permission denied"
    assert result.exit_code() == ExitCode.INPUT


# ---- what ends it --------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, errors: dict[str, tuple[bool, Exception]]) -> None:
    """Let files fail: before their plan stands, or (True) in the middle of their run."""

    def run(
        source: Path, output: Path, settings: UpscaleSettings, observer: Observer, loaded: Any
    ) -> UpscaleResult:
        begun, error = errors.get(source.name, (False, None))
        if begun:
            observer.on_plan(None)  # type: ignore[arg-type]
        if error:
            raise error
        output.write_bytes(b"result")
        return UpscaleResult(
            output=output, frames=1, seconds=1, warnings=("look",), cuts=0, stage_seconds={}
        )

    monkeypatch.setattr("animesr_cli.batch.work.run", run)


def test_a_full_disk_in_the_middle_ends_the_batch(
    tmp_path: Path, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the work it is that file's matter: another may fit. During it, all would fail."""
    folder = touch(tmp_path / "in", "1.mkv", "2.mkv", "3.mkv", "4.mkv")
    full = DiskFullError("the disk is full")
    failing(monkeypatch, {"1.mkv": (False, full), "3.mkv": (True, full)})
    result = run_batch(folder, None, settings)
    assert states(result) == {
        "1.mkv": "FAILED", "2.mkv": "DONE", "3.mkv": "FAILED", "4.mkv": "LEFT",
    }  # fmt: skip
    assert result.exit_code() == ExitCode.DISK_FULL


def test_a_bug_is_one_file_s_failure_and_holds_no_memory(
    tmp_path: Path, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception is told as a bug; what its traceback held is let go."""
    folder = touch(tmp_path / "in", "1.mkv", "2.mkv")
    failing(monkeypatch, {"1.mkv": (True, ZeroDivisionError("by zero"))})
    causes: list[BaseException | None] = []
    observer = BatchObserver(
        on_outcome=lambda outcome: causes.append(outcome.error and outcome.error.__cause__)
    )
    result = run_batch(folder, None, settings, observer)
    assert states(result) == {"1.mkv": "FAILED", "2.mkv": "DONE"}
    assert isinstance(causes[0], ZeroDivisionError)  # for --debug
    error = result.outcomes[0].error
    assert error is not None
    assert "this is a bug: ZeroDivisionError: by zero" in error.message
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert result.exit_code() == ExitCode.BUG


def test_nobody_listening_ends_the_batch(
    tmp_path: Path, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed pipe is no file's failure."""
    folder = touch(tmp_path / "in", "1.mkv", "2.mkv")
    failing(monkeypatch, {"1.mkv": (True, BrokenPipeError())})
    with pytest.raises(BrokenPipeError):
        run_batch(folder, None, settings)


def test_an_interrupt_leaves_what_is_done(season: Path, settings: UpscaleSettings) -> None:
    """The file in work leaves nothing, the finished ones stay, and the next run goes on there."""

    def watch(item: Item) -> Observer:
        def interrupt(progress: object) -> None:
            if item.name.suffix == ".avi":
                raise Interrupted(signal.SIGTERM)

        return Observer(on_progress=interrupt)

    result = run_batch(season, None, settings, BatchObserver(on_item=watch))
    assert states(result) == {"ep1.mkv": "DONE", "extras/trailer.avi": "LEFT"}
    assert result.exit_code() == ExitCode.TERMINATED
    output = season.with_name("season_x2")
    assert [str(path.relative_to(output)) for path in output.rglob("*")] == ["ep1.mkv"]
    again = run_batch(season, None, settings)
    assert states(again) == {"ep1.mkv": "SKIPPED", "extras/trailer.avi": "DONE"}


@pytest.mark.parametrize("where", ["finished", "planned"])
def test_an_interrupt_is_no_failure_of_a_file(
    where: str, season: Path, settings: UpscaleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where a run looks whether a file is finished, nor where a dry run plans it."""
    why = Interrupted(signal.SIGTERM)

    def stop(*_: object, **__: object) -> None:
        want_stop(why)
        raise why

    if where == "finished":
        monkeypatch.setattr(FinishedOutputs, "holds", stop)
    else:
        monkeypatch.setattr(forecast, "_planned", stop)
    with stop_wishes():
        if where == "finished":
            result = run_batch(season, None, settings)
            assert states(result) == {"ep1.mkv": "LEFT", "extras/trailer.avi": "LEFT"}
        with pytest.raises(Interrupted):
            list(forecast.forecast_all(season, None, settings, warn=print))


@pytest.mark.parametrize("error", [Interrupted(signal.SIGTERM), SystemExit(1)])
def test_a_file_in_which_a_run_was_stopped_keeps_its_turn(
    error: BaseException, season: Path, settings: UpscaleSettings
) -> None:
    """Only one whose run could not tidy up any more, as behind a crash, comes last."""
    turns: list[str] = []

    def watch(item: Item) -> Observer:
        def stop(progress: object) -> None:
            if len(turns) == 1:
                raise error

        turns.append(str(item.name))
        return Observer(on_progress=stop)

    observer = BatchObserver(on_item=watch)
    with suppress(SystemExit):
        run_batch(season, None, settings, observer)
    run_batch(season, None, settings, observer)
    assert turns == ["ep1.mkv", "ep1.mkv", "extras/trailer.avi"]


def outcomes_of(*errors: AnimesrError | None, warnings: Sequence[str] = ()) -> BatchResult:
    item = Item(Path("a"), Path("a"), Path("b"), Path())
    result = UpscaleResult(
        output=item.output, frames=1, seconds=1, warnings=tuple(warnings), cuts=0, stage_seconds={}
    )
    found = BatchInputs(
        folder=Path(), output=Path(), items=(item,), others=0, earlier=0, unreadable={}
    )  # fmt: skip
    made = [
        Outcome(item=item, state=State.FAILED, error=error)
        if error
        else Outcome(item=item, state=State.DONE, result=result)
        for error in errors
    ]
    return BatchResult(batch=found, outcomes=tuple(made), seconds=1, warnings=(), stopped=None)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ((None, None), 0),
        ((None, InputError("x")), 3),
        ((UsageError("x"), InputError("x"), None), 3),
        ((InputError("x"), OutputError("x")), 4),
        ((OutputError("x"), WeightsError("x")), 6),
        ((DiskFullError("x"), WeightsError("x")), 5),
        ((VerificationError("x"), DiskFullError("x")), 9),
        ((VerificationError("x"), AnimesrError("x")), 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    errors: Sequence[AnimesrError | None], code: int
) -> None:
    """Whatever the order of the files."""
    assert outcomes_of(*errors).exit_code() == code
    assert outcomes_of(*reversed(errors)).exit_code() == code


def test_warnings_count_under_strict_alone() -> None:
    """10 where nothing failed, and less than any failure."""
    assert outcomes_of(None, warnings=["look"]).exit_code() == 0
    assert outcomes_of(None, warnings=["look"]).exit_code(strict=True) == 10
    assert outcomes_of(None, UsageError("x"), warnings=["look"]).exit_code(strict=True) == 2


def test_every_exit_code_has_its_rank() -> None:
    """No code of a file can be overlooked; a closed pipe ends the command itself."""
    assert sorted([*WORST_FIRST, ExitCode.CLOSED_PIPE]) == sorted(ExitCode)


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_shows_each_file_and_a_table(season: Path, zero_checkpoint: Path) -> None:
    """What was found, which file it is at, each failure where it happens and again in the end."""
    (season / "bad.mkv").write_bytes(b"")
    outcome = animesr("upscale", season, "-n", zero_checkpoint, "-s", "2")
    lines = [line.rstrip() for line in outcome.stderr.splitlines()]
    output = season.with_name("season_x2")
    assert outcome.exit_code == 3
    assert outcome.stdout == ""
    assert lines[0] == f"3 videos in {season} -> {output} (new)"
    assert lines[1] == "note: passed over: 1 file without a video's suffix"
    assert [line for line in lines if line.startswith("[")] == [
        "[1/3] bad.mkv", "[2/3] ep1.mkv", "[3/3] extras/trailer.avi",
    ]  # fmt: skip
    error = lines[lines.index("[1/3] bad.mkv") + 1]
    assert error.startswith("error: ")
    table = [line.split(maxsplit=2) for line in lines[-4:-1]]
    assert table[0] == ["failed", "bad.mkv", error.removeprefix("error: ")]
    assert table[1][:2] == ["done", "ep1.mkv"]
    assert table[1][2].startswith("3 frames, ")
    assert lines[-1].startswith("2 done, 1 failed, ")
    again = animesr("upscale", season, output, "-n", zero_checkpoint, "-s", "2", "-q")
    assert again.exit_code == 3
    assert again.stderr.splitlines()[0] == "error: bad.mkv: " + error.removeprefix("error: ")


def test_json_events_carry_the_file(season: Path, zero_checkpoint: Path) -> None:
    """A program knows of each event which file it is about, and of the end how many did what."""
    (season / "bad.mkv").write_bytes(b"")
    arguments = ("upscale", season, "-n", zero_checkpoint, "-s", "2", "--json", "-q")
    events = [json.loads(line) for line in animesr(*arguments).stdout.splitlines()]
    first, *middle, last = events
    assert (first["event"], first["files"], first["others"]) == ("batch", 3, 1)
    kinds = {(Path(event["file"]).name, event["event"]) for event in middle}
    assert kinds == {
        ("bad.mkv", "error"),
        *itertools.product(("ep1.mkv", "trailer.avi"), ("plan", "progress", "done")),
    }
    counts = {name: last[name] for name in ("event", "done", "failed", "skipped", "left")}
    assert counts == {"event": "summary", "done": 2, "failed": 1, "skipped": 0, "left": 0}
    assert last["exit_code"] == 3
    again = [json.loads(line)["event"] for line in animesr(*arguments).stdout.splitlines()]
    assert again == ["batch", "error", "skipped", "skipped", "summary"]


def test_debug_shows_the_traceback_of_a_file(
    season: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in one file can be reported, though the others go on."""
    failing(monkeypatch, {"ep1.mkv": (False, ZeroDivisionError("by zero"))})
    outcome = animesr("upscale", season, "-n", zero_checkpoint, "--debug")
    assert outcome.exit_code == 1
    assert "raise error" in outcome.stderr  # the line of the source
    assert "ZeroDivisionError" in outcome.stderr
    assert "1 done, 1 failed" in outcome.stderr


@pytest.fixture
def long_season(season: Path) -> Path:
    """The second video takes seconds, so that a signal finds it in work."""
    media.write_video(season / "ep2.mkv", frames=1500)
    return season


@UNIX
def test_sigint_stops_the_batch_and_says_what_is_done(
    long_season: Path, zero_checkpoint: Path
) -> None:
    """130, the table, no part file; what was finished is there."""
    process = start("upscale", long_season, "-n", zero_checkpoint, "-s", "2", env=environment())
    assert process.stderr is not None
    try:
        heard = []
        for line in process.stderr:
            heard.append(line)
            if line.startswith("frame ") and "[2/3] ep2.mkv\n" in heard:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().splitlines()
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    assert [line.split()[:3] for line in rest if line.startswith("not done")] == [
        ["not", "done", "ep2.mkv"], ["not", "done", "extras/trailer.avi"],
    ]  # fmt: skip
    assert "1 done, 2 not done, " in "\n".join(rest)
    assert rest[-1] == "error: stopped by SIGINT"
    assert files(long_season.with_name("season_x2")) == {"ep1.mkv"}
