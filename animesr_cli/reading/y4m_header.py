"""The first line of y4m (YUV4MPEG2): which kinds of pictures there are, and what a line says.

Source: mjpegtools, yuv4mpeg(5); the names above 8 bits, XCOLORRANGE, XYSCSS and the meaning of C420
as in FFmpeg, libavformat/yuv4mpegdec.c and yuv4mpegenc.c.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from animesr_cli.errors import InputError
from animesr_cli.text import shown

MAGIC: Final = b"YUV4MPEG2"
LONGEST_LINE_BYTES: Final = 1024

_DEPTHS: Final = (9, 10, 12, 14, 16)
SITINGS: Final = {"420": 2, "420jpeg": 2, "420mpeg2": 1, "420paldv": 3}  # AVCHROMA_LOC_*
RANGES: Final = {"LIMITED": 1, "FULL": 2}  # AVCOL_RANGE_*
FORMATS: Final = {
    **dict.fromkeys(SITINGS, "yuv420p"),
    "411": "yuv411p", "422": "yuv422p", "444": "yuv444p", "444alpha": "yuva444p", "mono": "gray",
    **{f"mono{depth}": f"gray{depth}le" for depth in _DEPTHS},
    **{f"{subsampling}p{depth}": f"yuv{subsampling}p{depth}le"
       for subsampling in ("420", "422", "444") for depth in _DEPTHS},
}  # fmt: skip
"""The C parameter -> FFmpeg's name of the pixel format."""
OUTPUT_FORMATS: Final = tuple(
    dict.fromkeys(name for name in FORMATS.values() if not name.startswith("yuva"))
)
"""FFmpeg's names of what can be written."""


def words_of(line: bytes) -> dict[str, str]:
    """What a header says: values by their letters, and by ``XNAME`` those of extensions."""
    found: dict[str, str] = {}
    for word in (each.decode("latin-1") for each in line.split()[1:]):
        name, is_named, value = word.partition("=")
        if not (word.startswith("X") and is_named):
            name, value = word[:1], word[1:]
        found.setdefault(name, value)
    return found


def kind_of(words: dict[str, str]) -> str:
    """The kind of pictures, without the C: ``420p10``."""
    return words.get("C") or words.get("XYSCSS", "420jpeg").lower()


def check_file(path: Path, pix_fmt: str) -> None:
    """Refuse a file that FFmpeg reads as ``pix_fmt`` and that says something else.

    FFmpeg takes a kind that it does not know (C420p11, Cmono14) for one of 8 bits with the same
    beginning (tried with FFmpeg 8.1.2).
    """
    with path.open("rb") as file:
        kind = kind_of(words_of(file.readline(LONGEST_LINE_BYTES)))
    known = FORMATS.get(kind)
    if known is None:
        raise unknown_kind(shown(path), kind)
    if known != pix_fmt:
        raise InputError(
            f"{shown(path)}: the kind of y4m (C{kind}) is not read from files",
            "a pipe can bring it: animesr upscale - OUT < IN",
        )


def unknown_kind(where: str, kind: str) -> InputError:
    return InputError(
        f"{where}: the kind of y4m (C{shown(kind)}) is not known",
        "4:2:0, 4:1:1, 4:2:2, 4:4:4 and mono of 8 to 16 bits are",
    )
