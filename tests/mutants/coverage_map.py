"""Which fast tests run which line: one run of them under coverage, with the test as its context."""

import os
import subprocess
import sys
import time
import warnings
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.mutants.running import ROOT

FAST: Final = (
    "tests/journal", "tests/actors", "tests/runtime/test_decide.py", "tests/runtime/test_fold.py", "tests/runtime/test_plan.py",
    "tests/runtime/test_restart.py", "tests/runtime/test_settle.py", "tests/runtime/tasks/test_kv.py",
    "tests/runtime/tasks/test_execution.py", "tests/runtime/tasks/test_process.py", "tests/runtime/tasks/test_http_request.py",
    "tests/runtime/tasks/test_http_failures.py", "tests/runtime/tasks/test_http_redirects.py",
    "tests/runtime/tasks/test_http_bodies.py", "tests/simulation/test_seeds_0.py", "tests/simulation/test_semantics.py",
    "tests/simulation/test_golden.py", "tests/simulation/test_waits.py", "tests/simulation/test_random.py",
    "tests/simulation/test_cancelling.py", "tests/api/test_handler.py", "tests/api/test_history.py", "tests/api/test_operations.py",
    "tests/api/test_reading.py", "tests/api/webhook/test_batches.py", "tests/api/webhook/test_deliveries.py",
    "tests/api/webhook/test_secrets.py",
)  # fmt: skip
TESTS_MAX: Final = 60
SECONDS_MAX: Final = 12.0
"""CPU time of the tests a mutant is given, as they took under coverage."""


class Map(msgspec.Struct, kw_only=True):
    """Which tests run a line, and how long they take."""

    tests: list[str]
    seconds: list[float]
    lines: dict[str, dict[int, list[int]]]
    """By file and line: numbers of tests."""

    def of(self, file: str, line: int) -> tuple[str, ...]:
        """Quick tests that run a line: the quickest of each test file in turn, as many as the bounds allow."""
        by_file: dict[str, list[int]] = {}
        for number in sorted(self.lines.get(file, {}).get(line, ()), key=self.seconds.__getitem__):
            by_file.setdefault(self.tests[number].partition("::")[0], []).append(number)
        turns = (number for turn in zip_longest(*by_file.values()) for number in turn if number is not None)
        chosen, spent = list[int](), 0.0
        for number in turns:
            spent += self.seconds[number]
            if chosen and (spent > SECONDS_MAX or len(chosen) == TESTS_MAX):
                break
            chosen.append(number)
        return tuple(self.tests[number] for number in sorted(chosen, key=self.seconds.__getitem__))


def measured(path: Path) -> Map:
    """Read the map, or make it (some minutes) and keep it."""
    if not path.exists():
        known = [name for name in FAST if (ROOT / name).exists()]
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.coverage_map", "-p", "no:cacheprovider",
             "-p", "no:xdist", "--sim-count=30", *known],
            cwd=ROOT, env={**os.environ, "COVERAGE_MAP": str(path), "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
    return msgspec.json.decode(path.read_bytes(), type=Map)


class _Plugin:
    """Switches the context at each test, and writes the map at the end."""

    def __init__(self) -> None:
        import coverage

        self._coverage = coverage.Coverage(
            data_file=None, source_pkgs=["hookledger.journal", "hookledger.actors", "hookledger.runtime"]
        )
        self._spent: dict[str, float] = {}
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._coverage.switch_context(item.nodeid)
        began = time.process_time()
        try:
            return (yield)
        finally:
            self._spent[item.nodeid] = time.process_time() - began
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What fails without a mistake, or under coverage, tells nothing."""
        if not report.passed:
            self._spent.pop(report.nodeid, None)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        warnings.simplefilter("ignore")  # that packages were imported before: only their docstrings were
        data, found = (
            self._coverage.get_data(),
            Map(tests=list(self._spent), seconds=[*self._spent.values()], lines={}),
        )
        numbers = {test: number for number, test in enumerate(found.tests)}
        for file in data.measured_files():
            found.lines[str(Path(file).resolve().relative_to(ROOT))] = {
                line: [numbers[test] for test in tests if test in numbers]
                for line, tests in data.contexts_by_lineno(file).items()
            }
        Path(os.environ["COVERAGE_MAP"]).write_bytes(msgspec.json.encode(found))


def pytest_configure(config: pytest.Config) -> None:
    """Measure, where a map is asked for."""
    if "COVERAGE_MAP" in os.environ:
        config.pluginmanager.register(_Plugin())
