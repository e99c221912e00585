"""JSON that takes its time in slices, so that a thread which reads a large text lets the others go on.

The parser of the standard library holds Python's lock until the end of a text: a second and more for the 16 MiB a
request may have. Here it reads runs of small values, 32 KiB at a time, and the nesting around them is kept on a
stack of ours.
"""

import json
import math
import re
from typing import Any, Final, NoReturn

SLICED_FROM: Final = 256 * 1024
"""Characters from which a text is read in slices; below, all at once is faster."""
DEPTH_MAX: Final = 500
"""Of the texts that are read in slices; the others may nest as deep as the interpreter lets them."""
CONTAINERS_MAX: Final = 1_000_000
"""Arrays and objects of one text: each costs about sixty times the two bytes it is written with."""
_WINDOW: Final = 32 * 1024
"""Characters of a run."""

_TEXT: Final = r'"(?:[^"\\]++|\\.)*+"'
_GAP: Final = r"[ \t\r\n]*+"


def _small(depth: int) -> str:
    """A value with at most so many levels of containers in it. What is no JSON may match, and fails when it is read."""
    plain = rf"{_TEXT}|[-+.\w]++"
    if depth == 0:
        return f"(?:{plain})"
    inner = rf"(?:{_GAP}{_small(depth - 1)}{_GAP}[,:]?)*+{_GAP}"
    return rf"(?:{plain}|\[{inner}\]|\{{{inner}\}})"


_ARRAY: Final = re.compile(rf"(?:{_GAP}{_small(3)}{_GAP},)++", re.DOTALL)
_OBJECT: Final = re.compile(rf"(?:{_GAP}{_TEXT}{_GAP}:{_GAP}{_small(3)}{_GAP},)++", re.DOTALL)
_KEY: Final = re.compile(rf"{_GAP}({_TEXT}){_GAP}:", re.DOTALL)
_SPACE: Final = re.compile(_GAP)


class TooManyValues(Exception):
    """The text has more arrays and objects than are read."""


def loads(text: str, *, unique: bool = False) -> Any:
    """Return the value of a JSON text; NaN and the infinities are no JSON.

    Args:
        unique: Take what parsers read in different ways for a mistake: keys that are there twice, endless numbers.

    Raises:
        ValueError: It is no JSON document.
        TooManyValues: It has more than `CONTAINERS_MAX` arrays and objects.
        RecursionError: It nests too deeply.
    """
    decoder = _UNIQUE if unique else _DECODER
    return decoder.decode(text) if len(text) < SLICED_FROM else _Reader(text, decoder).document()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is there twice")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of a double")
    return number


_DECODER: Final[Any] = json.JSONDecoder(parse_constant=_refuse)
_UNIQUE: Final[Any] = json.JSONDecoder(
    parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_distinct
)


class _Reader:
    """Reads one text; `open` is the stack of containers that have not ended."""

    def __init__(self, text: str, decoder: Any = None) -> None:
        self._text = text
        self._decoder = decoder or _DECODER
        self._unique = decoder is _UNIQUE
        self._at = 0
        self._open: list[list[Any] | dict[str, Any]] = []
        self._keys: list[str] = []
        self._containers = 0

    def document(self) -> Any:
        value = self._value()
        while self._open:
            value = self._next(value)
        if self._mark():
            raise self._wrong("something follows the value")
        return value

    def _next(self, value: Any) -> Any:
        """Put a complete value into the container around it; returns the next one that is complete."""
        around = self._open[-1]
        if isinstance(around, list):
            around.append(value)
        else:
            around[self._keys.pop()] = value
        mark = self._mark()
        self._at += 1
        if mark == ",":
            self._fill(around)
            return self._value()
        if mark != _CLOSING[type(around)]:
            raise self._wrong("a comma or the end is missing")
        return self._open.pop()

    def _value(self) -> Any:
        """A value that is complete at once, or the first complete one inside of it."""
        while (mark := self._mark()) in ("[", "{"):
            self._at += 1
            self._count(1)
            made: list[Any] | dict[str, Any] = [] if mark == "[" else {}
            if self._mark() == _CLOSING[type(made)]:
                self._at += 1
                return made
            self._open.append(made)
            if len(self._open) > DEPTH_MAX:
                raise RecursionError("nested too deeply")
            self._fill(made)
        try:
            value, self._at = self._decoder.scan_once(self._text, self._at)
        except StopIteration:
            raise self._wrong("a value is missing") from None
        return value

    def _fill(self, around: list[Any] | dict[str, Any]) -> None:
        """Read runs of small values into a container, and the key of the value that follows."""
        if isinstance(around, list):
            while run := _ARRAY.match(self._text, self._at, self._at + _WINDOW):
                around += self._run(run, "[", "]")
            return
        while run := _OBJECT.match(self._text, self._at, self._at + _WINDOW):
            many, values = len(around), self._run(run, "{", "}")
            around |= values
            self._check(len(around) == many + len(values))
        key = _KEY.match(self._text, self._at)
        if key is None:
            raise self._wrong("a key is missing")
        name = self._decoder.decode(key[1])
        self._check(name not in around)
        self._keys.append(name)
        self._at = key.end()

    def _check(self, distinct: bool) -> None:
        if self._unique and not distinct:
            raise self._wrong("a key is there twice")

    def _run(self, run: "re.Match[str]", opening: str, closing: str) -> Any:
        piece = run.group()
        values = self._decoder.decode(f"{opening}{piece[:-1]}{closing}")
        self._at = run.end()
        self._count(piece.count("[") + piece.count("{"))
        return values

    def _count(self, containers: int) -> None:
        self._containers += containers
        if self._containers > CONTAINERS_MAX:
            raise TooManyValues(f"more than {CONTAINERS_MAX} arrays and objects")

    def _mark(self) -> str:
        """The next character that is no space; empty at the end."""
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _wrong(self, what: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(what, self._text, self._at)


_CLOSING: Final[dict[type, str]] = {list: "]", dict: "}"}
