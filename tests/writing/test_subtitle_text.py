"""Old encodings of text are told by the letters of their languages, or not at all."""

from __future__ import annotations

import pytest

from animesr_cli.writing.subtitle_text import guess_charset

SENTENCES = [
    ("cp1251", None, "Привет, как дела? Сегодня мы идём в лес"),
    ("cp1251", None, "Добрий вечір, ми з України"),
    ("koi8-r", None, "Привет, как дела? Сегодня мы идём в лес"),
    ("cp1252", None, "Où étais-tu hier? Ça va très bien, garçon"),
    ("cp1252", None, "Größe über alles, schön"),
    ("cp1250", None, "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1250", None, "Zażółć gęślą jaźń, proszę"),
    ("cp1253", None, "Καλημέρα κόσμε, τι κάνεις"),
    ("cp1254", None, "Şu köşe yaz köşesi, çok güzel"),
    ("cp932", None, "おはようございます、元気ですか"),
    ("gb18030", None, "我们是来到这里的人 你们好吗"),
    ("cp1255", "heb", "שלום עולם מה שלומך"),
    ("cp1256", None, "السلام عليكم كيف حالك"),
    ("cp949", "kor", "안녕하세요 반갑습니다"),
]


@pytest.mark.parametrize(("charset", "language", "text"), SENTENCES)
def test_a_sentence_is_enough(charset: str, language: str | None, text: str) -> None:
    """The encoding that was guessed gives the words back."""
    content = text.encode(charset)
    guessed = guess_charset(content, language)
    assert guessed is not None
    assert content.decode(guessed) == text


@pytest.mark.parametrize("content", [b"\xff\xfe\xfd\xfc\xfb\xfa\xf9", b"\x81\x8d\x8f\x90\x9d", b""])
def test_what_is_no_text_is_not_guessed(content: bytes) -> None:
    assert guess_charset(content) is None


def test_a_tag_that_contradicts_the_bytes_is_not_believed() -> None:
    """Russian text under the tag of Japanese is still Russian."""
    assert guess_charset("Привет, как дела?".encode("cp1251"), "chi") == "cp1251"
