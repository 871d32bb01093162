"""The sheet of a comparison, and what is drawn over its clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from animesr_cli.compare.report import (
    Layout,
    Moment,
    Report,
    ResultRow,
)
from animesr_cli.compare.sheet import WINDOW, busiest, draw_sheet, row_of, small
from animesr_cli.compare.split_screen import edges, make_overlay
from animesr_cli.metrics.measures import Scores


def layout(width: int, height: int, aspect: str = "1") -> Layout:
    return Layout(
        width=width, height=height, sample_aspect_ratio=Fraction(aspect), display_matrix=None,
        depth=8, primaries=2, transfer=2,
    )  # fmt: skip


def test_the_busiest_window_is_found() -> None:
    """Where the picture changes most, as far as a window of that size can show it."""
    picture = torch.full((3, 300, 400), 128, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(1)
    picture[:, 200:260, 280:360] = torch.randint(0, 255, (3, 60, 80), generator=generator).byte()
    window = busiest(picture, 120, 100)
    assert (window.width, window.height) == (120, 100)
    assert window.left <= 280 <= 360 <= window.left + 120
    assert window.top <= 200 <= 260 <= window.top + 100
    assert picture[window.index].shape == (3, 100, 120)


def test_a_window_is_no_larger_than_its_picture() -> None:
    """Small pictures are shown whole."""
    window = busiest(torch.zeros(3, 20, 30, dtype=torch.uint8), 400, 300)
    assert (window.left, window.top, window.width, window.height) == (0, 0, 30, 20)


def test_cells_show_the_same_pixels_of_all() -> None:
    """At 100 %, unchanged, the same window for every candidate."""
    generator = torch.Generator().manual_seed(2)
    one = torch.randint(0, 255, (3, 700, 900), generator=generator).byte()
    other = 255 - one
    row = row_of(1.5, [one, other], layout(900, 700))
    assert [tuple(cell.shape) for cell in row.cells] == [(3, WINDOW[1], WINDOW[0])] * 2
    assert torch.equal(row.cells[1], 255 - row.cells[0])
    place = (one[0].unfold(0, 8, 4).unfold(1, 8, 4) == row.cells[0][0, :8, :8]).all(-1).all(-1)
    assert place.any() or row.cells[0].float().std() > 60


@pytest.mark.parametrize(("aspect", "size"), [("2", WINDOW[::-1]), ("1/2", WINDOW[::-1])])
def test_cells_have_the_shape_of_the_screen(aspect: str, size: tuple[int, int]) -> None:
    """Pixels that are not square are made so, by enlarging."""
    row = row_of(1.5, [torch.zeros(3, 700, 900, dtype=torch.uint8)], layout(900, 700, aspect))
    assert tuple(row.cells[0].shape[1:]) == size


def test_deep_pictures_are_reduced() -> None:
    """HDR pictures have 16 bits, the sheet 8."""
    codes = torch.full((3, 40, 60), 0x8040, dtype=torch.uint16)
    assert int(small(codes, layout(60, 40), 30).max()) == 0x80


@pytest.mark.parametrize(("width", "height", "count"), [(900, 700, 2), (40, 24, 5), (1, 1, 1)])
def test_a_sheet_holds_all_cells(width: int, height: int, count: int) -> None:
    """Every cell lies on it unchanged, also with pictures smaller than the words about them."""
    generator = torch.Generator().manual_seed(3)
    pictures = [
        torch.randint(0, 255, (3, height, width), generator=generator).byte() for _ in range(count)
    ]
    rows = [row_of(1.5, pictures, layout(width, height)) for _ in range(2)]
    scores = Scores(
        psnr_y=31.5, ssim_y=0.9, ms_ssim=None, gmsd=0.1, gradient_ratio=1, flicker=None,
        edge_f1=None, overshoot=0.1, flat_noise=None,
    )  # fmt: skip
    report = Report(
        clip=Path("a clip.mkv"), width=width, height=height, frames=10,
        layout=layout(width, height), device="cpu fp32", reference=Path("hr.mkv"),
        entries=tuple(ResultRow(name=f"candidate {n}", kind="network") for n in range(count)),
        moments=(Moment(seconds=1.5, run_up=3, scores=(scores,) * count),) * 2,
    )  # fmt: skip
    sheet = draw_sheet(report, rows, "of a test")
    assert sheet.dtype == torch.uint8
    for row in rows:
        for cell in row.cells:
            corner = cell[:, : min(3, height), : min(3, width)]
            windows = sheet.unfold(1, corner.shape[1], 1).unfold(2, corner.shape[2], 1)
            assert (windows == corner[:, None, None]).all(-1).all(-1).all(0).any()


def test_dividers_stand_between_the_strips() -> None:
    """One less than there are strips, each over the whole height; names at the lower edge."""
    overlay = make_overlay(["a", "b", "c"], 240, 600, torch.device("cpu"))
    assert edges(600, 3) == [0, 200, 400, 600]
    full = (overlay.light == 1).all(0).nonzero().flatten().tolist()
    assert full == [199, 200, 399, 400]
    picture = overlay.over(torch.full((3, 240, 600), 0.5))
    assert torch.equal(picture[:, :190, :190], torch.full((3, 190, 190), 0.5))
    assert picture[:, 200:, :190].max() > 0.9
    assert picture[:, 200:, :190].min() < 0.3


@pytest.mark.parametrize(("height", "width", "count"), [(8, 8, 2), (16, 500, 9), (2000, 30, 3)])
def test_an_overlay_fits_any_picture(height: int, width: int, count: int) -> None:
    """Names that do not fit are cut, and nothing fails."""
    names = ["a long name of a checkpoint"] * count
    overlay = make_overlay(names, height, width, torch.device("cpu"))
    assert overlay.light.shape == overlay.shade.shape == (height, width)
