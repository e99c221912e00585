"""Fires Schedule triggers. When one last fired is read from the journal, so no time is lost or doubled."""

import logging
import math
from functools import partial
from typing import Final, Protocol

import trio

from hookledger.actors.clock import ClockWatch
from hookledger.actors.flows import FlowBook
from hookledger.actors.followups import FollowUp
from hookledger.actors.ids import scheduled_id, time_of
from hookledger.actors.ports import Ports
from hookledger.actors.reception import Delivery, Reception
from hookledger.journal.events import ClockStepped
from hookledger.journal.journal import Journal
from hookledger.journal.store import Query, Reader
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.triggers.schedule import ScheduleSettings

HISTORY_PAGE = 500
LOOK_SECONDS: Final = 10
"""How often the wall clock is compared with time that goes by."""

logger = logging.getLogger("hookledger.actors")


class Starter(Protocol):
    """What is needed of the supervisor."""

    def look_again(self) -> None: ...
    async def start_by_trigger(self, wanted: FollowUp, actor: str) -> None: ...


class Schedules:
    """All schedules of all flows."""

    def __init__(
        self, journal: Journal, flows: FlowBook, reception: Reception, ports: Ports, starter: Starter
    ) -> None:
        self._journal = journal
        self._flows = flows
        self._reception = reception
        self._ports = ports
        self._starter = starter
        self._last: dict[tuple[str, str], int] = {}
        """When each trigger last fired or was looked at, by flow name and trigger id; microseconds."""
        self._changed = trio.Event()
        self._watch = ClockWatch(ports.clock, self._stepped)

    def look_again(self) -> None:
        """A flow was registered or removed."""
        self._changed.set()

    def _stepped(self, step: int) -> None:
        """Times that the clock was set past do not happen; from the new time on schedules go by it."""
        self._journal.append_system(lambda sequence, at: ClockStepped(sequence=sequence, at=at, step=step))
        logger.warning("the wall clock was set %+.1f s; schedules go by the new time", step / 1_000_000)
        now = self._ports.clock.now()
        self._last = dict.fromkeys(self._last, now)
        self.look_again()

    async def watch(self) -> None:
        """Look at the wall clock now and then, for ever."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self._watch.look()
            self._starter.look_again()

    async def run(self) -> None:
        """Catch up what was missed, then fire on time, for ever."""
        while True:
            self._changed = trio.Event()
            due = await self._fire_due()
            seconds = math.inf if due is None else max(0.0, (due - self._ports.clock.now()) / 1_000_000)
            with trio.move_on_after(seconds):
                await self._changed.wait()

    async def _fire_due(self) -> int | None:
        """Fire everything whose time has come; returns the next time there is."""
        self._watch.look()
        upcoming: list[int] = []
        for flow, trigger, settings in self._triggers():
            key = (flow.name, trigger.id)
            for time in await self._times(flow, trigger, settings):
                await self._fire(flow, trigger, settings, time)
            following = settings.next(self._last[key])
            if following is not None:
                upcoming.append(following)
        return min(upcoming, default=None)

    async def _times(self, flow: Flow, trigger: Trigger, settings: ScheduleSettings) -> list[int]:
        """What is due since the last look; at the first look, what was missed and is to be caught up."""
        key, now = (flow.name, trigger.id), self._ports.clock.now()
        if key in self._last:
            times = settings.due(self._last[key], now)
        else:
            times = settings.missed(await self._last_fired(flow, trigger), now)
        self._last[key] = now
        return times

    async def _fire(self, flow: Flow, trigger: Trigger, settings: ScheduleSettings, time: int) -> None:
        execution_id = scheduled_id(flow.namespace, flow.id, trigger.id, time)
        delivery = Delivery(variables=settings.variables(time))
        make = partial(self._reception.first, flow, trigger, delivery, execution_id)
        wanted = FollowUp(execution_id, flow, trigger.id, make)
        await self._starter.start_by_trigger(wanted, f"schedule:{flow.name}/{trigger.id}")

    async def _last_fired(self, flow: Flow, trigger: Trigger) -> int:
        """The newest execution this trigger started; else the time the flow became known here."""
        registered = self._flows.revisions(flow.namespace, flow.id)

        def newest(reader: Reader) -> int | None:
            query = Query(namespace=flow.namespace, flow=flow.id, limit=HISTORY_PAGE)
            rows, _ = reader.rows(query)
            return next((time_of(row.execution) for row in rows if row.trigger == trigger.id), None)

        found = await self._journal.ask(newest)
        return found if found is not None else registered[-1].at

    def _triggers(self) -> list[tuple[Flow, Trigger, ScheduleSettings]]:
        return [
            (revision.flow, trigger, trigger.settings)
            for revision in self._flows
            if revision.flow is not None and not revision.flow.disabled
            for trigger in revision.flow.triggers
            if isinstance(trigger.settings, ScheduleSettings) and not trigger.disabled
        ]
