"""Cuts a jq program into tokens."""

import re
from dataclasses import dataclass

from hookledger.runtime.expressions.formats.jq.core import refused
from hookledger.runtime.expressions.formats.jsontext import whole_characters

SPACE = re.compile(r"(?:\s+|#[^\n]*)*")
TOKEN = re.compile(
    r"(?P<format>@[a-zA-Z0-9_]+)"
    r"|(?P<variable>\$__loc__|\$[a-zA-Z_]\w*(?:::\w+)*)"
    r"|(?P<field>\.[a-zA-Z_]\w*)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[a-zA-Z_]\w*)"
    r"|(?P<mark>\?//=?|//=|[|+\-*/%=!<>]=|//|\.\.|[.\[\]{}()|,:;?=<>+\-*/%$])"
    r'|(?P<text>")',
    re.ASCII,
)
ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4})|(\())')
PLAIN = re.compile(r'[^"\\]+')
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
PROGRAM_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Token:
    """One token; a text has its parts, which are text or the tokens of an interpolation."""

    kind: str
    text: str
    parts: "tuple[str | tuple[Token, ...], ...]" = ()


END = Token("end", "")


class Scanner:
    """Takes the tokens of one program."""

    def __init__(self, program: str) -> None:
        if len(program) > PROGRAM_CHARS_MAX:
            raise refused(f"the program has more than {PROGRAM_CHARS_MAX} characters")
        self.program, self.position = program, 0

    def run(self, *, nested: bool = False) -> tuple[Token, ...]:
        """Take all tokens, or those up to the bracket that closes an interpolation."""
        found: list[Token] = []
        depth = 0
        while True:
            self.skip()
            if self.position >= len(self.program):
                break
            token = self.token()
            depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "mark" else 0
            if nested and depth < 0:
                return (*found, END)
            found.append(token)
        if nested:
            raise refused("an interpolation is never closed")
        return (*found, END)

    def skip(self) -> None:
        matched = SPACE.match(self.program, self.position)
        self.position = matched.end() if matched else self.position

    def token(self) -> Token:
        matched = TOKEN.match(self.program, self.position)
        if matched is None:
            raise refused(f"`{self.program[self.position : self.position + 10]}` is not understood")
        self.position = matched.end()
        kind = str(matched.lastgroup)
        return self.text() if kind == "text" else Token(kind, matched.group())

    def text(self) -> Token:
        """Take a text after its opening quote."""
        parts: list[str | tuple[Token, ...]] = []
        while not self.program.startswith('"', self.position):
            part = self.part()
            before = parts[-1] if parts else None
            if isinstance(part, str) and isinstance(before, str):
                parts[-1] = before + part
            else:
                parts.append(part)
        self.position += 1
        whole = (str(whole_characters(one)) if isinstance(one, str) else one for one in parts)
        return Token("text", "", tuple(whole))

    def part(self) -> "str | tuple[Token, ...]":
        for pattern in (PLAIN, ESCAPE):
            if matched := pattern.match(self.program, self.position):
                self.position = matched.end()
                return matched.group() if pattern is PLAIN else self.escaped(matched)
        raise refused("a text is never closed")

    def escaped(self, matched: re.Match[str]) -> "str | tuple[Token, ...]":
        if matched[3]:
            return self.run(nested=True)
        return chr(int(matched[2], 16)) if matched[2] else ESCAPES.get(matched[1], matched[1])
