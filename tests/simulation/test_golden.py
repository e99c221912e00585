"""Golden journals of every format version replay; those of the current one are made again, byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest

from hookledger.journal.entry import leaf_hash, payload_hash
from hookledger.runtime.state import fold_all
from tests.simulation import cases, golden

ALL = sorted(cases.GOLDEN.parent.glob("v*/*.jsonl"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_journal_replays_to_its_recorded_state(path: Path) -> None:
    """
    Entries keep their hashes, and folding their events gives the state that was recorded with them.
    """
    events: dict[str, list[Any]] = {}
    for entry in golden.read_journal(path):
        assert entry.leaf == leaf_hash(entry.raw)
        assert entry.salt is not None
        assert entry.payload is not None
        assert entry.header.ph == payload_hash(entry.salt, entry.payload)
        events.setdefault(entry.header.exec, []).extend(entry.events())
    events.pop("system")
    states = {execution: fold_all(told) for execution, told in events.items()}
    recorded = path.with_suffix(".state.json").read_text(encoding="utf-8")
    assert json.loads(golden.state_text(states)) == json.loads(recorded)


@pytest.mark.parametrize("name", cases.names())
def test_a_golden_journal_is_made_again_byte_for_byte(name: str) -> None:
    """
    The same flow, delivery and seed write the same bytes: headers, payloads and salts. When a change of the
    journal is meant, `python -m tests.simulation.golden --write` makes it visible in the diff.
    """
    assert golden.journal_text(golden.play(name)) == golden.journal_path(name).read_text(encoding="utf-8")


def test_every_case_has_a_golden_journal() -> None:
    """
    No golden flow without its journal and its state, and none left over.
    """
    journals = {path.stem for path in cases.GOLDEN.glob("*.jsonl")}
    states = {path.name.removesuffix(".state.json") for path in cases.GOLDEN.glob("*.state.json")}
    assert journals == states == set(cases.names())
