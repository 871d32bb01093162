"""Comparing a clip: pictures, measurements, files, and everything that is refused."""

from __future__ import annotations

import base64
import json
import re
import signal
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from animesr_cli import upscale
from animesr_cli.compare.pictures import Timing
from animesr_cli.compare.report import Layout
from animesr_cli.compare.run import compare, default_page
from animesr_cli.errors import OutputError, UsageError
from animesr_cli.metrics.evaluate import evaluate
from animesr_cli.metrics.measures import MEASURES
from animesr_cli.model.resample import enlarge
from animesr_cli.model.srvgg import SRVGGNetCompact
from animesr_cli.reading.reader import Reader
from animesr_cli.settings import CompareSettings, UpscaleSettings
from animesr_cli.video.colour import ColourSpec, PixelLayout, to_rgb
from command import animesr, finished, snapshot, start
from media import Audio, plane_samples, write_video
from pictures import decode_png
from shots_of import gray_frame, shot, write_shots

QUICK = ("--device", "cpu", "--precision", "fp32")
CPU = UpscaleSettings(device="cpu", precision="fp32", overwrite=True)
RGB = ColourSpec(layout=PixelLayout(family="rgb", depth=8), full_range=True)


def pictures_of(page: Path) -> list[Tensor]:
    """All pictures of a page's store, in order: by moment, then by candidate."""
    content = page.read_text()
    store = content[content.index('id="store"') : content.index('id="data"')]
    return [decode_png(base64.b64decode(each)) for each in re.findall(r"base64,([^\"]+)", store)]


def names_of(page: Path) -> list[str]:
    data = re.search(r'id="data">(.*?)</script>', page.read_text())
    assert data is not None
    names: list[str] = json.loads(data[1])["names"]
    return names


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 14 and 12 frames, 48x32."""
    return write_shots(tmp_path_factory.mktemp("compare") / "clip.mkv", [14, 12], 48, 32)


def rgb_frames(path: Path) -> list[Tensor]:
    with Reader(path, warn=lambda text: None) as reader:
        return [to_rgb(frame.planes, reader.info.colour) for frame in reader]


# ---- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenes", [True, False])
def test_pictures_are_those_of_upscale(
    tmp_path: Path, clip: Path, random_checkpoint: Path, scenes: bool
) -> None:
    """Sample for sample, at both ends of shots too, where the run is long enough."""
    (tmp_path / "up").mkdir()
    upscale(
        clip, tmp_path / "up" / "%06d.png", model=str(random_checkpoint), device="cpu",
        precision="fp32", scenes=scenes,
    )  # fmt: skip
    numbers = [0, 5, 13, 14, 20, 25]
    wishes = CompareSettings(
        models=(str(random_checkpoint), "bicubic"),
        times=tuple(Fraction(number, 24) for number in numbers),
        run_up=30,
    )
    settings = UpscaleSettings(device="cpu", precision="fp32", scenes=scenes)
    result = compare(
        clip, settings, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None
    )
    run_ups = [moment.run_up for moment in result.report.moments]
    assert run_ups == ([0, 5, 13, 0, 6, 11] if scenes else numbers)
    shown = pictures_of(tmp_path / "x.html")[::2]
    for number, picture in zip(numbers, shown, strict=True):
        expected = decode_png((tmp_path / "up" / f"{number + 1:06}.png").read_bytes())
        assert torch.equal(picture, expected), number


def test_a_short_run_up_is_another_picture(
    tmp_path: Path, clip: Path, random_checkpoint: Path
) -> None:
    """The test above can fail: a cold network draws something else."""
    found = []
    for run_up in (0, 30):
        wishes = CompareSettings(
            models=(str(random_checkpoint), "bicubic"), times=(Fraction(10, 24),), run_up=run_up
        )
        page = tmp_path / f"{run_up}.html"
        compare(clip, CPU, replace(wishes, page=page), warn=lambda text: None)
        found.append(pictures_of(page))
    assert not torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (UpscaleSettings(), (128, 192)),
        (UpscaleSettings(scale=2.5), (80, 120)),
        (UpscaleSettings(height=50), (50, 75)),
        (UpscaleSettings(width=33, height=70), (70, 33)),
    ],
)
def test_size_is_chosen_as_in_upscale(
    tmp_path: Path, clip: Path, settings: UpscaleSettings, size: tuple[int, int]
) -> None:
    """By factor, by one side or by both; any size, since nothing is encoded with colour halved."""
    wishes = CompareSettings(models=("nearest", "lanczos"), times=(Fraction(0),))
    compare(clip, settings, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None)
    source = rgb_frames(clip)[0]
    for name, picture in zip(("nearest", "lanczos"), pictures_of(tmp_path / "x.html"), strict=True):
        assert tuple(picture.shape[1:]) == size
        expected = enlarge(source, *size, name).mul(255).round().clamp(0, 255)
        assert torch.equal(picture, expected.to(torch.uint8))


def test_the_matrix_of_the_clip_makes_the_colours(tmp_path: Path) -> None:
    """The same samples, tagged otherwise, are other colours; --matrix overrides the tag."""
    found = []
    for matrix, option in ((5, None), (1, None), (1, "bt601")):
        path = write_video(tmp_path / f"{matrix}.mkv", frames=2, matrix=matrix, exact=True)
        wishes = CompareSettings(models=("nearest", "bilinear"), times=(Fraction(0),))
        page = tmp_path / "x.html"
        settings = UpscaleSettings(overwrite=True, matrix=option)
        compare(path, settings, replace(wishes, page=page), warn=lambda text: None)
        found.append(pictures_of(page)[0])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_two_times_of_one_frame_show_it_once(tmp_path: Path, clip: Path) -> None:
    """And times need no order."""
    times = (Fraction(1), Fraction(1, 2), Fraction(1, 2) + Fraction(1, 100))
    wishes = CompareSettings(models=("nearest", "bilinear"), times=times)
    result = compare(clip, CPU, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None)
    assert [moment.seconds for moment in result.report.moments] == [0.5, 1.0]


def test_images_are_a_clip_too(tmp_path: Path, clip: Path) -> None:
    """A folder of images, with the times that --fps gives it."""
    upscale(clip, tmp_path / "%03d.png", scale=1, device="cpu", frames=6)
    outcome = animesr(
        "compare", tmp_path / "%03d.png", "-n", "nearest", "-n", "bilinear", "--fps", "2",
        "--at", "1.5", "-o", tmp_path / "x.html", *QUICK,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    original = decode_png((tmp_path / "004.png").read_bytes())
    repeated = original.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert torch.equal(pictures_of(tmp_path / "x.html")[0], repeated)


# ---- how pictures lie ----------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_clips_are_shown_upright(tmp_path: Path, degrees: int) -> None:
    """As a player turns them: counter-clockwise by the display matrix."""
    path = write_video(
        tmp_path / "in.mp4", frames=2, width=48, height=32, rotation=degrees, exact=True
    )
    wishes = CompareSettings(models=("nearest", "bilinear"), times=(Fraction(0),))
    compare(path, CPU, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None)
    plain = enlarge(rgb_frames(path)[0], 128, 192, "nearest").mul(255).round().clamp(0, 255)
    turned = torch.rot90(plain.to(torch.uint8), degrees // 90, (1, 2))
    assert torch.equal(pictures_of(tmp_path / "x.html")[0], turned)


def test_mirrored_pictures_are_mirrored() -> None:
    """A display matrix may mirror as well: x' = -x, and both at once with a quarter turn."""
    picture = torch.arange(6, dtype=torch.uint8).view(1, 2, 3)

    def turned(*matrix: int) -> Tensor:
        return Layout(
            width=3, height=2, sample_aspect_ratio=Fraction(1), display_matrix=matrix, depth=8,
            primaries=2, transfer=2,
        ).turned(picture)  # fmt: skip

    assert torch.equal(turned(-1, 0, 0, 0, 1, 0, 0, 0, 1), picture.flip(2))
    assert torch.equal(turned(0, 1, 0, 1, 0, 0, 0, 0, 1), picture.mT)


@pytest.mark.parametrize(
    ("aspect", "degrees", "shown"),
    [("2", 0, (384, 128)), ("1/2", 0, (192, 256)), ("2", 90, (128, 384))],
)
def test_pixels_that_are_not_square_are_shown_in_shape(
    tmp_path: Path, aspect: str, degrees: int, shown: tuple[int, int]
) -> None:
    """The page stretches them, and keeps every stored pixel."""
    path = write_video(
        tmp_path / "in.mp4", frames=2, width=48, height=32, sar=Fraction(aspect), rotation=degrees
    )
    wishes = CompareSettings(models=("nearest", "bilinear"), times=(Fraction(0),))
    page = tmp_path / "x.html"
    result = compare(path, CPU, replace(wishes, page=page), warn=lambda text: None)
    assert result.report.layout.shown_size == pytest.approx(shown)
    assert f'"width": {float(shown[0])}, "height": {float(shown[1])}' in page.read_text()
    stored = (192, 128) if degrees else (128, 192)
    assert tuple(pictures_of(page)[0].shape[1:]) == stored


def test_hdr_pictures_say_that_they_are(tmp_path: Path) -> None:
    """16 bits and the code points of BT.2020 and PQ: a browser then shows them as such."""
    path = write_video(
        tmp_path / "hdr.mkv", codec="libx265", pix_fmt="yuv420p10le", frames=2, exact=True,
        primaries=9, transfer=16, matrix=9, color_range=1,
    )  # fmt: skip
    wishes = CompareSettings(models=("nearest", "bilinear"), times=(Fraction(0),))
    compare(path, CPU, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None)
    assert pictures_of(tmp_path / "x.html")[0].dtype == torch.uint16
    content = (tmp_path / "x.html").read_text()
    first = re.search(r'id="store">\s*<img[^>]*base64,([^"]+)', content)
    assert first is not None
    png = base64.b64decode(first[1])
    assert tuple(png[png.index(b"cICP") + 4 :][:4]) == (9, 16, 0, 1)


def test_networks_of_different_scales_are_shown_at_one_size(
    tmp_path: Path, clip: Path, random_checkpoint: Path
) -> None:
    """That of the largest; each result is what ``upscale`` makes at this size, and says how."""
    twice = tmp_path / "twice.pth"
    torch.manual_seed(3)
    torch.save(SRVGGNetCompact(scale=2, num_feat=8, num_conv=2).state_dict(), twice)
    names = (str(random_checkpoint), str(twice), "bicubic")
    wishes = CompareSettings(models=names, times=(Fraction(0),), run_up=0)
    page = tmp_path / "x.html"
    result = compare(clip, CPU, replace(wishes, page=page), warn=lambda text: None)
    assert [picture.shape for picture in pictures_of(page)][:3] == [(3, 128, 192)] * 3
    rows = result.report.entries
    assert [row.name for row in rows] == ["random.safetensors ×4", "twice.pth ×2", "bicubic"]
    assert [row.how for row in rows] == [
        "MSRB ×4", "SRVGGNetCompact ×2, then bicubic to 192×128", "resampled from 48×32",
    ]  # fmt: skip
    for row in rows:
        assert row.how in page.read_text()
    (tmp_path / "up").mkdir()
    upscale(
        clip, tmp_path / "up" / "%06d.png", model=str(twice), device="cpu", precision="fp32",
        scale=4.0, frames=1,
    )  # fmt: skip
    expected = decode_png((tmp_path / "up" / "000001.png").read_bytes())
    assert torch.equal(pictures_of(page)[1], expected)


def test_a_network_of_two_times_alone_is_shown_at_its_own_size(tmp_path: Path, clip: Path) -> None:
    """Nothing is resampled that need not be; nor are names longer than they need be."""
    twice = tmp_path / "twice.pth"
    torch.save(SRVGGNetCompact(scale=2, num_feat=8, num_conv=2).state_dict(), twice)
    wishes = CompareSettings(models=(str(twice), "nearest"), times=(Fraction(0),), run_up=0)
    result = compare(clip, CPU, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None)
    assert [picture.shape for picture in pictures_of(tmp_path / "x.html")] == [(3, 64, 96)] * 2
    assert [row.name for row in result.report.entries] == ["twice.pth", "nearest"]
    assert result.report.entries[0].how == "SRVGGNetCompact ×2"


# ---- measuring -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A clean clip of 192x192, and every fourth pixel of it."""
    folder = tmp_path_factory.mktemp("pair")
    frames = shot(8, 8, 192, 192)
    clean = write_video(
        folder / "clean.mkv", pictures=frames, width=192, height=192, exact=True, matrix=5
    )
    small = [gray_frame(plane_samples(frame, 0)[::4, ::4].astype(float)) for frame in frames]
    poor = write_video(
        folder / "poor.mkv", pictures=small, width=48, height=48, exact=True, matrix=5
    )
    return poor, clean


def test_measurements_are_those_of_evaluate(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """The same functions on the same pictures, and flicker against the frame before."""
    poor, clean = pair
    upscale(
        poor, tmp_path / "up.mkv", model="base", device="cpu", precision="fp32", codec="ffv1",
        pix_fmt="bgr0",
    )  # fmt: skip
    whole = evaluate(tmp_path / "up.mkv", clean, warn=lambda text: None)
    wishes = CompareSettings(models=("base",), times=(Fraction(3, 24), Fraction(6, 24)))
    result = compare(
        poor,
        CPU,
        replace(wishes, page=tmp_path / "x.html", reference=clean),
        warn=lambda text: None,
    )
    assert [entry.name for entry in result.report.entries] == ["base", "reference"]
    for moment, number in zip(result.report.moments, (3, 6), strict=True):
        ours, theirs = moment.scores[0], whole.frames[number].scores
        assert ours is not None
        assert moment.scores[1] is None
        for name in MEASURES:
            # The reference is rounded to 8-bit RGB, as it is shown; evaluate leaves it as coded.
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=0.02), name
    mean = result.report.entries[0].mean
    assert mean is not None
    scores = [moment.scores[0] for moment in result.report.moments]
    assert mean.ssim_y == pytest.approx(sum((s.ssim_y or 0) for s in scores if s) / 2)


def test_the_truth_is_shown_as_it_is(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """The reference is the last result, from its own frame at that time."""
    poor, clean = pair
    wishes = CompareSettings(models=("nearest", "bicubic"), times=(Fraction(5, 24),))
    page = tmp_path / "x.html"
    compare(poor, CPU, replace(wishes, page=page, reference=clean), warn=lambda text: None)
    assert names_of(page) == ["nearest", "bicubic", "reference"]
    expected = rgb_frames(clean)[5].mul(255).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(pictures_of(page)[2], expected)


def test_a_reference_that_degrade_cropped_is_cropped_alike(tmp_path: Path) -> None:
    """196x101 becomes 48x24 there, so 192x96 of it is compared, and a warning says so."""
    clean = write_video(
        tmp_path / "clean.mkv", pictures=shot(3, 6, 196, 102), width=196, height=102, exact=True
    )
    poor = tmp_path / "poor.mp4"
    assert animesr("degrade", clean, poor, "--seed", "1").exit_code == 0
    heard: list[str] = []
    wishes = CompareSettings(models=("bicubic",), times=(Fraction(2, 24),))
    page = tmp_path / "x.html"
    compare(poor, CPU, replace(wishes, page=page, reference=clean), warn=heard.append)
    assert [text for text in heard if "196x102 of the reference the upper left 192x96" in text]
    expected = rgb_frames(clean)[2].mul(255).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(pictures_of(page)[1], expected[:, :96, :192])


def test_another_size_of_the_reference_is_taken(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """The candidates are resampled to it."""
    poor, _ = pair
    large = write_video(
        tmp_path / "hr.mkv", pictures=shot(8, 8, 150, 130), width=150, height=130, exact=True
    )
    wishes = CompareSettings(models=("bicubic",), times=(Fraction(0),))
    page = tmp_path / "x.html"
    compare(poor, CPU, replace(wishes, page=page, reference=large), warn=lambda text: None)
    assert {tuple(each.shape) for each in pictures_of(page)} == {(3, 130, 150)}


@pytest.mark.parametrize("images", ["clip", "reference", "both"])
def test_images_are_as_fast_as_what_they_are_compared_with(tmp_path: Path, images: str) -> None:
    """Images have no times of their own: the n-th is beside the n-th, at any rate."""
    frames = shot(8, 8, 96, 96)
    clean = write_video(
        tmp_path / "hr.mkv", pictures=frames, width=96, height=96, exact=True, rate=50
    )
    small = [gray_frame(plane_samples(frame, 0)[::4, ::4].astype(float)) for frame in frames]
    poor = write_video(
        tmp_path / "lr.mkv", pictures=small, width=24, height=24, exact=True, rate=50
    )
    for path in (clean, poor):
        path.with_suffix("").mkdir()
        upscale(path, path.with_suffix("") / "%03d.png", scale=1, device="cpu")
    source = poor.with_suffix("") if images != "reference" else poor
    reference = clean.with_suffix("") if images != "clip" else clean
    number = 4
    rate = 24 if images == "both" else 50
    wishes = CompareSettings(models=("nearest",), times=(Fraction(number, rate),))
    page = tmp_path / "x.html"
    compare(source, CPU, replace(wishes, page=page, reference=reference), warn=lambda text: None)
    if images != "clip":
        expected = decode_png((clean.with_suffix("") / f"{number + 1:03}.png").read_bytes())
    else:
        expected = rgb_frames(clean)[number].mul(255).round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(pictures_of(page)[1], expected)


def test_speed_is_measured_and_the_whole_clip_estimated(
    tmp_path: Path, clip: Path, zero_checkpoint: Path
) -> None:
    """Frames a second, and the clip's frames at that speed; the reference has neither."""
    wishes = CompareSettings(models=(str(zero_checkpoint), "nearest"), pictures=2, run_up=4)
    result = compare(clip, CPU, replace(wishes, page=tmp_path / "x.html"), warn=lambda text: None)
    assert result.report.frames == 26
    for entry in result.report.entries:
        assert entry.seconds_per_frame is not None
        assert entry.seconds_per_frame > 0
        assert entry.frames_per_second == pytest.approx(1 / entry.seconds_per_frame)
        assert entry.clip_seconds == pytest.approx(26 * entry.seconds_per_frame)


def test_frames_that_come_in_bursts_are_timed_together() -> None:
    """Of a network that takes shots, the first frame waits for all and the others for none."""
    one, shots = Timing(), Timing()
    for seconds in ([5.0, 1.0, 2.0, 1.0], [9.0, 1.0]):
        one.add(seconds, together=False)
    shots.add([8.0, 0.0, 0.0, 0.0], together=True)
    assert one.median == 1
    assert shots.median == 2


# ---- the verb ------------------------------------------------------------------------------------


def test_the_verb_writes_a_page_and_a_sheet(tmp_path: Path, own_clip: Path) -> None:
    """Beside the clip where nothing else is named; without more words than they need."""
    source = tmp_path / "my clip.mp4"
    source.write_bytes(own_clip.read_bytes())
    outcome = animesr("compare", source, "-n", "bicubic", "-n", "lanczos", "--pictures", "2")
    assert outcome.exit_code == 0, outcome.stderr
    page = tmp_path / "my clip_compare.html"
    assert page == default_page(source)
    assert {each.name for each in tmp_path.iterdir()} == {
        source.name, page.name, "my clip_compare.png",
    }  # fmt: skip
    assert "bicubic" in outcome.stdout
    assert decode_png(page.with_suffix(".png").read_bytes()).shape[0] == 3
    assert len(pictures_of(page)) == 4


def test_json_has_everything_that_was_measured(tmp_path: Path, clip: Path) -> None:
    """One object: files, size, candidates with their speed, moments with their times."""
    page = tmp_path / "x.html"
    outcome = animesr(
        "compare", clip, "-n", "nearest", "-n", "base", "--at", "0:00.25", "--run-up", "2",
        "-o", page, "--json", *QUICK,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert found["page"] == str(page)
    assert found["sheet"] == str(page.with_suffix(".png"))
    assert [entry["name"] for entry in found["entries"]] == ["nearest", "base"]
    assert re.fullmatch("[0-9a-f]{64}", found["entries"][1]["sha256"])
    assert found["entries"][1]["frames_per_second"] > 0
    assert [moment["seconds"] for moment in found["moments"]] == [0.25]
    assert found["moments"][0]["run_up"] == 2


def test_hostile_names_stay_words(tmp_path: Path, clip: Path, zero_checkpoint: Path) -> None:
    """Of the clip and of a checkpoint: in the page they are escaped, in the sheet drawn."""
    source = tmp_path / '<img src=x onerror=alert(1)>"&.mkv'
    source.write_bytes(clip.read_bytes())
    model = tmp_path / "<b>{title}$&.safetensors"
    model.write_bytes(zero_checkpoint.read_bytes())
    page = tmp_path / "x.html"
    outcome = animesr(
        "compare", source, "-n", model, "-n", "nearest", "--at", "0", "-o", page, *QUICK
    )
    assert outcome.exit_code == 0, outcome.stderr
    content = page.read_text()
    assert "<img src=x" not in content
    assert "<b>" not in content
    assert "&lt;b&gt;{title}$&amp;.safetensors" in content
    assert names_of(page) == ["<b>{title}$&.safetensors", "nearest"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-n", "base"], 2, ["no comparison", "-n bicubic"]),
        (["-n", "base", "-n", "base"], 2, ["named twice"]),
        (["-n", "base", "-n", "bass"], 2, ["no model is called 'bass'", "lanczos"]),
        (["-n", "base", "-n", "gone.pth"], 6, ["gone.pth does not exist"]),
        (["--at", "5:00"], 2, ["nothing is shown at 300 s", "ends at"]),
        (["--at", "soon"], 2, ["'soon' is not a time"]),
        (["-o", "x.pdf"], 2, ["the page is an HTML file", "x.html"]),
        (["-o", "gone/x.html"], 4, ["the folder gone does not exist"]),
        (["--scale", "0"], 2, ["--scale must be above 0"]),
        (["--video", "-"], 2, ["the split-screen clip is a file"]),
        (["--video", "x.txt"], 2, ["not written"]),
        (["--reference", "gone.mkv"], 3, ["gone.mkv does not exist"]),
        (["--start", "9", "--end", "10"], 2, ["holds no frame"]),
        (["-g", "cuda:99"], 7, ["not available"]),
    ],
)
def test_what_cannot_work_is_refused(
    tmp_path: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: list[str],
) -> None:
    """In one line and a hint, with the documented exit code, and nothing is left."""
    monkeypatch.chdir(tmp_path)
    page = [] if "-o" in arguments else ["-o", "x.html"]
    models = [] if "-n" in arguments else ["-n", "nearest", "-n", "bilinear"]
    animesr("compare", clip, *models, *page, *arguments).refused(code, *words)
    assert snapshot(tmp_path) == {}


def test_a_pipe_and_a_size_beside_a_reference_are_refused(clip: Path) -> None:
    """Neither can be done as asked."""
    animesr("compare", "-").refused(2, "can be read only once", "name a file")
    animesr("compare", clip, "--reference", clip, "-s", "2").refused(2, "size of the reference")


def test_moments_behind_the_end_are_refused_before_any_work(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    """Of the clip and of the reference, also where earlier moments could be shown."""
    poor, clean = pair
    done: list[str] = []

    def computed(line: str, frames: int, total: int | None) -> None:
        done.append(line)

    page = tmp_path / "x.html"
    late = CompareSettings(models=("nearest", "bilinear"), times=(Fraction(0), Fraction(9)))
    with pytest.raises(UsageError, match="nothing is shown at 9 s"):
        compare(poor, CPU, replace(late, page=page), warn=lambda text: None, on_progress=computed)
    longer = write_shots(tmp_path / "longer.mkv", [60], 48, 48)
    both = CompareSettings(models=("nearest",), times=(Fraction(0), Fraction(2)))
    with pytest.raises(UsageError, match=r"clean\.mkv shows nothing at 2 s"):
        compare(
            longer, CPU, replace(both, page=page, reference=clean), warn=lambda text: None,
            on_progress=computed,
        )  # fmt: skip
    assert done == []


@pytest.mark.slow
@pytest.mark.parametrize("what", ["pictures", "video"])
def test_a_run_that_is_stopped_leaves_nothing_half_done(tmp_path: Path, what: str) -> None:
    """SIGINT ends it within seconds; page and sheet are there only where they were complete."""
    source = write_shots(tmp_path / "in.mkv", [240], 160, 96)
    process = start(
        "compare", source, "-n", "base", "-n", "bicubic", "-o", tmp_path / "x.html", "--at", "0.5",
        "--at", "2", "--run-up", "200" if what == "pictures" else "1",
        "--video", tmp_path / "v.mkv", *QUICK,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"{what}: frame"):
            break
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert outcome.exit_code == 130
    assert "Traceback" not in outcome.stderr
    left = {each.name for each in tmp_path.iterdir()}
    assert left == ({"in.mkv"} if what == "pictures" else {"in.mkv", "x.html", "x.png"})


def test_a_second_run_on_the_same_page_is_refused(tmp_path: Path, clip: Path) -> None:
    """Before it computes anything, with -y too; the first one is undisturbed."""
    page = tmp_path / "x.html"
    wishes = CompareSettings(models=("nearest", "bilinear"), times=(Fraction(0),))
    refused: list[str] = []

    def second(line: str, done: int, total: int | None) -> None:
        if not refused:
            with pytest.raises(OutputError, match=r"another run is writing .*x\.html") as caught:
                compare(clip, CPU, replace(wishes, page=page), warn=lambda text: None)
            refused.append(caught.value.message)

    compare(clip, CPU, replace(wishes, page=page), warn=lambda text: None, on_progress=second)
    assert len(refused) == 1
    assert {each.name for each in tmp_path.iterdir()} == {"x.html", "x.png"}
    assert len(pictures_of(page)) == 2


def test_existing_files_stay_unless_y_is_given(tmp_path: Path, clip: Path) -> None:
    """Page, sheet and video alike; and they are replaced together."""
    page, video = tmp_path / "x.html", tmp_path / "x.mkv"
    base = ("compare", clip, "-n", "nearest", "-n", "bilinear", "--at", "0", "-o", page)
    for path in (page, page.with_suffix(".png"), video):
        path.write_text("mine")
        before = snapshot(tmp_path)
        animesr(*base, "--video", video).refused(4, path.name, "exists", "-y")
        assert snapshot(tmp_path) == before
        path.unlink()
    page.write_text("mine")
    assert animesr(*base, "-y").exit_code == 0
    assert len(pictures_of(page)) == 2


def test_the_clip_is_never_replaced(tmp_path: Path) -> None:
    """Also with -y: a sheet beside the page x.html would be the input x.png."""
    upscale(write_shots(tmp_path / "in.mkv", [2], 48, 32), tmp_path / "%d.png", device="cpu")
    source = tmp_path / "1.png"
    outcome = animesr("compare", source, "-o", tmp_path / "1.html", "-y", "--at", "0")
    outcome.refused(2, "the input itself")


# ---- the split screen ----------------------------------------------------------------------------


def test_each_strip_is_the_work_of_its_candidate(
    tmp_path: Path, clip: Path, random_checkpoint: Path
) -> None:
    """Away from dividers and names, the pictures are those of upscale; times and sound go along."""
    source = tmp_path / "in.mkv"
    frames = [*shot(0, 8, 48, 32), *shot(1, 6, 48, 32)]
    write_video(source, pictures=frames, width=48, height=32, exact=True, audio_tracks=[Audio()])
    video = tmp_path / "split.mkv"
    outcome = animesr(
        "compare", source, "-n", random_checkpoint, "-n", "nearest", "-n", "bilinear",
        "--at", "0", "-o", tmp_path / "x.html", "--video", video, "-c", "ffv1", *QUICK,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert "split.mkv: 14 frames verified" in outcome.stderr
    upscale(
        source, tmp_path / "up.mkv", model=str(random_checkpoint), device="cpu",
        precision="fp32", codec="ffv1",
    )  # fmt: skip
    with Reader(video) as ours, Reader(tmp_path / "up.mkv") as theirs:
        pairs = list(zip(ours, theirs, strict=True))
        assert [s.kind for s in ours.info.streams] == ["video", "audio"]
    for one, other in pairs:
        assert one.pts == other.pts
        assert torch.equal(one.planes[0][:100, :60], other.planes[0][:100, :60])
    nearest = pairs[3][0].planes[0][:96, 68:124]
    assert torch.equal(nearest[::4, ::4], nearest[3::4, 3::4])
    assert not torch.equal(pairs[3][0].planes[0][:96, 132:], pairs[3][1].planes[0][:96, 132:])


def test_a_split_screen_shows_the_reference_last(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """Frame for frame at its own times, and only of the chosen part."""
    poor, clean = pair
    video = tmp_path / "split.mkv"
    wishes = CompareSettings(models=("nearest",), times=(Fraction(2, 24),))
    settings = UpscaleSettings(
        device="cpu", codec="ffv1", start=Fraction(8, 100), end=Fraction(24, 100)
    )
    result = compare(
        poor, settings, replace(wishes, page=tmp_path / "x.html", reference=clean, video=video),
        warn=lambda text: None,
    )  # fmt: skip
    assert result.video_frames == 4
    shown, truth = rgb_frames(video), rgb_frames(clean)
    for number, picture in enumerate(shown):
        right = truth[number + 2][0, :150, 110:]
        assert (picture[0, :150, 110:] - right).abs().max() < 2.5 / 255
