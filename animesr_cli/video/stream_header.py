"""What a container says of a video stream beside its packets: read and written by way of Matroska.

PyAV shows neither the chroma siting of a stream nor its crop, its projection or its Dolby Vision
record, but a stream that is made after another takes them over, and FFmpeg's Matroska muxer writes
them out: so the header of a file with that stream alone is read, whatever its own container is. The
other way round a stream is made after that of an empty file that says what is to be said.

Source: RFC 9559 (Matroska), section 5.1.
"""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

import av
from av.container import OutputContainer

from animesr_cli.video.containers import open_made, open_output
from animesr_cli.video.ebml import Element, element, find, number, whole
from animesr_cli.video.hdr import HdrMetadata, MasteringDisplay
from animesr_cli.video.part import NO_CROP, Crop

log = logging.getLogger(__name__)

# Element identifiers of Matroska (RFC 9559, section 5.1).
_EBML, _DOC_TYPE, _SEGMENT, _INFO, _TIMESTAMP_SCALE = (
    0x1A45DFA3, 0x4282, 0x18538067, 0x1549A966, 0x2AD7B1,
)  # fmt: skip
_TRACKS, _TRACK_ENTRY, _TRACK_NUMBER, _TRACK_UID, _TRACK_TYPE, _CODEC_ID = (
    0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x86,
)  # fmt: skip
_VIDEO, _PIXEL_WIDTH, _PIXEL_HEIGHT, _COLOUR, _CLUSTER, _TIMESTAMP = (
    0xE0, 0xB0, 0xBA, 0x55B0, 0x1F43B675, 0xE7,
)  # fmt: skip
_SITING_HORIZONTAL, _SITING_VERTICAL, _MAX_CLL, _MAX_FALL = 0x55B7, 0x55B8, 0x55BC, 0x55BD
_MASTERING_METADATA, _FIRST_MASTERING_VALUE = 0x55D0, 0x55D1
_BLOCK_ADDITION_MAPPING, _BLOCK_ADD_ID_TYPE, _BLOCK_ADD_ID_EXTRA_DATA = 0x41E4, 0x41E7, 0x41ED
_CROP_TOP, _CROP_BOTTOM, _CROP_LEFT, _CROP_RIGHT = 0x54BB, 0x54AA, 0x54CC, 0x54DD
_STEREO_MODE, _PROJECTION, _PROJECTION_TYPE = 0x53B8, 0x7670, 0x7671

_DOLBY_VISION_RECORDS: Final = frozenset({b"dvcC", b"dvvC"})

_VIDEO_TRACK: Final = 1
_SITINGS: Final = {1: (1, 2), 2: (2, 2), 3: (1, 1)}
"""AVCHROMA_LOC_* -> Matroska's horizontal and vertical siting (1: with the first luma sample)."""
_CODEC_IDS: Final = {
    "hevc": b"V_MPEGH/ISO/HEVC",
    "h264": b"V_MPEG4/ISO/AVC",
    "av1": b"V_AV1",
    "vp9": b"V_VP9",
    "ffv1": b"V_FFV1",
    "prores": b"V_PRORES",
}
"""By FFmpeg's name of the codec."""


# ---- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StreamHeader:
    """What is said of a video stream beside its codec and size."""

    siting: int = 0
    """AVCHROMA_LOC number; 0: it does not say."""
    dolby_vision: tuple[int, int] | None = None
    """Profile and compatibility of its Dolby Vision configuration record."""
    crop: Crop = NO_CROP
    stereo: bool = False
    """Two views lie in each picture."""
    spherical: bool = False
    """The pictures are projections of a sphere: 360-degree video."""


def read_stream_header(stream: av.VideoStream) -> StreamHeader:
    """What a stream's container and its codec's own headers say."""
    file = io.BytesIO()
    try:
        with open_output(file, format_name="matroska") as output:
            output.add_stream_from_template(stream, opaque=True)
            output.start_encoding()
    except (av.FFmpegError, ValueError) as error:
        log.debug("the stream cannot be described: %s", error)
        return StreamHeader()
    track = next(find(file, whole(file), _SEGMENT, _TRACKS, _TRACK_ENTRY), None)
    if track is None:
        return StreamHeader()

    def value(*path: int) -> int:
        return next((e.number(file) for e in find(file, track, *path)), 0)

    place = value(_VIDEO, _COLOUR, _SITING_HORIZONTAL), value(_VIDEO, _COLOUR, _SITING_VERTICAL)
    return StreamHeader(
        siting=next((tag for tag, pair in _SITINGS.items() if pair == place), 0),
        dolby_vision=_recorded_profile(file, track),
        crop=Crop(
            top=value(_VIDEO, _CROP_TOP),
            bottom=value(_VIDEO, _CROP_BOTTOM),
            left=value(_VIDEO, _CROP_LEFT),
            right=value(_VIDEO, _CROP_RIGHT),
        ),
        stereo=bool(value(_VIDEO, _STEREO_MODE)),
        spherical=bool(value(_VIDEO, _PROJECTION, _PROJECTION_TYPE)),
    )


def _recorded_profile(file: BinaryIO, track: Element) -> tuple[int, int] | None:
    """Profile and compatibility in the Dolby Vision configuration record."""
    for mapping in find(file, track, _BLOCK_ADDITION_MAPPING):
        kinds = [e.bytes(file) for e in find(file, mapping, _BLOCK_ADD_ID_TYPE)]
        records = [e.bytes(file) for e in find(file, mapping, _BLOCK_ADD_ID_EXTRA_DATA)]
        if _DOLBY_VISION_RECORDS & set(kinds) and records and len(records[0]) > 4:
            record = records[0]
            return record[2] >> 1, record[4] >> 4  # behind two bytes of version
    return None


# ---- writing -------------------------------------------------------------------------------------


def container_keeps(codec: str) -> bool:
    """Whether ``add_described_stream`` knows what this encoder makes."""
    return av.codec.Codec(codec, "w").canonical_name in _CODEC_IDS


def add_described_stream(
    output: OutputContainer, encoder: av.VideoStream, metadata: HdrMetadata, siting: int
) -> av.VideoStream:
    """A stream for the packets of an open encoder, with the static metadata in its header.

    PyAV has no call for that, but a stream made after another takes its metadata over: so one is
    made after the only stream of an empty file that says it. ``encoder`` is a stream of another
    container, which is never written; ``siting`` is an AVCHROMA_LOC number.
    """
    source = encoder.codec_context
    codec_id = _CODEC_IDS[str(source.codec.canonical_name)]
    empty = io.BytesIO(_empty_file(codec_id, metadata, siting))
    with open_made(empty, format_name="matroska") as template:
        stream = output.add_stream_from_template(template.streams.video[0], opaque=True)
    assert isinstance(stream, av.VideoStream)
    target = stream.codec_context
    for name in (
        "width", "height", "pix_fmt", "sample_aspect_ratio", "framerate",
        "color_primaries", "color_trc", "colorspace", "color_range",
    ):  # fmt: skip
        setattr(target, name, getattr(source, name))
    stream.time_base = encoder.time_base
    if source.extradata:
        target.extradata = source.extradata
    if source.codec_tag.strip("\0"):
        target.codec_tag = source.codec_tag
    return stream


def _empty_file(codec_id: bytes, metadata: HdrMetadata, siting: int) -> bytes:
    """A Matroska file of one video track and no picture."""
    colour = b""
    if siting in _SITINGS:
        horizontal, vertical = _SITINGS[siting]
        colour += number(_SITING_HORIZONTAL, horizontal) + number(_SITING_VERTICAL, vertical)
    if metadata.light is not None:
        colour += number(_MAX_CLL, metadata.light.max_cll)
        colour += number(_MAX_FALL, metadata.light.max_fall)
    if metadata.mastering is not None:
        colour += element(_MASTERING_METADATA, _mastering_values(metadata.mastering))
    video = number(_PIXEL_WIDTH, 16) + number(_PIXEL_HEIGHT, 16) + element(_COLOUR, colour)
    track = (
        number(_TRACK_NUMBER, 1)
        + number(_TRACK_UID, 1)
        + number(_TRACK_TYPE, _VIDEO_TRACK)
        + element(_CODEC_ID, codec_id)
        + element(_VIDEO, video)
    )
    segment = (
        element(_INFO, number(_TIMESTAMP_SCALE, 1_000_000))
        + element(_TRACKS, element(_TRACK_ENTRY, track))
        + element(_CLUSTER, number(_TIMESTAMP, 0))
    )
    return element(_EBML, element(_DOC_TYPE, b"matroska")) + element(_SEGMENT, segment)


def _mastering_values(display: MasteringDisplay) -> bytes:
    points = (display.red, display.green, display.blue, display.white)
    values = [number for point in points for number in point]
    values += [display.max_luminance, display.min_luminance]
    return b"".join(
        element(_FIRST_MASTERING_VALUE + place, struct.pack(">d", float(value)))
        for place, value in enumerate(values)
    )
