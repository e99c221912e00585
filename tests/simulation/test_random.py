"""Random worlds: seeds that once found something, and that a seed is a journal."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.randomly import digest, random_run
from tests.simulation.seeds import Regression, check_seed

ROOT = Path(__file__).resolve().parent.parent.parent
REGRESSIONS: Final = (
    Regression(
        seed=0, found="who waited for a queued execution to be accepted met a handle without its first entry"
    ),
    Regression(seed=4, found="two commands at rest wrote the same entry of one execution"),
    Regression(
        seed=5, found="a duplicate that is ignored was answered before the first delivery was durable"
    ),
    Regression(seed=12, found="a wall clock set back by an hour made sleepers sleep an hour longer"),
    Regression(seed=30, found="a command let a queued execution past its flow's limit"),
    Regression(seed=34, found="a stop in good order between an end and what it starts: it was never started"),
    Regression(seed=38, found="a wall clock set forward woke sleepers too soon"),
    Regression(seed=46, found="the next try of a failed execution claimed its deduplication key again"),
    Regression(seed=94, found="a queue stalled after a restart of one of its executions"),
    Regression(seed=103, found="an execution that began with a Pause was queued again when it was resumed"),
    Regression(
        seed=242, found="a child that ended a second time was taken for the one that was tried after it"
    ),
    Regression(seed=244, found="who came later began first"),
    Regression(
        seed=738, found="the second to wait for what a stopped journal had refused met an AssertionError"
    ),
)


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda regression: str(regression.seed))
def test_what_a_seed_once_found_stays_found(regression: Regression) -> None:
    """
    Every seed that ever broke a rule keeps them all.
    """
    check_seed(regression.seed)


def test_one_seed_is_one_journal() -> None:
    """
    The same seed writes the same bytes, with crashes and all; different seeds do not.
    """
    digests = [digest(random_run(seed)) for seed in range(8)]
    assert digests == [digest(random_run(seed)) for seed in range(8)]
    assert len(set(digests)) == 8


def test_the_journal_does_not_depend_on_the_process() -> None:
    """
    Another process with another hash seed writes the same bytes for the same seed.
    """
    found = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "digest", "--seed", "5"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT / "tests" / "import_root")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == digest(random_run(5))
