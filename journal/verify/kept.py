"""What is kept beside the log and committed to by events: log lines (L23) and stored bodies and files (L24)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from hookledger.journal.events import (
    AnyEvent,
    BranchTaken,
    ChildReturned,
    ChildStarted,
    TaskReturned,
    TriggerReceived,
)
from hookledger.journal.store import LogLine, log_reference
from hookledger.journal.verify.report import Finding

_HEX: Final = 64


class Kept(Protocol):
    """Where lines and files are."""

    def lines(self, execution: str, after: int, limit: int) -> list[tuple[int, LogLine]]:
        """The next stored lines of an execution behind a row number, each with its own."""
        ...

    def line_count(self, execution: str) -> int:
        """How many lines an execution has."""
        ...

    def stray_lines(self) -> Iterator[str]:
        """Yield names under which lines are stored and no entries."""
        ...

    def file_difference(self, uri: str, sha256: str) -> str | None:
        """Say how a stored file differs from what was recorded; empty when it does not, None where none can be seen."""
        ...


Logging = TaskReturned | BranchTaken | ChildStarted | ChildReturned
"""Events that say which lines were written with them."""


class Lines:
    """The log lines of one execution, taken one attempt after the other."""

    __slots__ = ("_after", "count")

    def __init__(self) -> None:
        self._after = 0
        self.count = 0
        """How many lines its events commit to and were found."""

    def follow(self, kept: Kept, execution: str, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        """Compare what each attempt, choice and child wrote with what is stored."""
        for event in events:
            if isinstance(event, Logging) and event.log is not None:
                yield from self._attempt(kept, execution, event)

    def finish(self, kept: Kept, execution: str) -> Iterator[Finding]:
        """No line may be left that no event commits to."""
        stored = kept.line_count(execution)
        if stored != self.count:
            yield Finding("L23", f"{stored} log lines are stored, its events commit to {self.count} of them")

    def _attempt(self, kept: Kept, execution: str, event: Logging) -> Iterator[Finding]:
        assert event.log is not None
        own: list[LogLine] = []
        for number, (row, line) in enumerate(kept.lines(execution, self._after, event.log.count)):
            if (line.path, line.attempt, line.number) != (event.path, getattr(event, "attempt", 1), number):
                break
            own.append(line)
            self._after = row
        self.count += len(own)
        if len(own) != event.log.count:
            what = f"{len(own)} of {event.log.count} log lines of `{event.path}` are stored where they belong"
            yield Finding("L23", what, event.sequence)
        elif log_reference(own) != event.log:
            yield Finding("L23", f"the log lines of `{event.path}` are not those it wrote", event.sequence)


def stored_files(event: TriggerReceived) -> Iterator[tuple[str, str]]:
    """URI and SHA-256 of what a delivery left in the data directory: its body, or the files of its form."""
    if event.body_uri and event.stored_sha256:
        yield event.body_uri, event.stored_sha256
    parts: Any = event.variables.get("parts")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mapping):
            uri, sha256 = part.get("uri"), part.get("sha256")
            if isinstance(uri, str) and isinstance(sha256, str) and len(sha256) == _HEX:
                yield uri, sha256
