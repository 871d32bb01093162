"""Writes the table of options into cli/README.md, from the fields of the settings.

python tests/support/options_table.py
"""

from __future__ import annotations

from pathlib import Path

import animesr_cli
from animesr_cli.cli.options import options_table
from animesr_cli.settings import UpscaleSettings
from animesr_cli.settings.option import declared

MANUAL = Path(animesr_cli.__file__).parent / "cli" / "README.md"
BEGIN, END = "<!-- options: upscale -->\n", "<!-- end -->"


def with_table(text: str) -> str:
    """The manual with the table as it is now."""
    before, rest = text.split(BEGIN)
    after = rest[rest.index(END) :]
    return f"{before}{BEGIN}{options_table(declared(UpscaleSettings).values())}\n{after}"


if __name__ == "__main__":
    MANUAL.write_text(with_table(MANUAL.read_text(encoding="utf-8")), encoding="utf-8")
