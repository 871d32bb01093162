"""``animesr info``: what the reader sees of an input."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from animesr_cli.cli.app import undisturbed
from animesr_cli.cli.console import show_json, show_table
from animesr_cli.cli.options import verb
from animesr_cli.settings.command import Reporting
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.text import counted, format_bytes
from animesr_cli.video.timestamps import format_time

if TYPE_CHECKING:
    from animesr_cli.reading.info import StreamInfo, VideoInfo


@verb
def info(
    file: Annotated[
        Path, typer.Argument(metavar="IN", help="A video, a folder or pattern of images, or -.")
    ],
    *,
    reporting: Annotated[Reporting, ("json", "debug")],
) -> None:
    """Show what the reader sees in a file, in a sequence of images, or in what is piped in.

    [bold]Examples[/bold]

    animesr info episode.mkv

    animesr info episode.mkv --json
    """
    with undisturbed():
        from animesr_cli.upscaling.targets import images_of, look_at

    show_info(look_at(file, images_of(file), UpscaleSettings()), as_json=reporting.json)


def show_info(info: VideoInfo, *, as_json: bool) -> None:
    """What the reader sees of one file."""
    if as_json:
        return show_json(asdict(info))
    ratio = f", sample aspect {info.sample_aspect_ratio}" if info.sample_aspect_ratio != 1 else ""
    turned = f", rotated by {info.rotation} degrees" if info.rotation else ""
    rate = f"{float(info.frame_rate):.6g} fps" if info.frame_rate else "unknown rate"
    seconds = info.shown_seconds()
    length = format_time(seconds) if seconds else "unknown length"
    count = info.frame_count
    frames = counted(count, "frame") if count else "unknown number of frames"
    tags = info.tags
    rows = [
        ("file", f"{info.path}, {format_bytes(info.size_bytes)}"),
        ("container", info.container),
        ("video", f"stream {info.stream_index}, {info.codec}, {info.pix_fmt}"),
        ("picture", f"{info.width}x{info.height}{ratio}{turned}"),
        ("time", f"{length}, {rate}, {frames}"),
        ("clock", f"ticks of {info.time_base} s"),
        ("colour", f"{info.colour_note}, {'full' if info.colour.full_range else 'limited'} range"),
        (
            "tags",
            f"primaries {tags.primaries}, transfer {tags.transfer}, matrix {tags.matrix} "
            "(numbers of H.273; 2: not stated)",
        ),
        *([("dynamic range", str(info.hdr))] if info.hdr else []),
        ("interlaced", "yes" if info.interlaced else "no"),
        ("chapters", str(info.chapters)),
    ]
    rows += [(f"stream {s.index}", _describe_stream(s)) for s in info.streams]
    return show_table(("", ""), rows)


def _describe_stream(stream: StreamInfo) -> str:
    codec = "" if stream.detail.split(" ")[0] == stream.codec else stream.codec
    parts = [stream.kind, codec, stream.detail, stream.language, stream.title]
    return ", ".join(part for part in parts if part) + (" (default)" if stream.default else "")
