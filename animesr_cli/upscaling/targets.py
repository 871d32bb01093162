"""Where a run's pictures come from and where they go: a video file, images, or a pipe.

Kinds are told by names: ``-`` is a pipe; a folder, or a pattern such as ``frames/%06d.png`` that is
no file's name, is images; all else is a video file. What the chosen kind of output cannot hold is
put into words. Nothing is decoded or written here but the first picture.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from animesr_cli.errors import UsageError
from animesr_cli.reading.image_reader import DEFAULT_RATE, chosen, probe_sequence
from animesr_cli.reading.image_sequence import ImageSequence, Pattern, find_sequence, parse_pattern
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.reading.y4m import PIPE, probe_pipe
from animesr_cli.settings.upscale import UpscaleSettings
from animesr_cli.text import shown
from animesr_cli.video.colour import MATRIX_TITLES
from animesr_cli.video.containers import IMAGE_SUFFIXES
from animesr_cli.video.part import Part
from animesr_cli.writing.encoders import format_of
from animesr_cli.writing.image_names import ImageNames, check_images, image_names
from animesr_cli.writing.pipe_writer import check_pipe_output
from animesr_cli.writing.writer import check_output

# Input -------------------------------------------------------------------------------------------


def images_of(source: Path) -> ImageSequence | None:
    """The images that a name stands for; None: it is a pipe or a video file."""
    return None if source == PIPE else find_sequence(source)


def look_at(source: Path, sequence: ImageSequence | None, settings: UpscaleSettings) -> VideoInfo:
    """What the input is; of a pipe this takes the header.

    Raises:
        InputError: it cannot be read.
        UsageError: ``--fps`` is given and the input is a video file.
    """
    if sequence is not None:
        return probe_sequence(
            sequence, rate=settings.fps, matrix=settings.matrix, max_pixels=settings.max_pixels
        )
    if source == PIPE:
        return probe_pipe(rate=settings.fps, matrix=settings.matrix, max_pixels=settings.max_pixels)
    info = probe(
        source,
        matrix=settings.matrix,
        stream_index=settings.stream,
        max_pixels=settings.max_pixels,
    )
    if settings.fps is not None:
        raise UsageError(
            "--fps is for images and for standard input; a video file has its own times",
            "leave it out",
        )
    return info


# Output ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the pictures go, checked: it can be written."""

    path: Path
    """As it was given, or the default."""
    format_name: str
    """FFmpeg's muxer; png for images."""
    images: ImageNames | None = None

    @property
    def folder(self) -> Path | None:
        """What the disk space is looked up for; None: a pipe."""
        if self.path == PIPE:
            return None
        path = self.images.folder if self.images else self.path.parent
        return path if path.is_dir() else path.absolute().parent


def size_label(settings: UpscaleSettings) -> str:
    """``x4``, ``w1920``, ``1080`` or ``1920x1080``: what is added to a name."""
    size = "x".join(str(n) for n in settings.fit or (settings.width, settings.height) if n)
    only_width = settings.width and not settings.height
    return f"w{size}" if only_width else size or f"x{settings.factor:g}"


def default_output(source: Path, settings: UpscaleSettings, folder: Path | None) -> Path:
    """``IN_x4.mp4`` beside the input or in ``folder``; MKV where the suffix cannot be written."""
    suffix = source.suffix if format_of(source.suffix) else ".mkv"
    return (folder or source.parent) / f"{source.stem}_{size_label(settings)}{suffix}"


def choose_target(
    source: Path, sequence: ImageSequence | None, output: Path | None, settings: UpscaleSettings
) -> Target:
    """Settle the output's name and kind, and refuse what cannot or must not be written.

    Raises:
        UsageError: there is no name for it, it is not known what it is to be, or it is the input.
        OutputError: it exists, or its folder is missing or read-only.
    """
    if output == PIPE:
        check_pipe_output()
        return Target(path=PIPE, format_name="yuv4mpegpipe")
    is_folder = output is not None and os.path.isdir(output)  # Path.is_dir fails over long names
    pattern = None if output is None or is_folder else _image_pattern(output)
    if output is not None and pattern is not None:
        return _images(output, pattern.folder, pattern, sequence, settings)
    if sequence is not None and (output is None or is_folder or _is_new_folder(output)):
        if output is None:
            output, pattern = _default_images(sequence, settings)
        folder = output if pattern is None else pattern.folder
        return _images(output, folder, pattern, sequence, settings)
    if output is None or is_folder:
        if source == PIPE:
            raise UsageError(
                "standard input has no name to call the output after", "name OUT, or - for a pipe"
            )
        output = default_output(source, settings, output)
    format_name = check_output(output, source, overwrite=settings.overwrite)
    return Target(path=output, format_name=format_name)


def _is_new_folder(output: Path) -> bool:
    return not output.suffix and not os.path.lexists(output)


def _image_pattern(output: Path) -> Pattern | None:
    """The pattern of a name that ends as an image's; None: it does not."""
    suffix = output.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        return None
    pattern = parse_pattern(output)
    if suffix != ".png":
        raise UsageError(
            f"{shown(output)}: images of this type are not written",
            f"{shown(output.with_suffix('.png'))} is",
        )
    if pattern is None:
        raise UsageError(
            f"{shown(output)} is one image, and a video has many",
            f"put a number into the name, such as {shown(output.with_stem('%06d'))}",
        )
    return pattern


def _default_images(
    sequence: ImageSequence, settings: UpscaleSettings
) -> tuple[Path, Pattern | None]:
    """A folder ``IN_x4`` beside the input's, with the same names."""
    folder = sequence.path if sequence.pattern is None else sequence.pattern.folder
    if folder.name in ("", ".."):
        folder = Path(os.path.abspath(folder))
    if not folder.name:
        raise UsageError(f"{shown(folder)} has no folder beside it", "name an output folder")
    folder = folder.with_name(f"{folder.name}_{size_label(settings)}")
    if sequence.pattern is None:
        return folder, None
    path = folder / Path(sequence.path.name).with_suffix(".png")
    return path, parse_pattern(path)


def _images(
    output: Path,
    folder: Path,
    pattern: Pattern | None,
    sequence: ImageSequence | None,
    settings: UpscaleSettings,
) -> Target:
    frames = range(0)
    if sequence is not None:
        tick = 1 / (settings.fps or DEFAULT_RATE)
        frames = chosen(
            len(sequence.files), tick, Part(settings.start, settings.end, settings.frames)
        )
    images = image_names(folder, pattern, sequence, frames)
    check_images(images, sequence, overwrite=settings.overwrite)
    return Target(path=output, format_name="png", images=images)


# What gets lost ----------------------------------------------------------------------------------


def losses(source: VideoInfo, target: Target) -> Iterator[str]:
    """What the input has and pictures alone cannot hold, in sentences."""
    if target.images is None and target.path != PIPE:
        return
    kind = "images" if target.images else "y4m streams"
    others = [s.kind for s in source.streams if s.index != source.stream_index]
    if source.chapters:  # MP4 lists their titles as a stream besides
        others = [other for other in others if other != "data"] + ["chapter"] * source.chapters
    if others:
        found = ", ".join(f"{count} {name}" for name, count in Counter(others).items())
        yield f"{kind} hold nothing but pictures: what else there is ({found}) is left out"
    if source.captions:
        yield f"{kind} have no place for the captions inside the pictures: they are dropped"
    if source.rotation:
        yield (
            f"the input is shown turned by {source.rotation} degrees, which {kind} cannot say: "
            "the pictures lie as they are stored"
        )


def remarks(
    source: VideoInfo, sequence: ImageSequence | None, target: Target, settings: UpscaleSettings
) -> Iterator[str]:
    """What a person should know about times and colours, in sentences."""
    rate = f"{source.frame_rate} frames a second" if source.frame_rate else "an unknown frame rate"
    if sequence is not None and settings.fps is None and target.images is None:
        yield f"images have no times: {rate}; --fps sets another rate"
    if sequence is None and target.images is not None:
        yield f"images have no times: these are {rate}"
    if target.path == PIPE and source.colour.layout.family != "gray":
        title = MATRIX_TITLES[source.colour.matrix]
        yield f"y4m does not name the colour matrix, which is {title}: tell the next program"
