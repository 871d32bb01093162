"""How much is kept together: about five minutes of work, whatever the speed."""

from __future__ import annotations

import pytest

from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling.chunk_size import segment_frames


@pytest.mark.parametrize(
    ("frames", "seconds", "expected"),
    [
        (34_000, 34_000 * 12, 25),  # twelve seconds a frame
        (34_000, 34_000 * 1, 300),
        (34_000, 34_000 * 0.01, 1000),  # a fast GPU
        (34_000, 34_000 * 600, 12),  # ten minutes a frame
        (None, None, 250),
        (34_000, None, 250),  # a cluster, whose speed is not known
    ],
)
def test_a_segment_is_about_five_minutes_of_work(
    frames: int | None, seconds: float | None, expected: int
) -> None:
    """Within bounds, and a usual number where the speed is not known."""
    assert segment_frames(UpscaleSettings(), frames, seconds) == expected


def test_every_worker_has_several_segments() -> None:
    """A clip that is fast to compute is divided among all workers."""
    assert segment_frames(UpscaleSettings(workers=4), 800, 80) == 50
    assert segment_frames(UpscaleSettings(workers=4), 100, 10) == 12


def test_what_was_asked_for_counts() -> None:
    """The option stands above every estimate."""
    assert segment_frames(UpscaleSettings(segment_frames=7, workers=4), 800, 8e6) == 7
