"""PNG files of single pictures."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animesr_cli.writing.png import encode_png
from pictures import decode_png


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    dtype=st.sampled_from([torch.uint8, torch.uint16]),
    seed=st.integers(0, 1000),
)
def test_every_sample_comes_back(size: tuple[int, int], dtype: torch.dtype, seed: int) -> None:
    """Lossless in both depths and at any size."""
    highest = torch.iinfo(dtype).max
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randint(0, highest + 1, (3, *size), generator=generator).to(dtype)
    again = decode_png(encode_png(rgb))
    assert again.dtype == dtype
    assert torch.equal(again, rgb)


def test_pictures_that_are_views_are_written_as_they_look() -> None:
    """Turned, mirrored and cut pictures need not be contiguous."""
    rgb = torch.arange(3 * 8 * 6, dtype=torch.uint8).view(3, 8, 6)
    for view in (rgb.mT, rgb.flip(2), rgb[:, 2:5, 1:4]):
        assert torch.equal(decode_png(encode_png(view)), view)


def test_only_pictures_that_are_no_srgb_are_tagged() -> None:
    """Standard pictures carry nothing that a viewer could act on; HDR ones their code points."""
    plain = encode_png(torch.zeros(3, 4, 4, dtype=torch.uint8))
    assert [tag for tag in (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"iCCP") if tag in plain] == []
    pq = encode_png(torch.zeros(3, 4, 4, dtype=torch.uint16), primaries=9, transfer=16)
    place = pq.index(b"cICP") + 4
    assert tuple(pq[place : place + 4]) == (9, 16, 0, 1)


def test_a_damaged_file_is_noticed() -> None:
    """Checksums are looked at: a changed byte is an error, not another picture."""
    png = bytearray(encode_png(torch.zeros(3, 4, 4, dtype=torch.uint8)))
    png[png.index(b"IDAT") + 6] ^= 0xFF
    with pytest.raises(Exception, match=r"Invalid data|no picture"):
        decode_png(bytes(png))
