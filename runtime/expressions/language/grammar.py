"""Parses the expression between delimiters into Jinja2 nodes.

Precedence climbing over one table. A node's `lineno` holds the offset in the template, not a line:
Jinja2 carries it along, and errors turn it into line and column.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from jinja2 import nodes

from hookledger.runtime.expressions.language.binding import Arguments, bind
from hookledger.runtime.expressions.language.tokens import Kind, Mistake, Token
from hookledger.runtime.expressions.library.registry import FILTERS, TESTS, Entry, Table
from hookledger.runtime.expressions.nearest import nearest

CONSTANTS: Final[dict[str, bool | None]] = {
    "true": True,
    "TRUE": True,
    "false": False,
    "FALSE": False,
    "null": None,
    "NULL": None,
    "none": None,
    "NONE": None,
}
# How tightly a binary operator binds; all associate to the left.
PRECEDENCE: Final = {
    "or": 10,
    "and": 15,
    "is": 20,
    "is not": 20,
    "contains": 20,
    **dict.fromkeys(("==", "equals", "!=", "<", "<=", ">", ">=", "??", "???", "isIn"), 30),
    "+": 40,
    "-": 40,
    "*": 60,
    "/": 60,
    "%": 60,
    "|": 100,
    "~": 110,
    "..": 120,
}
# Kestra 1.3 bound these as tightly as `..`; the reading of 2.0 above is ours.
MOVED: Final = ("??", "???", "isIn")
FORMERLY: Final = {**PRECEDENCE, **dict.fromkeys(MOVED, PRECEDENCE[".."])}
UNARY: Final[dict[str, type[nodes.UnaryExpr]]] = {"not": nodes.Not, "+": nodes.Pos, "-": nodes.Neg}
UNARY_PRECEDENCE: Final = 500
BINARY: Final[dict[str, type[nodes.BinExpr]]] = {
    "or": nodes.Or,
    "and": nodes.And,
    "+": nodes.Add,
    "-": nodes.Sub,
    "*": nodes.Mul,
    "/": nodes.Div,
    "%": nodes.Mod,
}
DEPTH_MAX: Final = 60  # nested expressions; keeps Python's recursion and its compiler out of trouble
LONG_MAX: Final = 2**63 - 1


class Cursor:
    """A place in the tokens of one tag."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens, self.index = tokens, 0

    @property
    def current(self) -> Token:
        """The token to look at next."""
        return self.tokens[self.index]

    def peek(self) -> Token:
        """The token after the current one."""
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)]

    def next(self) -> Token:
        """Take the current token."""
        token = self.current
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def at(self, kind: Kind, text: str | None = None) -> bool:
        """Whether the current token is this one."""
        return self.current.kind is kind and text in (None, self.current.text)

    def mark(self, text: str) -> bool:
        """Take this punctuation mark if it is here."""
        if self.at(Kind.PUNCTUATION, text):
            self.next()
            return True
        return False

    def expect(self, kind: Kind, text: str | None = None, *, wanted: str = "") -> Token:
        """Take this token or fail."""
        if not self.at(kind, text):
            wanted = wanted or f"`{text}`"
            raise Mistake(f"{wanted} is expected here, not {self.current.shown()}", self.current.offset)
        return self.next()


class Grammar:
    """Parses expressions at a cursor; calls of functions are kept for later, when macros are known."""

    def __init__(
        self,
        cursor: Cursor,
        calls: list[tuple[nodes.Call, Arguments]],
        warnings: list[Mistake],
        precedence: Mapping[str, int] = PRECEDENCE,
    ) -> None:
        self.cursor, self.calls, self.warnings, self.precedence = cursor, calls, warnings, precedence
        self.depth = 0

    def whole(self) -> nodes.Expr:
        """Parse an expression up to the end of the tag."""
        expression = self.clear(Grammar.expression)
        self.cursor.expect(Kind.END, wanted="the end of the tag")
        return expression

    def clear(self, parse: "Callable[[Grammar], nodes.Expr]") -> nodes.Expr:
        """Parse, and warn where Kestra 1.3 would have read something else."""
        start, calls = self.cursor.index, len(self.calls)
        found = parse(self)
        moved = (one for one in self.cursor.tokens[start : self.cursor.index] if one.kind is Kind.OPERATOR)
        token = next((one for one in moved if one.text in MOVED), None)
        if token is not None and not same(self.formerly(start, parse), (found, self.calls[calls:])):
            self.warnings.append(
                Mistake(
                    f"Kestra 1.3 and 2.0 read `{token.text}` differently here; it is read as in 2.0, where it"
                    " binds like `==`. Write parentheses around what belongs together",
                    token.offset,
                )
            )
        return found

    def formerly(self, start: int, parse: "Callable[[Grammar], nodes.Expr]") -> object:
        """The same tokens as Kestra 1.3 would have read them, with the calls in them."""
        other = Grammar(Cursor(self.cursor.tokens), [], [], FORMERLY)
        other.cursor.index = start
        try:
            return parse(other), other.calls
        except Mistake:
            return None

    def expression(self, minimum: int = 0) -> nodes.Expr:
        """Parse operators that bind at least as tightly as `minimum`."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise Mistake(f"expressions are nested deeper than {DEPTH_MAX}", self.cursor.current.offset)
        left = self.operand()
        while (precedence := self.operator_precedence()) >= minimum:
            left = self.binary(left, precedence)
        self.depth -= 1
        return self.ternary(left) if minimum == 0 else left

    def operator_precedence(self) -> int:
        token = self.cursor.current
        return self.precedence.get(token.text, -1) if token.kind is Kind.OPERATOR else -1

    def binary(self, left: nodes.Expr, precedence: int) -> nodes.Expr:
        """Parse the right side of a binary operator."""
        token = self.cursor.next()
        if token.text == "|":
            return self.filtered(left)
        if token.text in ("is", "is not"):
            tested = self.tested(left)
            return nodes.Not(tested, lineno=token.offset) if token.text == "is not" else tested
        right = self.expression(precedence + 1)
        return combine(token, left, right)

    def ternary(self, condition: nodes.Expr) -> nodes.Expr:
        """Parse `? a : b` if it follows."""
        if not self.cursor.at(Kind.PUNCTUATION, "?"):
            return condition
        offset = self.cursor.next().offset
        yes = self.expression()
        self.cursor.expect(Kind.PUNCTUATION, ":")
        return nodes.CondExpr(condition, yes, self.expression(), lineno=offset)

    def operand(self) -> nodes.Expr:
        """Parse a unary operator or a single value."""
        token = self.cursor.current
        if token.kind is Kind.OPERATOR and token.text in UNARY:
            self.cursor.next()
            return UNARY[token.text](self.expression(UNARY_PRECEDENCE), lineno=token.offset)
        if token.kind is Kind.PUNCTUATION and token.text in STARTS:
            return STARTS[token.text](self)
        return self.postfix(self.simple())

    def parenthesised(self) -> nodes.Expr:
        self.cursor.next()
        inner = self.expression()
        self.cursor.expect(Kind.PUNCTUATION, ")")
        return self.postfix(inner)

    def list_literal(self) -> nodes.Expr:
        offset = self.cursor.next().offset
        items: list[nodes.Expr] = []
        while not self.cursor.mark("]"):
            self.separated(bool(items))
            items.append(self.expression())
        return nodes.List(items, lineno=offset)

    def map_literal(self) -> nodes.Expr:
        offset = self.cursor.next().offset
        pairs: list[nodes.Pair] = []
        while not self.cursor.mark("}"):
            self.separated(bool(pairs))
            key = self.expression()
            self.cursor.expect(Kind.PUNCTUATION, ":")
            pairs.append(nodes.Pair(key, self.expression(), lineno=offset))
        return nodes.Dict(pairs, lineno=offset)

    def separated(self, needed: bool) -> None:
        """Take the comma between two elements."""
        if needed:
            self.cursor.expect(Kind.PUNCTUATION, ",")

    def simple(self) -> nodes.Expr:
        """Parse a name, a number or a text."""
        token = self.cursor.current
        parse = SIMPLE.get(token.kind)
        if parse is None:
            raise Mistake(f"a value is expected here, not {token.shown()}", token.offset)
        return parse(self)

    def name(self) -> nodes.Expr:
        token = self.cursor.next()
        if token.text in CONSTANTS:
            return nodes.Const(CONSTANTS[token.text], lineno=token.offset)
        if self.cursor.at(Kind.PUNCTUATION, "("):
            return self.call(token)
        return nodes.Name(token.text, "load", lineno=token.offset)

    def call(self, token: Token) -> nodes.Expr:
        arguments = self.arguments()
        call = nodes.Call(nodes.Name(token.text, "load", lineno=token.offset), [], [], None, None)
        call.lineno = token.offset
        self.calls.append((call, arguments))
        return call

    def integer(self) -> nodes.Expr:
        token = self.cursor.next()
        if len(token.text.lstrip("0")) > 19 or int(token.text) > LONG_MAX:
            raise Mistake(f"`{token.text[:40]}` does not fit into 64 bit", token.offset)
        return nodes.Const(int(token.text), lineno=token.offset)

    def decimal(self) -> nodes.Expr:
        token = self.cursor.next()
        return nodes.Const(float(token.text), lineno=token.offset)

    def text(self) -> nodes.Expr:
        """Parse a text; one interpolation alone keeps its type, several parts join."""
        offset = self.cursor.current.offset
        parts: list[nodes.Expr] = []
        while True:
            part = self.text_part()
            if part is not None:
                parts.append(part)
            if not self.cursor.at(Kind.INTERPOLATION_START) and not self.continues_text():
                break
        if not parts:
            return nodes.Const("", lineno=offset)
        return parts[0] if len(parts) == 1 else nodes.Concat(parts, lineno=offset)

    def continues_text(self) -> bool:
        """A text goes on only right after an interpolation."""
        before = self.cursor.tokens[self.cursor.index - 1]
        return before.kind is Kind.INTERPOLATION_END and self.cursor.at(Kind.TEXT)

    def text_part(self) -> nodes.Expr | None:
        token = self.cursor.next()
        if token.kind is Kind.TEXT:
            return nodes.Const(token.text, lineno=token.offset) if token.text else None
        inner = self.expression()
        self.cursor.expect(Kind.INTERPOLATION_END, wanted="`}`")
        return inner

    def postfix(self, node: nodes.Expr) -> nodes.Expr:
        """Parse `.name`, `[key]` and `.name(...)` after a value."""
        while True:
            if self.cursor.at(Kind.PUNCTUATION, "."):
                node = self.dotted(node)
            elif self.cursor.at(Kind.PUNCTUATION, "["):
                offset = self.cursor.next().offset
                node = nodes.Getitem(node, self.expression(), "load", lineno=offset)
                self.cursor.expect(Kind.PUNCTUATION, "]")
            elif self.cursor.at(Kind.PUNCTUATION, "("):
                raise Mistake("only functions and macros can be called", self.cursor.current.offset)
            else:
                return node

    def dotted(self, node: nodes.Expr) -> nodes.Expr:
        self.cursor.next()
        token = self.cursor.expect(Kind.NAME, wanted="a name")
        found = nodes.Getattr(node, token.text, "load", lineno=token.offset)
        if not self.cursor.at(Kind.PUNCTUATION, "("):
            return found
        arguments = self.arguments()
        if arguments.named:
            raise Mistake("members take no named arguments", arguments.offset)
        call = nodes.Call(found, arguments.positional, [], None, None)
        call.lineno = token.offset
        return call

    def filtered(self, left: nodes.Expr) -> nodes.Expr:
        """Parse the name and the arguments after `|`."""
        token = self.cursor.expect(Kind.NAME, wanted="the name of a filter")
        values = bound(FILTERS, token, self.optional_arguments(token), self.warnings)
        return nodes.Filter(left, token.text, values, [], None, None, lineno=token.offset)

    def tested(self, left: nodes.Expr) -> nodes.Expr:
        """Parse the name after `is`."""
        token = self.cursor.expect(Kind.NAME, wanted="the name of a test")
        values = bound(TESTS, token, self.optional_arguments(token), self.warnings)
        return nodes.Test(left, token.text, values, [], None, None, lineno=token.offset)

    def optional_arguments(self, token: Token) -> Arguments:
        """Parse arguments if they follow."""
        if self.cursor.at(Kind.PUNCTUATION, "("):
            return self.arguments()
        return Arguments([], {}, token.offset)

    def arguments(self) -> Arguments:
        """Parse `(a, b, name=c)`."""
        offset = self.cursor.next().offset
        arguments = Arguments([], {}, offset)
        while not self.cursor.mark(")"):
            self.separated(bool(arguments.positional or arguments.named))
            self.argument(arguments)
        return arguments

    def argument(self, arguments: Arguments) -> None:
        """Parse one argument."""
        token, after = self.cursor.current, self.cursor.peek()
        if token.kind is Kind.NAME and after.kind is Kind.PUNCTUATION and after.text == "=":
            if token.text in CONSTANTS:
                raise Mistake(f"`{token.text}` cannot be named here", token.offset)
            if token.text in arguments.named:
                self.warnings.append(
                    Mistake(f"`{token.text}` is given twice; the last one counts", token.offset)
                )
            self.cursor.next()
            self.cursor.next()
            arguments.named[token.text] = self.expression()
        elif arguments.named:
            raise Mistake("arguments without a name come first", token.offset)
        else:
            arguments.positional.append(self.expression())


def same(one: object, other: object) -> bool:
    """Whether two readings are equal; of very long rows nobody has written parentheses, so nothing is said."""
    try:
        return one == other
    except RecursionError:
        return True


STARTS: Final[dict[str, Callable[[Grammar], nodes.Expr]]] = {
    "(": Grammar.parenthesised,
    "[": Grammar.list_literal,
    "{": Grammar.map_literal,
}
SIMPLE: Final[dict[Kind, Callable[[Grammar], nodes.Expr]]] = {
    Kind.NAME: Grammar.name,
    Kind.INTEGER: Grammar.integer,
    Kind.DECIMAL: Grammar.decimal,
    Kind.TEXT: Grammar.text,
    Kind.INTERPOLATION_START: Grammar.text,
}


def combine(token: Token, left: nodes.Expr, right: nodes.Expr) -> nodes.Expr:
    """Make the node of a binary operator."""
    if token.text == "~":
        first = left.nodes if isinstance(left, nodes.Concat) else [left]
        return nodes.Concat([*first, right], lineno=token.offset)
    if token.text in BINARY:
        return BINARY[token.text](left, right, lineno=token.offset)
    return nodes.Compare(left, [nodes.Operand(token.text, right)], lineno=token.offset)


def bound(table: Table, token: Token, arguments: Arguments, warnings: list[Mistake]) -> list[nodes.Expr]:
    """Fit arguments to an entry of a table."""
    entry = known(table, token)
    what = f"{table.what} `{token.text}`"
    values = bind(what, entry.parameters, arguments, warnings, variadic=entry.variadic)
    return filled(values, token.offset)


def filled(values: list[nodes.Expr | None], offset: int) -> list[nodes.Expr]:
    """Put null where an optional argument is left out."""
    return [nodes.Const(None, lineno=offset) if one is None else one for one in values]


def known(table: Table, token: Token) -> Entry:
    """Return the entry of that name, or fail with the nearest one."""
    if token.text in table:
        return table[token.text]
    raise Mistake(
        f"there is no {table.what} `{token.text[:60]}`",
        token.offset,
        code="E002",
        name=token.text,
        nearest=nearest(token.text, table),
    )
