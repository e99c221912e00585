"""Random small mistakes: another comparison, another operator, another constant, a condition or a statement left out."""

import ast
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

COMPARE: Final[dict[type[ast.cmpop], tuple[str, str]]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}  # fmt: skip
ARITHMETIC: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.FloorDiv: ("//", "*"), ast.Div: ("/", "*"),
    ast.Mod: ("%", "+"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|"),
}  # fmt: skip


_At = Callable[["ast.expr | ast.stmt"], "tuple[int, int]"]
_Between = Callable[[ast.expr, ast.expr, "tuple[str, str]"], "tuple[int, int, str] | None"]
_Change = tuple[int, int, str, str]


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one place; offsets are characters of the file."""

    file: str
    line: int
    start: int
    end: int
    after: str
    what: str

    @property
    def name(self) -> str:
        """Where and what, in a line."""
        return f"{self.file}:{self.line} {self.what}"

    def applied(self, source: str) -> str:
        """The file with the mistake."""
        return source[: self.start] + self.after + source[self.end :]


def chosen(root: Path, files: list[str], seed: int, count: int) -> list[Mutant]:
    """A sample of all the mistakes that could be made in these files."""
    found = [mutant for file in sorted(files) for mutant in mutants(root, file)]
    return random.Random(seed).sample(found, min(count, len(found)))


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    """Every mistake this module can make in a file."""
    source = (root / file).read_text(encoding="utf-8")
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def offset(line: int, column: int) -> int:
        text = source[lines[line - 1] : lines[line]]
        return lines[line - 1] + len(text.encode()[:column].decode())

    def at(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)

    def between(left: ast.expr, right: ast.expr, texts: tuple[str, str]) -> tuple[int, int, str] | None:
        start, end = at(left)[1], at(right)[0]
        place = source.find(texts[0], start, end)
        return None if place < 0 else (place, place + len(texts[0]), texts[1])

    for node in _code(ast.parse(source)):
        for start, end, after, what in _changes(node, at, between, source):
            yield Mutant(
                file=file, line=source.count("\n", 0, start) + 1, start=start, end=end, after=after, what=what
            )


def _changes(node: ast.AST, at: _At, between: _Between, source: str) -> Iterator[_Change]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
            texts = COMPARE[type(op)]
            if found := between(left, right, texts):
                yield *found, f"{texts[0]} -> {texts[1]}"
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in ARITHMETIC:
            texts = ARITHMETIC[type(operator)]
            if not isinstance(right, ast.Constant | ast.JoinedStr) or not isinstance(
                getattr(right, "value", 0), str
            ):
                if found := between(left, right, texts):
                    yield *found, f"{texts[0]} -> {texts[1]}"
        case ast.BoolOp(op=both, values=[first, second, *_]):
            texts = ("and", "or") if isinstance(both, ast.And) else ("or", "and")
            if found := between(first, second, texts):
                yield *found, f"{texts[0]} -> {texts[1]}"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            start, end = at(node)
            yield start, end, f"({source[at(operand)[0] : at(operand)[1]]})", "not left out"
        case ast.Constant(value=bool() as value):
            yield *at(node), str(not value), f"{value} -> {not value}"
        case ast.Constant(value=int() as value):
            yield *at(node), str(value + 1), f"{value} -> {value + 1}"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
            start, end = at(node)
            yield start, end, "pass", f"left out: {source[start:end].splitlines()[0][:60]}"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            start, end = at(node)
            yield start, end, "pass", f"left out: {source[start:end].splitlines()[0][:60]}"
        case _:
            return


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs: no docstrings, annotations, messages of raised errors, imports or lines of a log."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert):
            continue
        if isinstance(node, ast.Expr) and _spoken(node.value):
            continue
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield from _code(node.value)
            continue
        if isinstance(node, ast.arg) or (isinstance(node, ast.BinOp) and _types(node)):
            continue
        if isinstance(node, ast.ClassDef):  # frozen, kw_only: how a struct is made, not what it does
            yield from _code(ast.Module(body=node.body, type_ignores=[]))
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*node.body, *node.args.defaults):
                yield part
                yield from _code(part)
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _code(node)


def _types(node: ast.BinOp) -> bool:
    """A union of types."""
    return isinstance(node.op, ast.BitOr) and any(
        isinstance(side, ast.Name | ast.Attribute) and ast.unparse(side).rpartition(".")[2][:1].isupper()
        for side in (node.left, node.right)
    )


def _spoken(value: ast.expr) -> bool:
    """A docstring, or a word to the log."""
    if isinstance(value, ast.Constant):
        return True
    called = value.func if isinstance(value, ast.Call) else None
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id == "logger"
    )
