"""What containers and codecs say of a stream is read, whatever the container is."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from animesr_cli.reading.probe import probe
from animesr_cli.video.stream_header import StreamHeader, read_stream_header
from command import animesr
from media import write_video

SITED = {
    "h264 in mp4": ("in.mp4", "libx264", {"chroma_sample_location": "topleft"}),
    "h264 in ts": ("in.ts", "libx264", {"chroma_sample_location": "topleft"}),
    "hevc in mkv": ("in.mkv", "libx265", {"x265-params": "log-level=none:chromaloc=2"}),
    "bare hevc": ("in.265", "libx265", {"x265-params": "log-level=none:chromaloc=2"}),
}


@pytest.mark.parametrize("kind", SITED)
def test_chroma_siting_is_read(kind: str, tmp_path: Path) -> None:
    """Chroma that lies on the first luma sample is taken to lie there."""
    name, codec, options = SITED[kind]
    path = write_video(tmp_path / name, codec=codec, options=options, frames=3)
    info = probe(path)
    assert info.tags.siting == 3
    assert info.colour.siting == "topleft"


def test_untold_siting_is_that_of_the_codec(tmp_path: Path) -> None:
    """H.264 that does not say has its chroma on the left; JPEG in the middle."""
    assert probe(write_video(tmp_path / "in.mkv", frames=3)).colour.siting == "left"
    path = write_video(tmp_path / "in.avi", codec="mjpeg", pix_fmt="yuvj420p", frames=3)
    assert probe(path).colour.siting == "center"


def test_a_file_without_words_has_an_empty_header(tmp_path: Path) -> None:
    with av.open(str(write_video(tmp_path / "in.mkv", codec="ffv1", frames=2))) as container:
        assert read_stream_header(container.streams.video[0]) == StreamHeader()


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_chroma_siting_is_honoured_and_tagged(
    codec: str, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """The output says the siting that its chroma has, to an independent reader too."""
    name, encoder, options = SITED["h264 in mp4"]
    source = write_video(tmp_path / name, codec=encoder, options=options, frames=3)
    output = tmp_path / "out.mkv"
    outcome = animesr("upscale", source, output, "-n", zero_checkpoint, "-c", codec)
    assert outcome.exit_code == 0, outcome.stderr
    assert probe(output).colour.siting == "topleft"
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", output],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(told.stdout)["streams"][0]["chroma_location"] == "topleft"


def test_the_real_file_is_read_so(faults: Path) -> None:
    assert probe(faults / "chroma_topleft_h264.mp4").colour.siting == "topleft"
