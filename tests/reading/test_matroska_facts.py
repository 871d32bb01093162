"""What Matroska says and other readers flatten is told, and its transparency is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from animesr_cli.reading.matroska_facts import matroska_remarks
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from command import animesr, warnings_of
from matroska import ATOM, CHAPTERS, DISPLAY, EDITION, INFO, TRACK, TRACKS, VIDEO, element, insert
from media import write_video
from rewriting import rewrite


def title(text: str, language: str = "eng") -> bytes:
    return element(DISPLAY, element(0x85, text) + element(0x437C, language))


def chaptered(path: Path) -> Path:
    return write_video(path, frames=24, chapters=[(0, 0.5, "one"), (0.5, 1, "two")])


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "linked": (
        lambda path: insert(path, INFO, added=element(0x3EB923, b"x" * 16)),
        "the file is linked to others",
    ),
    "ordered": (
        lambda path: insert(path, CHAPTERS, EDITION, added=element(0x45DD, 1)),
        "the chapters are ordered",
    ),
    "elsewhere": (
        lambda path: insert(
            insert(path, CHAPTERS, EDITION, added=element(0x45DD, 1)),
            CHAPTERS, EDITION, ATOM, added=element(0x6E67, b"x" * 16),
        ),
        "(parts in other files: 1)",
    ),
    "editions": (
        lambda path: insert(path, CHAPTERS, added=element(EDITION, element(ATOM, title("all")))),
        "of the 2 editions of chapters the output has one",
    ),
    "nested": (
        lambda path: insert(path, CHAPTERS, EDITION, ATOM, added=element(ATOM, title("within"))),
        "1 chapter that lies within another is dropped",
    ),
    "bilingual": (
        lambda path: insert(path, CHAPTERS, EDITION, ATOM, added=title("ichi", "jpn")),
        "titles in several languages",
    ),
    "hidden": (
        lambda path: insert(path, CHAPTERS, EDITION, ATOM, added=element(0x98, 1)),
        "some chapters are hidden",
    ),
    "disabled": (
        lambda path: insert(path, TRACKS, TRACK, added=element(0xB9, 0)),
        "stream #0 is marked as disabled",
    ),
    "bcp 47": (
        lambda path: insert(path, TRACKS, TRACK, added=element(0x22B59D, "zh-Hant-TW")),
        "the language of stream #0 is zh-Hant-TW; the output says",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_each_is_told_once(kind: str, tmp_path: Path) -> None:
    """In a sentence of its own, and in no other case."""
    path = chaptered(tmp_path / "in.mkv")
    assert matroska_remarks(path) == []
    change, words = CHANGES[kind]
    change(path)
    (remark,) = matroska_remarks(path)
    assert words in remark


@pytest.mark.parametrize("cut", [10, 100, 400, 1000])
def test_damaged_files_tell_nothing_wrong(cut: int, tmp_path: Path) -> None:
    """What is cut off, or no Matroska, has no remarks and no error."""
    path = chaptered(tmp_path / "in.mkv")
    path.write_bytes(path.read_bytes()[:cut])
    assert matroska_remarks(path) == []
    path.write_bytes(b"no video at all")
    assert matroska_remarks(path) == []


def test_the_copy_says_it_before_the_work(tmp_path: Path) -> None:
    path = chaptered(tmp_path / "in.mkv")
    CHANGES["ordered"][0](path)
    (warning,) = rewrite(path, tmp_path / "out.mkv").warnings
    assert "the chapters are ordered" in warning


def test_real_files_tell_theirs(faults: Path) -> None:
    """Files of mkvmerge with ordered chapters, and with nested ones, flags and languages."""
    assert len(matroska_remarks(faults / "ordered_chapters.mkv")) == 3
    assert len(matroska_remarks(faults / "flags_bcp47_nested_chapters.mkv")) == 4
    assert matroska_remarks(faults / "truehd_beep_at_7s.mkv") == []


def test_360_degrees_and_two_views_are_said(tmp_path: Path) -> None:
    """Such pictures are upscaled as they lie, and the output does not claim to be plain."""
    path = write_video(tmp_path / "in.mkv")
    projection = element(0x7670, element(0x7671, 1))
    insert(path, TRACKS, TRACK, VIDEO, added=projection + element(0x53B8, 1))
    warnings = rewrite(path, tmp_path / "out.mp4").warnings
    assert any("360-degree" in each for each in warnings)
    assert any("two views" in each for each in warnings)


# ---- transparency --------------------------------------------------------------------------------


@pytest.fixture
def transparent(faults: Path) -> Path:
    """A WebM of VP9 with transparency; the encoder of PyAV's wheel makes none."""
    return faults / "vp9_alpha.webm"


def test_transparency_of_webm_is_read(transparent: Path) -> None:
    """By the decoder that knows it."""
    assert probe(transparent).pix_fmt == "yuva420p"
    with Reader(transparent) as reader:
        frames = list(reader)
    assert len(frames) == 10
    for frame in frames:
        assert frame.alpha is not None
        assert frame.alpha.min() < 255


def test_transparency_of_webm_is_kept_or_said(
    transparent: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """An encoder with transparency keeps it; another says that it does not."""
    output = tmp_path / "out.mkv"
    kept = animesr("upscale", transparent, output, "-n", zero_checkpoint, "-c", "ffv1")
    assert kept.exit_code == 0, kept.stderr
    assert warnings_of(kept) == []
    assert probe(output).pix_fmt == "yuva420p"
    lost = animesr("upscale", transparent, tmp_path / "out.mp4", "-n", zero_checkpoint)
    assert any("transparent in places" in line for line in warnings_of(lost))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert "alpha_mode" not in container.streams.video[0].metadata
