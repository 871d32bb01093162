"""Makes training material: short clean clips of drawn animation, by chance, sprites and stills.

    python weights/draw_material.py --sprites sprites --stills stills -o generated --seed 1

Every clip is of one kind, in turn: sprites over backgrounds, people, towns and rooms, machines,
manga pages, titles, shapes, and pans over stills. Figures move on ones, twos and threes, cameras on
ones. What a clip shows follows from the seed and its number alone. The files are H.264 in 4:4:4 and
10 bits at CRF 8; sprites with alpha and backgrounds (``bg_*``) lie in one folder, stills in
another; without one of them its kinds are left out. Clips that are there are kept, so that a run
that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Final

import av
import torch
from torch import Tensor

from animesr_cli.video.colour import ColourSpec, PixelLayout, from_rgb
from animesr_cli.video.pixel_formats import filled_frame
from material.kinds import Kind, kinds_of
from material.motion import Camera, Layer
from material.palette import draw_palette
from material.stage import Stage, Stock

FRAME_RATE: Final = Fraction(24)
SIZES: Final = ((640, 360), (720, 480), (768, 432), (848, 480), (960, 540))
"""Width and height, in pixels; all can be divided by 8."""
PIX_FMT: Final = "yuv444p10le"
COLOUR: Final = ColourSpec(layout=PixelLayout(family="yuv", depth=10), matrix="bt709")
BT709: Final = 1
LIMITED_RANGE: Final = 1
CRF: Final = 8
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
GRAIN_SHARE: Final = 0.15
"""Of the clips, which have film grain."""
# ---- pictures that exist -------------------------------------------------------------------------


def read_picture(file: Path) -> Tensor:
    """(4, H, W) RGBA in [0, 1], alpha multiplied in."""
    with av.open(str(file)) as container:
        frame = next(container.decode(video=0))
    pixels = torch.from_numpy(frame.to_ndarray(format="rgba")).permute(2, 0, 1) / 255
    pixels[:3] *= pixels[3:]
    return pixels.contiguous()


def read_stock(sprites: Path | None, stills: Path | None) -> Stock:
    """Everything in the two folders, in the order of its names."""

    def pictures(folder: Path | None) -> list[Path]:
        files = sorted(folder.iterdir()) if folder else []
        return [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]

    found = pictures(sprites)
    return Stock(
        sprites=[read_picture(file) for file in found if not file.name.startswith("bg_")],
        backgrounds=[read_picture(file) for file in found if file.name.startswith("bg_")],
        stills=[read_picture(file) for file in pictures(stills)],
    )


# ---- clips ---------------------------------------------------------------------------------------


def pictures_of(layers: Sequence[Layer], stage: Stage, grain: float) -> list[Tensor]:
    """The frames (3, H, W), RGB in [0, 1]."""
    rng = torch.Generator().manual_seed(stage.rng.getrandbits(32))
    camera = Camera(layers, stage.width, stage.height)
    pictures: list[Tensor] = []
    for frame in range(stage.frames):
        picture = camera.picture(frame)
        if grain:
            noise = torch.randn(1, stage.height, stage.width, generator=rng)
            picture = picture.add(noise, alpha=grain / 255).clamp_(0, 1)
        pictures.append(picture)
    return pictures


def draw_clip(kind: Kind, seed: str, frames: int, stock: Stock) -> list[Tensor]:
    """The frames (3, H, W) of one clip, which follow from the seed."""
    rng = Random(seed)
    width, height = rng.choice(SIZES)
    stage = Stage(
        rng=rng,
        width=width,
        height=height,
        frames=frames,
        palette=draw_palette(rng),
        stock=stock,
    )
    layers = kind(stage)
    grain = rng.uniform(0.6, 2.0) if rng.random() < GRAIN_SHARE else 0.0
    return pictures_of(layers, stage, grain)


def write_clip(pictures: Sequence[Tensor], file: Path) -> None:
    """H.264, 4:4:4, 10 bits, tagged BT.709; the same bytes each time."""
    height, width = pictures[0].shape[1:]
    options = {"crf": str(CRF), "preset": "faster", "x264-params": "threads=1:asm=avx2"}
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, PIX_FMT
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            1,
            1,
            1,
            1,
        )
        for number, picture in enumerate(pictures):
            frame = filled_frame(from_rgb(picture, COLOUR), PIX_FMT)
            frame.pts, frame.time_base = number, 1 / FRAME_RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make clean clips of drawn animation.")
    add = parser.add_argument
    add("--sprites", type=Path, metavar="DIR", help="pictures with alpha, and backgrounds bg_*")
    add("--stills", type=Path, metavar="DIR", help="pictures to pan over")
    add("-o", "--output", type=Path, required=True, metavar="DIR")
    add("--clips", type=int, default=60, metavar="N")
    add("--frames", type=int, default=24, metavar="N", help="of each clip")
    add("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    stock = read_stock(options.sprites, options.stills)
    kinds = kinds_of(stock)
    options.output.mkdir(parents=True, exist_ok=True)
    for number in range(options.clips):
        kind = kinds[number % len(kinds)]
        name = f"{number:04d}-{kind.__name__.removesuffix('_clip')}"
        file = options.output / f"{name}.mp4"
        if not file.exists():
            part = file.with_suffix(".part")
            write_clip(draw_clip(kind, f"{options.seed}-{number}", options.frames, stock), part)
            part.replace(file)
        print(f"{number + 1}/{options.clips} {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
