"""Random worlds: whatever the seed brings, the rules hold."""

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.randomly import digest, random_run
from tests.simulation.world import told_to_replay

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_seed_keeps_the_rules(sim_seed: int) -> None:
    """
    Random flows, delays, kills, pauses, duplicate commands, slow and failing commits and crashes: every execution
    ends, nothing acknowledged is lost, no effect comes before its TaskStarted, and the verifier finds nothing.
    """
    try:
        random_run(sim_seed).check()
    except BaseException as error:
        error.add_note(told_to_replay(sim_seed, "random"))
        raise


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
