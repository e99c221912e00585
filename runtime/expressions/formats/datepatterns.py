"""Date patterns such as `EEE, d MMM yyyy HH:mm[:ss] XXX`, taken apart."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue

PATTERN_CHARS_MAX: Final = 500
# How often each letter may be repeated.
COUNTS: Final[dict[str, range | frozenset[int]]] = {
    **dict.fromkeys("Guy", range(1, 20)),
    "G": range(1, 6),
    "Y": range(1, 20),
    "D": range(1, 4),
    **dict.fromkeys("MLQqEe", range(1, 6)),
    "c": frozenset({1, 3, 4, 5}),
    **dict.fromkeys("dwhHkKms", range(1, 3)),
    **dict.fromkeys("WFa", range(1, 2)),
    "B": frozenset({1, 4, 5}),
    "S": range(1, 10),
    **dict.fromkeys("AnN", range(1, 20)),
    "V": frozenset({2}),
    "v": frozenset({1, 4}),
    "z": range(1, 5),
    "O": frozenset({1, 4}),
    **dict.fromkeys("XxZ", range(1, 6)),
}


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A letter and how often it is repeated; `width` pads with spaces."""

    letter: str
    count: int
    width: int = 0


@dataclass(frozen=True, slots=True)
class Optional:
    """A part in brackets."""

    parts: "tuple[Part, ...]"


Part = Literal | Field | Optional


class PatternReader:
    """Reads one pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.position = pattern, 0

    def parts(self, *, inside: bool = False) -> tuple[Part, ...]:
        """Read up to the end, or up to the closing bracket."""
        found: list[Part] = []
        while self.position < len(self.pattern):
            mark = self.pattern[self.position]
            if mark == "]":
                if not inside:
                    raise WrongValue("a `]` in a date pattern closes nothing")
                return tuple(found)
            found.append(self.part(mark))
        return tuple(found)  # Java closes brackets at the end by itself

    def part(self, mark: str) -> Part:
        if mark == "[":
            self.position += 1
            optional = Optional(self.parts(inside=True))
            self.position += 1
            return optional
        if mark == "'":
            return self.quoted()
        if mark in "{}#":
            raise WrongValue(f"`{mark}` is reserved in date patterns; put it into quotes")
        if mark.isascii() and mark.isalpha():
            return self.field()
        self.position += 1
        return Literal(mark)

    def quoted(self) -> Literal:
        """Text in quotes; two quotes are one."""
        text, at = "", self.position + 1
        while True:
            end = self.pattern.find("'", at)
            if end < 0:
                raise WrongValue("a quote in a date pattern is never closed")
            text += self.pattern[at:end]
            if not self.pattern.startswith("''", end):
                break
            text, at = text + "'", end + 2
        empty = end == self.position + 1
        self.position = end + 1
        return Literal("'" if empty else text)

    def run_of(self) -> tuple[str, int]:
        """A letter and its repetitions."""
        letter, start = self.pattern[self.position], self.position
        while self.position < len(self.pattern) and self.pattern[self.position] == letter:
            self.position += 1
        return letter, self.position - start

    def field(self) -> Field:
        letter, count = self.run_of()
        if letter != "p":
            return checked(Field(letter, count))
        if self.position >= len(self.pattern) or self.pattern[self.position] not in COUNTS:
            raise WrongValue("`p` in a date pattern pads nothing")
        letter, repeated = self.run_of()
        return checked(Field(letter, repeated, width=count))


def checked(field: Field) -> Field:
    """Refuse letters that mean nothing, or not that often."""
    if field.letter not in COUNTS:
        raise WrongValue(f"`{field.letter}` means nothing in a date pattern")
    if field.count not in COUNTS[field.letter]:
        raise WrongValue(f"`{field.letter * min(field.count, 20)}` means nothing in a date pattern")
    return field


@lru_cache(maxsize=512)
def read_pattern(pattern: str) -> tuple[Part, ...]:
    """Take a pattern apart."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise LimitExceeded(f"a date pattern has more than {PATTERN_CHARS_MAX} characters")
    return PatternReader(pattern).parts()
