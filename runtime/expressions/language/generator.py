"""Turns nodes into Python source: statements. Expressions are next door.

Built on Jinja2's code generator for writing, visiting and compiling. The source it writes calls the functions
of this package directly and never reads an attribute of a value, so the sandbox needs no checks at run time.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from jinja2 import nodes

from hookledger.runtime.expressions.language.expressions import ExpressionGenerator
from hookledger.runtime.expressions.language.scopes import LOOP, Scope, calls, names_read, names_set
from hookledger.runtime.expressions.language.tokens import Mistake
from hookledger.runtime.expressions.library.registry import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Generator

BLOCKS_MAX: Final = 200  # copies of block bodies; blocks may print each other


class TemplateGenerator(ExpressionGenerator):
    """Writes one template as a Python module with a function `root` and one function per macro."""

    def visit_Template(self, node: nodes.Template, frame: object = None) -> None:
        """Write the whole module."""
        for macro in self.parsed.macros.values():
            self.function(f"m_{self.macro_number(macro.name)}(run, given)", macro.body, macro)
        single = self.single_expression()
        if single is not None:
            self.value_function(single)
        else:
            self.function("root(run, variables)", node.body, None)

    def single_expression(self) -> nodes.Expr | None:
        """The expression of a template that is nothing but one; its value keeps its type."""
        body = self.parsed.body
        if len(body) != 1 or not isinstance(body[0], nodes.Output):
            return None
        only = body[0].nodes[0]
        return None if isinstance(only, nodes.TemplateData) else only

    def value_function(self, expression: nodes.Expr) -> None:
        """Write a function that returns the value of the only expression."""
        self.writeline("def value(run, variables):")
        self.indent()
        self.open_scope([expression])
        self.hoist([expression])
        self.writeline("return ")
        self.visit(expression)
        self.outdent()
        self.scopes.clear()

    def function(self, head: str, body: list[nodes.Node], macro: nodes.Macro | None) -> None:
        """Write a function that returns the text of a body."""
        self.writeline(f"def {head}:")
        self.indent()
        self.sinks.append(("java_text" if macro else "text", "out"))
        self.in_macro = macro is not None
        if macro is not None:
            self.macro_head(macro)
        else:
            self.open_scope(body)
        self.writeline("out = []")
        self.statements(body)
        self.writeline("return run.join(out)")
        self.sinks.pop()
        self.outdent()
        self.scopes.clear()
        self.given.clear()
        self.in_macro = False

    def macro_head(self, macro: nodes.Macro) -> None:
        """Take the arguments; defaults are computed only when needed and see the ones before."""
        self.writeline("variables = NOTHING")
        scope = self.open_scope([*macro.body, *macro.defaults])
        for parameter, default in zip(macro.args, macro.defaults, strict=True):
            name = ascii(parameter.name)
            self.writeline(f"{scope.slot(parameter.name)} = given[{name}] if {name} in given else ")
            self.visit(default)

    def open_scope(self, body: Iterable[nodes.Node]) -> Scope:
        """Start a function's own scope: every name in it is looked up once."""
        body = list(body)
        scope = Scope("s0")
        self.scopes.append(scope)
        in_blocks = self.names_in_blocks() if self.shows_blocks(body) else set[str]()
        wanted = names_read(body) | in_blocks
        for name in sorted(wanted):
            self.writeline(f"{scope.slot(name)} = variables.get({name!a}, MISSING)")
        return scope

    def names_in_blocks(self) -> set[str]:
        return names_read(self.parsed.blocks.values())

    def prints_blocks(self, body: Iterable[nodes.Node]) -> bool:
        return calls(body, frozenset({"block"}))

    def shows_blocks(self, body: Iterable[nodes.Node]) -> bool:
        """Whether a block may be written here that does not stand here."""
        return self.parsed.repeated or self.prints_blocks(body)

    def statements(self, body: Iterable[nodes.Node]) -> None:
        """Write statements; a body that writes nothing still needs one."""
        self.writeline("pass")
        for node in body:
            self.visit(node)

    @contextmanager
    def indented(self, head: str) -> "Generator[None]":
        """Write a block of Python."""
        self.writeline(head)
        self.indent()
        yield
        self.outdent()

    @contextmanager
    def perhaps(self) -> "Generator[None]":
        """What is set in here may not be set afterwards."""
        before = set(self.given)
        yield
        self.given.intersection_update(before)

    def visit_Output(self, node: nodes.Output, frame: object = None) -> None:
        """Write text and the value of an expression to the current output."""
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                self.writeline(f"{self.sinks[-1][1]}.append({child.data!a})")
            else:
                self.hoist([child])
                self.print_value(child)

    def print_value(self, node: nodes.Expr) -> None:
        """Write the text of one value; text itself takes the short way."""
        writer, sink = self.sinks[-1]
        held = self.temporary_identifier()
        self.writeline(f"{sink}.append({held} if (")
        self.write(f"{held} := ")
        self.visit(node)
        self.write(f").__class__ is str else {writer}(run, {held}))")

    def visit_If(self, node: nodes.If, frame: object = None) -> None:
        """Write `if`, its other branches and `else`."""
        branches = [node, *node.elif_]
        self.hoist([branch.test for branch in branches])
        for keyword, branch in zip(["if", *["elif"] * len(node.elif_)], branches, strict=True):
            self.writeline(f"{keyword} ")
            self.hard(partial(self.condition, branch.test))
            self.write(":")
            self.branch(branch.body)
        if node.else_:
            self.writeline("else:")
            self.branch(node.else_)

    def branch(self, body: list[nodes.Node]) -> None:
        self.indent()
        with self.perhaps():
            self.statements(body)
        self.outdent()

    def visit_For(self, node: nodes.For, frame: object = None) -> None:
        """Write a loop; null has no elements and no `else` either."""
        assert isinstance(node.target, nodes.Name)
        self.hoist([node.iter])
        self.loops += 1
        items = f"l{self.loops}"
        self.writeline(f"{items} = items(run, ")
        self.visit(node.iter)
        self.write(")")
        with self.indented(f"if {items}:"), self.perhaps():
            self.loop_body(node, items, node.target.name)
        if node.else_:
            self.writeline(f"elif {items} is not None:")
            self.branch(node.else_)

    def loop_body(self, node: nodes.For, items: str, target: str) -> None:
        """Write the loop itself, in its own scope."""
        scope = self.loop_scope(node, items, target)
        positions = f"for {items}_i, {scope.slot(target)} in enumerate({items}):"
        counted = scope.counter is not None
        if counted:
            self.writeline(f"{items}_n = len({items})")
        with self.indented(positions if counted else f"for {scope.slot(target)} in {items}:"):
            self.writeline("run.spend(1)")
            if scope.shadowed:
                self.writeline(f"{scope.slot(LOOP)} = loop_map({items}_i, {items}_n)")
            self.statements(node.body)
        self.scopes.pop()

    def loop_scope(self, node: nodes.For, items: str, target: str) -> Scope:
        """Start the scope of a loop: what its body may set lives until the loop ends."""
        blocks = self.parsed.blocks.values() if self.shows_blocks(node.body) else ()
        names = names_set([*node.body, *blocks]) - {target}
        scope = Scope(f"s{self.loops}", certain={target, LOOP})
        wanted = LOOP in names_read([*node.body, *blocks]) or calls(node.body, SCOPED)
        scope.counter = items if wanted or LOOP in names else None
        scope.shadowed = LOOP in names and target != LOOP
        for name in sorted(names):
            self.writeline(f"{scope.slot(name)} = MISSING")
        scope.slot(target)
        self.scopes.append(scope)
        return scope

    def visit_Assign(self, node: nodes.Assign, frame: object = None) -> None:
        """Write `set`: the innermost variable that exists, else a new one in the innermost scope."""
        assert isinstance(node.target, nodes.Name)
        self.hoist([node.node])
        name, held = node.target.name, self.temporary_identifier()
        self.writeline(f"{held} = ")
        self.visit(node.node)
        self.store(name, held)
        if len(self.scopes) == 1:
            self.given.add(name)

    def store(self, name: str, held: str) -> None:
        """Write the choice of the variable to change."""
        inner = self.scopes[-1]
        if len(self.scopes) == 1 or name in inner.certain:
            self.writeline(f"{inner.slot(name)} = {held}")
            return
        keyword = "if"
        for scope in reversed(self.scopes):
            if name in scope.slots:
                self.choice(f"{keyword} {scope.slot(name)} is not MISSING:", scope.slot(name), held)
                keyword = "elif"
        self.choice("else:", inner.slot(name), held)

    def choice(self, head: str, slot: str, held: str) -> None:
        with self.indented(head):
            self.writeline(f"{slot} = {held}")

    def visit_Macro(self, node: nodes.Macro, frame: object = None) -> None:
        """Macros are written before everything else; where they stand nothing happens."""

    def visit_Block(self, node: nodes.Block, frame: object = None) -> None:
        """Write a block where it stands; of two with one name the last stands at both places."""
        self.inline_block(node.name, lambda: self.statements(self.parsed.blocks[node.name].body))

    def inline_block(self, name: str, write: Callable[[], None]) -> None:
        """Write a block's body; a block inside itself would never end."""
        self.copies += 1
        offset = self.parsed.blocks[name].lineno
        if name in self.printing or self.copies > BLOCKS_MAX:
            raise Mistake(f"the block `{name[:60]}` prints itself, or too many blocks print others", offset)
        self.printing.append(name)
        write()
        self.printing.pop()

    def visit_FilterBlock(self, node: nodes.FilterBlock, frame: object = None) -> None:
        """Write the content to an output of its own, then filter that text."""
        self.hoist([node.filter])
        content = self.temporary_identifier()
        self.writeline(f"{content} = []")
        self.sinks.append(("java_text", content))
        if "default" in chain(node.filter):
            self.tolerant(node.body, content)
        else:
            self.statements(node.body)
        self.sinks.pop()
        self.contents.append(content)
        self.print_value(node.filter)
        self.contents.pop()

    def tolerant(self, body: list[nodes.Node], content: str) -> None:
        """Write content whose missing values leave nothing, for a `default` around it."""
        with self.indented("try:"):
            self.catching += 1
            with self.perhaps():
                self.statements(body)
            self.catching -= 1
        with self.indented("except MissingValue:"):
            self.writeline(f"{content} = MISSING")

    def hoist(self, expressions: Iterable[nodes.Node]) -> None:
        """Before a statement that calls `block()`, write the blocks as functions it can call."""
        expressions = list(expressions)
        if not self.prints_blocks(expressions):
            return
        for name, block in self.parsed.blocks.items():
            if name not in self.printing:
                self.block_function(name, block)

    def block_function(self, name: str, block: nodes.Block) -> None:
        """Write one block as a local function: it sees and changes the variables around its caller."""
        number, out = list(self.parsed.blocks).index(name), self.temporary_identifier()
        with self.indented(f"def b_{number}():"):
            changed = [
                scope.slots[one]
                for scope in self.scopes
                for one in sorted(names_set(block.body))
                if one in scope.slots
            ]
            if changed:
                self.writeline(f"nonlocal {', '.join(changed)}")
            self.writeline(f"{out} = []")
            self.sinks.append(("java_text", out))
            with self.perhaps():
                self.inline_block(name, lambda: self.statements(block.body))
            self.sinks.pop()
            self.writeline(f"return run.join({out})")


def chain(node: nodes.Node | None) -> Iterator[str]:
    """The names of filters that follow each other, the last one first."""
    while isinstance(node, nodes.Filter):
        yield node.name
        node = node.node


SCOPED: Final = frozenset(name for name, entry in FUNCTIONS.items() if entry.scoped) | {"block"}
