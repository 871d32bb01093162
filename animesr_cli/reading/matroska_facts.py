"""What a Matroska file holds that FFmpeg's demuxer flattens: told, so that nothing is lost unsaid.

Source: RFC 9559 (Matroska), sections 5.1.2 (Info), 5.1.4 (Tracks), 5.1.7 (Chapters).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from animesr_cli.video.ebml import Element, elements, find, whole

log = logging.getLogger(__name__)

_SEGMENT, _INFO, _TRACKS, _CHAPTERS = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1043A770
_LINKS: Final = (0x3CB923, 0x3EB923)
"""Identifiers of the segments before and behind this one."""
_EDITION, _ORDERED, _HIDDEN_EDITION, _ATOM = 0x45B9, 0x45DD, 0x45BD, 0xB6
_SEGMENT_OF_ATOM, _ENABLED_ATOM, _HIDDEN_ATOM, _DISPLAY = 0x6E67, 0x4598, 0x98, 0x80
_TRACK, _NUMBER, _ENABLED, _LANGUAGE, _LANGUAGE_BCP47 = 0xAE, 0xD7, 0xB9, 0x22B59C, 0x22B59D

_MOST_TOP_LEVEL: Final = 100_000
"""Elements behind which nothing is looked for: clusters, of which a long film has thousands."""


def matroska_remarks(path: Path) -> list[str]:
    """What the output of this file will not have, in sentences; none for other containers."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"\x1a\x45\xdf\xa3":
                return []
            return list(_remarks(file))
    except OSError as error:
        log.info("the elements of %s cannot be read: %s", path, error)
        return []


def _remarks(file: BinaryIO) -> Iterator[str]:
    top: dict[int, Element] = {}
    for segment in find(file, whole(file), _SEGMENT):
        for count, element in enumerate(elements(file, segment.begin, segment.end)):
            top.setdefault(element.identifier, element)
            if count > _MOST_TOP_LEVEL:
                break
        break
    if _INFO in top:
        yield from _links(file, top[_INFO])
    if _CHAPTERS in top:
        yield from _chapters(file, top[_CHAPTERS])
    if _TRACKS in top:
        yield from _tracks(file, top[_TRACKS])


def _links(file: BinaryIO, info: Element) -> Iterator[str]:
    if any(_has(file, info, link) for link in _LINKS):
        yield (
            "the file is linked to others that are to be played before or behind it: only this one "
            "is upscaled, and the links are dropped"
        )


def _chapters(file: BinaryIO, chapters: Element) -> Iterator[str]:
    editions = list(find(file, chapters, _EDITION))
    atoms = [atom for edition in editions for atom in find(file, edition, _ATOM)]
    linked = sum(_has(file, atom, _SEGMENT_OF_ATOM) for atom in atoms)
    if any(_is_set(file, edition, _ORDERED) for edition in editions):
        elsewhere = f" (parts in other files: {linked})" if linked else ""
        yield (
            "the chapters are ordered: players show the parts in the order of the chapters"
            f"{elsewhere}. The output has the pictures in the order of this file, and plain "
            "chapters: join it first with a tool such as mkvmerge where the order matters"
        )
    if len(editions) > 1:
        yield f"of the {len(editions)} editions of chapters the output has one"
    nested = sum(1 for atom in atoms for _ in find(file, atom, _ATOM))
    if nested:
        lying = " that lies within another is" if nested == 1 else "s that lie within others are"
        yield f"{nested} chapter{lying} dropped"
    if any(len(list(find(file, atom, _DISPLAY))) > 1 for atom in atoms):
        yield "the chapters have titles in several languages: the output has one of each"
    if any(_is_set(file, atom, _HIDDEN_ATOM) for atom in atoms):
        yield "some chapters are hidden: they are shown in the output"


def _tracks(file: BinaryIO, tracks: Element) -> Iterator[str]:
    for place, track in enumerate(find(file, tracks, _TRACK)):
        disabled = [e for e in find(file, track, _ENABLED) if e.number(file) == 0]
        if disabled:
            yield f"stream #{place} is marked as disabled, which the output does not say"
        full = next((e.text(file) for e in find(file, track, _LANGUAGE_BCP47)), "")
        if "-" in full:  # what has no more than the language is said by the older tag
            short = next((e.text(file) for e in find(file, track, _LANGUAGE)), "eng")
            yield f"the language of stream #{place} is {full}; the output says {short}"


def _has(file: BinaryIO, inside: Element, identifier: int) -> bool:
    return next(find(file, inside, identifier), None) is not None


def _is_set(file: BinaryIO, inside: Element, identifier: int) -> bool:
    return any(element.number(file) == 1 for element in find(file, inside, identifier))
