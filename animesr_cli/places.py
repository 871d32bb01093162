"""Where each system keeps a program's configuration and its cache.

Linux follows the XDG base directories, whose variables are heard on every system; a relative path
in them is ignored, as their specification asks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "animesr"


def config_folder() -> Path:
    """``$XDG_CONFIG_HOME``, ``%APPDATA%`` or ``Application Support``, else ``~/.config``."""
    usual = {"win32": _windows("APPDATA", "Roaming"), "darwin": "~/Library/Application Support"}
    return _folder("XDG_CONFIG_HOME", usual.get(sys.platform, "~/.config"))


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME``, ``%LOCALAPPDATA%`` or ``Library/Caches``, else ``~/.cache``."""
    usual = {"win32": _windows("LOCALAPPDATA", "Local"), "darwin": "~/Library/Caches"}
    return _folder("XDG_CACHE_HOME", usual.get(sys.platform, "~/.cache"))


def _windows(variable: str, folder: str) -> str:
    return os.environ.get(variable) or f"~/AppData/{folder}"


def _folder(variable: str, usual: str) -> Path:
    base = os.environ.get(variable, "")
    return Path(base if os.path.isabs(base) else os.path.expanduser(usual)) / NAME
