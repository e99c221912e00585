"""Random flows: every kind of block inside every other, with everything that can go wrong in a task."""

import json
import random
from collections.abc import Sequence
from typing import Any, Final

NAMESPACE: Final = "random"
CORE: Final = "io.kestra.plugin.core"
BLOCKS: Final = ("sequential", "parallel", "if", "switch", "for_each", "loop", "dag", "allow", "pause")


class FlowMaker:
    """Makes one flow after the other out of a random source."""

    def __init__(
        self,
        chance: random.Random,
        *,
        tasks_max: int = 12,
        waits: bool = True,
        calls: Sequence[str] = (),
        responds: bool = False,
    ) -> None:
        """`calls` are the flows its Subflow tasks may start; `responds` puts Respond tasks in."""
        self._chance = chance
        self._left = tasks_max
        self._count = 0
        self._waits = waits
        self._calls = tuple(calls)
        self._responds = responds

    def flow(self, name: str, **more: Any) -> str:
        """Return the source of a flow with further properties; JSON is YAML."""
        made: dict[str, Any] = {"id": name, "namespace": NAMESPACE, "tasks": self._tasks(0)}
        for block in ("errors", "finally", "afterExecution"):
            if self._chance.random() < 0.3:
                made[block] = self._tasks(2)
        if self._chance.random() < 0.2:
            made["retry"] = self._retry()
        if self._chance.random() < 0.5:
            values = ("fixed", "{{ outputs.nowhere.value ?? 'none' }}", "{{ outputs.nowhere.value }}")
            value = self._chance.choice(values)
            made["outputs"] = [{"id": "out", "type": "STRING", "value": value}]
        return json.dumps(made | more, indent=1)

    def _tasks(self, depth: int) -> list[dict[str, Any]]:
        return [self._task(depth) for _ in range(self._chance.randint(1, 3))]

    def _task(self, depth: int) -> dict[str, Any]:
        self._left -= 1
        self._count += 1
        task: dict[str, Any] = {"id": f"t{self._count}"}
        if depth < 3 and self._left > 0 and self._chance.random() < 0.5:
            task |= getattr(self, f"_{self._chance.choice(BLOCKS)}")(depth + 1)
        else:
            task |= self._leaf()
        return self._common(task)

    def _common(self, task: dict[str, Any]) -> dict[str, Any]:
        chance = self._chance.random
        if chance() < 0.08:
            task["disabled"] = True
        if chance() < 0.12:
            task["runIf"] = self._chance.choice(["{{ true }}", "{{ false }}", "{{ outputs.nowhere }}"])
        if chance() < 0.15:
            task["allowFailure"] = True
        if chance() < 0.1:
            task["allowWarning"] = True
        if chance() < 0.2:
            task["retry"] = self._retry()
        return task

    def _leaf(self) -> dict[str, Any]:
        kind = self._chance.random()
        if self._calls and self._chance.random() < 0.15:
            return self._call()
        if self._responds and self._chance.random() < 0.15:
            return {
                "type": "io.hookledger.plugin.core.webhook.Respond",
                "code": 202,
                "body": {"task": "{{ taskrun.id }}"},
            }
        if kind < 0.2:
            return {"type": f"{CORE}.log.Log", "message": "{{ execution.id }}"}
        if kind < 0.3:
            return {"type": f"{CORE}.debug.Return", "format": "{{ taskrun.attemptsCount }}"}
        if kind < 0.42:
            return {"type": "sim.Fails", "attempts": self._chance.choice([1, 2, 100])}
        if kind < 0.45:
            return {
                "type": "sim.Leaves",
                "state": self._chance.choice(["SUCCESS", "WARNING", "FAILED", "CANCELLED"]),
            }
        if kind < 0.55 and self._waits:
            return {"type": f"{CORE}.flow.Sleep", "duration": f"PT{self._chance.randint(0, 40)}S"}
        return self._probe()

    def _call(self) -> dict[str, Any]:
        return {
            "type": f"{CORE}.flow.Subflow",
            "namespace": NAMESPACE,
            "flowId": self._chance.choice(self._calls),
            "wait": self._chance.random() < 0.7,
            "transmitFailed": self._chance.random() < 0.5,
        }

    def _probe(self) -> dict[str, Any]:
        probe: dict[str, Any] = {
            "type": "sim.Probe",
            "reach": self._chance.choice(["pure", "read", "idempotent", "write"]),
            "seconds": round(self._chance.uniform(0, 10), 3),
            "failAttempts": self._chance.choice([0, 0, 0, 1, 2]),
        }
        if self._chance.random() < 0.25:
            probe["timeout"] = f"PT{self._chance.randint(1, 8)}S"
        return probe

    def _retry(self) -> dict[str, Any]:
        retry: dict[str, Any] = {"maxAttempts": self._chance.randint(2, 4)}
        kind = self._chance.choice(["constant", "exponential", "random"])
        if kind == "random":
            return retry | {"type": kind, "minInterval": "PT1S", "maxInterval": "PT9S"}
        if kind == "exponential":
            return retry | {"type": kind, "interval": "PT1S", "maxInterval": "PT20S"}
        return retry | {"type": kind, "interval": "PT3S", "warningOnRetry": self._chance.random() < 0.3}

    def _body(self, kind: str, depth: int, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"type": f"{CORE}.flow.{kind}", "tasks": self._tasks(depth), **more}
        if self._chance.random() < 0.15:
            made["timeout"] = f"PT{self._chance.randint(1, 30)}S"
        if self._chance.random() < 0.15:
            made["errors"] = self._tasks(3)
        return made

    def _sequential(self, depth: int) -> dict[str, Any]:
        return self._body("Sequential", depth)

    def _parallel(self, depth: int) -> dict[str, Any]:
        return self._body("Parallel", depth, concurrent=self._chance.randint(0, 2))

    def _allow(self, depth: int) -> dict[str, Any]:
        return self._body("AllowFailure", depth)

    def _pause(self, depth: int) -> dict[str, Any]:
        if not self._waits:
            return self._sequential(depth)
        behaviour = self._chance.choice(["RESUME", "WARN", "FAIL"])
        return self._body("Pause", depth, pauseDuration="PT20S", behavior=behaviour)

    def _if(self, depth: int) -> dict[str, Any]:
        condition = self._chance.choice(["{{ true }}", "{{ false }}", "{{ outputs.nowhere }}"])
        return {
            "type": f"{CORE}.flow.If",
            "condition": condition,
            "then": self._tasks(depth),
            "else": self._tasks(depth),
        }

    def _switch(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"type": f"{CORE}.flow.Switch", "value": self._chance.choice(["a", "b", "c"])}
        made["cases"] = {"a": self._tasks(depth), "b": self._tasks(depth)}
        if self._chance.random() < 0.5:
            made["defaults"] = self._tasks(depth)
        return made

    def _for_each(self, depth: int) -> dict[str, Any]:
        values = self._chance.choice([[], ["x"], ["x", "y", "x"], "{{ [1, 2, 3] }}", "no list"])
        return self._body("ForEach", depth, values=values, concurrencyLimit=self._chance.randint(0, 2))

    def _loop(self, depth: int) -> dict[str, Any]:
        often = {"interval": "PT2S", "maxIterations": self._chance.randint(1, 3), "maxDuration": "PT30S"}
        return self._body(
            "LoopUntil",
            depth,
            condition=self._chance.choice(["{{ true }}", "{{ false }}"]),
            failOnMaxReached=self._chance.random() < 0.5,
            checkFrequency=often,
        )

    def _dag(self, depth: int) -> dict[str, Any]:
        tasks = self._tasks(depth)
        items: list[dict[str, Any]] = []
        for number, task in enumerate(tasks):
            before = [other["id"] for other in tasks[:number] if self._chance.random() < 0.6]
            items.append({"task": task, "dependsOn": before} if before else {"task": task})
        return {"type": f"{CORE}.flow.Dag", "tasks": items, "concurrent": self._chance.randint(0, 2)}
