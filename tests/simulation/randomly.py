"""Random flows, senders, operators and faults: one seed, one run."""

import hashlib
import random
from typing import Any, Final

import msgspec

from tests.simulation.faults import Faults
from tests.simulation.flows import CORE, NAMESPACE, FlowMaker
from tests.simulation.traffic import Plan, Sending, Traffic, Whim
from tests.simulation.world import World

SECONDS: Final = 40.0
"""Within which everything is sent and said."""
COMMANDS: Final = ("kill", "pause", "pause", "resume", "restart", "restart", "note", "labels")
STATES: Final = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED")


def random_faults(chance: random.Random) -> Faults:
    """Every seed turns each kind of fault on or off."""
    return Faults(
        crash_share=chance.choice([0.0, 0.0, 0.02, 0.06]),
        crashes_max=chance.randint(1, 5),
        poison_at=frozenset(chance.sample(range(30), chance.choice([0, 0, 0, 1]))),
        poison_lands=chance.random() < 0.5,
        commit_seconds=chance.choice([(0.0, 0.0), (0.0, 0.3), (0.5, 4.0)]),
        ask_seconds=chance.choice([(0.0, 0.0), (0.0, 0.005), (0.0, 0.5)]),
        clock_steps_back=chance.random() < 0.2,
        clock_steps=_clock_steps(chance),
    )


def random_plan(seed: int) -> Plan:
    """What a seed stands for."""
    chance = random.Random(f"{seed}:plan")
    count = chance.randint(1, 4)
    flows = [_flow(number, count, chance) for number in range(count)]
    return Plan(
        sources=tuple(flows),
        faults=random_faults(chance),
        sendings=tuple(_sendings(flows, chance)),
        whims=tuple(_whims(chance)),
        stops=tuple(chance.uniform(0, 2 * SECONDS) for _ in range(chance.choice([0, 0, 1, 3]))),
    )


def random_run(seed: int, *, crash_at: frozenset[int] = frozenset()) -> World:
    """Play it; with `crash_at` the process dies at these steps and at no other."""
    plan = random_plan(seed)
    if crash_at:
        faults = msgspec.structs.replace(
            plan.faults, crash_at=crash_at, crash_share=0.0, poison_at=frozenset()
        )
        plan = msgspec.structs.replace(plan, faults=faults)
    return Traffic(World(seed, plan.faults), plan).run()


def digest(world: World) -> str:
    """Of every byte on the disk."""
    found = hashlib.sha256()
    for entry in world.entries():
        found.update(entry.raw + (entry.payload or b"") + (entry.salt or b""))
    return found.hexdigest()


def _clock_steps(chance: random.Random) -> tuple[tuple[float, float], ...]:
    if chance.random() < 0.8:
        return ()
    sizes = (-3600.0, -5.0, 5.0, 3600.0, 86_400.0)
    return tuple((chance.uniform(0, SECONDS), chance.choice(sizes)) for _ in range(chance.randint(1, 3)))


def _flow(number: int, count: int, chance: random.Random) -> str:
    """A flow starts only later ones, as Subflow or behind it, so that every run comes to an end."""
    more: dict[str, Any] = {"triggers": [_webhook(chance)]}
    if number and chance.random() < 0.5:
        more["triggers"] += [
            _after(chance.randrange(number), place, chance) for place in range(chance.randint(1, 2))
        ]
    if chance.random() < 0.5:
        behavior = chance.choice(["QUEUE", "QUEUE", "QUEUE", "CANCEL", "FAIL"])
        more["concurrency"] = {"limit": chance.randint(1, 2), "behavior": behavior}
    if chance.random() < 0.1:
        retry = {"type": "constant", "interval": "PT5S", "maxAttempts": 2}
        more["retry"] = retry | {"behavior": "CREATE_NEW_EXECUTION"}
    later = [f"flow{other}" for other in range(number + 1, count)]
    tasks_max = chance.choice([2, 4, 8])
    maker = FlowMaker(chance, tasks_max=tasks_max, calls=later, responds=chance.random() < 0.3)
    return maker.flow(f"flow{number}", **more)


def _webhook(chance: random.Random) -> dict[str, Any]:
    webhook: dict[str, Any] = {"id": "hook", "type": f"{CORE}.trigger.Webhook", "key": "k"}
    webhook["wait"] = chance.random() < 0.5
    if chance.random() < 0.5:
        webhook["deduplication"] = {"onDuplicate": chance.choice(["REPLAY", "IGNORE"]), "window": "P30D"}
    if webhook["wait"] and chance.random() < 0.3:
        webhook["response"] = {
            "on": chance.choice(["t1", "COMPLETED"]),
            "code": 201,
            "body": "{{ execution.id }}",
        }
    return webhook


def _after(upstream: int, place: int, chance: random.Random) -> dict[str, Any]:
    states = chance.sample(STATES, chance.randint(1, 3))
    flows = [{"namespace": NAMESPACE, "flowId": f"flow{upstream}", "states": states}]
    return {
        "id": f"after{place}",
        "type": f"{CORE}.trigger.Flow",
        "preconditions": {"id": "p", "flows": flows},
    }


def _sendings(flows: list[str], chance: random.Random) -> list[Sending]:
    """Singly, in bursts, and the same key several times: at once, soon, or much later."""
    found: list[Sending] = []
    for key in range(chance.randint(1, 7)):
        flow, at = (
            f"flow{chance.randrange(len(flows))}",
            chance.choice([0.0, 0.0, chance.uniform(0, SECONDS / 2)]),
        )
        copies = [
            0.0,
            *(chance.choice([0.0, 0.01, 3.0, SECONDS / 2]) for _ in range(chance.choice([0, 0, 1, 3]))),
        ]
        found += [
            Sending(number=len(found) + n, flow=flow, key=f"key{key}", at=at + later)
            for n, later in enumerate(copies)
        ]
    return found


def _whims(chance: random.Random) -> list[Whim]:
    found: list[Whim] = []
    for _ in range(chance.choice([0, 3, 8])):
        commands = tuple(chance.choice(COMMANDS) for _ in range(chance.choice([1, 1, 2, 4])))
        found.append(Whim(at=chance.uniform(0, SECONDS), commands=commands, together=chance.random() < 0.7))
    return found
