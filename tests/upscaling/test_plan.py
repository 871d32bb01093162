"""What is settled before the first frame: sizes, colours, lengths, room on disk, refusals."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import media
from animesr_cli.errors import DiskFullError, InputError, OutputError, UsageError
from animesr_cli.model.devices import choose_compute
from animesr_cli.model.engine import choose_tile
from animesr_cli.model.msrb import MSRB
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling import output_size as size_room
from animesr_cli.upscaling import plan as plan_room
from animesr_cli.upscaling.output_size import USUAL_SIZES, output_size
from animesr_cli.upscaling.plan import Plan, expected_frames, make_plan
from animesr_cli.writing.encoders import Encoding

PROBED = probe(Path(__file__).parents[1] / "clip.mp4")
"""A real description, of which the tests change what they are about."""


def video(**changes: Any) -> VideoInfo:
    return replace(PROBED, **changes)


@pytest.fixture
def planned(tmp_path: Path, zero_checkpoint: Path) -> Callable[..., tuple[Plan, list[str]]]:
    """The plan and the warnings for a small video, or a given one."""
    usual = media.write_video(tmp_path / "in.mkv", frames=6, width=62, height=46)

    def make(source: Path = usual, output: str = "out.mkv", **settings: Any) -> Any:
        warnings: list[str] = []
        plan = make_plan(
            source,
            tmp_path / output,
            UpscaleSettings(model=str(zero_checkpoint), **settings),
            warn=warnings.append,
        )
        return plan, warnings

    return make


Planned = Callable[..., tuple[Plan, list[str]]]


# Sizes -------------------------------------------------------------------------------------------

SIDES = st.integers(1, 5000)
FACTORS = st.floats(0.01, 16, allow_nan=False)
MULTIPLES = st.sampled_from([(1, 1), (2, 2), (2, 1), (4, 1)])
ASPECTS = st.sampled_from([Fraction(1), Fraction(8, 9), Fraction(64, 45), Fraction(2)])


MP4 = Encoding(codec="libx264", pix_fmt="yuv420p", options={}, format_name="mp4")


def sized(
    source: VideoInfo, settings: UpscaleSettings, multiple: tuple[int, int]
) -> tuple[int, int, Fraction]:
    """The output's size for an encoder that takes multiples of these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(size_room, "size_multiple", lambda encoding: multiple)
        return output_size(source, settings, MP4)


@given(SIDES, SIDES, FACTORS, MULTIPLES, ASPECTS)
def test_a_factor_gives_the_nearest_size_the_encoder_takes(
    width: int, height: int, scale: float, multiple: tuple[int, int], aspect: Fraction
) -> None:
    """Each side is the multiple nearest to side times factor, at least one; the aspect stays."""
    source = video(width=width, height=height, sample_aspect_ratio=aspect)
    *sides, sar = sized(source, UpscaleSettings(scale=scale), multiple)
    assert sar == aspect
    for side, wish, step in zip(sides, (width * scale, height * scale), multiple, strict=True):
        assert side % step == 0
        assert side == step or abs(side - wish) <= step / 2 + wish * 1e-3 + 1e-6


@given(SIDES, SIDES, SIDES, MULTIPLES)
def test_one_side_alone_keeps_the_aspect(
    width: int, height: int, side: int, multiple: tuple[int, int]
) -> None:
    """--width W is W where the encoder takes it, and the height follows; the same for --height."""
    source = video(width=width, height=height)
    wishes = (UpscaleSettings(width=side), UpscaleSettings(height=side))
    for index, settings in enumerate(wishes):
        *out, aspect = sized(source, settings, multiple)
        own = (width, height)
        assert abs(out[index] - side) < multiple[index]
        other = Fraction(own[1 - index] * side, own[index])
        step = multiple[1 - index]
        usual = tuple(out) in USUAL_SIZES and side in out  # see the test of sizes that are meant
        assert usual or out[1 - index] == step or abs(out[1 - index] - other) <= Fraction(step, 2)
        assert aspect == source.sample_aspect_ratio


@pytest.mark.parametrize(
    ("size", "settings", "expected"),
    [
        ((854, 480), {"height": 1080}, (1920, 1080)),
        ((854, 480), {"width": 3840}, (3840, 2160)),
        ((852, 480), {"height": 2160}, (3840, 2160)),
        ((852, 480), {"fit": (1920, 1080)}, (1920, 1080)),
        ((426, 240), {"height": 720}, (1280, 720)),
        ((1366, 768), {"fit": (3840, 2160)}, (3840, 2160)),
        ((640, 480), {"fit": (1920, 1080)}, (1440, 1080)),
        ((640, 480), {"fit": (1000, 5000)}, (1000, 750)),
        ((848, 480), {"height": 1080}, (1908, 1080)),  # 1.2 % narrower: a shape of its own
        ((854, 480), {"height": 1000}, (1780, 1000)),  # no usual picture
        ((854, 480), {"scale": 2.25}, (1922, 1080)),  # a factor is a factor
    ],
)
def test_sizes_are_those_that_are_meant(
    size: tuple[int, int], settings: dict[str, Any], expected: tuple[int, int]
) -> None:
    """A usual side of a picture whose shape is usual but for rounding gives the usual picture."""
    source = video(width=size[0], height=size[1])
    assert sized(source, UpscaleSettings(**settings), (2, 2))[:2] == expected


def test_a_box_is_about_the_picture_as_shown() -> None:
    """Wide pixels and turned pictures fit as they are seen; their pixels stay as they are."""
    dvd = video(width=720, height=480, sample_aspect_ratio=Fraction(32, 27))
    assert sized(dvd, UpscaleSettings(fit=(1920, 1080)), (2, 2)) == (1620, 1080, Fraction(32, 27))
    turned = video(width=64, height=48, rotation=90)
    assert sized(turned, UpscaleSettings(fit=(96, 1000)), (2, 2))[:2] == (128, 96)


@given(
    st.integers(16, 500), st.integers(16, 500), st.integers(16, 500), st.integers(16, 500), ASPECTS
)
def test_with_both_sides_the_shape_on_the_screen_stays(
    width: int, height: int, out_width: int, out_height: int, aspect: Fraction
) -> None:
    """The sample aspect ratio takes up the difference, to a thousandth."""
    source = video(width=width, height=height, sample_aspect_ratio=aspect)
    settings = UpscaleSettings(width=out_width, height=out_height)
    out_w, out_h, sar = sized(source, settings, (1, 1))
    assert (out_w, out_h) == (out_width, out_height)
    before, after = Fraction(width, height) * aspect, Fraction(out_w, out_h) * sar
    assert abs(after / before - 1) < Fraction(1, 200)


@pytest.mark.parametrize("rotation", [90, 270])
def test_sizes_are_of_the_picture_as_shown(rotation: int) -> None:
    """For a turned picture the coded width is what is asked for as height."""
    source = video(width=64, height=48, rotation=rotation)
    assert sized(source, UpscaleSettings(width=96), (2, 2))[:2] == (128, 96)
    assert sized(source, UpscaleSettings(width=96, height=200), (2, 2))[:2] == (200, 96)
    assert sized(video(rotation=180), UpscaleSettings(width=96), (2, 2))[0] == 96


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({}, []),
        ({"scale": 2.5}, ["155x115 made 156x116, as the encoder needs"]),
        ({"scale": 1}, []),
        ({"width": 31}, ["31x24 made 32x24, as the encoder needs"]),
        ({"width": 30, "height": 22}, []),
    ],
)
def test_a_size_that_is_not_as_wished_is_noted(
    settings: dict[str, Any], note: list[str], planned: Planned
) -> None:
    """What the encoder rounds is said before the run, and is no warning."""
    plan, warnings = planned(**settings)
    assert list(plan.notes) == note
    assert warnings == []


def test_a_very_wide_h264_is_warned_of(planned: Planned) -> None:
    """Above 4096 pixels hardware decoders give up; -c libx265 is the advice, and needs none."""
    _, warnings = planned(width=4098, height=64)
    assert [warning for warning in warnings if "4098 pixels wide" in warning]
    assert "-c libx265" in warnings[0]
    assert planned(width=4096, height=64)[1] == []
    assert planned(width=4098, height=64, codec="libx265")[1] == []


# Colour ------------------------------------------------------------------------------------------


def test_colours_are_written_as_they_were_read(planned: Planned, tmp_path: Path) -> None:
    """Matrix and range of the input, also where it has no tags and its size changes."""
    plan, _ = planned()
    assert (plan.format.colour.matrix, plan.format.colour.full_range) == ("bt601", False)
    assert plan.source.colour_note == "BT.601 (untagged, by size)"
    plan, _ = planned(matrix="bt709")
    assert plan.format.colour.matrix == "bt709"
    full = media.write_video(tmp_path / "full.mkv", frames=1, matrix=9, color_range=2)
    plan, _ = planned(full)
    assert (plan.format.colour.matrix, plan.format.colour.full_range) == ("bt2020", True)


def test_rgb_becomes_tagged_bt709(planned: Planned, tmp_path: Path) -> None:
    """Pictures of a computer have no matrix; the one that players assume for HD is written."""
    source = media.write_video(tmp_path / "rgb.mkv", frames=1, codec="ffv1", pix_fmt="bgr0")
    plan, _ = planned(source)
    assert plan.format.encoding.pix_fmt == "yuv420p"
    assert (plan.format.colour.matrix, plan.format.colour.full_range) == ("bt709", False)
    plan, _ = planned(source, codec="ffv1")
    assert plan.format.encoding.layout.family == "rgb"


# Length, time and room ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "settings", "frames"),
    [
        ({"frame_count": 72}, {}, 72),
        ({"frame_count": None}, {}, 72),
        ({"frame_count": 72}, {"start": Fraction(1)}, 48),
        ({"frame_count": 72}, {"end": Fraction(1)}, 24),
        ({"frame_count": 72}, {"start": Fraction(1), "end": Fraction(60)}, 48),
        ({"frame_count": 72}, {"frames": 10}, 10),
        ({"frame_count": 72}, {"frames": 1000}, 72),
        ({"frame_count": None, "duration_seconds": None}, {}, None),
        ({"frame_count": None, "duration_seconds": None}, {"frames": 10}, 10),
        ({"frame_count": 72, "frame_rate": None}, {}, 72),
    ],
)
def test_the_number_of_frames_is_told_as_far_as_it_is_known(
    known: dict[str, Any], settings: dict[str, Any], frames: int | None
) -> None:
    """From the container's count, else its length and rate; within --start, --end and --frames."""
    source = video(**{"duration_seconds": Fraction(3), "frame_rate": Fraction(24), **known})
    assert expected_frames(source, UpscaleSettings(**settings)) == frames


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the system report so many free bytes."""

    def set_free(count: int) -> None:
        usage = shutil.disk_usage(os.curdir)._replace(free=count)
        monkeypatch.setattr("animesr_cli.upscaling.plan.shutil.disk_usage", lambda folder: usage)

    return set_free


def test_a_disk_that_is_too_small_is_known_before(
    planned: Planned, disk: Callable[[int], None], tmp_path: Path
) -> None:
    """Less than the least: code 5, and what to free. Less than is likely: a warning."""
    pixels = 2480 * 1840 * 6
    disk(10_000)
    with pytest.raises(
        DiskFullError, match=r"^10\.0 kB are free where the output goes, .* at least 17\.1 kB"
    ) as caught:
        planned(scale=40)
    assert caught.value.hint == "free 401 kB and run again"
    assert caught.value.exit_code == 5
    disk(pixels * 12 // 100 // 8 - 1)
    assert "may need 411 kB" in planned(scale=40)[1][0]
    disk(pixels * 12 // 100 // 8 + 1)
    assert planned(scale=40)[1] == []
    assert "may need 27.4 MB" in planned(scale=40, codec="ffv1")[1][0]  # lossless needs more
    assert os.listdir(tmp_path) == ["in.mkv"]


def test_a_run_of_days_is_warned_of(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate is the trial's time per pixel over all pixels; past a day it is a warning."""
    monkeypatch.setattr(plan_room, "seconds_per_pixel", lambda *arguments: 1.0)
    plan, warnings = planned(frames=1)
    assert plan.estimated_seconds == 62 * 46
    assert warnings == []
    monkeypatch.setattr(plan_room, "seconds_per_pixel", lambda *arguments: 10.1)
    _, warnings = planned()
    assert warnings == ["this will take about 2.0 days on cpu; --end 10 tries the first seconds"]


def test_the_tile_is_what_was_asked_for_or_what_fits(planned: Planned) -> None:
    """0 asks the engine; a small picture is one tile."""
    plan, _ = planned()
    compute = choose_compute("auto", "auto")
    assert plan.tile == choose_tile(46, 62, MSRB(4, (1, 1, 1)), compute)
    assert not plan.tiled
    plan, _ = planned(tile=32)
    assert (plan.tile, plan.tiled) == (32, True)


# Refusals ----------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "existing": ({"output": "in.mkv"}, UsageError, "the input itself"),
    "folder": ({"output": "no/out.mkv"}, OutputError, "does not exist"),
    "suffix": ({"output": "out.xyz"}, UsageError, "are not written"),
    "input": ({"source": Path("missing.mkv")}, InputError, "does not exist"),
    "encoder": ({"codec": "aac"}, UsageError, "encodes audio"),
    "scale": ({"scale": float("inf")}, UsageError, "--scale"),
    "tile": ({"tile": -16}, UsageError, "--tile"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_work_is_refused_here(kind: str, planned: Planned, tmp_path: Path) -> None:
    """Before any frame is computed, and without a trace in the folder."""
    arguments, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        planned(**arguments)
    assert os.listdir(tmp_path) == ["in.mkv"]


def test_planning_writes_nothing(planned: Planned, tmp_path: Path) -> None:
    """A plan is only a plan: the folder is as before."""
    planned()
    assert os.listdir(tmp_path) == ["in.mkv"]
