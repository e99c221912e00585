"""Turns nodes into Python source: expressions.

Each expression can be written strictly, where a missing value raises, or softly, where it is MISSING: that is
how `??`, `default` and `is defined` look at a value without an exception in the ordinary case.
"""

from collections.abc import Callable
from typing import Final

from jinja2 import nodes

from hookledger.runtime.expressions.language.scopes import LOOP
from hookledger.runtime.expressions.language.writing import SourceWriter
from hookledger.runtime.expressions.library.registry import FUNCTIONS

COMPARISONS: Final = {
    "==": "equal",
    "equals": "equal",
    "!=": "unequal",
    "<": "less",
    "<=": "less_or_equal",
    ">": "greater",
    ">=": "greater_or_equal",
    "contains": "contains",
    "isIn": "is_in",
    "..": "span",
}
# A missing value inside these is an error which nothing catches; those that order let it through.
HARD: Final = frozenset({"==", "equals", "!="})
BOOLEAN_OPERATORS: Final = HARD | {"<", "<=", ">", ">=", "contains", "isIn"}
SPINE_MAX: Final = 20  # operators of one kind in a row written as nested calls; more are written flat


class ExpressionGenerator(SourceWriter):
    """Writes operators, filters, tests and calls."""

    def hard(self, write: Callable[[], None]) -> None:
        """Write an operation in which a missing value is an error that nothing may catch."""
        if not self.catching:
            write()
            return
        held, self.catching = self.catching, 0
        self.write("hard(lambda: ")
        write()
        self.write(")")
        self.catching = held

    def _arithmetic(self, node: nodes.BinExpr, frame: object = None) -> None:
        self.hard(lambda: self.spine(node))

    visit_Add = visit_Sub = visit_Mul = visit_Div = visit_Mod = _arithmetic

    def spine(self, node: nodes.BinExpr) -> None:
        """Write a row of operators; a long one without nesting, which Python's compiler bounds."""
        row: list[nodes.BinExpr] = []
        left: nodes.Expr = node
        while isinstance(left, nodes.BinExpr) and type(left) in ARITHMETIC:
            row.append(left)
            left = left.left
        if len(row) <= SPINE_MAX:
            self.call(ARITHMETIC[type(node)], node.left, node.right)
        else:
            self.flat(left, row[::-1])

    def flat(self, first: nodes.Expr, row: list[nodes.BinExpr]) -> None:
        held = self.temporary_identifier()
        self.write(f"({held} := ")
        self.visit(first)
        for node in row:
            self.write(f", {held} := {ARITHMETIC[type(node)]}(run, {held}, ")
            self.visit(node.right)
            self.write(")")
        self.write(")[-1]")

    def visit_Neg(self, node: nodes.UnaryExpr, frame: object = None) -> None:
        self.call("negate", node.node)

    def visit_Pos(self, node: nodes.UnaryExpr, frame: object = None) -> None:
        self.call("affirm", node.node)

    def visit_Not(self, node: nodes.UnaryExpr, frame: object = None) -> None:
        self.write("(not ")
        self.condition(node.node)
        self.write(")")

    def visit_And(self, node: nodes.BinExpr, frame: object = None) -> None:
        self.junction(" and ", node)

    def visit_Or(self, node: nodes.BinExpr, frame: object = None) -> None:
        self.junction(" or ", node)

    def junction(self, word: str, node: nodes.BinExpr) -> None:
        """Write `and` or `or`, a whole row of the same at once."""
        row: list[nodes.Expr] = []
        left: nodes.Expr = node
        while type(left) is type(node):
            assert isinstance(left, nodes.BinExpr)
            row.append(left.right)
            left = left.left
        self.write("(")
        for number, operand in enumerate([left, *row[::-1]]):
            self.write(word if number else "")
            self.condition(operand)
        self.write(")")

    def condition(self, node: nodes.Node) -> None:
        """Write an expression whose truth is wanted; comparisons are boolean already."""
        if is_boolean(node):
            self.visit(node)
        else:
            self.call("truth", node)

    def visit_Concat(self, node: nodes.Concat, frame: object = None) -> None:
        self.write("run.concat((")
        for part in node.nodes:
            if isinstance(part, nodes.Const) and isinstance(part.value, str):
                self.visit(part)
            else:
                self.call("java_text", part)
            self.write(", ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: object = None) -> None:
        operator, right = node.ops[0].op, node.ops[0].expr
        if operator in ("??", "???"):
            self.coalesce(operator, node.expr, lambda: self.visit(right))
        elif operator in HARD:
            self.hard(lambda: self.call(COMPARISONS[operator], node.expr, right))
        elif operator == "contains":
            self.contains(node.expr, right)
        else:
            self.call(COMPARISONS[operator], node.expr, right)

    def contains(self, left: nodes.Expr, right: nodes.Expr) -> None:
        """Write `contains`: null contains nothing, whatever is asked for."""
        held = self.temporary_identifier()
        self.write(f"(({held} := ")
        self.visit(left)
        self.write(f") is not None and contains(run, {held}, ")
        self.visit(right)
        self.write("))")

    def coalesce(self, operator: str, left: nodes.Expr, write_right: Callable[[], None]) -> None:
        """Write `??` or `???`: the left side without an exception, the right only if needed."""
        held = self.temporary_identifier()
        self.write(f"({held} if ({held} := ")
        self.soft(left)
        self.write(") is not MISSING ")
        self.write(f"and {held} is not None else " if operator == "??" else "else ")
        write_right()
        self.write(")")

    def visit_CondExpr(self, node: nodes.CondExpr, frame: object = None) -> None:
        assert node.expr2 is not None
        self.write("(")
        self.visit(node.expr1)
        self.write(" if ")
        if is_boolean(node.test):
            self.visit(node.test)
        else:
            self.call("choice", node.test)
        self.write(" else ")
        self.visit(node.expr2)
        self.write(")")

    # -- filters, tests, functions

    def visit_Filter(self, node: nodes.Filter, frame: object = None) -> None:
        assert node.node is not None
        self.write(f"filtered(run, f_{node.name}, ")
        if node.name == "default":
            self.soft(node.node)
        else:
            self.visit(node.node)
        self.operands(node.args)
        self.write(")")

    def operands(self, values: list[nodes.Expr]) -> None:
        for value in values:
            self.write(", ")
            self.visit(value)

    def visit_Test(self, node: nodes.Test, frame: object = None) -> None:
        self.write(f"t_{node.name}(run, ")
        if node.name == "defined":
            self.soft(node.node)
        else:
            self.visit(node.node)
        self.operands(node.args)
        self.write(")")

    def visit_Call(self, node: nodes.Call, frame: object = None, forward_caller: bool = False) -> None:
        if isinstance(node.node, nodes.Getattr):
            self.write("called(run, call_member, ")
            self.visit(node.node.node)
            self.write(f", {node.node.attr!a}")
            self.operands(node.args)
            self.write(")")
            return
        assert isinstance(node.node, nodes.Name)
        self.named_call(node.node.name, node)

    def named_call(self, name: str, node: nodes.Call) -> None:
        """Write the call of a block, a function or a macro."""
        if name == "block":
            self.block_call(node)
        elif name in FUNCTIONS:
            scope = f", {self.in_sight()}" if FUNCTIONS[name].scoped else ""
            self.write(f"called(run, c_{name}{scope}")
            self.operands(node.args)
            self.write(")")
        else:
            self.write(f"macro(run, m_{self.macro_number(name)}, ")
            self.visit(node.args[0])
            self.write(")")

    def block_call(self, node: nodes.Call) -> None:
        """Write `block(name)`: every block that could be meant is a local function by now."""
        known = [(number, one) for number, one in enumerate(self.parsed.blocks) if one not in self.printing]
        table = ", ".join(f"{one!a}: b_{number}" for number, one in known)
        self.write(f"printed_block(run, {{{table}}}, {tuple(self.printing)!a}, ")
        self.visit(node.args[0])
        self.write(")")

    def in_sight(self) -> str:
        """The source of all variables in sight, for functions that render or list them."""
        pairs = [f"({name!a}, {slot})" for scope in self.scopes for name, slot in scope.slots.items() if name]
        loops = [scope for scope in self.scopes if scope.counter is not None and not scope.shadowed]
        if loops and LOOP not in loops[-1].slots:
            pairs.append(f"('loop', loop_map({loops[-1].counter}_i, {loops[-1].counter}_n))")
        return f"in_sight(variables, ({', '.join(pairs)}{',' if pairs else ''}))"

    # -- soft forms

    def soft(self, node: nodes.Node) -> None:
        """Write an expression that is MISSING where the strict form would raise."""
        write = SOFT.get(type(node), ExpressionGenerator.soft_other)
        start = self.position_now()
        write(self, node)
        self.spans.append((start, self.position_now(), node.lineno))

    def soft_other(self, node: nodes.Node) -> None:
        """Anything else is computed strictly, and its missing values are caught."""
        self.catching += 1
        self.write("caught(lambda: ")
        self.visit(node)
        self.write(")")
        self.catching -= 1

    def soft_const(self, node: nodes.Node) -> None:
        self.visit(node)

    def soft_name(self, node: nodes.Node) -> None:
        assert isinstance(node, nodes.Name)
        if node.name:
            self.write(self.looked_up(node.name, "MISSING"))
        else:
            self.write(f"soft_content(run, {self.contents[-1]})")

    def soft_getattr(self, node: nodes.Node) -> None:
        assert isinstance(node, nodes.Getattr)
        if self.loop_part(node) is not None:
            self.visit(node)
            return
        self.write("soft_attribute(run, ")
        self.soft(node.node)
        self.write(f", {node.attr!a})")

    def soft_getitem(self, node: nodes.Node) -> None:
        assert isinstance(node, nodes.Getitem)
        self.write("soft_attribute(run, ")
        self.soft(node.node)
        self.write(", ")
        self.soft(node.arg)
        self.write(")")

    def soft_compare(self, node: nodes.Node) -> None:
        assert isinstance(node, nodes.Compare)
        operator, right = node.ops[0].op, node.ops[0].expr
        if operator in ("??", "???"):
            self.coalesce(operator, node.expr, lambda: self.soft(right))
        elif operator in HARD:
            self.visit(node)
        else:
            self.soft_other(node)

    def soft_filter(self, node: nodes.Node) -> None:
        """A filter without computed arguments is left out when its input is missing."""
        assert isinstance(node, nodes.Filter)
        assert node.node is not None
        if node.name == "default" or not all(isinstance(one, nodes.Const) for one in node.args):
            self.soft_other(node)
            return
        held = self.temporary_identifier()
        self.write(f"(MISSING if ({held} := ")
        self.soft(node.node)
        self.write(f") is MISSING else filtered(run, f_{node.name}, {held}")
        self.operands(node.args)
        self.write("))")


ARITHMETIC: Final[dict[type[nodes.Node], str]] = {
    nodes.Add: "add",
    nodes.Sub: "subtract",
    nodes.Mul: "multiply",
    nodes.Div: "divide",
    nodes.Mod: "remainder",
}
SOFT: Final[dict[type[nodes.Node], Callable[[ExpressionGenerator, nodes.Node], None]]] = {
    nodes.Const: ExpressionGenerator.soft_const,
    nodes.Name: ExpressionGenerator.soft_name,
    nodes.Getattr: ExpressionGenerator.soft_getattr,
    nodes.Getitem: ExpressionGenerator.soft_getitem,
    nodes.Compare: ExpressionGenerator.soft_compare,
    nodes.Filter: ExpressionGenerator.soft_filter,
    **dict.fromkeys(ARITHMETIC, ExpressionGenerator.soft_const),
}


def is_boolean(node: nodes.Node) -> bool:
    """Whether an expression can only be true or false."""
    if isinstance(node, nodes.Compare):
        return node.ops[0].op in BOOLEAN_OPERATORS
    return isinstance(node, (nodes.Not, nodes.And, nodes.Or, nodes.Test))
