"""Conditions of triggers in Kestra's older form, brought into expressions.

A condition is a Tree. A text means yes or no by itself; a map with `any` or `none` holds others.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, get_args

import msgspec

from hookledger.runtime.expressions import truthy
from hookledger.runtime.flow.fields import Collector, read_struct
from hookledger.runtime.flow.problems import Path, suggestion
from hookledger.runtime.flow.sources import FlowId, Namespace, Source
from hookledger.runtime.flow.templates import Tree, compile_tree

DEPTH_MAX: Final = 10
INSTEAD: Final = "or use `when:` with an expression"
Ended = Literal["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED"]
Read = Callable[[list[Any]], list[Any]]


class Condition(Source, frozen=True, kw_only=True):
    """Base of the shapes."""

    names: ClassVar[tuple[str, ...]] = ()
    """Of the class, in any package, newest first."""

    type: str

    def written(self, read: Read) -> Any:
        """The same in expressions; `read` does it for what is inside."""
        raise NotImplementedError


class Expression(Condition, frozen=True, kw_only=True):
    """Yes when the text means yes."""

    names: ClassVar[tuple[str, ...]] = ("Expression", "ExpressionCondition", "VariableCondition")

    expression: str

    def written(self, read: Read) -> Any:
        return self.expression


class Or(Condition, frozen=True, kw_only=True):
    """Yes when one of them does."""

    names: ClassVar[tuple[str, ...]] = ("Or", "OrCondition")

    conditions: list[Any]

    def written(self, read: Read) -> Any:
        return {"any": read(self.conditions)}


class Not(Condition, frozen=True, kw_only=True):
    """Yes when none of them does."""

    names: ClassVar[tuple[str, ...]] = ("Not", "NotCondition")

    conditions: list[Any]

    def written(self, read: Read) -> Any:
        return {"none": read(self.conditions)}


class ExecutionFlow(Condition, frozen=True, kw_only=True):
    """The execution that has ended was of this flow."""

    names: ClassVar[tuple[str, ...]] = ("ExecutionFlow", "ExecutionFlowCondition")

    namespace: Namespace
    flow_id: FlowId

    def written(self, read: Read) -> Any:
        return f"{{{{ trigger.namespace == '{self.namespace}' and trigger.flowId == '{self.flow_id}' }}}}"


class ExecutionNamespace(Condition, frozen=True, kw_only=True):
    """The execution that has ended was in this namespace."""

    names: ClassVar[tuple[str, ...]] = ("ExecutionNamespace", "ExecutionNamespaceCondition")
    tests: ClassVar[Mapping[str, str]] = {
        "EQUALS": "trigger.namespace == '{}'",
        "PREFIX": "trigger.namespace | startsWith('{}')",
        "SUFFIX": "trigger.namespace | endsWith('{}')",
    }

    namespace: Namespace
    comparison: Literal["EQUALS", "PREFIX", "SUFFIX"] | None = None
    prefix: bool = False

    def written(self, read: Read) -> Any:
        test = self.tests[self.comparison or ("PREFIX" if self.prefix else "EQUALS")]
        return f"{{{{ {test.format(self.namespace)} }}}}"


class ExecutionStatus(Condition, frozen=True, kw_only=True):
    """The execution that has ended did so in one of these states, and in none of those."""

    names: ClassVar[tuple[str, ...]] = ("ExecutionStatus", "ExecutionStatusCondition")

    in_: list[Ended] | None = msgspec.field(default=None, name="in")
    not_in: list[Ended] = msgspec.field(default_factory=list)

    def written(self, read: Read) -> Any:
        wanted = [state for state in self.in_ or get_args(Ended) if state not in self.not_in]
        return f"{{{{ {wanted} contains trigger.state }}}}"


KINDS: Final[tuple[type[Condition], ...]] = (
    Expression,
    Or,
    Not,
    ExecutionFlow,
    ExecutionNamespace,
    ExecutionStatus,
)
_BY_NAME: Final = {name: kind for kind in KINDS for name in kind.names}


def read_conditions(data: object, path: Path, found: Collector) -> tuple[Tree, ...]:
    """Read a trigger's `conditions`; all must hold."""
    return tuple(map(compile_tree, _written(data, path, found, 0)))


def holds(value: Any) -> bool:
    """What a rendered condition says."""
    if not isinstance(value, Mapping):
        return truthy(value)
    if "any" in value:
        return any(map(holds, value["any"]))
    return not any(map(holds, value["none"]))


def _written(data: object, path: Path, found: Collector, depth: int) -> list[Any]:
    if depth > DEPTH_MAX:
        found.add(path, f"conditions nest deeper than {DEPTH_MAX}; {INSTEAD}")
        return []
    items = data if isinstance(data, list) else []
    written = (_condition(item, (*path, index), found, depth) for index, item in enumerate(items))
    return [text for text in written if text is not None]


def _condition(item: object, path: Path, found: Collector, depth: int) -> Any:
    name = str(item.get("type", "")) if isinstance(item, Mapping) else ""
    short = name.rpartition(".")[2]
    if short not in _BY_NAME:
        found.add(path, f"unknown condition `{name}`; {suggestion(short, _BY_NAME)} {INSTEAD}")
        return None
    source = read_struct(_BY_NAME[short], item, path, found)
    if source is None:
        return None
    return source.written(lambda inner: _written(inner, (*path, "conditions"), found, depth + 1))
