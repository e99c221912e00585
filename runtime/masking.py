"""Keeps secrets out of everything that is written down, also inside larger texts and in other encodings."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, quote_plus

from hookledger.runtime.expressions.formats.yamltext import quoted
from hookledger.runtime.expressions.limits import charge

MASK: Final = "******"
LENGTH_MIN: Final = 4
"""A shorter secret would mask half of every text and protect nothing."""
LINE_LENGTH_MIN: Final = 8
"""A shorter line of a secret is not looked for alone."""
CHARS_PER_STEP_SHIFT: Final = 14
"""Of a text, for each form that is looked for: 16 Ki characters count as one step of a rendering."""
LINES_MAX: Final = 200
"""Of one secret: what is looked for costs time in every text."""
WRAPPED: Final = (76, 64)
"""Characters of a line of base64, as MIME, `base64` and PEM have them."""
_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})")


class Masker:
    """Replaces known secret values in texts and in plain data."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._known: set[str] = set()

    def learn(self, values: Iterable[str]) -> None:
        """From now on these values, and their encoded forms, are replaced."""
        new = {value for value in values if len(value) >= LENGTH_MIN} - self._known
        if new:
            self._known |= new
            forms = {form for value in self._known for form in _forms(value) if len(form) >= LENGTH_MIN}
            self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def text(self, text: str) -> str:
        """Replace every known form."""
        charge(len(text) * len(self._forms) >> CHARS_PER_STEP_SHIFT)
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def data(self, value: Any) -> Any:
        """Replace in every text of plain data; returns the same object when nothing is known."""
        if not self._forms:
            return value
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.data(key): self.data(item) for key, item in value.items()}
            case list() | tuple():
                return [self.data(item) for item in value]
            case _:
                return value


def _forms(value: str) -> Iterator[str]:
    """Every way a value is found in texts; the lines of a long one are looked for alone: commands print lines."""
    for plain in dict.fromkeys((value, value.strip())):
        yield from _written(plain)
        yield from _encoded(plain)
    for line in islice(_long_lines(value.splitlines()), LINES_MAX):
        yield line
        yield from _quoted(line)


def _written(plain: str) -> Iterator[str]:
    """As it is, URL-encoded, in hex, and as JSON, YAML and HTML write it, JSON also inside of JSON."""
    yield plain
    yield from (quote(plain, safe=""), quote(plain), quote_plus(plain))
    yield from (plain.encode().hex(), plain.encode().hex().upper())
    yield from _quoted(plain)


def _quoted(plain: str) -> Iterator[str]:
    yield plain.replace("'", "''")
    yield quoted(plain)[1:-1]  # YAML
    yield from (escape(plain), escape(plain).replace("&#x27;", "&#39;"), escape(plain, quote=False))
    for ascii_only in (False, True):
        lower = json.dumps(plain, ensure_ascii=ascii_only)[1:-1]
        for once in (lower, _ESCAPE.sub(lambda found: "\\u" + found[1].upper(), lower)):
            yield once
            yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]


def _encoded(plain: str) -> Iterator[str]:
    """In base64 of either alphabet.

    By itself it is looked for down to the padding. Inside a longer text the value may begin at any of three offsets;
    what does not depend on its neighbours is looked for. Wrapped, each line is.
    """
    raw = plain.encode()
    whole = base64.b64encode(raw).decode()
    inner = [_inner_base64(raw, offset) for offset in range(3)]
    wrapped = (inner[0][at : at + width] for width in WRAPPED for at in range(0, len(inner[0]), width))
    for text in (
        whole,
        *(one for one in inner if len(one) >= LENGTH_MIN),
        *islice(_long_lines(wrapped), LINES_MAX),
    ):
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _long_lines(lines: Iterable[str]) -> Iterator[str]:
    return (line for one in lines if len(line := one.strip()) >= LINE_LENGTH_MIN)


def _inner_base64(raw: bytes, offset: int) -> str:
    """The characters of base64(prefix + raw + suffix) that only `raw` decides, for a prefix of `offset` bytes."""
    encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
    first = (offset * 8 + 5) // 6
    last = (offset + len(raw)) * 8 // 6
    return encoded[first:last]
