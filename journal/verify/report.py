"""What the verifier says: rules with stable ids, violations of them, and what was looked at.

Ids are part of the product's surface: a rule may be added, but an id never changes its meaning.
"""

from typing import Final, NamedTuple

import msgspec

from hookledger.journal.entry import SYSTEM

RULES: Final[dict[str, str]] = {
    "S00": "the store can be read to its end",
    "S01": "a header is canonical JSON of a known version",
    "S02": "stored columns agree with the header",
    "S03": "the leaf is SHA-256(0x00 ‖ header)",
    "S04": "the payload and its salt are there, and are those the header commits to",
    "S05": "the payload holds the event types the header names",
    "S06": "an entry's events count on from its `seq`",
    "S07": "the entry belongs to this log",
    "S08": "positions are dense from 0",
    "S09": "entry numbers of an execution are dense from 0",
    "S10": "sequences of an execution are dense from 0",
    "S11": "an entry names its predecessor's leaf",
    "S12": "the writer epoch never falls",
    "S13": "the time of entries never falls",
    "S14": "the time of events never falls within an execution and is never after its entry's",
    "S15": "the system stream begins with JournalOpened, once, with the log's origin",
    "S16": "an epoch begins with its EpochStarted, once",
    "S17": "system events stand in the system stream, all others in an execution's",
    "S18": "tables, indexes, triggers and views are those this program makes, and no others",
    "L01": "an execution begins with TriggerReceived or ExecutionForked, once",
    "L02": "an execution ends once per generation",
    "L03": "no decision follows the end, except ExecutionRestarted and LabelsSet",
    "L04": "a TaskReturned closes one open TaskStarted of the same task, path and attempt",
    "L05": "attempts are 1..k without gaps, each after the first behind a `retry`",
    "L06": "an attempt does not begin before its `retryAt`",
    "L07": "nothing is open when an execution ends",
    "L08": "no TaskStarted while an operator's pause lasts",
    "L09": "no TaskStarted after KillRequested",
    "L10": "a TimerFired belongs to a TimerSet and is not before its time",
    "L11": "the pinned revision has a FlowRegistered with that hash, earlier in the log",
    "L12": "a registered source hashes to its `sha256`",
    "L13": "a trigger has one execution per deduplication key within its window",
    "L14": "the execution index equals the one rebuilt from the entries",
    "L15": "an ExecutionResumed or ChildReturned ends a wait that was open; a child nobody waits for returns only "
    "when it could not begin",
    "L16": "a restart opens what had ended and counts the generation up by one",
    "L17": "a fork stands on the origin entry it names",
    "L18": "the claims of deduplication keys equal those rebuilt from the entries, and there are no others",
    "L19": "an execution is found by its labels and by no others",
    "L20": "the counts of each minute equal those rebuilt from the entries",
    "L21": "the list of deliveries has each one as the entries tell it, and no others",
    "L22": "system entries by type, entries by person and the number of events are those of the log",
    "L23": "stored log lines are those that a TaskReturned commits to, in their order, and there are no others",
    "L24": "stored bodies and files are those that deliveries recorded",
    "M01": "what an execution does is what its flow asks for, with what had happened before",
    "M02": "an attempt is followed by what its task says of its outcome",
    "M03": "rendering again gives the recorded properties, choices and outputs",
    "M04": "a pure task run again gives the recorded outcome and outputs",
    "M05": "an open execution waits for something that has a name",
}
WARNINGS: Final[dict[str, str]] = {
    "W01": "a journal that was not closed has its write-ahead log beside it",
    "W02": "stored bodies and files are beside the journal",
}
"""What makes a report incomplete without being a broken rule."""

ENTRY_RULES: Final = frozenset({"S01", "S02", "S03", "S04", "S05", "S06", "S09", "S10", "S11"})
"""Those about the entries of one execution."""
VIOLATIONS_MAX: Final = 1000
"""How many a report keeps; the rest is only counted."""


class Finding(NamedTuple):
    """A broken rule, before its place is known."""

    rule: str
    message: str
    sequence: int | None = None


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A broken rule and where."""

    rule: str
    execution: str
    position: int | None
    """Of the entry; None when it is not about one."""
    sequence: int | None
    """Of the event; None when it is about the whole entry."""
    message: str


class Report(msgspec.Struct, kw_only=True):
    """What was checked and what is wrong with it."""

    log: str = ""
    entries: int = 0
    events: int = 0
    executions: int = 0
    erased: int = 0
    """Payloads that are gone; their entries are checked by their headers alone. Each is a violation as well."""
    last_position: int = -1
    violations: list[Violation] = msgspec.field(default_factory=list[Violation])
    warnings: list[Violation] = msgspec.field(default_factory=list[Violation])
    """What could not be looked at, or may be missing."""
    unjudged: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """What the rules about the meaning of flows could not judge, and how often; none of it is wrong."""
    meaning: bool = False
    """True when the rules about the meaning of flows were checked."""
    suppressed: int = 0
    """Violations beyond `VIOLATIONS_MAX`."""

    @property
    def ok(self) -> bool:
        """True when every rule held."""
        return not self.violations

    @property
    def damaged(self) -> bool:
        """True when the file itself is broken, so that not everything could be looked at."""
        return any(violation.rule == "S00" for violation in self.violations)

    @property
    def damaged_executions(self) -> list[str]:
        """Executions whose entries are missing or changed."""
        return sorted(
            {found.execution for found in self.violations if found.rule in ENTRY_RULES} - {"", SYSTEM}
        )

    def add(self, violation: Violation) -> None:
        """Keep a violation, or count it when there are too many; a warning is kept apart."""
        if violation.rule in WARNINGS:
            self.warnings.append(violation)
        elif len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(violation)
        else:
            self.suppressed += 1
