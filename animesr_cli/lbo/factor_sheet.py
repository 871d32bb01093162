"""What a person chooses a rescaling factor by: a page and a picture of patches by factors.

The page is one file that asks for nothing from outside: every patch at every factor at 100 %, which
is one image pixel on one pixel of the screen, zoom, and on a click the command to run. The picture
is the same grid for wherever there is no browser. It does not know how anything was made or ranked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.atomic_files import check_name, check_place
from animesr_cli.lbo.factor_sweep import (
    CODES,
    HR_SCALE,
    FactorStatistics,
    Sweep,
    TriedPatch,
    resized,
    sweep,
)
from animesr_cli.pages.html import document, json_text, text
from animesr_cli.pages.lettering import draw, lettering
from animesr_cli.training.state import write_file
from animesr_cli.video.timestamps import format_time
from animesr_cli.writing.png import data_uri, encode_png

log = logging.getLogger(__name__)

Warn = Callable[[str], None]

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
    picture = resized(lr[None].float().div(CODES), size[0], size[1])[0]
    return picture.mul_(CODES).round_().to(torch.uint8)


def ranks_of(tried: Sweep) -> dict[float, int]:
    """Of each factor, 1 for the best."""
    return {each.factor: rank for rank, each in enumerate(tried.ranking, 1)}


def factor_text(factor: float) -> str:
    """``0.5``, ``1.0``, ``0.45``."""
    return f"{factor:.1f}" if round(factor, 1) == factor else f"{factor:g}"


# ---- the picture ---------------------------------------------------------------------------------


def sheet_png(tried: Sweep) -> bytes:
    """The grid as one PNG picture: a row for each patch, a column for each factor, at 100 %."""
    rows = [(enlarged(patch.lr), *patch.results) for patch in tried.patches]
    height, width = rows[0][0].shape[1:]
    size = HEAD_PX + len(rows) * (height + GAP_PX), len(rows[0]) * (width + GAP_PX)
    ground = torch.tensor(BACKGROUND, dtype=torch.uint8)[:, None, None]
    sheet = ground.repeat(1, size[0] - GAP_PX, size[1] - GAP_PX)
    ranks = ranks_of(tried)
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


# ---- what pages share ----------------------------------------------------------------------------

STYLE: Final = """
body { padding: 16px 18px 90px; }
p { max-width: 62rem; margin: 6px 0; }
.quiet { color: var(--quiet); font-size: 13px; }
.bar { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; margin: 12px 0; }
table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 18px 3px 0; text-align: right; font-weight: normal; }
th { color: var(--quiet); vertical-align: bottom; }
.pictures { width: max-content; min-width: 100%; background: #303030; color: #e6e6e6;
  padding: 0 8px 8px; }
.row { display: flex; gap: 4px; width: max-content; margin-bottom: 4px; }
.row img { display: block; image-rendering: pixelated; }
"""
ZOOM_SCRIPT: Final = """
'use strict';
let zoom = 1;
const zoomButtons = [...document.querySelectorAll('[data-zoom]')];
function resize() {
  // One pixel of an image is one of the screen at 100 %, whatever the screen's density.
  const images = [...document.querySelectorAll('img[data-width]')];
  for (const image of images)
    image.style.width = image.dataset.width * zoom / devicePixelRatio + 'px';
  for (const each of zoomButtons)
    each.setAttribute('aria-pressed', Number(each.dataset.zoom) === zoom);
}
for (const each of zoomButtons)
  each.addEventListener('click', () => { zoom = Number(each.dataset.zoom); resize(); });
addEventListener('resize', resize);
resize();
"""
ZOOM_BUTTONS: Final = "<span>zoom</span> " + " ".join(
    f'<button type="button" data-zoom="{zoom}">{100 * zoom} %</button>' for zoom in (1, 2, 4)
)


def picture_element(picture: Tensor, alt: str, *, pixel: int = 1) -> str:
    """(3, H, W) uint8 as HTML; at 100 % each of its pixels is shown as ``pixel`` by ``pixel``."""
    source = data_uri(encode_png(picture))
    return f'<img src="{source}" alt="{text(alt)}" data-width="{picture.shape[2] * pixel}">'


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table of texts."""
    head = "".join(f"<th>{text(title)}</th>" for title in titles)
    lines = ["".join(f"<td>{text(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"


# ---- the page ------------------------------------------------------------------------------------

_STYLE: Final = """
.cell { padding: 0; border: 0; border-radius: 0; background: none; min-height: 0; flex: none;
  order: var(--place); text-align: left; }
.ranked .cell { order: var(--rank); }
.head { position: sticky; top: 0; z-index: 2; background: #303030; padding-top: 6px; }
.cell:first-child { position: sticky; left: 0; background: #303030; z-index: 1; }
.head .cell { padding: 2px 4px; color: inherit; overflow: hidden; white-space: nowrap; }
.head .best { color: #ffcd5a; }
button.chosen { outline: 3px solid #ffcd5a; outline-offset: -3px; }
.head button.chosen { outline: none; background: #ffcd5a; color: #202020; }
tr.lost td { color: var(--quiet); }
#run { position: fixed; z-index: 3; left: 0; right: 0; bottom: 0; background: var(--panel);
  border-top: 1px solid var(--line); padding: 10px 18px; display: flex; gap: 12px;
  align-items: center; }
#run code { overflow-wrap: anywhere; user-select: all; }
"""
_SCRIPT: Final = """
const commands = JSON.parse(document.getElementById('commands').textContent);
const command = document.getElementById('command'), copy = document.getElementById('copy');
function choose(factor) {
  for (const each of document.querySelectorAll('[data-factor]'))
    each.classList.toggle('chosen', each.dataset.factor === factor);
  command.textContent = commands[factor];
  copy.hidden = false;
  copy.textContent = 'Copy';
}
document.getElementById('grid').addEventListener('click', event => {
  const cell = event.target.closest('[data-factor]');
  if (cell) choose(cell.dataset.factor);
});
copy.addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(command.textContent);
    copy.textContent = 'Copied';
  } catch (error) {  // not allowed here: what is marked can be copied by hand
    getSelection().selectAllChildren(command);
    copy.textContent = 'Press Ctrl+C';
  }
});
const order = document.getElementById('order');
order.addEventListener('click', () => {
  const ranked = document.getElementById('grid').classList.toggle('ranked');
  order.setAttribute('aria-pressed', ranked);
});
const headings = [...document.querySelectorAll('.head .cell')];
new ResizeObserver(() => {
  const image = document.querySelector('.row img');
  for (const each of headings) each.style.width = image.getBoundingClientRect().width + 'px';
}).observe(document.querySelector('.row img'));
"""

STATISTICS: Final = (
    "Gradient energy: mean squared gradient where the input is flat, in codes² a pixel; noise, "
    "blocks and invented texture raise it. Overshoot: how far luma beside edges leaves the range "
    "that the input has nearby, in codes; halos raise it. Sharpness: how steep lines are, compared "
    "with a bicubic enlargement; below 1 detail was lost, and such factors come last. Score: the "
    "logarithm of sharpness over both artifacts."
)
TITLES: Final = ("rank", "factor", "gradient energy", "overshoot", "sharpness", "score")


def statistics_row(rank: int, each: FactorStatistics) -> tuple[str, ...]:
    """One factor's line of a table under ``TITLES``."""
    return (
        str(rank),
        factor_text(each.factor),
        f"{each.flat_energy:.2f}",
        f"{each.overshoot:.2f}",
        f"{each.sharpness:.2f}" + ("" if each.keeps_detail else " (lost)"),
        f"{each.score:.2f}",
    )


def _cell(inside: str, place: int, rank: int, factor: float | None, style: str = "") -> str:
    order = f'style="--place:{place};--rank:{rank}"'
    if factor is None:
        return f'<div class="cell" {order}>{inside}</div>'
    name = factor_text(factor)
    return (
        f'<button type="button" class="cell {style}" {order} data-factor="{name}" '
        f'title="factor {name}, rank {rank}">{inside}</button>'
    )


def _head(tried: Sweep) -> str:
    ranks = ranks_of(tried)
    cells = [_cell(INPUT, 0, 0, None)]
    for place, factor in enumerate(tried.factors, 1):
        style = "best" if factor == tried.best else ""
        cells.append(
            _cell(f"{factor_text(factor)} · #{ranks[factor]}", place, ranks[factor], factor, style)
        )
    return f'<div class="row head">{"".join(cells)}</div>'


def _row(tried: Sweep, patch: TriedPatch) -> str:
    ranks = ranks_of(tried)
    where = f"at {format_time(patch.seconds)}"
    cells = [_cell(picture_element(enlarged(patch.lr), f"{INPUT}, {where}"), 0, 0, None)]
    for place, (factor, result) in enumerate(zip(tried.factors, patch.results, strict=True), 1):
        element = picture_element(result, f"factor {factor_text(factor)}, {where}")
        cells.append(_cell(element, place, ranks[factor], factor))
    return f'<div class="row">{"".join(cells)}</div>'


def sheet_html(tried: Sweep, commands: Mapping[str, str]) -> str:
    """The page; ``commands`` has for each factor, as ``factor_text`` writes it, what to run."""
    rows = [statistics_row(rank, each) for rank, each in enumerate(tried.ranking, 1)]
    body = f"""
<h1>Which factor suits {text(tried.clip.name)}?</h1>
<p>Each column is the clip, rescaled by a factor, super-resolved with {text(tried.model)} and
brought to twice its size. Look for the column whose lines are clean and sharp and which still shows
all that the input shows; usually it is about 0.5. A click shows the command to run.</p>
<div class="bar">{ZOOM_BUTTONS}
<button type="button" id="order" aria-pressed="false">order by rank</button></div>
<div class="pictures" id="grid">
{_head(tried)}
{"".join(_row(tried, patch) for patch in tried.patches)}</div>
{table(TITLES, rows)}
<p class="quiet">{text(STATISTICS)} The ranking is an aid: trust your eyes.</p>
<div id="run"><code id="command">Click a picture.</code>
<button type="button" id="copy" hidden>Copy</button></div>
<script type="application/json" id="commands">{json_text(dict(commands))}</script>"""
    return document(
        title=f"Factors for {tried.clip.name}",
        body=body,
        style=STYLE + _STYLE,
        script=ZOOM_SCRIPT + _SCRIPT,
    )


# ---- files ---------------------------------------------------------------------------------------


def sheet_paths(output: Path) -> tuple[Path, Path]:
    """The page and the picture that go with an operator's file."""
    stem = f"{output.stem}_sheet"
    return output.with_name(f"{stem}.html"), output.with_name(f"{stem}.png")


def compare_factors(
    clip: Path,
    output: Path,
    command: Callable[[str], str],
    *,
    model: str,
    device: str = "auto",
    overwrite: bool = False,
    warn: Warn = log.warning,
    listen: Callable[[], None] = lambda: None,
    on_trial: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Sweep, Path, Path]:
    """Try the factors on a clip and write the sheet: the sweep, the page and the picture.

    Args:
        output: the operator's file that the sheet goes with.
        command: what to run for a factor, which it is given as text.

    Raises:
        AnimesrError: nothing was written.
    """
    page, picture = sheet_paths(output)
    for path in (page, picture):
        check_name(path)
        check_place(path, clip, overwrite=overwrite)
    tried = sweep(clip, model=model, device=device, warn=warn, listen=listen, on_trial=on_trial)
    commands = {factor_text(factor): command(factor_text(factor)) for factor in tried.factors}
    content = sheet_html(tried, commands).encode()
    write_file(picture, sheet_png(tried))
    write_file(page, content)
    return tried, page, picture
