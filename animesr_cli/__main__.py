"""``python -m animesr_cli`` and the installed command ``animesr``."""

from __future__ import annotations

from animesr_cli.errors import ExitCode


def main() -> None:
    """Run the command line; leaves through ``SystemExit`` with a documented exit code."""
    try:
        from animesr_cli.cli.commands import app

        app(prog_name="animesr")
    except KeyboardInterrupt:  # before a command has begun to listen
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except SystemExit as leaving:
        # Whoever was writing, rich or Typer: both leave with 1 where nobody reads any more.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise SystemExit(ExitCode.CLOSED_PIPE) from None
        raise


if __name__ == "__main__":
    main()
