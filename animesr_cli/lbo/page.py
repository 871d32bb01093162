"""What an operator learned, as one self-contained page: pictures, figures, curves, history.

Every picture on it was held out of learning. ``page.html`` is the template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from animesr_cli.lbo.detail import part_at, part_scores
from animesr_cli.lbo.pairs import Pair
from animesr_cli.lbo.pseudo_hr import HR_SCALE
from animesr_cli.lbo.ranking import BEST_RANKED, factor_text
from animesr_cli.model.tiles import Region
from animesr_cli.pages.chart import curves
from animesr_cli.pages.html import render
from animesr_cli.video.colour import from_bytes
from animesr_cli.video.timestamps import format_clock
from animesr_cli.writing.png import encode_png

SHOWN_PX: Final = 128
"""Side of what is shown of a picture, in LR pixels."""
LOSSES: Final[Mapping[str, str]] = {
    "l1": "L1",
    "l2": "L2",
    "perceptual": "perceptual (stage gan)",
    "gan": "adversarial (stage gan)",
    "discriminator": "discriminator (stage gan)",
}


def _best_part(lr: Tensor) -> Region:
    """The most detailed square of an LR picture (3, h, w) uint8."""
    side = min(SHOWN_PX, *lr.shape[1:])
    _, _, detail = part_scores(from_bytes(lr), side, side)
    return part_at(int(detail.argmax()), detail.shape[1], side, side)


def _row(pair: Pair, made: Tensor, plain: Tensor) -> dict[str, Any]:
    """What the template shows of one held-out picture: four views of its most detailed part."""
    part = _best_part(pair.lr)
    twice = part.scaled(HR_SCALE)
    views = [
        ("pseudo HR", pair.hr[twice.index]),
        ("area downscaling of it", plain[part.index]),
        ("the operator's LR", made[part.index]),
        ("real LR", pair.lr[part.index]),
    ]
    return {
        "where": f"at {format_clock(pair.seconds)}",
        "pictures": [
            {"title": title, "png": encode_png(view), "width": twice.width} for title, view in views
        ],
    }


def _choice(history: Mapping[str, Any]) -> str:
    """The factor, who chose it, and which one was ranked first."""
    factor, choice = history["settings"]["factor"], history["choice"]
    ranking = choice.get("ranking")
    if not ranking:
        return f"{factor_text(factor)}, {choice['by']}"
    first, chosen = ranking[0]["factor"], f"{factor_text(factor)}, {choice['by']}"
    if first != factor:
        return f"{chosen}; {BEST_RANKED} of {len(ranking)} was {factor_text(first)}"
    rank = "" if choice["by"] == BEST_RANKED else f"; {BEST_RANKED}"
    return f"{chosen}{rank} of {len(ranking)}"


def _verdict(gain: float) -> str:
    """Behind the gain in dB."""
    if round(gain, 2) == 0:
        return "of difference: as near to the real frames as area downscaling"
    return f"{'nearer to' if gain > 0 else 'farther from'} the real frames than area downscaling"


def _facts(history: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = history["settings"]
    return [
        ("clip", f"{history['clip']}, {history['size'][0]}\u00d7{history['size'][1]}"),
        ("pseudo HR by", history["model"]),
        ("pictures", f"{history['pairs']} to learn from, {history['held_out']} held out"),
        ("iterations", f"{history['iterations']} of {history['of']}"),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items()
                               if name not in ("clip", "factor", "model")).replace("_", " ")),
        ("animesr", history["version"]),
    ]  # fmt: skip


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
    area, operator = history["psnr"]["area"], history["psnr"]["operator"]
    return render(
        "lbo/page.html",
        title=f"Operator of {history['clip']}",
        history=history,
        area=f"{area:.2f}",
        operator=f"{operator:.2f}",
        gain=f"{abs(operator - area):.2f}",
        verdict=_verdict(operator - area),
        choice=_choice(history),
        stopped=history["iterations"] != history["of"],
        commands=commands,
        rows=[_row(*each) for each in zip(pairs, made, plain, strict=True)],
        charts=curves(LOSSES, history["curve"]),
        facts=_facts(history),
    )
