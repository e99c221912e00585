"""The event catalogue: what can be said about an execution and about the journal itself.

An event is a frozen fact in the past tense. A *decision* drives `fold`; an *observation* never does, and
removing all observations leaves an identical fold. Nothing here reads a clock or draws a random number:
the writer passes every value in, so a replay builds the same events.

A field that changes its meaning gets a new name or a new event type; old journals stay readable for ever.
"""

from collections import deque
from typing import Any, Final

import msgspec

from hookledger.journal.events.base import (
    Event,
    Failure,
    LogReference,
    Metric,
    Next,
    Outcome,
    Response,
)
from hookledger.journal.events.moves import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    DuplicateDelivery,
    ExecutionForked,
    ExecutionPaused,
    ExecutionQueued,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    LabelsSet,
    OperatorNote,
    ResponseSent,
    StaleResultDropped,
    TimerFired,
    TimerSet,
)
from hookledger.journal.events.spine import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionKilled,
    OutputsResolved,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    TriggerReceived,
)
from hookledger.journal.events.system import (
    AccessRecorded,
    ClockStepped,
    DeliveryRejected,
    EpochStarted,
    FlowRegistered,
    FlowRemoved,
    HandshakeAnswered,
    JournalClosed,
    JournalOpened,
    KeyValueDeleted,
    KeyValueSet,
    TokenIssued,
    TokenRevoked,
)

Decision = (
    TriggerReceived
    | TaskStarted
    | TaskReturned
    | ResultSettled
    | OutputsResolved
    | ExecutionFailed
    | ExecutionKilled
    | ExecutionCancelled
    | KillRequested
    | ExecutionQueued
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
    | ClockStepped
    | FlowRegistered
    | FlowRemoved
    | DeliveryRejected
    | HandshakeAnswered
    | KeyValueSet
    | KeyValueDeleted
    | AccessRecorded
    | TokenIssued
    | TokenRevoked
)
ExecutionEvent = Decision | Observation
AnyEvent = ExecutionEvent | SystemEvent

Terminal = OutputsResolved | ExecutionFailed | ExecutionKilled | ExecutionCancelled
_Beginning = TaskStarted | BranchTaken | ChildStarted | TimerSet | Terminal

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[list[AnyEvent]] = msgspec.json.Decoder(list[AnyEvent])


def encode_events(events: tuple[AnyEvent, ...]) -> bytes:
    """Return the payload of an entry: a JSON array of the events."""
    return _encoder.encode(events)


def encode_sliced(events: tuple[AnyEvent, ...]) -> bytes:
    """The same bytes as `encode_events`, for large events in a thread: no step of it holds up the others for long."""
    plain: list[Any] = [msgspec.to_builtins(event) for event in events]
    _slice_texts(plain)
    return _encoder.encode(plain)


SLICE_CHARS: Final = 2**20
SLICED_NODES_MAX: Final = 10_000
"""So many values are looked at, the outermost first; smaller texts, however many, are encoded fast enough."""


def _slice_texts(plain: list[Any]) -> None:
    """Put the JSON of long texts in their places, encoded slice by slice."""
    waiting: deque[list[Any] | dict[str, Any]] = deque((plain,))
    seen = 0
    while waiting and seen < SLICED_NODES_MAX:
        around: Any = waiting.popleft()
        seen += len(around)
        for place, value in around.items() if isinstance(around, dict) else enumerate(around):
            if isinstance(value, list | dict):
                waiting.append(value)
            elif isinstance(value, str) and len(value) > SLICE_CHARS:
                around[place] = _sliced(value)


def _sliced(text: str) -> msgspec.Raw:
    pieces = (
        _encoder.encode(text[start : start + SLICE_CHARS])[1:-1] for start in range(0, len(text), SLICE_CHARS)
    )
    return msgspec.Raw(b'"' + b"".join(pieces) + b'"')


def decode_events(payload: bytes) -> list[AnyEvent]:
    """Read a payload back.

    Raises:
        msgspec.DecodeError: Not JSON, an unknown event type or an unknown field.
    """
    return _decoder.decode(payload)


def begins(event: AnyEvent) -> bool:
    """True for what only an execution does that has its turn; a Pause task is work, an operator's pause is not."""
    return isinstance(event, _Beginning) or (isinstance(event, ExecutionPaused) and event.path != "")


def type_name(event: AnyEvent) -> str:
    """The event's type as it stands in headers and payloads."""
    return type(event).__name__


__all__ = [
    "AccessRecorded",
    "AnyEvent",
    "BranchTaken",
    "ChildReturned",
    "ChildStarted",
    "ClockStepped",
    "Decision",
    "DeliveryRejected",
    "DuplicateDelivery",
    "EpochStarted",
    "Event",
    "ExecutionCancelled",
    "ExecutionEvent",
    "ExecutionFailed",
    "ExecutionForked",
    "ExecutionKilled",
    "ExecutionPaused",
    "ExecutionQueued",
    "ExecutionRestarted",
    "ExecutionResumed",
    "Failure",
    "FlowRegistered",
    "FlowRemoved",
    "HandshakeAnswered",
    "JournalClosed",
    "JournalOpened",
    "KeyValueDeleted",
    "KeyValueSet",
    "KillRequested",
    "LabelsSet",
    "LogReference",
    "Metric",
    "Next",
    "Observation",
    "OperatorNote",
    "Outcome",
    "OutputsResolved",
    "Response",
    "ResponseSent",
    "ResultSettled",
    "StaleResultDropped",
    "SystemEvent",
    "TaskReturned",
    "TaskStarted",
    "Terminal",
    "TimerFired",
    "TimerSet",
    "TokenIssued",
    "TokenRevoked",
    "TriggerReceived",
    "begins",
    "decode_events",
    "encode_events",
    "type_name",
]
