"""Parsers of the blocks that only webhooks have: `deduplication`, `batch`, `response`, `onMismatch`, `redact`,
`previousKeys`.

Each takes the block as YAML gave it and returns its settings with every problem found, like the parsers of
`signatures`, `handshakes` and `admission`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from hookledger.runtime.flow.templates import compile_tree
from hookledger.runtime.triggers.webhook.admission.settings import (
    Problem,
    Settings,
    check,
    check_duration,
    duration_seconds,
    is_template,
    read_settings,
)
from hookledger.runtime.triggers.webhook.responding import (
    EVENT_STREAM,
    header_problem,
)
from hookledger.runtime.triggers.webhook.settings import (
    COMPLETED,
    RECEIVED,
    Batch,
    Deduplication,
    Mismatch,
    OnDuplicate,
    PreviousKey,
    Redaction,
    Respond,
    ResponseSettings,
)

KEYS_MAX: Final = 5


class DeduplicationSource(Settings, frozen=True, kw_only=True):
    """The `deduplication:` block."""

    key: str | None = None
    window: str = "PT24H"
    fingerprint: bool = True
    on_duplicate: OnDuplicate = "REPLAY"
    required: bool = False


def parse_deduplication(
    raw: object, *, path: str = "deduplication"
) -> tuple[Deduplication | None, list[Problem]]:
    """Read `deduplication:`; `{}` takes every default."""
    source, problems = read_settings(DeduplicationSource, raw, path)
    if source is None:
        return None, problems
    check_duration(problems, f"{path}.window", source.window)
    if problems:
        return None, problems
    seconds = duration_seconds(source.window)
    check(problems, f"{path}.window", seconds <= 0, "must be longer than zero, e.g. PT24H")
    made = Deduplication(
        key=None if source.key is None else compile_tree(source.key),
        window=int(seconds * 1_000_000),
        fingerprint=source.fingerprint,
        on_duplicate=source.on_duplicate,
        required=source.required,
    )
    return made, problems


class BatchSource(Settings, frozen=True, kw_only=True):
    """The `batch:` block."""

    items: str | None = None
    mode: Literal["SINGLE", "EACH"] = "EACH"


def parse_batch(raw: object, *, path: str = "batch") -> tuple[Batch | None, list[Problem]]:
    """Read `batch:`; `{}` takes every default."""
    source, problems = read_settings(BatchSource, raw, path)
    if source is None:
        return None, problems
    fixed = source.items is not None and not is_template(source.items)
    check(
        problems,
        f"{path}.items",
        fixed,
        'is an expression that gives a list, e.g. "{{ trigger.body.entry }}"',
    )
    items = None if source.items is None else compile_tree(source.items)
    return Batch(items=items, each=source.mode == "EACH"), problems


class CloudEventsSource(Settings, frozen=True, kw_only=True):
    """The `cloudEvents:` block; a mode alone may stand for it."""

    mode: Literal["AUTO", "REQUIRED", "OFF"] = "AUTO"
    allowed_origins: tuple[str, ...] = ()
    allowed_rate: int | None = None

    @property
    def handshake(self) -> dict[str, Any] | None:
        """The handshake that the origins imply."""
        if self.mode == "OFF" or not self.allowed_origins:
            return None
        known = {"allowedOrigins": list(self.allowed_origins), "allowedRate": self.allowed_rate}
        return {"type": "CLOUDEVENTS", **{name: value for name, value in known.items() if value is not None}}


def parse_cloud_events(
    raw: object, *, path: str = "cloudEvents"
) -> tuple[CloudEventsSource | None, list[Problem]]:
    """Read `cloudEvents:`, a mode or a block."""
    if not isinstance(raw, str | Mapping):
        return None, [Problem(path, "must be AUTO, REQUIRED, OFF or {mode: AUTO, allowedOrigins: [...]}")]
    source, problems = read_settings(CloudEventsSource, {"mode": raw} if isinstance(raw, str) else raw, path)
    if source is None:
        return None, [_named(problem, path) for problem in problems] if isinstance(raw, str) else problems
    rate = source.allowed_rate
    check(problems, f"{path}.allowedRate", rate is not None and rate < 1, "must be at least 1 per minute")
    lonely = rate is not None and not source.allowed_origins
    check(problems, f"{path}.allowedRate", lonely, "goes with `allowedOrigins`; add them")
    return source, problems


def _named(problem: Problem, path: str) -> Problem:
    """A mode that is written alone stands at the property itself."""
    return msgspec.structs.replace(problem, path=path)


class FailedSource(Settings, frozen=True, kw_only=True):
    """`response.failed`."""

    code: int | str | None = None
    headers: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    content_type: str | None = None
    body: Any = msgspec.UNSET


class ResponseSource(FailedSource, frozen=True, kw_only=True):
    """The `response:` block."""

    on: str | None = None
    failed: Any = None


def parse_response(
    raw: object, *, wait: bool, path: str = "response"
) -> tuple[ResponseSettings | None, list[Problem]]:
    """Read `response:`; without `wait` it answers as soon as the delivery is received."""
    source, problems = read_settings(ResponseSource, raw, path)
    if source is None:
        return None, problems
    on = source.on or (COMPLETED if wait else RECEIVED)
    check(
        problems, f"{path}.on", on != RECEIVED and not wait,
        f"is {on}, so the answer has to wait for the execution; add `wait: true`",
    )  # fmt: skip
    problems += _answer_problems(source, path)
    failed = None
    if source.failed is not None:
        failed, more = read_settings(FailedSource, source.failed, f"{path}.failed")
        problems += more if failed is None else _answer_problems(failed, f"{path}.failed")
    streams = (source.content_type or "").partition(";")[0].strip().lower() == EVENT_STREAM
    check(
        problems, f"{path}.contentType", streams and not wait,
        "text/event-stream shows an execution's progress; add `wait: true`",
    )  # fmt: skip
    made = ResponseSettings(
        on=on,
        success=_respond(source),
        failed=None if failed is None else _respond(failed),
        streams=streams,
    )
    return made, problems


def _respond(source: FailedSource) -> Respond:
    return Respond(
        code=compile_tree(source.code),
        headers=compile_tree(source.headers) if source.headers else None,
        content_type=source.content_type or "",
        body=None if source.body is msgspec.UNSET else compile_tree(source.body),
        has_body=source.body is not msgspec.UNSET,
    )


def _answer_problems(source: FailedSource, path: str) -> list[Problem]:
    problems: list[Problem] = []
    code = source.code
    outside = isinstance(code, int) and not 200 <= code <= 599
    check(problems, f"{path}.code", outside, "cannot end a request; use a status from 200 to 599")
    for name, value in source.headers.items():
        static = str(value) if not is_template(str(value)) else ""
        wrong = header_problem(name, static)
        check(problems, f"{path}.headers.{name}", wrong, wrong)
    kind = source.content_type or "text/plain"
    check(problems, f"{path}.contentType", header_problem("X-Type", kind), "is not a media type")
    return problems


class MismatchSource(Settings, frozen=True, kw_only=True):
    """The `onMismatch:` block."""

    code: int = 204
    body: str = ""


def parse_mismatch(raw: object, *, path: str = "onMismatch") -> tuple[Mismatch | None, list[Problem]]:
    """Read `onMismatch:`."""
    source, problems = read_settings(MismatchSource, raw, path)
    if source is None:
        return None, problems
    check(problems, f"{path}.code", not 200 <= source.code <= 499, "must be a status from 200 to 499")
    check(problems, f"{path}.body", source.code == 204 and source.body, "cannot be sent with 204; set `code`")
    return Mismatch(code=source.code, body=source.body), problems


class RedactSource(Settings, frozen=True, kw_only=True):
    """The `redact:` block."""

    headers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()


def parse_redact(raw: object, *, path: str = "redact") -> tuple[Redaction | None, list[Problem]]:
    """Read `redact:`; pointers are JSON Pointers (RFC 6901) into the body."""
    source, problems = read_settings(RedactSource, raw, path)
    if source is None:
        return None, problems
    for index, pointer in enumerate(source.pointers):
        check(problems, f"{path}.pointers[{index}]", not pointer.startswith("/"), "begins with /, e.g. /card")
    made = Redaction(
        headers=frozenset(name.lower() for name in source.headers),
        parameters=frozenset(source.parameters),
        pointers=tuple(_steps(pointer) for pointer in source.pointers),
    )
    return made, problems


def _steps(pointer: str) -> tuple[str, ...]:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


class PreviousKeySource(Settings, frozen=True, kw_only=True):
    """One entry of `previousKeys`."""

    key: str
    expires: str


def parse_previous_keys(
    raw: object, *, path: str = "previousKeys"
) -> tuple[tuple[PreviousKey, ...], list[Problem]]:
    """Read `previousKeys:`; `expires` is an ISO 8601 time with its offset."""
    if not isinstance(raw, list) or len(raw) > KEYS_MAX:
        return (), [Problem(path, f"must be a list of at most {KEYS_MAX}, e.g. [{{key: ..., expires: ...}}]")]
    found: list[PreviousKey] = []
    problems: list[Problem] = []
    for index, item in enumerate(raw):
        where = f"{path}[{index}]"
        source, more = read_settings(PreviousKeySource, item, where)
        problems += more
        if source is None:
            continue
        expires = _moment(source.expires)
        check(problems, f"{where}.expires", expires is None, "is not a time; write 2026-12-31T00:00:00Z")
        check(problems, f"{where}.key", not source.key.strip(), "may not be empty")
        found.append(PreviousKey(key=compile_tree(source.key), expires=expires or 0))
    return tuple(found), problems


def _moment(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp() * 1_000_000)
