"""The flows an engine knows: newest revisions for new deliveries, pinned ones for executions under way.

Built from the FlowRegistered events of the journal, so it can be built again. A source that no longer parses
(a task type was uninstalled, say) is kept with its error instead of its plan.
"""

from collections.abc import Iterator

import msgspec

from hookledger.journal.events import AnyEvent, FlowRegistered, FlowRemoved
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.flow.remains import remains
from hookledger.runtime.tasks.registry import TaskRegistry


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One registered revision."""

    registered: FlowRegistered
    flow: Flow | None
    error: str = ""
    remains: Flow | None = None
    """What can still be read of a source that no longer parses; not to be run."""


class FlowBook:
    """All revisions of all flows of a journal."""

    def __init__(self, registry: TaskRegistry) -> None:
        self._registry = registry
        self._revisions: dict[tuple[str, str], list[FlowRegistered]] = {}
        self._removed: set[tuple[str, str]] = set()
        self._parsed: dict[tuple[str, str, int], Revision] = {}

    def learn(self, event: AnyEvent) -> None:
        """Take in an event of the system stream; others are ignored."""
        if isinstance(event, FlowRegistered):
            self._revisions.setdefault((event.namespace, event.flow), []).append(event)
            self._removed.discard((event.namespace, event.flow))
        elif isinstance(event, FlowRemoved):
            self._removed.add((event.namespace, event.flow))

    def adopt(self, event: FlowRegistered, flow: Flow) -> None:
        """Take in a registration whose source was just parsed."""
        self.learn(event)
        self._parsed[event.namespace, event.flow, event.revision] = Revision(registered=event, flow=flow)

    def newest(self, namespace: str, flow_id: str) -> Revision | None:
        """The revision new deliveries get; None for an unknown or removed flow."""
        registered = self._revisions.get((namespace, flow_id))
        if not registered or (namespace, flow_id) in self._removed:
            return None
        return self._revision(registered[-1])

    def pinned(self, namespace: str, flow_id: str, revision: int) -> Revision | None:
        """A certain revision, also of a removed flow."""
        for registered in self._revisions.get((namespace, flow_id), ()):
            if registered.revision == revision:
                return self._revision(registered)
        return None

    def revisions(self, namespace: str, flow_id: str) -> tuple[FlowRegistered, ...]:
        """Every registration of a flow, oldest first."""
        return tuple(self._revisions.get((namespace, flow_id), ()))

    def next_revision(self, namespace: str, flow_id: str) -> int:
        """The number the next registration gets."""
        registered = self._revisions.get((namespace, flow_id))
        return registered[-1].revision + 1 if registered else 1

    def __iter__(self) -> Iterator[Revision]:
        """Newest revisions of all flows that take deliveries, by name."""
        for namespace, flow_id in sorted(self._revisions):
            newest = self.newest(namespace, flow_id)
            if newest is not None:
                yield newest

    def _revision(self, registered: FlowRegistered) -> Revision:
        key = (registered.namespace, registered.flow, registered.revision)
        if key not in self._parsed:
            self._parsed[key] = self._parse(registered)
        return self._parsed[key]

    def _parse(self, registered: FlowRegistered) -> Revision:
        try:
            flow = parse_flow(registered.source, file=registered.file, registry=self._registry)
        except FlowInvalid as error:
            left = remains(
                registered.source,
                namespace=registered.namespace,
                flow_id=registered.flow,
                revision=registered.revision,
            )
            return Revision(registered=registered, flow=None, error=str(error), remains=left)
        return Revision(
            registered=registered, flow=msgspec.structs.replace(flow, revision=registered.revision)
        )
