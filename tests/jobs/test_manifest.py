"""The journal's folder: whole files, one owner, nothing lost and nothing foreign deleted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animesr_cli.errors import DiskFullError, OutputError, UsageError
from animesr_cli.file_names import hidden_name, new_token
from animesr_cli.jobs import kept_files
from animesr_cli.jobs.folder import JobFolder, journal_folder, left_behind
from animesr_cli.jobs.kept_files import StoredFile
from animesr_cli.jobs.manifest import (
    MANIFEST,
    Identity,
    differences,
    digest_of,
    read_manifest,
)
from animesr_cli.jobs.records import SCHEMA, Record, read_record, record_path, write_record
from command import environment, snapshot

IDENTITY: Identity = {"input": {"size": 7}, "option": {"--frames": None}}


def record(folder: Path, first: int = 0, **changes: Any) -> Record:
    """A finished segment whose file is there."""
    path = folder / f"{first:09}.mp4"
    path.write_bytes(b"a segment")
    values: dict[str, Any] = {
        "first": first, "frames": 2, "pts": (0, 84), "rows": "ab", "file": StoredFile.of(path),
        "pictures": "c" * 64, "reorder": 1, "tile": 64, "worker": "inline", "seconds": 0.5,
        "identity": digest_of(IDENTITY),
    }  # fmt: skip
    return Record(**values | changes)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.mkv"


@contextmanager
def begun(output: Path) -> Iterator[JobFolder]:
    with JobFolder(journal_folder(output, None), output) as journal:
        journal.begin(IDENTITY, {"input": "in.mkv"})
        yield journal


# Files --------------------------------------------------------------------------------------------


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error on the way leaves the old content under the name."""
    path = tmp_path / "manifest.json"
    kept_files.write_file(path, b"old")

    def fail(name: str, where: Path) -> None:
        if name == "rename":
            raise OSError(errno.EIO, "no")

    monkeypatch.setattr(kept_files, "fault", fail)
    with pytest.raises(OutputError, match="no"):
        kept_files.write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["manifest.json"]


def test_hidden_names_are_nobody_elses(tmp_path: Path) -> None:
    """Two workers on one segment do not meet, and the journal knows the names as its own."""
    names = {kept_files.temporary(tmp_path / "000000000.mp4", ".mp4").name for _ in range(9)}
    assert len(names) == 9
    assert all(name.startswith(".000000000.") for name in names)


@pytest.mark.parametrize("change", ["none", "gone", "shorter", "one bit"])
def test_a_stored_file_knows_itself(change: str, tmp_path: Path) -> None:
    """By size and hash; a file that is missing is not as it was written either."""
    path = tmp_path / "a"
    path.write_bytes(b"content")
    stored = StoredFile.of(path)
    content = {"none": b"content", "shorter": b"conten", "one bit": b"contenu"}.get(change)
    path.unlink() if content is None else path.write_bytes(content)
    assert stored.is_in(tmp_path) == (change == "none")


# Records and identity -----------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    """With and without a state, and with warnings."""
    for number, changes in enumerate(
        (
            {},
            {
                "state": StoredFile(name="000000003.safetensors", bytes=1, sha256="e" * 64),
                "warnings": ("a", "b"),
            },
        )
    ):
        found = record(tmp_path, number, **changes)
        write_record(tmp_path, found)
        assert read_record(tmp_path, number) == found


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"first": 0}', b"\xff", b"null"])
def test_a_damaged_record_is_none(content: bytes, tmp_path: Path) -> None:
    """Its segment counts as not finished."""
    (tmp_path / "000000000.json").write_bytes(content)
    assert read_record(tmp_path, 0) is None
    assert read_record(tmp_path, 1) is None


HOSTILE: dict[str, dict[str, Any]] = {
    "a way out": {"file": {"name": "../../victim", "bytes": 9, "sha256": "a" * 64}},
    "a device": {"file": {"name": "/dev/zero", "bytes": 0, "sha256": "a" * 64}},
    "another's file": {"file": {"name": "000000002.mp4", "bytes": 9, "sha256": "a" * 64}},
    "another's state": {"state": {"name": "000000009.safetensors", "bytes": 9, "sha256": "a" * 64}},
    "a path for a number": {"first": "../../victim"},
    "a negative number": {"first": -1},
    "frames without end": {"frames": 10**30},
    "no frames": {"frames": 0},
    "a list for a number": {"reorder": [1]},
    "a text for times": {"pts": "ab"},
    "three times": {"pts": [0, 1, 2]},
    "warnings that are none": {"warnings": "cut off"},
    "a table for a tile": {"tile": {}},
    "no digest": {"identity": "x"},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_record_that_does_not_fit_is_none(kind: str, tmp_path: Path) -> None:
    """Whatever somebody wrote there, it leads nowhere else and is done again."""
    write_record(tmp_path, record(tmp_path))
    path = record_path(tmp_path, 0)
    path.write_text(json.dumps(json.loads(path.read_text()) | HOSTILE[kind]))
    assert read_record(tmp_path, 0) is None


def test_a_record_under_anothers_name_is_none(tmp_path: Path) -> None:
    """A copy of it does not make two finished segments of one."""
    write_record(tmp_path, record(tmp_path))
    record_path(tmp_path, 0).rename(record_path(tmp_path, 4))
    assert read_record(tmp_path, 4) is None


@pytest.mark.skipif(sys.platform == "win32", reason="a FIFO is a Unix thing")
def test_a_pipe_is_waited_for_by_nobody(tmp_path: Path) -> None:
    """In place of a record, of a segment or of the manifest."""
    os.mkfifo(tmp_path / "000000000.json")
    assert read_record(tmp_path, 0) is None
    os.mkfifo(tmp_path / "000000000.mp4")
    empty = hashlib.sha256().hexdigest()
    assert not StoredFile(name="000000000.mp4", bytes=0, sha256=empty).is_in(tmp_path)
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(ValueError, match="not a regular file"):
        read_manifest(tmp_path)


WRONG_MANIFESTS: dict[str, dict[str, Any]] = {
    "identity": {"identity": []},
    "section": {"identity": {"input": 7}},
    "value": {"identity": {"input": {"size": [1]}}},
    "warnings": {"warnings": {"a": 1}},
    "index": {"frames": {"name": "../frames.npy", "bytes": 1, "sha256": "a" * 64}},
    "output": {"output": {"inode": "1", "bytes": 1, "modified_ns": 1}},
}


@pytest.mark.parametrize("kind", WRONG_MANIFESTS)
def test_a_manifest_that_does_not_fit_is_damaged(kind: str, output: Path) -> None:
    """It is put together again from the records."""
    with begun(output) as journal:
        path = journal.path / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text()) | WRONG_MANIFESTS[kind]))
        with pytest.raises(ValueError, match="must be"):
            journal.load()


def test_a_disk_that_fails_under_the_manifest_is_no_bug(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO and ESTALE are said as what they are, and nothing is begun anew over it."""

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with begun(output) as journal:
        monkeypatch.setattr("animesr_cli.jobs.manifest.read_bytes", fail)
        with pytest.raises(OutputError, match="input/output error"):
            journal.load()


VALUES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(["x", "y"]), st.none() | st.integers(0, 2), max_size=2),
)


@given(then=VALUES, now=VALUES)
def test_differences_are_exactly_what_is_not_the_same(then: Any, now: Any) -> None:
    """None for equal ones, in either direction; a value that is absent is not set."""
    found = differences(then, now)
    keys = {(s, n) for each in (then, now) for s, names in each.items() for n in names}
    expected = {
        f"{section} {name}"
        for section, name in keys
        if then.get(section, {}).get(name) != now.get(section, {}).get(name)
    }
    assert {each.split(" was ")[0] for each in found} == expected
    assert len(found) == len(expected) == len(differences(now, then))


def test_differences_are_said_in_words() -> None:
    """What was and what is, also where it was not set."""
    then = {"encoder": {"crf": "18", "tune": None}}
    now = {"encoder": {"crf": "20", "tune": "grain"}}
    assert differences(then, now) == [
        "encoder crf was 18 and is 20", "encoder tune was not set and is grain"
    ]  # fmt: skip


# The folder ---------------------------------------------------------------------------------------


def test_the_folder_is_beside_the_output_or_in_the_work_folder(tmp_path: Path) -> None:
    """A link as output has the journal of what it leads to."""
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link.mkv"
    link.symlink_to(real / "out.mkv")
    assert journal_folder(link, None) == real / "out.mkv.animesr"
    assert journal_folder(link, tmp_path / "work") == tmp_path / "work" / "out.mkv.animesr"


def test_what_is_kept_is_found_again(output: Path) -> None:
    """Identity, warnings, table and segments; a segment that only has its record is taken up."""
    with begun(output) as journal:
        journal.save_index(b"rows", ["the input is cut off"])
        write_record(journal.path, record(journal.path, 0))
        assert [each.first for each in journal.adopt([0, 2])] == [0]
        write_record(journal.path, record(journal.path, 2))
    with JobFolder(journal.path, output) as later:
        manifest = later.load()
        assert manifest is not None
        assert later.go_on(manifest) == []
        assert manifest.identity == IDENTITY
        assert manifest.warnings == ["the input is cut off"]
        assert sorted(later.records) == [0, 2]
        assert later.read_index() == b"rows"


def test_records_of_another_run_are_not_taken_up(output: Path) -> None:
    """What was made with other settings is never joined."""
    with begun(output) as journal:
        write_record(journal.path, record(journal.path, 0, identity="0" * 64))
        assert journal.adopt([0]) == []
        journal.gather()
        assert journal.records == {}


def test_leftovers_of_a_kill_are_removed(output: Path) -> None:
    """Files under hidden names of its own go; others stay."""
    with begun(output) as journal:
        own = kept_files.temporary(journal.path / "000000000.mp4", ".mp4")
        part = own.with_name(hidden_name(own.name, new_token(own.name)))
        for path in (own, part, journal.path / ".foreign"):
            path.write_bytes(b"half")
        manifest = journal.load()
        assert manifest is not None
        journal.go_on(manifest)
        assert {path.name for path in journal.path.iterdir()} == {"lock", MANIFEST, ".foreign"}


def test_the_lock_ends_with_its_process(output: Path) -> None:
    """A killed owner leaves the folder free; a living one does not."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from animesr_cli.jobs.folder import JobFolder\n"
        "JobFolder(Path(sys.argv[1]), Path('out')).__enter__(); print('held', flush=True)\n"
        "time.sleep(60)"
    )
    folder = journal_folder(output, None)
    owner = subprocess.Popen(
        [sys.executable, "-c", code, folder], env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another run is working on"):
            JobFolder(folder, output).__enter__()
    finally:
        owner.kill()
        owner.communicate()
    with JobFolder(folder, output):
        pass


def test_a_run_that_is_refused_leaves_no_folder(output: Path) -> None:
    """Before anything was begun, nothing was there."""
    with pytest.raises(UsageError), JobFolder(journal_folder(output, None), output):
        raise UsageError("something else")
    assert list(output.parent.iterdir()) == []


def test_a_foreign_folder_is_not_touched(output: Path) -> None:
    """A folder of that name that holds other things."""
    folder = journal_folder(output, None)
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for name in ("000000000.mp4", ".a.part", "frames.npy", "lock", MANIFEST):
        (folder / name).write_text("mine too")
    before = snapshot(output.parent)
    with pytest.raises(OutputError, match="was not made by animesr"):
        JobFolder(folder, output).__enter__()
    assert snapshot(output.parent) == before


def test_a_newer_schema_is_refused(output: Path) -> None:
    """Its number is said."""
    with begun(output) as journal:
        path = journal.path / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": SCHEMA + 1}))
        with pytest.raises(UsageError, match=f"schema {SCHEMA + 1}"):
            journal.load()


def test_a_full_disk_is_code_5(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever of the journal it hits."""
    with begun(output) as journal:

        def full(name: str, path: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(kept_files, "fault", full)
        with pytest.raises(DiskFullError):
            journal.save_index(b"rows", [])


def test_the_end_removes_its_own_files_alone(output: Path) -> None:
    """The folder goes with them, unless somebody put something into it."""
    with begun(output) as journal:
        journal.save_index(b"rows", [])
        write_record(journal.path, record(journal.path))
        journal.remove()
    assert not journal.path.exists()
    with begun(output) as journal:
        (journal.path / "notes.txt").write_text("mine")
        journal.remove()
    assert [path.name for path in journal.path.iterdir()] == ["notes.txt"]


def test_a_finished_output_is_known_by_its_file(output: Path) -> None:
    """A run that ended between the name and the removal; another file of that name is no such."""
    part = output.with_name(".part")
    part.write_bytes(b"the video")
    with begun(output) as journal:
        journal.finished_file(part, cuts=3)
    part.rename(output)
    with left_behind(journal.path, output) as found:
        assert found is not None
        assert found.manifest.output is not None
        assert found.manifest.output.cuts == 3
    output.write_bytes(b"another")
    with left_behind(journal.path, output) as found:
        assert found is None
    output.unlink()
    with left_behind(journal.path, output) as found:
        assert found is None
    assert journal.path.exists()
