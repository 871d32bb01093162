"""What the tests of the writing rooms share: a file written again, and what a file holds.

``rewrite`` runs a whole ``Writer`` over a source with cheap pictures in place of enlarged ones;
``packets_of`` and ``facts_of`` read a file with PyAV alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import torch
from av.stream import Discard

from animesr_cli.reading.frame import Frame
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.packets import codec_name
from animesr_cli.reading.probe import probe
from animesr_cli.settings import UpscaleSettings
from animesr_cli.video.colour import ColourSpec, PixelLayout
from animesr_cli.video.part import Part
from animesr_cli.writing.encoders import Encoding
from animesr_cli.writing.encoding import choose_encoding
from animesr_cli.writing.output import OutputFormat
from animesr_cli.writing.writer import Writer, check_output

FAST: Mapping[str, str] = {"preset": "ultrafast"}


def _open(path: Path) -> av.container.InputContainer:
    return av.open(str(path), metadata_errors="surrogateescape")


def flat_picture(
    layout: PixelLayout, width: int, height: int, value: int = 100
) -> tuple[torch.Tensor, ...]:
    """Planes of one code each; chroma is neutral."""
    sample_type = torch.uint8 if layout.depth == 8 else torch.uint16
    if layout.family != "yuv":
        planes = 3 if layout.family == "rgb" else 1
        return tuple(torch.full((height, width), value, dtype=sample_type) for _ in range(planes))
    chroma = (-(-height >> layout.chroma_shift_y), -(-width >> layout.chroma_shift_x))
    neutral = 1 << (layout.depth - 1)
    return (
        torch.full((height, width), value, dtype=sample_type),
        torch.full(chroma, neutral, dtype=sample_type),
        torch.full(chroma, neutral, dtype=sample_type),
    )


def output_colour(encoding: Encoding, source: VideoInfo) -> ColourSpec:
    return ColourSpec(
        layout=encoding.layout,
        matrix=source.colour.matrix,
        full_range=source.colour.full_range and source.colour.layout.family != "rgb",
        siting=source.colour.siting,
    )


def video_times(source: VideoInfo) -> list[tuple[int, int]]:
    """(pts, duration) of the frames of a file, each up to the next."""
    with _open(source.path) as container:
        packets = container.demux(container.streams[source.stream_index])
        found = sorted((p.pts or 0, p.duration or 0) for p in packets if p.size)
    following = [pts for pts, _ in found[1:]]
    return [
        (pts, (following[i] - pts) if i < len(following) else duration)
        for i, (pts, duration) in enumerate(found)
    ]


@dataclass
class Rewritten:
    path: Path
    source: VideoInfo
    encoding: Encoding
    warnings: list[str]


def make_writer(
    source: Path,
    output: Path,
    *,
    settings: UpscaleSettings | None = None,
    width: int = 64,
    height: int = 48,
    origin: Fraction = Fraction(0),
    warn: Callable[[str], None] = lambda message: None,
    info: VideoInfo | None = None,
    **arguments: Any,
) -> Writer:
    """A writer as a run would make it, that has not been entered."""
    settings = settings or UpscaleSettings(encoder_options=dict(FAST))
    overwrite = arguments.get("overwrite", False)
    part = {name: arguments.pop(name) for name in ("start", "end", "frames") if name in arguments}
    info = info or probe(source)
    format_name = check_output(output, source, overwrite=overwrite)
    if format_name == "webm" and settings.encoder_options == FAST:
        settings = UpscaleSettings(preset="8")
    encoding = choose_encoding(format_name, settings, info, warn=warn)
    return Writer(
        output,
        source=info,
        output_format=OutputFormat(
            width=width,
            height=height,
            aspect=info.sample_aspect_ratio,
            encoding=encoding,
            colour=output_colour(encoding, info),
        ),
        origin=origin,
        part=Part(**part),
        warn=warn,
        **arguments,
    )


def rewrite(
    source: Path,
    output: Path,
    *,
    times: list[tuple[int, int]] | None = None,
    **arguments: Any,
) -> Rewritten:
    """Write ``output`` with flat pictures at the times of ``source`` and all its other streams."""
    warnings: list[str] = []
    writer = make_writer(source, output, warn=warnings.append, **arguments)
    encoding, info = writer._encoding, writer._source
    width, height = writer._size
    with writer:
        for number, (pts, duration) in enumerate(times or video_times(info)):
            planes = flat_picture(encoding.layout, width, height, 16 + number % 200)
            writer.write(planes, Frame((), pts, duration))
        writer.finish()
    return Rewritten(output, info, encoding, warnings)


@dataclass(frozen=True)
class StreamFacts:
    """What a copy must keep of one stream."""

    kind: str
    codec: str
    times: tuple[Fraction, ...]
    """Seconds, of its packets."""
    payload: str
    """Hash of all its bytes."""
    language: str | None
    title: str | None
    disposition: int


def facts_of(path: Path) -> list[StreamFacts]:
    """Every stream but attachments and the chapter titles of MP4; gap markers are left out."""
    with _open(path) as container:
        streams = [
            s for s in container.streams if s.type != "attachment" and s.discard != Discard.all
        ]
        packets: dict[int, list[Any]] = {stream.index: [] for stream in streams}
        for packet in container.demux():
            if packet.size > 2 and packet.stream_index in packets:
                packets[packet.stream_index].append(packet)
        return [
            StreamFacts(
                kind=stream.type,
                codec=codec_name(stream),
                times=tuple((p.pts or 0) * Fraction(p.time_base) for p in packets[stream.index]),
                payload=hashlib.sha256(
                    b"".join(bytes(p) for p in packets[stream.index])
                ).hexdigest(),
                language=stream.language,
                title=stream.metadata.get("title", stream.metadata.get("name")),
                disposition=int(stream.disposition),
            )
            for stream in streams
        ]


def chapters_of(path: Path) -> list[tuple[Any, Any, str]]:
    """(start, end, title), in seconds."""
    with _open(path) as container:
        return [
            (
                chapter["start"] * Fraction(chapter["time_base"] or 1),
                chapter["end"] * Fraction(chapter["time_base"] or 1),
                chapter["metadata"].get("title", ""),
            )
            for chapter in container.chapters()
        ]


def attachments_of(path: Path) -> dict[str, tuple[str | None, bytes]]:
    """Name -> (type, content)."""
    with _open(path) as container:
        return {
            stream.name or "": (stream.mimetype, stream.data)
            for stream in container.streams
            if isinstance(stream, av.stream.AttachmentStream)
        }


def tags_of_file(path: Path) -> dict[str, str]:
    with _open(path) as container:
        return dict(container.metadata)
