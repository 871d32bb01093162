"""What the text subtitles of a file are before they are converted: encoding, sizes, durations.

Matroska's text is meant to be UTF-8, and old files hold what the machine of their maker used. All
lines are looked at before the work begins, so that what cannot be converted is known then. An
encoding is guessed by the letters that its languages use most, and only where most of what is no
ASCII falls among these; otherwise the text is not understood, and nothing is made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from av.stream import Discard

from animesr_cli.reading.packets import demux
from animesr_cli.video.containers import open_input

LARGEST_TEXT_BYTES: Final = 0xFFFF
"""Of one line of text; a sample of MP4 has a length of 16 bits."""
LONGEST_LINE: Final = Fraction(24 * 3600)
"""Seconds that one line of text is shown, at most; MP4 counts durations in 31 bits."""
JUDGED_BYTES: Final = 1 << 16
"""Of text that is no UTF-8, by which its encoding is guessed."""
LEAST_SHARE: Final = 0.3
"""Of the letters outside ASCII that must be among the most frequent ones."""
MOST_FOREIGN: Final = 0.5
"""Of all letters that may be outside ASCII in a language with the Latin alphabet."""


@dataclass(frozen=True)
class Charset:
    """An encoding of before UTF-8, and what text in it looks like."""

    title: str
    languages: str
    """Tags of streams that settle it, where their lines can be read so."""
    frequent: str
    """The letters outside ASCII that its languages use most."""
    is_latin: bool = False
    guessed: bool = True
    """Whether it is found by its letters; else only by the language."""


CHARSETS: Final = {
    "cp1251": Charset(
        "Windows-1251 (Cyrillic)", "rus ukr bel bul srp mkd mac", "оеаинтсрвлкмдпуіїє"
    ),
    "koi8-r": Charset("KOI8-R (Cyrillic)", "", "оеаинтсрвлкмдпу"),
    "cp1253": Charset("Windows-1253 (Greek)", "ell gre", "αοιετσνηυρπκμλάόίέ"),
    "cp1255": Charset("Windows-1255 (Hebrew)", "heb", "יוהלאתרבמשנ"),
    "cp1256": Charset("Windows-1256 (Arabic)", "ara fas per", "اليمونترةبسد"),
    "cp1254": Charset("Windows-1254 (Turkish)", "tur", "ıüöşçğİ", is_latin=True),
    "cp1250": Charset(
        "Windows-1250 (Central European)",
        "pol ces cze slk slo hun ron rum hrv slv",
        "áéíěščřžýůúąęłżśćńóőűöü",
        is_latin=True,
    ),
    "cp1252": Charset(
        "Windows-1252 (Western European)",
        "eng fra fre deu ger spa ita por nld dut swe dan nor fin isl ice",
        "éèàùâêîôûçäöüßñáíóúåæøãõ¿¡",
        is_latin=True,
    ),
    "cp932": Charset("Shift-JIS (Japanese)", "jpn", "".join(map(chr, range(0x3041, 0x3097)))),
    "gb18030": Charset("GB 18030 (Chinese)", "zho chi", "的一是不了我在有人这你他们来到"),
    "cp949": Charset("Windows-949 (Korean)", "kor", "이다는가고을에은하지도의", guessed=False),
}
"""By Python's name."""


@dataclass
class TextSurvey:
    """What was seen in the lines of one stream."""

    not_utf8: int = 0
    too_long: int = 0
    """Lines of more bytes than a container or its decoder can take."""
    too_lasting: int = 0
    """Lines that are shown for longer than a container can say."""
    language: str | None = None
    """As the stream is tagged."""
    sample: bytearray = field(default_factory=bytearray)
    """Of the lines that are not UTF-8."""

    @property
    def charset(self) -> str | None:
        """What the lines that are no UTF-8 are; None: all are, or nobody can tell."""
        return guess_charset(bytes(self.sample), self.language) if self.not_utf8 else None


def survey_text(source: Path, indices: set[int]) -> dict[int, TextSurvey]:
    """Look at every line of these streams."""
    surveys = {index: TextSurvey() for index in indices}
    with open_input(source) as container:
        for stream in container.streams:
            if stream.index in indices:
                surveys[stream.index].language = stream.metadata.get("language")
            else:
                stream.discard = Discard.all
        for packet in demux(container):
            survey = surveys.get(packet.stream_index)
            if survey is None:
                continue
            survey.too_long += packet.size > LARGEST_TEXT_BYTES
            length = (packet.duration or 0) * Fraction(packet.time_base or 0)
            survey.too_lasting += length > LONGEST_LINE
            content = bytes(packet)
            try:
                content.decode()
            except UnicodeDecodeError:
                survey.not_utf8 += 1
                if len(survey.sample) < JUDGED_BYTES:
                    survey.sample += content[:JUDGED_BYTES] + b"\n"
    return surveys


def conversion_remarks(survey: TextSurvey, name: str, title: str) -> Iterator[str]:
    """What becomes of lines that are not as they should be, in sentences.

    Args:
        name: of the stream, for people.
        title: of the container.
    """
    if survey.charset is not None:
        yield (
            f"{survey.not_utf8} lines of {name} are not UTF-8: they are read as "
            f"{CHARSETS[survey.charset].title}"
        )
    if survey.too_long:
        yield (
            f"{survey.too_long} lines of {name} are longer than {LARGEST_TEXT_BYTES:,} bytes, "
            f"which {title} cannot hold: they are left out; .mkv keeps them"
        )
    if survey.too_lasting:
        yield (
            f"{survey.too_lasting} lines of {name} last longer than {title} can say: they end "
            f"after {int(LONGEST_LINE / 3600)} hours; .mkv keeps them"
        )


def guess_charset(content: bytes, language: str | None = None) -> str | None:
    """The encoding in which this reads most like a language; None: in none it does."""
    for name, charset in CHARSETS.items():
        if language in charset.languages.split() and _share(content, name) > 0:
            return name
    shares = {name: _share(content, name) for name, each in CHARSETS.items() if each.guessed}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= LEAST_SHARE else None


def _share(content: bytes, name: str) -> float:
    """Which part of the letters outside ASCII is among the most frequent of the encoding."""
    try:
        text = content.decode(name)
    except UnicodeDecodeError:
        return 0.0
    counts = Counter(character for character in text if character.isprintable())
    foreign = sum(n for character, n in counts.items() if not character.isascii())
    letters = sum(n for character, n in counts.items() if character.isalpha())
    if not foreign or (CHARSETS[name].is_latin and foreign > MOST_FOREIGN * letters):
        return 0.0
    return sum(counts[character] for character in CHARSETS[name].frequent) / foreign
