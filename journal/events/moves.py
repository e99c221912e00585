"""Operators, time and structure: what happened to an execution that the spine cannot say; and what was observed."""

from typing import Any, ClassVar, Literal

from hookledger.journal.events.base import Event, Failure, LogReference
from hookledger.journal.events.spine import TriggerReceived

# --- operator and time ----------------------------------------------------------------------------------


class ExecutionQueued(Event, frozen=True, kw_only=True):
    """The execution waits for its place: as many of its flow are open as the flow's `concurrency` allows.

    It has its place as soon as something of it begins.
    """

    limit: int
    """How many may be open at once."""


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
    expiry: Literal["resume", "warn", "fail", "cancel"] = "resume"
    """What `until` means."""
    on_resume: tuple[dict[str, Any], ...] = ()
    """Inputs that whoever resumes is asked for."""


class ExecutionResumed(Event, frozen=True, kw_only=True):
    """The wait is over."""

    path: str
    by: str
    choice: Literal["resume", "warn", "fail", "cancel", "rerun", "accept"] = "resume"
    """warn, fail and cancel end a Pause otherwise than well; rerun, accept and fail settle an attempt in doubt."""
    inputs: dict[str, Any] = {}
    reason: str = ""


class TimerSet(Event, frozen=True, kw_only=True):
    """A wait that survives a restart."""

    path: str
    due: int
    origin: Literal["sleep", "pause", "loop", "timeout"] = "sleep"
    """timeout: the block at this path has to be done by then."""


class TimerFired(Event, frozen=True, kw_only=True):
    """The time of a TimerSet came."""

    path: str
    due: int
    origin: Literal["sleep", "timeout"] = "sleep"
    """timeout: what still waits inside the block waits no more."""


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
    """It never began: `runIf` said no, or, with an error, could not be rendered."""
    error: Failure | None = None
    ambient: tuple[dict[str, Any], ...] = ()
    log: LogReference | None = None


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
    attempt: int = 1
    """Counts the children a retry made."""
    since: int = 0
    """When the first of them was started, microseconds; 0 when this is it."""
    log: LogReference | None = None


class ChildReturned(Event, frozen=True, kw_only=True):
    """The execution a Subflow task waits for has ended, or cannot begin any more: then there is an `error`."""

    path: str
    child: str
    state: str
    outputs: dict[str, Any] = {}
    error: Failure | None = None
    log: LogReference | None = None


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
    again: tuple[str, ...] = ()
    """Loops whose last check failed, and blocks whose time was over: they go on, with what is inside them."""
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
