"""``python -m animesr_cli`` and the installed command ``animesr``."""

from __future__ import annotations

from animesr_cli.cli import app


def main() -> None:
    """Run the command line; leaves through ``SystemExit`` with a documented exit code."""
    app(prog_name="animesr")


if __name__ == "__main__":
    main()
