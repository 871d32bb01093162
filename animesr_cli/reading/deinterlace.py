"""Interlaced pictures: telling them from progressive ones, and making whole pictures of them.

``look`` goes by what FFmpeg's idet sees in the first pictures, for the many files whose flags say
nothing or the wrong thing. ``Deinterlacer`` runs bwdif: one picture for each, at its own time.
Telecined film is not put together again: that would change the number of frames.

Sources: FFmpeg, libavfilter/vf_idet.c and vf_bwdif.c.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

import av
import av.filter

from animesr_cli.reading.decoder import Decoded, Decoder
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.packets import MICROSECOND
from animesr_cli.video.pixel_formats import PACKED_RGB, layout_of
from animesr_cli.video.timestamps import ticks

logger = logging.getLogger(__name__)

LOOKED_AT_FRAMES: Final = 100
"""How many pictures ``look`` takes; less than a second of decoding at the sizes of television."""
TALLEST_INTERLACED: Final = 1088
"""No system has interlaced pictures of more lines."""
LOWEST_INTERLACED: Final = 72
"""And idet has too little to go by in fewer lines than this."""
UNANIMOUS_SHARE: Final = 0.6
"""Of all pictures, that must be combed alike to overrule a stream that says it is progressive."""
FEWEST_JUDGED: Final = 8
"""Of pictures that move; a verdict on fewer would be chance."""
INTERLACED_SHARE: Final = 0.15
"""Of those, from which a video counts as interlaced; idet errs on a few pictures of any drawing."""
REPEATED_SHARES: Final = (0.1, 0.3)
"""In 3:2 pulldown one picture of five repeats a top field, and one a bottom field."""

Kind = Literal["progressive", "interlaced", "telecined"]


@dataclass(frozen=True)
class Verdict:
    """What was seen in the pictures themselves."""

    kind: Kind = "progressive"
    frames: int = 0
    """How many were looked at."""
    top_first: bool = True
    """Which field is earlier, where it is interlaced."""


def can_be_filtered(pix_fmt: str) -> bool:
    """Whether the filters take this format as it is: planar YUV, planar RGB and gray."""
    return layout_of(pix_fmt) is not None and pix_fmt not in PACKED_RGB and "ya" not in pix_fmt[:2]


class _Filter:
    """One FFmpeg filter between a source and a sink, for pictures of one kind."""

    def __init__(self, name: str, arguments: str, like: av.VideoFrame) -> None:
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=like.width, height=like.height, format=like.format,
            time_base=like.time_base or MICROSECOND,
        )  # fmt: skip
        self._graph.link_nodes(
            source, self._graph.add(name, arguments), self._graph.add("buffersink")
        ).configure()

    def feed(self, picture: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Hand over one picture (None: that was the last) and take what is ready."""
        self._graph.vpush(picture)
        while True:
            try:
                found = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(found, av.VideoFrame)
            yield found


def _same_kind(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    shapes = ((f.width, f.height, f.format.name) for f in (one, other))
    return next(shapes) == next(shapes)


# Looking -----------------------------------------------------------------------------------------


def look(pictures: Iterable[av.VideoFrame], *, says_progressive: bool = False) -> Verdict:
    """Judge by the first pictures of a video; only those like the very first are looked at."""
    found: list[av.VideoFrame] = []
    detector: _Filter | None = None
    first: av.VideoFrame | None = None
    for picture in pictures:
        if first is None:
            if not can_be_filtered(picture.format.name) or picture.height > TALLEST_INTERLACED:
                return Verdict()
            first, detector = picture, _Filter("idet", "", picture)
        if detector is None or not _same_kind(picture, first):
            break
        found += detector.feed(picture)
    if detector is not None:
        found += detector.feed(None)
    marks = [dict(picture.metadata) for picture in found]
    return judge(marks, says_progressive=says_progressive)


def judge(marks: list[dict[str, str]], *, says_progressive: bool = False) -> Verdict:
    """Judge by what idet wrote on each picture.

    Args:
        says_progressive: the stream's own word. Fine vertical detail that pans looks like fields
            to idet, so that word is only overruled by pictures that agree with one another.
    """
    fields = Counter(mark.get("lavfi.idet.multiple.current_frame", "") for mark in marks)
    repeats = Counter(mark.get("lavfi.idet.repeated.current_frame", "") for mark in marks)
    combed = fields["tff"] + fields["bff"]
    judged = combed + fields["progressive"]
    if judged < FEWEST_JUDGED or combed < INTERLACED_SHARE * judged:
        return Verdict(frames=len(marks))
    fewest, most = (share * len(marks) for share in REPEATED_SHARES)
    telecined = all(fewest <= repeats[field] <= most for field in ("top", "bottom"))
    if says_progressive and not telecined and not _is_unanimous(marks):
        return Verdict(frames=len(marks))
    return Verdict(
        kind="telecined" if telecined else "interlaced",
        frames=len(marks),
        top_first=fields["tff"] >= fields["bff"],
    )


def _is_unanimous(marks: list[dict[str, str]]) -> bool:
    """Whether most pictures, each looked at by itself, are combed in the same order."""
    alone = Counter(mark.get("lavfi.idet.single.current_frame", "") for mark in marks)
    most, fewest = max(alone["tff"], alone["bff"]), min(alone["tff"], alone["bff"])
    return most >= UNANIMOUS_SHARE * len(marks) and fewest <= (1 - UNANIMOUS_SHARE) * most


def look_into(info: VideoInfo, start: Fraction | None = None) -> Verdict:
    """Look at the first pictures of a file, or at those from ``start`` on, in seconds."""
    if info.height > TALLEST_INTERLACED or not can_be_filtered(info.pix_fmt):
        return Verdict()
    if info.progressive and info.height < LOWEST_INTERLACED:
        return Verdict()
    decoder = Decoder(info.path, info)
    begin = None if start is None else ticks(start + info.clock_start, info.time_base)
    try:
        decoded = itertools.islice(decoder.pictures(begin), LOOKED_AT_FRAMES)
        pictures = (each.picture for each in decoded)
        return look(pictures, says_progressive=info.progressive)
    finally:
        decoder.close()


def interlacing_remark(info: VideoInfo, verdict: Verdict, *, deinterlaced: bool) -> str | None:
    """What a person should know, in a sentence."""
    if verdict.kind == "telecined":
        return (
            "the video is telecined: two of every five frames are mixed from two pictures (3:2 "
            "pulldown). Undo that first, for example with ffmpeg -vf fieldmatch,decimate; "
            "--deinterlace only hides it"
        )
    if deinterlaced or not (info.interlaced or verdict.kind == "interlaced"):
        return None
    why = "says that it is interlaced"
    if not info.interlaced:
        why = f"is interlaced, to judge by its first {verdict.frames} frames"
    elif verdict.frames >= FEWEST_JUDGED and verdict.kind == "progressive":
        why += ", though its first frames do not look so"
    return f"the video {why}: combed edges are enlarged like all others; --deinterlace removes them"


# Deinterlacing -----------------------------------------------------------------------------------


class Deinterlacer:
    """Whole pictures in place of interlaced ones: as many, each with all that its own had.

    Args:
        flagged: whether the pictures say themselves which of them are interlaced; those that are
            not are left as they are then.
        top_first: the earlier field, where the pictures do not say it.
    """

    def __init__(self, *, flagged: bool, top_first: bool = True) -> None:
        parity = "auto" if flagged else "tff" if top_first else "bff"
        self._arguments = (
            f"mode=send_frame:parity={parity}:deint={'interlaced' if flagged else 'all'}"
        )

    def process(self, pictures: Iterable[Decoded]) -> Iterator[Decoded]:
        """All of them; the filter runs one picture behind, and anew where their size changes."""
        waiting: deque[Decoded] = deque()
        filter_: _Filter | None = None
        for decoded in pictures:
            picture = decoded.picture
            if filter_ is not None and not _same_kind(picture, waiting[-1].picture):
                yield from self._paired(filter_, None, waiting)
                filter_ = None
            if not can_be_filtered(picture.format.name):
                yield decoded
                continue
            filter_ = filter_ or _Filter("bwdif", self._arguments, picture)
            waiting.append(decoded)
            yield from self._paired(filter_, picture, waiting)
        if filter_ is not None:
            yield from self._paired(filter_, None, waiting)

    def _paired(
        self, filter_: _Filter, picture: av.VideoFrame | None, waiting: deque[Decoded]
    ) -> Iterator[Decoded]:
        for whole in filter_.feed(picture):
            yield replace(waiting.popleft(), picture=whole)
