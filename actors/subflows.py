"""Executions that executions start: found, started once, asked, stopped."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from hookledger.actors.bench import Causes, Child, ChildRefused
from hookledger.actors.errors import CommandRefused, DeliveryRefused, FlowUnusable
from hookledger.actors.flows import FlowBook
from hookledger.actors.handle import Execution
from hookledger.actors.off_loop import rendering
from hookledger.actors.operators import Kill, OperatorCommand
from hookledger.actors.reception import Delivery, First, Make, Reception
from hookledger.journal.errors import ExecutionDamaged, ExecutionUnknown
from hookledger.journal.events import ChildStarted
from hookledger.runtime.flow.model import Flow


class Running(Protocol):
    """What is needed of the supervisor."""

    async def start_once(self, execution_id: str, make: Make, actor: str) -> bool: ...
    async def attach(self, execution_id: str) -> Execution: ...
    async def command(self, execution_id: str, command: OperatorCommand) -> None: ...


class Subflows:
    """Implements `Children` for every actor of a supervisor."""

    def __init__(self, supervisor: Running, flows: FlowBook, reception: Reception) -> None:
        self._supervisor = supervisor
        self._flows = flows
        self._reception = reception

    async def prepare(
        self,
        namespace: str,
        flow_id: str,
        revision: int | None,
        inputs: Mapping[str, Any],
        causes: Causes,
    ) -> Child:
        flow = self._flow(namespace, flow_id, revision)
        declared = {one.id.partition(".")[0] for one in flow.inputs} | {one.id for one in flow.inputs}
        known = {name: value for name, value in inputs.items() if name in declared}
        try:
            child, _ = await rendering(
                lambda: self._reception.receive(flow, None, Delivery(inputs=known, causes=causes))
            )
        except (FlowUnusable, DeliveryRefused) as error:
            raise ChildRefused(str(error)) from error
        strays = tuple(str(name) for name in inputs if name not in declared)
        return Child(child, flow.revision, known, strays, flow.labels)

    async def ensure(
        self, parent: str, started: ChildStarted, about: Mapping[str, Any], causes: Causes
    ) -> None:
        await self._supervisor.start_once(
            started.child, lambda: self._first(parent, started, about, causes), f"execution:{parent}"
        )

    def _first(self, parent: str, started: ChildStarted, about: Mapping[str, Any], causes: Causes) -> First:
        flow = self._flow(started.namespace, started.flow, started.revision)
        delivery = Delivery(
            variables=about,
            inputs=started.inputs,
            labels=started.labels,
            parent=parent if started.wait else "",
            parent_path=started.path,
            causes=causes,
            source="subflow",
        )
        try:
            _, received = self._reception.receive(flow, None, delivery, execution_id=started.child)
        except (FlowUnusable, DeliveryRefused) as error:
            raise ChildRefused(str(error)) from error
        return First(flow, received)

    async def result(self, child: str) -> tuple[str, Mapping[str, Any]] | None:
        try:
            final = (await self._supervisor.attach(child)).final
        except (ExecutionUnknown, ExecutionDamaged):
            return None
        return None if final is None else (final.status, final.outputs)

    async def kill(self, child: str, by: str, reason: str) -> None:
        with suppress(CommandRefused, ExecutionUnknown, ExecutionDamaged):
            await self._supervisor.command(child, Kill(by=by, reason=reason))

    def _flow(self, namespace: str, flow_id: str, revision: int | None) -> Flow:
        found = (
            self._flows.newest(namespace, flow_id)
            if revision is None
            else self._flows.pinned(namespace, flow_id, revision)
        )
        if found is None:
            which = "" if revision is None else f" revision {revision}"
            raise ChildRefused(f"there is no flow {namespace}/{flow_id}{which}")
        if found.flow is None:
            raise ChildRefused(f"the flow {namespace}/{flow_id} does not parse: {found.error}")
        return found.flow
