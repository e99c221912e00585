"""Turns a jq program into filters."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from hookledger.runtime.expressions.formats.jq import assignment
from hookledger.runtime.expressions.formats.jq import evaluation as make
from hookledger.runtime.expressions.formats.jq.builtins import formatted
from hookledger.runtime.expressions.formats.jq.constructs import (
    Pattern,
    binary,
    called,
    destructured,
    either,
    interpolated,
    simple,
)
from hookledger.runtime.expressions.formats.jq.core import (
    Filter,
    refused,
)
from hookledger.runtime.expressions.formats.jq.operators import COMPARISONS
from hookledger.runtime.expressions.formats.jq.stream import Stream
from hookledger.runtime.expressions.formats.jq.strings import FORMATS
from hookledger.runtime.expressions.formats.jq.tokens import Scanner, Token

DEPTH_MAX: Final = 40
KEYWORDS: Final = frozenset(
    [
        "def",
        "as",
        "if",
        "then",
        "elif",
        "else",
        "end",
        "reduce",
        "foreach",
        "try",
        "catch",
        "label",
        "import",
        "include",
        "and",
        "or",
        "__loc__",
    ]
)


class Parser(Stream):
    """Parses one program by precedence: `|`, `,`, `//`, assignments, or, and, comparisons, + -, * / %."""

    def program(self) -> Filter:
        """Parse the whole program."""
        if self.at("import", "include"):
            raise refused("modules are not available")
        body = self.pipeline()
        if self.current.kind != "end":
            raise refused(f"`{self.current.text or 'text'}` is not expected here")
        return body

    def pipeline(self) -> Filter:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise refused(f"the program is nested deeper than {DEPTH_MAX}")
        body = self.definition() if self.at("def") else self.after_term()
        self.depth -= 1
        return body

    def after_term(self) -> Filter:
        if self.at("label"):
            self.next()
            name = self.word("variable")
            self.expect("|")
            return make.labelled(name, self.pipeline())
        left = self.comma()
        return make.pipe(left, self.pipeline()) if self.take("|") else left

    def definition(self) -> Filter:
        self.expect("def")
        name = self.word()
        parameters: list[str] = []
        if self.take("("):
            while not self.take(")"):
                parameters.append(self.next().text)
                if not self.at(")"):
                    self.expect(";")
        self.expect(":")
        body = self.pipeline()
        self.expect(";")
        return make.defined(name, tuple(parameters), body, self.pipeline())

    def comma(self) -> Filter:
        left = self.alternative()
        while self.take(","):
            left = make.both(left, self.alternative())
        return left

    def alternative(self) -> Filter:
        left = self.assignment()
        return make.alternative(left, self.alternative()) if self.take("//") else left

    def assignment(self) -> Filter:
        left = self.level(0)
        if self.take("="):
            return assignment.assigned(left, self.alternative())
        if self.take("|="):
            return assignment.updated(left, self.alternative())
        if self.current.kind == "mark" and self.current.text in assignment.ASSIGNMENTS:
            apply = assignment.ASSIGNMENTS[self.next().text]
            return assignment.modified(apply, left, self.alternative())
        return left

    def level(self, number: int) -> Filter:
        """Parse the operators of one level and the tighter ones."""
        if number == len(LEVELS):
            return self.postfix()
        left = self.level(number + 1)
        while self.current.kind in ("mark", "word") and self.current.text in LEVELS[number]:
            mark = self.next().text
            left = binary(mark, left, self.level(number + 1))
            if mark in COMPARISONS and self.current.text in COMPARISONS:
                raise refused("comparisons cannot be chained")
        return left

    def postfix(self) -> Filter:
        """Parse a term and what follows it."""
        if self.take("-"):
            return make.negated(self.postfix())
        body = self.suffixes(self.term())
        if not self.take("as"):
            return body
        pattern = self.pattern()
        while self.take("?//"):
            pattern = either(pattern, self.pattern())
        self.expect("|")
        return make.bound(body, pattern, self.pipeline())

    def suffixes(self, body: Filter) -> Filter:
        while True:
            if self.current.kind == "field":
                body = make.access(body, make.constant(self.next().text[1:]))
            elif self.at("."):
                self.next()
                body = self.dotted(body)
            elif self.take("["):
                body = self.brackets(body)
            elif self.take("?"):
                body = make.attempt(body, None)
            else:
                return body

    def dotted(self, body: Filter) -> Filter:
        if self.current.kind == "text":
            return make.access(body, self.text(self.next(), None))
        self.expect("[")
        return self.brackets(body)

    def brackets(self, body: Filter) -> Filter:
        """Parse what follows `[` after a value."""
        if self.take("]"):
            return make.each(body)
        start = None if self.at(":") else self.pipeline()
        if self.take(":"):
            end = None if self.at("]") else self.pipeline()
            self.expect("]")
            return make.sliced(body, start, end)
        self.expect("]")
        assert start is not None
        return make.access(body, start)

    def term(self) -> Filter:
        token = self.next()
        if token.kind in TERMS:
            return TERMS[token.kind](self, token)
        if token.text in MARKS and token.kind == "mark":
            return MARKS[token.text](self)
        raise refused(f"`{token.text or 'the end'}` is not expected here")

    def number(self, token: Token) -> Filter:
        value = float(token.text)
        whole = token.text.isdigit() and len(token.text) < 19
        return make.constant(int(token.text) if whole else value)

    def field(self, token: Token) -> Filter:
        return make.access(make.identity, make.constant(token.text[1:]))

    def variable(self, token: Token) -> Filter:
        if token.text in ("$ENV", "$__loc__", "$__prog_args"):
            raise refused(f"{token.text} is not available")
        return make.variable(token.text[1:])

    def format(self, token: Token) -> Filter:
        if token.text not in FORMATS:
            raise refused(f"{token.text} is not a format")
        if self.current.kind == "text":
            return self.text(self.next(), token.text)
        return formatted(token.text)

    def text(self, token: Token, format_: str | None) -> Filter:
        """A text; what is interpolated goes through the format."""
        pieces = [part if isinstance(part, str) else Parser(part).program() for part in token.parts]
        return interpolated(pieces, formatted(format_ or "@text"))

    def plain_text(self, token: Token) -> Filter:
        return self.text(token, None)

    def named(self, token: Token) -> Filter:
        """A keyword's construct, or a call."""
        if token.text in CONSTRUCTS:
            return CONSTRUCTS[token.text](self)
        if token.text in KEYWORDS:
            raise refused(f"`{token.text}` is not expected here")
        arguments: list[Filter] = []
        if self.take("("):
            arguments.append(self.pipeline())
            while self.take(";"):
                arguments.append(self.pipeline())
            self.expect(")")
        return called(token.text, arguments)

    def dot(self) -> Filter:
        if self.current.kind == "text":
            return make.access(make.identity, self.text(self.next(), None))
        return self.brackets(make.identity) if self.take("[") else make.identity

    def everything(self) -> Filter:
        return called("recurse", [])

    def parenthesised(self) -> Filter:
        body = self.pipeline()
        self.expect(")")
        return body

    def array(self) -> Filter:
        if self.take("]"):
            return make.collected(None)
        body = self.pipeline()
        self.expect("]")
        return make.collected(body)

    def object(self) -> Filter:
        entries: list[tuple[Filter, Filter]] = []
        while not self.take("}"):
            if entries:
                self.expect(",")
                if self.take("}"):
                    break
            entries.append(self.entry())
        return make.constructed(entries)

    def entry(self) -> tuple[Filter, Filter]:
        """One entry of an object; a key alone means its value of the input."""
        token = self.next()
        if token.kind == "variable":
            return make.constant(token.text[1:]), self.variable(token)
        if token.text == "(" and token.kind == "mark":
            key = self.parenthesised()
        elif token.kind == "text":
            key = self.text(token, None)
        elif token.kind == "format":
            key = self.format(token)
        elif token.kind in ("word", "number"):
            key = make.constant(token.text)
        else:
            raise refused(f"`{token.text}` is no key of an object")
        if not self.take(":"):
            return key, make.access(make.identity, key)
        return key, self.entry_value()

    def entry_value(self) -> Filter:
        body = self.alternative_free()
        while self.take("|"):
            body = make.pipe(body, self.alternative_free())
        return body

    def alternative_free(self) -> Filter:
        """The value of an entry: no comma, which ends it."""
        return self.alternative()

    def condition(self) -> Filter:
        test = self.pipeline()
        self.expect("then")
        yes = self.pipeline()
        if self.take("elif"):
            return make.conditional(test, yes, self.condition())
        no = self.pipeline() if self.take("else") else make.identity
        self.expect("end")
        return make.conditional(test, yes, no)

    def attempt(self) -> Filter:
        body = self.suffixes(self.term())
        handler = self.suffixes(self.term()) if self.take("catch") else None
        return make.attempt(body, handler)

    def reduction(self) -> Filter:
        source, pattern = self.source()
        start = self.pipeline()
        self.expect(";")
        step = self.pipeline()
        self.expect(")")
        return make.reduced(source, pattern, start, step)

    def iteration(self) -> Filter:
        source, pattern = self.source()
        start = self.pipeline()
        self.expect(";")
        step = self.pipeline()
        extract = self.pipeline() if self.take(";") else make.identity
        self.expect(")")
        return make.foreach(source, pattern, start, step, extract)

    def source(self) -> tuple[Filter, Pattern]:
        body = self.suffixes(self.term())
        self.expect("as")
        pattern = self.pattern()
        self.expect("(")
        return body, pattern

    def broken(self) -> Filter:
        return make.broken(self.word("variable"))

    def pattern(self) -> Pattern:
        """Parse `$name`, `[...]` or `{...}` after `as`."""
        token = self.next()
        if token.kind == "variable":
            return simple(token.text[1:])
        if token.text == "[":
            return self.array_pattern()
        if token.text == "{":
            return self.object_pattern()
        raise refused(f"`{token.text}` is no pattern")

    def array_pattern(self) -> Pattern:
        parts: list[tuple[Filter, Pattern]] = []
        while not self.take("]"):
            if parts:
                self.expect(",")
            parts.append((make.constant(len(parts)), self.pattern()))
        return destructured(parts)

    def object_pattern(self) -> Pattern:
        parts: list[tuple[Filter, Pattern]] = []
        while not self.take("}"):
            if parts:
                self.expect(",")
            parts.extend(self.entry_pattern())
        return destructured(parts)

    def entry_pattern(self) -> list[tuple[Filter, Pattern]]:
        token = self.next()
        if token.kind == "variable":
            key = make.constant(token.text[1:])
            own = [(key, simple(token.text[1:]))]
            return [*own, (key, self.pattern())] if self.take(":") else own
        key = self.parenthesised() if token.text == "(" else self.key_of(token)
        self.expect(":")
        return [(key, self.pattern())]

    def key_of(self, token: Token) -> Filter:
        return self.text(token, None) if token.kind == "text" else make.constant(token.text)


LEVELS: Final = (
    ("or",),
    ("and",),
    ("==", "!=", "<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
TERMS: Final[dict[str, Callable[[Parser, Token], Filter]]] = {
    "number": Parser.number,
    "field": Parser.field,
    "variable": Parser.variable,
    "format": Parser.format,
    "text": Parser.plain_text,
    "word": Parser.named,
}
MARKS: Final[dict[str, Callable[[Parser], Filter]]] = {
    ".": Parser.dot,
    "..": Parser.everything,
    "(": Parser.parenthesised,
    "[": Parser.array,
    "{": Parser.object,
}
CONSTRUCTS: Final[dict[str, Callable[[Parser], Filter]]] = {
    "if": Parser.condition,
    "try": Parser.attempt,
    "reduce": Parser.reduction,
    "foreach": Parser.iteration,
    "break": Parser.broken,
}


@lru_cache(maxsize=256)
def compiled(program: str) -> Filter:
    """Compile a program."""
    return Parser(Scanner(program).run()).program()
