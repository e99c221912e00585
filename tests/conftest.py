"""Shared by every test: makes `hookledger` importable from a bare checkout."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.timeouts import pytest_runtest_call as pytest_runtest_call
from tests.timeouts import pytest_timeout_set_timer as pytest_timeout_set_timer

if importlib.util.find_spec("hookledger") is None or importlib.util.find_spec("hookledger.runtime") is None:
    # A checkout whose symlinks were lost (Windows, some archives): map the name by hand.
    _namespace = ModuleType("hookledger")
    _namespace.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["hookledger"] = _namespace


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the simulation, see tests/simulation."""
    parser.addoption("--sim-seed", type=int, default=None, help="run the simulation with this seed only")
    parser.addoption("--sim-count", type=int, default=None, help="how many seeds the simulation runs with")
