"""Functions that render again, or show what a template can see."""

from collections.abc import Mapping

from hookledger.runtime.expressions.errors import LimitExceeded
from hookledger.runtime.expressions.library.arguments import boolean_of
from hookledger.runtime.expressions.library.registry import FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value, entries, is_list, is_map, made

PASSES_MAX = 100


@FUNCTIONS("render", "toRender", "recursive?", scoped=True)
def render(run: Run, variables: Mapping[str, Value], value: Value, recursive: Value = None) -> Value:
    """Render text, or the texts of a list or map, until nothing changes any more."""
    again = recursive is None or boolean_of(recursive, "`recursive`")
    return rendered(run, variables, value, PASSES_MAX if again else 1)


@FUNCTIONS("renderOnce", "toRender", scoped=True)
def render_once(run: Run, variables: Mapping[str, Value], value: Value) -> Value:
    """Render text, or the texts of a list or map, once."""
    return rendered(run, variables, value, 1)


def rendered(run: Run, variables: Mapping[str, Value], value: Value, passes: int) -> Value:
    """Render every text in a tree; of two keys that become the same the first wins."""
    run.spend(1)
    if isinstance(value, str):
        return rendered_text(run, variables, value, passes)
    if is_map(value):
        result: dict[Value, Value] = {}
        for key, one in entries(value).items():
            new_key = rendered(run, variables, key, passes)
            result.setdefault(new_key, rendered(run, variables, one, passes))
        return made(result)
    if is_list(value):
        return [rendered(run, variables, one, passes) for one in value]
    return value


def rendered_text(run: Run, variables: Mapping[str, Value], text: str, passes: int) -> str:
    """Render a text as often as it still changes."""
    for _ in range(passes):
        result = run.render_nested(run, text, variables)
        if result == text:
            return result
        text = result
    if passes > 1:
        raise LimitExceeded(f"`render` still finds something to render after {passes} times")
    return text


@FUNCTIONS("printContext fetchContext", scoped=True)
def print_context(_run: Run, variables: Mapping[str, Value]) -> Value:
    """All variables as a map. It shows whatever is in them: think before logging it."""
    return made(dict(variables))


@FUNCTIONS("block", "name")
def block(_run: Run, _name: Value) -> Value:
    """The text of a block once more; compiled in place, this body is never called."""
    raise AssertionError("block() is compiled in place")
