"""Names of charsets come from strangers: only known ones reach Python, and bytes become text in bounded time."""

import encodings
from typing import Any

import pytest

from hookledger.runtime.charsets import NAMES, charset_of, decoded, is_identity, known_charset

CODECS = frozenset(NAMES.values())
NOT_FOR_TEXT = ("punycode", "idna", "utf-7", "unicode_escape", "raw_unicode_escape", "rot13", "hex", "base64", "zlib",
                "undefined", "mbcs", "oem", "palmos", "quopri", "uu", "bz2", "../os", "x" * 5000, "")  # fmt: skip


@pytest.mark.parametrize("name", NOT_FOR_TEXT)
def test_what_is_no_charset_is_not_known(name: str) -> None:
    """
    Python's codecs that are no charsets, and names that nobody knows, are passed over.
    """
    assert known_charset(name) is None
    assert decoded("grün".encode(), name) == "grün"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("UTF-8", "utf_8"), ("UTF8", "utf_8"), ("utf_8", "utf_8"), ("ISO-8859-1", "latin_1"), ("Latin-1", "latin_1"),
     ("iso_8859-1:1987", "latin_1"), ("csISOLatin1", "latin_1"), ("windows-1252", "cp1252"), ("CP1252", "cp1252"),
     ("Shift_JIS", "shift_jis"), ("x-sjis", "shift_jis"), ("windows-31j", "cp932"), ("ks_c_5601-1987", "euc_kr"),
     ("koi8-r", "koi8_r"), ("US-ASCII", "ascii"), ("ANSI_X3.4-1968", "ascii"), ("UTF-16LE", "utf_16_le"),
     ("GB18030", "gb18030"), ("Big5", "big5"), ("macintosh", "mac_roman"), ("IBM850", "cp850")],
)  # fmt: skip
def test_a_charset_has_many_names(name: str, codec: str) -> None:
    """
    Names count without case and punctuation, also those of IANA and of senders' platforms.
    """
    assert known_charset(name) == codec


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_slices_are_no_seams(codec: str) -> None:
    """
    A long body is decoded in slices, which cut no character in half.
    """
    text = "aé語"
    while True:
        try:
            encoded = (text * 50_000).encode(codec)
            break
        except UnicodeEncodeError as error:
            text = text.replace(text[error.start % len(text)], "")
    assert decoded(encoded, codec, mark=False) == text * 50_000
    assert decoded(b"a" + encoded, codec, mark=False) == (b"a" + encoded).decode(codec, "replace")


def test_unknown_names_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Python keeps each name it was asked for; none of a stranger's gets there.
    """
    cache: dict[str, Any] = encodings._cache
    before = len(cache)
    for number in range(100):
        decoded(b"a", charset_of(f"text/plain; charset=no-such-{number}"))
    assert len(cache) == before


@pytest.mark.parametrize("order", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_no_text(order: str) -> None:
    """
    A byte order mark says how to read a body, more surely than any header, and is not part of it.
    """
    assert decoded("grün".encode(order), "ISO-8859-1") == "grün"


@pytest.mark.parametrize(
    ("content_type", "named"),
    [("text/plain", ""), ("text/plain; charset=UTF-8", "UTF-8"), ('text/plain;CHARSET = "utf-8"; x=y', "utf-8"),
     ("text/plain; format=flowed; charset='latin1'", "latin1"), ("a/b; charset=one; charset=two", "one"),
     ("charset=utf-8", ""), ("text/plain; xcharset=utf-8", "")],
)  # fmt: skip
def test_the_charset_of_a_content_type(content_type: str, named: str) -> None:
    """
    The parameter is found in any spelling, quoted or not; of two the first counts.
    """
    assert charset_of(content_type) == named


def test_a_charset_is_no_content_encoding() -> None:
    """
    Senders write a charset, or none, where a compression would stand: the body is as it is.
    """
    for name in ("", "identity", "utf-8", "UTF8", "none", "NONE", "iso-8859-1", "identity, utf-8", "binary"):
        assert is_identity(name), name
    for name in ("gzip", "br", "utf-8, gzip", "zstd", "x"):
        assert not is_identity(name), name
