"""The output as a file: which names and places are refused, and who owns the part file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from animesr_cli.atomic_files import PartFile, check_name, check_place, explained, part_of
from animesr_cli.errors import DiskFullError, OutputError, UsageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.mkv"
    path.write_bytes(b"the input")
    return path


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a.mp4", "-a.mp4", "a b'\"%03d:\n😀.mp4", "\udce9.mp4", "é" * 125 + ".mp4", "x" * 255]
)
def test_any_name_that_a_file_can_have_has_a_part_file(name: str, tmp_path: Path) -> None:
    """It is hidden, in the same folder, can be made, and ends in .part."""
    output = tmp_path / name
    check_name(output)
    with PartFile(output) as part:
        assert part.path.parent == output.parent
        assert part.path.name.startswith(".")
        assert part.path.name.endswith(".part")
        assert part.path.is_file()
    assert listing(tmp_path) == []


def test_long_names_that_differ_have_different_part_files(tmp_path: Path) -> None:
    """A shortened name is made unique, so two outputs never share a part file."""
    names = ["x" * 250 + f"{number}.mp4" for number in range(3)]
    assert len({part_of(tmp_path / name) for name in names}) == 3


@pytest.mark.parametrize(
    ("name", "message"), [("x" * 256, "256 bytes, and 255 fit"), ("a\0b.mp4", "NUL")]
)
def test_names_that_no_file_can_have(name: str, message: str, tmp_path: Path) -> None:
    """Too long or with a NUL byte: a usage error."""
    with pytest.raises(UsageError, match=message):
        check_name(tmp_path / name)


# ---- places --------------------------------------------------------------------------------------


def test_a_good_place_is_left_as_it_was(source: Path, tmp_path: Path) -> None:
    """The check makes and removes its trial file."""
    check_place(tmp_path / "out.mp4", source, overwrite=False)
    assert listing(tmp_path) == ["in.mkv"]


@pytest.mark.parametrize("kind", ["name", "relative", "symlink", "hard link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_input_is_never_the_output(
    kind: str, overwrite: bool, source: Path, tmp_path: Path
) -> None:
    """By whatever name, and with -y too, it is a usage error and the input keeps its bytes."""
    output = tmp_path / "link.mkv"
    if kind == "name":
        output = source
    elif kind == "relative":
        output = tmp_path / "." / ".." / tmp_path.name / source.name
    elif kind == "symlink":
        output.symlink_to(source)
    else:
        output.hardlink_to(source)
    before = listing(tmp_path)
    with pytest.raises(UsageError, match="is the input itself"):
        check_place(output, source, overwrite=overwrite)
    assert source.read_bytes() == b"the input"
    assert listing(tmp_path) == before


def test_an_existing_file_needs_overwrite(source: Path, tmp_path: Path) -> None:
    """Without -y it is refused with the hint; with it, it is fine, and untouched so far."""
    output = tmp_path / "out.mp4"
    output.write_bytes(b"older")
    with pytest.raises(OutputError, match="exists") as caught:
        check_place(output, source, overwrite=False)
    assert "-y" in (caught.value.hint or "")
    check_place(output, source, overwrite=True)
    assert output.read_bytes() == b"older"


def test_places_that_hold_no_regular_file(source: Path, tmp_path: Path) -> None:
    """A folder, a FIFO and a device are refused even with -y; a FIFO is not opened."""
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "device.mp4").symlink_to("/dev/null")
    for name, what in (("fifo", "pipe"), ("folder", "a folder"), ("device", "a device")):
        with pytest.raises(OutputError, match=what):
            check_place(tmp_path / f"{name}.mp4", source, overwrite=True)


def test_a_missing_folder_is_named(source: Path, tmp_path: Path) -> None:
    """Folders are not made; the message names the one that is missing."""
    with pytest.raises(OutputError, match=r"nowhere does not exist"):
        check_place(tmp_path / "nowhere" / "out.mp4", source, overwrite=False)
    with pytest.raises(OutputError, match=r"in.mkv"):
        check_place(source / "out.mp4", source, overwrite=False)


def test_a_folder_that_cannot_be_written() -> None:
    """A read-only folder is noticed by writing to it: root may write where the mode says no."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from animesr_cli.errors import OutputError\n"
        "from animesr_cli.atomic_files import check_place\n"
        "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "try: check_place(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=False)\n"
        "except OutputError as error: print(error.message)\n"
    )
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, which only its owner may enter
        folder = Path(name)
        folder.chmod(0o555)
        run = subprocess.run(
            [sys.executable, "-c", script, str(folder / "out.mp4"), str(folder / "in.mkv")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "cannot be written: permission denied" in run.stdout
        assert listing(folder) == []


# ---- the part file -------------------------------------------------------------------------------


def test_a_second_run_on_one_output_is_refused(tmp_path: Path) -> None:
    """While one run writes, another is an output error, and harms nothing of the first."""
    output = tmp_path / "out.mp4"
    with PartFile(output) as part:
        part.path.write_bytes(b"half")
        with pytest.raises(OutputError, match="another run is writing"):
            PartFile(output)
        assert part.path.read_bytes() == b"half"
        assert part.size == 4
    assert part.size == 4
    with PartFile(output):
        pass
    assert listing(tmp_path) == []


def test_what_a_killed_run_left_is_taken_over(tmp_path: Path) -> None:
    """A part file without an owner does not stand in the way, and is gone after the next run."""
    output = tmp_path / "out.mp4"
    part_of(output).write_bytes(b"left by a killed run")
    with PartFile(output):
        pass
    assert listing(tmp_path) == []


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """A link under the part file's name, as another user could make, does not lead elsewhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    part_of(tmp_path / "out.mp4").symlink_to(victim)
    with pytest.raises(OSError, match=r"symbolic links|Too many levels"):
        PartFile(tmp_path / "out.mp4")
    assert victim.read_bytes() == b"precious"


def test_publishing_replaces_only_with_overwrite(tmp_path: Path) -> None:
    """What appeared under the name during the run is not replaced; the finished part is kept."""
    output = tmp_path / "out.mp4"
    with PartFile(output) as part:
        part.path.write_bytes(b"new")
        output.write_bytes(b"appeared")
        with pytest.raises(OutputError, match="could not be renamed") as caught:
            part.publish(overwrite=False)
    assert output.read_bytes() == b"appeared"
    assert part.path.read_bytes() == b"new"
    assert str(part.path) in (caught.value.hint or "")
    with PartFile(output) as part:
        part.path.write_bytes(b"newer")
        part.publish(overwrite=True)
    assert output.read_bytes() == b"newer"
    assert listing(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("links", [True, False])
def test_publishing_a_new_file(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its name there is one file with one link, on file systems without hard links too."""

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    output = tmp_path / "out.mp4"
    with PartFile(output) as part:
        part.path.write_bytes(b"new")
        part.publish(overwrite=False)
    assert output.read_bytes() == b"new"
    assert output.stat().st_nlink == 1
    assert listing(tmp_path) == ["out.mp4"]
    if not links:
        with PartFile(output) as part, pytest.raises(OutputError, match="file exists"):
            part.publish(overwrite=False)
        assert output.read_bytes() == b"new"


def test_a_rename_that_fails_keeps_the_work(tmp_path: Path) -> None:
    """A folder in the way: the finished file stays, and its path is in the hint."""
    output = tmp_path / "out.mp4"
    with PartFile(output) as part:
        part.path.write_bytes(b"hours of work")
        output.mkdir()
        with pytest.raises(OutputError, match="could not be renamed") as caught:
            part.publish(overwrite=True)
    assert part.path.read_bytes() == b"hours of work"
    assert str(part.path) in (caught.value.hint or "")


def test_a_symbolic_link_as_output_stays_one(source: Path, tmp_path: Path) -> None:
    """The file it leads to is replaced, through a part file in that file's folder."""
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "out.mp4", tmp_path / "link.mp4"
    real.write_bytes(b"older")
    link.symlink_to(real)
    check_place(link, source, overwrite=True)
    with PartFile(link) as part:
        assert part.path.parent == real.parent
        part.path.write_bytes(b"new")
        part.publish(overwrite=True)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.ENOSPC, DiskFullError, "the disk is full"),
        (errno.EDQUOT, DiskFullError, "the disk quota is used up"),
        (errno.EFBIG, OutputError, "files as large as"),
        (errno.EROFS, OutputError, "cannot be written: read-only file system"),
        (errno.EIO, OutputError, "cannot be written: input/output error"),
        (errno.ENAMETOOLONG, UsageError, "too long"),
    ],
)
def test_errors_of_the_system_have_their_kind(
    number: int, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    """Each error number has its exit code; a full disk says how much to free."""
    with pytest.raises(kind, match=message) as caught, explained(tmp_path / "x", lambda: 3 * 10**9):
        raise OSError(number, os.strerror(number))
    if kind is DiskFullError:
        assert getattr(caught.value, "hint", None) == "free 3.0 GB and run again"


def test_a_part_file_needs_no_more_than_one_descriptor(tmp_path: Path) -> None:
    """Every file is closed again, whatever happened; hundreds of outputs can be written in turn."""
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        with PartFile(tmp_path / f"{number}.mp4"):
            pass
    with PartFile(tmp_path / "a.mp4"), pytest.raises(OutputError):
        PartFile(tmp_path / "a.mp4")
    assert len(os.listdir("/proc/self/fd")) == before
