"""Keeps the actors: starts new executions, folds resting ones again when they are due, recovers after a crash.

An actor that fails is its execution's end for now, not its neighbours': the error is reported, the journal keeps
what had happened, and the next start tries again. Only a poisoned journal stops everything.
"""

import logging
from contextlib import suppress
from typing import Final

import trio

from hookledger.actors.bench import Bench
from hookledger.actors.errors import CommandRefused, ExecutionFaulted
from hookledger.actors.execution import ExecutionActor, Request
from hookledger.actors.flows import FlowBook
from hookledger.actors.handle import Execution
from hookledger.actors.operators import ChildEnded, OperatorCommand
from hookledger.actors.perform import Performer
from hookledger.actors.ports import Ports
from hookledger.actors.reception import Reception
from hookledger.actors.recorder import Recorder
from hookledger.actors.rendering import Renderer
from hookledger.actors.subflows import Subflows
from hookledger.actors.timers import Timers
from hookledger.journal.entry import Entry
from hookledger.journal.errors import ExecutionUnknown, JournalPoisoned
from hookledger.journal.events import TriggerReceived
from hookledger.journal.journal import Journal
from hookledger.journal.store import Query
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.masking import Masker
from hookledger.runtime.variables import Scope

ENGINE: Final = "engine:self"
RECOVERIES_MAX: Final = 50
RECOVERY_PAGE: Final = 1000

logger = logging.getLogger("hookledger.actors")


class Supervisor:
    """All live and resting executions of one journal."""

    def __init__(
        self, journal: Journal, flows: FlowBook, ports: Ports, reception: Reception, nursery: trio.Nursery
    ) -> None:
        self._children = Subflows(self, flows, reception)
        self._journal = journal
        self._flows = flows
        self._ports = ports
        self._nursery = nursery
        self._timers = Timers(ports.clock)
        self._actors: dict[str, ExecutionActor] = {}
        self._waited: dict[str, Execution] = {}
        self._recoveries = trio.CapacityLimiter(RECOVERIES_MAX)

    @property
    def live(self) -> int:
        """How many executions have an actor."""
        return len(self._actors)

    @property
    def resting(self) -> int:
        """How many wait for a timer."""
        return len(self._timers)

    def start(self, execution_id: str, flow: Flow, received: TriggerReceived, actor: str) -> Execution:
        """Begin an execution.

        With `wait` nobody needs to know of it before it ends, so the first event is left to be appended with
        what follows; otherwise it is appended now.
        """
        recorder = Recorder(self._journal, execution_id, actor)
        recorder.record(lambda _sequence, _at: received)
        if not received.wait:
            recorder.flush()
        execution = self._waited[execution_id] = Execution(execution_id, recorder)
        self._begin(execution, flow, recorder)
        return execution

    async def command(self, execution_id: str, command: OperatorCommand) -> None:
        """Give a command to an execution; returns when what it recorded is durable.

        Raises:
            ExecutionUnknown: There is no such execution.
            CommandRefused: The command is not possible now.
        """
        send, receive = trio.open_memory_channel[CommandRefused | None](1)
        with receive:
            await self._deliver(execution_id, Request(command, send))
            refused = await receive.receive()
        if refused is not None:
            raise refused

    async def attach(self, execution_id: str) -> Execution:
        """A handle for an execution that was started before, also by an earlier process.

        Raises:
            ExecutionUnknown: There is no such execution.
        """
        if execution_id in self._waited:
            return self._waited[execution_id]
        entries = await self._journal.entries(execution_id)
        if not entries:
            raise ExecutionUnknown(execution_id)
        recorder = Recorder.resume(self._journal, execution_id, ENGINE, entries)
        execution = Execution(execution_id, recorder, entries[0])
        if recorder.state.terminal is not None:
            execution.end(recorder.state, entries[-1])
            return execution
        return self._waited.setdefault(execution_id, execution)

    async def recover(self) -> int:
        """Take up every open execution; returns how many there were."""
        page, count = Query(open=True, limit=RECOVERY_PAGE), 0
        while True:
            rows, total = await self._journal.ask(lambda reader: reader.rows(page))  # noqa: B023
            for row in rows:
                await self._wake(row.execution)
            count += len(rows)
            if count >= total or not rows:
                return count
            page = Query(open=True, limit=RECOVERY_PAGE, offset=count)

    async def run_timers(self) -> None:
        """Wake what is due, for ever."""
        while True:
            await self._wake(await self._timers.next())

    async def _deliver(self, execution_id: str, request: Request) -> None:
        actor = self._actors.get(execution_id) or await self._wake(execution_id)
        if actor is None:
            raise ExecutionUnknown(execution_id)
        await actor.send(request)

    async def _wake(self, execution_id: str) -> ExecutionActor | None:
        """Fold the journal and begin an actor, unless there is one."""
        async with self._recoveries:
            if execution_id in self._actors:
                return self._actors[execution_id]
            entries = await self._journal.entries(execution_id)
            if not entries:
                return None
            if execution_id in self._actors:  # somebody was faster while we read
                return self._actors[execution_id]
            recorder = Recorder.resume(self._journal, execution_id, ENGINE, entries)
            return self._begin_again(execution_id, recorder, entries[0])

    def _begin_again(self, execution_id: str, recorder: Recorder, first: Entry) -> ExecutionActor | None:
        received = recorder.state.received
        assert received is not None
        revision = self._flows.pinned(received.namespace, received.flow, received.revision)
        if revision is None or revision.flow is None:
            why = revision.error if revision else "its revision is not in the journal"
            logger.error("execution %s cannot go on: %s", execution_id, why)
            return None
        execution = self._waited.setdefault(execution_id, Execution(execution_id, recorder, first))
        return self._begin(execution, revision.flow, recorder)

    def _begin(self, execution: Execution, flow: Flow, recorder: Recorder) -> ExecutionActor:
        assert recorder.state.received is not None
        masker = Masker()
        scope = Scope(flow, execution.id, recorder.state.received)
        renderer = Renderer(scope, self._ports, masker)
        bench = Bench(execution.id, flow, recorder, renderer, masker, self._ports, self._children)
        actor = ExecutionActor(execution, flow, recorder, Performer(bench))
        self._actors[execution.id] = actor
        self._timers.drop(execution.id)
        self._nursery.start_soon(self._run, execution, actor)
        return actor

    async def _run(self, execution: Execution, actor: ExecutionActor) -> None:
        try:
            rest = await actor.run()
        except Exception as error:
            self._leave(execution.id)
            self._failed(execution, error)
            return
        except BaseException:
            self._leave(execution.id)
            raise
        del self._actors[execution.id]
        if rest is None:
            self._waited.pop(execution.id, None)
            await self._tell_parent(execution)
        elif rest.due is not None:
            self._timers.set(execution.id, rest.due)

    async def exists(self, execution_id: str) -> bool:
        """True when the journal, or an actor, knows the execution."""
        return execution_id in self._actors or bool(await self._journal.entries(execution_id))

    async def _tell_parent(self, execution: Execution) -> None:
        """A Subflow task waits for this one, perhaps at rest."""
        received, state = execution.received, execution.final
        if received.parent and state is not None:
            ended = ChildEnded(
                path=received.parent_path, child=execution.id, state=state.status, outputs=state.outputs
            )
            with suppress(ExecutionUnknown, CommandRefused):
                await self.command(received.parent, ended)

    def _leave(self, execution_id: str) -> None:
        self._actors.pop(execution_id, None)
        self._waited.pop(execution_id, None)

    def _failed(self, execution: Execution, error: Exception) -> None:
        poisoned = _poison_in(error)
        if poisoned is not None:
            execution.fail(poisoned)
            raise poisoned
        logger.error("execution %s stopped", execution.id, exc_info=error)
        execution.fail(ExecutionFaulted(execution.id, str(error)))


def _poison_in(error: BaseException) -> JournalPoisoned | None:
    """Find a poisoned journal inside the groups that nurseries wrap errors in."""
    if isinstance(error, JournalPoisoned):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for part in inner if (found := _poison_in(part)) is not None), None)
