"""Several names on the command line: which are inputs, and that no input is ever taken for OUT."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import media
from command import Outcome, animesr, snapshot


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two episodes, which is the current one."""
    for name in ("a.mkv", "b.mkv"):
        media.write_video(tmp_path / name, frames=3, width=32, height=24)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(zero_checkpoint: Path) -> tuple[str, ...]:
    return "-n", str(zero_checkpoint), "-g", "cpu"


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_a_glob_destroys_no_input(desk: Path, model: tuple[str, ...]) -> None:
    """`upscale *.mkv` with two files: both are inputs, and both stay as they are."""
    before = snapshot(desk)
    outcome = animesr("upscale", "a.mkv", "b.mkv", *model)
    assert outcome.exit_code == 0, outcome.stderr
    assert "two videos that exist are two inputs" in outcome.stderr
    assert "2 videos -> beside them" in outcome.stderr
    assert names(desk) == {"a.mkv", "b.mkv", "a_x4.mkv", "b_x4.mkv"}
    assert {name: snapshot(desk)[name] for name in before} == before
    again = animesr("upscale", "a.mkv", "b.mkv", *model)
    assert again.exit_code == 0
    assert "2 finished before" in again.stderr


def test_several_inputs_go_into_a_folder(desk: Path, model: tuple[str, ...]) -> None:
    """A folder that exists, or a new one; folders among the inputs keep their trees."""
    (desk / "more" / "deep").mkdir(parents=True)
    media.write_video(desk / "more" / "deep" / "c.mkv", frames=2)
    outcome = animesr("upscale", "a.mkv", "b.mkv", "more", "big", *model)
    assert outcome.exit_code == 0, outcome.stderr
    assert names(desk / "big") == {"a_x4.mkv", "b_x4.mkv", "more"}
    assert (desk / "big" / "more" / "deep" / "c.mkv").is_file()
    outcome = animesr("upscale", "a.mkv", "b.mkv", "-o", "big", "-s", "2", *model)
    assert outcome.exit_code == 0, outcome.stderr
    assert {"a_x2.mkv", "b_x2.mkv"} < names(desk / "big")


def test_an_output_of_ours_is_refused_as_ever(desk: Path, model: tuple[str, ...]) -> None:
    """The same command again does not take the output of the first for a second input."""
    assert animesr("upscale", "a.mkv", "out.mkv", *model).exit_code == 0
    animesr("upscale", "a.mkv", "out.mkv", *model).refused(4, "out.mkv exists", "-y")
    assert animesr("upscale", "a.mkv", "out.mkv", "-y", *model).exit_code == 0
    assert names(desk) == {"a.mkv", "b.mkv", "out.mkv"}


def test_y_says_what_it_replaces(desk: Path, model: tuple[str, ...]) -> None:
    """A video that does not look like an output of this command goes only with a word."""
    outcome = animesr("upscale", "a.mkv", "b.mkv", "-y", *model)
    assert outcome.exit_code == 0
    assert "b.mkv is replaced, and does not look like an output" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.mkv", "b.mkv", "a.mkv", "new.mkv"], 2, "3 inputs cannot go into new.mkv"),
        (["a.mkv", "b.mkv", "-o", "-"], 2, "cannot go through one pipe"),
        (["a.mkv", "b.mkv", "none/out"], 4, "folder none does not exist"),
        ([""], 2, "the input's name is empty"),
        (["a.mkv", ""], 2, "the output's name is empty"),
        (["", "out.mkv"], 2, "the input's name is empty"),
        (["a.mkv", "", "-o", "out"], 2, "the input's name is empty"),
        (["a.mkv", "s3://bucket/b.mkv"], 3, "is an address, and the output is a file"),
        (["https://example.org/a.mkv"], 3, "is an address, and the input is a file"),
        (["a.mkv", "-o", "s3://bucket/a.mkv"], 3, "is an address, and the output is a file"),
        (["a\0.mkv"], 2, "holds a NUL byte"),
        (["-", "a.mkv", "big"], 2, "standard input is upscaled alone"),
    ],
)
def test_what_cannot_work_is_one_line(
    desk: Path, model: tuple[str, ...], arguments: list[str], code: int, words: str
) -> None:
    """And nothing is made."""
    before = snapshot(desk)
    outcome: Outcome = animesr("upscale", *arguments, *model)
    outcome.refused(code, words)
    assert snapshot(desk) == before
