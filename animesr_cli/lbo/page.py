"""What an operator learned, as one self-contained page: pictures, figures, curves, history.

Every picture on it was held out of learning. It does not know how anything was learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from animesr_cli.lbo.factor_sheet import (
    STYLE,
    ZOOM_BUTTONS,
    ZOOM_SCRIPT,
    picture_element,
    table,
)
from animesr_cli.lbo.factor_sweep import CODES, HR_SCALE, PLACE_STEP_PX, Part, part_scores
from animesr_cli.lbo.pairs import Pair
from animesr_cli.pages.html import document, text
from animesr_cli.training.report import curve
from animesr_cli.video.timestamps import format_time

SHOWN_PX: Final = 128
"""Side of what is shown of a picture, in LR pixels."""
LOSSES: Final[Mapping[str, str]] = {
    "l1": "L1",
    "l2": "L2",
    "perceptual": "perceptual (stage gan)",
    "gan": "adversarial (stage gan)",
    "discriminator": "discriminator (stage gan)",
}
_STYLE: Final = """
figure { margin: 0; }
figcaption { padding: 6px 0 4px; white-space: nowrap; overflow: hidden; }
.curves { display: flex; flex-wrap: wrap; gap: 16px; }
.curves figure { width: 420px; }
svg { width: 100%; height: auto; }
svg text { font-size: 11px; fill: currentColor; opacity: .75; }
svg .y { text-anchor: end; }
svg .line { fill: none; stroke: var(--accent); stroke-width: 1.6; }
svg .grid { stroke: var(--line); stroke-width: .6; }
svg circle { fill: var(--accent); }
td { text-align: left; vertical-align: top; }
td:first-child { white-space: nowrap; color: var(--quiet); }
h2 { margin: 18px 0 6px; }
"""


def _best_part(lr: Tensor) -> Part:
    """The most detailed square of an LR picture (3, h, w) uint8."""
    side = min(SHOWN_PX, *lr.shape[1:])
    _, _, detail = part_scores(lr.float().div(CODES), side, side)
    row, column = divmod(int(detail.argmax()), detail.shape[1])
    return Part(row * PLACE_STEP_PX, column * PLACE_STEP_PX, side, side)


def _figure(picture: Tensor, title: str, where: str, pixel: int) -> str:
    element = picture_element(picture, f"{title}, {where}", pixel=pixel)
    return f"<figure><figcaption>{text(title)}</figcaption>{element}</figure>"


def _row(pair: Pair, made: Tensor, plain: Tensor) -> str:
    part = _best_part(pair.lr)
    twice = Part(*(HR_SCALE * value for value in (part.top, part.left, part.height, part.width)))
    where = f"at {format_time(pair.seconds)}"
    figures = [
        _figure(twice.of(pair.hr), f"pseudo HR {where}", where, 1),
        _figure(part.of(plain), "area downscaling of it", where, HR_SCALE),
        _figure(part.of(made), "the operator's LR", where, HR_SCALE),
        _figure(part.of(pair.lr), "real LR", where, HR_SCALE),
    ]
    return f'<div class="row">{"".join(figures)}</div>'


def _curves(rows: Sequence[Mapping[str, Any]]) -> str:
    figures = []
    for name, title in LOSSES.items():
        points = [(float(row["iteration"]), float(row[name])) for row in rows if name in row]
        if points:
            figure = curve(title, points, {})
            figures.append(f"<figure><figcaption>{text(title)}</figcaption>{figure}</figure>")
    return f'<div class="curves">{"".join(figures)}</div>'


def _facts(history: Mapping[str, Any]) -> str:
    choice = history["choice"]
    settings = history["settings"]
    rows = [
        ("clip", f"{history['clip']}, {history['size'][0]}x{history['size'][1]}"),
        ("factor", f"{settings['factor']:g}, {choice['by']}"),
        ("pseudo HR by", history["model"]),
        ("pictures", f"{history['pairs']} to learn from, {history['held_out']} held out"),
        ("iterations", f"{history['iterations']} of {history['of']}"),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items()
                               if name not in ("clip", "factor", "model"))),
        ("animesr", history["version"]),
    ]  # fmt: skip
    return table(("", ""), rows)


def lbo_page(
    history: Mapping[str, Any],
    pairs: Sequence[Pair],
    made: Sequence[Tensor],
    plain: Sequence[Tensor],
    commands: Sequence[str],
) -> str:
    """The HTML.

    Args:
        history: what the operator's file holds in its metadata.
        pairs: held-out pictures.
        made, plain: (3, h, w) uint8 of each: the operator's, and area downscaling's.
        commands: how the operator is used.
    """
    psnr = history["psnr"]
    stopped = (
        ""
        if history["iterations"] == history["of"]
        else "<p>This run was stopped early; the same command goes on from here.</p>"
    )
    rows = "".join(_row(*each) for each in zip(pairs, made, plain, strict=True))
    body = f"""
<h1>What was learned from {text(history["clip"])}</h1>
<p>On pictures that learning never saw, beside the clip's real frames: area downscaling of the
pseudo HR has <b>{psnr["area"]:.2f} dB</b>, the operator <b>{psnr["operator"]:.2f} dB</b> (PSNR over
RGB). The operator's LR should show the faults of the real one: its blur, halos and blocks.</p>
{stopped}<p>To use it:</p>
{"".join(f"<p><code>{text(command)}</code></p>" for command in commands)}
<div class="bar">{ZOOM_BUTTONS}</div>
<div class="pictures">{rows}</div>
<h2>Losses</h2>
{_curves(history["curve"])}
{_facts(history)}"""
    return document(
        title=f"Operator of {history['clip']}",
        body=body,
        style=STYLE + _STYLE,
        script=ZOOM_SCRIPT,
    )


def as_bytes(picture: Tensor) -> Tensor:
    """[0, 1] -> uint8."""
    return picture.mul(CODES).round_().to(torch.uint8)
