"""Upscales animation video with a recurrent network: ``load_network``, ``probe``, ``upscale``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "load_network", "probe", "upscale"]

if TYPE_CHECKING:
    from animesr_cli.api import upscale
    from animesr_cli.model.checkpoint import load_network
    from animesr_cli.reading.probe import probe

_ROOMS = {"load_network": "model.checkpoint", "probe": "reading.probe", "upscale": "api"}


def __getattr__(name: str) -> Any:
    # Loaded at first use: importing torch takes seconds, and `animesr --help` needs none of it.
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
