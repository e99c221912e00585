"""The event catalogue: what can be said about an execution and about the journal itself.

An event is a frozen fact in the past tense. A *decision* drives `fold`; an *observation* never does, and
removing all observations leaves an identical fold. Nothing here reads a clock or draws a random number:
the writer passes every value in, so a replay builds the same events.

A field that changes its meaning gets a new name or a new event type; old journals stay readable for ever.
"""

from typing import Any, ClassVar, Literal

import msgspec

Outcome = Literal["ok", "error", "timeout", "killed", "skipped"]
Next = Literal["next", "continue", "fail", "retry", "exit"]


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """What every event carries."""

    observation: ClassVar[bool] = False
    terminal: ClassVar[bool] = False

    sequence: int
    """Place in its execution, dense from 0."""
    at: int
    """Wall clock at the decision, microseconds since 1970-01-01 UTC; never falls within an execution."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Why something did not work, in words a person can act on."""

    message: str
    kind: str = "TaskFailed"
    code: str = ""


class LogReference(msgspec.Struct, frozen=True, kw_only=True):
    """Log lines live beside the journal; the event keeps how many there were and what they hash to."""

    count: int
    sha256: str


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An answer as the caller gets it, kept so that a repeated delivery is answered byte for byte."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """None: the answer the trigger gives by itself, with this status."""
    problem: str = ""
    """Why the author's answer could not be rendered; the caller then gets a 500."""


# --- the spine ------------------------------------------------------------------------------------------


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
    attempt: int = 1
    """Counts the executions a flow-level retry made of one delivery."""
    original: str = ""
    """The first of them, when this is not it."""
    not_before: int = 0
    """Microseconds: nothing begins sooner."""
    variables: dict[str, Any] = {}
    """What a trigger that is no HTTP request says about itself; a webhook's are derived from the request."""
    inputs: dict[str, Any] = {}
    labels: dict[str, str] = {}
    body_sha256: str = ""
    """Lower-case hex, of the body as sent, when `body` is not it: stored beside the journal, dropped or redacted."""
    body_bytes: int = 0
    body_uri: str = ""
    """Where a stored body is."""
    raw_body: bool = False
    """The flow also sees the body as base64."""
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
    response: Response | None = None
    """The caller's answer, when this task gives it."""


class OutputsResolved(Event, frozen=True, kw_only=True):
    """The flow ended well: its outputs and its final state."""

    terminal: ClassVar[bool] = True

    state: Literal["SUCCESS", "WARNING"] = "SUCCESS"
    outputs: dict[str, Any] = {}
    ambient: tuple[dict[str, Any], ...] = ()
    response: Response | None = None
    """The caller's answer, where the author shapes it."""


# --- other ends -----------------------------------------------------------------------------------------


class ExecutionFailed(Event, frozen=True, kw_only=True):
    """The flow ended badly."""

    terminal: ClassVar[bool] = True

    error: Failure
    path: str = ""
    """The task that failed, when it was one."""
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


# --- operator and time ----------------------------------------------------------------------------------


class KillRequested(Event, frozen=True, kw_only=True):
    """An operator or a parent wants this execution to stop."""

    by: str
    reason: str = ""


class ExecutionPaused(Event, frozen=True, kw_only=True):
    """The execution waits for a person (a Pause task, an operator, an attempt in doubt)."""

    path: str
    """The task that waits; empty when an operator paused the whole execution."""
    reason: Literal["task", "operator", "in_doubt"] = "task"
    until: int = 0
    """When it resumes by itself, microseconds; 0 for never."""
    by: str = ""
    expiry: Literal["resume", "warn", "fail"] = "resume"
    """What `until` means."""
    on_resume: tuple[dict[str, Any], ...] = ()
    """Inputs that whoever resumes is asked for."""


class ExecutionResumed(Event, frozen=True, kw_only=True):
    """The wait is over."""

    path: str
    by: str
    choice: Literal["resume", "warn", "fail", "rerun", "accept"] = "resume"
    """warn and fail end a Pause otherwise than well; rerun, accept and fail settle an attempt in doubt."""
    inputs: dict[str, Any] = {}
    reason: str = ""


class TimerSet(Event, frozen=True, kw_only=True):
    """A wait that survives a restart."""

    path: str
    due: int
    origin: Literal["sleep", "pause", "loop"] = "sleep"


class TimerFired(Event, frozen=True, kw_only=True):
    """The time of a TimerSet came."""

    path: str
    due: int


# --- structure ------------------------------------------------------------------------------------------


class BranchTaken(Event, frozen=True, kw_only=True):
    """A flowable task chose its children: an If its side, a Switch its case, a ForEach its values."""

    task: str
    path: str
    round: int = 0
    """Counts the checks of a LoopUntil."""
    outputs: dict[str, Any] = {}
    """What the flowable itself outputs, such as `evaluationResult`."""
    chosen: str = ""
    """Name of the branch: `then`, `else`, a case, `again`, ..."""
    values: tuple[str, ...] | None = None
    """The values of a ForEach as text, one iteration each."""
    not_before: int = 0
    """Microseconds: the next round of a LoopUntil begins no sooner."""
    skipped: bool = False
    error: Failure | None = None
    ambient: tuple[dict[str, Any], ...] = ()


class ChildStarted(Event, frozen=True, kw_only=True):
    """A Subflow task started another execution."""

    task: str
    path: str
    child: str
    namespace: str
    flow: str
    revision: int
    inputs: dict[str, Any] = {}
    labels: dict[str, str] = {}
    wait: bool = True
    transmit_failed: bool = True


class ChildReturned(Event, frozen=True, kw_only=True):
    """The execution a Subflow task waits for has ended."""

    path: str
    child: str
    state: str
    outputs: dict[str, Any] = {}


class LabelsSet(Event, frozen=True, kw_only=True):
    """Labels were added or replaced, by a task or by an operator."""

    labels: dict[str, str]
    by: str = ""


class ExecutionRestarted(Event, frozen=True, kw_only=True):
    """A finished execution is opened again; what failed runs once more, what succeeded is kept."""

    by: str
    generation: int
    revision: int
    source_sha256: str
    paths: tuple[str, ...] = ()
    """Runs that are forgotten so that they happen again."""
    reason: str = ""


class ExecutionForked(Event, frozen=True, kw_only=True):
    """First event of an execution that begins with a prefix of another one's, kept by reference."""

    origin: str
    origin_sequence: int
    """Number of events of the origin that count here."""
    origin_leaf: str
    """Base64 leaf hash of the entry that holds the last of them."""
    received: TriggerReceived
    by: str
    forget: tuple[str, ...] = ()


# --- observations ---------------------------------------------------------------------------------------


class DuplicateDelivery(Event, frozen=True, kw_only=True):
    """The sender delivered again what this execution already answers for."""

    observation: ClassVar[bool] = True

    delivery: str
    body_same: bool
    answered: str = ""
    """What the repetition got: replayed, joined, ignored, rejected, mismatch."""
    namespace: str = ""
    flow: str = ""
    trigger: str = ""
    remote: str = ""


class ResponseSent(Event, frozen=True, kw_only=True):
    """What the caller got."""

    observation: ClassVar[bool] = True

    status: int
    body_bytes: int
    body_sha256: str


class StaleResultDropped(Event, frozen=True, kw_only=True):
    """An attempt that was no longer wanted returned after all."""

    observation: ClassVar[bool] = True

    path: str
    attempt: int
    outcome: str


class OperatorNote(Event, frozen=True, kw_only=True):
    """A person's words, kept with the execution."""

    observation: ClassVar[bool] = True

    by: str
    text: str


# --- the system stream ----------------------------------------------------------------------------------


class JournalOpened(Event, frozen=True, kw_only=True):
    """First event of a partition: its identity."""

    origin: str
    partition: int
    software: str


class EpochStarted(Event, frozen=True, kw_only=True):
    """A new writer owns the partition from here on."""

    epoch: int
    host: str
    process: int
    software: str
    recovered: int = 0
    """Entries found on taking over."""


class JournalClosed(Event, frozen=True, kw_only=True):
    """The writer left in good order; its absence before the next EpochStarted means a crash."""

    epoch: int


class FlowRegistered(Event, frozen=True, kw_only=True):
    """A revision of a flow, with its full source."""

    namespace: str
    flow: str
    revision: int
    sha256: str
    source: str
    file: str = ""
    by: str = ""


class FlowRemoved(Event, frozen=True, kw_only=True):
    """A flow takes no more deliveries; its revisions stay readable."""

    namespace: str
    flow: str
    revision: int
    by: str = ""


class DeliveryRejected(Event, frozen=True, kw_only=True):
    """A request to a webhook that started nothing, and why. Sampled and capped; no body."""

    delivery: str
    status: int
    reason: str
    namespace: str = ""
    flow: str = ""
    trigger: str = ""
    method: str = ""
    remote: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body_bytes: int = 0
    body_sha256: str = ""
    suppressed: int = 0
    """Rejections of the same kind since the previous one that were only counted."""


class HandshakeAnswered(Event, frozen=True, kw_only=True):
    """A sender's challenge was answered without an execution."""

    delivery: str
    namespace: str
    flow: str
    trigger: str
    handshake: str
    status: int
    remote: str = ""


class KeyValueSet(Event, frozen=True, kw_only=True):
    """A value was stored under a key of a namespace, or replaced."""

    namespace: str
    key: str
    value: Any
    expires: int = 0
    """Microseconds since 1970-01-01 UTC; 0 for never."""
    by: str = ""
    """Key of the attempt that did it, so that the same attempt run again changes nothing."""


class KeyValueDeleted(Event, frozen=True, kw_only=True):
    """A stored value was deleted."""

    namespace: str
    key: str
    by: str = ""


class AccessRecorded(Event, frozen=True, kw_only=True):
    """Somebody read or changed something worth remembering."""

    by: str
    action: str
    resource: str
    outcome: str = "ok"


Decision = (
    TriggerReceived
    | TaskStarted
    | TaskReturned
    | OutputsResolved
    | ExecutionFailed
    | ExecutionKilled
    | ExecutionCancelled
    | KillRequested
    | ExecutionPaused
    | ExecutionResumed
    | TimerSet
    | TimerFired
    | BranchTaken
    | ChildStarted
    | ChildReturned
    | LabelsSet
    | ExecutionRestarted
    | ExecutionForked
)
Observation = DuplicateDelivery | ResponseSent | StaleResultDropped | OperatorNote
SystemEvent = (
    JournalOpened
    | EpochStarted
    | JournalClosed
    | FlowRegistered
    | FlowRemoved
    | DeliveryRejected
    | HandshakeAnswered
    | KeyValueSet
    | KeyValueDeleted
    | AccessRecorded
)
ExecutionEvent = Decision | Observation
AnyEvent = ExecutionEvent | SystemEvent

Terminal = OutputsResolved | ExecutionFailed | ExecutionKilled | ExecutionCancelled

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[list[AnyEvent]] = msgspec.json.Decoder(list[AnyEvent])


def encode_events(events: tuple[AnyEvent, ...]) -> bytes:
    """Return the payload of an entry: a JSON array of the events."""
    return _encoder.encode(events)


def decode_events(payload: bytes) -> list[AnyEvent]:
    """Read a payload back.

    Raises:
        msgspec.DecodeError: Not JSON, an unknown event type or an unknown field.
    """
    return _decoder.decode(payload)


def type_name(event: AnyEvent) -> str:
    """The event's type as it stands in headers and payloads."""
    return type(event).__name__
