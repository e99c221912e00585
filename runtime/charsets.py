"""Bytes to text: the charsets that are known, under every name they have, and byte order marks.

Names come from strangers, so they are looked up in a table of our own. Python's registry keeps every name it was ever
asked for, and has codecs that are no charsets or take time with the square of the length (punycode).
"""

import codecs
import re
from collections.abc import Mapping
from encodings.aliases import aliases
from typing import Final

UTF_8: Final = "utf-8"
NAME_CHARS_MAX: Final = 40
SLICE_BYTES: Final = 64 * 1024
"""Bytes that no text has are replaced one at a time, so a long body is decoded in slices: a thread lets others run."""

_CODECS: Final = frozenset(
    {
        "ascii",
        "utf_8",
        *(f"utf_{width}_{order}" for width in (16, 32) for order in ("le", "be")),
        *(f"iso8859_{part}" for part in (*range(1, 12), *range(13, 17))),
        *(f"cp125{page}" for page in range(9)),
        *(
            "latin_1",
            "cp437",
            "cp737",
            "cp775",
            "cp850",
            "cp852",
            "cp855",
            "cp857",
            "cp858",
            "cp860",
            "cp861",
        ),
        *("cp862", "cp863", "cp864", "cp865", "cp866", "cp869", "cp874", "tis_620"),
        *("koi8_r", "koi8_u", "kz1048", "ptcp154"),
        *("mac_roman", "mac_cyrillic", "mac_greek", "mac_latin2", "mac_turkish", "mac_iceland"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp950"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949"),
    }
)
_MORE: Final = {
    "iso8859": "latin_1",
    "latin1": "latin_1",
    "windows31j": "cp932",
    "xsjis": "shift_jis",
    "xeucjp": "euc_jp",
    "windows949": "cp949",
    "windows874": "cp874",
    "xgbk": "gbk",
    "macintosh": "mac_roman",
    "xmaccyrillic": "mac_cyrillic",
    "utf8mb4": "utf_8",
    "unicode11utf8": "utf_8",
    "utf16": "utf_16_le",  # what has a byte order mark is known by it
    "utf32": "utf_32_le",
    "ucs2": "utf_16_le",
    "iso10646ucs2": "utf_16_le",
    "unicode": "utf_16_le",
}
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_IDENTITY: Final = frozenset({"", "identity", "none", "binary", "7bit", "8bit"})
_PARAMETER: Final = re.compile(r";\s*charset\s*=([^;]*)", re.IGNORECASE)
_QUOTES: Final = " \t\"'"
_SQUEEZED: Final = re.compile(r"[^a-z0-9]+")


def _squeeze(name: str) -> str:
    return _SQUEEZED.sub("", name.lower())


def _names() -> Mapping[str, str]:
    known = {_squeeze(codec): codec for codec in _CODECS}
    known |= {_squeeze(alias): codec for alias, codec in aliases.items() if codec in _CODECS}
    return known | _MORE


NAMES: Final[Mapping[str, str]] = _names()
"""Codec by name, without case, spaces and punctuation: `ISO-8859-1`, `iso_8859-1` and `latin1` are one."""


def known_charset(name: str) -> str | None:
    """Return the codec of a charset; None for one that is not known."""
    return NAMES.get(_squeeze(name)) if len(name) <= NAME_CHARS_MAX else None


def charset_of(content_type: str) -> str:
    """The `charset` of a Content-Type as it is written, or empty; of several the first."""
    found = _PARAMETER.search(content_type)
    return found[1].strip(_QUOTES) if found else ""


def decoded(body: bytes, *charsets: str, errors: str = "replace", mark: bool = True) -> str:
    """Return the text of a body, without its byte order mark.

    Args:
        charsets: Names in order of preference; one that is empty or not known is passed over. A byte order mark says
            more than any of them, and UTF-8 is what is left.
        mark: Whether there may be a byte order mark.

    Raises:
        UnicodeDecodeError: With `errors="strict"`, for bytes that are no text.
    """
    for sign, codec in _MARKS if mark else ():
        if body.startswith(sign):
            return _sliced(body[len(sign) :], codec, errors)
    found = next(filter(None, map(known_charset, charsets)), UTF_8)
    return _sliced(body, found, errors)


def _sliced(body: bytes, codec: str, errors: str) -> str:
    if len(body) <= SLICE_BYTES:
        return body.decode(codec, errors)
    decoder = codecs.getincrementaldecoder(codec)(errors)
    view = memoryview(body)
    last = len(body) - 1
    pieces = (
        decoder.decode(view[at : at + SLICE_BYTES], at + SLICE_BYTES > last)
        for at in range(0, len(body), SLICE_BYTES)
    )
    return "".join(pieces)


def is_identity(content_encoding: str) -> bool:
    """Whether a Content-Encoding says that nothing was done to the body; senders write a charset there by mistake."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    return all(name in _IDENTITY or known_charset(name) is not None for name in names)
