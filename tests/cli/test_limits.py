"""What a machine refuses on the way, made for real in a child: limits of processes and files, disks
and mounts that fail. One line, the documented code, and nothing lost or left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import media
from animesr_cli.errors import ExitCode
from command import Outcome, environment, finished, hidden, snapshot, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are set the Linux way")


@pytest.fixture
def desk(tmp_path: Path, zero_checkpoint: Path) -> Path:
    """A folder with a video and a network that costs nothing."""
    folder = tmp_path / "desk"
    folder.mkdir()
    media.write_video(folder / "in.mkv", frames=6, gop=1)
    shutil.copy(zero_checkpoint, folder / "zero.safetensors")
    return folder


def upscaling(desk: Path, *options: str) -> list[str]:
    names = [str(desk / name) for name in ("in.mkv", "out.mkv", "zero.safetensors")]
    wanted = ["--precision", "fp32", "--segment-frames", "2"]
    return ["upscale", *names[:2], "-n", names[2], *wanted, *options]


LIMITED = """
import ctypes, os, resource, sys
limit, number = sys.argv.pop(1), int(sys.argv.pop(1))
if limit == "RLIMIT_NPROC" and os.getuid() == 0:
    # Root is exempt. So: another real user, whose processes count, without the rights that exempt.
    os.setresuid(65534, 0, 0)
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for right in (21, 24):  # CAP_SYS_ADMIN, CAP_SYS_RESOURCE
        sets[0] &= ~(1 << right)
        sets[1] &= ~(1 << right)
    if libc.capset(header, sets):
        sys.exit("rights cannot be given up")
resource.setrlimit(getattr(resource, limit), (number, number))
from animesr_cli.__main__ import main
main()
"""


def limited(limit: str, number: int, arguments: Sequence[str], **variables: str) -> Outcome:
    """The command where the system allows so many."""
    process = subprocess.Popen(
        [sys.executable, "-c", LIMITED, limit, str(number), *arguments],
        env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return finished(process)


# ---- processes and threads -----------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("verb", ["upscale", "doctor"])
def test_no_threads_at_all(verb: str, threads: str, desk: Path) -> None:
    """It is known before a library tries: x264 would wait for ever, OpenBLAS sends a SIGINT,
    OpenMP ends the process."""
    before = snapshot(desk)
    arguments = upscaling(desk) if verb == "upscale" else [verb]
    outcome = limited("RLIMIT_NPROC", 1, arguments, OMP_NUM_THREADS=threads)
    outcome.refused(ExitCode.DEVICE, "no more processes or threads", "ulimit -u")
    assert snapshot(desk) == before


@pytest.mark.slow
def test_too_few_threads_for_the_workers(desk: Path) -> None:
    """A worker that finds no room for its own says so; it is no bug and no loss."""
    outcome = limited(
        "RLIMIT_NPROC", 4 * (os.cpu_count() or 1) + 9, upscaling(desk, "--workers", "2")
    )
    if outcome.exit_code:  # it depends on the moment in which each of them looks
        outcome.refused(ExitCode.DEVICE, "no more processes or threads")
    assert {path.name for path in desk.iterdir()} - {"out.mkv"} == {"in.mkv", "zero.safetensors"}


# ---- open files ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [5, 6, 7, 9, 12, 13])
def test_too_few_open_files(number: int, desk: Path) -> None:
    """Wherever they run out: while names are claimed, the input or the folder's files are read."""
    before = snapshot(desk)
    outcome = limited("RLIMIT_NOFILE", number, upscaling(desk))
    if outcome.exit_code:
        assert outcome.exit_code in (ExitCode.INPUT, ExitCode.OUTPUT)
        assert "too many open files" in outcome.error
        assert hidden(desk) == []
        assert snapshot(desk) == before or "are finished and kept" in outcome.error
    assert outcome.exit_code or number > 8  # the limit was felt


def interrupted(desk: Path) -> Path:
    """The folder of a run that was stopped before its segments were joined."""
    code = (
        "from animesr_cli.errors import InputError\n"
        "from animesr_cli.jobs.job import Job\n"
        "def stop(*arguments): raise InputError('stopped')\n"
        "Job._join = stop\n"
        "from animesr_cli.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, *upscaling(desk)]
    subprocess.run(command, env=environment(), check=False, stderr=subprocess.DEVNULL)
    assert len(list((desk / "out.mkv.animesr").glob("*.json"))) == 4
    return desk / "out.mkv.animesr"


@pytest.mark.slow
@pytest.mark.parametrize("number", [5, 6, 9])
def test_too_few_open_files_for_an_interrupted_run(number: int, desk: Path) -> None:
    """What was finished stays, byte for byte, and serves the next try."""
    folder = interrupted(desk)
    before = {name: state for name, state in snapshot(folder).items() if name != "manifest.json"}
    outcome = limited("RLIMIT_NOFILE", number, upscaling(desk))
    assert outcome.exit_code in (ExitCode.INPUT, ExitCode.OUTPUT)
    assert "too many open files" in outcome.error
    after = {name: state for name, state in snapshot(folder).items() if name != "manifest.json"}
    assert after == before
    again = finished(start(*upscaling(desk, "--json")))
    assert (again.exit_code, '"frames_before": 6' in again.stdout) == (0, True), again.stderr


# ---- disks and mounts that fail ------------------------------------------------------------------

FAILING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
ssize_t read(int file, void *into, size_t most) {
    static ssize_t (*real)(int, void *, size_t);
    char link[64], path[PATH_MAX] = "";
    if (!real) real = dlsym(RTLD_NEXT, "read");
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (readlink(link, path, sizeof path - 1) > 0 && !strcmp(path, getenv("FAIL_PATH"))
        && lseek(file, 0, SEEK_CUR) >= atol(getenv("FAIL_AT"))) {
        errno = atoi(getenv("FAIL_ERRNO"));
        return -1;
    }
    return real(file, into, most);
}
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes reading one file fail behind a place, whoever reads it."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("failing")
    (folder / "failing.c").write_text(FAILING)
    library = folder / "failing.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, folder / "failing.c", "-ldl"], check=True
    )
    return library


def fails(library: Path, path: Path, at: int, error: int, arguments: Sequence[str]) -> Outcome:
    variables = environment(
        LD_PRELOAD=str(library), FAIL_PATH=str(path), FAIL_AT=str(at), FAIL_ERRNO=str(error)
    )
    return finished(start(*arguments, env=variables))


EIO, ESTALE = 5, 116


@pytest.mark.parametrize(("error", "words"), [(EIO, "input/output error"), (ESTALE, "stale file")])
def test_an_input_whose_disk_fails(error: int, words: str, failing: Path, desk: Path) -> None:
    """At its beginning it is refused, and nothing is left of it."""
    before = snapshot(desk)
    outcome = fails(failing, desk / "in.mkv", 0, error, upscaling(desk))
    outcome.refused(ExitCode.INPUT, "in.mkv cannot be read", words)
    assert snapshot(desk) == before


@pytest.mark.slow
@pytest.mark.parametrize("error", [EIO, ESTALE])
def test_an_input_whose_disk_fails_in_the_middle(error: int, failing: Path, desk: Path) -> None:
    """It is an input that ends too early: never silently, and never as a bug."""
    source = desk / "in.mkv"
    media.write_video(source, frames=60, gop=1, width=320, height=240)
    middle = source.stat().st_size // 2
    outcome = fails(failing, source, middle, error, upscaling(desk, "--no-journal", "--strict"))
    assert outcome.exit_code in (ExitCode.INPUT, ExitCode.WARNINGS), outcome.stderr
    assert "bug" not in outcome.stderr
    assert "cut off" in outcome.stderr or "cannot be read" in outcome.stderr, outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("error", [EIO, ESTALE])
@pytest.mark.parametrize("name", ["manifest.json", "000000002.json"])
def test_a_folder_whose_disk_fails(name: str, error: int, failing: Path, desk: Path) -> None:
    """What cannot be read for now is not taken for damaged: it stays, and serves the next try."""
    folder = interrupted(desk)
    before = {each: state for each, state in snapshot(folder).items() if each != "manifest.json"}
    outcome = fails(failing, folder / name, 0, error, upscaling(desk))
    outcome.refused(ExitCode.OUTPUT, "out.mkv.animesr")
    after = {each: state for each, state in snapshot(folder).items() if each != "manifest.json"}
    assert after == before
    again = finished(start(*upscaling(desk, "--json")))
    assert (again.exit_code, '"frames_before": 6' in again.stdout) == (0, True), again.stderr


# ---- a link where the run's folder goes ----------------------------------------------------------


@pytest.mark.parametrize("leads", ["to a folder", "nowhere", "to a former run"])
def test_the_folder_of_a_run_is_no_link(leads: str, desk: Path, tmp_path: Path) -> None:
    """It is refused before any work: what is deleted there would be somewhere else."""
    elsewhere = tmp_path / "elsewhere"
    if leads == "to a folder":
        elsewhere.mkdir()
    elif leads == "to a former run":
        interrupted(desk).rename(elsewhere)
    (desk / "out.mkv.animesr").symlink_to(elsewhere)
    before = snapshot(tmp_path)
    outcome = finished(start(*upscaling(desk)))
    outcome.refused(ExitCode.OUTPUT, "out.mkv.animesr is a link", "--work-dir")
    assert snapshot(tmp_path) == before
