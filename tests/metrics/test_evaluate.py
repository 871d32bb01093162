"""Scores of one video beside another: against other people's code, by hand, and on real files."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from animesr_cli.errors import UsageError
from animesr_cli.metrics import evaluate, scoring
from animesr_cli.metrics.evaluate import evaluate as score_videos
from animesr_cli.metrics.measures import MEASURES, Scores
from animesr_cli.metrics.scoring import Meter, luma_of
from animesr_cli.video.colour import ColourSpec, PixelLayout, from_rgb
from command import animesr
from media import corrupt_blocks, frame_planes, picture, plane_samples, write_video

WIDTH, HEIGHT = 184, 180  # large enough for all five scales of MS-SSIM
PLAIN = ColourSpec(layout=PixelLayout(family="yuv", depth=8), matrix="bt601")

BEST = {
    "psnr_y": None, "ssim_y": 1.0, "ms_ssim": 1.0, "gmsd": 0.0, "gradient_ratio": 1.0,
    "flicker": 0.0, "edge_f1": 1.0, "overshoot": 0.0,
}  # fmt: skip


def drawing(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Tensor:
    """(H, W) luma in codes: flat colours with dark outlines, as in a cartoon."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    luma = np.full((height, width), 180.0)
    for _ in range(8):
        radius = rng.uniform(10, 50)
        distance = np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width))
        luma[distance < radius] = rng.uniform(40, 230)
        luma[abs(distance - radius) < 1.5] = 20
    return torch.from_numpy(luma).float()


def noisy(luma: Tensor, codes: float, seed: int = 1) -> Tensor:
    return luma + codes * torch.randn(luma.shape, generator=torch.Generator().manual_seed(seed))


def soft(luma: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(luma[None], 5, 1, 2, count_include_pad=False)[0]


# ---- luma ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 1])
def test_luma_of_bt601_is_its_own_plane(shift: int) -> None:
    """A limited-range BT.601 picture keeps its Y plane, codes outside the nominal range as well."""
    rng = np.random.default_rng(0)
    layout = PixelLayout(family="yuv", depth=8, chroma_shift_x=shift, chroma_shift_y=shift)
    sides = ((32, 48), (32 >> shift, 48 >> shift), (32 >> shift, 48 >> shift))
    planes = [torch.from_numpy(rng.integers(0, 256, side, dtype=np.uint8)) for side in sides]
    luma = luma_of(planes, ColourSpec(layout=layout, matrix="bt601"))
    torch.testing.assert_close(luma, planes[0].float(), atol=1e-3, rtol=0)


def test_luma_is_the_formula_of_the_literature() -> None:
    """An RGB picture has Y = 16 + 65.481 R + 128.553 G + 24.966 B, not rounded."""
    codes = torch.randint(0, 256, (3, 20, 30), generator=torch.Generator().manual_seed(0))
    luma = luma_of(
        [plane.to(torch.uint8) for plane in codes],
        ColourSpec(layout=PixelLayout(family="rgb", depth=8)),
    )
    weights = torch.tensor([65.481, 128.553, 24.966]).view(3, 1, 1) / 255
    torch.testing.assert_close(luma, 16 + (codes * weights).sum(0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("depth", [8, 10, 16])
def test_luma_does_not_depend_on_how_a_picture_is_stored(
    matrix: Any, full_range: bool, depth: int
) -> None:
    """The same colours have the same luma whatever the matrix, range and depth of their file."""
    rgb = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))
    layout = PixelLayout(family="yuv", depth=depth)
    spec = ColourSpec(layout=layout, matrix=matrix, full_range=full_range)
    kept = luma_of(from_rgb(rgb, spec), spec)
    weights = torch.tensor([65.481, 128.553, 24.966]).view(3, 1, 1)
    step = 2.0 ** (8 - depth)  # one code of the file
    torch.testing.assert_close(kept, 16 + (rgb * weights).sum(0), atol=1.5 * step + 1e-3, rtol=0)


# ---- against other code --------------------------------------------------------------------------

PAIRS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "noise": lambda: (noisy(drawing(), 8), drawing()),
    "blur": lambda: (soft(drawing()), drawing()),
    "almost equal": lambda: (noisy(drawing(), 0.01), drawing()),
    "level": lambda: (drawing() * 0.8 + 10, drawing()),
    "nothing in common": lambda: (drawing(seed=1), 255 - drawing(seed=2)),
    "dark and flat": lambda: (noisy(torch.full((HEIGHT, WIDTH), 17.0), 0.5), drawing() * 0 + 17),
    "odd sides": lambda: (soft(drawing(177, 203)), drawing(177, 203)),
    "busy to the border": lambda: (noisy(drawing(), 60, seed=2), noisy(drawing(), 60, seed=3)),
    "smallest": lambda: (noisy(drawing(176, 176), 3), drawing(176, 176)),
}
on_pairs = pytest.mark.parametrize("pair", PAIRS)


@on_pairs
def test_psnr_and_ssim_are_those_of_torchmetrics(pair: str) -> None:
    """PSNR, SSIM and MS-SSIM equal torchmetrics, computed in float64, to 1e-4."""
    sr, hr = PAIRS[pair]()
    x, y = sr.double()[None, None], hr.double()[None, None]
    ours = Meter().add(sr, hr)
    theirs = {
        "psnr_y": peak_signal_noise_ratio(x, y, data_range=255.0),
        "ssim_y": structural_similarity_index_measure(x, y, data_range=255.0),
        "ms_ssim": multiscale_structural_similarity_index_measure(x, y, data_range=255.0),
    }
    for name, value in theirs.items():
        assert isinstance(value, Tensor)
        assert getattr(ours, name) == pytest.approx(value.item(), abs=1e-4), name


def reference_gmsd(sr: NDArray[Any], hr: NDArray[Any]) -> float:
    """The authors' steps, pixel by pixel: mean of 2 x 2, every second, Prewitt, deviation."""
    maps = []
    for luma in (sr, hr):
        rows, columns = ((side + 1) // 2 for side in luma.shape)
        outside = np.zeros((2 * rows, 2 * columns))
        outside[: luma.shape[0], : luma.shape[1]] = luma
        half = np.zeros((rows + 2, columns + 2))
        for i in range(rows):
            for j in range(columns):
                half[i + 1, j + 1] = outside[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum() / 4
        squares = np.zeros((rows, columns))
        for i in range(rows):
            for j in range(columns):
                window = half[i : i + 3, j : j + 3]
                across = (window[:, 0].sum() - window[:, 2].sum()) / 3
                down = (window[0].sum() - window[2].sum()) / 3
                squares[i, j] = across**2 + down**2
        maps.append(np.sqrt(squares))
    x, y = maps
    quality = (2 * x * y + 170) / (x**2 + y**2 + 170)
    return float(quality.std(ddof=1))


@pytest.mark.parametrize("pair", ["noise", "blur", "level", "odd sides", "nothing in common"])
def test_gmsd_is_that_of_its_authors(pair: str) -> None:
    """GMSD equals the paper's steps done one pixel at a time in float64, also with odd sides."""
    sr, hr = (luma[-81:, -95:] for luma in PAIRS[pair]())
    reference = reference_gmsd(sr.double().numpy(), hr.double().numpy())
    assert scoring.gmsd(sr, hr) == pytest.approx(reference, abs=1e-5)
    assert reference > 1e-3  # the pair does differ


def window(luma: NDArray[Any], i: int, j: int) -> NDArray[Any]:
    return luma[max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3]


def test_overshoot_and_flat_noise_pixel_by_pixel() -> None:
    """Both equal their definitions done one pixel at a time, at the border as well."""
    hr = drawing(60, 70)
    sr = noisy(hr * 1.1 - 8, 2)
    x, y = sr.double().numpy(), hr.double().numpy()
    excess, variances = [], []
    for i, j in np.ndindex(*y.shape):
        near = window(y, i, j)
        excess.append(max(x[i, j] - near.max(), 0) + max(near.min() - x[i, j], 0))
        if near.size == 25 and np.ptp(near) < 2:
            variances.append(window(x, i, j).var())
    assert scoring.overshoot(sr, hr) == pytest.approx(np.mean(excess), rel=1e-4)
    assert scoring.flat_noise(sr, hr) == pytest.approx(np.sqrt(np.mean(variances)), rel=1e-4)
    assert 100 < len(variances) < y.size - 400  # flat here and there
    assert np.mean(excess) > 0.1


# ---- what each measure means ---------------------------------------------------------------------


def test_a_perfect_copy_has_the_best_of_everything() -> None:
    """SR equal to HR is identical, as similar as can be, and has no flicker and no overshoot."""
    meter = Meter()
    for seed in (0, 1):
        scores = meter.add(drawing(seed=seed), drawing(seed=seed))
    for name, best in BEST.items():
        assert getattr(scores, name) == pytest.approx(best, abs=1e-6), name
    assert scores.flat_noise == pytest.approx(0, abs=1e-3)


def test_gradient_energy_tells_soft_from_sharp() -> None:
    """Twice the contrast is four times the energy, blur is less, and a flat HR has no ratio."""
    luma = drawing()
    assert Meter().add(luma * 0.5, luma).gradient_ratio == pytest.approx(0.25)
    assert (Meter().add(soft(luma), luma).gradient_ratio or 9) < 0.5
    assert Meter().add(luma, luma * 0 + 99).gradient_ratio is None
    assert scoring.gradient_energy(torch.tensor([[0.0, 3.0], [0.0, 1.0]])) == 9 + 1 + 0 + 4


def test_flicker_is_change_that_hr_does_not_have() -> None:
    """An error that stands still does not flicker; one that comes and goes does, by its size."""
    meter, one, other = Meter(), drawing(seed=0), drawing(seed=1)
    flicker = [
        meter.add(sr, hr).flicker
        for sr, hr in ((one + 5, one), (other + 5, other), (one + 2, one), (one + 4, one))
    ]
    assert flicker[0] is None
    assert flicker[1:] == pytest.approx([0, 3, 2], abs=1e-5)


def step(column: int, codes: float) -> Tensor:
    luma = torch.full((40, 60), 100.0)
    luma[:, column:] += codes
    return luma


@pytest.mark.parametrize(
    ("sr", "f1"),
    [
        (step(30, 40), 1.0),
        (step(31, 40), 1.0),  # within the tolerance of one pixel
        (step(29, 40), 1.0),
        (step(32, 40), 0.5),  # an edge is two pixels wide: half of it is too far
        (step(30, 15), 0.0),  # too faint for an edge
        (step(35, 40), 0.0),
        (step(30, 40) + step(10, 40), 2 / 3),  # all that was there, and as much again
    ],
)
def test_edges_are_found_and_not_invented(sr: Tensor, f1: float) -> None:
    """F1 is 1 for the same edge moved by one pixel, and falls for lost, moved and extra edges."""
    assert scoring.edge_f1(sr, step(30, 40)) == pytest.approx(f1)


def test_edges_where_there_are_none() -> None:
    """Two flat pictures have no F1; inventing an edge in a flat one is 0."""
    assert scoring.edge_f1(step(30, 15), step(20, 15)) is None
    assert scoring.edge_f1(step(30, 40), step(30, 0)) == 0


def test_flat_noise_sees_noise_and_nothing_else() -> None:
    """Noise of one code is one; a slow gradient, and another flat level, are none."""
    hr = step(30, 40)
    checks = (
        torch.tensor([1.0, -1.0]).repeat(60)[:60] * torch.tensor([1.0, -1.0]).repeat(20)[:, None]
    )
    assert scoring.flat_noise(hr + checks, hr) == pytest.approx((1 - 1 / 625) ** 0.5)
    assert scoring.flat_noise(step(30, 55) - 9, hr) == pytest.approx(0, abs=1e-3)
    slope = torch.arange(60.0).expand(40, 60)
    assert scoring.flat_noise(slope * 0.4, slope * 0.4) == pytest.approx(0.4 * 2**0.5)
    assert scoring.flat_noise(slope * 0.5, slope * 0.5) is None  # a range of 2 codes is not flat


def test_small_pictures_have_no_ms_ssim() -> None:
    """Below 176 pixels on a side MS-SSIM is not defined; all else is."""
    scores = Meter().add(noisy(drawing(175, 200), 5), drawing(175, 200))
    assert scores.ms_ssim is None
    assert [n for n in MEASURES if getattr(scores, n) is None] == ["ms_ssim", "flicker"]


def test_the_clip_is_of_all_frames() -> None:
    """PSNR goes by the mean squared error, the gradient ratio by the sums; the rest are means."""
    hr = drawing()
    pictures = [(hr, hr), (hr + 2, hr), (hr * 0.5, hr * 0.01), (hr + 7, hr)]
    meter = Meter()
    frames = [meter.add(*pair) for pair in pictures]
    clip = meter.clip()
    errors = [float((sr - hr).double().square().mean()) for sr, hr in pictures]
    assert frames[0].psnr_y is None
    assert clip.psnr_y == pytest.approx(10 * np.log10(255**2 / np.mean(errors)))
    energies = [[scoring.gradient_energy(luma) for luma in pair] for pair in pictures]
    assert clip.gradient_ratio == pytest.approx(np.divide(*np.sum(energies, axis=0)))
    assert clip.ssim_y == pytest.approx(np.mean([each.ssim_y for each in frames]))
    assert clip.flicker == pytest.approx(np.mean([each.flicker for each in frames[1:]]))


# ---- files ---------------------------------------------------------------------------------------


def video(path: Path, **options: Any) -> Path:
    """A lossless clip of the moving test picture."""
    return write_video(path, **({"frames": 4, "width": 64, "height": 48, "exact": True} | options))


def colour_video(path: Path, rgb: Sequence[Tensor], spec: ColourSpec, **options: Any) -> Path:
    pictures = []
    pix_fmt = "yuv444p" if spec.layout.depth == 8 else f"yuv444p{spec.layout.depth}le"
    for each in rgb:
        frame = av.VideoFrame(each.shape[2], each.shape[1], pix_fmt)
        for number, plane in enumerate(from_rgb(each, spec)):
            plane_samples(frame, number)[:] = plane.numpy()
        pictures.append(frame)
    height, width = rgb[0].shape[1:]
    return write_video(
        path, pictures=pictures, width=width, height=height, pix_fmt=pix_fmt, codec="ffv1",
        color_range=2 if spec.full_range else 1, **options,
    )  # fmt: skip


def test_files_are_scored_as_their_pictures(tmp_path: Path) -> None:
    """Two files get, frame by frame, the scores of the Y planes that went into them."""
    hr = video(tmp_path / "hr.mkv")
    pictures = [picture(i) for i in (1, 1, 3, 3)]
    sr = video(tmp_path / "sr.mp4", pictures=pictures)
    meter = Meter()
    for index, frame in enumerate(pictures):
        lumas = [frame_planes(each)[0] for each in (frame, picture(index))]
        meter.add(*(torch.from_numpy(luma).float() for luma in lumas))
    warnings: list[str] = []
    result = score_videos(sr, hr, warn=warnings.append)
    assert [each.index for each in result.frames] == [0, 1, 2, 3]
    assert [each.seconds for each in result.frames] == pytest.approx(
        [i / 24 for i in range(4)], abs=1e-3
    )
    for name in MEASURES:
        for frame_scores, expected in zip(result.frames, meter.scores, strict=True):
            ours, theirs = getattr(frame_scores.scores, name), getattr(expected, name)
            assert (ours is None) == (theirs is None), name
            assert ours is None or ours == pytest.approx(theirs, rel=1e-3, abs=1e-3), name
    assert result.clip.psnr_y == pytest.approx(meter.clip().psnr_y, abs=1e-3)
    assert warnings == ["MS-SSIM needs 176 pixels on each side; it is left out"]


def test_files_are_compared_by_their_own_tags(tmp_path: Path) -> None:
    """10 bit, full range and BT.709 beside 8 bit, limited and BT.601 is the same picture."""
    random = torch.Generator().manual_seed(0)
    rgb = [torch.rand(3, 48, 64, generator=random) for _ in range(2)]
    hr = colour_video(tmp_path / "hr.mkv", rgb, PLAIN, matrix=6)
    deep = ColourSpec(layout=PixelLayout(family="yuv", depth=10), matrix="bt709", full_range=True)
    sr = colour_video(tmp_path / "sr.mkv", rgb, deep, matrix=1)
    assert (score_videos(sr, hr, warn=print).clip.psnr_y or 99) > 50
    mistagged = colour_video(tmp_path / "wrong.mkv", rgb, deep, matrix=6)
    assert (score_videos(mistagged, hr, warn=print).clip.psnr_y or 99) < 35


def test_the_border_can_be_left_out(tmp_path: Path) -> None:
    """With a crop only what lies inside counts, and the size says so."""
    damaged = [picture(i) for i in range(2)]
    for frame in damaged:
        plane_samples(frame, 0)[:, :3] = 200
    hr, sr = video(tmp_path / "hr.mkv", frames=2), video(tmp_path / "sr.mkv", pictures=damaged)
    assert score_videos(sr, hr, warn=print).clip.psnr_y is not None
    inside = score_videos(sr, hr, crop=3, warn=print)
    assert inside.clip.psnr_y is None
    assert (inside.width, inside.height, inside.crop) == (58, 42, 3)


def test_other_lengths_are_compared_as_far_as_they_go(tmp_path: Path) -> None:
    """Of a longer and a shorter video the common part counts, with a warning that names both."""
    long, short = video(tmp_path / "long.mkv", frames=5), video(tmp_path / "short.mkv", frames=3)
    for sr, hr in ((long, short), (short, long)):
        warnings: list[str] = []
        result = score_videos(sr, hr, warn=warnings.append)
        assert len(result.frames) == 3
        (length,) = [text for text in warnings if "MS-SSIM" not in text]
        assert f"{short} ends after 3 frames and {long} goes on" in length
        warnings.clear()
        assert len(score_videos(sr, hr, frames=2, warn=warnings.append).frames) == 2
        assert [text for text in warnings if "MS-SSIM" not in text] == []


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])  # AVI's clock has one tick a frame
def test_other_times_are_noted(tmp_path: Path, suffix: str) -> None:
    """The n-th picture is compared with the n-th, and pictures at other times are told."""
    hr = video(tmp_path / f"hr{suffix}", frames=4, codec="ffv1")
    tick = Fraction(1, 1000)
    shifted = video(
        tmp_path / "s.mkv", pts=[500, 542, 625, 667], time_base=tick
    )  # a frame fell out
    warnings: list[str] = []
    result = score_videos(shifted, hr, warn=warnings.append)
    assert result.clip.psnr_y is None
    (note,) = [text for text in warnings if "MS-SSIM" not in text]
    assert "2 of the pairs" in note
    assert "0.125 s and 0.083 s" in note


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".ts", ".y4m"])
def test_rounded_times_are_the_same(tmp_path: Path, suffix: str) -> None:
    """Clocks of other containers, and a first picture that is not at zero, are no difference."""
    hr = video(tmp_path / "hr.mkv", frames=30, rate=Fraction(24000, 1001))
    sr = video(tmp_path / f"sr{suffix}", frames=30, rate=Fraction(24000, 1001))
    warnings: list[str] = []
    score_videos(sr, hr, warn=warnings.append)
    assert [text for text in warnings if "time" in text] == []


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"rotation": 90}, "shown rotated"),
        ({"primaries": 9, "transfer": 16, "matrix": 9}, "high dynamic range"),
    ],
)
def test_what_is_shown_otherwise_is_told(tmp_path: Path, tags: dict[str, Any], words: str) -> None:
    """A rotated or an HDR video beside a plain one is compared, with a warning that says so."""
    plain, other = video(tmp_path / "plain.mp4"), video(tmp_path / "other.mp4", **tags)
    for sr, hr in ((plain, other), (other, plain)):
        warnings: list[str] = []
        score_videos(sr, hr, warn=warnings.append)
        assert len([text for text in warnings if words in text]) == 1
    warnings.clear()
    score_videos(other, other, warn=warnings.append)
    assert [text for text in warnings if words in text] == []


def test_damage_is_told_with_the_name_of_its_file(tmp_path: Path) -> None:
    """What the reader has to say of one of the two begins with which it is."""
    good, bad = video(tmp_path / "good.mkv", frames=8, gop=1), tmp_path / "bad.mkv"
    bad.write_bytes(good.read_bytes())
    corrupt_blocks(bad, [3])
    warnings: list[str] = []
    result = score_videos(bad, good, warn=warnings.append)
    assert len(result.frames) == 8
    assert [text for text in warnings if text.startswith(f"{bad}: ")] != []


def test_memory_does_not_grow_with_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more pictures are kept than the pair and the pair before it."""
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    counts = []
    cropped = evaluate._cropped

    def counted(luma: Tensor, crop: int) -> Tensor:
        picture = cropped(luma, crop)
        alive.add(picture)
        counts.append(len(alive))
        return picture

    monkeypatch.setattr(evaluate, "_cropped", counted)
    path = video(tmp_path / "a.mkv", frames=12)
    score_videos(path, path, warn=print)
    assert len(counts) == 24
    assert max(counts) == 4


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    """Each measure is a row with the clip's value and the frames at the ends; frames on request."""
    sr = video(tmp_path / "sr.mkv", exact=False)
    hr = video(tmp_path / "hr.mkv")
    outcome = animesr("evaluate", sr, hr)
    assert outcome.exit_code == 0
    assert "sr.mkv beside hr.mkv: 4 frames, 64x48" in outcome.stdout
    rows = outcome.stdout.splitlines()
    for measure in MEASURES.values():
        (row,) = [row for row in rows if row.startswith(measure.heading)]
        assert row.split()[-1] == measure.best
    each = animesr("evaluate", sr, hr, "--per-frame")
    numbers = [row.split()[0] for row in each.stdout.splitlines()[1:5]]
    assert numbers == ["0", "1", "2", "3"]


def test_the_command_prints_json(tmp_path: Path) -> None:
    """JSON has the clip's scores and those of each frame; what is not defined is null."""
    path = video(tmp_path / "a.mkv", width=WIDTH, height=HEIGHT, frames=2)
    outcome = animesr("evaluate", path, path, "--crop", "2", "--json")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    result = json.loads(outcome.stdout, parse_constant=refuse)
    assert outcome.stderr == ""
    assert [frame["index"] for frame in result["frames"]] == [0, 1]
    assert set(result["frames"][0]) == {"index", "seconds", *MEASURES}
    assert (result["width"], result["height"], result["crop"]) == (WIDTH - 4, HEIGHT - 4, 2)
    for scores in (result["clip"], result["frames"][1]):
        assert {name: scores[name] for name in BEST} == pytest.approx(BEST)
    assert result["frames"][0]["flicker"] is None


def test_the_command_refuses_what_cannot_be_compared(tmp_path: Path) -> None:
    """Other sizes, borders that leave nothing, and files that are none are one line each."""
    small, large = video(tmp_path / "s.mkv"), video(tmp_path / "l.mkv", width=128, height=96)
    animesr("evaluate", small, large).refused(2, "64x48", "128x96", "--width 128 --height 96")
    animesr("evaluate", small, small, "--crop", "19").refused(2, "border of 19", "11x11")
    animesr("evaluate", small, tmp_path / "none.mkv").refused(3, "none.mkv")
    with pytest.raises(UsageError, match="not -1"):
        score_videos(small, small, crop=-1)


def test_scores_are_plain_values() -> None:
    """The measures that are promised are the fields, in the order of the table."""
    assert tuple(Scores.__dataclass_fields__) == tuple(MEASURES)
