"""`verify` checks what a journal means: a forged history with right hashes breaks a rule, a true one breaks none."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from hookledger.actors.again import ENVIRONMENT, SECRET
from hookledger.actors.course import NO_FLOW, TOO_LONG
from hookledger.actors.engine import Engine
from hookledger.actors.meaning import FlowMeaning
from hookledger.actors.ports import Ports
from hookledger.journal.entry import SYSTEM
from hookledger.journal.events import (
    Event,
    ExecutionFailed,
    Failure,
    FlowRegistered,
    LabelsSet,
    OutputsResolved,
    TaskReturned,
    TaskStarted,
)
from hookledger.journal.memory import MemoryStore
from hookledger.journal.verify import Report, verify
from hookledger.runtime.flow.model import Task
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.plan import Flowable, Place, Planner, Progress
from hookledger.runtime.tasks.registry import BUILT_IN, TaskRegistry
from tests.journal.builders import EXECUTION, START, Draft

TWO = """id: two
namespace: io.tests
tasks:
  - {id: first, type: io.kestra.plugin.core.debug.Return, format: "hello {{ trigger.name }} {{ uuid() }}"}
  - {id: second, type: io.kestra.plugin.core.debug.Return, format: "{{ outputs.first.value }}!"}
  - id: sometimes
    type: io.kestra.plugin.core.flow.If
    condition: "{{ trigger.name == 'Ann' }}"
    then: [{id: yes, type: io.kestra.plugin.core.debug.Return, format: "yes"}]
    else: [{id: no, type: io.kestra.plugin.core.debug.Return, format: "no"}]
outputs:
  - {id: text, type: STRING, value: "{{ outputs.second.value }} {{ now() }}"}
"""
FAILING = """id: failing
namespace: io.tests
tasks:
  - {id: broken, type: io.kestra.plugin.core.execution.Fail}
  - {id: never, type: io.kestra.plugin.core.log.Log, message: hi}
"""
Events = list[Any]


async def history(source: str, *, ports: Ports | None = None, name: str = "Ann") -> Events:
    """What the engine records of a flow."""
    flow = parse_flow(source)
    async with Engine.open(MemoryStore(), ports=ports) as engine:
        await engine.register(source)
        execution = await engine.trigger(flow.namespace, flow.id, variables={"name": name})
        await execution.finished()
        return list(await engine.events(execution.id))


def judged(source: str, events: Sequence[Event], registry: TaskRegistry | None = None) -> Report:
    """Write the events as an owner of the file could, with right hashes, and verify the journal."""
    flow = parse_flow(source, registry=registry or TaskRegistry())
    draft = Draft(registered=False)
    draft.add(
        SYSTEM,
        FlowRegistered(
            sequence=2,
            at=START + 2,
            namespace=flow.namespace,
            flow=flow.id,
            revision=1,
            sha256=flow.sha256,
            source=source,
        ),
    )
    numbered: Events = [msgspec.structs.replace(event, sequence=n) for n, event in enumerate(events)]
    numbered = [
        msgspec.structs.replace(event, log=None) if isinstance(event, TaskReturned) else event
        for event in numbered
    ]  # a draft has no log lines
    draft.add(EXECUTION, *numbered, ts=2**52)
    return verify(draft, meaning=FlowMeaning(registry))


def rules(report: Report) -> set[str]:
    return {violation.rule for violation in report.violations}


def of(events: Events, kind: type, path: str = "") -> int:
    """Index of the first event of a type, at a path."""
    return next(
        n for n, event in enumerate(events) if isinstance(event, kind) and getattr(event, "path", "") == path
    )


def changed(events: Events, index: int, **fields: Any) -> Events:
    return [*events[:index], msgspec.structs.replace(events[index], **fields), *events[index + 1 :]]


def no_task(events: Events) -> Events:
    return [events[0], events[-1]]


def two_before_one(events: Events) -> Events:
    one, two = of(events, TaskStarted, "first"), of(events, TaskStarted, "second")
    return [*events[:one], *events[two : two + 2], *events[one : one + 2], *events[two + 2 :]]


def one_left_out(events: Events) -> Events:
    one = of(events, TaskStarted, "second")
    return [*events[:one], *events[one + 2 :]]


def twice(events: Events) -> Events:
    one = of(events, TaskStarted, "first")
    again = [msgspec.structs.replace(event, path="second", task="second") for event in events[one : one + 2]]
    return [*events[: one + 2], *again, *events[one + 2 :]]


def unknown_task(events: Events) -> Events:
    one = of(events, TaskStarted, "first")
    strange = [
        msgspec.structs.replace(event, path="strange", task="strange") for event in events[one : one + 2]
    ]
    return [*events[:one], *strange, *events[one:]]


def other_branch(events: Events) -> Events:
    chosen = next(n for n, event in enumerate(events) if getattr(event, "chosen", ""))
    return changed(events, chosen, chosen="else")


def forged_properties(events: Events) -> Events:
    return changed(events, of(events, TaskStarted, "second"), properties={"format": "forged"})


def forged_result(events: Events) -> Events:
    return changed(events, of(events, TaskReturned, "first"), outputs={"value": "forged"})


def forged_outputs(events: Events) -> Events:
    return changed(events, -1 % len(events), outputs={"text": "forged"})


def forged_state(events: Events) -> Events:
    return changed(events, len(events) - 1, state="WARNING")


def failed_at_the_end(events: Events) -> Events:
    last = events[-1]
    return [*events[:-1], ExecutionFailed(sequence=0, at=last.at, error=Failure(message="forged"))]


def failed_then_on(events: Events) -> Events:
    return changed(events, of(events, TaskReturned, "first"), outcome="error", outputs={})


def early_end(events: Events) -> Events:
    return [*events[: of(events, TaskStarted, "second")], events[-1]]


FORGED: list[tuple[Callable[[Events], Events], set[str]]] = [
    (no_task, {"M01"}),
    (two_before_one, {"M01"}),
    (one_left_out, {"M01"}),
    (twice, {"M01"}),
    (unknown_task, {"M01"}),
    (other_branch, {"M01", "M03"}),
    (forged_properties, {"M03"}),
    (forged_result, {"M03", "M04"}),
    (forged_outputs, {"M03"}),
    (forged_state, {"M01"}),
    (failed_at_the_end, {"M03"}),
    (failed_then_on, {"M02", "M04"}),
    (early_end, {"M01"}),
]


@pytest.mark.parametrize(("forge", "broken"), FORGED)
async def test_a_forged_history_is_noticed(forge: Callable[[Events], Events], broken: set[str]) -> None:
    """
    Tasks left out, in another order, twice, unknown, with other properties, outcomes, choices or outputs.
    """
    events = await history(TWO)
    assert rules(judged(TWO, events)) == set()
    assert broken <= rules(judged(TWO, forge(events)))


async def test_a_failed_task_is_no_success() -> None:
    """
    M01: a task failed, and the execution is said to have succeeded.
    """
    events = await history(FAILING)
    assert rules(judged(FAILING, events)) == set()
    success = OutputsResolved(sequence=0, at=events[-1].at)
    assert rules(judged(FAILING, [*events[:-1], success])) == {"M01"}
    settled = changed(events, of(events, TaskReturned, "broken"), next="next")
    assert "M02" in rules(judged(FAILING, [*settled[:-1], success]))


async def test_what_an_operator_does_is_no_forgery() -> None:
    """
    Labels set after the end are nothing a flow asks for, and nothing it minds.
    """
    events = await history(TWO)
    labels = LabelsSet(sequence=0, at=events[-1].at, labels={"seen": "yes"}, by="user:ann")
    assert rules(judged(TWO, [*events, labels])) == set()


class Stuck(Flowable, frozen=True, kw_only=True):
    """A task that neither ends nor waits for anything."""

    types = ("io.tests.Stuck",)

    @classmethod
    def plan(cls, task: Task, place: Place, planner: Planner) -> Progress:
        return Progress()


async def test_an_open_execution_without_a_reason_to_wait_is_noticed() -> None:
    """
    M05: nothing of its plan is under way and nothing is waited for, so it would be open for ever.
    """
    registry = TaskRegistry((*BUILT_IN, Stuck))
    source = "id: two\nnamespace: io.tests\ntasks: [{id: stuck, type: io.tests.Stuck}]\n"
    received = (await history(TWO))[0]
    flow = parse_flow(source, registry=registry)
    pinned = msgspec.structs.replace(received, source_sha256=flow.sha256)
    assert rules(judged(source, [pinned], registry)) == {"M05"}
    waiting = TWO.replace("hello", "hi")
    open_one = msgspec.structs.replace(received, source_sha256=parse_flow(waiting).sha256)
    assert rules(judged(waiting, [open_one])) == set()


async def test_what_cannot_be_made_again_is_counted() -> None:
    """
    A secret and the server's environment are not in the journal: renderings that need them are left out, and counted.
    """
    source = TWO.replace("hello", "{{ secret('KEY') }}")
    events = await history(source, ports=Ports(secrets={"KEY": "long enough"}.get))
    report = judged(source, events)
    assert (rules(report), report.unjudged[SECRET] > 0) == (set(), True)
    source = TWO.replace("hello", "{{ envs.where }}")
    events = await history(source, ports=Ports(environment={"where": "here"}))
    report = judged(source, events)
    assert (rules(report), report.unjudged) == (set(), {ENVIRONMENT: 1})


async def test_a_flow_that_cannot_be_read_is_counted() -> None:
    """
    A flow whose task type is not installed here says nothing of its executions.
    """
    events = await history(TWO)
    registry = TaskRegistry(kind for kind in BUILT_IN if "Return" not in kind.types[0])
    draft_of = judged(TWO, events)
    assert draft_of.unjudged == {}
    meaning = FlowMeaning(registry)
    meaning.learn(
        FlowRegistered(
            sequence=0, at=0, namespace="io.tests", flow="two", revision=1, sha256=events[0].source_sha256,
            source=TWO,
        )
    )  # fmt: skip
    course = meaning.course(EXECUTION)
    assert [finding for event in events for finding in course.follow(event)] == []
    assert meaning.skipped == {NO_FLOW: 1}


async def test_the_work_for_one_execution_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An execution of very many runs is judged until the bound, and counted; nothing of it is called wrong.
    """
    events = await history(TWO)
    monkeypatch.setattr("hookledger.actors.course.STEPS_MAX", 5)
    report = judged(TWO, events)
    assert (rules(report), report.unjudged) == (set(), {TOO_LONG: 1})
