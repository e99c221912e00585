"""Replays one run by hand: what a failing test prints leads here.

python -m tests.simulation crash CASE --at STEP[,STEP] [--seed N]
python -m tests.simulation random --seed N
python -m tests.simulation digest --seed N
"""

import argparse
import sys

from tests.simulation import cases
from tests.simulation.crashes import compare, crashed, undisturbed
from tests.simulation.randomly import digest, random_run
from tests.simulation.world import World


def main() -> None:
    """Run one thing and show its journal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("crash", "random", "digest"))
    parser.add_argument("case", nargs="?", default="")
    parser.add_argument("--at", default="")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.what == "crash":
        case = cases.load(given.case)
        steps = tuple(int(step) for step in given.at.split(",") if step)
        world = crashed(case, given.seed, *steps)
        _show(world)
        compare(case, given.seed, steps, world, undisturbed(case, given.seed))
    elif given.what == "random":
        world = random_run(given.seed)
        _show(world)
        world.check()
    else:
        print(digest(random_run(given.seed)))


def _show(world: World) -> None:
    for entry in world.entries():
        header = entry.header
        print(header.pos, header.ts, header.exec, f"ep{header.ep}", header.actor, *header.types)
    print(
        f"{len(world.fate.steps)} steps, {world.fate.crashes} crashes, {world.lives} lives", file=sys.stderr
    )


if __name__ == "__main__":
    main()
