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

LONGEST_CHAIN = 16
"""To be lowered, never raised."""

# Room -> the rooms that its files may import. A room is a folder, or a file at the package's root.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "text": set(),
    "bounded": {"text"},
    "threads": {"errors", "signals"},
    "file_hash": set(),
    "settings": {"errors"},
    "model": {"file_hash", "atomic_files", "places", "bounded", "errors", "settings"},
    "video": {"crash_watch", "errors", "settings", "text"},
    "file_names": {"errors", "text"},
    "open_folder": set(),
    "signals": {"errors"},
    "crash_watch": set(),
    "places": set(),
    "claim": {"errors", "text", "file_names", "open_folder"},
    "atomic_files": {"errors", "text", "file_names", "open_folder", "claim"},
    "pages": {"text"},
    "workers": {"signals", "threads", "bounded", "errors", "model"},
    "reading": {"crash_watch", "errors", "signals", "settings", "text", "video", "atomic_files"},
    "writing": {
        "claim",
        "file_names",
        "open_folder",
        "errors",
        "settings",
        "signals",
        "text",
        "video",
        "atomic_files",
        "reading",
    },
    "degradation": {
        "file_names",
        "bounded",
        "errors",
        "model",
        "settings",
        "text",
        "video",
        "atomic_files",
        "reading",
        "writing",
    },
    "upscaling": {
        "signals",
        "errors",
        "threads",
        "settings",
        "model",
        "text",
        "video",
        "workers",
        "reading",
        "writing",
    },
    "jobs": {
        "signals",
        "file_hash",
        "file_names",
        "open_folder",
        "bounded",
        "errors",
        "settings",
        "threads",
        "model",
        "text",
        "video",
        "atomic_files",
        "workers",
        "reading",
        "writing",
        "upscaling",
    },
    "metrics": {"errors", "settings", "text", "video", "reading"},
    "api": {"errors", "settings", "text", "video", "reading", "writing", "upscaling", "jobs"},
    "compare": {
        "signals",
        "file_names",
        "errors",
        "settings",
        "model",
        "text",
        "video",
        "atomic_files",
        "pages",
        "reading",
        "writing",
        "upscaling",
        "metrics",
    },
    "__init__": {"model", "reading", "api"},
    "batch": {
        "signals",
        "crash_watch",
        "file_hash",
        "bounded",
        "errors",
        "model",
        "settings",
        "text",
        "video",
        "atomic_files",
        "reading",
        "writing",
        "upscaling",
        "api",
    },
    "training": {
        "file_hash",
        "bounded",
        "errors",
        "settings",
        "model",
        "text",
        "video",
        "atomic_files",
        "pages",
        "reading",
        "writing",
        "degradation",
        "metrics",
    },
    "lbo": {
        "file_hash",
        "file_names",
        "bounded",
        "errors",
        "settings",
        "model",
        "text",
        "video",
        "atomic_files",
        "pages",
        "reading",
        "writing",
        "degradation",
        "metrics",
        "training",
    },
    "cli": {
        "crash_watch",
        "places",
        "atomic_files",
        "signals",
        "threads",
        "bounded",
        "errors",
        "settings",
        "model",
        "text",
        "video",
        "reading",
        "writing",
        "degradation",
        "upscaling",
        "metrics",
        "api",
        "compare",
        "batch",
        "training",
        "lbo",
    },
    "__main__": {"crash_watch", "errors", "cli"},
}

# Package -> the only rooms that may import it. Nothing else but the standard library is imported.
USERS = {
    "av": {
        "atomic_files",
        "degradation.operators",
        "reading",
        "video.containers",
        "video.pixel_formats",
        "video.side_data",
        "video.stream_header",
        "writing",
    },
    "huggingface_hub": {"model.download"},
    "jinja2": {"pages.html"},
    "numpy": {
        "video",
        "reading",
        "writing",
        "model",
        "upscaling",
        "jobs",
        "degradation",
        "lbo",
        "training",
        "metrics",
        "compare",
        "pages",
    },
    "psutil": {"model.memory", "upscaling.bench"},
    "ray": {"workers.ray_driver"},
    "rich": {"cli"},
    "safetensors": {"jobs.recurrent_state", "model.tensor_file", "training.state"},
    "torch": {
        "video",
        "reading",
        "writing",
        "model",
        "upscaling",
        "jobs",
        "degradation",
        "lbo",
        "training",
        "metrics",
        "compare",
        "pages",
        "cli.machine",
        "workers.local",
    },
    "tqdm": {"model.download"},
    "typer": {"cli"},
}


def files() -> dict[str, Path]:
    """Every file of the package by its dotted name below it: ``model.engine``, ``errors``, ''."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = files()
every_file = pytest.mark.parametrize("file", sorted(FILES))


def imported(file: str) -> Iterator[tuple[str, ...]]:
    """Every import of a file, wherever it stands, as a dotted name in parts."""
    for node in ast.walk(ast.parse(FILES[file].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} line {node.lineno}: a relative import"
            for alias in node.names:
                yield (*(node.module or "").split("."), alias.name)


def imported_files(file: str) -> set[str]:
    """The files of the package that a file imports."""
    found = set()
    for name in imported(file):
        if name[0] == NAME and name[1:] != ("__version__",):  # there before any room is
            whole, rest = ".".join(name[1:]), ".".join(name[1:-1])
            found.add(whole if whole in FILES else rest)
    return found - {file}


def room_of(file: str) -> str:
    return file.split(".")[0] or "__init__"


def longest_chain(file: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The longest way down through the imports, which must come to an end."""
    assert file not in above, f"a circle: {' -> '.join((*above, file))}"
    if file not in CHAINS:
        ways = [longest_chain(next_, (*above, file)) for next_ in imported_files(file) - {""}]
        CHAINS[file] = (file, *max(ways, key=len, default=()))
    return CHAINS[file]


CHAINS: dict[str, tuple[str, ...]] = {}


def test_every_room_is_in_the_table() -> None:
    """A new room has its place in the table, and the table names none that is gone."""
    assert {room_of(file) for file in FILES} == set(ROOMS)


@every_file
def test_a_room_imports_what_the_table_allows(file: str) -> None:
    """Rooms know only the rooms that the table gives them."""
    room = room_of(file)
    known = {room_of(each) for each in imported_files(file)} - {room}
    assert sorted(known - ROOMS[room]) == []


def test_rooms_form_no_circle() -> None:
    """Imports run one way only: the table itself has an order from the bottom up."""
    left = {room: set(known) for room, known in ROOMS.items()}
    while left:
        lowest = [room for room, known in left.items() if not known & left.keys()]
        assert lowest, f"a circle among {sorted(left)}"
        for room in lowest:
            del left[room]


def test_chains_of_imports_are_short() -> None:
    """Files form no circle, and whoever follows imports down soon stands on the ground."""
    longest = max((longest_chain(file) for file in FILES), key=len)
    assert len(longest) <= LONGEST_CHAIN, " -> ".join(longest)


@every_file
def test_each_package_is_used_in_its_rooms(file: str) -> None:
    """PyAV, torch, rich, Typer and the rest stay behind the rooms that are about them."""
    packages = {name[0] for name in imported(file)} - sys.stdlib_module_names - {NAME}
    places = {file, room_of(file)}
    allowed = {package for package, users in USERS.items() if places & users}
    assert sorted(packages - allowed) == []


@every_file
def test_files_are_opened_in_one_room(file: str) -> None:
    """``av.open`` is called in video/containers.py alone, where untrusted files are fenced in."""
    opens = [
        node.lineno
        for node in ast.walk(ast.parse(FILES[file].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "open"
        and ast.unparse(node.value).split(".")[0] == "av"
    ]
    opens += [1 for name in imported(file) if name[0] == "av" and name[-1] == "open"]
    assert bool(opens) == (file == "video.containers"), f"{file}, lines {opens}"


def test_no_public_name_is_a_room() -> None:
    """``from animesr_cli import upscale`` gives the function, whatever was imported before."""
    assert not set(animesr_cli.__all__) & set(ROOMS)


@pytest.mark.parametrize("name", [NAME, f"{NAME}.cli.commands"])
def test_the_command_line_starts_without_torch(name: str) -> None:
    """Importing the package or its command line loads no torch, so that ``--help`` is instant."""
    code = f"import sys, {name}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
