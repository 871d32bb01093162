"""Every architecture through the whole program: sizes, tiles, segments, resuming, workers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from animesr_cli import load_network, upscale
from animesr_cli.errors import DiskFullError
from animesr_cli.jobs import records, segment_file
from animesr_cli.jobs.records import Record
from animesr_cli.model.compact_msrb import CompactMSRB
from animesr_cli.model.msrb import MSRB
from animesr_cli.model.network import Network
from animesr_cli.model.realbasicvsr import RealBasicVSR
from animesr_cli.model.rrdb import RRDBNet
from animesr_cli.model.srvgg import SRVGGNetCompact
from animesr_cli.reading.probe import probe
from animesr_cli.reading.reader import Reader
from animesr_cli.upscaling.events import UpscaleResult
from animesr_cli.video.colour import from_rgb, to_rgb
from animesr_cli.video.pixel_formats import layout_of
from command import animesr
from media import write_video
from pictures import decoded, drawing, write_rgb
from pinned import filled

NETWORKS: dict[str, tuple[Callable[[], Network], int]] = {
    "MSRB": (lambda: MSRB(num_feat=4, num_block=(1, 1, 1)), 4),
    "CompactMSRB": (lambda: CompactMSRB(4, 4, 2, (1, 1)), 4),
    "CompactMSRB x2": (lambda: CompactMSRB(4, 4, 2, (1, 1), 2), 2),
    "RRDBNet x4": (lambda: RRDBNet(4, 4, 1, 2), 4),
    "RRDBNet x2": (lambda: RRDBNet(2, 4, 1, 2, 2), 2),
    "RRDBNet x1": (lambda: RRDBNet(1, 4, 1, 2, 4), 1),
    "BSRGAN x2": (lambda: RRDBNet(2, 4, 1, 2), 2),
    "SRVGGNetCompact x4": (lambda: SRVGGNetCompact(4, 4, 2), 4),
    "SRVGGNetCompact x2": (lambda: SRVGGNetCompact(2, 4, 2), 2),
    "SRVGGNetCompact x1": (lambda: SRVGGNetCompact(1, 4, 2), 1),
    "RealBasicVSR": (lambda: RealBasicVSR(4, 1, 1), 4),
}
EXACT: dict[str, Any] = {"codec": "ffv1", "precision": "fp32", "device": "cpu"}

every_network = pytest.mark.parametrize("name", NETWORKS)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny network of each kind, whose pictures stay near [0, 1]."""
    folder = tmp_path_factory.mktemp("networks")
    paths = {}
    for name, (make, _) in NETWORKS.items():
        paths[name] = folder / f"{name.replace(' ', '-')}.safetensors"
        save_file(filled(make(), gain=1.0).state_dict(), paths[name])
    return paths


@pytest.fixture(scope="module")
def odd_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of 34x22: no multiple of 4, and not of 32."""
    path = tmp_path_factory.mktemp("clips") / "odd.mkv"
    return write_video(path, width=34, height=22, frames=12, codec="ffv1", pix_fmt="yuv444p")


def planes_of(path: Path) -> list[list[np.ndarray[Any, Any]]]:
    return decoded(path)


def equal(ours: Path, other: Path, codes: int = 0) -> None:
    """All samples of all frames, within so many codes."""
    one, two = planes_of(ours), planes_of(other)
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        for p, q in zip(a, b, strict=True):
            apart = int(np.abs(p.astype(np.int32) - q.astype(np.int32)).max())
            assert apart <= codes, apart


@every_network
def test_a_run_is_the_networks_own_result_at_its_own_scale(
    name: str, checkpoints: dict[str, Path], odd_clip: Path, tmp_path: Path
) -> None:
    """Without --scale the output is scale times the input, and what ``load_network`` computes."""
    output = tmp_path / "out.mkv"
    upscale(odd_clip, output, model=str(checkpoints[name]), pix_fmt="yuv444p", **EXACT)
    scale = NETWORKS[name][1]
    info = probe(output)
    assert (info.width, info.height) == (34 * scale, 22 * scale)
    net = load_network(checkpoints[name])
    assert net.scale == scale
    with Reader(odd_clip) as reader:
        frames = [to_rgb(frame.planes, reader.info.colour) for frame in reader]
    with torch.inference_mode():
        results: Tensor = net(torch.stack(frames)[None])[0]
    assert float(results.std()) > 0.02
    spec = info.colour
    assert layout_of("yuv444p") == spec.layout
    for ours, sr in zip(planes_of(output), results, strict=True):
        for plane, wanted in zip(ours, from_rgb(sr, spec), strict=True):
            assert int(np.abs(plane.astype(int) - wanted.numpy().astype(int)).max()) <= 1


@every_network
def test_any_factor_is_resampled_from_it(
    name: str, checkpoints: dict[str, Path], odd_clip: Path, tmp_path: Path
) -> None:
    """``--scale`` is any factor whatever the network's own is."""
    output = tmp_path / "out.mkv"
    model = str(checkpoints[name])
    upscale(odd_clip, output, model=model, scale=3, frames=2, **EXACT)
    assert (probe(output).width, probe(output).height) == (102, 66)


@every_network
def test_tiles_are_the_whole_frame(
    name: str, checkpoints: dict[str, Path], own_clip: Path, odd_clip: Path, tmp_path: Path
) -> None:
    """Tiles of 32 pixels give the same samples to one code, or are refused in words."""
    clip = odd_clip if name == "RealBasicVSR" else own_clip
    whole, tiled = tmp_path / "whole.mkv", tmp_path / "tiled.mkv"
    wish = {"model": str(checkpoints[name]), "frames": 2, **EXACT}
    upscale(clip, whole, **wish)
    result = upscale(clip, tiled, tile=32, **wish)
    equal(tiled, whole, codes=1)
    said = [each for each in result.warnings if "--tile" in each]
    assert bool(said) == (name == "RealBasicVSR")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == "RealBasicVSR" else n for n in NETWORKS],
)
def test_segments_and_a_resumed_run_give_what_one_piece_gives(
    name: str,
    checkpoints: dict[str, Path],
    odd_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the middle of a shot too: the samples, and the bytes of the resumed run's file."""

    def run(output: str, **more: Any) -> UpscaleResult:
        return upscale(
            odd_clip, tmp_path / output, model=str(checkpoints[name]), scale=1,
            segment_frames=5, scenes=False, **EXACT, **more,
        )  # fmt: skip

    run("piece.mkv", journal=False)
    whole = run("whole.mkv")
    assert whole.segments == 3
    equal(tmp_path / "whole.mkv", tmp_path / "piece.mkv")
    with monkeypatch.context() as patch:  # the second segment's record finds no room
        write, written = records.write_record, list[Record]()

        def full(folder: Path, record: Record) -> None:
            if written:
                raise DiskFullError("the disk is full")
            written.append(record)
            write(folder, record)

        patch.setattr(segment_file, "write_record", full)
        with pytest.raises(DiskFullError):
            run("resumed.mkv")
    resumed = run("resumed.mkv")
    assert resumed.frames_before == 5
    assert resumed.pictures == whole.pictures
    assert (tmp_path / "resumed.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of a drawing and eight of its negative, 32x24."""
    day = drawing(24, 32, lines=3)
    frames = [day.roll(index, 2) for index in range(8)]
    path = tmp_path_factory.mktemp("clips") / "two.mkv"
    return write_rgb(path, frames + [1 - frame for frame in frames])


@pytest.mark.slow
@every_network
def test_two_workers_make_the_file_of_one(
    name: str, checkpoints: dict[str, Path], two_shots: Path, tmp_path: Path
) -> None:
    """Shots that two processes compute come out as they do in one."""
    files: list[Path] = []
    for workers in (1, 2):
        files.append(tmp_path / f"{workers}.mkv")
        result = upscale(
            two_shots, files[-1], model=str(checkpoints[name]), scale=1, segment_frames=6,
            workers=workers, **EXACT,
        )  # fmt: skip
        assert (result.segments, result.cuts) == (4, 1)
    equal(files[1], files[0])


def test_the_name_of_an_output_tells_the_networks_scale(
    checkpoints: dict[str, Path], odd_clip: Path
) -> None:
    """Beside the input, a 2x network writes ``odd_x2.mkv``."""
    outcome = animesr("upscale", odd_clip, "-n", checkpoints["SRVGGNetCompact x2"], "--frames", "1")
    assert outcome.exit_code == 0, outcome.stderr
    output = odd_clip.with_name("odd_x2.mkv")
    assert probe(output).width == 68
    output.unlink()


def test_networks_of_every_kind_and_scale_on_one_page(
    checkpoints: dict[str, Path], odd_clip: Path, tmp_path: Path
) -> None:
    """``compare`` takes them side by side, each at the size of the page."""
    names = ("CompactMSRB", "RRDBNet x2", "SRVGGNetCompact x1", "RealBasicVSR")
    models = [part for name in names for part in ("-n", str(checkpoints[name]))]
    page = tmp_path / "page.html"
    outcome = animesr("compare", odd_clip, "-o", page, *models, "--pictures", "2")
    assert outcome.exit_code == 0, outcome.stderr
    text = page.read_text()
    assert all(checkpoints[name].stem in text for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RRDBNet x2", "SRVGGNetCompact x4", "RealBasicVSR"])
def test_bench_measures_it(name: str, checkpoints: dict[str, Path], odd_clip: Path) -> None:
    """``bench -n`` of any kind ends with its figures."""
    # Each run is a process that imports torch: one of each kind is enough, and bounds the time.
    run = ("bench", odd_clip, "-n", checkpoints[name], "--frames", "4", "--repeats", "1", "--json")
    outcome = animesr(*run)
    assert outcome.exit_code == 0, outcome.stderr
    figures = json.loads(outcome.stdout)
    assert (figures["frames"], figures["repeats"], figures["size"]) == (4, 1, [34, 22])
    assert min(figures["network_ms"], figures["end_to_end_ms"], figures["peak_bytes"]) > 0
    assert sum(figures["part_share"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_the_released_network_through_the_command_is_its_authors_class(
    clips: Path, tmp_path: Path
) -> None:
    """realesr-animevideov3.pth over a real clip equals the plain layers of its file to one code."""
    folder = os.environ.get("ANIMESR_TEST_WEIGHTS", "")
    path = Path(folder) / "realesr-animevideov3.pth"
    if not path.is_file():
        pytest.skip("ANIMESR_TEST_WEIGHTS names no folder with realesr-animevideov3.pth")
    clip, output = clips / "bbb_320x180_vp9.webm", tmp_path / "out.mkv"
    upscale(clip, output, model=str(path), frames=3, pix_fmt="yuv444p", **EXACT)
    layers = torch.load(path, map_location="cpu", weights_only=True)["params"]
    with Reader(clip) as reader:
        frames = [to_rgb(f.planes, reader.info.colour) for f, _ in zip(reader, range(3))]  # noqa: B905
    spec = probe(output).colour
    for ours, frame in zip(planes_of(output), frames, strict=True):
        x = frame[None]
        for index in range(0, 35, 2):
            x = torch.nn.functional.conv2d(
                x, layers[f"body.{index}.weight"], layers[f"body.{index}.bias"], padding=1
            )
            if (slope := layers.get(f"body.{index + 1}.weight")) is not None:
                x = torch.nn.functional.prelu(x, slope)
        base = frame[None].repeat_interleave(4, 2).repeat_interleave(4, 3)
        sr = (torch.nn.functional.pixel_shuffle(x, 4) + base)[0]
        for plane, wanted in zip(ours, from_rgb(sr, spec), strict=True):
            assert int(np.abs(plane.astype(int) - wanted.numpy().astype(int)).max()) <= 1
