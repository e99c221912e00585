"""The pieces a template is cut into."""

from dataclasses import dataclass, field
from enum import Enum, auto

from hookledger.runtime.expressions.errors import Problem, line_and_column


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    OPERATOR = auto()
    PUNCTUATION = auto()
    INTEGER = auto()
    DECIMAL = auto()
    TEXT = auto()
    INTERPOLATION_START = auto()
    INTERPOLATION_END = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token between delimiters."""

    kind: Kind
    text: str
    offset: int

    def shown(self) -> str:
        """Name the token in a message."""
        return "the end of the tag" if self.kind is Kind.END else f"`{self.text[:40]}`"


class SegmentKind(Enum):
    """What a stretch of the template is."""

    TEXT = auto()
    PRINT = auto()
    TAG = auto()


@dataclass(slots=True)
class Segment:
    """Plain text, or the tokens between one pair of delimiters."""

    kind: SegmentKind
    offset: int
    text: str = ""
    tokens: list[Token] = field(default_factory=list[Token])


class Mistake(Exception):
    """A syntax error at one place; the parser turns it into a Problem and goes on."""

    def __init__(
        self,
        message: str,
        offset: int,
        *,
        code: str = "E001",
        name: str | None = None,
        nearest: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.offset, self.code = message, offset, code
        self.name, self.nearest = name, nearest

    def problem(self, template: str) -> Problem:
        """The same as plain data, with line and column."""
        line, column = line_and_column(template, self.offset)
        return Problem(
            code=self.code,
            message=self.message,
            line=line,
            column=column,
            name=self.name,
            nearest=self.nearest,
        )
