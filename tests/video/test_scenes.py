"""The cut detector: hard cuts in drawn animation, and everything that only looks like one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from animesr_cli.video.scenes import COLUMNS, ROWS, SceneDetector

HEIGHT, WIDTH = 90, 160
BLACK, WHITE = 16.0, 235.0


def cuts(frames: Iterator[Tensor] | list[Tensor] | Tensor, depth: int = 8) -> list[int]:
    """Indices of the frames that begin a new shot."""
    detector = SceneDetector()
    return [index for index, luma in enumerate(frames) if detector.is_cut(luma, depth)]


def background(seed: int, width: int = WIDTH) -> Tensor:
    """A painted background: soft shapes and a few hard outlines, (HEIGHT, width) in codes."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 1, 5, max(2, width // 20)), generator=rng)
    picture = functional.interpolate(coarse, (HEIGHT, width), mode="bilinear")[0, 0]
    for _ in range(6):
        top = int(torch.randint(HEIGHT - 20, (1,), generator=rng))
        left = int(torch.randint(width - 20, (1,), generator=rng))
        high, wide = (int(side) for side in torch.randint(8, 40, (2,), generator=rng))
        picture[top : top + high, left : left + wide] = torch.rand((1,), generator=rng)
    return BLACK + (WHITE - BLACK) * picture


def figure(picture: Tensor, x: int, y: int, radius: int = 14) -> Tensor:
    """The picture with a dark figure of this radius, in pixels, drawn over it."""
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(picture.shape[1])[None, :]
    inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    return torch.where(inside, 30.0, picture)


def shot(seed: int, length: int, hold: int = 2) -> list[Tensor]:
    """A figure that walks before a background, each drawing held for some frames."""
    scene = background(seed)
    return [
        figure(scene, 30 + 4 * (index // hold) * hold, 40 + 5 * (index // hold % 3))
        for index in range(length)
    ]


def codes(frames: list[Tensor], depth: int = 8) -> list[Tensor]:
    """The pictures as integer planes, each code shifted to the depth."""
    dtype = torch.uint8 if depth == 8 else torch.uint16
    return [(frame.round().clamp(0, 255).int() << (depth - 8)).to(dtype) for frame in frames]


def mix(first: Tensor, second: Tensor | float, share: float) -> Tensor:
    """A crossfade: this share of the second picture."""
    return first * (1 - share) + second * share


# ---- what is a cut -------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_a_hard_cut_is_found_at_its_frame(seed: int, hold: int) -> None:
    """Two shots on ones, twos or threes: one cut, at the first frame of the second."""
    film = shot(2 * seed, 12, hold) + shot(2 * seed + 1, 12, hold)
    assert cuts(codes(film)) == [12]


def test_short_shots_are_all_found() -> None:
    """Shots of three or five frames each begin with a cut, all of them but the first."""
    for length in (3, 5):
        film = [frame for seed in range(8) for frame in shot(seed, length)]
        assert cuts(codes(film)) == list(range(length, 8 * length, length))


def test_the_first_frame_is_no_cut() -> None:
    """A film of one frame has no cut, and every detector begins anew."""
    assert cuts(codes(shot(1, 1))) == []
    assert cuts(codes(shot(2, 1))) == []


@pytest.mark.parametrize("bars", ["letterbox", "pillarbox"])
def test_black_bars_hide_no_cut(bars: str) -> None:
    """Two fifths of the picture in black bars, the same in all shots, change nothing."""
    film = [frame.clone() for seed in range(6) for frame in shot(seed, 8)]
    for frame in film:
        if bars == "letterbox":
            frame[:18], frame[-18:] = BLACK, BLACK
        else:
            frame[:, :32], frame[:, -32:] = BLACK, BLACK
    assert cuts(codes(film)) == [8, 16, 24, 32, 40]


# ---- what is none --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 7])
def test_a_pan_is_no_cut(step: int) -> None:
    """A camera that moves up to 1/23 of the width per frame."""
    wide = background(3, WIDTH + 20 * step)
    assert cuts(codes([wide[:, step * index : step * index + WIDTH] for index in range(20)])) == []


def test_a_large_fast_figure_is_no_cut() -> None:
    """A figure of a third of the picture that is somewhere else in every frame."""
    scene = background(6)
    places = [(20, 40), (130, 60), (60, 20), (150, 30), (40, 80), (100, 45)] * 3
    assert cuts(codes([figure(scene, x, y, 30) for x, y in places])) == []


def test_a_light_in_the_night_is_no_cut() -> None:
    """One bright figure on black that is somewhere else in every frame."""
    night = torch.full((HEIGHT, WIDTH), WHITE)
    places = [(20, 40), (130, 60), (60, 20), (140, 30), (40, 70), (100, 45)] * 3
    film = [BLACK + WHITE - figure(night, x, y) for x, y in places]
    assert cuts(codes(film)) == []


def test_fades_are_no_cuts() -> None:
    """Out to black and back into the same picture: nothing; into another one: one cut."""
    levels = [index / 12 for index in range(13)]
    out = [mix(frame, BLACK, share) for frame, share in zip(shot(7, 13), levels, strict=True)]
    back = [mix(shot(7, 13)[12], BLACK, 1 - share) for share in levels]
    other = [mix(shot(8, 13)[12], BLACK, 1 - share) for share in levels]
    assert cuts(codes(out + back)) == []
    (cut,) = cuts(codes(out + other))
    assert 13 <= cut <= 16


def test_a_slow_dissolve_is_no_row_of_cuts() -> None:
    """One second from one picture to another gives no cut."""
    film = [mix(shot(9, 1)[0], shot(10, 1)[0], index / 24) for index in range(25)]
    assert cuts(codes(film)) == []


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("light", [1.0, 0.5, 0.3])
def test_a_flash_of_light_is_no_cut(light: float, length: int) -> None:
    """White, or half white over the picture, for up to three frames."""
    film = shot(11, 20)
    for index in range(8, 8 + length):
        film[index] = mix(film[index], WHITE, light)
    assert cuts(codes(film)) == []


@pytest.mark.parametrize("length", [1, 2, 3])
def test_an_impact_frame_is_one_cut_at_most(length: int) -> None:
    """The negative for up to three frames: the return to the picture before is not a new shot."""
    film = shot(12, 20)
    for index in range(8, 8 + length):
        film[index] = BLACK + WHITE - film[index]
    assert cuts(codes(film)) in ([], [8])


def test_a_strobe_is_not_cut_at_every_frame() -> None:
    """Two pictures in turn: a cut at the beginning, then none."""
    film = [background(13), background(14)] * 15
    assert len(cuts(codes(film))) <= 1


def test_noise_is_not_cut_at_every_frame() -> None:
    """Television snow settles after a few frames; grain over a held drawing is no cut at all."""
    rng = torch.Generator().manual_seed(0)
    snow = [torch.rand((HEIGHT, WIDTH), generator=rng) * 255 for _ in range(60)]
    assert len(cuts(codes(snow))) <= 4
    still = background(15)
    grain = [still + 12 * torch.randn((HEIGHT, WIDTH), generator=rng) for _ in range(20)]
    assert cuts(codes(grain)) == []


def test_black_and_white_frames_are_no_shots() -> None:
    """Flat frames between two shots: the cut is where the second one shows."""
    for level in (BLACK, WHITE, 128.0):
        gap = [torch.full((HEIGHT, WIDTH), level)] * 4
        assert cuts(codes(shot(16, 8) + gap + shot(17, 8))) == [12]
        assert cuts(codes(shot(16, 8) + gap + shot(16, 16)[8:])) == []
        assert cuts(codes(gap + shot(16, 8))) == []


# ---- what must not matter ------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(
    seeds=st.lists(st.integers(0, 30), min_size=2, max_size=4),
    lengths=st.lists(st.integers(2, 6), min_size=4, max_size=4),
    depth=st.sampled_from([9, 10, 12, 16]),
)
def test_bit_depth_does_not_matter(seeds: list[int], lengths: list[int], depth: int) -> None:
    """The same codes at 8 bit and at more decide the same for any film."""
    film = [f for seed, length in zip(seeds, lengths, strict=False) for f in shot(seed, length)]
    assert cuts(codes(film, depth), depth) == cuts(codes(film))


@pytest.mark.parametrize("gain", [0.3, 0.6, 1.1])
def test_contrast_does_not_matter(gain: float) -> None:
    """A dark or contrasty version of a film has the same cuts."""
    film = shot(18, 7) + shot(19, 7) + shot(20, 7)
    assert cuts(codes([BLACK + gain * (frame - BLACK) for frame in film])) == [7, 14]


@pytest.mark.parametrize("size", [(ROWS, COLUMNS), (17, 31), (270, 481), (1074, 1440), (300, 90)])
def test_frame_size_does_not_matter(size: tuple[int, int]) -> None:
    """Thumbnails, odd sizes, large and upright frames have the same cuts."""
    film = shot(21, 4) + shot(22, 4)
    scaled = [functional.interpolate(frame[None, None], size, mode="area")[0, 0] for frame in film]
    assert cuts(codes(scaled)) == [4]


def test_memory_layout_and_threads_do_not_matter() -> None:
    """A plane with padding decides as a dense one, and one thread as two."""
    film = codes(shot(23, 5) + shot(24, 5) + shot(25, 5))
    padded = [functional.pad(frame, (0, 7))[:, :WIDTH] for frame in film]
    assert not padded[0].is_contiguous()
    threads = torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found += [cuts(film), cuts(padded)]
    torch.set_num_threads(threads)
    assert found == [[5, 10]] * 4


def test_state_is_a_few_small_pictures() -> None:
    """After any number of large frames a detector holds no more than two thumbnails."""
    detector = SceneDetector()
    for frame in codes(shot(26, 6) + shot(27, 6) + shot(28, 6)):
        detector.is_cut(frame, 8)
    held = [value for value in vars(detector).values() if isinstance(value, Tensor)]
    assert sum(picture.untyped_storage().nbytes() for picture in held) <= 2 * 4 * ROWS * COLUMNS


# ---- real clips ----------------------------------------------------------------------------------


def decoded_luma(path: Path, frames: int) -> Iterator[Tensor]:
    """The luma planes of the first frames of an 8-bit 4:2:0 file."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == frames:
                return
            yield torch.from_numpy(frame.to_ndarray()[: frame.height])  # luma above chroma


@pytest.mark.parametrize(
    ("name", "frames", "expected"),
    [
        ("bbb_320x180_vp9.webm", 300, []),
        ("bbb_854x480_h264_aac.mp4", 600, [285, 378, 553]),
        ("bbb_960x540_h264_aac.mkv", 480, [4, 112, 156, 194, 230, 299, 353]),
        ("popeye_720x478_sar8-9_hevc_dvdsub_a.mkv", 400, [20, 381]),
        ("popeye_720x478_sar8-9_hevc_dvdsub_b.mkv", 850, [371, 821]),
        ("popeye_1440x1074_hevc_pgs.mkv", 340, [74, 331]),
    ],
)
def test_cuts_of_real_clips(name: str, frames: int, expected: list[int]) -> None:
    """The cuts of real animation, verified by eye: every one, at its frame, and no other."""
    folder = os.environ.get("ANIMESR_TEST_CLIPS")
    if folder is None:
        pytest.skip("ANIMESR_TEST_CLIPS is not set: no folder of real clips")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{name} is not in ANIMESR_TEST_CLIPS")
    assert cuts(decoded_luma(path, frames)) == expected
