"""Structure rules: headers, hashes, chains and the order of a partition."""

import base64
from collections.abc import Iterator, Sequence
from typing import Final, get_args

import msgspec

from hookledger.journal.entry import (
    FORMAT_VERSION,
    INTEGER_MAX,
    SYSTEM,
    Header,
    decode_header,
    encode_header,
    leaf_hash,
    payload_hash,
)
from hookledger.journal.events import (
    AnyEvent,
    EpochStarted,
    JournalOpened,
    SystemEvent,
    decode_events,
    type_name,
)
from hookledger.journal.verify.report import Finding
from hookledger.journal.verify.source import Row

SYSTEM_TYPES: Final = frozenset(kind.__name__ for kind in get_args(SystemEvent))
EVENT_TYPES: Final = frozenset(kind.__name__ for kind in get_args(AnyEvent))
_NUMBERS: Final = ("ep", "n", "pos", "seq", "ts", "v")


def read_header(row: Row) -> tuple[Header | None, tuple[Finding, ...]]:
    """Decode a header and say whether its bytes are the canonical ones (S01)."""
    try:
        header = decode_header(row.header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, (Finding("S01", f"the header cannot be read: {error}"),)
    if encode_header(header) != row.header:
        return header, (Finding("S01", "the header's bytes are not the canonical ones"),)
    if header.v != FORMAT_VERSION:
        return header, (Finding("S01", f"format version {header.v}; this program knows {FORMAT_VERSION}"),)
    wrong = [name for name in _NUMBERS if not 0 <= getattr(header, name) <= INTEGER_MAX]
    return header, tuple(Finding("S01", f"`{name}` is out of range") for name in wrong)


def identity(row: Row, header: Header, log: str) -> Iterator[Finding]:
    """Columns, leaf, log and the kind of stream (S02, S03, S07, S17)."""
    columns, stated = row[:3], (header.pos, header.exec, header.n)
    if columns != stated:
        yield Finding("S02", f"columns say {columns}, the header says {stated}")
    if leaf_hash(row.header) != row.leaf:
        yield Finding("S03", "the stored leaf is not the hash of the stored header")
    if header.log != log:
        yield Finding("S07", f"the entry belongs to log {header.log}, this is {log}")
    for offset, name in enumerate(header.types):
        if name not in EVENT_TYPES or (name in SYSTEM_TYPES) != (header.exec == SYSTEM):
            yield Finding("S17", f"{name} does not belong into this stream", header.seq + offset)


def read_payload(row: Row, header: Header) -> tuple[list[AnyEvent] | None, tuple[Finding, ...]]:
    """Decode a payload that is the committed one (S04, S05, S06); None when there is nothing to believe."""
    gone = [name for name in ("payload", "salt") if getattr(row, name) is None]
    if gone:
        return None, (Finding("S04", f"{' and '.join(gone)} gone, and no event says that it was erased"),)
    if not isinstance(row.payload, bytes) or not isinstance(row.salt, bytes):
        return None, (Finding("S04", "payload or salt are no bytes"),)
    if payload_hash(row.salt, row.payload) != header.ph:
        return None, (Finding("S04", "the payload is not the one the header commits to"),)
    try:
        events = decode_events(row.payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, (Finding("S05", f"the payload cannot be read: {error}"),)
    return events, tuple(_contents(header, events))


def _contents(header: Header, events: Sequence[AnyEvent]) -> Iterator[Finding]:
    names = tuple(type_name(event) for event in events)
    if names != header.types or not names:
        yield Finding("S05", f"the payload holds {list(names)}, the header says {list(header.types)}")
    for expected, event in enumerate(events, header.seq):
        if event.sequence != expected:
            yield Finding("S06", f"expected sequence {expected}, found {event.sequence}", event.sequence)
            return


class Stream:
    """The end of one execution's chain, or of the system stream's."""

    __slots__ = ("_at", "_leaves", "_lost", "_n", "_seq")

    def __init__(self) -> None:
        self._n, self._seq, self._at = 0, 0, 0
        self._leaves: tuple[str, ...] = ("",)
        self._lost = False

    def lose(self) -> None:
        """An entry could not be read: take up the chain again at the next one."""
        self._lost = True

    def follow(self, row: Row, header: Header, events: Sequence[AnyEvent] | None) -> Iterator[Finding]:
        """Check that the entry continues the chain (S09, S10, S11, S14) and move past it."""
        if not self._lost:
            yield from self._joins(header)
        yield from self._times(header, events or ())
        self._n, self._seq = header.n + 1, header.seq + len(header.types)
        # A wrong leaf is S03; the successor may continue the stored or the right one.
        self._leaves = tuple(base64.b64encode(leaf).decode() for leaf in (row.leaf, leaf_hash(row.header)))
        self._lost = False

    def _joins(self, header: Header) -> Iterator[Finding]:
        if header.n != self._n:
            yield Finding("S09", f"expected entry number {self._n}, found {header.n}")
        if header.seq != self._seq:
            yield Finding("S10", f"expected first sequence {self._seq}, found {header.seq}")
        if header.prev not in self._leaves:
            yield Finding("S11", "`prev` is not the leaf of the execution's previous entry")

    def _times(self, header: Header, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        for event in events:
            if event.at < self._at:
                yield Finding("S14", f"`at` falls from {self._at} to {event.at}", event.sequence)
            if event.at > header.ts:
                yield Finding("S14", f"`at` {event.at} is after the entry's {header.ts}", event.sequence)
            self._at = max(self._at, event.at)


class Partition:
    """The order of all entries."""

    def __init__(self, origin: str, *, whole: bool) -> None:
        self._origin = origin
        self._whole = whole
        self._position = 0
        self._epoch = self.time = 0
        self._announced = True
        self._opened = False

    def place(self, row: Row) -> Iterator[Finding]:
        """Check the position of a row (S08), readable or not."""
        if row.position < self._position or (self._whole and row.position != self._position):
            yield Finding("S08", f"expected position {self._position}, found {row.position}")
        self._position = row.position + 1

    def follow(
        self, header: Header, events: Sequence[AnyEvent] | None, *, opening: bool = True
    ) -> Iterator[Finding]:
        """Check an entry's epoch, time and part in the partition's beginning (S12, S13, S15, S16).

        Args:
            opening: The system stream is at hand: what opens a partition and an epoch can be checked.
        """
        if header.ts < self.time:
            yield Finding("S13", f"`ts` falls from {self.time} to {header.ts}")
        self.time = max(self.time, header.ts)
        if opening:
            yield from self._opening(header, events or ())
        if header.ep < self._epoch:
            yield Finding("S12", f"`ep` falls from {self._epoch} to {header.ep}")
        elif opening:
            yield from self._epochs(header, events or ())
        else:
            self._epoch = header.ep

    def lose(self) -> None:
        """An entry could not be read: it may have been an opening or an EpochStarted."""
        self._opened = self._announced = True

    def finish(self) -> Iterator[Finding]:
        """Nothing more comes."""
        if not self._announced:
            yield Finding("S16", f"epoch {self._epoch} has no EpochStarted")

    def _opening(self, header: Header, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        for offset, name in enumerate(header.types):
            opening = name == JournalOpened.__name__
            if opening == self._opened:
                what = "JournalOpened again" if opening else "nothing may stand before JournalOpened"
                yield Finding("S15", what, header.seq + offset)
            self._opened = True
        for event in events:
            if isinstance(event, JournalOpened) and event.origin != self._origin:
                yield Finding(
                    "S15", f"opened as {event.origin}, the store says {self._origin}", event.sequence
                )

    def _epochs(self, header: Header, events: Sequence[AnyEvent]) -> Iterator[Finding]:
        if header.ep > self._epoch:
            yield from self.finish()
            self._epoch, self._announced = header.ep, False
        for event in events:
            if isinstance(event, EpochStarted) and event.epoch != header.ep:
                yield Finding(
                    "S16", f"EpochStarted says {event.epoch}, its header {header.ep}", event.sequence
                )
        if EpochStarted.__name__ in header.types:
            if self._announced:
                yield Finding("S16", f"epoch {header.ep} starts again")
            self._announced = True
        elif not self._announced and header.types != (JournalOpened.__name__,):
            yield Finding("S16", f"epoch {header.ep} does not begin with its EpochStarted")
            self._announced = True
