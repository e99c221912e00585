"""The embedding surface: open a journal, register flows, trigger them, look at what happened.

    async with Engine.open("data") as engine:
        await engine.register(yaml_source)
        execution = await engine.trigger("company.team", "greet", variables={"name": "Alice"})
        print(await execution.outputs())

Nothing here knows of HTTP servers: importing it pulls in neither Quart nor Hypercorn.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import trio

from hookledger.actors.claims import Claims
from hookledger.actors.errors import DeliveryRefused, FlowUnknown, FlowUnusable, plain_errors
from hookledger.actors.flows import FlowBook, Revision
from hookledger.actors.handle import Execution
from hookledger.actors.http_lazy import open_http
from hookledger.actors.keyvalues import JournaledKeyValues
from hookledger.actors.off_loop import rendering
from hookledger.actors.operators import OperatorCommand
from hookledger.actors.origins import before, events_before
from hookledger.actors.ports import Ports
from hookledger.actors.reception import Delivery, Reception
from hookledger.actors.rendering import Rendered, make_renderer
from hookledger.actors.schedules import Schedules
from hookledger.actors.supervisor import Supervisor
from hookledger.journal.entry import SYSTEM, Header
from hookledger.journal.errors import ExecutionDamaged, ExecutionUnknown, JournalGap
from hookledger.journal.events import (
    AnyEvent,
    ExecutionEvent,
    FlowRegistered,
    FlowRemoved,
    Terminal,
    TriggerReceived,
)
from hookledger.journal.journal import Journal, open_journal
from hookledger.journal.sqlite import SqliteStore
from hookledger.journal.store import Reader, Store
from hookledger.runtime.flow.inputs import Examined
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.flow.templates import Tree
from hookledger.runtime.masking import Masker
from hookledger.runtime.state import State, fold_all
from hookledger.runtime.tasks.registry import TaskRegistry, installed

FOLLOW_UP_ENTRIES: Final = 10_000
"""How far back from the end a crash can have kept a finished execution from starting what it triggers."""
TERMINAL_TYPES: Final = frozenset(kind.__name__ for kind in get_args(Terminal))


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened to an execution so far."""

    execution: str
    events: list[ExecutionEvent]
    """A fork's begin with what it keeps of its origin's."""
    state: State
    flow: Flow | None
    """At the execution's revision; None when it cannot be read any more."""


class Engine:
    """An open journal and the executions in it. Make it with `Engine.open`."""

    def __init__(
        self,
        journal: Journal,
        flows: FlowBook,
        ports: Ports,
        registry: TaskRegistry,
        supervisor: Supervisor,
        reception: Reception,
        schedules: Schedules,
    ) -> None:
        self.journal = journal
        self.flows = flows
        self.ports = ports
        self.registry = registry
        self.supervisor = supervisor
        self.claims = Claims(journal)
        self.ready = trio.Event()
        """Set once every execution that was open is taken up again."""
        self._reception = reception
        self._schedules = schedules
        self._registering = trio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        data: str | Path | Store,
        *,
        ports: Ports | None = None,
        registry: TaskRegistry | None = None,
        recover_in_background: bool = False,
        linger: float = 0.0,
    ) -> "AsyncGenerator[Engine]":
        """Own a journal until the block ends. Executions that were open go on at once.

        Args:
            data: A directory (made when missing), or a store of your own.
            ports: The outside world; the real one by default.
            registry: Task types; the built-in and installed ones by default.
            recover_in_background: Begin the block before open executions are taken up; `ready` says when they are.
            linger: Seconds between a failed commit and the block's cancellation, in which callers can be answered.

        Raises:
            JournalLocked: Another process has the directory.
            JournalPoisoned: A commit failed; the block is cancelled.
        """
        ports, registry = ports or Ports(), registry or installed()
        store = SqliteStore(Path(data)) if isinstance(data, str | Path) else data
        try:
            async with (
                plain_errors(),
                _http_for(ports),
                open_journal(
                    store, clock=ports.clock, entropy=ports.entropy, writer=ports.writer, linger=linger
                ) as journal,
                trio.open_nursery() as nursery,
            ):
                engine = await _opened(cls, journal, ports, registry, nursery)
                if recover_in_background:
                    nursery.start_soon(engine._recover, nursery)
                else:
                    await engine._recover(nursery)
                yield engine
                nursery.cancel_scope.cancel()
        finally:
            store.close()

    @property
    def quarantined(self) -> Mapping[str, str]:
        """Open executions that cannot be taken up, by id, each with the reason; everything else runs."""
        return self.supervisor.quarantined

    async def register(
        self,
        source: str,
        *,
        file: str = "",
        by: str = "engine:self",
        check: Callable[[Revision | None], None] | None = None,
    ) -> Flow:
        """Make a flow known; a source equal to the newest revision's changes nothing.

        Args:
            check: Called with the newest revision, None for a new flow, when nothing can come between that and
                the change; what it raises stops the registration.

        Raises:
            FlowInvalid: With everything that is wrong with it.
        """
        flow = parse_flow(source, file=file, registry=self.registry)
        async with self._registering:
            newest = self.flows.newest(flow.namespace, flow.id)
            if check is not None:
                check(newest)
            if newest is not None and newest.flow is not None and newest.registered.sha256 == flow.sha256:
                return newest.flow
            return await self._register(flow, file, by)

    async def remove(self, namespace: str, flow_id: str, *, by: str = "engine:self") -> None:
        """Take a flow out of service; its history stays.

        Raises:
            FlowUnknown: There is none.
        """
        newest = self.flow_revision(namespace, flow_id).registered
        removed: list[FlowRemoved] = []

        def make(sequence: int, at: int) -> FlowRemoved:
            removed.append(
                FlowRemoved(
                    sequence=sequence,
                    at=at,
                    namespace=namespace,
                    flow=flow_id,
                    revision=newest.revision,
                    by=by,
                )
            )
            return removed[0]

        ticket = self.journal.append_system(make, actor=by)
        self.flows.learn(removed[0])
        self._schedules.look_again()
        await ticket.durable()

    def flow_revision(self, namespace: str, flow_id: str) -> Revision:
        """The newest revision of a flow.

        Raises:
            FlowUnknown: There is none.
        """
        revision = self.flows.newest(namespace, flow_id)
        if revision is None:
            raise FlowUnknown(namespace, flow_id)
        return revision

    def flow(self, namespace: str, flow_id: str, revision: int = 0) -> Flow:
        """A revision of a flow, ready to run; 0 for the newest.

        Raises:
            FlowUnknown: There is none.
            FlowUnusable: Its source no longer parses here, or there is no such revision.
        """
        newest = self.flow_revision(namespace, flow_id)
        found = self.flows.pinned(namespace, flow_id, revision) if revision else newest
        if found is None or found.flow is None:
            raise FlowUnusable(found.error if found else f"{namespace}/{flow_id} has no revision {revision}")
        return found.flow

    async def trigger(
        self,
        namespace: str,
        flow_id: str,
        *,
        trigger: str | None = None,
        variables: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        by: str = "embedded:host",
    ) -> Execution:
        """Start a flow from a program; returns once the execution can no longer be lost.

        Args:
            trigger: Id of one of the flow's triggers, whose conditions, inputs and labels then apply.
            variables: What the flow sees as `trigger`.

        Raises:
            FlowUnknown: There is no such flow or trigger.
            FlowUnusable: It is disabled or does not parse.
            DeliveryRefused: The trigger's rules or the inputs say no.
        """
        flow = self.flow(namespace, flow_id)
        found = flow.trigger(trigger) if trigger is not None else None
        if trigger is not None and found is None:
            raise FlowUnknown(namespace, f"{flow_id} with a trigger {trigger}")
        delivery = Delivery(
            variables=variables or {}, inputs=inputs or {}, labels=labels or {}, source="engine"
        )
        execution = await self.deliver(flow, found, delivery, actor=by)
        await execution.accepted()
        return execution

    async def deliver(
        self,
        flow: Flow,
        trigger: Trigger | None,
        delivery: Delivery,
        *,
        actor: str,
        wait: bool = False,
        return_outputs: bool = False,
        response_content_type: str = "",
        execution_id: str = "",
    ) -> Execution:
        """Start an execution for a delivery. The caller awaits `accepted` or `finished`.

        Raises:
            FlowUnusable, DeliveryRefused: As `trigger`.
        """
        started, received = await rendering(
            lambda: self._reception.receive(
                flow,
                trigger,
                delivery,
                wait=wait,
                return_outputs=return_outputs,
                response_content_type=response_content_type,
                execution_id=execution_id,
            )
        )
        return self.supervisor.start(started, flow, received, actor, later=True)

    async def deliver_each(
        self, flow: Flow, trigger: Trigger, deliveries: Sequence[Delivery], *, actor: str, dry: bool = False
    ) -> list[Execution | DeliveryRefused | None]:
        """Start an execution for each item of a batch, all in one commit, or none.

        An item whose condition is not met is left out: its place holds the reason. `dry` starts nothing.

        Raises:
            FlowUnusable, DeliveryRefused: As `trigger`; nothing is started.
        """
        found = await rendering(lambda: self._reception.receive_each(flow, trigger, deliveries))
        start = self.supervisor.start
        return [
            one if isinstance(one, DeliveryRefused) else None if dry else start(one[0], flow, one[1], actor)
            for one in found
        ]

    async def examine(
        self, flow: Flow, trigger: Trigger | None, delivery: Delivery, *, wait: bool = False
    ) -> TriggerReceived:
        """What `deliver` would record, without starting anything.

        Raises:
            FlowUnusable, DeliveryRefused: As `trigger`.
        """
        return (await rendering(lambda: self._reception.receive(flow, trigger, delivery, wait=wait)))[1]

    async def examine_inputs(self, flow: Flow, delivery: Delivery) -> list[Examined]:
        """Say of every input what a start by hand would make of it, or what is wrong with it.

        Raises:
            FlowUnusable: The flow is disabled.
        """
        return await rendering(lambda: self._reception.examine_inputs(flow, delivery))

    async def command(self, execution_id: str, command: OperatorCommand) -> None:
        """Kill, pause, resume, label or annotate an execution; returns once that is durable.

        Raises:
            ExecutionUnknown: There is no such execution.
            CommandRefused: It is not possible now.
        """
        await self.supervisor.command(execution_id, command)

    async def attach(self, execution_id: str) -> Execution:
        """A handle for an execution somebody else started.

        Raises:
            ExecutionUnknown: There is no such execution.
        """
        return await self.supervisor.attach(execution_id)

    async def events(self, execution_id: str) -> list[ExecutionEvent]:
        """The durable events of an execution.

        Raises:
            ExecutionUnknown: There is no such execution.
            ExecutionDamaged: Its entries cannot be read.
        """
        with _legible(execution_id):
            events: list[Any] = await self.journal.read(execution_id)
        if not events or execution_id == SYSTEM:
            raise ExecutionUnknown(execution_id)
        return events

    async def replay(self, execution_id: str, *, at: int | None = None) -> State:
        """State rebuilt from the journal, up to and including event `at`.

        Raises:
            ExecutionUnknown: There is no such execution.
            ExecutionDamaged: Its entries cannot be read.
        """

        def folded(reader: Reader) -> State:
            """Beside the event loop: a long history takes long."""
            events: Any = [event for entry in reader.entries(execution_id) for event in entry.events()]
            if not events or execution_id == SYSTEM:
                raise ExecutionUnknown(execution_id)
            told = (event for event in events if at is None or event.sequence <= at)
            return fold_all(told, before(reader.entries, events))

        with _legible(execution_id):
            return await self.journal.ask(folded)

    async def past(self, execution_id: str) -> Past:
        """Everything durable of an execution: its events, the state they fold to, the flow that explains them.

        Raises:
            ExecutionUnknown: There is no such execution.
            ExecutionDamaged: Its entries cannot be read.
        """

        def read(reader: Reader) -> tuple[list[Any], State]:
            """Beside the event loop, as above."""
            events: list[Any] = [event for entry in reader.entries(execution_id) for event in entry.events()]
            if not events or execution_id == SYSTEM:
                raise ExecutionUnknown(execution_id)
            kept = events_before(reader.entries, events)
            return [*kept, *events], fold_all(events, before(reader.entries, events))

        with _legible(execution_id):
            events, state = await self.journal.ask(read)
        return Past(execution=execution_id, events=events, state=state, flow=self.flow_of(state))

    def flow_of(self, state: State) -> Flow | None:
        """The revision an execution is pinned to; None when it cannot be read any more."""
        received = state.received
        if received is None:
            return None
        pinned = self.flows.pinned(received.namespace, received.flow, state.revision)
        return pinned.flow if pinned is not None else None

    def render(self, flow: Flow, execution_id: str, state: State, tree: Tree) -> Rendered:
        """Render something of a flow against an execution."""
        assert state.received is not None
        renderer = make_renderer(flow, execution_id, state.received, self.ports, Masker())
        return renderer.whole(state, tree)

    async def _recover(self, nursery: trio.Nursery) -> None:
        await self.supervisor.recover()
        self.ready.set()
        await _follow_up_again(self.journal, self.supervisor)
        nursery.start_soon(self._schedules.run)
        nursery.start_soon(self._schedules.watch)

    async def _register(self, flow: Flow, file: str, by: str) -> Flow:
        flow = msgspec.structs.replace(flow, revision=self.flows.next_revision(flow.namespace, flow.id))
        made: list[FlowRegistered] = []

        def make(sequence: int, at: int) -> FlowRegistered:
            made.append(
                FlowRegistered(
                    sequence=sequence,
                    at=at,
                    namespace=flow.namespace,
                    flow=flow.id,
                    revision=flow.revision,
                    sha256=flow.sha256,
                    source=flow.source,
                    file=file,
                    by=by,
                )
            )
            return made[0]

        ticket = self.journal.append_system(make, actor=by)
        self.flows.adopt(made[0], flow)
        self.supervisor.revised(flow)
        self._schedules.look_again()
        await ticket.durable()
        return flow


async def _opened(
    cls: type[Engine], journal: Journal, ports: Ports, registry: TaskRegistry, nursery: trio.Nursery
) -> Engine:
    flows = FlowBook(registry)
    values = JournaledKeyValues(journal)

    def learn(event: AnyEvent) -> None:
        flows.learn(event)
        values.learn(event)

    await journal.each_system(learn)
    ports.services["kv"] = values
    reception = Reception(ports)
    supervisor = Supervisor(journal, flows, ports, reception, nursery)
    schedules = Schedules(journal, flows, reception, ports, supervisor)
    nursery.start_soon(supervisor.run_timers)
    return cls(journal, flows, ports, registry, supervisor, reception, schedules)


@contextmanager
def _legible(execution_id: str) -> Generator[None]:
    """What cannot be read, or does not follow, is damage of that execution, whatever showed it."""
    try:
        yield
    except (msgspec.DecodeError, JournalGap, KeyError, AssertionError) as error:
        raise ExecutionDamaged(execution_id, f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def _http_for(ports: Ports) -> AsyncGenerator[None]:
    """Tasks reach the network through our own client, unless the host handed in another."""
    if "http" in ports.services:
        yield
        return
    async with open_http(ports.services.get("targets")) as client:
        ports.services["http"] = client
        try:
            yield
        finally:
            del ports.services["http"]


async def _follow_up_again(journal: Journal, supervisor: Supervisor) -> None:
    """What ended last may not have started what it triggers: a stop, in good order or not, came in between.

    Only of what has not begun yet a history is read; everything else the index tells.
    """
    expected = supervisor.expected_follow_ups()

    def left(reader: Reader) -> list[tuple[str, int]]:
        tip = reader.tip()
        first = max(0, (tip.position if tip else 0) - FOLLOW_UP_ENTRIES)
        return [
            (header.exec, header.ts)
            for header in reader.headers(first)
            if TERMINAL_TYPES.intersection(header.types) and missing(reader, header)
        ]

    def missing(reader: Reader, end: Header) -> bool:
        with suppress(msgspec.DecodeError):  # the row is damaged, and that stops nobody else
            row = reader.row(end.exec)
            return row is not None and any(
                reader.row(following) is None for following in expected(row, end.ts)
            )
        return False

    for execution_id, at in await journal.ask(left):
        await supervisor.follow_up(execution_id, at)
