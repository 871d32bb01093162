"""Degrading a video file: HR in, LR out, by one plan for all its frames.

The last operator of a plan is H.264, so its own stream is what is written: the pictures go through
no second encoder. They pass in parts, so that memory does not grow with their number.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from animesr_cli.atomic_files import PartFile, check_place, explained, part_file
from animesr_cli.bounded import MEBIBYTE, UnfitError, read_bytes
from animesr_cli.degradation.lbo import LoadedOperator, load_operator
from animesr_cli.degradation.operators import (
    CODEC,
    SCALE,
    DegradationPlan,
    h264_colour,
    h264_encoding,
    operator_of,
    plan_from_json,
    plan_to_json,
    sample_plan,
    shrink,
)
from animesr_cli.errors import InputError, UsageError, Warn
from animesr_cli.file_names import check_name
from animesr_cli.model.devices import choose_compute
from animesr_cli.reading.info import VideoInfo
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.settings.limits import SIZE_MULTIPLE
from animesr_cli.text import shown
from animesr_cli.video.colour import from_rgb, to_rgb
from animesr_cli.video.containers import check_readable
from animesr_cli.writing.encoders import FORMATS, holds
from animesr_cli.writing.output import OutputFormat
from animesr_cli.writing.writer import Writer, check_output

log = logging.getLogger(__name__)

PLAN_SUFFIX: Final = ".plan.json"
PART_PIXELS: Final = 1 << 21
"""HR pixels that are degraded at a time; the operators need up to 200 bytes of memory for each."""
SEED_BITS: Final = 32


@dataclass(frozen=True, kw_only=True)
class DegradeResult:
    """What was written."""

    output: Path
    plan_path: Path
    """Where the plan is."""
    frames: int
    width: int
    height: int


# ---- before the first frame ----------------------------------------------------------------------


def _check_container(output: Path, source: Path, overwrite: bool) -> str:
    """FFmpeg's muxer of the output, which must be able to hold H.264."""
    muxer = check_output(output, source, overwrite=overwrite)
    if not holds(muxer, CODEC):
        fitting = [suffix for suffix, format in FORMATS.items() if holds(format.muxer, CODEC)]
        raise UsageError(
            f"{shown(output)}: {output.suffix} cannot hold H.264, which is the last operator",
            f"use {', '.join(fitting)}",
        )
    return muxer


def _pictures_alone(info: VideoInfo, warn: Warn) -> VideoInfo:
    """The input without what is not degraded."""
    if any(stream.index != info.stream_index for stream in info.streams):
        warn("only the pictures are degraded; sound, subtitles and other streams are not copied")
    if info.hdr is not None:
        warn("the output has 8 bits and standard metadata: HDR metadata is not kept")
    if info.interlaced:
        warn("the input is interlaced; its fields are degraded as if they were one picture")
    return replace(info, streams=(), chapters=0, hdr=None)


def _cropped_size(info: VideoInfo, warn: Warn) -> tuple[int, int]:
    """Width and height of the largest picture whose quarter is even."""
    width, height = (side - side % SIZE_MULTIPLE for side in (info.width, info.height))
    if not width or not height:
        raise InputError(
            f"pictures of {info.width}x{info.height} are too small to be degraded",
            f"both sides must be {SIZE_MULTIPLE} pixels at least",
        )
    if (width, height) != (info.width, info.height):
        warn(
            f"the pictures are cropped from {info.width}x{info.height} to {width}x{height} at the "
            f"right and bottom: sizes must be divisible by {SIZE_MULTIPLE}"
        )
    return width, height


def read_plan(path: Path) -> DegradationPlan:
    """Read a plan from its file."""
    try:
        return plan_from_json(read_bytes(check_readable(path), most_bytes=MEBIBYTE))
    except UnfitError as error:
        raise UsageError(f"{shown(path)} is no plan: {error}") from error
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"{shown(path)}: {error.message}", error.hint) from error


def _draw_plan(seed: int | None, operators: Sequence[LoadedOperator]) -> DegradationPlan:
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    log.info("the plan is drawn from seed %d", seed)
    return sample_plan(random.Random(seed), operators=operators)


def _operator_for(
    plan: DegradationPlan, operators: Sequence[LoadedOperator], device: torch.device
) -> LoadedOperator | None:
    """The operator of a plan on the device, from the file where it once was if none is given."""
    if plan.lbo is not None and not operators and plan.lbo_file:
        operators = [load_operator(plan.lbo_file)]
    operator = operator_of(plan, operators)
    if operator is not None:
        operator.network.to(device)
    return operator


def _plan_file(
    path: Path, source: Path, plan_path: Path | None, overwrite: bool
) -> AbstractContextManager[PartFile | None]:
    """The file for the plan; none where the plan was read from it."""
    if plan_path is not None and path.exists() and os.path.samefile(path, plan_path):
        return nullcontext()
    check_name(path)
    check_place(path, source, overwrite=overwrite)
    return part_file(path)


# ---- frames --------------------------------------------------------------------------------------


def _write_video(
    info: VideoInfo,
    output: Path,
    output_format: OutputFormat,
    shrunk: Callable[[Tensor, int], Tensor],
    device: torch.device,
    *,
    overwrite: bool,
    warn: Warn,
    on_progress: Callable[[int, int | None], None],
) -> int:
    """Degrade every frame; the number of them.

    Args:
        shrunk: makes LR of a part (T, 3, H, W) in [0, 1] and the number of its first frame.
    """
    width, height = SCALE * output_format.width, SCALE * output_format.height
    length = max(PART_PIXELS // (width * height), 1)
    frames = 0
    with torch.inference_mode(), ExitStack() as stack:
        reader = stack.enter_context(Reader(info.path, info=info, warn=warn))
        pictures = iter(reader)
        writer: Writer | None = None
        while part := list(islice(pictures, length)):
            if writer is None:  # only from the first frame on the reader's origin is final
                writer = stack.enter_context(
                    Writer(
                        output,
                        source=info,
                        output_format=output_format,
                        origin=reader.origin,
                        overwrite=overwrite,
                        warn=warn,
                    )
                )
            hr = [
                to_rgb([plane.to(device) for plane in frame.planes], info.colour) for frame in part
            ]
            clip = torch.stack(hr)[..., :height, :width].clamp_(0, 1)
            for frame, rgb in zip(part, shrunk(clip, frames), strict=True):
                planes = [plane.cpu() for plane in from_rgb(rgb, output_format.colour)]
                writer.write(planes, frame)
            frames += len(part)
            on_progress(frames, info.frame_count)
        assert writer is not None  # a reader without a frame raises
        writer.finish()
    return frames


# ---- the whole -----------------------------------------------------------------------------------


def degrade_video(
    source: Path,
    output: Path,
    *,
    seed: int | None = None,
    lbo: Sequence[str | Path] = (),
    plan_path: Path | None = None,
    plan_output: Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    warn: Warn = log.warning,
    on_plan: Callable[[DegradationPlan], None] = lambda plan: None,
    on_progress: Callable[[int, int | None], None] = lambda frames, total: None,
) -> DegradeResult:
    """Write a degraded copy of a video, a quarter as wide and high, and the plan that was followed.

    Args:
        seed: what the plan is drawn from; None draws a seed too.
        lbo: learned operators by name or path, of which the plan may employ one.
        plan_path: the plan to follow; then nothing is drawn.
        plan_output: where the plan is written; None is the output's name and ``.plan.json``.
        on_progress: is given the number of frames done, and of all, where that is known.

    Raises:
        AnimesrError: with nothing left behind.
    """
    if plan_path is not None and seed is not None:
        raise UsageError("a plan is either followed or drawn from a seed", "leave one of them out")
    followed = None if plan_path is None else read_plan(plan_path)
    format_name = _check_container(output, source, overwrite)
    plan_output = plan_output or output.with_name(output.name + PLAN_SUFFIX)
    with _plan_file(plan_output, source, plan_path, overwrite) as plan_file:
        info = _pictures_alone(probe(source), warn)
        operators = [load_operator(path) for path in lbo]
        plan = followed or _draw_plan(seed, operators)
        on_plan(plan)
        torch_device = choose_compute(device, "fp32").device
        operator = _operator_for(plan, operators, torch_device)
        width, height = _cropped_size(info, warn)
        if plan_file is not None:
            with explained(plan_output):
                plan_file.sink.write(plan_to_json(plan).encode())
        output_format = OutputFormat(
            width=width // SCALE,
            height=height // SCALE,
            aspect=info.sample_aspect_ratio,
            encoding=h264_encoding(plan.crf, plan.profile, format_name),
            # The matrix is that of the input, where it has one.
            colour=h264_colour(
                info.colour.matrix if info.colour.layout.family == "yuv" else "bt709"
            ),
        )
        frames = _write_video(
            info,
            output,
            output_format,
            lambda clip, first: shrink(clip, plan, operator, first_frame=first),
            torch_device,
            overwrite=overwrite,
            warn=warn,
            on_progress=on_progress,
        )
        if plan_file is not None:
            plan_file.publish(overwrite=overwrite)
    return DegradeResult(
        output=output,
        plan_path=plan_output,
        frames=frames,
        width=width // SCALE,
        height=height // SCALE,
    )
