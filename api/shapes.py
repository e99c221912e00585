"""JSON shapes of the API as programs written for Kestra expect them; the OpenAPI document is made from these types.

A member that may be absent is `UNSET` where there is nothing to say; every other member is always there.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookledger.journal.events import ExecutionEvent
from hookledger.runtime.flow.graph import Kind, Relation

T = TypeVar("T")

StateName: TypeAlias = Literal[
    "CREATED", "QUEUED", "SUBMITTED", "RUNNING", "PAUSED", "RETRYING", "RESTARTED", "KILLING",
    "SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED",
    "RETRIED",
]  # fmt: skip
"""Of executions and task runs."""
Level: TypeAlias = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


Name: TypeAlias = Annotated[str, Meta(min_length=1)]
LabelMap: TypeAlias = dict[Name, Name]
"""Labels as they are sent: no empty names, no empty values."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that is answered."""


class Problem(Shape, frozen=True, kw_only=True):
    """What went wrong (RFC 9457); further members depend on `type`."""

    type: str
    title: str
    status: int
    detail: str | UnsetType = UNSET


class Found(Shape, Generic[T], frozen=True, kw_only=True):
    """A page of a list, and how many there are in all."""

    results: list[T]
    total: int


class Label(Shape, frozen=True, kw_only=True):
    """A label of a flow or an execution."""

    key: str
    value: str


class StateChange(Shape, frozen=True, kw_only=True):
    """When a state was entered."""

    state: StateName
    date: str


class StateView(Shape, frozen=True, kw_only=True):
    """The present state and how it came to be; `endDate` and `duration` once it changes no more."""

    current: StateName
    histories: list[StateChange]
    start_date: str
    end_date: str | UnsetType = UNSET
    duration: str | UnsetType = UNSET


class FailureView(Shape, frozen=True, kw_only=True):
    """Why something failed."""

    message: str
    kind: str
    task: str | UnsetType = UNSET


class TriggerView(Shape, frozen=True, kw_only=True):
    """What started an execution, and what it had to say."""

    id: str
    type: str
    variables: Mapping[str, Any]


class AttemptView(Shape, frozen=True, kw_only=True):
    """One attempt of a task run."""

    state: StateView


class TaskRunView(Shape, frozen=True, kw_only=True):
    """One task at one place of the plan."""

    id: str
    execution_id: str
    namespace: str
    flow_id: str
    task_id: str
    attempts: list[AttemptView]
    outputs: Mapping[str, Any]
    state: StateView
    parent_task_run_id: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    iteration: int | UnsetType = UNSET
    error: FailureView | UnsetType = UNSET


class Metadata(Shape, frozen=True, kw_only=True):
    """How often an execution was opened, and since when it is there."""

    attempt_number: int
    original_created_date: str


class ExecutionSummary(Shape, frozen=True, kw_only=True):
    """An execution as lists show it."""

    id: str
    namespace: str
    flow_id: str
    flow_revision: int
    labels: list[Label]
    state: StateView
    original_id: str
    """The first of those that repeat one another, itself when it is that."""
    parent_id: str | UnsetType = UNSET
    """The execution that it repeats, or whose Subflow started it."""
    quarantine: str | UnsetType = UNSET
    """Why it is open and cannot go on; `hookledger journal verify` with its id says more."""
    deleted: bool = False


class ExecutionView(ExecutionSummary, frozen=True, kw_only=True):
    """An execution with its task runs."""

    task_run_list: list[TaskRunView]
    inputs: Mapping[str, Any]
    metadata: Metadata
    trigger: TriggerView | UnsetType = UNSET
    outputs: Mapping[str, Any] | UnsetType = UNSET
    error: FailureView | UnsetType = UNSET
    trace_parent: str | UnsetType = UNSET


class StateAt(ExecutionView, frozen=True, kw_only=True):
    """An execution as it stood after one of its events."""

    sequence: int
    """Of that event."""
    waits_for: list[str]
    """Why it did not go on by itself."""


class WebhookView(Shape, frozen=True, kw_only=True):
    """What a webhook's caller may see: no task runs, no inputs, because callers are anonymous."""

    tenant_id: str
    id: str
    namespace: str
    flow_id: str
    flow_revision: int
    trigger: TriggerView
    labels: list[Label]
    state: StateView
    outputs: Mapping[str, Any] | UnsetType = UNSET
    url: str | UnsetType = UNSET


class LogOrigin(Shape, frozen=True, kw_only=True):
    """Whose log it is: all that a follower is told before the first line."""

    namespace: str
    flow_id: str
    execution_id: str


class LogView(LogOrigin, frozen=True, kw_only=True):
    """A line a task wrote."""

    task_id: str
    task_run_id: str
    attempt_number: int
    """From 0."""
    timestamp: str
    level: Level
    message: str


class FlowView(Shape, frozen=True, kw_only=True):
    """A flow as its author wrote it (those members are not listed here), with what the server adds."""

    id: str
    namespace: str
    revision: int
    updated: str
    labels: list[Label]
    disabled: bool
    draft: bool = False
    deleted: bool = False
    exception: str | UnsetType = UNSET
    """Why its source no longer parses here."""
    source: str | UnsetType = UNSET


class Fault(Shape, frozen=True, kw_only=True):
    """One thing that is wrong with an author's text; `line` is 0 where it has no place."""

    path: str
    line: int
    column: int
    message: str


class Verdict(Shape, frozen=True, kw_only=True):
    """What a check says; without `constraints` it is valid."""

    index: int
    flow: str | UnsetType = UNSET
    namespace: str | UnsetType = UNSET
    constraints: str | UnsetType = UNSET
    errors: list[Fault] | UnsetType = UNSET
    warnings: list[str] = []


class GraphNode(Shape, frozen=True, kw_only=True):
    """A task or a trigger."""

    uid: str
    """Its path in the plan; triggers stand below `triggers/`."""
    type: str
    label: str
    kind: Kind
    task_type: str
    branch_type: Literal["ERROR", "FINALLY", "AFTER_EXECUTION"] | UnsetType = UNSET


class GraphRelation(Shape, frozen=True, kw_only=True):
    """Why the target comes after the source."""

    relation_type: Relation
    value: str | UnsetType = UNSET
    """Of a choice: the branch."""


class GraphEdge(Shape, frozen=True, kw_only=True):
    """The target comes after the source."""

    source: str
    target: str
    relation: GraphRelation


class GraphCluster(Shape, frozen=True, kw_only=True):
    """A flowable and what stands inside it."""

    cluster: GraphNode
    nodes: list[str]
    parents: list[str]
    start: str
    end: str


class GraphView(Shape, frozen=True, kw_only=True):
    """A flow as a graph."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    clusters: list[GraphCluster]
    flowables: list[str]


class EntryView(Shape, frozen=True, kw_only=True):
    """What proves an execution's events."""

    header: Mapping[str, Any]
    leaf: str
    """Base64."""


class HistoryView(Shape, frozen=True, kw_only=True):
    """What the journal holds of an execution."""

    execution: str
    events: list[ExecutionEvent]
    entries: list[EntryView]


class ReceiptView(Shape, frozen=True, kw_only=True):
    """Which entry of the journal proves what was told."""

    execution: str
    entry: int
    position: int
    leaf: str
    """Base64."""
    types: tuple[str, ...]
    receipt: str
    """As callers of a webhook get it in `Hookledger-Receipt`."""
