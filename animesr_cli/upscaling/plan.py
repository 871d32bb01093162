"""Everything that is settled before the first frame: names, sizes, colour, device, time and disk.

What cannot work is refused here in one sentence; what will differ from the wish is noted. Nothing
is written.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from animesr_cli.errors import DiskFullError, UsageError, Warn
from animesr_cli.model.checkpoint import LoadedCheckpoint, known_scale, load_checkpoint
from animesr_cli.model.clip_engine import WINDOWS, choose_window
from animesr_cli.model.devices import Compute, choose_compute
from animesr_cli.model.engine import choose_tile, seconds_per_pixel
from animesr_cli.model.network import Network
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.reading.deinterlace import Deinterlacer, Verdict, interlacing_remark, look_into
from animesr_cli.reading.image_sequence import ImageSequence
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.y4m import PIPE
from animesr_cli.settings import UpscaleSettings, check_settings
from animesr_cli.settings.limits import MAX_COUNT
from animesr_cli.text import format_bytes
from animesr_cli.upscaling.chunk_size import segment_frames
from animesr_cli.upscaling.output_size import output_size, size_notes
from animesr_cli.upscaling.targets import choose_target, images_of, look_at, losses, remarks
from animesr_cli.video.colour import ColourSpec, Matrix, PixelLayout
from animesr_cli.video.hdr import is_hdr
from animesr_cli.video.part import Part
from animesr_cli.writing.encoders import Encoding, check_opens
from animesr_cli.writing.encoding import choose_encoding
from animesr_cli.writing.image_names import ImageNames
from animesr_cli.writing.output import OutputFormat
from animesr_cli.writing.pipe_writer import signalled

HARDWARE_H264_WIDTH_PX: Final = 4096
"""Hardware decoders of H.264 end here."""

LONG_RUN_SECONDS: Final = 24 * 3600

TRIAL_SIDE_PX: Final = 192
"""Of the picture on which the time of a run is estimated."""

# Bits per output pixel and frame: a still drawing and dense grain lie near these two.
FEWEST_BITS_PER_PIXEL: Final = 0.005
LIKELY_BITS_PER_PIXEL: Final = 0.12
LOSSLESS_BITS_PER_PIXEL: Final = 8.0


@dataclass(frozen=True)
class LoadedNetwork:
    """A network that is ready to run; several runs may share it."""

    checkpoint: LoadedCheckpoint
    network: Network
    """fp32, on the CPU."""
    compute: Compute
    _trials: dict[int, float] = field(default_factory=dict, repr=False)

    def seconds_per_pixel(self, side: int) -> float:
        """Of one frame of the input, from a trial on this device, made once for each ``side``."""
        if side not in self._trials:
            self._trials[side] = seconds_per_pixel(self.network, self.compute, side)
        return self._trials[side]


def ready_network(settings: UpscaleSettings, *, warn: Warn) -> LoadedNetwork:
    """Choose the device, and find, verify and read the checkpoint."""
    wish = settings.device, settings.precision
    if settings.cluster is not None:
        wish = "auto", "auto"  # a cluster has devices of its own, which settle both
    compute = choose_compute(*wish)
    checkpoint = load_checkpoint(settings.model, strength=settings.strength, warn=warn)
    return LoadedNetwork(checkpoint, checkpoint.build(), compute)


def with_scale(
    settings: UpscaleSettings, loaded: LoadedNetwork | None, *, warn: Warn
) -> tuple[UpscaleSettings, LoadedNetwork | None]:
    """Settings whose scale is the network's own, where no size was asked for.

    The catalogue tells it without a download; a file has to be read, and is handed back then.
    """
    if settings.sized or settings.scale is not None:
        return settings, loaded
    scale = loaded.network.scale if loaded else known_scale(settings.model)
    if scale is None:
        loaded = ready_network(settings, warn=warn)
        scale = loaded.network.scale
    return replace(settings, scale=float(scale)), loaded


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will do."""

    source: VideoInfo
    sequence: ImageSequence | None
    """The images that are read; None: it is a video."""
    output: Path
    images: ImageNames | None
    """The images that are written; None: it is a video."""
    settings: UpscaleSettings
    checkpoint: LoadedCheckpoint
    network: Network
    """fp32, on the CPU."""
    compute: Compute
    tile: int
    """Tile side in input pixels; at least the frame's longer side means the whole frame, and 0
    that each worker chooses by its own memory."""
    format: OutputFormat
    deinterlacer: Deinterlacer | None = None
    frames: int | None
    """Expected; None where the container does not tell."""
    segment_frames: int
    """At most so many are kept together; settled when a run is begun."""
    estimated_seconds: float | None
    """Of the network over all frames, from a trial on this device."""
    free_bytes: int | None
    """Where the output goes; None: it goes through a pipe."""
    notes: tuple[str, ...]

    @property
    def part(self) -> Part:
        """Of the input."""
        return Part(self.settings.start, self.settings.end, self.settings.frames)

    @property
    def tiled(self) -> bool:
        return 0 < self.tile < max(self.source.width, self.source.height)


def output_colour(source: VideoInfo, encoding: Encoding) -> ColourSpec:
    """The input's matrix, range and siting, in the layout of the encoder, as far as it has them."""
    chosen = _colour_in(source, encoding.layout)
    if encoding.format_name == "png":
        return replace(chosen, full_range=True)
    return signalled(chosen) if encoding.format_name == "yuv4mpegpipe" else chosen


def _colour_in(source: VideoInfo, layout: PixelLayout) -> ColourSpec:
    colour = source.colour
    if colour.layout.family == "rgb":  # computer graphics: tagged, so that nobody has to guess
        matrix: Matrix = "bt2020" if is_hdr(source.hdr) else "bt709"
        return ColourSpec(layout=layout, matrix=matrix, full_range=False)
    return ColourSpec(
        layout=layout,
        matrix=colour.matrix,
        full_range=colour.full_range,
        siting=colour.siting,
    )


def expected_frames(source: VideoInfo, settings: UpscaleSettings) -> int | None:
    """Frames within ``start``, ``end`` and ``frames``, as far as the container tells."""
    count = source.frame_count
    seconds = source.shown_seconds(settings.start, settings.end)
    is_part = bool(settings.start or settings.end)
    if seconds is not None and source.frame_rate and (count is None or is_part):
        count = round(max(seconds, Fraction(0)) * source.frame_rate)
    return min(count, settings.frames) if count and settings.frames else count or settings.frames


def likely_bytes(pixels: int, encoding: Encoding) -> int:
    """Of the encoded pictures, for so many pixels of all frames together."""
    bits = LOSSLESS_BITS_PER_PIXEL if encoding.lossless else LIKELY_BITS_PER_PIXEL
    return int(pixels * bits / 8)


def _check_disk(pixels: int, encoding: Encoding, free: int, warn: Warn) -> None:
    fewest = int(pixels * FEWEST_BITS_PER_PIXEL / 8)
    likely = likely_bytes(pixels, encoding)
    if free < fewest:
        raise DiskFullError(
            f"{format_bytes(free)} are free where the output goes, and it needs at least "
            f"{format_bytes(fewest)}",
            f"free {format_bytes(likely - free)} and run again",
        )
    if free < likely:
        warn(
            f"the output may need {format_bytes(likely)} and only {format_bytes(free)} are free "
            "where it goes"
        )


FILES_ONLY: Final = ("stream", "deinterlace", "hw", "bitrate", "target_size")
"""Settings that only video files have a use for."""


def choose_deinterlacer(
    source: VideoInfo, settings: UpscaleSettings, *, is_file: bool, warn: Warn
) -> Deinterlacer | None:
    """What was asked for; where it was not, a warning if the pictures are interlaced."""
    verdict = Verdict()
    if is_file:
        verdict = look_into(source, settings.start)
    else:
        for name in FILES_ONLY:
            if getattr(settings, name) not in (None, False):
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is for video files", "leave it out")
    if sentence := interlacing_remark(source, verdict, deinterlaced=settings.deinterlace):
        warn(sentence)
    if not settings.deinterlace:
        return None
    return Deinterlacer(flagged=source.interlaced, top_first=verdict.top_first)


def _fitted(
    info: VideoInfo, settings: UpscaleSettings, loaded: LoadedNetwork, warn: Warn
) -> tuple[int, int]:
    """The tile, and the frames of a segment, that fit memory.

    A network that looks into the future takes whole frames of a whole window, which is a segment.
    """
    net, compute = loaded.network, loaded.compute
    if not isinstance(net, RealBasicVSR):
        if settings.tile or settings.cluster is not None:  # whose machines choose for themselves
            return settings.tile, MAX_COUNT
        return choose_tile(info.height, info.width, net, compute), MAX_COUNT
    if settings.tile:
        warn(f"--tile is not for {net.architecture}, which takes whole frames")
    most = settings.segment_frames or WINDOWS[0]
    window = choose_window(info.height, info.width, net, compute, most)
    return max(info.height, info.width), window


def make_plan(
    source: Path,
    output: Path | None,
    settings: UpscaleSettings,
    *,
    warn: Warn,
    loaded: LoadedNetwork | None = None,
) -> Plan:
    """Check everything and settle every open choice; raises the error of whatever cannot work.

    ``loaded`` is what ``ready_network`` gave for the same settings; None: it is loaded here.
    """
    check_settings(settings)
    settings, loaded = with_scale(settings, loaded, warn=warn)
    sequence = images_of(source)
    target = choose_target(source, sequence, output, settings)
    is_file = sequence is None and source != PIPE
    info = look_at(source, sequence, settings)
    for sentence in (*(sequence.remarks if sequence else ()), *losses(info, target)):
        warn(sentence)
    deinterlacer = choose_deinterlacer(info, settings, is_file=is_file, warn=warn)
    encoding = choose_encoding(target.format_name, settings, info, warn=warn)
    width, height, aspect = output_size(info, settings, encoding)
    if target.images is None and target.path != PIPE:
        check_opens(encoding, width, height)
    loaded = loaded or ready_network(settings, warn=warn)
    checkpoint, compute = loaded.checkpoint, loaded.compute
    tile, window = _fitted(info, settings, loaded, warn)
    frames = expected_frames(info, settings)
    free = None if target.folder is None else shutil.disk_usage(target.folder).free
    if free is not None:
        _check_disk(width * height * (frames or 0), encoding, free, warn)
    estimate = None
    if frames and settings.cluster is None:
        side = min(TRIAL_SIDE_PX, max(info.width, info.height))
        estimate = loaded.seconds_per_pixel(side) * info.width * info.height * frames
        if estimate > LONG_RUN_SECONDS:
            warn(
                f"this will take about {estimate / LONG_RUN_SECONDS:.1f} days on {compute.device}; "
                "--end 10 tries the first seconds"
            )
    notes = [
        *size_notes(info, settings, width, height, aspect),
        *remarks(info, sequence, target, settings),
    ]
    if width > HARDWARE_H264_WIDTH_PX and "264" in encoding.codec:
        warn(
            f"{width} pixels wide: hardware decoders of H.264 end at {HARDWARE_H264_WIDTH_PX}; "
            "-c libx265 plays on more devices"
        )
    return Plan(
        source=info,
        sequence=sequence,
        output=target.path,
        images=target.images,
        settings=settings,
        checkpoint=checkpoint,
        network=loaded.network,
        compute=compute,
        tile=tile,
        format=OutputFormat(
            width=width,
            height=height,
            aspect=aspect,
            encoding=encoding,
            colour=output_colour(info, encoding),
        ),
        deinterlacer=deinterlacer,
        frames=frames,
        segment_frames=min(segment_frames(settings, frames, estimate), window),
        estimated_seconds=estimate,
        free_bytes=free,
        notes=tuple(notes),
    )
