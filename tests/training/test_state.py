"""The state of a run: it comes back as it was, replaces nothing by half, and knows its settings."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from animesr_cli.errors import OutputError, UsageError, WeightsError
from animesr_cli.training.log import TrainingLog
from animesr_cli.training.state import check_same, is_state, read_state, write_state
from media import truncate

SETTINGS = {"lr": 2e-4, "weights": {"l1": 1.0}}
IDENTITY = {"settings": SETTINGS, "data": {"a.mp4": "12ab"}}


def write(path: Path, iteration: int = 7) -> Path:
    write_state(path, {"a": torch.arange(6.0).view(2, 3)}, iteration, IDENTITY, seconds=1.5)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Tensors, iteration, identity and time come back."""
    state = read_state(write(tmp_path / "state.safetensors"))
    assert state is not None
    assert torch.equal(state.tensors["a"], torch.arange(6.0).view(2, 3))
    assert (state.iteration, state.identity, state.seconds) == (7, IDENTITY, 1.5)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_no_state(tmp_path: Path) -> None:
    """A folder without a state is one where nothing has begun."""
    assert read_state(tmp_path / "state.safetensors") is None


@pytest.mark.parametrize("fault", ["cut off", "foreign", "no safetensors", "NaN"])
def test_damaged_states_are_refused(tmp_path: Path, fault: str) -> None:
    """What is no intact state is an error that says how to go on, and never half of a run."""
    path = write(tmp_path / "state.safetensors")
    if fault == "cut off":
        truncate(path, 0.9)
    elif fault == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif fault == "no safetensors":
        path.write_bytes(b"{}")
    else:
        write_state(path, {"a": torch.tensor([float("nan")])}, 1, IDENTITY)
    with pytest.raises(WeightsError, match=r"state\.safetensors") as caught:
        read_state(path)
    assert caught.value.hint == "--restart begins anew"


def test_a_failed_save_keeps_the_last_state(tmp_path: Path) -> None:
    """A disk that takes no more leaves the state before as it was, and no part behind."""
    path = write(tmp_path / "state.safetensors")
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OutputError):
            write_state(path, {"a": torch.zeros(9000)}, 8, IDENTITY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize(
    "header",
    [
        {"iteration": "x"}, {"iteration": -1}, {"iteration": 10**30}, {"seconds": -1},
        {"seconds": 1e999}, {"identity": 7}, {"identity": None},
    ],
)  # fmt: skip
def test_impossible_values_of_a_state_are_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    """A header of wrong types or beyond all ranges is damage, not a bug."""
    path = tmp_path / "state.safetensors"
    told = {"iteration": 1, "seconds": 1.0, "identity": {}} | header
    save_file({"a": torch.zeros(1)}, path, {"animesr_training": json.dumps(told)})
    with pytest.raises(WeightsError, match="is damaged"):
        read_state(path)


def test_a_pipe_in_place_of_a_state_or_log_is_not_waited_for(tmp_path: Path) -> None:
    """Each is refused in a sentence."""
    os.mkfifo(tmp_path / "state.safetensors")
    os.mkfifo(tmp_path / "log.jsonl")
    assert not is_state(tmp_path / "state.safetensors")
    with pytest.raises(WeightsError, match="a pipe"):
        read_state(tmp_path / "state.safetensors")
    with pytest.raises(OutputError, match="a pipe"):
        TrainingLog(tmp_path / "log.jsonl", 7)


# ---- the same run? -------------------------------------------------------------------------------


def test_the_same_settings_pass(tmp_path: Path) -> None:
    """Settings that went through a file equal those that did not: tuples become lists."""
    asked = {**IDENTITY, "settings": {**SETTINGS, "freeze": ("body",)}}
    check_same(json.loads(json.dumps(asked)), asked, tmp_path)


def test_differences_are_listed(tmp_path: Path) -> None:
    """Every setting that differs is named, with what it was and what it is."""
    asked = {"settings": {"lr": 1e-4, "weights": {"l1": 1.0}, "batch": 8}, "data": {}}
    with pytest.raises(UsageError) as caught:
        check_same(IDENTITY, asked, tmp_path)
    message = caught.value.message
    assert "settings lr was 0.0002 and is 0.0001" in message
    assert "settings batch was absent and is 8" in message
    assert 'data a.mp4 was "12ab" and is absent' in message
    assert "l1" not in message
    assert "--restart" in str(caught.value.hint)


def test_many_differences_are_counted(tmp_path: Path) -> None:
    """A message stays readable where a whole folder was exchanged."""
    with pytest.raises(UsageError, match="and 95 more"):
        check_same({"data": {str(number): "a" for number in range(100)}}, {"data": {}}, tmp_path)


def test_a_setting_that_is_new_has_its_default(tmp_path: Path) -> None:
    """A run from before a setting existed goes on, as long as the setting is at its default."""
    defaults = {"settings": {"warmup": 0}}
    check_same(
        IDENTITY,
        {**IDENTITY, "settings": {**SETTINGS, "warmup": 0}},
        tmp_path,
        defaults,
    )
    with pytest.raises(UsageError, match="warmup was 0 and is 5"):
        check_same(
            IDENTITY,
            {**IDENTITY, "settings": {**SETTINGS, "warmup": 5}},
            tmp_path,
            defaults,
        )


# ---- the log -------------------------------------------------------------------------------------


def test_the_log_goes_on_at_the_state(tmp_path: Path) -> None:
    """What a killed run wrote after its last state is dropped, and so is a line cut off."""
    path = tmp_path / "log.jsonl"
    log = TrainingLog(path, 0)
    for iteration in (1, 2, 3):
        log.add({"iteration": iteration, "loss": 0.5})
    with path.open("a") as file:
        file.write('{"iteration": 4, "lo')
    again = TrainingLog(path, 2)
    assert [entry["iteration"] for entry in again.entries] == [1, 2]
    again.add({"iteration": 3, "loss": 0.25})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["loss"] for line in lines] == [0.5, 0.5, 0.25]


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    """A run that begins anew does not carry on the log of another."""
    path = tmp_path / "log.jsonl"
    TrainingLog(path, 0).add({"iteration": 1})
    assert TrainingLog(path, 0).entries == []
    assert path.read_text() == ""


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    """Of several processes one writes the log."""
    TrainingLog(tmp_path / "log.jsonl", 0, writes=False).add({"iteration": 1})
    assert list(tmp_path.iterdir()) == []


def test_lines_of_a_log_that_are_no_entries_are_dropped(tmp_path: Path) -> None:
    """Impossible values and other objects do not reach the report's curves."""
    path = tmp_path / "log.jsonl"
    lines = [
        '{"iteration": 1, "loss": 0.5}', '{"iteration": 1, "loss": "x"}', "[1]", "7",
        '{"iteration": -1}', '{"iteration": 1e3}', '{"iteration": 2, "validation": {"psnr": 3}}',
        '{"iteration": 2, "validation": {"psnr": []}}', '{"iteration": 2, "loss": NaN}', "[" * 9999,
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    assert TrainingLog(path, 5).entries == [
        {"iteration": 1, "loss": 0.5},
        {"iteration": 2, "validation": {"psnr": 3}},
    ]
