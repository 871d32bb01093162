"""``python -m animesr_cli`` and the installed command ``animesr``."""

from __future__ import annotations

import os

from animesr_cli import crash_watch
from animesr_cli.errors import ExitCode


def main() -> None:
    """Run the command line; leaves through ``SystemExit`` with a documented exit code."""
    # Read when torch is loaded. Its threads would wait for each other by spinning, and so take the
    # cores from the encoder and from one another: where others work too, several times as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    results = None
    try:
        from animesr_cli.cli.streams import guard

        results = guard()
        from animesr_cli.cli.commands import app

        app(prog_name="animesr", obj=crash_watch.begin)
    except KeyboardInterrupt:  # before a command has begun to listen
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except BrokenPipeError:
        raise SystemExit(ExitCode.CLOSED_PIPE) from None
    except SystemExit as leaving:
        # Whoever was writing, rich or Typer: both leave with 1 where nobody reads any more.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise SystemExit(ExitCode.CLOSED_PIPE) from None
        if results is not None:
            results.flush()
            if results.failure is not None and leaving.code in (None, ExitCode.OK):
                raise SystemExit(results.failure) from None
        raise
    finally:
        crash_watch.end()


if __name__ == "__main__":
    main()
