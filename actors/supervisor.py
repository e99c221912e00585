"""Keeps the actors: starts new executions, folds resting ones again when they are due, recovers after a crash.

An actor that fails is its execution's end for now, not its neighbours': the error is reported, the journal keeps
what had happened, and the next start tries again. Only a poisoned journal stops everything.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
import trio

from hookledger.actors.bench import Bench
from hookledger.actors.concurrency import Gate
from hookledger.actors.errors import CommandRefused, ExecutionFaulted, FlowUnusable
from hookledger.actors.execution import ExecutionActor, Request, Rest
from hookledger.actors.flows import FlowBook
from hookledger.actors.followups import FollowUps
from hookledger.actors.handle import Execution
from hookledger.actors.operators import ChildEnded, OperatorCommand, Restart, apply
from hookledger.actors.origins import prefix_of
from hookledger.actors.perform import Performer
from hookledger.actors.ports import Ports
from hookledger.actors.reception import Reception
from hookledger.actors.recorder import Recorder
from hookledger.actors.rendering import make_renderer
from hookledger.actors.subflows import Subflows
from hookledger.actors.timers import Timers
from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.errors import ExecutionUnknown, JournalPoisoned
from hookledger.journal.events import (
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    Failure,
    TriggerReceived,
)
from hookledger.journal.journal import Journal
from hookledger.journal.store import Query, Reader
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.masking import Masker
from hookledger.runtime.restart import lost_paths, redone
from hookledger.runtime.state import State

ENGINE: Final = "engine:self"
RECOVERIES_MAX: Final = 50
RECOVERY_PAGE: Final = 1000

logger = logging.getLogger("hookledger.actors")


class Supervisor:
    """All live and resting executions of one journal."""

    def __init__(
        self, journal: Journal, flows: FlowBook, ports: Ports, reception: Reception, nursery: trio.Nursery
    ) -> None:
        self._journal = journal
        self._flows = flows
        self._ports = ports
        self._nursery = nursery
        self._children = Subflows(self, flows, reception)
        self._follow_ups = FollowUps(flows, reception)
        self._gate = Gate()
        self._timers = Timers(ports.clock)
        self._actors: dict[str, ExecutionActor] = {}
        self._handles: dict[str, Execution] = {}
        self.quarantined: dict[str, str] = {}
        """Open executions that cannot be taken up, each with the reason."""
        self._recoveries = trio.CapacityLimiter(RECOVERIES_MAX)
        self._reopening = trio.Lock()

    @property
    def live(self) -> int:
        """How many executions have an actor."""
        return len(self._actors)

    @property
    def resting(self) -> int:
        """How many wait for a timer."""
        return len(self._timers)

    def start(
        self,
        execution_id: str,
        flow: Flow,
        received: TriggerReceived | ExecutionForked,
        actor: str,
        before: State | None = None,
    ) -> Execution:
        """Begin an execution, or queue, refuse or cancel it as the flow's `concurrency` says.

        With `wait` nobody needs to know of it before it ends, so the first event is left to be appended with
        what follows; otherwise it is appended now.

        Args:
            before: What a fork begins with.
        """
        recorder = Recorder(self._journal, execution_id, actor, before)
        recorder.record(lambda _sequence, _at: received)
        execution = self._handles[execution_id] = Execution(execution_id, recorder)
        verdict = self._gate.enter(flow, execution_id)
        if verdict in ("CANCEL", "FAIL"):
            _refuse(recorder, flow, verdict)
        if not execution.received.wait or verdict == "wait":
            recorder.flush()
        if verdict != "wait":
            self._begin(execution, flow, recorder)
        return execution

    async def command(self, execution_id: str, command: OperatorCommand) -> None:
        """Give a command to an execution; returns when what it recorded is durable.

        Raises:
            ExecutionUnknown: There is no such execution.
            CommandRefused: The command is not possible now.
        """
        actor = self._actors.get(execution_id) or await self._wake(execution_id)
        while actor is not None and not actor.accepting:
            await actor.gone.wait()
            actor = self._actors.get(execution_id) or await self._wake(execution_id)
        if actor is None:
            await self._command_at_rest(execution_id, command)
            return
        send, receive = trio.open_memory_channel[CommandRefused | None](1)
        with receive:
            await actor.send(Request(command, send))
            refused = await receive.receive()
        if refused is not None:
            raise refused

    async def attach(self, execution_id: str) -> Execution:
        """A handle for an execution that was started before, also by an earlier process.

        Raises:
            ExecutionUnknown: There is no such execution.
        """
        if execution_id in self._handles:
            return self._handles[execution_id]
        recorder, entries = await self._resumed(execution_id)
        if execution_id in self._handles:
            return self._handles[execution_id]
        execution = Execution(execution_id, recorder, entries[0])
        if recorder.state.terminal is not None:
            execution.end(recorder.state, entries[-1])
        else:
            self._handles[execution_id] = execution
        return execution

    async def exists(self, execution_id: str) -> bool:
        """True when the journal, or an actor, knows the execution."""
        return execution_id in self._handles or bool(await self._journal.entries(execution_id))

    async def recover(self) -> int:
        """Take up every open execution, oldest first; returns how many there were."""
        found = await self._journal.ask(_open_executions)
        for execution_id in found:
            await self._take_up(execution_id)
        return len(found)

    async def follow_up(self, execution_id: str) -> None:
        """Start what a finished execution starts, unless that was done before."""
        with suppress(ExecutionUnknown):
            recorder, _ = await self._resumed(execution_id)
            await self._follow(execution_id, recorder.state)

    async def run_timers(self) -> None:
        """Wake what is due, for ever."""
        while True:
            await self._take_up(await self._timers.next())

    async def _take_up(self, execution_id: str) -> None:
        """Wake an execution whose turn it is; one that cannot be woken stops nobody else."""
        try:
            await self._wake(execution_id)
        except JournalPoisoned:
            raise
        except Exception as error:
            self._quarantine(execution_id, error)

    def _quarantine(self, execution_id: str, error: Exception) -> None:
        self.quarantined[execution_id] = f"{type(error).__name__}: {error}"
        logger.error("execution %s is quarantined: %s", execution_id, error, exc_info=error)

    async def _resumed(self, execution_id: str) -> tuple[Recorder, Sequence[Entry]]:
        entries = await self._journal.entries(execution_id)
        if not entries or execution_id == SYSTEM:
            raise ExecutionUnknown(execution_id)
        prefix = await prefix_of(self._journal, entries[0].events())
        return Recorder.resume(self._journal, execution_id, ENGINE, entries, prefix), entries

    async def _wake(self, execution_id: str) -> ExecutionActor | None:
        """Fold the journal and begin an actor, unless there is one, or nothing to do for one."""
        async with self._recoveries:
            if execution_id in self._actors:
                return self._actors[execution_id]
            try:
                recorder, entries = await self._resumed(execution_id)
            except ExecutionUnknown:
                return None
            if execution_id in self._actors:  # somebody was faster while we read
                return self._actors[execution_id]
            return self._begin_again(execution_id, recorder, entries[0])

    def _begin_again(self, execution_id: str, recorder: Recorder, first: Entry) -> ExecutionActor | None:
        state = recorder.state
        if state.terminal is not None:
            return None
        try:
            flow = self._pinned(state)
        except FlowUnusable as error:
            logger.error("execution %s cannot go on: %s", execution_id, error)
            return None
        execution = self._handles.setdefault(execution_id, Execution(execution_id, recorder, first))
        if self._gate.enter(flow, execution_id, begun=state.sequence > 1) == "wait":
            return None
        return self._begin(execution, flow, recorder)

    def _pinned(self, state: State) -> Flow:
        received = state.received
        assert received is not None
        revision = self._flows.pinned(received.namespace, received.flow, state.revision)
        if revision is None or revision.flow is None:
            raise FlowUnusable(
                revision.error if revision else f"revision {state.revision} is not in the journal"
            )
        return revision.flow

    def _usable(self, state: State) -> Flow | None:
        try:
            return self._pinned(state)
        except FlowUnusable:
            return None

    def _begin(self, execution: Execution, flow: Flow, recorder: Recorder) -> ExecutionActor:
        assert recorder.state.received is not None
        masker = Masker()
        renderer = make_renderer(flow, execution.id, recorder.state.received, self._ports, masker)
        bench = Bench(execution.id, flow, recorder, renderer, masker, self._ports, self._children)
        actor = ExecutionActor(execution, flow, recorder, Performer(bench))
        execution.driven_by(recorder)
        self._actors[execution.id] = actor
        self._timers.drop(execution.id)
        self._nursery.start_soon(self._run, execution, flow, actor)
        return actor

    async def _run(self, execution: Execution, flow: Flow, actor: ExecutionActor) -> None:
        try:
            rest = await self._worked(actor)
        except Exception as error:
            self._leave(execution.id)
            self._failed(execution, error)
            return
        except BaseException:
            self._leave(execution.id)
            raise
        del self._actors[execution.id]
        if rest is None:
            self._handles.pop(execution.id, None)
            await self._after(execution, flow)
        elif rest.due is not None:
            self._timers.set(execution.id, rest.due)

    async def _worked(self, actor: ExecutionActor) -> Rest | None:
        try:
            return await actor.run()
        finally:
            actor.gone.set()

    async def _after(self, execution: Execution, flow: Flow) -> None:
        """An execution has ended: its place is free, its parent is told, what it triggers begins."""
        following = self._gate.leave(flow.name, execution.id)
        if following is not None:
            await self._wake(following)
        if execution.final is not None:
            await self._tell_parent(execution, execution.final)
            await self._follow(execution.id, execution.final)

    async def _tell_parent(self, execution: Execution, state: State) -> None:
        """A Subflow task waits for this one, perhaps at rest."""
        received = execution.received
        if received.parent:
            ended = ChildEnded(
                path=received.parent_path, child=execution.id, state=state.status, outputs=state.outputs
            )
            with suppress(ExecutionUnknown, CommandRefused):
                await self.command(received.parent, ended)

    async def _follow(self, execution_id: str, state: State) -> None:
        for following, of_flow, received in self._follow_ups.of(execution_id, self._usable(state), state):
            if not await self.exists(following):
                self.start(following, of_flow, received, f"execution:{execution_id}")

    async def _command_at_rest(self, execution_id: str, command: OperatorCommand) -> None:
        """For an execution without an actor: it has ended, or waits for a place."""
        async with self._reopening:
            recorder, entries = await self._resumed(execution_id)
            if isinstance(command, Restart):
                command = self._restart(command, recorder.state)
            recorder.act_as(command.by)
            apply(command, recorder)
            await recorder.barrier()
        if recorder.state.terminal is None:
            self._begin_again(execution_id, recorder, entries[0])

    def _restart(self, command: Restart, state: State) -> Restart:
        """Say what is forgotten, and check that the wanted revision still has what is kept."""
        wanted = msgspec.structs.replace(state, revision=command.revision or state.revision)
        try:
            flow = self._pinned(wanted)
        except FlowUnusable as error:
            raise CommandRefused(str(error)) from error
        paths, again = redone(self._usable(state) or flow, state)
        lost = sorted(lost_paths(flow, state, paths))
        if lost:
            raise CommandRefused(f"revision {flow.revision} has no {', '.join(lost)} any more")
        return msgspec.structs.replace(
            command, revision=flow.revision, source_sha256=flow.sha256, paths=paths, again=again
        )

    def _leave(self, execution_id: str) -> None:
        self._actors.pop(execution_id, None)
        self._handles.pop(execution_id, None)

    def _failed(self, execution: Execution, error: Exception) -> None:
        poisoned = _poison_in(error)
        if poisoned is not None:
            execution.fail(poisoned)  # the journal ends the engine itself, once those who wait were told
            return
        logger.error("execution %s stopped", execution.id, exc_info=error)
        execution.fail(ExecutionFaulted(execution.id, str(error)))


def _open_executions(reader: Reader) -> list[str]:
    """All of them before the first is woken: a list that shrinks while it is paged through would skip some."""
    found: list[str] = []
    while True:
        query = Query(open=True, limit=RECOVERY_PAGE, offset=len(found), ascending=True, total_max=0)
        rows, _ = reader.rows(query)
        found += [row.execution for row in rows]
        if len(rows) < RECOVERY_PAGE:
            return found


def _refuse(recorder: Recorder, flow: Flow, verdict: str) -> None:
    """One too many: the execution ends at once, and the journal says why."""
    assert flow.concurrency is not None
    reason = f"{flow.concurrency.limit} executions of {flow.name} are open, which is its limit"
    if verdict == "CANCEL":
        recorder.record(lambda sequence, at: ExecutionCancelled(sequence=sequence, at=at, reason=reason))
    else:
        failure = Failure(message=reason, kind="ConcurrencyLimit")
        recorder.record(lambda sequence, at: ExecutionFailed(sequence=sequence, at=at, error=failure))


def _poison_in(error: BaseException) -> JournalPoisoned | None:
    """Find a poisoned journal inside the groups that nurseries wrap errors in."""
    if isinstance(error, JournalPoisoned):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for part in inner if (found := _poison_in(part)) is not None), None)
