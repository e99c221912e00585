"""Task types for tests: they act on the world outside the engine, and the world keeps the record."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import trio

from hookledger.runtime.tasks.base import Effect as EffectClass
from hookledger.runtime.tasks.base import Outputs, Result, TaskContext, TaskFailed, TaskKind
from hookledger.runtime.tasks.registry import BUILT_IN, TaskRegistry
from tests.simulation.faults import EFFECT, EFFECTED, Fate


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Something a task did outside."""

    execution: str
    path: str
    attempt: int
    effect: EffectClass
    key: str
    at: float
    started_durable: bool
    """Whether its TaskStarted was on the disk by then."""


class Outside:
    """The world beyond the engine. Survives every crash."""

    def __init__(self, fate: Fate) -> None:
        self.effects: list[Effect] = []
        self.orders: dict[str, bytes] = {}
        """What was ordered, by idempotency key: a service outside does nothing twice under one."""
        self.under_way = 0
        self.most_under_way = 0
        self.fate = fate
        self.durable_attempts: set[tuple[str, str, int]] = set()

    def attempts(self, execution: str, path: str) -> int:
        """The newest attempt at a task whose beginning is on the disk; 0 for none."""
        found = (number for one, place, number in self.durable_attempts if (one, place) == (execution, path))
        return max(found, default=0)

    async def act(self, key: str, effect: EffectClass, seconds: float) -> None:
        """Take effect, then take a while to answer."""
        self.fate.step(EFFECT)
        execution, *_, path, attempt = key.split(":")
        self.effects.append(
            Effect(
                execution=execution,
                path=path,
                attempt=int(attempt),
                effect=effect,
                key=key,
                at=trio.current_time(),
                started_durable=(execution, path, int(attempt)) in self.durable_attempts,
            )
        )
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await trio.sleep(seconds)
        finally:
            self.under_way -= 1
        self.fate.step(EFFECTED)


class Probe(TaskKind, frozen=True, kw_only=True):
    """Acts outside, then fails its first attempts or returns."""

    types: ClassVar[tuple[str, ...]] = ("sim.Probe",)

    reach: EffectClass = "idempotent"
    seconds: float = 0.0
    fail_attempts: int = 0
    """How many attempts fail before one works."""
    fail_generations: int = 0
    """How often the execution is restarted before it works."""
    hang_generations: int = 0
    """How often the execution is restarted before it answers at all."""
    value: Any = None
    labels: Mapping[str, str] = {}

    def effect_of(self) -> EffectClass:
        return self.reach

    async def run(self, context: TaskContext) -> Outputs:
        outside: Outside = context.port("outside")
        attempt = int(context.attempt_key.rpartition(":")[2])
        hangs = generation(context.attempt_key) < self.hang_generations
        await outside.act(context.attempt_key, self.reach, 3600 if hangs else self.seconds)
        if attempt <= self.fail_attempts or generation(context.attempt_key) < self.fail_generations:
            raise TaskFailed(f"attempt {attempt} was made to fail", kind="Probed")
        return Result(outputs={"value": self.value, "attempt": attempt}, labels=self.labels)


def generation(key: str) -> int:
    """How often the execution had been restarted, by one of its attempts' keys."""
    _, *restart, _, _ = key.split(":")
    return int(restart[0].rpartition("-")[2]) if restart else 0


class Fails(TaskKind, frozen=True, kw_only=True):
    """Fails at once, as often as it is tried unless `attempts` says otherwise."""

    types: ClassVar[tuple[str, ...]] = ("sim.Fails",)
    instant: ClassVar[bool] = True

    attempts: int = 1_000_000

    async def run(self, context: TaskContext) -> Outputs:
        attempt = int(context.attempt_key.rpartition(":")[2])
        if attempt <= self.attempts:
            raise TaskFailed(f"attempt {attempt} was made to fail", kind="Probed")
        return {"attempt": attempt}


class Leaves(TaskKind, frozen=True, kw_only=True):
    """Ends the execution early."""

    types: ClassVar[tuple[str, ...]] = ("sim.Leaves",)
    instant: ClassVar[bool] = True

    state: str = "SUCCESS"

    async def run(self, context: TaskContext) -> Outputs:
        return Result(exit_state=self.state)


def probing(more: Mapping[str, type[TaskKind]] | None = None) -> TaskRegistry:
    """The built-in task types and these."""
    return TaskRegistry((*BUILT_IN, Probe, Fails, Leaves, *(more or {}).values()))
