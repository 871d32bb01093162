"""y4m files: FFmpeg reads them, and what it misreads or drops without a word is refused or said."""

from __future__ import annotations

from pathlib import Path

import pytest

import media
from animesr_cli.errors import InputError
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.reading.y4m_header import FORMATS
from animesr_cli.video.part import Part
from command import animesr


def written(path: Path, kind: str, frames: int = 1) -> Path:
    """Pictures of 6x4 with more bytes each than any kind of them has."""
    path.write_bytes(
        f"YUV4MPEG2 W6 H4 F24:1 {kind}\n".encode() + (b"FRAME\n" + bytes(192)) * frames
    )
    return path


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "mono14"])
def test_every_kind_is_read_as_what_it_is(kind: str, tmp_path: Path) -> None:
    """Depth and subsampling are those of the header, whatever they are."""
    assert probe(written(tmp_path / "a.y4m", f"C{kind}")).pix_fmt == FORMATS[kind]


def test_the_word_of_old_programs(tmp_path: Path) -> None:
    """XYSCSS names the kind where there is no C; a C goes before it."""
    assert probe(written(tmp_path / "a.y4m", "XYSCSS=420P10")).pix_fmt == "yuv420p10le"
    assert probe(written(tmp_path / "b.y4m", "XYSCSS=420P10 C444")).pix_fmt == "yuv444p"


@pytest.mark.parametrize(
    "kind", ["420p11", "422p11", "444p8x", "411p10", "mono11", "monob", "420P10", "nonsense"]
)
def test_a_kind_that_is_not_known_is_refused(kind: str, tmp_path: Path) -> None:
    """FFmpeg takes most of them for the 8-bit kind with the same beginning."""
    path = written(tmp_path / "a.y4m", f"C{kind}")
    wanted = "header makes no sense" if kind == "nonsense" else rf"y4m \(C{kind}\) is not known"
    with pytest.raises(InputError, match=wanted):
        probe(path)


def test_a_kind_that_only_pipes_bring_names_the_way(tmp_path: Path) -> None:
    """FFmpeg takes 14-bit gray for 8 bits; our reader of pipes knows it."""
    with pytest.raises(InputError, match="Cmono14") as caught:
        probe(written(tmp_path / "a.y4m", "Cmono14"))
    assert caught.value.hint == "a pipe can bring it: animesr upscale - OUT < IN"


def read(path: Path, part: Part) -> tuple[int, list[str]]:
    """How many frames there are, and the warnings."""
    warnings: list[str] = []
    with Reader(path, part=part, warn=warnings.append) as reader:
        return len(list(reader)), warnings


@pytest.mark.parametrize("cut", [1, 40, 4610, 4613])
def test_a_torn_last_frame_is_told(cut: int, tmp_path: Path) -> None:
    """FFmpeg drops what is left of it; a part that ends before it is whole."""
    path = media.write_video(tmp_path / "a.y4m", frames=6)
    assert read(path, Part()) == (6, [])
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    frame = len(b"FRAME\n") + 64 * 48 * 3 // 2
    count, (warning,) = read(path, Part())
    assert count == 5
    assert f"behind its last frame stand {frame - cut} byte" in warning
    assert read(path, Part(frames=3)) == (3, [])


def test_what_stands_behind_the_last_frame_is_told(tmp_path: Path) -> None:
    """Also what is no frame at all."""
    path = media.write_video(tmp_path / "a.y4m", frames=6)
    with path.open("ab") as file:
        file.write(b"something else")
    count, (warning,) = read(path, Part())
    assert count == 6
    assert "stand 14 bytes that are no whole frame" in warning


@pytest.mark.parametrize("more", [("--segment-frames", "2"), ("--no-journal",)])
def test_a_torn_file_is_upscaled_and_told(
    more: tuple[str, ...], tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Once, in segments and in one piece; by --strict it is no success."""
    path = media.write_video(tmp_path / "a.y4m", frames=6, width=32, height=24)
    media.truncate(path, 0.95)
    out = tmp_path / "out.mkv"
    outcome = animesr("upscale", path, out, "-n", zero_checkpoint, "--strict", *more)
    assert outcome.exit_code == 10
    assert outcome.stderr.count("that are no whole frame") == 1
    assert read(out, Part()) == (5, [])
