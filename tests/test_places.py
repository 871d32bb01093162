"""Configuration and cache lie where each system keeps them, and where the XDG variables say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from animesr_cli import places

VARIABLES = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "APPDATA", "LOCALAPPDATA")


@pytest.mark.parametrize(
    ("system", "config", "cache"),
    [
        ("linux", ".config", ".cache"),
        ("darwin", "Library/Application Support", "Library/Caches"),
        ("win32", "AppData/Roaming", "AppData/Local"),
    ],
)
def test_each_system_has_its_places(
    system: str, config: str, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the user's folder; an absolute XDG path goes before, a relative one is ignored."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", system)
    assert places.config_folder() == tmp_path / config / "animesr"
    assert places.cache_folder() == tmp_path / cache / "animesr"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert places.config_folder() == tmp_path / config / "animesr"
    assert places.cache_folder() == tmp_path / "x" / "animesr"
