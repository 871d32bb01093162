"""Interlaced and telecined pictures are told from progressive ones, and made whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import media
from animesr_cli.reading.decoder import Decoded
from animesr_cli.reading.deinterlace import Deinterlacer, judge, look
from command import Outcome, animesr

WIDTH, HEIGHT = 128, 96
Gray = NDArray[np.uint8]


def moment(time: float) -> Gray:
    """A checked pattern that moves evenly."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    checks: NDArray[Any] = (((x + time * 4) // 16).astype(int) + y // 12) % 2
    return (40 + 150 * checks).astype(np.uint8)


def woven(top: Gray, bottom: Gray) -> Gray:
    """A picture of two fields."""
    picture = top.copy()
    picture[1::2] = bottom[1::2]
    return picture


def progressive(index: int) -> Gray:
    return moment(index)


def top_first(index: int) -> Gray:
    return woven(moment(2 * index), moment(2 * index + 1))


def bottom_first(index: int) -> Gray:
    return woven(moment(2 * index + 1), moment(2 * index))


def telecined(index: int) -> Gray:
    """3:2 pulldown: four pictures of film in five of video, two of them mixed."""
    film = index // 5 * 4
    top, bottom = [(0, 0), (1, 1), (1, 2), (2, 3), (3, 3)][index % 5]
    return woven(moment(film + top), moment(film + bottom))


def still(index: int) -> Gray:
    return moment(0)


def frame(luma: Gray, index: int, pix_fmt: str = "yuv420p") -> av.VideoFrame:
    picture = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
    for number in range(len(picture.planes)):
        samples = media.plane_samples(picture, number)
        samples[:] = luma if number == 0 else 128
    picture.pts, picture.time_base = index, Fraction(1, 25)
    return picture


def frames(draw: Callable[[int], Gray], count: int = 40) -> Iterator[av.VideoFrame]:
    return (frame(draw(index), index) for index in range(count))


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (progressive, "progressive"), (still, "progressive"), (top_first, "interlaced"),
        (bottom_first, "interlaced"), (telecined, "telecined"),
    ],
)  # fmt: skip
def test_the_pictures_tell_what_they_are(draw: Callable[[int], Gray], kind: str) -> None:
    """Without flags, combs are found, and the rhythm of pulldown, and nothing in whole pictures."""
    verdict = look(frames(draw))
    assert (verdict.kind, verdict.frames) == (kind, 40)


@pytest.mark.parametrize(("draw", "first"), [(top_first, True), (bottom_first, False)])
def test_the_earlier_field_is_found(draw: Callable[[int], Gray], first: bool) -> None:
    """The order of the fields is seen from the motion."""
    assert look(frames(draw)).top_first is first


def test_nothing_to_look_at_is_progressive() -> None:
    """An empty look, or one at formats that the filters do not take, has no verdict."""
    assert look([]).kind == "progressive"
    assert look([av.VideoFrame(64, 48, "rgb24")]).frames == 0


@pytest.mark.parametrize("count", [1, 2, 3, 12])
@pytest.mark.parametrize("draw", [top_first, bottom_first])
def test_each_picture_becomes_a_whole_one_at_its_time(
    draw: Callable[[int], Gray], count: int
) -> None:
    """As many come out as went in, each with its own time, and nearer to the one moment."""
    times = [3, None, 9, 10, *range(20, 40)][:count]
    given = [
        Decoded(picture, time, 2) for picture, time in zip(frames(draw, count), times, strict=True)
    ]
    whole = list(Deinterlacer(flagged=False, top_first=draw is top_first).process(iter(given)))
    assert [(each.pts, each.duration) for each in whole] == [(time, 2) for time in times]
    for index in range(1, count - 1):
        target = moment(2 * index).astype(int)
        before, after = (
            np.abs(media.plane_samples(each[index].picture, 0) - target).mean()
            for each in (given, whole)
        )
        assert after < before / 2


def test_pictures_that_say_that_they_are_whole_are_left_alone() -> None:
    """Where pictures are flagged, only those that are flagged as interlaced are changed."""
    given = [Decoded(picture, picture.pts, 1) for picture in frames(top_first, 5)]
    whole = list(Deinterlacer(flagged=True).process(iter(given)))
    for one, other in zip(given, whole, strict=True):
        assert (media.plane_samples(one.picture, 0) == media.plane_samples(other.picture, 0)).all()


def test_a_change_of_size_goes_through() -> None:
    """The filter begins anew with the new size, and what it held back is not lost."""
    pictures = [frame(moment(0), 0), frame(moment(1), 1), av.VideoFrame(32, 32, "yuv420p")]
    pictures.append(av.VideoFrame(32, 32, "rgb24"))
    given = [Decoded(picture, index, 1) for index, picture in enumerate(pictures)]
    whole = list(Deinterlacer(flagged=False).process(iter(given)))
    assert [(each.pts, each.picture.width) for each in whole] == [
        (0, WIDTH), (1, WIDTH), (2, 32), (3, 32)
    ]  # fmt: skip


# Through the command -----------------------------------------------------------------------------


def upscaled(
    folder: Path, checkpoint: Path, draw: Callable[[int], Gray], *options: str, **how: Any
) -> tuple[Outcome, Path, Path]:
    source, output = folder / "in.mkv", folder / "out.mkv"
    times = [40 * i + (i > 4) * 7 for i in range(15)]
    media.write_video(
        source, pictures=list(frames(draw, 15)), width=WIDTH, height=HEIGHT, exact=True,
        pts=times, time_base=media.MILLISECOND, **how,
    )  # fmt: skip
    fixed = ("-n", checkpoint, "-s", "1", "--crf", "1")
    outcome = animesr("upscale", source, output, *fixed, *options)
    assert outcome.exit_code == 0, outcome.stderr
    return outcome, source, output


def shown(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def panned(index: int) -> Gray:
    """Fine detail that pans downward: its lines look like fields to idet."""
    noise = np.random.default_rng(1).integers(0, 2, (400, WIDTH)).astype(float)
    soft = np.mean([np.roll(noise, (i, j), (0, 1)) for i in range(4) for j in range(4)], axis=0)
    picture: Gray = (40 + 170 * soft[2 * index : 2 * index + HEIGHT // 2]).astype(np.uint8)
    return picture


def test_a_tiny_progressive_video_that_pans_is_no_interlaced_one(
    tmp_path: Path, zero_checkpoint: Path
) -> None:
    """Where the stream says progressive, a few lines of moving detail do not overrule it."""
    source = media.write_video(
        tmp_path / "in.mkv", rate=25, width=WIDTH, height=HEIGHT // 2, exact=True,
        pictures=[half(panned(index), index) for index in range(40)],
    )  # fmt: skip
    outcome = animesr("upscale", source, tmp_path / "out.mkv", "-n", zero_checkpoint, "-s", "1")
    assert outcome.exit_code == 0, outcome.stderr
    assert "warning" not in outcome.stderr


def half(luma: Gray, index: int) -> av.VideoFrame:
    picture = media.picture(index, WIDTH, HEIGHT // 2)
    for number in range(3):
        samples = media.plane_samples(picture, number)
        samples[:] = luma if number == 0 else 128
    return picture


def marks(*single: str) -> list[dict[str, str]]:
    """What idet writes where its history makes all of them top field first."""
    return [
        {
            "lavfi.idet.multiple.current_frame": "tff",
            "lavfi.idet.single.current_frame": each,
            "lavfi.idet.repeated.current_frame": "neither",
        }
        for each in single
    ]


@pytest.mark.parametrize(
    ("single", "kind"),
    [
        (["tff"] * 30 + ["undetermined"] * 10, "interlaced"),
        (["undetermined"] * 38 + ["tff", "bff"], "progressive"),
        (["tff", "bff"] * 20, "progressive"),
    ],
)
def test_a_progressive_stream_is_overruled_by_agreement_alone(single: list[str], kind: str) -> None:
    """Most of its pictures are combed in one and the same order, or its word counts."""
    assert judge(marks(*single), says_progressive=True).kind == kind
    assert judge(marks(*single)).kind == "interlaced"


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (top_first, "is interlaced, to judge by its first 15 frames"),
        (telecined, "the video is telecined"),
        (progressive, None),
    ],
)
def test_interlaced_video_is_warned_about(
    draw: Callable[[int], Gray], words: str | None, tmp_path: Path, zero_checkpoint: Path
) -> None:
    """One warning says what it is and what to do; a progressive video gets none."""
    outcome, _, _ = upscaled(tmp_path, zero_checkpoint, draw)
    said = [line for line in outcome.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == (words is not None)
    assert all(words in line for line in said if words)


def test_the_command_deinterlaces(tmp_path: Path, zero_checkpoint: Path) -> None:
    """``--deinterlace`` keeps every frame and time, and takes the combs away without a warning."""
    outcome, source, output = upscaled(tmp_path, zero_checkpoint, top_first, "--deinterlace")
    assert "warning" not in outcome.stderr
    before, after = shown(source), shown(output)
    assert [picture.pts for picture in after] == [picture.pts for picture in before]
    for index in range(1, 14):
        target = moment(2 * index).astype(int)
        errors = [
            np.abs(media.plane_samples(each[index], 0) - target).mean() for each in (before, after)
        ]
        assert errors[1] < errors[0] * 0.6


def test_flagged_video_is_warned_about(tmp_path: Path, zero_checkpoint: Path) -> None:
    """Flags count even where nothing can be seen, and the warning says so."""
    source = media.write_video(
        tmp_path / "in.mkv", pictures=list(frames(progressive, 15)), width=WIDTH, height=HEIGHT,
        rate=25, codec="mpeg2video", interlaced=True,
    )  # fmt: skip
    outcome = animesr("upscale", source, tmp_path / "out.mkv", "-n", zero_checkpoint, "-s", "1")
    assert outcome.exit_code == 0
    assert "the video says that it is interlaced, though its first frames do not" in outcome.stderr
