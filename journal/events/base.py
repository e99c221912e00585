"""What every event carries, and the parts that several of them share."""

from typing import ClassVar, Literal

import msgspec

Outcome = Literal["ok", "error", "timeout", "killed", "skipped", "not_started"]
"""skipped: `runIf` said no; not_started: `runIf` could not be rendered."""
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


class Metric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A number that a task measured."""

    name: str
    kind: Literal["counter", "timer", "gauge"]
    value: float
    """Of a timer seconds."""
    tags: dict[str, str] = {}
    at: int = 0
    """When it was last measured, microseconds."""


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An answer as the caller gets it, kept so that a repeated delivery is answered byte for byte."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    """None: the answer the trigger gives by itself, with this status."""
    problem: str = ""
    """Why the author's answer could not be rendered; the caller then gets a 500."""
