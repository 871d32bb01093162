"""Packs what training leaves behind for shipping: half precision, with its history inside.

    python weights/pack.py run/model.safetensors weights/base.safetensors --figures figures.json
    python weights/pack.py one.safetensors weights/base.safetensors --toward other.safetensors
    python weights/pack.py operator.safetensors weights/lbo-dvd.safetensors
    python weights/pack.py run/state.safetensors weights/training-state-base.safetensors

A network may be blended with one that was trained on from it: from the one's character to the
other's without steps (network interpolation, https://arxiv.org/abs/1809.00219, section 3.4).
A network or an operator becomes fp16; the sha256 and the row of the catalogue
(model/checkpoint.py) are printed. A training state keeps weights and their average in fp16
and the moments of Adam in bf16, whose squares would vanish in fp16; discriminators are left out,
and learn anew. In place of a run's ``state.safetensors`` it lets the same command go on. Folders
are taken out of every command that is kept. The figures are those that measure.py wrote.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from torch import Tensor

from animesr_cli.degradation.lbo import load_operator
from animesr_cli.errors import AnimesrError, UsageError
from animesr_cli.model.checkpoint import load_checkpoint
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.training.state import read_state, write_tensors
from candidates import candidate_name
from tables import means

LICENCE: Final = "Apache-2.0"
CREDITS: Final = (
    "The Adventures of Boris Munchausen, Morevna Project, CC BY 3.0; Pepper&Carrot by David Revoy, "
    "CC BY 4.0; art of the Ren'Py demo and tutorial, MIT"
)
LARGEST_MODEL_BYTES: Final = 4_000_000
LARGEST_STATE_BYTES: Final = 16 << 20
STATE_KEY: Final = "animesr_training"
"""Of a state's metadata."""
MOMENT: Final = re.compile(r"^network\.exp_avg(_sq)?\.")
FOLDERS: Final = re.compile(r"(?<![\w.~])(?:~|\.{1,2})?/(?:[^\s/'\"]+/)*(?=[^\s/'\"])")
"""The folders of a path that does not begin with a name."""
FOLDERS_OF_COMMAND: Final = re.compile(r"[^\s=]*/(?=[^\s/])")
"""The folders of any path of a command line."""

Tensors = dict[str, Tensor]
"""By name."""


@dataclass(frozen=True)
class Blend:
    """A second network, and how far the way to it is gone."""

    toward: Path
    share: float


# ---- history -------------------------------------------------------------------------------------


def without_folders(value: Any, *, command: bool = False) -> Any:
    """The same, with every path in it shortened to its last part."""
    if isinstance(value, str):
        return (FOLDERS_OF_COMMAND if command else FOLDERS).sub("", value)
    if isinstance(value, Mapping):
        return {
            without_folders(key): without_folders(item, command=key == "command")
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_folders(item, command=command) for item in value]
    return value


def history_of(source: Path) -> dict[str, Any]:
    """A file's metadata; what is JSON in it is read."""
    with safe_open(source, framework="pt") as file:
        metadata = file.metadata() or {}
    history: dict[str, Any] = {}
    for name, text in metadata.items():
        try:
            history[name] = json.loads(text)
        except ValueError:
            history[name] = text
    return history


def figures_of(file: Path, candidate: str) -> dict[str, float]:
    """The means that measure.py wrote for a candidate.

    Raises:
        UsageError: it was not measured there.
    """
    report = json.loads(file.read_text(encoding="utf-8"))
    measured = list(report["candidates"])
    if candidate not in measured:
        raise UsageError(f"{file} has no figures of {candidate}", f"it has {', '.join(measured)}")
    return {name: round(value, 5) for name, value in means(report["pairs"], candidate).items()}


def metadata_of(
    source: Path, name: str, figures: Mapping[str, float], credit: str, licence: str
) -> dict[str, str]:
    """What a packed model says of itself."""
    history = without_folders(history_of(source))
    history.pop("format", None)
    told: dict[str, Any] = {
        "format": "pt",
        "name": name,
        "licence": licence,
        "credits": credit,
        "training": history,
    }
    if figures:
        told["figures"] = figures
    return {
        key: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for key, v in told.items()
    }


# ---- tensors -------------------------------------------------------------------------------------


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In fp16.

    Raises:
        UsageError: a value is too large for it.
    """
    result = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    for name, tensor in result.items():
        if not bool(torch.isfinite(tensor).all()):
            raise UsageError(f"{name} has values that half precision cannot hold")
    return result


def halved_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A training state: moments in bf16, weights in fp16, no discriminator."""
    kept = {n: t for n, t in tensors.items() if not n.startswith("discriminator.")}
    moments = {n: t.to(torch.bfloat16) for n, t in kept.items() if MOMENT.match(n)}
    steps = {n: t for n, t in kept.items() if not t.dim()}
    others = {n: t for n, t in kept.items() if n not in moments and n not in steps}
    return halved(others) | moments | steps


def model_tensors(source: Path) -> tuple[Tensors, dict[str, Any]]:
    """A network's or an operator's tensors in fp32, and its size for the metadata."""
    with safe_open(source, framework="pt") as file:
        names = list(file.keys())
    if any(name.startswith("main.") for name in names):
        return dict(load_operator(source).network.state_dict()), {}
    loaded = load_checkpoint(source)
    network = loaded.network
    size = {"architecture": network.architecture, "scale": network.scale, **network.config}
    return loaded.state_dict, size


def blended(one: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float) -> Tensors:
    """Every weight on the way from ``one`` to ``other``, by ``share``.

    Raises:
        UsageError: they are of different sizes.
    """
    if {n: t.shape for n, t in one.items()} != {n: t.shape for n, t in other.items()}:
        raise UsageError("networks of different sizes cannot be blended")
    return {name: torch.lerp(one[name], other[name], share) for name in one}


def without_checkerboard(tensors: Tensors, scale: int) -> Tensors:
    """A CompactMSRB whose image residual cannot alternate from pixel to pixel.

    Pixels that alternate along rows and columns at once are one direction among the scale x scale
    values of a colour that the last convolution makes of an LR pixel. It is projected out. No
    drawing has much of it, and what sharpens without a discriminator lays it over grass and grain.
    """
    name, image = "recurrent_cell.last", 3 * scale**2
    place = torch.arange(scale)
    direction = (1.0 - 2.0 * ((place[:, None] + place) % 2)).flatten() / scale  # of length 1
    result = dict(tensors)
    for part in (f"{name}.weight", f"{name}.bias"):
        rows = tensors[part][:image]
        rows = rows.reshape(3, scale**2, *rows.shape[1:])
        along = torch.einsum("p,cp...->c...", direction, rows)
        rows = rows - torch.einsum("p,c...->cp...", direction, along)
        result[part] = torch.cat((rows.flatten(0, 1), tensors[part][image:]))
    return result


# ---- packing -------------------------------------------------------------------------------------


def check_size(file: Path, largest: int) -> None:
    if file.stat().st_size >= largest:
        size = file.stat().st_size
        file.unlink()
        raise UsageError(f"{file.name} would have {size} bytes; {largest} are too many")


def pack_model(
    source: Path,
    output: Path,
    figures: Mapping[str, float],
    credit: str = CREDITS,
    blend: Blend | None = None,
    licence: str = LICENCE,
    *,
    no_checkerboard: bool = False,
) -> str:
    """Write a checkpoint; its row of the catalogue."""
    tensors, size = model_tensors(source)
    metadata = metadata_of(source, output.stem, figures, credit, licence)
    if blend is not None:
        tensors = blended(tensors, model_tensors(blend.toward)[0], blend.share)
        told = {"share": blend.share, "training": without_folders(history_of(blend.toward))}
        metadata["blended with"] = json.dumps(told, sort_keys=True)
    if no_checkerboard:
        if size.get("architecture") != CompactMSRB.architecture:
            raise UsageError(f"{source.name} is no CompactMSRB")
        tensors = without_checkerboard(tensors, size["scale"])
        metadata["projected out"] = "what alternates from pixel to pixel, of the last convolution"
    if size:
        metadata["network"] = json.dumps(size)
    write_tensors(output, halved(tensors), metadata)
    check_size(output, LARGEST_MODEL_BYTES)
    return catalogue_row(output, licence)


def pack_state(source: Path, output: Path) -> str:
    """Write a training state that fits a repository; what is in it."""
    state = read_state(source)
    assert state is not None  # its metadata were read before
    told = without_folders(history_of(source)[STATE_KEY])
    write_tensors(output, halved_state(state.tensors), {STATE_KEY: json.dumps(told)})
    check_size(output, LARGEST_STATE_BYTES)
    read_state(output)
    return f"{output.name}: iteration {state.iteration}, {output.stat().st_size} bytes"


def catalogue_row(file: Path, licence: str) -> str:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return (
        "    Checkpoint(\n"
        f'        name="{file.stem}",\n'
        f'        filename="{file.name}",\n'
        f'        sha256="{digest}",\n'
        f"        size_bytes={file.stat().st_size:_},\n"
        f'        licence="{licence}",\n'
        "    ),"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Pack a checkpoint or a training state.")
    parser.add_argument("source", type=Path, help="what training wrote, .safetensors")
    parser.add_argument("output", type=Path, help="the file to ship")
    parser.add_argument("--figures", type=Path, metavar="JSON", help="what measure.py wrote")
    parser.add_argument("--candidate", help="its name there, if it is not that of the source")
    parser.add_argument("--credits", default=CREDITS, help="the works that it was trained on")
    parser.add_argument("--licence", default=LICENCE, help=f"[{LICENCE}]")
    parser.add_argument("--toward", type=Path, help="a network that was trained on from it")
    parser.add_argument("--share", type=float, default=0.5, help="of the way there [0.5]")
    parser.add_argument(
        "--no-checkerboard", action="store_true", help="of a CompactMSRB: project it out"
    )
    options = parser.parse_args(arguments)
    blend = Blend(options.toward, options.share) if options.toward else None
    try:
        if STATE_KEY in history_of(options.source):
            print(pack_state(options.source, options.output))
            return
        figures: dict[str, float] = {}
        if options.figures:
            figures = figures_of(
                options.figures, options.candidate or candidate_name(options.source)
            )
        print(
            pack_model(
                options.source,
                options.output,
                figures,
                options.credits,
                blend,
                options.licence,
                no_checkerboard=options.no_checkerboard,
            )
        )
    except AnimesrError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)


if __name__ == "__main__":
    main()
