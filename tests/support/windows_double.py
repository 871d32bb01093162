"""The command on a system that behaves like Windows, as far as Linux can play it.

    python windows_double.py upscale in.mkv out.mkv

Everything that is not the project's is imported first. Then a file that is open, in any process of
the group, can be neither renamed, replaced nor removed; folders cannot be opened; there are no
``fcntl``, ``resource``, hard links, ``/proc``, masks of signals, nor descriptors that children
inherit; locks are ``msvcrt``'s, and ``sys.platform`` is ``win32``. Children of the command run
under the same rules. What it cannot play: paths with backslashes, consoles, and the real kernel.
"""

from __future__ import annotations

import builtins
import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

MISSING_IN_OS = (
    "link", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_NOCTTY", "O_PATH", "mkfifo", "sysconf",
    "sched_getaffinity", "geteuid", "getuid", "killpg",
)  # fmt: skip
MISSING_IN_SIGNAL = (
    "pthread_sigmask", "SIGKILL", "SIGHUP", "SIGQUIT", "SIGSTOP", "SIG_BLOCK", "SIG_UNBLOCK",
    "SIG_SETMASK",
)  # fmt: skip
MAY_DO_AS_LINUX_DOES = ("tempfile", "psutil", "shutil", "multiprocessing.util", __name__)
"""Modules that are others on Windows."""


def is_open(path: str) -> bool:
    """Whether a process of the group has it open, or something below it."""
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    for number in os.listdir("/proc"):
        with suppress(OSError):  # it ended meanwhile
            if number.isdigit() and os.getpgid(int(number)) == os.getpgrp():
                for target in open_files(f"/proc/{number}/fd"):
                    if target == path or target.startswith(path + "/"):
                        return True
    return False


def open_files(folder: str) -> Iterator[str]:
    for each in os.listdir(folder):
        with suppress(OSError):  # the listing itself was open
            yield os.readlink(f"{folder}/{each}")


def caller_is_exempt() -> bool:
    name = str(sys._getframe(2).f_globals.get("__name__", ""))
    return name.partition(".")[0] in MAY_DO_AS_LINUX_DOES or name in MAY_DO_AS_LINUX_DOES


def refusing_open_files(real: Callable[..., Any]) -> Callable[..., Any]:
    def refusing(*names: Any, **options: Any) -> Any:
        if any(value is not None for name, value in options.items() if name.endswith("dir_fd")):
            raise NotImplementedError("dir_fd unavailable on this platform")
        if not caller_is_exempt():
            for name in names[:2]:
                if os.path.lexists(name) and is_open(os.fspath(name)):
                    raise PermissionError(errno.EACCES, "it is being used by another process", name)
        if real is REAL_RENAME and os.path.lexists(names[1]):
            raise FileExistsError(errno.EEXIST, "it exists", names[1])
        return real(*names)

    return refusing


REAL_RENAME = os.rename
REAL_OPEN = os.open
REAL_OPENER = builtins.open


def open_no_folders(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if dir_fd is not None:
        raise NotImplementedError("dir_fd unavailable on this platform")
    if not caller_is_exempt() and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return REAL_OPEN(path, flags, mode)


def open_no_proc(file: Any, *arguments: Any, **options: Any) -> Any:
    if not caller_is_exempt() and isinstance(file, str) and file.startswith("/proc/"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", file)
    return REAL_OPENER(file, *arguments, **options)


def fake_msvcrt() -> types.ModuleType:
    import fcntl

    fake = types.ModuleType("msvcrt")

    def locking(descriptor: int, mode: int, size: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    vars(fake).update(LK_NBLCK=2, locking=locking)
    return fake


def import_what_is_not_ours() -> None:
    import asyncio
    import concurrent.futures.thread
    import ctypes.util
    import logging.handlers
    import multiprocessing.connection
    import multiprocessing.resource_tracker
    import platform
    import shutil
    import sysconfig
    import zoneinfo

    import av
    import huggingface_hub
    import numpy
    import psutil  # type: ignore[import-untyped,unused-ignore]
    import rich.console
    import rich.progress
    import rich.traceback
    import safetensors.torch
    import torch
    import typer._adapters
    import typer.rich_utils
    import typer.testing

    sysconfig.get_config_vars()
    assert all((
        asyncio, concurrent.futures.thread, ctypes.util, logging.handlers, shutil,
        multiprocessing.connection, multiprocessing.resource_tracker, platform.uname(), zoneinfo,
        av, huggingface_hub, numpy, psutil, rich, safetensors, torch, typer.testing,
    ))  # fmt: skip
    torch.nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 1, 1))


def install() -> None:
    import_what_is_not_ours()
    modules: dict[str, Any] = sys.modules
    modules["msvcrt"] = fake_msvcrt()
    for module in (subprocess, modules["multiprocessing.connection"]):
        vars(module)["signal"] = types.SimpleNamespace(**vars(signal))
    for name in ("unlink", "remove", "rmdir", "rename", "replace"):
        setattr(os, name, refusing_open_files(getattr(os, name)))
    for name in MISSING_IN_OS:
        if hasattr(os, name):
            delattr(os, name)
    for name in MISSING_IN_SIGNAL:
        delattr(signal, name)
    vars(os).update(O_BINARY=0, supports_dir_fd=set(), supports_fd=set(), open=open_no_folders)
    vars(signal).update(SIGBREAK=signal.SIGUSR1)
    vars(subprocess).update(CREATE_NEW_PROCESS_GROUP=0)
    vars(builtins).update(open=open_no_proc)
    modules |= {"fcntl": None, "resource": None, "termios": None, "pty": None}
    for name in [name for name in modules if name.startswith("animesr_cli")]:
        raise AssertionError(f"{name} was imported before it could be on Windows")
    sys.platform = "win32"


def children_run_under_it() -> None:
    """``sys.executable`` is a script that installs the same rules before anything else."""
    if "WINDOWS_DOUBLE" not in os.environ:
        script = Path(tempfile.mkdtemp(prefix="double-")) / "python"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        os.environ["WINDOWS_DOUBLE"] = str(script)
    sys.executable = os.environ["WINDOWS_DOUBLE"]


def main() -> None:
    install()
    children_run_under_it()
    if sys.argv[1:2] == ["-c"]:
        code = sys.argv[2]
        sys.argv = ["-c", *sys.argv[3:]]
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        from animesr_cli.__main__ import main as command

        command()


if __name__ == "__main__":
    main()
