"""Which fast test files run which line: one run of them under coverage, with the test file as its context."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

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
    "tests/api/webhook/test_secrets.py", "tests/system/test_durability.py", "tests/examples/test_flows.py",
)  # fmt: skip
Map = dict[str, dict[str, list[str]]]
"""By file and line: test files, the quickest first."""


def measured(path: Path) -> Map:
    """Read the map, or make it (some minutes) and keep it."""
    if not path.exists():
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.mutants.coverage_map",
            "-p",
            "no:cacheprovider",
        ]
        known = [name for name in FAST if (ROOT / name).exists()]
        subprocess.run(
            [*command, "-p", "no:xdist", "--sim-count=30", *known],
            cwd=ROOT, env={**os.environ, "COVERAGE_MAP": str(path), "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
    return json.loads(path.read_text())  # type: ignore[no-any-return]


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
        file = item.location[0]
        self._coverage.switch_context(file)
        began = time.process_time()
        try:
            return (yield)
        finally:
            self._spent[file] = self._spent.get(file, 0.0) + time.process_time() - began

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data, found = self._coverage.get_data(), {}
        for measured_file in data.measured_files():
            name = str(Path(measured_file).resolve().relative_to(ROOT))
            lines = data.contexts_by_lineno(measured_file)
            found[name] = {str(line): self._sorted(tests) for line, tests in lines.items()}
        Path(os.environ["COVERAGE_MAP"]).write_text(json.dumps(found))

    def _sorted(self, tests: list[str]) -> list[str]:
        return sorted((test for test in tests if test), key=lambda test: self._spent.get(test, 0.0))


def pytest_configure(config: pytest.Config) -> None:
    """Measure, where a map is asked for."""
    if "COVERAGE_MAP" in os.environ:
        config.pluginmanager.register(_Plugin())
