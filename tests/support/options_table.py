"""Writes the table of options into cli/README.md, from the fields of the settings.

python tests/support/options_table.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import animesr_cli
from animesr_cli.settings import UpscaleSettings
from animesr_cli.settings.option import Declared, declared

MANUAL = Path(animesr_cli.__file__).parent / "cli" / "README.md"
BEGIN, END = "<!-- options: upscale -->\n", "<!-- end -->"


def with_table(text: str) -> str:
    """The manual with the table as it is now."""
    before, rest = text.split(BEGIN)
    after = rest[rest.index(END) :]
    return f"{before}{BEGIN}{_table(declared(UpscaleSettings).values())}\n{after}"


def _table(settings: Iterable[Declared]) -> str:
    """The options as a table in Markdown."""
    rows = ["| option | default | |", "|---|---|---|"]
    for each in settings:
        option = each.option
        flags = ", ".join(f"`{flag}`" for flag in (option.short, f"--{each.name}") if flag)
        default = option.default_title or _shown_default(each)
        rows.append(f"| {flags} | {default} | {option.help} |")
    return "\n".join(rows)


def _shown_default(each: Declared) -> str:
    value = each.default
    if value is None or isinstance(value, bool) or value == () or value == {}:
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    MANUAL.write_text(with_table(MANUAL.read_text(encoding="utf-8")), encoding="utf-8")
