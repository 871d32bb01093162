"""The shell of every page that is written: one self-contained HTML file, light and dark.

A page holds its own style, script and pictures; a content security policy keeps it from asking for
anything else, so it can be opened from a disk, mailed and kept. Text from outside (file names,
names of models) goes through ``text`` and ``json_text``. It knows nothing of what a page shows.
"""

from __future__ import annotations

import html
import json
from typing import Any, Final

from animesr_cli.text import shown

POLICY: Final = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --panel: #ffffff; --sunken: #e9ebef; --ink: #17191c; --quiet: #5b616b;
  --line: #d8dbe1; --accent: #1f5fd0; --on-accent: #ffffff; --stage: #c9ccd2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #131518; --panel: #1c1f23; --sunken: #0e1013; --ink: #e7e9ec; --quiet: #9aa1ac;
    --line: #31353c; --accent: #79a8ff; --on-accent: #0d1420; --stage: #0b0c0e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: 20px; line-height: 1.3; margin: 0; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 0; font-weight: 650; }
p { margin: 0; }
code, kbd { font: 0.92em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
button, select { font: inherit; color: inherit; }
button, select {
  background: var(--panel); border: 1px solid var(--line); border-radius: 7px;
  min-height: 34px; padding: 0 11px; cursor: pointer;
}
button:hover, select:hover { border-color: var(--quiet); }
button[aria-pressed="true"] {
  background: var(--accent); border-color: var(--accent); color: var(--on-accent);
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
"""
"""Colours, letters and controls of all pages."""


def text(value: object) -> str:
    """Anything as text of a page: escaped, control characters visible."""
    return html.escape(shown(str(value)), quote=True)


def json_text(value: Any) -> str:
    """Plain values as JSON that may stand in a script element."""
    written = json.dumps(value, ensure_ascii=True)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def document(*, title: str, body: str, style: str = "", script: str = "") -> str:
    """A whole page; ``title`` is plain text, the rest is HTML, CSS and JavaScript as it stands."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        f"{body}\n<script>{script}</script>\n</body>\n</html>\n"
    )
