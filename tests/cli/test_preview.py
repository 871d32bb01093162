"""``animesr preview``: from a clip to a page in one word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import media
from animesr_cli.compare import preview
from command import animesr


def test_one_word_opens_a_page(
    tmp_path: Path, zero_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is opened, unless --no-open says otherwise; options are those of upscale."""
    clip = media.write_video(tmp_path / "in.mkv", frames=30, width=32, height=24)
    opened: list[Path] = []
    monkeypatch.setattr(preview, "open_in_browser", opened.append)
    arguments = ("preview", clip, "-n", zero_checkpoint, "-g", "cpu", "--seconds", "1")
    outcome = animesr(*arguments, "--json", "-q")
    assert outcome.exit_code == 0, outcome.stderr
    page = tmp_path / "in_preview.html"
    assert json.loads(outcome.stdout)["page"] == str(page)
    assert opened == [page]
    animesr(*arguments).refused(4, "in_preview.html exists", "-y")
    assert animesr(*arguments, "--no-open", "-y").exit_code == 0
    assert opened == [page]
