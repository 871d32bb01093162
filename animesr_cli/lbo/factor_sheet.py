"""What a person chooses a rescaling factor by: a page and a picture of patches by factors.

The page shows every patch at every factor at 100 %, which is one image pixel on one pixel of the
screen, zoom, and on a click the command to run; ``factor_sheet.html`` is its template. The picture
is the same grid for wherever there is no browser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.atomic_files import check_place, write_file
from animesr_cli.file_names import check_name
from animesr_cli.lbo.factor_sweep import Sweep, TriedPatch
from animesr_cli.lbo.pseudo_hr import HR_SCALE, resized
from animesr_cli.lbo.ranking import RANKING_TITLES, factor_text, ranking_row
from animesr_cli.pages.html import render
from animesr_cli.pages.lettering import draw, lettering
from animesr_cli.video.colour import from_bytes, to_bytes
from animesr_cli.video.timestamps import format_clock
from animesr_cli.writing.png import encode_png

INPUT: Final = "input"
"""The first column: the LR patch, enlarged bicubically to the size of the others."""

GAP_PX: Final = 4
HEAD_PX: Final = 30
TEXT_PX: Final = 11
"""Height of capitals."""
BACKGROUND: Final = (48, 48, 48)
INK: Final = (230, 230, 230)
BEST: Final = (255, 205, 90)


def enlarged(lr: Tensor) -> Tensor:
    """(3, h, w) uint8 -> (3, 2h, 2w) uint8, bicubic."""
    size = [HR_SCALE * side for side in lr.shape[1:]]
    return to_bytes(resized(from_bytes(lr[None]), *size)[0])


# ---- the picture ---------------------------------------------------------------------------------


def sheet_png(tried: Sweep) -> bytes:
    """The grid as one PNG picture: a row for each patch, a column for each factor, at 100 %."""
    rows = [(enlarged(patch.lr), *patch.results) for patch in tried.patches]
    height, width = rows[0][0].shape[1:]
    size = HEAD_PX + len(rows) * (height + GAP_PX), len(rows[0]) * (width + GAP_PX)
    ground = torch.tensor(BACKGROUND, dtype=torch.uint8)[:, None, None]
    sheet = ground.repeat(1, size[0] - GAP_PX, size[1] - GAP_PX)
    ranks = tried.ranks
    titles = [(INPUT, INK)]
    titles += [
        (f"{factor_text(f)}  #{ranks[f]}", BEST if f == tried.best else INK) for f in tried.factors
    ]
    for column, (title, colour) in enumerate(titles):
        draw(sheet, lettering(title, TEXT_PX), column * (width + GAP_PX) + GAP_PX, 6, colour)
    for row, pictures in enumerate(rows):
        top = HEAD_PX + row * (height + GAP_PX)
        for column, picture in enumerate(pictures):
            left = column * (width + GAP_PX)
            sheet[:, top : top + height, left : left + width] = picture
    return encode_png(sheet)


# ---- the page ------------------------------------------------------------------------------------

STATISTICS: Final = (
    "Flat energy: mean squared gradient where the input is flat, in codes² a pixel; noise, "
    "blocks and invented texture raise it. Overshoot: how far luma beside edges leaves the range "
    "that the input has nearby, in codes; halos raise it. Sharpness: how steep lines are, compared "
    "with a bicubic enlargement; below 1 detail was lost, and such factors come last. Score: the "
    "logarithm of sharpness over both artifacts."
)


def _patch(patch: TriedPatch) -> dict[str, object]:
    """What the template shows of one patch."""
    seen = enlarged(patch.lr)
    return {
        "where": f"at {format_clock(patch.seconds)}",
        "width": seen.shape[2],
        "input": encode_png(seen),
        "results": [encode_png(result) for result in patch.results],
    }


def sheet_html(tried: Sweep, commands: Mapping[str, str]) -> str:
    """The page; ``commands`` has for each factor, as ``factor_text`` writes it, what to run."""
    ranks = tried.ranks
    return render(
        "lbo/factor_sheet.html",
        title=f"Factors for {tried.clip.name}",
        clip=tried.clip.name,
        model=tried.model,
        first=factor_text(tried.best),
        input=INPUT,
        factors=[{"name": factor_text(each), "rank": ranks[each]} for each in tried.factors],
        patches=[_patch(patch) for patch in tried.patches],
        titles=RANKING_TITLES,
        rows=[
            {"cells": ranking_row(rank, each), "keeps_detail": each.keeps_detail}
            for rank, each in enumerate(tried.ranking, 1)
        ],
        explanation=STATISTICS,
        commands=dict(commands),
    )


# ---- files ---------------------------------------------------------------------------------------


def sheet_paths(output: Path) -> tuple[Path, Path]:
    """The page and the picture that go with an operator's file."""
    stem = f"{output.stem}_sheet"
    return output.with_name(f"{stem}.html"), output.with_name(f"{stem}.png")


def check_sheet(clip: Path, output: Path, *, overwrite: bool) -> None:
    """Raise where the sheet of an operator's file must not or cannot be written."""
    for path in sheet_paths(output):
        check_name(path)
        check_place(path, clip, overwrite=overwrite)


def write_sheet(tried: Sweep, output: Path, command: Callable[[str], str]) -> tuple[Path, Path]:
    """Write the page and the picture, and tell where.

    Args:
        command: what to run for a factor, which it is given as text.
    """
    page, picture = sheet_paths(output)
    names = map(factor_text, tried.factors)
    content = sheet_html(tried, {name: command(name) for name in names}).encode()
    write_file(picture, sheet_png(tried))
    write_file(page, content)
    return page, picture
