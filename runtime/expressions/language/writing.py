"""Turns nodes into Python source: values, names and what is reached from them."""

from typing import TYPE_CHECKING, Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator

from hookledger.runtime.expressions.language.scopes import LOOP, Scope

if TYPE_CHECKING:
    from jinja2 import Environment

    from hookledger.runtime.expressions.language.parser import Parsed

Span = tuple[tuple[int, int], tuple[int, int], int]  # from and to as line and column of the source, offset

LOOP_PARTS: Final = {
    "index": "{0}_i",
    "first": "({0}_i == 0)",
    "last": "({0}_i == {0}_n - 1)",
    "length": "{0}_n",
    "revindex": "({0}_n - 1 - {0}_i)",
}


class SourceWriter(CodeGenerator):
    """Writes values, names and what is reached from them."""

    def __init__(self, parsed: "Parsed", environment: "Environment") -> None:
        super().__init__(environment, None, None, optimized=False)
        self.parsed = parsed
        self.scopes: list[Scope] = []
        self.sinks: list[tuple[str, str]] = []  # how to turn values into text, and where to put it
        self.contents: list[str] = []  # the content a filter tag works on
        self.printing: list[str] = []  # blocks being written
        self.names: set[str] = set()  # top-level variables the template reads
        self.given: set[str] = set()  # names that certainly were set before this point
        self.in_macro = False
        self.spans: list[Span] = []
        self.loops: int = 0
        self.copies: int = 0
        self.catching = 0  # inside an operand whose missing values are caught
        self._column = 0

    def write(self, x: str) -> None:
        """Write, keeping track of the column."""
        fresh = bool(self._new_lines)
        super().write(x)
        self._column = len(x) + (4 * self._indentation if fresh else self._column)

    def position_now(self) -> tuple[int, int]:
        """Line and column of what is written next."""
        if self._new_lines:
            return self.code_lineno + self._new_lines, 4 * self._indentation
        return self.code_lineno, self._column

    def visit(self, node: nodes.Node, *args: object, **kwargs: object) -> None:
        """Write a node and remember where, so that a failing line leads back to the template."""
        start = self.position_now()
        super().visit(node, *args, **kwargs)
        if isinstance(node, nodes.Expr) and node.lineno is not None:  # pyright: ignore[reportUnnecessaryComparison]
            self.spans.append((start, self.position_now(), node.lineno))

    def macro_number(self, name: str) -> int:
        return list(self.parsed.macros).index(name)

    # -- values

    def visit_Const(self, node: nodes.Const, frame: object = None) -> None:
        value = node.value
        self.write("INFINITY" if value == float("inf") else ascii(value))

    def visit_List(self, node: nodes.List, frame: object = None) -> None:
        self.write("[")
        for item in node.items:
            self.visit(item)
            self.write(", ")
        self.write("]")

    def visit_Dict(self, node: nodes.Dict, frame: object = None) -> None:
        self.write("made({")
        for pair in node.items:
            self.key(pair.key)
            self.write(": ")
            self.visit(pair.value)
            self.write(", ")
        self.write("})")

    def key(self, node: nodes.Expr) -> None:
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            self.visit(node)
        else:
            self.call("map_key", node)

    def call(self, function: str, *operands: nodes.Node) -> None:
        """Write a call of one of our functions."""
        self.write(f"{function}(run")
        for operand in operands:
            self.write(", ")
            self.visit(operand)
        self.write(")")

    # -- names

    def visit_Name(self, node: nodes.Name, frame: object = None) -> None:
        """Write a look-up from the inside out; the last place raises if it is missing there too."""
        if not node.name:
            self.write(f"content(run, {self.contents[-1]})")
        else:
            absent = f"no_variable(variables, {node.name!a}, {node.lineno})"
            self.write(self.looked_up(node.name, absent))

    def looked_up(self, name: str, absent: str) -> str:
        """The source of a look-up."""
        found: list[str] = []
        for scope in reversed(self.scopes):
            if name == LOOP and scope.counter is not None and not scope.shadowed and LOOP not in scope.slots:
                return self.chained(found, f"loop_map({scope.counter}_i, {scope.counter}_n)")
            if name in scope.certain and name in scope.slots:
                return self.chained(found, scope.slots[name])
            if name in scope.slots:
                found.append(scope.slots[name])
        if name not in self.given and not self.in_macro:
            self.names.add(name)
        return self.chained(found, absent)

    def chained(self, found: list[str], last: str) -> str:
        if not found:
            return last
        return f"({found[0]} if {found[0]} is not MISSING else {self.chained(found[1:], last)})"

    def visit_Getattr(self, node: nodes.Getattr, frame: object = None) -> None:
        part = self.loop_part(node)
        if part is not None:
            self.write(part)
        else:
            self.write("attribute(run, ")
            self.visit(node.node)
            self.write(f", {node.attr!a})")

    def loop_part(self, node: nodes.Getattr) -> str | None:
        """`loop.index` and its like are computed in place when `loop` is the loop's own."""
        if not isinstance(node.node, nodes.Name) or node.node.name != LOOP or node.attr not in LOOP_PARTS:
            return None
        inner = next((scope for scope in reversed(self.scopes) if LOOP in scope.certain), None)
        if inner is None or inner.shadowed or LOOP in inner.slots or inner.counter is None:
            return None
        later = self.scopes[self.scopes.index(inner) + 1 :]
        if any(LOOP in scope.slots for scope in later):
            return None
        return LOOP_PARTS[node.attr].format(inner.counter)

    def visit_Getitem(self, node: nodes.Getitem, frame: object = None) -> None:
        self.write("attribute(run, ")
        self.visit(node.node)
        self.write(", ")
        self.visit(node.arg)
        self.write(")")
