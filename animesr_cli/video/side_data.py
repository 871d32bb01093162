"""What FFmpeg attaches to a decoded picture beside its samples, read without crashing.

PyAV 18 frees the dictionary of a side data entry twice as soon as the entry has been looked at. Of
all kinds only an ICC profile carries one (its name, in PNG), and PyAV looks at every entry to show
a single one, so the profile is taken off a reference of the picture first.

Source: FFmpeg, libavutil/frame.h and libavfilter/f_sidedata.c.
"""

from __future__ import annotations

import logging
from typing import Any, Final, cast

import av
import av.filter

log = logging.getLogger(__name__)


CAPTIONED_CODECS: Final = frozenset({"h264", "hevc", "mpeg2video", "av1"})
"""Codecs whose pictures may carry captions; none of them has ICC profiles."""


def captions_of(frame: av.VideoFrame) -> bytes | None:
    """The captions of a picture of one of these codecs, as triplets of ATSC A/53."""
    return _entries(frame).get("A53_CC")


def side_data_of(frame: av.VideoFrame) -> dict[str, bytes]:
    """FFmpeg's structs beside any picture, by its names such as ``DISPLAYMATRIX``."""
    return _entries(_without_profile(frame))


def _entries(frame: av.VideoFrame) -> dict[str, bytes]:
    try:
        return {entry.type.name: bytes(entry) for entry in cast(Any, frame.side_data)}
    except ValueError as error:  # PyAV shows none at all where it does not know one of them
        log.info("the side data of a picture cannot be read: %s", error)
        return {}


def _without_profile(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture in the same memory, less its ICC profile."""
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1",
    )
    graph.link_nodes(
        source, graph.add("sidedata", "mode=delete:type=ICC_PROFILE"), graph.add("buffersink")
    ).configure()
    graph.vpush(frame)
    stripped = graph.vpull()
    assert isinstance(stripped, av.VideoFrame)
    return stripped
