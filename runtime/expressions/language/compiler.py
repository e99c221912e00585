"""From a template's text to functions that can be called, by way of Jinja2's compiler."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Final

from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hookledger.runtime.expressions.errors import ExpressionSyntaxError, Problem
from hookledger.runtime.expressions.language.generator import TemplateGenerator
from hookledger.runtime.expressions.language.parser import Parsed, parse
from hookledger.runtime.expressions.language.tokens import Mistake
from hookledger.runtime.expressions.language.writing import Span
from hookledger.runtime.expressions.support import NAMESPACE
from hookledger.runtime.expressions.values import Value

ENVIRONMENT: Final = ImmutableSandboxedEnvironment(
    autoescape=False, keep_trailing_newline=True, optimized=False
)
SOURCE_NAME: Final = "<expression>"
TOO_DEEP: Final = "the template is nested too deep or too long to compile; split it with `set`"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compiling a template gives."""

    code: CodeType
    spans: tuple[Span, ...]
    names: frozenset[str]
    functions: Mapping[str, int]  # by name, with the offset of the first call
    warnings: tuple[Problem, ...]
    root: Callable[..., str] | None  # the text of the whole template
    value: Callable[..., Value] | None  # the value of a template that is one expression

    def offset_of(self, trace: TracebackType | None) -> int | None:
        """The offset in the template of the operation that raised."""
        found: tuple[int, int] | None = None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == SOURCE_NAME:
                found = position(trace) or found
            trace = trace.tb_next
        return None if found is None else self.innermost(found)

    def innermost(self, place: tuple[int, int]) -> int | None:
        """The offset of the smallest expression written around a place of the source."""
        around = [span for span in self.spans if span[0] <= place < span[1]]
        if around:
            return max(around, key=lambda span: span[0])[2]
        return next((span[2] for span in self.spans if span[0][0] == place[0]), None)

    def first_offset(self) -> int | None:
        """The offset of the first expression: where a template of one expression goes wrong."""
        return min((span[2] for span in self.spans), default=None)


def position(trace: TracebackType) -> tuple[int, int] | None:
    """Line and column, in generated source, of the instruction that raised."""
    places = list(trace.tb_frame.f_code.co_positions())
    line, _, column, _ = places[trace.tb_lasti // 2]
    return None if line is None or column is None else (line, column)


def compile_template(template: str) -> Compiled:
    """Compile a template, or raise with all its problems."""
    try:
        parsed = parse(template)
        if parsed.mistakes:
            raise ExpressionSyntaxError(tuple(one.problem(template) for one in parsed.mistakes), template)
        return generated(parsed, template)
    except Mistake as mistake:
        raise ExpressionSyntaxError((mistake.problem(template),), template) from mistake
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise ExpressionSyntaxError((Problem(code="E001", message=TOO_DEEP),), template) from error


def generated(parsed: Parsed, template: str) -> Compiled:
    """Write Python source for the nodes and load it."""
    generator = TemplateGenerator(parsed, ENVIRONMENT)
    generator.visit(nodes.Template(parsed.body, lineno=1))
    code = compile(generator.stream.getvalue(), SOURCE_NAME, "exec")  # type: ignore[attr-defined]
    namespace: dict[str, Value] = dict(NAMESPACE)
    exec(code, namespace)
    return Compiled(
        code=code,
        spans=tuple(generator.spans),
        names=frozenset(generator.names),
        functions=parsed.functions,
        warnings=tuple(one.problem(template) for one in parsed.warnings),
        root=namespace.get("root"),
        value=namespace.get("value"),
    )
