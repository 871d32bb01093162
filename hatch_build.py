"""The README as an index shows it: without the links and pictures that lead into the checkout.

An index shows the README alone, so a relative link leads nowhere there and a picture is a broken
one. Links become their words, pictures go. Commands and code blocks stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n+", re.M)
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")


def standing_alone(readme: str) -> str:
    """The README with nothing in it that leads to another file."""
    return LINK.sub(r"\1", PICTURE.sub("", readme))


class Readme(MetadataHookInterface):
    """Called by hatchling for the metadata of wheel and sdist."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``readme``, which pyproject.toml calls dynamic."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": standing_alone(readme)}
