"""Clips with the metadata of HDR."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from animesr_cli.video.hdr import ContentLight, MasteringDisplay
from media import write_video

BT2020, PQ, HLG, BT2020_NC, LIMITED = 9, 16, 18, 9, 1

X265_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
SVT_DISPLAY = "G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.005)"
DISPLAY = MasteringDisplay(
    red=(Fraction("0.68"), Fraction("0.32")),
    green=(Fraction("0.265"), Fraction("0.69")),
    blue=(Fraction("0.15"), Fraction("0.06")),
    white=(Fraction("0.3127"), Fraction("0.329")),
    min_luminance=Fraction("0.005"),
    max_luminance=Fraction(1000),
)
LIGHT = ContentLight(max_cll=1000, max_fall=400)


def hdr_video(
    path: Path, *, transfer: int = PQ, static: bool = True, codec: str = "libx265", **more: Any
) -> Path:
    """Four 10-bit pictures of 64x48 in BT.2020."""
    own = {
        "libx265": ("x265-params", f"master-display={X265_DISPLAY}:max-cll=1000,400"),
        "libsvtav1": (
            "svtav1-params", f"lp=1:mastering-display={SVT_DISPLAY}:content-light=1000,400"
        ),
    }  # fmt: skip
    options = {}
    if codec == "libx265":
        options["x265-params"] = "log-level=none"
    if static:
        name, value = own[codec]
        options[name] = f"{options[name]}:{value}" if name in options else value
    tags = {"primaries": BT2020, "transfer": transfer, "matrix": BT2020_NC, "color_range": LIMITED}
    arguments = {"width": 64, "height": 48, "frames": 4, "pix_fmt": "yuv420p10le", **tags, **more}
    return write_video(path, codec=codec, options=options, **arguments)
