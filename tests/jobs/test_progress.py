"""How far a job is: what counts as finished, and what as lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from animesr_cli.jobs.folder import JobFolder
from animesr_cli.jobs.progress import JobProgress


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path / "out.mkv.animesr", tmp_path / "out.mkv")


def finished(folder: JobFolder, first: int, frames: int) -> None:
    record: Any = SimpleNamespace(frames=frames)
    folder.records[first] = record


def test_what_is_found_finished_in_the_end_is_not_lost(folder: JobFolder) -> None:
    """A segment whose record came after the last word of its worker was in hand by then."""
    finished(folder, 0, 10)
    plan: Any = SimpleNamespace(frames=40)
    progress = JobProgress(plan, folder)
    progress.in_hand = {10: 12, 30: 3}
    assert progress.count() == 25
    assert "10 of 40 frames are finished" in progress.hint()
    assert "computes 15 frames again" in progress.hint()
    finished(folder, 10, 10)
    assert "20 of 40 frames are finished" in progress.hint()
    assert "computes 5 frames again" in progress.hint()
    finished(folder, 20, 5)
    assert "again" not in progress.hint()


def test_nothing_is_kept_of_nothing(folder: JobFolder) -> None:
    """No promise is made where no segment is finished."""
    plan: Any = SimpleNamespace(frames=None)
    assert JobProgress(plan, folder).hint() == "nothing is finished yet"
