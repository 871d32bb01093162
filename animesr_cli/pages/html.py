"""Every page that is written: one self-contained HTML file, light and dark, from a template.

Templates lie in the rooms whose pages they are, and are named by their path in the package:
``compare/page.html``. All of them extend ``pages/base.html``, whose content security policy keeps a
page from asking for anything outside its own file, so that it can be opened from a disk, mailed and
kept. Whatever is put into a template is escaped, and control characters in it are made visible.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.filters import do_mark_safe

from animesr_cli.text import visible

PACKAGE: Final = Path(__file__).parents[1]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.filters["png"] = _data_uri
    environment.globals["source"] = _source
    return environment


def _visible(value: Any) -> Any:
    """What a template prints: markup as it is, everything else with nothing invisible in it."""
    return value if hasattr(value, "__html__") else visible(str(value))


def _data_uri(png: bytes) -> Any:
    """A PNG file as the value of an image's ``src``."""
    return do_mark_safe("data:image/png;base64," + base64.b64encode(png).decode("ascii"))


def _source(name: str) -> Any:
    """A file of the package as it stands, for style and script elements."""
    return do_mark_safe((PACKAGE / name).read_text(encoding="utf-8"))


def render(template: str, /, **values: Any) -> str:
    """The page of a template, such as ``compare/page.html``.

    Args:
        values: what the template names; text needs no preparation.
    """
    return _environment().get_template(template).render(values)
