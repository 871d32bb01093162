"""Training material: what is found in folders, where the cuts are, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import pytest
import torch

from animesr_cli.errors import InputError, Interrupted
from animesr_cli.training.corpus import Source, find_sources, load_sources, shots_of
from animesr_cli.writing.png import encode_png
from media import picture, truncate, write_video

PLENTY = 1 << 30


def load(*roots: Path, memory_bytes: int = PLENTY, workers: int = 2) -> list[Source]:
    """Everything of the folders, without a warning."""
    return load_sources(roots, memory_bytes=memory_bytes, workers=workers, warn=pytest.fail)


def two_shots(first: int, second: int) -> list[av.VideoFrame]:
    """Pictures of a shot, then those of another that looks entirely different."""
    dark = [picture(index) for index in range(first)]
    frames = []
    for index in range(second):
        frame = picture(100 + index)
        for plane in frame.planes:
            plane.update(bytes(255 - value for value in bytes(plane)))
        frames.append(frame)
    return dark + frames


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    rng = torch.Generator().manual_seed(0)
    base = torch.randint(0, 256, (3, 40, 48), generator=rng, dtype=torch.uint8)
    for number in range(count):
        (folder / f"{number:03}.png").write_bytes(encode_png(base))
    return folder


def names(sources: Sequence[Source]) -> list[str]:
    return [source.name for source in sources]


# ---- finding -------------------------------------------------------------------------------------


def test_any_mix_is_found_in_natural_order(tmp_path: Path) -> None:
    """Videos of all folders below, and folders of images; hidden ones and other files are not."""
    write_video(tmp_path / "clip10.mp4", frames=2)
    write_video(tmp_path / "clip2.mkv", frames=2)
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / ".hidden.mp4").write_text("no video")
    (tmp_path / "more").mkdir()
    write_video(tmp_path / "more" / "last.mp4", frames=2)
    write_images(tmp_path / "stills", 2)
    found = load(tmp_path)
    assert names(found) == ["clip2.mkv", "clip10.mp4", "more/last.mp4", "stills"]
    assert [len(source.times) for source in found] == [2, 2, 2, 2]


def test_a_single_file_is_material_too(tmp_path: Path) -> None:
    """--data may name one video."""
    path = write_video(tmp_path / "episode.mp4", frames=3)
    assert names(load(path)) == ["episode.mp4"]


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_nothing_there(tmp_path: Path, kind: str) -> None:
    """A folder that does not exist, or has neither video nor image, is one clear error."""
    root = tmp_path / kind
    if kind == "empty":
        root.mkdir()
    with pytest.raises(InputError, match="does not exist" if kind == "missing" else "no video"):
        find_sources(root)


# ---- reading -------------------------------------------------------------------------------------


def test_order_does_not_depend_on_threads(tmp_path: Path) -> None:
    """Sources come in one order, with one content, whatever the number of threads."""
    for number in range(4):
        write_video(tmp_path / f"{number}.mp4", frames=3 + number)
    one, many = load(tmp_path, workers=1), load(tmp_path, workers=4)
    assert names(one) == names(many)
    assert [source.sha256 for source in one] == [source.sha256 for source in many]


def test_threads_of_torch_stay_as_they_were(tmp_path: Path) -> None:
    """Reading in threads that have no teams of their own leaves the caller's team alone."""
    write_video(tmp_path / "a.mp4", frames=2)
    before = torch.get_num_threads()
    load(tmp_path)
    assert torch.get_num_threads() == before


def test_what_does_not_fit_is_read_again(tmp_path: Path) -> None:
    """Pictures of a source that is decoded anew for each window equal those that are kept."""
    write_video(tmp_path / "a.mp4", frames=20, gop=5)
    write_images(tmp_path / "b", 6)
    kept = load(tmp_path)
    told: list[str] = []
    again = load_sources([tmp_path], memory_bytes=30_000, warn=told.append)
    assert [source.pictures is None for source in again] == [True, True]
    assert "2 of 2 sources do not fit" in told[0]
    for one, other in zip(kept, again, strict=True):
        for first, count in ((0, 3), (2, 4), (len(one.times) - 1, 1)):
            expected, found = one.frames(first, count), other.frames(first, count)
            assert len(expected) == count
            assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_the_budget_is_shared(tmp_path: Path) -> None:
    """What one source gives back because it does not fit, the next one may take."""
    write_video(tmp_path / "1_long.mp4", frames=20)
    write_video(tmp_path / "2_short.mp4", frames=3)
    told: list[str] = []
    found = load_sources([tmp_path], memory_bytes=5 * 64 * 48 * 3, warn=told.append)
    assert [source.pictures is None for source in found] == [True, False]


def test_shots_end_at_cuts(tmp_path: Path) -> None:
    """A video with one cut is two shots, which hold every picture once."""
    write_video(tmp_path / "a.mkv", pictures=two_shots(7, 5), exact=True)
    found = shots_of(load(tmp_path))
    assert [(shot.first, shot.count) for shot in found] == [(0, 7), (7, 5)]


def test_intervals_skip_pictures(tmp_path: Path) -> None:
    """An interval of 3 gives every third picture of the shot."""
    write_video(tmp_path / "a.mkv", frames=12, exact=True)
    (shot,) = shots_of(load(tmp_path))
    every = shot.frames(0, 12)
    chosen = shot.frames(1, 4, 3)
    assert all(torch.equal(a, b) for a, b in zip(chosen, every[1::3], strict=True))


# ---- what cannot be read -------------------------------------------------------------------------


def test_damaged_sources_are_left_out(tmp_path: Path) -> None:
    """What cannot be read is named, once each, and the rest is used."""
    write_video(tmp_path / "good.mp4", frames=3)
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    told: list[str] = []
    found = load_sources([tmp_path], memory_bytes=PLENTY, warn=told.append)
    assert names(found) == ["good.mp4"]
    assert len(told) == 1
    assert "left out" in told[0]
    assert "bad.mp4" in told[0]


def test_nothing_readable(tmp_path: Path) -> None:
    """Where every source is damaged, the error tells of the first one."""
    truncate(write_video(tmp_path / "cut.mp4", frames=3), 0.2)
    (tmp_path / "other.mkv").write_bytes(b"x")
    with pytest.raises(InputError, match=r"nothing could be read: .*cut\.mp4"):
        load(tmp_path)


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    """A signal ends reading at the next picture."""
    write_video(tmp_path / "a.mp4", frames=30)

    def listen() -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        load_sources([tmp_path], memory_bytes=PLENTY, warn=pytest.fail, listen=listen)
