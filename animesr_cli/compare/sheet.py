"""The PNG sheet of a comparison: a row for each moment, a column for each candidate, at 100 %.

Whole pictures would be too small to tell candidates apart, so each row shows the same window of
all: where the picture has the most detail. The whole picture, with the window marked, stands in
front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from animesr_cli.compare.report import Layout, Report, ResultRow
from animesr_cli.metrics.measures import MEASURES
from animesr_cli.model.resample import resample
from animesr_cli.model.tiles import Region
from animesr_cli.pages.lettering import draw, fitted
from animesr_cli.video.timestamps import format_clock, format_speed

# Pixels of the sheet.
WINDOW: Final = (480, 360)
"""Width and height of what is shown of each picture."""
OVERVIEW_WIDTH: Final = 260
LEAST_COLUMN: Final = 250
"""Narrower pictures still get room for the words about them."""
MARGIN: Final = 28
GUTTER: Final = 10
TITLE, TEXT, SMALL = 17, 12, 10  # height of capitals
LINE: Final = 26
SEARCH_STEP: Final = 8
"""Distance between the places at which a window is tried."""
CAPTION: Final = ("psnr_y", "ssim_y")
"""The measures that stand below each picture."""

Ink = tuple[int, int, int]
GROUND: Final = 22
INK: Final[Ink] = (233, 235, 238)
QUIET: Final[Ink] = (150, 157, 168)
MARK: Final[Ink] = (121, 168, 255)


@dataclass(frozen=True)
class Row:
    """What the sheet keeps of one moment, as uint8 (3, H, W) with square pixels."""

    seconds: float
    overview: Tensor
    cells: tuple[Tensor, ...]


# ---- one row -------------------------------------------------------------------------------------


def row_of(seconds: float, pictures: Sequence[Tensor], layout: Layout) -> Row:
    """Reduce a moment to its row; the last picture (the reference, if any) chooses the window.

    Args:
        pictures: of each result, (3, H, W) of uint8 or uint16, as stored.
    """
    shown = [layout.turned(_eight_bits(codes)) for codes in pictures]
    across, down = layout.pixel_shape
    window = busiest(shown[-1], round(WINDOW[0] / across), round(WINDOW[1] / down))
    return Row(
        seconds=seconds,
        overview=_overview(shown[-1], window, layout),
        cells=tuple(_square(picture[window.index], across, down) for picture in shown),
    )


def _eight_bits(codes: Tensor) -> Tensor:
    return codes if codes.dtype == torch.uint8 else (codes.to(torch.int32) >> 8).to(torch.uint8)


def busiest(picture: Tensor, width: int, height: int) -> Region:
    """The window of at most this size in which luma changes most."""
    rows, columns = picture.shape[1:]
    height, width = min(height, rows), min(width, columns)
    luma = picture.float().mean(0)
    change = functional.pad(luma.diff(dim=0).abs(), (0, 0, 0, 1))
    change += functional.pad(luma.diff(dim=1).abs(), (0, 1))
    sums = functional.pad(change.double().cumsum(0).cumsum(1), (1, 0, 1, 0))
    tops = torch.arange(0, rows - height + 1, SEARCH_STEP)
    lefts = torch.arange(0, columns - width + 1, SEARCH_STEP)
    inside = (
        sums[tops + height][:, lefts + width]
        - sums[tops + height][:, lefts]
        - sums[tops][:, lefts + width]
        + sums[tops][:, lefts]
    )
    best = int(inside.argmax())
    top, left = tops[best // len(lefts)], lefts[best % len(lefts)]
    return Region(int(top), int(left), height, width)


def _square(picture: Tensor, across: float, down: float) -> Tensor:
    """Resample to square pixels, which only ever enlarges."""
    height, width = (round(s * by) for s, by in zip(picture.shape[1:], (down, across), strict=True))
    return _resized(picture, height, width)


def _resized(picture: Tensor, height: int, width: int) -> Tensor:
    resized = resample(picture.float(), height, width)
    return resized.round().clamp_(0, 255).to(torch.uint8)


def small(codes: Tensor, layout: Layout, width: int) -> Tensor:
    """The whole picture as it is shown, uint8 (3, H, width)."""
    across, down = layout.shown_size
    picture = layout.turned(_eight_bits(codes))
    return _resized(picture, max(round(width * down / across), 1), width)


def _overview(picture: Tensor, window: Region, layout: Layout) -> Tensor:
    across, down = layout.shown_size
    width = min(OVERVIEW_WIDTH, round(across))
    height = max(round(width * down / across), 1)
    overview = _resized(picture, height, width)
    if (window.height, window.width) == tuple(picture.shape[1:]):
        return overview
    by_x, by_y = width / picture.shape[2], height / picture.shape[1]
    left, top = round(window.left * by_x), round(window.top * by_y)
    right, bottom = min(round(window.right * by_x), width), min(round(window.bottom * by_y), height)
    _frame(overview, left, top, right, bottom)
    return overview


def _frame(picture: Tensor, left: int, top: int, right: int, bottom: int) -> None:
    ink = torch.tensor(MARK, dtype=torch.uint8)[:, None, None]
    inner = picture[:, top + 2 : bottom - 2, left + 2 : right - 2].clone()
    picture[:, top:bottom, left:right] = ink
    picture[:, top + 2 : bottom - 2, left + 2 : right - 2] = inner


# ---- the sheet -----------------------------------------------------------------------------------


def draw_sheet(report: Report, rows: Sequence[Row], subtitle: str) -> Tensor:
    """(3, H, W) uint8: heading, columns with their names and speed, and the rows."""
    cell_width = max(*(cell.shape[2] for row in rows for cell in row.cells), LEAST_COLUMN)
    columns = len(report.entries)
    heights = [
        max(row.overview.shape[1] + LINE, *(cell.shape[1] for cell in row.cells)) for row in rows
    ]
    captions = LINE if report.reference else 0
    left = MARGIN + max(*(row.overview.shape[2] for row in rows), LEAST_COLUMN) + GUTTER
    width = left + columns * (cell_width + GUTTER) - GUTTER + MARGIN
    top = MARGIN + 2 * LINE + GUTTER + 2 * LINE
    height = top + sum(heights) + len(rows) * (GUTTER + captions) + MARGIN
    sheet = torch.full((3, height, width), GROUND, dtype=torch.uint8)
    _write(sheet, report.clip.name, MARGIN, MARGIN, TITLE, INK, width - 2 * MARGIN)
    _write(sheet, subtitle, MARGIN, MARGIN + LINE + 4, TEXT, QUIET, width - 2 * MARGIN)
    for column, entry in enumerate(report.entries):
        x = left + column * (cell_width + GUTTER)
        _write(sheet, entry.name, x, top - 2 * LINE, TEXT + 1, INK, cell_width)
        _write(sheet, _measured(entry), x, top - LINE - 2, SMALL, QUIET, cell_width)
    for number, (row, row_height) in enumerate(zip(rows, heights, strict=True)):
        _place(sheet, row.overview, MARGIN, top)
        _write(sheet, format_clock(row.seconds), MARGIN, top + row.overview.shape[1] + 6, TEXT, INK)
        for column, cell in enumerate(row.cells):
            x = left + column * (cell_width + GUTTER)
            _place(sheet, cell, x, top)
            scores = report.moments[number].scores[column]
            if scores is not None:
                parts = [MEASURES[name].in_words(getattr(scores, name)) for name in CAPTION]
                _write(
                    sheet, ", ".join(parts), x, top + cell.shape[1] + 3, SMALL, QUIET, cell_width
                )
        top += row_height + GUTTER + captions
    return sheet


def _measured(entry: ResultRow) -> str:
    if entry.frames_per_second is None:
        return entry.how
    return f"{entry.how}, {format_speed(entry.frames_per_second)} frames/s"


def _place(sheet: Tensor, picture: Tensor, x: int, y: int) -> None:
    sheet[:, y : y + picture.shape[1], x : x + picture.shape[2]] = picture


def _write(
    sheet: Tensor, words: str, x: int, y: int, height: int, ink: Ink, width: int | None = None
) -> None:
    draw(sheet, fitted(words, height, width or sheet.shape[2]), x, y, ink)
