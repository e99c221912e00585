"""A flow as the rest of the product sees it: checked, typed, immutable, made once per revision."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from hookledger.runtime.flow.templates import Tree, source_of
from hookledger.runtime.tasks.base import TaskKind

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often and when a failed attempt is made again. Durations in microseconds."""

    type: Literal["constant", "exponential", "random"] = "constant"
    max_attempts: int = 0
    """Counts the first attempt; 0 for no limit."""
    max_duration: int = 0
    """Since the first attempt began; 0 for no limit."""
    interval: int = 0
    max_interval: int = 0
    min_interval: int = 0
    delay_factor: float = 2.0
    warning_on_retry: bool = False
    behavior: Literal["RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"] = "RETRY_FAILED_TASK"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the plan: what every task has, plus its type's own properties, still unrendered."""

    id: str
    kind: type[TaskKind]
    type: str
    """As the author wrote it."""
    properties: Tree
    """The type's own properties without its blocks."""
    blocks: Mapping[str, tuple["Task", ...]] = {}
    """Child tasks by block name (`tasks`, `then`, `errors`, `cases.x`, ...)."""
    description: str = ""
    disabled: bool = False
    run_if: Tree = None
    timeout: Tree = None
    retry: Retry | None = None
    """Its own or the nearest parent's."""
    allow_failure: bool = False
    allow_warning: bool = False
    log_level: Level = "TRACE"
    dependencies: tuple[str, ...] = ()
    """Ids of siblings that must end first; only inside a Dag."""

    def block(self, name: str) -> tuple["Task", ...]:
        """The enabled children of a block; empty when the author gave none."""
        return self.blocks.get(name, ())

    def setting(self, name: str) -> Any:
        """A property that holds no expression, as the author wrote it; None when it is not there."""
        value = self.properties.get(name) if isinstance(self.properties, Mapping) else None
        return source_of(value)

    def walk(self) -> Iterator["Task"]:
        """Yield this task and everything below it."""
        yield self
        for children in self.blocks.values():
            for child in children:
                yield from child.walk()


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """A way to start the flow: what every trigger has, plus its type's checked settings."""

    id: str
    type: str
    """The canonical type name."""
    settings: Any
    """A Struct of the trigger's type, see `hookledger.runtime.triggers`."""
    disabled: bool = False
    when: Tree = None
    conditions: tuple[Tree, ...] = ()
    inputs: Tree = None
    labels: Tree = None
    stop_after: tuple[str, ...] = ()
    fail_on_error: bool = False
    """What cannot be evaluated makes a failed execution, where nobody is there to be told."""


class Concurrency(msgspec.Struct, frozen=True, kw_only=True):
    """How many executions of the flow may be open at once, and what happens to one too many."""

    limit: int
    behavior: Literal["QUEUE", "CANCEL", "FAIL"] = "QUEUE"


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a flow."""

    namespace: str
    id: str
    source: str
    sha256: str
    revision: int = 1
    file: str = ""
    description: str = ""
    disabled: bool = False
    labels: Mapping[str, str] = {}
    inputs: tuple[Any, ...] = ()
    outputs: tuple[Any, ...] = ()
    output_templates: Mapping[str, Tree] = {}
    variables: Mapping[str, Any] = {}
    tasks: tuple[Task, ...] = ()
    errors: tuple[Task, ...] = ()
    finally_: tuple[Task, ...] = ()
    after_execution: tuple[Task, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    concurrency: Concurrency | None = None
    retry: Retry | None = None
    document: Mapping[str, Any] = {}
    """The parsed source, for pages and the API."""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`namespace/id`, unique in a journal."""
        return f"{self.namespace}/{self.id}"

    @property
    def top(self) -> tuple[Task, ...]:
        """The tasks that stand in no other."""
        return (*self.tasks, *self.errors, *self.finally_, *self.after_execution)

    def walk(self) -> Iterator[Task]:
        """Yield every task of every block."""
        for task in self.top:
            yield from task.walk()

    def trigger(self, trigger_id: str) -> Trigger | None:
        """Find a trigger by id."""
        return next((trigger for trigger in self.triggers if trigger.id == trigger_id), None)
