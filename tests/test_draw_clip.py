"""The repository's own clip is what its script draws: the tests that use it may rely on that."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np

import cartoon
import draw_clip


def decoded_luma(path: Path) -> list[cartoon.Bytes]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    planes = (np.asarray(frame.to_ndarray(), np.uint8) for frame in frames)  # Y above U above V
    return [plane[: cartoon.HEIGHT, : cartoon.WIDTH] for plane in planes]


def packets_of(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        (stream,) = (s for s in container.streams if s.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def test_the_clip_is_what_the_script_draws(own_clip: Path) -> None:
    """The committed file shows the script's pictures, a little worn by its compression."""
    luma = decoded_luma(own_clip)
    assert len(luma) == cartoon.FRAMES
    for index in (0, cartoon.CUT - 1, cartoon.CUT, cartoon.SPEAKS):
        drawn, _, _ = draw_clip.to_yuv420(cartoon.shrink(cartoon.draw_frame(index)))
        error = np.mean((drawn.astype(float) - luma[index]) ** 2)
        assert 1 < error < 60  # 48 to 30 dB


def test_the_cut_is_where_it_is_said_to_be(own_clip: Path) -> None:
    """The largest change between two neighbouring frames is at the cut."""
    changes = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(decoded_luma(own_clip))]
    assert int(np.argmax(changes)) + 1 == cartoon.CUT


def test_the_held_drawing_is_held() -> None:
    """The drawing does not change while it is held, and does with the frame after it."""
    held = cartoon.draw_frame(cartoon.HELD[0])
    assert np.array_equal(held, cartoon.draw_frame(cartoon.HELD[-1]))
    assert not np.array_equal(held, cartoon.draw_frame(cartoon.HELD[-1] + 1))


def test_the_clip_has_sound_text_and_chapters(own_clip: Path) -> None:
    """Its other streams, languages, title and chapters are there to be copied."""
    with av.open(str(own_clip)) as container:
        kinds = {stream.type: stream.metadata.get("language") for stream in container.streams}
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert container.metadata["title"] == "A cat says hello"
    assert (kinds["audio"], kinds["subtitle"]) == ("eng", "eng")
    assert titles == [title for title, _, _ in draw_clip.CHAPTERS]
    said = b"".join(packets_of(own_clip, "subtitle"))
    assert all(text.encode() in said for text, _, _ in draw_clip.SUBTITLES)


def test_the_large_version_is_the_drawing(tmp_path: Path) -> None:
    """``--hr`` writes the clean drawings without loss."""
    draw_clip.write_hr(tmp_path / "clean.mkv", frames=2)
    with av.open(str(tmp_path / "clean.mkv")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 2
    assert np.array_equal(pictures[1], cartoon.draw_frame(1))
