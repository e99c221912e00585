"""Replays one run by hand, or plays many: what a failing test prints leads here.

python -m tests.simulation crash CASE --at STEP[,STEP] [--seed N]
python -m tests.simulation random --seed N [--at STEP[,STEP]]
python -m tests.simulation digest --seed N
python -m tests.simulation seeds --seeds A-B [--processes N]
"""

import argparse
import sys
import time
import traceback
from collections.abc import Iterator
from multiprocessing import Pool
from typing import Any

from tests.simulation import cases
from tests.simulation.crashes import compare, crashed, undisturbed
from tests.simulation.randomly import digest, random_run
from tests.simulation.seeds import check_seed
from tests.simulation.world import World


def main() -> None:
    """Run one thing and show its journal, or many and show what they found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("crash", "random", "digest", "seeds"))
    parser.add_argument("case", nargs="?", default="")
    parser.add_argument("--at", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", default="0-1000", help="first and last, the last not included")
    parser.add_argument("--processes", type=int, default=None, help="by default one for each core")
    given = parser.parse_args()
    steps = tuple(int(step) for step in given.at.split(",") if step)
    if given.what == "crash":
        case = cases.load(given.case)
        world = crashed(case, given.seed, *steps)
        _show(world)
        compare(case, given.seed, steps, world, undisturbed(case, given.seed))
    elif given.what == "random":
        world = random_run(given.seed, crash_at=frozenset(steps))
        _show(world)
        world.check()
    elif given.what == "digest":
        print(digest(random_run(given.seed)))
    else:
        first, _, last = given.seeds.partition("-")
        raise SystemExit(_many(range(int(first), int(last)), given.processes))


def _many(seeds: range, processes: int | None) -> int:
    """Play them all; 1 when one of them broke a rule."""
    began, spent, failed = time.monotonic(), 0.0, 0
    with Pool(processes, maxtasksperchild=50) as pool:
        for found in pool.imap_unordered(_one, seeds, chunksize=10):
            spent += found["seconds"]
            if found["error"]:
                failed += 1
                print(f"seed {found['seed']}: {found['error']}", flush=True)
    print(
        f"{len(seeds)} seeds ({seeds[0]} to {seeds[-1]}), {failed} failed, {spent:.0f} CPU s "
        f"({spent / len(seeds):.3f} a seed), {time.monotonic() - began:.0f} s"
    )
    return int(failed > 0)


def _one(seed: int) -> dict[str, Any]:
    began, error = time.process_time(), ""
    try:
        check_seed(seed)
    except KeyboardInterrupt:
        raise
    except BaseException as found:
        (first, *_) = _innermost(found)
        place = traceback.extract_tb(first.__traceback__)[-1]
        error = f"{type(first).__name__}: {first} ({place.name}, line {place.lineno})"
    return {"seed": seed, "seconds": time.process_time() - began, "error": error[:600]}


def _innermost(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _innermost(part)
    else:
        yield error


def _show(world: World) -> None:
    for entry in world.entries():
        header = entry.header
        print(header.pos, header.ts, header.exec, f"ep{header.ep}", header.actor, *header.types)
    print(
        f"{len(world.fate.steps)} steps, {world.fate.crashes} crashes, {world.lives} lives", file=sys.stderr
    )


if __name__ == "__main__":
    main()
