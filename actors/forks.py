"""Executions that begin with a prefix of another one's, kept by reference.

The first event of a fork names its origin, how many of the origin's events count, and the entry that proves the last
of them. What it begins with is folded from the origin whenever the fork itself is folded, so nothing is told twice.
"""

import base64
from collections.abc import Sequence
from typing import Final

import msgspec

from hookledger.actors.engine import Engine
from hookledger.actors.errors import CommandRefused
from hookledger.actors.handle import Execution
from hookledger.actors.ids import new_id
from hookledger.actors.origins import origin_state
from hookledger.journal.entry import Entry
from hookledger.journal.errors import ExecutionUnknown
from hookledger.journal.events import AnyEvent, ExecutionForked, TaskStarted, TriggerReceived
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.restart import lost_paths
from hookledger.runtime.secret_inputs import looked_up, secret_ids
from hookledger.runtime.state import FINISHED, State, forked

FORKS_MAX: Final = 50
"""Forks of forks: each is folded through all of its origins."""


async def fork(engine: Engine, execution_id: str, path: str, *, by: str, revision: int = 0) -> Execution:
    """Begin a new execution that has done what this one had when the task at `path` began, and begins with it.

    Args:
        revision: Of the flow; 0 for the one the origin ran.

    Raises:
        ExecutionUnknown: There is no such execution.
        CommandRefused: Nothing ran at `path`, or an execution cannot begin there.
    """
    entries, cut = await _parting(engine, execution_id, path)
    origin_id = entries[0].header.exec
    origin = await engine.journal.ask(lambda reader: origin_state(reader.entries, origin_id, cut))
    received = origin.received
    assert received is not None
    flow = _flow(engine, origin, revision)
    _check(flow, origin, await _depth(engine, entries))
    fork_id = new_id(engine.ports.clock, engine.ports.entropy)
    event = ExecutionForked(
        sequence=0,
        at=engine.ports.clock.now(),
        origin=origin_id,
        origin_sequence=cut,
        origin_leaf=_leaf(entries, cut),
        received=_received(engine, received, flow, execution_id, fork_id),
        by=by,
        forget=_unfinished(origin),
    )
    execution = engine.supervisor.start(fork_id, flow, event, by, before=forked(origin, event))
    await execution.accepted()
    return execution


async def _parting(engine: Engine, execution_id: str, path: str) -> tuple[Sequence[Entry], int]:
    """The execution in which the task at `path` began for the last time, and how many events it had before.

    What a fork did not do itself it has from its origin, and so the parting lies there.
    """
    wanted, end = execution_id, 0
    while entries := await engine.journal.entries(wanted):
        events = [event for entry in entries for event in entry.events() if not end or event.sequence < end]
        starts = [event.sequence for event in events if _begins(event, path)]
        if starts:
            return entries, starts[-1]
        if not events or not isinstance(first := events[0], ExecutionForked):
            raise CommandRefused(
                f"no task run began at `{path[:200]}`; the execution's `taskRunList` has them all"
            )
        wanted, end = first.origin, first.origin_sequence
    raise ExecutionUnknown(wanted)


def _begins(event: AnyEvent, path: str) -> bool:
    return isinstance(event, TaskStarted) and event.path == path and event.attempt == 1


def _leaf(entries: Sequence[Entry], cut: int) -> str:
    """The entry that holds the last event before the cut."""
    last = [entry for entry in entries if entry.header.seq < cut][-1]
    return base64.b64encode(last.leaf).decode()


def _flow(engine: Engine, origin: State, revision: int) -> Flow:
    received = origin.received
    assert received is not None
    wanted = revision or origin.revision
    found = engine.flows.pinned(received.namespace, received.flow, wanted)
    if found is None or found.flow is None:
        raise CommandRefused(found.error if found else f"there is no revision {wanted}")
    if found.flow.disabled:
        raise CommandRefused(f"the flow {found.flow.name} is disabled in revision {wanted}")
    return found.flow


def _check(flow: Flow, origin: State, depth: int) -> None:
    received = origin.received
    assert received is not None
    if origin.exit_state or origin.kill or origin.terminal:
        raise CommandRefused("the task ran after the execution's end was decided; name one that ran before")
    if lost := sorted(lost_paths(flow, origin, _unfinished(origin))):
        raise CommandRefused(f"revision {flow.revision} has no {', '.join(lost)} any more")
    if any(looked_up(received.inputs, name) is not None for name in secret_ids(flow)):
        raise CommandRefused(
            "a SECRET input belongs to one execution; start the flow with its inputs instead"
        )
    if depth >= FORKS_MAX:
        raise CommandRefused(f"{FORKS_MAX} forks of forks are the most; replay the whole execution instead")


async def _depth(engine: Engine, entries: Sequence[Entry]) -> int:
    depth = 0
    while isinstance(first := entries[0].events()[0], ExecutionForked):
        entries = await engine.journal.entries(first.origin)
        depth += 1
    return depth


def _received(
    engine: Engine, received: TriggerReceived, flow: Flow, execution_id: str, fork_id: str
) -> TriggerReceived:
    """The same delivery, for an execution of its own: nobody waits for it, and it claims nothing."""
    labels = received.labels | {"system.replayOf": execution_id, "system.correlationId": fork_id}
    return msgspec.structs.replace(
        received,
        sequence=0,
        at=engine.ports.clock.now(),
        revision=flow.revision,
        source_sha256=flow.sha256,
        seed=engine.ports.entropy.token(16).hex(),
        labels=labels,
        parent="",
        parent_path="",
        attempt=1,
        original=received.original or execution_id,
        retry_of="",
        not_before=0,
        deduplication="",
        deduplication_until=0,
        wait=False,
        response=None,
    )


def _unfinished(origin: State) -> tuple[str, ...]:
    """What was under way where they part, and is begun anew."""
    runs = {path for path, run in origin.runs.items() if run.state not in FINISHED}
    waits = {*origin.pauses, *origin.timers, *(origin.children.keys() - origin.returned.keys())}
    return tuple(sorted((runs | waits) - {""}))
