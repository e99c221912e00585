"""Checks what a journal means: that each execution did what its flow, with what had happened before, asks for.

Nothing is done again that has an effect. The plan is asked before each event whether it wanted that event; templates
are rendered again with the recorded draws; pure tasks are run again. What needs a secret or the environment of the
server cannot be made again: it is counted and left out.
"""

from collections import Counter
from functools import lru_cache
from typing import Final

import msgspec

from hookledger.actors.again import Watched
from hookledger.actors.course import FlowCourse
from hookledger.actors.ports import Ports
from hookledger.journal.events import AnyEvent, FlowRegistered
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.tasks.registry import TaskRegistry, installed

FLOWS_MAX: Final = 64
"""How many parsed flows are kept."""


class FlowMeaning:
    """All flows a journal has registered so far."""

    def __init__(self, registry: TaskRegistry | None = None) -> None:
        self.skipped: Counter[str] = Counter()
        self.environment = Watched()
        self.ports = Ports(secrets=lambda _name: None)
        self.ports.environment = self.environment
        self._registry = registry or installed()
        self._sources: dict[tuple[str, str, int, str], str] = {}
        self._parsed = lru_cache(FLOWS_MAX)(self._parse)

    def learn(self, event: AnyEvent) -> None:
        """Remember a registered revision."""
        if isinstance(event, FlowRegistered):
            self._sources[event.namespace, event.flow, event.revision, event.sha256] = event.source

    def course(self, execution: str) -> FlowCourse:
        """Begin to follow an execution."""
        return FlowCourse(self, execution)

    def flow(self, namespace: str, flow: str, revision: int, sha256: str) -> Flow | None:
        """The flow an execution is pinned to; None when it was not registered, or is nothing to this program."""
        return self._parsed((namespace, flow, revision, sha256))

    def _parse(self, key: tuple[str, str, int, str]) -> Flow | None:
        try:
            flow = parse_flow(self._sources[key], file="", registry=self._registry)
        except (KeyError, FlowInvalid):
            return None
        return msgspec.structs.replace(flow, revision=key[2])
