"""Keeps the actors: starts new executions, folds resting ones again when they are due, recovers after a crash.

An execution has one owner at any moment: its actor, or whoever holds its lock and has made sure that there is no
actor. Start, wake, command, attach and recovery all go that way, so an execution has one recorder at a time.

An actor that fails, or an execution that cannot be read, is quarantined: named, with the reason, while its neighbours
go on; the journal keeps what had happened, and the next start or command tries again. Only a poisoned journal stops
everything.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import msgspec
import trio

from hookledger.actors.bench import Bench
from hookledger.actors.concurrency import Gate
from hookledger.actors.errors import CommandRefused, DeliveryRefused, ExecutionFaulted, FlowUnusable
from hookledger.actors.execution import ActorGone, ExecutionActor
from hookledger.actors.flows import FlowBook
from hookledger.actors.followups import FollowUp, FollowUps
from hookledger.actors.handle import Execution
from hookledger.actors.off_loop import rendering
from hookledger.actors.operators import ChildEnded, OperatorCommand, Restart, apply, check_restart
from hookledger.actors.ownership import Ownership
from hookledger.actors.perform import Performer
from hookledger.actors.ports import Ports
from hookledger.actors.reception import Make, Reception
from hookledger.actors.recorder import History, Recorder, read_history
from hookledger.actors.rendering import error_log, make_renderer
from hookledger.actors.subflows import Subflows
from hookledger.actors.timers import Timers
from hookledger.journal.errors import ExecutionDamaged, ExecutionUnknown, JournalPoisoned
from hookledger.journal.events import (
    DeliveryRejected,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionQueued,
    Failure,
    TriggerReceived,
)
from hookledger.journal.index import ExecutionRow
from hookledger.journal.journal import Journal
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.masking import Masker
from hookledger.runtime.restart import lost_paths, redone
from hookledger.runtime.state import State

READERS_MAX: Final = 50
"""Histories that are in memory at once in order to be folded."""

logger = logging.getLogger("hookledger.actors")


class Parked(NamedTuple):
    """An execution that waits for its place; its recorder goes on as soon as it has one."""

    execution: Execution
    flow: Flow
    recorder: Recorder


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
        self._ownership = Ownership()
        self._actors: dict[str, ExecutionActor] = {}
        self._parked: dict[str, Parked] = {}
        self._handles: WeakValueDictionary[str, Execution] = WeakValueDictionary()
        """Of those that have an actor or wait for a place; one at rest is there while somebody waits for it."""
        self.quarantined: dict[str, str] = {}
        """Open executions that cannot go on, each with the reason."""
        self._readers = trio.CapacityLimiter(READERS_MAX)

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
        failure: Failure | None = None,
        later: bool = False,
    ) -> Execution:
        """Begin an execution, or queue, refuse or cancel it as the flow's `concurrency` says.

        With `wait` nobody needs to know of it before it ends, so the first event is left to be appended with
        what follows; otherwise it is appended now.

        Args:
            execution_id: A fresh one; for one that follows from something else there is `start_once`.
            before: What a fork begins with.
            failure: Why it has failed before anything of it could begin.
            later: Whoever starts it awaits `accepted`, so what is large need not be appended now.
        """
        recorder = Recorder(self._journal, execution_id, actor, before)
        recorder.record(lambda _sequence, _at: received)
        execution = self._handles[execution_id] = Execution(execution_id, recorder)
        if failure is not None:
            recorder.record(lambda sequence, at: ExecutionFailed(sequence=sequence, at=at, error=failure))
            self._begin(execution, flow, recorder)
        else:
            self._enter(execution, flow, recorder)
        if not execution.received.wait and not (later and recorder.large):
            recorder.flush()
        return execution

    async def start_once(self, execution_id: str, make: Make, actor: str) -> bool:
        """Begin an execution whose id says what it is for; False when it was begun before, whenever that was."""
        async with self._ownership.of(execution_id):
            if await self.exists(execution_id):
                return False
            first = await rendering(make)
            self.start(execution_id, first.flow, first.received, actor, failure=first.failure)
            return True

    async def start_by_trigger(self, wanted: FollowUp, actor: str) -> None:
        """The same for what nobody waits for: when it cannot begin, the journal says why, once."""
        try:
            await self.start_once(wanted.id, wanted.make, actor)
        except (DeliveryRefused, FlowUnusable) as error:
            if not getattr(error, "unmet", False):
                await self._record_refusal(wanted, str(error).removeprefix(f"{error.code}: "))
        except JournalPoisoned:
            raise
        except Exception as error:
            logger.error("%s of %s failed", wanted.trigger, wanted.flow.name, exc_info=error)
            await self._record_refusal(wanted, f"{type(error).__name__}: {error}")

    async def _record_refusal(self, wanted: FollowUp, reason: str) -> None:
        if await self._journal.ask(lambda reader: reader.delivery(wanted.id)) is not None:
            return
        logger.warning("%s of %s started nothing: %s", wanted.trigger, wanted.flow.name, reason)
        self._journal.append_system(
            lambda sequence, at: DeliveryRejected(
                sequence=sequence,
                at=at,
                delivery=wanted.id,
                status=422,
                reason=reason,
                namespace=wanted.flow.namespace,
                flow=wanted.flow.id,
                trigger=wanted.trigger,
            )
        )

    async def command(self, execution_id: str, command: OperatorCommand) -> None:
        """Give a command to an execution; returns when what it recorded is durable.

        Raises:
            ExecutionUnknown: There is no such execution.
            ExecutionDamaged: It cannot be read.
            CommandRefused: The command is not possible now.
        """
        while True:
            actor = self._actors.get(execution_id)
            if actor is None:
                async with self._ownership.of(execution_id):
                    if execution_id not in self._actors:
                        await self._command_at_rest(execution_id, command)
                        return
            elif isinstance(command, Restart):
                check_restart(actor.recorder.state)
                await actor.gone.wait()
            else:
                with suppress(ActorGone):
                    await actor.ask(command)
                    return

    async def attach(self, execution_id: str) -> Execution:
        """A handle for an execution that was started before, also by an earlier process.

        Raises:
            ExecutionUnknown: There is no such execution.
            ExecutionDamaged: It cannot be read.
        """
        async with self._ownership.of(execution_id):
            if execution_id in self._handles:
                return self._handles[execution_id]
            history = await self._history(execution_id)
            recorder = Recorder.resume(self._journal, execution_id, history)
            execution = Execution(execution_id, recorder, history.entries[0])
            if recorder.state.terminal is not None:
                execution.end(recorder.state, history.entries[-1])
            elif execution_id in self.quarantined:
                execution.fail(ExecutionFaulted(execution_id, self.quarantined[execution_id]))
            else:
                self._handles[execution_id] = execution
            return execution

    async def exists(self, execution_id: str) -> bool:
        """True when the journal, or an actor, knows the execution."""
        return execution_id in self._handles or bool(await self._journal.entries(execution_id))

    async def recover(self) -> int:
        """Take up every open execution, oldest first; returns how many there were.

        Only then those that wait for a place get one: who had one before has it again.
        """
        found = await self._journal.ask(lambda reader: reader.open_executions())
        for execution_id in found:
            await self._take_up(execution_id)
        self._gate.open = True
        for name in self._gate.flows():
            self._admit(name)
        return len(found)

    def expected_follow_ups(self) -> Callable[[ExecutionRow, int], Iterator[str]]:
        """As `FollowUps.expected`."""
        return self._follow_ups.expected()

    async def follow_up(self, execution_id: str, at: int) -> None:
        """Start what an execution that ended at `at` (of the journal) starts, unless that was done before."""
        with suppress(ExecutionUnknown, ExecutionDamaged):
            await self._follow(execution_id, (await self._history(execution_id)).state, at)

    def revised(self, flow: Flow) -> None:
        """A flow has a new revision: its limit holds for those who wait, too."""
        self._gate.revise(flow)
        self._admit(flow.name)

    def look_again(self) -> None:
        """See whether more time has gone by than was waited for."""
        self._timers.look_again()

    async def run_timers(self) -> None:
        """Wake what is due, for ever."""
        while True:
            await self._take_up(await self._timers.next())

    async def _take_up(self, execution_id: str) -> None:
        """Go on with an execution whose turn it is; one that cannot go on stops nobody else."""
        async with self._ownership.of(execution_id):
            if execution_id in self._actors or execution_id in self._parked:
                return
            try:
                history = await self._history(execution_id)
                self._go_on(execution_id, self._resumed(execution_id, history), history)
            except JournalPoisoned:
                return
            except Exception as error:
                self._quarantine(execution_id, error)

    async def _history(self, execution_id: str) -> History:
        """Read and fold, beside the event loop."""
        async with self._readers:
            return await self._journal.ask(lambda reader: read_history(reader, execution_id))

    def _resumed(self, execution_id: str, history: History) -> Recorder:
        clock = self._timers.clock(execution_id)
        return Recorder.resume(self._journal, execution_id, history, clock)

    def _go_on(self, execution_id: str, recorder: Recorder, history: History) -> None:
        """Begin its actor, or let it wait for its place, as it did before.

        Raises:
            FlowUnusable: The revision it is pinned to does not parse here.
        """
        state = recorder.state
        if state.terminal is not None:
            return
        flow = self._pinned(state)
        execution = self._handles.setdefault(
            execution_id, Execution(execution_id, recorder, history.entries[0])
        )
        execution.driven_by(recorder)
        placed = self._gate.has(flow, execution_id)
        placeless = not placed and (bool(state.queued) or execution_id in self.quarantined)
        if state.kill is not None and placeless:
            self._begin(execution, flow, recorder)
        elif state.queued and not placed:
            self._park(execution, flow, recorder, history.queued_at)
        elif placeless and self._gate.ask(flow) != "run":
            self._park(execution, flow, recorder, history.entries[-1].header.pos)
        else:
            self._gate.take(flow, execution_id)
            self._begin(execution, flow, recorder)

    def _enter(self, execution: Execution, flow: Flow, recorder: Recorder) -> None:
        """Begin what was just started, or what its flow's limit makes of it."""
        verdict = self._gate.ask(flow)
        if verdict == "wait":
            self._queue(execution, flow, recorder)
            return
        if verdict == "run":
            self._gate.take(flow, execution.id)
        else:
            _refuse(recorder, _full(self._gate.limit(flow), flow), verdict)
        self._begin(execution, flow, recorder)

    def _queue(self, execution: Execution, flow: Flow, recorder: Recorder) -> None:
        limit = int(self._gate.limit(flow))
        recorder.record(lambda sequence, at: ExecutionQueued(sequence=sequence, at=at, limit=limit))
        ticket = recorder.flush()
        assert ticket is not None
        self._park(execution, flow, recorder, ticket.entry.header.pos)

    def _park(self, execution: Execution, flow: Flow, recorder: Recorder, position: int) -> None:
        self._parked[execution.id] = Parked(execution, flow, recorder)
        self._gate.queue(flow, execution.id, position)
        self._timers.drop(execution.id)
        self.quarantined.pop(execution.id, None)
        self._admit(flow.name)

    def _admit(self, flow_name: str) -> None:
        """Begin who waits, as far as there are places, in order: nothing comes between the place and the begin."""
        for execution_id in self._gate.admit(flow_name):
            self._begin(*self._parked.pop(execution_id))

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

    def _begin(self, execution: Execution, flow: Flow, recorder: Recorder) -> None:
        assert recorder.state.received is not None
        masker = Masker()
        received = recorder.state.received

        def errors() -> list[dict[str, Any]]:
            return error_log(flow, recorder.state, recorder.errors)

        renderer = make_renderer(flow, execution.id, received, self._ports, masker, errors)
        bench = Bench(execution.id, flow, recorder, renderer, masker, self._ports, self._children)
        performer = Performer(bench)
        actor = ExecutionActor(
            execution, flow, recorder, performer, lambda: self._vacate(flow.name, execution.id)
        )
        execution.driven_by(recorder)
        self._actors[execution.id] = actor
        self._timers.drop(execution.id)
        self.quarantined.pop(execution.id, None)
        self._nursery.start_soon(self._run, execution, flow, actor)

    async def _run(self, execution: Execution, flow: Flow, actor: ExecutionActor) -> None:
        try:
            rest = await actor.run()
        except Exception as error:
            await self._failed(execution, flow, actor, error)
            return
        except BaseException:
            self._gone(execution, actor)
            self._handles.pop(execution.id, None)
            raise
        if rest is None:
            self._handles.pop(execution.id, None)
        elif rest.due is not None:
            self._timers.set(execution.id, rest.due, actor.recorder.clock)
        self._gone(execution, actor)
        if rest is None:
            await self._after(execution)

    def _gone(self, execution: Execution, actor: ExecutionActor) -> None:
        del self._actors[execution.id]
        actor.gone.set()

    async def _after(self, execution: Execution) -> None:
        """An execution has ended: its parent is told, what it triggers begins."""
        if execution.final is None:
            return
        try:
            await self._tell_parent(execution, execution.final)
            await self._follow(execution.id, execution.final)
        except JournalPoisoned:
            return
        except Exception as error:
            logger.error("what follows execution %s was not started", execution.id, exc_info=error)

    def _vacate(self, flow_name: str, execution_id: str) -> None:
        self._gate.leave(flow_name, execution_id)
        self._admit(flow_name)

    async def _tell_parent(self, execution: Execution, state: State) -> None:
        """A Subflow task waits for this one, perhaps at rest."""
        received = execution.received
        if received.parent:
            ended = ChildEnded(
                path=received.parent_path, child=execution.id, state=state.status, outputs=state.outputs
            )
            with suppress(ExecutionUnknown, ExecutionDamaged, CommandRefused):
                await self.command(received.parent, ended)

    async def _follow(self, execution_id: str, state: State, at: int | None = None) -> None:
        for wanted in self._follow_ups.of(execution_id, self._usable(state), state, at):
            await self.start_by_trigger(wanted, f"execution:{execution_id}")

    async def _command_at_rest(self, execution_id: str, command: OperatorCommand) -> None:
        """For an execution without an actor: it has ended, sleeps, waits for its place, or is quarantined.

        What the command makes possible begins before anything is waited for: whoever asked may stop waiting.
        """
        parked = self._parked.get(execution_id)
        if parked is not None:
            recorder = parked.recorder
            _give(command, recorder)
            if recorder.state.kill is not None:
                self._begin_parked(execution_id)
        else:
            history = await self._history(execution_id)
            recorder = self._resumed(execution_id, history)
            if isinstance(command, Restart):
                self._restart(execution_id, command, recorder, history)
            else:
                _give(command, recorder)
                self._try_to_go_on(execution_id, recorder, history)
        with trio.CancelScope(shield=True):  # the next owner reads what is durable
            await recorder.barrier()

    def _begin_parked(self, execution_id: str) -> None:
        """It needs no place in order to end."""
        execution, flow, recorder = self._parked.pop(execution_id)
        self._gate.leave(flow.name, execution_id)
        self._begin(execution, flow, recorder)

    def _try_to_go_on(self, execution_id: str, recorder: Recorder, history: History) -> None:
        try:
            self._go_on(execution_id, recorder, history)
        except FlowUnusable as error:
            self._quarantine(execution_id, error)

    def _restart(self, execution_id: str, command: Restart, recorder: Recorder, history: History) -> None:
        check_restart(recorder.state)
        flow, prepared = self._prepared(command, recorder.state)
        verdict = self._gate.ask(flow)
        if verdict in ("CANCEL", "FAIL"):
            raise CommandRefused(
                f"{_full(self._gate.limit(flow), flow)}; restart it when one of them has ended"
            )
        _give(prepared, recorder)
        execution = self._handles[execution_id] = Execution(execution_id, recorder, history.entries[0])
        if verdict == "wait":
            self._queue(execution, flow, recorder)
        else:
            self._gate.take(flow, execution_id)
            self._begin(execution, flow, recorder)

    def _prepared(self, command: Restart, state: State) -> tuple[Flow, Restart]:
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
        return flow, msgspec.structs.replace(
            command, revision=flow.revision, source_sha256=flow.sha256, paths=paths, again=again
        )

    async def _failed(
        self, execution: Execution, flow: Flow, actor: ExecutionActor, error: Exception
    ) -> None:
        """Nobody works on it any more; its place is free once what it wrote is there to be read.

        Of a poisoned journal who waits is told; the journal ends the engine itself.
        """
        try:
            if (poisoned := _poison_in(error)) is not None:
                raise poisoned
            with trio.CancelScope(shield=True):
                await actor.recorder.settled()
        except JournalPoisoned as poison:
            execution.fail(poison)
            self._gone(execution, actor)
            return
        reason = _innermost(error)
        self._quarantine(execution.id, reason)
        self._handles.pop(execution.id, None)
        execution.fail(ExecutionFaulted(execution.id, str(reason)))
        self._gone(execution, actor)
        self._vacate(flow.name, execution.id)

    def _quarantine(self, execution_id: str, error: BaseException) -> None:
        self.quarantined[execution_id] = f"{type(error).__name__}: {error}"
        self._timers.drop(execution_id)
        logger.error("execution %s is quarantined", execution_id, exc_info=error)


def _give(command: OperatorCommand, recorder: Recorder) -> None:
    """Record a command in an entry of its own."""
    with recorder.acting_for(command.by):
        apply(command, recorder)


def _full(limit: float, flow: Flow) -> str:
    return f"{limit:g} executions of {flow.name} are open, which is its limit"


def _refuse(recorder: Recorder, reason: str, verdict: str) -> None:
    """One too many: the execution ends at once, and the journal says why."""
    if verdict == "CANCEL":
        recorder.record(lambda sequence, at: ExecutionCancelled(sequence=sequence, at=at, reason=reason))
    else:
        failure = Failure(message=reason, kind="ConcurrencyLimit")
        recorder.record(lambda sequence, at: ExecutionFailed(sequence=sequence, at=at, error=failure))


def _innermost(error: BaseException) -> BaseException:
    """The one error inside the groups that nurseries wrap errors in, if it is one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _poison_in(error: BaseException) -> JournalPoisoned | None:
    """Find a poisoned journal inside the groups that nurseries wrap errors in."""
    if isinstance(error, JournalPoisoned):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for part in inner if (found := _poison_in(part)) is not None), None)
