"""Long shots and fine patterns: each figure sees what it is there for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

import measure
import stability
from candidates import Candidate, bicubic_candidate, enlarge_bicubic
from media import write_video

CPU = torch.device("cpu")


def fading(per_frame: float) -> Candidate:
    """Bicubic, every frame darker than the one before by so many codes more."""

    def enlarge(frames: Sequence[Tensor]) -> Iterator[Tensor]:
        for number, picture in enumerate(enlarge_bicubic(frames)):
            yield picture - number * per_frame / 255

    return Candidate(name="fading", key=f"fading {per_frame}", enlarge=enlarge)


@pytest.fixture
def validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean clip with a plan, and long shots that are short enough for a test."""
    folder = tmp_path / "validation"
    folder.mkdir()
    clip = folder / "film-1-1_0003.mkv"
    write_video(clip, codec="ffv1", frames=8, width=96, height=64)
    measure.draw_plans([clip], tmp_path / "plans", 1, [])
    monkeypatch.setattr(stability, "LATE", 30)
    monkeypatch.setattr(stability, "DRIFT_LOOP", 10)
    return folder


def rows(validation: Path, frames: int = 40) -> list[stability.Row]:
    (clip,) = validation.iterdir()
    return stability.long_rows([clip], validation.parent / "plans", frames)


def figures(row: stability.Row, candidate: Candidate) -> list[float]:
    return [each.figure(candidate) for each in row.measurements]


def test_a_shot_that_fades_is_found(validation: Path) -> None:
    """Bicubic neither decays nor drifts; what darkens by a code a frame does both."""
    decay, drift = rows(validation)
    assert max(figures(drift, bicubic_candidate(CPU))) < 1e-3
    pairs = zip(figures(decay, bicubic_candidate(CPU)), figures(decay, fading(1.0)), strict=True)
    for still, found in pairs:
        assert abs(still) < 1.5
        assert found > still + 2
    assert max(figures(drift, fading(1.0))) == pytest.approx(30, abs=3)  # three loops of ten


def test_a_long_shot_goes_to_and_fro(validation: Path) -> None:
    """The truth of frame 10 is that of frame 0 and of frame 30; a held shot has one truth."""
    (clip,) = validation.iterdir()
    plan = measure.plan_path(clip, 1, validation.parent / "plans")
    moving = stability.long_shot(clip, plan, side_px=64, count=40, moving=True)
    held = stability.long_shot(clip, plan, side_px=64, count=40, moving=False)
    assert moving.hr[0] is moving.hr[10] is moving.hr[30]
    assert moving.hr[4] is moving.hr[6] is not moving.hr[5]
    assert len({id(picture) for picture in held.hr}) == 1
    assert moving.lr[0].shape == (3, 16, 16)


def test_the_pattern_is_the_checkerboard_alone() -> None:
    """Its amplitude is told in codes; stripes and flat pictures have none."""
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(48), indexing="ij")
    flat = torch.full((3, 32, 48), 0.5)
    checkerboard = flat + (1 - 2 * ((rows + columns) % 2)) * (2 / 255)
    stripes = flat + (1 - 2 * (columns % 2)) * (2 / 255)
    assert stability.pattern_codes(checkerboard) == pytest.approx(2, abs=1e-4)
    assert stability.pattern_codes(flat) == pytest.approx(0, abs=1e-4)
    assert stability.pattern_codes(stripes) == pytest.approx(0, abs=1e-4)


def test_the_command(
    validation: Path, tmp_path: Path, zero_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each measure with its goal; what was measured is not measured again."""
    arguments = ["--validation", str(validation), "--textures", str(validation), "-n",
                 str(zero_checkpoint), "--plan-folder", str(tmp_path / "plans"),
                 "--work", str(tmp_path / "work"), "--drift-frames", "20"]  # fmt: skip
    stability.main(arguments)
    first = capsys.readouterr().out
    assert [line.split(",")[0] for line in first.splitlines()[2:]] == [
        "| decay from frame 10 to 30",
        "| drift of a channel's mean over 20 frames",
        "| checkerboard",
    ]
    kept = sorted((tmp_path / "work" / "stability").iterdir())
    for path in kept:
        path.write_text("7.0", encoding="utf-8")
    stability.main(arguments)
    assert "7.000 (missed)" in capsys.readouterr().out
