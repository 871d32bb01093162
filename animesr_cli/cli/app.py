"""The application that verbs are registered on, and what each of their bodies stands in.

An error becomes one sentence and an exit code, a signal an ``Interrupted``. Knows no verb.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from animesr_cli import __version__
from animesr_cli.cli import console
from animesr_cli.errors import AnimesrError, ExitCode, Interrupted, as_bug

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
    except AnimesrError as error:
        if debug:
            console.err.print_exception()
        if json_events:
            console.emit("error", console.error_event(error))
        console.show_error(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise  # __main__ ends a closed pipe
    except Exception as error:
        if debug:
            raise
        bug = as_bug(error)
        if json_events:
            console.emit("error", console.error_event(bug))
        console.show_error(bug)
        raise typer.Exit(ExitCode.BUG) from None


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """The first SIGINT or SIGTERM raises ``Interrupted`` here; the second ends it all at once.

    What a signal raises may be lost in somebody's ``except`` or ``__del__``. So a long run calls
    what this yields now and then, which raises it again.
    """
    heard: list[Interrupted] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        for name in handled:
            signal.signal(name, stop_at_once)
        heard.append(Interrupted(signum))
        raise heard[0]

    def stop_at_once(signum: int, frame: FrameType | None) -> None:
        console.show_cursor()
        os._exit(Interrupted(signum).exit_code)

    def listen() -> None:
        if heard:
            raise heard[0]

    handled = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(name, stop) for name in handled]
    try:
        yield listen
    except Exception as error:
        if heard and error is not heard[0]:
            raise heard[0] from error  # what was interrupted fails in its own ways
        raise
    finally:
        for name, handler in zip(handled, before, strict=True):
            signal.signal(name, handler)


@contextmanager
def stoppable_between_steps() -> Iterator[Callable[[], None]]:
    """The first SIGINT or SIGTERM is only noted; what this yields raises ``Interrupted`` then.

    For work whose steps must not be torn apart. One more signal ends it all at once; torchrun sends
    one itself to those that the terminal has told already.
    """
    heard: list[Interrupted] = []
    enough = 3 if "TORCHELASTIC_RUN_ID" in os.environ else 2

    def note(signum: int, frame: FrameType | None) -> None:
        heard.append(Interrupted(signum))
        if len(heard) >= enough:
            console.show_cursor()
            os._exit(heard[0].exit_code)

    def listen() -> None:
        if heard:
            raise heard[0]

    handled = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(name, note) for name in handled]
    try:
        yield listen
    finally:
        for name, handler in zip(handled, before, strict=True):
            signal.signal(name, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals wait until the end of the ``with``: raised while torch is imported, they abort it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def set_up_logging(*, verbose: bool, debug: bool) -> None:
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.ERROR
    logging.basicConfig(
        level=logging.ERROR, format="%(name)s: %(message)s", handlers=[console.LogLines()]
    )
    logging.getLogger("animesr_cli").setLevel(level)
