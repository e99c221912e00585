"""Metrics: numbers that tasks measure, kept with the event that ends their attempt."""

from trio.testing import MockClock

from hookledger.actors.attempt import METRIC_CHARS_MAX, METRICS_MAX
from hookledger.journal.events import TaskReturned
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.tasks.process import ProcessRequest, Tell

from .conftest import OpenEngine

FLOW = """
id: measures
namespace: company.team
tasks:
  - id: count
    type: io.kestra.plugin.scripts.shell.Script
    script: "{{ secret('TOKEN') }}"
    retry: {type: constant, interval: PT1S, maxAttempts: 2}
"""


class Printing:
    """Implements `Processes`: says what it was told to, then ends with a code."""

    def __init__(self, *runs: tuple[int, str]) -> None:
        self._runs = iter(runs)

    async def run(self, request: ProcessRequest, tell: Tell) -> int:
        code, text = next(self._runs)
        for line in text.splitlines():
            tell("stdout", line)
        return code


def counted(value: float, name: str = "rows") -> str:
    return f'::{{"metrics": [{{"name": "{name}", "type": "counter", "value": {value}, "tags": {{"t": "x"}}}}]}}::'


async def test_metrics_are_kept_with_their_attempt(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    Each attempt keeps its own, a failed one too; counters of one name and tags add up, and secrets are masked.
    """
    runs = Printing((1, counted(1)), (0, f"{counted(2)}\n{counted(3)}\n{counted(1, 'of hush-hush')}"))
    async with open_engine(FLOW, secrets=lambda name: "hush-hush", services={"processes": runs}) as engine:
        execution = await engine.trigger("company.team", "measures")
        await execution.finished()
        events = await engine.events(execution.id)
    kept = [event.metrics for event in events if isinstance(event, TaskReturned)]
    assert [[(one.name, one.kind, one.value, one.tags) for one in some] for some in kept] == [
        [("rows", "counter", 1.0, {"t": "x"})],
        [("rows", "counter", 5.0, {"t": "x"}), ("of ******", "counter", 1.0, {"t": "x"})],
    ]


async def test_metrics_are_bounded(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    Beyond their number, their length and what a double holds they are not kept, and the log says so; those there are
    still count.
    """
    many = "\n".join(counted(1, f"m{number}") for number in range(METRICS_MAX + 3))
    text = "\n".join(
        [counted(1e308), counted(1e308), counted(1, "x" * METRIC_CHARS_MAX), many, counted(2, "m0")]
    )
    async with open_engine(FLOW, secrets=str, services={"processes": Printing((0, text))}) as engine:
        execution = await engine.trigger("company.team", "measures")
        await execution.finished()
        events = await engine.events(execution.id)
    [kept] = [event.metrics for event in events if isinstance(event, TaskReturned)]
    assert len(kept) == METRICS_MAX
    values = {one.name: one.value for one in kept}
    assert (values["rows"], values["m0"]) == (1e308, 3.0)
    lines = [line for line in store.logs(execution.id) if "is not kept" in line.message]
    assert len(lines) == 2 + 4
