"""The catalogue: every checkpoint that has a name, what it is good for, and where it comes from.

Sources: the authors publish v1 and v2 on Google Drive only (https://github.com/TencentARC/AnimeSR);
both mirrors below carry the same bytes. The others come from the releases of their authors.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from animesr_cli.errors import UsageError
from animesr_cli.model.tensor_file import SUFFIXES
from animesr_cli.settings.limits import NETWORK_SCALE


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One row of the catalogue; without a hub repository and a URL it is shipped."""

    name: str
    kind: Literal["network", "operator"] = "network"
    """What it is of: one that upscales, or one that degrades (LBO)."""
    architecture: str = ""
    """Of ``Network.architecture``, or LBO."""
    mmac: float | None = None
    """Cost of a network: millions of multiplications for each input pixel of each frame."""
    good_for: str = ""
    """One honest line."""
    filename: str
    """In the hub's repository, in the cache and among the shipped weights."""
    sha256: str | None
    """None: not known beforehand; what the first download gives is expected from then on."""
    sha256_begins: str = ""
    """What is known of it all the same."""
    licence: str
    size_bytes: int | None = None
    """Where it is known."""
    scale: int = NETWORK_SCALE
    note: str = ""
    """One sentence that is said when the file is downloaded."""
    hub_repo: str | None = None
    url: str | None = None
    """The second source, plain HTTPS."""
    soft: str | None = None
    """The name of a faithful network of the same start: ``--strength`` blends from it to this."""
    strength: float = 1.0
    """How far on that way it runs where nobody says otherwise."""

    @property
    def shipped(self) -> bool:
        return self.hub_repo is None and self.url is None


DEFAULT = "base"

_AVC_LICENCE = "none stated; trained on non-commercial academic data"
_AVC_NOTE = (
    "{} carries no licence text of its own; it was trained on the AVC data set, which is for"
    " non-commercial academic use."
)
_MIRROR_URL = "https://github.com/EutropicAI/cccv/releases/download/model_zoo/"
_ESRGAN_URL = "https://github.com/xinntao/Real-ESRGAN/releases/download/"
_ESRGAN_NOTE = "{} is by Xintao Wang (Real-ESRGAN), under the BSD 3-Clause licence."

CATALOGUE: tuple[Checkpoint, ...] = (
    Checkpoint(
        name="base",
        architecture="CompactMSRB",
        mmac=0.742,
        good_for="drawn animation of every kind: sharp lines, calm flats, steady in time",
        filename="base.safetensors",
        sha256="1550c0fb064022c7e688b34780016bc283001268e04c95c8db88714b010b4941",
        size_bytes=2_019_184,
        licence="Apache-2.0 AND BSD-3-Clause",
        soft="base-soft",
        strength=0.85,
    ),
    Checkpoint(
        name="base-soft",
        architecture="CompactMSRB",
        mmac=0.742,
        good_for="clean sources, faithfully: what base is at --strength 0",
        filename="base-soft.safetensors",
        sha256="f1fbc110e8759a722f1c99fd20faa6c2d8e8b9efc4a762cfa9feca96de4e1dbd",
        size_bytes=2_003_176,
        licence="Apache-2.0 AND BSD-3-Clause",
    ),
    Checkpoint(
        name="base-2x",
        architecture="CompactMSRB",
        mmac=0.701,
        good_for="drawn animation at twice its size, such as 1080p to 4K: base with an x2 head",
        filename="base-2x.safetensors",
        sha256="38799bf98ea83de6ece5e2b06725509ceaf3649a9325d079ddfa5623c4813692",
        size_bytes=1_932_520,
        licence="Apache-2.0 AND BSD-3-Clause",
    ),
    Checkpoint(
        name="basicop",
        architecture="MSRB",
        mmac=1.127,
        good_for="clips that are hardly damaged, softly; makes the pseudo HR of learn-lbo",
        filename="basicop.safetensors",
        sha256="552cd2f4fd8821d64c3f598a677daf71edc5dde7caba9259a08ea8c344511541",
        size_bytes=3_007_520,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="v2",
        architecture="MSRB",
        mmac=1.127,
        good_for="badly damaged clips: AnimeSR's better one; very sharp, thickens lines, flickers",
        filename="AnimeSR_v2.pth",
        sha256="d0f29c8966b53718828bd424bbdc306e7ff0cbf6350beadaf8b5b2500b108548",
        size_bytes=5_996_559,
        licence=_AVC_LICENCE,
        note=_AVC_NOTE.format("v2"),
        hub_repo="kadirnar/AnimeSR_v2",
        url=_MIRROR_URL + "AnimeSR_v2_4x.pth",
    ),
    Checkpoint(
        name="v1",
        architecture="MSRB",
        mmac=1.127,
        good_for="the network of AnimeSR's paper, to compare with",
        filename="AnimeSR_v1-PaperModel.pth",
        sha256="915ef7f0f7067f04219516b50e88c362581300e48902e3b7f540650e32a20c10",
        licence=_AVC_LICENCE,
        note=_AVC_NOTE.format("v1"),
        hub_repo="kadirnar/AnimeSR_Paper_Model",
        url=_MIRROR_URL + "AnimeSR_v1_PaperModel_4x.pth",
    ),
    Checkpoint(
        name="realesr-animevideov3",
        architecture="SRVGGNetCompact",
        mmac=0.619,
        good_for="drawn animation, frame by frame: fast and sharp; base began as this one",
        filename="realesr-animevideov3.pth",
        sha256="b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        size_bytes=2_504_012,
        licence="BSD-3-Clause",
        note=_ESRGAN_NOTE.format("realesr-animevideov3"),
        url=_ESRGAN_URL + "v0.2.5.0/realesr-animevideov3.pth",
    ),
    Checkpoint(
        name="realesrgan-x4plus-anime",
        architecture="RRDBNet",
        mmac=5.706,
        good_for="drawn stills: heavy lines, frame by frame, eight times the cost of base",
        filename="RealESRGAN_x4plus_anime_6B.pth",
        sha256="f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        size_bytes=17_938_799,
        licence="BSD-3-Clause",
        note=_ESRGAN_NOTE.format("realesrgan-x4plus-anime"),
        url=_ESRGAN_URL + "v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
    ),
    Checkpoint(
        name="realesrgan-x4plus",
        architecture="RRDBNet",
        mmac=17.927,
        good_for="damaged photographs and live action; invents texture; very slow without a GPU",
        filename="RealESRGAN_x4plus.pth",
        sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        size_bytes=67_040_989,
        licence="BSD-3-Clause",
        note=_ESRGAN_NOTE.format("realesrgan-x4plus"),
        url=_ESRGAN_URL + "v0.1.0/RealESRGAN_x4plus.pth",
    ),
    Checkpoint(
        name="realesrgan-x2plus",
        architecture="RRDBNet",
        mmac=4.483,
        scale=2,
        good_for="photographs at twice the size: 1080p to 4K without the way through 8K",
        filename="RealESRGAN_x2plus.pth",
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        size_bytes=67_061_725,
        licence="BSD-3-Clause",
        note=_ESRGAN_NOTE.format("realesrgan-x2plus"),
        url=_ESRGAN_URL + "v0.2.1/RealESRGAN_x2plus.pth",
    ),
    Checkpoint(
        name="bsrgan",
        architecture="RRDBNet",
        mmac=17.927,
        good_for="photographs with blur, noise and JPEG at once; a yardstick of papers",
        filename="BSRGAN.pth",
        sha256="5d505a0766160921e0388d76e1ddf08cb114303990f9080432bf2b1c988b1c54",
        size_bytes=67_046_751,
        licence="Apache-2.0",
        note="bsrgan is by Kai Zhang (BSRGAN), under the Apache licence 2.0.",
        url="https://github.com/cszn/KAIR/releases/download/v1.0/BSRGAN.pth",
    ),
    Checkpoint(
        name="realbasicvsr",
        architecture="RealBasicVSR",
        mmac=6.507,
        good_for="live action: looks at a whole shot in both directions; much memory",
        filename="realbasicvsr_c64b20_1x30x8_lr5e-5_150k_reds_20211104-52f77c2c.pth",
        sha256=None,
        sha256_begins="52f77c2c",  # as the file's own name has it
        licence="Apache-2.0",
        note="realbasicvsr is by Kelvin C.K. Chan and others, under the Apache licence 2.0.",
        url="https://download.openmmlab.com/mmediting/restorers/real_basicvsr/"
        "realbasicvsr_c64b20_1x30x8_lr5e-5_150k_reds_20211104-52f77c2c.pth",
    ),
    Checkpoint(
        name="lbo-stream",
        kind="operator",
        architecture="LBO",
        good_for="the damage of a 960x540 H.264 stream",
        filename="lbo-stream.safetensors",
        sha256="a8508ee9492c34a9c9ee93f010095e60d7f9b745455dc9d2b08c53c984a704e5",
        size_bytes=126_582,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="lbo-hd",
        kind="operator",
        architecture="LBO",
        good_for="the damage of a 1440x1074 film in HEVC at 130 kbit/s",
        filename="lbo-hd.safetensors",
        sha256="2a34c393405c5ec06e8957efd1590272e3c9445838186991bc647a90ceb1d991",
        size_bytes=126_630,
        licence="Apache-2.0",
    ),
    Checkpoint(
        name="lbo-dvd",
        kind="operator",
        architecture="LBO",
        good_for="the damage of a DVD-sized film in HEVC at 35 to 45 kbit/s",
        filename="lbo-dvd.safetensors",
        sha256="b9898e1da84cd750033f7de71072afde08ec67d41d06fb4e5e194f8841a82da2",
        size_bytes=126_582,
        licence="Apache-2.0",
    ),
)

RETIRED: Mapping[str, str] = {"base-sharp": "base, which is sharper and does not overdo it"}
"""Names that the catalogue once had, and what to use instead."""


def named(name: str) -> Checkpoint | None:
    """The catalogue's row of that name, if it has one."""
    return next((checkpoint for checkpoint in CATALOGUE if checkpoint.name == name), None)


def find(name: str) -> Checkpoint:
    """The catalogue's row of that name; UsageError, with the nearest ones, if it has none."""
    if row := named(name):
        return row
    names = [checkpoint.name for checkpoint in CATALOGUE]
    if name in RETIRED:
        raise UsageError(f"the model {name} is retired", f"use {RETIRED[name]}")
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    nearest = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"no model is called {name!r}",
        f"{nearest}The names are {', '.join(names)}; a path to a {' or '.join(SUFFIXES[:2])} file"
        " works too",
    )
