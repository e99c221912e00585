"""One seed checked, and how the suite deals its seeds out: a file for each share, so that every core has work."""

from typing import Final

import msgspec

from tests.simulation.randomly import random_run
from tests.simulation.world import World, told_to_replay

SEEDS: Final = 1000
"""How many the suite plays."""
SHARES: Final = 4
"""Into as many files."""


class Regression(msgspec.Struct, frozen=True, kw_only=True):
    """A seed that once found something."""

    seed: int
    found: str


def check_seed(seed: int) -> World:
    """Play a seed and check every rule; what fails says how to play it again."""
    try:
        world = random_run(seed)
        world.check()
    except BaseException as error:
        error.add_note(told_to_replay(seed, "random"))
        raise
    return world


def share(number: int) -> range:
    """The seeds of one file."""
    size = SEEDS // SHARES
    return range(number * size, (number + 1) * size)
