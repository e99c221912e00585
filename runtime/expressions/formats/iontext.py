"""Ion text, as far as plain data goes.

Timestamps, symbols and clobs are read as text; annotations are read over. Written are structs, lists, text,
numbers, booleans and nulls.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.formats.jsontext import whole_characters
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import TreeWriter, double_text, string_of, text
from hookledger.runtime.expressions.values import Value, made

IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
KEYWORDS: Final = frozenset({"null", "true", "false", "nan"})


class IonWriter(TreeWriter):
    """Writes a tree as one line of Ion."""

    def scalar(self, value: Value) -> str:
        if value is None:
            return "null"
        if isinstance(value, str):
            return json.dumps(self.run.letters(value), ensure_ascii=False)
        return ion_float(value) if isinstance(value, float) else text(self.run, value)

    def map(self, value: Mapping[Value, Value]) -> None:
        mark = "{"
        for key, one in value.items():
            self.add(f"{mark}{symbol(string_of(self.run, key))}:")
            self.write(one)
            mark = ","
        self.parts.append("}" if value else "{}")

    def list(self, value: "list[Value]") -> None:
        mark = "["
        for one in value:
            self.parts.append(mark)
            self.write(one)
            mark = ","
        self.parts.append("]" if value else "[]")


def ion_float(value: float) -> str:
    """A double always has an exponent, or it would be a decimal."""
    if not math.isfinite(value):
        return {math.inf: "+inf", -math.inf: "-inf"}.get(value, "nan")
    shown = double_text(value)
    return shown.replace("E", "e") if "E" in shown else shown.removesuffix(".0") + "e0"


def symbol(name: str) -> str:
    """A field name, in quotes when it is no identifier."""
    if IDENTIFIER.fullmatch(name) and name not in KEYWORDS:
        return name
    return "'" + json.dumps(name, ensure_ascii=False)[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"


def write_ion(run: Run, value: Value) -> str:
    """Write a value as Ion text."""
    return IonWriter(run).whole(value)


SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
ANNOTATION = re.compile(r"(?:[A-Za-z_$][\w$]*|'(?:[^'\\]|\\.)*')\s*::", re.ASCII)
LONG_TEXT = re.compile(r"'''((?:[^\\]|\\.)*?)'''", re.DOTALL)
TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"', re.DOTALL)
QUOTED_SYMBOL = re.compile(r"'((?:[^'\\\n]|\\.)*)'", re.DOTALL)
TIMESTAMP = re.compile(
    r"\d{4}(?:T|-\d{2}(?:T|-\d{2}(?:T(?:\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?)?))"
)
FLOAT = re.compile(r"-?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][+-]?[0-9]+")
DECIMAL = re.compile(r"-?[0-9][0-9_]*(?:\.[0-9_]*(?:[dD][+-]?[0-9]+)?|[dD][+-]?[0-9]+)")
INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*)")
INFINITE = re.compile(r"[+-]inf\b")
WORD = re.compile(r"[A-Za-z_$][\w$]*(?:\.[a-z]+)?", re.ASCII)
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r?\n)|(.))", re.DOTALL)
SIMPLE_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}
WORDS: Final[Mapping[str, Value]] = {"true": True, "false": False, "nan": math.nan}
DIGITS_MAX: Final = 1000


class IonReader:
    """Reads one value at a time."""

    def __init__(self, run: Run, source: str) -> None:
        self.run, self.source, self.position, self.depth = run, source, 0, 0

    def skip(self) -> None:
        """Go over blanks and comments."""
        matched = SKIPPED.match(self.source, self.position)
        self.position = matched.end() if matched else self.position

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Take what matches here."""
        matched = pattern.match(self.source, self.position)
        self.position = matched.end() if matched else self.position
        return matched

    def mark(self, mark: str) -> bool:
        """Take a mark if it is here."""
        self.skip()
        found = self.source.startswith(mark, self.position)
        self.position += len(mark) if found else 0
        return found

    def value(self) -> Value:
        """Read one value."""
        self.run.spend(1)
        self.skip()
        while self.take(ANNOTATION):
            self.skip()
        for opening, read in CONTAINERS:
            if self.mark(opening):
                return self.container(read)
        for pattern, convert in SCALARS:
            if matched := self.take(pattern):
                return self.continued(convert(matched)) if pattern is LONG_TEXT else convert(matched)
        raise WrongValue(f"this is not Ion at character {self.position + 1}")

    def container(self, read: "Callable[[IonReader], Value]") -> Value:
        self.depth += 1
        if self.depth > self.run.limits.depth_max:
            raise LimitExceeded("Ion is nested too deep")
        result = read(self)
        self.depth -= 1
        return result

    def continued(self, text: str) -> str:
        """Long texts that follow each other are one."""
        self.skip()
        while matched := self.take(LONG_TEXT):
            text += unescaped(matched[1])
            self.skip()
        return text

    def struct(self) -> Value:
        result: dict[str, Value] = {}
        while not self.mark("}"):
            self.separator(bool(result))
            if self.mark("}"):
                break
            key = self.field()
            if not self.mark(":"):
                raise WrongValue(f"this is not Ion at character {self.position + 1}")
            result[key] = self.value()
        return made(result)

    def field(self) -> str:
        self.skip()
        for pattern in (LONG_TEXT, QUOTED_SYMBOL, TEXT):
            if matched := self.take(pattern):
                return unescaped(matched[1])
        matched = self.take(WORD)
        return matched.group() if matched else ""

    def list_(self) -> Value:
        result: list[Value] = []
        while not self.mark("]"):
            self.separator(bool(result))
            if self.mark("]"):
                break
            result.append(self.value())
        return result

    def expression(self) -> Value:
        """A list in parentheses has no commas."""
        result: list[Value] = []
        while not self.mark(")"):
            result.append(self.value())
        return result

    def blob(self) -> Value:
        end = self.source.find("}}", self.position)
        if end < 0:
            raise WrongValue("a blob in Ion is never closed")
        text = self.source[self.position : end].strip()
        self.position = end + 2
        return text

    def separator(self, needed: bool) -> None:
        if needed and not self.mark(","):
            raise WrongValue(f"this is not Ion at character {self.position + 1}")


def unescaped(text: str) -> str:
    """Resolve the escapes in a text."""
    return str(whole_characters(ESCAPE.sub(character, text)))


def character(matched: re.Match[str]) -> str:
    digits = matched[1] or matched[2] or matched[3]
    if digits:
        return chr(int(digits, 16)) if int(digits, 16) < 0x110000 else "\ufffd"
    return "" if matched[4] else SIMPLE_ESCAPES.get(matched[5], matched[5])


def number(matched: re.Match[str]) -> float:
    return float(matched.group().replace("_", ""))


def decimal(matched: re.Match[str]) -> Decimal:
    """An exact decimal, with the digits as they are written."""
    value = Decimal(re.sub("[dD]", "e", matched.group()).replace("_", ""))
    if abs(value.adjusted()) > DIGITS_MAX:
        raise LimitExceeded("the exponent of a number in Ion is too large")
    return value if value else abs(value)


def timestamp(matched: re.Match[str]) -> str:
    """A day in full, also where only its year or month is given; a time as Java writes it."""
    text = matched.group()
    if len(text) <= 11:
        year, month, day = [*text.removesuffix("T").split("-"), "01", "01"][:3]
        return f"{year}-{month}-{day}"
    time, offset = (
        text[11:].rstrip("Z") if text[-1] == "Z" else text[11:-6],
        text[-1:] if text[-1] == "Z" else text[-6:],
    )
    shown = f"{time}:00" if offset == "Z" and len(time) == 5 else time
    return text[:11] + (shown.removesuffix(":00") if offset != "Z" and len(shown) == 8 else shown) + offset


def integer(matched: re.Match[str]) -> int:
    digits = matched.group().replace("_", "")
    if len(digits) > DIGITS_MAX:
        raise LimitExceeded(f"a number in Ion has more than {DIGITS_MAX} digits")
    return int(digits, 0) if digits.lstrip("-")[:2].lower() in ("0x", "0b") else int(digits)


def word(matched: re.Match[str]) -> Value:
    name = matched.group()
    return None if name.partition(".")[0] == "null" else WORDS.get(name, name)


CONTAINERS: Final[tuple[tuple[str, Callable[[IonReader], Value]], ...]] = (
    ("{{", IonReader.blob),
    ("{", IonReader.struct),
    ("[", IonReader.list_),
    ("(", IonReader.expression),
)
SCALARS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Value]], ...]] = (
    (LONG_TEXT, lambda matched: unescaped(matched[1])),
    (TEXT, lambda matched: unescaped(matched[1])),
    (QUOTED_SYMBOL, lambda matched: unescaped(matched[1])),
    (TIMESTAMP, timestamp),
    (FLOAT, number),
    (DECIMAL, decimal),
    (INTEGER, integer),
    (INFINITE, lambda matched: math.inf if matched.group()[0] == "+" else -math.inf),
    (WORD, word),
)


def read_ion_rows(run: Run, source: str) -> list[Value]:
    """Read all values of an Ion text."""
    run.charge(source)
    reader, rows = IonReader(run, source), list[Value]()
    reader.skip()
    while reader.position < len(source):
        rows.append(reader.value())
        reader.skip()
    return rows


def read_ion(run: Run, source: str) -> Value:
    """Read the first value of an Ion text."""
    run.charge(source)
    reader = IonReader(run, source)
    reader.skip()
    return None if reader.position >= len(source) else reader.value()
