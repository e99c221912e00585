"""The verifier: a healthy journal passes, each rule is broken alone and named, no flipped byte stays unseen."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.journal.entry import SYSTEM, encode_header, leaf_hash, payload_hash
from hookledger.journal.errors import JournalUnreadable
from hookledger.journal.events import (
    EpochStarted,
    JournalOpened,
    KillRequested,
    LabelsSet,
    OperatorNote,
    TaskStarted,
)
from hookledger.journal.journal import open_journal
from hookledger.journal.memory import MemoryStore
from hookledger.journal.verify import RULES, ReaderSource, Report, verify
from hookledger.journal.verify import report as report_module
from hookledger.journal.verify import verifier as verifier_module
from hookledger.journal.verify.differences import unequal
from hookledger.journal.verify.source import RawRow

from .builders import (
    EXECUTION,
    LATE,
    OTHER,
    START,
    CountingEntropy,
    Draft,
    FixedClock,
    append,
    broken,
    end,
    golden,
    made,
    numbered,
    received,
    register,
    restart,
    rules,
    task,
)
from .test_tampering import TAMPERED
from .test_upgrade import PROJECTIONS
from .test_verify_lives import LIVES

# --- healthy --------------------------------------------------------------------------------------------


async def test_a_journal_that_was_written_passes() -> None:
    """
    What `open_journal` writes, over several epochs, has no violation, and the report counts it.
    """
    store, entropy = MemoryStore(), CountingEntropy()
    for number in range(3):
        async with open_journal(store, clock=FixedClock(START + number), entropy=entropy) as journal:
            if number == 0:
                register(journal)
            append(journal, f"{EXECUTION[:-1]}{number}", _early(golden()))
    report = verify(ReaderSource(store))
    assert report.violations == []
    assert (report.entries, report.executions, report.events) == (11, 3, 26)
    assert (report.erased, report.last_position) == (0, 10)


def _early(events: Any) -> Any:
    return tuple(msgspec.structs.replace(event, at=START) for event in events)


# --- structure: each rule broken alone --------------------------------------------------------------------


def _restore(draft: Draft, raw: bytes) -> None:
    """Replace the newest header by other bytes, with their right leaf."""
    draft.change(-1, raw=raw, leaf=leaf_hash(raw))


def _canonical(draft: Draft) -> None:
    _restore(draft, draft.entries[-1].raw.replace(b",", b", ", 1))


def _duplicate_key(draft: Draft) -> None:
    _restore(draft, draft.entries[-1].raw.replace(b'"v":1', b'"v":1,"v":1'))


def _unknown_key(draft: Draft) -> None:
    _restore(draft, draft.entries[-1].raw.replace(b'"v":1', b'"v":1,"z":1'))


def _version(draft: Draft) -> None:
    header = msgspec.structs.replace(draft.entries[-1].header, v=2)
    draft.change(-1, header=header)
    _restore(draft, encode_header(header))


def _columns(draft: Draft) -> None:
    header = msgspec.structs.replace(draft.entries[-1].header, n=7)
    draft.change(-1, header=header)  # the bytes stay as they were


def _leaf(draft: Draft) -> None:
    draft.change(-1, leaf=bytes(32))


def _payload(draft: Draft) -> None:
    payload = draft.entries[-1].payload
    assert payload is not None
    draft.change(-1, payload=payload + b" ")


def _half_erased(draft: Draft) -> None:
    draft.change(-1, payload=None)


def _types(draft: Draft) -> None:
    draft.add(OTHER, *numbered(received(), *task()), types=("TriggerReceived", "TaskStarted", "OperatorNote"))


def _sequences(draft: Draft) -> None:
    first, *rest = numbered(received(), *task())
    draft.add(OTHER, first, *(msgspec.structs.replace(event, sequence=event.sequence + 1) for event in rest))


def _log(draft: Draft) -> None:
    draft.add(OTHER, received(), log="0000000000000000")


def _gap(draft: Draft) -> None:
    draft.add(OTHER, received(), pos=draft.position + 1)


def _number(draft: Draft) -> None:
    draft.add(OTHER, received())
    draft.add(OTHER, made(OperatorNote, 1, by="user:ann", text="x"), n=2)


def _first_sequence(draft: Draft) -> None:
    draft.add(OTHER, received())
    draft.add(OTHER, made(OperatorNote, 2, by="user:ann", text="x"))


def _previous(draft: Draft) -> None:
    draft.add(OTHER, received())
    wrong = base64.b64encode(bytes(32)).decode()
    draft.add(OTHER, made(OperatorNote, 1, by="user:ann", text="x"), prev=wrong)


def _epoch_falls(draft: Draft) -> None:
    draft.add(OTHER, received(), ep=0)


def _time_falls(draft: Draft) -> None:
    draft.add(OTHER, received(), ts=LATE - 1)


def _at_falls(draft: Draft) -> None:
    draft.add(OTHER, received(at=START + 5), made(OperatorNote, 1, by="user:ann", text="x"))


def _at_after_entry(draft: Draft) -> None:
    draft.add(OTHER, received(at=LATE + 1))


def _opened_again(draft: Draft) -> None:
    draft.add(SYSTEM, made(JournalOpened, 3))


def _epoch_unannounced(draft: Draft) -> None:
    draft.add(OTHER, received(), epoch=2)


def _epoch_twice(draft: Draft) -> None:
    draft.add(SYSTEM, made(EpochStarted, 3))


def _epoch_other(draft: Draft) -> None:
    draft.add(SYSTEM, made(EpochStarted, 3, epoch=3), epoch=2)


def _wrong_stream(draft: Draft) -> None:
    draft.add(SYSTEM, made(OperatorNote, 3, by="user:ann", text="x"))


STRUCTURE: list[tuple[str, Callable[[Draft], None]]] = [
    ("S01", _canonical),
    ("S01", _duplicate_key),
    ("S01", _unknown_key),
    ("S01", _version),
    ("S02", _columns),
    ("S03", _leaf),
    ("S04", _payload),
    ("S04", _half_erased),
    ("S05", _types),
    ("S06", _sequences),
    ("S07", _log),
    ("S08", _gap),
    ("S09", _number),
    ("S10", _first_sequence),
    ("S11", _previous),
    ("S12", _epoch_falls),
    ("S13", _time_falls),
    ("S14", _at_falls),
    ("S14", _at_after_entry),
    ("S15", _opened_again),
    ("S16", _epoch_unannounced),
    ("S16", _epoch_twice),
    ("S16", _epoch_other),
    ("S17", _wrong_stream),
]


@pytest.mark.parametrize(("rule", "damage"), STRUCTURE, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_structure_is_named(rule: str, damage: Callable[[Draft], None]) -> None:
    """
    One broken structure rule is one violation that names rule, execution and position.
    """
    draft = Draft().run(*golden())
    damage(draft)
    newest = draft.entries[-1].header
    assert broken(draft) == [(rule, newest.exec, newest.pos)]


def test_a_journal_must_be_opened() -> None:
    """
    S15: the first event is JournalOpened with the store's origin.
    """
    unopened, foreign = Draft(opened=False, registered=False), Draft(opened=False)
    unopened.add(SYSTEM, made(EpochStarted))
    foreign = Draft(opened=False, registered=False)
    foreign.add(SYSTEM, made(JournalOpened, origin="hookledger/another"), made(EpochStarted, 1))
    assert rules(unopened) == ["S15"]
    assert rules(foreign) == ["S15"]


def test_an_unreadable_payload_is_named() -> None:
    """
    S05: committed bytes that are no events are a violation, and the rest is still checked.
    """
    draft = Draft().run(*golden())
    last = draft.entries[-1]
    assert last.salt is not None
    header = msgspec.structs.replace(last.header, ph=payload_hash(last.salt, b"[{}]"))
    raw = encode_header(header)
    draft.change(-1, header=header, raw=raw, leaf=leaf_hash(raw), payload=b"[{}]")
    assert rules(draft) == ["S05"]


def test_a_damaged_container_is_named() -> None:
    """
    S00: what the store says of itself is reported; where reading stops is named.
    """

    class Torn(Draft):
        def raw_rows(self) -> Any:
            yield from [row for row in super().raw_rows() if row[0] < 2]
            raise JournalUnreadable("partition-0.sqlite3", "database disk image is malformed")

    draft = Torn()
    draft.damaged = ("row 3 missing from index",)
    report = verify(draft)
    assert [(v.rule, v.position) for v in report.violations] == [("S00", None), ("S00", 1)]
    assert report.damaged


def test_a_payload_that_is_gone_is_a_finding() -> None:
    """
    S04: payload and salt gone together are counted and named, and types are still checked.
    """
    draft = Draft().run(*golden())
    draft.change(-1, payload=None, salt=None)
    report = verify(draft)
    assert ([violation.rule for violation in report.violations], report.erased) == (["S04"], 1)
    draft.add(EXECUTION, made(KillRequested, 6, by="user:ann"))
    assert rules(draft) == ["S04", "L03"]


def test_every_rule_has_a_test() -> None:
    """
    A rule without a test that breaks it is a claim nobody has seen.
    """
    alone = {
        "S00",
        "L12",
        "L13",
        "L14",
        "L17",
        "L24",
        "M01",
        "M02",
        "M03",
        "M04",
        "M05",
        *(rule for rule, _ in (*PROJECTIONS, *TAMPERED)),
    }
    assert {rule for rule, _ in STRUCTURE} | {rule for rule, _, _ in LIVES} | alone == set(RULES)


# --- the pass itself --------------------------------------------------------------------------------------


def test_what_ended_long_ago_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Ended executions leave memory; a late label or restart is judged by what is read again.
    """
    monkeypatch.setattr(verifier_module, "ENDED_MAX", 0)
    draft = Draft().run(received(), *task(), end())
    draft.add(EXECUTION, made(LabelsSet, 4, labels={"a": "b"}))
    again: list[Any] = [restart(paths=()), made(TaskStarted, attempt=2)]
    assert rules(draft) == []
    draft.add(
        EXECUTION,
        *(msgspec.structs.replace(event, sequence=n, at=START + n) for n, event in enumerate(again, 5)),
    )
    assert rules(draft) == ["L05"]
    assert verify(draft).executions == 1


def test_one_execution_alone_can_be_checked() -> None:
    """
    With an execution named, only it and the system stream are judged.
    """
    draft = Draft().run(received(), *task(attempt=2), execution=OTHER).run(*golden())
    assert broken(draft, execution=EXECUTION) == []
    assert broken(draft, execution=OTHER) == [("L05", OTHER, 3)]


def test_reports_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Beyond the limit violations are counted, not kept.
    """
    monkeypatch.setattr(report_module, "VIOLATIONS_MAX", 2)
    report: Report = verify(Draft().run(received(), *[task()[1]] * 5))
    assert (len(report.violations), report.suppressed, report.ok) == (2, 3, False)


_WHOLE = Draft().run(*golden())
_WHOLE.add(OTHER, *numbered(received(), *task()))


@given(
    entry=st.integers(0, len(_WHOLE.entries) - 1),
    column=st.sampled_from([3, 4, 5, 6]),
    share=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
)
def test_a_flipped_byte_is_noticed(entry: int, column: int, share: float, flip: int) -> None:
    """
    Any changed byte of a stored header, leaf, payload or salt is a violation at its own position.
    """

    class Flipped(Draft):
        def raw_rows(self) -> Any:
            for row in _WHOLE.raw_rows():
                yield _flipped(row, column, share, flip) if row[0] == entry else row

    damaged = Flipped(opened=False, registered=False)
    damaged.index = _WHOLE.index
    assert entry in {violation.position for violation in verify(damaged).violations}


def _flipped(row: RawRow, column: int, share: float, flip: int) -> Any:
    stored = row[column]
    assert isinstance(stored, bytes)
    offset = int(share * len(stored))
    changed = stored[:offset] + bytes([stored[offset] ^ flip]) + stored[offset + 1 :]
    return (*row[:column], changed, *row[column + 1 :])


def test_one_execution_is_checked_alone() -> None:
    """
    With `alone` nothing but the execution's own entries is read, so a page can afford it: damage to it is named,
    damage to others and to the system stream is not its business.
    """
    draft = Draft().run(*golden()).run(*golden(), execution=OTHER)
    report = verify(draft, execution=EXECUTION, alone=True)
    assert (report.violations, report.entries, report.executions) == ([], 1, 1)
    draft.change(-2, payload=b"[]")
    draft.change(-1, leaf=bytes(32))
    draft.change(0, leaf=bytes(32))
    assert broken(draft, execution=EXECUTION, alone=True) == [("S04", EXECUTION, 3)]
    assert [rule for rule, _, _ in broken(draft, execution=OTHER, alone=True)] == ["S03"]


def test_a_count_that_is_missing_or_left_over_is_named() -> None:
    """
    A count of one that is not stored differs from one that is, and so does one that no entry tells of.
    """
    assert unequal({}, {"a": 1}) == "a is counted 0 times, the entries have 1"
    assert unequal({"a": 1}, {}) == "a is counted 1 times, the entries have 0"
    assert unequal({"a": 1}, {"a": 1}) == ""
