"""Compiled templates and what callers do with them.

Owns the public functions. A rendering is a pure function of the template, the variables and the ambient
values: nothing is read from anywhere else and nothing handed in is changed.
"""

from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

from hookledger.runtime.expressions.ambient import Ambient
from hookledger.runtime.expressions.errors import (
    ExpressionError,
    ExpressionSyntaxError,
    LimitExceeded,
    MissingValue,
    Problem,
    WrongValue,
    line_and_column,
)
from hookledger.runtime.expressions.language.compiler import Compiled, compile_template
from hookledger.runtime.expressions.limits import DEFAULT, Limits
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.support import HardMissing
from hookledger.runtime.expressions.text import text
from hookledger.runtime.expressions.values import Value, is_list, is_map

COMPILE_STEPS_PER_CHAR: Final = 8  # a character takes a few microseconds to compile
NESTED_CHARS_MAX: Final = 4 * 1024  # longer texts from data are not worth remembering
TEMPLATE_CHARS_MAX: Final = 1024 * 1024


class Template:
    """One template, compiled once and rendered as often as wanted, from any thread."""

    __slots__ = ("_compiled", "functions", "is_static", "names", "source")

    def __init__(self, source: str) -> None:
        """Compile `source`; raises ExpressionSyntaxError with every problem in it."""
        self.source = source
        self._compiled = compile_template(source) if "{" in source else None
        self.names: frozenset[str] = self._compiled.names if self._compiled else frozenset()
        self.functions = frozenset(self._compiled.functions) if self._compiled else frozenset[str]()
        self.is_static = self._compiled is None or is_static(self._compiled)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def render(
        self,
        variables: Mapping[str, object],
        ambient: Ambient | None = None,
        *,
        limits: Limits = DEFAULT,
    ) -> str:
        """Return the text of the template."""
        return self.rendered(Run(ambient, limits, render_nested), variables)

    def evaluate(
        self,
        variables: Mapping[str, object],
        ambient: Ambient | None = None,
        *,
        limits: Limits = DEFAULT,
    ) -> Value:
        """Return the value of a template that is exactly one expression, else its text."""
        run = Run(ambient, limits, render_nested)
        compiled = self._compiled
        if compiled is None or compiled.value is None:
            return self.rendered(run, variables)
        try:
            return compiled.value(run, variables)
        except Exception as error:
            self.fail(run, compiled, error)

    def rendered(self, run: Run, variables: Mapping[str, object]) -> str:
        """Render within a run that has begun already."""
        compiled = self._compiled
        if compiled is None:
            return self.source
        try:
            if compiled.value is not None:
                return run.text(text(run, compiled.value(run, variables)))
            assert compiled.root is not None
            return compiled.root(run, variables)
        except Exception as error:
            self.fail(run, compiled, error)

    def fail(self, run: Run, compiled: Compiled, error: Exception) -> NoReturn:
        """Raise what went wrong as an ExpressionError that knows its place and tells no secret."""
        translated = error if isinstance(error, ExpressionError) else translation(error)
        offset = compiled.offset_of(error.__traceback__)
        translated.located(self.source, compiled.first_offset() if offset is None else offset)
        if secrets := run.secrets():
            translated.hide(secrets)
            raise translated from None
        raise translated from (translated.__cause__ if translated is error else error)


def is_static(compiled: Compiled) -> bool:
    """Whether a template gives the same text whatever it is given."""
    return not compiled.spans


def translation(error: Exception) -> ExpressionError:
    """Say in our words what Python found wrong."""
    if isinstance(error, (RecursionError, MemoryError)):
        return LimitExceeded("values are nested too deep or too large")
    return WrongValue(f"this cannot be computed ({type(error).__name__})")


def compile(template: str) -> Template:  # noqa: A001 - the name the rest of the product knows
    """Compile a template; the same text is compiled once.

    Raises:
        ExpressionSyntaxError: With every syntax error and unknown name that could be found.
    """
    return small(template) if len(template) <= SMALL_CHARS_MAX else large(template)


def bounded(template: str) -> Template:
    """Compile a template of bearable length."""
    if len(template) > TEMPLATE_CHARS_MAX:
        raise LimitExceeded(f"a template has more than {TEMPLATE_CHARS_MAX} characters")
    return Template(template)


# Three caches: neither long templates nor texts from data push out those of the flows, or fill the memory.
SMALL_CHARS_MAX: Final = 16 * 1024
small = lru_cache(maxsize=4096)(bounded)
large = lru_cache(maxsize=32)(bounded)
nested = lru_cache(maxsize=256)(bounded)


class Review(NamedTuple):
    """What can be said of a template without rendering it."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()  # what works but is probably not meant


def check(template: str) -> tuple[Problem, ...]:
    """Return everything that is wrong with a template, without rendering it."""
    return review(template).problems


def review(template: str, *, unavailable: Container[str] = ()) -> Review:
    """Say what is wrong with a template, and what is probably not meant.

    Args:
        unavailable: Functions that nothing answers where the template will be rendered; using one is wrong.
    """
    if len(template) > TEMPLATE_CHARS_MAX:
        found = Problem(code="E005", message=f"a template has more than {TEMPLATE_CHARS_MAX} characters")
        return Review((found,))
    if "{" not in template:
        return Review()
    try:
        compiled = compile_template(template)
    except ExpressionSyntaxError as error:
        return Review(error.problems)
    missing = (one for one in compiled.functions.items() if one[0] in unavailable)
    return Review(tuple(unanswered(template, *one) for one in missing), compiled.warnings)


def unanswered(template: str, name: str, offset: int) -> Problem:
    """The problem with a function that nothing answers."""
    line, column = line_and_column(template, offset)
    message = f"the function `{name}` is not available here"
    return Problem(code="E002", message=message, line=line, column=column, name=name)


def render(
    template: str,
    variables: Mapping[str, object],
    ambient: Ambient | None = None,
    *,
    limits: Limits = DEFAULT,
) -> str:
    """Compile and render a template.

    Raises:
        ExpressionError: The template is wrong, a value is missing or unfit, or a limit was reached.
    """
    return compile(template).render(variables, ambient, limits=limits)


def render_nested(run: Run, template: str, variables: Mapping[str, Value]) -> str:
    """Render a text from within a template; what is missing in there is caught by nobody."""
    run.enter()
    if "{" in template:
        run.spend(COMPILE_STEPS_PER_CHAR * len(template))  # also when it is cached: the count must not vary
    try:
        cached = len(template) <= NESTED_CHARS_MAX
        return (nested if cached else bounded)(template).rendered(run, variables)
    except MissingValue as error:
        raise HardMissing(error.message, name=error.name, nearest=error.nearest).located(
            error.template or template, error.offset
        ) from error
    finally:
        run.leave()


def render_value(
    value: object,
    variables: Mapping[str, object],
    ambient: Ambient | None = None,
    *,
    limits: Limits = DEFAULT,
) -> Value:
    """Render the texts and keys in nested lists and maps; everything else keeps its type.

    Of two keys that become the same the first one wins.
    """
    run = Run(ambient, limits, render_nested)  # one for the whole tree: the limits hold for all of it
    return rendered_tree(value, lambda one: compile(one).rendered(run, variables))


def rendered_tree(value: Value, render_text: Callable[[str], str]) -> Value:
    """Apply a rendering to every text in a tree."""
    if isinstance(value, str):
        return render_text(value)
    if is_map(value):
        result: dict[Value, Value] = {}
        for key, one in value.items():
            new_key = rendered_tree(key, render_text)
            new_value = rendered_tree(one, render_text)
            result.setdefault(new_key, new_value)
        return result
    return [rendered_tree(one, render_text) for one in value] if is_list(value) else value
