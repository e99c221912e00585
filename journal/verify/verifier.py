"""One pass over a partition that checks every rule which needs the journal alone.

Memory is bounded by the executions that are open at one time (plus a fixed number of recently ended ones and a
hash per deduplication key). When something is written to an execution that ended long ago, its earlier entries
are read again.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain
from typing import Final

from hookledger.journal.entry import SYSTEM, Header, leaf_hash, log_id
from hookledger.journal.errors import JournalUnreadable
from hookledger.journal.events import AnyEvent, ExecutionForked, ExecutionRestarted, TriggerReceived
from hookledger.journal.index import ExecutionRow, Projection
from hookledger.journal.verify.differences import NO_ROW
from hookledger.journal.verify.kept import Kept, Lines, stored_files
from hookledger.journal.verify.lifecycle import Life, Order
from hookledger.journal.verify.meaning import Course, Meaning
from hookledger.journal.verify.pins import Pins
from hookledger.journal.verify.projections import Projections
from hookledger.journal.verify.report import Finding, Report, Violation
from hookledger.journal.verify.source import RawRow, Row, Source
from hookledger.journal.verify.structure import Partition, Stream, identity, read_header, read_payload

ENDED_MAX: Final = 1024
"""How many ended executions stay in memory, because what follows an end mostly follows soon."""


class Tracked:
    """What is remembered of one execution while the pass is inside it."""

    __slots__ = ("_index", "blind", "course", "life", "lines", "order", "position", "row", "stream")

    def __init__(self, course: Course | None = None) -> None:
        self.course = course
        self.stream, self.order, self.life, self.lines = Stream(), Order(), Life(), Lines()
        self._index: Projection | None = None
        self.row: ExecutionRow | None = None
        self.position = 0
        self.blind = False
        """A payload is gone or not to be believed: rules that need events are silent from there on."""

    def follow(
        self,
        row: Row,
        header: Header,
        events: Sequence[AnyEvent] | None,
        kept: Kept,
        *,
        judged: bool = False,
    ) -> Iterator[Finding]:
        """Check one entry and move past it; what it means is not checked again when it was `judged`."""
        yield from self.stream.follow(row, header, events)
        self.position, self.blind = row.position, self.blind or events is None
        if header.exec == SYSTEM:
            return
        for offset, name in enumerate(header.types):
            for finding in self.order.follow(name):
                yield finding._replace(sequence=header.seq + offset)
        if not self.blind:
            yield from self._live(header.exec, events or ())
            yield from self.judge(events or (), judged=judged)
            yield from self.lines.follow(kept, header.exec, events or ())

    def judge(self, events: Sequence[AnyEvent], *, judged: bool) -> Iterator[Finding]:
        """Check what events mean, or only take them in when that was done before."""
        for event in events if self.course is not None else ():
            assert self.course is not None
            if judged:
                self.course.take(event)
            else:
                yield from self.course.follow(event)

    def _live(self, execution: str, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        for event in events:
            yield from self.life.follow(event)
        self._index = self._index or Projection(execution)
        self.row = self._index.follow(events)


class Verifier:
    """Checks one source; `run` yields violations as it finds them and fills `report` with what was looked at."""

    def __init__(
        self,
        source: Source,
        *,
        execution: str | None = None,
        alone: bool = False,
        meaning: Meaning | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare a pass.

        Args:
            source: The rows and the index.
            execution: Check this one and the system stream only.
            alone: Leave the system stream out as well, and with it the rules that need it (L11, L12, S15, S16).
            meaning: Knows what flows mean; without it the rules M.. are not checked.
            progress: Called with the number of entries, after each.
        """
        self.report = Report()
        self._source = source
        self._only = execution
        self._meaning = meaning if not alone else None
        self._progress = progress
        self.report.meaning = self._meaning is not None
        self._alone = alone and execution is not None
        self._origin = source.origin() or ""
        self._log = self.report.log = log_id(self._origin)
        self._partition = Partition(self._origin, whole=execution is None)
        self._pins = Pins()
        self._projections = Projections(source, whole=execution is None)
        self._open: dict[str, Tracked] = {}
        self._ended: dict[str, Tracked] = {}
        self._unequal: dict[tuple[str, str], tuple[str, int]] = {}

    def run(self) -> Iterator[Violation]:
        """Make the pass."""
        if self._only is None:
            for line in self._source.damage():
                yield _violation(Finding("S00", line))
        try:
            for line in self._source.schema() if self._only is None else ():
                yield _violation(Finding("S18", line))
            for raw in self._rows():
                row = Row.of(raw)
                for finding in self._entry(row):
                    yield _violation(finding, row.execution, row.position)
                if self._progress is not None:
                    self._progress(self.report.entries)
            yield from self._finish()
            self.report.unjudged = dict(self._meaning.skipped) if self._meaning is not None else {}
            for rule, words in self._source.warnings() if not self._alone else ():
                yield _violation(Finding(rule, words))
        except JournalUnreadable as error:
            yield _violation(
                Finding("S00", f"{error}; nothing after this place was read"), "", self.report.last_position
            )

    def _rows(self) -> Iterator[RawRow]:
        if self._only is None:
            return self._source.raw_rows()
        streams = {self._only} if self._alone else {SYSTEM, self._only}
        return merge(*map(self._source.raw_history, sorted(streams)), key=lambda raw: Row.of(raw).position)

    def _entry(self, row: Row) -> Iterator[Finding]:
        self.report.entries += 1
        self.report.last_position = row.position
        yield from self._partition.place(row)
        header, found = read_header(row)
        yield from found
        if header is None:
            self._lose(row)
            return
        yield from identity(row, header, self._log)
        events, found = read_payload(row, header)
        yield from found
        self.report.events += len(header.types)
        self.report.erased += row.payload is None and row.salt is None
        yield from self._partition.follow(header, events, opening=not self._alone)
        yield from self._execution(row, header, events)

    def _lose(self, row: Row) -> None:
        """Not even the header can be read: what the entry said is unknown, what follows it is still checked."""
        self._partition.lose()
        self._projections.lose()
        tracked = self._tracked(row.execution, row.n, row.position)
        tracked.stream.lose()
        tracked.order.lose()
        tracked.blind = True
        self._open[row.execution] = tracked

    def _execution(self, row: Row, header: Header, events: Sequence[AnyEvent] | None) -> Iterator[Finding]:
        tracked = self._tracked(header.exec, header.n, row.position)
        self._open[header.exec] = tracked
        if header.exec == SYSTEM:
            yield from tracked.follow(row, header, events, self._source)
            yield from self._pins.learn(events)
            if self._meaning is not None:
                for event in events or ():
                    self._meaning.learn(event)
            yield from self._projections.follow(header, events, None)
            return
        yield from self._fork(tracked, events or ())
        yield from tracked.follow(row, header, events, self._source)
        yield from self._across(tracked, header.exec, events or ())
        yield from self._projections.follow(header, events, None if tracked.blind else tracked.row)
        if tracked.order.ended:
            self._end(header.exec)

    def _tracked(self, execution: str, n: int, position: int) -> Tracked:
        """What is known of an execution; read again when it had ended long ago."""
        for known in (self._open, self._ended):
            if execution in known:
                return known.pop(execution)
        tracked = self._fresh(execution)
        earlier = self._replayed(execution, tracked, position) if n > 0 else False
        self.report.executions += not earlier and execution != SYSTEM
        return tracked

    def _fresh(self, execution: str) -> Tracked:
        return Tracked(self._meaning.course(execution) if self._meaning is not None else None)

    def _replayed(self, execution: str, tracked: Tracked, position: int) -> bool:
        """Follow the entries before a position without judging them: they were judged when they came by."""
        found = False
        for raw in self._source.raw_history(execution):
            row = Row.of(raw)
            header = read_header(row)[0]
            if row.position >= position or header is None:
                break
            events = read_payload(row, header)[0]
            for findings in (
                self._fork(tracked, events or ()),
                tracked.follow(row, header, events, self._source),
            ):
                for _ in findings:
                    pass
            found = True
        return found

    def _across(self, tracked: Tracked, execution: str, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        for event in events:
            match event:
                case TriggerReceived():
                    yield from self._pinned(event, event.sequence)
                    yield from self._pins.deduplicated(execution, event)
                    yield from self._stored(event)
                case ExecutionForked():
                    yield from self._pinned(event.received, event.sequence)
                case ExecutionRestarted() if tracked.row is not None and not self._alone:
                    row = tracked.row
                    yield from self._pins.pinned(
                        row.namespace, row.flow, event.revision, event.source_sha256, event.sequence
                    )
                case _:
                    pass

    def _stored(self, event: TriggerReceived) -> Iterator[Finding]:
        """What the delivery left in the data directory is still there, and the same."""
        for uri, sha256 in stored_files(event):
            if wrong := self._source.file_difference(uri, sha256):
                yield Finding("L24", f"{uri} {wrong}", event.sequence)

    def _pinned(self, received: TriggerReceived, sequence: int) -> Iterator[Finding]:
        if not self._alone:
            yield from self._pins.pinned(
                received.namespace, received.flow, received.revision, received.source_sha256, sequence
            )

    def _fork(self, tracked: Tracked, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        """Begin where the origin's prefix ends (L17)."""
        if not events or not isinstance(events[0], ExecutionForked):
            return
        forked, before, leaf = events[0], self._fresh(events[0].origin), b""
        for raw in self._source.raw_history(forked.origin):
            row = Row.of(raw)
            header = read_header(row)[0]
            if header is None or header.seq >= forked.origin_sequence:
                break
            counted = [e for e in read_payload(row, header)[0] or () if e.sequence < forked.origin_sequence]
            for _ in self._fork(before, counted):
                pass
            for _ in chain(*map(before.life.follow, counted), before.judge(counted, judged=True)):
                pass
            leaf = leaf_hash(row.header)
        if base64.b64encode(leaf).decode() != forked.origin_leaf:
            yield Finding(
                "L17", f"{forked.origin} has no such entry at {forked.origin_sequence}", forked.sequence
            )
        tracked.life = before.life
        tracked.life.fork(forked.forget)
        if tracked.course is not None and before.course is not None:
            tracked.course.fork(before.course, forked)

    def _end(self, execution: str) -> None:
        """An ended execution moves out of the way; its index row is compared now, while it is at hand."""
        tracked = self._ended[execution] = self._open.pop(execution)
        self._compare(tracked)
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    def _compare(self, tracked: Tracked) -> None:
        """Remember a row that differs: what follows in the log may still explain it (a label set after the end)."""
        if tracked.row is None or tracked.blind:
            return
        lines = next(tracked.lines.finish(self._source, tracked.row.execution), None)
        for rule, wrong in (
            ("L14", self._source.index_difference(tracked.row)),
            ("L19", self._source.label_difference(tracked.row)),
            ("L23", lines.message if lines else ""),
        ):
            if wrong:
                self._unequal[rule, tracked.row.execution] = wrong, tracked.position
            else:
                self._unequal.pop((rule, tracked.row.execution), None)

    def _finish(self) -> Iterator[Violation]:
        for finding in () if self._alone else self._partition.finish():
            yield _violation(finding, SYSTEM, self.report.last_position)
        for execution, tracked in self._open.items():
            self._compare(tracked)
            yield from self._open_end(execution, tracked)
        for (rule, execution), (wrong, position) in self._unequal.items():
            yield _violation(Finding(rule, wrong), execution, position)
        for finding in self._projections.finish():
            yield _violation(finding)
        for stray in self._source.stray_lines() if self._only is None else ():
            yield _violation(Finding("L23", "log lines are stored, the log has no entry"), stray)
        if self._only is None and self._source.index_size() != self.report.executions - self._missing():
            yield from self._orphans()

    def _open_end(self, execution: str, tracked: Tracked) -> Iterator[Violation]:
        if tracked.course is not None and not tracked.blind and execution != SYSTEM:
            for finding in tracked.course.finish(self._partition.time):
                yield _violation(finding, execution, tracked.position)

    def _missing(self) -> int:
        return sum(1 for wrong, _ in self._unequal.values() if wrong == NO_ROW)

    def _orphans(self) -> Iterator[Violation]:
        for execution in self._source.index_ids():
            if next(self._source.raw_history(execution), None) is None:
                yield _violation(Finding("L14", "the index has a row, the log has no entry"), execution)


def verify(
    source: Source, *, execution: str | None = None, alone: bool = False, meaning: Meaning | None = None
) -> Report:
    """Check a source and return everything that was found; see `Verifier`."""
    verifier = Verifier(source, execution=execution, alone=alone, meaning=meaning)
    for violation in verifier.run():
        verifier.report.add(violation)
    return verifier.report


def _violation(finding: Finding, execution: str = "", position: int | None = None) -> Violation:
    return Violation(
        rule=finding.rule,
        execution=execution,
        position=position,
        sequence=finding.sequence,
        message=finding.message,
    )
