"""Parses a whole template: text, prints and tags. Collects every mistake it can find."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from jinja2 import nodes

from hookledger.runtime.expressions.language.binding import Arguments, bind
from hookledger.runtime.expressions.language.grammar import (
    CONSTANTS,
    Cursor,
    Grammar,
    filled,
)
from hookledger.runtime.expressions.language.lexer import Lexer
from hookledger.runtime.expressions.language.tokens import Kind, Mistake, Segment, SegmentKind, Token
from hookledger.runtime.expressions.library.registry import FUNCTIONS, Parameter
from hookledger.runtime.expressions.nearest import nearest

TAGS_DEPTH_MAX: Final = 40  # nested tags
LOOPS_DEPTH_MAX: Final = 15  # nested `for`; Python itself stops at twenty
REMOVED: Final = ["extends", "include", "import", "from", "embed", "cache", "parallel", "flush", "autoescape"]
CLOSING: Final = ["else", "elseif", "endif", "endfor", "endmacro", "endfilter", "endblock"]


@dataclass(slots=True)
class Parsed:
    """A template as nodes, with what was learned on the way."""

    body: list[nodes.Node]
    mistakes: list[Mistake]
    warnings: list[Mistake] = field(default_factory=list[Mistake])  # what works but is probably not meant
    macros: dict[str, nodes.Macro] = field(default_factory=dict[str, nodes.Macro])
    blocks: dict[str, nodes.Block] = field(default_factory=dict[str, nodes.Block])
    repeated: bool = False  # two blocks have one name
    functions: dict[str, int] = field(default_factory=dict[str, int])  # with the offset of the first call


def parse(template: str) -> Parsed:
    """Parse a template; the result is only usable if it has no mistakes."""
    lexer = Lexer(template)
    parser = Parser(lexer.run())
    parsed = parser.run()
    parsed.mistakes[:] = sorted([*lexer.mistakes, *parsed.mistakes], key=lambda one: one.offset)
    return parsed


class Parser:
    """Walks the segments of one template."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments, self.index = segments, 0
        self.calls: list[tuple[nodes.Call, Arguments]] = []
        self.parsed = Parsed([], [])
        self.open: list[str] = []  # the tags we are inside of

    def run(self) -> Parsed:
        """Parse everything, then look at the calls: macros may be defined after their use."""
        self.parsed.body = self.body(())
        for call, arguments in self.calls:
            self.attempt(partial(self.resolve, call, arguments))
        return self.parsed

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something; a mistake in it is kept and parsing goes on."""
        try:
            action()
        except Mistake as mistake:
            self.parsed.mistakes.append(mistake)

    def body(self, until: tuple[str, ...]) -> list[nodes.Node]:
        """Parse up to one of the tags in `until`, which is left for the caller."""
        found: list[nodes.Node] = []
        while self.index < len(self.segments):
            segment = self.segments[self.index]
            if segment.kind is SegmentKind.TAG and tag_name(segment).text in until:
                break
            self.index += 1
            self.attempt(partial(self.segment, segment, found))
        return found

    def segment(self, segment: Segment, found: list[nodes.Node]) -> None:
        """Parse one segment and what belongs to it."""
        found.extend(PARSERS[segment.kind](self, segment))

    def text(self, segment: Segment) -> list[nodes.Node]:
        data = nodes.TemplateData(segment.text, lineno=segment.offset)
        return [nodes.Output([data], lineno=segment.offset)]

    def print(self, segment: Segment) -> list[nodes.Node]:
        cursor = Cursor(segment.tokens)
        offset = cursor.current.offset
        return [nodes.Output([self.grammar(cursor).whole()], lineno=offset)]

    def grammar(self, cursor: Cursor) -> Grammar:
        return Grammar(cursor, self.calls, self.parsed.warnings)

    def tag(self, segment: Segment) -> list[nodes.Node]:
        """Parse one tag and what belongs to it."""
        name = tag_name(segment)
        if name.kind is not Kind.NAME:
            raise Mistake(f"the name of a tag is expected here, not {name.shown()}", name.offset)
        if name.text not in TAGS:
            raise unknown_tag(name)
        if len(self.open) >= TAGS_DEPTH_MAX or self.open.count("for") >= LOOPS_DEPTH_MAX:
            raise Mistake("tags are nested too deep", name.offset)
        self.open.append(name.text)
        cursor = Cursor(segment.tokens)
        cursor.next()
        try:
            return [TAGS[name.text](self, cursor, name)]
        finally:
            self.open.pop()

    def header(self, parse: Callable[[], nodes.Expr]) -> nodes.Expr:
        """Parse the expression of a tag; after a mistake in it the tag's content is still looked at."""
        found: list[nodes.Expr] = []
        self.attempt(lambda: found.append(parse()))
        return found[0] if found else nodes.Const(None)

    def end(self, opening: Token, *names: str) -> tuple[Token, Cursor]:
        """Take the tag which ends or divides the one that `opening` opened."""
        if self.index >= len(self.segments):
            wanted = " or ".join(f"`{name}`" for name in names)
            raise Mistake(f"`{opening.text}` is never closed with {wanted}", opening.offset)
        cursor = Cursor(self.segments[self.index].tokens)
        self.index += 1
        return cursor.next(), cursor

    def if_tag(self, cursor: Cursor, opening: Token) -> nodes.Node:
        test = self.header(self.grammar(cursor).whole)
        node = nodes.If(test, self.body(IF_PARTS), [], [], lineno=opening.offset)
        branch = node
        while True:
            part, cursor = self.end(opening, "endif")
            if part.text == "endif":
                return self.ended(cursor, node)
            if part.text == "else":
                self.ended(cursor, node)
                node.else_ = self.body(("endif",))
            else:
                test = self.header(self.grammar(cursor).whole)
                branch = nodes.If(test, self.body(IF_PARTS), [], [], lineno=part.offset)
                node.elif_.append(branch)

    def ended(self, cursor: Cursor, node: nodes.Node) -> nodes.Node:
        """Nothing more may stand in this tag."""
        self.attempt(lambda: void(cursor.expect(Kind.END, wanted="the end of the tag")))
        return node

    def for_tag(self, cursor: Cursor, opening: Token) -> nodes.Node:
        targets: list[str] = []

        def head() -> nodes.Expr:
            targets.append(new_name(cursor))
            cursor.expect(Kind.NAME, "in")
            return self.grammar(cursor).whole()

        iterable = self.header(head)
        body = self.body(("else", "endfor"))
        part, cursor = self.end(opening, "endfor")
        otherwise: list[nodes.Node] = []
        if part.text == "else":
            self.ended(cursor, iterable)
            otherwise = self.body(("endfor",))
            part, cursor = self.end(opening, "endfor")
        name = nodes.Name(targets[0] if targets else "", "store", lineno=opening.offset)
        loop = nodes.For(name, iterable, body, otherwise, None, False, lineno=opening.offset)
        return self.ended(cursor, loop)

    def set_tag(self, cursor: Cursor, opening: Token) -> nodes.Node:
        name = new_name(cursor)
        cursor.expect(Kind.PUNCTUATION, "=")
        value = self.grammar(cursor).whole()
        return nodes.Assign(nodes.Name(name, "store"), value, lineno=opening.offset)

    def macro_tag(self, cursor: Cursor, opening: Token) -> nodes.Node:
        node = nodes.Macro("", [], [], [], lineno=opening.offset)
        self.attempt(lambda: self.macro_header(cursor, node))
        node.body = self.body(("endmacro",))
        return self.ended(self.end(opening, "endmacro")[1], node)

    def macro_header(self, cursor: Cursor, node: nodes.Macro) -> None:
        """Parse name and parameters; every one has a default, null if none is written."""
        name = cursor.expect(Kind.NAME, wanted="the name of the macro")
        node.name = name.text
        cursor.expect(Kind.PUNCTUATION, "(")
        while not cursor.mark(")"):
            if node.args:
                cursor.expect(Kind.PUNCTUATION, ",")
            offset, parameter = cursor.current.offset, new_name(cursor)
            if any(one.name == parameter for one in node.args):
                raise Mistake(f"the macro has two parameters `{parameter}`", offset)
            node.args.append(nodes.Name(parameter, "param", lineno=offset))
            default = (
                self.grammar(cursor).clear(Grammar.expression) if cursor.mark("=") else nodes.Const(None)
            )
            node.defaults.append(default)
        cursor.expect(Kind.END, wanted="the end of the tag")
        if name.text in self.parsed.macros:
            raise Mistake(f"there are two macros `{name.text}`", name.offset)
        self.parsed.macros[name.text] = node

    def filter_tag(self, cursor: Cursor, opening: Token) -> nodes.Node:
        grammar = self.grammar(cursor)

        def filtered(content: nodes.Expr) -> nodes.Expr:
            return grammar.clear(lambda way: way.filtered(content))

        def chain() -> nodes.Expr:
            content: nodes.Expr = nodes.Name("", "load", lineno=opening.offset)  # stands for the content
            content = filtered(content)
            while cursor.at(Kind.OPERATOR, "|"):
                cursor.next()
                content = filtered(content)
            cursor.expect(Kind.END, wanted="the end of the tag")
            return content

        filters = self.header(chain)
        body = self.body(("endfilter",))
        cursor = self.end(opening, "endfilter")[1]
        if not isinstance(filters, nodes.Filter):
            return self.ended(cursor, filters)
        return self.ended(cursor, nodes.FilterBlock(body, filters, lineno=opening.offset))

    def block_tag(self, cursor: Cursor, opening: Token) -> nodes.Node:
        node = nodes.Block("", [], False, False, lineno=opening.offset)
        self.attempt(lambda: self.block_header(cursor, node))
        node.body = self.body(("endblock",))
        cursor = self.end(opening, "endblock")[1]
        if cursor.current.kind is not Kind.END and cursor.current.text == node.name:
            cursor.next()
        return self.ended(cursor, node)

    def block_header(self, cursor: Cursor, node: nodes.Block) -> None:
        """Parse the name, which may be in quotes."""
        name = cursor.next()
        if name.kind not in (Kind.NAME, Kind.TEXT):
            raise Mistake("the name of the block is expected here", name.offset)
        cursor.expect(Kind.END, wanted="the end of the tag")
        node.name = name.text
        self.parsed.repeated |= name.text in self.parsed.blocks  # the last one stands at every place
        self.parsed.blocks[name.text] = node

    def resolve(self, call: nodes.Call, arguments: Arguments) -> None:
        """Find out what a call calls, and fit its arguments."""
        assert isinstance(call.node, nodes.Name)
        name = call.node.name
        self.parsed.functions.setdefault(name, call.lineno)
        if name in FUNCTIONS:
            entry = FUNCTIONS[name]
            warnings, what = self.parsed.warnings, f"function `{name}`"
            values = bind(what, entry.parameters, arguments, warnings, variadic=entry.variadic)
        elif name in self.parsed.macros:
            self.parsed.functions.pop(name, None)
            call.args = macro_arguments(self.parsed.macros[name], arguments, self.parsed.warnings)
            return
        else:
            known = [*FUNCTIONS, *self.parsed.macros]
            raise Mistake(
                f"there is no function or macro `{name[:60]}`",
                call.lineno,
                code="E002",
                name=name,
                nearest=nearest(name, known),
            )
        call.args = filled(values, call.lineno)


def macro_arguments(macro: nodes.Macro, arguments: Arguments, warnings: list[Mistake]) -> list[nodes.Expr]:
    """Fit arguments to a macro; those left out take their default inside it."""
    parameters = [Parameter(one.name, False) for one in macro.args]
    values = bind(f"macro `{macro.name}`", parameters, arguments, warnings)
    names = [one.name for one in macro.args]
    given = [(name, one) for name, one in zip(names, values, strict=True) if one is not None]
    pairs = [nodes.Pair(nodes.Const(name), one, lineno=arguments.offset) for name, one in given]
    return [nodes.Dict(pairs, lineno=arguments.offset)]


def void(_result: object) -> None:
    """Drop a result."""


def tag_name(segment: Segment) -> Token:
    """The first token of a tag."""
    return segment.tokens[0]


def new_name(cursor: Cursor) -> str:
    """Take a name that is about to be given a value."""
    token = cursor.expect(Kind.NAME, wanted="a name")
    if token.text in CONSTANTS:
        raise Mistake(f"`{token.text}` cannot be given a value", token.offset)
    return token.text


def unknown_tag(name: Token) -> Mistake:
    """The error for a tag that does not exist, was removed, or closes nothing."""
    if name.text in CLOSING:
        return Mistake(f"`{name.text}` has no opening tag here", name.offset)
    if name.text in REMOVED:
        return Mistake(f"the tag `{name.text}` is not available", name.offset, code="E002", name=name.text)
    return Mistake(
        f"there is no tag `{name.text[:60]}`",
        name.offset,
        code="E002",
        name=name.text,
        nearest=nearest(name.text, [*TAGS, *CLOSING, "verbatim", "raw"]),
    )


IF_PARTS: Final = ("elseif", "else", "endif")
PARSERS: Final[dict[SegmentKind, Callable[[Parser, Segment], list[nodes.Node]]]] = {
    SegmentKind.TEXT: Parser.text,
    SegmentKind.PRINT: Parser.print,
    SegmentKind.TAG: Parser.tag,
}
TAGS: Final[dict[str, Callable[[Parser, Cursor, Token], nodes.Node]]] = {
    "if": Parser.if_tag,
    "for": Parser.for_tag,
    "set": Parser.set_tag,
    "macro": Parser.macro_tag,
    "filter": Parser.filter_tag,
    "block": Parser.block_tag,
}
