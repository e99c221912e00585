"""A share of the random worlds; see tests/simulation/seeds.py."""

from tests.simulation.seeds import check_seed

SHARE = 0


def test_every_seed_keeps_the_rules(sim_seed: int) -> None:
    """
    Random flows, senders, keys, limits, commands, clocks, slow reads, failing commits and crashes: every rule holds.
    """
    check_seed(sim_seed)
