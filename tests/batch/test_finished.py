"""Finished means this input, this part, these settings; and the state is not trusted."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

import media
from animesr_cli.batch.finished import shaping
from animesr_cli.batch.outcome import State
from animesr_cli.batch.work import run_batch
from animesr_cli.settings import UpscaleSettings
from command import snapshot


@pytest.fixture
def settings(zero_checkpoint: Path) -> UpscaleSettings:
    """A network that costs nothing."""
    return UpscaleSettings(model=str(zero_checkpoint), scale=2.0, device="cpu")


@pytest.fixture
def season(tmp_path: Path) -> Path:
    folder = tmp_path / "tr"
    folder.mkdir()
    media.write_video(folder / "ep1.mkv", frames=6)
    return folder


def outcome(season: Path, settings: UpscaleSettings) -> tuple[State, str]:
    """What became of the only episode, and why."""
    (only,) = run_batch(season, None, settings).outcomes
    return only.state, only.error.message if only.error else ""


def test_a_trial_run_does_not_pass_for_the_result(season: Path, settings: UpscaleSettings) -> None:
    """Two frames of six are no episode, and the line says what the output was made with."""
    assert outcome(season, replace(settings, frames=2))[0] is State.DONE
    before = snapshot(season.with_name("tr_x2"))
    state, message = outcome(season, settings)
    assert state is State.FAILED
    assert "was made with --frames 2" in message
    assert snapshot(season.with_name("tr_x2")) == before
    (again,) = run_batch(season, None, replace(settings, overwrite=True)).outcomes
    assert again.result is not None
    assert again.result.frames == 6
    assert outcome(season, settings)[0] is State.SKIPPED


def test_another_input_or_model_is_not_this_one(
    season: Path, settings: UpscaleSettings, random_checkpoint: Path
) -> None:
    """The same name with other content, and the same content by another network."""
    assert outcome(season, settings)[0] is State.DONE
    other = replace(settings, model=str(random_checkpoint))
    assert "by another model" in outcome(season, other)[1]
    (season / "ep1.mkv").unlink()
    media.write_video(season / "ep1.mkv", frames=5)
    assert "from another input" in outcome(season, settings)[1]


def test_dates_do_not_matter(season: Path, settings: UpscaleSettings) -> None:
    """An input dated tomorrow, or moved and dated anew, is the same input."""
    tomorrow = time.time() + 86_400
    os.utime(season / "ep1.mkv", (tomorrow, tomorrow))
    assert outcome(season, settings)[0] is State.DONE
    assert outcome(season, settings)[0] is State.SKIPPED
    os.utime(season / "ep1.mkv", (1, 1))
    assert outcome(season, settings)[0] is State.SKIPPED


def test_how_a_run_is_carried_out_does_not_matter(season: Path, settings: UpscaleSettings) -> None:
    """Another tile, fewer workers, no journal: the output is the same."""
    assert outcome(season, settings)[0] is State.DONE
    other = replace(settings, tile=16, journal=False, max_pixels=10**6, strict=True)
    assert outcome(season, other)[0] is State.SKIPPED
    assert shaping(other) == {"--scale": "2.0"}


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"outputs": {"ep1.mkv": 3}}', b"[" * 10**5, b"\xff"]
)
def test_a_damaged_state_says_nothing(
    season: Path, settings: UpscaleSettings, content: bytes, own_home: Path
) -> None:
    """It is passed over with a warning; outputs are judged by their size and length."""
    assert outcome(season, settings)[0] is State.DONE
    (state,) = (own_home / ".cache" / "animesr" / "finished").iterdir()
    state.write_bytes(content)
    before = snapshot(season.with_name("tr_x2"))
    result = run_batch(season, None, settings)
    assert result.outcomes[0].state is State.SKIPPED
    assert "is passed over" in result.warnings[0]
    assert snapshot(season.with_name("tr_x2")) == before


def test_without_a_state_size_and_length_tell(
    season: Path, settings: UpscaleSettings, own_home: Path
) -> None:
    """On another machine a whole output is finished, and a trial or another size is not."""
    cache = own_home / ".cache" / "animesr" / "finished"
    assert outcome(season, replace(settings, frames=2))[0] is State.DONE
    for state in cache.iterdir():
        state.unlink()
    assert "does not look like the whole output" in outcome(season, settings)[1]
    assert outcome(season, replace(settings, overwrite=True))[0] is State.DONE
    for state in cache.iterdir():
        state.unlink()
    assert outcome(season, settings)[0] is State.SKIPPED
    output = season.with_name("tr_x2")
    (output / "ep1.mkv").unlink()
    media.write_video(output / "ep1.mkv", frames=6, width=32, height=24)
    assert "does not look like the whole output" in outcome(season, settings)[1]
