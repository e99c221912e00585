"""The mutation run.

python -m tests.mutants planted [--only WORD] [--workers N]
python -m tests.mutants random [--seed N] [--count 200] [--workers N] [--map FILE]
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Final

from tests.mutants.coverage_map import measured
from tests.mutants.operators import chosen
from tests.mutants.planted import PLANTED
from tests.mutants.running import ROOT, Job, Outcome, run_all

FOLD_AND_DECIDE: Final = ("runtime/state.py", "runtime/decide.py", "runtime/plan.py", "runtime/settle.py")
FOUND_MIN: Final = 0.85
CONTROL_SECONDS: Final = 600


def main() -> None:
    """Run, list and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("planted", "random"))
    parser.add_argument("--only", default="", help="planted ones whose name has this in it")
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--seconds", type=int, default=60, help="of CPU time after which a mutant counts as found: it hangs"
    )
    parser.add_argument("--map", type=Path, default=ROOT / ".mutants.json")
    given = parser.parse_args()
    jobs = planted(given.only) if given.what == "planted" else sampled(given.seed, given.count, given.map)
    _control(jobs, given.workers)
    began, survivors = time.monotonic(), list[Outcome]()
    for number, outcome in enumerate(run_all(jobs, given.workers, given.seconds), 1):
        print(
            f"{number}/{len(jobs)} {outcome.seconds:5.1f} s  {outcome.found or 'SURVIVED':8} {outcome.name}  {outcome.said[:120]}",
            flush=True,
        )
        if outcome.found in ("", "broken"):
            survivors.append(outcome)
    share = 1 - len(survivors) / max(1, len(jobs))
    print(f"{len(jobs)} mutants, {share:.1%} found, {time.monotonic() - began:.0f} s, seed {given.seed}")
    for outcome in survivors:
        print(f"survived: {outcome.name}")
    sys.exit(bool(survivors) if given.what == "planted" else share < FOUND_MIN)


def _control(jobs: list[Job], workers: int) -> None:
    """Without a mistake the same tests pass, or their failing would say nothing."""
    by_file: dict[str, dict[str, None]] = {}
    for job in jobs:
        for test in job.tests:
            by_file.setdefault(test.partition("::")[0], {})[test] = None
    untouched = (ROOT / jobs[0].file).read_text(encoding="utf-8")
    control = [
        Job(name=f"control {file}", file=jobs[0].file, changed=untouched, tests=tuple(tests))
        for file, tests in by_file.items()
    ]
    for outcome in run_all(control, workers, CONTROL_SECONDS):
        if outcome.found:
            raise SystemExit(f"{outcome.name} {outcome.found} without any mistake: {outcome.said}")
    print(f"control: the tests of {len(control)} files pass without a mistake", flush=True)


def planted(only: str) -> list[Job]:
    """Bugs written by hand; one whose text is not in the code any more is an error."""
    jobs: list[Job] = []
    for bug in PLANTED:
        source = (ROOT / bug.file).read_text(encoding="utf-8")
        if source.count(bug.before) != 1:
            raise SystemExit(
                f"{bug.name}: {bug.file} has its text {source.count(bug.before)} times, not once; adapt it"
            )
        if only in bug.name:
            changed = source.replace(bug.before, bug.after)
            jobs.append(Job(name=bug.name, file=bug.file, changed=changed, tests=bug.tests))
    return jobs


def sampled(seed: int, count: int, kept: Path) -> list[Job]:
    """Random ones, each with the fast tests that run its line; a line that none runs survives at once."""
    files = [
        str(path.relative_to(ROOT)) for room in ("journal", "actors") for path in (ROOT / room).rglob("*.py")
    ]
    found = measured(kept)
    jobs: list[Job] = []
    for mutant in chosen(ROOT, [*files, *FOLD_AND_DECIDE], seed, count):
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        jobs.append(
            Job(
                name=mutant.name,
                file=mutant.file,
                changed=mutant.applied(source),
                tests=found.of(mutant.file, mutant.line) or ("tests/test_rooms.py",),
            )
        )
    return jobs


if __name__ == "__main__":
    main()
