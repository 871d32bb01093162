"""Constants of the settings that lower rooms need: bounds, defaults, and names of precisions."""

from __future__ import annotations

from typing import Final, Literal, get_args

Precision = Literal["auto", "fp16", "bf16", "fp32"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
MATRICES: Final = ("bt601", "bt709", "bt2020")

NETWORK_SCALE = 4
"""The network multiplies width and height by this; other factors are resampled from its result."""

SIZE_MULTIPLE: Final = 8
"""Sides of what is degraded are multiples of this: a quarter of them is even, as 4:2:0 needs."""

MAX_PIXELS = 1 << 28
"""The largest frame of an input: 16384 x 16384."""

MAX_SIDE: Final = 1 << 16
"""Pixels; no encoder takes a longer side."""
MAX_COUNT: Final = 10**9
"""Bound on numbers of frames, pictures and the like: a year of film."""
