"""The application that verbs are registered on, and what each of their bodies stands in.

An error becomes one sentence and an exit code, a signal an ``Interrupted``. Knows no verb.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Final

import typer

from animesr_cli import __version__, crash_watch
from animesr_cli.cli import console
from animesr_cli.errors import AnimesrError, ExitCode, Interrupted, as_bug, as_expected
from animesr_cli.signals import (
    STOPPING,
    check_stop,
    signals_blocked,
    stop_wanted,
    stop_wishes,
    want_stop,
)
from animesr_cli.threads import check_threads

SAME_REQUEST_SECONDS: Final = 0.3
"""A signal so soon after the first is the same wish, told twice."""

app = typer.Typer(
    name="animesr",
    help="Upscales animation video: every timestamp, colour and other stream survives.",
    epilog="`animesr upscale episode.mkv` writes episode_x4.mkv; each command has its own --help.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # errors are one line; --debug shows Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        console.out.print(f"animesr {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("-V", "--version", callback=_print_version, is_eager=True, help="Show it."),
    ] = False,
) -> None:
    pass


@contextmanager
def errors_shown(*, debug: bool = False, json_events: bool = False) -> Iterator[None]:
    """The one place where an error becomes a sentence and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise  # __main__ ends a closed pipe
    except Exception as error:
        if isinstance(error, AnimesrError):
            expected = error
            if debug:
                console.err.print_exception()
        elif debug:
            raise
        else:
            expected = as_expected(error) or as_bug(error)
        if json_events:
            console.emit("error", console.error_event(expected))
        console.show_error(expected)
        raise typer.Exit(expected.exit_code) from None


Handler = Callable[[int, FrameType | None], None]


@contextmanager
def stoppable(*, between_steps: bool = False) -> Iterator[Callable[[], None]]:
    """The first signal to stop raises ``Interrupted`` where the work asks; one more ends it all.

    Whoever walks or waits asks, with what this yields. Where nobody does for a while the work is
    interrupted wherever it is, unless its steps must not be torn apart: ``between_steps``.
    """
    began, count = 0.0, 0
    # torchrun sends one itself to those that the terminal has told already.
    enough = 3 if "TORCHELASTIC_RUN_ID" in os.environ else 2

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal began, count
        count += 1
        if stop_wanted() is None:
            began = time.monotonic()
            want_stop(Interrupted(signum))
        elif count >= enough and time.monotonic() - began > SAME_REQUEST_SECONDS:
            _leave_at_once(Interrupted(signum))

    with stop_wishes(between_steps=between_steps) as ask, _handled_by(note):
        try:
            yield ask
        except Exception as error:
            why = stop_wanted()
            if why is not None and error is not why and not between_steps:
                raise why from error  # what was interrupted fails in its own ways
            raise


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    """Signals to stop go to the handler; a hang-up that nohup has ignored stays ignored."""
    before = {
        name: signal.signal(name, handler)
        for name in STOPPING
        if name == signal.SIGINT or signal.getsignal(name) != signal.SIG_IGN
    }
    if sys.platform != "win32":
        before[signal.SIGQUIT] = signal.signal(signal.SIGQUIT, _quit)
    try:
        yield
    finally:
        for name, earlier in before.items():
            signal.signal(name, earlier)


def _leave_at_once(why: Interrupted) -> None:
    """Leave without waiting: hidden files are removed and the terminal gets its cursor back."""
    crash_watch.end()
    console.show_cursor()
    # Where nothing was written, its room is not loaded: it brings PyAV, which no help needs.
    if files := sys.modules.get("animesr_cli.atomic_files"):
        files.remove_unfinished()
    os._exit(why.exit_code)


def _quit(signum: int, frame: FrameType | None) -> None:
    """Ctrl-\\ ends the process as it always does, with the cursor back."""
    crash_watch.end()
    console.show_cursor()
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


@contextmanager
def undisturbed() -> Iterator[None]:
    """For loading torch and the like, which abort the process where a signal raises or no thread
    may be started: signals wait until the end of the ``with``, and threads are tried first."""
    check_stop()
    check_threads()
    with signals_blocked():
        yield
    check_stop()


def set_up_logging(*, verbose: bool, debug: bool) -> None:
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.ERROR
    logging.basicConfig(
        level=logging.ERROR, format="%(name)s: %(message)s", handlers=[console.LogLines()]
    )
    logging.getLogger("animesr_cli").setLevel(level)
