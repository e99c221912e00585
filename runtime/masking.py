"""Keeps secrets out of everything that is written down, also inside larger texts and in other encodings."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

MASK: Final = "******"
LENGTH_MIN: Final = 4
"""A shorter secret would mask half of every text and protect nothing."""


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
            forms = {form for value in self._known for form in _forms(value)}
            self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def text(self, text: str) -> str:
        """Replace every known form."""
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


def _forms(value: str) -> Iterable[str]:
    """The value as it is, without surrounding white space, URL-encoded, JSON-escaped, in hex, and in base64.

    By itself its base64 text is looked for down to the padding. Inside a longer one the value may begin at any of three
    offsets; what does not depend on its neighbours is looked for.
    """
    for plain in {value, value.strip()}:
        raw = plain.encode()
        yield plain
        yield quote(plain, safe="")
        yield quote(plain)
        yield quote_plus(plain)
        yield plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        yield raw.hex()
        yield raw.hex().upper()
        whole = base64.b64encode(raw).decode()
        yield whole
        yield whole.replace("+", "-").replace("/", "_")
        for offset in range(3):
            inner = _inner_base64(raw, offset)
            if len(inner) >= LENGTH_MIN:
                yield inner
                yield inner.replace("+", "-").replace("/", "_")


def _inner_base64(raw: bytes, offset: int) -> str:
    """The characters of base64(prefix + raw + suffix) that only `raw` decides, for a prefix of `offset` bytes."""
    encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
    first = (offset * 8 + 5) // 6
    last = (offset + len(raw)) * 8 // 6
    return encoded[first:last]
