"""Damaging files by chance: values of JSON in the wrong type or range, and bytes turned over."""

from __future__ import annotations

import json
import random
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**31, 2**63, 10**300, 1e308, -0.0, 1.5, "", "x", "x" * 999,
    "../victim", "/dev/zero", "\0", "\x1b[2J\u202e", "NaN", "nan", "1e999", [], {}, [[]], [None],
    {"a": {"b": []}}, ["../victim"] * 3,
)  # fmt: skip


def damaged(rng: random.Random, value: Any) -> Any:
    """The value with one place of it replaced, removed or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        changed = dict(value)
        if rng.random() < 0.15:
            del changed[key]
        else:
            changed[key] = damaged(rng, value[key])
        return changed
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], damaged(rng, value[at]), *value[at + rng.randrange(2) :]]
    return rng.choice(NASTY)


def damaged_json(rng: random.Random, text: bytes) -> bytes:
    """A JSON text with some of its values exchanged, and at times some of its bytes."""
    values = json.loads(text)
    for _ in range(rng.randint(1, 4)):
        values = damaged(rng, values)
    text = json.dumps(values).encode()
    return damaged_bytes(rng, text) if rng.random() < 0.3 else text


def damaged_bytes(rng: random.Random, content: bytes, reach: int | None = None) -> bytes:
    """Some bytes turned over, a piece doubled or cut out, or the end cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(min(len(data), reach or len(data)) or 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                data[at:at] = data[at : at + rng.randint(1, 200)]
            case 2:
                del data[at : at + rng.randint(1, 20)]
            case 3 if rng.random() < 0.2:
                del data[at:]
    return bytes(data)
