"""The spine of an execution, and the other ways it can end."""

from typing import Any, ClassVar, Literal

from hookledger.journal.events.base import Event, Failure, LogReference, Metric, Next, Outcome, Response


class TriggerReceived(Event, frozen=True, kw_only=True):
    """A delivery was accepted: the first event of every execution that is not a fork."""

    namespace: str
    flow: str
    revision: int
    source_sha256: str
    """SHA-256 of the YAML source this execution is pinned to, lower-case hex."""
    trigger: str
    trigger_type: str
    seed: str
    """Entropy for every random value this execution draws, hex."""
    delivery: str = ""
    method: str = ""
    path: str = ""
    """Raw request path with the key replaced."""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """In the order and spelling of the sender; credentials replaced before they get here."""
    body: bytes = b""
    """Exactly as received."""
    remote: str = ""
    parent: str = ""
    """The execution whose Subflow task started this one."""
    parent_path: str = ""
    causes: tuple[str, ...] = ()
    """Flows whose executions led here, by subflows and Flow triggers, the first one first."""
    attempt: int = 1
    """Counts the executions a flow-level retry made of one delivery."""
    original: str = ""
    """The first of them, when this is not it; of a replay the first that was not one."""
    retry_of: str = ""
    """The one before, likewise."""
    not_before: int = 0
    """Microseconds: nothing begins sooner."""
    variables: dict[str, Any] = {}
    """What a trigger that is no HTTP request says about itself; a webhook's are derived from the request."""
    inputs: dict[str, Any] = {}
    labels: dict[str, str] = {}
    body_sha256: str = ""
    """Lower-case hex, of the body as sent, when `body` is not it: stored elsewhere, dropped, redacted or split."""
    body_bytes: int = 0
    body_uri: str = ""
    """Where a stored body is."""
    stored_sha256: str = ""
    """Lower-case hex, of the file at `body_uri`: after decompression."""
    raw_body: bool = False
    """The flow also sees the body as base64."""
    charset: str = ""
    """Of a text body whose sender named none; empty: UTF-8."""
    deduplication: str = ""
    """The key this execution claims for its trigger, empty when there is none."""
    deduplication_until: int = 0
    """The claim ends here, microseconds."""
    fingerprint: str = ""
    """Digest of what the sender must send again for the same key."""
    verification: dict[str, Any] = {}
    """What was found out about the sender. Read on replay, never computed again."""
    replay_of: str = ""
    """The delivery that an operator sent again."""
    wait: bool = False
    return_outputs: bool = False
    response_content_type: str = ""
    response: Response | None = None
    """What was answered at once, where the author wrote it."""
    public_url: str = ""
    """The address in the links of the answer."""
    traceparent: str = ""


class TaskStarted(Event, frozen=True, kw_only=True):
    """One attempt begins."""

    task: str
    path: str
    """Where in the plan: task id, prefixed by its parents and iterations."""
    attempt: int
    """1, 2, ... without gaps."""
    task_type: str
    effect: Literal["pure", "read", "idempotent", "write"]
    properties: dict[str, Any] = {}
    """Rendered; a secret's value is masked."""
    ambient: tuple[dict[str, Any], ...] = ()
    """Values drawn from outside while rendering (now, uuid, ...), in order, so that nobody draws them again."""
    secrets: tuple[str, ...] = ()
    """Names, never values."""
    timeout: int = 0
    """Microseconds; 0 when the attempt is unbounded."""


class TaskReturned(Event, frozen=True, kw_only=True):
    """Closes exactly one attempt."""

    task: str
    path: str
    attempt: int
    outcome: Outcome
    next: Next = "next"
    """next: go on; continue: go on with a warning; fail: the task failed; retry: see `retry_at`; exit: end here."""
    outputs: dict[str, Any] = {}
    error: Failure | None = None
    retry_at: int = 0
    exit_state: str = ""
    duration: int = 0
    """Microseconds."""
    log: LogReference | None = None
    metrics: tuple[Metric, ...] = ()
    response: Response | None = None
    """The caller's answer, when this task gives it."""


class ResultSettled(Event, frozen=True, kw_only=True):
    """What the execution ends in is known; only its `afterExecution` list still runs."""

    state: Literal["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED"]
    path: str = ""
    """The task that failed, when it was one."""
    error: Failure | None = None
    outputs: dict[str, Any] = {}
    """Of the flow."""
    ambient: tuple[dict[str, Any], ...] = ()


class OutputsResolved(Event, frozen=True, kw_only=True):
    """The flow ended well: its outputs and its final state."""

    terminal: ClassVar[bool] = True

    state: Literal["SUCCESS", "WARNING"] = "SUCCESS"
    outputs: dict[str, Any] = {}
    ambient: tuple[dict[str, Any], ...] = ()
    response: Response | None = None
    """The caller's answer, where the author shapes it."""


class ExecutionFailed(Event, frozen=True, kw_only=True):
    """The flow ended badly."""

    terminal: ClassVar[bool] = True

    error: Failure
    path: str = ""
    """The task that failed, when it was one."""
    retry_at: int = 0
    """Microseconds: a new execution takes the place of this one then; 0 for none."""
    outputs: dict[str, Any] = {}
    ambient: tuple[dict[str, Any], ...] = ()
    response: Response | None = None


class ExecutionKilled(Event, frozen=True, kw_only=True):
    """Somebody stopped it; every attempt is closed before this."""

    terminal: ClassVar[bool] = True

    by: str
    reason: str = ""
    response: Response | None = None


class ExecutionCancelled(Event, frozen=True, kw_only=True):
    """It was never allowed to run, or left early on purpose (concurrency limit, Exit task)."""

    terminal: ClassVar[bool] = True

    reason: str
    response: Response | None = None
