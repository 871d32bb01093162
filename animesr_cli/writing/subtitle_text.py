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

FREQUENT: Final = {
    "cp1251": "оеаинтсрвлкмдпуіїє",  # Russian, Ukrainian, Bulgarian, Serbian
    "koi8-r": "оеаинтсрвлкмдпу",
    "cp1253": "αοιετσνηυρπκμλάόίέ",  # Greek
    "cp1255": "יוהלאתרבמשנ",  # Hebrew
    "cp1256": "اليمونترةبسد",  # Arabic
    "cp1254": "ıüöşçğİ",  # Turkish
    "cp1250": "áéíěščřžýůúąęłżśćńóőűöü",  # Czech, Polish, Hungarian
    "cp1252": "éèàùâêîôûçäöüßñáíóúåæøãõ¿¡",  # the west
}
"""Windows' and other encodings of one byte -> the letters that their languages use most."""
LATIN: Final = frozenset({"cp1250", "cp1252", "cp1254"})
SEVERAL_BYTES: Final = {
    "cp932": "".join(map(chr, range(0x3041, 0x3097))),  # hiragana
    "gb18030": "的一是不了我在有人这你他们来到",
}
"""The same of encodings with two bytes a letter."""
KOREAN: Final = "이다는가고을에은하지도의"
BY_LANGUAGE: Final = {
    "cp1251": "rus ukr bel bul srp mkd mac",
    "cp1250": "pol ces cze slk slo hun ron rum hrv slv",
    "cp1252": "eng fra fre deu ger spa ita por nld dut swe dan nor fin isl ice",
    "cp1253": "ell gre",
    "cp1254": "tur",
    "cp1255": "heb",
    "cp1256": "ara fas per",
    "cp932": "jpn",
    "cp949": "kor",
    "gb18030": "zho chi",
}
"""Encodings that a stream's language tag settles, where its lines can be read so."""
TITLES: Final = {
    "cp949": "Windows-949 (Korean)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8-r": "KOI8-R (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1252": "Windows-1252 (Western European)",
    "cp932": "Shift-JIS (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
}


@dataclass
class TextSurvey:
    """What was seen in the lines of one stream."""

    lines: int = 0
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
    if not indices:
        return surveys
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
            survey.lines += 1
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
            f"{TITLES[survey.charset]}"
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
    for charset, languages in BY_LANGUAGE.items():
        if language in languages.split() and _share(content, charset) > 0:
            return charset
    shares = {name: _share(content, name) for name in (*FREQUENT, *SEVERAL_BYTES)}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= LEAST_SHARE else None


def _share(content: bytes, charset: str) -> float:
    """Which part of the letters outside ASCII is among the most frequent of the encoding."""
    try:
        text = content.decode(charset)
    except UnicodeDecodeError:
        return 0.0
    counts = Counter(character for character in text if character.isprintable())
    foreign = sum(n for character, n in counts.items() if not character.isascii())
    letters = sum(n for character, n in counts.items() if character.isalpha())
    if not foreign or (charset in LATIN and foreign > MOST_FOREIGN * letters):
        return 0.0
    frequent = FREQUENT.get(charset) or SEVERAL_BYTES.get(charset) or KOREAN
    return sum(counts[character] for character in frequent) / foreign
