"""Which seeds the simulation runs with; `--sim-seed` and `--sim-count` are options of tests/conftest.py."""

import pytest

from tests.simulation.seeds import share


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for a `sim_seed` its seeds."""
    if "sim_seed" not in metafunc.fixturenames:
        return
    only: int | None = metafunc.config.getoption("--sim-seed")
    count: int | None = metafunc.config.getoption("--sim-count")
    seeds = share(getattr(metafunc.module, "SHARE"))  # noqa: B009
    metafunc.parametrize("sim_seed", [only] if only is not None else seeds[:count])
