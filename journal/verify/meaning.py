"""The seam for rules about the meaning of flows (M..): they need the flow language, which this room must not know.

Whoever knows it hands in a `Meaning`. The verifier feeds it the system stream and gives every execution a `Course`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import msgspec

from hookledger.journal.events import AnyEvent, ExecutionForked
from hookledger.journal.verify.report import Finding


class Course(Protocol):
    """One execution while its events come by."""

    def follow(self, event: AnyEvent) -> Iterator[Finding]:
        """Judge the next event and move past it."""
        ...

    def take(self, event: AnyEvent) -> None:
        """Move past an event that was judged before."""
        ...

    def fork(self, origin: "Course", event: ExecutionForked) -> None:
        """Begin with what another one had."""
        ...

    def finish(self, now: int) -> Iterator[Finding]:
        """The log ends and the execution has not; `now` is the time of the last entry, microseconds."""
        ...


class Meaning(Protocol):
    """What flows mean."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """What could not be judged, in words, and how often."""
        ...

    def learn(self, event: AnyEvent) -> None:
        """Take in an event of the system stream."""
        ...

    def course(self, execution: str) -> Course:
        """Begin to follow an execution."""
        ...


class MeaningOffer(msgspec.Struct, frozen=True):
    """How the command line gets a `Meaning`, from whoever knows flows; made only when it is needed."""

    make: Callable[[], Meaning]
