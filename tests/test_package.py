"""The project as a stranger meets it: versions, public names, the wheel, the README's commands."""

from __future__ import annotations

import email
import importlib.metadata
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import animesr_cli
from animesr_cli.model.catalogue import CATALOGUE

ROOT = Path(__file__).parents[1]
NOTICE = "NOTICE-realesr-animevideov3.txt"
PUBLIC_NAMES = {"__version__", "load_network", "probe", "upscale"}


def readme_command(name: str) -> str:
    """The code block that follows ``<!-- ci: NAME -->`` in the README, as .ci/run reads it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"^<!-- ci: {name} -->\n+```\w*\n(.*?)^```$", readme, re.M | re.S)
    assert len(found) == 1, f"README.md has {len(found)} blocks after <!-- ci: {name} -->"
    return str(found[0])


def pinned() -> set[str]:
    lines = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonical(line) for line in lines if line and not line.startswith("#")}


def canonical(requirement: str) -> str:
    """The package that a requirement is about, spelt as indexes spell it."""
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_public_names() -> None:
    """The package exports exactly the names that it promises, and each of them exists."""
    assert set(animesr_cli.__all__) == PUBLIC_NAMES
    assert len(animesr_cli.__all__) == len(PUBLIC_NAMES)
    for name in PUBLIC_NAMES:
        assert getattr(animesr_cli, name)
        assert name in dir(animesr_cli)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as in any module, although the public ones are loaded late."""
    misspelt = "upscael"
    with pytest.raises(AttributeError, match=misspelt):
        getattr(animesr_cli, misspelt)


def test_one_version() -> None:
    """The package, its installed metadata and the changelog's newest release agree."""
    assert importlib.metadata.version("animesr-cli") == animesr_cli.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(.+?)\]", changelog, re.M)
    assert sections[0] == "Unreleased"
    assert sections[1:2] in ([], [animesr_cli.__version__])


def test_every_dependency_is_bounded_and_pinned() -> None:
    """Each requirement has a floor and a ceiling, and the constraints file pins each of them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        requirements += extra
    for requirement in requirements:
        assert re.fullmatch(r"[\w-]+>=[\d.]+,<[\d.]+", requirement), requirement
        assert canonical(requirement) in pinned(), requirement


def test_constraints_are_exact() -> None:
    """Every line of the constraints file is one version, so the commands are reproducible."""
    lines = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert "torch==2.13.0" in pins


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("test", ("-m venv", "pip install", "-c tests/constraints.txt", "[test]", "pytest")),
        ("run", ("-m venv", "pip install", "-c tests/constraints.txt", "upscale tests/clip.mp4")),
    ],
)
def test_readme_commands(name: str, parts: tuple[str, ...]) -> None:
    """The README has the two commands that .ci/run executes as they stand there."""
    command = readme_command(name)
    assert [part for part in parts if part not in command] == []


def test_readme_commands_need_only_python_and_pip() -> None:
    """Both commands call nothing but Python, pip and what they installed with it."""
    commands = readme_command("test") + readme_command("run")
    joined = commands.replace("\\\n", " ").replace("&&", "\n")
    programs = {line.split()[0] for line in joined.splitlines() if line.strip()}
    assert {program for program in programs if not program.startswith(".venv/")} == {"python3"}


def build(folder: Path, source: Path, target: str) -> Path:
    """Run the build backend as pip does, without its isolated environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True)
    (built,) = folder.iterdir()
    return built


def wheel_files(wheel: Path) -> dict[str, int]:
    """Name and size of everything in a wheel but its own records."""
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
    return {e.filename: e.file_size for e in entries if ".dist-info/" not in e.filename}


def test_the_wheel_holds_the_package_and_its_checkpoints(tmp_path: Path) -> None:
    """The package, its pages, its manual, its type marker, checkpoints and their notice alone."""
    package = ROOT / "animesr_cli"
    expected = {
        path.relative_to(ROOT).as_posix()
        for suffix in ("py", "html", "css", "js", "md")
        for path in package.rglob(f"*.{suffix}")
    }
    expected |= {"animesr_cli/py.typed"}
    shipped = [checkpoint.filename for checkpoint in CATALOGUE if checkpoint.shipped]
    expected |= {f"animesr_cli/weights/{name}" for name in (*shipped, NOTICE)}
    found = wheel_files(build(tmp_path, ROOT, "wheel"))
    assert set(found) == expected
    for name in shipped:
        assert found[f"animesr_cli/weights/{name}"] == (ROOT / "weights" / name).stat().st_size


def test_the_description_of_the_wheel_stands_alone(tmp_path: Path) -> None:
    """An index shows it without the files beside the README: words stay, relative links go."""
    with zipfile.ZipFile(build(tmp_path, ROOT, "wheel")) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        description = email.message_from_bytes(archive.read(name)).get_payload()
    assert isinstance(description, str)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)]*)\)", description)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "![" not in description
    blocks = r"^```.*?^```$"
    assert re.findall(blocks, description, re.M | re.S) == re.findall(blocks, readme, re.M | re.S)
    assert "| `video/` | what a picture, a colour and a time are |" in description


def test_the_wheel_can_be_built_from_the_sdist(tmp_path: Path) -> None:
    """The source distribution holds all that the wheel needs, and the tests with their clip."""
    (tmp_path / "sdist").mkdir()
    with tarfile.open(build(tmp_path / "sdist", ROOT, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.name != "sdist")
    assert (source / "tests" / "clip.mp4").exists()
    from_sdist = wheel_files(build(tmp_path / "from_sdist", source, "wheel"))
    assert from_sdist == wheel_files(build(tmp_path / "direct", ROOT, "wheel"))
