"""The whole walk: what comes out is the composition of the parts, at the times of the input.

Pictures are compared through lossless encoders, so that the file shows what the encoder was handed;
x264 itself is not reproducible on every CPU. Two tiny networks stand in for the real one: all zero
(bilinear enlargement, without memory), and random (whose memory shows in every frame).
"""

from __future__ import annotations

import inspect
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import animesr_cli
import cartoon
import media
from animesr_cli import load_network, upscale
from animesr_cli.cli.upscale import upscale as upscale_command
from animesr_cli.reading.frame import Frame
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.settings import UpscaleSettings
from animesr_cli.upscaling import pipeline
from animesr_cli.upscaling.events import Progress
from animesr_cli.video.colour import ColourSpec, from_rgb, to_rgb
from animesr_cli.video.part import Part
from animesr_cli.video.pixel_formats import layout_of
from animesr_cli.video.scenes import SceneDetector
from animesr_cli.writing.writer import Writer
from pictures import decoded
from rewriting import attachments_of, chapters_of, facts_of, tags_of_file

LOSSLESS: dict[str, Any] = {"codec": "ffv1", "precision": "fp32", "device": "cpu"}


def rgb_pictures(path: Path) -> list[np.ndarray[Any, Any]]:
    """Every frame as (H, W, 3); only for files that hold RGB, where this moves bytes alone."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert {frame.format.is_rgb for frame in frames} == {True}
    return [frame.to_ndarray(format="rgb24") for frame in frames]


def network_results(
    source: Path, checkpoint: Path, *, scenes: bool = True, **part: Any
) -> Iterator[Tensor]:
    """What the network makes of a clip, shot by shot, by its own ``forward``: (3, 4H, 4W) each."""
    shots: list[list[Tensor]] = [[]]
    detector = SceneDetector()
    with Reader(source, part=Part(**part)) as reader:
        depth = reader.info.colour.layout.depth
        for frame in reader:
            if detector.is_cut(frame.planes[0], depth) and scenes:
                shots.append([])
            shots[-1].append(to_rgb(frame.planes, reader.info.colour))
    net = load_network(checkpoint)
    with torch.inference_mode():
        for shot in shots:
            yield from net(torch.stack(shot)[None])[0]


def equal_planes(ours: Sequence[np.ndarray[Any, Any]], planes: Sequence[Tensor]) -> bool:
    return all(np.array_equal(a, b.numpy()) for a, b in zip(ours, planes, strict=True))


# Pictures ----------------------------------------------------------------------------------------

AROUND_THE_CUT: dict[str, Any] = {"start": Fraction(cartoon.CUT - 5, 24), "frames": 9}


@pytest.mark.parametrize("scenes", [True, False])
def test_the_output_is_the_composition_of_the_parts(
    scenes: bool, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """Decode, to RGB, the network over each shot, back to YUV: exactly that is encoded."""
    output = tmp_path / "out.mkv"
    result = upscale(
        own_clip, output, model=str(random_checkpoint), scenes=scenes, pix_fmt="yuv444p",
        **LOSSLESS, **AROUND_THE_CUT,
    )  # fmt: skip
    colour = probe(own_clip).colour
    layout = layout_of("yuv444p")
    assert layout is not None
    spec = ColourSpec(layout=layout, matrix=colour.matrix, full_range=colour.full_range)
    ours = decoded(output, "yuv444p")
    expected = network_results(own_clip, random_checkpoint, scenes=scenes, **AROUND_THE_CUT)
    same = [
        equal_planes(planes, from_rgb(sr, spec)) for planes, sr in zip(ours, expected, strict=True)
    ]
    assert same == [True] * 9
    assert result.cuts == (1 if scenes else 0)


def test_the_memory_of_a_shot_ends_at_its_cut(
    own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """What --no-scenes changes are the frames around the cut and those after it, not before."""
    for scenes in (True, False):
        upscale(
            own_clip, tmp_path / f"{scenes}.mkv", model=str(random_checkpoint), scenes=scenes,
            **LOSSLESS, **AROUND_THE_CUT,
        )  # fmt: skip
    pairs = zip(decoded(tmp_path / "True.mkv"), decoded(tmp_path / "False.mkv"), strict=True)
    same = [all(np.array_equal(a, b) for a, b in zip(*pair, strict=True)) for pair in pairs]
    assert same[:4] == [True] * 4  # the window reaches one frame ahead
    assert not any(same[4:6])


RGB_ENCODINGS: dict[str, dict[str, Any]] = {
    "ffv1": {"codec": "ffv1", "pix_fmt": "bgr0"},
    "x264 qp": {"codec": "libx264rgb", "encoder_options": {"qp": "0"}},
    "x264 crf": {"codec": "libx264rgb", "crf": 0},
    "png": {"codec": "png", "pix_fmt": "rgb24"},
}


@pytest.mark.parametrize("kind", RGB_ENCODINGS)
def test_rgb_output_is_the_result_of_the_network_and_nothing_else(
    kind: str, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """Clamped to [0, 1], times 255, rounded: the file holds these numbers."""
    output = tmp_path / ("out.mov" if kind == "png" else "out.mkv")
    settings = {**LOSSLESS, **RGB_ENCODINGS[kind]}
    upscale(own_clip, output, model=str(random_checkpoint), frames=3, **settings)
    ours = rgb_pictures(output)
    results = list(network_results(own_clip, random_checkpoint, frames=3))
    assert min(float(sr.min()) for sr in results) < 0  # there is something to clamp
    for picture, sr in zip(ours, results, strict=True):
        expected = (sr.clamp(0, 1) * 255).round().to(torch.uint8)
        assert np.array_equal(picture, expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("scale", [1, 2, 2.5, 3, 0.5])
def test_other_scales_are_resampled_from_the_network_before_rounding(
    scale: float, own_clip: Path, random_checkpoint: Path, tmp_path: Path
) -> None:
    """Any factor: the x4 result, bicubic with antialiasing, then rounded, once."""
    output = tmp_path / "out.mkv"
    upscale(
        own_clip, output, scale=scale, model=str(random_checkpoint), frames=2, pix_fmt="bgr0",
        **LOSSLESS,
    )  # fmt: skip
    size = (round(cartoon.HEIGHT * scale), round(cartoon.WIDTH * scale))
    ours = rgb_pictures(output)
    for picture, sr in zip(
        ours, network_results(own_clip, random_checkpoint, frames=2), strict=True
    ):
        resized = functional.interpolate(sr[None], size=size, mode="bicubic", antialias=True)[0]
        expected = (resized.clamp(0, 1) * 255).round().to(torch.uint8)
        assert np.array_equal(picture, expected.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("scale", [4, 1, 2.5])
def test_a_flat_colour_stays_what_it_is(
    scale: float, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """No step of the whole walk moves a code, at the edges neither."""
    pictures = []
    for luma in (16, 81, 235):
        frame = av.VideoFrame(38, 26, "yuv420p")
        for plane, code in zip(frame.planes, (luma, 90, 200), strict=True):
            plane.update(bytes([code]) * plane.buffer_size)
        pictures.append(frame)
    source = media.write_video(
        tmp_path / "in.mkv", width=38, height=26, pictures=pictures, exact=True
    )
    upscale(source, tmp_path / "out.mkv", scale=scale, model=str(zero_checkpoint), **LOSSLESS)
    codes = [
        [np.unique(plane).tolist() for plane in planes] for planes in decoded(tmp_path / "out.mkv")
    ]
    assert codes == [[[luma], [90], [200]] for luma in (16, 81, 235)]


def test_tiles_do_not_show(own_clip: Path, random_checkpoint: Path, tmp_path: Path) -> None:
    """--tile changes no code of the output by more than rounding, through all frames."""
    for tile in (0, 32):
        upscale(
            own_clip, tmp_path / f"{tile}.mkv", tile=tile, model=str(random_checkpoint), frames=4,
            **LOSSLESS,
        )  # fmt: skip
    for whole, tiled in zip(decoded(tmp_path / "0.mkv"), decoded(tmp_path / "32.mkv"), strict=True):
        for a, b in zip(whole, tiled, strict=True):
            difference = np.abs(a.astype(int) - b)
            assert difference.max() <= 1
            assert (difference > 0).mean() < 1e-4


# Time and the other streams ----------------------------------------------------------------------

VARIABLE = [0, 1001, 2002, 4004, 4104, 9009, 12012, 30030, 30130, 31031]
"""Ticks of 1/24000 s: steps from 4 ms to 0.75 s."""


def times_of(path: Path) -> list[Fraction]:
    return sorted(next(stream for stream in facts_of(path) if stream.kind == "video").times)


@pytest.mark.parametrize(
    ("name", "output", "error_ms"),
    [("in.mp4", "out.mp4", 0), ("in.mp4", "out.mkv", 0.5), ("in.mkv", "out.mkv", 0),
     ("in.mkv", "out.mp4", 0), ("in.mov", "out.mp4", 0), ("in.webm", "out.webm", 0)],
)  # fmt: skip
def test_every_frame_keeps_its_time(
    name: str, output: str, error_ms: float, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Variable frame rate: pts in are pts out; only Matroska rounds, to its millisecond."""
    source = media.write_video(
        tmp_path / name, pts=VARIABLE, time_base=Fraction(1, 24000), audio_tracks=1
    )
    upscale(source, tmp_path / output, model=str(zero_checkpoint))
    before, after = times_of(source), times_of(tmp_path / output)
    assert len(before) == len(VARIABLE)
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) * 1000 <= error_ms


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(60000, 1001), Fraction(120)])
def test_usual_rates_are_exact(rate: Fraction, zero_checkpoint: Path, tmp_path: Path) -> None:
    """NTSC rates do not drift by a tick."""
    source = media.write_video(tmp_path / "in.mp4", frames=9, rate=rate)
    upscale(source, tmp_path / "out.mp4", model=str(zero_checkpoint))
    assert times_of(tmp_path / "out.mp4") == times_of(source) == [n / rate for n in range(9)]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_everything_but_the_pictures_is_as_it_was(
    suffix: str, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Packets, times, languages, titles, dispositions, chapters, attachments and tags."""
    sounds = [
        media.Audio(language="jpn", title="Original", default=True),
        media.Audio(language="eng", layout="mono", start_seconds=Fraction(1, 10)),
    ]
    source = media.write_video(
        tmp_path / f"in{suffix}",
        frames=6,
        rate=6,
        audio_tracks=sounds,
        subtitles=[media.Subtitles(language="eng", forced=True)],
        chapters=[(0, 0.5, "one"), (0.5, 1, "two")],
        attachments=[("a.ttf", "font/ttf", b"font")] if suffix == ".mkv" else [],
        metadata={"title": "Pilot"},
    )
    output = tmp_path / f"out{suffix}"
    result = upscale(source, output, model=str(zero_checkpoint))
    assert result.warnings == ()
    assert facts_of(output)[1:] == facts_of(source)[1:]
    assert len(facts_of(output)) == 4
    assert chapters_of(output) == chapters_of(source)
    assert attachments_of(output) == attachments_of(source)
    assert tags_of_file(output)["title"] == "Pilot"


def test_a_part_is_the_slice_of_the_whole(zero_checkpoint: Path, tmp_path: Path) -> None:
    """--start, --end and --frames give those frames of the whole output, from time 0 on."""
    source = media.write_video(
        tmp_path / "in.mkv",
        frames=24,
        rate=12,
        gop=6,
        b_frames=2,
        width=32,
        height=32,
        exact=True,
        audio_tracks=1,
    )
    parts: dict[str, tuple[dict[str, Any], slice]] = {
        "whole": ({}, slice(0, 24)),
        "start": ({"start": 1}, slice(12, 24)),
        "end": ({"end": "0.5"}, slice(0, 6)),
        "both": ({"start": "0:00:00.5", "end": 1.25}, slice(6, 15)),
        "frames": ({"start": 1.0, "frames": 5}, slice(12, 17)),
    }
    outputs = {}
    for name, (part, _) in parts.items():
        outputs[name] = tmp_path / f"{name}.mkv"
        upscale(source, outputs[name], model=str(zero_checkpoint), **part, **LOSSLESS)
    whole = decoded(outputs["whole"])
    times = times_of(source)
    for name, (_, wanted) in parts.items():
        ours = decoded(outputs[name])
        assert len(ours) == len(whole[wanted]), name
        for picture, expected in zip(ours, whole[wanted], strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(picture, expected, strict=True)), name
        cut = [time - times[wanted][0] for time in times[wanted]]
        assert times_of(outputs[name]) == cut, name
        sound = facts_of(outputs[name])[1]
        assert -0.03 < sound.times[-1] - cut[-1] < 0.1, name


def test_a_clock_that_begins_late_or_before_zero(zero_checkpoint: Path, tmp_path: Path) -> None:
    """A start at ten seconds stays, with the sound; one before zero moves both to zero."""
    late = media.write_video(
        tmp_path / "late.mkv", pts=[10_000, 10_040, 10_080], time_base=media.MILLISECOND
    )
    upscale(late, tmp_path / "late_out.mkv", model=str(zero_checkpoint))
    assert times_of(tmp_path / "late_out.mkv") == [Fraction(n, 100) for n in (1000, 1004, 1008)]

    early = media.write_video(tmp_path / "early.mkv", frames=6, rate=25, audio_tracks=1)
    media.patch_block_times(early, {0: -40})
    upscale(early, tmp_path / "early_out.mkv", model=str(zero_checkpoint))
    steps = [b - a for a, b in pairwise(times_of(tmp_path / "early_out.mkv"))]
    assert times_of(tmp_path / "early_out.mkv")[0] == 0
    assert steps == [b - a for a, b in pairwise(times_of(early))]


# Sizes -------------------------------------------------------------------------------------------


def shape_of(path: Path) -> tuple[int, int, Fraction]:
    info = probe(path)
    return info.width, info.height, info.sample_aspect_ratio


def test_odd_sizes_become_even_only_where_they_must(zero_checkpoint: Path, tmp_path: Path) -> None:
    """x4 is always even; at x1 x264 needs even sizes and ffv1 does not."""
    source = media.write_video(
        tmp_path / "in.mkv", width=31, height=23, pix_fmt="yuv444p", exact=True
    )
    model = str(zero_checkpoint)
    upscale(source, tmp_path / "x4.mkv", model=model)
    upscale(source, tmp_path / "x264.mkv", model=model, scale=1, pix_fmt="yuv420p")
    upscale(source, tmp_path / "ffv1.mkv", model=model, scale=1, pix_fmt="yuv420p", **LOSSLESS)
    assert shape_of(tmp_path / "x4.mkv")[:2] == (124, 92)
    assert shape_of(tmp_path / "x264.mkv")[:2] == (32, 24)
    assert shape_of(tmp_path / "ffv1.mkv")[:2] == (31, 23)


@pytest.mark.parametrize(
    ("wish", "shape"),
    [
        ({}, (256, 192, Fraction(8, 9))),
        ({"width": 128}, (128, 96, Fraction(8, 9))),
        ({"height": 144}, (192, 144, Fraction(8, 9))),
        ({"width": 128, "height": 48}, (128, 48, Fraction(4, 9))),
        ({"scale": 0.5}, (32, 24, Fraction(8, 9))),
    ],
)
def test_the_picture_keeps_its_shape_on_the_screen(
    wish: dict[str, Any], shape: tuple[int, int, Fraction], zero_checkpoint: Path, tmp_path: Path
) -> None:
    """One side keeps the aspect; with both, the sample aspect ratio takes up the difference."""
    source = media.write_video(tmp_path / "in.mkv", frames=2, sar=Fraction(8, 9))
    upscale(source, tmp_path / "out.mkv", model=str(zero_checkpoint), **wish)
    assert shape_of(tmp_path / "out.mkv") == shape
    width, height, aspect = shape
    assert Fraction(width, height) * aspect == Fraction(64, 48) * Fraction(8, 9)


@pytest.mark.parametrize(
    ("wish", "size"),
    [({}, (256, 192)), ({"width": 96}, (128, 96)), ({"height": 128}, (128, 96))],
)
def test_sizes_are_of_the_picture_as_it_is_shown(
    wish: dict[str, Any], size: tuple[int, int], zero_checkpoint: Path, tmp_path: Path
) -> None:
    """A film turned by 90 degrees stays turned, and --width is what the viewer sees."""
    source = media.write_video(tmp_path / "in.mp4", frames=2, rotation=90)
    upscale(source, tmp_path / "out.mp4", model=str(zero_checkpoint), **wish)
    assert probe(tmp_path / "out.mp4").rotation == probe(source).rotation == 90
    assert shape_of(tmp_path / "out.mp4")[:2] == size


# The run -----------------------------------------------------------------------------------------


class Alive:
    """Counts the objects of a run that are alive, and the most there ever were."""

    def __init__(self) -> None:
        self._references: list[weakref.ref[object]] = []
        self.most = 0

    def add(self, thing: object) -> None:
        self._references.append(weakref.ref(thing))
        self._references = [each for each in self._references if each() is not None]
        self.most = max(self.most, len(self._references))


@pytest.mark.parametrize("slow", ["network", "encoder"])
def test_memory_does_not_grow_with_the_length(
    slow: str, zero_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more frames are alive at once for a longer clip, whoever is the slow one."""
    alive: list[Alive] = []

    class Counted(Reader):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                alive[-1].add(frame)
                yield frame

    class Slow(Writer):
        def write(self, *arguments: Any) -> None:
            super().write(*arguments)
            if slow == "encoder":
                time.sleep(0.02)  # the queues before it fill up

    monkeypatch.setattr("animesr_cli.upscaling.open.Reader", Counted)
    monkeypatch.setattr("animesr_cli.upscaling.open.Writer", Slow)
    for frames in (16, 48):
        alive.append(Alive())
        source = media.write_video(tmp_path / f"{frames}.mkv", frames=frames, width=32, height=16)
        upscale(source, tmp_path / f"{frames}_out.mkv", model=str(zero_checkpoint))
    bound = pipeline.DECODED_FRAMES + pipeline.UPSCALED_FRAMES + 6  # those in somebody's hands
    assert alive[0].most <= bound
    assert alive[1].most <= bound


def test_progress_and_result_tell_what_was_done(zero_checkpoint: Path, tmp_path: Path) -> None:
    """One progress a frame, rising; the result has frames, time, and every stage's share."""
    source = media.write_video(tmp_path / "in.mkv", frames=6, rate=12)
    seen: list[Progress] = []
    result = upscale(
        source, tmp_path / "out.mkv", model=str(zero_checkpoint), on_progress=seen.append
    )
    assert [progress.frames for progress in seen] == list(range(1, 7))
    assert {progress.total_frames for progress in seen} == {6}
    assert seen[-1].media_seconds == pytest.approx(0.5, abs=0.002)
    assert all(a.elapsed_seconds < b.elapsed_seconds for a, b in pairwise(seen))
    assert all(a.bytes_written <= b.bytes_written for a, b in pairwise(seen))
    assert (result.output, result.frames, result.cuts) == (tmp_path / "out.mkv", 6, 0)
    assert result.warnings == ()
    assert seen[-1].elapsed_seconds <= result.seconds < 60
    assert result.stage_seconds.keys() == {"decode", "network", "colour", "encode"}
    assert all(0 < seconds < result.seconds for seconds in result.stage_seconds.values())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_of_the_caller_leaves_nothing(
    error: type[BaseException], zero_checkpoint: Path, tmp_path: Path
) -> None:
    """What ``on_progress`` raises, or Ctrl-C, comes out as it is; an older output is untouched."""
    source = media.write_video(tmp_path / "in.mkv", frames=12)
    (tmp_path / "out.mkv").write_bytes(b"old")
    mine = error("mine")

    def fail(progress: Progress) -> None:
        if progress.frames == 3:
            raise mine

    with pytest.raises(error) as caught:
        upscale(
            source, tmp_path / "out.mkv", model=str(zero_checkpoint), overwrite=True,
            on_progress=fail,
        )  # fmt: skip
    assert caught.value is mine
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.mkv"]
    assert (tmp_path / "out.mkv").read_bytes() == b"old"


def test_one_and_two_frames_are_a_film_too(zero_checkpoint: Path, tmp_path: Path) -> None:
    """The sliding window has no neighbours there."""
    for frames in (1, 2):
        source = media.write_video(tmp_path / f"{frames}.mp4", frames=frames)
        output = tmp_path / f"{frames}_out.mp4"
        assert upscale(source, output, model=str(zero_checkpoint)).frames == frames
        assert len(decoded(output)) == frames


def test_the_shipped_network_runs(own_clip: Path, tmp_path: Path) -> None:
    """The defaults, on the repository's clip: four times the size, and nearly the same picture."""
    output = tmp_path / "out.mp4"
    result = upscale(own_clip, output, frames=2)
    assert (result.frames, result.warnings) == (2, ())
    assert shape_of(output)[:2] == (4 * cartoon.WIDTH, 4 * cartoon.HEIGHT)
    assert result.seconds > 0
    for small, large in zip(decoded(own_clip), decoded(output), strict=False):
        mean = large[0].reshape(cartoon.HEIGHT, 4, cartoon.WIDTH, 4).mean(axis=(1, 3))
        assert np.abs(mean - small[0]).mean() < 4


# Python ------------------------------------------------------------------------------------------


def test_the_keyword_arguments_are_the_options_of_the_command() -> None:
    """Each setting has one name and default: in Python, in the settings, on the command line."""
    own = inspect.signature(upscale).parameters
    settings = {field.name: field for field in fields(UpscaleSettings)}
    command_only = {"strict"}  # an exit code has no meaning in Python
    assert own.keys() - settings.keys() == {"input", "output", "on_progress"}
    assert settings.keys() - own.keys() == command_only
    for name, field in settings.items():
        if name not in command_only | {"encoder_options"}:
            assert own[name].default == field.default, name
            assert own[name].kind == inspect.Parameter.KEYWORD_ONLY

    options = inspect.signature(upscale_command).parameters
    renamed = {
        "encoder_options": "encoder_option", "scenes": "no_scenes", "journal": "no_journal"
    }  # fmt: skip
    for name in settings:
        option = options[renamed.get(name, name)]
        if name not in renamed:
            assert option.default == settings[name].default, name
    assert options["no_scenes"].default is options["no_journal"].default is False


def test_a_network_is_a_module_over_clips(zero_checkpoint: Path) -> None:
    """``load_network(...)(clip)``: (N, T, 3, H, W) -> (N, T, 3, 4H, 4W); here bilinear."""
    net = animesr_cli.load_network(zero_checkpoint)
    clip = torch.rand(2, 3, 3, 10, 7)
    with torch.inference_mode():
        result = net(clip)
    assert result.shape == (2, 3, 3, 40, 28)
    assert not net.training
    enlarged = functional.interpolate(
        clip[0, :, :, :8, :4], scale_factor=4, mode="bilinear", align_corners=False
    )
    assert torch.allclose(result[0, :, :, :28, :12], enlarged[..., :28, :12], atol=1e-6)


def test_paths_and_times_are_taken_as_python_has_them(
    zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Text or Path; seconds as a number, a fraction or text; an output named by default."""
    source = media.write_video(tmp_path / "in.mkv", frames=24, rate=24)
    for start in (0.5, "0.5", Fraction(1, 2), "0:00:00.500"):
        result = upscale(
            str(source), model=str(zero_checkpoint), start=start, frames=2, overwrite=True
        )
        assert (result.output, result.frames) == (tmp_path / "in_x4.mkv", 2)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("start", [0.7, 1.234, 1.5, 2])
def test_the_sound_of_a_part_is_in_time(
    start: float, suffix: str, own_clip: Path, zero_checkpoint: Path, tmp_path: Path
) -> None:
    """Wherever a part begins, every packet of sound is within a tick of where it was."""
    output = tmp_path / f"part.{suffix}"
    upscale(own_clip, output, model=str(zero_checkpoint), start=start, frames=4, scale=1)

    def times(path: Path, kind: str) -> list[Fraction]:
        with av.open(str(path)) as container:
            stream = next(each for each in container.streams if each.type == kind)
            pts = [packet.pts for packet in container.demux(stream) if packet.size]
            return [Fraction(each or 0) * (stream.time_base or 1) for each in pts]

    origin = min(time for time in times(own_clip, "video") if time >= Fraction(str(start)))
    sound = min(times(output, "audio")) - min(times(output, "video"))
    nearest = min(abs(time - origin - sound) for time in times(own_clip, "audio"))
    assert nearest <= Fraction(1, 1000 if suffix == "mkv" else 48000)
