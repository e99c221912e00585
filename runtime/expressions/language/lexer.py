"""Cuts a template into text and tags, and tags into tokens.

The dialect's own rules live here: a dash trims only when whitespace follows it, only the own quote can be
escaped, double quotes interpolate, numbers have no exponent, word operators end at a word boundary.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hookledger.runtime.expressions.language.tokens import Kind, Mistake, Segment, SegmentKind, Token

WORDS: Final = ("contains", "equals", "isIn", "and", "not", "or", "is")
SYMBOLS: Final = ("???", "??", "..", "==", "!=", ">=", "<=", ">", "<", "+", "-", "*", "/", "%", "|", "~")

OPEN = re.compile(r"\{\{|\{%|\{#")
RAW = re.compile(r"\{%-?\s*raw\s*-?%\}(.*?)\{%-?\s*endraw\s*-?%\}", re.DOTALL)
VERBATIM = re.compile(r"\s*verbatim\s*(-)?%\}(.*?)\{%(-)?\s*endverbatim\s*(-)?%\}", re.DOTALL)
VERBATIM_START = re.compile(r"\s*verbatim\s*-?%\}")
TRIM_BEFORE = re.compile(r"-(?=\s)")
CLOSE: Final = {
    SegmentKind.PRINT: re.compile(r"\s*(-)?\}\}"),
    SegmentKind.TAG: re.compile(r"\s*(-)?%\}"),
}
DELIMITER: Final = {SegmentKind.PRINT: "}}", SegmentKind.TAG: "%}"}
COMMENT = re.compile(r"(.*?)(\s-)?#\}", re.DOTALL)
SPACE = re.compile(r"\s*")
OPERATOR = re.compile(
    r"is\s+not(?!\w)|(?:" + "|".join(WORDS) + r")(?!\w)|" + "|".join(map(re.escape, SYMBOLS))
)
NAME = re.compile(r"[^\W\d]\w*")
INTEGER = re.compile(r"([0-9]+)L?")
DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
SINGLE_QUOTED = re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
TEXT_PART = re.compile(r'[^#"\\]*(?:(?:\\.|#(?!\{))[^#"\\]*)*', re.DOTALL)
PAIRS: Final = {"(": ")", "[": "]", "{": "}"}
NESTING_MAX: Final = 60  # brackets and interpolations; Python's own compiler gives up not far above


class Lexer:
    """Cuts one template. Mistakes are collected, and cutting goes on after the broken tag."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.position = 0
        self.trim_next = False  # the previous tag ended with a dash
        self.as_it_is = False  # a raw or verbatim block ended just before; no dash trims that
        self.segments: list[Segment] = []
        self.mistakes: list[Mistake] = []

    def run(self) -> list[Segment]:
        """Cut the whole template."""
        while self.position < len(self.template):
            opening = OPEN.search(self.template, self.position)
            if opening is None:
                self.add_text(self.template[self.position :], self.position)
                break
            self.add_text(self.template[self.position : opening.start()], self.position)
            self.delimiter(opening)
        return self.segments

    def add_text(self, text: str, offset: int) -> None:
        """Keep plain text, without leading whitespace when the tag before asked for that."""
        kept = text.lstrip() if self.trim_next else text
        self.trim_next = False
        if kept:
            self.as_it_is = False
            self.segments.append(Segment(SegmentKind.TEXT, offset, kept))

    def delimiter(self, opening: re.Match[str]) -> None:
        """Handle one opening delimiter."""
        try:
            if not self.raw(opening.start()):
                self.tag(opening)
        except Mistake as mistake:
            self.mistakes.append(mistake)
            self.resume(opening, mistake.offset)

    def resume(self, opening: re.Match[str], offset: int) -> None:
        """Go on after the end of a broken tag, so that later mistakes are found too."""
        close = {"{{": "}}", "{%": "%}", "{#": "#}"}[opening.group()]
        end = self.template.find(close, max(offset, opening.end()))
        self.position = len(self.template) if end < 0 else end + 2

    def raw(self, start: int) -> bool:
        """Take `{% raw %}` and its content whole."""
        matched = RAW.match(self.template, start)
        if matched is None:
            return False
        if matched[1]:
            self.segments.append(Segment(SegmentKind.TEXT, matched.start(1), matched[1]))
        self.as_it_is = True
        self.position = matched.end()
        return True

    def tag(self, opening: re.Match[str]) -> None:
        """Take a comment, a verbatim block, a print or a tag."""
        self.position = opening.end()
        if trim := TRIM_BEFORE.match(self.template, self.position):
            self.position = trim.end()
            self.trim_previous()
        if opening.group() == "{#":
            self.comment(opening.start())
        elif opening.group() == "{{":
            self.tokens(Segment(SegmentKind.PRINT, opening.start()))
        elif not self.verbatim():
            self.tokens(Segment(SegmentKind.TAG, opening.start()))

    def trim_previous(self) -> None:
        """Remove trailing whitespace from the text just before a tag."""
        if self.segments and self.segments[-1].kind is SegmentKind.TEXT and not self.as_it_is:
            self.segments[-1].text = self.segments[-1].text.rstrip()

    def comment(self, start: int) -> None:
        """Skip a comment."""
        matched = COMMENT.match(self.template, self.position)
        if matched is None:
            raise Mistake("this comment is never closed with `#}`", start)
        self.trim_next = matched[2] is not None
        self.position = matched.end()

    def verbatim(self) -> bool:
        """Take `{% verbatim %}` and its content whole; dashes trim its content."""
        matched = VERBATIM.match(self.template, self.position)
        if matched is None:
            if VERBATIM_START.match(self.template, self.position):
                raise Mistake("`verbatim` is never closed with `endverbatim`", self.position)
            return False
        text = matched[2].lstrip() if matched[1] else matched[2]
        text = text.rstrip() if matched[3] else text
        if text:
            self.segments.append(Segment(SegmentKind.TEXT, matched.start(2), text))
        self.trim_next = matched[4] is not None
        self.as_it_is = True
        self.position = matched.end()
        return True

    def tokens(self, segment: Segment) -> None:
        """Take the tokens up to the closing delimiter."""
        scanner = Scanner(self.template, self.position, segment)
        segment.tokens.extend(scanner.run())
        self.position, self.trim_next = scanner.position, scanner.trims
        self.segments.append(segment)


class Scanner:
    """Takes the tokens of one tag."""

    def __init__(self, template: str, position: int, segment: Segment) -> None:
        self.template, self.position, self.segment = template, position, segment
        self.close = CLOSE[segment.kind]
        self.brackets: list[tuple[str, int]] = []
        self.trims = False

    def run(self) -> Iterator[Token]:
        """Yield tokens; the last is END."""
        while not self.at_close():
            self.skip_space()
            if self.position >= len(self.template):
                raise self.unclosed()
            yield from self.token()
        yield Token(Kind.END, "", self.position - 2)

    def skip_space(self) -> None:
        matched = SPACE.match(self.template, self.position)
        self.position = matched.end() if matched else self.position

    def unclosed(self) -> Mistake:
        """The error for a template that ends inside a tag; an open bracket is the likelier cause."""
        if self.brackets:
            text, offset = self.brackets[-1]
            return Mistake(f"`{text}` is never closed", offset)
        return Mistake(f"this tag is never closed with `{DELIMITER[self.segment.kind]}`", self.segment.offset)

    def at_close(self) -> bool:
        """Take the closing delimiter if it is here."""
        matched = self.close.match(self.template, self.position)
        if matched is None or self.brackets:
            return False
        self.trims = matched[1] is not None
        self.position = matched.end()
        return True

    def token(self) -> Iterator[Token]:
        """Take one token, or a whole text with its interpolations."""
        if self.template[self.position] == '"':
            yield from self.double_quoted()
            return
        for kind, pattern in PATTERNS:
            if matched := pattern.match(self.template, self.position):
                yield self.taken(kind, matched)
                return
        yield self.punctuation()

    def taken(self, kind: Kind, matched: re.Match[str]) -> Token:
        """Make a token of what matched."""
        offset, self.position = self.position, matched.end()
        return Token(kind, TOKEN_TEXT.get(kind, whole)(matched), offset)

    def punctuation(self) -> Token:
        """Take one mark, keeping count of brackets."""
        offset, mark = self.position, self.template[self.position]
        if mark == "'":
            raise Mistake("this text is never closed with `'`", offset)
        if mark not in "()[]{}?:.,=":
            raise Mistake(f"`{mark}` is not known here", offset)
        if mark in PAIRS:
            self.open_bracket(mark, offset)
        elif mark in ")]}":
            self.close_bracket(mark, offset)
        self.position += 1
        return Token(Kind.PUNCTUATION, mark, offset)

    def open_bracket(self, mark: str, offset: int) -> None:
        if len(self.brackets) >= NESTING_MAX:
            raise Mistake(f"brackets are nested deeper than {NESTING_MAX}", offset)
        self.brackets.append((mark, offset))

    def close_bracket(self, mark: str, offset: int) -> None:
        if not self.brackets:
            raise Mistake(f"`{mark}` closes nothing", offset)
        opened, at = self.brackets.pop()
        if PAIRS.get(opened) != mark:
            raise Mistake(f"`{opened}` is closed with `{mark}`", at)

    def double_quoted(self) -> Iterator[Token]:
        """Take a text in double quotes: its parts, and the tokens of each `#{}`."""
        start = self.position
        self.position += 1
        while True:
            part = TEXT_PART.match(self.template, self.position)
            text = part.group() if part else ""
            yield Token(Kind.TEXT, text.replace('\\"', '"'), self.position)
            self.position += len(text)
            if not self.template.startswith("#{", self.position):
                break
            yield from self.interpolation()
        if not self.template.startswith('"', self.position):
            raise Mistake('this text is never closed with `"`', start)
        self.position += 1

    def interpolation(self) -> Iterator[Token]:
        """Take `#{ ... }`."""
        depth = len(self.brackets)
        self.open_bracket("{", self.position)
        yield Token(Kind.INTERPOLATION_START, "#{", self.position)
        self.position += 2
        while True:
            self.skip_space()
            if self.position >= len(self.template):
                raise self.unclosed()
            if self.template[self.position] == "}" and len(self.brackets) == depth + 1:
                break
            yield from self.token()
        self.brackets.pop()
        yield Token(Kind.INTERPOLATION_END, "}", self.position)
        self.position += 1


def whole(matched: re.Match[str]) -> str:
    """The text of most tokens is what matched."""
    return matched.group()


PATTERNS: Final = (
    (Kind.OPERATOR, OPERATOR),
    (Kind.NAME, NAME),
    (Kind.DECIMAL, DECIMAL),
    (Kind.INTEGER, INTEGER),
    (Kind.TEXT, SINGLE_QUOTED),
)
TOKEN_TEXT: Final[Mapping[Kind, Callable[[re.Match[str]], str]]] = {
    Kind.OPERATOR: lambda matched: re.sub(r"\s+", " ", matched.group()),
    Kind.INTEGER: lambda matched: matched[1],
    Kind.TEXT: lambda matched: matched[1].replace("\\'", "'"),
}
