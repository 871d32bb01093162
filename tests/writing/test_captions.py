"""Captions inside the pictures come out as they went in, picture for picture."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from animesr_cli.reading.reader import Reader
from animesr_cli.writing.captions import captioned as with_captions
from animesr_cli.writing.captions import payload
from command import animesr, warnings_of
from media import write_video

# Field 1 and 2 of CEA-608 and padding of 708, with bytes that would be start codes if left alone.
TRIPLETS = [
    bytes([0xFC, 0x94, 0x20 + number, 0xFD, 0x80, 0x80, 0xFA, 0, 0, 0xFA, 0, 0, 0xFA, 0, 1])
    for number in range(24)
]
KEEPERS = ["libx264", "libx265", "libsvtav1"]


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 24 frames, reordered by its encoder, each with its own captions."""
    folder = tmp_path_factory.mktemp("captions")
    plain = write_video(folder / "plain.mkv", frames=24, b_frames=2)
    path = folder / "in.ts"
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        stream = source.streams.video[0]
        target = output.add_stream_from_template(stream)
        annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream, target)
        for packet in source.demux(stream):
            for unit in annex_b.filter(packet if packet.size else None):
                assert unit.pts is not None
                number = round(unit.pts * unit.time_base * 24)
                made = with_captions(unit, TRIPLETS[number], "h264")
                made.stream = target
                output.mux(made)
    return path


def captions_in(path: Path) -> list[bytes | None]:
    with Reader(path) as reader:
        return [frame.captions for frame in reader]


def test_the_payload_is_that_of_the_standard() -> None:
    """Country and provider code, identifier, number of triplets, the triplets, a marker."""
    assert payload(b"\xfc\x94\x20\xfd\x80\x80") == bytes.fromhex(
        "b50031" + b"GA94".hex() + "0342ff" + "fc9420fd8080" + "ff"
    )


def test_captions_are_read(captioned: Path) -> None:
    assert captions_in(captioned) == TRIPLETS


@pytest.mark.parametrize("codec", KEEPERS)
def test_captions_are_kept(
    codec: str, captioned: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """In one piece, every picture of the output has the captions of its own."""
    output = tmp_path / "out.mkv"
    outcome = animesr("upscale", captioned, output, "-n", zero_checkpoint, "-c", codec)
    assert outcome.exit_code == 0, outcome.stderr
    assert captions_in(output) == TRIPLETS
    assert warnings_of(outcome) == []


def test_captions_are_kept_in_a_comparison(captioned: Path, tmp_path: Path) -> None:
    """The split-screen clip, which begins at the first moment, has those of its pictures."""
    output = tmp_path / "split.mkv"
    outcome = animesr(
        "compare", captioned, "-n", "bicubic", "-n", "lanczos", "-o", tmp_path / "x.html",
        "--at", "0.5", "--video", output,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert captions_in(output) == TRIPLETS[12:]


def test_captions_are_kept_in_segments(
    captioned: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Also where the output is joined from files of its parts."""
    output = tmp_path / "out.mp4"
    options = ("--segment-frames", "8", "-n", zero_checkpoint)
    outcome = animesr("upscale", captioned, output, *options)
    assert outcome.exit_code == 0, outcome.stderr
    assert captions_in(output) == TRIPLETS


@pytest.mark.parametrize("target", ["out.mov", "images/%d.png"])
def test_what_cannot_carry_captions_is_said(
    target: str, captioned: Path, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """One warning, with what would keep them where there is such a thing."""
    (tmp_path / "images").mkdir()
    codec = ("-c", "prores_ks") if target.endswith(".mov") else ()
    outcome = animesr("upscale", captioned, tmp_path / target, "-n", zero_checkpoint, *codec)
    assert outcome.exit_code == 0, outcome.stderr
    said = [line for line in warnings_of(outcome) if "captions inside the pictures" in line]
    assert len(said) == 1


def test_the_real_captions_are_kept(faults: Path, tmp_path: Path, zero_checkpoint: Path) -> None:
    source = faults / "captions_a53_h264.mp4"
    output = tmp_path / "out.mp4"
    outcome = animesr("upscale", source, output, "-n", zero_checkpoint)
    assert outcome.exit_code == 0, outcome.stderr
    assert captions_in(output) == captions_in(source)
    assert any(captions_in(output))
