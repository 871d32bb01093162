"""The output as a file: which names and places are refused, and who owns the part file."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from animesr_cli import claim
from animesr_cli.atomic_files import PartFile, check_place, explained, write_file
from animesr_cli.errors import DiskFullError, OutputError, UsageError
from animesr_cli.file_names import LOCK, PART, hidden_name, new_token
from animesr_cli.open_folder import Lock, OpenFolder, lock


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.mkv"
    path.write_bytes(b"the input")
    return path


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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


KILLED = """
import os, sys
from pathlib import Path
from animesr_cli.atomic_files import PartFile
part = PartFile(Path(sys.argv[1]))
part.sink.write(b"half")
os._exit(9)
"""


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    """Its part and its lock, by the next run on the same output, and by no other."""
    output = tmp_path / "out.mp4"
    subprocess.run([sys.executable, "-c", KILLED, output], check=False)
    left = listing(tmp_path)
    assert [Path(name).suffix for name in left] == [".lock", ".part"]
    with PartFile(tmp_path / "other.mp4"):
        pass
    assert listing(tmp_path) == left
    with PartFile(output):
        assert not set(left) & set(listing(tmp_path))
    assert listing(tmp_path) == []


def test_a_users_own_hidden_files_are_never_touched(tmp_path: Path) -> None:
    """Whatever they are called, the tool writes beside them, killed runs or not."""
    output = tmp_path / "q.mkv"
    other = hidden_name("other.mkv", new_token("other.mkv"), LOCK)
    for name in (
        ".q.mkv.part", ".q.mkv.lock", ".q.mkv.0123456789abcdef.part",
        ".q.mkv.0123456789abcdef.lock", other,
    ):  # fmt: skip
        (tmp_path / name).write_text("mine")
    (tmp_path / ".q.mkv.part.d").mkdir()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    check_place(output, tmp_path / ".q.mkv.part", overwrite=False)
    with PartFile(output) as part:
        part.sink.write(b"new")
        part.publish(overwrite=False)
    output.unlink()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_an_existing_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hidden name that is there already, by a link or a file, is refused: O_EXCL."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    token = new_token("out.mp4")
    monkeypatch.setattr(claim, "new_token", lambda name: token)
    (tmp_path / hidden_name("out.mp4", token, PART)).symlink_to(victim)
    with pytest.raises(FileExistsError):
        PartFile(tmp_path / "out.mp4")
    assert victim.read_bytes() == b"precious"
    assert listing(tmp_path) == [hidden_name("out.mp4", token, PART), "victim"]


def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    """The file stays in the folder that was opened, and the one behind the link is as it was."""
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    victim.mkdir()
    with PartFile(folder / "out.mp4") as part:
        (victim / part.path.name).write_bytes(b"precious")
        (victim / "out.mp4").write_bytes(b"precious")
        folder.rename(tmp_path / "moved")
        folder.symlink_to(victim)
        part.sink.write(b"new")
        part.publish(overwrite=True)
    assert {path.read_bytes() for path in victim.iterdir()} == {b"precious"}
    assert len(listing(victim)) == 2
    assert (tmp_path / "moved" / "out.mp4").read_bytes() == b"new"
    assert listing(tmp_path / "moved") == ["out.mp4"]


def test_a_folder_that_is_removed_during_the_run(tmp_path: Path) -> None:
    """It is said in one sentence, code 4, and nobody speaks of a complete file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with PartFile(folder / "out.mp4") as part:
        part.sink.write(b"new")
        shutil.rmtree(folder)
        with pytest.raises(
            OutputError, match=r"the folder .* was removed during the run"
        ) as caught:
            part.publish(overwrite=False)
    assert caught.value.hint is None
    with PartFile(tmp_path / "out.mp4") as part:
        part.path.unlink()
        with pytest.raises(OutputError, match=r"\.part was removed during the run"):
            part.publish(overwrite=False)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works, says so once, and leaves nothing behind."""
    monkeypatch.setattr(claim, "lock", lambda descriptor: Lock.UNKNOWN)
    said: list[str] = []
    with PartFile(tmp_path / "out.mp4", warn=said.append) as part:
        assert [Path(name).suffix for name in listing(tmp_path)] == [".part"]
        part.sink.write(b"new")
        part.publish(overwrite=False)
    assert listing(tmp_path) == ["out.mp4"]
    assert len(said) == 1
    assert "has no locks" in said[0]


def test_a_lock_that_another_took_for_a_dead_ones_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking it, another run may look at it and remove it."""
    calls: list[int] = []

    def seen(descriptor: int) -> Lock:
        calls.append(descriptor)
        if len(calls) == 1:
            for name in listing(tmp_path):
                (tmp_path / name).unlink()
        return lock(descriptor)

    monkeypatch.setattr(claim, "lock", seen)
    with PartFile(tmp_path / "out.mp4"):
        assert [Path(name).suffix for name in listing(tmp_path)] == [".lock", ".part"]
    assert listing(tmp_path) == []
    assert len(calls) == 2


def test_runs_that_begin_together_do_not_both_write(tmp_path: Path) -> None:
    """Of many that start in the same moment, at most one has the output at any time."""
    code = KILLED.replace(
        "os._exit(9)",
        "began = time.monotonic(); time.sleep(0.3); part.__exit__(None, None, None)\n"
        "print(began, time.monotonic())",
    )
    code = code.replace("part =", "sys.stdin.read(); import time\npart =")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "out.mp4"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    time.sleep(2)  # until all have imported what they need
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
        run.stdin = None
    ended = [(*run.communicate(), run.returncode) for run in runs]
    assert all("another run is writing" in errors for _, errors, status in ended if status)
    spans = sorted(tuple(map(float, told.split())) for told, _, status in ended if not status)
    assert spans
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert listing(tmp_path) == []


def test_a_whole_file_is_written_or_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that replace one file do not hinder each other; an error leaves what was there."""
    path = tmp_path / "page.html"
    with PartFile(path):
        write_file(path, b"one")
        write_file(path, b"two")
    assert path.read_bytes() == b"two"

    def full(self: OpenFolder, *names: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(OpenFolder, "replace", full)
    with pytest.raises(DiskFullError):
        write_file(path, b"three")
    assert path.read_bytes() == b"two"


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
    kept = part.path
    with PartFile(output) as part:
        part.path.write_bytes(b"newer")
        part.publish(overwrite=True)
    assert output.read_bytes() == b"newer"
    assert listing(tmp_path) == [kept.name, "out.mp4"]  # what is complete is the user's to remove
    assert kept.read_bytes() == b"new"


@pytest.mark.parametrize("links", [True, False])
def test_publishing_a_new_file(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its name there is one file with one link, on file systems without hard links too."""

    def refuse(*names: str, **options: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
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
        assert getattr(caught.value, "hint", None) == "free 3.00 GB and run again"


def test_a_part_file_needs_no_more_than_one_descriptor(tmp_path: Path) -> None:
    """Every file is closed again, whatever happened; hundreds of outputs can be written in turn."""
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        with PartFile(tmp_path / f"{number}.mp4"):
            pass
    with PartFile(tmp_path / "a.mp4"), pytest.raises(OutputError):
        PartFile(tmp_path / "a.mp4")
    assert len(os.listdir("/proc/self/fd")) == before
