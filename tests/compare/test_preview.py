"""A preview: which seconds it takes, what it writes, and that the page is opened."""

from __future__ import annotations

import webbrowser
from fractions import Fraction
from pathlib import Path

import pytest

from animesr_cli import probe
from animesr_cli.compare import preview as room
from animesr_cli.compare.frame_choice import busiest_part
from animesr_cli.compare.inputs import open_clip
from animesr_cli.compare.preview import preview
from animesr_cli.errors import UsageError
from animesr_cli.pages.browser import open_in_browser
from animesr_cli.settings import UpscaleSettings
from media import write_video
from shots_of import flat, shot

RATE = 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of grey, two of a still drawing, two of one that pans, two of grey; 96x64."""
    still = shot(1, 1) * (2 * RATE)
    pictures = [*flat(90, 2 * RATE), *still, *shot(1, 2 * RATE), *flat(150, 2 * RATE)]
    path = tmp_path_factory.mktemp("preview") / "clip.mkv"
    return write_video(path, pictures=pictures, width=96, height=64, exact=True)


def part(
    clip: Path, seconds: int, first: int | None = None, last: int | None = None
) -> list[float]:
    opened = open_clip(clip, UpscaleSettings(), warn=lambda text: None)
    start, end = (None if bound is None else Fraction(bound) for bound in (first, last))
    return [float(t) for t in busiest_part(opened, Fraction(seconds), start=start, end=end)]


def test_the_busiest_part_is_where_detail_moves(clip: Path) -> None:
    """Rather than where a drawing stands still, or where there is nothing to see."""
    start, end = part(clip, 1)
    assert end - start == 1
    assert 3.5 <= start <= 5.5  # its middle lies in the pan


def test_the_busiest_part_lies_in_what_was_chosen(clip: Path) -> None:
    """Between two times; and where they are nearer together than that, it is the whole."""
    start, end = part(clip, 1, last=4)
    assert 1.5 <= start <= 3
    assert end == start + 1
    assert part(clip, 3, 5, 6) == [5, 6]
    assert part(clip, 60) == [0, 8]


def test_a_preview_is_a_page_and_a_clip(
    clip: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pictures of the busiest second, opened when they are there, and all of it as video."""
    opened: list[tuple[Path, bool]] = []
    page = tmp_path / "look.html"
    monkeypatch.setattr(
        room,
        "open_in_browser",
        lambda path: opened.append((path, path.with_suffix(".mkv").exists())),
    )
    settings = UpscaleSettings(model=str(random_checkpoint), device="cpu", precision="fp32")
    result = preview(clip, settings, page=page, seconds=1, warn=lambda text: None)
    assert opened == [(page, False)]  # before the video is made
    assert {path.name for path in tmp_path.iterdir()} == {"look.html", "look.png", "look.mkv"}
    names = [entry.name for entry in result.report.entries]
    assert names == ["random.safetensors", "bicubic"]
    assert len(result.report.moments) == 3
    assert result.video_frames == RATE
    assert probe(tmp_path / "look.mkv").width == 4 * 96


def test_a_preview_without_a_video_or_a_browser(
    clip: Path, random_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is wanted; and no length at all is refused at once."""
    monkeypatch.setattr(room, "open_in_browser", lambda path: pytest.fail("not wanted"))
    settings = UpscaleSettings(model=str(random_checkpoint), device="cpu", precision="fp32")
    page = tmp_path / "look.html"
    result = preview(
        clip, settings, page=page, video=False, open_page=False, warn=lambda text: None
    )
    assert result.video is None
    assert {path.name for path in tmp_path.iterdir()} == {"look.html", "look.png"}
    with pytest.raises(UsageError, match="no length"):
        preview(clip, settings, page=page, seconds=0)


def test_a_page_is_opened_where_there_is_a_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere nothing is started: a text browser would take the terminal over."""
    asked: list[str] = []

    def opened(url: str) -> bool:
        asked.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    page = tmp_path / "a b%.html"
    assert not open_in_browser(page)
    assert asked == []
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_in_browser(page)
    assert asked == [page.as_uri()]
