"""``animesr degrade``: the written stream is the plan's, times survive, and runs repeat."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from animesr_cli.degradation import video as room
from animesr_cli.degradation.lbo import LearnableOperator, load_operator
from animesr_cli.degradation.operators import apply_plan, operator_of, plan_from_json, shrink
from animesr_cli.degradation.video import degrade_video
from animesr_cli.errors import AnimesrError, InputError, OutputError, UsageError, WeightsError
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.video.colour import to_rgb
from command import animesr, snapshot
from media import write_video


@pytest.fixture
def hr(tmp_path: Path) -> Path:
    """Ten frames of 64x48 at 24 frames per second."""
    return write_video(tmp_path / "hr.mkv", frames=10, exact=True)


@pytest.fixture
def lbo(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "lbo.safetensors"
    save_file(LearnableOperator(4).state_dict(), path)
    return path


def pictures(path: Path) -> Tensor:
    with Reader(path) as reader:
        return torch.stack([to_rgb(frame.planes, reader.info.colour) for frame in reader])


def times(path: Path) -> list[Fraction]:
    with Reader(path) as reader:
        return [frame.pts * reader.info.time_base for frame in reader]


def plan_beside(output: Path) -> Path:
    return output.with_name(output.name + ".plan.json")


@pytest.mark.parametrize(("seed", "suffix"), [(0, ".mp4"), (1, ".mkv"), (2, ".mov"), (4, ".mkv")])
def test_the_file_holds_what_the_operators_make(
    tmp_path: Path, hr: Path, lbo: Path, seed: int, suffix: str
) -> None:
    """The decoded output is Eq. 1 of the input, H.264 included once, by the plan beside it."""
    output = tmp_path / f"lr{suffix}"
    result = degrade_video(hr, output, seed=seed, lbo=[lbo], device="cpu")
    assert (result.frames, result.width, result.height) == (10, 16, 12)
    assert result.plan_path == plan_beside(output)
    plan = plan_from_json(result.plan_path.read_text())
    operator = operator_of(plan, [load_operator(lbo)])
    clip = pictures(hr).clamp_(0, 1)
    info = probe(hr)
    assert info.frame_rate is not None
    expected = apply_plan(
        clip, plan, operator, frame_rate=info.frame_rate, matrix=info.colour.matrix
    )
    torch.testing.assert_close(pictures(output).clamp_(0, 1), expected, rtol=0, atol=1e-6)


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, hr: Path, lbo: Path) -> None:
    """A seed, the plan that it gave, and that plan without its operator named: one file."""
    outputs = [tmp_path / f"{name}.mp4" for name in "abc"]
    degrade_video(hr, outputs[0], seed=4, lbo=[lbo])
    plan = plan_beside(outputs[0])
    assert json.loads(plan.read_text())["lbo"] is not None
    degrade_video(hr, outputs[1], plan_path=plan, lbo=[lbo])
    degrade_video(hr, outputs[2], plan_path=plan)
    assert len({output.read_bytes() for output in outputs}) == 1
    assert len({plan_beside(output).read_bytes() for output in outputs}) == 1


def test_without_a_seed_every_run_is_another(tmp_path: Path, hr: Path) -> None:
    """Two runs that name no seed draw two plans."""
    for name in "ab":
        degrade_video(hr, tmp_path / f"{name}.mp4")
    plans = {plan_beside(tmp_path / f"{name}.mp4").read_text() for name in "ab"}
    assert len(plans) == 2


def test_parts_do_not_show(tmp_path: Path, hr: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frame by frame, with a frame's worth of memory, the same file is written."""
    degrade_video(hr, tmp_path / "whole.mp4", seed=1)
    lengths = []

    def counted(clip: Tensor, *rest: Any, **named: Any) -> Tensor:
        lengths.append(len(clip))
        return shrink(clip, *rest, **named)

    monkeypatch.setattr(room, "shrink", counted)
    monkeypatch.setattr(room, "PART_PIXELS", 64 * 48)
    degrade_video(hr, tmp_path / "parts.mp4", seed=1)
    assert lengths == [1] * 10
    assert (tmp_path / "parts.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_the_stream_has_the_profile_of_the_plan(tmp_path: Path, hr: Path, profile: str) -> None:
    """The H.264 profile of the file is the plan's, in 4:2:0 of 8 bits."""
    degrade_video(hr, tmp_path / "a.mp4", seed=1)
    values = json.loads(plan_beside(tmp_path / "a.mp4").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**values, "profile": profile}))
    degrade_video(hr, tmp_path / "b.mp4", plan_path=tmp_path / "plan.json")
    with av.open(str(tmp_path / "b.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert profile in (context.profile or "").lower()
        assert context.pix_fmt == "yuv420p"


def test_times_and_shape_survive(tmp_path: Path) -> None:
    """A variable frame rate, the pixel aspect and the rotation are the input's."""
    source = write_video(
        tmp_path / "hr.mp4",
        pts=[0, 40, 50, 120, 125, 300],
        time_base=Fraction(1, 1000),
        sar=Fraction(8, 9),
        rotation=90,
        exact=True,
    )
    degrade_video(source, tmp_path / "lr.mp4", seed=1)
    assert times(tmp_path / "lr.mp4") == times(source)
    before, after = probe(source), probe(tmp_path / "lr.mp4")
    assert after.sample_aspect_ratio == before.sample_aspect_ratio
    assert after.rotation == before.rotation


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Odd sizes are cropped and other streams stay behind, each with one warning."""
    source = write_video(
        tmp_path / "hr.mkv", frames=3, width=70, height=50, audio_tracks=1, subtitles=1
    )
    said: list[str] = []
    result = degrade_video(source, tmp_path / "lr.mkv", seed=1, warn=said.append)
    assert (result.width, result.height) == (16, 12)
    assert len(said) == 2
    assert "not copied" in said[0]
    assert "cropped from 70x50 to 64x48" in said[1]
    assert [stream.kind for stream in probe(tmp_path / "lr.mkv").streams] == ["video"]


def test_pictures_alone_need_no_warning(tmp_path: Path, hr: Path) -> None:
    """A file of pictures that fit is degraded without a word."""
    said: list[str] = []
    degrade_video(hr, tmp_path / "lr.mkv", seed=1, warn=said.append)
    assert said == []


def test_cropping_is_at_the_right_and_bottom(tmp_path: Path) -> None:
    """The picture of the output begins where that of the input does."""
    for width, height in ((64, 48), (70, 54)):
        write_video(
            tmp_path / f"{width}.mkv", frames=3, width=width, height=height, pix_fmt="yuv444p",
            exact=True, pictures=None,
        )  # fmt: skip
    whole, cropped = pictures(tmp_path / "64.mkv"), pictures(tmp_path / "70.mkv")
    same_corner = torch.equal(whole[..., 14:48, 20:64], cropped[..., 14:48, 20:64])
    assert same_corner  # else this test proves nothing
    for width in (64, 70):
        degrade_video(tmp_path / f"{width}.mkv", tmp_path / f"lr{width}.mkv", seed=1)
    inside = [pictures(tmp_path / f"lr{width}.mkv")[..., 6:11, 8:15] for width in (64, 70)]
    assert (inside[0] - inside[1]).abs().mean() < 0.03


# ---- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name", "error", "words"),
    [
        ({"seed": 1, "plan_path": Path("plan.json")}, "lr.mp4", UsageError, "either"),
        ({"plan_path": Path("absent.json")}, "lr.mp4", InputError, "absent.json does not exist"),
        ({"plan_path": Path("hr.mkv")}, "lr.mp4", UsageError, "hr.mkv"),
        (
            {"plan_path": Path("text.json")},
            "lr.mp4",
            UsageError,
            r"text.json: .* it is no JSON",
        ),
        ({"plan_path": Path("lost.json")}, "lr.mp4", WeightsError, "gone.pth does not exist"),
        ({"lbo": [Path("absent.pth")]}, "lr.mp4", WeightsError, "absent.pth does not exist"),
        ({"plan_output": Path("no/p.json")}, "lr.mp4", OutputError, "no does not exist"),
        ({"device": "abacus"}, "lr.mp4", AnimesrError, "abacus"),
        ({}, "lr.webm", UsageError, "cannot hold H.264"),
        ({}, "lr.avi", UsageError, "not written"),
        ({}, "old.mp4", OutputError, "exists"),
        ({}, "planned.mp4", OutputError, "planned.mp4.plan.json exists"),
        ({}, "hr.mkv", UsageError, "input itself"),
    ],
)
def test_a_wish_that_cannot_be_met_leaves_nothing(
    tmp_path: Path,
    hr: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    name: str,
    error: type[AnimesrError],
    words: str,
) -> None:
    """One clear error before the first frame, and every file as it was."""
    monkeypatch.chdir(tmp_path)
    degrade_video(hr, Path("planned.mp4"), seed=1)
    Path("planned.mp4").rename("old.mp4")
    values = json.loads(Path("planned.mp4.plan.json").read_text())
    lost = {**values, "down": ["lbo", "area"], "lbo": "0" * 64, "lbo_file": "gone.pth"}
    Path("lost.json").write_text(json.dumps(lost))
    Path("plan.json").write_text(json.dumps(values))
    Path("text.json").write_text("a note")
    before = snapshot(tmp_path)
    with pytest.raises(error, match=words):
        degrade_video(hr, Path(name), **options)
    assert snapshot(tmp_path) == before


def test_pictures_that_are_too_small_are_refused(tmp_path: Path) -> None:
    """Without 8 pixels on both sides there is no quarter that H.264 takes."""
    source = write_video(tmp_path / "hr.mkv", frames=2, width=64, height=6)
    with pytest.raises(InputError, match="too small"):
        degrade_video(source, tmp_path / "lr.mkv", seed=1)
    assert not plan_beside(tmp_path / "lr.mkv").exists()


def test_an_error_half_way_leaves_nothing(
    tmp_path: Path, hr: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a video nor a plan is there after a run that failed."""

    def fail(frames: int, total: int | None) -> None:
        raise InputError("half way")

    before = snapshot(tmp_path)
    with pytest.raises(InputError, match="half way"):
        degrade_video(hr, tmp_path / "lr.mkv", seed=1, on_progress=fail)
    assert snapshot(tmp_path) == before


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_says_what_it_did(tmp_path: Path, hr: Path) -> None:
    """With -v the plan is on stderr in words; the plan goes where --plan-out says."""
    plan = tmp_path / "p.json"
    ended = animesr(
        "degrade", hr, tmp_path / "lr.mp4", "--seed", "7", "--plan-out", plan, "-v", "-g", "cpu"
    )
    assert ended.exit_code == 0, ended.stderr
    assert str(plan_from_json(plan.read_text())) in ended.stderr
    assert "10 frames of 16x12" in ended.stderr
    again = animesr("degrade", hr, tmp_path / "lr.mp4", "--plan", plan)
    again.refused(4, "exists", "-y")
    first = (tmp_path / "lr.mp4").read_bytes()
    again = animesr("degrade", hr, tmp_path / "lr.mp4", "--plan", plan, "-y", "-q")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "")
    assert (tmp_path / "lr.mp4").read_bytes() == first


def test_a_plan_that_is_followed_in_place_is_kept(tmp_path: Path, hr: Path) -> None:
    """Making a lost output again from the plan beside it needs no -y and touches no plan."""
    output = tmp_path / "lr.mp4"
    degrade_video(hr, output, seed=7)
    first, stamp = output.read_bytes(), plan_beside(output).stat().st_mtime_ns
    output.unlink()
    degrade_video(hr, output, plan_path=plan_beside(output))
    assert output.read_bytes() == first
    assert plan_beside(output).stat().st_mtime_ns == stamp
