"""Whether two outputs are one and the same to whoever plays them.

``contents`` is everything of a file that must not depend on how the run was cut, spread or
interrupted: streams with their headers, tags, times and packets, attachments, chapters, and, for
lossless video, every decoded sample. Uses PyAV alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import av
from av.stream import AttachmentStream

from media import frame_planes

Values = dict[str, Any]


def _open(path: Path) -> av.container.InputContainer:
    return av.open("file:" + str(path), metadata_errors="surrogateescape")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _header(stream: av.stream.Stream) -> Values:
    found: Values = {
        "type": stream.type,
        "tags": dict(stream.metadata),
        "disposition": int(stream.disposition),
    }
    if isinstance(stream, AttachmentStream):
        return found | {"name": stream.name, "data": digest(stream.data)}
    context = stream.codec_context
    found |= {"time base": stream.time_base, "start": stream.start_time, "end": stream.duration}
    if context is not None:
        found |= {"codec": context.name, "tag": context.codec_tag, "extra": context.extradata}
    if isinstance(stream, av.VideoStream):
        video = stream.codec_context
        found |= {
            "rate": stream.average_rate,
            "size": (video.width, video.height, video.pix_fmt),
            "aspect": stream.sample_aspect_ratio,
            "colour": (
                video.color_primaries, video.color_trc, video.colorspace, video.color_range,
            ),
        }  # fmt: skip
    return found


def contents(path: Path, *, pictures: bool = True) -> Values:
    """Everything that must be the same; ``pictures``: also the samples of the best video."""
    with _open(path) as container:
        best = container.streams.best("video")
        assert best is not None
        video = best.index
        streams = {stream.index: _header(stream) for stream in container.streams}
        packets: dict[int, list[Any]] = {index: [] for index in streams}
        for packet in container.demux():
            if packet.size:
                own = packet.stream_index == video
                data = None if own else digest(bytes(packet))
                packets[packet.stream_index].append((packet.pts, packet.duration, data))
        packets[video].sort()
        found: Values = {
            "streams": streams,
            "packets": packets,
            "tags": dict(container.metadata),
            "chapters": container.chapters(),
        }
    found["frames"] = frames_of(path, video, pictures=pictures)
    return found


def frames_of(path: Path, index: int, *, pictures: bool = True) -> list[Any]:
    """Time, display matrix, side data and samples of each frame of a stream."""
    with _open(path) as container:
        frames = container.decode(container.streams[index])
        return [_frame(frame, pictures) for frame in frames if isinstance(frame, av.VideoFrame)]


def _frame(frame: av.VideoFrame, pictures: bool) -> tuple[Any, ...]:
    parts: list[Any] = list(frame.side_data)  # the stub has them as text
    side = sorted((data.type.name, digest(bytes(data))) for data in parts)
    side = [each for each in side if each[0] != "SEI_UNREGISTERED"]  # names the number of threads
    samples = digest(b"".join(plane.tobytes() for plane in frame_planes(frame)))
    return frame.pts, frame.rotation, tuple(side), samples if pictures else ""
