"""The layer table: which room may import which, and which package is used where."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import animesr_cli

PACKAGE = Path(animesr_cli.__file__).parent
NAME = PACKAGE.name

# Lowest layer first. A room imports from lower layers, and from rooms to its left in its own.
LAYERS = (
    (
        "errors",
        "config",
        "user_config",
        "timing",
        "tiles",
        "crew",
        "shots",
        "worker",
        "child",
        "worker_process",
        "executor",
        "ray_driver",
        "ray_executor",
    ),
    ("containers", "colour", "pixels", "network", "scenes", "page", "lettering", "resamplers"),
    (
        "hdr",
        "video_info",
        "decoder",
        "deinterlace",
        "reader",
        "frame_table",
        "range_reader",
        "sequence",
        "streams",
        "encoders",
        "part_file",
        "part_folder",
        "kept_files",
        "journal",
        "y4m",
        "mp4",
        "verification",
        "writer",
        "joiner",
        "image_writer",
        "checkpoints",
        "lbo",
        "degrade",
        "engine",
        "process_executor",
        "evaluate",
        "losses",
        "discriminator",
        "processes",
        "training_state",
        "png",
        "moments",
    ),
    (
        "routes",
        "plan",
        "pipeline",
        "first_pass",
        "segments",
        "identity",
        "seating",
        "dealer",
        "disk_room",
        "long_run",
        "workflow",
        "batch",
        "bench",
        "bench_segments",
        "doctor",
        "degrade_video",
        "material",
        "dataset",
        "validation",
        "trainer",
        "training_log",
        "training_report",
        "training_run",
        "train",
        "compare_report",
        "candidates",
        "comparison",
        "split_screen",
        "compare_sheet",
        "compare_stage",
        "compare_page",
        "compare",
        "excerpts",
        "rescale",
        "contact_sheet",
        "lbo_pairs",
        "lbo_trainer",
        "lbo_page",
        "learn_lbo",
    ),
    (
        "__init__",
        "console",
        "learn_display",
        "options",
        "application",
        "research",
        "cli",
        "__main__",
    ),
)
ROOMS = tuple(room for layer in LAYERS for room in layer)

# Package -> the only rooms that may import it. Nothing else but the standard library is imported.
MEDIA = {
    "hdr",
    "video_info",
    "decoder",
    "deinterlace",
    "reader",
    "sequence",
    "streams",
    "encoders",
    "part_file",
    "verification",
    "writer",
    "joiner",
    "degrade",
}
USERS = {
    "av": {"containers", "pixels", *MEDIA},
    "huggingface_hub": {"checkpoints"},
    "numpy": {*LAYERS[1], *LAYERS[2], *LAYERS[3]},
    "ray": {"ray_driver"},
    "rich": {"console", "cli"},
    "safetensors": {"checkpoints", "training_state", "segments"},
    "torch": {*LAYERS[1], *LAYERS[2], *LAYERS[3]},
    "tqdm": {"checkpoints"},
    "typer": {"options", "application", "research", "cli"},
}

written_rooms = pytest.mark.parametrize(
    "room", [room for room in ROOMS if (PACKAGE / f"{room}.py").exists()]
)


def parse(room: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))


def imported(room: str) -> Iterator[tuple[str, ...]]:
    """Every import of a room, wherever it stands, as a dotted name in parts."""
    for node in ast.walk(parse(room)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{room}.py line {node.lineno}: a relative import"
            for alias in node.names:
                yield (*(node.module or "").split("."), alias.name)


def imported_rooms(room: str) -> set[str]:
    """The rooms of the package that a room imports; the package's own names are ``__init__``'s."""
    parts = {(*name, "__init__")[1] for name in imported(room) if name[0] == NAME}
    parts.discard("__version__")  # a constant that is there before any room is
    return {part if part in ROOMS else "__init__" for part in parts}


def test_every_room_is_in_the_table() -> None:
    """A new file has its place in the table, and the table names no file that is gone."""
    found = {path.stem for path in PACKAGE.rglob("*.py")}
    assert found == set(ROOMS)


@written_rooms
def test_imports_run_downwards(room: str) -> None:
    """A room imports only from the layers below and from its left, so there are no circles."""
    below = ROOMS[: ROOMS.index(room)]
    assert sorted(imported_rooms(room) - set(below)) == []


@written_rooms
def test_each_package_is_used_in_its_rooms(room: str) -> None:
    """PyAV, torch, rich, Typer and the rest stay behind the rooms that are about them."""
    packages = {name[0] for name in imported(room)} - sys.stdlib_module_names - {NAME}
    allowed = {package for package, users in USERS.items() if room in users}
    assert sorted(packages - allowed) == []


@written_rooms
def test_files_are_opened_in_one_room(room: str) -> None:
    """``av.open`` is called in containers.py alone, where untrusted files are fenced in."""
    opens = [
        node.lineno
        for node in ast.walk(parse(room))
        if isinstance(node, ast.Attribute)
        and node.attr == "open"
        and ast.unparse(node.value).split(".")[0] == "av"
    ]
    opens += [1 for name in imported(room) if name[0] == "av" and name[-1] == "open"]
    assert bool(opens) == (room == "containers"), f"{room}.py, lines {opens}"


def test_no_public_name_is_a_room() -> None:
    """``from animesr_cli import upscale`` gives the function, whatever was imported before."""
    assert not set(animesr_cli.__all__) & set(ROOMS)


@pytest.mark.parametrize("name", [NAME, f"{NAME}.cli"])
def test_the_command_line_starts_without_torch(name: str) -> None:
    """Importing the package or its command line loads no torch, so that ``--help`` is instant."""
    code = f"import sys, {name}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
